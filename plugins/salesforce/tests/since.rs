//! Readings since a watermark: what changed, what went, what committed late, and what an idle one costs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use unicrm_core::{GoneReason, ObjectKind, Provider, ReadPart, RemoteId, Shape, Watermark};
use unicrm_salesforce_emulator::{
    Emulator, Fault, FaultRule, FieldSchema, FieldType, PicklistValue, Record, Resource,
};

use crate::support::{Linked, Shown, read, read_all, read_since, since};

/// Far beyond the overlap, so that what is shown was shown for its change.
const LATER: Duration = Duration::from_secs(3_600);

/// Reads everything; the watermark of each object.
async fn watermarks(provider: &dyn Provider) -> Vec<(ObjectKind, Watermark)> {
    let mut watermarks = Vec::new();
    for kind in ObjectKind::ALL {
        watermarks.push((kind, read_all(provider, kind).await.watermark.unwrap()));
    }
    watermarks
}

/// An org with so many contacts, all of which was read a while ago.
async fn all_read(contacts: u64) -> (Linked, Arc<dyn Provider>, Vec<(ObjectKind, Watermark)>) {
    let linked = Linked::with_contacts(contacts).await;
    let provider = linked.connect().await;
    let watermarks = watermarks(&*provider).await;
    linked.org().advance_clock(LATER);
    (linked, provider, watermarks)
}

