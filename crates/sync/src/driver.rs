//! The driver: carries out what the machine of each object says, a few objects at a time.

use std::sync::OnceLock;
use std::time::Instant;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use unicrm_core::{
    Capability, Error, ErrorKind, LinkedAccountId, ObjectKind, Page, Provider, ProviderExt, ReadPart, Result,
};
use unicrm_store::{self as store, Epoch, PageCommit, PageCounts, StaleEpoch, Store};

use crate::checkpoint::Checkpoint;
use crate::machine::{Effect, Input, Plan, State, step};
use crate::rss::peak_rss_bytes;
use crate::summary::{ObjectSummary, Status, Summary, Tally};

/// Brings the store up to date with what the provider has, and says what it did. An object that fails does not stop the
/// others: its error is in the summary. The outer error means that nothing was begun.
///
/// Memory does not grow with the number of records: at most [`Options::concurrency`] pages are held at once.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use unicrm_core::{Contact, memory::MemoryProvider};
/// use unicrm_store::{LinkRequest, LinkedAccounts, SqliteStore};
///
/// let store = SqliteStore::open_in_memory().await?;
/// let account = store.link(LinkRequest::new("acme", "memory")).await?;
/// let provider = MemoryProvider::new(account.id);
/// provider.put(Contact::default());
///
/// let options = unicrm_sync::Options::default();
/// let summary = unicrm_sync::sync(&provider, &store, account.id, &options, &|_| {}).await?;
/// assert_eq!(summary.total().created, 1);
/// let again = unicrm_sync::sync(&provider, &store, account.id, &options, &|_| {}).await?;
/// assert_eq!(again.total().read, 0);
/// # Ok::<_, unicrm_core::Error>(()) }).unwrap();
/// ```
pub async fn sync(
    provider: &dyn Provider,
    store: &dyn Store,
    account: LinkedAccountId,
    options: &Options,
    observer: &Observer<'_>,
) -> Result<Summary> {
    let started = Instant::now();
    let epoch = store.begin_epoch(account).await?;
    let run = Run { provider, store, epoch, options, observer, stopped: OnceLock::new() };
    let kinds = options.kinds(provider);
    let mut objects = stream::iter(kinds.iter().copied())
        .map(|kind| run.object(kind))
        .buffer_unordered(options.concurrency.max(1));
    let mut summary = Summary::default();
    while let Some((object, state)) = objects.next().await {
        summary.add_usage(state.usage());
        summary.objects.push(object);
    }
    drop(objects);
    summary.objects.sort_by_key(|object| kinds.iter().position(|kind| *kind == object.kind));
    if summary.objects.iter().all(|object| object.status == Status::Complete) {
        store.finish_sync(epoch, Timestamp::now()).await?;
    }
    summary.seconds = started.elapsed().as_secs_f64();
    summary.peak_rss_bytes = peak_rss_bytes();
    Ok(summary)
}

/// What to sync, and how.
///
/// ```
/// let options = unicrm_sync::Options { full: true, ..unicrm_sync::Options::default() };
/// assert!(options.objects.is_empty() && options.concurrency > 1);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// Which objects; none for all that the provider can read.
    pub objects: Vec<ObjectKind>,
    /// Read everything, even where what changed would do.
    pub full: bool,
    /// How many objects at once.
    pub concurrency: usize,
    /// At most so many rows a page; none leaves it to the provider.
    pub page_size: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { objects: Vec::new(), full: false, concurrency: 3, page_size: None }
    }
}

impl Options {
    /// The usual sizes ascend in this order: what others refer to comes early, and a fault shows before the long objects.
    const ORDER: [ObjectKind; 10] = [
        ObjectKind::EngagementType,
        ObjectKind::Stage,
        ObjectKind::User,
        ObjectKind::Account,
        ObjectKind::Opportunity,
        ObjectKind::Lead,
        ObjectKind::Contact,
        ObjectKind::Note,
        ObjectKind::Task,
        ObjectKind::Engagement,
    ];

    /// What is asked for by name is tried even where the provider cannot: its refusal is then in the summary.
    fn kinds(&self, provider: &dyn Provider) -> Vec<ObjectKind> {
        let wanted = |kind: &ObjectKind| match self.objects.as_slice() {
            [] => provider.capabilities().allows(*kind, Capability::Read),
            objects => objects.contains(kind),
        };
        Self::ORDER.into_iter().filter(wanted).collect()
    }
}

/// Takes the events of a run, from whatever task they happen on. It must not block.
pub type Observer<'a> = dyn Fn(&Event<'_>) + Send + Sync + 'a;

