//! Checks, defaults, derived fields and consequences of writes.

use serde_json::{Value, json};
use unicrm_salesforce_emulator::{Conversion, Emulator, Features, FieldAccess, FieldSchema, FieldType};

use crate::client::{Client, empty, start};

async fn refuse(client: &Client, object: &str, fields: Value) -> Value {
    let answer = client.post(&format!("/sobjects/{object}"), fields).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    answer.json()[0].clone()
}

#[tokio::test]
async fn each_check_answers_in_salesforces_words() {
    let client = empty().await;
    let mut rating = FieldSchema::new("Job_Category__c", FieldType::Picklist);
    rating.label = "Job Category".to_owned();
    rating.restricted_picklist = true;
    rating.picklist = vec![unicrm_salesforce_emulator::PicklistValue::new("Nurse")];
    client.emulator.org().add_field("Contact", rating).await.unwrap();
    let error = |message: &str, code: &str, fields: &[&str]| json!({ "message": message, "errorCode": code, "fields": fields });
    assert_eq!(
        refuse(&client, "Contact", json!({})).await,
        error("Required fields are missing: [LastName]", "REQUIRED_FIELD_MISSING", &["LastName"])
    );
    assert_eq!(
        refuse(&client, "Contact", json!({ "LastName": "x".repeat(81) })).await,
        error(
            &format!("Last Name: data value too large: {} (max length=80)", "x".repeat(81)),
            "STRING_TOO_LONG",
            &["LastName"]
        )
    );
    assert_eq!(
        refuse(&client, "Contact", json!({ "LastName": "x", "Bacon": 1 })).await,
        json!({ "message": "No such column 'Bacon' on sobject of type Contact", "errorCode": "INVALID_FIELD" })
    );
    assert_eq!(
        refuse(&client, "Contact", json!({ "LastName": "x", "Name": "y" })).await,
        error(
            "Unable to create/update fields: Name. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            &["Name"]
        )
    );
    assert_eq!(
        refuse(&client, "Contact", json!({ "LastName": "x", "Job_Category__c": "Doctor" })).await,
        error(
            "Job Category: bad value for restricted picklist field: Doctor",
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            &["Job_Category__c"]
        )
    );
    assert_eq!(
        refuse(&client, "Contact", json!({ "LastName": "x", "Email": "nobody" })).await,
        error("Email: invalid email address: nobody", "INVALID_EMAIL_ADDRESS", &["Email"])
    );
    assert_eq!(
        refuse(&client, "Contact", json!({ "LastName": "x", "AccountId": "003000000000000AAA" })).await["errorCode"],
        "MALFORMED_ID"
    );
    let absent = unicrm_salesforce_emulator::salesforce_id("001", 999_999);
    assert_eq!(
        refuse(&client, "Contact", json!({ "LastName": "x", "AccountId": absent })).await["errorCode"],
        "INVALID_CROSS_REFERENCE_KEY"
    );
    assert_eq!(
        refuse(&client, "Contact", json!({ "LastName": "x", "Birthdate": "soon" })).await["errorCode"],
        "JSON_PARSER_ERROR"
    );
    assert_eq!(
        refuse(
            &client,
            "Opportunity",
            json!({ "Name": "x", "StageName": "Prospecting", "CloseDate": "2026-01-01", "Amount": 1e17 })
        )
        .await["errorCode"],
        "NUMBER_OUTSIDE_VALID_RANGE"
    );
    assert_eq!(
        refuse(&client, "OpportunityStage", json!({ "MasterLabel": "x" })).await["errorCode"],
        "INVALID_TYPE_FOR_OPERATION"
    );
    let id = client.create("Contact", json!({ "LastName": "x", "Job_Category__c": "nurse" })).await;
    assert_eq!(client.record("Contact", &id).await["Job_Category__c"], "Nurse");
    let emptied = client.patch(&format!("/sobjects/Contact/{id}"), json!({ "LastName": "  " })).await;
    assert_eq!(emptied.error(), (400, "REQUIRED_FIELD_MISSING".into()));
    let mut visibility = client.emulator.org().visibility();
    visibility.set_field("Contact", "Title", FieldAccess::READ);
    visibility.set_field("Contact", "Phone", FieldAccess::NONE);
    client.emulator.org().set_visibility(visibility);
    assert_eq!(
        client.patch(&format!("/sobjects/Contact/{id}"), json!({ "Title": "x" })).await.error().1,
        "INVALID_FIELD_FOR_INSERT_UPDATE"
    );
    assert_eq!(
        client.patch(&format!("/sobjects/Contact/{id}"), json!({ "Phone": "x" })).await.error().1,
        "INVALID_FIELD"
    );
}

