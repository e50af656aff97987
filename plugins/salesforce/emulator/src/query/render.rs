//! Rows to JSON, one statement per table and one pass per row.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{CachedStatement, Connection, Row, Statement, params_from_iter};

use super::aggregate::{AggregatePlan, Form};
use super::locator::{Cursor, Locators, RowIds};
use super::plan::RowPlan;
use super::shape::{Entity, Item, Shape};
use super::sql::Sql;
use super::{storage, wire};
use crate::SalesforceError;

/// Most rows that a query with aggregates may give: there is no second page.
const MAX_AGGREGATES: usize = 2_000;

/// Where long child lists are continued.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChildPages<'a> {
    pub(super) locators: &'a Locators,
    pub(super) user: &'a str,
    pub(super) now: Timestamp,
    /// Children of one parent that are written at once.
    pub(super) size: usize,
}

/// Writes records of one plan.
pub(super) struct Renderer<'c> {
    plan: &'c RowPlan,
    statement: CachedStatement<'c>,
    children: Vec<Renderer<'c>>,
    conn: &'c Connection,
    context: Context<'c>,
}

#[derive(Clone, Copy)]
struct Context<'c> {
    version: &'c str,
    pages: Option<ChildPages<'c>>,
}

impl<'c> Renderer<'c> {
    pub(super) fn new(
        conn: &'c Connection,
        plan: &'c RowPlan,
        version: &'c str,
        pages: Option<ChildPages<'c>>,
    ) -> Result<Self, SalesforceError> {
        let statement = conn.prepare_cached(&plan.columns).map_err(storage)?;
        let children: Result<Vec<Self>, _> =
            plan.children.iter().map(|child| Self::new(conn, child, version, pages)).collect();
        Ok(Self { plan, statement, children: children?, conn, context: Context { version, pages } })
    }

    /// Writes the record in this row; false when the row is gone.
    pub(super) fn record(&mut self, row: i64, out: &mut Vec<u8>) -> Result<bool, SalesforceError> {
        let Self { plan, statement, children, conn, context } = self;
        let mut rows = statement.query([row]).map_err(storage)?;
        let Some(row) = rows.next().map_err(storage)? else { return Ok(false) };
        let mut writer = Writer { row, plan, children, conn, context: *context };
        writer.shape(&plan.shape, out)?;
        Ok(true)
    }
}

struct Writer<'w, 'c> {
    row: &'w Row<'w>,
    plan: &'c RowPlan,
    children: &'w mut [Renderer<'c>],
    conn: &'c Connection,
    context: Context<'c>,
}

