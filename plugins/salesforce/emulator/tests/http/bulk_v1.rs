//! The older Bulk API, as clients of several languages call it.

use std::time::Duration;

use serde_json::{Value, json};
use unicrm_salesforce_emulator::{Fault, FaultRule, Resource};

use crate::client::{Answer, Client, empty, read, seeded};

async fn call(client: &Client, method: &str, path: &str, content_type: &str, body: &str) -> Answer {
    let url = format!("{}/services/async/59.0/job{path}", client.emulator.url());
    let request = client.http.request(method.parse().unwrap(), url).header("x-sfdc-session", &client.token);
    read(request.header("content-type", content_type).body(body.to_owned())).await.unwrap()
}

async fn json_call(client: &Client, method: &str, path: &str, body: &Value) -> Answer {
    call(client, method, path, "application/json", &body.to_string()).await
}

fn inside<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {text}"));
    rest.split_once(&format!("</{name}>")).unwrap().0
}

async fn create(client: &Client, body: Value) -> String {
    let answer = json_call(client, "POST", "", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Polls a batch of a JSON job until it is over.
async fn finished(client: &Client, job: &str, batch: &str) -> Value {
    for _ in 0..500 {
        let info = json_call(client, "GET", &format!("/{job}/batch/{batch}"), &Value::Null).await.json();
        if matches!(info["state"].as_str(), Some("Completed" | "Failed" | "NotProcessed")) {
            return info;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("batch {batch} is never over");
}

/// The same of a CSV or XML job, whose batches speak XML.
async fn finished_xml(client: &Client, job: &str, batch: &str) -> String {
    for _ in 0..500 {
        let info = call(client, "GET", &format!("/{job}/batch/{batch}"), "application/json", "").await.text();
        if matches!(inside(&info, "state"), "Completed" | "Failed" | "NotProcessed") {
            return info;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("batch {batch} is never over");
}

#[tokio::test]
async fn concurrency_modes_have_names_and_numbers() {
    let client = empty().await;
    let job = |mode: Value| json!({ "operation": "insert", "object": "Contact", "contentType": "JSON", "concurrencyMode": mode });
    let cases = [
        (json!(0), "Parallel"),
        (json!(1), "Serial"),
        (json!("Serial"), "Serial"),
        (Value::Null, "Parallel"),
    ];
    for (given, shown) in cases {
        let answer = json_call(&client, "POST", "", &job(given.clone())).await;
        assert_eq!(answer.json()["concurrencyMode"], shown, "{given}");
    }
    let wrong = json_call(&client, "POST", "", &job(json!(2))).await;
    assert_eq!((wrong.status, wrong.json()["exceptionCode"].as_str()), (400, Some("InvalidJob")));
}

#[tokio::test]
async fn json_jobs_write_and_read_records() {
    let client = empty().await;
    let job =
        create(&client, json!({ "operation": "insert", "object": "Contact", "contentType": "JSON" })).await;
    let records =
        json!([{ "LastName": "One", "Birthdate": "1990-01-02", "Phone": null }, { "FirstName": "No name" }]);
    let batch = json_call(&client, "POST", &format!("/{job}/batch"), &records).await;
    assert_eq!((batch.status, batch.json()["jobId"].as_str()), (201, Some(job.as_str())));
    // There are clients that take anything else for XML.
    assert_eq!(batch.header("content-type"), Some("application/json"));
    let batch = batch.json()["id"].as_str().unwrap().to_owned();
    let closed = json_call(&client, "POST", &format!("/{job}"), &json!({ "state": "Closed" })).await.json();
    assert_eq!(closed["state"], "Closed");
    let info = finished(&client, &job, &batch).await;
    assert_eq!(
        (&info["state"], &info["numberRecordsProcessed"], &info["numberRecordsFailed"]),
        (&json!("Completed"), &json!(2), &json!(1))
    );
    let results =
        json_call(&client, "GET", &format!("/{job}/batch/{batch}/result"), &Value::Null).await.json();
    assert_eq!(
        (&results[0]["success"], &results[0]["created"], &results[0]["errors"]),
        (&json!(true), &json!(true), &json!([]))
    );
    assert_eq!(results[1]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(client.record("Contact", results[0]["id"].as_str().unwrap()).await["Birthdate"], "1990-01-02");

    let job =
        create(&client, json!({ "operation": "query", "object": "Contact", "contentType": "JSON" })).await;
    let soql = "SELECT Id, LastName, CreatedDate, Account.Name FROM Contact";
    let batch = call(&client, "POST", &format!("/{job}/batch"), "application/json", soql).await.json();
    let batch = batch["id"].as_str().unwrap();
    finished(&client, &job, batch).await;
    let ids = json_call(&client, "GET", &format!("/{job}/batch/{batch}/result"), &Value::Null).await.json();
    let path = format!("/{job}/batch/{batch}/result/{}", ids[0].as_str().unwrap());
    let rows = json_call(&client, "GET", &path, &Value::Null).await.json();
    assert_eq!(
        (&rows[0]["LastName"], &rows[0]["Account"], &rows[0]["attributes"]["type"]),
        (&json!("One"), &Value::Null, &json!("Contact"))
    );
    assert!(rows[0]["CreatedDate"].is_i64(), "times are milliseconds: {rows}");
    let info = json_call(&client, "GET", &format!("/{job}"), &Value::Null).await.json();
    assert_eq!((&info["numberBatchesCompleted"], &info["apiVersion"]), (&json!(1), &json!(59.0)));
}

#[tokio::test]
async fn csv_jobs_speak_xml_about_their_batches() {
    let client = seeded().await;
    let total = client.emulator.org().count("Account").await.unwrap();
    let body = json!({ "operation": "queryAll", "object": "Account", "contentType": "CSV" });
    let job = create(&client, body).await;
    let added = call(&client, "POST", &format!("/{job}/batch"), "text/csv", "SELECT Id, Name FROM Account")
        .await
        .text();
    let batch = inside(&added, "id").to_owned();
    let info = finished_xml(&client, &job, &batch).await;
    assert!(inside(&info, "numberRecordsProcessed").parse::<u64>().unwrap() >= total);
    let list =
        call(&client, "GET", &format!("/{job}/batch/{batch}/result"), "application/json", "").await.text();
    let result = inside(&list, "result").to_owned();
    let rows =
        call(&client, "GET", &format!("/{job}/batch/{batch}/result/{result}"), "application/json", "").await;
    assert_eq!(rows.header("content-type"), Some("text/csv"));
    let mut reader = csv::Reader::from_reader(rows.body.as_slice());
    assert_eq!(reader.headers().unwrap(), vec!["Id", "Name"]);
    assert_eq!(reader.records().count().to_string(), inside(&info, "numberRecordsProcessed"));

    let job =
        create(&client, json!({ "operation": "query", "object": "Account", "contentType": "CSV" })).await;
    let none = call(
        &client,
        "POST",
        &format!("/{job}/batch"),
        "text/csv",
        "SELECT Id FROM Account WHERE Name = 'nobody'",
    )
    .await
    .text();
    let batch = inside(&none, "id").to_owned();
    finished_xml(&client, &job, &batch).await;
    let list = call(&client, "GET", &format!("/{job}/batch/{batch}/result"), "text/csv", "").await.text();
    let path = format!("/{job}/batch/{batch}/result/{}", inside(&list, "result"));
    assert_eq!(call(&client, "GET", &path, "text/csv", "").await.text(), "Records not found for this query");
}

#[tokio::test]
async fn xml_jobs_write_and_read_records() {
    let client = empty().await;
    let account = client.create("Account", json!({ "Name": "Acme & Co", "Fax": "1", "Phone": "2" })).await;
    let job = "<?xml version=\"1.0\"?><jobInfo xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\"><operation>update</operation><object>Account</object><contentType>XML</contentType></jobInfo>";
    let made = call(&client, "POST", "", "application/xml", job).await;
    assert_eq!((made.status, inside(&made.text(), "state")), (201, "Open"));
    let job = inside(&made.text(), "id").to_owned();
    let batch = format!(
        "<sObjects xmlns=\"x\" xmlns:xsi=\"y\"><sObject><Id>{account}</Id><Name>New &amp; Co</Name><Fax xsi:nil=\"true\"/><Phone></Phone></sObject><sObject><Name>No id</Name></sObject></sObjects>"
    );
    let added = call(&client, "POST", &format!("/{job}/batch"), "application/xml", &batch).await.text();
    let batch = inside(&added, "id").to_owned();
    finished_xml(&client, &job, &batch).await;
    let results =
        call(&client, "GET", &format!("/{job}/batch/{batch}/result"), "application/xml", "").await.text();
    assert!(results.contains(&format!("<result><id>{account}</id><success>true</success>")), "{results}");
    assert_eq!(inside(&results, "statusCode"), "MISSING_ARGUMENT");
    let record = client.record("Account", &account).await;
    assert_eq!(
        (&record["Name"], &record["Fax"], &record["Phone"]),
        (&json!("New & Co"), &Value::Null, &json!("2"))
    );

    let job =
        create(&client, json!({ "operation": "query", "object": "Account", "contentType": "XML" })).await;
    let added =
        call(&client, "POST", &format!("/{job}/batch"), "application/xml", "SELECT Name, Fax FROM Account")
            .await
            .text();
    let batch = inside(&added, "id").to_owned();
    finished_xml(&client, &job, &batch).await;
    let list =
        call(&client, "GET", &format!("/{job}/batch/{batch}/result"), "application/xml", "").await.text();
    let rows = call(
        &client,
        "GET",
        &format!("/{job}/batch/{batch}/result/{}", inside(&list, "result")),
        "application/xml",
        "",
    )
    .await
    .text();
    assert!(
        rows.contains("<type>Account</type><Name>New &amp; Co</Name><Fax xsi:nil=\"true\"/></records>"),
        "{rows}"
    );
}

#[tokio::test]
async fn chunks_by_primary_key_are_batches_of_their_own() {
    let client = seeded().await;
    let total = client.emulator.org().count("Contact").await.unwrap();
    let url = format!("{}/services/async/59.0/job", client.emulator.url());
    let request = client
        .http
        .post(url)
        .header("x-sfdc-session", &client.token)
        .header("sforce-enable-pkchunking", "chunkSize=100");
    let made =
        read(request.json(&json!({ "operation": "query", "object": "Contact", "contentType": "CSV" })))
            .await
            .unwrap()
            .json();
    let job = made["id"].as_str().unwrap();
    let added =
        call(&client, "POST", &format!("/{job}/batch"), "text/csv", "SELECT Id FROM Contact").await.text();
    let info = finished_xml(&client, job, inside(&added, "id")).await;
    assert_eq!(inside(&info, "state"), "NotProcessed");
    let list = call(&client, "GET", &format!("/{job}/batch"), "text/csv", "").await.text();
    let counts: Vec<u64> = list
        .split("<batchInfo>")
        .skip(1)
        .filter(|batch| inside(batch, "state") == "Completed")
        .map(|batch| inside(batch, "numberRecordsProcessed").parse().unwrap())
        .collect();
    assert_eq!((counts.len() as u64, counts.iter().sum::<u64>()), (total.div_ceil(100), total));
}

#[tokio::test]
async fn errors_are_exceptions_with_status_400() {
    let mut client = empty().await;
    let broken =
        create(&client, json!({ "operation": "query", "object": "Account", "contentType": "JSON" })).await;
    for (soql, why) in [
        ("SELECT Nothing__c FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Contact", "does not match the entity of the requested Bulk API Job (Account)"),
        ("SELECT BillingAddress FROM Account", "Selecting compound data not supported in Bulk Query"),
    ] {
        let batch = call(&client, "POST", &format!("/{broken}/batch"), "application/json", soql).await.json();
        let info = finished(&client, &broken, batch["id"].as_str().unwrap()).await;
        assert_eq!(info["state"], "Failed");
        let message = info["stateMessage"].as_str().unwrap();
        assert!(
            message.starts_with("InvalidBatch : Failed to process query: ") && message.contains(why),
            "{message}"
        );
    }
    let exception =
        |answer: &Answer| (answer.status, answer.json()["exceptionCode"].as_str().unwrap().to_owned());
    let unknown = json_call(&client, "GET", "/750000000000000AAA", &Value::Null).await;
    assert_eq!(exception(&unknown), (400, "InvalidJob".to_owned()));
    json_call(&client, "POST", &format!("/{broken}"), &json!({ "state": "Aborted" })).await;
    let late =
        call(&client, "POST", &format!("/{broken}/batch"), "application/json", "SELECT Id FROM Account")
            .await;
    assert_eq!(exception(&late), (400, "InvalidJobState".to_owned()));
    client.emulator.faults().add(FaultRule::new(Resource::BulkV1, Fault::SessionExpired));
    let expired = json_call(&client, "GET", &format!("/{broken}"), &Value::Null).await;
    assert_eq!(
        expired.json(),
        json!({ "exceptionCode": "InvalidSessionId", "exceptionMessage": "Invalid session id" })
    );
    assert_eq!(expired.status, 400);
    let again = json_call(&client, "GET", &format!("/{broken}"), &Value::Null).await;
    assert_eq!(exception(&again), (400, "InvalidSessionId".to_owned()));
    let as_xml = call(&client, "GET", &format!("/{broken}"), "application/xml", "").await.text();
    assert_eq!(inside(&as_xml, "exceptionCode"), "InvalidSessionId");
    client.log_in().await;
    assert_eq!(
        json_call(&client, "GET", &format!("/{broken}"), &Value::Null).await.json()["state"],
        "Aborted"
    );
}
