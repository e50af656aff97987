//! The driver: carries out what the machine of each object says, a few objects at a time.

use std::sync::OnceLock;
use std::time::Instant;

use futures::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use unicrm_core::{
    Capability, Error, ErrorKind, LinkedAccountId, ObjectKind, Page, Provider, ProviderExt, ReadPart,
    ReadRequest, Result, Row, Scope,
};
use unicrm_store::{
    self as store, Epoch, PageCommit, PageCounts, PageReport, SnapshotEnd, StaleEpoch, Store,
};

use crate::checkpoint::Checkpoint;
use crate::machine::{Effect, Input, Plan, State, step};
use crate::options::{Event, Observer, Options};
use crate::patience::{Patience, patiently};
use crate::rss::peak_rss_bytes;
use crate::summary::{ObjectSummary, Status, Summary};

/// What changed since a reading that is younger than this can wait for the readings that an earlier run left unfinished.
const RECENT: SignedDuration = SignedDuration::from_hours(1);

/// Brings the store up to date with what the provider has, and says what it did. An object that fails does not stop the
/// others: its error is in the summary. The outer error is one of the store: it could not begin the run, or could not note
/// that everything was read. Whatever came is kept, and the next run goes on from there.
///
/// What changed is asked for in one request for all objects, which costs a provider few calls; whatever goes on beyond a
/// first page is read object by object. Readings that an earlier run left unfinished come first.
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
    let epoch = patiently(|| store.begin_epoch(account)).await?;
    let began_at = Timestamp::now();
    let run = Run {
        provider,
        store,
        epoch,
        options,
        observer,
        began_at,
        stopped: OnceLock::new(),
        kept_back: OnceLock::new(),
    };
    let mut summary = Summary::default();
    for (object, state) in run.objects(&options.kinds(provider)).await {
        summary.add_usage(state.usage());
        summary.objects.push(object);
    }
    if summary.objects.iter().all(|object| object.status == Status::Complete) {
        let now = Timestamp::now();
        patiently(|| store.finish_sync(epoch, now)).await?;
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
    began_at: Timestamp,
    /// What no object can be read after.
    stopped: OnceLock<Error>,
    /// Set once no more of the quota may be used.
    kept_back: OnceLock<Error>,
}

/// One object on its way.
struct Object {
    kind: ObjectKind,
    state: State,
    todo: Todo,
    /// Whether the observer knows of it.
    told: bool,
    /// Whether its last complete reading was a short time ago.
    is_recent: bool,
    patience: Patience,
}

/// What is to be done next with an object.
enum Todo {
    Do(Effect),
    Tell(Input),
    Nothing,
}

