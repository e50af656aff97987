//! Any valid record, any patch: what the org's own tables hold is what the mapping says, and nothing else has changed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value as Json, json};
use unicrm_core::{ObjectKind, OutcomeStatus, Provider, WriteOperation};
use unicrm_salesforce_emulator::{Emulator, Features, Record, Value};

use super::gaps::colleague;
use super::sorts::{CLASSIC_NOTE, Field, Given, Known, SORTS, Sort, sort};
use super::{create, created, empty, one, update};
use crate::support::Linked;

/// How many records of each sort live; `UNICRM_WRITE_CASES` raises it.
fn cases() -> u32 {
    std::env::var("UNICRM_WRITE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(30)
}

/// The JSON of a record with these fields, and what it must come to.
fn record(start: &Json, given: &[Given]) -> (String, BTreeMap<&'static str, Value>) {
    let mut json: Map<String, Json> = start.as_object().cloned().unwrap_or_default();
    let mut expected = BTreeMap::new();
    let mut exact = Vec::new();
    for field in given {
        match (field.unified, &field.json) {
            ("start_time", Json::Array(times)) => {
                json.insert("start_time".to_owned(), times[0].clone());
                json.insert("end_time".to_owned(), times[1].clone());
            }
            ("amount", amount) => {
                exact.push(format!("\"amount\":{}", amount["exact"].as_str().expect("digits")))
            }
            (name, value) => {
                json.insert(name.to_owned(), value.clone());
            }
        }
        expected.extend(field.remote.iter().cloned());
    }
    let empty = json.is_empty();
    let mut text = Json::Object(json).to_string();
    if let Some(exact) = exact.first() {
        // The digits go in as they are: no floating point on the way.
        text.truncate(text.len() - 1);
        text.push_str(if empty { "" } else { "," });
        text.push_str(exact);
        text.push('}');
    }
    (text, expected)
}

/// Fields that every change moves.
const STAMPS: [&str; 3] = ["LastModifiedDate", "LastModifiedById", "SystemModstamp"];

/// Fields that follow from another one: they move when that one is written, and never otherwise.
const FOLLOWERS: [(&str, &[&str]); 13] = [
    ("FirstName", &["Name"]),
    ("LastName", &["Name"]),
    (
        "StageName",
        &[
            "IsClosed",
            "IsWon",
            "Probability",
            "ForecastCategory",
            "ForecastCategoryName",
            "ExpectedRevenue",
            "LastStageChangeDate",
        ],
    ),
    ("Amount", &["ExpectedRevenue"]),
    ("CloseDate", &["Fiscal", "FiscalQuarter", "FiscalYear"]),
    ("Status", &["IsClosed", "CompletedDateTime"]),
    ("WhatId", &["AccountId", "WhatCount"]),
    ("WhoId", &["AccountId", "WhoCount"]),
    ("StartDateTime", &["ActivityDate", "ActivityDateTime", "EndDate", "DurationInMinutes"]),
    ("EndDateTime", &["EndDate", "DurationInMinutes"]),
    ("ActivityDate", &["ActivityDateTime"]),
    ("Title", &["ContentModifiedDate", "LatestPublishedVersionId", "LatestContentId"]),
    (
        "Content",
        &["TextPreview", "ContentSize", "ContentModifiedDate", "LatestPublishedVersionId", "LatestContentId"],
    ),
];

fn differs(before: &Record, after: &Record, named: &BTreeMap<&'static str, Value>) -> Vec<String> {
    let follows = |field: &str| {
        FOLLOWERS.iter().any(|(leader, followers)| named.contains_key(leader) && followers.contains(&field))
    };
    let unchanged = |field: &str| {
        STAMPS.contains(&field)
            || named.contains_key(field)
            || follows(field)
            || before.get(field) == after.get(field)
    };
    let fields = before.iter().chain(after.iter()).map(|(field, _)| field);
    let mut changed: Vec<String> = fields.filter(|field| !unchanged(field)).map(str::to_owned).collect();
    changed.dedup();
    changed
}

fn any_of(required: Vec<Field>, optional: &[Field]) -> impl Strategy<Value = (Vec<Given>, Vec<Given>)> {
    let maybe = |fields: &[Field]| fields.iter().cloned().map(proptest::option::of).collect::<Vec<_>>();
    let patch: Vec<Field> = required.iter().chain(optional).cloned().collect();
    (required, maybe(optional), maybe(&patch)).prop_map(|(required, optional, patch)| {
        let given = required.into_iter().chain(optional.into_iter().flatten()).collect();
        (given, patch.into_iter().flatten().collect())
    })
}

#[test]
fn what_is_written_is_stored_and_nothing_else_changes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let modern = runtime.block_on(empty());
    let features = Features { enhanced_notes: false, ..Features::default() };
    let classic = runtime.block_on(Linked::start(Emulator::builder().empty().features(features)));
    for (linked, numbers) in [(&modern, 0..CLASSIC_NOTE), (&classic, CLASSIC_NOTE..SORTS)] {
        let provider = runtime.block_on(linked.connect());
        let org = linked.org();
        let known = runtime.block_on(async {
            Known {
                account: org.create("Account", json!({"Name": "Acme"})).await.unwrap(),
                contact: org.create("Contact", json!({"LastName": "Known"})).await.unwrap(),
                owner: colleague(&org).await,
            }
        });
        for number in numbers {
            let sort = sort(number, &known);
            let config = Config {
                cases: cases(),
                failure_persistence: None,
                max_shrink_iters: 200,
                ..Config::default()
            };
            let strategy = any_of(sort.required.clone(), &sort.optional);
            let outcome = TestRunner::new(config).run(&strategy, |(given, patch)| {
                runtime.block_on(lives(linked, &*provider, &sort, &given, &patch))
            });
            if let Err(error) = outcome {
                panic!("sort {number}, {}: {error}", sort.object);
            }
        }
    }
}

