//! Writes of custom objects that must not go wrong: whose record an id names, what a key may be, in which order rows are
//! written, and what becomes of rows whose answer was lost.

use std::collections::BTreeMap;

use serde_json::json;
use unicrm_core::{
    CustomOperation, CustomWrite, ErrorKind, ExternalKey, Json, Outcome, OutcomeStatus, Provider,
};
use unicrm_salesforce_emulator::{Fault, FaultRule, FieldSchema, FieldType, ObjectSchema, Resource};

use crate::support::Linked;
use crate::writing::{created, empty, text};

/// An org with invoices, which have a title and a key of the org's own.
async fn invoices() -> Linked {
    let linked = empty().await;
    let mut invoice = ObjectSchema::custom("Invoice__c");
    invoice.fields.push(FieldSchema::new("Title__c", FieldType::String));
    let mut key = FieldSchema::new("ErpId__c", FieldType::String);
    (key.external_id, key.id_lookup, key.length) = (true, true, 40);
    invoice.fields.push(key);
    let mut body = FieldSchema::new("Body__c", FieldType::TextArea);
    body.length = 131_072;
    invoice.fields.push(body);
    linked.org().add_object(invoice).await.unwrap();
    linked
}

fn fields(values: &[(&str, &str)]) -> BTreeMap<String, Json> {
    values.iter().map(|(name, value)| ((*name).to_owned(), Json::text(value))).collect()
}

async fn write(provider: &dyn Provider, operations: Vec<CustomOperation>) -> Vec<Outcome> {
    let asked = operations.len();
    let report = provider.custom_write(CustomWrite::new(operations)).await.expect("a report");
    assert_eq!(report.outcomes.len(), asked);
    report.outcomes
}

async fn one(provider: &dyn Provider, operation: CustomOperation) -> Outcome {
    write(provider, vec![operation]).await.remove(0)
}

fn titled(title: &str) -> CustomOperation {
    CustomOperation::create("Invoice__c", fields(&[("Title__c", title)]))
}

fn keyed(key: &str, title: &str) -> CustomOperation {
    CustomOperation::upsert("Invoice__c", ExternalKey::new("ErpId__c", key), fields(&[("Title__c", title)]))
}

fn retitled(id: &str, title: &str) -> CustomOperation {
    CustomOperation::update("Invoice__c", id, fields(&[("Title__c", title)]))
}

#[tokio::test]
async fn the_id_of_another_object_changes_nothing() {
    let linked = invoices().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let contact = org.create("Contact", json!({"LastName": "Feig"})).await.unwrap();
    for operation in [
        CustomOperation::delete("Invoice__c", contact.as_str()),
        CustomOperation::update("Invoice__c", contact.as_str(), fields(&[("Title__c", "x")])),
    ] {
        let outcome = one(&*provider, operation).await;
        let error = outcome.error().unwrap_or_else(|| panic!("{outcome:?}"));
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    }
    assert_eq!(org.count("Contact").await.unwrap(), 1);
    let invoice = created(&one(&*provider, CustomOperation::create("Invoice__c", fields(&[]))).await);
    assert!(one(&*provider, CustomOperation::delete("Invoice__c", invoice)).await.is_done());
    assert_eq!(org.count("Invoice__c").await.unwrap(), 0);
}

#[tokio::test]
async fn a_key_decides_which_record_is_written_however_often() {
    let linked = invoices().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let upsert = |key: &str, values: &[(&str, &str)]| {
        CustomOperation::upsert("Invoice__c", ExternalKey::new(key, "4711"), fields(values))
    };
    let id = created(&one(&*provider, upsert("ErpId__c", &[("Title__c", "First")])).await);
    // The same key once more, and the key's own value among the fields, in whatever case its name is.
    let again = one(&*provider, upsert("erpid__c", &[("Title__c", "Second"), ("ERPID__C", "4711")])).await;
    assert!(again.is_done(), "{again:?}");
    assert_eq!(again.remote_id.as_ref().map(|id| id.as_str()), Some(id.as_str()));
    let other = one(&*provider, upsert("ErpId__c", &[("ErpId__c", "4712")])).await;
    let error = other.error().unwrap_or_else(|| panic!("{other:?}"));
    assert_eq!(error.fields().first().map(|field| field.pointer.as_str()), Some("/fields/ErpId__c"));
    for (field, key) in [("Id", ExternalKey::new("Id", id.as_str())), ("id", ExternalKey::new("id", "4711"))]
    {
        let outcome = one(&*provider, CustomOperation::upsert("Invoice__c", key, fields(&[]))).await;
        let error = outcome.error().unwrap_or_else(|| panic!("{field}: {outcome:?}"));
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error:?}");
        assert_eq!(
            error.fields().first().map(|field| field.pointer.clone()),
            Some(format!("/fields/{field}"))
        );
    }
    assert_eq!(org.count("Invoice__c").await.unwrap(), 1);
}

