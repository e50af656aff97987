//! Several objects in few calls: what makes an idle reading since a watermark cheap.
//!
//! Salesforce takes 25 requests in one call, five of them queries. So the lists of what is gone for good and the first pages
//! of all sources are asked for together, before the parts go their own ways; whatever is not answered there is asked for
//! again by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use unicrm_core::{Error, ErrorKind, ObjectKind, ReadPart, Scope, Shape, Usage};

use super::deleted::{GoneList, Span};
use super::enrich::is_hidden;
use super::fetch::BATCH;
use super::source::Source;
use super::token::{Cursor, Marks};
use super::{NOTES, Reader};
use crate::api::{Deleted, QueryOptions, QueryPage, SubAnswer, SubRequest};
use crate::error::Fault;

/// Rows of a first page that comes together with others: all of them are in memory at once.
const ROWS: u32 = 1_000;
/// Readings of everything go by descriptions no older than this: a run that was interrupted and begins again asks nothing.
const RECENT: Duration = Duration::from_secs(60);

/// What came ahead for one part.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) pages: HashMap<Source, QueryPage>,
    pub(super) deleted: HashMap<Source, (Span, Deleted)>,
    /// What is gone for good, once it is known to reach back to the watermark.
    pub(super) gone: HashMap<Source, GoneList>,
    pub(super) counts: HashMap<Source, u64>,
    /// Whether the descriptions are the latest.
    pub(super) described: bool,
    /// What the part would be answered again if it asked by itself.
    pub(super) refused: Option<Error>,
    /// What it cost; the first page reports it.
    pub(super) usage: Usage,
}

/// Whether nothing else would be answered either, as far as the error tells.
fn meets_every_request(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unauthenticated
            | ErrorKind::PermissionDenied
            | ErrorKind::QuotaExhausted
            | ErrorKind::RateLimited
            | ErrorKind::Unavailable
    )
}

/// A request on behalf of one source of one part.
struct Wanted {
    part: usize,
    source: Source,
    what: What,
    request: SubRequest,
}

/// In the order of the calls, which are filled from the front: only queries are scarce. What is gone comes before the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Count,
    Deletions(Span),
    Rows,
}