#[tokio::test]
async fn a_unique_value_names_the_record_that_has_it() {
    let client = empty().await;
    let mut field = FieldSchema::new("Key__c", FieldType::String);
    field.unique = true;
    client.emulator.org().add_field("Account", field).await.unwrap();
    let first = client.create("Account", json!({ "Name": "a", "Key__c": "K" })).await;
    let error = refuse(&client, "Account", json!({ "Name": "b", "Key__c": "k" })).await;
    assert_eq!(error["errorCode"], "DUPLICATE_VALUE");
    assert_eq!(
        error["message"],
        json!(format!("duplicate value found: Key__c duplicates value on record with id: {}", &first[..15]))
    );
    assert_eq!(
        client.patch(&format!("/sobjects/Account/{first}"), json!({ "Key__c": "k" })).await.status,
        204,
        "its own value is no duplicate"
    );
}

#[tokio::test]
async fn money_comes_back_to_the_last_digit() {
    let client = empty().await;
    let body =
        r#"{"Name":"Big","StageName":"Prospecting","CloseDate":"2026-05-20","Amount":1234567890123456.78}"#;
    let request =
        client.request("POST", "/sobjects/Opportunity").header("content-type", "application/json").body(body);
    let answer = crate::client::read(request).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let record = client.get(&format!("/sobjects/Opportunity/{id}?fields=Amount")).await.text();
    assert!(record.contains("1234567890123456.78"), "{record}");
}

#[tokio::test]
async fn an_opportunity_follows_its_stage() {
    let client = empty().await;
    let id = client
        .create(
            "Opportunity",
            json!({ "Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-05-20", "Amount": 200 }),
        )
        .await;
    let record = client.record("Opportunity", &id).await;
    let stage = &client.emulator.org().query("SELECT IsClosed, IsWon, DefaultProbability, ForecastCategoryName FROM OpportunityStage WHERE ApiName = 'Prospecting'").await.unwrap()[0];
    assert_eq!(
        (&record["IsClosed"], &record["IsWon"], &record["Probability"]),
        (&stage["IsClosed"], &stage["IsWon"], &stage["DefaultProbability"])
    );
    assert_eq!(record["ForecastCategoryName"], stage["ForecastCategoryName"]);
    assert_eq!(
        record["ExpectedRevenue"],
        json!(200.0 * stage["DefaultProbability"].as_f64().unwrap() / 100.0)
    );
    assert_eq!(
        (&record["FiscalYear"], &record["FiscalQuarter"], &record["Fiscal"]),
        (&json!(2026), &json!(2), &json!("2026 2"))
    );
    assert_eq!(
        client.patch(&format!("/sobjects/Opportunity/{id}"), json!({ "Probability": 35 })).await.status,
        204
    );
    assert_eq!(
        client.patch(&format!("/sobjects/Opportunity/{id}"), json!({ "Amount": 100 })).await.status,
        204
    );
    let record = client.record("Opportunity", &id).await;
    assert_eq!(
        (&record["Probability"], &record["ExpectedRevenue"]),
        (&json!(35.0), &json!(35.0)),
        "a probability set by hand stays"
    );
    assert_eq!(
        client
            .patch(&format!("/sobjects/Opportunity/{id}"), json!({ "StageName": "Closed Won" }))
            .await
            .status,
        204
    );
    let record = client.record("Opportunity", &id).await;
    assert_eq!(
        (&record["IsClosed"], &record["IsWon"], &record["Probability"]),
        (&json!(true), &json!(true), &json!(100.0))
    );
}

