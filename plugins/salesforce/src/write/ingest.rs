//! Carries out large loads as Bulk jobs: made, filled, closed, watched, and their results joined to the rows.
//!
//! Until a job is closed nothing is written, so whatever goes wrong before that sends the rows the usual way. Afterwards the
//! job says what became of each row; where nobody can ask it, the rows are in doubt, and their error names the job.

use std::time::{Duration, Instant};

use bytes::Bytes;
use unicrm_core::{Error, ErrorKind, RemoteId, Usage};

use super::execute::{Run, Sent, ends_everything};
use super::load::{Load, loads};
use super::outcome::End;
use super::plan::{Job, Work};
use crate::api::{Ingest, IngestState, ResultTable, Results, RowAnswer, refusal_of};
use crate::config::BulkUse;
use crate::error::{Code, Fault};

/// How often a job is made before the rows go the usual way.
const STARTS: u32 = 3;
/// The first wait between two looks at a job; each further one is half as long again,
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// up to this.
const LONGEST_LOOK: Duration = Duration::from_secs(15);
/// How often results are asked for that do not have a row for each record yet.
const LOOKS_AT_RESULTS: u32 = 4;
/// Records without a result are named up to this number.
const NAMED: usize = 10;

/// A load on its way.
enum Started {
    /// The job is closed: Salesforce works on it.
    Running(String),
    /// Nothing was written and nothing will be: the usual way is open.
    Refused,
    /// Nothing was written, and nothing else would fare better.
    Stopped(Error),
    /// The job may be at work, and cannot be asked.
    Unknown(String, Fault),
}

