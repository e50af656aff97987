//! Queries, pages, describes, versions and limits.

use std::cell::Cell;
use std::io::Read as _;
use std::time::Duration;

use serde_json::{Value, json};
use unicrm_salesforce_emulator::{Emulator, FieldSchema, FieldType, ObjectSchema, Resource};

use crate::client::{empty, read, seeded, start};

#[tokio::test]
async fn versions_need_no_session_and_old_ones_are_gone() {
    let client = empty().await;
    let list =
        read(client.http.get(format!("{}/services/data/", client.emulator.url()))).await.unwrap().json();
    let list = list.as_array().unwrap();
    assert_eq!(
        list.first().unwrap(),
        &json!({ "label": "Summer '14", "url": "/services/data/v31.0", "version": "31.0" })
    );
    assert_eq!(
        list.last().unwrap(),
        &json!({ "label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0" })
    );
    assert_eq!(
        client.get("/services/data/v20.0/limits").await.error(),
        (410, "UNSUPPORTED_API_VERSION".into())
    );
    assert_eq!(client.get("/services/data/v68.0/limits").await.status, 200);
    assert_eq!(client.get("/services/data/v69.0/limits").await.error(), (404, "NOT_FOUND".into()));
    assert_eq!(
        client.get("/services/data/viAmABadVersion/sobjects/Account").await.error(),
        (404, "NOT_FOUND".into())
    );
    let map = client.get("/services/data/v66.0/").await.json();
    assert_eq!(map["query"], "/services/data/v66.0/query");
}

#[tokio::test]
async fn pages_cover_every_row_once() {
    let client = seeded().await;
    let all: Vec<Value> = client.emulator.org().query("SELECT Id FROM Contact ORDER BY Id").await.unwrap();
    let mut seen = Vec::new();
    let first = client.request("GET", "/query/").query(&[("q", "SELECT Id FROM Contact ORDER BY Id")]);
    let mut page = read(first.header("Sforce-Query-Options", "batchSize=200")).await.unwrap().json();
    assert_eq!(page["totalSize"].as_u64().unwrap() as usize, all.len());
    loop {
        seen.extend(page["records"].as_array().unwrap().iter().map(|record| record["Id"].clone()));
        let Some(next) = page["nextRecordsUrl"].as_str() else { break };
        assert_eq!(page["done"], json!(false));
        // Clients re-send the query on the next page; it is ignored.
        page = read(client.request("GET", next).query(&[("q", "SELECT nothing")])).await.unwrap().json();
    }
    assert_eq!(page["done"], json!(true));
    assert_eq!(seen, all.iter().map(|record| record["Id"].clone()).collect::<Vec<_>>());
    assert!(all.len() > 200, "more than one page");
}

#[tokio::test]
async fn query_answers_its_errors_and_methods() {
    let client = empty().await;
    assert_eq!(client.query("SELEKT Id FROM Contact").await.error(), (400, "MALFORMED_QUERY".into()));
    assert_eq!(client.query("SELECT Bacon__c FROM Contact").await.error(), (400, "INVALID_FIELD".into()));
    assert_eq!(client.query("SELECT Id FROM Bacon").await.error(), (400, "INVALID_TYPE".into()));
    assert_eq!(client.get("/query").await.error().0, 400);
    assert_eq!(
        client.get("/query/0r8000000000000AAA-2000").await.error(),
        (400, "INVALID_QUERY_LOCATOR".into())
    );
    let answer = client.post("/query", json!({})).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.json()[0]["message"], "HTTP Method 'POST' not allowed. Allowed are GET,HEAD");
    assert_eq!(
        client.get("/nothing/here").await.json()[0]["message"],
        "The requested resource does not exist"
    );
    let columns = read(
        client
            .request("GET", "/query")
            .query(&[("q", "SELECT Id, Account.Name FROM Contact"), ("columns", "true")]),
    )
    .await
    .unwrap();
    assert_eq!(columns.json()["entityName"], "Contact");
    let plan =
        read(client.request("GET", "/query").query(&[("explain", "SELECT Id FROM Contact")])).await.unwrap();
    assert!(plan.json()["plans"].is_array());
}

