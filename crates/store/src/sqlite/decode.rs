//! From the columns of a table to a record.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};
use unicrm_core::{
    Error, ErrorKind, LinkedAccountId, Record, RemoteField, RemoteFieldClass, RemoteId, Value, from_json,
};

use super::failure::Done;
use super::schema::Table;
use crate::decode::{StoredField, gone_reason, missing_class, resolve_list, set_remote_fields};
use crate::layout::{Field, Shape};
use crate::raw;
use crate::text::{parse_timestamp, parse_uuid};
use crate::{Include, StoredGone, StoredRecord};

/// The columns before those of the fields, in this order.
const HEAD: [&str; 11] = [
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
];

/// `SELECT ... FROM <table>`, for [`Decoder::decode`].
pub(super) fn select(table: &Table, include: Include) -> String {
    let mut columns: Vec<_> = HEAD
        .into_iter()
        .map(|column| if column == "raw" && !include.remote_data { "NULL" } else { column })
        .collect();
    for field in &table.fields {
        let left_out = field.shape == Shape::RemoteFields && !include.remote_fields;
        columns.extend(field.columns().map(|column| if left_out { "NULL" } else { column }));
    }
    format!("SELECT {} FROM {}", columns.join(", "), table.name)
}

/// Reads rows of one object.
pub(super) struct Decoder<'c> {
    connection: &'c Connection,
    table: &'static Table,
    /// The classes of remote fields met so far; the records share them.
    classes: HashMap<i64, Arc<RemoteFieldClass>>,
}

impl<'c> Decoder<'c> {
    pub(super) fn new(connection: &'c Connection, table: &'static Table) -> Self {
        Self { connection, table, classes: HashMap::new() }
    }

    /// Reads one row of [`select`]; also gives its place in the table.
    pub(super) fn decode(&mut self, row: &Row<'_>) -> Done<(i64, StoredRecord)> {
        let pk = row.get(0)?;
        match self.record(row) {
            Ok(record) => Ok((pk, record)),
            Err(failure) => Err(failure.in_row(&self.table.name, pk)),
        }
    }

    fn record(&mut self, row: &Row<'_>) -> Done<StoredRecord> {
        let mut at = HEAD.len();
        let mut record = Record::empty(self.table.kind);
        for field in &self.table.fields {
            if field.shape == Shape::RemoteFields {
                if let Some(text) = text(row, at)? {
                    let fields = self.remote_fields(&text)?;
                    set_remote_fields(&mut record, fields);
                }
            } else {
                set_field(&mut record, field, row, at)?;
            }
            at += field.columns().count();
        }
        head(row, record)
    }

    fn remote_fields(&mut self, text: &str) -> Done<Vec<RemoteField>> {
        let stored = StoredField::read_all(text)?.into_iter();
        stored.map(|field| field.into_field(|number| self.class(number))).collect()
    }

    fn class(&mut self, number: i64) -> Done<Arc<RemoteFieldClass>> {
        if let Some(class) = self.classes.get(&number) {
            return Ok(Arc::clone(class));
        }
        let json: Option<String> = self
            .connection
            .prepare_cached("SELECT class FROM remote_field_classes WHERE pk = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        let json = json.ok_or_else(|| missing_class(number))?;
        let class = Arc::new(from_json(&json)?);
        self.classes.insert(number, Arc::clone(&class));
        Ok(class)
    }
}

/// The columns that every table has.
fn head(row: &Row<'_>, mut record: Record) -> Done<StoredRecord> {
    let mut instant = |name, at| -> Done<Timestamp> {
        let instant = parse_timestamp(&row.get::<_, String>(at)?)?;
        record.set(name, Some(Value::Timestamp(instant)))?;
        Ok(instant)
    };
    instant("created_at", 4)?;
    let modified_at = instant("modified_at", 5)?;
    record.set("id", Some(Value::Id(parse_uuid(&row.get::<_, String>(2)?)?)))?;
    record.set("remote_id", Some(Value::Text(row.get::<_, String>(3)?.into())))?;
    let stamp: Option<String> = row.get(6)?;
    if let Some(packed) = row.get::<_, Option<Vec<u8>>>(10)? {
        record.set_remote_data(&raw::unpack(&packed)?)?;
    }
    let gone = match row.get::<_, Option<String>>(7)? {
        None => None,
        Some(reason) => {
            let at: Option<String> = row.get(8)?;
            let at = at.as_deref().map(parse_timestamp).transpose()?.unwrap_or(modified_at);
            Some(StoredGone { reason: gone_reason(&reason, row.get(9)?)?, at })
        }
    };
    let linked_account = LinkedAccountId::from_uuid(parse_uuid(&row.get::<_, String>(1)?)?);
    Ok(StoredRecord {
        linked_account,
        record,
        stamp: stamp.as_deref().map(parse_timestamp).transpose()?,
        gone,
    })
}

fn set_field(record: &mut Record, field: &Field, row: &Row<'_>, at: usize) -> Done<()> {
    let value = match field.shape {
        Shape::Integer => row.get::<_, Option<i64>>(at)?.map(Value::Integer),
        Shape::Boolean => row.get::<_, Option<i64>>(at)?.map(|flag| Value::Boolean(flag != 0)),
        Shape::Reference => {
            let id = text(row, at)?.as_deref().map(parse_uuid).transpose()?;
            let remote_id = text(row, at + 1)?.map(RemoteId::from);
            (id.is_some() || remote_id.is_some()).then_some(Value::Reference { id, remote_id })
        }
        Shape::References => {
            record.set(field.info.name, text(row, at)?.map(Value::Json))?;
            if let Some(remote_ids) = text(row, at + 1)? {
                resolve_list(record, field.info.name, from_json(&remote_ids)?);
            }
            return Ok(());
        }
        Shape::Timestamp => text(row, at)?.as_deref().map(parse_timestamp).transpose()?.map(Value::Timestamp),
        Shape::Amount => text(row, at)?.map(|text| text.parse()).transpose()?.map(Value::Amount),
        Shape::Json | Shape::RemoteFields => text(row, at)?.map(Value::Json),
        Shape::Text => text(row, at)?.map(Value::Text),
    };
    Ok(record.set(field.info.name, value)?)
}

/// The text of a column, borrowed from the row.
fn text<'r>(row: &'r Row<'_>, at: usize) -> Done<Option<Cow<'r, str>>> {
    let text = row.get_ref(at)?.as_str_or_null().map_err(|source| {
        Error::new(ErrorKind::Internal, "a column holds no text where there should be some")
            .with_source(source)
    })?;
    Ok(text.map(Cow::Borrowed))
}
