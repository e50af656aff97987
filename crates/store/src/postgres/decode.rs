//! From the columns of a table to a record.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use unicrm_core::{LinkedAccountId, ObjectKind, Record, RemoteFieldClass, RemoteId, Value, from_json};
use uuid::Uuid;

use super::exact::Exact;
use super::failure::{Done, Failure};
use super::instant::Instant;
use super::schema::{Table, table};
use crate::decode::{StoredField, gone_reason, missing_class, resolve_list, set_remote_fields};
use crate::layout::{Field, Shape};
use crate::text::parse_timestamp;
use crate::{Include, StoredGone, StoredRecord, raw};

/// The columns before those of the fields, in this order.
const HEAD: [&str; 12] = [
    "pk",
    "(SELECT la.id FROM linked_accounts la WHERE la.pk = linked_account)",
    "id",
    "remote_id",
    "created_at",
    "modified_at",
    "stamp",
    "gone_reason",
    "gone_at",
    "merged_into_remote_id",
    "raw",
    "exact",
];

/// `SELECT ... FROM <table>`, for [`decode`].
pub(super) fn select(table: &Table, include: Include) -> String {
    let mut columns: Vec<Cow<'_, str>> = HEAD
        .into_iter()
        .map(|column| if column == "raw" && !include.remote_data { "NULL::bytea" } else { column }.into())
        .collect();
    for column in &table.columns {
        let left_out = column.name == "remote_fields" && !include.remote_fields;
        columns.push(if left_out { "NULL::text".into() } else { column.sort.read(&column.name).into() });
    }
    format!("SELECT {} FROM {}", columns.join(", "), table.name)
}

/// Records, and what they share.
pub(super) struct Decoded {
    /// Each with its place in the table.
    pub(super) records: Vec<(i64, StoredRecord)>,
    /// The classes of their remote fields, by number.
    pub(super) classes: HashMap<i64, Arc<RemoteFieldClass>>,
}

/// Reads rows of [`select`]. The classes of remote fields come with one more statement; the records share them.
pub(super) async fn decode(connection: &mut PgConnection, kind: ObjectKind, rows: &[PgRow]) -> Done<Decoded> {
    let table = table(kind);
    let mut decoded = Vec::with_capacity(rows.len());
    let mut fields = Vec::new();
    for row in rows {
        let pk = row.try_get(0)?;
        let (record, remote_fields) =
            record(kind, table, row).map_err(|failure| failure.in_row(&table.name, pk))?;
        if !remote_fields.is_empty() {
            fields.push((decoded.len(), remote_fields));
        }
        decoded.push((pk, record));
    }
    let classes = classes(connection, &fields).await?;
    let class = |number| classes.get(&number).cloned().ok_or_else(|| missing_class(number));
    for (at, stored) in fields {
        let (pk, record) = &mut decoded[at];
        let whole: unicrm_core::Result<Vec<_>> =
            stored.into_iter().map(|field| field.into_field(class)).collect();
        let whole = whole.map_err(|error| Failure::from(error).in_row(&table.name, *pk))?;
        set_remote_fields(&mut record.record, whole);
    }
    Ok(Decoded { records: decoded, classes })
}