impl Writer<'_, '_> {
    fn value(&self, column: usize) -> Result<ValueRef<'_>, SalesforceError> {
        self.row.get_ref(column).map_err(storage)
    }

    /// The text of an id column; empty when null.
    fn id(&self, column: usize) -> Result<&str, SalesforceError> {
        Ok(match self.value(column)? {
            ValueRef::Text(id) => std::str::from_utf8(id).unwrap_or_default(),
            _ => "",
        })
    }

    fn shape(&mut self, shape: &Shape, out: &mut Vec<u8>) -> Result<(), SalesforceError> {
        self.attributes(shape, out)?;
        for item in &shape.items {
            out.push(b',');
            out.extend_from_slice(item.key());
            self.item(item, shape, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// `{"attributes":{"type":"Contact","url":"/services/data/v66.0/sobjects/Contact/003.."}`
    fn attributes(&self, shape: &Shape, out: &mut Vec<u8>) -> Result<(), SalesforceError> {
        let id = self.id(shape.id)?;
        let (kind, object) = match &shape.kind {
            Entity::Object(name) => (name.as_str(), name.as_str()),
            Entity::Name(targets) => {
                let target = targets.iter().find(|(prefix, _)| id.starts_with(prefix.as_str()));
                ("Name", target.map_or("Name", |(_, name)| name))
            }
        };
        for part in [
            "{\"attributes\":{\"type\":\"",
            kind,
            "\",\"url\":\"/services/data/v",
            self.context.version,
            "/sobjects/",
            object,
            "/",
            id,
            "\"}",
        ] {
            out.extend_from_slice(part.as_bytes());
        }
        Ok(())
    }

    fn item(&mut self, item: &Item, within: &Shape, out: &mut Vec<u8>) -> Result<(), SalesforceError> {
        match item {
            Item::Value { column, wire, .. } => wire.write(self.value(*column)?, out),
            Item::Blob { column, path: (object, field), .. } => {
                if matches!(self.value(*column)?, ValueRef::Integer(1)) {
                    let (version, id) = (self.context.version, self.id(within.id)?);
                    let url = format!("/services/data/v{version}/sobjects/{object}/{id}/{field}");
                    wire::string(&url, out);
                } else {
                    out.extend_from_slice(b"null");
                }
            }
            Item::Compound { parts, .. } => self.compound(parts, out)?,
            Item::Parent { shape, .. } => {
                if self.id(shape.id)?.is_empty() {
                    out.extend_from_slice(b"null");
                } else {
                    self.shape(shape, out)?;
                }
            }
            Item::TypeOf { id, branches, otherwise, .. } => {
                let id = self.id(*id)?;
                let branch = branches.iter().find(|(prefix, _)| id.starts_with(prefix.as_str()));
                match branch {
                    _ if id.is_empty() => out.extend_from_slice(b"null"),
                    Some((_, shape)) => self.shape(shape, out)?,
                    None => self.shape(otherwise, out)?,
                }
            }
            Item::Children { child, .. } => self.children(*child, within, out)?,
        }
        Ok(())
    }

    fn compound(
        &self,
        parts: &[(Vec<u8>, usize, wire::Wire)],
        out: &mut Vec<u8>,
    ) -> Result<(), SalesforceError> {
        let start = out.len();
        let mut empty = true;
        out.push(b'{');
        for (index, (key, column, wire)) in parts.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key);
            let value = self.value(*column)?;
            empty &= value == ValueRef::Null;
            wire.write(value, out);
        }
        out.push(b'}');
        if empty {
            out.truncate(start);
            out.extend_from_slice(b"null");
        }
        Ok(())
    }

    fn children(&mut self, child: usize, within: &Shape, out: &mut Vec<u8>) -> Result<(), SalesforceError> {
        let parent = self.id(within.id)?.to_owned();
        let plan = self.plan.children.get(child);
        let (Some(plan), Some(renderer)) = (plan, self.children.get_mut(child)) else { return Ok(()) };
        let rows = find(self.conn, plan, Some(&parent))?;
        if rows.len() == 0 {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        let total = rows.len();
        let size = self.context.pages.map_or(total, |pages| pages.size.max(1));
        out.extend_from_slice(format!("{{\"totalSize\":{total},\"done\":{}", total <= size).as_bytes());
        let mut records = Vec::new();
        for row in (0..size.min(total)).filter_map(|index| rows.get(index)) {
            let start = records.len();
            if start > 0 {
                records.push(b',');
            }
            if !renderer.record(row, &mut records)? {
                records.truncate(start);
            }
        }
        if let Some(pages) = self.context.pages.filter(|_| total > size) {
            let cursor = Cursor { plan: Arc::clone(plan), rows, batch_size: size };
            let id = pages.locators.open(pages.user, cursor, true, pages.now);
            out.extend_from_slice(b",\"nextRecordsUrl\":");
            wire::string(&format!("/services/data/v{}/query/{id}-{size}", self.context.version), out);
        }
        out.extend_from_slice(b",\"records\":[");
        out.extend_from_slice(&records);
        out.extend_from_slice(b"]}");
        Ok(())
    }
}

/// Runs the statement that finds rows; children are found by their parent's id.
pub(super) fn find(
    conn: &Connection,
    plan: &RowPlan,
    parent: Option<&str>,
) -> Result<RowIds, SalesforceError> {
    plan.ids.with_statement(conn, |statement| {
        let parent = parent.map(|id| Stored::Text(id.to_owned()));
        let values = parent.iter().chain(&plan.ids.values);
        let mut rows = statement.query(params_from_iter(values)).map_err(storage)?;
        let mut ids = RowIds::new();
        while let Some(row) = rows.next().map_err(storage)? {
            ids.push(row.get(0).map_err(storage)?);
        }
        ids.shrink();
        Ok(ids)
    })
}

/// How many rows a statement gives.
pub(super) fn count(conn: &Connection, sql: &Sql) -> Result<u64, SalesforceError> {
    let text = format!("SELECT COUNT(*) FROM ({})", sql.text);
    let count: i64 =
        conn.query_row(&text, params_from_iter(&sql.values), |row| row.get(0)).map_err(storage)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Writes the rows of a query with aggregates and tells how many there are.
pub(super) fn aggregate(
    conn: &Connection,
    plan: &AggregatePlan,
    out: &mut Vec<u8>,
) -> Result<usize, SalesforceError> {
    plan.sql.with_statement(conn, |statement| write_aggregates(statement, plan, out))
}

fn write_aggregates(
    statement: &mut Statement<'_>,
    plan: &AggregatePlan,
    out: &mut Vec<u8>,
) -> Result<usize, SalesforceError> {
    let mut rows = statement.query(params_from_iter(&plan.sql.values)).map_err(storage)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(storage)? {
        if count == MAX_AGGREGATES {
            let message = "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch";
            return Err(SalesforceError::new(400, "EXCEEDED_ID_LIMIT", message));
        }
        if count > 0 {
            out.push(b',');
        }
        count += 1;
        out.extend_from_slice(b"{\"attributes\":{\"type\":\"AggregateResult\"}");
        let mut column = 0;
        for member in &plan.columns {
            out.push(b',');
            out.extend_from_slice(&member.key);
            let value = row.get_ref(column).map_err(storage)?;
            match &member.form {
                Form::Plain(wire) => {
                    wire.write(value, out);
                    column += 1;
                }
                Form::Average(scale) => {
                    match (value, row.get_ref(column + 1).map_err(storage)?) {
                        (ValueRef::Integer(sum), ValueRef::Integer(n)) => wire::average(sum, n, *scale, out),
                        _ => out.extend_from_slice(b"null"),
                    }
                    column += 2;
                }
            }
        }
        out.push(b'}');
    }
    Ok(count)
}
