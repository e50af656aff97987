//! The driver: carries out what the machine of each object says, a few objects at a time.

use std::sync::OnceLock;
use std::time::Instant;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use unicrm_core::{
    Capability, Error, ErrorKind, LinkedAccountId, ObjectKind, Page, Provider, ProviderExt, ReadPart,
    ReadRequest, Result, Scope,
};
use unicrm_store::{self as store, Epoch, PageCommit, PageCounts, SnapshotEnd, StaleEpoch, Store};

use crate::checkpoint::Checkpoint;
use crate::machine::{Effect, Input, Plan, State, step};
use crate::options::{Event, Observer, Options};
use crate::rss::peak_rss_bytes;
use crate::summary::{ObjectSummary, Status, Summary};

/// Brings the store up to date with what the provider has, and says what it did. An object that fails does not stop the
/// others: its error is in the summary. The outer error means that nothing was begun.
///
/// What changed is asked for in one request for all objects, which costs a provider few calls; whatever goes on beyond a
/// first page is read object by object.
///
/// Memory does not grow with the number of records: at most [`Options::concurrency`] pages are held at once, and at the
/// beginning one page of what changed for each object.
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
    let mut summary = Summary::default();
    for (object, state) in run.objects(&options.kinds(provider)).await {
        summary.add_usage(state.usage());
        summary.objects.push(object);
    }
    if summary.objects.iter().all(|object| object.status == Status::Complete) {
        store.finish_sync(epoch, Timestamp::now()).await?;
    }
    if let Some(reconcile) = &options.reconcile {
        run.reconcile(reconcile, &mut summary).await;
    }
    summary.seconds = started.elapsed().as_secs_f64();
    summary.peak_rss_bytes = peak_rss_bytes();
    Ok(summary)
}

/// One run of a sync.
pub(crate) struct Run<'a> {
    pub(crate) provider: &'a dyn Provider,
    pub(crate) store: &'a dyn Store,
    pub(crate) epoch: Epoch,
    pub(crate) options: &'a Options,
    pub(crate) observer: &'a Observer<'a>,
    /// What no object can be read after.
    stopped: OnceLock<Error>,
}

/// One object on its way.
struct Object {
    kind: ObjectKind,
    state: State,
    todo: Todo,
    /// Whether the observer knows of it.
    told: bool,
}

/// What is to be done next with an object.
enum Todo {
    Do(Effect),
    Tell(Input),
    Nothing,
}

impl Object {
    /// The first page of what changed, when that is what the object needs.
    fn first_changes(&self) -> Option<&ReadPart> {
        match &self.todo {
            Todo::Do(Effect::Read(part)) if part.after.is_none() && matches!(part.scope, Scope::Since(_)) => {
                Some(part)
            }
            _ => None,
        }
    }
}

