//! The older Bulk API, `/services/async/NN.0/job`: jobs of batches, in CSV, JSON or XML.

mod job;
mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::Server;
use super::bulk::{Change, Operation, Spool};
use super::faults::Plan;
use super::message::{ApiRequest, ApiResponse, CSV};
use super::oauth::escape;
use super::xml::Element;
use crate::error::SalesforceError;
use crate::org::lock;
use crate::schema::ids::{salesforce_id, widen};
use job::{Batch, BatchState, Content, Info, Job, JobState, document};

const XML: &str = "application/xml";
/// Unlike REST's it names no character set, and there are clients that look for just this.
const JSON: &str = "application/json";
/// Jobs kept; when there are more, the oldest goes.
const MAX_JOBS: usize = 2_000;
/// Largest batch.
const MAX_BATCH: usize = 10_000_000;
/// Most batches of a job.
const MAX_BATCHES: usize = 5_000;
/// Records of a chunk where the caller does not say how many.
const CHUNK_SIZE: usize = 100_000;
/// Ids start here, apart from those of the newer API's jobs.
const FIRST: u64 = 1 << 30;

/// All jobs of an org.
#[derive(Debug, Default)]
pub(crate) struct BulkV1 {
    jobs: Mutex<BTreeMap<String, Arc<Job>>>,
    serial: Mutex<u64>,
}

impl BulkV1 {
    fn next_id(&self, prefix: &str) -> String {
        let mut serial = lock(&self.serial);
        *serial += 1;
        salesforce_id(prefix, FIRST + *serial)
    }

    fn job(&self, id: &str) -> Result<Arc<Job>, SalesforceError> {
        let job = widen(id).and_then(|id| lock(&self.jobs).get(&id).cloned());
        job.ok_or_else(|| SalesforceError::new(400, "InvalidJob", format!("Invalid job id: {id}")))
    }
}

type Outcome = Result<ApiResponse, SalesforceError>;

/// Answers a request, and tells how many API calls it was.
pub(crate) fn answer(
    server: &Server,
    host: Option<usize>,
    request: &ApiRequest,
    plan: &Plan,
) -> (ApiResponse, u32) {
    let now = server.org.clock.now();
    let session = request.token().and_then(|token| server.tokens.session(token, now));
    let Some(session) = session.filter(|_| server.away(host).is_none()) else {
        return (refuse(request, &SalesforceError::new(400, "InvalidSessionId", "Invalid session id")), 0);
    };
    let call = Call { server, request, plan, user: &session.user_id };
    match server.usage.take(1, now) {
        Ok(()) => (call.answer().unwrap_or_else(|error| refuse(request, &error)), 1),
        Err(error) => (refuse(request, &error), 0),
    }
}

/// An error of a fault in this API's form: 400 with an exception, where the newer resources have other codes.
pub(crate) fn refuse(request: &ApiRequest, error: &SalesforceError) -> ApiResponse {
    let status = if error.status >= 500 { error.status } else { 400 };
    let code = job::exception_code(error);
    let message = if code == "InvalidSessionId" { "Invalid session id" } else { &error.message };
    if wants_json(request) {
        return json_answer(status, &json!({ "exceptionCode": code, "exceptionMessage": message }));
    }
    let inside = format!(
        "<exceptionCode>{code}</exceptionCode><exceptionMessage>{}</exceptionMessage>",
        escape(message)
    );
    xml(status, document("error", &inside))
}

fn wants_json(request: &ApiRequest) -> bool {
    ["content-type", "accept"]
        .iter()
        .any(|name| request.header(name).is_some_and(|value| value.contains("json")))
}

fn xml(status: u16, body: String) -> ApiResponse {
    ApiResponse { content_type: Some(XML), body: body.into(), ..ApiResponse::empty(status) }
}

fn json_answer(status: u16, body: &Value) -> ApiResponse {
    ApiResponse { content_type: Some(JSON), ..ApiResponse::json(status, body) }
}

fn info(as_json: bool, status: u16, info: &Info) -> ApiResponse {
    if as_json {
        json_answer(status, &info.json())
    } else {
        xml(status, format!("{}{}", job::XML_HEAD, info.element(true)))
    }
}

struct Call<'a> {
    server: &'a Server,
    request: &'a ApiRequest,
    plan: &'a Plan,
    user: &'a str,
}

/// A new job, or the new state of one.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    external_id_field_name: Option<String>,
    #[serde(default, deserialize_with = "concurrency_mode")]
    concurrency_mode: Option<String>,
    #[serde(default)]
    state: Option<String>,
}

