//! Which calls rows take that may be written in any order. Pure: nothing here calls anybody.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use unicrm_core::ObjectKind;

use crate::api::{LeadConvert, MAX_GRAPHS, MAX_LEADS, MAX_NODES, MAX_ROWS};
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
    pub(super) subject: Subject,
    pub(super) work: Work,
    /// What is written; empty for deletes and conversions.
    pub(super) encoded: Encoded,
    /// Rows of junction objects that go with it: the object, the row, and what it ties the record to.
    pub(super) untie: Vec<Tie>,
    /// When it was first sent, if its answer was lost though nothing of it is there: it is sent for the last time.
    pub(super) resent: Option<Instant>,
}

/// What is written, by the name that the caller has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// One of the ten objects.
    Object(ObjectKind),
    /// A class beside them, by the remote's own name.
    Class(Arc<str>),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(kind) => kind.fmt(f),
            Self::Class(name) => f.write_str(name),
        }
    }
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
    Upsert(String, String),
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
    /// A write that was not sent yet.
    pub(super) fn new(row: usize, subject: Subject, work: Work, encoded: Encoded) -> Self {
        Self { row, subject, work, encoded, untie: Vec::new(), resent: None }
    }

    /// The remote object that it writes.
    pub(super) fn sobject(&self) -> &str {
        match &self.subject {
            Subject::Object(_) => self.encoded.sobject,
            Subject::Class(name) => name,
        }
    }

    /// How it is sent.
    pub(super) fn method(&self) -> Method {
        match &self.work {
            Work::Delete { .. } => Method::Delete,
            Work::Convert(_) => Method::Convert,
            _ if self.ties() > 0 => Method::Graphs,
            Work::Create => Method::Create,
            Work::Update { .. } => Method::Update,
            Work::Upsert { key, .. } => Method::Upsert(self.sobject().to_owned(), key.clone()),
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
    jobs.sort_by_cached_key(|job| (job.method(), job.sobject().to_owned(), job.parent()));
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
    objects: BTreeSet<String>,
}

impl Room {
    fn takes(&self, method: &Method, job: &Job) -> bool {
        let most = match method {
            Method::Graphs => MAX_GRAPHS,
            Method::Convert => MAX_LEADS,
            _ => MAX_ROWS,
        };
        let nodes = *method != Method::Graphs || self.nodes + job.nodes() <= MAX_NODES;
        let objects = self.objects.len() < MAX_OBJECTS || self.objects.contains(job.sobject());
        self.jobs < most && nodes && objects && self.bytes + job.bytes() <= MAX_BYTES
    }

    fn take(&mut self, job: &Job) {
        self.jobs += 1;
        self.nodes += job.nodes();
        self.bytes += job.bytes();
        self.objects.insert(job.sobject().to_owned());
    }
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
