//! A query's records as rows of a flat table: what the bulk resources give instead of JSON records.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection};

use super::plan::{Plan, RowPlan};
use super::shape::{Item, Shape};
use super::wire::{self, Wire};
use super::{Prepared, UserContext, aggregate, storage};
use crate::SalesforceError;
use crate::schema::{Schema, Visibility};
use crate::soql::ast::{Query, SelectItem};

/// The columns of a query's rows; parents are columns such as `Account.Name`.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) names: Vec<String>,
    cells: Vec<Cell>,
    plan: Arc<RowPlan>,
}

#[derive(Clone, Debug)]
struct Cell {
    column: usize,
    wire: Wire,
    /// Column of the id of the parent that the value belongs to: without it there is no value.
    parent: Option<usize>,
}

/// Prepares a query whose rows are wanted as a table, and refuses what has no place in one.
pub(crate) fn prepare_table(
    schema: &Schema,
    visibility: &Visibility,
    soql: &str,
    all_rows: bool,
    now: Timestamp,
    user: &UserContext,
) -> Result<(Prepared, Table), SalesforceError> {
    check(&crate::soql::parse(soql)?)?;
    let prepared = super::prepare(schema, visibility, soql, all_rows, now, user)?;
    let Plan::Rows(plan) = &prepared.plan else {
        return Err(refused("Aggregate functions are not supported"));
    };
    let mut table = Table { names: Vec::new(), cells: Vec::new(), plan: Arc::clone(plan) };
    table.add(&plan.shape, "", None)?;
    Ok((prepared, table))
}

fn refused(what: &str) -> SalesforceError {
    SalesforceError::new(400, "FUNCTIONALITY_NOT_ENABLED", format!("{what} in Bulk Query"))
}

fn check(query: &Query) -> Result<(), SalesforceError> {
    if aggregate::is_aggregate(query) {
        return Err(refused("Aggregate functions and GROUP BY are not supported"));
    }
    if query.offset.is_some() {
        return Err(refused("OFFSET is not supported"));
    }
    for item in &query.select {
        match item {
            SelectItem::Expr(..) => {}
            SelectItem::Count(_) => {
                return Err(refused("Aggregate functions and GROUP BY are not supported"));
            }
            SelectItem::Fields(..) => return Err(refused("The FIELDS function is not supported")),
            SelectItem::Query(_) => return Err(refused("Aggregate Relationship not supported")),
            SelectItem::TypeOf(_) => return Err(refused("TYPEOF is not supported")),
        }
    }
    Ok(())
}

impl Table {
    fn add(&mut self, shape: &Shape, prefix: &str, parent: Option<usize>) -> Result<(), SalesforceError> {
        for item in &shape.items {
            let name = format!("{prefix}{}", member(item.key()));
            match item {
                Item::Value { column, wire, .. } => {
                    self.names.push(name);
                    self.cells.push(Cell { column: *column, wire: wire.clone(), parent });
                }
                Item::Parent { shape, .. } => self.add(shape, &format!("{name}."), Some(shape.id))?,
                Item::Compound { .. } => return Err(refused("Selecting compound data not supported")),
                Item::Blob { .. } => return Err(refused("Binary field not supported")),
                Item::TypeOf { .. } | Item::Children { .. } => {
                    return Err(refused("Aggregate Relationship not supported"));
                }
            }
        }
        Ok(())
    }
}

/// The name in a key that is written as `"Name":`.
fn member(key: &[u8]) -> String {
    let text = key.strip_suffix(b":").unwrap_or(key);
    serde_json::from_slice(text).unwrap_or_default()
}

impl Prepared {
    /// The same query with times as milliseconds since 1970, which is how the older bulk resource writes them in JSON.
    pub(crate) fn with_epoch_times(self) -> Self {
        let Plan::Rows(plan) = &self.plan else { return self };
        let mut shape = plan.shape.clone();
        count_milliseconds(&mut shape);
        let plan = RowPlan {
            ids: plan.ids.clone(),
            columns: plan.columns.clone(),
            shape,
            children: plan.children.clone(),
        };
        Self { plan: Plan::Rows(Arc::new(plan)), object: self.object }
    }
}

fn count_milliseconds(shape: &mut Shape) {
    for item in &mut shape.items {
        match item {
            Item::Value { wire, .. } if *wire == Wire::DateTime => *wire = Wire::Integer,
            Item::Parent { shape, .. } => count_milliseconds(shape),
            _ => {}
        }
    }
}

/// Reads rows of a table.
pub(crate) struct TableRows<'c> {
    table: &'c Table,
    statement: CachedStatement<'c>,
    scratch: Vec<u8>,
}

impl<'c> TableRows<'c> {
    pub(crate) fn new(conn: &'c Connection, table: &'c Table) -> Result<Self, SalesforceError> {
        let statement = conn.prepare_cached(&table.plan.columns).map_err(storage)?;
        Ok(Self { table, statement, scratch: Vec::new() })
    }

