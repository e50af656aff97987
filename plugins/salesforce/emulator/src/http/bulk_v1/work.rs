//! Batches at work: queries, and changes record by record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Value, json};

use super::job::{Batch, BatchState, Content, Job, XML_HEAD};
use crate::error::SalesforceError;
use crate::http::Server;
use crate::http::bulk::{Change, Columns, Fate, Format, Operation, Saved, Spool, SpoolWriter};
use crate::http::oauth::escape;
use crate::http::xml::Element;
use crate::org::dml::{Context, Input};
use crate::query::{self as engine, Found, RowIds, TableRows, UserContext};

/// Rows that are read, or records of one transaction.
const STEP: usize = 1_000;
/// Most records of a batch that changes some.
const MAX_RECORDS: usize = 10_000;
const NAMESPACES: &str = "xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\" \
                          xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

/// Lets a batch wait its time and then work. It lives no longer than the server.
pub(super) fn start(server: &Server, job: &Arc<Job>, batch: String) {
    let (me, job) = (server.me.clone(), Arc::clone(job));
    let delay = Duration::from_millis(server.bulk.settings().delay_milliseconds);
    tokio::runtime::Handle::current().spawn(async move {
        tokio::time::sleep(delay).await;
        let Some(server) = me.upgrade() else { return };
        let work = tokio::task::spawn_blocking(move || work(&server, &job, &batch));
        if work.await.is_err() {
            tracing::error!("a bulk batch of the emulator panicked");
        }
    });
}

fn work(server: &Server, job: &Job, id: &str) {
    let now = || server.org.clock.now();
    let begun = Instant::now();
    if !job.change(id, now(), |batch| batch.state = BatchState::InProgress) {
        return;
    }
    let outcome = match &job.fate {
        Some(Fate::Endless) => return,
        Some(Fate::Aborted) => {
            job.change(id, now(), |batch| batch.state = BatchState::NotProcessed);
            return;
        }
        Some(Fate::Failed(why)) => Err(why.clone()),
        None if job.operation.is_query() => query(server, job, id, begun),
        None => change(server, job, id, begun),
    };
    if let Err(why) = outcome {
        job.change(id, now(), |batch| {
            batch.state = BatchState::Failed;
            batch.message = Some(why);
        });
    }
}

fn request(job: &Job, id: &str) -> Result<Vec<u8>, String> {
    let spool = job.batch(id).and_then(|batch| batch.request).ok_or("InvalidBatch : the batch is gone")?;
    let bytes = spool.whole().read().map_err(|error| format!("ClientInputError : {error}"))?;
    Ok(bytes.to_vec())
}

fn finish(server: &Server, job: &Job, id: &str, begun: Instant, processed: u64, failed: u64, results: Spool) {
    job.change(id, server.org.clock.now(), |batch| {
        batch.state = BatchState::Completed;
        batch.processed = processed;
        batch.failed = failed;
        batch.processing = begun.elapsed();
        batch.results = Some(results);
    });
}

fn query(server: &Server, job: &Job, id: &str, begun: Instant) -> Result<(), String> {
    let sentence = |error: SalesforceError| {
        format!("InvalidBatch : Failed to process query: {}: {}", error.code, error.message)
    };
    let soql = String::from_utf8(request(job, id)?).map_err(|error| format!("ClientInputError : {error}"))?;
    let org = &server.org;
    let user = UserContext { user_id: job.user.clone() };
    let all_rows = job.operation == Operation::QueryAll;
    let (prepared, table) =
        engine::prepare_table(&org.schema(), &org.visibility(), &soql, all_rows, org.clock.now(), &user)
            .map_err(sentence)?;
    if prepared.object() != job.object {
        let message = format!(
            "The root entity of the requested query ({}) does not match the entity of the requested Bulk API Job ({}).",
            prepared.object(),
            job.object
        );
        return Err(sentence(SalesforceError::new(400, "INVALID_TYPE_FOR_OPERATION", message)));
    }
    let prepared = prepared.with_epoch_times();
    let Found::Rows(rows) = org.db.read(|conn| prepared.materialise(conn)).map_err(sentence)? else {
        return Err("InvalidBatch : the query gives no rows".to_owned());
    };
    let writer = Results { server, job, prepared: &prepared, table: &table };
    let Some(size) = job.chunk_size else {
        let results = writer.write(&rows, 0..rows.len()).map_err(sentence)?;
        finish(server, job, id, begun, rows.len() as u64, 0, results);
        return Ok(());
    };
    // The batch that was sent is not processed: its chunks are, each as a batch of its own.
    for start in (0..rows.len()).step_by(size) {
        let end = rows.len().min(start + size);
        let results = writer.write(&rows, start..end).map_err(sentence)?;
        let chunk = Batch::new(server.bulk_v1.next_id("751"), org.clock.now(), None);
        let chunk_id = chunk.id.clone();
        crate::org::lock(&job.batches).push(chunk);
        finish(server, job, &chunk_id, begun, (end - start) as u64, 0, results);
    }
    job.change(id, org.clock.now(), |batch| batch.state = BatchState::NotProcessed);
    Ok(())
}

