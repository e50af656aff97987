//! One test for each row of the catalogue of faults that speaks of writing, named after it.

use serde_json::json;
use unicrm_core::{
    ConvertLead, ErrorKind, ExternalKey, ObjectKind, OutcomeStatus, RawRequest, Retry, WriteOperation,
    WriteRequest,
};
use unicrm_salesforce_emulator::{
    DuplicateRule, Emulator, Fault, FaultRule, Features, FieldType, Resource, ValidationRule,
};

use super::fault_rows::ROWS;
use super::{add_key, add_unique_key, create, created, empty, one, patch, practised, text, update, write};
use crate::support::Linked;

#[test]
fn every_row_has_its_test() {
    let sources = [include_str!("rows.rs"), include_str!("bulk.rs")];
    for (row, behaviour, test) in ROWS {
        let found = sources.iter().any(|source| source.contains(&format!("async fn {test}()")));
        assert!(found, "{row}: there is no test {test}");
        assert!(!behaviour.is_empty(), "{row}");
    }
    let names: std::collections::BTreeSet<_> = ROWS.iter().map(|(row, ..)| row).collect();
    assert_eq!(names.len(), ROWS.len(), "no row twice");
}

#[tokio::test]
async fn unable_to_lock_row() {
    let linked = empty().await;
    let org = linked.org();
    let provider = practised(&linked).await;
    let account = org.create("Account", json!({"Name": "Acme"})).await.unwrap();
    let row = |name: String| {
        create(ObjectKind::Contact, json!({"last_name": name, "account": {"remote_id": account}}))
    };
    org.lock_record(&account, 12);
    let outcomes = write(&*provider, (0..10).map(|n| row(format!("Row {n}"))).collect()).await;
    outcomes.iter().for_each(|outcome| drop(created(outcome)));
    org.lock_record(&account, 1_000);
    let error = one(&*provider, row("Late".to_owned())).await.error().cloned().expect("a lock that stays");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Conflict, Retry::BackOff(None)));
    assert_eq!(org.count("Contact").await.unwrap(), 10);
}

#[tokio::test]
async fn duplicates_detected() {
    let linked = empty().await;
    linked.org().add_duplicate_rule(DuplicateRule::new("Lead", ["Email"]));
    let provider = linked.connect().await;
    let email = json!([{"email_address": "hello@klink.cloud"}]);
    let lead =
        create(ObjectKind::Lead, json!({"last_name": "Feig", "company": "K", "email_addresses": email}));
    let first = created(&one(&*provider, lead.clone()).await);
    let second = one(&*provider, lead.clone()).await;
    assert_eq!(second.error().expect("a conflict").kind(), ErrorKind::Conflict);
    assert_eq!(second.candidates.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [first.as_str()]);
    let allowed = provider.write(WriteRequest::new([lead]).allow_duplicates(true)).await.unwrap();
    created(&allowed.outcomes[0]);
}

#[tokio::test]
async fn duplicate_value() {
    let linked = empty().await;
    add_unique_key(&linked.org(), "Account").await;
    let provider = linked.connect().await;
    let key = json!([{"remote_field_class": "Account.ErpId__c", "value": "4711"}]);
    let account = |name: &str| create(ObjectKind::Account, json!({"name": name, "remote_fields": key}));
    let first = created(&one(&*provider, account("First")).await);
    let second = one(&*provider, account("Second")).await;
    let error = second.error().expect("a conflict");
    assert_eq!((error.kind(), error.remote_code()), (ErrorKind::Conflict, Some("DUPLICATE_VALUE")));
    assert_eq!(second.candidates.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [first.as_str()]);
}

