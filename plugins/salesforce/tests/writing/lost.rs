//! Answers that are lost on their way: no row is written twice, and every row is settled or in doubt.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};
use unicrm_core::{ConvertLead, ErrorKind, ObjectKind, OutcomeStatus, Provider, WriteOperation};
use unicrm_salesforce_emulator::{Fault, FaultRule, FieldType, Resource, ValidationRule};

use super::{add_unique_key, create, created, empty, one, practised, text, update, write};
use crate::support::Linked;

fn cut(linked: &Linked, resource: Resource, after: u64) {
    let faults = linked.emulator.faults();
    faults.clear();
    faults.add(FaultRule::new(resource, Fault::AnswerLost).after(after));
}

/// The names of an object's live rows, with their ids.
async fn names(linked: &Linked, object: &str, field: &str) -> Vec<(String, String)> {
    let rows = linked.org().table(object, &[field, "IsDeleted"]).await.unwrap();
    let live = rows.into_iter().filter(|(_, values)| !values[1].is_true());
    live.map(|(id, values)| (id, values[0].as_text().unwrap_or_default().to_owned())).collect()
}

/// Two hundred times, at a random row: the org has carried the call out, and the caller does not hear of it.
#[test]
fn two_hundred_cut_connections_make_no_duplicate() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let linked = runtime.block_on(empty());
    let provider = runtime.block_on(linked.connect());
    let config = Config { cases: 200, failure_persistence: None, max_shrink_iters: 30, ..Config::default() };
    let serial = std::sync::atomic::AtomicU64::new(0);
    let cases = (1..460_usize, 0..3_u64, proptest::collection::vec(0..5_usize, 5));
    let outcome = TestRunner::new(config).run(&cases, |(rows, cut_after, kinds)| {
        let case = serial.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        runtime.block_on(strike(&linked, &*provider, case, rows, cut_after, &kinds))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn strike(
    linked: &Linked,
    provider: &dyn Provider,
    case: u64,
    rows: usize,
    cut_after: u64,
    kinds: &[usize],
) -> Result<(), TestCaseError> {
    let objects = ["Account", "Contact", "Lead", "Task", "ContentNote"];
    let names_of = ["Name", "LastName", "LastName", "Subject", "Title"];
    let record = |row: usize| {
        let kind = kinds[row % kinds.len()];
        // Some rows are like another one: each of them is a record of its own.
        let name = format!("case {case} row {}", row - usize::from(row % 7 == 6));
        let (kind, json) = match kind {
            0 => (ObjectKind::Account, json!({"name": name})),
            1 => (ObjectKind::Contact, json!({"last_name": name, "first_name": "Gil"})),
            2 => (ObjectKind::Lead, json!({"last_name": name, "company": "K-LINK"})),
            3 => (ObjectKind::Task, json!({"subject": name, "due_date": "2026-01-01T00:00:00Z"})),
            _ => (ObjectKind::Note, json!({"content": format!("{name}\nbody {row}")})),
        };
        create(kind, json)
    };
    let operations: Vec<WriteOperation> = (0..rows).map(record).collect();
    let calls = rows.div_ceil(200) as u64;
    cut(linked, Resource::Composite, cut_after % calls);
    let outcomes = write(provider, operations).await;
    prop_assert_eq!(linked.emulator.faults().struck(), 1);
    linked.emulator.faults().clear();
    let mut made = BTreeSet::new();
    let mut unsettled = 0;
    for outcome in &outcomes {
        match &outcome.status {
            OutcomeStatus::Created => {
                let id = outcome.remote_id.as_ref().expect("an id").as_str().to_owned();
                prop_assert!(made.insert(id), "two rows have one record");
            }
            OutcomeStatus::InDoubt { .. } => unsettled += 1,
            other => prop_assert!(false, "{other:?}"),
        }
    }
    let prefix = format!("case {case} ");
    let mut there = BTreeSet::new();
    for (object, field) in objects.into_iter().zip(names_of) {
        let rows = names(linked, object, field).await;
        there.extend(rows.into_iter().filter(|(_, name)| name.starts_with(&prefix)).map(|(id, _)| id));
    }
    prop_assert_eq!(there.len(), rows, "each row is there once");
    prop_assert!(made.is_subset(&there));
    prop_assert_eq!(unsettled, 0, "all of it was there to be found");
    for (row, outcome) in outcomes.iter().enumerate().step_by(13) {
        let kind = kinds[row % kinds.len()];
        let id = outcome.remote_id.as_ref().expect("an id").as_str();
        let name = text(&linked.org(), objects[kind], id, names_of[kind]).await;
        prop_assert_eq!(name, Some(format!("{prefix}row {}", row - usize::from(row % 7 == 6))));
    }
    Ok(())
}

#[tokio::test]
async fn rows_that_were_refused_are_told_why_although_the_answer_was_lost() {
    let linked = empty().await;
    let provider = practised(&linked).await;
    cut(&linked, Resource::Composite, 0);
    let email = |address: &str| json!([{"email_address": address}]);
    let rows = vec![
        create(ObjectKind::Contact, json!({"last_name": "Good"})),
        create(ObjectKind::Contact, json!({"last_name": "Bad", "email_addresses": email("no address")})),
    ];
    let outcomes = write(&*provider, rows).await;
    created(&outcomes[0]);
    let error = outcomes[1].error().expect("a refusal");
    assert_eq!(error.remote_code(), Some("INVALID_EMAIL_ADDRESS"));
    assert_eq!(error.fields()[0].pointer, "/email_addresses");
    assert_eq!(linked.org().count("Contact").await.unwrap(), 1);
}

#[tokio::test]
async fn what_cannot_be_found_is_in_doubt_and_not_repeated() {
    let linked = empty().await;
    let provider = practised(&linked).await;
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, Fault::ConnectionClosed));
    let outcome = one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Feig"}))).await;
    let OutcomeStatus::InDoubt { error, candidates } = &outcome.status else { panic!("{outcome:?}") };
    assert_eq!(error.kind(), ErrorKind::InDoubt);
    assert!(candidates.is_empty());
    assert_eq!(linked.org().count("Contact").await.unwrap(), 0);
}