impl Run<'_> {
    /// Reads the objects, each to its end; in the order in which they were given.
    async fn objects(&self, kinds: &[ObjectKind]) -> Vec<(ObjectSummary, State)> {
        let mut objects = Vec::with_capacity(kinds.len());
        for kind in kinds {
            objects.push(self.begin(*kind).await);
        }
        self.read_together(&mut objects).await;
        let ended = stream::iter(objects)
            .map(|object| self.go_on(object))
            .buffer_unordered(self.options.concurrency.max(1));
        let mut ended: Vec<_> = ended.collect().await;
        ended.sort_by_key(|(object, _)| kinds.iter().position(|kind| *kind == object.kind));
        ended
    }

    async fn begin(&self, kind: ObjectKind) -> Object {
        let state = State::new(Plan {
            kind,
            full: self.options.full,
            reads_changes: self.provider.capabilities().allows(kind, Capability::ReadSince),
            page_size: self.options.page_size,
        });
        let input = self.checkpoint(kind).await.map_or_else(Input::Failed, Input::Start);
        let (state, effect) = step(state, input);
        Object { kind, state, todo: effect.map_or(Todo::Nothing, Todo::Do), told: false }
    }

    /// Asks for the first pages of all objects of which only changes are read in one request: a provider that can put
    /// several questions into one call does so, and mostly there are no more pages.
    async fn read_together(&self, objects: &mut [Object]) {
        let request: ReadRequest = objects.iter().filter_map(Object::first_changes).cloned().collect();
        if request.parts().len() < 2 || self.options.stop.is_stopped() {
            return;
        }
        tracing::debug!(objects = request.parts().len(), "reading what changed");
        let mut together = Vec::new();
        for object in objects.iter_mut().filter(|object| object.first_changes().is_some()) {
            self.tell_of(object);
            together.push(object);
        }
        match self.provider.read(request).await {
            Ok(pages) => {
                let mut pages = pages.into_iter();
                for object in together {
                    let page = pages.next().unwrap_or_else(|| {
                        Err(Error::new(ErrorKind::Internal, "the provider left a part unanswered"))
                    });
                    object.todo = Todo::Tell(page.map_or_else(Input::Failed, Input::Page));
                }
            }
            Err(error) => {
                for object in together {
                    object.todo = Todo::Tell(Input::Failed(error.clone()));
                }
            }
        }
    }

    fn tell_of(&self, object: &mut Object) {
        if !std::mem::replace(&mut object.told, true) {
            (self.observer)(&Event::Began { kind: object.kind });
        }
    }

    async fn go_on(&self, mut object: Object) -> (ObjectSummary, State) {
        // What has come already is put away, whatever happened to the others.
        if self.halted() && matches!(object.todo, Todo::Do(_)) {
            return (self.ended(&object, Status::NotRun, self.stopped().cloned()), object.state);
        }
        self.tell_of(&mut object);
        let mut interrupted = false;
        loop {
            let input = match std::mem::replace(&mut object.todo, Todo::Nothing) {
                Todo::Do(Effect::Read(_) | Effect::Begin(_)) if self.options.stop.is_stopped() => {
                    interrupted = true;
                    break;
                }
                Todo::Do(effect) => self.perform(object.kind, effect).await.unwrap_or_else(Input::Failed),
                Todo::Tell(input) => input,
                Todo::Nothing => break,
            };
            let committed = matches!(input, Input::Done(_));
            let (state, effect) = step(object.state, input);
            object = Object { state, todo: effect.map_or(Todo::Nothing, Todo::Do), ..object };
            if committed {
                let (tally, total) = (object.state.tally(), object.state.total());
                (self.observer)(&Event::Page { kind: object.kind, tally, total });
            }
        }
        let error = object.state.error().cloned();
        if let Some(error) = &error {
            self.stop_on(error);
        }
        let status = match &error {
            None if interrupted => Status::Interrupted,
            error => error.as_ref().map_or(Status::Complete, Status::of),
        };
        (self.ended(&object, status, error), object.state)
    }

    /// Whether no further object may be begun.
    pub(crate) fn halted(&self) -> bool {
        self.options.stop.is_stopped() || self.stopped().is_some()
    }

    /// The error after which no object can be read.
    pub(crate) fn stopped(&self) -> Option<&Error> {
        self.stopped.get()
    }

    /// Whichever object finds out first stops the rest; the others' errors say the same.
    pub(crate) fn stop_on(&self, error: &Error) {
        if stops_all(error) {
            self.stopped.get_or_init(|| error.clone());
        }
    }

    fn ended(&self, object: &Object, status: Status, error: Option<Error>) -> ObjectSummary {
        let Object { kind, state, .. } = object;
        let summary = ObjectSummary {
            kind: *kind,
            status,
            tally: *state.tally(),
            resumed: state.resumed(),
            error,
            reconcile: None,
        };
        tracing::info!(%kind, %status, read = summary.tally.read, "sync of an object ended");
        (self.observer)(&Event::Ended(&summary));
        summary
    }

    /// A checkpoint that cannot be read any more is that of another version: everything is read again.
    pub(crate) async fn checkpoint(&self, kind: ObjectKind) -> Result<Checkpoint> {
        let kept = self.store.checkpoint(self.epoch.linked_account, kind).await?;
        Ok(kept.map(|kept| kept.read().unwrap_or_default()).unwrap_or_default())
    }

    async fn perform(&self, kind: ObjectKind, effect: Effect) -> Result<Input> {
        Ok(match effect {
            Effect::Begin(checkpoint) => {
                self.begin_snapshot(kind, &checkpoint).await?;
                Input::Done(PageCounts::default())
            }
            Effect::Read(part) => Input::Page(self.read(part).await?),
            Effect::Commit { rows, checkpoint } => {
                let page = PageCommit::new(self.epoch, kind, rows).with_checkpoint(kept(&checkpoint));
                Input::Done(self.store.commit_page(page).await?.counts)
            }
            Effect::Finish(checkpoint) => {
                let end = self.finish_snapshot(kind, &checkpoint).await?;
                Input::Done(PageCounts { deleted: end.gone, ..PageCounts::default() })
            }
        })
    }

    pub(crate) async fn begin_snapshot(&self, kind: ObjectKind, checkpoint: &Checkpoint) -> Result<()> {
        let page = PageCommit::new(self.epoch, kind, Vec::new());
        self.store.commit_page(page.with_checkpoint(kept(checkpoint))).await?;
        self.store.begin_snapshot(self.epoch, kind).await
    }

    pub(crate) async fn finish_snapshot(
        &self,
        kind: ObjectKind,
        checkpoint: &Checkpoint,
    ) -> Result<SnapshotEnd> {
        let end = self.store.finish_snapshot(self.epoch, kind, Some(kept(checkpoint))).await?;
        if end.blind > 0 {
            tracing::warn!(%kind, rows = end.blind, "rows without an id: no record is declared gone");
        }
        Ok(end)
    }

    pub(crate) async fn read(&self, part: ReadPart) -> Result<Page> {
        tracing::debug!(kind = %part.kind, scope = ?part.scope, "reading a page");
        self.provider.read_page(part).await
    }
}

pub(crate) fn kept(checkpoint: &Checkpoint) -> store::Checkpoint {
    store::Checkpoint::of(checkpoint)
}

/// Errors that every other object would run into as well.
fn stops_all(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::QuotaExhausted)
        || StaleEpoch::of(error).is_some()
}
