//! What a column of PostgreSQL cannot hold exactly, and where it is kept instead: nothing is lost, and every column still
//! has its natural type.
//!
//! Text with the character NUL, which PostgreSQL refuses: the column holds the substitute character (U+001A) in its place.
//! Instants finer than a microsecond, which are cut to it, and those before 4713 BC, which become `-infinity`. The exact
//! value stands in the column `exact` of the same row, by the column's name, as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use unicrm_core::{Result, from_json};

use super::instant::Instant;
use super::schema::{Sort, Table};
use crate::encode::{CellRef, RowBuffer};
use crate::text::{parse_timestamp, timestamp};

/// What stands for NUL. One byte too, so that a text keeps its length.
const SUBSTITUTE: &str = "\u{1a}";

/// The exact values of one row, by column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exact(BTreeMap<String, String>);

impl Exact {
    /// Reads the column.
    pub(super) fn read(column: Option<&str>) -> Result<Self> {
        column.map_or_else(|| Ok(Self::default()), |json| from_json(json).map(Self))
    }

    /// The column.
    pub(super) fn column(&self) -> Option<String> {
        // A map of texts can always be written as JSON.
        (!self.0.is_empty()).then(|| serde_json::to_string(&self.0).unwrap_or_default())
    }

    /// The exact value of a column, when the column does not hold it.
    pub(super) fn of(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(String::as_str)
    }

    /// Takes what an encoded record cannot put into its columns, and replaces it there.
    pub(super) fn take(&mut self, table: &Table, buffer: &mut RowBuffer) -> Result<()> {
        let mut nul = false;
        for (column, cell) in table.columns.iter().zip(buffer.cells()) {
            let CellRef::Text(text) = cell else { continue };
            let inexact = match column.sort {
                Sort::Text => text.contains('\0'),
                Sort::Instant => !Instant::holds(parse_timestamp(text)?),
                _ => false,
            };
            nul |= inexact && column.sort == Sort::Text;
            if inexact {
                self.0.insert(column.name.clone(), text.to_owned());
            }
        }
        if nul {
            buffer.replace_nul(SUBSTITUTE);
        }
        Ok(())
    }

    /// The text as a column takes it.
    pub(super) fn set_text(&mut self, column: &str, text: Option<&str>) {
        self.set(column, text.filter(|text| text.contains('\0')).map(str::to_owned));
    }

    /// The instant as a column takes it.
    pub(super) fn set_instant(&mut self, column: &str, instant: Option<Timestamp>) {
        self.set(column, instant.filter(|instant| !Instant::holds(*instant)).map(timestamp));
    }

    fn set(&mut self, column: &str, value: Option<String>) {
        match value {
            Some(value) => drop(self.0.insert(column.to_owned(), value)),
            None => drop(self.0.remove(column)),
        }
    }
}

/// A text as PostgreSQL takes it, with a substitute for NUL.
pub(super) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', SUBSTITUTE).into() } else { text.into() }
}
