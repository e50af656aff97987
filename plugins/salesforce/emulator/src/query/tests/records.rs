//! What records look like.

use serde_json::{Value, json};

use super::*;

#[test]
fn members_follow_the_select_list_in_canonical_case() {
    let org = Org::new();
    let account = org.put("Account", &[("Name", "Böhm \"&\" Co\n")]);
    let contact = org.put(
        "Contact",
        &[
            ("Name", "A"),
            ("AccountId", &account),
            ("IsDeleted", "false"),
            ("CreatedDate", "2026-01-02T03:04:05.678Z"),
        ],
    );
    let text = org
        .text("select nAME, account.NAME, id, Email, createdDATE, isdeleted, Account.id FROM contact", false);
    let expected = format!(
        "{{\"totalSize\":1,\"done\":true,\"records\":[{{\"attributes\":{{\"type\":\"Contact\",\"url\":\
         \"/services/data/v66.0/sobjects/Contact/{contact}\"}},\"Name\":\"A\",\"Account\":{{\"attributes\":{{\"type\":\
         \"Account\",\"url\":\"/services/data/v66.0/sobjects/Account/{account}\"}},\"Name\":\"Böhm \\\"&\\\" Co\\n\",\
         \"Id\":\"{account}\"}},\"Id\":\"{contact}\",\"Email\":null,\"CreatedDate\":\"2026-01-02T03:04:05.678+0000\",\
         \"IsDeleted\":false}}]}}"
    );
    assert_eq!(text, Ok(expected));
}

#[test]
fn a_missing_parent_is_null() {
    let org = Org::new();
    org.put("Contact", &[("Name", "A")]);
    let account = org.put("Account", &[("Name", "Orphan")]);
    org.put("Contact", &[("Name", "B"), ("AccountId", &account)]);
    let answer =
        org.answer("SELECT Account.Name, Account.Owner.Name, Account.IsDeleted FROM Contact ORDER BY Name");
    assert_eq!(answer["records"][0]["Account"], Value::Null);
    assert_eq!(answer["records"][1]["Account"]["Name"], "Orphan");
    assert_eq!(answer["records"][1]["Account"]["Owner"], Value::Null);
}

#[test]
fn numbers_are_exact() {
    let org = Org::new();
    for amount in ["1000", "0.5", "1234.56", "9999999999999999.99", "-0.01"] {
        org.put("Opportunity", &[("Name", amount), ("Amount", amount), ("Probability", "10")]);
    }
    let text = org.text("SELECT Amount, Probability FROM Opportunity", false).expect("answer");
    for amount in ["1000.0", "0.5", "1234.56", "9999999999999999.99", "-0.01"] {
        assert!(text.contains(&format!("\"Amount\":{amount},\"Probability\":10.0}}")), "{amount} in {text}");
    }
}

#[test]
fn polymorphic_parents_read_as_name() {
    let org = Org::new();
    let contact = org.put("Contact", &[("Name", "Ann"), ("Email", "a@example.com")]);
    let lead = org.put("Lead", &[("Name", "Leo")]);
    let account = org.put("Account", &[("Name", "Acme")]);
    let user = org.put("User", &[("Name", "Uma"), ("Username", "uma@example.com")]);
    org.put("Task", &[("Subject", "1"), ("WhoId", &contact), ("WhatId", &account), ("OwnerId", &user)]);
    org.put("Task", &[("Subject", "2"), ("WhoId", &lead)]);
    org.put("Task", &[("Subject", "3")]);
    let answer = org
        .answer("SELECT Who.Name, Who.Type, Who.Email, What.Name, Owner.Username FROM Task ORDER BY Subject");
    let first = &answer["records"][0];
    assert_eq!(
        first["Who"],
        json!({
            "attributes": {"type": "Name", "url": format!("/services/data/v66.0/sobjects/Contact/{contact}")},
            "Name": "Ann", "Type": "Contact", "Email": "a@example.com"
        })
    );
    assert_eq!(first["What"]["Name"], "Acme");
    assert_eq!(first["Owner"]["Username"], "uma@example.com");
    assert_eq!(answer["records"][1]["Who"]["Type"], "Lead");
    assert_eq!(answer["records"][1]["What"], Value::Null);
    assert_eq!(answer["records"][2]["Who"], Value::Null);
    assert_eq!(org.column("SELECT Subject FROM Task WHERE Who.Type = 'lead'", "Subject"), ["2"]);
    assert_eq!(org.column("SELECT Subject FROM Task WHERE What.Name LIKE 'ac%'", "Subject"), ["1"]);
    assert_eq!(
        org.column("SELECT Subject FROM Task ORDER BY Who.Name DESC NULLS LAST", "Subject"),
        ["2", "1", "3"]
    );
}

