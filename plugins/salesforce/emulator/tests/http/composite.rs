//! Several calls in one request.

use serde_json::{Value, json};
use unicrm_salesforce_emulator::{Fault, FaultRule, Resource};

use crate::client::{empty, seeded};

fn part(method: &str, url: &str, reference: &str, body: Value) -> Value {
    let mut part =
        json!({ "method": method, "url": format!("/services/data/v66.0{url}"), "referenceId": reference });
    if !body.is_null() {
        part["body"] = body;
    }
    part
}

#[tokio::test]
async fn parts_refer_to_earlier_results_and_count_as_one_call() {
    let client = empty().await;
    let before = client.emulator.org().api_usage();
    let answer = client.post("/composite", json!({ "compositeRequest": [
        part("POST", "/sobjects/Account", "acc", json!({ "Name": "Acme" })),
        part("POST", "/sobjects/Contact", "con", json!({ "LastName": "Ref \"quoted\"", "AccountId": "@{acc.id}" })),
        part("GET", "/query?q=SELECT+Id,Name+FROM+Contact+WHERE+AccountId='@{acc.id}'", "found", Value::Null),
        part("PATCH", "/sobjects/Contact/@{found.records[0].Id}", "upd", json!({ "FirstName": "@{found.records[0].Name}" })),
        part("GET", "/sobjects/Contact/@{con.id}?fields=FirstName", "read", Value::Null),
        part("GET", "/sobjects/Contact/@{nothing.id}", "bad", Value::Null),
    ] })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let parts = answer.json()["compositeResponse"].as_array().unwrap().clone();
    let statuses: Vec<u64> = parts.iter().map(|part| part["httpStatusCode"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 201, 200, 204, 200, 400], "{parts:#?}");
    assert_eq!(
        parts[0]["httpHeaders"]["Location"],
        json!(format!("/services/data/v66.0/sobjects/Account/{}", parts[0]["body"]["id"].as_str().unwrap()))
    );
    assert_eq!(parts[3]["body"], Value::Null);
    assert_eq!(parts[4]["body"]["FirstName"], "Ref \"quoted\"");
    assert_eq!(parts[5]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(client.emulator.org().api_usage(), before + 1);
}

#[tokio::test]
async fn all_or_none_takes_everything_back() {
    let client = empty().await;
    let answer = client
        .post(
            "/composite",
            json!({ "allOrNone": true, "compositeRequest": [
        part("POST", "/sobjects/Account", "a", json!({ "Name": "Kept?" })),
        part("GET", "/query?q=SELECT+Id+FROM+Account", "inside", Value::Null),
        part("POST", "/sobjects/Account", "b", json!({})),
        part("POST", "/sobjects/Account", "c", json!({ "Name": "Never" })),
    ] }),
        )
        .await
        .json();
    let halted = json!([{ "errorCode": "PROCESSING_HALTED", "message": "The transaction was rolled back since another operation in the same transaction failed." }]);
    let parts = answer["compositeResponse"].as_array().unwrap();
    assert_eq!(parts[0]["body"], halted);
    assert_eq!(parts[2]["body"][0]["errorCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(parts[3]["body"], halted);
    assert_eq!(client.emulator.org().count("Account").await.unwrap(), 0);
}

#[tokio::test]
async fn limits_and_reference_rules_are_kept() {
    let client = empty().await;
    let many: Vec<Value> = (0..26).map(|n| part("GET", "/limits", &format!("r{n}"), Value::Null)).collect();
    assert_eq!(client.post("/composite", json!({ "compositeRequest": many })).await.status, 400);
    let queries: Vec<Value> =
        (0..6).map(|n| part("GET", "/query?q=SELECT+Id+FROM+User", &format!("r{n}"), Value::Null)).collect();
    assert_eq!(client.post("/composite", json!({ "compositeRequest": queries })).await.status, 400);
    let twice = [part("GET", "/limits", "a", Value::Null), part("GET", "/limits", "A", Value::Null)];
    assert_eq!(client.post("/composite", json!({ "compositeRequest": twice })).await.status, 400);
    let records: Vec<Value> =
        (0..201).map(|n| json!({ "attributes": { "type": "Account" }, "Name": n.to_string() })).collect();
    assert_eq!(
        client.post("/composite/sobjects", json!({ "records": records })).await.error(),
        (400, "EXCEEDED_ID_LIMIT".into())
    );
    let none = client.post("/composite/sobjects", json!({ "records": [] })).await;
    assert_eq!(
        none.json(),
        json!([{ "message": "At least 1 record is required", "errorCode": "REQUIRED_FIELD_MISSING", "fields": [] }])
    );
}

#[tokio::test]
async fn a_batch_counts_each_part() {
    let client = empty().await;
    let before = client.emulator.org().api_usage();
    let answer = client
        .post(
            "/composite/batch",
            json!({ "batchRequests": [
        { "method": "GET", "url": "v66.0/limits" },
        { "method": "GET", "url": "v66.0/sobjects/Bacon/describe" },
        { "method": "POST", "url": "v66.0/sobjects/Account", "richInput": { "Name": "Acme" } },
    ] }),
        )
        .await
        .json();
    assert_eq!(answer["hasErrors"], json!(true));
    let statuses: Vec<u64> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["statusCode"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 404, 201]);
    assert_eq!(client.emulator.org().api_usage(), before + 3);
}

#[tokio::test]
async fn collections_create_update_retrieve_and_delete() {
    let client = empty().await;
    let record = |name: &str| json!({ "attributes": { "type": "Contact" }, "LastName": name });
    let made = client
        .post(
            "/composite/sobjects",
            json!({ "allOrNone": false, "records": [record("A"), record(""), record("B")] }),
        )
        .await
        .json();
    assert_eq!(
        made[1],
        json!({ "success": false, "errors": [{ "statusCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing: [LastName]", "fields": ["LastName"] }] })
    );
    let (a, b) = (made[0]["id"].as_str().unwrap(), made[2]["id"].as_str().unwrap());
    let none = client
        .post("/composite/sobjects", json!({ "allOrNone": true, "records": [record("C"), record("")] }))
        .await
        .json();
    assert_eq!(none[0]["errors"][0]["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_eq!(client.emulator.org().count("Contact").await.unwrap(), 2);
    let updated = client
        .patch(
            "/composite/sobjects",
            json!({ "records": [
        { "attributes": { "type": "Contact" }, "id": a, "FirstName": "First" },
        { "attributes": { "type": "Contact" }, "FirstName": "No id" },
    ] }),
        )
        .await
        .json();
    assert_eq!(updated[0], json!({ "id": a, "success": true, "errors": [] }));
    assert_eq!(
        updated[1]["errors"][0],
        json!({ "statusCode": "MISSING_ARGUMENT", "message": "Id not specified in an update call", "fields": [] })
    );
    let absent = unicrm_salesforce_emulator::salesforce_id("003", 999_999);
    let read = client
        .post("/composite/sobjects/Contact", json!({ "ids": [b, absent, a], "fields": ["Name"] }))
        .await
        .json();
    assert_eq!(
        (&read[0]["Name"], &read[1], &read[2]["Name"]),
        (&json!("B"), &Value::Null, &json!("First A"))
    );
    let gone =
        client.send("DELETE", &format!("/composite/sobjects?ids={a},{b}&allOrNone=true"), None).await.json();
    assert_eq!(gone[0]["success"], json!(true));
    assert_eq!(client.emulator.org().count("Contact").await.unwrap(), 0);
}

#[tokio::test]
async fn a_flag_may_be_null() {
    let client = empty().await;
    let account = |name: &str| json!({ "attributes": { "type": "Account" }, "Name": name });
    let body = json!({ "allOrNone": null, "records": [account("Kept"), account("")] });
    let saved = client.post("/composite/sobjects", body).await.json();
    assert_eq!((&saved[0]["success"], &saved[1]["success"]), (&json!(true), &json!(false)), "{saved}");
    let part = json!({ "method": "GET", "url": "/services/data/v66.0/limits", "referenceId": "a" });
    for (path, body) in [
        ("/composite", json!({ "allOrNone": null, "compositeRequest": [part] })),
        ("/composite/batch", json!({ "haltOnError": null, "batchRequests": [part] })),
    ] {
        let answer = client.post(path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_tree_brings_its_children() {
    let client = empty().await;
    let tree = json!({ "records": [{ "attributes": { "type": "Account", "referenceId": "a" }, "Name": "Acme", "Contacts": { "records": [
        { "attributes": { "type": "Contact", "referenceId": "c" }, "LastName": "Child" } ] } }] });
    let answer = client.post("/composite/tree/Account", tree.clone()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let results = answer.json()["results"].clone();
    let contact = client.record("Contact", results[1]["id"].as_str().unwrap()).await;
    assert_eq!(contact["AccountId"], results[0]["id"]);
    let mut bad = tree;
    bad["records"][0]["Contacts"]["records"][0]["LastName"] = Value::Null;
    let answer = client.post("/composite/tree/Account", bad).await;
    assert_eq!((answer.status, &answer.json()["results"][0]["referenceId"]), (400, &json!("c")));
    assert_eq!(client.emulator.org().count("Account").await.unwrap(), 1, "nothing of a failed tree stays");
}

#[tokio::test]
async fn faults_strike_single_parts() {
    let client = seeded().await;
    client.emulator.faults().add(FaultRule::new(Resource::Query, Fault::QueryTimeout).on_object("Lead"));
    let parts = [
        part("GET", "/query?q=SELECT+Id+FROM+Contact", "contacts", Value::Null),
        part("GET", "/query?q=SELECT+Id+FROM+Lead", "leads", Value::Null),
    ];
    let answer = client.post("/composite", json!({ "compositeRequest": parts })).await.json();
    assert_eq!(answer["compositeResponse"][0]["httpStatusCode"], json!(200));
    assert_eq!(answer["compositeResponse"][1]["body"][0]["errorCode"], "QUERY_TIMEOUT");
}
