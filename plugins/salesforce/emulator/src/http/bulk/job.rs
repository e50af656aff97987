//! A job: what is to be done, how far it is, and how that looks in JSON.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::format::Format;
use super::spool::Spool;
use crate::error::SalesforceError;
use crate::org::lock;

/// One job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) operation: Operation,
    pub(crate) object: String,
    /// The query of a query job.
    pub(crate) soql: String,
    pub(crate) external_id: Option<String>,
    pub(crate) format: Format,
    pub(crate) version: u16,
    pub(crate) user: String,
    pub(crate) created: Timestamp,
    /// What a fault has decided about the job.
    pub(crate) fate: Option<Fate>,
    progress: Mutex<Progress>,
}

/// How a job will go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Failed(String),
    Aborted,
    Endless,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Query,
    QueryAll,
    Insert,
    Update,
    Upsert,
    Delete,
    HardDelete,
}

const OPERATIONS: [(Operation, &str); 7] = [
    (Operation::Query, "query"),
    (Operation::QueryAll, "queryAll"),
    (Operation::Insert, "insert"),
    (Operation::Update, "update"),
    (Operation::Upsert, "upsert"),
    (Operation::Delete, "delete"),
    (Operation::HardDelete, "hardDelete"),
];

impl Operation {
    pub(crate) fn named(name: &str) -> Option<Self> {
        OPERATIONS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(operation, _)| *operation)
    }

    pub(crate) fn name(self) -> &'static str {
        OPERATIONS.iter().find(|(operation, _)| *operation == self).map_or("query", |(_, name)| name)
    }

    pub(crate) fn is_query(self) -> bool {
        matches!(self, Self::Query | Self::QueryAll)
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::UploadComplete => "UploadComplete",
            Self::InProgress => "InProgress",
            Self::JobComplete => "JobComplete",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
        }
    }

    /// Whether nothing more will happen.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::JobComplete | Self::Failed | Self::Aborted)
    }
}

/// How far a job is.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) state: State,
    pub(crate) modified: Timestamp,
    pub(crate) processed: u64,
    pub(crate) failed: u64,
    pub(crate) processing: Duration,
    pub(crate) error: Option<String>,
    /// What was uploaded.
    pub(crate) upload: Option<Spool>,
    /// What a query found, or the records that were written.
    pub(crate) results: Option<Spool>,
    /// The records that were refused.
    pub(crate) failures: Option<Spool>,
}

impl Progress {
    fn new(state: State, now: Timestamp) -> Self {
        Self {
            state,
            modified: now,
            processed: 0,
            failed: 0,
            processing: Duration::ZERO,
            error: None,
            upload: None,
            results: None,
            failures: None,
        }
    }
}

/// A job to be made.
#[derive(Debug)]
pub(crate) struct NewJob {
    pub(crate) operation: Operation,
    pub(crate) object: String,
    pub(crate) soql: String,
    pub(crate) external_id: Option<String>,
    pub(crate) format: Format,
    pub(crate) version: u16,
    pub(crate) user: String,
    pub(crate) fate: Option<Fate>,
}

impl Job {
    pub(crate) fn new(id: String, new: NewJob, now: Timestamp) -> Self {
        let state = if new.operation.is_query() { State::UploadComplete } else { State::Open };
        Self {
            id,
            operation: new.operation,
            object: new.object,
            soql: new.soql,
            external_id: new.external_id,
            format: new.format,
            version: new.version,
            user: new.user,
            created: now,
            fate: new.fate,
            progress: Mutex::new(Progress::new(state, now)),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }

    pub(crate) fn state(&self) -> State {
        lock(&self.progress).state
    }

    /// Changes the progress of a job that is not over; whether it was not.
    pub(crate) fn change(&self, now: Timestamp, change: impl FnOnce(&mut Progress)) -> bool {
        let mut progress = lock(&self.progress);
        if progress.state.is_final() {
            return false;
        }
        change(&mut progress);
        progress.modified = progress.modified.max(now);
        true
    }

    /// Notes what was done, even when the job has been ended meanwhile.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut lock(&self.progress));
    }

    /// Moves from one state to the next; whether the job was in it.
    pub(crate) fn advance(&self, from: State, to: State, now: Timestamp) -> bool {
        let mut moved = false;
        self.change(now, |progress| {
            moved = progress.state == from;
            if moved {
                progress.state = to;
            }
        });
        moved
    }

    /// Ends the job with a sentence about why.
    pub(crate) fn fail(&self, now: Timestamp, why: impl Into<String>) {
        self.change(now, |progress| {
            progress.state = State::Failed;
            progress.error = Some(why.into());
        });
    }

    /// Ends the job on request.
    pub(crate) fn abort(&self, now: Timestamp) -> Result<(), SalesforceError> {
        if self.change(now, |progress| progress.state = State::Aborted) {
            return Ok(());
        }
        Err(self.wrong_state("Aborting already Completed Job not allowed"))
    }

    /// The error for a call that the job's state does not allow.
    pub(crate) fn wrong_state(&self, why: &str) -> SalesforceError {
        let message = format!("{why}. Job: {} is in state {}", self.id, self.state().name());
        SalesforceError::new(400, "INVALIDJOBSTATE", message)
    }

    /// The job as its creation and its closing show it.
    pub(crate) fn brief(&self) -> Value {
        let progress = self.progress();
        let mut body = json!({
            "id": self.id,
            "operation": self.operation.name(),
            "object": self.object,
            "createdById": self.user,
            "createdDate": wire(self.created),
            "systemModstamp": wire(progress.modified),
            "state": progress.state.name(),
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": f64::from(self.version),
        });
        if let Some(field) = &self.external_id {
            body["externalIdFieldName"] = json!(field);
        }
        body
    }

    /// The same with the format of its CSV and, while it is open, where to upload.
    pub(crate) fn created(&self) -> Value {
        let mut body = self.brief();
        body["lineEnding"] = json!(self.format.ending_name());
        body["columnDelimiter"] = json!(self.format.delimiter_name());
        if self.state() == State::Open {
            body["contentUrl"] =
                json!(format!("services/data/v{}.0/jobs/ingest/{}/batches", self.version, self.id));
        }
        body
    }

    /// The job as a poll shows it.
    pub(crate) fn info(&self) -> Value {
        let progress = self.progress();
        let milliseconds = u64::try_from(progress.processing.as_millis()).unwrap_or(u64::MAX);
        let mut body = self.created();
        body["jobType"] = json!(if self.operation.is_query() { "V2Query" } else { "V2Ingest" });
        body["numberRecordsProcessed"] = json!(progress.processed);
        body["retries"] = json!(0);
        body["totalProcessingTime"] = json!(milliseconds);
        if self.operation.is_query() {
            body["isPkChunkingSupported"] = json!(true);
        } else {
            body["numberRecordsFailed"] = json!(progress.failed);
            body["apiActiveProcessingTime"] = json!(milliseconds);
            body["apexProcessingTime"] = json!(0);
        }
        if let Some(error) = progress.error {
            body["errorMessage"] = json!(error);
        }
        body
    }

    /// The job in a list.
    pub(crate) fn listed(&self) -> Value {
        let mut body = self.created();
        body["jobType"] = json!(if self.operation.is_query() { "V2Query" } else { "V2Ingest" });
        body
    }
}

/// A time as JSON bodies write it.
pub(crate) fn wire(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}