/// Writes the rows of a query in the job's form.
struct Results<'a> {
    server: &'a Server,
    job: &'a Job,
    prepared: &'a engine::Prepared,
    table: &'a engine::Table,
}

impl Results<'_> {
    fn write(&self, rows: &RowIds, range: std::ops::Range<usize>) -> Result<Spool, SalesforceError> {
        let format = Format::default();
        let (head, tail): (Vec<u8>, &[u8]) = match self.job.content {
            Content::Csv if range.is_empty() => (b"Records not found for this query".to_vec(), b""),
            Content::Csv => (format.line(self.table.names.iter().map(String::as_bytes)), b""),
            Content::Json => (b"[".to_vec(), b"]"),
            Content::Xml => (format!("{XML_HEAD}<queryResult {NAMESPACES}>").into_bytes(), b"</queryResult>"),
        };
        let mut writer = SpoolWriter::create(self.server.bulk.directory()?, head)?;
        let version = format!("{}.0", self.job.version);
        let mut piece = Vec::new();
        for start in range.clone().step_by(STEP) {
            piece.clear();
            let ids = || (start..range.end.min(start + STEP)).filter_map(|at| rows.get(at));
            self.server.org.db.read(|conn| {
                if self.job.content == Content::Json {
                    if start > range.start {
                        piece.push(b',');
                    }
                    return self.prepared.render(conn, ids(), &version, &mut piece).map(drop);
                }
                let mut reader = TableRows::new(conn, self.table)?;
                for row in ids() {
                    match self.job.content {
                        Content::Csv => {
                            if reader.csv(row, b',', &mut piece)? {
                                piece.push(b'\n');
                            }
                        }
                        _ => self.xml_row(&mut reader, row, &mut piece)?,
                    }
                }
                Ok(())
            })?;
            writer.push(&piece)?;
        }
        writer.push(tail)?;
        writer.finish()
    }

    fn xml_row(
        &self,
        reader: &mut TableRows<'_>,
        row: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), SalesforceError> {
        let start = out.len();
        out.extend_from_slice(
            format!("<records xsi:type=\"sObject\"><type>{}</type>", self.job.object).as_bytes(),
        );
        let found = reader.cells(row, |at, value| {
            let path: Vec<&str> =
                self.table.names.get(at).map(|name| name.split('.').collect()).unwrap_or_default();
            let Some((name, parents)) = path.split_last() else { return };
            for parent in parents {
                out.extend_from_slice(format!("<{parent} xsi:type=\"sObject\">").as_bytes());
            }
            match value {
                Some(value) => {
                    let text = escape(&String::from_utf8_lossy(value));
                    out.extend_from_slice(format!("<{name}>{text}</{name}>").as_bytes());
                }
                None => out.extend_from_slice(format!("<{name} xsi:nil=\"true\"/>").as_bytes()),
            }
            for parent in parents.iter().rev() {
                out.extend_from_slice(format!("</{parent}>").as_bytes());
            }
        })?;
        if found {
            out.extend_from_slice(b"</records>");
        } else {
            out.truncate(start);
        }
        Ok(())
    }
}

/// The records of a batch, and how to speak of their errors.
enum Records<'s> {
    Csv(Columns<'s>, Vec<StringRecord>),
    Inputs(Vec<Input>),
}

