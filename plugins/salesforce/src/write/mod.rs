//! Writing: from operations to calls, and from answers to one outcome per row.
//!
//! Rows go in waves ([`waves`]), each wave is prepared ([`prepare`]), sent ([`execute`]), and what was lost on the way is
//! looked for ([`lost`]) before anything is sent again. Custom objects ([`custom`]) differ in what prepares them.

mod custom;
mod execute;
mod explain;
mod graph;
mod ingest;
mod keys;
mod load;
mod lost;
mod matching;
mod outcome;
mod plan;
mod prepare;
mod present;
mod sorts;
mod waves;

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use unicrm_core::{
    Error, ErrorKind, LinkedAccountId, Outcome, OutcomeStatus, RecordPatch, RemoteId, Usage, WriteOperation,
    WriteReport, WriteRequest,
};

use crate::api::{Client, widened};
use crate::read::Reader;
use crate::shunned::Shunned;

/// How often rows are looked at anew because an answer about them was lost.
const ROUNDS: usize = 3;
/// Records that are remembered as made by us.
const REMEMBERED: usize = 50_000;

/// Writes to the org of one linked account.
#[derive(Debug)]
pub(crate) struct Writer {
    client: Client,
    linked_account: LinkedAccountId,
    /// The org has no composite graphs.
    no_graphs: AtomicBool,
    /// The objects for which the org did not take Bulk jobs.
    no_bulk: Shunned<&'static str>,
    made: Mutex<Made>,
}

/// The records that this connection made last, so that one of them is never taken for another row's.
#[derive(Debug, Default)]
struct Made {
    order: VecDeque<String>,
    ids: HashSet<String>,
}

impl Writer {
    pub(crate) fn new(client: Client, linked_account: LinkedAccountId) -> Self {
        Self {
            client,
            linked_account,
            no_graphs: AtomicBool::new(false),
            no_bulk: Shunned::default(),
            made: Mutex::default(),
        }
    }

    /// Writes a batch: one outcome per operation, in order.
    pub(crate) async fn write(&self, reader: &Reader, request: WriteRequest) -> WriteReport {
        let mut usage = Usage::default();
        let operations = request.operations;
        let mut outcomes: Vec<Option<Outcome>> = operations.iter().map(|_| None).collect();
        let mut steps = waves::steps(&operations);
        put(&mut outcomes, self.name_keyed(reader, &mut usage, &operations, &mut steps).await);
        let mut stopped: Option<Error> = None;
        for mut rows in waves::waves(&steps) {
            rows.retain(|row| outcomes.get(*row).is_some_and(Option::is_none));
            for round in 0..ROUNDS {
                if let Some(error) = &stopped {
                    let end = || match round {
                        0 => Outcome::failed(error.clone()),
                        _ => never_settled(Some(error)),
                    };
                    put(&mut outcomes, rows.drain(..).map(|row| (row, end())));
                }
                if rows.is_empty() {
                    break;
                }
                let prepared = self.prepare(reader, &mut usage, &operations, &rows, round > 0).await;
                put(&mut outcomes, prepared.done);
                let mut run = execute::Run::new(self, reader, &operations, request.allow_duplicates);
                run.execute(prepared.jobs).await;
                usage.add(&run.usage);
                put(&mut outcomes, run.done);
                rows = run.again;
                stopped = run.stopped;
            }
            put(&mut outcomes, rows.into_iter().map(|row| (row, never_settled(stopped.as_ref()))));
        }
        for (operation, outcome) in operations.iter().zip(outcomes.iter_mut().flatten()) {
            // Whatever became of a row, the caller learns which record it was about.
            if let (None, Some(id)) = (&outcome.remote_id, operation.remote_id()) {
                outcome.remote_id = Some(RemoteId::from(widened(id.as_str())));
            }
        }
        reported(outcomes, usage)
    }

    /// Remembers a record that was made.
    fn remember(&self, id: &str) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.ids.insert(id.to_owned()) {
            made.order.push_back(id.to_owned());
        }
        if made.order.len() > REMEMBERED
            && let Some(oldest) = made.order.pop_front()
        {
            made.ids.remove(&oldest);
        }
    }

    /// Whether a record was made for a row that is settled.
    fn remembers(&self, id: &str) -> bool {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).ids.contains(id)
    }
}

fn put(outcomes: &mut [Option<Outcome>], done: impl IntoIterator<Item = (usize, Outcome)>) {
    for (row, outcome) in done {
        if let Some(place) = outcomes.get_mut(row) {
            *place = Some(outcome);
        }
    }
}

/// The record that an operation writes.
fn patch_of(operation: &WriteOperation) -> Option<&RecordPatch> {
    match operation {
        WriteOperation::Create { record }
        | WriteOperation::Update { record, .. }
        | WriteOperation::Upsert { record, .. } => Some(record),
        _ => None,
    }
}

/// The outcome of a row that would have to be looked at anew. `why` says what stands against it, if anything but patience.
fn never_settled(why: Option<&Error>) -> Outcome {
    let lost = || Error::new(ErrorKind::InDoubt, "the answers about this row were lost again and again");
    let error = why.map_or_else(lost, outcome::doubt);
    Outcome::new(OutcomeStatus::InDoubt { error, candidates: Vec::new() })
}

fn reported(outcomes: Vec<Option<Outcome>>, usage: Usage) -> WriteReport {
    let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unanswered)).collect();
    WriteReport::new(outcomes).with_usage(usage)
}

fn unanswered() -> Outcome {
    Outcome::failed(Error::new(ErrorKind::Internal, "the row has no outcome"))
}