#[tokio::test]
async fn several_matches_on_upsert() {
    let linked = empty().await;
    let org = linked.org();
    add_key(&org, "Account", FieldType::String).await;
    let mut twins = Vec::new();
    for name in ["One", "Two"] {
        twins.push(org.create("Account", json!({"Name": name, "ErpId__c": "4711"})).await.unwrap());
    }
    let provider = linked.connect().await;
    let upsert = WriteOperation::upsert(
        ExternalKey::new("ErpId__c", "4711"),
        patch(ObjectKind::Account, json!({"name": "x"})),
    );
    let outcome = one(&*provider, upsert).await;
    assert_eq!(outcome.error().expect("a conflict").kind(), ErrorKind::Conflict);
    let mut found: Vec<_> = outcome.candidates.iter().map(|id| id.as_str().to_owned()).collect();
    found.sort();
    twins.sort();
    assert_eq!(found, twins);
    assert_eq!(text(&org, "Account", &twins[0], "Name").await.as_deref(), Some("One"));
}

#[tokio::test]
async fn entity_is_deleted_and_invalid_cross_reference_key() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let account = |name: &str| org.create("Account", json!({"Name": name}));
    let (stays, merged, gone) =
        (account("Stays").await.unwrap(), account("Merged").await.unwrap(), account("Gone").await.unwrap());
    org.merge("Account", &stays, &[&merged]).await.unwrap();
    org.delete("Account", &gone).await.unwrap();
    let nobody = "001000000000001AAA";
    let change = |id: &str| update(ObjectKind::Account, id, json!({"name": "x"}));
    let outcomes = write(
        &*provider,
        vec![
            change(&merged),
            change(&gone),
            change(nobody),
            create(ObjectKind::Contact, json!({"last_name": "x", "account": {"remote_id": gone}})),
        ],
    )
    .await;
    let kind = |row: usize| outcomes[row].error().unwrap_or_else(|| panic!("{:?}", outcomes[row])).kind();
    assert_eq!((kind(0), kind(1), kind(2)), (ErrorKind::Conflict, ErrorKind::NotFound, ErrorKind::NotFound));
    assert_eq!(outcomes[0].candidates.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [stays.as_str()]);
    let error = outcomes[3].error().expect("a reference to nobody");
    assert_eq!((error.kind(), error.fields()[0].pointer.as_str()), (ErrorKind::InvalidRequest, "/account"));
    for id in [merged.as_str(), &gone] {
        let again = one(&*provider, WriteOperation::delete(ObjectKind::Account, id)).await;
        assert!(matches!(again.status, OutcomeStatus::Deleted), "{again:?}");
    }
    let unknown = one(&*provider, WriteOperation::delete(ObjectKind::Account, nobody)).await;
    assert_eq!(unknown.error().expect("nobody").kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn merge_support() {
    let linked = empty().await;
    let provider = linked.connect().await;
    let refusal = Fault::Error {
        status: 400,
        code: "INVALID_TYPE_FOR_OPERATION".to_owned(),
        message: "entity type does not support merge".to_owned(),
    };
    linked.emulator.faults().add(FaultRule::new(Resource::Any, refusal));
    let request = RawRequest::new("POST", "/services/Soap/u/66.0").body("<merge/>");
    let answer = provider.send(request).await.unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("INVALID_TYPE_FOR_OPERATION"), "{}", answer.text());
}

#[tokio::test]
async fn converted_lead_is_read_only() {
    let linked = empty().await;
    let provider = linked.connect().await;
    let lead = linked.org().create("Lead", json!({"LastName": "Feig", "Company": "K"})).await.unwrap();
    let converted = one(&*provider, WriteOperation::Convert(ConvertLead::new(lead.as_str()))).await;
    let OutcomeStatus::Converted { contact, account, .. } = &converted.status else {
        panic!("{converted:?}")
    };
    let change = one(&*provider, update(ObjectKind::Lead, &lead, json!({"title": "CEO"}))).await;
    let error = change.error().expect("a conflict");
    assert_eq!(
        (error.kind(), error.remote_code()),
        (ErrorKind::Conflict, Some("CANNOT_UPDATE_CONVERTED_LEAD"))
    );
    let became: Vec<_> = [contact.remote_id(), account.remote_id()].into_iter().flatten().cloned().collect();
    assert_eq!(change.candidates, became);
}

