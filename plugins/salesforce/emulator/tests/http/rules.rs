//! Rules that administrators make, records that others hold, and answers that never arrive.

use serde_json::{Value, json};
use unicrm_salesforce_emulator::{DuplicateRule, Fault, FaultRule, Resource, ValidationRule};

use crate::client::{Client, empty, read};

async fn create_with(client: &Client, header: &str, body: &Value) -> crate::client::Answer {
    let request = client.request("POST", "/sobjects/Contact").header("sforce-duplicate-rule-header", header);
    read(request.json(body)).await.unwrap()
}

#[tokio::test]
async fn duplicates_are_refused_unless_rule_and_caller_allow_them() {
    let client = empty().await;
    let org = client.emulator.org();
    org.add_duplicate_rule(DuplicateRule::new("Contact", ["Email"]));
    let first = json!({ "LastName": "First", "Email": "same@example.com" });
    let id = client.create("Contact", first.clone()).await;
    let second = json!({ "LastName": "Second", "Email": "SAME@example.com" });
    let refused = client.post("/sobjects/Contact", second.clone()).await;
    assert_eq!(refused.error(), (400, "DUPLICATES_DETECTED".to_owned()));
    let found = &refused.json()[0]["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"]["Id"];
    assert_eq!(*found, json!(id));
    assert_eq!(create_with(&client, "allowSave=true, runAsCurrentUser=true", &second).await.status, 201);
    // A record is no duplicate of itself, and a change of something else looks for none.
    assert_eq!(client.patch(&format!("/sobjects/Contact/{id}"), json!({ "Title": "x" })).await.status, 204);
    let other = client.create("Contact", json!({ "LastName": "Other" })).await;
    let moved =
        client.patch(&format!("/sobjects/Contact/{other}"), json!({ "Email": "same@example.com" })).await;
    assert_eq!(moved.error().1, "DUPLICATES_DETECTED");
    org.clear_rules();
    org.add_duplicate_rule(DuplicateRule::new("Contact", ["Email"]).blocking());
    assert_eq!(create_with(&client, "allowSave=true", &first).await.error().1, "DUPLICATES_DETECTED");
    let collection = json!({ "records": [{ "attributes": { "type": "Contact" }, "LastName": "x", "Email": "same@example.com" }] });
    let row = client.post("/composite/sobjects", collection).await.json();
    assert_eq!(row[0]["errors"][0]["statusCode"], "DUPLICATES_DETECTED");
}

/// Puts the recorded id in the place of an org's own.
fn with_id(body: &Value, from: &str, to: &str) -> Value {
    serde_json::from_str(&body.to_string().replace(from, to)).unwrap()
}

#[tokio::test]
async fn duplicates_read_as_recorded() {
    let message = "You're creating a duplicate record. We recommend you use an existing record instead.";
    let standard = DuplicateRule::new("Contact", ["Email"]).named(
        "Standard_Contact_Duplicate_Rule",
        "Standard_Contact_Match_Rule_v1_1",
        "FuzzyMatchEngine",
        message,
    );
    for (version, rule, file) in [
        ("v54.0", standard, "errors/DUPLICATES_DETECTED_v54_duplicateResut.json"),
        (
            "v62.0",
            DuplicateRule::new("Contact", ["Email"]).blocking(),
            "errors/DUPLICATES_DETECTED_v62_duplicateResult.json",
        ),
    ] {
        let Some(recorded) = crate::recordings::fixture(file) else { continue };
        let client = empty().await;
        client.emulator.org().add_duplicate_rule(rule);
        let contact = json!({ "LastName": "First", "Email": "same@example.com" });
        let id = client.create("Contact", contact.clone()).await;
        let answer = client.post(&format!("/services/data/{version}/sobjects/Contact"), contact).await.json();
        let key = if version == "v54.0" { "duplicateResut" } else { "duplicateResult" };
        let place = "/matchResults/0/matchRecords/0";
        let theirs = recorded[0][key].pointer(place).unwrap()["record"]["Id"].as_str().unwrap().to_owned();
        let mut expected = recorded;
        // One of the recordings went through a tool that writes 100.0 as 100.
        expected[0][key].pointer_mut(place).unwrap()["matchConfidence"] = json!(100.0);
        assert_eq!(with_id(&answer, &id, &theirs), expected, "{version}");
    }
}