#[tokio::test]
async fn a_key_that_is_no_number_fails_its_own_row() {
    let linked = invoices().await;
    let org = linked.org();
    let mut number = FieldSchema::new("Number__c", FieldType::Double);
    (number.external_id, number.id_lookup, number.precision) = (true, true, 18);
    org.add_field("Invoice__c", number).await.unwrap();
    let provider = linked.connect().await;
    let row = |value: &str| {
        let key = ExternalKey::new("Number__c", value);
        CustomOperation::upsert("Invoice__c", key, fields(&[("Title__c", value)]))
    };
    let outcomes = write(&*provider, ["many", "12", "null", "true", "[1]", "12.0"].map(row).into()).await;
    for at in [0, 2, 3, 4] {
        let error = outcomes[at].error().unwrap_or_else(|| panic!("{:?}", outcomes[at]));
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error:?}");
        let field = error.fields().first().unwrap_or_else(|| panic!("{error:?}"));
        assert_eq!(field.pointer, "/fields/Number__c");
        assert!(field.message.contains("holds numbers"), "{field:?}");
    }
    let id = created(&outcomes[1]);
    assert_eq!(outcomes[5].remote_id.as_ref().map(|id| id.as_str()), Some(id.as_str()), "{outcomes:?}");
    assert_eq!(org.count("Invoice__c").await.unwrap(), 1);
}

#[tokio::test]
async fn a_field_that_is_named_twice_is_refused() {
    let linked = invoices().await;
    let provider = linked.connect().await;
    let twice = fields(&[("Title__c", "One"), ("title__c", "Other")]);
    let id = created(&one(&*provider, titled("First")).await);
    for operation in [
        CustomOperation::create("Invoice__c", twice.clone()),
        CustomOperation::update("Invoice__c", id.as_str(), twice.clone()),
        CustomOperation::upsert("Invoice__c", ExternalKey::new("ErpId__c", "1"), twice),
    ] {
        let outcomes = write(&*provider, vec![operation, retitled(&id, "Changed")]).await;
        let error = outcomes[0].error().unwrap_or_else(|| panic!("{outcomes:?}"));
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error:?}");
        let field = error.fields().first().unwrap_or_else(|| panic!("{error:?}"));
        assert!(field.pointer.eq_ignore_ascii_case("/fields/Title__c"), "{field:?}");
        assert!(field.message.ends_with("is named twice"), "{field:?}");
        assert!(outcomes[1].is_done(), "{outcomes:?}");
    }
    assert_eq!(linked.org().count("Invoice__c").await.unwrap(), 1);
}

#[tokio::test]
async fn rows_of_one_record_are_written_in_their_order() {
    let linked = invoices().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let id = created(&one(&*provider, keyed("1", "First")).await);
    let title = async || text(&org, "Invoice__c", &id, "Title__c").await;
    for rows in [
        [retitled(&id, "by id"), keyed("1", "last")],
        [keyed("1", "by key"), retitled(&id, "last")],
        [retitled(&id, "before"), retitled(&id, "last")],
        [keyed("1", "before"), keyed("1", "last")],
    ] {
        let outcomes = write(&*provider, rows.to_vec()).await;
        assert!(outcomes.iter().all(Outcome::is_done), "{rows:?}: {outcomes:?}");
        assert_eq!(title().await.as_deref(), Some("last"), "{rows:?}");
    }
    assert_eq!(org.count("Invoice__c").await.unwrap(), 1);
    // What is deleted under its key is made anew, and what is made under a key is changed under it.
    let mut keyed_create = fields(&[("Title__c", "Made")]);
    keyed_create.insert("erpid__c".to_owned(), Json::text("2"));
    let outcomes = write(
        &*provider,
        vec![
            CustomOperation::delete("Invoice__c", id.as_str()),
            keyed("1", "Anew"),
            CustomOperation::create("Invoice__c", keyed_create),
            keyed("2", "Changed"),
        ],
    )
    .await;
    assert!(matches!(outcomes[0].status, OutcomeStatus::Deleted), "{outcomes:?}");
    assert_ne!(created(&outcomes[1]), id);
    let made = created(&outcomes[2]);
    assert!(matches!(outcomes[3].status, OutcomeStatus::Updated), "{outcomes:?}");
    assert_eq!(text(&org, "Invoice__c", &made, "Title__c").await.as_deref(), Some("Changed"));
}

