//! `list`, `get`, `schema` and `request`.

use std::fs::File;

use serde_json::Value;

use crate::support::{Folder, World, assert_narrow, head, unread};

async fn synced() -> World {
    let world = World::linked().await;
    world.run(&["sync"]).exits(0);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_shows_the_same_records() {
    let world = synced().await;
    let live = world.emulator.org().count("Contact").await.unwrap();
    let list =
        |format: &str| world.run(&["list", "contacts", "-a", "acme", "--format", format]).exits(0).stdout;
    let json: Vec<Value> = serde_json::from_str(&list("json")).unwrap();
    assert_eq!(json.len() as u64, live);
    let ndjson: Vec<Value> = list("ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ndjson, json);
    let text = list("csv");
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let column = csv.headers().unwrap().iter().position(|name| name == "last_name").unwrap();
    let names: Vec<_> = csv.records().map(|row| row.unwrap()[column].to_owned()).collect();
    let expected: Vec<_> =
        json.iter().map(|contact| contact["last_name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, expected);
    assert!(json.iter().all(|contact| contact.get("remote_fields").is_none()));
    assert_eq!(world.run(&["list", "contact", "--json"]).exits(0).stdout, list("json"));

    for kind in [
        "accounts",
        "engagements",
        "engagement_types",
        "leads",
        "notes",
        "opportunities",
        "stages",
        "tasks",
        "users",
    ] {
        assert_narrow(&world.run(&["list", kind]).exits(0).stdout);
        assert!(world.run(&["list", kind, "--json"]).exits(0).json().is_array());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_narrowed_and_widened() {
    let world = synced().await;
    let all = world.run(&["list", "contacts", "--json"]).json();
    let name = all[0]["last_name"].as_str().unwrap();
    let filter = format!("last_name={name}");
    let found = world.run(&["list", "contacts", "--json", "--where", &filter]).exits(0).json();
    let found = found.as_array().unwrap();
    assert!(!found.is_empty() && found.iter().all(|contact| contact["last_name"] == name));
    let nobody =
        world.run(&["list", "contacts", "--json", "--where", &filter, "--where", "first_name=Nobody"]);
    assert_eq!(nobody.exits(0).json(), serde_json::json!([]));

    world.run(&["list", "opportunities", "--where", "amount=much", "--json"]).exits(2).says("amount");

    let deleted = world.run(&["list", "contacts", "--json", "--include-deleted"]).exits(0).json();
    let deleted = deleted.as_array().unwrap();
    assert!(deleted.len() > all.as_array().unwrap().len());
    assert!(deleted.iter().any(|contact| contact["remote_was_deleted"] == true));

    let wide = world.run(&["list", "contacts", "--json", "--remote-fields"]).exits(0).json();
    assert!(wide.as_array().unwrap().iter().any(|contact| contact["remote_fields"].is_array()));
    let few = world.run(&["list", "contacts", "--format", "ndjson", "--limit", "3"]).exits(0).stdout;
    assert_eq!(few.lines().count(), 3);
    assert_narrow(&world.run(&["list", "contacts", "--include-deleted"]).exits(0).stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_error() {
    let world = synced().await;
    for format in ["ndjson", "json", "csv", "table"] {
        let mut command = world.folder.command(&["list", "contacts", "--remote-fields", "--format", format]);
        let (line, run) = head(&mut command);
        assert!(!line.is_empty());
        let run = run.exits(0);
        assert!(run.stderr.is_empty(), "{format}: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_is_found_by_either_id_here_and_there() {
    let world = synced().await;
    let first = world.run(&["list", "contacts", "--json", "--limit", "1"]).json()[0].clone();
    let (id, remote_id) = (first["id"].as_str().unwrap(), first["remote_id"].as_str().unwrap());
    assert_eq!(world.run(&["get", "contacts", id]).exits(0).json(), first);
    assert_eq!(world.run(&["get", "contact", remote_id, "-a", "acme"]).exits(0).json(), first);
    let raw = world.run(&["get", "contacts", id, "--remote-data", "--remote-fields"]).exits(0).json();
    assert!(raw["remote_data"][0]["data"].is_object() && raw["remote_fields"].is_array());

    world
        .emulator
        .org()
        .update("Contact", remote_id, serde_json::json!({ "LastName": "Live" }))
        .await
        .unwrap();
    for id in [id, remote_id] {
        assert_eq!(world.run(&["get", "contacts", id, "--live"]).exits(0).json()["last_name"], "Live");
        assert_eq!(world.run(&["get", "contacts", id]).exits(0).json()["last_name"], first["last_name"]);
    }
    world.run(&["get", "contacts", "003000000000000AAA"]).exits(1).says("--live");
    world.run(&["get", "contacts", "003000000000000AAA", "--live"]).exits(1).says("at the remote");
    world
        .run(&["get", "contacts", "83eb1ab2-bce7-5ce4-99e8-fcfb7b5368de", "--live"])
        .exits(1)
        .says("remote id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_names_fields_types_and_choices() {
    let world = World::linked().await;
    let schema = world.run(&["schema", "opportunities", "--json"]).exits(0).json();
    assert_eq!(schema["kind"], "opportunity");
    let fields = schema["fields"].as_array().unwrap();
    let stage = fields.iter().find(|field| field["remote"] == "StageName").unwrap();
    assert_eq!((&stage["unified"], &stage["required"]), (&"stage".into(), &true.into()));
    assert!(!stage["picklist"].as_array().unwrap().is_empty());
    assert_narrow(&world.run(&["schema", "contacts", "-a", "acme"]).exits(0).stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_is_refused_and_not_cut() {
    let folder = Folder::new();
    File::create(folder.path("long")).unwrap().set_len((64 << 20) + 1).unwrap();
    folder.run(&["request", "POST", "/x", "--data", "@long"]).exits(2).says("64 megabytes");
    folder.run(&["custom-objects", "create", "X__c", "--data", "@long"]).exits(2).says("16 megabytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_the_remotes_own_api_is_passed_through() {
    let world = World::linked().await;
    let path = "/services/data/v66.0/query?q=SELECT+COUNT()+FROM+Contact";
    let answer = world.run(&["request", "acme", "GET", path]).exits(0).says("HTTP 200").json();
    assert_eq!(answer["totalSize"], world.emulator.org().count("Contact").await.unwrap());
    let body = r#"{"LastName": "Passed"}"#;
    let path = "/services/data/v66.0/sobjects/Contact";
    let made = world.run(&["request", "POST", path, "--data", body, "--json"]).exits(0).json();
    assert_eq!((&made["status"], &made["body"]["success"]), (&201.into(), &true.into()));
    world.run(&["request", "GET", "/services/data/v66.0/nosuch"]).exits(1).says("HTTP 404");
    unread(&mut world.folder.command(&["request", "GET", "/services/data/v66.0/nosuch"])).exits(1);
    // The body is shown unpacked, so nothing is said of how it was packed.
    let path = "/services/data/v66.0/sobjects/Contact/describe";
    let described = world.run(&["request", "GET", path, "--json"]).exits(0).json();
    assert_eq!(described["body"]["name"], "Contact");
    let names: Vec<_> =
        described["headers"].as_array().unwrap().iter().map(|header| header[0].as_str().unwrap()).collect();
    assert!(names.contains(&"content-type"), "{names:?}");
    assert!(!names.contains(&"content-encoding") && !names.contains(&"content-length"), "{names:?}");
    let elsewhere = world.run(&["request", "GET", "http://example.com/steal"]);
    assert!(matches!(elsewhere.code, 1 | 2), "{elsewhere:?}");
}
