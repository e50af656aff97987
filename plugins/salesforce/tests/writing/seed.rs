//! The nine example records, taken as they are: written to a fresh org and read back.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use unicrm_core::{ObjectKind, OutcomeStatus, Provider, ReadPart, Record, Scope, Value};

use super::{codes, create, empty, one, update};
use crate::support::{Linked, read};

/// An example by its name; none where the examples are not at hand.
fn example(name: &str) -> Option<Json> {
    let dir = std::env::var_os("UNICRM_SEED").map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/seed"));
    let file = dir.join(format!("{name}.json"));
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("skipped: no example at {}; set UNICRM_SEED to the folder of the examples", file.display());
        return None;
    };
    Some(serde_json::from_str(&text).expect("JSON"))
}

/// What the example's references stand for in this org: a host finds them in its store, by unified id.
struct Others {
    account: String,
    contact: String,
    opportunity: String,
    owner: String,
}

async fn others(linked: &Linked) -> Others {
    let org = linked.org();
    let account = org.create("Account", json!({"Name": "K-LINK"})).await.unwrap();
    let contact = org.create("Contact", json!({"LastName": "Known", "AccountId": account})).await.unwrap();
    let deal =
        json!({"Name": "Known", "StageName": "Prospecting", "CloseDate": "2030-01-01", "AccountId": account});
    let opportunity = org.create("Opportunity", deal).await.unwrap();
    Others { account, contact, opportunity, owner: org.user_id().to_owned() }
}

fn resolve(mut example: Json, others: &Others) -> Json {
    for (field, id) in [
        ("account", others.account.as_str()),
        ("contact", &others.contact),
        ("opportunity", &others.opportunity),
        ("owner", &others.owner),
        ("engagement_type", "Task:Call"),
        ("stage", "Closed Won"),
        ("converted_contact", &others.contact),
        ("converted_account", &others.account),
    ] {
        if let Some(reference) = example.get_mut(field) {
            *reference = json!({ "remote_id": id });
        }
    }
    if let Some(contacts) = example.get_mut("contacts") {
        *contacts = json!([{ "remote_id": others.contact }]);
    }
    example
}

async fn read_back(provider: &dyn Provider, kind: ObjectKind, id: &str) -> Record {
    let shown = read(provider, ReadPart::new(kind, Scope::Ids(vec![id.into()]))).await.unwrap();
    shown.live.into_values().next().expect("the record").record
}