#[tokio::test]
async fn what_breaks_a_validation_rule_is_not_saved() {
    let client = empty().await;
    let org = client.emulator.org();
    let rule = ValidationRule::new("Opportunity", "Amount > 1000 AND NextStep = null", "Say what is next.")
        .at("NextStep");
    org.add_validation_rule(rule).await.unwrap();
    assert!(
        org.add_validation_rule(ValidationRule::new("Opportunity", "Nothing__c = 1", "x")).await.is_err()
    );
    let deal = |amount: i64| json!({ "Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-01-01", "Amount": amount });
    let refused = client.post("/sobjects/Opportunity", deal(1001)).await;
    assert_eq!(
        refused.json(),
        json!([{ "message": "Say what is next.", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": ["NextStep"] }])
    );
    assert_eq!(org.count("Opportunity").await.unwrap(), 0, "nothing of it stays");
    let id = client.create("Opportunity", deal(1000)).await;
    let path = format!("/sobjects/Opportunity/{id}");
    assert_eq!(
        client.patch(&path, json!({ "Amount": 5000 })).await.error().1,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    );
    assert_eq!(client.record("Opportunity", &id).await["Amount"], 1000.0);
    assert_eq!(client.patch(&path, json!({ "Amount": 5000, "NextStep": "call" })).await.status, 204);
    let collection = json!({ "records": [
        { "attributes": { "type": "Opportunity" }, "id": id, "NextStep": null },
        { "attributes": { "type": "Opportunity" }, "id": id, "Name": "Kept" },
    ] });
    let rows = client.patch("/composite/sobjects", collection).await.json();
    assert_eq!(
        (&rows[0]["errors"][0]["statusCode"], &rows[1]["success"]),
        (&json!("FIELD_CUSTOM_VALIDATION_EXCEPTION"), &json!(true))
    );
}

#[tokio::test]
async fn locked_records_refuse_changes_for_a_while() {
    let client = empty().await;
    let org = client.emulator.org();
    let account = client.create("Account", json!({ "Name": "Acme" })).await;
    let path = format!("/sobjects/Account/{account}");
    org.lock_record(&account, 3);
    let locked = client.patch(&path, json!({ "Name": "New" })).await;
    assert_eq!(locked.error(), (400, "UNABLE_TO_LOCK_ROW".to_owned()));
    if let Some(recorded) = crate::recordings::fixture("errors/UNABLE_TO_LOCK_ROW.json") {
        let theirs = recorded[0]["message"].as_str().unwrap().rsplit(' ').next().unwrap();
        assert_eq!(with_id(&locked.json(), &account, theirs), recorded);
    }
    let child = json!({ "LastName": "Child", "AccountId": account });
    assert_eq!(client.post("/sobjects/Contact", child.clone()).await.error().1, "UNABLE_TO_LOCK_ROW");
    assert_eq!(client.send("DELETE", &path, None).await.error().1, "UNABLE_TO_LOCK_ROW");
    client.create("Contact", child).await;
    assert_eq!(client.patch(&path, json!({ "Name": "New" })).await.status, 204);
}

#[tokio::test]
async fn rules_are_made_from_other_processes_too() {
    let client = empty().await;
    let rules = json!({
        "validation": [{ "object": "Account", "condition": "Name LIKE 'Bad%'", "message": "No." }],
        "duplicates": [{ "object": "Account", "fields": ["Website"], "allow_save": false }],
    });
    assert_eq!(client.post("/_emulator/rules", rules).await.status, 204);
    assert_eq!(
        client.post("/sobjects/Account", json!({ "Name": "Bad one" })).await.error().1,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    );
    let id = client.create("Account", json!({ "Name": "A", "Website": "a.example" })).await;
    assert_eq!(
        client.post("/sobjects/Account", json!({ "Name": "B", "Website": "a.example" })).await.error().1,
        "DUPLICATES_DETECTED"
    );
    assert_eq!(client.post("/_emulator/locks", json!({ "ids": [id], "times": 1 })).await.status, 204);
    assert_eq!(
        client.patch(&format!("/sobjects/Account/{id}"), json!({ "Fax": "1" })).await.error().1,
        "UNABLE_TO_LOCK_ROW"
    );
    assert_eq!(client.send("DELETE", "/_emulator/rules", None).await.status, 204);
    client.create("Account", json!({ "Name": "Bad one", "Website": "a.example" })).await;
    assert_eq!(
        client
            .post(
                "/_emulator/rules",
                json!({ "validation": [{ "object": "Account", "condition": "x", "message": "" }] })
            )
            .await
            .status,
        400
    );
    let bulk = client.post("/_emulator/bulk", json!({ "page_records": 7 })).await.json();
    assert_eq!((&bulk["page_records"], client.emulator.org().bulk().page_records), (&json!(7), 7));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_has_been_made() {
    let client = empty().await;
    let id = client.create("Account", json!({ "Name": "Before" })).await;
    for (method, path, body) in [
        ("POST", "/sobjects/Account".to_owned(), json!({ "Name": "Lost" })),
        ("PATCH", format!("/sobjects/Account/{id}"), json!({ "Name": "After" })),
    ] {
        client.emulator.faults().add(FaultRule::new(Resource::Sobject, Fault::AnswerLost));
        assert!(read(client.request(method, &path).json(&body)).await.is_err(), "{method}");
    }
    let names = client.query("SELECT Name FROM Account ORDER BY Name").await.json();
    assert_eq!(
        (&names["records"][0]["Name"], &names["records"][1]["Name"]),
        (&json!("After"), &json!("Lost"))
    );
}
