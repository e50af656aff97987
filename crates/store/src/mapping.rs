//! Field mappings on the way into the store, and over what is in it already.

use serde::Serialize;
use unicrm_core::{
    FieldMapping, FieldMappings, Json, RawRecord, Record, RemoteData, Result, Row, Value, from_json,
};

use crate::StoredRecord;
use crate::encode::{ClassNumbers, Classes, Hash, RowBuffer};
use crate::layout::Field;
use crate::page::remote_data;

/// What became of a page of records that were made anew from their raw form.
///
/// ```
/// let nothing = unicrm_store::Projection::default();
/// assert!(nothing.done && nothing.changed == 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Projection {
    /// Records that were looked at.
    pub seen: u64,
    /// Records that are different now.
    pub changed: u64,
    /// Records without a raw form, in which a mapped field was nowhere to be found: it keeps the value that it had.
    pub left: u64,
    /// Whether those were the last ones.
    pub done: bool,
}

impl Default for Projection {
    fn default() -> Self {
        Self { seen: 0, changed: 0, left: 0, done: true }
    }
}

/// Fills in the mapped fields of the rows of a page.
pub(crate) fn lift_rows(rows: &mut [Row], mappings: &[FieldMapping]) -> Result<()> {
    if mappings.is_empty() {
        return Ok(());
    }
    for row in rows {
        let live = match row {
            Row::Live(live) => live,
            Row::Gone(gone) => match &mut gone.last {
                Some(last) => &mut **last,
                None => continue,
            },
            Row::Id { .. } | Row::Rejected { .. } => continue,
        };
        // As the store keeps it: what the row brings, or else what the record brings itself.
        if live.raw.is_empty() {
            let own = raw_of(remote_data(&live.record));
            live.record.set_field_mappings(mappings, &own)?;
        } else {
            live.record.set_field_mappings(mappings, &live.raw)?;
        }
    }
    Ok(())
}

fn raw_of(pieces: &[RemoteData]) -> RawRecord {
    let mut raw = RawRecord::default();
    for piece in pieces {
        raw.append(RawRecord::new(piece.path.clone(), piece.data.as_str()));
    }
    raw
}

/// A stored record whose mapped fields were made anew.
pub(crate) struct Projected {
    /// The columns that are different now; none when the record is as it was.
    pub(crate) columns: Option<Columns>,
    /// Whether a mapped field was nowhere to be found, because the record has no raw form.
    pub(crate) left: bool,
}

/// The columns of a record that its mapped fields change.
pub(crate) struct Columns {
    /// The mapped fields as JSON; none without any.
    pub(crate) field_mappings: Option<String>,
    /// The hash of all columns as they are then.
    pub(crate) content_hash: Hash,
}

/// Makes the mapped fields of a stored record anew. It must have been read with everything.
pub(crate) fn project<N: ClassNumbers>(
    stored: StoredRecord,
    mappings: &[FieldMapping],
    fields: &[Field],
    buffer: &mut RowBuffer,
    classes: &mut Classes<N>,
) -> Result<Projected, N::Error>
where
    N::Error: From<unicrm_core::Error>,
{
    let mut record = stored.record;
    let before = field_mappings(&record);
    let raw = raw_of(remote_data(&record));
    record.set("field_mappings", None)?;
    record.set_field_mappings(mappings, &raw)?;
    let left = raw.is_empty() && keep(&mut record, mappings, before.as_deref())?;
    let after = field_mappings(&record);
    if before == after {
        return Ok(Projected { columns: None, left });
    }
    buffer.encode(fields, &record, stored.gone.is_some(), classes)?;
    let content_hash = buffer.hash(stored.gone.as_ref().map(|gone| &gone.reason));
    Ok(Projected { columns: Some(Columns { field_mappings: after, content_hash }), left })
}

/// Gives the mapped fields that a record without a raw form does not show the values back that they had. Whether there
/// are such fields.
fn keep(record: &mut Record, mappings: &[FieldMapping], before: Option<&str>) -> Result<bool> {
    let nothing = RawRecord::default();
    let unknown: Vec<&FieldMapping> = mappings
        .iter()
        .filter(|mapping| mapping.kind == record.kind() && mapping.source(record, &nothing).is_none())
        .collect();
    if let (Some(before), Some(lifted)) = (before, field_mappings(record)) {
        let before: FieldMappings = from_json(before)?;
        let mut lifted: FieldMappings = from_json(&lifted)?;
        for mapping in &unknown {
            if let Some(value) = before.linked_account_defined_targets.get(&mapping.name) {
                lifted.linked_account_defined_targets.insert(mapping.name.clone(), value.clone());
            }
        }
        record.set("field_mappings", Some(Value::Json(Json::of(&lifted).as_str().into())))?;
    }
    Ok(!unknown.is_empty())
}

fn field_mappings(record: &Record) -> Option<String> {
    match record.get("field_mappings") {
        Some(Value::Json(json)) => Some(json.into_owned()),
        _ => None,
    }
}
