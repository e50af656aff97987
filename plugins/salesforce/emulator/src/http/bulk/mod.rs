//! Bulk API 2.0: jobs that read or write many records, and their results as CSV.

mod format;
mod ingest;
mod job;
mod load;
mod query;
mod run;
mod spool;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use format::Format;
pub(crate) use job::{Fate, Operation};
pub(crate) use load::{Change, Columns, Saved};
pub(crate) use spool::{Spool, SpoolWriter};

use super::ApiUsage;
use super::call::Call;
use super::log::Resource;
use super::message::{Answer, ApiRequest, ApiResponse};
use crate::error::SalesforceError;
use crate::org::lock;
use crate::schema::ids::{salesforce_id, widen};
use job::{Job, NewJob};

/// Jobs kept; when there are more, the oldest goes.
const MAX_JOBS: usize = 5_000;
/// How long a job and its results are kept.
const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Most jobs of one page of the list.
const LIST_PAGE: usize = 1_000;
/// Key prefix of jobs.
const PREFIX: &str = "750";

/// How the bulk resources behave. The defaults are Salesforce's limits, and jobs that take a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BulkSettings {
    /// How long a job waits before it is processed.
    pub delay_milliseconds: u64,
    /// Records of a page of results when the caller does not say how many it wants.
    pub page_records: usize,
    /// Query jobs in 24 hours.
    pub daily_query_jobs: u64,
    /// Kilobytes of query results in 24 hours.
    pub daily_query_kilobytes: u64,
    /// Batches of 10,000 records in 24 hours, of ingest jobs and of the older Bulk API.
    pub daily_batches: u64,
}

impl Default for BulkSettings {
    fn default() -> Self {
        Self {
            delay_milliseconds: 20,
            page_records: 100_000,
            daily_query_jobs: 10_000,
            daily_query_kilobytes: 1_000_000_000,
            daily_batches: 15_000,
        }
    }
}

/// All jobs of an org.
#[derive(Debug)]
pub(crate) struct Bulk {
    jobs: Mutex<Jobs>,
    settings: Mutex<BulkSettings>,
    directory: OnceLock<tempfile::TempDir>,
    query_jobs: ApiUsage,
    query_kilobytes: ApiUsage,
    batches: ApiUsage,
}

#[derive(Debug, Default)]
struct Jobs {
    by_id: BTreeMap<String, Arc<Job>>,
    serial: u64,
}

impl Default for Bulk {
    fn default() -> Self {
        let settings = BulkSettings::default();
        Self {
            jobs: Mutex::default(),
            directory: OnceLock::new(),
            query_jobs: ApiUsage::new(settings.daily_query_jobs),
            query_kilobytes: ApiUsage::new(settings.daily_query_kilobytes),
            batches: ApiUsage::new(settings.daily_batches),
            settings: Mutex::new(settings),
        }
    }
}

impl Bulk {
    pub(crate) fn settings(&self) -> BulkSettings {
        lock(&self.settings).clone()
    }

    /// Changes how jobs behave; those that exist go on as they are.
    pub(crate) fn configure(&self, settings: BulkSettings) {
        self.query_jobs.set_max(settings.daily_query_jobs);
        self.query_kilobytes.set_max(settings.daily_query_kilobytes);
        self.batches.set_max(settings.daily_batches);
        *lock(&self.settings) = settings;
    }

