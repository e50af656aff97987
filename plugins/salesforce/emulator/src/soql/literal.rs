//! Literals of SOQL: strings with their escapes, numbers as text, dates, date literals, currency amounts.

use jiff::Timestamp;
use jiff::civil::{Date, Time};

use super::ast::At;

/// A value as written in a query, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) value: Value,
    pub(crate) at: At,
}

/// A value as written in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    /// Sign, digits and fraction as written: never a float.
    Number(String),
    Text(Text),
    Date(Date),
    DateTime(Timestamp),
    Time(Time),
    Relative(DateLiteral),
    /// `USD500`: the code in capitals and the number.
    Currency(String, String),
}

/// The content of a quoted string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// The text itself.
    pub(crate) value: String,
    /// Byte offsets in `value` of `%` and `_` that were escaped: in `LIKE` they stand for themselves.
    pub(crate) escaped: Vec<usize>,
}

/// A part of a `LIKE` pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glyph {
    Char(char),
    /// `_`
    One,
    /// `%`
    Many,
}

impl Text {
    /// Reads what stands between the quotes; the error is the character that may not be escaped.
    pub(crate) fn unescape(raw: &str) -> Result<Self, String> {
        let mut text = Self { value: String::with_capacity(raw.len()), escaped: Vec::new() };
        let mut chars = raw.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                text.value.push(c);
                continue;
            }
            let escape = chars.next().ok_or_else(|| "\\".to_owned())?;
            text.value.push(match escape {
                'n' | 'N' => '\n',
                'r' | 'R' => '\r',
                't' | 'T' => '\t',
                'b' | 'B' => '\u{8}',
                'f' | 'F' => '\u{c}',
                '"' | '\'' | '\\' => escape,
                '%' | '_' => {
                    text.escaped.push(text.value.len());
                    escape
                }
                'u' => unicode(&mut chars).ok_or_else(|| "\\u".to_owned())?,
                other => return Err(format!("\\{other}")),
            });
        }
        Ok(text)
    }

    /// The string as it stands in a query, with quotes.
    pub(crate) fn quote(&self) -> String {
        let mut out = String::with_capacity(self.value.len() + 2);
        out.push('\'');
        for (at, c) in self.value.char_indices() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\'' | '\\' => {
                    out.push('\\');
                    out.push(c);
                }
                _ => {
                    if self.escaped.contains(&at) {
                        out.push('\\');
                    }
                    out.push(c);
                }
            }
        }
        out.push('\'');
        out
    }

    /// The text as a `LIKE` pattern.
    pub(crate) fn pattern(&self) -> Vec<Glyph> {
        self.value
            .char_indices()
            .map(|(at, c)| match c {
                '%' if !self.escaped.contains(&at) => Glyph::Many,
                '_' if !self.escaped.contains(&at) => Glyph::One,
                _ => Glyph::Char(c),
            })
            .collect()
    }
}

/// The character of `\uXXXX`; a character beyond the basic plane takes two such escapes.
fn unicode(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let mut unit = || -> Option<u32> {
        let mut value = 0;
        for _ in 0..4 {
            value = value * 16 + chars.next()?.to_digit(16)?;
        }
        Some(value)
    };
    let first = unit()?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if chars.next()? != '\\' || chars.next()? != 'u' {
        return None;
    }
    let mut unit = || -> Option<u32> {
        let mut value = 0;
        for _ in 0..4 {
            value = value * 16 + chars.next()?.to_digit(16)?;
        }
        Some(value)
    };
    let second = unit()?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)
}

/// A span of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
    FiscalQuarter,
    FiscalYear,
}

const UNITS: [(Unit, &str); 7] = [
    (Unit::Day, "DAY"),
    (Unit::Week, "WEEK"),
    (Unit::Month, "MONTH"),
    (Unit::Quarter, "QUARTER"),
    (Unit::Year, "YEAR"),
    (Unit::FiscalQuarter, "FISCAL_QUARTER"),
    (Unit::FiscalYear, "FISCAL_YEAR"),
];

/// A date relative to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateLiteral {
    Yesterday,
    Today,
    Tomorrow,
    Last90Days,
    Next90Days,
    Last(Unit),
    This(Unit),
    Next(Unit),
    LastN(Unit, u32),
    NextN(Unit, u32),
    Ago(Unit, u32),
}

