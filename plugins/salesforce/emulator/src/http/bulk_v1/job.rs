//! Jobs and batches of the older Bulk API, and how they look in JSON and XML.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::error::SalesforceError;
use crate::http::bulk::{Fate, Operation, Spool};
use crate::http::oauth::escape;
use crate::org::lock;

const NAMESPACE: &str = "http://www.force.com/2009/06/asyncapi/dataload";

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Csv,
    Json,
    Xml,
}

impl Content {
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Csv, Self::Json, Self::Xml]
            .into_iter()
            .find(|content| content.name().eq_ignore_ascii_case(name))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Xml => "XML",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobState {
    Open,
    Closed,
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchState {
    Queued,
    InProgress,
    Completed,
    Failed,
    NotProcessed,
}

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) operation: Operation,
    pub(super) object: String,
    pub(super) external_id: Option<String>,
    pub(super) content: Content,
    pub(super) serial_mode: bool,
    pub(super) version: u16,
    pub(super) user: String,
    pub(super) created: Timestamp,
    /// Records of a chunk, where the query is split by primary key.
    pub(super) chunk_size: Option<usize>,
    pub(super) fate: Option<Fate>,
    pub(super) state: Mutex<JobState>,
    pub(super) batches: Mutex<Vec<Batch>>,
}

/// One batch of a job.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) state: BatchState,
    pub(super) message: Option<String>,
    pub(super) processed: u64,
    pub(super) failed: u64,
    pub(super) processing: Duration,
    /// What was sent.
    pub(super) request: Option<Spool>,
    /// Results of records, or the rows of a query.
    pub(super) results: Option<Spool>,
}

impl Batch {
    pub(super) fn new(id: String, now: Timestamp, request: Option<Spool>) -> Self {
        Self {
            id,
            created: now,
            modified: now,
            state: BatchState::Queued,
            message: None,
            processed: 0,
            failed: 0,
            processing: Duration::ZERO,
            request,
            results: None,
        }
    }

    /// The id of the batch's only result.
    pub(super) fn result_id(&self) -> String {
        self.id.replacen("751", "752", 1)
    }
}

impl Job {
    pub(super) fn state(&self) -> JobState {
        *lock(&self.state)
    }

    /// The batch of this id.
    pub(super) fn batch(&self, id: &str) -> Option<Batch> {
        let id = crate::schema::ids::widen(id)?;
        lock(&self.batches).iter().find(|batch| batch.id == id).cloned()
    }

    /// Changes a batch that has not been processed yet; whether there is one.
    pub(super) fn change(&self, id: &str, now: Timestamp, change: impl FnOnce(&mut Batch)) -> bool {
        let mut batches = lock(&self.batches);
        let open = |batch: &&mut Batch| {
            batch.id == id && matches!(batch.state, BatchState::Queued | BatchState::InProgress)
        };
        let Some(batch) = batches.iter_mut().find(open) else { return false };
        change(batch);
        batch.modified = now;
        true
    }

    /// The job as its resource shows it.
    pub(super) fn info(&self) -> Info {
        let batches = lock(&self.batches).clone();
        let count = |state: BatchState| json!(batches.iter().filter(|batch| batch.state == state).count());
        let sum = |number: fn(&Batch) -> u64| json!(batches.iter().map(number).sum::<u64>());
        let modified = batches.iter().map(|batch| batch.modified).max().unwrap_or(self.created);
        let state = match self.state() {
            JobState::Open => "Open",
            JobState::Closed => "Closed",
            JobState::Aborted => "Aborted",
        };
        let processing = sum(|batch| u64::try_from(batch.processing.as_millis()).unwrap_or(u64::MAX));
        Info {
            name: "jobInfo",
            members: vec![
                ("id", json!(self.id)),
                ("operation", json!(self.operation.name())),
                ("object", json!(self.object)),
                ("createdById", json!(self.user)),
                ("createdDate", time(self.created)),
                ("systemModstamp", time(modified)),
                ("state", json!(state)),
                ("externalIdFieldName", json!(self.external_id)),
                ("concurrencyMode", json!(if self.serial_mode { "Serial" } else { "Parallel" })),
                ("contentType", json!(self.content.name())),
                ("numberBatchesQueued", count(BatchState::Queued)),
                ("numberBatchesInProgress", count(BatchState::InProgress)),
                ("numberBatchesCompleted", count(BatchState::Completed)),
                ("numberBatchesFailed", count(BatchState::Failed)),
                ("numberBatchesTotal", json!(batches.len())),
                ("numberRecordsProcessed", sum(|batch| batch.processed)),
                ("numberRetries", json!(0)),
                ("apiVersion", json!(f64::from(self.version))),
                ("numberRecordsFailed", sum(|batch| batch.failed)),
                ("totalProcessingTime", processing.clone()),
                ("apiActiveProcessingTime", processing),
                ("apexProcessingTime", json!(0)),
            ],
        }
    }