#[tokio::test]
async fn a_task_closes_and_counts_as_activity() {
    let client = empty().await;
    let account = client.create("Account", json!({ "Name": "Acme" })).await;
    let contact = client.create("Contact", json!({ "LastName": "Who", "AccountId": account })).await;
    let task = client
        .create("Task", json!({ "Subject": "Call", "WhoId": contact, "ActivityDate": "2026-01-05" }))
        .await;
    let record = client.record("Task", &task).await;
    assert_eq!(
        (&record["Status"], &record["IsClosed"], &record["AccountId"], &record["TaskSubtype"]),
        (&json!("Not Started"), &json!(false), &json!(account), &json!("Task"))
    );
    assert_eq!(record["CompletedDateTime"], Value::Null);
    let last = async |object: &str, id: &str| client.record(object, id).await["LastActivityDate"].clone();
    assert_eq!(last("Contact", &contact).await, Value::Null, "an open task is no activity yet");
    assert_eq!(
        client.patch(&format!("/sobjects/Task/{task}"), json!({ "Status": "Completed" })).await.status,
        204
    );
    let record = client.record("Task", &task).await;
    assert_eq!(record["IsClosed"], json!(true));
    assert_eq!(record["CompletedDateTime"], record["LastModifiedDate"]);
    assert_eq!(last("Contact", &contact).await, "2026-01-05");
    assert_eq!(last("Account", &account).await, "2026-01-05");
    let relations = client
        .query(&format!("SELECT RelationId, IsWhat FROM TaskRelation WHERE TaskId = '{task}'"))
        .await
        .json();
    assert_eq!(relations["records"][0]["RelationId"], json!(contact));
    assert_eq!(client.send("DELETE", &format!("/sobjects/Task/{task}"), None).await.status, 204);
    assert_eq!(last("Contact", &contact).await, Value::Null);
}

#[tokio::test]
async fn the_times_of_an_event_complete_each_other() {
    let client = empty().await;
    let id = client.create("Event", json!({ "Subject": "Meeting", "StartDateTime": "2026-02-03T10:00:00+01:00", "DurationInMinutes": 45 })).await;
    let record = client.record("Event", &id).await;
    assert_eq!(record["StartDateTime"], "2026-02-03T09:00:00.000+0000");
    assert_eq!(record["EndDateTime"], "2026-02-03T09:45:00.000+0000");
    assert_eq!(
        (&record["ActivityDateTime"], &record["ActivityDate"]),
        (&record["StartDateTime"], &json!("2026-02-03"))
    );
    assert_eq!(
        client
            .patch(&format!("/sobjects/Event/{id}"), json!({ "StartDateTime": "2026-02-03T12:00:00Z" }))
            .await
            .status,
        204
    );
    assert_eq!(
        client.record("Event", &id).await["EndDateTime"],
        "2026-02-03T12:45:00.000+0000",
        "a moved start keeps the length"
    );
    let clash = json!({ "StartDateTime": "2026-02-03T10:00:00Z", "EndDateTime": "2026-02-03T11:00:00Z", "DurationInMinutes": 45 });
    assert_eq!(refuse(&client, "Event", clash).await["errorCode"], "FIELD_INTEGRITY_EXCEPTION");
    assert_eq!(
        refuse(&client, "Event", json!({ "Subject": "x" })).await["errorCode"],
        "REQUIRED_FIELD_MISSING"
    );
    let day = client
        .create(
            "Event",
            json!({ "IsAllDayEvent": true, "ActivityDate": "2026-02-03", "DurationInMinutes": 2880 }),
        )
        .await;
    let record = client.record("Event", &day).await;
    assert_eq!(
        (&record["StartDateTime"], &record["EndDateTime"]),
        (&json!("2026-02-03T00:00:00.000+0000"), &json!("2026-02-04T00:00:00.000+0000"))
    );
    assert_eq!(record["ActivityDateTime"], Value::Null);
}

