//! SOQL over the org's tables: names resolved against the schema, one SQLite statement per query, JSON written row by
//! row, and locators for the pages after the first.

mod aggregate;
mod condition;
mod dates;
pub(crate) mod ddl;
mod describe;
mod functions;
mod locator;
mod plan;
mod render;
mod resolve;
mod run;
mod select;
mod shape;
mod sql;
mod table;
mod value;
mod wire;

use std::cell::Cell;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, params_from_iter};

pub(crate) use describe::{columns, explain};
pub(crate) use functions::register_collation;
pub(crate) use locator::{LocatorSettings, Locators, RowIds};
pub(crate) use run::{PageOptions, query, query_more};
pub(crate) use table::{Table, TableRows, prepare_table, quote};

use crate::SalesforceError;
use crate::schema::{Schema, Visibility};
use plan::Plan;
use render::Renderer;
use resolve::Scope;

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserContext {
    /// The user's id in its 18-character form.
    pub(crate) user_id: String,
}

/// A query that has been parsed, checked and compiled. It does not borrow the schema and can be kept.
#[derive(Debug)]
pub(crate) struct Prepared {
    plan: Plan,
    object: String,
}

/// What a query found.
#[derive(Debug)]
pub(crate) enum Found {
    /// `SELECT COUNT()`: how many there are.
    Count(u64),
    /// Row numbers of the object's table, in order.
    Rows(RowIds),
    /// Aggregate rows, written already: how many and the elements of `records`.
    Aggregate(usize, Vec<u8>),
}

/// Parses and compiles a query. `all_rows` is `queryAll`: the recycle bin and the archive are included.
pub(crate) fn prepare(
    schema: &Schema,
    visibility: &Visibility,
    soql: &str,
    all_rows: bool,
    now: Timestamp,
    user: &UserContext,
) -> Result<Prepared, SalesforceError> {
    let query = crate::soql::parse(soql)?;
    let scope = Scope { schema, visibility, source: soql, all_rows, now, user, next_alias: Cell::new(0) };
    let (plan, object) = plan::compile(&scope, &query)?;
    Ok(Prepared { plan, object })
}

impl Prepared {
    /// API name of the queried object.
    pub(crate) fn object(&self) -> &str {
        &self.object
    }

    /// Finds the rows, or the whole answer of a query that counts or folds.
    pub(crate) fn materialise(&self, conn: &Connection) -> Result<Found, SalesforceError> {
        match &self.plan {
            Plan::Count(sql) => {
                let count: i64 = sql.with_statement(conn, |statement| {
                    statement.query_row(params_from_iter(&sql.values), |row| row.get(0)).map_err(storage)
                })?;
                Ok(Found::Count(u64::try_from(count).unwrap_or(0)))
            }
            Plan::Rows(plan) => render::find(conn, plan, None).map(Found::Rows),
            Plan::Aggregate(plan) => {
                let mut records = Vec::new();
                let count = render::aggregate(conn, plan, &mut records)?;
                Ok(Found::Aggregate(count, records))
            }
        }
    }

    /// Writes the elements of `records` for these rows, without brackets; rows that are gone are left out.
    /// Children are written whole. The answer is how many were written.
    pub(crate) fn render(
        &self,
        conn: &Connection,
        rows: impl IntoIterator<Item = i64>,
        version: &str,
        out: &mut Vec<u8>,
    ) -> Result<usize, SalesforceError> {
        let Plan::Rows(plan) = &self.plan else { return Ok(0) };
        let mut renderer = Renderer::new(conn, plan, version, None)?;
        let mut written = 0;
        for row in rows {
            let start = out.len();
            if written > 0 {
                out.push(b',');
            }
            if renderer.record(row, out)? {
                written += 1;
            } else {
                out.truncate(start);
            }
        }
        Ok(written)
    }

    /// How many rows the query finds now, its limit respected.
    pub(crate) fn count(&self, conn: &Connection) -> Result<u64, SalesforceError> {
        match &self.plan {
            Plan::Rows(plan) => render::count(conn, &plan.ids),
            Plan::Aggregate(plan) => render::count(conn, &plan.sql),
            Plan::Count(_) => match self.materialise(conn)? {
                Found::Count(count) => Ok(count),
                _ => Ok(0),
            },
        }
    }

    /// The most rows that the query can find: those of the object's table, deleted ones included. Costs no scan.
    pub(crate) fn estimate(&self, conn: &Connection) -> Result<u64, SalesforceError> {
        let sql = format!("SELECT IFNULL(MAX(\"_rowid\"), 0) FROM {}", ddl::quote(&self.object));
        let rows: i64 = conn.query_row(&sql, [], |row| row.get(0)).map_err(storage)?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    /// The plan of a query that gives records.
    fn rows(&self) -> Option<&Arc<plan::RowPlan>> {
        match &self.plan {
            Plan::Rows(plan) => Some(plan),
            _ => None,
        }
    }
}

/// A failure of the storage below a query.
#[expect(clippy::needless_pass_by_value, reason = "used as map_err(storage)")]
fn storage(error: rusqlite::Error) -> SalesforceError {
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) {
        return SalesforceError::new(400, "QUERY_TIMEOUT", "Your query request was running for too long.");
    }
    // A plan was checked against the schema when it was made: a column that is missing was deleted since.
    let message = error.to_string();
    if let Some(column) = message.strip_prefix("no such column: ") {
        let column = column.split_whitespace().next().and_then(|name| name.rsplit('.').next());
        let message = format!("No such column '{}'", column.unwrap_or_default());
        return SalesforceError::new(400, "INVALID_FIELD", message);
    }
    SalesforceError::new(
        500,
        "UNKNOWN_EXCEPTION",
        format!("An unexpected error occurred in the org's storage: {message}"),
    )
}

#[cfg(test)]
mod tests;
