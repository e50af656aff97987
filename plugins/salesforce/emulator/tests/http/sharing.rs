//! What somebody else's settings do to a reader: records that are not shared, fields that come and go, transactions that
//! commit late.

use std::time::Duration;

use serde_json::json;
use unicrm_salesforce_emulator::{FieldSchema, FieldType, Record};

use crate::client::{empty, read};

#[tokio::test]
async fn a_record_that_is_not_shared_is_nowhere_and_is_not_called_deleted() {
    let client = empty().await;
    let org = client.emulator.org();
    let seen = client.create("Contact", json!({ "LastName": "Seen" })).await;
    let hidden = client.create("Contact", json!({ "LastName": "Hidden" })).await;
    let before = client.record("Contact", &hidden).await;
    org.hide_record(&hidden);

    for answer in [
        client.query("SELECT Id FROM Contact ORDER BY Id").await,
        client.query_all("SELECT Id FROM Contact ORDER BY Id").await,
    ] {
        let answer = answer.json();
        assert_eq!((&answer["totalSize"], &answer["records"][0]["Id"]), (&json!(1), &json!(seen)));
    }
    assert_eq!(client.query("SELECT COUNT() FROM Contact").await.json()["totalSize"], json!(1));
    assert_eq!(client.get(&format!("/sobjects/Contact/{hidden}")).await.status, 404);
    org.advance_clock(Duration::from_secs(300));
    let now = org.now();
    let span = |name: &str| {
        let start = now.saturating_sub(jiff_hours(1)).expect("a time");
        format!("/sobjects/Contact/{name}?start={start:.0}&end={now:.0}")
    };
    assert_eq!(client.get(&span("updated")).await.json()["ids"], json!([seen]));
    assert_eq!(client.get(&span("deleted")).await.json()["deletedRecords"], json!([]));

    // It is there all the same, and comes back as it was: sharing moves no stamp.
    assert!(org.get("Contact", &hidden).await.unwrap().is_some());
    org.show_record(&hidden);
    assert_eq!(client.record("Contact", &hidden).await["SystemModstamp"], before["SystemModstamp"]);
}

fn jiff_hours(hours: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(hours)
}

#[tokio::test]
async fn a_custom_field_that_is_removed_takes_its_data_along() {
    let client = empty().await;
    let org = client.emulator.org();
    let field = || FieldSchema::new("Color__c", FieldType::String);
    org.add_field("Contact", field()).await.unwrap();
    let id = client.create("Contact", json!({ "LastName": "Red", "Color__c": "red" })).await;
    assert_eq!(client.record("Contact", &id).await["Color__c"], "red");

    org.remove_field("Contact", "Color__c").await.unwrap();
    assert_eq!(client.query("SELECT Color__c FROM Contact").await.error(), (400, "INVALID_FIELD".into()));
    assert!(client.record("Contact", &id).await.get("Color__c").is_none());
    org.add_field("Contact", field()).await.unwrap();
    assert!(client.record("Contact", &id).await["Color__c"].is_null());

    assert!(org.remove_field("Contact", "LastName").await.is_err(), "a standard field stays");
    assert!(org.remove_field("Contact", "Nothing__c").await.is_err());
}

#[tokio::test]
async fn fields_and_objects_come_back_into_sight() {
    let client = empty().await;
    let org = client.emulator.org();
    client.create("Contact", json!({ "LastName": "Seen", "FirstName": "Once" })).await;
    org.hide_field("Contact", "FirstName");
    org.hide_object("Lead");
    assert_eq!(client.query("SELECT FirstName FROM Contact").await.status, 400);
    assert_eq!(client.query("SELECT Id FROM Lead").await.error(), (400, "INVALID_TYPE".into()));
    org.show_field("Contact", "FirstName");
    org.show_object("Lead");
    let answer = client.query("SELECT FirstName FROM Contact").await.json();
    assert_eq!(answer["records"][0]["FirstName"], "Once");
    assert_eq!(client.query("SELECT Id FROM Lead").await.status, 200);
}

#[tokio::test]
async fn what_commits_late_lies_behind_what_was_visible_before() {
    let client = empty().await;
    let org = client.emulator.org();
    org.freeze_clock(true);
    org.advance_clock(Duration::from_secs(3_600));
    let id = client.create("Contact", json!({ "LastName": "On time" })).await;
    org.advance_clock(Duration::from_secs(900));
    let now = org.now();
    let late = org.committing_late(Duration::from_secs(540));
    let made = late.create("Contact", json!({ "LastName": "Late" })).await.unwrap();
    late.update("Contact", &id, json!({ "LastName": "Changed" })).await.unwrap();
    let stamp = Record::new().with("SystemModstamp", now - jiff::SignedDuration::from_secs(540));
    for id in [made, id] {
        let record = org.get("Contact", &id).await.unwrap().unwrap();
        let second = |record: &Record| match record.get("SystemModstamp") {
            unicrm_salesforce_emulator::Value::DateTime(at) => at.as_second(),
            other => panic!("{other:?}"),
        };
        assert_eq!(second(&record), second(&stamp));
    }
    assert_eq!(org.now(), now, "the clock does not go back");
}

#[tokio::test]
async fn a_record_that_came_back_alone_outlives_its_parent() {
    let client = empty().await;
    let org = client.emulator.org();
    let account = client.create("Account", json!({ "Name": "Acme" })).await;
    let contact = client.create("Contact", json!({ "LastName": "Lives", "AccountId": account })).await;
    org.delete("Account", &account).await.unwrap();
    org.undelete("Contact", &contact).await.unwrap();
    org.hard_delete("Account", &account).await.unwrap();
    assert_eq!(client.record("Contact", &contact).await["LastName"], "Lives");
}

#[tokio::test]
async fn a_place_in_a_list_that_shows_a_removed_field_leads_nowhere() {
    let client = empty().await;
    let org = client.emulator.org();
    org.add_field("Contact", FieldSchema::new("Color__c", FieldType::String)).await.unwrap();
    for number in 0..201 {
        org.create("Contact", json!({ "LastName": number.to_string() })).await.unwrap();
    }
    let request = client.request("GET", "/query").query(&[("q", "SELECT Id, Color__c FROM Contact")]);
    let page = read(request.header("Sforce-Query-Options", "batchSize=200")).await.unwrap().json();
    let next = page["nextRecordsUrl"].as_str().unwrap().to_owned();
    org.remove_field("Contact", "Color__c").await.unwrap();
    assert_eq!(client.get(&next).await.error(), (400, "INVALID_QUERY_LOCATOR".into()));
}
