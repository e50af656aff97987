//! Bad days of writing that are no lost answers: locks, refusals of whole calls, sessions and quotas that end.

use serde_json::json;
use unicrm_core::{ErrorKind, ObjectKind, OutcomeStatus, Retry, WriteOperation};
use unicrm_salesforce_emulator::{Fault, FaultRule, Resource};

use super::{create, created, empty, one, practised, text, update, write};

fn locked(rows: Vec<usize>) -> Fault {
    let message = "unable to obtain exclusive access to this record or 1 records: 001".to_owned();
    Fault::RowsFail { rows, code: "UNABLE_TO_LOCK_ROW".to_owned(), message }
}

#[tokio::test]
async fn locked_rows_are_sent_again_with_those_of_the_same_parent() {
    let linked = empty().await;
    let org = linked.org();
    let provider = practised(&linked).await;
    let mut accounts = Vec::new();
    for name in ["A", "B", "C"] {
        accounts.push(org.create("Account", json!({"Name": name})).await.unwrap());
    }
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, locked((0..150).collect())).times(2));
    let rows = (0..400).map(|row| {
        let account = &accounts[row % 3];
        create(
            ObjectKind::Contact,
            json!({"last_name": format!("Row {row}"), "account": {"remote_id": account}}),
        )
    });
    let outcomes = write(&*provider, rows.collect()).await;
    for (row, outcome) in outcomes.iter().enumerate() {
        let id = created(outcome);
        assert_eq!(text(&org, "Contact", &id, "LastName").await, Some(format!("Row {row}")));
    }
    assert_eq!(org.count("Contact").await.unwrap(), 400);
}

#[tokio::test]
async fn a_lock_that_stays_is_a_conflict_that_may_pass() {
    let linked = empty().await;
    let provider = practised(&linked).await;
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, locked(vec![0])).forever());
    let outcome = one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Feig"}))).await;
    let error = outcome.error().expect("a conflict");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Conflict, Retry::BackOff(None)));
    assert_eq!(error.remote_code(), Some("UNABLE_TO_LOCK_ROW"));
    assert_eq!(linked.org().count("Contact").await.unwrap(), 0);
}

#[tokio::test]
async fn a_session_that_ends_is_renewed() {
    let linked = empty().await;
    let provider = linked.connect().await;
    let lead = linked.org().create("Lead", json!({"LastName": "Feig", "Company": "K-LINK"})).await.unwrap();
    for resource in [Resource::Composite, Resource::Soap] {
        linked.org().revoke_sessions();
        linked.emulator.faults().clear();
        let operation = match resource {
            Resource::Soap => WriteOperation::Convert(unicrm_core::ConvertLead::new(lead.as_str())),
            _ => create(ObjectKind::Contact, json!({"last_name": "Feig"})),
        };
        let outcome = one(&*provider, operation).await;
        assert!(
            matches!(outcome.status, OutcomeStatus::Created | OutcomeStatus::Converted { .. }),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_used_up_quota_stops_the_batch_and_says_when_to_go_on() {
    let linked = empty().await;
    let provider = linked.connect().await;
    created(&one(&*provider, create(ObjectKind::Contact, json!({"last_name": "First"}))).await);
    let config = r#""flow":"client-credentials","limits":{"concurrency":1}"#;
    let provider = linked.connect_with(config).await.unwrap();
    linked
        .emulator
        .faults()
        .add(FaultRule::new(Resource::Composite, Fault::TotalRequests).after(3).forever());
    let rows = (0..1_000).map(|row| create(ObjectKind::Contact, json!({"last_name": format!("Row {row}")})));
    let outcomes = write(&*provider, rows.collect()).await;
    let made = outcomes.iter().filter(|outcome| outcome.is_done()).count();
    assert!(made > 0 && made < 1_000, "{made}");
    for outcome in outcomes.iter().filter(|outcome| !outcome.is_done()) {
        let error = outcome.error().unwrap();
        assert_eq!(error.kind(), ErrorKind::QuotaExhausted);
        assert!(matches!(error.retry(), Retry::NotBefore(_)));
    }
    assert_eq!(linked.org().count("Contact").await.unwrap(), made as u64 + 1);
    assert_eq!(linked.emulator.faults().struck(), 1, "nothing is sent after the quota is gone");
}

#[tokio::test]
async fn a_refusal_of_the_whole_call_concerns_only_the_rows_that_caused_it() {
    let linked = empty().await;
    let provider = linked.connect().await;
    let refused = Fault::Error {
        status: 400,
        code: "JSON_PARSER_ERROR".to_owned(),
        message: "Cannot deserialize instance of date from VALUE_STRING value x".to_owned(),
    };
    created(&one(&*provider, create(ObjectKind::Account, json!({"name": "First"}))).await);
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, refused).times(3));
    let rows = (0..40).map(|row| create(ObjectKind::Account, json!({"name": format!("Row {row}")})));
    let outcomes = write(&*provider, rows.collect()).await;
    let made = outcomes.iter().filter(|outcome| outcome.is_done()).count();
    assert_eq!(made, 40, "each half that is taken is made");
    assert_eq!(linked.org().count("Account").await.unwrap(), 41);
}

#[tokio::test]
async fn safe_writes_outlive_lost_answers() {
    let linked = empty().await;
    let org = linked.org();
    let provider = practised(&linked).await;
    let id = org.create("Contact", json!({"LastName": "Feig"})).await.unwrap();
    for fault in [
        Fault::AnswerLost,
        Fault::ConnectionReset,
        Fault::BodyCut { chunked: true },
        Fault::ServerUnavailable,
    ] {
        linked.emulator.faults().add(FaultRule::new(Resource::Composite, fault.clone()));
        let outcome = one(
            &*provider,
            update(
                ObjectKind::Contact,
                &id,
                json!({"first_name": format!("{fault:?}").chars().take(30).collect::<String>()}),
            ),
        )
        .await;
        assert!(matches!(outcome.status, OutcomeStatus::Updated), "{fault:?}: {outcome:?}");
    }
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, Fault::AnswerLost));
    let outcome = one(&*provider, WriteOperation::delete(ObjectKind::Contact, id.as_str())).await;
    assert!(matches!(outcome.status, OutcomeStatus::Deleted), "{outcome:?}");
}

#[tokio::test]
async fn fields_that_this_user_may_not_write_are_named() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    created(
        &one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Feig", "first_name": "Gil"})))
            .await,
    );
    // The description that the plugin holds is out of date now.
    org.hide_field("Contact", "FirstName");
    let stale =
        one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Roe", "first_name": "Jane"}))).await;
    let error = stale.error().expect("a refusal");
    assert_eq!(error.remote_code(), Some("INVALID_FIELD"), "{error:?}");
    let known =
        one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Roe", "first_name": "Jane"}))).await;
    assert_eq!(known.error().expect("a field error").fields()[0].pointer, "/first_name");
}
