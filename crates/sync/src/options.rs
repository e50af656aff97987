//! What to sync, how to end it early, and what a run tells while it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use unicrm_core::{Capability, ObjectKind, Provider};

use crate::summary::{Drift, ObjectSummary, Tally};

/// What to sync, and how.
///
/// ```
/// let options = unicrm_sync::Options { full: true, ..unicrm_sync::Options::default() };
/// assert!(options.objects.is_empty() && options.concurrency > 1 && options.reconcile.is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// Which objects; none for all that the provider can read.
    pub objects: Vec<ObjectKind>,
    /// Read everything, even where what changed would do.
    pub full: bool,
    /// How many objects at once. What changed is asked for in one request, whatever this says.
    pub concurrency: usize,
    /// At most so many rows a page; none leaves it to the provider.
    pub page_size: Option<u32>,
    /// After that, compare all ids and time stamps with the remote's, and repair what differs; none to leave it.
    pub reconcile: Option<Reconcile>,
    /// Percent of the remote's quota of calls that are left to others: with less the run ends resumably, with
    /// [`ErrorKind::QuotaExhausted`](unicrm_core::ErrorKind::QuotaExhausted). It counts what the provider tells with its
    /// pages; 0 uses all there is.
    pub keep_quota: u8,
    /// Ends the run early.
    pub stop: Stop,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            objects: Vec::new(),
            full: false,
            concurrency: 3,
            page_size: None,
            reconcile: None,
            keep_quota: 0,
            stop: Stop::default(),
        }
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
    pub(crate) fn kinds(&self, provider: &dyn Provider) -> Vec<ObjectKind> {
        let wanted = |kind: &ObjectKind| match self.objects.as_slice() {
            [] => provider.capabilities().allows(*kind, Capability::Read),
            objects => objects.contains(kind),
        };
        Self::ORDER.into_iter().filter(wanted).collect()
    }
}

/// How to compare the store with the remote.
///
/// ```
/// let unbounded = unicrm_sync::Reconcile::default();
/// assert_eq!(unbounded.max_calls, None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconcile {
    /// Begin no further page of ids once comparing has cost so many calls; none for no bound. What differs in the last one is
    /// repaired still. The next comparison goes on there.
    pub max_calls: Option<u64>,
}

/// Ends a run early, from any thread: pages that are under way are finished, and no more are begun. Clones share it.
///
/// ```
/// let stop = unicrm_sync::Stop::default();
/// let options = unicrm_sync::Options { stop: stop.clone(), ..unicrm_sync::Options::default() };
/// stop.stop();
/// assert!(options.stop.is_stopped());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the run to end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
    /// A page of an object's ids has been compared.
    Compared {
        /// Of which object.
        kind: ObjectKind,
        /// How many ids so far.
        ids: u64,
        /// How many the remote counted.
        total: Option<u64>,
    },
    /// The comparison of an object has ended, well or not.
    Reconciled {
        /// Which object.
        kind: ObjectKind,
        /// What it found.
        drift: &'a Drift,
    },
}
