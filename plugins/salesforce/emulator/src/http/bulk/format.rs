//! How the CSV of a job is written: delimiter and line ending.

use crate::error::SalesforceError;
use crate::query::quote;

/// Delimiter and line ending of a job's CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) delimiter: Delimiter,
    pub(crate) line_ending: LineEnding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delimiter {
    Backquote,
    Caret,
    Comma,
    Pipe,
    Semicolon,
    Tab,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnding {
    Lf,
    CrLf,
}

const DELIMITERS: [(Delimiter, &str, u8); 6] = [
    (Delimiter::Backquote, "BACKQUOTE", b'`'),
    (Delimiter::Caret, "CARET", b'^'),
    (Delimiter::Comma, "COMMA", b','),
    (Delimiter::Pipe, "PIPE", b'|'),
    (Delimiter::Semicolon, "SEMICOLON", b';'),
    (Delimiter::Tab, "TAB", b'\t'),
];

impl Default for Format {
    fn default() -> Self {
        Self { delimiter: Delimiter::Comma, line_ending: LineEnding::Lf }
    }
}

impl Format {
    /// The format that a job's creation names; comma and LF where it names none.
    pub(crate) fn read(delimiter: Option<&str>, line_ending: Option<&str>) -> Result<Self, SalesforceError> {
        let wrong = |name: &str, value: &str, known: &str| {
            SalesforceError::new(
                400,
                "API_ERROR",
                format!("{name} '{value}' is invalid. Allowed are {known}"),
            )
        };
        let delimiter = match delimiter {
            None => Delimiter::Comma,
            Some(name) => DELIMITERS
                .iter()
                .find(|(_, known, _)| known.eq_ignore_ascii_case(name))
                .map(|(delimiter, ..)| *delimiter)
                .ok_or_else(|| {
                    wrong("columnDelimiter", name, "BACKQUOTE, CARET, COMMA, PIPE, SEMICOLON, TAB")
                })?,
        };
        let line_ending = match line_ending {
            None => LineEnding::Lf,
            Some(name) if name.eq_ignore_ascii_case("LF") => LineEnding::Lf,
            Some(name) if name.eq_ignore_ascii_case("CRLF") => LineEnding::CrLf,
            Some(name) => return Err(wrong("lineEnding", name, "LF, CRLF")),
        };
        Ok(Self { delimiter, line_ending })
    }

    pub(crate) fn delimiter_name(self) -> &'static str {
        DELIMITERS
            .iter()
            .find(|(delimiter, ..)| *delimiter == self.delimiter)
            .map_or("COMMA", |(_, name, _)| name)
    }

    pub(crate) fn delimiter_byte(self) -> u8 {
        DELIMITERS
            .iter()
            .find(|(delimiter, ..)| *delimiter == self.delimiter)
            .map_or(b',', |(_, _, byte)| *byte)
    }

    pub(crate) fn ending_name(self) -> &'static str {
        match self.line_ending {
            LineEnding::Lf => "LF",
            LineEnding::CrLf => "CRLF",
        }
    }

    pub(crate) fn ending(self) -> &'static [u8] {
        match self.line_ending {
            LineEnding::Lf => b"\n",
            LineEnding::CrLf => b"\r\n",
        }
    }

    /// A line of quoted values, its ending included.
    pub(crate) fn line<'v>(self, values: impl IntoIterator<Item = &'v [u8]>) -> Vec<u8> {
        let mut line = Vec::new();
        self.push_values(values, &mut line);
        line.extend_from_slice(self.ending());
        line
    }

    /// Quoted values, delimited from what is in `line` already.
    pub(crate) fn push_values<'v>(self, values: impl IntoIterator<Item = &'v [u8]>, line: &mut Vec<u8>) {
        for value in values {
            if !line.is_empty() {
                line.push(self.delimiter_byte());
            }
            quote(value, line);
        }
    }
}
