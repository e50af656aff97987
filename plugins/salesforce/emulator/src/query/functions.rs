//! What SQLite lacks: comparison of text without regard to case, `LIKE` with Unicode, multi-select values, date parts.

use std::cmp::Ordering;

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, tz::TimeZone};
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};

use crate::soql::ast::Function;
use crate::soql::literal::Glyph;

/// Adds the collation `SOQL` and the functions that compiled queries call.
pub(crate) fn register_collation(conn: &Connection) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    conn.create_collation("SOQL", compare)?;
    conn.create_scalar_function("soql_like", 2, flags, like)?;
    conn.create_scalar_function("soql_includes", 2, flags, includes)?;
    conn.create_scalar_function("soql_part", 2, flags, part)
}

/// A character as it counts in a comparison: simple case folding.
pub(super) fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    lower(single(c.to_uppercase()).unwrap_or(c))
}

fn lower(c: char) -> char {
    single(c.to_lowercase()).unwrap_or(c)
}

fn single(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}

/// Order of two texts without regard to case.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    a.chars().map(fold).cmp(b.chars().map(fold))
}

/// `LIKE` pattern as one string: a backslash before what stands for itself.
pub(super) fn encode_pattern(glyphs: &[Glyph]) -> String {
    let mut out = String::with_capacity(glyphs.len());
    for glyph in glyphs {
        match glyph {
            Glyph::Many => out.push('%'),
            Glyph::One => out.push('_'),
            Glyph::Char(c) => {
                if matches!(c, '%' | '_' | '\\') {
                    out.push('\\');
                }
                out.push(*c);
            }
        }
    }
    out
}

pub(super) fn decode_pattern(text: &str) -> Vec<Glyph> {
    let mut glyphs = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        glyphs.push(match c {
            '\\' => Glyph::Char(fold(chars.next().unwrap_or('\\'))),
            '%' => Glyph::Many,
            '_' => Glyph::One,
            c => Glyph::Char(fold(c)),
        });
    }
    glyphs
}

/// `soql_like(value, pattern)`
fn like(context: &Context<'_>) -> rusqlite::Result<Option<bool>> {
    let pattern = context.get_or_create_aux(1, |value| value.as_str().map(decode_pattern))?;
    Ok(match context.get_raw(0) {
        ValueRef::Text(text) => Some(matches(&String::from_utf8_lossy(text), &pattern)),
        _ => None,
    })
}

/// Matching with one point of return: the last `%`.
pub(super) fn matches(text: &str, pattern: &[Glyph]) -> bool {
    let mut rest = text.chars();
    let mut at = 0;
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let glyph = pattern.get(at);
        if glyph == Some(&Glyph::Many) {
            at += 1;
            retry = Some((at, rest.clone()));
            continue;
        }
        let mut ahead = rest.clone();
        let step = match (glyph, ahead.next()) {
            (None, None) => return true,
            (Some(Glyph::One), Some(_)) => true,
            (Some(Glyph::Char(wanted)), Some(c)) => fold(c) == *wanted,
            _ => false,
        };
        if step {
            rest = ahead;
            at += 1;
            continue;
        }
        let Some((after, mut from)) = retry.take() else { return false };
        if from.next().is_none() {
            return false;
        }
        at = after;
        rest = from.clone();
        retry = Some((after, from));
    }
}

/// `soql_includes(value, 'A;B')`: whether all the choices are among the values of a multi-select picklist.
fn includes(context: &Context<'_>) -> rusqlite::Result<Option<bool>> {
    let wanted = context.get_raw(1).as_str()?;
    Ok(match context.get_raw(0) {
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text);
            let has = |choice: &str| text.split(';').any(|value| compare(value, choice) == Ordering::Equal);
            Some(wanted.split(';').all(has))
        }
        _ => None,
    })
}

/// `soql_part('CALENDAR_YEAR', value)` of a date (text) or a time stamp (milliseconds), in the org's time zone: UTC.
fn part(context: &Context<'_>) -> rusqlite::Result<Option<Value>> {
    let function = context.get_or_create_aux(0, |value| {
        value.as_str().map(|name| Function::named(name).unwrap_or(Function::DayOnly))
    })?;
    let (date, hour) = match context.get_raw(1) {
        ValueRef::Integer(ms) => {
            let Ok(at) = Timestamp::from_millisecond(ms) else { return Ok(None) };
            let at = at.to_zoned(TimeZone::UTC);
            (at.date(), at.hour())
        }
        ValueRef::Text(text) => match std::str::from_utf8(text).ok().and_then(|t| t.parse::<Date>().ok()) {
            Some(date) => (date, 0),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(date_part(*function, date, hour)))
}

fn date_part(function: Function, date: Date, hour: i8) -> Value {
    let number: i64 = match function {
        Function::CalendarMonth | Function::FiscalMonth => date.month().into(),
        Function::CalendarQuarter | Function::FiscalQuarter => i64::from((date.month() - 1) / 3 + 1),
        Function::CalendarYear | Function::FiscalYear => date.year().into(),
        Function::DayInMonth => date.day().into(),
        Function::DayInWeek => i64::from(date.weekday().since(Weekday::Sunday)) + 1,
        Function::DayInYear => date.day_of_year().into(),
        Function::HourInDay => hour.into(),
        Function::WeekInMonth => i64::from((date.day() - 1) / 7 + 1),
        Function::WeekInYear => i64::from((date.day_of_year() - 1) / 7 + 1),
        _ => return Value::Text(date.to_string()),
    };
    Value::Integer(number)
}
