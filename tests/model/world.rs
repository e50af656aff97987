//! An org, the plugin, a store: where a program runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;
use unicrm_core::{
    ConnectRequest, Credentials, ErrorKind, Json, LinkedAccountId, MemoryCredentialStore, ObjectKind,
    Provider, Registry,
};
use unicrm_salesforce_emulator::{Emulator, Fault, FaultRule, OrgHandle, Resource};
use unicrm_store::{Ingest as _, LinkRequest, LinkedAccounts as _, SqliteStore};
use unicrm_sync::{Checkpoint, Options, Reconcile, Status, Summary, sync};

use crate::faults;
use crate::history::History;
use crate::interrupt::{Bug, Gate, GatedProvider, GatedStore};
use crate::objects::{Remote, remotes_of};
use crate::oracle::{Row, Tolerance, Unseen, differences, rows};
use crate::program::{Interruption, Pages, Planned, Program, Step, Sync};
use crate::tally::Tally;

const CLIENT: &str = "3MVG9.model";
/// What commits so much later than it is stamped is not promised to the next sync.
pub(crate) const OVERLAP: u64 = 600;

/// Why a program failed: what a person reads.
pub(crate) type Failure = String;

/// A program that failed, and all that happened before.
#[derive(Debug, PartialEq)]
pub(crate) struct Failed {
    pub(crate) why: Failure,
    pub(crate) history: Vec<String>,
}

/// Runs a program to its end.
pub(crate) async fn run(program: &Program, bug: Option<Bug>) -> (Tally, Result<(), Failed>) {
    let mut world = match World::new(program, bug).await {
        Ok(world) => world,
        Err(why) => return (Tally::default(), Err(Failed { why, history: Vec::new() })),
    };
    let outcome = world.live(program).await;
    let tally = std::mem::take(&mut world.tally);
    world.emulator.shutdown().await;
    (tally, outcome.map_err(|why| Failed { why, history: world.history.take() }))
}

pub(crate) struct World {
    emulator: Emulator,
    pub(crate) org: OrgHandle,
    store: SqliteStore,
    account: LinkedAccountId,
    credentials: Arc<MemoryCredentialStore>,
    /// None before the first connection, and after one that is of no use any more.
    provider: Option<Arc<dyn Provider>>,
    pub(crate) kinds: Vec<ObjectKind>,
    bulk: bool,
    bug: Option<Bug>,
    /// Counts what happens, so that it is known what was before what.
    pub(crate) tick: u64,
    connected: u64,
    pub(crate) unseen: Unseen,
    /// Whether this connection may have found an object missing: it takes that as given for an hour of the machine's time.
    pub(crate) missed: bool,
    /// Whether faults met the last sync: the org may never have let the connection in with the token that it has, and
    /// then a refusal within seconds is taken for one that no further token would end.
    unproven: bool,
    /// Records of which a comparison of ids told that they are gone.
    compared: BTreeSet<String>,
    /// Whether everything was just read that the org shows.
    whole: bool,
    /// Objects that have the custom field.
    pub(crate) custom: BTreeSet<&'static str>,
    /// Since when a record or a field may differ until everything is read again.
    pub(crate) loose_ids: BTreeMap<(ObjectKind, String), u64>,
    loose_fields: BTreeMap<(ObjectKind, &'static str, String), u64>,
    /// Sorts of changes that no complete sync has seen.
    pub(crate) pending: BTreeSet<&'static str>,
    pub(crate) tally: Tally,
    history: Arc<History>,
}

impl World {
    async fn new(program: &Program, bug: Option<Bug>) -> Result<Self, Failure> {
        let secret = "model-secret";
        let emulator = Emulator::builder().empty().client(CLIENT, secret).start().await;
        let emulator = emulator.map_err(|error| format!("the emulator does not start: {error}"))?;
        let org = emulator.org();
        org.freeze_clock(true);
        let mut bulk = org.bulk();
        bulk.delay_milliseconds = 0;
        org.set_bulk(bulk);
        let store = SqliteStore::open_in_memory().await.map_err(|error| format!("no store: {error:?}"))?;
        let account = store.link(LinkRequest::new("model", "salesforce")).await;
        let account = account.map_err(|error| format!("no linked account: {error:?}"))?.id;
        let credentials = Credentials::new().with("client_secret", SecretString::from(secret));
        Ok(Self {
            org,
            emulator,
            store,
            account,
            credentials: Arc::new(MemoryCredentialStore::new(credentials)),
            provider: None,
            kinds: program.kinds.clone(),
            bulk: program.bulk,
            bug,
            tick: 0,
            connected: 0,
            unseen: Unseen::default(),
            missed: false,
            unproven: false,
            compared: BTreeSet::new(),
            whole: false,
            custom: BTreeSet::new(),
            loose_ids: BTreeMap::new(),
            loose_fields: BTreeMap::new(),
            pending: BTreeSet::new(),
            tally: Tally::default(),
            history: Arc::default(),
        })
    }

