//! Sends the calls of a wave, several at once, and reads the answers. Rows that met a lock are sent again, rows with the
//! same parent together; rows whose answer was lost are looked for first.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use unicrm_core::{Error, ErrorKind, Outcome, OutcomeStatus, Ref, Usage, WriteOperation};
use unicrm_http::Replay;

use super::lost::Lost;
use super::outcome::{End, failed, in_doubt, refused, saved};
use super::plan::{Call, Job, Method, Work, calls};
use super::{Writer, graph, patch_of};
use crate::api::{Change, ChangedRow, Conversion, LeadConvert};
use crate::error::{Code, Fault, Refusal};
use crate::read::Reader;

/// How often a row that meets a lock is sent.
const LOCK_ROUNDS: u32 = 6;
/// The first wait after a lock; each further one is twice as long.
const LOCK_PAUSE: Duration = Duration::from_millis(150);
/// Calls that are spent on finding the rows for which Salesforce refuses a whole collection.
const SPLITS: u32 = 24;

/// One wave on its way.
pub(super) struct Run<'w> {
    pub(super) writer: &'w Writer,
    pub(super) reader: &'w Reader,
    pub(super) operations: &'w [WriteOperation],
    pub(super) allow_duplicates: bool,
    pub(super) usage: Usage,
    /// Rows that have their outcome.
    pub(super) done: Vec<(usize, Outcome)>,
    /// Rows that must be prepared again.
    pub(super) again: Vec<usize>,
    /// Why nothing more can be sent, if so.
    pub(super) stopped: Option<Error>,
}

/// A row that Salesforce refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) job: Job,
    pub(super) refusal: Refusal,
    /// The unified field of the tie that it was refused for.
    pub(super) tie: Option<&'static str>,
}

/// What became of one call.
pub(super) struct Sent {
    pub(super) ends: Vec<(Job, End)>,
    pub(super) usage: Usage,
    /// When it was sent.
    pub(super) at: Instant,
}

impl<'w> Run<'w> {
    pub(super) fn new(
        writer: &'w Writer,
        reader: &'w Reader,
        operations: &'w [WriteOperation],
        allow_duplicates: bool,
    ) -> Self {
        Self {
            writer,
            reader,
            operations,
            allow_duplicates,
            usage: Usage::default(),
            done: Vec::new(),
            again: Vec::new(),
            stopped: None,
        }
    }

    /// Sends jobs until each has an outcome or must be prepared again.
    pub(super) async fn execute(&mut self, mut jobs: Vec<Job>) {
        let mut refusals: Vec<Refused> = Vec::new();
        for round in 1..=LOCK_ROUNDS {
            // After a lock one call at a time: those that run at once may be what stands in each other's way.
            let at_once = if round == 1 { self.writer.client.concurrency().max(1) } else { 1 };
            let mut locked = Vec::new();
            let mut lost = Vec::new();
            let mut all = Vec::new();
            if round == 1 {
                (all, jobs) = self.load(jobs).await;
            }
            all.extend(self.send(calls(jobs), at_once).await);
            for (number, sent) in all.into_iter().enumerate() {
                self.usage.add(&sent.usage);
                for (job, end) in sent.ends {
                    match end {
                        End::Saved(answer) => self.save(&job, saved(&job, answer)),
                        End::Converted(conversion) => self.converted(&job, conversion),
                        End::Refused(refusal, _)
                            if refusal.code == Code::UnableToLockRow && round < LOCK_ROUNDS =>
                        {
                            locked.push(job);
                        }
                        End::Refused(refusal, tie) => refusals.push(Refused { job, refusal: *refusal, tie }),
                        End::NotTried => locked.push(job),
                        End::Failed(error) => {
                            self.stop_at(&error);
                            if job.resent.is_some() {
                                // Nothing came of the second time, and the first time still counts.
                                lost.push(Lost { job, call: number, sent: sent.at, error, answered: false });
                            } else {
                                self.done.push((job.row, failed(&job, error)));
                            }
                        }
                        End::InDoubt { error, candidates } => {
                            self.done.push((job.row, in_doubt(&job, &error, candidates)));
                        }
                        End::Lost { error, answered } => {
                            self.stop_at(&error);
                            lost.push(Lost { job, call: number, sent: sent.at, error, answered });
                        }
                    }
                }
            }
            jobs = locked;
            jobs.extend(self.settle(lost).await);
            if jobs.is_empty() {
                break;
            }
            if let Some(error) = &self.stopped {
                self.done.extend(jobs.drain(..).map(|job| (job.row, not_sent(&job, error.clone()))));
                break;
            }
            let Some(pause) = pause_after(round) else { break };
            tokio::time::sleep(pause + pause.mul_f64(fraction())).await;
        }
        for job in jobs {
            let error = Error::new(ErrorKind::Unavailable, "Salesforce did not get to this row");
            self.done.push((job.row, not_sent(&job, error)));
        }
        self.explain(refusals).await;
    }

