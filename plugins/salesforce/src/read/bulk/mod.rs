//! Reading many rows by a query job of Bulk API 2.0: when that pays, how the job is followed, and what is done when it goes
//! wrong. Whatever happens, REST can take over: the rows of a job come in no order, so it begins where the job began.

mod download;
mod place;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use unicrm_core::{Error, ReadPart, Row, Usage};

use super::fetch::Fetched;
use super::select::Selection;
use super::source::Source;
use super::token::Cursor;
use super::{Left, Reader, settle_mark};
use crate::api::{BULK_SINCE, BulkJob, JobState, Layout, Locator, QueryPage};
use crate::config::BulkUse;
use crate::error::Fault;
use crate::shunned::Shunned;
use download::Session;
use place::List;
pub(crate) use place::{Place, Way};

/// From so many rows on a job takes fewer calls than pages of 2,000: ten of those against one to make the job, about five
/// to ask for its state, one for the list of its pages and two for the pages.
const PAYS: u64 = 20_000;

/// The longest wait before the state of a job is asked for. The host gets a page without rows, and its token is kept.
const PATIENCE: Duration = Duration::from_secs(10);
/// The wait before the state of a new job is asked for; each further one is three times as long, up to [`PATIENCE`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// A job that is not complete after this time is given up: REST would be far by now.
const DEADLINE: SignedDuration = SignedDuration::from_hours(1);
/// The same in questions about its state, for a server that does not tell the time.
const MAX_POLLS: u32 = 1_000;
/// Further jobs after one that was aborted or lost.
const MORE_JOBS: u32 = 1;
/// The longest paths of a list of pages, all together, in bytes: a token holds them.
const MAX_PAGES: usize = 32 << 10;

/// Rows of a piece, when the host does not say how many it wants: as many as a page of REST has.
const ROWS: u32 = 2_000;

/// The jobs of a connection.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    sessions: Mutex<HashMap<Source, Session>>,
    /// What Bulk refused, or failed to read: REST reads it at once for a while.
    shunned: Shunned<Source>,
}

impl Jobs {
    fn sessions(&self) -> MutexGuard<'_, HashMap<Source, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a fault of a Bulk resource means for the reading.
enum Nature {
    /// It stands in the way of REST as well, or passes: the host hears of it and comes back with the same token.
    Ours,
    /// Salesforce does not do this, or not any more.
    Refused,
    /// What came is not what was said, also when it was asked for again.
    Damaged,
}

impl Nature {
    fn of(fault: &Fault) -> Self {
        let everywhere = fault.is_quota() || fault.is_crowded() || fault.wants_new_token();
        match fault {
            _ if everywhere => Self::Ours,
            Fault::Refused(refusal) if refusal.status < 500 => Self::Refused,
            Fault::Unexpected { status: 400 | 403 | 404 | 405 | 409 | 410 | 413..=415 | 431, .. } => {
                Self::Refused
            }
            Fault::Query(_) => Self::Refused,
            Fault::Unreadable { .. } => Self::Damaged,
            _ => Self::Ours,
        }
    }
}

impl Reader {
    /// Whether the rows of a source may be read by a job at all.
    fn bulk_offers(&self, selection: &Selection) -> bool {
        let source = selection.source;
        // Stages are few, and each enhanced note costs a call for its body whatever its row costs. People of activities come
        // in a sub-query, which jobs do not run.
        let suits = !matches!(source, Source::Stage | Source::ContentNote) && selection.people.is_none();
        suits
            && self.config.bulk != BulkUse::Never
            && self.client.version() >= BULK_SINCE
            && !self.jobs.shunned.shuns(&source)
    }

    /// Whether a reading of all rows begins with a job, without a look at how many there are.
    pub(super) async fn begins_with_a_job(
        &self,
        usage: &mut Usage,
        part: &ReadPart,
        source: Source,
        since: Option<Timestamp>,
    ) -> Result<bool, Error> {
        if self.config.bulk != BulkUse::Always || since.is_some() {
            return Ok(false);
        }
        let selection = self.selection(usage, source, part.shape, &BTreeSet::new()).await?;
        Ok(self.bulk_offers(&selection))
    }

    /// Whether a job pays for what is left after a first page, which says how many rows there are in all.
    pub(super) fn goes_on_with_a_job(&self, fetched: &Fetched) -> bool {
        let page = &fetched.page;
        page.next.is_some()
            && page.total_size.saturating_sub(page.records.len() as u64) >= PAYS
            && self.bulk_offers(&fetched.selection)
    }