/// What changed since these watermarks.
fn parts(watermarks: &[(ObjectKind, Watermark)]) -> impl Iterator<Item = ReadPart> {
    watermarks.iter().map(|(kind, watermark)| since(*kind, watermark))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_is_shown_and_nothing_else() {
    let linked = Linked::with_contacts(120).await;
    let org = linked.org();
    let provider = linked.connect().await;
    org.advance_clock(LATER);
    let watermark = read_all(&*provider, ObjectKind::Contact).await.watermark.unwrap();
    org.advance_clock(LATER);
    assert_eq!(read_since(&*provider, ObjectKind::Contact, &watermark).await.rows, 0, "nothing has changed");

    let ids: Vec<String> = linked.expected(ObjectKind::Contact).await.live.into_iter().collect();
    let [changed, deleted, purged, master, loser] = [0, 1, 2, 3, 4].map(|at| ids[at].clone());
    org.update("Contact", &changed, json!({"Title": "Chief Changer"})).await.unwrap();
    org.delete("Contact", &deleted).await.unwrap();
    org.delete("Contact", &purged).await.unwrap();
    org.hard_delete("Contact", &purged).await.unwrap();
    org.merge("Contact", &master, &[&loser]).await.unwrap();
    let made = org.create("Contact", json!({"LastName": "Newcomer"})).await.unwrap();
    org.advance_clock(LATER);

    let shown = read_since(&*provider, ObjectKind::Contact, &watermark).await;
    assert!(
        shown.live_ids().is_superset(&BTreeSet::from([changed, made, master.clone()])),
        "{:?}",
        shown.live_ids()
    );
    assert!(shown.live.len() <= 10, "only what changed: {:?}", shown.live_ids());
    assert_eq!(shown.gone_ids(), BTreeSet::from([deleted.clone(), purged.clone(), loser.clone()]));
    assert_eq!(shown.gone[&deleted].reason, GoneReason::Deleted);
    assert_eq!(shown.gone[&purged].reason, GoneReason::Deleted);
    assert_eq!(shown.gone[&loser].reason, GoneReason::MergedInto(RemoteId::from(master.as_str())));
    let next = shown.watermark.unwrap();
    org.advance_clock(LATER);
    assert_eq!(read_since(&*provider, ObjectKind::Contact, &next).await.rows, 0, "it was shown already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_before_its_object_was_hidden_is_gone_when_it_is_seen_again() {
    let linked = Linked::with_contacts(60).await;
    let org = linked.org();
    let watermark = read_all(&*linked.connect().await, ObjectKind::Note).await.watermark.unwrap();
    org.advance_clock(LATER);
    let notes = linked.expected(ObjectKind::Note).await.live;
    let note = notes.iter().find(|id| id.starts_with("002")).cloned().unwrap();
    org.hard_delete("Note", &note).await.unwrap();
    let visible = org.visibility();
    org.hide_object("Note");
    org.advance_clock(LATER);
    let hidden = read_since(&*linked.connect().await, ObjectKind::Note, &watermark).await;
    assert!(hidden.gone.is_empty(), "nobody can know of it yet: {:?}", hidden.gone);
    org.set_visibility(visible);
    org.advance_clock(LATER);
    let seen = read_since(&*linked.connect().await, ObjectKind::Note, &hidden.watermark.unwrap()).await;
    assert!(seen.gone_ids().contains(&note), "{:?}", seen.gone_ids());
    // A comparison may have declared them gone meanwhile: they are alive again.
    let live = notes.into_iter().filter(|id| id.starts_with("002") && *id != note).collect();
    assert!(seen.live_ids().is_superset(&live), "{:?}", seen.live_ids());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_taken_out_of_the_bin_is_alive() {
    let linked = Linked::with_contacts(60).await;
    let org = linked.org();
    let provider = linked.connect().await;
    let watermark = read_all(&*provider, ObjectKind::Account).await.watermark.unwrap();
    org.advance_clock(LATER);
    let account = linked.expected(ObjectKind::Account).await.live.first().cloned().unwrap();
    org.delete("Account", &account).await.unwrap();
    org.undelete("Account", &account).await.unwrap();
    org.advance_clock(LATER);
    let shown = read_since(&*provider, ObjectKind::Account, &watermark).await;
    assert!(shown.live.contains_key(&account) && shown.gone.is_empty(), "{:?}", shown.gone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_commits_late_is_not_lost() {
    let linked = Linked::with_contacts(60).await;
    let org = linked.org();
    let provider = linked.connect().await;
    org.advance_clock(LATER);
    org.create("Contact", json!({"LastName": "On time"})).await.unwrap();
    let watermark = read_all(&*provider, ObjectKind::Contact).await.watermark.unwrap();
    // Its transaction began nine minutes before the reading, and commits behind rows that were read already.
    let late = Record::new().with("LastName", "Late");
    let late = org.insert_late("Contact", late, Duration::from_secs(9 * 60)).await.unwrap();
    org.advance_clock(Duration::from_secs(60));
    let shown = read_since(&*provider, ObjectKind::Contact, &watermark).await;
    assert!(shown.live.contains_key(&late), "{:?}", shown.live_ids());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_whose_list_is_refused_once_are_shown_by_the_next_reading() {
    for fault in [
        Fault::ApiCurrentlyDisabled,
        Fault::ExpiredPassword,
        Fault::QueryTimeout,
        Fault::ObjectDisappears { object: "Lead".to_owned() },
    ] {
        let linked = Linked::with_contacts(40).await;
        let org = linked.org();
        let provider = linked.connect().await;
        org.advance_clock(LATER);
        let watermark = read_all(&*provider, ObjectKind::Lead).await.watermark.unwrap();
        org.advance_clock(LATER);
        let lead = linked.expected(ObjectKind::Lead).await.live.first().cloned().unwrap();
        org.hard_delete("Lead", &lead).await.unwrap();
        org.advance_clock(LATER);
        let name = format!("{fault:?}");
        let rule = FaultRule::new(Resource::Replication, fault).on_object("Lead");
        linked.emulator.faults().add(rule);
        let first = read(&*provider, since(ObjectKind::Lead, &watermark)).await;
        assert!(linked.emulator.faults().struck() > 0, "{name}");
        org.show_object("Lead");
        // Either it has failed, and its watermark still holds, or there is a new one behind which nothing is lost.
        let (told, watermark) = first
            .map_or((false, watermark), |shown| (shown.gone.contains_key(&lead), shown.watermark.unwrap()));
        org.advance_clock(LATER);
        let shown = read_since(&*provider, ObjectKind::Lead, &watermark).await;
        assert!(told || shown.gone.contains_key(&lead), "{name}: the deletion is lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_object_shows_its_changes_since() {
    let (linked, provider, watermarks) = all_read(80).await;
    let org = linked.org();
    let user = org.user_id().to_owned();
    let stage = org.query("SELECT Id FROM OpportunityStage LIMIT 1").await.unwrap();
    let stage = stage[0]["Id"].as_str().unwrap().to_owned();
    let contact = linked.expected(ObjectKind::Contact).await.live.first().cloned().unwrap();
    let start = "2026-03-01T10:00:00.000Z";
    let made = [
        (ObjectKind::Account, org.create("Account", json!({"Name": "A"})).await.unwrap()),
        (ObjectKind::Contact, org.create("Contact", json!({"LastName": "C"})).await.unwrap()),
        (ObjectKind::Lead, org.create("Lead", json!({"LastName": "L", "Company": "K"})).await.unwrap()),
        (
            ObjectKind::Opportunity,
            org.create(
                "Opportunity",
                json!({"Name": "O", "StageName": "Prospecting", "CloseDate": "2026-12-01"}),
            )
            .await
            .unwrap(),
        ),
        (ObjectKind::Task, org.create("Task", json!({"Subject": "T"})).await.unwrap()),
        (
            ObjectKind::Engagement,
            org.create("Task", json!({"Subject": "Call", "TaskSubtype": "Call", "WhoId": contact}))
                .await
                .unwrap(),
        ),
        (
            ObjectKind::Engagement,
            org.create("Event", json!({"Subject": "E", "StartDateTime": start, "DurationInMinutes": 5}))
                .await
                .unwrap(),
        ),
        (ObjectKind::Note, org.create("Note", json!({"Title": "N", "ParentId": contact})).await.unwrap()),
        (
            ObjectKind::Note,
            org.create("ContentNote", json!({"Title": "CN", "Content": "SGVsbG8="})).await.unwrap(),
        ),
    ];
    let later = Record::new().with("SystemModstamp", org.now());
    org.set("User", &user, later.clone()).await.unwrap();
    org.set("OpportunityStage", &stage, later).await.unwrap();
    org.advance_clock(LATER);
    for (kind, watermark) in &watermarks {
        let shown = read_since(&*provider, *kind, watermark).await;
        let expected: BTreeSet<String> =
            made.iter().filter(|(of, _)| of == kind).map(|(_, id)| id.clone()).collect();
        match kind {
            ObjectKind::User => assert_eq!(shown.live_ids(), BTreeSet::from([user.clone()])),
            ObjectKind::Stage => assert_eq!(shown.live.len(), 1),
            ObjectKind::EngagementType => assert!(shown.live.len() >= 4, "they are always all shown"),
            // What was made may touch others, such as the account of a contact.
            _ => assert!(shown.live_ids().is_superset(&expected), "{kind}: {:?}", shown.live_ids()),
        }
        assert!(shown.rows < 20, "{kind}: {} rows", shown.rows);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_reading_of_all_ten_objects_costs_few_calls() {
    let linked = Linked::start(Emulator::builder().contacts(100)).await;
    let provider = linked.connect().await;
    let watermarks = watermarks(&*provider).await;
    // Within the hour for which descriptions are taken as they are.
    linked.org().advance_clock(Duration::from_secs(1_800));
    linked.emulator.log().clear();
    let pages = provider.read(parts(&watermarks).collect()).await.unwrap();
    let calls = linked.emulator.log().api_calls();
    let mut reported = 0;
    for page in pages {
        let page = page.unwrap();
        assert!(page.next_token().is_none(), "idle readings end with their first page");
        reported += page.usage.calls;
    }
    println!("an idle reading of all ten objects: {calls} calls");
    assert_eq!(calls, reported, "the calls are reported as they were counted");
    assert!(calls <= 3, "{calls} calls: {:?}", linked.emulator.log().counts());
    assert_eq!(linked.emulator.log().count(Resource::Token).requests, 0, "the session is still good");
}

/// Whether descriptions have changed is asked in the same calls as what has: what one that has changed would have selected is
/// not lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_of_all_ten_objects_sees_fields_and_types_that_are_new() {
    let (linked, provider, watermarks) = all_read(40).await;
    let org = linked.org();
    let mut field = FieldSchema::new("Type", FieldType::Picklist);
    field.picklist.push(PicklistValue::new("First Call"));
    org.add_field("Task", field).await.unwrap();
    org.add_field("Contact", FieldSchema::new("Nickname__c", FieldType::String)).await.unwrap();
    let named = json!({"LastName": "Newcomer", "Nickname__c": "Newt"});
    let contact = org.create("Contact", named).await.unwrap();
    org.advance_clock(LATER);
    let pages = provider.read(parts(&watermarks).collect()).await.unwrap();
    let mut shown = Shown::default();
    for page in pages {
        page.unwrap().rows.into_iter().for_each(|row| shown.take(row));
    }
    assert!(shown.live.contains_key("Task.Type:First Call"), "{:?}", shown.live_ids());
    let fields = shown.live[&contact].record.remote_fields();
    assert!(fields.iter().any(|field| field.value.to_text().as_deref() == Some("Newt")), "{fields:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_far_a_reading_goes_back_is_a_setting_of_the_account() {
    let linked = Linked::with_contacts(40).await;
    let org = linked.org();
    let provider = linked.connect().await;
    let patient = linked
        .connect_with(r#""flow":"client-credentials","overlap_minutes":60"#)
        .await
        .expect("a connection");
    org.advance_clock(LATER);
    let watermark = read_all(&*provider, ObjectKind::Contact).await.watermark.unwrap();
    // Its transaction took fifty minutes.
    let late = Record::new().with("LastName", "Late");
    let late = org.insert_late("Contact", late, Duration::from_secs(50 * 60)).await.unwrap();
    org.advance_clock(Duration::from_secs(60));
    assert!(!read_since(&*provider, ObjectKind::Contact, &watermark).await.live.contains_key(&late));
    assert!(read_since(&*patient, ObjectKind::Contact, &watermark).await.live.contains_key(&late));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counting_all_ten_objects_costs_few_calls() {
    let linked = Linked::with_contacts(60).await;
    let provider = linked.connect().await;
    for kind in ObjectKind::ALL {
        read_all(&*provider, kind).await;
    }
    linked.emulator.log().clear();
    let parts = ObjectKind::ALL.map(|kind| ReadPart::all(kind).shape(Shape::Count));
    let pages = provider.read(parts.into_iter().collect()).await.unwrap();
    let calls = linked.emulator.log().api_calls();
    assert!(calls <= 4, "{calls} calls: {:?}", linked.emulator.log().counts());
    let mut reported = 0;
    for (kind, page) in ObjectKind::ALL.into_iter().zip(pages) {
        let page = page.unwrap();
        reported += page.usage.calls;
        let expected = match kind {
            ObjectKind::EngagementType => read_all(&*provider, kind).await.live.len(),
            _ => linked.expected(kind).await.live.len(),
        };
        assert_eq!(page.count, Some(expected as u64), "{kind}");
    }
    assert_eq!(reported, calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smaller_pages_are_asked_for_together_too() {
    let (linked, provider, watermarks) = all_read(60).await;
    let org = linked.org();
    for number in 0..250 {
        org.create("Contact", json!({"LastName": format!("Newcomer {number}")})).await.unwrap();
    }
    org.advance_clock(LATER);
    linked.emulator.log().clear();
    let small = parts(&watermarks).map(|part| part.page_size(200));
    let pages = provider.read(small.collect()).await.unwrap();
    assert!(linked.emulator.log().api_calls() <= 5, "{:?}", linked.emulator.log().counts());
    for (kind, page) in ObjectKind::ALL.into_iter().zip(pages) {
        let page = page.unwrap();
        let more = page.next_token().is_some();
        assert!(
            page.rows.len() <= 200 && more == (kind == ObjectKind::Contact),
            "{kind}: {}",
            page.rows.len()
        );
    }
}
