//! The cases of writing.

use std::collections::BTreeSet;

use unicrm_core::{
    Capability, ErrorKind, Json, MappingDirection, NormalForm, ObjectKind, OutcomeStatus, Provider,
    ProviderExt, ReadPart, Record, RecordPatch, RemoteId, Row, Scope, Value, WriteOperation, WriteRequest,
    from_json,
};

use super::{Harness, assert_unsupported, declaring, read_all};
use crate::laws::normal;

async fn read_one(provider: &dyn Provider, kind: ObjectKind, remote_id: &RemoteId) -> Record {
    let rows = read_all(provider, ReadPart::new(kind, Scope::Ids(vec![remote_id.clone()]))).await;
    rows.into_iter()
        .find_map(|row| match row {
            Row::Live(row) => Some(row.record),
            _ => None,
        })
        .unwrap_or_else(|| panic!("{kind} {remote_id} cannot be read"))
}

/// The fields of a sample that are written, and come back as they were.
fn written(provider: &dyn Provider, sample: &Record) -> Vec<(&'static str, Option<Value<'static>>)> {
    let mapping = provider.info().mapping(sample.kind()).expect("a field table");
    let unstable = [NormalForm::Derived, NormalForm::Defaulted, NormalForm::Places];
    let both = mapping.fields.iter().filter(|field| {
        field.direction == MappingDirection::Both
            && sample.get(field.unified).is_some()
            && !field.normal_forms.iter().any(|form| unstable.contains(form))
    });
    both.map(|field| (field.unified, normal(field, sample.get(field.unified)).map(owned))).collect()
}

fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Text(text) => Value::Text(text.into_owned().into()),
        Value::Json(text) => Value::Json(text.into_owned().into()),
        Value::Integer(number) => Value::Integer(number),
        Value::Amount(amount) => Value::Amount(amount),
        Value::Boolean(flag) => Value::Boolean(flag),
        Value::Timestamp(at) => Value::Timestamp(at),
        Value::Id(id) => Value::Id(id),
        Value::Reference { id, remote_id } => Value::Reference { id, remote_id },
        other => panic!("a new sort of value: {other:?}"),
    }
}

/// Whether a value is the one that was written. A reference may have been written by remote id alone.
fn is_same(read: Option<&Value<'_>>, written: Option<&Value<'_>>) -> bool {
    match (read, written) {
        (
            Some(Value::Reference { remote_id: Some(read), .. }),
            Some(Value::Reference { id: None, remote_id: Some(written) }),
        ) => read == written,
        _ => read == written,
    }
}

async fn create<H: Harness>(harness: &H, kind: ObjectKind) -> (RemoteId, Record) {
    let sample = harness.sample(kind);
    let operation = WriteOperation::create(RecordPatch::from_record(sample.clone()));
    let outcome =
        harness.provider().write_one(operation).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    assert!(matches!(outcome.status, OutcomeStatus::Created), "{kind}: {outcome:?}");
    (outcome.remote_id.expect("the remote id of the new record"), sample)
}

/// A record that is created can be read back, with the values that were written.
pub async fn create_then_read_gives_the_record<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Create) {
        let (remote_id, sample) = create(&harness, kind).await;
        assert!(
            harness.upstream().live_ids(kind).await.contains(&remote_id),
            "{kind} {remote_id} is not at the remote"
        );
        let read = read_one(&*provider, kind, &remote_id).await;
        let fields = written(&*provider, &sample);
        assert!(!fields.is_empty(), "the sample of {kind} names no field that can be written");
        for (field, value) in fields {
            assert!(
                is_same(read.get(field).as_ref(), value.as_ref()),
                "{kind}.{field}: {:?}, not {value:?}",
                read.get(field)
            );
        }
    }
}

/// The first text field of a sample that is written as it is.
fn text_field(provider: &dyn Provider, sample: &Record) -> Option<&'static str> {
    let fields = written(provider, sample);
    fields.into_iter().find(|(_, value)| matches!(value, Some(Value::Text(_)))).map(|(field, _)| field)
}

fn patch_of(kind: ObjectKind, json: &str) -> RecordPatch {
    RecordPatch::from_json(kind, json).unwrap_or_else(|error| panic!("{error}"))
}