#[tokio::test]
async fn what_the_server_itself_gave_up_is_sent_again() {
    let linked = empty().await;
    let provider = practised(&linked).await;
    for fault in [Fault::ServerUnavailable, Fault::UnknownException, Fault::ServerUnavailablePage] {
        linked.emulator.faults().add(FaultRule::new(Resource::Composite, fault.clone()));
        let outcome = one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Feig"}))).await;
        created(&outcome);
    }
    assert_eq!(linked.org().count("Contact").await.unwrap(), 3);
}

/// A gateway that gives up waiting answers as well, and what is behind it goes on.
#[tokio::test]
async fn what_a_gateway_gave_up_is_in_doubt() {
    let of_gateway = |status: u16| Fault::Error {
        status,
        code: "GATEWAY".to_owned(),
        message: "the server did not answer".to_owned(),
    };
    for fault in [of_gateway(502), of_gateway(504), Fault::MaintenancePage] {
        let linked = empty().await;
        let provider = practised(&linked).await;
        linked.emulator.faults().add(FaultRule::new(Resource::Composite, fault.clone()));
        let outcome = one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Feig"}))).await;
        assert!(matches!(outcome.status, OutcomeStatus::InDoubt { .. }), "{fault:?}: {outcome:?}");
        assert_eq!(linked.org().count("Contact").await.unwrap(), 0, "{fault:?}: it is not sent again");
    }
}

#[tokio::test]
async fn a_value_that_none_may_share_makes_it_safe_to_send_again() {
    let linked = empty().await;
    add_unique_key(&linked.org(), "Contact").await;
    let provider = practised(&linked).await;
    let key = json!([{"remote_field_class": "Contact.ErpId__c", "value": "4711"}]);
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, Fault::ConnectionClosed));
    let outcome =
        one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Feig", "remote_fields": key})))
            .await;
    created(&outcome);
    let taken =
        one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Roe", "remote_fields": key}))).await;
    assert_eq!(taken.error().unwrap().remote_code(), Some("DUPLICATE_VALUE"));
    assert_eq!(taken.candidates.first(), outcome.remote_id.as_ref());
    assert_eq!(linked.org().count("Contact").await.unwrap(), 1);
}

