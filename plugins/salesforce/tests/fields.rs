//! Fields that appear between two readings: what they hold moves no time stamp.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use unicrm_core::{LiveRow, ObjectKind, ProviderExt};
use unicrm_salesforce_emulator::{Emulator, FieldSchema, FieldType, Record};

use crate::support::{Linked, age, read_all, read_since, since};

const LATER: Duration = Duration::from_secs(3_600);

fn has(row: &LiveRow, text: &str) -> bool {
    row.record.remote_fields().iter().any(|field| field.value.to_text().as_deref() == Some(text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_that_begins_shows_what_is_new_to_the_user() {
    let linked = Linked::with_contacts(40).await;
    let org = linked.org();
    let folder = TempDir::new().unwrap();
    let before = read_all(&*linked.connect_cached(folder.path()).await, ObjectKind::Contact).await;
    let contact = before.live.keys().next().unwrap().clone();
    org.add_field("Contact", FieldSchema::new("Nickname__c", FieldType::String)).await.unwrap();
    org.set("Contact", &contact, Record::new().with("Nickname__c", "Newt")).await.unwrap();
    // A run that was interrupted a moment ago need not ask.
    age(folder.path(), Duration::from_secs(90));
    let provider = linked.connect_cached(folder.path()).await;
    let all = read_all(&*provider, ObjectKind::Contact).await;
    assert!(has(&all.live[&contact], "Newt"), "a reading of everything");

    org.advance_clock(LATER);
    org.add_field("Contact", FieldSchema::new("Pet__c", FieldType::String)).await.unwrap();
    org.update("Contact", &contact, json!({"Pet__c": "Axolotl"})).await.unwrap();
    org.advance_clock(LATER);
    let changed = read_since(&*provider, ObjectKind::Contact, &all.watermark.unwrap()).await;
    assert!(has(&changed.live[&contact], "Axolotl"), "a reading of what changed, of one object alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_reading_of_one_object_costs_one_call() {
    // The session outlasts the waits: what one that has ended costs is another matter.
    let builder = Emulator::builder().contacts(40).seed(7);
    let linked = Linked::start(builder.session_lifetime(LATER * 24)).await;
    let provider = linked.connect().await;
    for kind in [ObjectKind::Contact, ObjectKind::Engagement, ObjectKind::Stage] {
        let watermark = read_all(&*provider, kind).await.watermark.unwrap();
        linked.org().advance_clock(LATER);
        linked.emulator.log().clear();
        let page = provider.read_page(since(kind, &watermark)).await.unwrap();
        let calls = linked.emulator.log().api_calls();
        assert_eq!((calls, page.usage.calls), (1, 1), "{kind}: {:?}", linked.emulator.log().counts());
    }
}
