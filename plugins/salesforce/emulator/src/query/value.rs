//! Literals as values of a column: types checked, numbers scaled exactly, ids widened, date literals as spans.

use rusqlite::types::Value as Stored;

use super::dates::{Days, days, midnight};
use super::functions::compare;
use super::resolve::Scope;
use crate::SalesforceError;
use crate::schema::{FieldSchema, FieldType, ids};
use crate::soql::literal::{Literal, Value};

/// What can be compared, and how its values are stored.
#[derive(Clone, Debug)]
pub(super) enum Kind<'a> {
    Id,
    Text,
    MultiPicklist,
    /// The labels of a picklist: literals are labels, stored values are not.
    Label(&'a FieldSchema),
    Boolean,
    /// An integer with this many decimals in it; the name in messages is `int` or `double`.
    Number {
        scale: u8,
        name: &'static str,
    },
    Date,
    DateTime,
    Time,
}

impl<'a> Kind<'a> {
    /// The kind of a field's values; none when they cannot be compared.
    pub(super) fn of(field: &FieldSchema) -> Option<Self> {
        Some(match field.ty {
            FieldType::Id | FieldType::Reference => Self::Id,
            FieldType::MultiPicklist => Self::MultiPicklist,
            FieldType::Boolean => Self::Boolean,
            FieldType::Int => Self::Number { scale: 0, name: "int" },
            FieldType::Double | FieldType::Currency | FieldType::Percent => {
                Self::Number { scale: field.scale, name: "double" }
            }
            FieldType::Date => Self::Date,
            FieldType::DateTime => Self::DateTime,
            FieldType::Time => Self::Time,
            FieldType::Base64 | FieldType::Address | FieldType::Location => return None,
            _ => Self::Text,
        })
    }

    /// The type's name in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Text | Self::Label(_) => "string",
            Self::MultiPicklist => "multipicklist",
            Self::Boolean => "boolean",
            Self::Number { name, .. } => name,
            Self::Date => "date",
            Self::DateTime => "dateTime",
            Self::Time => "time",
        }
    }

    fn is_quoted(&self) -> bool {
        matches!(self, Self::Id | Self::Text | Self::Label(_) | Self::MultiPicklist)
    }
}

/// A literal as the column stores it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bound {
    Null,
    One(Stored),
    /// Any of these, which may be none.
    Any(Vec<Stored>),
    /// From the first up to but without the second.
    Span(Stored, Stored),
    /// A number that the column cannot hold: it lies just above this one.
    Above(i64),
}

/// Reads a literal as a value of `kind`; `field` and `at` are for the message.
pub(super) fn bind(
    scope: &Scope<'_>,
    kind: &Kind<'_>,
    literal: &Literal,
    field: &str,
    at: usize,
) -> Result<Bound, SalesforceError> {
    let bound = match (kind, &literal.value) {
        (_, Value::Null) => Some(Bound::Null),
        (Kind::Id, Value::Text(text)) if text.value.is_empty() => Some(Bound::Null),
        (Kind::Id, Value::Text(text)) => match ids::widen(&text.value) {
            Some(id) => Some(Bound::One(Stored::Text(id))),
            None => {
                let message = format!("invalid ID field: {}", text.value);
                return Err(scope.error("INVALID_QUERY_FILTER_OPERATOR", at, &message));
            }
        },
        (Kind::Text | Kind::MultiPicklist, Value::Text(text)) if text.value.is_empty() => Some(Bound::Null),
        (Kind::Text | Kind::MultiPicklist, Value::Text(text)) => {
            Some(Bound::One(Stored::Text(text.value.clone())))
        }
        (Kind::Label(picklist), Value::Text(text)) => {
            Some(Bound::Any(values_labelled(picklist, |label| compare(label, &text.value).is_eq())))
        }
        (Kind::Boolean, Value::Boolean(value)) => Some(Bound::One(Stored::Integer((*value).into()))),
        (Kind::Number { scale, .. }, Value::Number(number) | Value::Currency(_, number)) => {
            scaled(number, *scale)
        }
        (Kind::Date, Value::Date(date)) => Some(Bound::One(Stored::Text(date.to_string()))),
        (Kind::DateTime, Value::DateTime(time)) => Some(Bound::One(Stored::Integer(time.as_millisecond()))),
        (Kind::Time, Value::Time(time)) => Some(Bound::One(Stored::Integer(
            time.duration_since(jiff::civil::Time::midnight()).as_millis() as i64,
        ))),
        (Kind::Date | Kind::DateTime, Value::Relative(relative)) => {
            let Some(days) = days(*relative, scope.now) else {
                return Err(scope.error(
                    "MALFORMED_QUERY",
                    literal.at.0,
                    "Invalid date: the literal is out of range",
                ));
            };
            span(kind, days)
        }
        _ => None,
    };
    bound.ok_or_else(|| {
        let quotes = if kind.is_quoted() { "should be" } else { "should not be" };
        let kind = if matches!(kind, Kind::Id | Kind::MultiPicklist) { "string" } else { kind.name() };
        let message =
            format!("value of filter criterion for field '{field}' must be of type {kind} and {quotes} enclosed in quotes");
        scope.error("INVALID_FIELD", at, &message)
    })
}

