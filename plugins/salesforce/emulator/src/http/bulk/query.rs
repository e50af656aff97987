//! `/jobs/query`: a query whose rows are found once, kept as they were then, and fetched page by page.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::format::Format;
use super::job::{Job, NewJob, Operation, State};
use super::spool::{Spool, SpoolWriter};
use super::{poll_or_delete, run};
use crate::error::SalesforceError;
use crate::http::Server;
use crate::http::call::Call;
use crate::http::message::{Answer, ApiResponse, CSV};
use crate::query::{self as engine, Found, Table, TableRows, UserContext};

/// Rows that are read between two looks at whether the job was aborted.
const CHUNK: usize = 1_000;
/// Pages that `resultPages` names at a time.
const PAGES_AT_ONCE: usize = 5;
/// The version since which there is `resultPages`.
const PAGES_SINCE: u16 = 58;
/// Objects of this schema that the bulk resources do not read.
pub(super) const UNSUPPORTED: [&str; 7] =
    ["CaseStatus", "EventWhoRelation", "LeadStatus", "Name", "TaskPriority", "TaskStatus", "TaskWhoRelation"];

/// `/jobs/query` and what is below it.
pub(super) fn answer(call: &Call<'_>, path: &[&str]) -> Answer {
    let bulk = &call.server.bulk;
    match path {
        [] => {
            call.allow(&["GET", "HEAD", "POST"])?;
            if call.method() == "POST" {
                create(call)
            } else {
                Ok(ApiResponse::json(200, &bulk.list(call, true)))
            }
        }
        [id] => {
            let job = bulk.job(id, true)?;
            call.allow(&["DELETE", "GET", "HEAD", "PATCH"])?;
            if call.method() == "PATCH" { abort(call, &job) } else { poll_or_delete(call, &job) }
        }
        [id, "results"] => {
            call.allow(&["GET", "HEAD"])?;
            results(call, &*bulk.job(id, true)?)
        }
        [id, "resultPages"] if call.version >= PAGES_SINCE => {
            call.allow(&["GET", "HEAD"])?;
            pages(call, &*bulk.job(id, true)?)
        }
        _ => Err(SalesforceError::no_such_resource()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    operation: String,
    query: String,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    column_delimiter: Option<String>,
    #[serde(default)]
    line_ending: Option<String>,
}

fn create(call: &Call<'_>) -> Answer {
    let request: Create = call.body()?;
    let server = call.server;
    let now = server.org.clock.now();
    let operation =
        Operation::named(&request.operation).filter(|operation| operation.is_query()).ok_or_else(|| {
            SalesforceError::new(
                400,
                "API_ERROR",
                format!("Unsupported operation for query jobs: {}", request.operation),
            )
        })?;
    check_content_type(request.content_type.as_deref())?;
    let format = Format::read(request.column_delimiter.as_deref(), request.line_ending.as_deref())?;
    let (object, _) =
        prepare(server, &request.query, operation, &call.session.user_id).map_err(as_api_error)?;
    if UNSUPPORTED.contains(&object.as_str()) {
        return Err(unsupported(&object));
    }
    server.bulk.check_query_volume(now)?;
    server.bulk.take_query_job(now)?;
    let job = server.bulk.add(
        NewJob {
            operation,
            object,
            soql: request.query,
            external_id: None,
            format,
            version: call.version,
            user: call.session.user_id.clone(),
            fate: call.plan.job.clone(),
        },
        now,
    );
    let body = job.created();
    run::start(server, &job);
    Ok(ApiResponse::json(200, &body))
}

/// Bulk 2.0 knows CSV alone.
pub(super) fn check_content_type(given: Option<&str>) -> Result<(), SalesforceError> {
    match given {
        Some(other) if !other.eq_ignore_ascii_case("CSV") => {
            Err(SalesforceError::new(400, "API_ERROR", format!("Unsupported content type: {other}")))
        }
        _ => Ok(()),
    }
}

/// The answer for objects that only the other resources read and write.
pub(super) fn unsupported(object: &str) -> SalesforceError {
    SalesforceError::new(400, "INVALIDENTITY", format!("Entity '{object}' is not supported by the Bulk API."))
}

/// Errors of a query carry one code here.
fn as_api_error(error: SalesforceError) -> SalesforceError {
    SalesforceError { status: 400, code: "API_ERROR".to_owned(), ..error }
}

/// The object of a query and its table.
fn prepare(
    server: &Server,
    soql: &str,
    operation: Operation,
    user: &str,
) -> Result<(String, Prepared), SalesforceError> {
    let org = &server.org;
    let user = UserContext { user_id: user.to_owned() };
    let all_rows = operation == Operation::QueryAll;
    let (query, table) =
        engine::prepare_table(&org.schema(), &org.visibility(), soql, all_rows, org.clock.now(), &user)?;
    Ok((query.object().to_owned(), Prepared { query, table }))
}

struct Prepared {
    query: engine::Prepared,
    table: Table,
}

/// Finds the rows of a job and keeps them. An error is what the job ends with.
pub(super) fn run(server: &Server, job: &Job, begun: Instant) -> Result<(), String> {
    let sentence = |error: SalesforceError| {
        format!("InvalidBatch : Failed to process query: {}: {}", error.code, error.message)
    };
    let (_, prepared) = prepare(server, &job.soql, job.operation, &job.user).map_err(sentence)?;
    let Some(results) = collect(server, job, &prepared, begun).map_err(sentence)? else { return Ok(()) };
    let now = server.org.clock.now();
    job.change(now, |progress| {
        progress.processed = results.len() as u64;
        progress.processing = begun.elapsed();
        progress.results = Some(results);
        progress.state = State::JobComplete;
    });
    Ok(())
}

/// Writes the rows to a file; none when the job was aborted meanwhile.
fn collect(
    server: &Server,
    job: &Job,
    prepared: &Prepared,
    begun: Instant,
) -> Result<Option<Spool>, SalesforceError> {
    let Prepared { query, table } = prepared;
    let names = table.names.iter().map(String::as_bytes);
    let mut writer = SpoolWriter::create(server.bulk.directory()?, job.format.line(names))?;
    let Found::Rows(rows) = server.org.db.read(|conn| query.materialise(conn))? else {
        return Err(SalesforceError::internal("a query for a table gave no rows"));
    };
    let mut line = Vec::new();
    for start in (0..rows.len()).step_by(CHUNK) {
        server.org.db.read(|conn| {
            let mut reader = TableRows::new(conn, table)?;
            for row in (start..rows.len().min(start + CHUNK)).filter_map(|at| rows.get(at)) {
                line.clear();
                if reader.csv(row, job.format.delimiter_byte(), &mut line)? {
                    line.extend_from_slice(job.format.ending());
                    writer.push(&line)?;
                }
            }
            Ok(())
        })?;
        let alive = job.change(server.org.clock.now(), |progress| {
            progress.processed = (start + CHUNK).min(rows.len()) as u64;
            progress.processing = begun.elapsed();
        });
        if !alive {
            return Ok(None);
        }
    }
    server.bulk.note_query_volume(writer.bytes(), server.org.clock.now());
    writer.finish().map(Some)
}

#[derive(Deserialize)]
struct Change {
    state: String,
}

fn abort(call: &Call<'_>, job: &Job) -> Answer {
    let change: Change = call.body()?;
    if change.state != "Aborted" {
        let message = format!("The state of a query job can only be set to Aborted, not to {}", change.state);
        return Err(SalesforceError::new(400, "INVALIDJOBSTATE", message));
    }
    job.abort(call.server.org.clock.now())?;
    Ok(ApiResponse::json(200, &job.created()))
}

/// The results of a job that is complete.
fn complete(call: &Call<'_>, job: &Job) -> Result<Spool, SalesforceError> {
    if call.version != job.version {
        let message = format!(
            "The results of job {} must be fetched with the API version that created it, {}.0",
            job.id, job.version
        );
        return Err(SalesforceError::new(409, "API_ERROR", message));
    }
    let progress = job.progress();
    let results = progress.results.filter(|_| progress.state == State::JobComplete);
    results.ok_or_else(|| job.wrong_state("Results are there when the job is complete"))
}

/// A page: from which record on, and how many where that is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Locator {
    start: usize,
    count: Option<usize>,
}

impl Locator {
    fn text(self) -> String {
        let plain = match self.count {
            Some(count) => format!("{}.{count}", self.start),
            None => self.start.to_string(),
        };
        URL_SAFE_NO_PAD.encode(plain)
    }

    fn read(text: &str, len: usize) -> Result<Self, SalesforceError> {
        let plain = URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let parsed = plain.and_then(|plain| match plain.split_once('.') {
            Some((start, count)) => {
                Some(Self { start: start.parse().ok()?, count: Some(count.parse().ok()?) })
            }
            None => Some(Self { start: plain.parse().ok()?, count: None }),
        });
        let fits = |locator: &Self| locator.start < len && locator.count != Some(0);
        parsed
            .filter(fits)
            .ok_or_else(|| SalesforceError::new(400, "API_ERROR", format!("Invalid query locator: {text}")))
    }
}

/// A positive number of records from a parameter.
fn max_records(call: &Call<'_>) -> Result<Option<usize>, SalesforceError> {
    let Some(text) = call.request.param("maxRecords") else { return Ok(None) };
    let number = text.parse().ok().filter(|number| *number > 0);
    let wrong = || {
        SalesforceError::new(400, "API_ERROR", format!("maxRecords must be a positive number, not {text}"))
    };
    number.map(Some).ok_or_else(wrong)
}

fn results(call: &Call<'_>, job: &Job) -> Answer {
    let spool = complete(call, job)?;
    let locator = match call.request.param("locator") {
        Some(text) => Locator::read(text, spool.len())?,
        None => Locator { start: 0, count: None },
    };
    let wanted =
        max_records(call)?.or(locator.count).unwrap_or(call.server.bulk.settings().page_records.max(1));
    let end = locator.start.saturating_add(wanted).min(spool.len());
    let next = if end < spool.len() {
        Locator { start: end, count: locator.count }.text()
    } else {
        "null".to_owned()
    };
    // A fault may leave rows out that the header still counts.
    let lost = usize::try_from(call.plan.lost_rows).unwrap_or(usize::MAX);
    let sent = end.saturating_sub(lost).max(locator.start);
    let mut response = ApiResponse::file(CSV, spool.part(locator.start..sent))
        .with_header("sforce-numberofrecords", (end - locator.start).to_string());
    if !call.plan.no_locator {
        response = response.with_header("sforce-locator", next);
    }
    Ok(response)
}

/// Where up to five pages are, to be fetched in any order or at once.
fn pages(call: &Call<'_>, job: &Job) -> Answer {
    let spool = complete(call, job)?;
    let size = max_records(call)?.unwrap_or(call.server.bulk.settings().page_records.max(1));
    let (start, size) = match call.request.param("locator") {
        Some(text) => {
            let locator = Locator::read(text, spool.len())?;
            (locator.start, locator.count.unwrap_or(size))
        }
        None => (0, size),
    };
    let base = format!("{}/jobs/query/{}", call.base(), job.id);
    let page = |start: usize| Locator { start, count: Some(size) }.text();
    let starts: Vec<usize> = (0..PAGES_AT_ONCE)
        .filter_map(|n| start.checked_add(size.checked_mul(n)?))
        .take_while(|at| *at < spool.len())
        .collect();
    let mut urls: Vec<Value> = starts
        .iter()
        .map(|start| json!({ "resultUrl": format!("{base}/results?locator={}", page(*start)) }))
        .collect();
    if call.plan.lost_page {
        urls.pop();
    }
    let next = starts.last().and_then(|last| last.checked_add(size)).filter(|next| *next < spool.len());
    let mut body = json!({ "resultPages": urls, "done": next.is_none() });
    if let Some(next) = next {
        body["nextRecordsUrl"] = json!(format!("{base}/resultPages?locator={}", page(next)));
    }
    Ok(ApiResponse::json(200, &body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn locators_read_back_and_stay_within_the_results(start in 0usize..100, count in proptest::option::of(0usize..50), len in 0usize..100) {
            let locator = Locator { start, count };
            match Locator::read(&locator.text(), len) {
                Ok(read) => prop_assert_eq!(read, locator),
                Err(error) => {
                    prop_assert_eq!(error.status, 400);
                    prop_assert!(start >= len || count == Some(0));
                }
            }
        }

        #[test]
        fn any_text_is_a_locator_or_an_error(text in ".{0,12}") {
            if let Ok(locator) = Locator::read(&text, 10) {
                prop_assert!(locator.start < 10);
            }
        }
    }
}