#[tokio::test]
async fn validation_rule_and_required() {
    let linked = empty().await;
    let org = linked.org();
    let rule = ValidationRule::new("Account", "NumberOfEmployees < 1", "Somebody must work there.");
    org.add_validation_rule(rule.at("NumberOfEmployees")).await.unwrap();
    org.add_validation_rule(ValidationRule::new("Account", "Website = null", "Where is it?")).await.unwrap();
    let provider = linked.connect().await;
    let account = |employees: i64, website: Option<&str>| {
        create(
            ObjectKind::Account,
            json!({"name": "x", "number_of_employees": employees, "website": website}),
        )
    };
    let outcomes = write(
        &*provider,
        vec![
            account(0, Some("x.example")),
            account(5, None),
            account(5, Some("x.example")),
            create(ObjectKind::Account, json!({"website": "x.example"})),
        ],
    )
    .await;
    let told = |row: usize| {
        let error = outcomes[row].error().unwrap_or_else(|| panic!("{:?}", outcomes[row]));
        let pointer = error.fields().first().map(|field| field.pointer.clone());
        (error.remote_code().unwrap_or_default().to_owned(), pointer)
    };
    let rule = "FIELD_CUSTOM_VALIDATION_EXCEPTION".to_owned();
    assert_eq!(told(0), (rule.clone(), Some("/number_of_employees".to_owned())));
    assert_eq!(told(1), (rule, None));
    assert!(outcomes[1].error().unwrap().message().contains("Where is it?"));
    created(&outcomes[2]);
    assert_eq!(told(3), ("REQUIRED_FIELD_MISSING".to_owned(), Some("/name".to_owned())));
}

#[tokio::test]
async fn not_writeable_field() {
    let linked = empty().await;
    let org = linked.org();
    org.hide_field("Contact", "FirstName");
    let provider = linked.connect().await;
    linked.emulator.log().clear();
    let record = json!({"last_name": "Roe", "first_name": "Jane"});
    let outcome = one(&*provider, create(ObjectKind::Contact, record)).await;
    assert_eq!(outcome.error().expect("a field error").fields()[0].pointer, "/first_name");
    let sent = linked
        .emulator
        .log()
        .entries()
        .into_iter()
        .filter(|entry| entry.path.ends_with("/composite/sobjects"));
    assert_eq!(sent.count(), 0, "nothing is sent");
    let read_only = json!({"last_name": "Roe", "last_activity_at": "2026-01-01T00:00:00Z"});
    let outcome = one(&*provider, create(ObjectKind::Contact, read_only)).await;
    created(&outcome);
    assert_eq!(super::codes(&outcome), [("/last_activity_at", "read_only")]);
}

#[tokio::test]
async fn all_or_none_default() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let rows = vec![
        create(ObjectKind::Account, json!({"name": "Good"})),
        create(ObjectKind::Account, json!({"description": "nameless"})),
        create(
            ObjectKind::Note,
            json!({"content": "Of nobody", "account": {"remote_id": "001000000000001AAA"}}),
        ),
    ];
    let outcomes = write(&*provider, rows).await;
    created(&outcomes[0]);
    assert!(!outcomes[1].is_done() && !outcomes[2].is_done());
    assert_eq!(org.count("Account").await.unwrap(), 1, "rows stand alone");
    assert_eq!(org.count("ContentNote").await.unwrap(), 0, "a note and its links go together");
}

