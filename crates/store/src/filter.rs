//! Conditions on fields, checked and typed, before any database sees them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use unicrm_core::{Amount, Error, ErrorKind, FieldType, ObjectKind, Record, Result};
use uuid::Uuid;

use crate::Filter;
use crate::layout::{Field, Shape};

/// What a filter asks of which columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition<'f> {
    /// All of these columns hold nothing.
    None(Vec<&'f str>),
    /// A column of text holds this.
    Text(&'f str, &'f str),
    /// A column holds this number.
    Integer(&'f str, i64),
    /// A column holds this.
    Boolean(&'f str, bool),
    /// A column holds this instant.
    Instant(&'f str, Timestamp),
    /// A column holds this amount, whatever its scale: `100.5` and `100.50` are equal.
    Amount(&'f str, Amount),
    /// A column holds this unified id.
    Id(&'f str, Uuid),
    /// Any value in any of these columns of JSON, however deep, is this text or this number.
    Holds(Vec<&'f str>, &'f str),
}

impl<'f> Condition<'f> {
    /// What a filter asks of the table with these fields. A field that there is not, or a value that does not fit it, is
    /// an error that names it.
    pub(crate) fn of(kind: ObjectKind, fields: &'f [Field], filter: &'f Filter) -> Result<Self> {
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
        let field = fields.iter().find(|field| field.info.name == name);
        let Some(value) = filter.value.as_deref() else {
            return Ok(Self::None(
                field.map_or_else(|| vec![name], |field: &Field| field.columns().collect()),
            ));
        };
        let Some(field) = field else {
            // The store's own columns.
            return match info.ty {
                FieldType::Id => {
                    let id =
                        Uuid::try_parse(value).map_err(|_| refused(format!("{value:?} is not a UUID")))?;
                    Ok(Self::Id(name, id))
                }
                FieldType::Timestamp => Ok(Self::Instant(name, instant(value).map_err(refused)?)),
                _ => Ok(Self::Text(name, value)),
            };
        };
        let column = field.column.as_str();
        match field.shape {
            Shape::Text => Ok(Self::Text(column, value)),
            Shape::Integer => match value.parse() {
                Ok(number) => Ok(Self::Integer(column, number)),
                Err(_) => Err(refused(format!("{value:?} is not a whole number"))),
            },
            Shape::Boolean => match value {
                "true" => Ok(Self::Boolean(column, true)),
                "false" => Ok(Self::Boolean(column, false)),
                _ => Err(refused(format!("{value:?} is neither true nor false"))),
            },
            Shape::Timestamp => Ok(Self::Instant(column, instant(value).map_err(refused)?)),
            Shape::Amount => match value.parse() {
                Ok(amount) => Ok(Self::Amount(column, amount)),
                Err(_) => Err(refused(format!("{value:?} is not an amount"))),
            },
            Shape::Reference => Ok(match Uuid::try_parse(value) {
                Ok(id) => Self::Id(column, id),
                Err(_) => Self::Text(field.second.as_deref().unwrap_or(column), value),
            }),
            Shape::References | Shape::Json | Shape::RemoteFields => {
                Ok(Self::Holds(field.columns().collect(), value))
            }
        }
    }
}

/// An instant, or a day for its midnight in UTC.
fn instant(value: &str) -> std::result::Result<Timestamp, String> {
    let instant = value.parse().ok().or_else(|| {
        let day: Date = value.parse().ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    instant.ok_or_else(|| format!("{value:?} is not an instant such as 2026-11-22T10:00:00Z, nor a day"))
}
