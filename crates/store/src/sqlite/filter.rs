//! Conditions on fields, as SQL.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value as SqlValue;
use unicrm_core::{Amount, Error, ErrorKind, FieldType, ObjectKind, Record, Result};
use uuid::Uuid;

use super::failure::Done;
use super::schema::{Shape, table};
use super::text;
use crate::Filter;

/// The SQL function that compares exact decimals: `100.5` and `100.50` are equal, and neither ever becomes a float.
const SAME_AMOUNT: &str = "unicrm_same_amount";

pub(super) fn add_functions(connection: &Connection) -> Done<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(SAME_AMOUNT, 2, flags, |context| {
        let amount = |i| context.get_raw(i).as_str().ok().and_then(|text| text.parse::<Amount>().ok());
        Ok(amount(0).zip(amount(1)).is_some_and(|(a, b)| a == b))
    })?;
    Ok(())
}

/// A condition with `?` for each of its values.
pub(super) fn condition(kind: ObjectKind, filter: &Filter) -> Result<(String, Vec<SqlValue>)> {
    let name = filter.field.as_str();
    let Some(info) = Record::fields_of(kind).iter().find(|field| field.name == name) else {
        // Core's own error lists the fields.
        return Err(match Record::empty(kind).set(name, None) {
            Err(error) => error,
            Ok(()) => Error::new(ErrorKind::Internal, format!("the field {name} cannot be found again")),
        });
    };
    let refused = |why: String| {
        Error::new(ErrorKind::InvalidRequest, "the condition does not fit the field")
            .with_field(format!("/{name}"), why)
    };
    if info.ty == FieldType::RemoteData {
        return Err(refused("the raw record is kept compressed and cannot be searched".to_owned()));
    }
    let field = table(kind).fields.iter().find(|field| field.info.name == name);
    let Some(value) = filter.value.as_deref() else {
        let columns: Vec<_> = field.map_or_else(|| vec![name], |field| field.columns().collect());
        let none: Vec<_> = columns.iter().map(|column| format!("{column} IS NULL")).collect();
        return Ok((none.join(" AND "), Vec::new()));
    };
    let equal = |column: &str, value: SqlValue| Ok((format!("{column} = ?"), vec![value]));
    let Some(field) = field else {
        // The store's own columns.
        return match info.ty {
            FieldType::Id => {
                let id = Uuid::try_parse(value).map_err(|_| refused(format!("{value:?} is not a UUID")))?;
                equal(name, id.to_string().into())
            }
            FieldType::Timestamp => equal(name, instant(value).map_err(refused)?),
            _ => equal(name, value.to_owned().into()),
        };
    };
    match field.shape {
        Shape::Text => equal(name, value.to_owned().into()),
        Shape::Integer => match value.parse::<i64>() {
            Ok(number) => equal(name, number.into()),
            Err(_) => Err(refused(format!("{value:?} is not a whole number"))),
        },
        Shape::Boolean => match value {
            "true" => equal(name, 1_i64.into()),
            "false" => equal(name, 0_i64.into()),
            _ => Err(refused(format!("{value:?} is neither true nor false"))),
        },
        Shape::Timestamp => equal(name, instant(value).map_err(refused)?),
        Shape::Amount => match value.parse::<Amount>() {
            Ok(amount) => Ok((format!("{SAME_AMOUNT}({name}, ?)"), vec![amount.to_string().into()])),
            Err(_) => Err(refused(format!("{value:?} is not an amount"))),
        },
        Shape::Reference => match Uuid::try_parse(value) {
            Ok(id) => equal(&field.column, id.to_string().into()),
            Err(_) => equal(field.second.as_deref().unwrap_or(name), value.to_owned().into()),
        },
        Shape::References => Ok((
            format!("({} OR {})", holds(name), holds(field.second.as_deref().unwrap_or(name))),
            vec![value.to_owned().into(), value.to_owned().into()],
        )),
        Shape::Json | Shape::RemoteFields => Ok((holds(name), vec![value.to_owned().into()])),
    }
}

/// Whether any value in a JSON column, however deep, is this text or this number.
fn holds(column: &str) -> String {
    format!("EXISTS (SELECT 1 FROM json_tree({column}) WHERE atom IS NOT NULL AND CAST(atom AS TEXT) = ?)")
}

/// An instant, or a day for its midnight in UTC: as the column has it.
fn instant(value: &str) -> std::result::Result<SqlValue, String> {
    let instant: Option<Timestamp> = value.parse().ok().or_else(|| {
        let day: Date = value.parse().ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    instant
        .map(|instant| text::timestamp(instant).into())
        .ok_or_else(|| format!("{value:?} is not an instant such as 2026-11-22T10:00:00Z, nor a day"))
}
