//! `/query` and `/queryAll`, and the pages behind a locator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::call::Call;
use super::faults::garbled;
use super::message::{Answer, ApiRequest, ApiResponse};
use crate::error::SalesforceError;
use crate::org::lock;
use crate::query::{self as engine, PageOptions, UserContext};
use crate::schema::ObjectSchema;

/// Largest page: Salesforce shortens pages of wide rows as well.
const MAX_PAGE_BYTES: usize = 16 << 20;
/// Locators remembered by name.
const MAX_REMEMBERED: usize = 4_000;

/// The open locators, with what the emulator knows of them besides.
#[derive(Debug, Default)]
pub(crate) struct Locators {
    open: engine::Locators,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    objects: BTreeMap<String, String>,
    forgotten: BTreeSet<String>,
}

impl Locators {
    /// Makes a locator invalid.
    pub(crate) fn forget(&self, locator: &str) {
        let mut known = lock(&self.known);
        if known.forgotten.len() >= MAX_REMEMBERED {
            known.forgotten.clear();
        }
        known.forgotten.insert(id_of(locator).to_owned());
    }

    /// Changes how many locators a user may hold and how long they live.
    pub(crate) fn configure(&self, settings: engine::LocatorSettings) {
        self.open.configure(settings);
    }

    /// The object that the locator of this request is about.
    pub(crate) fn object_of(&self, request: &ApiRequest) -> Option<String> {
        let path: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let ["services", "data", _, "query" | "queryAll", locator] = path.as_slice() else { return None };
        lock(&self.known).objects.get(id_of(locator)).cloned()
    }

    fn is_forgotten(&self, locator: &str) -> bool {
        lock(&self.known).forgotten.contains(id_of(locator))
    }

    /// Remembers which object the locator in this page is about.
    fn note(&self, page: &[u8], object: &str) {
        let head = String::from_utf8_lossy(page.get(..page.len().min(200)).unwrap_or_default());
        let Some(url) = head.split("\"nextRecordsUrl\":\"").nth(1).and_then(|rest| rest.split('"').next())
        else {
            return;
        };
        let Some(locator) = url.rsplit('/').next() else { return };
        let mut known = lock(&self.known);
        if known.objects.len() >= MAX_REMEMBERED {
            known.objects.pop_first();
        }
        known.objects.insert(id_of(locator).to_owned(), object.to_owned());
    }
}

fn id_of(locator: &str) -> &str {
    locator.rsplit_once('-').map_or(locator, |(id, _)| id)
}

/// `GET /query?q=` and `GET /queryAll?q=`.
pub(crate) fn query(call: &Call<'_>, all_rows: bool) -> Answer {
    call.allow(&["GET", "HEAD"])?;
    if let Some(soql) = call.request.param("explain") {
        let plans = call.read(|conn| engine::explain(conn, &prepare(call, soql, all_rows)?))?;
        return Ok(ApiResponse::json(200, &plans));
    }
    let soql = call.request.param("q").filter(|soql| !soql.trim().is_empty());
    let soql = soql
        .ok_or_else(|| SalesforceError::new(400, "MALFORMED_QUERY", "A query string has to be specified"))?;
    if call.request.param("columns") == Some("true") {
        let org = &call.server.org;
        let user = UserContext { user_id: call.session.user_id.clone() };
        let body = engine::columns(&org.schema(), &org.visibility(), soql, org.clock.now(), &user)?;
        return Ok(ApiResponse::json(200, &body));
    }
    let prepared = prepare(call, soql, all_rows)?;
    let version = version(call);
    let page = call
        .read(|conn| engine::query(conn, &prepared, &call.server.locators.open, &options(call, &version)))?;
    call.server.locators.note(&page, prepared.object());
    Ok(ApiResponse::raw_json(200, spoilt(call, page)))
}