/// An update changes the fields that it names, and no other.
pub async fn an_update_changes_what_it_names_and_nothing_else<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Update) {
        let (remote_id, sample) = create(&harness, kind).await;
        let before = read_one(&*provider, kind, &remote_id).await;
        let field =
            text_field(&*provider, &sample).unwrap_or_else(|| panic!("the sample of {kind} has no text"));
        let patch = patch_of(kind, &format!("{{{}: \"changed\"}}", Json::text(field).as_str()));
        provider.write_one(WriteOperation::update(remote_id.clone(), patch)).await.expect("an update");
        let after = read_one(&*provider, kind, &remote_id).await;
        assert_eq!(after.get(field), Some(Value::Text("changed".into())), "{kind}.{field}");
        let derived = |name: &str| {
            let forms =
                provider.info().mapping(kind).and_then(|mapping| mapping.field(name)).map(|f| f.normal_forms);
            forms.is_some_and(|forms| forms.contains(&NormalForm::Derived))
        };
        before.visit(&mut |info, value| {
            let moves = ["remote_updated_at", "modified_at", "remote_data", "remote_fields"];
            if info.name != field && !moves.contains(&info.name) && !derived(info.name) {
                assert_eq!(after.get(info.name), value, "{kind}.{} was not named", info.name);
            }
        });
    }
}

/// Writing back what was read changes nothing at the remote.
pub async fn writing_back_what_was_read_changes_nothing<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Update) {
        let (remote_id, _) = create(&harness, kind).await;
        let before = read_one(&*provider, kind, &remote_id).await;
        let patch = RecordPatch::from_record(before.clone());
        let outcome =
            provider.write_one(WriteOperation::update(remote_id.clone(), patch)).await.expect("an update");
        assert!(matches!(outcome.status, OutcomeStatus::Unchanged | OutcomeStatus::Updated), "{outcome:?}");
        let after = read_one(&*provider, kind, &remote_id).await;
        before.visit(&mut |info, value| {
            let moves = ["remote_updated_at", "modified_at", "remote_data", "remote_fields"];
            if !moves.contains(&info.name) {
                assert_eq!(after.get(info.name), value, "{kind}.{}", info.name);
            }
        });
    }
}

/// A deleted record is gone from the remote; deleting it again is as good.
pub async fn a_delete_is_seen_and_may_be_repeated<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Delete) {
        let (remote_id, _) = create(&harness, kind).await;
        for _ in 0..2 {
            let outcome = provider.delete(kind, remote_id.clone()).await.expect("a delete");
            assert!(matches!(outcome.status, OutcomeStatus::Deleted), "{kind}: {outcome:?}");
        }
        assert!(
            !harness.upstream().live_ids(kind).await.contains(&remote_id),
            "{kind} {remote_id} is still there"
        );
    }
}

/// A read-only field that is named is a warning that points at it, and the write goes on.
pub async fn a_read_only_field_is_a_warning<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Create) {
        let mut sample = harness.sample(kind);
        sample.set("remote_was_deleted", Some(Value::Boolean(true))).expect("a boolean field");
        let operation = WriteOperation::create(RecordPatch::from_record(sample));
        let outcome = provider.write_one(operation).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(
            outcome.warnings.iter().any(|warning| warning.pointer == "/remote_was_deleted"),
            "{kind}: {:?}",
            outcome.warnings
        );
    }
}

/// A batch has one outcome per row, in order; a row that fails does not stop the others.
pub async fn each_row_has_its_own_outcome<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    let stage = WriteOperation::delete(ObjectKind::Stage, "none");
    if declaring(&*provider, Capability::Delete).contains(&ObjectKind::Stage) {
        panic!("a remote whose stages can be deleted needs another row that fails");
    }
    let creatable = declaring(&*provider, Capability::Create);
    let creates =
        creatable.iter().map(|kind| WriteOperation::create(RecordPatch::from_record(harness.sample(*kind))));
    let operations: Vec<_> =
        creates.flat_map(|create| [create, stage.clone()]).chain([stage.clone()]).collect();
    let asked = operations.len();
    let report = provider.write(WriteRequest::new(operations)).await.expect("a report");
    assert_eq!(report.outcomes.len(), asked);
    let mut made = BTreeSet::new();
    for (i, outcome) in report.outcomes.into_iter().enumerate() {
        let fails = i % 2 == 1 || i + 1 == asked;
        if fails {
            assert_unsupported(
                "deleting a stage",
                outcome.error().map_or(Ok(()), |error| Err(error.clone())),
            );
        } else {
            assert!(matches!(outcome.status, OutcomeStatus::Created), "{outcome:?}");
            assert!(made.insert(outcome.remote_id.expect("a remote id")), "two rows have one record");
        }
    }
}

/// A reference by unified id alone is a field error that points at it, before the plugin is called.
pub async fn unresolved_references_are_refused<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    if !provider.capabilities().allows(ObjectKind::Contact, Capability::Create) {
        let patch = from_json::<unicrm_core::ContactPatch>("{}").expect("an empty patch");
        assert_unsupported("creating a contact", provider.create(patch).await);
        return;
    }
    let json = r#"{"last_name": "Feig", "account": "0958cbc6-6040-430a-848e-aafacbadf4ae"}"#;
    let operation = WriteOperation::create(patch_of(ObjectKind::Contact, json));
    let error = provider.write_one(operation).await.expect_err("an unresolved reference");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(error.fields()[0].pointer, "/account");
}
