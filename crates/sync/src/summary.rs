//! What a run did.

use serde::{Deserialize, Serialize, Serializer};
use unicrm_core::{Error, ErrorKind, ObjectKind, Usage};
use unicrm_store::PageCounts;

/// What a run did, per object, and what it cost.
///
/// ```
/// let summary = unicrm_sync::Summary::default();
/// assert!(summary.is_complete());
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Each object that was asked for, in the order in which they were begun.
    #[serde(serialize_with = "by_plural")]
    pub objects: Vec<ObjectSummary>,
    /// Calls that count against the remote's quota.
    pub api_calls: u64,
    /// Access tokens fetched.
    pub refreshes: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// How long it took.
    pub seconds: f64,
    /// The most memory that the process ever had; none where the system does not tell.
    pub peak_rss_bytes: Option<u64>,
    /// Those of the calls that comparing cost; none when nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconcile_calls: Option<u64>,
}

impl Summary {
    /// Whether every object was read to its end, and compared to its end where that was asked for, and every record was
    /// understood.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.objects.iter().all(ObjectSummary::is_complete)
    }

    /// The summary of one object.
    #[must_use]
    pub fn object(&self, kind: ObjectKind) -> Option<&ObjectSummary> {
        self.objects.iter().find(|object| object.kind == kind)
    }

    /// All objects together.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.objects.iter().fold(Tally::default(), |total, object| total.and(&object.tally))
    }

    pub(crate) fn add_usage(&mut self, usage: &Usage) {
        self.api_calls += usage.calls;
        self.refreshes += usage.refreshes;
        self.retries += usage.retries;
    }
}

fn by_plural<S: Serializer>(objects: &[ObjectSummary], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(objects.iter().map(|object| (object.kind.plural(), object)))
}

/// What a run did with one object.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ObjectSummary {
    /// Which object.
    #[serde(skip)]
    pub kind: ObjectKind,
    /// How it ended.
    pub status: Status,
    /// What was read, and what it changed.
    #[serde(flatten)]
    pub tally: Tally,
    /// Whether the run went on where an earlier one was interrupted.
    pub resumed: bool,
    /// Why it ended early.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "error_as_object")]
    pub error: Option<Error>,
    /// What the comparison found; none when nothing was compared, or when it was in an earlier run of the same round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<Reconciled>,
}

impl ObjectSummary {
    fn is_complete(&self) -> bool {
        let compared = self.reconcile.as_ref().is_none_or(|compared| compared.status == Status::Complete);
        self.status == Status::Complete && self.tally.rejected == 0 && compared
    }
}

/// How the comparison of an object with the remote ended.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Reconciled {
    /// How it ended.
    pub status: Status,
    /// What differed.
    #[serde(flatten)]
    pub drift: Drift,
    /// Why it ended early.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "error_as_object")]
    pub error: Option<Error>,
}

/// How an object's records in the store differed from those of the remote before they were repaired.
///
/// ```
/// assert!(unicrm_sync::Drift::default().is_none());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Drift {
    /// How many records the remote counted; none when it did not say, or was asked in an earlier run of the same round.
    pub remote: Option<u64>,
    /// How many live records the store had when the comparison of this run began.
    pub local: Option<u64>,
    /// Records that the remote has, and that the store did not have or had as gone.
    pub missing: u64,
    /// Records that the store had and the remote does not show any more: now they are tombstones.
    pub extra: u64,
    /// Records whose time stamp was another one.
    pub stale: u64,
    /// How many of these are right now. What is missing from it was rejected, or the comparison ended before.
    pub repaired: u64,
}

impl Drift {
    /// Whether nothing differed.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.missing == 0 && self.extra == 0 && self.stale == 0
    }
}

fn error_as_object<S: Serializer>(error: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    error
        .as_ref()
        .map(|error| {
            [("kind", error.kind().as_str().to_owned()), ("message", error.to_string())]
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>()
        })
        .serialize(serializer)
}

/// How the sync of an object ended.
///
/// ```
/// use unicrm_core::{Error, ErrorKind};
/// use unicrm_sync::Status;
/// assert_eq!(Status::of(&Error::new(ErrorKind::PermissionDenied, "no")), Status::Forbidden);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Read to the end: the store has what the remote had.
    Complete,
    /// Stopped by a used-up quota; the next run goes on from there.
    Incomplete,
    /// This user may not read it.
    Forbidden,
    /// Something else went wrong; what was read before is in the store, and the next run goes on from there.
    Failed,
    /// Stopped because the host asked for it; the next run goes on from there.
    Interrupted,
    /// Not begun, because the run was stopped or no other object could have been read either.
    NotRun,
}

impl Status {
    /// The status that an error leads to.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::QuotaExhausted => Self::Incomplete,
            ErrorKind::PermissionDenied => Self::Forbidden,
            _ => Self::Failed,
        }
    }

    /// The name in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Forbidden => "forbidden",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::NotRun => "not_run",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was read of an object, and what it changed in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Tally {
    /// Whether what changed was read, rather than everything.
    pub incremental: bool,
    /// Rows that the provider gave.
    pub read: u64,
    /// Records that are new in the store.
    pub created: u64,
    /// Records that differ from before.
    pub updated: u64,
    /// Records that are gone at the remote since.
    pub deleted: u64,
    /// Records that are as they were.
    pub unchanged: u64,
    /// Rows that could not be understood; they are kept apart in the store.
    pub rejected: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, counts: &PageCounts) {
        self.created += counts.created;
        self.updated += counts.updated;
        self.deleted += counts.deleted;
        self.unchanged += counts.unchanged;
        self.rejected += counts.rejected;
    }

    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.read += other.read;
        self.created += other.created;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.unchanged += other.unchanged;
        self.rejected += other.rejected;
        self
    }
}
