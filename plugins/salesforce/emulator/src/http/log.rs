//! The record of all requests, for tests that count calls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::org::lock;

/// Entries kept; older ones go, the counters stay.
const MAX_ENTRIES: usize = 20_000;

/// The kind of resource that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resource {
    /// Any kind: only in a fault's rule.
    Any,
    /// `/services/oauth2/token`.
    Token,
    /// Other login and identity resources.
    Identity,
    /// `/services/Soap/...`.
    Soap,
    /// `/services/data` and the resource list of a version.
    Versions,
    /// `/limits`.
    Limits,
    /// `/sobjects` and `/sobjects/X/describe`.
    Describe,
    /// `/query` and `/queryAll` with a query.
    Query,
    /// `/query` and `/queryAll` with a locator.
    QueryMore,
    /// `/sobjects/X/updated` and `/sobjects/X/deleted`.
    Replication,
    /// Single records.
    Sobject,
    /// The bytes of a record's field.
    Blob,
    /// `/composite` and what is below it.
    Composite,
    /// `/jobs/query`: creation, list, abort, deletion.
    BulkQuery,
    /// `/jobs/ingest`: creation, list, closing, abort, deletion.
    BulkIngest,
    /// The state of one job.
    BulkStatus,
    /// The records of an ingest job.
    BulkUpload,
    /// The results of a job.
    BulkResults,
    /// The older Bulk API, `/services/async`.
    BulkV1,
    /// `/search` and `/parameterizedSearch`.
    Search,
    /// Anything else.
    Other,
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogEntry {
    /// Position since the start, from 1; it goes on after a clear.
    pub sequence: u64,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query text, as sent.
    pub query: String,
    /// Kind of resource.
    pub resource: Resource,
    /// HTTP status of the answer; 0 when the connection was closed instead.
    pub status: u16,
    /// API calls that it took off the daily quota.
    pub api_calls: u32,
    /// Bytes of the request body, as sent.
    pub request_bytes: u64,
    /// Bytes of the answer's body, as sent.
    pub response_bytes: u64,
    /// Faults that struck it.
    pub faults: Vec<String>,
}

/// Requests and API calls of one kind of resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Count {
    /// Requests.
    pub requests: u64,
    /// API calls among them; a composite batch is one request and several calls.
    pub api_calls: u64,
    /// Bytes of all answers.
    pub response_bytes: u64,
}

/// The requests since the start or the last clear. Clones show the same log.
#[derive(Clone, Debug, Default)]
pub struct RequestLog {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<LogEntry>,
    counts: BTreeMap<Resource, Count>,
    sequence: u64,
}

impl RequestLog {
    /// All entries, oldest first; at most the last 20,000.
    #[must_use]
    pub fn entries(&self) -> Vec<LogEntry> {
        lock(&self.inner).entries.iter().cloned().collect()
    }

    /// The counters of one kind of resource, or with [`Resource::Any`] of all.
    #[must_use]
    pub fn count(&self, resource: Resource) -> Count {
        let inner = lock(&self.inner);
        let mut sum = Count::default();
        for (_, count) in
            inner.counts.iter().filter(|(kind, _)| resource == Resource::Any || **kind == resource)
        {
            sum.requests += count.requests;
            sum.api_calls += count.api_calls;
            sum.response_bytes += count.response_bytes;
        }
        sum
    }

    /// All counters.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Resource, Count> {
        lock(&self.inner).counts.clone()
    }

    /// API calls in all.
    #[must_use]
    pub fn api_calls(&self) -> u64 {
        self.count(Resource::Any).api_calls
    }

    /// Forgets entries and counters.
    pub fn clear(&self) {
        let mut inner = lock(&self.inner);
        inner.entries.clear();
        inner.counts.clear();
    }

    /// Adds an entry and gives its number.
    pub(crate) fn add(&self, mut entry: LogEntry) -> u64 {
        let mut inner = lock(&self.inner);
        inner.sequence += 1;
        entry.sequence = inner.sequence;
        let count = inner.counts.entry(entry.resource).or_default();
        count.requests += 1;
        count.api_calls += u64::from(entry.api_calls);
        count.response_bytes += entry.response_bytes;
        if inner.entries.len() >= MAX_ENTRIES {
            inner.entries.pop_front();
        }
        let sequence = entry.sequence;
        inner.entries.push_back(entry);
        sequence
    }

    /// Counts bytes of an answer that is still being sent.
    pub(crate) fn add_bytes(&self, sequence: u64, resource: Resource, bytes: u64) {
        let mut inner = lock(&self.inner);
        inner.counts.entry(resource).or_default().response_bytes += bytes;
        if let Some(entry) = inner.entries.iter_mut().rev().find(|entry| entry.sequence == sequence) {
            entry.response_bytes += bytes;
        }
    }
}