#[test]
fn type_of_gives_fields_by_type() {
    let org = Org::new();
    let account = org.put("Account", &[("Name", "Acme"), ("Phone", "1")]);
    let opportunity = org.put("Opportunity", &[("Name", "Deal"), ("Amount", "5")]);
    let campaign = org.put("Campaign", &[("Name", "Spring")]);
    for (subject, what) in [("1", &account), ("2", &opportunity), ("3", &campaign)] {
        org.put("Task", &[("Subject", subject), ("WhatId", what)]);
    }
    let answer = org.answer(
        "SELECT TYPEOF What WHEN Account THEN Phone, Name WHEN Opportunity THEN Amount ELSE Name END FROM Task \
         ORDER BY Subject",
    );
    assert_eq!(answer["records"][0]["What"]["Phone"], "1");
    assert_eq!(answer["records"][1]["What"]["attributes"]["type"], "Opportunity");
    assert_eq!(answer["records"][1]["What"]["Amount"], 5.0);
    assert_eq!(answer["records"][2]["What"]["Name"], "Spring");
}

#[test]
fn addresses_are_put_together() {
    let org = Org::new();
    org.put("Contact", &[("Name", "A"), ("MailingStreet", "1 Way"), ("MailingLatitude", "1.5")]);
    org.put("Contact", &[("Name", "B"), ("OtherCity", "X")]);
    let answer = org.answer("SELECT MailingAddress FROM Contact ORDER BY Name");
    assert_eq!(
        answer["records"][0]["MailingAddress"],
        json!({
            "city": null, "country": null, "geocodeAccuracy": null, "latitude": 1.5, "longitude": null,
            "postalCode": null, "state": null, "street": "1 Way"
        })
    );
    assert_eq!(answer["records"][1]["MailingAddress"], Value::Null);
}

#[test]
fn children_come_with_their_parent() {
    let org = Org::new();
    let a = org.put("Account", &[("Name", "A")]);
    org.put("Account", &[("Name", "B")]);
    for (name, deleted) in [("x", "false"), ("y", "false"), ("z", "true")] {
        org.put("Contact", &[("LastName", name), ("Name", name), ("AccountId", &a), ("IsDeleted", deleted)]);
    }
    let soql = "SELECT Name, (SELECT LastName, Account.Name FROM Contacts ORDER BY LastName DESC LIMIT 5) FROM Account \
                ORDER BY Name";
    let answer = org.answer(soql);
    let children = &answer["records"][0]["Contacts"];
    assert_eq!(children["totalSize"], 2);
    assert_eq!(children["done"], true);
    assert_eq!(column(children, "LastName"), ["y", "x"]);
    assert_eq!(children["records"][0]["Account"]["Name"], "A");
    assert_eq!(answer["records"][1]["Contacts"], Value::Null);
    assert_eq!(column(&org.all(soql)["records"][0]["Contacts"], "LastName"), ["z", "y", "x"]);
    let filtered = org.answer(
        "SELECT Id, (SELECT Id FROM a.Contacts WHERE LastName = 'X') FROM Account a WHERE a.Name = 'A'",
    );
    assert_eq!(filtered["records"][0]["Contacts"]["totalSize"], 1);
}

#[test]
fn functions_of_the_select_list() {
    let mut org = Org::new();
    let mut field = FieldSchema::new("Kind__c", FieldType::Picklist);
    field.picklist = vec![crate::schema::PicklistValue {
        label: Some("Große Sache".to_owned()),
        ..crate::schema::PicklistValue::new("big")
    }];
    let thing = org.schema.object("Thing__c").expect("object").clone();
    org.conn.execute_batch(&super::super::ddl::add_column_sql(&thing, &field)).expect("column");
    org.schema.add_field("Thing__c", field).expect("new");
    org.put("Thing__c", &[("Name", "a"), ("Kind__c", "big"), ("At__c", "10:30:00"), ("Score__c", "1234.5")]);
    let answer = org.answer("SELECT toLabel(Kind__c), At__c, FORMAT(Score__c) shown FROM Thing__c");
    assert_eq!(answer["records"][0]["Kind__c"], "Große Sache");
    assert_eq!(answer["records"][0]["At__c"], "10:30:00.000Z");
    assert_eq!(answer["records"][0]["shown"], "1,234.5");
    assert_eq!(
        org.names("SELECT Name FROM Thing__c WHERE toLabel(Kind__c) = 'grosse sache'"),
        Vec::<String>::new()
    );
    assert_eq!(org.names("SELECT Name FROM Thing__c WHERE toLabel(Kind__c) = 'GROßE sache'"), ["a"]);
    assert_eq!(org.names("SELECT Name FROM Thing__c WHERE toLabel(Kind__c) LIKE 'große%'"), ["a"]);
    assert_eq!(org.names("SELECT Name FROM Thing__c WHERE Kind__c = 'Große Sache'"), Vec::<String>::new());
}

