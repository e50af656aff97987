//! Bulk API 2.0: query jobs.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::Duration;

use serde_json::{Value, json};
use unicrm_salesforce_emulator::{BulkSettings, Fault, FaultRule, Resource};

use crate::client::{Client, empty, read, seeded};

pub(crate) async fn create(client: &Client, kind: &str, body: Value) -> String {
    let answer = client.post(&format!("/jobs/{kind}"), body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Polls until the job is over.
pub(crate) async fn done(client: &Client, kind: &str, id: &str) -> Value {
    for _ in 0..500 {
        let info = client.get(&format!("/jobs/{kind}/{id}")).await.json();
        if matches!(info["state"].as_str(), Some("JobComplete" | "Failed" | "Aborted")) {
            return info;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("job {id} is never over");
}

async fn query_job(client: &Client, soql: &str) -> (String, Value) {
    let id = create(client, "query", json!({ "operation": "query", "query": soql })).await;
    let info = done(client, "query", &id).await;
    (id, info)
}

pub(crate) fn records(csv: &[u8], delimiter: u8) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(csv);
    let names = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    (names, rows)
}

/// All pages of a job, each checked against its headers.
async fn all(client: &Client, id: &str, page: usize) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut locator = String::new();
    loop {
        let answer = client.get(&format!("/jobs/query/{id}/results?maxRecords={page}{locator}")).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("text/csv")),
            "{}",
            answer.text()
        );
        let found = records(&answer.body, b',').1;
        assert_eq!(answer.header("sforce-numberofrecords"), Some(found.len().to_string().as_str()));
        rows.extend(found);
        match answer.header("sforce-locator").unwrap() {
            "null" => return rows,
            next => locator = format!("&locator={next}"),
        }
    }
}

#[tokio::test]
async fn a_query_job_gives_the_rows_of_the_query_page_by_page() {
    let client = seeded().await;
    let soql = "SELECT Id, FirstName, Email, IsDeleted, Account.Name, Account.AnnualRevenue, CreatedDate, Birthdate FROM Contact";
    let (id, info) = query_job(&client, soql).await;
    assert_eq!((&info["state"], &info["jobType"]), (&json!("JobComplete"), &json!("V2Query")), "{info}");
    let expected = client.emulator.org().query(soql).await.unwrap();
    assert_eq!(info["numberRecordsProcessed"], json!(expected.len()));
    let whole = client.get(&format!("/jobs/query/{id}/results")).await;
    let (names, rows) = records(&whole.body, b',');
    assert_eq!(
        names,
        [
            "Id",
            "FirstName",
            "Email",
            "IsDeleted",
            "Account.Name",
            "Account.AnnualRevenue",
            "CreatedDate",
            "Birthdate"
        ]
    );
    assert_eq!(whole.header("sforce-locator"), Some("null"));
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace("+0000", "Z"),
        other => other.to_string(),
    };
    for (row, record) in rows.iter().zip(&expected) {
        for (name, value) in names.iter().zip(row).filter(|(name, _)| *name != "Account.AnnualRevenue") {
            let field = name.split('.').fold(record, |record, part| &record[part]);
            assert_eq!(*value, text(field), "{name} of {record}");
        }
        let exact = |text: &str| text.parse::<f64>().ok();
        assert_eq!(exact(&row[5]), record["Account"]["AnnualRevenue"].as_f64());
    }
    for page in [1, 7, 100, 10_000] {
        assert_eq!(all(&client, &id, page).await, rows, "pages of {page}");
    }
}

#[tokio::test]
async fn result_pages_cover_everything_once() {
    let client = seeded().await;
    let (id, info) = query_job(&client, "SELECT Id FROM Contact").await;
    let total = info["numberRecordsProcessed"].as_u64().unwrap();
    let mut settings = BulkSettings::default();
    settings.page_records = 41;
    client.emulator.org().set_bulk(settings);
    let mut url = format!("/services/data/v66.0/jobs/query/{id}/resultPages");
    let mut seen = BTreeMap::new();
    loop {
        let body = client.get(&url).await.json();
        let pages = body["resultPages"].as_array().unwrap();
        assert!((1..=5).contains(&pages.len()));
        for page in pages {
            let answer = client.get(page["resultUrl"].as_str().unwrap()).await;
            let rows = records(&answer.body, b',').1;
            assert_eq!(answer.header("sforce-numberofrecords"), Some(rows.len().to_string().as_str()));
            for row in rows {
                *seen.entry(row[0].clone()).or_insert(0) += 1;
            }
        }
        match body["done"].as_bool().unwrap() {
            true => break,
            false => url = body["nextRecordsUrl"].as_str().unwrap().to_owned(),
        }
    }
    assert_eq!(seen.len() as u64, total);
    assert!(seen.values().all(|times| *times == 1));
    assert_eq!(client.get(&format!("/services/data/v57.0/jobs/query/{id}/resultPages")).await.status, 404);
}

