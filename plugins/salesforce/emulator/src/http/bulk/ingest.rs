//! `/jobs/ingest`: records uploaded as CSV and changed in the background, with a result for each of them.

use std::io::{BufRead as _, BufReader};
use std::time::Instant;

use csv::{ReaderBuilder, StringRecord};
use serde::Deserialize;

use super::format::{Format, LineEnding};
use super::job::{Job, NewJob, Operation, State};
use super::load::{Change, Columns, Saved};
use super::query::{check_content_type, unsupported};
use super::spool::{Spool, SpoolWriter};
use super::{poll_or_delete, run};
use crate::error::SalesforceError;
use crate::http::Server;
use crate::http::call::Call;
use crate::http::message::{Answer, ApiResponse, CSV};
use crate::http::multipart;
use crate::org::dml::Context;

/// Records of one transaction.
const CHUNK: usize = 200;
/// Records of one of the batches that the daily limit counts.
const BATCH: u64 = 10_000;
/// Largest content of a job that is created and filled by one request.
const MAX_INLINE: usize = 100_000;

/// `/jobs/ingest` and what is below it.
pub(super) fn answer(call: &Call<'_>, path: &[&str]) -> Answer {
    let bulk = &call.server.bulk;
    match path {
        [] => {
            call.allow(&["GET", "HEAD", "POST"])?;
            if call.method() == "POST" {
                create(call)
            } else {
                Ok(ApiResponse::json(200, &bulk.list(call, false)))
            }
        }
        [id] => {
            let job = bulk.job(id, false)?;
            call.allow(&["DELETE", "GET", "HEAD", "PATCH"])?;
            if call.method() == "PATCH" { close(call, &job) } else { poll_or_delete(call, &job) }
        }
        [id, "batches"] => {
            call.allow(&["PUT"])?;
            upload(call, &*bulk.job(id, false)?)
        }
        [
            id,
            kind @ ("successfulResults" | "failedResults" | "unprocessedrecords" | "unprocessedRecords"),
        ] => {
            call.allow(&["GET", "HEAD"])?;
            results(call, &*bulk.job(id, false)?, kind)
        }
        _ => Err(SalesforceError::no_such_resource()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    object: String,
    operation: String,
    #[serde(default)]
    external_id_field_name: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    column_delimiter: Option<String>,
    #[serde(default)]
    line_ending: Option<String>,
}

fn create(call: &Call<'_>) -> Answer {
    let content_type = call.request.header("content-type").unwrap_or_default();
    let parts = multipart::parts(content_type, &call.request.body);
    let (request, content): (Create, Option<&[u8]>) = match &parts {
        None => (call.body()?, None),
        Some(parts) => {
            let part = |name: &str| parts.iter().find(|part| part.name == name).map(|part| part.content);
            let json = part("job").unwrap_or_default();
            let request = serde_json::from_slice(json).map_err(|error| {
                SalesforceError::new(400, "JSON_PARSER_ERROR", format!("the part named job: {error}"))
            })?;
            (request, Some(part("content").unwrap_or_default()))
        }
    };
    if content.is_some_and(|content| content.len() > MAX_INLINE) {
        let message = format!("The content of a multipart request can have at most {MAX_INLINE} characters");
        return Err(SalesforceError::new(400, "CLIENTINPUTERROR", message));
    }
    let server = call.server;
    let operation =
        Operation::named(&request.operation).filter(|operation| !operation.is_query()).ok_or_else(|| {
            SalesforceError::new(
                400,
                "API_ERROR",
                format!("Unsupported operation for ingest jobs: {}", request.operation),
            )
        })?;
    check_content_type(request.content_type.as_deref())?;
    let format = Format::read(request.column_delimiter.as_deref(), request.line_ending.as_deref())?;
    let schema = server.org.schema();
    let external_id = request.external_id_field_name.filter(|_| operation == Operation::Upsert);
    let change =
        Change::new(&schema, &server.org.visibility(), &request.object, operation, external_id.as_deref())?;
    if super::query::UNSUPPORTED.contains(&change.object.name.as_str()) {
        return Err(unsupported(&change.object.name));
    }
    let now = server.org.clock.now();
    let job = server.bulk.add(
        NewJob {
            operation,
            object: change.object.name.clone(),
            soql: String::new(),
            external_id,
            format,
            version: call.version,
            user: call.session.user_id.clone(),
            fate: call.plan.job.clone(),
        },
        now,
    );
    if let Some(content) = content {
        keep(server, &job, content)?;
        job.advance(State::Open, State::UploadComplete, now);
        run::start(server, &job);
    }
    Ok(ApiResponse::json(200, &job.created()))
}

fn upload(call: &Call<'_>, job: &Job) -> Answer {
    if job.state() != State::Open {
        return Err(job.wrong_state("Records can be uploaded to open jobs only"));
    }
    keep(call.server, job, &call.request.body)?;
    Ok(ApiResponse::empty(201))
}

fn keep(server: &Server, job: &Job, content: &[u8]) -> Result<(), SalesforceError> {
    if job.progress().upload.is_some() {
        let message = format!(
            "Found multiple contents for job: <{}>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new \
             Job and make sure you only do 'PUT' once on a given Job.",
            job.id
        );
        return Err(SalesforceError::new(400, "CLIENTINPUTERROR", message));
    }
    let spool = Spool::keep(server.bulk.directory()?, content)?;
    job.change(server.org.clock.now(), |progress| progress.upload = Some(spool));
    Ok(())
}

#[derive(Deserialize)]
struct Close {
    state: String,
}

fn close(call: &Call<'_>, job: &std::sync::Arc<Job>) -> Answer {
    let change: Close = call.body()?;
    let now = call.server.org.clock.now();
    match change.state.as_str() {
        "UploadComplete" => {
            if !job.advance(State::Open, State::UploadComplete, now) {
                return Err(job.wrong_state("Only open jobs can be closed"));
            }
            let body = job.brief();
            run::start(call.server, job);
            Ok(ApiResponse::json(200, &body))
        }
        "Aborted" => {
            job.abort(now)?;
            Ok(ApiResponse::json(200, &job.brief()))
        }
        other => {
            let message =
                format!("The state of an ingest job can be set to UploadComplete or Aborted, not to {other}");
            Err(SalesforceError::new(400, "INVALIDJOBSTATE", message))
        }
    }
}

/// The records of an upload.
struct Upload {
    reader: csv::Reader<BufReader<std::fs::File>>,
    /// The first line as it came, without its ending.
    header_line: Vec<u8>,
    header: StringRecord,
}

impl Upload {
    /// Opens what a job was given; the error is what the job ends with.
    fn open(spool: &Spool, format: Format) -> Result<Self, String> {
        let sentence = |error: SalesforceError| format!("InvalidBatch : {}", error.message);
        let broken = |error: std::io::Error| format!("ClientInputError : {error}");
        let mut header_line = Vec::new();
        BufReader::new(spool.open().map_err(sentence)?)
            .read_until(b'\n', &mut header_line)
            .map_err(broken)?;
        if header_line.last() == Some(&b'\n') {
            header_line.pop();
            let crlf = header_line.last() == Some(&b'\r');
            if crlf != (format.line_ending == LineEnding::CrLf) {
                return Err(format!(
                    "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {}",
                    format.ending_name()
                ));
            }
            if crlf {
                header_line.pop();
            }
        }
        let mut reader = ReaderBuilder::new()
            .delimiter(format.delimiter_byte())
            .has_headers(true)
            .flexible(true)
            .from_reader(BufReader::with_capacity(128 << 10, spool.open().map_err(sentence)?));
        let header = reader.headers().map_err(|error| format!("InvalidBatch : {error}"))?.clone();
        if let Some(rest) = header_line.strip_prefix(b"\xef\xbb\xbf") {
            header_line = rest.to_vec();
        }
        Ok(Self { reader, header_line, header })
    }

    /// Up to so many records; a record that is no CSV ends the job.
    fn chunk(&mut self, count: usize) -> Result<Vec<StringRecord>, String> {
        self.reader
            .records()
            .take(count)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("InvalidBatch : {error}"))
    }
}

/// Changes the records of a job. An error is what the job ends with.
pub(super) fn run(server: &Server, job: &Job, begun: Instant) -> Result<(), String> {
    let now = || server.org.clock.now();
    let Some(spool) = job.progress().upload else {
        job.change(now(), |progress| progress.state = State::JobComplete);
        return Ok(());
    };
    let mut upload = Upload::open(&spool, job.format)?;
    let sentence = |error: SalesforceError| format!("InvalidBatch : {}", error.message);
    let mut written = Written::new(server, job, &upload.header_line).map_err(sentence)?;
    let outcome = process(server, job, &mut upload, &mut written, begun);
    // What was done before an end or a failure stays, with its results.
    let (results, failures) = written.finish().map_err(sentence)?;
    job.note(|progress| {
        progress.results = Some(results);
        progress.failures = Some(failures);
    });
    outcome?;
    job.change(now(), |progress| progress.state = State::JobComplete);
    Ok(())
}

fn process(
    server: &Server,
    job: &Job,
    upload: &mut Upload,
    written: &mut Written,
    begun: Instant,
) -> Result<(), String> {
    let org = &server.org;
    let (schema, visibility) = (org.schema(), org.visibility());
    let sentence = |error: SalesforceError| format!("InvalidBatch : {}", error.message);
    let change = Change::new(&schema, &visibility, &job.object, job.operation, job.external_id.as_deref())
        .map_err(sentence)?;
    let columns = Columns::read(change.object, &visibility, &upload.header)?;
    let mut processed = 0u64;
    loop {
        let rows = upload.chunk(CHUNK)?;
        if rows.is_empty() {
            return Ok(());
        }
        if processed.is_multiple_of(BATCH) {
            server.bulk.take_batch(org.clock.now()).map_err(sentence)?;
        }
        if !job.change(org.clock.now(), |progress| progress.state = State::InProgress) {
            return Ok(());
        }
        let results: Vec<Result<Saved, SalesforceError>> = org
            .db
            .write(|conn| {
                let context = Context::new(org, conn, org.schema());
                Ok(rows
                    .iter()
                    .map(|row| columns.input(row).and_then(|input| change.apply(&context, input)))
                    .collect())
            })
            .map_err(sentence)?;
        for (row, result) in rows.iter().zip(&results) {
            written.add(&columns, row, result).map_err(sentence)?;
        }
        processed += rows.len() as u64;
        let failed = results.iter().filter(|result| result.is_err()).count() as u64;
        job.note(|progress| {
            progress.processed = processed;
            progress.failed += failed;
            progress.processing = begun.elapsed();
        });
    }
}

/// The results of an ingest job as they are written.
struct Written {
    format: Format,
    id_column: Option<usize>,
    results: SpoolWriter,
    failures: SpoolWriter,
}

impl Written {
    fn new(server: &Server, job: &Job, header_line: &[u8]) -> Result<Self, SalesforceError> {
        let directory = server.bulk.directory()?;
        let format = job.format;
        let head = |names: [&str; 2]| {
            let mut head = Vec::new();
            format.push_values(names.map(str::as_bytes), &mut head);
            head.push(format.delimiter_byte());
            head.extend_from_slice(header_line);
            head.extend_from_slice(format.ending());
            head
        };
        let names = String::from_utf8_lossy(header_line).to_ascii_lowercase();
        let delimiter = char::from(format.delimiter_byte());
        Ok(Self {
            format,
            id_column: names.split(delimiter).position(|name| name.trim_matches('"') == "id"),
            results: SpoolWriter::create(directory, head(["sf__Id", "sf__Created"]))?,
            failures: SpoolWriter::create(directory, head(["sf__Id", "sf__Error"]))?,
        })
    }

    fn add(
        &mut self,
        columns: &Columns<'_>,
        row: &StringRecord,
        result: &Result<Saved, SalesforceError>,
    ) -> Result<(), SalesforceError> {
        match result {
            Ok(saved) => {
                let line = self.line(&saved.id, if saved.created { "true" } else { "false" }, row);
                self.results.push(&line)
            }
            Err(error) => {
                let id = self.id_column.and_then(|at| row.get(at)).unwrap_or_default();
                let line = self.line(id, &columns.error_text(row, error), row);
                self.failures.push(&line)
            }
        }
    }

    fn line(&self, id: &str, second: &str, row: &StringRecord) -> Vec<u8> {
        self.format.line([id, second].into_iter().chain(row).map(str::as_bytes))
    }

    fn finish(self) -> Result<(Spool, Spool), SalesforceError> {
        Ok((self.results.finish()?, self.failures.finish()?))
    }
}

fn results(call: &Call<'_>, job: &Job, kind: &str) -> Answer {
    let progress = job.progress();
    if !progress.state.is_final() {
        return Err(job.wrong_state("Results are there when the job is over"));
    }
    let (kept, names) = match kind {
        "successfulResults" => (progress.results, ["sf__Id", "sf__Created"]),
        "failedResults" => (progress.failures, ["sf__Id", "sf__Error"]),
        _ => {
            let rest = match progress.upload.filter(|_| progress.state != State::JobComplete) {
                Some(upload) => unprocessed(call.server, job, &upload, progress.processed)?,
                None => SpoolWriter::create(call.server.bulk.directory()?, "")?.finish()?,
            };
            return Ok(ApiResponse::file(CSV, rest.whole()));
        }
    };
    let spool = match kept {
        Some(spool) => spool,
        None => {
            let head = job.format.line(names.map(str::as_bytes));
            SpoolWriter::create(call.server.bulk.directory()?, head)?.finish()?
        }
    };
    Ok(ApiResponse::file(CSV, spool.whole()))
}

/// The records of an upload behind those that were processed.
fn unprocessed(server: &Server, job: &Job, upload: &Spool, processed: u64) -> Result<Spool, SalesforceError> {
    let directory = server.bulk.directory()?;
    let Ok(mut upload) = Upload::open(upload, job.format) else {
        return SpoolWriter::create(directory, "")?.finish();
    };
    let mut head = std::mem::take(&mut upload.header_line);
    head.extend_from_slice(job.format.ending());
    let mut writer = SpoolWriter::create(directory, head)?;
    let mut at = 0;
    while let Ok(rows) = upload.chunk(CHUNK) {
        if rows.is_empty() {
            break;
        }
        for row in rows {
            if at >= processed {
                writer.push(&job.format.line(row.iter().map(str::as_bytes)))?;
            }
            at += 1;
        }
    }
    writer.finish()
}