    fn stop_at(&mut self, error: &Error) {
        if ends_everything(error) {
            self.stopped = Some(error.clone());
        }
    }

    /// A row that is carried out.
    pub(super) fn save(&mut self, job: &Job, outcome: Outcome) {
        if let (OutcomeStatus::Created, Some(id)) = (&outcome.status, &outcome.remote_id) {
            self.writer.remember(id.as_str());
        }
        self.done.push((job.row, outcome));
    }

    /// A lead that is converted.
    pub(super) fn converted(&mut self, job: &Job, conversion: Conversion) {
        let account = self.writer.linked_account;
        let status = OutcomeStatus::Converted {
            contact: Ref::remote(account, crate::api::widened(&conversion.contact)),
            account: Ref::remote(account, crate::api::widened(&conversion.account)),
            opportunity: conversion.opportunity.map(|id| Ref::remote(account, crate::api::widened(&id))),
        };
        let mut outcome = Outcome::new(status);
        if let Work::Convert(convert) = &job.work {
            outcome = outcome.with_remote_id(convert.lead.as_str());
        }
        self.done.push((job.row, outcome));
    }

    /// A row that Salesforce refused for good.
    pub(super) fn refuse(&mut self, Refused { job, mut refusal, tie }: Refused) {
        let patch = self.operations.get(job.row).and_then(patch_of);
        if matches!(
            refusal.code.as_str(),
            "INVALID_FIELD" | "INVALID_FIELD_FOR_INSERT_UPDATE" | "INVALID_TYPE"
        ) {
            // What the description says of this object is no longer so.
            self.writer.client.forget_describe(job.sobject());
        }
        if tie.is_some() {
            refusal.fields.clear();
        }
        let mut outcome = refused(&job, patch, refusal);
        if let (Some(pointer), OutcomeStatus::Failed(error)) = (tie, &mut outcome.status) {
            let message = error.message().to_owned();
            *error = error.clone().with_field(pointer, message);
        }
        self.done.push((job.row, outcome));
    }

    async fn send(&self, calls: Vec<Call>, at_once: usize) -> Vec<Sent> {
        let stop: Mutex<Option<Error>> = Mutex::new(self.stopped.clone());
        let sent = calls.into_iter().map(|call| self.send_one(call, &stop));
        stream::iter(sent).buffered(at_once).collect().await
    }

    async fn send_one(&self, call: Call, stop: &Mutex<Option<Error>>) -> Sent {
        let at = Instant::now();
        let mut usage = Usage::default();
        let stopped = stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ends = match stopped {
            Some(error) => call.jobs.into_iter().map(|job| (job, End::Failed(error.clone()))).collect(),
            None => self.ends(&mut usage, call).await,
        };
        let last = ends.iter().find_map(|(_, end)| match end {
            End::Failed(error) if ends_everything(error) => Some(error.clone()),
            _ => None,
        });
        if last.is_some() {
            *stop.lock().unwrap_or_else(PoisonError::into_inner) = last;
        }
        Sent { ends, usage, at }
    }

    /// Sends a call. Where Salesforce refuses a collection for the sake of one row, halves find out which.
    async fn ends(&self, usage: &mut Usage, call: Call) -> Vec<(Job, End)> {
        let Call { method, jobs } = call;
        let mut ends = Vec::with_capacity(jobs.len());
        let mut parts = vec![jobs];
        let mut splits = SPLITS;
        while let Some(mut jobs) = parts.pop() {
            let no_graphs = self.writer.no_graphs.load(Ordering::Relaxed) && method == Method::Graphs;
            if no_graphs && jobs.len() > 1 {
                parts.extend(jobs.into_iter().rev().map(|job| vec![job]));
                continue;
            }
            let fault = match self.attempt(usage, &method, &jobs).await {
                Ok(answers) => {
                    ends.extend(jobs.into_iter().zip(answers));
                    continue;
                }
                Err(fault) => fault,
            };
            if method == Method::Graphs && jobs.len() > 1 && fault.is(&Code::NotFound) {
                self.writer.no_graphs.store(true, Ordering::Relaxed);
                parts.push(jobs);
            } else if jobs.len() > 1 && splits > 0 && concerns_one_row(&fault) {
                splits -= 1;
                let second = jobs.split_off(jobs.len() / 2);
                parts.push(second);
                parts.push(jobs);
            } else {
                ends.extend(ends_of(jobs, fault));
            }
        }
        ends
    }