#[tokio::test]
async fn state_and_country_picklists() {
    let features = Features { state_country_picklists: true, ..Features::default() };
    let linked = Linked::start(Emulator::builder().empty().features(features)).await;
    let provider = linked.connect().await;
    let of = |country: &str| json!([{"country": country, "address_type": "BILLING"}]);
    for country in ["DE", "Germany"] {
        let record = json!({"name": country, "addresses": of(country)});
        let id = created(&one(&*provider, create(ObjectKind::Account, record)).await);
        assert_eq!(text(&linked.org(), "Account", &id, "BillingCountryCode").await.as_deref(), Some("DE"));
    }
    let unknown = json!({"name": "x", "addresses": of("Atlantis")});
    let outcome = one(&*provider, create(ObjectKind::Account, unknown)).await;
    assert_eq!(outcome.error().expect("a refusal").fields()[0].pointer, "/addresses");
}

#[tokio::test]
async fn optimistic_lock() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let id = org.create("Account", json!({"Name": "Acme"})).await.unwrap();
    let change = |since: &str| {
        RawRequest::new("PATCH", format!("/services/data/v66.0/sobjects/Account/{id}"))
            .header("If-Unmodified-Since", since)
            .header("Content-Type", "application/json")
            .body(r#"{"Name": "Changed"}"#)
    };
    let refused = provider.send(change("Mon, 01 Jan 2001 00:00:00 GMT")).await.unwrap();
    assert_eq!((refused.status, refused.body.len()), (412, 0));
    assert_eq!(text(&org, "Account", &id, "Name").await.as_deref(), Some("Acme"));
    let taken = provider.send(change("Fri, 01 Jan 2100 00:00:00 GMT")).await.unwrap();
    assert_eq!(taken.status, 204);
}

#[tokio::test]
async fn post_retried_after_timeout() {
    for (fault, expected) in [(Fault::AnswerLost, "created"), (Fault::ConnectionClosed, "in_doubt")] {
        let linked = empty().await;
        let provider = practised(&linked).await;
        linked.emulator.faults().add(FaultRule::new(Resource::Composite, fault.clone()));
        let outcome = one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Feig"}))).await;
        assert_eq!(outcome.status.as_str(), expected, "{fault:?}");
        let there = u64::from(expected == "created");
        assert_eq!(linked.org().count("Contact").await.unwrap(), there, "{fault:?}");
    }
}

#[tokio::test]
async fn composite_limits() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let mut ties = Vec::new();
    for name in 0..8 {
        ties.push(org.create("Contact", json!({"LastName": format!("C{name}")})).await.unwrap());
    }
    let people: Vec<_> = ties.iter().map(|id| json!({"remote_id": id})).collect();
    linked.emulator.log().clear();
    // Eight people a meeting are eight requests a graph, and the emulator refuses what is over a limit.
    let meetings = (0..80).map(|number| {
        create(
            ObjectKind::Engagement,
            json!({
                "subject": format!("Meeting {number}"), "engagement_type": {"remote_id": "Event"}, "contacts": people,
                "start_time": "2026-03-01T10:00:00Z", "end_time": "2026-03-01T10:30:00Z",
            }),
        )
    });
    for outcome in write(&*provider, meetings.collect()).await {
        created(&outcome);
    }
    let graphs =
        linked.emulator.log().entries().into_iter().filter(|entry| entry.path.ends_with("/composite/graph"));
    assert_eq!(graphs.count(), 2, "80 graphs of 8 requests: 62 fit into one call");
    assert_eq!(org.count("EventRelation").await.unwrap() % 80, 0);
}

#[tokio::test]
async fn collections_over_200() {
    let linked = empty().await;
    let provider = linked.connect().await;
    let rows =
        (0..450).map(|row| create(ObjectKind::Lead, json!({"last_name": format!("L{row}"), "company": "K"})));
    linked.emulator.log().clear();
    for outcome in write(&*provider, rows.collect()).await {
        created(&outcome);
    }
    let calls = linked
        .emulator
        .log()
        .entries()
        .into_iter()
        .filter(|entry| entry.path.ends_with("/composite/sobjects"));
    assert_eq!(calls.count(), 3);
    assert_eq!(linked.org().count("Lead").await.unwrap(), 450);
}