/// A mode by its name; JSON may give its number instead, as simple-salesforce does.
fn concurrency_mode<'de, D: Deserializer<'de>>(given: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Mode {
        Number(usize),
        Name(String),
    }
    match Option::<Mode>::deserialize(given)? {
        None => Ok(None),
        Some(Mode::Name(name)) => Ok(Some(name)),
        Some(Mode::Number(number)) => {
            let name = ["Parallel", "Serial"].get(number);
            let name =
                name.ok_or_else(|| serde::de::Error::custom(format!("no concurrency mode {number}")))?;
            Ok(Some((*name).to_owned()))
        }
    }
}

impl Call<'_> {
    fn answer(&self) -> Outcome {
        let path: Vec<&str> = self.request.segments.iter().skip(2).map(String::as_str).collect();
        let [version, "job", rest @ ..] = path.as_slice() else {
            return Err(SalesforceError::no_such_resource());
        };
        let version = version.trim_end_matches(".0").parse::<u16>().unwrap_or_default();
        if !(super::versions::OLDEST..=super::versions::NEWEST).contains(&version) {
            return Err(SalesforceError::new(400, "InvalidVersion", "Api version is not valid"));
        }
        let method = self.request.method.as_str();
        let jobs = &self.server.bulk_v1;
        let as_json = wants_json(self.request);
        match (method, rest) {
            ("POST", []) => self.create(version),
            ("GET", [id]) => Ok(info(as_json, 200, &jobs.job(id)?.info())),
            ("POST", [id]) => self.close(&*jobs.job(id)?),
            ("POST", [id, "batch"]) => self.add_batch(&jobs.job(id)?),
            ("GET", [id, "batch"]) => Ok(list(&*jobs.job(id)?)),
            ("GET", [id, "batch", batch, rest @ ..]) => {
                let job = jobs.job(id)?;
                let found = job.batch(batch).ok_or_else(|| {
                    SalesforceError::new(400, "InvalidBatch", format!("Invalid batch id: {batch}"))
                })?;
                batch_resource(&job, &found, rest)
            }
            _ => Err(SalesforceError::no_such_resource()),
        }
    }

    fn described(&self) -> Result<Described, SalesforceError> {
        let wrong = |message: String| SalesforceError::new(400, "InvalidJob", message);
        if wants_json(self.request) {
            return serde_json::from_slice(&self.request.body).map_err(|error| wrong(error.to_string()));
        }
        let document = std::str::from_utf8(&self.request.body).ok().and_then(Element::parse);
        let root = document.ok_or_else(|| SalesforceError::new(400, "InvalidXML", "The job is no XML"))?;
        let text = |name: &str| root.text_of(name).map(str::to_owned);
        Ok(Described {
            operation: text("operation"),
            object: text("object"),
            content_type: text("contentType"),
            external_id_field_name: text("externalIdFieldName"),
            concurrency_mode: text("concurrencyMode"),
            state: text("state"),
        })
    }

    fn create(&self, version: u16) -> Outcome {
        let described = self.described()?;
        let wrong = |message: String| SalesforceError::new(400, "InvalidJob", message);
        let operation = described.operation.as_deref().unwrap_or_default();
        let operation = Operation::named(operation)
            .ok_or_else(|| wrong(format!("Unsupported operation: {operation}")))?;
        let content = described.content_type.as_deref().unwrap_or("XML");
        let content =
            Content::named(content).ok_or_else(|| wrong(format!("Unsupported content type: {content}")))?;
        let org = &self.server.org;
        let schema = org.schema();
        let name = described.object.unwrap_or_default();
        let external_id = described.external_id_field_name.filter(|name| !name.is_empty());
        let change = Change::new(&schema, &org.visibility(), &name, operation, external_id.as_deref())?;
        let chunking = self.request.header("sforce-enable-pkchunking").filter(|_| operation.is_query());
        let chunk_size = chunking.filter(|value| !value.eq_ignore_ascii_case("false")).map(|value| {
            let (_, size) = value
                .split(';')
                .filter_map(|part| part.split_once('='))
                .find(|(name, _)| name.trim() == "chunkSize")?;
            size.trim().parse::<usize>().ok()
        });
        let now = org.clock.now();
        let job = Arc::new(Job {
            id: self.server.bulk_v1.next_id("750"),
            operation,
            object: change.object.name.clone(),
            external_id,
            content,
            serial_mode: described.concurrency_mode.as_deref() == Some("Serial"),
            version,
            user: self.user.to_owned(),
            created: now,
            chunk_size: chunk_size.map(|size| size.unwrap_or(CHUNK_SIZE).clamp(1, 250_000)),
            fate: self.plan.job.clone(),
            state: Mutex::new(JobState::Open),
            batches: Mutex::default(),
        });
        let mut jobs = lock(&self.server.bulk_v1.jobs);
        if jobs.len() >= MAX_JOBS {
            jobs.pop_first();
        }
        jobs.insert(job.id.clone(), Arc::clone(&job));
        Ok(info(wants_json(self.request), 201, &job.info()))
    }

    fn close(&self, job: &Job) -> Outcome {
        let wanted = self.described()?.state.unwrap_or_default();
        let state = match wanted.as_str() {
            "Closed" => JobState::Closed,
            "Aborted" => JobState::Aborted,
            other => {
                return Err(SalesforceError::new(
                    400,
                    "InvalidJobState",
                    format!("Invalid job state: {other}"),
                ));
            }
        };
        let mut current = lock(&job.state);
        if *current == JobState::Aborted || (*current == JobState::Closed && state == JobState::Closed) {
            return Err(SalesforceError::new(400, "InvalidJobState", format!("The job is over: {}", job.id)));
        }
        *current = state;
        drop(current);
        if state == JobState::Aborted {
            let now = self.server.org.clock.now();
            let ids: Vec<String> = lock(&job.batches).iter().map(|batch| batch.id.clone()).collect();
            for id in ids {
                job.change(&id, now, |batch| batch.state = BatchState::NotProcessed);
            }
        }
        Ok(info(wants_json(self.request), 200, &job.info()))
    }

    fn add_batch(&self, job: &Arc<Job>) -> Outcome {
        let refuse = |code: &str, message: &str| Err(SalesforceError::new(400, code, message));
        if job.state() != JobState::Open {
            return refuse("InvalidJobState", "Batches can be added to open jobs only");
        }
        let body = &self.request.body;
        if body.len() > MAX_BATCH {
            return refuse("ClientInputError", "The batch is larger than 10 MB");
        }
        let now = self.server.org.clock.now();
        self.server.bulk.take_batch(now)?;
        let spool = Spool::keep(self.server.bulk.directory()?, body)?;
        let batch = Batch::new(self.server.bulk_v1.next_id("751"), now, Some(spool));
        let answer = info(job.content == Content::Json, 201, &job.batch_info(&batch));
        let id = batch.id.clone();
        let mut batches = lock(&job.batches);
        if batches.len() >= MAX_BATCHES {
            return refuse("ExceededQuota", "The job has too many batches");
        }
        batches.push(batch);
        drop(batches);
        work::start(self.server, job, id);
        Ok(answer)
    }
}