    /// A batch as its resource shows it.
    pub(super) fn batch_info(&self, batch: &Batch) -> Info {
        let state = match batch.state {
            BatchState::Queued => "Queued",
            BatchState::InProgress => "InProgress",
            BatchState::Completed => "Completed",
            BatchState::Failed => "Failed",
            BatchState::NotProcessed => "NotProcessed",
        };
        let processing = json!(u64::try_from(batch.processing.as_millis()).unwrap_or(u64::MAX));
        Info {
            name: "batchInfo",
            members: vec![
                ("id", json!(batch.id)),
                ("jobId", json!(self.id)),
                ("state", json!(state)),
                ("stateMessage", json!(batch.message)),
                ("createdDate", time(batch.created)),
                ("systemModstamp", time(batch.modified)),
                ("numberRecordsProcessed", json!(batch.processed)),
                ("numberRecordsFailed", json!(batch.failed)),
                ("totalProcessingTime", processing.clone()),
                ("apiActiveProcessingTime", processing),
                ("apexProcessingTime", json!(0)),
            ],
        }
    }
}

/// Members of an answer, to be written as JSON or XML.
#[derive(Clone, Debug)]
pub(super) struct Info {
    name: &'static str,
    members: Vec<(&'static str, Value)>,
}

fn time(at: Timestamp) -> Value {
    json!(at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string())
}

impl Info {
    pub(super) fn json(&self) -> Value {
        let members = self.members.iter().map(|(name, value)| {
            let date = matches!(*name, "createdDate" | "systemModstamp");
            let text = value.as_str().filter(|_| date).map(|text| json!(text.replace('Z', "+0000")));
            ((*name).to_owned(), text.unwrap_or_else(|| value.clone()))
        });
        Value::Object(members.collect::<Map<_, _>>())
    }

    /// An element; members without a value are left out.
    pub(super) fn element(&self, namespace: bool) -> String {
        let mut out = if namespace {
            format!("<{} xmlns=\"{NAMESPACE}\">", self.name)
        } else {
            format!("<{}>", self.name)
        };
        for (name, value) in self.members.iter().filter(|(_, value)| !value.is_null()) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out.push_str(&format!("<{name}>{}</{name}>", escape(&text)));
        }
        out.push_str(&format!("</{}>", self.name));
        out
    }
}

/// An XML document with one root of this API's namespace.
pub(super) fn document(root: &str, inside: &str) -> String {
    format!("{XML_HEAD}<{root} xmlns=\"{NAMESPACE}\">{inside}</{root}>")
}

/// The first line of XML documents.
pub(super) const XML_HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The older API's name of an error.
pub(super) fn exception_code(error: &SalesforceError) -> String {
    match error.code.as_str() {
        "INVALID_SESSION_ID" => "InvalidSessionId".to_owned(),
        "REQUEST_LIMIT_EXCEEDED" | "EXCEEDEDQUOTA" => "ExceededQuota".to_owned(),
        "API_DISABLED_FOR_ORG" | "FEATURENOTENABLED" | "FUNCTIONALITY_NOT_ENABLED" => {
            "FeatureNotEnabled".to_owned()
        }
        "NOT_FOUND" => "NotFound".to_owned(),
        "METHOD_NOT_ALLOWED" => "MethodNotAllowed".to_owned(),
        "INVALIDJOB" => "InvalidJob".to_owned(),
        "INVALIDENTITY" => "InvalidEntity".to_owned(),
        "JSON_PARSER_ERROR" => "ClientInputError".to_owned(),
        code if code.contains('_') => code
            .split('_')
            .map(|part| {
                let (first, rest) = part.split_at(part.len().min(1));
                format!("{first}{}", rest.to_ascii_lowercase())
            })
            .collect(),
        code => code.to_owned(),
    }
}
