//! Reading: which queries make up an object, how their pages follow each other, and what becomes of the rows.

mod batch;
mod bulk;
mod by_ids;
mod deleted;
mod enrich;
mod facts;
mod fetch;
mod head;
mod held;
mod matching;
mod rows;
pub(crate) mod select;
pub(crate) mod small;
pub(crate) mod source;
mod token;
mod types;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use unicrm_core::{
    Error, ErrorKind, LinkedAccountId, Next, ObjectKind, Page, ReadPart, Row, Scope, Shape, Usage,
};

use crate::api::Client;
use crate::config::SalesforceConfig;
use crate::objects::MapContext;
use crate::shunned::Shunned;
use batch::Ready;
use bulk::{Jobs, Place, Way};
use deleted::{RestOfGone, without_repeated};
use enrich::Enrichment;
pub(crate) use enrich::is_hidden;
use facts::Facts;
pub(crate) use facts::Needs;
pub(crate) use fetch::unavailable;
use fetch::{Ask, PageSize, unreadable};
use held::{Held, Rest};
pub(crate) use matching::Wanted;
use select::Selection;
use source::Source;
use token::{Cursor, Keyset, Marks, Phase, Window};

/// A page that has so many rows is not filled up from the next source.
const ENOUGH: usize = 500;
/// Sources and windows that one page may go through before it is given to the host, empty or not.
const MAX_STEPS: usize = 16;
/// Enhanced notes a page: each costs a call of its own.
const NOTES: u32 = 200;

/// Reads the org of one linked account.
#[derive(Debug)]
pub(crate) struct Reader {
    client: Client,
    config: Arc<SalesforceConfig>,
    facts: Facts,
    /// Objects that this org or this user does not have.
    absent: Shunned<Source>,
    held: Held,
    rest_of_gone: RestOfGone,
    jobs: Jobs,
    selections: Mutex<HashMap<(Source, bool), Arc<Selection>>>,
}

/// What a step of a reading leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// More of the same source.
    Rows,
    /// Nothing of this source.
    Nothing,
    /// More of the same source, when the host comes back.
    Later,
}

impl Reader {
    pub(crate) fn new(
        client: Client,
        config: Arc<SalesforceConfig>,
        linked_account: LinkedAccountId,
    ) -> Self {
        let facts = Facts::new(linked_account, &config);
        Self {
            client,
            config,
            facts,
            absent: Shunned::default(),
            held: Held::default(),
            rest_of_gone: RestOfGone::default(),
            jobs: Jobs::default(),
            selections: Mutex::default(),
        }
    }

    /// One page of each part, several at once; a part that fails fails alone.
    pub(crate) async fn read(&self, parts: Vec<ReadPart>) -> Vec<Result<Page, Error>> {
        let ready = self.ahead(&parts).await;
        let pages = parts.into_iter().zip(ready).map(|(part, ready)| self.page(part, ready));
        stream::iter(pages).buffered(self.concurrency()).collect().await
    }

    /// What the mapping of a batch of writes takes into account.
    pub(crate) async fn writing(&self, usage: &mut Usage, needs: &Needs) -> Result<Arc<MapContext>, Error> {
        self.facts.for_writing(&self.client, usage, needs).await
    }

    async fn page(&self, part: ReadPart, mut ready: Ready) -> Result<Page, Error> {
        if let Some(error) = ready.refused.take() {
            return Err(error);
        }
        let used = std::mem::take(&mut ready.usage);
        let mut page = self.page_of(&part, ready).await?;
        // What was asked for together came first; the quota of the page is the later one.
        let mut usage = used;
        usage.add(&page.usage);
        page.usage = usage;
        Ok(page)
    }

    async fn page_of(&self, part: &ReadPart, mut ready: Ready) -> Result<Page, Error> {
        match (&part.scope, part.kind) {
            (_, ObjectKind::EngagementType) => self.engagement_types(part, &ready).await,
            _ if part.shape == Shape::Count => self.count(part, &ready).await,
            (Scope::Ids(ids), _) => self.by_ids(part, ids).await,
            (Scope::Since(watermark), _) => self.pages(part, &Marks::parse(watermark)?, &mut ready).await,
            (Scope::All, _) => self.pages(part, &Marks::default(), &mut ready).await,
            _ => Err(Error::new(ErrorKind::Unsupported, "this scope is not one that Salesforce is read by")),
        }
    }