#[tokio::test]
async fn a_delete_takes_the_children_and_an_undelete_brings_them_back() {
    let client = empty().await;
    let org = client.emulator.org();
    let account = client.create("Account", json!({ "Name": "Acme" })).await;
    let contact = client.create("Contact", json!({ "LastName": "Child", "AccountId": account })).await;
    let before = client.create("Contact", json!({ "LastName": "Gone before", "AccountId": account })).await;
    let note = client.create("Note", json!({ "Title": "n", "ParentId": contact })).await;
    org.delete("Contact", &before).await.unwrap();
    org.delete("Account", &account).await.unwrap();
    let deleted =
        async |object: &str, id: &str| org.get(object, id).await.unwrap().unwrap().is_true("IsDeleted");
    assert!(deleted("Contact", &contact).await && deleted("Note", &note).await);
    org.undelete("Account", &account).await.unwrap();
    assert!(
        !deleted("Account", &account).await
            && !deleted("Contact", &contact).await
            && !deleted("Note", &note).await
    );
    assert!(deleted("Contact", &before).await, "what was deleted before stays in the bin");
    org.hard_delete("Account", &account).await.unwrap();
    assert_eq!(org.get("Contact", &contact).await.unwrap(), None);
}

#[tokio::test]
async fn a_merge_moves_children_and_leaves_a_trace() {
    let client = empty().await;
    let org = client.emulator.org();
    let master = client.create("Account", json!({ "Name": "Master" })).await;
    let loser = client.create("Account", json!({ "Name": "Loser" })).await;
    let contact = client.create("Contact", json!({ "LastName": "Child", "AccountId": loser })).await;
    let task = client.create("Task", json!({ "WhoId": contact })).await;
    org.advance_clock(std::time::Duration::from_secs(10));
    let stamp = client.record("Contact", &contact).await["SystemModstamp"].clone();
    org.merge("Account", &master, &[&loser]).await.unwrap();
    let gone = org.get("Account", &loser).await.unwrap().unwrap();
    assert!(gone.is_true("IsDeleted"));
    assert_eq!(gone.text("MasterRecordId"), Some(master.as_str()));
    let moved = client.record("Contact", &contact).await;
    assert_eq!(moved["AccountId"], json!(master));
    assert_ne!(moved["SystemModstamp"], stamp);
    assert_eq!(client.record("Task", &task).await["AccountId"], json!(master));
    assert_eq!(
        org.merge("Task", &task, &[&task]).await.unwrap_err().message,
        "entity type does not support merge"
    );
    assert_eq!(org.undelete("Account", &loser).await.unwrap_err().code, "UNDELETE_FAILED");
}

#[tokio::test]
async fn a_converted_lead_is_read_only_and_leaves_three_records() {
    let client = empty().await;
    let org = client.emulator.org();
    let lead = client.create("Lead", json!({ "FirstName": "Ada", "LastName": "Byron", "Company": "Engines", "Email": "ada@example.com" })).await;
    let task = client.create("Task", json!({ "WhoId": lead })).await;
    let done = org.convert(&lead, Conversion::default()).await.unwrap();
    let record = client.record("Lead", &lead).await;
    assert_eq!(
        (&record["IsConverted"], &record["ConvertedContactId"]),
        (&json!(true), &json!(done.contact_id))
    );
    assert_eq!(client.record("Account", &done.account_id).await["Name"], "Engines");
    let contact = client.record("Contact", &done.contact_id).await;
    assert_eq!((&contact["Name"], &contact["Email"]), (&json!("Ada Byron"), &json!("ada@example.com")));
    assert!(done.opportunity_id.is_some());
    assert_eq!(client.record("Task", &task).await["WhoId"], json!(done.contact_id));
    let refused = client.patch(&format!("/sobjects/Lead/{lead}"), json!({ "Title": "x" })).await;
    assert_eq!(
        (refused.status, refused.json()[0]["message"].as_str()),
        (400, Some("cannot reference converted lead"))
    );
    assert_eq!(
        org.convert(&lead, Conversion::default()).await.unwrap_err().code,
        "CANNOT_UPDATE_CONVERTED_LEAD"
    );
}