    async fn live(&mut self, program: &Program) -> Result<(), Failure> {
        for step in &program.steps {
            match step {
                Step::Sync(step) => self.sync(step).await?,
                other => self.outside(other).await?,
            }
        }
        self.rest(program).await
    }

    /// A step that is none of the sync's.
    async fn outside(&mut self, step: &Step) -> Result<(), Failure> {
        self.tick += 1;
        self.history.note(format!("{} {step:?}", self.org.now()));
        match step {
            Step::Wait(seconds) => self.org.advance_clock(Duration::from_secs(*seconds)),
            Step::Remote(mutation) => {
                let org = self.org.clone();
                self.change(&org, mutation, 0).await?;
            }
            Step::Late(age, mutation) => {
                let before = if *age > OVERLAP { Some(self.everything().await?) } else { None };
                let late = self.org.committing_late(Duration::from_secs(*age));
                if self.change(&late, mutation, *age).await?
                    && let Some(before) = before
                {
                    for (kind, row) in self.everything().await? {
                        if !before.contains(&(kind, row.clone())) {
                            self.loose_ids.insert((kind, row.id), self.tick);
                        }
                    }
                }
            }
            Step::Sync(_) => {}
        }
        Ok(())
    }

    pub(crate) async fn rows(&self, remote: Remote) -> Result<Vec<Row>, Failure> {
        let rows = rows(&self.org, remote, self.custom.contains(remote.sobject())).await;
        rows.map_err(|error| format!("the oracle cannot read {}: {error}", remote.sobject()))
    }

    /// All rows of the program's objects.
    async fn everything(&self) -> Result<Vec<(ObjectKind, Row)>, Failure> {
        let mut all = Vec::new();
        for remote in self.remotes() {
            all.extend(self.rows(remote).await?.into_iter().map(|row| (remote.kind(), row)));
        }
        Ok(all)
    }

    /// The objects of the org that are synced.
    pub(crate) fn remotes(&self) -> Vec<Remote> {
        self.kinds.iter().flat_map(|kind| remotes_of(*kind)).copied().collect()
    }

    pub(crate) fn loosen_field(&mut self, sobject: &'static str, field: &str) {
        for remote in self.remotes().into_iter().filter(|remote| remote.sobject() == sobject) {
            self.loose_fields.insert((remote.kind(), sobject, field.to_owned()), self.tick);
        }
    }

    /// Faults may have taken fields away for good.
    fn notice_lost_fields(&mut self) {
        let visibility = self.org.visibility();
        for remote in self.remotes() {
            for field in remote.hideable() {
                let key = (remote.sobject(), (*field).to_owned());
                if !visibility.field(remote.sobject(), field).readable && self.unseen.fields.insert(key) {
                    self.loosen_field(remote.sobject(), field);
                }
            }
        }
    }

    fn some_are_hidden(&self) -> bool {
        let visibility = self.org.visibility();
        self.remotes().iter().any(|remote| !visibility.can_read(remote.sobject()))
    }

    async fn connect(&mut self) -> Result<(), unicrm_core::Error> {
        self.provider = None;
        self.tick += 1;
        let config = json!({
            "flow": "client-credentials",
            "login_url": self.emulator.url(),
            "client_id": CLIENT,
            // Few attempts and no long waits: what is not answered soon ends the run, and the next one goes on.
            "limits": { "attempts": 3, "bulk_records": 100 },
            "timeouts": { "retry": 2 },
            "bulk": if self.bulk { "always" } else { "never" },
        });
        let config = Json::parse(config.to_string())?;
        let request = ConnectRequest::new(self.account, config, self.credentials.clone());
        self.provider =
            Some(Registry::new([unicrm_salesforce::PROVIDER])?.connect("salesforce", request).await?);
        self.connected = self.tick;
        self.missed = self.some_are_hidden();
        Ok(())
    }

