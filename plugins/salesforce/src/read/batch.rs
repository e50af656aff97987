//! Several objects in few calls: what makes an idle reading since a watermark cheap.
//!
//! Salesforce takes 25 requests in one call, five of them queries. So the first pages of all sources and the lists of what
//! is gone for good are asked for together, before the parts go their own ways; whatever is not answered there is asked
//! for again by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use unicrm_core::{Error, ObjectKind, ReadPart, Scope, Shape, Usage};

use super::deleted::span;
use super::enrich::is_hidden;
use super::fetch::BATCH;
use super::source::Source;
use super::token::{Cursor, Marks};
use super::{NOTES, Reader};
use crate::api::{Deleted, QueryOptions, QueryPage, SubAnswer, SubRequest};
use crate::error::Fault;

/// Rows of a first page that comes together with others: all of them are in memory at once.
const ROWS: u32 = 1_000;
/// For this long an object that is not there is not asked for again.
const ABSENCE: Duration = Duration::from_secs(3_600);

/// What came ahead for one part.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) pages: HashMap<Source, QueryPage>,
    pub(super) deleted: HashMap<Source, Deleted>,
    pub(super) counts: HashMap<Source, u64>,
    /// Whether the descriptions are the latest.
    pub(super) described: bool,
    /// What it cost; the first page reports it.
    pub(super) usage: Usage,
}

/// The server's clock, as far as answers have told it.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Option<(Timestamp, Instant)>>);

impl Clock {
    pub(super) fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Instant::now()));
    }

    /// The time there now; ours before the first answer.
    pub(super) fn now(&self) -> Timestamp {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((then, at)) = known else { return Timestamp::now() };
        let since = SignedDuration::try_from(at.elapsed()).unwrap_or(SignedDuration::ZERO);
        then.saturating_add(since).unwrap_or(then)
    }
}

/// Objects that this org or this user does not have, and since when that is known.
#[derive(Debug, Default)]
pub(super) struct Absent(Mutex<BTreeMap<Source, Instant>>);

impl Absent {
    pub(super) fn contains(&self, source: Source) -> bool {
        let absent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        absent.get(&source).is_some_and(|at| at.elapsed() < ABSENCE)
    }

    pub(super) fn insert(&self, source: Source) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(source, Instant::now());
    }
}

/// A request on behalf of one source of one part.
struct Wanted {
    part: usize,
    source: Source,
    what: What,
    request: SubRequest,
}

/// In the order of the calls, which are filled from the front: only queries are scarce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Count,
    Rows,
    Deletions,
}

impl Reader {
    /// What can be asked for together, for each of the parts. A failure here is none: the parts ask by themselves.
    pub(super) async fn ahead(&self, parts: &[ReadPart]) -> Vec<Ready> {
        let mut ready: Vec<Ready> = parts.iter().map(|_| Ready::default()).collect();
        if parts.len() < 2 {
            return ready;
        }
        let mut usage = Usage::default();
        if let Err(error) = self.prepare(&mut usage, parts, &mut ready).await {
            tracing::debug!(%error, "the parts are read one by one");
        }
        if let Some(first) = ready.first_mut() {
            first.usage = usage;
        }
        ready
    }