    /// What is left of the daily limits, by their names in `/limits`: maximum and remaining.
    pub(crate) fn limits(&self, now: Timestamp) -> [(&'static str, u64, u64); 3] {
        let left = |usage: &ApiUsage, unit: u64| {
            let (used, max) = usage.state(now);
            (max / unit, max.saturating_sub(used) / unit)
        };
        [
            ("DailyBulkV2QueryJobs", left(&self.query_jobs, 1)),
            ("DailyBulkV2QueryFileStorageMB", left(&self.query_kilobytes, 1024)),
            ("DailyBulkApiBatches", left(&self.batches, 1)),
        ]
        .map(|(name, (max, left))| (name, max, left))
    }

    /// The object that a job's request is about.
    pub(crate) fn object_of(&self, request: &ApiRequest) -> Option<String> {
        let path: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let ["services", "data", _, "jobs", _, id, ..] = path.as_slice() else { return None };
        lock(&self.jobs).by_id.get(widen(id)?.as_str()).map(|job| job.object.clone())
    }

    /// The directory for the data of jobs; it goes when the org goes.
    pub(crate) fn directory(&self) -> Result<&Path, SalesforceError> {
        if let Some(directory) = self.directory.get() {
            return Ok(directory.path());
        }
        let made =
            tempfile::Builder::new().prefix("salesforce-bulk-").tempdir().map_err(spool::unwritable)?;
        Ok(self.directory.get_or_init(|| made).path())
    }

    fn add(&self, new: NewJob, now: Timestamp) -> Arc<Job> {
        let mut jobs = lock(&self.jobs);
        jobs.by_id.retain(|_, job| now.duration_since(job.created) < LIFETIME);
        if jobs.by_id.len() >= MAX_JOBS {
            jobs.by_id.pop_first();
        }
        jobs.serial += 1;
        let job = Arc::new(Job::new(salesforce_id(PREFIX, jobs.serial), new, now));
        jobs.by_id.insert(job.id.clone(), Arc::clone(&job));
        job
    }

    /// The job of this id, of the kind that the path is for.
    fn job(&self, id: &str, queries: bool) -> Result<Arc<Job>, SalesforceError> {
        let id = widen(id).ok_or_else(SalesforceError::no_such_resource)?;
        let job = lock(&self.jobs).by_id.get(&id).cloned();
        job.filter(|job| job.operation.is_query() == queries).ok_or_else(SalesforceError::no_such_resource)
    }

    fn remove(&self, job: &Job) -> Result<(), SalesforceError> {
        if !job.state().is_final() && job.state() != job::State::UploadComplete {
            return Err(job.wrong_state("Only jobs that are complete, failed or aborted can be deleted"));
        }
        lock(&self.jobs).by_id.remove(&job.id);
        Ok(())
    }

    /// A page of all jobs of a kind, oldest first.
    fn list(&self, call: &Call<'_>, queries: bool) -> Value {
        let from = call.request.param("queryLocator").unwrap_or_default();
        let kind = if queries { "V2Query" } else { "V2Ingest" };
        let wanted = |name: &str, value: &str| {
            call.request.param(name).is_none_or(|given| given.eq_ignore_ascii_case(value))
        };
        let shown = wanted("jobType", kind) && wanted("concurrencyMode", "Parallel");
        let jobs = lock(&self.jobs);
        let mut found = jobs
            .by_id
            .values()
            .filter(|job| shown && job.operation.is_query() == queries && job.id.as_str() > from);
        let page: Vec<&Arc<Job>> = found.by_ref().take(LIST_PAGE).collect();
        let more = found.next().is_some();
        let next = page.last().filter(|_| more).map(|job| {
            let resource = if queries { "query" } else { "ingest" };
            format!("{}/jobs/{resource}?queryLocator={}", call.base(), job.id)
        });
        json!({
            "done": !more,
            "records": page.iter().map(|job| job.listed()).collect::<Vec<_>>(),
            "nextRecordsUrl": next,
        })
    }
}

/// `/jobs/...`.
pub(crate) fn answer(call: &Call<'_>, path: &[&str]) -> Answer {
    match path {
        ["query", rest @ ..] => query::answer(call, rest),
        ["ingest", rest @ ..] => ingest::answer(call, rest),
        _ => Err(SalesforceError::no_such_resource()),
    }
}

/// The calls that query and ingest jobs share: poll and delete.
fn poll_or_delete(call: &Call<'_>, job: &Job) -> Answer {
    if call.method() == "DELETE" {
        call.server.bulk.remove(job)?;
        return Ok(ApiResponse::empty(204));
    }
    Ok(ApiResponse::json(200, &job.info()))
}

/// The kind of resource that a path below `/jobs` leads to, and the object that a new job is about.
pub(crate) fn classify(request: &ApiRequest, path: &[&str]) -> (Resource, Option<String>) {
    let own = if path.first() == Some(&"query") { Resource::BulkQuery } else { Resource::BulkIngest };
    match path {
        [_] if request.method == http::Method::POST => (own, object_of_new(request)),
        [_, _] if matches!(request.method, http::Method::GET | http::Method::HEAD) => {
            (Resource::BulkStatus, None)
        }
        [_, _, "batches"] => (Resource::BulkUpload, None),
        [_, _, _, ..] => (Resource::BulkResults, None),
        _ => (own, None),
    }
}

fn object_of_new(request: &ApiRequest) -> Option<String> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    match (body.get("object"), body.get("query")) {
        (Some(object), _) => object.as_str().map(str::to_owned),
        (None, Some(soql)) => soql.as_str().and_then(super::query::object_of),
        _ => None,
    }
}
