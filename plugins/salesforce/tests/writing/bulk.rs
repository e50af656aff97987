//! Large loads by Bulk jobs: one outcome per row in order, whatever becomes of the job and of the answers about it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use unicrm_core::{
    ErrorKind, ExternalKey, ObjectKind, Outcome, OutcomeStatus, Provider, Retry, WriteOperation, WriteRequest,
};
use unicrm_salesforce_emulator::{DuplicateRule, Fault, FaultRule, FieldType, Resource};

use super::{add_key, create, created, empty, patch, text, update, write};
use crate::support::Linked;

/// A connection that loads by Bulk jobs from 20 rows on.
async fn loading(linked: &Linked) -> Arc<dyn Provider> {
    let config = r#""flow":"client-credentials","limits":{"bulk_write_rows":20,"attempts":3},"timeouts":{"bulk_write":3}"#;
    linked.connect_with(config).await.unwrap()
}

fn contacts(rows: usize) -> Vec<WriteOperation> {
    (0..rows).map(|row| create(ObjectKind::Contact, json!({"last_name": format!("Row {row}")}))).collect()
}

/// The bulk jobs that were made, and the changes that went out in collections.
fn ways(linked: &Linked) -> (usize, usize) {
    let entries = linked.emulator.log().entries();
    let count = |resource: Resource, method: &str, end: &str| {
        entries
            .iter()
            .filter(|entry| entry.resource == resource && entry.method == method && entry.path.ends_with(end))
            .count()
    };
    let changes =
        ["POST", "PATCH", "DELETE"].map(|method| count(Resource::Composite, method, "/composite/sobjects"));
    (count(Resource::BulkIngest, "POST", "/jobs/ingest"), changes.iter().sum())
}

async fn assert_each_is_there_once(linked: &Linked, outcomes: &[Outcome]) {
    let mut ids = BTreeSet::new();
    for (row, outcome) in outcomes.iter().enumerate() {
        let id = created(outcome);
        assert_eq!(text(&linked.org(), "Contact", &id, "LastName").await, Some(format!("Row {row}")));
        assert!(ids.insert(id), "two rows have one record");
    }
    assert_eq!(linked.org().count("Contact").await.unwrap(), outcomes.len() as u64);
}

#[tokio::test]
async fn many_rows_are_one_job_and_few_are_none() {
    let linked = empty().await;
    let provider = loading(&linked).await;
    let outcomes = write(&*provider, contacts(60)).await;
    assert_each_is_there_once(&linked, &outcomes).await;
    assert_eq!(ways(&linked), (1, 0));
    assert!(write(&*provider, contacts(19)).await.iter().all(Outcome::is_done));
    assert_eq!(ways(&linked), (1, 1));
}

#[tokio::test]
async fn each_row_of_a_job_has_its_own_outcome() {
    let linked = empty().await;
    let org = linked.org();
    org.add_duplicate_rule(DuplicateRule::new("Contact", ["Email"]));
    let known = json!({"LastName": "Known", "Email": "known@klink.cloud"});
    let known = org.create("Contact", known).await.unwrap();
    let provider = loading(&linked).await;
    let mut rows = contacts(40);
    let email = |name: &str, address: &str| {
        create(
            ObjectKind::Contact,
            json!({"last_name": name, "email_addresses": [{"email_address": address}]}),
        )
    };
    rows[3] = create(ObjectKind::Contact, json!({"first_name": "nameless"}));
    rows[7] = email("Bad", "no address");
    rows[9] = email("Twin", "known@klink.cloud");
    // Alike: each is a record of its own.
    rows[20] = rows[21].clone();
    let gone = json!({"last_name": "Row", "account": {"remote_id": "001000000000001AAA"}});
    rows[30] = create(ObjectKind::Contact, gone);
    let outcomes = write(&*provider, rows).await;
    for (row, code, pointer) in [
        (3, "REQUIRED_FIELD_MISSING", Some("/last_name")),
        (7, "INVALID_EMAIL_ADDRESS", Some("/email_addresses")),
        (9, "DUPLICATES_DETECTED", None),
        (30, "INVALID_CROSS_REFERENCE_KEY", Some("/account")),
    ] {
        let error = outcomes[row].error().unwrap_or_else(|| panic!("{:?}", outcomes[row]));
        assert_eq!(error.remote_code(), Some(code), "{error:?}");
        assert_eq!(error.fields().first().map(|field| field.pointer.as_str()), pointer, "{error:?}");
    }
    assert_eq!(outcomes[9].candidates.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [known.as_str()]);
    let made: BTreeSet<String> = outcomes
        .iter()
        .enumerate()
        .filter(|(row, _)| ![3, 7, 9, 30].contains(row))
        .map(|(_, o)| created(o))
        .collect();
    assert_eq!(made.len(), 36);
    assert_eq!(org.count("Contact").await.unwrap(), 37);
    assert_eq!(ways(&linked).0, 1);
}