    /// One step of a reading by a job: making it, waiting for it, or some of its rows.
    pub(super) async fn by_job(
        &self,
        usage: &mut Usage,
        part: &ReadPart,
        since: Option<Timestamp>,
        cursor: &mut Cursor,
        rows: &mut Vec<Row>,
    ) -> Result<Left, Error> {
        let Some(Way::Bulk(place)) = cursor.way.clone() else { return Ok(Left::Rows) };
        let selection = self.selection(usage, cursor.source, part.shape, &BTreeSet::new()).await?;
        match (place.job.clone(), place.total) {
            (None, _) => self.make_job(usage, &selection, since, cursor, place).await,
            (Some(job), None) => self.await_job(usage, &job, cursor, place).await,
            (Some(job), Some(total)) => {
                let left =
                    self.rows_of_job(usage, part, &selection, (&job, total), cursor, place, rows).await?;
                if left == Left::Nothing {
                    settle_mark(cursor, since);
                }
                Ok(left)
            }
        }
    }

    /// Makes the job for what is left behind the cursor.
    async fn make_job(
        &self,
        usage: &mut Usage,
        selection: &Selection,
        since: Option<Timestamp>,
        cursor: &mut Cursor,
        place: Place,
    ) -> Result<Left, Error> {
        if !self.bulk_offers(selection) {
            return Ok(by_rest(cursor));
        }
        let job = match self.client.create_bulk_query(usage, &selection.unordered(cursor, since)).await {
            Ok(job) => job,
            Err(fault) => {
                return match Nature::of(&fault) {
                    Nature::Ours => Err(fault.into()),
                    Nature::Refused | Nature::Damaged => {
                        tracing::info!(source = ?cursor.source, %fault, "Bulk does not take the query; REST reads it");
                        self.jobs.shunned.shun(cursor.source);
                        Ok(by_rest(cursor))
                    }
                };
            }
        };
        // What changes while the job runs is younger than the job, and the next reading starts before that.
        if let Some(created) = job.created.or(job.now) {
            cursor.marks.entry(cursor.source).or_insert(created);
        }
        let created = job.created.or(job.now);
        cursor.way = Some(Way::Bulk(Place { job: Some(job.path), created, ..place }));
        // The host keeps the job before anything else is done, so that a crash does not make another one.
        Ok(Left::Later)
    }

    /// Waits, and asks for the state of a job.
    async fn await_job(
        &self,
        usage: &mut Usage,
        job: &Locator,
        cursor: &mut Cursor,
        mut place: Place,
    ) -> Result<Left, Error> {
        let wait = FIRST_WAIT.saturating_mul(3_u32.saturating_pow(place.polls)).min(PATIENCE);
        tokio::time::sleep(wait).await;
        place.polls += 1;
        let job = match self.client.bulk_job(usage, job).await {
            Ok(job) => job,
            Err(fault) => {
                return match Nature::of(&fault) {
                    Nature::Refused => Ok(self.lost(cursor, &place, &fault.to_string())),
                    Nature::Ours | Nature::Damaged => Err(fault.into()),
                };
            }
        };
        match &job.state {
            JobState::Complete(total) => place.total = Some(*total),
            JobState::Failed(why) => {
                tracing::warn!(source = ?cursor.source, why = %summary(why), "the job failed; REST reads the rest");
                if !is_about_time(why) {
                    self.jobs.shunned.shun(cursor.source);
                }
                return Ok(by_rest(cursor));
            }
            JobState::Aborted => return Ok(self.lost(cursor, &place, "it was aborted")),
            JobState::Running if is_overdue(&place, &job) => {
                tracing::warn!(source = ?cursor.source, "the job does not end; REST reads the rest");
                // It may go on at the server; that it is not ended there is no reason to end here.
                if let Err(fault) = self.client.abort_bulk_job(usage, &job.path).await {
                    tracing::debug!(%fault, "the job could not be aborted");
                }
                self.jobs.shunned.shun(cursor.source);
                return Ok(by_rest(cursor));
            }
            JobState::Running => {}
        }
        // What was answered is in the host's hands before anything else is asked.
        cursor.way = Some(Way::Bulk(place));
        Ok(Left::Later)
    }