fn said(record: &Record, field: &str) -> String {
    match record.get(field) {
        Some(Value::Reference { remote_id: Some(id), .. }) => id.as_str().to_owned(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

/// Writes an example; gives what was read back, and the warnings besides those of the fields that are only read.
async fn written(kind: ObjectKind, name: &str) -> Option<(Record, Vec<(String, &'static str)>, Others)> {
    let example = example(name)?;
    let linked = empty().await;
    let others = others(&linked).await;
    let provider = linked.connect().await;
    let outcome = one(&*provider, create(kind, resolve(example.clone(), &others))).await;
    assert!(matches!(outcome.status, OutcomeStatus::Created), "{name}: {outcome:?}");
    let mapping = provider.info().mapping(kind).expect("a field table");
    // Every field of the example that the mapping only reads is a warning, and no other field is.
    let only_read = |field: &str| {
        mapping.field(field).is_none_or(|field| field.direction == unicrm_core::MappingDirection::Read)
    };
    let mut expected: Vec<String> = example
        .as_object()
        .expect("an object")
        .keys()
        .filter(|key| only_read(key))
        .map(|key| format!("/{key}"))
        .collect();
    let (mut read_only, mut rest) = (Vec::new(), Vec::new());
    for warning in &outcome.warnings {
        let of_a_field = warning.code == "read_only" && warning.pointer.matches('/').count() == 1;
        match of_a_field && expected.contains(&warning.pointer) {
            true => read_only.push(warning.pointer.clone()),
            false => rest.push((warning.pointer.clone(), warning.code)),
        }
    }
    expected.sort();
    read_only.sort();
    assert_eq!(read_only, expected, "{name}");
    let record = read_back(&*provider, kind, outcome.remote_id.as_ref().expect("an id").as_str()).await;
    Some((record, rest, others))
}

/// The times of our copy that the parts of the examples hold.
fn our_times(parts: &[&str]) -> Vec<(String, &'static str)> {
    let times =
        |part: &&str| ["created_at", "modified_at"].map(|time| (format!("{part}/{time}"), "read_only"));
    parts.iter().flat_map(times).collect()
}

#[tokio::test]
async fn the_contact() {
    let Some((contact, rest, others)) = written(ObjectKind::Contact, "contact").await else { return };
    let mut expected = our_times(&["/addresses/0", "/phone_numbers/0"]);
    expected.push(("/addresses/0".to_owned(), "place_taken"));
    assert_same(rest, expected);
    assert_eq!(
        (said(&contact, "first_name"), said(&contact, "last_name")),
        ("Gil".to_owned(), "Feig".to_owned())
    );
    assert_eq!((said(&contact, "account"), said(&contact, "owner")), (others.account, others.owner));
    let address = said(&contact, "addresses");
    for part in ["50 Bowling Green Dr", "Golden Gate Park", "San Francisco", "CA", "94122", "US", "MAILING"] {
        assert!(address.contains(part), "{part}: {address}");
    }
    assert!(said(&contact, "email_addresses").contains("hello@klink.cloud"));
    assert!(said(&contact, "phone_numbers").contains("+13785579223"));
}

#[tokio::test]
async fn the_engagement() {
    let Some((engagement, rest, others)) = written(ObjectKind::Engagement, "engagement").await else {
        return;
    };
    // The time of day of a call is Salesforce's own.
    assert_same(
        rest,
        vec![("/start_time".to_owned(), "time_of_day"), ("/end_time".to_owned(), "time_of_day")],
    );
    assert_eq!(said(&engagement, "subject"), "Call from customer");
    assert_eq!(said(&engagement, "content"), "Call for negotiation");
    assert_eq!(said(&engagement, "direction"), "INBOUND");
    assert_eq!(said(&engagement, "engagement_type"), "Task:Call");
    assert_eq!((said(&engagement, "account"), said(&engagement, "owner")), (others.account, others.owner));
    let Record::Engagement(engagement) = engagement else { panic!("an engagement") };
    let contacts: Vec<_> = engagement.contacts.iter().filter_map(|contact| contact.remote_id()).collect();
    assert_eq!(contacts.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [others.contact.as_str()]);
    let (start, end) = (engagement.start_time.unwrap(), engagement.end_time.unwrap());
    assert_eq!(end.duration_since(start).as_secs(), 300, "its length is kept");
}

#[tokio::test]
async fn the_lead() {
    let Some((lead, rest, others)) = written(ObjectKind::Lead, "lead").await else { return };
    let mut expected = our_times(&["/addresses/0", "/phone_numbers/0"]);
    expected.push(("/addresses/0".to_owned(), "place_taken"));
    assert_same(rest, expected);
    for (field, value) in [
        ("first_name", "Gil"),
        ("last_name", "Feig"),
        ("company", "K-LINK"),
        ("title", "Co-Founder"),
        ("lead_source", "API Blogger"),
    ] {
        assert_eq!(said(&lead, field), value);
    }
    assert_eq!(said(&lead, "owner"), others.owner);
    assert!(said(&lead, "phone_numbers").contains("+16789932455"));
    assert!(said(&lead, "addresses").contains("Bowling Green"));
}

#[tokio::test]
async fn the_note() {
    let Some((note, rest, others)) = written(ObjectKind::Note, "note").await else { return };
    // An enhanced note belongs to whoever makes it.
    assert_same(rest, vec![("/owner".to_owned(), "read_only")]);
    assert_eq!(said(&note, "content"), "K-LINK is hiring!");
    assert_eq!((said(&note, "account"), said(&note, "contact")), (others.account, others.contact));
    assert_eq!(said(&note, "opportunity"), others.opportunity);
}

#[tokio::test]
async fn the_opportunity() {
    let Some((deal, rest, others)) = written(ObjectKind::Opportunity, "opportunity").await else { return };
    assert_same(rest, Vec::new());
    for (field, value) in [
        ("name", "Needs Integrations"),
        ("description", "Needs a Unified API for Integrations!"),
        ("stage", "Closed Won"),
        ("status", "WON"),
        ("close_date", "2022-02-10T00:00:00Z"),
    ] {
        assert_eq!(said(&deal, field), value);
    }
    assert_eq!((said(&deal, "account"), said(&deal, "owner")), (others.account, others.owner));
    let Record::Opportunity(deal) = deal else { panic!("an opportunity") };
    assert_eq!(deal.amount, Some("100000".parse().unwrap()), "the amount");
}

#[tokio::test]
async fn the_task() {
    let Some((task, rest, others)) = written(ObjectKind::Task, "task").await else { return };
    assert_same(rest, Vec::new());
    for (field, value) in [
        ("subject", "Contact about Integration Strategy"),
        ("content", "Follow up to see whether they need integrations"),
        ("due_date", "2022-02-10T00:00:00Z"),
        ("status", "OPEN"),
    ] {
        assert_eq!(said(&task, field), value);
    }
    assert_eq!((said(&task, "account"), said(&task, "opportunity")), (others.account, others.opportunity));
    assert_eq!(said(&task, "owner"), others.owner);
}

/// Engagement types, stages and users are the org's own.
#[tokio::test]
async fn what_is_only_read_says_so() {
    let linked = empty().await;
    let provider = linked.connect().await;
    for (kind, name) in [
        (ObjectKind::EngagementType, "engagement_type"),
        (ObjectKind::Stage, "stage"),
        (ObjectKind::User, "user"),
    ] {
        let Some(example) = example(name) else { return };
        for operation in [create(kind, example.clone()), update(kind, "19202938", example)] {
            let outcome = one(&*provider, operation).await;
            assert_eq!(
                outcome.error().expect("an error").kind(),
                unicrm_core::ErrorKind::Unsupported,
                "{name}"
            );
            assert!(codes(&outcome).is_empty());
        }
    }
}

#[track_caller]
fn assert_same(mut given: Vec<(String, &'static str)>, mut expected: Vec<(String, &'static str)>) {
    given.sort();
    expected.sort();
    assert_eq!(given, expected);
}
