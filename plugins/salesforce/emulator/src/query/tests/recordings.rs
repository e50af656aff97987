//! Answers of real orgs: their rows are loaded, their queries run, their bodies compared.

use std::path::PathBuf;

use super::*;

/// The body and the query of a recorded exchange; none, with a line saying so, where the recordings are absent.
fn recorded(name: &str) -> Option<(Value, String)> {
    let root = std::env::var_os("UNICRM_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/fixtures/salesforce"),
        PathBuf::from,
    );
    let path = root.join("exchanges").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no recording {name}; set UNICRM_FIXTURES to its directory");
        return None;
    };
    let exchange: Value = serde_json::from_str(&text).expect("JSON");
    let Some(body) = exchange["response"]["body"].as_str() else { return Some((exchange, String::new())) };
    let soql = exchange["request"]["queryParameters"]["q"]["equalTo"].as_str().unwrap_or_default();
    Some((serde_json::from_str(body).expect("JSON"), soql.to_owned()))
}

fn id_of(record: &Value) -> String {
    let url = record["attributes"]["url"].as_str().expect("url");
    url.rsplit('/').next().expect("id").to_owned()
}

fn run(org: &Org, soql: &str, version: &'static str) -> Result<Value, SalesforceError> {
    let user = UserContext { user_id: USER.to_owned() };
    let prepared = prepare(&org.schema, &org.visibility, soql, false, now(), &user)?;
    let options = PageOptions { version, ..org.options() };
    let body = answer_query(&org.conn, &prepared, &org.locators, &options)?;
    Ok(serde_json::from_slice(&body).expect("JSON"))
}

#[test]
fn errors_read_as_recorded() {
    for (name, soql) in [
        ("forcedotcom__sf-fx-runtime-java__query-malformed-soql.json", None),
        ("forcedotcom__sf-fx-runtime-java__query-unknown-column.json", None),
        // The query is not in the recording; these two words stand before the part that it shows.
        (
            "amp-labs__connectors__unknown-object.json",
            Some("SELECT Id,Name,BillingCity,IsDeleted FROM Accout"),
        ),
    ] {
        let Some((body, recorded)) = recorded(name) else { continue };
        let error = run(&Org::new(), soql.unwrap_or(&recorded), "53.0").expect_err("refused");
        assert_eq!(body[0]["message"], error.message.as_str(), "{name}");
        assert_eq!(body[0]["errorCode"], error.code.as_str(), "{name}");
    }
}

#[test]
fn children_read_as_recorded() {
    let Some((body, soql)) = recorded("forcedotcom__sf-fx-runtime-java__query-with-subquery.json") else {
        return;
    };
    let org = Org::new();
    for account in body["records"].as_array().expect("records") {
        let id = id_of(account);
        org.put("Account", &[("Id", &id), ("Name", account["Name"].as_str().expect("name"))]);
        for contact in account["Contacts"]["records"].as_array().into_iter().flatten() {
            let name = |member: &str| contact[member].as_str().expect("name").to_owned();
            let (child, first, last) = (id_of(contact), name("FirstName"), name("LastName"));
            org.put(
                "Contact",
                &[("Id", &child), ("AccountId", &id), ("FirstName", &first), ("LastName", &last)],
            );
        }
    }
    assert_eq!(run(&org, &soql, "53.0").expect("answer"), body);
}

#[test]
fn parents_read_as_recorded() {
    let Some((body, _)) = recorded("forcedotcom__sf-fx-runtime-nodejs__query-with-associated-data.json")
    else {
        return;
    };
    let org = Org::new();
    let record = &body["records"][0];
    let owner = id_of(&record["Owner"]);
    org.put("User", &[("Id", &owner), ("Name", record["Owner"]["Name"].as_str().expect("name"))]);
    org.put(
        "Account",
        &[("Id", &id_of(record)), ("Name", record["Name"].as_str().expect("name")), ("OwnerId", &owner)],
    );
    assert_eq!(run(&org, "SELECT Name, Owner.Name from Account LIMIT 1", "53.0").expect("answer"), body);
}

#[test]
fn files_read_as_recorded() {
    let Some((body, soql)) = recorded("forcedotcom__sf-fx-runtime-nodejs__query-binary-field.json") else {
        return;
    };
    let org = Org::new();
    org.put("ContentVersion", &[("Id", &id_of(&body["records"][0])), ("VersionData", "AAAA")]);
    assert_eq!(run(&org, &soql, "55.0").expect("answer"), body);
}

#[test]
fn addresses_read_as_recorded() {
    let Some((mut body, _)) = recorded("amp-labs__connectors__read-list-leads.json") else { return };
    let org = Org::new();
    for lead in body["records"].as_array().expect("records") {
        let address = &lead["Address"];
        let values = [
            ("City", &address["city"]),
            ("Country", &address["country"]),
            ("PostalCode", &address["postalCode"]),
            ("State", &address["state"]),
            ("Street", &address["street"]),
            ("CleanStatus", &lead["CleanStatus"]),
            ("FirstName", &lead["FirstName"]),
        ];
        let id = id_of(lead);
        let given = values.iter().filter_map(|(name, value)| Some((*name, value.as_str()?)));
        let values: Vec<(&str, &str)> = std::iter::once(("Id", id.as_str())).chain(given).collect();
        org.put("Lead", &values);
    }
    // The authors added a next page to an answer that is done.
    body.as_object_mut().expect("object").remove("nextRecordsUrl");
    assert_eq!(
        run(&org, "SELECT Address, City, CleanStatus, FirstName FROM Lead", "60.0").expect("answer"),
        body
    );
}