    /// The next page of a reading of all rows, or of those since the marks.
    async fn pages(&self, part: &ReadPart, marks: &Marks, ready: &mut Ready) -> Result<Page, Error> {
        let mut usage = Usage::default();
        let sources = self.sources(&mut usage, part.kind).await?;
        let first = *sources.first().ok_or_else(|| no_source(part.kind))?;
        let mut cursor = match &part.after {
            Some(token) => Cursor::parse(token, part.kind, part.shape)?,
            None => {
                self.lists_of_gone(&mut usage, &sources, marks, ready).await?;
                let (source, phase) = places(&sources, marks).next().unwrap_or((first, Phase::Rows));
                let mut cursor = Cursor::start(part.kind, part.shape, source);
                cursor.enter(source, phase);
                cursor
            }
        };
        let end = |cursor: Cursor, rows: Vec<Row>, usage: Usage| {
            let watermark = marks.clone().moved_on(cursor.marks).to_watermark()?;
            Ok(Page::new(without_repeated(rows), Next::End(Some(watermark))).with_usage(usage))
        };
        if !sources.contains(&cursor.source) {
            if !cursor.source.optional() {
                return Err(unavailable(cursor.source));
            }
            // It was hidden since: it keeps its old mark, and the reading goes on with the others.
            cursor.marks.remove(&cursor.source);
            if !advance(part.kind, &sources, marks, &mut cursor) {
                return end(cursor, Vec::new(), usage);
            }
        }
        let enough = if part.page_size.is_some() { 1 } else { ENOUGH };
        let mut rows = Vec::new();
        let mut gone = 0;
        for _ in 0..MAX_STEPS {
            let (before, delivered) = (cursor.clone(), rows.len());
            let is_about_gone = cursor.phase == Phase::Deleted;
            match self.step(&mut usage, part, marks, ready, &mut cursor, &mut rows).await {
                Ok(Left::Rows) => {}
                Ok(Left::Later) => break,
                Ok(Left::Nothing) => {
                    if !advance(part.kind, &sources, marks, &mut cursor) {
                        return end(cursor, rows, usage);
                    }
                    // Ids are short, and what came ahead is lost with this page.
                    if is_about_gone {
                        gone = rows.len();
                        continue;
                    }
                    // The rows of the next source cost calls: those that are here are not to be lost among them. What came
                    // ahead costs none.
                    if !rows.is_empty() && ready.pages.is_empty() {
                        break;
                    }
                }
                Err(error) if delivered == 0 => return Err(error),
                Err(_) => {
                    // What has arrived is delivered; the next page meets the error again, or does not.
                    rows.truncate(delivered);
                    cursor = before;
                    break;
                }
            }
            if rows.len() - gone >= enough {
                break;
            }
        }
        let next = Next::More(cursor.to_token()?);
        let mut page = Page::new(without_repeated(rows), next).with_usage(usage);
        page.count = cursor.total;
        Ok(page)
    }

    /// Reads one page of one source, or the ids that are gone for good from it.
    async fn step(
        &self,
        usage: &mut Usage,
        part: &ReadPart,
        marks: &Marks,
        ready: &mut Ready,
        cursor: &mut Cursor,
        rows: &mut Vec<Row>,
    ) -> Result<Left, Error> {
        let source = cursor.source;
        if cursor.phase == Phase::Deleted {
            let since = self.since(marks.gone(source));
            return self.gone_for_good(usage, source, since, ready.gone.remove(&source), cursor, rows).await;
        }
        let since = self.since(marks.of(source));
        if let Some(Way::Bulk(_)) = cursor.way {
            return self.by_job(usage, part, since, cursor, rows).await;
        }
        let undecided = cursor.way.is_none() && cursor.after.is_none() && cursor.locator.is_none();
        if undecided && self.begins_with_a_job(usage, part, source, since).await? {
            cursor.way = Some(Way::Bulk(Place::default()));
            return Ok(Left::Rows);
        }
        let usual = self.config.limits.batch_size.or((source == Source::ContentNote).then_some(NOTES));
        let ask = Ask { shape: part.shape, since, size: PageSize::of(part.page_size, usual) };
        let kept = if part.shape == Shape::Full { self.held.take(usage, cursor) } else { None };
        let behind = cursor.locator.is_some();
        let (mut fetched, mut found) = match kept {
            Some(Rest { fetched, links }) => (fetched, links),
            None => {
                let ready = ready.pages.remove(&source);
                (self.fetch(usage, ask, ready, cursor).await?, Enrichment::default())
            }
        };
        if undecided && ask.size.limit.is_none() && cursor.window.is_none() {
            *cursor.total.get_or_insert_default() += fetched.page.total_size;
        }
        if let Some(now) = fetched.page.server_time {
            // Rows that came ahead are older than a list of deletions that had to be asked for again.
            let mark = cursor.marks.entry(source).or_insert(now);
            *mark = now.min(*mark);
        }
        let rest = self.put_off(usage, part.shape, &mut fetched, &mut found).await?;
        let converted = self.convert_with(usage, part.shape, &fetched, found, rows).await?;
        cursor.incomplete = [cursor.incomplete, converted.incomplete].into_iter().flatten().min();
        let moved = converted.last.is_some();
        // What a query still had to give may be gone for good by now.
        let empty = behind && fetched.page.records.is_empty();
        if let Some(last) = converted.last {
            cursor.after = Some(last);
        }
        if undecided && moved && self.goes_on_with_a_job(&fetched) {
            (cursor.full, cursor.window) = (false, None);
            cursor.way = Some(Way::Bulk(Place::default()));
            return Ok(Left::Rows);
        }
        if let Some(rest) = rest {
            self.held.keep(usage, cursor, rest);
            return Ok(Left::Later);
        }
        cursor.locator = fetched.page.next;
        if cursor.locator.is_some() {
            return Ok(Left::Rows);
        }
        if std::mem::take(&mut cursor.full) {
            // Queries that came back in time may be larger again.
            cursor.window = cursor.window.and_then(Window::roomier);
            return if moved || empty { Ok(Left::Rows) } else { Err(stuck(source)) };
        }
        if let Some((window, until)) = cursor.window.and_then(|window| Some((window, window.until?))) {
            cursor.after = Some(Keyset { stamp: until, id: None });
            cursor.window = window.next(self.end_of(cursor));
            return Ok(Left::Rows);
        }
        settle_mark(cursor, since);
        Ok(Left::Nothing)
    }