#[tokio::test]
async fn results_stay_what_they_were_when_records_change() {
    let client = empty().await;
    let kept = client.create("Contact", json!({ "LastName": "Before" })).await;
    let gone = client.create("Contact", json!({ "LastName": "Gone" })).await;
    let (id, _) = query_job(&client, "SELECT Id, LastName FROM Contact ORDER BY LastName").await;
    client.patch(&format!("/sobjects/Contact/{kept}"), json!({ "LastName": "After" })).await;
    client.emulator.org().hard_delete("Contact", &gone).await.unwrap();
    assert_eq!(all(&client, &id, 10).await, [[kept, "Before".to_owned()], [gone, "Gone".to_owned()]]);
}

#[tokio::test]
async fn delimiters_and_line_endings_are_those_of_the_job() {
    let client = empty().await;
    client.create("Account", json!({ "Name": "A;\"B\"", "Description": "two\nlines" })).await;
    let soql = "SELECT Name, Description, Fax FROM Account";
    let body = json!({ "operation": "queryAll", "query": soql, "columnDelimiter": "SEMICOLON", "lineEnding": "CRLF" });
    let id = create(&client, "query", body).await;
    done(&client, "query", &id).await;
    let answer = client.get(&format!("/jobs/query/{id}/results")).await;
    assert_eq!(answer.text(), "\"Name\";\"Description\";\"Fax\"\r\n\"A;\"\"B\"\"\";\"two\nlines\";\"\"\r\n");
    let none = query_job(&client, "SELECT Id FROM Contact").await.0;
    let answer = client.get(&format!("/jobs/query/{none}/results")).await;
    assert_eq!((answer.text().as_str(), answer.header("sforce-numberofrecords")), ("\"Id\"\n", Some("0")));
}

#[tokio::test]
async fn large_results_are_packed_as_they_are_sent() {
    let client = empty().await;
    let text = "x".repeat(20_000);
    for n in 0..40 {
        client.create("Account", json!({ "Name": format!("{n}"), "Description": text })).await;
    }
    let (id, _) = query_job(&client, "SELECT Name, Description FROM Account").await;
    let path = format!("/jobs/query/{id}/results");
    let plain = client.get(&path).await;
    assert_eq!(plain.header("content-length"), Some(plain.body.len().to_string().as_str()));
    let packed = read(client.request("GET", &path).header("accept-encoding", "gzip")).await.unwrap();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() * 10 < plain.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    let sent = client.emulator.log().count(Resource::BulkResults).response_bytes;
    assert_eq!(sent, (plain.body.len() + packed.body.len()) as u64);
}

