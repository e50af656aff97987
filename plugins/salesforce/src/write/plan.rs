//! Which calls a batch of writes takes, and in which order. Pure: nothing here calls anybody.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use unicrm_core::{ObjectKind, Record, RecordPatch, Value, WriteOperation};

use crate::api::{LeadConvert, MAX_GRAPHS, MAX_LEADS, MAX_NODES, MAX_ROWS, widened};
use crate::objects::Encoded;

/// Bytes of one call, so that it stays below what Salesforce takes in one request.
const MAX_BYTES: usize = 4 << 20;
/// Most objects of one collection: Salesforce works through them in so many chunks.
const MAX_OBJECTS: usize = 10;

/// A write that is ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// The operation's number in the batch.
    pub(super) row: usize,
    pub(super) kind: ObjectKind,
    pub(super) work: Work,
    /// What is written; empty for deletes and conversions.
    pub(super) encoded: Encoded,
    /// Rows of junction objects that go with it: the object, the row, and what it ties the record to.
    pub(super) untie: Vec<Tie>,
    /// When it was first sent, if its answer was lost though nothing of it is there: it is sent for the last time.
    pub(super) resent: Option<Instant>,
}

/// What is done with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Create,
    Update { id: String },
    Upsert { key: String, value: String },
    Delete { id: String },
    Convert(LeadConvert),
}

/// A row of a junction object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tie {
    pub(super) sobject: &'static str,
    pub(super) id: String,
    pub(super) target: String,
}

/// How the jobs of a call are sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    /// A collection of new records.
    Create,
    /// A collection of changes.
    Update,
    /// A collection of records by key: the object and its field.
    Upsert(&'static str, String),
    /// A collection of deletions.
    Delete,
    /// Graphs: each job with the rows that belong to it, all or nothing.
    Graphs,
    /// Conversions of leads.
    Convert,
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) jobs: Vec<Job>,
}

impl Job {
    /// How it is sent.
    pub(super) fn method(&self) -> Method {
        match &self.work {
            Work::Delete { .. } => Method::Delete,
            Work::Convert(_) => Method::Convert,
            _ if self.ties() > 0 => Method::Graphs,
            Work::Create => Method::Create,
            Work::Update { .. } => Method::Update,
            Work::Upsert { key, .. } => Method::Upsert(self.encoded.sobject, key.clone()),
        }
    }

    /// The rows of junction objects that come or go with it.
    fn ties(&self) -> usize {
        self.untie.len() + self.encoded.related.iter().map(|related| related.add.len()).sum::<usize>()
    }

    /// The requests that it takes in a graph.
    fn nodes(&self) -> usize {
        self.ties() + usize::from(self.writes_itself())
    }

    /// Whether the record itself is written, and not only what ties it to others.
    pub(super) fn writes_itself(&self) -> bool {
        !self.encoded.fields.is_empty() || !matches!(self.work, Work::Update { .. })
    }

    /// Whether sending it twice makes two of something.
    pub(super) fn is_unique(&self) -> bool {
        match &self.work {
            Work::Create | Work::Convert(_) => true,
            Work::Update { .. } | Work::Upsert { .. } => self.ties() > 0,
            Work::Delete { .. } => false,
        }
    }

    /// The record that Salesforce locks when this one is written.
    pub(super) fn parent(&self) -> Option<String> {
        const PARENTS: [&str; 4] = ["WhatId", "AccountId", "ParentId", "WhoId"];
        let id = |field: &str| {
            let written = self.encoded.fields.iter().find(|(name, _)| name == field);
            written.and_then(|(_, value)| value.to_text())
        };
        PARENTS.into_iter().find_map(id)
    }

    fn bytes(&self) -> usize {
        self.encoded.fields.iter().map(|(name, value)| name.len() + value.as_str().len() + 8).sum::<usize>()
            + 100
    }
}

/// The calls for these jobs. Those of one sort go together as far as they fit; jobs with the same parent stand side by
/// side, so that few calls contend for the same lock.
pub(super) fn calls(mut jobs: Vec<Job>) -> Vec<Call> {
    jobs.sort_by_cached_key(|job| (job.method(), job.encoded.sobject, job.parent()));
    let mut calls: Vec<Call> = Vec::new();
    let mut room = Room::default();
    for job in jobs {
        let method = job.method();
        let fits = calls.last().is_some_and(|call| call.method == method) && room.takes(&method, &job);
        if !fits {
            room = Room::default();
            calls.push(Call { method: method.clone(), jobs: Vec::new() });
        }
        room.take(&job);
        if let Some(call) = calls.last_mut() {
            call.jobs.push(job);
        }
    }
    calls
}

/// What a call holds already.
#[derive(Default)]
struct Room {
    jobs: usize,
    nodes: usize,
    bytes: usize,
    objects: BTreeSet<&'static str>,
}