#[tokio::test]
async fn a_record_like_ours_that_the_org_has_changed_is_a_candidate() {
    let linked = empty().await;
    let provider = practised(&linked).await;
    let before: Json = json!({"last_name": "Feig", "first_name": "Gil"});
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, Fault::ConnectionClosed));
    // Somebody works with the same user and makes a record that resembles the lost one.
    let write = one(&*provider, create(ObjectKind::Contact, before));
    let org = linked.org();
    let other = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        org.create("Contact", json!({"LastName": "Feig", "FirstName": "Another"})).await.unwrap()
    };
    let (outcome, other) = tokio::join!(write, other);
    let OutcomeStatus::InDoubt { candidates, .. } = &outcome.status else { panic!("{outcome:?}") };
    assert_eq!(candidates.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [other.as_str()]);
}

#[tokio::test]
async fn a_conversion_takes_place_once() {
    for (fault, expected) in [(Fault::AnswerLost, 1), (Fault::ConnectionClosed, 1)] {
        let linked = empty().await;
        let org = linked.org();
        let provider = linked.connect().await;
        let lead = org.create("Lead", json!({"LastName": "Feig", "Company": "K-LINK"})).await.unwrap();
        linked.emulator.faults().add(FaultRule::new(Resource::Soap, fault));
        let mut convert = ConvertLead::new(lead.as_str());
        convert.opportunity_name = Some("Deal".to_owned());
        let outcome = one(&*provider, WriteOperation::Convert(convert)).await;
        let OutcomeStatus::Converted { contact, opportunity: Some(_), .. } = &outcome.status else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            text(&org, "Lead", &lead, "ConvertedContactId").await.as_deref(),
            contact.remote_id().map(|id| id.as_str())
        );
        for object in ["Contact", "Account", "Opportunity"] {
            assert_eq!(org.count(object).await.unwrap(), expected, "{object}");
        }
    }
}

/// The fault of a conversion that was not begun is no lost answer, although it comes with status 500.
#[tokio::test]
async fn a_conversion_that_the_quota_stops_is_not_in_doubt() {
    let linked = empty().await;
    let org = linked.org();
    let provider = practised(&linked).await;
    let lead = org.create("Lead", json!({"LastName": "Feig", "Company": "K-LINK"})).await.unwrap();
    let mut convert = ConvertLead::new(lead.as_str());
    convert.converted_status = Some("Closed - Converted".to_owned());
    org.set_daily_api_requests(0);
    let outcome = one(&*provider, WriteOperation::Convert(convert.clone())).await;
    let error = outcome.error().unwrap_or_else(|| panic!("{outcome:?}"));
    assert!(matches!(outcome.status, OutcomeStatus::Failed(_)), "{outcome:?}");
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted, "{error:?}");
    assert!(
        linked.emulator.log().entries().iter().any(|entry| entry.resource == Resource::Soap),
        "the conversion itself was refused"
    );
    org.set_daily_api_requests(100_000);
    let outcome = one(&*provider, WriteOperation::Convert(convert)).await;
    assert!(matches!(outcome.status, OutcomeStatus::Converted { .. }), "{outcome:?}");
}

#[tokio::test]
async fn an_update_with_ties_is_finished_and_not_doubled() {
    for fault in [Fault::AnswerLost, Fault::ConnectionClosed] {
        let linked = empty().await;
        let org = linked.org();
        let provider = linked.connect().await;
        let account = org.create("Account", json!({"Name": "Acme"})).await.unwrap();
        let id = created(&one(&*provider, create(ObjectKind::Note, json!({"content": "Hello"}))).await);
        // The description of notes is at hand: what comes next is the change itself.
        linked.emulator.faults().add(FaultRule::new(Resource::Composite, fault));
        let change = json!({"content": "Changed", "account": {"remote_id": account}});
        let outcome = one(&*provider, update(ObjectKind::Note, &id, change)).await;
        assert!(matches!(outcome.status, OutcomeStatus::Updated | OutcomeStatus::Unchanged), "{outcome:?}");
        assert_eq!(text(&org, "ContentNote", &id, "Title").await.as_deref(), Some("Changed"));
        let soql = format!(
            "SELECT Id FROM ContentDocumentLink WHERE ContentDocumentId = '{id}' AND LinkedEntityId = '{account}'"
        );
        assert_eq!(org.query(&soql).await.unwrap().len(), 1);
    }
}

