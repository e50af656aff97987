//! Stored values as Salesforce writes them in JSON: exact numbers, time stamps with milliseconds and `+0000`.

use std::collections::HashMap;

use rusqlite::types::ValueRef;
use rust_decimal::Decimal;

use crate::schema::{FieldSchema, FieldType};

/// How a column's value is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wire {
    Text,
    Boolean,
    Integer,
    /// An integer that stands for this many decimals.
    Decimal(u8),
    DateTime,
    Time,
    /// A picklist value as its label.
    Label(HashMap<String, String>),
    /// What `FORMAT()` gives in the locale en_US.
    Formatted(Box<Wire>, Style),
}

/// What a formatted value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Currency,
    Percent,
    Date,
}

impl Wire {
    /// The form of a field's values.
    pub(crate) fn of(field: &FieldSchema) -> Self {
        match field.ty {
            FieldType::Boolean => Self::Boolean,
            FieldType::Int => Self::Integer,
            FieldType::Double | FieldType::Currency | FieldType::Percent => Self::Decimal(field.scale),
            FieldType::DateTime => Self::DateTime,
            FieldType::Time => Self::Time,
            _ => Self::Text,
        }
    }

    /// The form of `toLabel(field)`.
    pub(crate) fn label(field: &FieldSchema) -> Self {
        let label = |p: &crate::schema::PicklistValue| {
            p.label.clone().filter(|label| *label != p.value).map(|label| (p.value.clone(), label))
        };
        Self::Label(field.picklist.iter().filter_map(label).collect())
    }

    /// The form of `FORMAT(field)`.
    pub(crate) fn formatted(self, ty: FieldType) -> Self {
        let style = match ty {
            FieldType::Currency => Style::Currency,
            FieldType::Percent => Style::Percent,
            FieldType::Date => Style::Date,
            _ => Style::Plain,
        };
        Self::Formatted(Box::new(self), style)
    }

    /// Writes one value.
    pub(crate) fn write(&self, value: ValueRef<'_>, out: &mut Vec<u8>) {
        match (self, value) {
            (Self::Boolean, ValueRef::Integer(n)) => {
                out.extend_from_slice(if n == 0 { b"false" } else { b"true" });
            }
            // The parent that this flag belongs to does not exist.
            (Self::Boolean, ValueRef::Null) => out.extend_from_slice(b"false"),
            (Self::Label(labels), ValueRef::Text(text)) => {
                let text = String::from_utf8_lossy(text);
                let translated: Vec<&str> =
                    text.split(';').map(|v| labels.get(v).map_or(v, String::as_str)).collect();
                string(&translated.join(";"), out);
            }
            (Self::Formatted(inner, style), value) if value != ValueRef::Null => {
                string(&formatted(inner, *style, value), out);
            }
            (Self::Decimal(scale), ValueRef::Integer(n)) => decimal(n, *scale, out),
            (Self::DateTime, ValueRef::Integer(ms)) => date_time(ms, out),
            (Self::Time, ValueRef::Integer(ms)) => time(ms, out),
            (_, ValueRef::Integer(n)) => integer(n, out),
            (_, ValueRef::Text(text)) => match std::str::from_utf8(text) {
                Ok(text) => string(text, out),
                Err(_) => string(&String::from_utf8_lossy(text), out),
            },
            _ => out.extend_from_slice(b"null"),
        }
    }
}

/// A JSON string.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    if serde_json::to_writer(&mut *out, text).is_err() {
        // Writing a string to memory does not fail; should it, the answer stays well-formed.
        out.extend_from_slice(b"null");
    }
}

fn integer(n: i64, out: &mut Vec<u8>) {
    if n < 0 {
        out.push(b'-');
    }
    pad(n.unsigned_abs(), 1, out);
}