/// Values of a picklist whose label is wanted.
pub(super) fn values_labelled(field: &FieldSchema, wanted: impl Fn(&str) -> bool) -> Vec<Stored> {
    field
        .picklist
        .iter()
        .filter(|p| wanted(p.label.as_deref().unwrap_or(&p.value)))
        .map(|p| Stored::Text(p.value.clone()))
        .collect()
}

fn span(kind: &Kind<'_>, days: Days) -> Option<Bound> {
    if matches!(kind, Kind::Date) {
        return Some(Bound::Span(Stored::Text(days.start.to_string()), Stored::Text(days.end.to_string())));
    }
    Some(Bound::Span(Stored::Integer(midnight(days.start)?), Stored::Integer(midnight(days.end)?)))
}

/// Decimal text times ten to the power of `scale`, exactly; beyond the range of a column, its end.
fn scaled(number: &str, scale: u8) -> Option<Bound> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = usize::from(scale);
    let (kept, dropped) = fraction.split_at(fraction.len().min(scale));
    let mut magnitude: i128 = 0;
    let padding = std::iter::repeat_n('0', scale - kept.len());
    for digit in whole.chars().chain(kept.chars()).chain(padding) {
        magnitude = magnitude.saturating_mul(10).saturating_add(digit.to_digit(10)?.into());
    }
    let exact = dropped.bytes().all(|b| b == b'0');
    let value = match (negative, exact) {
        (false, _) => magnitude,
        (true, true) => -magnitude,
        // -1.5 lies just above -2.
        (true, false) => -magnitude - 1,
    };
    let Ok(value) = i64::try_from(value) else {
        return Some(Bound::Above(if negative { i64::MIN } else { i64::MAX }));
    };
    Some(if exact { Bound::One(Stored::Integer(value)) } else { Bound::Above(value) })
}

/// A decimal as an integer and the number of decimals in it; none beyond 18 digits.
pub(super) fn integral(number: &str) -> Option<(i64, u8)> {
    let decimals = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let decimals = u8::try_from(decimals).ok().filter(|d| *d <= 18)?;
    match scaled(number, decimals)? {
        Bound::One(Stored::Integer(value)) => Some((value, decimals)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    proptest! {
        #[test]
        fn scaling_keeps_the_order(number in "-?[0-9]{1,9}(\\.[0-9]{1,6})?", scale in 0u8..6, stored in any::<i32>()) {
            let exact: Decimal = number.parse().expect("a number");
            let column = Decimal::from_i128_with_scale(stored.into(), scale.into());
            let order = column.cmp(&exact);
            match scaled(&number, scale) {
                Some(Bound::One(Stored::Integer(n))) => prop_assert_eq!(i64::from(stored).cmp(&n), order),
                Some(Bound::Above(n)) => {
                    let below = if i64::from(stored) <= n { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater };
                    prop_assert_eq!(below, order);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
