//! A field value as the org keeps it, and its storage form in SQLite.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use rusqlite::types::{Value as Sql, ValueRef};
use rust_decimal::Decimal;

use crate::error::SalesforceError;
use crate::schema::{FieldSchema, FieldType};

/// One field value. Text is never empty: Salesforce keeps an empty string as null.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// A checkbox.
    Bool(bool),
    /// A whole number (`int` fields).
    Int(i64),
    /// An exact number (`double`, `currency`, `percent`).
    Decimal(Decimal),
    /// Any text: strings, picklists, ids, references, base64.
    Text(String),
    /// A date without a time of day.
    Date(Date),
    /// An instant.
    DateTime(Timestamp),
    /// A time of day.
    Time(Time),
}

impl Value {
    /// The text, when this is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The checkbox state; anything but a set checkbox is false.
    #[must_use]
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        if text.is_empty() { Self::Null } else { Self::Text(text.to_owned()) }
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        if text.is_empty() { Self::Null } else { Self::Text(text) }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<Decimal> for Value {
    fn from(value: Decimal) -> Self {
        Self::Decimal(value)
    }
}

impl From<Date> for Value {
    fn from(value: Date) -> Self {
        Self::Date(value)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::DateTime(value)
    }
}

impl From<Time> for Value {
    fn from(value: Time) -> Self {
        Self::Time(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The storage form of `value` in the column of `field`: exact numbers scaled to an integer, instants as epoch
/// milliseconds, dates as text, times as milliseconds of the day.
pub(crate) fn encode(field: &FieldSchema, value: &Value) -> Result<Sql, SalesforceError> {
    let mismatch = || {
        SalesforceError::new(
            400,
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            format!("{}: value not of required type: {value:?}", field.label),
        )
        .with_fields([field.name.as_str()])
    };
    Ok(match (field.ty, value) {
        (FieldType::Boolean, Value::Null) => Sql::Integer(0),
        (_, Value::Null) => Sql::Null,
        (FieldType::Boolean, Value::Bool(on)) => Sql::Integer(i64::from(*on)),
        (FieldType::Int, Value::Int(number)) => Sql::Integer(*number),
        (FieldType::Int, Value::Decimal(number)) if number.fract().is_zero() => {
            Sql::Integer(i64::try_from(*number).map_err(|_| mismatch())?)
        }
        (FieldType::Double | FieldType::Currency | FieldType::Percent, Value::Decimal(number)) => {
            Sql::Integer(scaled(*number, field.scale.into()).ok_or_else(mismatch)?)
        }
        (FieldType::Double | FieldType::Currency | FieldType::Percent, Value::Int(number)) => {
            Sql::Integer(scaled(Decimal::from(*number), field.scale.into()).ok_or_else(mismatch)?)
        }
        (FieldType::Date, Value::Date(date)) => Sql::Text(date.to_string()),
        (FieldType::Date, Value::Text(text)) => {
            Sql::Text(text.parse::<Date>().map_err(|_| mismatch())?.to_string())
        }
        (FieldType::DateTime, Value::DateTime(at)) => Sql::Integer(at.as_millisecond()),
        (FieldType::DateTime, Value::Text(text)) => {
            Sql::Integer(text.parse::<Timestamp>().map_err(|_| mismatch())?.as_millisecond())
        }
        (FieldType::Time, Value::Time(time)) => Sql::Integer(millisecond_of_day(*time)),
        (
            FieldType::Boolean
            | FieldType::Int
            | FieldType::Double
            | FieldType::Currency
            | FieldType::Percent,
            _,
        )
        | (FieldType::Date | FieldType::DateTime | FieldType::Time, _) => return Err(mismatch()),
        (_, Value::Text(text)) => Sql::Text(text.clone()),
        _ => return Err(mismatch()),
    })
}

/// The value that the column of `field` holds.
pub(crate) fn decode(field: &FieldSchema, stored: ValueRef<'_>) -> Value {
    match (field.ty, stored) {
        (FieldType::Boolean, ValueRef::Integer(on)) => Value::Bool(on != 0),
        (FieldType::Boolean, _) => Value::Bool(false),
        (FieldType::Int, ValueRef::Integer(number)) => Value::Int(number),
        (FieldType::Double | FieldType::Currency | FieldType::Percent, ValueRef::Integer(number)) => {
            Value::Decimal(Decimal::from_i128_with_scale(i128::from(number), field.scale.into()).normalize())
        }
        (FieldType::Date, ValueRef::Text(text)) => {
            std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).map_or(Value::Null, Value::Date)
        }
        (FieldType::DateTime, ValueRef::Integer(ms)) => {
            Timestamp::from_millisecond(ms).map_or(Value::Null, Value::DateTime)
        }
        (FieldType::Time, ValueRef::Integer(ms)) => time_of_day(ms).map_or(Value::Null, Value::Time),
        (_, ValueRef::Text(text)) => Value::from(String::from_utf8_lossy(text).into_owned()),
        _ => Value::Null,
    }
}

fn scaled(number: Decimal, scale: u32) -> Option<i64> {
    let mut number =
        number.round_dp_with_strategy(scale, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    number.rescale(scale);
    (number.scale() == scale).then(|| i64::try_from(number.mantissa()).ok()).flatten()
}

fn millisecond_of_day(time: Time) -> i64 {
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    seconds * 1000 + i64::from(time.millisecond())
}

fn time_of_day(ms: i64) -> Option<Time> {
    let part = |value: i64| i8::try_from(value).ok();
    let nanos = i32::try_from(ms % 1000).ok()? * 1_000_000;
    Time::new(part(ms / 3_600_000)?, part(ms / 60_000 % 60)?, part(ms / 1000 % 60)?, nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(ty: FieldType, scale: u8) -> FieldSchema {
        let mut field = FieldSchema::new("Field", ty);
        field.scale = scale;
        field
    }

    fn stored_and_read(field: &FieldSchema, value: &Value) -> Value {
        let stored = encode(field, value).unwrap();
        decode(field, ValueRef::from(&stored))
    }

    proptest! {
        #[test]
        fn numbers_are_stored_exactly(digits in -999_999_999_999_999_999i64..=999_999_999_999_999_999, scale in 0u8..=15) {
            let value = Value::Decimal(Decimal::new(digits, scale.into()).normalize());
            prop_assert_eq!(stored_and_read(&field(FieldType::Currency, scale), &value), value);
        }

        #[test]
        fn times_are_stored_to_the_millisecond(ms in -60_000_000_000_000i64..60_000_000_000_000) {
            let at = Timestamp::from_millisecond(ms).unwrap();
            prop_assert_eq!(stored_and_read(&field(FieldType::DateTime, 0), &Value::from(at)), Value::from(at));
            let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
            prop_assert_eq!(stored_and_read(&field(FieldType::Date, 0), &Value::from(day)), Value::from(day));
            let time = time_of_day(ms.rem_euclid(86_400_000)).unwrap();
            prop_assert_eq!(stored_and_read(&field(FieldType::Time, 0), &Value::from(time)), Value::from(time));
        }

        #[test]
        fn text_is_stored_as_it_is_and_empty_text_is_null(text in ".{0,40}") {
            let read = stored_and_read(&field(FieldType::String, 0), &Value::from(text.as_str()));
            prop_assert_eq!(read.as_text().unwrap_or_default(), text.as_str());
            prop_assert_eq!(Value::from(text.as_str()).is_null(), text.is_empty());
        }
    }

    #[test]
    fn values_that_do_not_fit_are_errors() {
        let refused = |ty, value: Value| encode(&field(ty, 2), &value).unwrap_err().fields;
        assert_eq!(refused(FieldType::Currency, Value::from("much")), ["Field"]);
        assert_eq!(refused(FieldType::Currency, Value::Decimal(Decimal::MAX)), ["Field"]);
        assert_eq!(refused(FieldType::Boolean, Value::from(1i64)), ["Field"]);
        assert_eq!(refused(FieldType::Date, Value::from("2026-13-01")), ["Field"]);
        assert_eq!(refused(FieldType::String, Value::from(true)), ["Field"]);
    }
}