    async fn sync(&mut self, step: &Sync) -> Result<(), Failure> {
        self.tick += 1;
        let rules = self.plan(step);
        if step.expired {
            self.org.revoke_sessions();
        }
        self.tally.sync(step.full, step.reconcile);
        let summary = self.attempt(step).await?;
        let struck = self.strikes(&rules);
        let unproven = std::mem::replace(&mut self.unproven, struck > 0 || summary.is_none());
        self.missed |= self.some_are_hidden();
        self.notice_lost_fields();
        let Some(summary) = summary else { return Ok(()) };
        let disturbed = struck > 0 || step.midway.is_some();
        for object in &summary.objects {
            self.tally.status(object.status);
            let visible =
                remotes_of(object.kind).iter().all(|remote| self.org.visibility().can_read(remote.sobject()));
            let excused = match object.error.as_ref().map(unicrm_core::Error::kind) {
                Some(ErrorKind::Unauthenticated) => unproven,
                Some(ErrorKind::PermissionDenied) => self.missed,
                _ => false,
            };
            if object.status != Status::Complete && !disturbed && visible && !excused {
                return Err(format!("an undisturbed sync of {} failed: {:?}", object.kind, object.error));
            }
        }
        if step.only.is_none() && summary.is_complete() {
            self.pending.clear();
        }
        Ok(())
    }

    /// Runs a sync, or begins one; none when it never got to its end.
    async fn attempt(&mut self, step: &Sync) -> Result<Option<Summary>, Failure> {
        if (step.restart || self.provider.is_none())
            && let Err(error) = self.connect().await
        {
            self.tally.refused(error.kind());
            return Ok(None);
        }
        let Some(provider) = self.provider.clone() else { return Ok(None) };
        let (begun, connected) = (self.tick, self.connected);
        self.tick += 1;
        self.history.note(format!("{} {step:?}", self.org.now()));
        let stop = step.midway.as_ref().map(|midway| (midway.effect, midway.done));
        let gate = Gate::new(stop, Arc::clone(&self.history));
        let provider = GatedProvider { inner: provider, gate: Arc::clone(&gate), bug: self.bug };
        let store = GatedStore { inner: self.store.clone(), gate: Arc::clone(&gate), bug: self.bug };
        let only = step.only.map(|only| self.kinds[usize::from(only) % self.kinds.len()]);
        let options = Options {
            objects: only.map_or_else(|| self.kinds.clone(), |kind| vec![kind]),
            full: step.full,
            concurrency: step.concurrency,
            page_size: match step.pages {
                Pages::Small(rows) => Some(rows),
                Pages::Short(_) | Pages::Whole => None,
            },
            reconcile: step.reconcile.then(Reconcile::default),
            ..Options::default()
        };
        let observer = |_: &unicrm_sync::Event<'_>| {};
        let outcome = {
            let running = sync(&provider, &store, self.account, &options, &observer);
            tokio::pin!(running);
            tokio::select! {
                outcome = &mut running => Some(outcome),
                () = gate.reached.notified() => match step.midway.as_ref().map(|midway| &midway.what) {
                    Some(Interruption::Meanwhile(steps)) => {
                        for step in steps {
                            self.outside(step).await?;
                        }
                        self.tally.meanwhile += 1;
                        gate.release.notify_one();
                        Some(running.await)
                    }
                    _ => {
                        self.tally.crashes += 1;
                        None
                    }
                },
            }
        };
        let Some(outcome) = outcome else {
            self.history.note("crash");
            return Ok(None);
        };
        let summary = outcome.map_err(|error| format!("the sync itself failed: {error:?}"))?;
        for object in &summary.objects {
            self.history.note(format!("  {object:?}"));
            let error = object.error.as_ref();
            if error.is_some_and(|error| error.kind() == ErrorKind::Unauthenticated) {
                // A connection that was refused once keeps away from the login for a while.
                self.provider = None;
            }
            if object.status == Status::Complete && !object.tally.incremental && !object.resumed {
                self.settle(object.kind, begun.min(connected));
            }
        }
        Ok(Some(summary))
    }

    /// Everything of an object was read by a connection that knows what there was at this tick.
    fn settle(&mut self, kind: ObjectKind, tick: u64) {
        self.loose_ids.retain(|(of, _), since| *of != kind || *since > tick);
        self.loose_fields.retain(|(of, ..), since| *of != kind || *since > tick);
    }

    fn plan(&self, step: &Sync) -> Vec<Planned> {
        let faults = self.emulator.faults();
        faults.clear();
        if let Pages::Short(bytes) = step.pages {
            for resource in [Resource::Query, Resource::QueryMore] {
                faults.add(FaultRule::new(resource, Fault::ShortPage { bytes }).forever());
            }
        }
        for planned in &step.faults {
            let rule = FaultRule::new(planned.resource, planned.fault.clone());
            faults.add(rule.after(planned.after).times(planned.times));
        }
        step.faults.clone()
    }