/// How far an object got in one round.
#[expect(clippy::large_enum_variant, reason = "there are ten of them, each for a moment")]
enum Went {
    ToTheEnd(ObjectSummary, State),
    /// What is left are the changes since the reading that was just completed. They are asked for with those of others.
    UpToChanges(Object),
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
        // Runs that are interrupted again and again would ask each time what changed meanwhile in the objects that are
        // complete. It is enough to ask once, behind what they left unfinished, unless that takes them too long.
        let unfinished = objects.iter().any(|object| object.first_changes().is_none());
        let waits = |object: &Object| unfinished && object.is_recent && object.first_changes().is_some();
        let (mut waiting, mut objects): (Vec<_>, Vec<_>) = objects.into_iter().partition(waits);
        let place = |kind: ObjectKind| kinds.iter().position(|other| *other == kind);
        let mut ended = Vec::with_capacity(kinds.len());
        loop {
            self.read_together(&mut objects).await;
            let round = stream::iter(objects)
                .map(|object| self.go_on(object))
                .buffer_unordered(self.options.concurrency.max(1));
            for went in round.collect::<Vec<_>>().await {
                match went {
                    Went::ToTheEnd(object, state) => ended.push((object, state)),
                    Went::UpToChanges(object) => waiting.push(object),
                }
            }
            if waiting.is_empty() {
                break;
            }
            waiting.sort_by_key(|object| place(object.kind));
            objects = std::mem::take(&mut waiting);
        }
        ended.sort_by_key(|(object, _)| place(object.kind));
        ended
    }

    async fn begin(&self, kind: ObjectKind) -> Object {
        let state = State::new(Plan {
            kind,
            full: self.options.full,
            reads_changes: self.provider.capabilities().allows(kind, Capability::ReadSince),
            page_size: self.options.page_size,
            began_at: Some(self.began_at),
        });
        let checkpoint = self.checkpoint(kind).await;
        let read_at = checkpoint.as_ref().ok().and_then(|checkpoint| checkpoint.read_at);
        // What is said to be read in the future was written by a clock that was wrong.
        let is_recent =
            read_at.is_some_and(|at| at <= self.began_at && self.began_at.duration_since(at) < RECENT);
        let (state, effect) = step(state, checkpoint.map_or_else(Input::Failed, Input::Start));
        Object {
            kind,
            state,
            todo: effect.map_or(Todo::Nothing, Todo::Do),
            told: false,
            is_recent,
            patience: Patience::default(),
        }
    }

    /// Asks for the first pages of all objects of which only changes are read in one request: a provider that can put
    /// several questions into one call does so, and mostly there are no more pages.
    async fn read_together(&self, objects: &mut [Object]) {
        let request: ReadRequest = objects.iter().filter_map(Object::first_changes).cloned().collect();
        if request.parts().len() < 2 || self.halted() || self.kept_back.get().is_some() {
            return;
        }
        tracing::debug!(objects = request.parts().len(), "reading what changed");
        let mut together = Vec::new();
        for object in objects.iter_mut().filter(|object| object.first_changes().is_some()) {
            self.tell_of(object);
            together.push(object);
        }
        match self.read_all(request).await {
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

    async fn go_on(&self, mut object: Object) -> Went {
        // What has come already is put away, whatever happened to the others.
        if self.halted() && matches!(object.todo, Todo::Do(_)) {
            object.todo = match self.stopped().filter(|_| object.told) {
                Some(error) => Todo::Tell(Input::Failed(error.clone())),
                None => Todo::Nothing,
            };
            if !object.told {
                return self.ended(object);
            }
        }
        self.tell_of(&mut object);
        loop {
            let input = match std::mem::replace(&mut object.todo, Todo::Nothing) {
                Todo::Do(Effect::Read(_) | Effect::Begin(_)) if self.options.stop.is_stopped() => break,
                Todo::Do(effect) => self.outcome(&mut object, effect).await,
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
            if object.first_changes().is_some() {
                return Went::UpToChanges(object);
            }
        }
        if let Some(error) = object.state.error() {
            self.stop_on(error);
        }
        self.ended(object)
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

    fn ended(&self, object: Object) -> Went {
        let Object { kind, state, told, .. } = object;
        let status = match state.status() {
            Some(status) => status,
            None if told => Status::Interrupted,
            None => Status::NotRun,
        };
        let error = if status == Status::NotRun { self.stopped() } else { state.error() };
        let summary = ObjectSummary {
            kind,
            status,
            tally: *state.tally(),
            resumed: state.resumed(),
            error: error.cloned(),
            reconcile: None,
        };
        tracing::info!(%kind, %status, read = summary.tally.read, "sync of an object ended");
        (self.observer)(&Event::Ended(&summary));
        Went::ToTheEnd(summary, state)
    }

    /// A checkpoint that cannot be read any more is that of another version: everything is read again.
    pub(crate) async fn checkpoint(&self, kind: ObjectKind) -> Result<Checkpoint> {
        let kept = patiently(|| self.store.checkpoint(self.epoch.linked_account, kind)).await?;
        Ok(kept.map(|kept| kept.read().unwrap_or_default()).unwrap_or_default())
    }

    /// Does what the machine says. Where the store did not answer, its checkpoint tells whether it has done it: the object goes
    /// on from there as after a crash, and nobody need keep the rows of a page until they are in the store.
    async fn outcome(&self, object: &mut Object, effect: Effect) -> Input {
        let checkpoint = match &effect {
            Effect::Begin(checkpoint) | Effect::Commit { checkpoint, .. } | Effect::Finish(checkpoint) => {
                Some(checkpoint.clone())
            }
            Effect::Read(_) => None,
        };
        let outcome = self.perform(object.kind, effect).await;
        let patience = &mut object.patience;
        match (outcome, checkpoint) {
            (Ok(input), checkpoint) => {
                if let Some(checkpoint) = &checkpoint {
                    patience.is_rewarded_by(checkpoint);
                }
                input
            }
            (Err(error), Some(_)) if patience.outlasts(&error).await => {
                let kept = self.checkpoint(object.kind).await;
                kept.inspect(|kept| patience.starts_from(kept)).map_or_else(Input::Failed, Input::Start)
            }
            (Err(error), _) => Input::Failed(error),
        }
    }

    async fn perform(&self, kind: ObjectKind, effect: Effect) -> Result<Input> {
        Ok(match effect {
            Effect::Begin(checkpoint) => {
                self.begin_snapshot(kind, &checkpoint).await?;
                Input::Done(PageCounts::default())
            }
            Effect::Read(part) => Input::Page(self.read(part).await?),
            Effect::Commit { rows, checkpoint } => {
                Input::Done(self.commit(kind, rows, &checkpoint).await?.counts)
            }
            Effect::Finish(checkpoint) => {
                let end = self.finish_snapshot(kind, &checkpoint).await?;
                Input::Done(PageCounts { deleted: end.gone, ..PageCounts::default() })
            }
        })
    }

    /// Puts rows and the checkpoint behind them into the store, in one transaction.
    pub(crate) async fn commit(
        &self,
        kind: ObjectKind,
        rows: Vec<Row>,
        checkpoint: &Checkpoint,
    ) -> Result<PageReport> {
        let page = PageCommit::new(self.epoch, kind, rows).with_checkpoint(kept(checkpoint));
        self.store.commit_page(page).await
    }

    pub(crate) async fn begin_snapshot(&self, kind: ObjectKind, checkpoint: &Checkpoint) -> Result<()> {
        self.commit(kind, Vec::new(), checkpoint).await?;
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
        if let Some(error) = self.kept_back.get() {
            return Err(error.clone());
        }
        let page = self.provider.read_page(part).await?;
        self.mind_quota(&page);
        Ok(page)
    }

    /// Several objects in one request.
    pub(crate) async fn read_all(&self, request: ReadRequest) -> Result<Vec<Result<Page>>> {
        if let Some(error) = self.kept_back.get() {
            return Err(error.clone());
        }
        let pages = self.provider.read(request).await?;
        pages.iter().flatten().for_each(|page| self.mind_quota(page));
        Ok(pages)
    }

    /// What this page has brought is kept; no further one is asked for when too little of the quota is left.
    fn mind_quota(&self, page: &Page) {
        let keep = self.options.keep_quota;
        let Some(quota) = page.usage.quota.as_ref().filter(|_| keep > 0) else { return };
        if u128::from(quota.left()) * 100 < u128::from(quota.limit) * u128::from(keep) {
            self.kept_back.get_or_init(|| {
                Error::new(
                    ErrorKind::QuotaExhausted,
                    format!(
                        "{} of the remote's {} API calls are left, and {keep} % of them are kept for others",
                        quota.left(),
                        quota.limit
                    ),
                )
                .with_advice(
                    "Sync again when there are more: it goes on from there. To use them now, keep less.",
                )
            });
        }
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