    async fn attempt(&self, usage: &mut Usage, method: &Method, jobs: &[Job]) -> Result<Vec<End>, Fault> {
        let client = &self.writer.client;
        let change = match method {
            Method::Create => Change::Create,
            Method::Update => Change::Update,
            Method::Delete => Change::Delete,
            Method::Upsert(sobject, key) => Change::Upsert { sobject, key },
            Method::Graphs => {
                let graphs: Vec<_> =
                    jobs.iter().map(|job| graph::requests(client, job, self.allow_duplicates)).collect();
                let answers = client.change_graphs(usage, &graphs, Replay::Unsafe).await?;
                return Ok(jobs.iter().zip(answers).map(|(job, answers)| graph::end(job, answers)).collect());
            }
            Method::Convert => {
                let leads: Vec<LeadConvert> = jobs
                    .iter()
                    .filter_map(|job| match &job.work {
                        Work::Convert(lead) => Some(lead.clone()),
                        _ => None,
                    })
                    .collect();
                let answers = client.convert_leads(usage, &leads, self.allow_duplicates).await?;
                let end = |answer: Result<Conversion, Box<Refusal>>| match answer {
                    Ok(conversion) => End::Converted(conversion),
                    Err(refusal) => End::Refused(refusal, None),
                };
                return Ok(answers.into_iter().map(end).collect());
            }
        };
        let rows: Vec<ChangedRow<'_>> = jobs
            .iter()
            .map(|job| ChangedRow {
                sobject: job.sobject(),
                id: super::outcome::id_of(&job.work),
                fields: &job.encoded.fields,
            })
            .collect();
        let answers = client.change(usage, change, &rows, self.allow_duplicates).await?;
        let end = |answer| match answer {
            Ok(answer) => End::Saved(answer),
            Err(refusal) => End::Refused(refusal, None),
        };
        Ok(answers.into_iter().map(end).collect())
    }
}

/// The outcome of a row that is not sent any more. If its first answer was lost, that is still open.
fn not_sent(job: &Job, error: Error) -> Outcome {
    if job.resent.is_some() { in_doubt(job, &error, Vec::new()) } else { failed(job, error) }
}

/// What the fault of a whole call means for each of its jobs.
fn ends_of(jobs: Vec<Job>, fault: Fault) -> Vec<(Job, End)> {
    let acted = fault.may_have_acted();
    let answered = fault.is_final();
    let refusal = fault.refusal().filter(|refusal| refusal.code == Code::UnableToLockRow).cloned();
    let error = Error::from(fault);
    let end = |job: Job| {
        let end = match &refusal {
            _ if acted => End::Lost { error: error.clone(), answered },
            Some(refusal) => End::Refused(Box::new(refusal.clone()), None),
            None => End::Failed(error.clone()),
        };
        (job, end)
    };
    jobs.into_iter().map(end).collect()
}

/// Whether a collection was refused for something that one row holds, or for being too large.
fn concerns_one_row(fault: &Fault) -> bool {
    match fault {
        Fault::Unexpected { status, .. } => *status == 413,
        _ => fault.refusal().is_some_and(|refusal| {
            refusal.status == 413 || refusal.status == 400 && refusal.kind() == ErrorKind::InvalidRequest
        }),
    }
}

/// Whether no other call would fare better.
pub(super) fn ends_everything(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::QuotaExhausted | ErrorKind::Unauthenticated)
}

/// How long to wait at least before the next round; none after the last.
fn pause_after(round: u32) -> Option<Duration> {
    (round < LOCK_ROUNDS).then(|| LOCK_PAUSE * 2_u32.pow(round - 1))
}

/// A number between 0 and 1, so that those who met the same lock come back at different times.
fn fraction() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().1) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_as_long_and_after_the_last_round_there_is_none() {
        let pauses: Vec<u128> =
            (1..=LOCK_ROUNDS).map_while(pause_after).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [150, 300, 600, 1_200, 2_400]);
    }
}
