//! Rows of a table, by statements that are prepared once.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use super::db::storage;
use super::record::Record;
use super::value::{Value, decode, encode};
use crate::error::SalesforceError;
use crate::schema::{FieldSchema, FieldType, ObjectSchema};

/// The fields that have a column: all but compound ones, which are computed from their parts.
pub(crate) fn columns(object: &ObjectSchema) -> impl Iterator<Item = &FieldSchema> {
    object.fields.iter().filter(|field| !matches!(field.ty, FieldType::Address | FieldType::Location))
}

/// Inserts a whole row; fields that the record lacks become null.
pub(crate) fn insert(
    conn: &Connection,
    object: &ObjectSchema,
    record: &Record,
) -> Result<(), SalesforceError> {
    insert_by(conn, &insert_sql(object), object, record)
}

/// The statement that inserts a whole row.
pub(crate) fn insert_sql(object: &ObjectSchema) -> String {
    let list = column_list(object);
    let marks = vec!["?"; columns(object).count()].join(",");
    format!("INSERT INTO \"{}\" ({list}) VALUES ({marks})", object.name)
}

/// Inserts by the statement of [`insert_sql`].
pub(crate) fn insert_by(
    conn: &Connection,
    sql: &str,
    object: &ObjectSchema,
    record: &Record,
) -> Result<(), SalesforceError> {
    let mut statement = conn.prepare_cached(sql).map_err(storage)?;
    for (at, field) in columns(object).enumerate() {
        statement.raw_bind_parameter(at + 1, encode(field, record.get(&field.name))?).map_err(storage)?;
    }
    statement.raw_execute().map_err(storage)?;
    Ok(())
}

/// Writes the fields that `changes` names.
pub(crate) fn update(
    conn: &Connection,
    object: &ObjectSchema,
    id: &str,
    changes: &Record,
) -> Result<(), SalesforceError> {
    let mut sets = String::new();
    let mut values: Vec<Sql> = Vec::new();
    for (name, value) in changes.iter() {
        let Some(field) = object.field(name) else { continue };
        let comma = if values.is_empty() { "" } else { "," };
        sets.push_str(&format!("{comma}\"{}\"=?", field.name));
        values.push(encode(field, value)?);
    }
    if values.is_empty() {
        return Ok(());
    }
    values.push(Sql::Text(id.to_owned()));
    let sql = format!("UPDATE \"{}\" SET {sets} WHERE \"Id\"=?", object.name);
    conn.prepare_cached(&sql)
        .and_then(|mut statement| statement.execute(params_from_iter(values)))
        .map_err(storage)?;
    Ok(())
}

/// The row with this id, deleted or not.
pub(crate) fn by_id(
    conn: &Connection,
    object: &ObjectSchema,
    id: &str,
) -> Result<Option<Record>, SalesforceError> {
    let sql = format!("SELECT {} FROM \"{}\" WHERE \"Id\"=?", column_list(object), object.name);
    let mut statement = conn.prepare_cached(&sql).map_err(storage)?;
    statement.query_row([id], |row| read(object, row)).optional().map_err(storage)
}

/// Rows whose `field` holds `value`, in the order of their ids, at most `limit`.
pub(crate) fn by_field(
    conn: &Connection,
    object: &ObjectSchema,
    field: &FieldSchema,
    value: &Sql,
    limit: usize,
) -> Result<Vec<Record>, SalesforceError> {
    let sql = format!(
        "SELECT {} FROM \"{}\" WHERE \"{}\"=?1 ORDER BY \"Id\" LIMIT ?2",
        column_list(object),
        object.name,
        field.name
    );
    let mut statement = conn.prepare_cached(&sql).map_err(storage)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map((value, limit), |row| read(object, row)).map_err(storage)?;
    rows.collect::<Result<_, _>>().map_err(storage)
}

/// One column of the row with this id, as text.
pub(crate) fn text(
    conn: &Connection,
    object: &str,
    field: &str,
    id: &str,
) -> Result<Option<String>, SalesforceError> {
    let sql = format!("SELECT \"{field}\" FROM \"{object}\" WHERE \"Id\"=?");
    let mut statement = conn.prepare_cached(&sql).map_err(storage)?;
    let found =
        statement.query_row([id], |row| row.get::<_, Option<String>>(0)).optional().map_err(storage)?;
    Ok(found.flatten())
}

/// Ids and some fields of all rows, ordered by id.
pub(crate) fn table(
    conn: &Connection,
    object: &ObjectSchema,
    fields: &[String],
) -> Result<Vec<(String, Vec<Value>)>, SalesforceError> {
    let mut chosen = Vec::with_capacity(fields.len());
    for name in fields {
        let field = columns(object).find(|field| field.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            SalesforceError::new(
                400,
                "INVALID_FIELD",
                format!("No such column '{name}' on sobject of type {}", object.name),
            )
        })?;
        chosen.push(field);
    }
    let list: String = chosen.iter().map(|field| format!(",\"{}\"", field.name)).collect();
    let sql = format!("SELECT \"Id\"{list} FROM \"{}\" ORDER BY \"Id\"", object.name);
    let mut statement = conn.prepare(&sql).map_err(storage)?;
    let rows = statement
        .query_map([], |row| {
            let values = chosen.iter().enumerate().map(|(at, field)| Ok(decode(field, row.get_ref(at + 1)?)));
            Ok((row.get(0)?, values.collect::<rusqlite::Result<Vec<_>>>()?))
        })
        .map_err(storage)?;
    rows.collect::<Result<_, _>>().map_err(storage)
}

/// Removes the row from its table.
pub(crate) fn delete(conn: &Connection, object: &ObjectSchema, id: &str) -> Result<(), SalesforceError> {
    let sql = format!("DELETE FROM \"{}\" WHERE \"Id\"=?", object.name);
    conn.prepare_cached(&sql).and_then(|mut statement| statement.execute([id])).map_err(storage)?;
    Ok(())
}

fn column_list(object: &ObjectSchema) -> String {
    columns(object).map(|field| format!("\"{}\"", field.name)).collect::<Vec<_>>().join(",")
}

fn read(object: &ObjectSchema, row: &rusqlite::Row<'_>) -> rusqlite::Result<Record> {
    let mut record = Record::new();
    for (index, field) in columns(object).enumerate() {
        record.set(&field.name, decode(field, row.get_ref(index)?));
    }
    Ok(record)
}