/// One record from its creation to its deletion.
async fn lives(
    linked: &Linked,
    provider: &dyn Provider,
    sort: &Sort,
    given: &[Given],
    patch: &[Given],
) -> Result<(), TestCaseError> {
    let Sort { object, kind, start, .. } = sort;
    let (object, kind) = (*object, *kind);
    let org = linked.org();
    let row = async |id: &str| org.get(object, id).await.unwrap().expect("a row");
    let (json, expected) = record(start, given);
    let record_patch =
        unicrm_core::RecordPatch::from_json(kind, &json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let outcome = one(provider, WriteOperation::create(record_patch)).await;
    prop_assert!(matches!(outcome.status, OutcomeStatus::Created), "{json}: {outcome:?}");
    let id = created(&outcome);
    let before = row(&id).await;
    for (field, value) in &expected {
        prop_assert_eq!(before.get(field), value, "{}.{} of {}", object, field, &json);
    }
    let (json, expected) = record(&json!({}), patch);
    let record_patch =
        unicrm_core::RecordPatch::from_json(kind, &json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let outcome = one(provider, WriteOperation::update(id.as_str(), record_patch.clone())).await;
    prop_assert!(
        matches!(outcome.status, OutcomeStatus::Updated | OutcomeStatus::Unchanged),
        "{json}: {outcome:?}"
    );
    let after = row(&id).await;
    for (field, value) in &expected {
        prop_assert_eq!(after.get(field), value, "{}.{} after {}", object, field, &json);
    }
    let changed = differs(&before, &after, &expected);
    prop_assert!(changed.is_empty(), "{} changed {:?}", json, changed);
    // The same once more changes nothing at all.
    one(provider, WriteOperation::update(id.as_str(), record_patch)).await;
    let again = row(&id).await;
    prop_assert_eq!(differs(&after, &again, &BTreeMap::new()), Vec::<String>::new());
    let gone = one(provider, WriteOperation::delete(kind, id.as_str())).await;
    prop_assert!(matches!(gone.status, OutcomeStatus::Deleted));
    prop_assert!(org.get(object, &id).await.unwrap().is_none_or(|row| row.is_true("IsDeleted")));
    Ok(())
}

#[tokio::test]
async fn values_that_the_remote_cannot_hold_are_field_errors() {
    let linked = empty().await;
    let provider = linked.connect().await;
    let two = json!([{"email_address": "a@b.example"}, {"email_address": "c@d.example"}]);
    let pager = json!([{"phone_number": "1", "phone_number_type": "Pager"}]);
    for (kind, json, pointer) in [
        (ObjectKind::Contact, json!({"last_name": "x".repeat(81)}), "/last_name"),
        (ObjectKind::Contact, json!({"last_name": "x", "email_addresses": two}), "/email_addresses/1"),
        (
            ObjectKind::Contact,
            json!({"last_name": "x", "phone_numbers": pager}),
            "/phone_numbers/0/phone_number_type",
        ),
        (
            ObjectKind::Contact,
            json!({"last_name": "x", "account": {"remote_id": "003000000000001AAA"}}),
            "/account",
        ),
        (ObjectKind::Lead, json!({"last_name": "x", "company": "y", "status": "QUALIFIED"}), "/status"),
        (
            ObjectKind::Opportunity,
            json!({"name": "x", "close_date": "2030-01-01T00:00:00Z", "status": "OPEN"}),
            "/status",
        ),
        (ObjectKind::Engagement, json!({"subject": "x"}), "/engagement_type"),
        (ObjectKind::Note, json!({"content": "  "}), "/content"),
    ] {
        let outcome = one(&*provider, create(kind, json.clone())).await;
        let error = outcome.error().unwrap_or_else(|| panic!("{json}: {outcome:?}"));
        assert_eq!(
            error.fields().first().map(|field| field.pointer.as_str()),
            Some(pointer),
            "{json}: {error:?}"
        );
    }
    let event = create(
        ObjectKind::Engagement,
        json!({
            "subject": "x", "engagement_type": {"remote_id": "Event"},
            "start_time": "2026-01-02T10:00:00Z", "end_time": "2026-01-02T11:00:00Z",
        }),
    );
    let id = created(&one(&*provider, event).await);
    let into_call =
        update(ObjectKind::Engagement, &id, json!({"engagement_type": {"remote_id": "Task:Call"}}));
    assert_eq!(one(&*provider, into_call).await.error().unwrap().fields()[0].pointer, "/engagement_type");
}