#[tokio::test]
async fn changes_keep_what_they_do_not_name_and_clear_what_is_null() {
    let linked = empty().await;
    let org = linked.org();
    let provider = loading(&linked).await;
    let mut ids = Vec::new();
    for row in 0..30 {
        let record = json!({"LastName": format!("Row {row}"), "FirstName": "Gil", "Department": "R&D"});
        ids.push(org.create("Contact", record).await.unwrap());
    }
    let change = |(row, id): (usize, &String)| match row % 3 {
        0 => update(ObjectKind::Contact, id, json!({"first_name": null})),
        1 => update(ObjectKind::Contact, id, json!({"last_name": format!("New, \"{row}\"\nline")})),
        _ => WriteOperation::delete(ObjectKind::Contact, id.as_str()),
    };
    // Ten deletions are too few for a job of their own.
    let outcomes = write(&*provider, ids.iter().enumerate().map(change).collect()).await;
    assert_eq!(ways(&linked), (1, 1));
    for (row, (id, outcome)) in ids.iter().zip(&outcomes).enumerate() {
        assert!(outcome.is_done(), "{outcome:?}");
        assert_eq!(outcome.remote_id.as_ref().map(|id| id.as_str()), Some(id.as_str()));
        let stored = org.get("Contact", id).await.unwrap().unwrap();
        assert_eq!(stored.text("Department"), Some("R&D"));
        match row % 3 {
            0 => assert_eq!(
                (stored.text("FirstName"), stored.text("LastName")),
                (None, Some(&*format!("Row {row}")))
            ),
            1 => assert_eq!(
                (stored.text("FirstName"), stored.text("LastName")),
                (Some("Gil"), Some(&*format!("New, \"{row}\"\nline")))
            ),
            _ => assert!(stored.is_true("IsDeleted")),
        }
    }
    let deletions = ids.iter().map(|id| WriteOperation::delete(ObjectKind::Contact, id.as_str())).collect();
    let outcomes = write(&*provider, deletions).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome.status, OutcomeStatus::Deleted)), "{outcomes:?}");
    assert_eq!(org.count("Contact").await.unwrap(), 0);
    assert_eq!(ways(&linked).0, 2);
}

#[tokio::test]
async fn keys_are_upserted_by_a_job() {
    let linked = empty().await;
    let org = linked.org();
    add_key(&org, "Contact", FieldType::String).await;
    let provider = loading(&linked).await;
    let upsert = |row: usize, name: &str| {
        let record = patch(ObjectKind::Contact, json!({"last_name": format!("{name} {row}")}));
        WriteOperation::upsert(ExternalKey::new("ErpId__c", format!("E{row}")), record)
    };
    let first = write(&*provider, (0..25).map(|row| upsert(row, "Row")).collect()).await;
    assert_each_is_there_once(&linked, &first).await;
    let second = write(&*provider, (0..50).map(|row| upsert(row, "New")).collect()).await;
    assert_eq!(ways(&linked), (3, 0), "one for the new ones, one each for the known and the new");
    for (row, outcome) in second.iter().enumerate() {
        let expected = if row < 25 { "updated" } else { "created" };
        assert_eq!(outcome.status.as_str(), expected, "{outcome:?}");
        let id = outcome.remote_id.as_ref().unwrap().as_str();
        assert_eq!(text(&org, "Contact", id, "LastName").await, Some(format!("New {row}")));
    }
    assert_eq!(org.count("Contact").await.unwrap(), 50);
}

#[tokio::test]
async fn what_bulk_does_otherwise_goes_the_usual_way() {
    let linked = empty().await;
    let provider = loading(&linked).await;
    let leads =
        (0..30).map(|row| create(ObjectKind::Lead, json!({"last_name": format!("L{row}"), "company": "K"})));
    assert!(write(&*provider, leads.collect()).await.iter().all(Outcome::is_done));
    let notes = (0..30).map(|row| create(ObjectKind::Note, json!({"content": format!("Note {row}")})));
    assert!(write(&*provider, notes.collect()).await.iter().all(Outcome::is_done));
    let allowed = WriteRequest::new(contacts(30)).allow_duplicates(true);
    assert!(provider.write(allowed).await.unwrap().outcomes.iter().all(Outcome::is_done));
    assert_eq!(ways(&linked).0, 0);
    let null = create(ObjectKind::Contact, json!({"last_name": "#N/A"}));
    let outcomes = write(&*provider, contacts(30).into_iter().chain([null]).collect()).await;
    assert_eq!(ways(&linked).0, 1);
    assert_eq!(
        text(&linked.org(), "Contact", &created(&outcomes[30]), "LastName").await.as_deref(),
        Some("#N/A")
    );
}