/// `GET /query/{locator}`; a query beside it is ignored.
pub(crate) fn more(call: &Call<'_>, locator: &str) -> Answer {
    call.allow(&["GET", "HEAD"])?;
    if call.server.locators.is_forgotten(locator) {
        return Err(SalesforceError::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator"));
    }
    let version = version(call);
    let page = call.read(|conn| {
        engine::query_more(conn, locator, &call.server.locators.open, &options(call, &version))
    })?;
    Ok(ApiResponse::raw_json(200, spoilt(call, page)))
}

/// The page, with another value in it when a fault says so.
fn spoilt(call: &Call<'_>, page: Vec<u8>) -> Vec<u8> {
    let Some((field, record, text)) = &call.plan.garbled else { return page };
    let other =
        std::str::from_utf8(&page).ok().and_then(|page| garbled(page, field, record.as_deref(), text));
    other.map_or(page, String::into_bytes)
}

/// One record with these fields, as JSON.
pub(crate) fn record(
    call: &Call<'_>,
    object: &ObjectSchema,
    id: &str,
    fields: &[String],
) -> Result<Option<Vec<u8>>, SalesforceError> {
    let soql = format!("SELECT {} FROM {} WHERE Id = '{id}'", fields.join(","), object.name);
    let prepared = prepare(call, &soql, true)?;
    call.read(|conn| {
        let engine::Found::Rows(rows) = prepared.materialise(conn)? else { return Ok(None) };
        let mut body = Vec::new();
        let first = rows.get(0).into_iter();
        let written = prepared.render(conn, first, &version(call), &mut body)?;
        Ok((written == 1).then_some(body))
    })
}

/// The children of a record, as a query answers.
pub(crate) fn children(
    call: &Call<'_>,
    child: &ObjectSchema,
    field: &str,
    id: &str,
    fields: &[String],
) -> Answer {
    let soql = format!("SELECT {} FROM {} WHERE {field} = '{id}'", fields.join(","), child.name);
    let prepared = prepare(call, &soql, false)?;
    let version = version(call);
    let page = call
        .read(|conn| engine::query(conn, &prepared, &call.server.locators.open, &options(call, &version)))?;
    Ok(ApiResponse::raw_json(200, page))
}

fn prepare(call: &Call<'_>, soql: &str, all_rows: bool) -> Result<engine::Prepared, SalesforceError> {
    let org = &call.server.org;
    let user = UserContext { user_id: call.session.user_id.clone() };
    engine::prepare(&org.schema(), &org.visibility(), soql, all_rows, org.clock.now(), &user)
}

fn version(call: &Call<'_>) -> String {
    format!("{}.0", call.version)
}

fn options<'o>(call: &'o Call<'_>, version: &'o str) -> PageOptions<'o> {
    let batch_size = call.request.header("sforce-query-options").and_then(|options| {
        let (_, size) = options
            .split(',')
            .filter_map(|option| option.split_once('='))
            .find(|(name, _)| name.trim() == "batchSize")?;
        size.trim().parse().ok()
    });
    PageOptions {
        version,
        batch_size,
        max_page_bytes: Some(call.plan.page_bytes.unwrap_or(MAX_PAGE_BYTES)),
        user: &call.session.user_id,
        now: call.server.org.clock.now(),
    }
}

/// The object that a query is FROM, without parsing it: for fault rules, which strike broken queries too.
pub(crate) fn object_of(soql: &str) -> Option<String> {
    let mut depth = 0i32;
    let mut words = soql.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
    let mut after_from = false;
    words.find_map(|piece| {
        let word = piece.trim_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
        let found =
            (after_from && depth == 0 && !word.is_empty()).then(|| word.trim_end_matches(',').to_owned());
        if !word.is_empty() {
            after_from = word.eq_ignore_ascii_case("from");
        }
        depth += match piece.chars().last() {
            Some('(') => 1,
            Some(')') => -1,
            _ => 0,
        };
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_of_a_query_is_that_of_its_outermost_from() {
        for (soql, object) in [
            ("SELECT Id FROM Contact", Some("Contact")),
            (
                "select Id,(select Id from Contacts) from Account where Id in (select AccountId from Lead)",
                Some("Account"),
            ),
            ("SELECT COUNT() FROM Lead LIMIT 1", Some("Lead")),
            ("SELEKT", None),
        ] {
            assert_eq!(object_of(soql).as_deref(), object, "{soql}");
        }
    }
}