    /// Counts what struck, and switches it off.
    fn strikes(&mut self, planned: &[Planned]) -> u64 {
        let states = self.emulator.faults().states();
        let skipped = states.len() - planned.len();
        let mut all = 0;
        for (planned, state) in planned.iter().zip(states.iter().skip(skipped)) {
            if state.struck > 0 {
                all += state.struck;
                let name = faults::name(&planned.fault);
                self.tally.strike(name, planned.resource, state.struck, &self.pending);
            }
        }
        self.emulator.faults().clear();
        all
    }

    /// The remote is quiet: a sync makes the store equal within the overlap window, a second one has nothing to do, comparing
    /// ids and time stamps makes it equal wholly, but for permissions on fields, which no time stamp tells of; for those
    /// everything is read again.
    async fn rest(&mut self, program: &Program) -> Result<(), Failure> {
        let hidden = self.missed || self.some_are_hidden();
        for remote in self.remotes() {
            self.org.show_object(remote.sobject());
        }
        self.org.advance_clock(Duration::from_secs(program.quiet));
        let quiet = Sync {
            full: false,
            reconcile: false,
            only: None,
            pages: program.last,
            concurrency: 2,
            restart: program.fresh || hidden || self.unproven,
            expired: false,
            faults: Vec::new(),
            midway: None,
        };
        self.last("the last sync", &quiet).await?;
        let again = Sync { restart: false, pages: Pages::Whole, ..quiet.clone() };
        let more = self.last("one sync more", &again).await?;
        let total = more.total();
        // Of what was hidden, a second reading may learn that it was deleted for good.
        let updated = if hidden { 0 } else { total.updated };
        if total.created + updated + total.deleted > 0 {
            return Err(format!("one sync more found something to change: {:?}", more.objects));
        }
        let compared = Sync { reconcile: true, ..again };
        if self.is_comparing().await? {
            // It goes on where it was; what came late to the pages that it had passed is for the next one.
            self.last("the comparison that was under way", &compared).await?;
        }
        self.compared = std::mem::take(&mut self.loose_ids).into_keys().map(|(_, id)| id).collect();
        self.last("comparing", &compared).await?;
        let full = Sync { full: true, restart: true, ..quiet };
        self.loose_fields.clear();
        self.compared.clear();
        self.whole = true;
        self.last("a full sync", &full).await?;
        let rejected = self.store.rejected(self.account, None, 10).await;
        match rejected {
            Ok(rows) if rows.is_empty() => Ok(()),
            other => Err(format!("rows were rejected: {other:?}")),
        }
    }

    async fn is_comparing(&self) -> Result<bool, Failure> {
        for kind in &self.kinds {
            let kept = self.store.checkpoint(self.account, *kind).await;
            let kept = kept.map_err(|error| format!("no checkpoint of {kind}: {error:?}"))?;
            let checkpoint = kept.and_then(|kept| kept.read::<Checkpoint>().ok());
            if checkpoint.is_some_and(|checkpoint| checkpoint.comparison.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn last(&mut self, what: &str, step: &Sync) -> Result<Summary, Failure> {
        self.tick += 1;
        self.plan(step);
        let summary = self.attempt(step).await?;
        let summary = summary.ok_or_else(|| format!("{what} could not connect"))?;
        if !summary.is_complete() {
            let objects: Vec<_> =
                summary.objects.iter().filter(|object| object.status != Status::Complete).collect();
            return Err(format!("{what} is not complete: {objects:?}"));
        }
        let mut found = Vec::new();
        for kind in self.kinds.clone() {
            let tolerance = self.tolerance(kind);
            let (org, store) = (&self.org, &self.store);
            let account = self.account;
            found
                .extend(differences(org, store, account, kind, &self.custom, &self.unseen, &tolerance).await);
        }
        if found.is_empty() {
            return Ok(summary);
        }
        Err(format!("after {what}, the store differs from the org:\n  {}", found.join("\n  ")))
    }

    fn tolerance(&self, kind: ObjectKind) -> Tolerance {
        let ids = self.loose_ids.keys().filter(|(of, _)| *of == kind);
        let fields = self.loose_fields.keys().filter(|(of, ..)| *of == kind);
        Tolerance {
            ids: ids.map(|(_, id)| id.clone()).collect(),
            fields: fields.map(|(_, sobject, field)| (*sobject, field.clone())).collect(),
            last_seen: self.compared.clone(),
            hidden: !self.whole,
        }
    }
}