impl Run<'_> {
    /// Sends large loads as Bulk jobs. What goes the usual way comes back.
    pub(super) async fn load(&mut self, jobs: Vec<Job>) -> (Vec<Sent>, Vec<Job>) {
        let config = self.writer.client.config();
        let least = config.limits.bulk_write_rows;
        // Bulk has no way to pass duplicate rules.
        if self.allow_duplicates || config.bulk == BulkUse::Never || jobs.len() < least {
            return (Vec::new(), jobs);
        }
        let (loads, mut rest) = loads(jobs, least);
        let mut sent = Vec::new();
        for load in loads {
            if self.stopped.is_some() || self.writer.no_bulk.shuns(&load.sobject) {
                rest.extend(load.jobs);
                continue;
            }
            let at = Instant::now();
            let mut usage = Usage::default();
            let (ends, back) = self.carry_out(&mut usage, load).await;
            self.stopped = ends.iter().find_map(|(_, end)| match end {
                End::Failed(error) if ends_everything(error) => Some(error.clone()),
                _ => None,
            });
            rest.extend(back);
            sent.push(Sent { ends, usage, at });
        }
        (sent, rest)
    }

    async fn carry_out(&self, usage: &mut Usage, mut load: Load) -> (Vec<(Job, End)>, Vec<Job>) {
        // Once it is uploaded, nobody needs the text any more, and the job may take an hour.
        let csv = Bytes::from(std::mem::take(&mut load.csv));
        let id = match self.start(usage, &load, csv).await {
            Started::Running(id) => id,
            Started::Refused => return (Vec::new(), load.jobs),
            Started::Stopped(error) => return (all(load.jobs, |_| End::Failed(error.clone())), Vec::new()),
            Started::Unknown(id, fault) => return (doubt(load.jobs, &id, &fault.to_string()), Vec::new()),
        };
        let info = match self.watch(usage, &id).await {
            Ok(info) => info,
            Err(why) => return (doubt(load.jobs, &id, &why), Vec::new()),
        };
        tracing::debug!(job = id, state = ?info.state, processed = info.processed, failed = info.failed, "a bulk job is over");
        if info.state == IngestState::JobComplete && info.processed == 0 {
            // It is over and has seen no row: what was uploaded did not arrive.
            return (Vec::new(), load.jobs);
        }
        match self.results(usage, &info, load.jobs.len()).await {
            Ok(tables) => settle(load, &info, &tables),
            Err(fault) => (doubt(load.jobs, &id, &fault.to_string()), Vec::new()),
        }
    }

    /// Makes a job, fills and closes it.
    async fn start(&self, usage: &mut Usage, load: &Load, csv: Bytes) -> Started {
        let client = &self.writer.client;
        for _ in 0..STARTS {
            let id = match client.create_ingest(usage, &load.job()).await {
                Ok(info) => info.id,
                Err(fault) => {
                    if is_against_bulk(&fault) {
                        tracing::info!(%fault, load.sobject, "bulk jobs are refused, collections take their place");
                        self.writer.no_bulk.shun(load.sobject);
                    }
                    return given_up(fault);
                }
            };
            if let Err(fault) = client.upload_ingest(usage, &id, csv.clone()).await {
                tracing::debug!(%fault, job = id, "an upload failed");
                // It is open, and so does nothing; ending it is mere tidiness.
                drop(client.abort_ingest(usage, &id).await);
                if !fault.may_have_acted() {
                    return given_up(fault);
                }
                continue;
            }
            let Err(fault) = client.close_ingest(usage, &id).await else { return Started::Running(id) };
            // Closed already by an attempt whose answer was lost, or still open.
            match client.ingest_info(usage, &id).await {
                Ok(info) if info.state != IngestState::Open => return Started::Running(id),
                Ok(_) => match client.abort_ingest(usage, &id).await {
                    Ok(_) => return given_up(fault),
                    Err(_) => return Started::Unknown(id, fault),
                },
                Err(_) => return Started::Unknown(id, fault),
            }
        }
        Started::Refused
    }

    /// Waits for the end of a job. One that does not end in time is ended; why its end cannot be told is the error.
    async fn watch(&self, usage: &mut Usage, id: &str) -> Result<Ingest, String> {
        let client = &self.writer.client;
        let patience = client.config().bulk_write_time();
        let begun = Instant::now();
        let mut pause = FIRST_LOOK;
        let mut lost = None;
        while begun.elapsed() < patience {
            tokio::time::sleep(pause).await;
            pause = pause.mul_f64(1.5).min(LONGEST_LOOK);
            match client.ingest_info(usage, id).await {
                Ok(info) if info.state.is_final() => return Ok(info),
                Ok(_) => lost = None,
                // The job goes on meanwhile, and will tell when it can be asked again: unless this is the answer.
                Err(fault) => {
                    let last = is_last_word(&fault);
                    let error = Error::from(fault);
                    if last || ends_everything(&error) {
                        return Err(error.message().to_owned());
                    }
                    lost = Some(error);
                }
            }
        }
        if let Some(error) = lost {
            return Err(error.message().to_owned());
        }
        tracing::warn!(job = id, "a bulk job does not end and is aborted");
        let aborted = client.abort_ingest(usage, id).await;
        match client.ingest_info(usage, id).await {
            Ok(info) if info.state.is_final() => Ok(info),
            _ => Err(match aborted {
                Ok(_) => "the job neither ends nor can be ended".to_owned(),
                Err(fault) => fault.to_string(),
            }),
        }
    }

    /// The three results, once they have a row for each record that the job has processed.
    async fn results(
        &self,
        usage: &mut Usage,
        info: &Ingest,
        most: usize,
    ) -> Result<[ResultTable; 3], Fault> {
        let client = &self.writer.client;
        let mut look = 1;
        loop {
            let successful = client.ingest_results(usage, &info.id, Results::Successful, most).await?;
            let failed = match info.failed {
                0 => ResultTable::default(),
                _ => client.ingest_results(usage, &info.id, Results::Failed, most).await?,
            };
            let told = (successful.rows.len() + failed.rows.len()) as u64;
            if told >= info.processed || look == LOOKS_AT_RESULTS {
                let unprocessed = match info.state {
                    IngestState::JobComplete => ResultTable::default(),
                    _ => client.ingest_results(usage, &info.id, Results::Unprocessed, most).await?,
                };
                return Ok([successful, failed, unprocessed]);
            }
            look += 1;
            tokio::time::sleep(LONGEST_LOOK.min(FIRST_LOOK * 2_u32.pow(look))).await;
        }
    }
}