impl Reader {
    /// What can be asked for together, for each of the parts. Where that fails the parts ask by themselves; a single part is
    /// told what it would be told again.
    pub(super) async fn ahead(&self, parts: &[ReadPart]) -> Vec<Ready> {
        let mut ready: Vec<Ready> = parts.iter().map(|_| Ready::default()).collect();
        let mut usage = Usage::default();
        let mut outcome = Ok(());
        if parts.iter().any(begins_with_what_is_gone) {
            outcome = self.client.server_time(&mut usage).await.map(drop).map_err(Error::from);
        }
        let is_down =
            |error: &Error| matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Unavailable);
        // Otherwise the last answer has told the server's time too, unless this machine slept since.
        if !outcome.as_ref().is_err_and(is_down) {
            outcome = self.prepare(&mut usage, parts, &mut ready).await;
        }
        if let Err(error) = outcome {
            tracing::debug!(%error, "the parts are read one by one");
            if let [only] = ready.as_mut_slice() {
                only.refused = Some(error).filter(meets_every_request);
            }
        }
        if let Some(first) = ready.first_mut() {
            first.usage = usage;
        }
        ready
    }

    async fn prepare(&self, usage: &mut Usage, parts: &[ReadPart], ready: &mut [Ready]) -> Result<(), Error> {
        let unsure = self.describe_all(usage, parts).await?;
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
                if let (Some(since), false) = (self.since(marks.of(*source)), self.absent.shuns(source)) {
                    self.want(usage, at, part, *source, since, &mut wanted).await?;
                }
            }
        }
        if wanted.len() < 2 && unsure.is_empty() {
            ready.iter_mut().for_each(|ready| ready.described = true);
            return Ok(());
        }
        wanted.sort_by_key(|wanted| wanted.what);
        let requests = wanted.iter().map(|wanted| &wanted.request);
        let requests: Vec<SubRequest> =
            requests.chain(unsure.iter().map(|(_, request)| request)).cloned().collect();
        let mut answers = self.client.composite_batch(usage, &requests).await?.into_iter();
        for (wanted, answer) in wanted.into_iter().zip(answers.by_ref()) {
            let Some(ready) = ready.get_mut(wanted.part) else { continue };
            if let Err(fault) = ready.take(&wanted, answer) {
                tracing::debug!(source = ?wanted.source, %fault, "this source is read by itself");
            }
        }
        let mut described = true;
        for ((sobject, _), answer) in unsure.into_iter().zip(answers) {
            match self.client.has_changed(sobject, answer).await {
                Ok(false) => {}
                Ok(true) => ready.iter_mut().for_each(|ready| ready.forget(sobject)),
                Err(fault) => {
                    tracing::debug!(sobject, %fault, "this object is described by itself");
                    self.client.forget_describe(sobject);
                    ready.iter_mut().for_each(|ready| ready.forget(sobject));
                    described = false;
                }
            }
        }
        ready.iter_mut().for_each(|ready| ready.described = described);
        Ok(())
    }

    /// The descriptions of all objects that the parts need, in one call. A reading that begins makes sure that they are the
    /// latest: a field that is new to this user moves no stamp, so no later reading would come back for its values, and
    /// types of engagement are nothing but descriptions. Whether those that were there before have changed is asked together
    /// with all else, and these are the questions.
    async fn describe_all(
        &self,
        usage: &mut Usage,
        parts: &[ReadPart],
    ) -> Result<Vec<(&'static str, SubRequest)>, Error> {
        let types = parts.iter().any(|part| part.kind == ObjectKind::EngagementType);
        let shows_fields = |part: &&ReadPart| {
            part.after.is_none() && part.shape == Shape::Full && !matches!(part.scope, Scope::Ids(_))
        };
        let mut latest: BTreeMap<&'static str, Duration> = BTreeMap::new();
        for part in parts.iter().filter(shows_fields) {
            let age = if part.scope == Scope::All { RECENT } else { Duration::ZERO };
            for source in Source::of(part.kind) {
                latest.entry(source.sobject()).and_modify(|least| *least = age.min(*least)).or_insert(age);
            }
        }
        let needed = |part: &&ReadPart| part.after.is_none();
        let sources = parts.iter().filter(needed).flat_map(|part| Source::of(part.kind));
        let sources: BTreeSet<Source> =
            sources.copied().filter(|source| !self.absent.shuns(source)).collect();
        let mut sobjects: BTreeSet<&'static str> = sources.iter().map(|source| source.sobject()).collect();
        if types {
            latest.extend([("Event", Duration::ZERO), ("Task", Duration::ZERO)]);
            sobjects.extend(["Event", "Task"]);
        }
        let sobjects: Vec<&'static str> = sobjects.into_iter().collect();
        let mut unsure = Vec::new();
        for sobject in &sobjects {
            let Some(age) = latest.get(sobject) else { continue };
            let request = self.client.changed_request(sobject, *age).await?;
            unsure.extend(request.map(|request| (*sobject, request)));
        }
        let answers = self.client.describe_many(usage, &sobjects).await?;
        for (sobject, answer) in sobjects.iter().zip(answers) {
            if answer.is_err_and(|fault| is_hidden(&fault)) {
                let gone = sources.iter().filter(|source| source.sobject() == *sobject && source.optional());
                gone.for_each(|source| self.absent.shun(*source));
            }
        }
        Ok(unsure)
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
            let span = Span::new(since, self.client.now());
            let request = self.client.deleted_request(source.sobject(), span.start, span.end)?;
            wanted.push(Wanted { part, source, what: What::Deletions(span), request });
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
        for source in Source::of(kind).iter().filter(|source| !self.absent.shuns(source)) {
            // What is not visible is the part's own error.
            if let Ok(selection) = self.selection(usage, *source, Shape::Ids, &BTreeSet::new()).await {
                let request = self.client.query_request(&selection.count(None, None), options)?;
                wanted.push(Wanted { part, source: *source, what: What::Count, request });
            }
        }
        Ok(())
    }
}

/// Whether a reading asks what went up to now, for which the server's clock has to be known.
fn begins_with_what_is_gone(part: &ReadPart) -> bool {
    part.after.is_none() && part.shape != Shape::Count && matches!(part.scope, Scope::Since(_))
}

impl Ready {
    /// Gives up what was selected by a description that is not the latest.
    fn forget(&mut self, sobject: &str) {
        self.pages.retain(|source, _| source.sobject() != sobject);
        self.counts.retain(|source, _| source.sobject() != sobject);
    }

    fn take(&mut self, wanted: &Wanted, answer: Result<SubAnswer, Fault>) -> Result<(), Fault> {
        let answer = answer?;
        match wanted.what {
            What::Deletions(span) => {
                drop(self.deleted.insert(wanted.source, (span, Deleted::parse(answer.body())?)));
            }
            What::Rows => drop(self.pages.insert(wanted.source, answer.page()?)),
            What::Count => drop(self.counts.insert(wanted.source, answer.page()?.total_size)),
        }
        Ok(())
    }
}