#[test]
fn fields_of_a_set_are_those_the_user_sees() {
    let mut org = Org::new();
    org.put("Thing__c", &[("Name", "a")]);
    org.visibility.set_field("Thing__c", "Text__c", crate::schema::visibility::FieldAccess::NONE);
    let keys = |soql: &str| -> Vec<String> {
        let answer = org.answer(soql);
        answer["records"][0].as_object().expect("record").keys().cloned().collect()
    };
    let all = keys("SELECT FIELDS(ALL) FROM Thing__c LIMIT 200");
    assert!(all.contains(&"Score__c".to_owned()) && all.contains(&"Id".to_owned()));
    assert!(!all.contains(&"Text__c".to_owned()));
    let standard = keys("SELECT FIELDS(STANDARD) FROM Thing__c");
    assert!(!standard.contains(&"Score__c".to_owned()) && standard.contains(&"SystemModstamp".to_owned()));
}

#[test]
fn deleted_and_archived_rows_are_for_query_all() {
    let org = Org::new();
    org.put("Task", &[("Subject", "live")]);
    org.put("Task", &[("Subject", "deleted"), ("IsDeleted", "true")]);
    org.put("Task", &[("Subject", "archived"), ("IsArchived", "true")]);
    assert_eq!(org.column("SELECT Subject FROM Task", "Subject"), ["live"]);
    assert_eq!(org.answer("SELECT COUNT() FROM Task"), json!({"totalSize": 1, "done": true, "records": []}));
    assert_eq!(column(&org.all("SELECT Subject FROM Task"), "Subject"), ["live", "deleted", "archived"]);
    assert_eq!(column(&org.all("SELECT Subject FROM Task WHERE IsDeleted = true"), "Subject"), ["deleted"]);
}

#[test]
fn columns_and_plans_have_the_known_shape() {
    let org = Org::new();
    org.put("Account", &[("Name", "A")]);
    let user = UserContext { user_id: USER.to_owned() };
    let describe = |soql: &str| {
        super::super::columns(&org.schema, &org.visibility, soql, now(), &user).expect("columns")
    };
    let described = describe("SELECT Id, Name, Owner.Name, (SELECT LastName FROM Contacts) FROM Account");
    assert_eq!(described["entityName"], "Account");
    assert_eq!(described["keyPrefix"], "001");
    assert_eq!(described["idSelected"], true);
    assert_eq!(described["columnMetadata"][2]["joinColumns"][0]["columnName"], "Name");
    assert_eq!(described["columnMetadata"][3]["aggregate"], true);
    // The names of keys stand with the parents that they lead to, and nowhere else.
    let keys = describe("SELECT OwnerId, Parent.Owner.Name, Owner.Profile.Name FROM Account");
    let key = |column: &Value| (column["columnName"].clone(), column["foreignKeyName"].clone());
    let named = |column: &str, key: Value| (json!(column), key);
    let columns = &keys["columnMetadata"];
    assert_eq!(key(&columns[0]), named("OwnerId", Value::Null));
    assert_eq!(key(&columns[1]), named("Parent", json!("ParentId")));
    assert_eq!(key(&columns[1]["joinColumns"][0]), named("Owner", json!("OwnerId")));
    assert_eq!(key(&columns[2]["joinColumns"][0]), named("Profile", json!("ProfileId")));
    let folded = describe("SELECT AVG(Amount), StageName s, COUNT(Id) n FROM Opportunity GROUP BY StageName");
    let columns = &folded["columnMetadata"];
    let shown = |column: &Value| [column["columnName"].clone(), column["displayName"].clone()];
    assert_eq!(shown(&columns[0]), ["expr0", "avg(Amount)"]);
    assert_eq!(shown(&columns[1]), ["s", "StageName"]);
    assert_eq!(shown(&columns[2]), ["n", "count(Id)"]);
    assert_eq!([&columns[0]["apexType"], &columns[2]["apexType"]], [&Value::Null; 2]);
    assert_eq!(folded["groupBy"], true);

    let soql = "SELECT Id FROM Account WHERE SystemModstamp > 2020-01-01T00:00:00Z";
    let prepared = prepare(&org.schema, &org.visibility, soql, false, now(), &user).expect("valid");
    let plan = super::super::explain(&org.conn, &prepared).expect("plan");
    assert_eq!(plan["plans"][0]["leadingOperationType"], "Index");
    assert_eq!(plan["plans"][0]["fields"], json!(["SystemModstamp"]));
    assert_eq!(plan["plans"][0]["sobjectCardinality"], 1);
}
