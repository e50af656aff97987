//! Every object and every kind of row arrives, as the org's own tables have them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use unicrm_core::{
    Direction, GoneReason, LiveRow, Note, Object, ObjectKind, ProviderExt, RawRequest, ReadPart, ReadRequest,
    Record, RemoteId, Scope, Shape, Value,
};
use unicrm_salesforce_emulator::{
    Emulator, Fault, FaultRule, Features, FieldSchema, FieldType, PicklistValue, Resource,
};

use crate::support::{
    Linked, Shown, TYPES, count, read, read_all, read_restarting, read_restarting_with, read_since,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_ten_objects_arrive_whole() {
    let linked = Linked::with_contacts(450).await;
    let provider = linked.connect().await;
    for kind in ObjectKind::ALL {
        let expected = linked.expected(kind).await;
        assert!(!expected.live.is_empty(), "the org has some {kind}");
        let shown = read_all(&*provider, kind).await;
        shown.assert_whole(kind, &expected);
        assert!(shown.watermark.is_some(), "{kind}");
        assert_eq!(count(&*provider, kind).await, expected.live.len() as u64, "{kind}");
        let ids = read(&*provider, ReadPart::all(kind).shape(Shape::Ids)).await.unwrap();
        assert_eq!(ids.ids, expected.live, "{kind}");
        assert_eq!(ids.gone_ids(), expected.deleted, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orgs_without_the_optional_features_are_read_as_well() {
    let all_off = Features {
        multi_currency: false,
        person_accounts: false,
        state_country_picklists: false,
        shared_activities: false,
        enhanced_notes: false,
    };
    let all_on = Features {
        multi_currency: true,
        person_accounts: true,
        state_country_picklists: true,
        shared_activities: true,
        enhanced_notes: true,
    };
    for features in [all_off, all_on] {
        let linked = Linked::start(Emulator::builder().contacts(120).features(features.clone())).await;
        let provider = linked.connect().await;
        for kind in ObjectKind::ALL {
            let expected = linked.expected(kind).await;
            read_all(&*provider, kind).await.assert_whole(kind, &expected);
        }
    }
}

/// The e-mails of more activities than one query names come with one call; where that is refused, query by query.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_many_rows_comes_in_one_call() {
    let linked = Linked::with_contacts(1_000).await;
    let expected = linked.expected(ObjectKind::Engagement).await;
    let provider = linked.connect().await;
    // With the descriptions.
    read_all(&*provider, ObjectKind::Engagement).await;
    let log = linked.emulator.log();
    let mut calls = Vec::new();
    // None, the whole call, and one of the queries in it, which are behind those of events and tasks.
    for refused in [None, Some((Resource::Composite, 0)), Some((Resource::Query, 3))] {
        log.clear();
        linked.emulator.faults().clear();
        if let Some((resource, after)) = refused {
            let rule = FaultRule::new(resource, Fault::OperationTooLarge).after(after);
            linked.emulator.faults().add(rule);
        }
        let shown = read_all(&*provider, ObjectKind::Engagement).await;
        shown.assert_whole(ObjectKind::Engagement, &expected);
        let with_message = |row: &&LiveRow| row.raw.pieces().any(|(path, _)| path.ends_with("/EmailMessage"));
        let messages = shown.live.values().filter(with_message).count();
        assert!(messages > 200, "{messages} e-mails are not more than one query names");
        assert_eq!(linked.emulator.faults().struck(), u64::from(refused.is_some()));
        assert_eq!(log.count(Resource::Composite).requests, 1, "{refused:?}");
        calls.push((messages, log.api_calls()));
    }
    let (messages, least) = calls[0];
    assert!(calls.iter().all(|(other, _)| *other == messages), "{calls:?}");
    assert!(calls[1].1 > least && calls[2].1 == least + 1, "{calls:?}");
}

/// Every body is a call: a process that ends among them loses those of one page, which are no more than can be under way at
/// once, and a process that goes on does not ask twice for the notes themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bodies_of_notes_come_a_few_at_a_time_and_are_not_fetched_again() {
    const AT_ONCE: u64 = 3;
    let linked = Linked::with_contacts(450).await;
    let expected = linked.expected(ObjectKind::Note).await;
    let members = r#""flow":"client-credentials","limits":{"concurrency":3}"#;
    let log = linked.emulator.log();

    let provider = linked.connect_with(members).await.unwrap();
    log.clear();
    read_all(&*provider, ObjectKind::Note).await.assert_whole(ObjectKind::Note, &expected);
    let (bodies, queries) = (log.count(Resource::Blob).api_calls, log.count(Resource::Query).api_calls);
    assert!(bodies > 10 * AT_ONCE, "{bodies} bodies");
    assert_eq!(queries, 3, "notes of both sorts, and the links");

    // Each page by a process of its own.
    log.clear();
    let shown = read_restarting_with(&linked, members, ReadPart::all(ObjectKind::Note)).await.unwrap();
    shown.assert_whole(ObjectKind::Note, &expected);
    assert_eq!(log.count(Resource::Blob).api_calls, bodies, "each body is fetched once");
    let pages = shown.pages as u64;
    assert!(pages * AT_ONCE >= bodies, "{bodies} bodies on {pages} pages");
    // Classic notes, which are there with the first call, do not wait for the bodies of the others.
    let first = provider.read_page(ReadPart::all(ObjectKind::Note)).await.unwrap();
    assert!(!first.rows.is_empty() && first.usage.calls == 1, "{} calls", first.usage.calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sort_of_engagement_is_there_with_what_belongs_to_it() {
    let linked = Linked::with_contacts(300).await;
    let provider = linked.connect().await;
    let org = linked.org();
    let shown = read_all(&*provider, ObjectKind::Engagement).await;
    let mut types = BTreeSet::new();
    let mut directions = BTreeSet::new();
    for row in shown.live.values() {
        let Record::Engagement(engagement) = &row.record else { panic!("an engagement") };
        let ty = engagement.engagement_type.as_ref().and_then(|ty| ty.remote_id()).expect("a type");
        types.insert(ty.as_str().to_owned());
        directions.extend(engagement.direction.as_ref().map(|direction| format!("{ty} {direction}")));
    }
    for ty in ["Event", "Task:Call", "Task:Email"] {
        assert!(types.contains(ty), "{ty} is not among {types:?}");
    }
    for direction in [Direction::Inbound, Direction::Outbound] {
        assert!(directions.contains(&format!("Task:Call {direction}")), "{directions:?}");
        assert!(directions.contains(&format!("Task:Email {direction}")), "{directions:?}");
    }

    // What the relations say, whoever comes first.
    let mut several = 0;
    for (relations, key) in [("EventWhoRelation", "EventId"), ("TaskWhoRelation", "TaskId")] {
        let rows = org.query(&format!("SELECT {key}, RelationId FROM {relations}")).await.unwrap();
        for (id, row) in &shown.live {
            let Record::Engagement(engagement) = &row.record else { continue };
            let related: BTreeSet<&str> = rows
                .iter()
                .filter(|relation| relation[key] == id.as_str())
                .filter_map(|relation| relation["RelationId"].as_str())
                .filter(|person| person.starts_with("003"))
                .collect();
            let contacts: BTreeSet<&str> = engagement
                .contacts
                .iter()
                .filter_map(|contact| contact.remote_id())
                .map(RemoteId::as_str)
                .collect();
            assert!(related.is_subset(&contacts), "{id}: {related:?} are not all among {contacts:?}");
            several += usize::from(contacts.len() > 1);
        }
    }
    assert!(several > 0, "the org has engagements with several contacts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_people_than_a_sub_query_holds_are_all_there() {
    let linked = Linked::with_contacts(250).await;
    let org = linked.org();
    let contacts: Vec<String> = org
        .query("SELECT Id FROM Contact LIMIT 240")
        .await
        .unwrap()
        .iter()
        .map(|row| text(row, "Id"))
        .collect();
    let start = "2026-03-01T10:00:00.000Z";
    let event = serde_json::json!({"Subject": "All hands", "StartDateTime": start, "DurationInMinutes": 60});
    let event = org.create("Event", event).await.unwrap();
    for contact in &contacts {
        let record = unicrm_salesforce_emulator::Record::new()
            .with("EventId", event.as_str())
            .with("RelationId", contact.as_str());
        org.insert("EventWhoRelation", record).await.unwrap();
    }
    let provider = linked.connect().await;
    let shown = read_all(&*provider, ObjectKind::Engagement).await;
    let Record::Engagement(engagement) = &shown.live[&event].record else { panic!("an engagement") };
    let found: BTreeSet<&str> =
        engagement.contacts.iter().filter_map(|contact| contact.remote_id()).map(RemoteId::as_str).collect();
    assert_eq!(found, contacts.iter().map(String::as_str).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enhanced_notes_bring_body_and_links() {
    let linked = Linked::with_contacts(300).await;
    let provider = linked.connect().await;
    let shown = read_all(&*provider, ObjectKind::Note).await;
    let notes: Vec<(&String, Note)> = shown
        .live
        .iter()
        .filter(|(id, _)| id.starts_with("069"))
        .filter_map(|(id, row)| Some((id, Note::from_record(row.record.clone())?)))
        .collect();
    assert!(notes.len() > 3, "the org has enhanced notes");
    let mut links = Vec::new();
    for (id, _) in &notes {
        let soql = format!(
            "SELECT ContentDocumentId, LinkedEntityId FROM ContentDocumentLink WHERE ContentDocumentId = '{id}'"
        );
        links.extend(linked.org().query(&soql).await.unwrap());
    }
    let (mut linked_somewhere, mut bodies) = (0, 0);
    for (id, note) in notes {
        assert!(
            note.content.as_deref().is_some_and(|content| !content.trim().is_empty()),
            "{id} has no content"
        );
        let stored = linked.org().get("ContentNote", id).await.unwrap().expect("the note");
        let raw = &shown.live[id].raw;
        let html = raw.pieces().find(|(path, _)| path.ends_with("/Content")).map(|(_, json)| json);
        assert_eq!(
            html.is_some(),
            stored.text("Content").is_some(),
            "{id}: the HTML is kept, where there is any"
        );
        bodies += usize::from(html.is_some());
        for (prefix, reference) in [
            ("003", note.contact.as_ref().and_then(|contact| contact.remote_id())),
            ("001", note.account.as_ref().and_then(|account| account.remote_id())),
            ("006", note.opportunity.as_ref().and_then(|opportunity| opportunity.remote_id())),
        ] {
            let entities: Vec<String> = links
                .iter()
                .filter(|link| link["ContentDocumentId"] == id.as_str())
                .map(|link| text(link, "LinkedEntityId"))
                .filter(|entity| entity.starts_with(prefix))
                .collect();
            assert_eq!(reference.is_some(), !entities.is_empty(), "{id} and {prefix}");
            if let Some(reference) = reference {
                assert!(entities.iter().any(|entity| entity == reference.as_str()), "{id}");
                linked_somewhere += 1;
            }
        }
    }
    assert!(linked_somewhere > 0 && bodies > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_the_quota_put_off_come_with_a_later_reading() {
    let linked = Linked::with_contacts(120).await;
    let org = linked.org();
    let provider = linked.connect().await;
    let expected = linked.expected(ObjectKind::Note).await;
    for _ in 0..300 {
        provider.send(RawRequest::new("GET", "/services/data/v60.0/limits")).await.unwrap();
    }
    // Thirty calls are left: more than the reading needs without bodies, and less than a tenth of the day's.
    org.set_daily_api_requests(org.api_usage() + 30);
    let bodies = |shown: &Shown| {
        let enhanced = shown.live.iter().filter(|(id, _)| id.starts_with("069"));
        let whole = |row: &LiveRow| row.raw.pieces().any(|(path, _)| path.ends_with("/Content"));
        enhanced.filter(|(_, row)| whole(row)).map(|(id, _)| id.clone()).collect::<BTreeSet<String>>()
    };
    let shown = read_all(&*provider, ObjectKind::Note).await;
    shown.assert_whole(ObjectKind::Note, &expected);
    assert_eq!(bodies(&shown), BTreeSet::new(), "the last calls of the day are left to others");
    org.set_daily_api_requests(100_000);
    org.advance_clock(Duration::from_secs(3_600));
    let later = read_since(&*provider, ObjectKind::Note, &shown.watermark.unwrap()).await;
    let mut written = BTreeSet::new();
    for id in expected.live.iter().filter(|id| id.starts_with("069")) {
        let note = org.get("ContentNote", id).await.unwrap().expect("the note");
        written.extend(note.text("Content").map(|_| id.clone()));
    }
    assert!(!written.is_empty());
    assert_eq!(bodies(&later), written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_of_engagement_follow_the_picklists_of_the_org() {
    let linked = Linked::with_contacts(60).await;
    let org = linked.org();
    let provider = linked.connect().await;
    assert_eq!(read_all(&*provider, ObjectKind::EngagementType).await.live.len(), 4);
    for object in ["Event", "Task"] {
        let mut field = FieldSchema::new("Type", FieldType::Picklist);
        field.picklist.extend(TYPES.map(PicklistValue::new));
        org.add_field(object, field).await.unwrap();
    }
    let shown = read_all(&*provider, ObjectKind::EngagementType).await;
    shown.assert_whole(ObjectKind::EngagementType, &linked.expected(ObjectKind::EngagementType).await);
    let call = json!({"Subject": "Hello", "TaskSubtype": "Call", "Type": TYPES[1]});
    let call = org.create("Task", call).await.unwrap();
    let odd = json!({"Subject": "Hello", "TaskSubtype": "Call", "Type": "Retired"});
    let odd = org.create("Task", odd).await.unwrap();
    let shown = read_all(&*provider, ObjectKind::Engagement).await;
    let type_of = |id: &str| {
        let Record::Engagement(engagement) = &shown.live[id].record else { panic!("an engagement") };
        engagement.engagement_type.as_ref().and_then(|ty| ty.remote_id()).map(|id| id.as_str().to_owned())
    };
    assert_eq!(type_of(&call).as_deref(), Some("Task.Type:First Call"));
    assert_eq!(type_of(&odd).as_deref(), Some("Task:Call"), "a value that is no longer offered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_and_merged_records_are_gone_and_say_why() {
    let linked = Linked::with_contacts(50).await;
    let org = linked.org();
    let contacts = org.query("SELECT Id FROM Contact LIMIT 3").await.unwrap();
    let [master, loser, deleted] = [0, 1, 2].map(|at| text(&contacts[at], "Id"));
    org.merge("Contact", &master, &[&loser]).await.unwrap();
    org.delete("Contact", &deleted).await.unwrap();
    let provider = linked.connect().await;
    let shown = read_all(&*provider, ObjectKind::Contact).await;
    assert_eq!(shown.gone[&loser].reason, GoneReason::MergedInto(RemoteId::from(master.as_str())));
    assert_eq!(shown.gone[&deleted].reason, GoneReason::Deleted);
    let last = shown.gone[&deleted].last.as_ref().expect("its last state");
    assert_eq!(last.record.get("remote_was_deleted"), Some(Value::Boolean(true)));
    assert!(shown.live.contains_key(&master));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn custom_fields_come_as_remote_fields() {
    let linked = Linked::with_contacts(30).await;
    let org = linked.org();
    let field = FieldSchema::new("Tier__c", FieldType::String);
    org.add_field("Contact", field).await.unwrap();
    let contact = text(&org.query("SELECT Id FROM Contact LIMIT 1").await.unwrap()[0], "Id");
    org.update("Contact", &contact, serde_json::json!({"Tier__c": "gold \"1\""})).await.unwrap();
    let provider = linked.connect().await;
    let shown = read_all(&*provider, ObjectKind::Contact).await;
    let fields = shown.live[&contact].record.remote_fields();
    let tier = fields.iter().find(|field| field.key() == Some("Tier__c")).expect("the custom field");
    assert_eq!(tier.value.to_text().as_deref(), Some("gold \"1\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_are_answered_for_in_every_form() {
    let linked = Linked::with_contacts(300).await;
    let provider = linked.connect().await;
    for kind in ObjectKind::ALL {
        let expected = linked.expected(kind).await;
        let mut ids: Vec<RemoteId> = expected.live.iter().map(|id| RemoteId::from(id.as_str())).collect();
        ids.extend(expected.deleted.iter().map(|id| RemoteId::from(id.as_str())));
        let strangers = ["nonsense", "003000000000000AAA", "0", "' OR Id != '"];
        ids.extend(strangers.map(RemoteId::from));
        let shown = read(&*provider, ReadPart::new(kind, Scope::Ids(ids))).await.unwrap();
        assert_eq!(shown.live_ids(), expected.live, "{kind}");
        let mut gone: BTreeSet<String> = expected.deleted.clone();
        gone.extend(strangers.map(str::to_owned));
        assert_eq!(shown.gone_ids(), gone, "{kind}");
        for stranger in strangers {
            assert_eq!(shown.gone[stranger].reason, GoneReason::NotVisible, "{kind}");
        }
    }
    let contact = linked.expected(ObjectKind::Contact).await.live.first().cloned().unwrap();
    let short = RemoteId::from(&contact[..15]);
    let shown = read(&*provider, ReadPart::new(ObjectKind::Contact, Scope::Ids(vec![short]))).await.unwrap();
    assert_eq!((shown.live_ids(), shown.gone_ids()), (BTreeSet::from([contact]), BTreeSet::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_any_size_and_new_connections_show_the_same() {
    let linked = Linked::with_contacts(230).await;
    for kind in [ObjectKind::Contact, ObjectKind::Engagement, ObjectKind::Note] {
        let expected = linked.expected(kind).await;
        for size in [7, 90, 200, 500] {
            let shown = read_restarting(&linked, ReadPart::all(kind).page_size(size)).await.unwrap();
            shown.assert_whole(kind, &expected);
            assert!(shown.pages * size as usize >= shown.rows, "{kind}: a page has more than {size} rows");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_are_read_side_by_side_and_fail_alone() {
    let linked = Linked::with_contacts(60).await;
    linked.org().hide_object("Lead");
    let provider = linked.connect().await;
    let request: ReadRequest = ObjectKind::ALL.into_iter().map(ReadPart::all).collect();
    let pages = provider.read(request).await.unwrap();
    for (kind, page) in ObjectKind::ALL.into_iter().zip(pages) {
        match page {
            Ok(page) => assert!(kind != ObjectKind::Lead && !page.rows.is_empty(), "{kind}"),
            Err(error) => {
                assert_eq!(kind, ObjectKind::Lead, "{error:?}");
                assert!(error.message().contains("Lead") && error.advice().is_some(), "{error:?}");
            }
        }
    }
}

fn text(row: &serde_json::Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}