/// Joins the results to the rows.
fn settle(load: Load, info: &Ingest, tables: &[ResultTable; 3]) -> (Vec<(Job, End)>, Vec<Job>) {
    let owners = load.owners(&[&tables[0], &tables[1], &tables[2]]);
    let mut ends: Vec<Option<End>> = load.jobs.iter().map(|_| None).collect();
    let mut back = vec![false; load.jobs.len()];
    let mut strays = Vec::new();
    let cell = |table: &ResultTable, row: usize, name: &str| {
        let row = table.rows.get(row)?;
        row.get(table.column(name)?).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    for (row, owner) in owners[0].iter().enumerate() {
        let id = cell(&tables[0], row, "sf__Id");
        match owner.and_then(|at| ends.get_mut(at)) {
            Some(end) => {
                let created =
                    cell(&tables[0], row, "sf__Created").map(|text| text.eq_ignore_ascii_case("true"));
                *end = Some(End::Saved(RowAnswer { id, created }));
            }
            None => strays.extend(id),
        }
    }
    for (row, owner) in owners[1].iter().enumerate() {
        if let Some(end) = owner.and_then(|at| ends.get_mut(at)) {
            let refusal = refusal_of(&cell(&tables[1], row, "sf__Error").unwrap_or_default());
            *end = Some(End::Refused(Box::new(refusal), None));
        }
    }
    for owner in owners[2].iter().flatten() {
        if info.state == IngestState::Failed {
            // Salesforce gave the job up before these; a smaller call may fare better, and says why if not.
            if let Some(back) = back.get_mut(*owner) {
                *back = true;
            }
        } else if let Some(end) = ends.get_mut(*owner) {
            let message = format!("the bulk job {} was aborted before this row", info.id);
            *end = Some(End::Failed(Error::new(ErrorKind::Unavailable, message)));
        }
    }
    let candidates: Vec<RemoteId> = strays.iter().take(NAMED).map(|id| RemoteId::from(id.as_str())).collect();
    let mut done = Vec::with_capacity(load.jobs.len());
    let mut again = Vec::new();
    for ((job, end), back) in load.jobs.into_iter().zip(ends).zip(back) {
        match end {
            Some(end) => done.push((job, end)),
            None if back => again.push(job),
            None => {
                let candidates =
                    if matches!(job.work, Work::Create) { candidates.clone() } else { Vec::new() };
                let error = in_doubt_of(&info.id, "its results have no row for this record");
                done.push((job, End::InDoubt { error, candidates }));
            }
        }
    }
    (done, again)
}

/// Whether a job was refused for its being one: an object, an edition, a permission or a quota of Bulk stands against it, which
/// stays so for a while. What passes by itself, or meets every call, is none of this.
fn is_against_bulk(fault: &Fault) -> bool {
    let Fault::Refused(refusal) = fault else { return false };
    let everywhere = fault.is_quota()
        || fault.is_crowded()
        || fault.wants_new_token()
        || matches!(refusal.code, Code::ApiDisabledForOrg | Code::ApiDisabled | Code::ExpiredPassword);
    (400..500).contains(&refusal.status) && !everywhere && fault.again(1).is_none()
}

/// Whether asking for a job again would be answered in the same way.
fn is_last_word(fault: &Fault) -> bool {
    fault.refusal().is_some_and(|refusal| (400..500).contains(&refusal.status)) && fault.again(1).is_none()
}

fn given_up(fault: Fault) -> Started {
    let quota = fault.is_quota() || fault.is_unauthenticated();
    let error = Error::from(fault);
    if quota || error.kind() == ErrorKind::Unauthenticated {
        Started::Stopped(error)
    } else {
        Started::Refused
    }
}

fn all(jobs: Vec<Job>, end: impl Fn(&Job) -> End) -> Vec<(Job, End)> {
    jobs.into_iter()
        .map(|job| {
            let end = end(&job);
            (job, end)
        })
        .collect()
}

fn doubt(jobs: Vec<Job>, id: &str, why: &str) -> Vec<(Job, End)> {
    all(jobs, |_| End::InDoubt { error: in_doubt_of(id, why), candidates: Vec::new() })
}

/// The error names the job: whoever asks it later learns what became of the row.
fn in_doubt_of(id: &str, why: &str) -> Error {
    Error::new(ErrorKind::InDoubt, format!("what the bulk job {id} did with this row is not known: {why}"))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use unicrm_core::{Json, ObjectKind};

    use super::super::plan::Subject;
    use super::*;
    use crate::objects::Encoded;

    fn load(names: &[&str]) -> Load {
        let job = |(row, name): (usize, &&str)| {
            let fields = vec![(Cow::Borrowed("LastName"), Json::text(name))];
            let encoded = Encoded { sobject: "Contact", fields, ..Encoded::default() };
            Job::new(row, Subject::Object(ObjectKind::Contact), Work::Create, encoded)
        };
        loads(names.iter().enumerate().map(job).collect(), 1).0.remove(0)
    }

    fn table(header: &[&str], rows: &[&[&str]]) -> ResultTable {
        ResultTable {
            header: header.iter().collect(),
            rows: rows.iter().map(|row| row.iter().collect()).collect(),
        }
    }

    fn info(state: IngestState) -> Ingest {
        Ingest { id: "750A".to_owned(), state, processed: 2, failed: 1, error: None }
    }

    #[test]
    fn a_job_that_stopped_halfway_leaves_the_rest_to_be_sent() {
        let tables = [
            table(&["sf__Id", "sf__Created", "LastName"], &[&["003A", "true", "b"]]),
            table(
                &["sf__Id", "sf__Error", "LastName"],
                &[&["", "REQUIRED_FIELD_MISSING:missing:LastName --", "a"]],
            ),
            table(&["LastName"], &[&["c"]]),
        ];
        let (done, again) = settle(load(&["a", "b", "c"]), &info(IngestState::Failed), &tables);
        assert_eq!(again.iter().map(|job| job.row).collect::<Vec<_>>(), [2]);
        assert_eq!(done.len(), 2);
        for (job, end) in &done {
            match end {
                End::Saved(answer) => assert_eq!((job.row, answer.id.as_deref()), (1, Some("003A"))),
                End::Refused(refusal, None) => {
                    assert_eq!((job.row, &*refusal.fields), (0, &["LastName".to_owned()][..]))
                }
                other => panic!("{other:?}"),
            }
        }
        let (done, again) = settle(load(&["a", "b", "c"]), &info(IngestState::Aborted), &tables);
        assert!(again.is_empty());
        assert!(done.iter().any(|(job, end)| job.row == 2 && matches!(end, End::Failed(_))));
    }

    #[test]
    fn a_row_without_a_result_is_in_doubt_and_strangers_are_candidates() {
        let tables = [
            table(&["sf__Id", "sf__Created", "LastName"], &[&["003A", "true", "changed on its way"]]),
            ResultTable::default(),
            ResultTable::default(),
        ];
        let (done, again) = settle(load(&["a"]), &info(IngestState::JobComplete), &tables);
        assert!(again.is_empty());
        let [(_, End::InDoubt { error, candidates })] = done.as_slice() else { panic!("{done:?}") };
        assert!(error.message().contains("750A"));
        assert_eq!(candidates.iter().map(RemoteId::as_str).collect::<Vec<_>>(), ["003A"]);
    }
}