#[tokio::test]
async fn describes_follow_permissions_and_are_cacheable() {
    let client = empty().await;
    let path = "/sobjects/Contact/describe";
    let first = client.get(path).await;
    let fields = |body: &Value| {
        body["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(fields(&first.json()).contains(&"Email".to_owned()));
    let stamp = first.header("last-modified").unwrap().to_owned();
    let again = async || read(client.request("GET", path).header("If-Modified-Since", &stamp)).await.unwrap();
    let unchanged = again().await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    client.emulator.org().hide_field("Contact", "Email");
    let changed = again().await;
    assert_eq!(changed.status, 200);
    assert!(!fields(&changed.json()).contains(&"Email".to_owned()));
    assert_eq!(client.query("SELECT Email FROM Contact").await.error(), (400, "INVALID_FIELD".into()));
    client.emulator.org().hide_object("Lead");
    assert_eq!(client.get("/sobjects/Lead/describe").await.error(), (404, "NOT_FOUND".into()));
    assert_eq!(client.query("SELECT Id FROM Lead").await.error(), (400, "INVALID_TYPE".into()));
    let global = client.get("/sobjects").await.json();
    let names: Vec<&str> = global["sobjects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"Contact") && !names.contains(&"Lead"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_description_is_older_than_its_stamp() {
    let client = empty().await;
    let org = client.emulator.org();
    // Then each change moves the stamp by one second.
    org.freeze_clock(true);
    let fields = async |number: usize| {
        org.add_field("Lead", FieldSchema::new(format!("F{number}__c"), FieldType::String)).await.unwrap();
    };
    let objects = async |number: usize| {
        org.add_object(ObjectSchema::custom(format!("Thing{number}__c"))).await.unwrap();
    };
    let ask = async |path: &str, list: &str| {
        let answer = client.get(path).await;
        let stamp = answer.header("last-modified").unwrap().replace("GMT", "+0000");
        let stamp = jiff::Timestamp::strptime("%a, %d %b %Y %H:%M:%S %z", stamp).unwrap();
        (stamp.as_second(), i64::try_from(answer.json()[list].as_array().unwrap().len()).unwrap())
    };
    fields(0).await;
    objects(0).await;
    for (path, list) in [("/sobjects/Lead/describe", "fields"), ("/sobjects", "sobjects")] {
        let (first_stamp, first_length) = ask(path, list).await;
        let asked = Cell::new(false);
        let asking = async {
            for _ in 0..60 {
                let (stamp, length) = ask(path, list).await;
                assert!(
                    length - first_length >= stamp - first_stamp,
                    "{path}: {} entries are new, and the stamp is of {} changes",
                    length - first_length,
                    stamp - first_stamp
                );
            }
            asked.set(true);
        };
        let changing = async {
            let mut number = 0;
            while !asked.get() {
                number += 1;
                if list == "fields" {
                    fields(number).await
                } else {
                    objects(number).await
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::join!(asking, changing);
    }
}

#[tokio::test]
async fn calls_are_counted_and_the_quota_ends() {
    let client = start(Emulator::builder().empty().daily_api_requests(3)).await;
    let log = client.emulator.log();
    for used in 1..=3 {
        let answer = client.get("/limits").await;
        assert_eq!(answer.header("sforce-limit-info"), Some(format!("api-usage={used}/3").as_str()));
        assert_eq!(answer.json()["DailyApiRequests"], json!({ "Max": 3, "Remaining": 3 - used }));
    }
    let answer = client.get("/limits").await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.json(),
        json!([{ "message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED" }])
    );
    assert_eq!(log.count(Resource::Limits).requests, 4);
    assert_eq!(log.count(Resource::Limits).api_calls, 3);
    assert_eq!(log.count(Resource::Token).api_calls, 0);
    client.emulator.org().advance_clock(Duration::from_secs(24 * 3600));
    let mut client = client;
    client.log_in().await;
    assert_eq!(client.get("/limits").await.status, 200);
}

#[tokio::test]
async fn answers_are_packed_when_wanted_and_bodies_unpacked() {
    let client = seeded().await;
    let plain = client.query("SELECT Id, Name FROM Contact ORDER BY Id").await;
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.header("content-type"), Some("application/json;charset=UTF-8"));
    let request = client.request("GET", "/query").query(&[("q", "SELECT Id, Name FROM Contact ORDER BY Id")]);
    let packed = read(request.header("Accept-Encoding", "gzip, deflate")).await.unwrap();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < plain.body.len() / 2);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, br#"{"LastName":"Packed"}"#).unwrap();
    let request = client
        .request("POST", "/sobjects/Contact")
        .header("Content-Encoding", "gzip")
        .header("Content-Type", "application/json");
    let made = read(request.body(encoder.finish().unwrap())).await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    let broken =
        client.request("POST", "/sobjects/Contact").header("Content-Encoding", "gzip").body("not gzip");
    assert_eq!(read(broken).await.unwrap().error(), (400, "JSON_PARSER_ERROR".into()));
}

#[tokio::test]
async fn long_urls_and_headers_are_refused_with_pages() {
    let client = empty().await;
    let answer = client.query(&format!("SELECT Id FROM Contact WHERE Name = '{}'", "x".repeat(16_500))).await;
    assert_eq!(answer.status, 414);
    assert!(answer.text().contains("URI Too Long"));
    let answer =
        read(client.request("GET", "/limits").header("x-padding", "y".repeat(16_300))).await.unwrap();
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_org() {
    let at: jiff::Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let dump = async |seed: u64| {
        let emulator = Emulator::builder().seed(seed).contacts(60).starting_at(at).start().await.unwrap();
        emulator
            .org()
            .query_all("SELECT Id, Name, Email, SystemModstamp FROM Contact ORDER BY Id")
            .await
            .unwrap()
    };
    let first = dump(3).await;
    assert!(first.len() >= 60);
    assert_eq!(first, dump(3).await);
    assert_ne!(first, dump(4).await);
}

#[tokio::test]
async fn a_stopped_emulator_answers_no_more() {
    let client = empty().await;
    assert_eq!(client.get("/limits").await.status, 200);
    let url = format!("{}/services/data", client.emulator.url());
    let begun = std::time::Instant::now();
    client.emulator.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(read(client.http.get(url)).await.is_err());
}

#[tokio::test]
async fn permission_rows_tell_what_is_enforced() {
    let client = empty().await;
    let org = client.emulator.org();
    let rows = async |soql: String| client.query(&soql).await.json()["records"].clone();
    let user = org.user_id().to_owned();
    let assigned = "SELECT AssigneeId, PermissionSet.PermissionsModifyAllData FROM PermissionSetAssignment WHERE PermissionSet.IsOwnedByProfile = true";
    let modify_all = async || {
        rows(format!("{assigned} AND AssigneeId = '{user}'")).await[0]["PermissionSet"]["PermissionsModifyAllData"].clone()
    };
    assert_eq!(modify_all().await, json!(true));
    let mut visibility = org.visibility();
    visibility.set_system("ModifyAllData", false);
    visibility.set_object("Lead", unicrm_salesforce_emulator::ObjectAccess::NONE);
    org.set_visibility(visibility);
    org.hide_field("Contact", "Title");
    assert_eq!(modify_all().await, json!(false));
    let owned = "Parent.Profile.Name = 'System Administrator'";
    let objects = rows(format!("SELECT SobjectType FROM ObjectPermissions WHERE {owned}")).await;
    let objects: Vec<&str> =
        objects.as_array().unwrap().iter().map(|row| row["SobjectType"].as_str().unwrap()).collect();
    assert!(objects.contains(&"Contact") && !objects.contains(&"Lead"), "{objects:?}");
    let title = rows(format!(
        "SELECT PermissionsRead FROM FieldPermissions WHERE {owned} AND Field = 'Contact.Title'"
    ))
    .await;
    assert_eq!(title[0]["PermissionsRead"], json!(false));
}
