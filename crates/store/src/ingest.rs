//! What a sync hands over and gets back: epochs, pages, checkpoints, snapshots.

use std::ops::AddAssign;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error as ThisError;
use unicrm_core::{Error, ErrorKind, Json, LinkedAccountId, ObjectKind, RemoteId, Result, Row};

/// The right to write into a linked account. Whoever begins a sync takes a new one, and from then on everything that
/// carries an older one is refused with [`StaleEpoch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Epoch {
    /// The linked account.
    pub linked_account: LinkedAccountId,
    /// Grows by one with every sync that begins.
    pub number: u64,
}

/// The source of the error that a writer gets whose epoch is over: another sync of the same linked account has begun.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use unicrm_store::{Ingest, LinkRequest, LinkedAccounts, SqliteStore, StaleEpoch};
/// let store = SqliteStore::open_in_memory().await?;
/// let account = store.link(LinkRequest::new("acme", "memory")).await?;
/// let first = store.begin_epoch(account.id).await?;
/// let second = store.begin_epoch(account.id).await?;
/// let error = store.finish_sync(first, jiff::Timestamp::now()).await.unwrap_err();
/// assert_eq!(StaleEpoch::of(&error).map(|stale| stale.current), Some(second.number));
/// # Ok::<_, unicrm_core::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
#[error("epoch {held} is over: epoch {current} has begun")]
pub struct StaleEpoch {
    /// The epoch that was carried.
    pub held: u64,
    /// The epoch that holds now.
    pub current: u64,
}

impl StaleEpoch {
    /// This error, when it is what stands behind another.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }

    pub(crate) fn into_error(self) -> Error {
        Error::new(ErrorKind::Conflict, "another sync of this linked account has begun meanwhile")
            .with_source(self)
            .with_advice("let the other sync finish; what was committed before is kept")
    }
}

/// Where a sync of one object goes on. The store keeps it as it is; what is in it is the sync's own.
///
/// ```
/// use unicrm_core::Watermark;
/// use unicrm_store::Checkpoint;
/// let checkpoint = Checkpoint::of(&Watermark::new("2026-11-22T10:00:00Z"));
/// assert_eq!(checkpoint.read::<Watermark>()?.as_str(), "2026-11-22T10:00:00Z");
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint(pub Json);

impl Checkpoint {
    /// A checkpoint that holds this state.
    pub fn of(state: &impl Serialize) -> Self {
        Self(Json::of(state))
    }

    /// The state again.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        self.0.read()
    }
}

/// One page to be committed: rows and the checkpoint behind them, together or not at all.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PageCommit {
    /// The right to write.
    pub epoch: Epoch,
    /// The object that was read: whose checkpoint this is, and whose rows are those that do not say so themselves.
    pub kind: ObjectKind,
    /// The rows, in the order in which they came.
    pub rows: Vec<Row>,
    /// Where the sync goes on after this page; none leaves the checkpoint as it is.
    pub checkpoint: Option<Checkpoint>,
}

impl PageCommit {
    /// A page without a checkpoint.
    #[must_use]
    pub fn new(epoch: Epoch, kind: ObjectKind, rows: Vec<Row>) -> Self {
        Self { epoch, kind, rows, checkpoint: None }
    }

    /// With the checkpoint behind it.
    #[must_use]
    pub fn with_checkpoint(mut self, checkpoint: Checkpoint) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }
}

/// What became of the rows of a page. Rows that bring an id alone are in none of the counts.
///
/// ```
/// use unicrm_store::PageCounts;
/// let mut total = PageCounts::default();
/// total += PageCounts { created: 2, ..PageCounts::default() };
/// assert_eq!(total.created, 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PageCounts {
    /// Records that the store did not have.
    pub created: u64,
    /// Records that are different now.
    pub updated: u64,
    /// Records that the store had just so. A record that is gone and was never here counts as one.
    pub unchanged: u64,
    /// Records that have become tombstones.
    pub deleted: u64,
    /// Records that could not be understood, and are kept with their error.
    pub rejected: u64,
}

impl AddAssign for PageCounts {
    fn add_assign(&mut self, other: Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        self.rejected += other.rejected;
    }
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageReport {
    /// What became of the rows.
    pub counts: PageCounts,
    /// Of the rows that brought an id alone, those whose record the store does not have, has as a tombstone, or has from
    /// another time: they are to be read in full.
    pub to_fetch: Vec<RemoteId>,
    /// How many of those the store does not have, or has as a tombstone.
    pub missing: u64,
}

/// How a snapshot ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotEnd {
    /// Records that the snapshot did not show and that are tombstones now.
    pub gone: u64,
    /// Rows whose remote id could not be read. One is enough, and no record is declared gone: it might be that one.
    pub blind: u64,
}

/// The error when a snapshot is to end that was not begun.
#[cold]
pub(crate) fn no_snapshot(kind: ObjectKind) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("no snapshot of {} is under way", kind.plural()))
}

/// A row that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RejectedRow {
    /// The linked account.
    pub linked_account: LinkedAccountId,
    /// The object that was read.
    pub kind: ObjectKind,
    /// Which record, as far as it is known.
    pub remote_id: Option<RemoteId>,
    /// The kind of the error, as [`ErrorKind::as_str`] spells it.
    pub error_kind: String,
    /// What was wrong, down to the last cause.
    pub error: String,
    /// When it came first.
    pub since: Timestamp,
}