    /// The next rows of a job that is complete.
    #[expect(clippy::too_many_arguments, reason = "the place of a reading, taken apart once")]
    async fn rows_of_job(
        &self,
        usage: &mut Usage,
        part: &ReadPart,
        selection: &Arc<Selection>,
        (job, total): (&Locator, u64),
        cursor: &mut Cursor,
        place: Place,
        rows: &mut Vec<Row>,
    ) -> Result<Left, Error> {
        let source = cursor.source;
        let next = if place.pages.is_empty() && place.list != List::Read {
            self.list_pages(usage, job, &place).await.map(|place| (None, place))
        } else {
            self.piece(usage, part, selection, job, source, &place).await
        };
        match next {
            Ok((Some(page), place)) => {
                let fetched = Fetched { page, selection: Arc::clone(selection) };
                let converted = self.convert(usage, part.shape, &fetched, rows).await?;
                cursor.incomplete = [cursor.incomplete, converted.incomplete].into_iter().flatten().min();
                cursor.way = Some(Way::Bulk(place));
                Ok(Left::Rows)
            }
            Ok((None, place)) if !place.pages.is_empty() || place.list != List::Read => {
                cursor.way = Some(Way::Bulk(place));
                Ok(Left::Later)
            }
            Ok((None, place)) if place.done == total => Ok(Left::Nothing),
            Ok((None, place)) => {
                let done = place.done;
                tracing::warn!(
                    ?source,
                    done,
                    total,
                    "the job's pages are not all of it; REST reads it again"
                );
                self.jobs.shunned.shun(source);
                Ok(by_rest(cursor))
            }
            Err(fault) => match Nature::of(&fault) {
                Nature::Ours => Err(fault.into()),
                Nature::Refused => Ok(self.lost(cursor, &place, &fault.to_string())),
                Nature::Damaged => {
                    tracing::warn!(?source, %fault, "the job's results cannot be read; REST reads them again");
                    self.jobs.shunned.shun(source);
                    Ok(by_rest(cursor))
                }
            },
        }
    }

    /// The place with the pages that the next list names.
    async fn list_pages(&self, usage: &mut Usage, job: &Locator, place: &Place) -> Result<Place, Fault> {
        let at = match &place.list {
            List::At(at) => Some(at),
            List::First | List::Read => None,
        };
        let listed = self.client.bulk_pages(usage, job, at).await?;
        if listed.pages.is_empty() && listed.next.is_some() {
            let why = "it names no page, and another list".to_owned();
            return Err(Fault::Unreadable { what: "the list of a job's results", why, cut: false });
        }
        let length: usize = listed.pages.iter().map(|page| page.path().len()).sum();
        if length > MAX_PAGES {
            let why = format!("the paths of its {} pages are too long for a token", listed.pages.len());
            return Err(Fault::Unreadable { what: "the list of a job's results", why, cut: false });
        }
        let list = listed.next.map_or(List::Read, List::At);
        Ok(Place { pages: listed.pages, list, ..place.clone() })
    }

    /// The next piece of a job's results, by the session that stands there or by a new one.
    async fn piece(
        &self,
        usage: &mut Usage,
        part: &ReadPart,
        selection: &Selection,
        job: &Locator,
        source: Source,
        place: &Place,
    ) -> Result<(Option<QueryPage>, Place), Fault> {
        let rows = part.page_size.unwrap_or(ROWS).clamp(1, ROWS) as usize;
        let known = self.jobs.sessions().remove(&source);
        let mut session = match known.filter(|session| session.stands_at(place, rows)) {
            Some(session) => session,
            None => {
                let base = job.path().split("/jobs/").next().unwrap_or_default();
                let layout = Layout::new(base, &selection.describe);
                Session::begin(&self.client, place, layout, rows)
            }
        };
        let next = session.next(usage).await?;
        let place = session.place.clone();
        if next.is_some() {
            self.jobs.sessions().insert(source, session);
        }
        Ok((next, place))
    }

    /// A job that is not there any more is made again; after too many of them, REST reads.
    fn lost(&self, cursor: &mut Cursor, place: &Place, why: &str) -> Left {
        tracing::warn!(source = ?cursor.source, why, "the job is lost");
        if place.lost >= MORE_JOBS {
            self.jobs.shunned.shun(cursor.source);
            return by_rest(cursor);
        }
        cursor.way = Some(Way::Bulk(place.anew()));
        Left::Rows
    }
}

/// Goes on by REST, from where the job began.
fn by_rest(cursor: &mut Cursor) -> Left {
    cursor.way = Some(Way::Rest);
    Left::Rows
}

fn is_overdue(place: &Place, job: &BulkJob) -> bool {
    let age = job.now.zip(job.created.or(place.created)).map(|(now, created)| now.duration_since(created));
    age.is_some_and(|age| age > DEADLINE) || place.polls >= MAX_POLLS
}

/// Whether a job failed because it took too long: a smaller query, as REST makes them, does better, and so may the next job.
fn is_about_time(why: &str) -> bool {
    let why = why.to_ascii_lowercase();
    ["timeout", "timed out", "retried more than", "running for too long"]
        .iter()
        .any(|sign| why.contains(sign))
}

/// The beginning of a job's error, which may hold the text of the query, and that personal data.
fn summary(why: &str) -> String {
    let end = why.find("SELECT").unwrap_or(why.len()).min(200);
    why.chars().take(end).collect()
}
