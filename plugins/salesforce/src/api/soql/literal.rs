//! Values in queries.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::shown;
use crate::api::datetime_text;
use crate::error::Fault;

/// A value in a query.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(test), expect(dead_code, reason = "searches ask for it"))]
pub(crate) enum Literal {
    /// Any text.
    Text(String),
    /// A record id of 15 or 18 characters.
    Id(String),
    /// An instant, to the millisecond.
    DateTime(Timestamp),
    /// A date.
    Date(Date),
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Decimal),
    /// No value.
    Null,
}

impl Literal {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A record id.
    pub(crate) fn id(id: impl Into<String>) -> Self {
        Self::Id(id.into())
    }

    pub(super) fn write(&self, out: &mut String) -> Result<(), Fault> {
        match self {
            Self::Text(text) => write_quoted(out, text, escaped),
            Self::Id(id) => {
                let plain =
                    matches!(id.len(), 15 | 18) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if !plain {
                    return Err(Fault::Query(format!("{} is not a record id", shown(id))));
                }
                write_quoted(out, id, escaped);
            }
            Self::DateTime(at) => out.push_str(&datetime_text(*at)),
            Self::Date(date) => out.push_str(&date.to_string()),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::Null => out.push_str("null"),
        }
        Ok(())
    }
}

/// How a character is written; none for itself.
pub(super) type Escape = fn(char) -> Option<&'static str>;

/// What SOQL gives a meaning to inside quotes.
pub(super) fn escaped(c: char) -> Option<&'static str> {
    Some(match c {
        '\\' => r"\\",
        '\'' => r"\'",
        '"' => "\\\"",
        '\n' => r"\n",
        '\r' => r"\r",
        '\t' => r"\t",
        '\u{8}' => r"\b",
        '\u{c}' => r"\f",
        _ => return None,
    })
}

/// The same inside a LIKE pattern, where two more characters have a meaning.
pub(super) fn escaped_in_pattern(c: char) -> Option<&'static str> {
    match c {
        '%' => Some(r"\%"),
        '_' => Some(r"\_"),
        c => escaped(c),
    }
}

pub(super) fn write_quoted(out: &mut String, text: &str, escape: Escape) {
    out.push('\'');
    write_escaped(out, text, escape);
    out.push('\'');
}

pub(super) fn write_escaped(out: &mut String, text: &str, escape: Escape) {
    for c in text.chars() {
        match escape(c) {
            Some(written) => out.push_str(written),
            // No server needs these raw, and some refuse them.
            None if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            None => out.push(c),
        }
    }
}
