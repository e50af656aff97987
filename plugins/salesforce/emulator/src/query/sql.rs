//! A piece of a statement with the values bound in it, in order.

use rusqlite::types::Value;
use rusqlite::{Connection, Statement};

use super::resolve::too_complicated;
use super::storage;
use crate::SalesforceError;

/// Most values of a statement: what SQLite binds by default.
const MAX_VALUES: usize = 32_766;

/// Statements longer than this are not kept for another time: they are long because of their values.
const MAX_CACHED: usize = 8_192;

/// SQL text with one `?` for every value. Values never become text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// Text with a single value.
    pub(super) fn bound(text: impl Into<String>, value: Value) -> Self {
        Self { text: text.into(), values: vec![value] }
    }

    /// Itself, unless it has more values than can be bound.
    pub(super) fn bounded(self) -> Result<Self, SalesforceError> {
        if self.values.len() > MAX_VALUES { Err(too_complicated()) } else { Ok(self) }
    }

    /// Prepares the statement for `work`.
    pub(super) fn with_statement<T>(
        &self,
        conn: &Connection,
        work: impl FnOnce(&mut Statement<'_>) -> Result<T, SalesforceError>,
    ) -> Result<T, SalesforceError> {
        if self.text.len() > MAX_CACHED {
            return work(&mut conn.prepare(&self.text).map_err(storage)?);
        }
        work(&mut *conn.prepare_cached(&self.text).map_err(storage)?)
    }

    pub(super) fn push(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.values.extend(other.values);
    }

    pub(super) fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn wrapped(self, before: &str, after: &str) -> Self {
        Self { text: format!("{before}{}{after}", self.text), values: self.values }
    }

    /// The parts joined by `AND` or `OR` as a balanced tree, so that long lists stay shallow.
    pub(super) fn joined(mut parts: Vec<Self>, operator: &str) -> Self {
        while parts.len() > 1 {
            let mut next = Vec::with_capacity(parts.len().div_ceil(2));
            let mut rest = parts.into_iter();
            while let Some(mut left) = rest.next() {
                if let Some(right) = rest.next() {
                    left = left.wrapped("(", &format!(" {operator} "));
                    left.push(right.wrapped("", ")"));
                }
                next.push(left);
            }
            parts = next;
        }
        parts.pop().unwrap_or_else(|| Self::new(if operator == "AND" { "1" } else { "0" }))
    }
}
