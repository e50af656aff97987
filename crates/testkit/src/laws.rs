//! The round trips that every mapping must hold.
//!
//! A mapping is what a plugin does without a network: the remote record that a unified one stands for, and back. The laws
//! compare with the normal forms that the field table declares; whatever else differs is a failure.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Unit};
use unicrm_core::{
    FieldRule, MappingDirection, NormalForm, ObjectMapping, Record, RecordPatch, Result, Value, Warning,
};

/// What a plugin's mapping does, without a network.
pub trait Mapping {
    /// A remote record.
    type Remote: Clone;

    /// The field table of a record's object.
    fn table(&self, record: &Record) -> &'static ObjectMapping;
    /// The remote record that a unified one stands for.
    fn encode(&self, record: &Record) -> Result<Self::Remote>;
    /// The unified record of a remote one.
    fn decode(&self, remote: &Self::Remote) -> Result<Record>;
    /// What a write makes of a remote record, with its warnings.
    fn put(&self, patch: &RecordPatch, remote: &Self::Remote) -> Result<(Self::Remote, Vec<Warning>)>;
    /// Whether a write over a remote record would send nothing.
    fn is_unchanged(&self, patch: &RecordPatch, remote: &Self::Remote) -> Result<bool>;
}

/// *Decode-encode*: the remote record that a unified one stands for decodes to it again, in normal form.
///
/// # Panics
///
/// When the law does not hold; the message names the field.
pub fn decode_encode<M: Mapping>(mapping: &M, record: &Record) {
    let table = mapping.table(record);
    let remote = mapping.encode(record).unwrap_or_else(|error| panic!("cannot encode {record:?}: {error}"));
    let back =
        mapping.decode(&remote).unwrap_or_else(|error| panic!("cannot decode again {record:?}: {error}"));
    for field in table.fields {
        if !compared(field) {
            continue;
        }
        let expected = normal(field, record.get(field.unified));
        let found = back.get(field.unified);
        assert!(
            same(expected.as_ref(), found.as_ref()),
            "{}.{}: {expected:?} came back as {found:?}",
            table.kind,
            field.unified
        );
    }
}

/// *Put-get*: after writing a patch over a record, reading gives the patch on the fields that it names and the record
/// elsewhere. A field that comes back otherwise must have a warning.
///
/// # Panics
///
/// When the law does not hold; the message names the field.
pub fn put_get<M: Mapping>(mapping: &M, record: &Record, patch: &RecordPatch) {
    let table = mapping.table(record);
    let remote = mapping.encode(record).unwrap_or_else(|error| panic!("cannot encode {record:?}: {error}"));
    let before = mapping.decode(&remote).unwrap_or_else(|error| panic!("cannot decode {record:?}: {error}"));
    let (written, warnings) =
        mapping.put(patch, &remote).unwrap_or_else(|error| panic!("cannot write {patch:?}: {error:?}"));
    let after =
        mapping.decode(&written).unwrap_or_else(|error| panic!("cannot decode after {patch:?}: {error}"));
    let mut wanted = before.clone();
    patch.apply_to(&mut wanted);
    let named = patch.named();
    for field in table.fields.iter().filter(|field| compared(field)) {
        let found = after.get(field.unified);
        let expected = if named.contains(&field.unified) && field.direction == MappingDirection::Both {
            normal(field, wanted.get(field.unified))
        } else {
            before.get(field.unified)
        };
        let pointer = format!("/{}", field.unified);
        let warned = warnings.iter().any(|warning| warning.pointer.starts_with(&pointer));
        let read_only = field.direction == MappingDirection::Read && named.contains(&field.unified);
        assert!(
            !read_only || warned,
            "{}.{} is read-only and was named without a warning",
            table.kind,
            field.unified
        );
        assert!(
            warned || same(expected.as_ref(), found.as_ref()),
            "{}.{}: expected {expected:?} after the write, found {found:?}",
            table.kind,
            field.unified
        );
    }
}

/// *Get-put*: writing back what was read writes nothing.
///
/// # Panics
///
/// When the law does not hold.
pub fn get_put<M: Mapping>(mapping: &M, record: &Record) {
    let remote = mapping.encode(record).unwrap_or_else(|error| panic!("cannot encode {record:?}: {error}"));
    let read = mapping.decode(&remote).unwrap_or_else(|error| panic!("cannot decode {record:?}: {error}"));
    let patch = RecordPatch::from_record(read);
    let unchanged = mapping
        .is_unchanged(&patch, &remote)
        .unwrap_or_else(|error| panic!("cannot write back {patch:?}: {error:?}"));
    assert!(unchanged, "writing back what was read would change the remote: {patch:?}");
}

/// Whether the law compares a field: not one that the remote computes, and not one that only our copy has.
fn compared(field: &FieldRule) -> bool {
    let ours = ["created_at", "modified_at", "remote_data", "remote_fields", "field_mappings"];
    !field.normal_forms.contains(&NormalForm::Derived)
        && !field.normal_forms.contains(&NormalForm::Defaulted)
        && !ours.contains(&field.unified)
}

/// A value as it comes back from the remote.
#[must_use]
pub fn normal<'a>(field: &FieldRule, value: Option<Value<'a>>) -> Option<Value<'a>> {
    field.normal_forms.iter().fold(value, |value, form| match (form, value?) {
        (NormalForm::Day, Value::Timestamp(at)) => Some(Value::Timestamp(truncated(at, Unit::Day))),
        (NormalForm::Second, Value::Timestamp(at)) => Some(Value::Timestamp(truncated(at, Unit::Second))),
        (NormalForm::Trimmed, Value::Text(text)) => {
            let trimmed = text.trim();
            (!trimmed.is_empty()).then(|| Value::Text(trimmed.to_owned().into()))
        }
        (NormalForm::LineBreaks, Value::Text(text)) => {
            Some(Value::Text(text.replace("\r\n", "\n").replace('\r', "\n").into()))
        }
        (_, value) => Some(value),
    })
}

/// The start of the UTC day or second that an instant is in, also before 1970.
fn truncated(at: Timestamp, unit: Unit) -> Timestamp {
    let zoned = at.to_zoned(TimeZone::UTC);
    let start = match unit {
        Unit::Day => zoned.start_of_day(),
        _ => {
            let subsecond = i64::from(zoned.subsec_nanosecond());
            zoned.checked_sub(subsecond.nanoseconds())
        }
    };
    start.map_or(at, |zoned| zoned.timestamp())
}

/// References are the same when they mean the same record; everything else when it is equal.
fn same(a: Option<&Value<'_>>, b: Option<&Value<'_>>) -> bool {
    match (a, b) {
        (Some(Value::Reference { id: Some(a), .. }), Some(Value::Reference { id: Some(b), .. })) => a == b,
        (a, b) => a == b,
    }
}