/// What a progress display wants to know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// An object is begun.
    Began {
        /// Which.
        kind: ObjectKind,
    },
    /// A page is in the store.
    Page {
        /// Of which object.
        kind: ObjectKind,
        /// What was done so far.
        tally: &'a Tally,
        /// How many rows there will be, as the provider last guessed.
        total: Option<u64>,
    },
    /// An object has ended, well or not.
    Ended(&'a ObjectSummary),
}

struct Run<'a> {
    provider: &'a dyn Provider,
    store: &'a dyn Store,
    epoch: Epoch,
    options: &'a Options,
    observer: &'a Observer<'a>,
    /// What no object can be read after.
    stopped: OnceLock<Error>,
}

impl Run<'_> {
    async fn object(&self, kind: ObjectKind) -> (ObjectSummary, State) {
        let mut state = State::new(Plan {
            kind,
            full: self.options.full,
            reads_changes: self.provider.capabilities().allows(kind, Capability::ReadSince),
            page_size: self.options.page_size,
        });
        if let Some(error) = self.stopped.get() {
            return (self.ended(kind, &state, Status::NotRun, Some(error.clone())), state);
        }
        (self.observer)(&Event::Began { kind });
        let mut input = match self.checkpoint(kind).await {
            Ok(checkpoint) => Input::Start(checkpoint),
            Err(error) => Input::Failed(error),
        };
        loop {
            let committed = matches!(input, Input::Done(_));
            let (next, effect) = step(state, input);
            state = next;
            if committed {
                (self.observer)(&Event::Page { kind, tally: state.tally(), total: state.total() });
            }
            let Some(effect) = effect else { break };
            input = self.perform(kind, effect).await.unwrap_or_else(Input::Failed);
        }
        let error = state.error().cloned();
        if let Some(error) = error.as_ref().filter(|error| stops_all(error)) {
            // Whichever object finds out first stops the rest; the others' errors say the same.
            self.stopped.get_or_init(|| error.clone());
        }
        let status = error.as_ref().map_or(Status::Complete, Status::of);
        (self.ended(kind, &state, status, error), state)
    }

    fn ended(&self, kind: ObjectKind, state: &State, status: Status, error: Option<Error>) -> ObjectSummary {
        let summary = ObjectSummary { kind, status, tally: *state.tally(), resumed: state.resumed(), error };
        tracing::info!(%kind, %status, read = summary.tally.read, "sync of an object ended");
        (self.observer)(&Event::Ended(&summary));
        summary
    }

    /// A checkpoint that cannot be read any more is that of another version: everything is read again.
    async fn checkpoint(&self, kind: ObjectKind) -> Result<Checkpoint> {
        let kept = self.store.checkpoint(self.epoch.linked_account, kind).await?;
        Ok(kept.map(|kept| kept.read().unwrap_or_default()).unwrap_or_default())
    }

    async fn perform(&self, kind: ObjectKind, effect: Effect) -> Result<Input> {
        let page = |rows| PageCommit::new(self.epoch, kind, rows);
        Ok(match effect {
            Effect::Begin(checkpoint) => {
                self.store.commit_page(page(Vec::new()).with_checkpoint(kept(&checkpoint))).await?;
                self.store.begin_snapshot(self.epoch, kind).await?;
                Input::Done(PageCounts::default())
            }
            Effect::Read(part) => Input::Page(self.read(part).await?),
            Effect::Commit { rows, checkpoint } => {
                let report = self.store.commit_page(page(rows).with_checkpoint(kept(&checkpoint))).await?;
                Input::Done(report.counts)
            }
            Effect::Finish(checkpoint) => {
                let end = self.store.finish_snapshot(self.epoch, kind, Some(kept(&checkpoint))).await?;
                if end.blind > 0 {
                    tracing::warn!(%kind, rows = end.blind, "rows without an id: no record is declared gone");
                }
                Input::Done(PageCounts { deleted: end.gone, ..PageCounts::default() })
            }
        })
    }

    async fn read(&self, part: ReadPart) -> Result<Page> {
        tracing::debug!(kind = %part.kind, scope = ?part.scope, "reading a page");
        self.provider.read_page(part).await
    }
}

fn kept(checkpoint: &Checkpoint) -> store::Checkpoint {
    store::Checkpoint::of(checkpoint)
}

/// Errors that every other object would run into as well.
fn stops_all(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::QuotaExhausted)
        || StaleEpoch::of(error).is_some()
}