fn change(server: &Server, job: &Job, id: &str, begun: Instant) -> Result<(), String> {
    let sentence = |error: SalesforceError| format!("InvalidBatch : {}", error.message);
    let org = &server.org;
    let (schema, visibility) = (org.schema(), org.visibility());
    let change = Change::new(&schema, &visibility, &job.object, job.operation, job.external_id.as_deref())
        .map_err(sentence)?;
    let body = request(job, id)?;
    let records = match job.content {
        Content::Csv => {
            let mut reader = ReaderBuilder::new().flexible(true).from_reader(body.as_slice());
            let broken = |error: csv::Error| format!("InvalidBatch : {error}");
            let header = reader.headers().map_err(broken)?.clone();
            let columns = Columns::read(change.object, &visibility, &header)?;
            Records::Csv(columns, reader.records().collect::<Result<_, _>>().map_err(broken)?)
        }
        Content::Json => {
            Records::Inputs(serde_json::from_slice(&body).map_err(|error| format!("InvalidBatch : {error}"))?)
        }
        Content::Xml => {
            Records::Inputs(xml_inputs(&body).ok_or("InvalidBatch : the batch is no XML of sObjects")?)
        }
    };
    let count = match &records {
        Records::Csv(_, rows) => rows.len(),
        Records::Inputs(inputs) => inputs.len(),
    };
    if count > MAX_RECORDS {
        return Err(format!(
            "InvalidBatch : Records not processed: a batch can have at most {MAX_RECORDS} records"
        ));
    }
    let results: Vec<Result<Saved, SalesforceError>> = org
        .db
        .write(|conn| {
            let context = Context::new(org, conn, org.schema());
            Ok(match &records {
                Records::Csv(columns, rows) => rows
                    .iter()
                    .map(|row| columns.input(row).and_then(|input| change.apply(&context, input)))
                    .collect(),
                Records::Inputs(inputs) => {
                    inputs.iter().map(|input| change.apply(&context, input.clone())).collect()
                }
            })
        })
        .map_err(sentence)?;
    let failed = results.iter().filter(|result| result.is_err()).count() as u64;
    let written = write_results(server, job.content, &records, &results).map_err(sentence)?;
    finish(server, job, id, begun, count as u64, failed, written);
    Ok(())
}

fn xml_inputs(body: &[u8]) -> Option<Vec<Input>> {
    let root = Element::parse(std::str::from_utf8(body).ok()?)?;
    let objects = root.children.iter().filter(|child| child.name == "sObject");
    let inputs = objects.map(|object| serde_json::from_str(&Value::Object(members(object)).to_string()).ok());
    inputs.collect()
}

/// The fields of an `sObject` element; what is empty and not nil is left out.
fn members(object: &Element) -> serde_json::Map<String, Value> {
    let mut fields = serde_json::Map::new();
    for child in object.children.iter().filter(|child| child.name != "type") {
        let value = match child.child("sObject") {
            Some(parent) => Value::Object(members(parent)),
            None if child.nil => Value::Null,
            None if child.text.is_empty() => continue,
            None => Value::String(child.text.clone()),
        };
        fields.insert(child.name.clone(), value);
    }
    fields
}

fn write_results(
    server: &Server,
    content: Content,
    records: &Records<'_>,
    results: &[Result<Saved, SalesforceError>],
) -> Result<Spool, SalesforceError> {
    let format = Format::default();
    let (head, tail): (Vec<u8>, &[u8]) = match content {
        Content::Csv => (format.line(["Id", "Success", "Created", "Error"].map(str::as_bytes)), b""),
        Content::Json => (b"[".to_vec(), b"]"),
        Content::Xml => (format!("{XML_HEAD}<results {NAMESPACES}>").into_bytes(), b"</results>"),
    };
    let mut writer = SpoolWriter::create(server.bulk.directory()?, head)?;
    for (at, result) in results.iter().enumerate() {
        let line = match (content, records) {
            (Content::Csv, Records::Csv(columns, rows)) => {
                let empty = StringRecord::new();
                let row = rows.get(at).unwrap_or(&empty);
                let values = match result {
                    Ok(saved) => {
                        [saved.id.clone(), "true".to_owned(), saved.created.to_string(), String::new()]
                    }
                    Err(error) => [
                        String::new(),
                        "false".to_owned(),
                        "false".to_owned(),
                        columns.error_text(row, error),
                    ],
                };
                format.line(values.iter().map(String::as_bytes))
            }
            (Content::Xml, _) => xml_result(result).into_bytes(),
            _ => {
                let comma = if at > 0 { "," } else { "" };
                format!("{comma}{}", json_result(result)).into_bytes()
            }
        };
        writer.push(&line)?;
    }
    writer.push(tail)?;
    writer.finish()
}

fn json_result(result: &Result<Saved, SalesforceError>) -> Value {
    match result {
        Ok(saved) => json!({ "success": true, "created": saved.created, "id": saved.id, "errors": [] }),
        Err(error) => json!({
            "success": false,
            "created": false,
            "id": null,
            "errors": [{
                "extendedErrorDetails": null,
                "fields": error.fields,
                "message": error.message,
                "statusCode": error.code,
            }],
        }),
    }
}

fn xml_result(result: &Result<Saved, SalesforceError>) -> String {
    match result {
        Ok(saved) => {
            format!(
                "<result><id>{}</id><success>true</success><created>{}</created></result>",
                saved.id, saved.created
            )
        }
        Err(error) => {
            let fields: String =
                error.fields.iter().map(|field| format!("<fields>{}</fields>", escape(field))).collect();
            format!(
                "<result><errors>{fields}<message>{}</message><statusCode>{}</statusCode></errors>\
                 <success>false</success><created>false</created></result>",
                escape(&error.message),
                escape(&error.code)
            )
        }
    }
}