#[tokio::test]
async fn where_jobs_are_refused_collections_take_their_place() {
    for (status, code) in [(400, "INVALIDENTITY"), (403, "FEATURENOTENABLED"), (400, "EXCEEDEDQUOTA")] {
        let linked = empty().await;
        let provider = loading(&linked).await;
        let fault = Fault::Error { status, code: code.to_owned(), message: "not by Bulk".to_owned() };
        linked.emulator.faults().add(FaultRule::new(Resource::BulkIngest, fault).forever());
        assert_each_is_there_once(&linked, &write(&*provider, contacts(30)).await).await;
        assert_eq!(ways(&linked), (1, 1), "{code}");
        assert!(write(&*provider, contacts(30)).await.iter().all(Outcome::is_done));
        assert_eq!(ways(&linked), (1, 2), "{code}: it is remembered");
    }
}

/// What passes, or concerns every call, says nothing of Bulk.
#[tokio::test]
async fn a_refusal_that_passes_does_not_turn_jobs_off() {
    let refused = |code: &str| Fault::Error { status: 403, code: code.to_owned(), message: "no".to_owned() };
    for fault in [
        Fault::TotalRequests,
        Fault::ConcurrentRequests,
        Fault::TooManyRequests { retry_after: None },
        Fault::TransactionSecurity,
        refused("API_DISABLED_FOR_ORG"),
        refused("INVALID_OPERATION_WITH_EXPIRED_PASSWORD"),
    ] {
        let linked = empty().await;
        let provider = loading(&linked).await;
        linked.emulator.faults().add(FaultRule::new(Resource::BulkIngest, fault.clone()).forever());
        write(&*provider, contacts(25)).await;
        assert!(linked.emulator.faults().struck() > 0, "{fault:?}");
        linked.emulator.faults().clear();
        let (jobs, _) = ways(&linked);
        assert!(write(&*provider, contacts(25)).await.iter().all(Outcome::is_done), "{fault:?}");
        assert_eq!(ways(&linked).0, jobs + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_job_that_fails_leaves_its_rows_to_collections() {
    let linked = empty().await;
    let provider = loading(&linked).await;
    let fault = Fault::JobFailed { message: "InvalidBatch : Field name not found : Nope".to_owned() };
    linked.emulator.faults().add(FaultRule::new(Resource::BulkIngest, fault));
    assert_each_is_there_once(&linked, &write(&*provider, contacts(30)).await).await;
    assert_eq!(ways(&linked), (1, 1));
}

#[tokio::test]
async fn a_job_that_is_aborted_or_does_not_end_is_not_repeated() {
    for fault in [Fault::JobAborted, Fault::JobEndless] {
        let linked = empty().await;
        let provider = loading(&linked).await;
        linked.emulator.faults().add(FaultRule::new(Resource::BulkIngest, fault.clone()));
        for outcome in write(&*provider, contacts(30)).await {
            let error = outcome.error().unwrap_or_else(|| panic!("{outcome:?}"));
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{fault:?}: {error:?}");
            assert!(error.message().contains("aborted"), "{error:?}");
        }
        assert_eq!(linked.org().count("Contact").await.unwrap(), 0);
        assert_eq!(ways(&linked), (1, 0), "{fault:?}");
    }
}

/// The connection is cut before or behind each of the calls of a load: every row is there once.
#[tokio::test]
async fn lost_answers_make_no_duplicate() {
    let steps = [
        (Resource::BulkIngest, 0),
        (Resource::BulkUpload, 0),
        (Resource::BulkIngest, 1),
        (Resource::BulkStatus, 0),
        (Resource::BulkResults, 0),
    ];
    for (resource, after) in steps {
        for fault in
            [Fault::AnswerLost, Fault::ConnectionClosed, Fault::ServerUnavailable, Fault::MaintenancePage]
        {
            let linked = empty().await;
            let provider = loading(&linked).await;
            linked.emulator.faults().add(FaultRule::new(resource, fault.clone()).after(after));
            let outcomes = write(&*provider, contacts(25)).await;
            assert_eq!(linked.emulator.faults().struck(), 1, "{resource:?} {fault:?}");
            assert_each_is_there_once(&linked, &outcomes).await;
            assert_eq!(ways(&linked).1, 0, "{resource:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_job_that_nobody_can_ask_leaves_its_rows_in_doubt_and_is_named() {
    let linked = empty().await;
    let provider = loading(&linked).await;
    let blind = Fault::Error { status: 400, code: "API_ERROR".to_owned(), message: "not now".to_owned() };
    linked.emulator.faults().add(FaultRule::new(Resource::BulkResults, blind).forever());
    for outcome in write(&*provider, contacts(25)).await {
        let OutcomeStatus::InDoubt { error, .. } = &outcome.status else { panic!("{outcome:?}") };
        assert!(error.message().contains("the bulk job 750"), "{error:?}");
        assert_eq!(error.retry(), Retry::Reconcile);
    }
    assert_eq!(linked.org().count("Contact").await.unwrap(), 25, "nothing is sent twice");
}

/// Asking on would only pass the time.
#[tokio::test]
async fn a_job_that_may_not_be_asked_is_asked_once() {
    for (status, code) in [(404, "NOT_FOUND"), (403, "INSUFFICIENT_ACCESS")] {
        let linked = empty().await;
        let provider = loading(&linked).await;
        let refused = Fault::Error { status, code: code.to_owned(), message: "not for you".to_owned() };
        linked.emulator.faults().add(FaultRule::new(Resource::BulkStatus, refused).forever());
        for outcome in write(&*provider, contacts(25)).await {
            let OutcomeStatus::InDoubt { error, .. } = &outcome.status else { panic!("{outcome:?}") };
            assert!(error.message().contains("not for you"), "{error:?}");
        }
        let entries = linked.emulator.log().entries();
        let asked = entries.iter().filter(|entry| entry.resource == Resource::BulkStatus).count();
        assert_eq!(asked, 1, "{code}");
    }
}

#[tokio::test]
async fn results_may_be_larger_than_any_other_answer() {
    let linked = empty().await;
    let config = r#""flow":"client-credentials","limits":{"bulk_write_rows":20,"answer_megabytes":1}"#;
    let provider = linked.connect_with(config).await.unwrap();
    let row = |row: usize| {
        let text = json!([{"remote_field_class": "Contact.Description", "value": "x".repeat(30_000)}]);
        create(ObjectKind::Contact, json!({"last_name": format!("Row {row}"), "remote_fields": text}))
    };
    for fault in [None, Some(Fault::BodyCut { chunked: true }), Some(Fault::BodyCut { chunked: false })] {
        linked.emulator.log().clear();
        let cut = fault.map(|fault| FaultRule::new(Resource::BulkResults, fault));
        cut.into_iter().for_each(|rule| linked.emulator.faults().add(rule));
        let outcomes = write(&*provider, (0..60).map(row).collect()).await;
        let ids: BTreeSet<String> = outcomes.iter().map(created).collect();
        assert_eq!(ids.len(), 60);
        assert_eq!(ways(&linked), (1, 0));
    }
    assert_eq!(linked.org().count("Contact").await.unwrap(), 180);
}

#[tokio::test]
async fn a_used_up_quota_stops_a_load_before_it_begins() {
    let linked = empty().await;
    let provider = loading(&linked).await;
    assert!(write(&*provider, contacts(1)).await[0].is_done());
    linked.emulator.faults().add(FaultRule::new(Resource::BulkIngest, Fault::TotalRequests).forever());
    for outcome in write(&*provider, contacts(25)).await {
        let error = outcome.error().unwrap_or_else(|| panic!("{outcome:?}"));
        assert_eq!(error.kind(), ErrorKind::QuotaExhausted, "{error:?}");
    }
    assert_eq!(linked.org().count("Contact").await.unwrap(), 1);
    assert_eq!(ways(&linked), (1, 1), "nothing else is tried");
}

#[tokio::test]
async fn rows_that_meet_a_lock_in_a_job_are_sent_again() {
    let linked = empty().await;
    let provider = loading(&linked).await;
    let account = linked.org().create("Account", json!({"Name": "Locked"})).await.unwrap();
    let row = |row: usize| {
        let record = json!({"last_name": format!("Row {row}"), "account": {"remote_id": account}});
        create(ObjectKind::Contact, record)
    };
    linked.org().lock_record(&account, 7);
    let outcomes = write(&*provider, (0..25).map(row).collect()).await;
    assert_each_is_there_once(&linked, &outcomes).await;
    assert_eq!(ways(&linked), (1, 1));
}