/// What stopped everything is the reason why a row whose answer was lost before is not looked at anew.
#[tokio::test]
async fn a_row_that_is_not_settled_says_what_stopped_it() {
    let linked = empty().await;
    let org = linked.org();
    // One call after the other: first the change, then the conversion that meets the quota.
    let config = r#""flow":"client-credentials","limits":{"concurrency":1}"#;
    let provider = linked.connect_with(config).await.unwrap();
    let account = org.create("Account", json!({"Name": "Acme"})).await.unwrap();
    let lead = org.create("Lead", json!({"LastName": "Feig", "Company": "K-LINK"})).await.unwrap();
    let id = created(&one(&*provider, create(ObjectKind::Note, json!({"content": "Hello"}))).await);
    let faults = linked.emulator.faults();
    faults.add(FaultRule::new(Resource::Composite, Fault::AnswerLost));
    faults.add(FaultRule::new(Resource::Soap, Fault::TotalRequests).forever());
    let change = json!({"content": "Changed", "account": {"remote_id": account}});
    let mut convert = ConvertLead::new(lead.as_str());
    convert.converted_status = Some("Closed - Converted".to_owned());
    let rows = vec![update(ObjectKind::Note, &id, change), WriteOperation::Convert(convert)];
    let outcomes = write(&*provider, rows).await;
    let quota = outcomes[1].error().unwrap_or_else(|| panic!("{outcomes:?}"));
    assert_eq!(quota.kind(), ErrorKind::QuotaExhausted, "{quota:?}");
    let OutcomeStatus::InDoubt { error, .. } = &outcomes[0].status else { panic!("{outcomes:?}") };
    assert_eq!((error.kind(), error.message()), (ErrorKind::InDoubt, quota.message()));
    let source =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<unicrm_core::Error>());
    assert_eq!(source.map(unicrm_core::Error::kind), Some(ErrorKind::QuotaExhausted), "{error:?}");
}

/// Rows of which one says all that the other says: the record of the one is not the other's.
#[tokio::test]
async fn a_lost_row_that_was_refused_does_not_take_the_record_of_another() {
    let linked = empty().await;
    let org = linked.org();
    let provider = practised(&linked).await;
    let rule = ValidationRule::new("Contact", "Phone = null", "a phone is missing");
    org.add_validation_rule(rule).await.unwrap();
    cut(&linked, Resource::Composite, 0);
    let phones = json!([{"phone_number": "1", "phone_number_type": "work"}]);
    let rows = vec![
        create(ObjectKind::Contact, json!({"last_name": "Feig"})),
        create(ObjectKind::Contact, json!({"last_name": "Feig", "phone_numbers": phones})),
    ];
    let outcomes = write(&*provider, rows).await;
    let error = outcomes[0].error().unwrap_or_else(|| panic!("{outcomes:?}"));
    assert!(error.message().contains("a phone is missing"), "{error:?}");
    let id = created(&outcomes[1]);
    assert_eq!(text(&org, "Contact", &id, "Phone").await.as_deref(), Some("1"));
    assert_eq!(org.count("Contact").await.unwrap(), 1);
}

/// Nobody can look while this lasts.
fn blind(linked: &Linked) {
    blind_for(linked, 3);
}

fn blind_for(linked: &Linked, looks: u64) {
    let fault =
        Fault::Error { status: 400, code: "MALFORMED_QUERY".to_owned(), message: "not now".to_owned() };
    linked.emulator.faults().add(FaultRule::new(Resource::Query, fault).on_object("Contact").times(looks));
}

#[tokio::test]
async fn a_row_that_meets_its_own_value_is_made_once() {
    let linked = empty().await;
    add_unique_key(&linked.org(), "Contact").await;
    let provider = practised(&linked).await;
    cut(&linked, Resource::Composite, 0);
    blind(&linked);
    linked.emulator.log().clear();
    let row = |key: u32| {
        let key = json!([{"remote_field_class": "Contact.ErpId__c", "value": key.to_string()}]);
        create(ObjectKind::Contact, json!({"last_name": "Feig", "remote_fields": key}))
    };
    let outcomes = write(&*provider, (0..5).map(row).collect()).await;
    for (key, outcome) in outcomes.iter().enumerate() {
        let id = created(outcome);
        assert_eq!(text(&linked.org(), "Contact", &id, "ErpId__c").await, Some(key.to_string()));
    }
    assert_eq!(linked.org().count("Contact").await.unwrap(), 5);
    let entries = linked.emulator.log().entries();
    let looks = entries.iter().filter(|entry| entry.resource == Resource::Query).count();
    assert_eq!(looks, 3 + 1, "three that were refused, and one for all rows");
}