/// All batches of a job.
fn list(job: &Job) -> ApiResponse {
    let infos: Vec<Info> = lock(&job.batches).iter().map(|batch| job.batch_info(batch)).collect();
    if job.content == Content::Json {
        let infos: Vec<Value> = infos.iter().map(Info::json).collect();
        return json_answer(200, &json!({ "batchInfo": infos }));
    }
    let inside: String = infos.iter().map(|info| info.element(false)).collect();
    xml(200, document("batchInfoList", &inside))
}

/// A batch, what it was made of, and what came of it.
fn batch_resource(job: &Job, batch: &Batch, rest: &[&str]) -> Outcome {
    let as_json = job.content == Content::Json;
    let content_type = match job.content {
        Content::Csv => CSV,
        Content::Json => JSON,
        Content::Xml => XML,
    };
    let results = || {
        let results = batch.results.as_ref().filter(|_| batch.state == BatchState::Completed);
        let message = format!("Batch not completed: {}", batch.id);
        results.ok_or_else(|| SalesforceError::new(400, "InvalidBatch", message))
    };
    match rest {
        [] => Ok(info(as_json, 200, &job.batch_info(batch))),
        ["request"] => {
            let request = batch.request.as_ref().ok_or_else(SalesforceError::no_such_resource)?;
            Ok(ApiResponse::file(content_type, request.whole()))
        }
        ["result"] if job.operation.is_query() => {
            results()?;
            let id = batch.result_id();
            if as_json {
                return Ok(json_answer(200, &json!([id])));
            }
            Ok(xml(200, document("result-list", &format!("<result>{id}</result>"))))
        }
        ["result"] => Ok(ApiResponse::file(content_type, results()?.whole())),
        ["result", id] if job.operation.is_query() && widen(id).as_deref() == Some(&batch.result_id()) => {
            Ok(ApiResponse::file(content_type, results()?.whole()))
        }
        _ => Err(SalesforceError::new(400, "InvalidBatch", "Invalid result id")),
    }
}