/// What a word means as a date literal: whole, or in need of `:n`.
pub(crate) enum DateWord {
    Whole(DateLiteral),
    Counted(fn(Unit, u32) -> DateLiteral, Unit),
}

impl DateLiteral {
    /// Reads a word such as `LAST_WEEK` or `LAST_N_DAYS`.
    pub(crate) fn word(word: &str) -> Option<DateWord> {
        let word = word.to_ascii_uppercase();
        let whole = |literal| Some(DateWord::Whole(literal));
        match word.as_str() {
            "YESTERDAY" => return whole(Self::Yesterday),
            "TODAY" => return whole(Self::Today),
            "TOMORROW" => return whole(Self::Tomorrow),
            "LAST_90_DAYS" => return whole(Self::Last90Days),
            "NEXT_90_DAYS" => return whole(Self::Next90Days),
            _ => {}
        }
        for (unit, name) in UNITS {
            let plural = |prefix: &str, suffix: &str| word == format!("{prefix}{name}S{suffix}");
            if plural("LAST_N_", "") {
                return Some(DateWord::Counted(Self::LastN, unit));
            }
            if plural("NEXT_N_", "") {
                return Some(DateWord::Counted(Self::NextN, unit));
            }
            if plural("N_", "_AGO") {
                return Some(DateWord::Counted(Self::Ago, unit));
            }
            if unit != Unit::Day && word.strip_suffix(name).is_some_and(|head| head.ends_with('_')) {
                match word.strip_suffix(name) {
                    Some("LAST_") => return whole(Self::Last(unit)),
                    Some("THIS_") => return whole(Self::This(unit)),
                    Some("NEXT_") => return whole(Self::Next(unit)),
                    _ => {}
                }
            }
        }
        None
    }
}

impl std::fmt::Display for DateLiteral {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |unit: &Unit| UNITS.iter().find(|(known, _)| known == unit).map_or("", |(_, name)| name);
        match self {
            Self::Yesterday => f.write_str("YESTERDAY"),
            Self::Today => f.write_str("TODAY"),
            Self::Tomorrow => f.write_str("TOMORROW"),
            Self::Last90Days => f.write_str("LAST_90_DAYS"),
            Self::Next90Days => f.write_str("NEXT_90_DAYS"),
            Self::Last(unit) => write!(f, "LAST_{}", name(unit)),
            Self::This(unit) => write!(f, "THIS_{}", name(unit)),
            Self::Next(unit) => write!(f, "NEXT_{}", name(unit)),
            Self::LastN(unit, n) => write!(f, "LAST_N_{}S:{n}", name(unit)),
            Self::NextN(unit, n) => write!(f, "NEXT_N_{}S:{n}", name(unit)),
            Self::Ago(unit, n) => write!(f, "N_{}S_AGO:{n}", name(unit)),
        }
    }
}

/// Reads a date, a time with `Z`, or both; the error is Salesforce's sentence.
pub(crate) fn temporal(text: &str) -> Result<Value, String> {
    let invalid = |what: &str| format!("Invalid {what}: {text}");
    if text.as_bytes().get(2) == Some(&b':') {
        let time = text.strip_suffix(['Z', 'z']).unwrap_or(text);
        return time.parse::<Time>().map(Value::Time).map_err(|_| invalid("time"));
    }
    if text.contains(['T', 't']) {
        let hours = text.rfind(['+', '-']).filter(|at| *at > 10).and_then(|at| text.get(at + 1..at + 3));
        if hours.is_some_and(|hours| hours > "23") {
            return Err(invalid("datetime"));
        }
        return text.parse::<Timestamp>().map(Value::DateTime).map_err(|_| invalid("datetime"));
    }
    text.parse::<Date>().map(Value::Date).map_err(|_| invalid("date"))
}

/// Reads `USD500` or `USD-12.50` at the start of `text`: code, amount and length in bytes.
pub(crate) fn currency(text: &str) -> Option<(String, String, usize)> {
    let code = text.get(..3).filter(|code| code.bytes().all(|b| b.is_ascii_alphabetic()))?;
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let sign = usize::from(bytes.get(3) == Some(&b'-'));
    let whole = digits(3 + sign);
    if whole == 0 {
        return None;
    }
    let mut end = 3 + sign + whole;
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
        return None;
    }
    Some((code.to_ascii_uppercase(), text.get(3..end)?.to_owned(), end))
}