/// `1000.0`, `0.5`, `1234.56`: all digits, no trailing zeros, at least one decimal.
pub(super) fn decimal(n: i64, scale: u8, out: &mut Vec<u8>) {
    if n < 0 {
        out.push(b'-');
    }
    // Nineteen digits hold every column; more decimals than that are zeros in front.
    let magnitude = n.unsigned_abs();
    let unit = 10u64.checked_pow(scale.into());
    let (whole, fraction) = unit.map_or((0, magnitude), |unit| (magnitude / unit, magnitude % unit));
    pad(whole, 1, out);
    out.push(b'.');
    if fraction == 0 {
        out.push(b'0');
        return;
    }
    pad(fraction, scale.into(), out);
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

/// A quotient with as many digits as a division of decimals needs, never a float.
pub(crate) fn average(sum: i64, count: i64, scale: u8, out: &mut Vec<u8>) {
    let sum = Decimal::from_i128_with_scale(sum.into(), scale.into());
    let Some(quotient) = sum.checked_div(Decimal::from(count)) else {
        out.extend_from_slice(b"null");
        return;
    };
    let quotient = quotient.round_dp(u32::from(scale).max(14)).normalize();
    out.extend_from_slice(quotient.to_string().as_bytes());
    if quotient.scale() == 0 {
        out.extend_from_slice(b".0");
    }
}

/// `2026-11-22T10:11:12.000+0000`
fn date_time(ms: i64, out: &mut Vec<u8>) {
    let (day, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, date) = civil(day);
    out.push(b'"');
    pad(year.unsigned_abs(), 4, out);
    out.push(b'-');
    pad(month.unsigned_abs(), 2, out);
    out.push(b'-');
    pad(date.unsigned_abs(), 2, out);
    out.push(b'T');
    clock(rest.unsigned_abs(), out);
    out.extend_from_slice(b"+0000\"");
}

/// `10:30:00.000Z`
fn time(ms: i64, out: &mut Vec<u8>) {
    out.push(b'"');
    clock(ms.rem_euclid(86_400_000).unsigned_abs(), out);
    out.extend_from_slice(b"Z\"");
}

fn clock(ms: u64, out: &mut Vec<u8>) {
    pad(ms / 3_600_000, 2, out);
    out.push(b':');
    pad(ms / 60_000 % 60, 2, out);
    out.push(b':');
    pad(ms / 1000 % 60, 2, out);
    out.push(b'.');
    pad(ms % 1000, 3, out);
}

/// A number with zeros in front up to a width.
fn pad(mut n: u64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    while n > 0 || out.len() - start < width {
        out.push(b'0' + u8::try_from(n % 10).unwrap_or(0));
        n /= 10;
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// Year, month and day of a day counted from 1970-01-01 in the Gregorian calendar.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, date)
}

fn formatted(wire: &Wire, style: Style, value: ValueRef<'_>) -> String {
    match (wire, value) {
        (Wire::DateTime, ValueRef::Integer(ms)) => {
            let (year, month, date) = civil(ms.div_euclid(86_400_000));
            let minutes = ms.rem_euclid(86_400_000) / 60_000;
            let (hour, half) = (minutes / 60, if minutes < 720 { "AM" } else { "PM" });
            format!("{month}/{date}/{year}, {}:{:02} {half}", (hour + 11) % 12 + 1, minutes % 60)
        }
        (_, ValueRef::Text(text)) if style == Style::Date => {
            let text = String::from_utf8_lossy(text);
            let mut parts = text.splitn(3, '-').map(|part| part.trim_start_matches('0'));
            match (parts.next(), parts.next(), parts.next()) {
                (Some(year), Some(month), Some(date)) => format!("{month}/{date}/{year}"),
                _ => text.clone().into_owned(),
            }
        }
        (_, ValueRef::Integer(n)) => {
            let scale = if let Wire::Decimal(scale) = wire { *scale } else { 0 };
            let amount = Decimal::from_i128_with_scale(n.into(), scale.into());
            match style {
                Style::Currency => {
                    let sign = if n < 0 { "-" } else { "" };
                    format!("{sign}${}", grouped(&amount.abs().round_dp(2).to_string(), 2))
                }
                Style::Percent => format!("{}%", grouped(&amount.normalize().to_string(), 0)),
                _ => grouped(&amount.normalize().to_string(), 0),
            }
        }
        (_, ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}

/// A number with commas between thousands and at least so many decimals.
fn grouped(number: &str, decimals: usize) -> String {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() || decimals > 0 {
        out.push('.');
        out.push_str(fraction);
        out.extend(std::iter::repeat_n('0', decimals.saturating_sub(fraction.len())));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(wire: &Wire, n: i64) -> String {
        let mut out = Vec::new();
        wire.write(ValueRef::Integer(n), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn numbers_look_like_those_of_salesforce() {
        for (n, scale, text) in [
            (100_000, 2, "1000.0"),
            (50, 2, "0.5"),
            (123_456, 2, "1234.56"),
            (-1, 2, "-0.01"),
            (5, 0, "5.0"),
            (i64::MAX, 2, "92233720368547758.07"),
            (i64::MIN, 0, "-9223372036854775808.0"),
        ] {
            assert_eq!(written(&Wire::Decimal(scale), n), text);
        }
        assert_eq!(written(&Wire::Integer, 5), "5");
        assert_eq!(written(&Wire::Time, 37_800_000), "\"10:30:00.000Z\"");
        assert_eq!(
            written(&Wire::Decimal(2).formatted(FieldType::Currency), -123_456_789),
            "\"-$1,234,567.89\""
        );
        let mut out = Vec::new();
        average(100, 3, 2, &mut out);
        assert_eq!(out, b"0.33333333333333");
    }

    proptest! {
        #[test]
        fn decimals_are_exact(n in any::<i64>(), scale in 0u8..=18) {
            let text = written(&Wire::Decimal(scale), n);
            let back: Decimal = text.parse().expect("a number");
            prop_assert_eq!(back, Decimal::from_i128_with_scale(n.into(), scale.into()));
        }

        #[test]
        fn time_stamps_agree_with_the_calendar(ms in -10_000_000_000_000i64..100_000_000_000_000) {
            let at = jiff::Timestamp::from_millisecond(ms).expect("in range");
            prop_assert_eq!(written(&Wire::DateTime, ms), at.strftime("\"%Y-%m-%dT%H:%M:%S%.3f+0000\"").to_string());
        }
    }
}