/// The calls that changed records.
fn changes(linked: &Linked) -> usize {
    let entries = linked.emulator.log().entries();
    let change = |method: &str| ["POST", "PATCH", "DELETE"].contains(&method);
    entries.iter().filter(|entry| entry.resource == Resource::Composite && change(&entry.method)).count()
}

#[tokio::test]
async fn large_rows_are_several_calls_and_a_call_that_is_too_large_is_halved() {
    let linked = invoices().await;
    let provider = linked.connect().await;
    let row = || CustomOperation::create("Invoice__c", fields(&[("Body__c", &"x".repeat(100_000))]));
    let outcomes = write(&*provider, (0..60).map(|_| row()).collect()).await;
    assert!(outcomes.iter().all(Outcome::is_done), "{:?}", outcomes[0]);
    assert_eq!(changes(&linked), 2);
    let code = "REQUEST_ENTITY_TOO_LARGE".to_owned();
    let too_large = Fault::Error { status: 413, code, message: "the request is too large".to_owned() };
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, too_large));
    let outcomes = write(&*provider, (0..20).map(|_| row()).collect()).await;
    assert!(outcomes.iter().all(Outcome::is_done), "{:?}", outcomes[0]);
    assert_eq!(changes(&linked), 2 + 3, "the whole and its halves");
    assert_eq!(linked.org().count("Invoice__c").await.unwrap(), 80);
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_by_what_was_written() {
    let linked = invoices().await;
    let provider = linked.connect().await;
    // The description is at hand: the next call is the write itself.
    created(&one(&*provider, titled("First")).await);
    for fault in [Fault::AnswerLost, Fault::ServerUnavailable] {
        linked.emulator.faults().clear();
        linked.emulator.faults().add(FaultRule::new(Resource::Composite, fault));
        let title = format!("Lost {}", linked.org().count("Invoice__c").await.unwrap());
        let id = created(&one(&*provider, titled(&title)).await);
        assert_eq!(text(&linked.org(), "Invoice__c", &id, "Title__c").await, Some(title));
    }
    assert_eq!(linked.org().count("Invoice__c").await.unwrap(), 3);
}

/// Which of two records that are not alike is the lost one, nothing in a custom object says.
#[tokio::test]
async fn a_lost_create_that_resembles_no_record_is_in_doubt() {
    let linked = invoices().await;
    let org = linked.org();
    let provider = linked.connect().await;
    created(&one(&*provider, titled("First")).await);
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, Fault::ConnectionClosed));
    let other = {
        let write = one(&*provider, titled("Lost"));
        let other = async {
            while linked.emulator.faults().struck() == 0 {
                tokio::task::yield_now().await;
            }
            org.create("Invoice__c", json!({"Title__c": "Changed on its way"})).await.unwrap()
        };
        let (outcome, other) = tokio::join!(write, other);
        let OutcomeStatus::InDoubt { candidates, .. } = &outcome.status else { panic!("{outcome:?}") };
        assert_eq!(candidates.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [other.as_str()]);
        other
    };
    assert_eq!(text(&org, "Invoice__c", &other, "Title__c").await.as_deref(), Some("Changed on its way"));
    assert_eq!(org.count("Invoice__c").await.unwrap(), 2);
}

#[tokio::test]
async fn an_update_whose_answers_are_lost_is_in_doubt() {
    let linked = invoices().await;
    let provider =
        linked.connect_with(r#""flow":"client-credentials","limits":{"attempts":2}"#).await.unwrap();
    let id = created(&one(&*provider, titled("First")).await);
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, Fault::AnswerLost).forever());
    let outcome = one(&*provider, retitled(&id, "Second")).await;
    let OutcomeStatus::InDoubt { candidates, .. } = &outcome.status else { panic!("{outcome:?}") };
    assert_eq!(candidates.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    assert_eq!(text(&linked.org(), "Invoice__c", &id, "Title__c").await.as_deref(), Some("Second"));
}