    async fn prepare(&self, usage: &mut Usage, parts: &[ReadPart], ready: &mut [Ready]) -> Result<(), Error> {
        self.describe_all(usage, parts).await?;
        ready.iter_mut().for_each(|ready| ready.described = true);
        let mut wanted = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            if part.after.is_some() {
                continue;
            }
            if (&part.scope, part.shape) == (&Scope::All, Shape::Count) {
                self.want_counts(usage, at, part.kind, &mut wanted).await?;
            }
            let Scope::Since(watermark) = &part.scope else { continue };
            if part.shape == Shape::Count {
                continue;
            }
            // A watermark that cannot be read is the part's own error.
            let Ok(marks) = Marks::parse(watermark) else { continue };
            for source in Source::of(part.kind) {
                if let (Some(since), false) = (self.since(&marks, *source), self.absent.contains(*source)) {
                    self.want(usage, at, part, *source, since, &mut wanted).await?;
                }
            }
        }
        if wanted.len() < 2 {
            return Ok(());
        }
        wanted.sort_by_key(|wanted| wanted.what);
        let requests: Vec<SubRequest> = wanted.iter().map(|wanted| wanted.request.clone()).collect();
        let answers = self.client.composite_batch(usage, &requests).await?;
        for (wanted, answer) in wanted.into_iter().zip(answers) {
            let Some(ready) = ready.get_mut(wanted.part) else { continue };
            if let Err(fault) = ready.take(&wanted, answer) {
                tracing::debug!(source = ?wanted.source, %fault, "this source is read by itself");
            }
        }
        Ok(())
    }

    /// The descriptions of all objects that the parts need, in one call. Types of engagement are nothing but descriptions,
    /// so a reading that shows them makes sure that these are the latest.
    async fn describe_all(&self, usage: &mut Usage, parts: &[ReadPart]) -> Result<(), Error> {
        let types = parts.iter().any(|part| part.kind == ObjectKind::EngagementType);
        let needed = |part: &&ReadPart| part.after.is_none();
        let sources = parts.iter().filter(needed).flat_map(|part| Source::of(part.kind));
        let sources: BTreeSet<Source> =
            sources.copied().filter(|source| !self.absent.contains(*source)).collect();
        let mut sobjects: BTreeSet<&str> = sources.iter().map(|source| source.sobject()).collect();
        if types {
            sobjects.extend(["Event", "Task"]);
        }
        let sobjects: Vec<&str> = sobjects.into_iter().collect();
        let answers = match types {
            true => self.client.describe_anew(usage, &sobjects).await?,
            false => self.client.describe_many(usage, &sobjects).await?,
        };
        for (sobject, answer) in sobjects.iter().zip(answers) {
            if answer.is_err_and(|fault| is_hidden(&fault)) {
                let gone = sources.iter().filter(|source| source.sobject() == *sobject && source.optional());
                gone.for_each(|source| self.absent.insert(*source));
            }
        }
        Ok(())
    }

    async fn want(
        &self,
        usage: &mut Usage,
        part: usize,
        asked: &ReadPart,
        source: Source,
        since: Timestamp,
        wanted: &mut Vec<Wanted>,
    ) -> Result<(), Error> {
        // Pages smaller than Salesforce makes them are cut by a limit; they come one by one.
        if asked.page_size.is_some_and(|rows| rows < *BATCH.start()) {
            return Ok(());
        }
        // What is not visible is the part's own error.
        let Ok(selection) = self.selection(usage, source, asked.shape, &BTreeSet::new()).await else {
            return Ok(());
        };
        let cursor = Cursor::start(asked.kind, asked.shape, source);
        let rows = if source == Source::ContentNote { NOTES } else { ROWS };
        let wishes = [self.client.config().limits.batch_size, asked.page_size];
        let rows = wishes.into_iter().flatten().fold(rows, u32::min);
        let options = QueryOptions { all_rows: true, batch_size: Some(rows) };
        let request = self.client.query_request(&selection.rows(&cursor, Some(since), None), options)?;
        wanted.push(Wanted { part, source, what: What::Rows, request });
        if source.deletable() && selection.describe.object.replicateable {
            let (start, end) = span(since, self.clock.now());
            let request = self.client.deleted_request(source.sobject(), start, end)?;
            wanted.push(Wanted { part, source, what: What::Deletions, request });
        }
        Ok(())
    }

    async fn want_counts(
        &self,
        usage: &mut Usage,
        part: usize,
        kind: ObjectKind,
        wanted: &mut Vec<Wanted>,
    ) -> Result<(), Error> {
        let options = QueryOptions { all_rows: true, batch_size: None };
        for source in Source::of(kind).iter().filter(|source| !self.absent.contains(**source)) {
            // What is not visible is the part's own error.
            if let Ok(selection) = self.selection(usage, *source, Shape::Ids, &BTreeSet::new()).await {
                let request = self.client.query_request(&selection.count(None, None), options)?;
                wanted.push(Wanted { part, source: *source, what: What::Count, request });
            }
        }
        Ok(())
    }
}

impl Ready {
    fn take(&mut self, wanted: &Wanted, answer: Result<SubAnswer, Fault>) -> Result<(), Fault> {
        let answer = answer?;
        match wanted.what {
            What::Deletions => drop(self.deleted.insert(wanted.source, Deleted::parse(answer.body())?)),
            What::Rows => drop(self.pages.insert(wanted.source, answer.page()?)),
            What::Count => drop(self.counts.insert(wanted.source, answer.page()?.total_size)),
        }
        Ok(())
    }
}