#[tokio::test]
async fn query_jobs_refuse_what_has_no_place_in_a_table() {
    let client = seeded().await;
    let refuse = async |soql: &str| {
        let answer = client.post("/jobs/query", json!({ "operation": "query", "query": soql })).await;
        (answer.error(), answer.json()[0]["message"].as_str().unwrap().to_owned())
    };
    let api_error = || (400, "API_ERROR".to_owned());
    let compound = refuse("SELECT Id, MailingAddress FROM Contact").await;
    assert_eq!(compound, (api_error(), "Selecting compound data not supported in Bulk Query".to_owned()));
    for soql in [
        "SELECT COUNT() FROM Contact",
        "SELECT COUNT(Id) FROM Contact",
        "SELECT LastName FROM Contact GROUP BY LastName",
        "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
        "SELECT Id FROM Contact OFFSET 5",
        "SELECT FIELDS(STANDARD) FROM Contact",
        "SELECT TYPEOF Who WHEN Contact THEN Name END FROM Task",
        "SELECT VersionData FROM ContentVersion",
        "SELECT Nothing__c FROM Contact",
        "SELECT Id FROM Nothing__c",
        "SELEKT",
    ] {
        assert_eq!(refuse(soql).await.0, api_error(), "{soql}");
    }
    let status = refuse("SELECT Id FROM TaskStatus").await;
    assert_eq!(
        status,
        (
            (400, "INVALIDENTITY".to_owned()),
            "Entity 'TaskStatus' is not supported by the Bulk API.".to_owned()
        )
    );
    let (id, _) = query_job(&client, "SELECT Id FROM Contact").await;
    for path in ["?locator=nonsense", "?locator=OTk5OTk5", "?maxRecords=0", "?maxRecords=x"] {
        assert_eq!(
            client.get(&format!("/jobs/query/{id}/results{path}")).await.error(),
            api_error(),
            "{path}"
        );
    }
    assert_eq!(client.get(&format!("/services/data/v60.0/jobs/query/{id}/results")).await.status, 409);
    assert_eq!(client.get("/jobs/query/750000000000000AAA").await.error(), (404, "NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn query_jobs_are_listed_aborted_and_deleted() {
    let client = empty().await;
    let mut settings = BulkSettings::default();
    settings.delay_milliseconds = 60_000;
    client.emulator.org().set_bulk(settings);
    let id =
        create(&client, "query", json!({ "operation": "query", "query": "SELECT Id FROM Account" })).await;
    let path = format!("/jobs/query/{id}");
    assert_eq!(client.get(&path).await.json()["state"], "UploadComplete");
    assert_eq!(client.get(&format!("{path}/results")).await.error(), (400, "INVALIDJOBSTATE".to_owned()));
    assert_eq!(client.patch(&path, json!({ "state": "Aborted" })).await.json()["state"], "Aborted");
    assert_eq!(client.patch(&path, json!({ "state": "Aborted" })).await.error().1, "INVALIDJOBSTATE");
    let list = client.get("/jobs/query?jobType=V2Query").await.json();
    assert_eq!((&list["done"], &list["records"][0]["id"]), (&json!(true), &json!(id)));
    assert_eq!(client.get("/jobs/query?jobType=Classic").await.json()["records"], json!([]));
    assert_eq!(client.get("/jobs/ingest").await.json()["records"], json!([]));
    assert_eq!(client.send("DELETE", &path, None).await.status, 204);
    assert_eq!(client.get(&path).await.status, 404);
}

#[tokio::test]
async fn faults_strike_jobs_and_their_results() {
    let client = seeded().await;
    let faults = client.emulator.faults();
    let soql = json!({ "operation": "query", "query": "SELECT Id FROM Contact" });
    faults.add(
        FaultRule::new(Resource::BulkQuery, Fault::JobFailed { message: "it went wrong".to_owned() })
            .on_object("Contact"),
    );
    let failed = done(&client, "query", &create(&client, "query", soql.clone()).await).await;
    assert_eq!((&failed["state"], &failed["errorMessage"]), (&json!("Failed"), &json!("it went wrong")));
    faults.add(FaultRule::new(Resource::BulkQuery, Fault::JobAborted));
    let aborted = done(&client, "query", &create(&client, "query", soql.clone()).await).await;
    assert_eq!(aborted["state"], "Aborted");
    faults.add(FaultRule::new(Resource::BulkQuery, Fault::JobEndless));
    let endless = create(&client, "query", soql.clone()).await;
    let id = create(&client, "query", soql.clone()).await;
    let total = done(&client, "query", &id).await["numberRecordsProcessed"].as_u64().unwrap();
    assert_eq!(client.get(&format!("/jobs/query/{endless}")).await.json()["state"], "InProgress");
    let results = format!("/jobs/query/{id}/results");
    faults.add(FaultRule::new(Resource::BulkResults, Fault::ResultRowsLost { rows: 3 }).on_object("Contact"));
    let short = client.get(&results).await;
    assert_eq!(short.header("sforce-numberofrecords"), Some(total.to_string().as_str()));
    assert_eq!(records(&short.body, b',').1.len() as u64, total - 3);
    faults.add(FaultRule::new(Resource::BulkResults, Fault::LocatorHeaderMissing));
    assert_eq!(client.get(&results).await.header("sforce-locator"), None);
    faults.add(FaultRule::new(Resource::BulkResults, Fault::BodyCut { chunked: true }));
    assert!(read(client.request("GET", &results)).await.is_err());
    for fault in [Fault::BulkDailyJobs, Fault::BulkDailyVolume] {
        faults.add(FaultRule::new(Resource::BulkQuery, fault));
        assert_eq!(client.post("/jobs/query", soql.clone()).await.error(), (400, "EXCEEDEDQUOTA".to_owned()));
    }
}

#[tokio::test]
async fn daily_limits_run_out_and_come_back() {
    let client = seeded().await;
    let org = client.emulator.org();
    let mut settings = BulkSettings::default();
    settings.daily_query_jobs = 1;
    org.set_bulk(settings.clone());
    let soql = json!({ "operation": "query", "query": "SELECT Id, Name FROM Contact" });
    let id = create(&client, "query", soql.clone()).await;
    done(&client, "query", &id).await;
    assert_eq!(
        client.get("/limits").await.json()["DailyBulkV2QueryJobs"],
        json!({ "Max": 1, "Remaining": 0 })
    );
    let refused = client.post("/jobs/query", soql.clone()).await;
    assert_eq!(refused.error(), (400, "EXCEEDEDQUOTA".to_owned()));
    assert!(
        refused.text().contains("Max bulk v2 query jobs (1) per 24 hrs has been reached"),
        "{}",
        refused.text()
    );
    settings.daily_query_jobs = 10;
    settings.daily_query_kilobytes = 1;
    org.set_bulk(settings);
    let refused = client.post("/jobs/query", soql.clone()).await;
    assert!(refused.text().contains("Max bulk v2 query result size stored (1) kb"), "{}", refused.text());
    org.advance_clock(Duration::from_secs(25 * 3600));
    let mut client = client;
    client.log_in().await;
    create(&client, "query", soql).await;
}