    /// Writes a row as CSV without a line ending, every value in quotes; false when the row is gone.
    pub(crate) fn csv(
        &mut self,
        row: i64,
        delimiter: u8,
        out: &mut Vec<u8>,
    ) -> Result<bool, SalesforceError> {
        self.cells(row, |index, value| {
            if index > 0 {
                out.push(delimiter);
            }
            quote(value.unwrap_or_default(), out);
        })
    }

    /// Gives the values of a row in the order of the columns, null as none; false when the row is gone.
    pub(crate) fn cells(
        &mut self,
        row: i64,
        mut take: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<bool, SalesforceError> {
        let Self { table, statement, scratch } = self;
        let mut rows = statement.query([row]).map_err(storage)?;
        let Some(row) = rows.next().map_err(storage)? else { return Ok(false) };
        for (index, cell) in table.cells.iter().enumerate() {
            let absent = match cell.parent {
                Some(parent) => row.get_ref(parent).map_err(storage)? == ValueRef::Null,
                None => false,
            };
            let value = if absent { ValueRef::Null } else { row.get_ref(cell.column).map_err(storage)? };
            scratch.clear();
            let present = plain(&cell.wire, value, scratch);
            take(index, present.then_some(scratch.as_slice()));
        }
        Ok(true)
    }
}

/// Writes a value in quotes, quotes inside it doubled.
pub(crate) fn quote(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| *byte == b'"') {
        let (before, after) = rest.split_at(at + 1);
        out.extend_from_slice(before);
        out.push(b'"');
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Writes a value as plain text; false when there is none.
fn plain(wire: &Wire, value: ValueRef<'_>, out: &mut Vec<u8>) -> bool {
    match (wire, value) {
        (Wire::Boolean, _) => wire.write(value, out),
        (_, ValueRef::Null) => return false,
        (Wire::Label(_) | Wire::Formatted(..), _) => {
            wire.write(value, out);
            let text: String = serde_json::from_slice(out).unwrap_or_default();
            out.clear();
            out.extend_from_slice(text.as_bytes());
        }
        (Wire::Decimal(scale), ValueRef::Integer(n)) => double(n, *scale, out),
        (Wire::DateTime, ValueRef::Integer(_)) => {
            wire.write(value, out);
            // "2026-11-22T10:11:12.000+0000" without quotes, and with Z for the offset.
            let text: Vec<u8> = out.iter().copied().skip(1).take_while(|byte| *byte != b'+').collect();
            out.clear();
            out.extend_from_slice(&text);
            out.push(b'Z');
        }
        (Wire::Time, ValueRef::Integer(_)) => {
            wire.write(value, out);
            out.pop();
            if !out.is_empty() {
                out.remove(0);
            }
        }
        (_, ValueRef::Text(text)) => out.extend_from_slice(text),
        _ => wire.write(value, out),
    }
    true
}

/// A number as Java writes doubles, which is how they stand in CSV: from ten million on and below a thousandth with an
/// exponent, `1.6147805824397E13`. All digits are kept.
fn double(n: i64, scale: u8, out: &mut Vec<u8>) {
    let digits = n.unsigned_abs().to_string();
    // The value is 0.digits times ten to this power.
    let power = i64::try_from(digits.len()).unwrap_or(i64::MAX) - i64::from(scale);
    if n == 0 || (-2..=7).contains(&power) {
        return wire::decimal(n, scale, out);
    }
    if n < 0 {
        out.push(b'-');
    }
    let (first, rest) = digits.split_at(1);
    let rest = rest.trim_end_matches('0');
    let fraction = if rest.is_empty() { "0" } else { rest };
    out.extend_from_slice(format!("{first}.{fraction}E{}", power - 1).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    fn written(n: i64, scale: u8) -> String {
        let mut out = Vec::new();
        double(n, scale, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn large_and_tiny_numbers_have_exponents() {
        for (n, scale, text) in [
            (16_147_805_824_397, 0, "1.6147805824397E13"),
            (8_000_000_000, 2, "8.0E7"),
            (9_999_999, 0, "9999999.0"),
            (1, 3, "0.001"),
            (-12, 5, "-1.2E-4"),
            (0, 2, "0.0"),
            (150, 2, "1.5"),
        ] {
            assert_eq!(written(n, scale), text);
        }
    }

    proptest! {
        #[test]
        fn numbers_keep_every_digit(n in any::<i64>(), scale in 0u8..=9) {
            let text = written(n, scale);
            let back = Decimal::from_scientific(&text).or_else(|_| text.parse()).expect("a number");
            prop_assert_eq!(back, Decimal::from_i128_with_scale(n.into(), scale.into()));
        }

        #[test]
        fn quoted_text_reads_back(text in "[a\",\r\n;' -]{0,20}") {
            let mut line = Vec::new();
            quote(text.as_bytes(), &mut line);
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_slice());
            let record = reader.records().next().expect("a record").expect("CSV");
            prop_assert_eq!(record.get(0), Some(text.as_str()));
        }
    }
}