async fn classes(
    connection: &mut PgConnection,
    fields: &[(usize, Vec<StoredField>)],
) -> Done<HashMap<i64, Arc<RemoteFieldClass>>> {
    let mut numbers: Vec<_> =
        fields.iter().flat_map(|(_, fields)| fields).filter_map(StoredField::class_number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<(i64, String)> =
        sqlx::query_as("SELECT pk, class::text FROM remote_field_classes WHERE pk = ANY($1)")
            .bind(&numbers)
            .fetch_all(connection)
            .await?;
    found.into_iter().map(|(pk, json)| Ok((pk, Arc::new(from_json(&json)?)))).collect()
}

fn record(kind: ObjectKind, table: &Table, row: &PgRow) -> Done<(StoredRecord, Vec<StoredField>)> {
    let cells = Cells { row, exact: Exact::read(row.try_get(11)?)? };
    let mut at = HEAD.len();
    let mut record = Record::empty(kind);
    let mut remote_fields = Vec::new();
    for field in &table.fields {
        if field.shape == Shape::RemoteFields {
            if let Some(text) = cells.plain(at)? {
                remote_fields = StoredField::read_all(text)?;
            }
        } else {
            set_field(&mut record, field, &cells, at)?;
        }
        at += field.columns().count();
    }
    Ok((head(&cells, record)?, remote_fields))
}

/// The columns that every table has.
fn head(cells: &Cells<'_>, mut record: Record) -> Done<StoredRecord> {
    let row = cells.row;
    let mut ours = |name, at| -> Done<Timestamp> {
        let instant = row.try_get::<Instant, _>(at)?.timestamp()?;
        record.set(name, Some(Value::Timestamp(instant)))?;
        Ok(instant)
    };
    ours("created_at", 4)?;
    let modified_at = ours("modified_at", 5)?;
    record.set("id", Some(Value::Id(row.try_get(2)?)))?;
    record.set("remote_id", Some(Value::Text(row.try_get::<&str, _>(3)?.into())))?;
    if let Some(packed) = row.try_get::<Option<&[u8]>, _>(10)? {
        record.set_remote_data(&raw::unpack(packed)?)?;
    }
    let gone = match cells.plain(7)? {
        None => None,
        Some(reason) => {
            let survivor = cells.text(9, "merged_into_remote_id")?.map(Cow::into_owned);
            let at = cells.instant(8, "gone_at")?.unwrap_or(modified_at);
            Some(StoredGone { reason: gone_reason(reason, survivor)?, at })
        }
    };
    Ok(StoredRecord {
        linked_account: LinkedAccountId::from_uuid(row.try_get(1)?),
        record,
        stamp: cells.instant(6, "stamp")?,
        gone,
    })
}

fn set_field(record: &mut Record, field: &Field, cells: &Cells<'_>, at: usize) -> Done<()> {
    let column = field.column.as_str();
    let value = match field.shape {
        Shape::Integer => cells.row.try_get::<Option<i64>, _>(at)?.map(Value::Integer),
        Shape::Boolean => cells.row.try_get::<Option<bool>, _>(at)?.map(Value::Boolean),
        Shape::Reference => {
            let id: Option<Uuid> = cells.row.try_get(at)?;
            let second = field.second.as_deref().unwrap_or_default();
            let remote_id = cells.text(at + 1, second)?.map(|text| RemoteId::from(text.into_owned()));
            (id.is_some() || remote_id.is_some()).then_some(Value::Reference { id, remote_id })
        }
        Shape::References => {
            record.set(field.info.name, cells.plain(at)?.map(|json| Value::Json(json.into())))?;
            if let Some(remote_ids) = cells.plain(at + 1)? {
                resolve_list(record, field.info.name, from_json(remote_ids)?);
            }
            return Ok(());
        }
        Shape::Timestamp => cells.instant(at, column)?.map(Value::Timestamp),
        Shape::Amount => cells.plain(at)?.map(str::parse).transpose()?.map(Value::Amount),
        Shape::Json | Shape::RemoteFields => cells.plain(at)?.map(|json| Value::Json(json.into())),
        Shape::Text => cells.text(at, column)?.map(Value::Text),
    };
    Ok(record.set(field.info.name, value)?)
}

/// The columns of a row, with the exact values of those that could not hold them.
struct Cells<'r> {
    row: &'r PgRow,
    exact: Exact,
}

impl Cells<'_> {
    fn plain(&self, at: usize) -> Done<Option<&str>> {
        Ok(self.row.try_get(at)?)
    }

    fn text(&self, at: usize, column: &str) -> Done<Option<Cow<'_, str>>> {
        Ok(match self.exact.of(column) {
            Some(exact) => Some(exact.into()),
            None => self.plain(at)?.map(Cow::Borrowed),
        })
    }

    fn instant(&self, at: usize, column: &str) -> Done<Option<Timestamp>> {
        Ok(match self.exact.of(column) {
            Some(exact) => Some(parse_timestamp(exact)?),
            None => self.row.try_get::<Option<Instant>, _>(at)?.map(Instant::timestamp).transpose()?,
        })
    }
}
