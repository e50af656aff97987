//! The answer of the query resources: a page of records, and where the next one is.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

use super::locator::{Cursor, Locators, RowIds, invalid};
use super::plan::RowPlan;
use super::render::{ChildPages, Renderer};
use super::{Found, Prepared, wire};
use crate::SalesforceError;

/// Bounds of `Sforce-Query-Options: batchSize`; the upper one is the default.
const BATCH: std::ops::RangeInclusive<usize> = 200..=2_000;

/// Children that are written into one parent before they get a locator of their own.
const CHILD_BATCH: usize = 200;

/// How a page is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageOptions<'a> {
    /// API version of the request, such as `66.0`.
    pub(crate) version: &'a str,
    /// `batchSize` of the request, if it has one.
    pub(crate) batch_size: Option<usize>,
    /// A page ends before it grows beyond this, though it holds one record at least.
    pub(crate) max_page_bytes: Option<usize>,
    /// Id of the user; locators belong to users.
    pub(crate) user: &'a str,
    /// The org's clock.
    pub(crate) now: Timestamp,
}

/// Runs a query and writes its first page.
pub(crate) fn query(
    conn: &Connection,
    prepared: &Prepared,
    locators: &Locators,
    options: &PageOptions<'_>,
) -> Result<Vec<u8>, SalesforceError> {
    let rows = match prepared.materialise(conn)? {
        Found::Count(count) => {
            return Ok(format!("{{\"totalSize\":{count},\"done\":true,\"records\":[]}}").into_bytes());
        }
        Found::Aggregate(count, records) => return Ok(body(count, None, &records)),
        Found::Rows(rows) => rows,
    };
    let Some(plan) = prepared.rows() else { return Ok(body(0, None, &[])) };
    let batch_size = clamp(options.batch_size.unwrap_or(*BATCH.end()));
    let page = page(conn, plan, &rows, 0, batch_size, locators, options)?;
    let total = rows.len();
    let next = (page.end < total).then(|| {
        let cursor = Cursor { plan: Arc::clone(plan), rows, batch_size };
        locators.open(options.user, cursor, false, options.now)
    });
    Ok(body(total, next.map(|id| url(options, &id, page.end)), &page.records))
}

/// Writes the page that a locator stands for.
pub(crate) fn query_more(
    conn: &Connection,
    locator: &str,
    locators: &Locators,
    options: &PageOptions<'_>,
) -> Result<Vec<u8>, SalesforceError> {
    let (id, cursor, offset) = locators.page(options.user, locator, options.now)?;
    let batch_size = options.batch_size.map_or(cursor.batch_size, clamp);
    let page = page(conn, &cursor.plan, &cursor.rows, offset, batch_size, locators, options)
        // A field that it shows was deleted since: the place leads nowhere any more.
        .map_err(|error| if error.code == "INVALID_FIELD" { invalid() } else { error })?;
    let total = cursor.rows.len();
    let next = (page.end < total).then(|| url(options, &id, page.end));
    Ok(body(total, next, &page.records))
}

struct Page {
    records: Vec<u8>,
    /// Number of the first row of the next page.
    end: usize,
}

fn page(
    conn: &Connection,
    plan: &RowPlan,
    rows: &RowIds,
    offset: usize,
    size: usize,
    locators: &Locators,
    options: &PageOptions<'_>,
) -> Result<Page, SalesforceError> {
    let children = ChildPages { locators, user: options.user, now: options.now, size: CHILD_BATCH };
    let mut renderer = Renderer::new(conn, plan, options.version, Some(children))?;
    let most = options.max_page_bytes.unwrap_or(usize::MAX);
    let mut records = Vec::new();
    let mut at = offset;
    while let Some(row) = rows.get(at).filter(|_| at - offset < size) {
        let start = records.len();
        if start > 0 {
            records.push(b',');
        }
        if !renderer.record(row, &mut records)? {
            records.truncate(start);
        } else if start > 0 && records.len() > most {
            records.truncate(start);
            break;
        }
        at += 1;
    }
    Ok(Page { records, end: at })
}

fn clamp(batch_size: usize) -> usize {
    batch_size.clamp(*BATCH.start(), *BATCH.end())
}

fn url(options: &PageOptions<'_>, id: &str, offset: usize) -> String {
    format!("/services/data/v{}/query/{id}-{offset}", options.version)
}

fn body(total: usize, next: Option<String>, records: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(records.len() + 128);
    out.extend_from_slice(format!("{{\"totalSize\":{total},\"done\":{}", next.is_none()).as_bytes());
    if let Some(next) = next {
        out.extend_from_slice(b",\"nextRecordsUrl\":");
        wire::string(&next, &mut out);
    }
    out.extend_from_slice(b",\"records\":[");
    out.extend_from_slice(records);
    out.extend_from_slice(b"]}");
    out
}