    /// From when on is read what a mark was left behind by; none for everything. A transaction may commit later than the time
    /// that it is stamped with, so a reading goes back behind the last one.
    fn since(&self, mark: Option<Timestamp>) -> Option<Timestamp> {
        mark.map(|mark| mark.saturating_sub(self.config.overlap()).unwrap_or(mark))
    }

    /// The sources of an object that this org has.
    async fn sources(&self, usage: &mut Usage, kind: ObjectKind) -> Result<Vec<Source>, Error> {
        let mut sources = Vec::new();
        for source in Source::of(kind).iter().copied() {
            if source.optional() {
                if self.absent.shuns(&source) {
                    continue;
                }
                match self.client.describe(usage, source.sobject()).await {
                    Ok(describe) if describe.object.queryable => {}
                    Err(fault) if !is_hidden(&fault) => return Err(unreadable(source, fault)),
                    _ => {
                        self.absent.shun(source);
                        continue;
                    }
                }
            }
            sources.push(source);
        }
        Ok(sources)
    }

    fn concurrency(&self) -> usize {
        self.client.concurrency().max(1)
    }

    fn selections(&self) -> MutexGuard<'_, HashMap<(Source, bool), Arc<Selection>>> {
        // Nothing panics while it is held, so a poisoned map is whole.
        self.selections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a reading goes through: what is gone from all sources, and then their rows.
fn places(sources: &[Source], marks: &Marks) -> impl Iterator<Item = (Source, Phase)> {
    let gone = sources.iter().filter(|source| source.deletable() && marks.gone(**source).is_some());
    let gone = gone.map(|source| (*source, Phase::Deleted));
    gone.chain(sources.iter().map(|source| (*source, Phase::Rows)))
}

/// Goes on behind a place that is read, past sources that this org does not have; false at the end of all.
fn advance(kind: ObjectKind, sources: &[Source], marks: &Marks, cursor: &mut Cursor) -> bool {
    let here = (cursor.source, cursor.phase);
    for (source, phase) in places(Source::of(kind), marks).skip_while(|place| *place != here).skip(1) {
        if sources.contains(&source) {
            cursor.enter(source, phase);
            return true;
        }
        cursor.marks.remove(&source);
    }
    false
}

/// Where the next reading of the source starts: at the server's time when this one began, or, when the server did not say,
/// at the newest row; and before any row that was not given whole.
fn settle_mark(cursor: &mut Cursor, since: Option<Timestamp>) {
    let newest = cursor.after.as_ref().map(|after| after.stamp);
    let known = cursor.marks.get(&cursor.source).copied().or(newest).or(since);
    if let Some(mark) = [known, cursor.incomplete].into_iter().flatten().min() {
        cursor.marks.insert(cursor.source, mark);
    }
}

fn no_source(kind: ObjectKind) -> Error {
    let names: Vec<_> = Source::of(kind).iter().map(|source| source.sobject()).collect();
    Error::new(
        ErrorKind::PermissionDenied,
        format!("{kind} records cannot be read: this user sees none of the objects {}", names.join(", ")),
    )
    .with_advice(
        "Setup > Permission Sets > the integration's set > Object Settings: give \"Read\" and \"View All\"",
    )
}

/// A page of rows none of which has an id and a time stamp: there is no way to ask for the next one.
fn stuck(source: Source) -> Error {
    let message = format!("a page of {} records has neither ids nor time stamps", source.sobject());
    Error::new(ErrorKind::Decode, message)
}