/// What the last attempt is told says nothing of those before it.
#[tokio::test]
async fn a_clean_refusal_after_a_lost_answer_is_no_failure() {
    for refusal in [Fault::TotalRequests, Fault::SessionRejected, Fault::ApiDisabledForOrg] {
        let linked = empty().await;
        let org = linked.org();
        super::add_key(&org, "Contact", FieldType::String).await;
        let provider = practised(&linked).await;
        cut(&linked, Resource::Composite, 0);
        linked.emulator.faults().add(FaultRule::new(Resource::Composite, refusal.clone()).after(1).forever());
        let record = super::patch(ObjectKind::Contact, json!({"last_name": "Feig"}));
        let key = unicrm_core::ExternalKey::new("ErpId__c", "4711");
        let outcome = one(&*provider, WriteOperation::upsert(key, record)).await;
        assert!(matches!(outcome.status, OutcomeStatus::InDoubt { .. }), "{refusal:?}: {outcome:?}");
        assert_eq!(org.count("Contact").await.unwrap(), 1, "{refusal:?}");
    }
}

/// A row is sent again since it cannot be made twice: if that is refused, the first time still counts.
#[tokio::test]
async fn a_row_whose_second_sending_is_refused_is_looked_for_again() {
    for (first, made) in [(Fault::AnswerLost, 1), (Fault::ConnectionClosed, 0)] {
        let linked = empty().await;
        add_unique_key(&linked.org(), "Contact").await;
        let provider = practised(&linked).await;
        let key = json!([{"remote_field_class": "Contact.ErpId__c", "value": "4711"}]);
        let faults = linked.emulator.faults();
        faults.add(FaultRule::new(Resource::Composite, first.clone()));
        faults.add(FaultRule::new(Resource::Composite, Fault::ApiDisabledForOrg).after(1).forever());
        blind(&linked);
        let record = json!({"last_name": "Feig", "remote_fields": key});
        let outcome = one(&*provider, create(ObjectKind::Contact, record)).await;
        if made == 1 {
            created(&outcome);
        } else {
            assert!(matches!(outcome.status, OutcomeStatus::InDoubt { .. }), "{first:?}: {outcome:?}");
        }
        assert_eq!(linked.org().count("Contact").await.unwrap(), made, "{first:?}");
    }
}

/// The value is taken, perhaps by the row itself, and nobody can tell.
#[tokio::test]
async fn a_row_that_meets_a_value_in_the_dark_is_in_doubt() {
    let linked = empty().await;
    add_unique_key(&linked.org(), "Contact").await;
    let provider = practised(&linked).await;
    let key = json!([{"remote_field_class": "Contact.ErpId__c", "value": "4711"}]);
    cut(&linked, Resource::Composite, 0);
    blind_for(&linked, 4);
    let record = json!({"last_name": "Feig", "remote_fields": key});
    let outcome = one(&*provider, create(ObjectKind::Contact, record)).await;
    let OutcomeStatus::InDoubt { error, .. } = &outcome.status else { panic!("{outcome:?}") };
    assert!(error.message().contains("ErpId__c"), "{error:?}");
    assert_eq!(linked.org().count("Contact").await.unwrap(), 1);
}

#[tokio::test]
async fn where_nobody_can_look_nothing_is_sent_again() {
    for fault in [Fault::AnswerLost, Fault::UnknownException] {
        let linked = empty().await;
        let provider = practised(&linked).await;
        linked.emulator.faults().add(FaultRule::new(Resource::Composite, fault.clone()));
        blind(&linked);
        let outcome = one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Feig"}))).await;
        assert!(matches!(outcome.status, OutcomeStatus::InDoubt { .. }), "{fault:?}: {outcome:?}");
        assert_eq!(linked.org().count("Contact").await.unwrap(), u64::from(fault == Fault::AnswerLost));
    }
}