#[tokio::test]
async fn a_person_account_and_its_contact_are_one_person() {
    let features = Features { person_accounts: true, ..Features::default() };
    let client = start(Emulator::builder().empty().features(features)).await;
    let account = client
        .create(
            "Account",
            json!({ "FirstName": "Ada", "LastName": "Byron", "PersonEmail": "ada@example.com" }),
        )
        .await;
    let record = client.record("Account", &account).await;
    assert_eq!((&record["Name"], &record["IsPersonAccount"]), (&json!("Ada Byron"), &json!(true)));
    let contact = record["PersonContactId"].as_str().unwrap().to_owned();
    let person = client.record("Contact", &contact).await;
    assert_eq!(
        (&person["AccountId"], &person["Email"], &person["Name"]),
        (&json!(account), &json!("ada@example.com"), &json!("Ada Byron"))
    );
    assert_eq!(
        client
            .patch(
                &format!("/sobjects/Account/{account}"),
                json!({ "LastName": "Lovelace", "PersonTitle": "Countess" })
            )
            .await
            .status,
        204
    );
    let person = client.record("Contact", &contact).await;
    assert_eq!((&person["Name"], &person["Title"]), (&json!("Ada Lovelace"), &json!("Countess")));
    assert_eq!(
        client
            .patch(
                &format!("/sobjects/Contact/{contact}"),
                json!({ "Email": "new@example.com", "FirstName": "A." })
            )
            .await
            .status,
        204
    );
    let record = client.record("Account", &account).await;
    assert_eq!((&record["PersonEmail"], &record["Name"]), (&json!("new@example.com"), &json!("A. Lovelace")));
    let business = client.create("Account", json!({ "Name": "Engines" })).await;
    assert_eq!(client.record("Account", &business).await["IsPersonAccount"], json!(false));
}

#[tokio::test]
async fn state_and_country_codes_keep_in_line_with_their_texts() {
    let features = Features { state_country_picklists: true, ..Features::default() };
    let client = start(Emulator::builder().empty().features(features)).await;
    let id = client
        .create(
            "Contact",
            json!({ "LastName": "x", "MailingCountryCode": "US", "MailingState": "california" }),
        )
        .await;
    let record = client.record("Contact", &id).await;
    assert_eq!(
        (&record["MailingCountry"], &record["MailingStateCode"], &record["MailingState"]),
        (&json!("United States"), &json!("CA"), &json!("California"))
    );
    assert_eq!(
        client
            .patch(
                &format!("/sobjects/Contact/{id}"),
                json!({ "MailingState": null, "MailingCountry": "Germany" })
            )
            .await
            .status,
        204
    );
    let record = client.record("Contact", &id).await;
    assert_eq!((&record["MailingCountryCode"], &record["MailingStateCode"]), (&json!("DE"), &Value::Null));
    let error = refuse(&client, "Contact", json!({ "LastName": "x", "MailingCountry": "Atlantis" })).await;
    assert_eq!(error["errorCode"], "FIELD_INTEGRITY_EXCEPTION");
    assert_eq!(
        error["message"],
        "There's a problem with this country, even though it may appear correct. Please select a country/territory from the list of valid countries."
    );
    assert_eq!(
        refuse(&client, "Contact", json!({ "LastName": "x", "MailingState": "California" })).await["errorCode"],
        "FIELD_INTEGRITY_EXCEPTION"
    );
}

#[tokio::test]
async fn a_user_without_the_api_permission_is_told_so() {
    let client = empty().await;
    let mut visibility = client.emulator.org().visibility();
    visibility.set_system("ApiEnabled", false);
    client.emulator.org().set_visibility(visibility);
    assert_eq!(client.get("/limits").await.error(), (403, "API_CURRENTLY_DISABLED".into()));
}