impl Room {
    fn takes(&self, method: &Method, job: &Job) -> bool {
        let most = match method {
            Method::Graphs => MAX_GRAPHS,
            Method::Convert => MAX_LEADS,
            _ => MAX_ROWS,
        };
        let nodes = *method != Method::Graphs || self.nodes + job.nodes() <= MAX_NODES;
        let objects = self.objects.len() < MAX_OBJECTS || self.objects.contains(job.encoded.sobject);
        self.jobs < most && nodes && objects && self.bytes + job.bytes() <= MAX_BYTES
    }

    fn take(&mut self, job: &Job) {
        self.jobs += 1;
        self.nodes += job.nodes();
        self.bytes += job.bytes();
        self.objects.insert(job.encoded.sobject);
    }
}

/// What an operation touches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Touched {
    Record(String),
    Key(ObjectKind, String, String),
}

/// The rows of a batch in waves: a row that must come after another is in a later wave. That is so when both write the
/// same record, and when one deletes what the other refers to. A deletion that takes other records with it comes after
/// all changes before it: which records those are, and from which of them a change frees a record, only Salesforce knows.
pub(super) fn waves(operations: &[WriteOperation]) -> Vec<Vec<usize>> {
    let mut waves: Vec<Vec<usize>> = Vec::new();
    // The wave after the last one that wrote, deleted or named a record.
    let mut written: HashMap<Touched, usize> = HashMap::new();
    let mut deleted: HashMap<String, usize> = HashMap::new();
    let mut named: HashMap<String, usize> = HashMap::new();
    // The wave after the last one that changed what a deletion might take along.
    let mut changed = 0;
    for (row, operation) in operations.iter().enumerate() {
        let target = target(operation);
        let references = references(operation);
        let mut wave = target.as_ref().and_then(|target| written.get(target)).copied().unwrap_or(0);
        for reference in &references {
            wave = wave.max(deleted.get(reference).copied().unwrap_or(0));
        }
        let deletes = matches!(operation, WriteOperation::Delete { .. });
        if let (true, Some(Touched::Record(id))) = (deletes, &target) {
            wave = wave.max(named.get(id).copied().unwrap_or(0));
            if takes_others(operation) {
                wave = wave.max(changed);
            }
            deleted.insert(id.clone(), wave + 1);
        }
        if !deletes && (!matches!(operation, WriteOperation::Create { .. }) || !references.is_empty()) {
            changed = changed.max(wave + 1);
        }
        if let Some(target) = target {
            written.insert(target, wave + 1);
        }
        for reference in references {
            let last = named.entry(reference).or_default();
            *last = (*last).max(wave + 1);
        }
        if waves.len() <= wave {
            waves.resize_with(wave + 1, Vec::new);
        }
        if let Some(rows) = waves.get_mut(wave) {
            rows.push(row);
        }
    }
    waves
}

/// Whether this deletes a record whose children Salesforce deletes with it.
fn takes_others(operation: &WriteOperation) -> bool {
    use ObjectKind::{Account, Contact, Lead, Opportunity};
    matches!(operation, WriteOperation::Delete { kind: Account | Contact | Lead | Opportunity, .. })
}

fn target(operation: &WriteOperation) -> Option<Touched> {
    let record = |id: &str| Some(Touched::Record(widened(id).into_owned()));
    match operation {
        WriteOperation::Update { remote_id, .. } | WriteOperation::Delete { remote_id, .. } => {
            record(remote_id.as_str())
        }
        WriteOperation::Convert(convert) => record(convert.remote_id.as_str()),
        WriteOperation::Upsert { key, record } => {
            Some(Touched::Key(record.kind(), key.field.to_ascii_lowercase(), key.value.clone()))
        }
        _ => None,
    }
}

/// The records that an operation refers to, by remote id.
fn references(operation: &WriteOperation) -> BTreeSet<String> {
    let patch = match operation {
        WriteOperation::Create { record }
        | WriteOperation::Update { record, .. }
        | WriteOperation::Upsert { record, .. } => record,
        WriteOperation::Convert(convert) => {
            let account = convert.account.as_ref().and_then(|account| account.remote_id());
            let contact = convert.contact.as_ref().and_then(|contact| contact.remote_id());
            return account.into_iter().chain(contact).map(|id| widened(id.as_str()).into_owned()).collect();
        }
        _ => return BTreeSet::new(),
    };
    let mut record = Record::empty(patch.kind());
    patch.apply_to(&mut record);
    let mut found = BTreeSet::new();
    record.visit(&mut |_, value| {
        if let Some(Value::Reference { remote_id: Some(id), .. }) = value {
            found.insert(widened(id.as_str()).into_owned());
        }
    });
    if let RecordPatch::Engagement(patch) = patch {
        let contacts = patch.contacts.value().into_iter().flatten().filter_map(|contact| contact.remote_id());
        found.extend(contacts.map(|id| widened(id.as_str()).into_owned()));
    }
    found
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
