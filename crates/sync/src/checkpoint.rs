//! How far the sync of an object got.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use unicrm_core::{PageToken, Watermark};

use crate::summary::Drift;

/// How far the sync of an object got: what is kept between runs, replaced in the same transaction as the rows that it
/// stands for.
///
/// ```
/// let checkpoint = unicrm_sync::Checkpoint::default();
/// assert!(checkpoint.watermark.is_none() && checkpoint.open.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Up to where everything is in the store: the end of the last reading that was complete.
    pub watermark: Option<Watermark>,
    /// When the run began that completed it, by our clock; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// The reading that was begun and has not ended.
    pub open: Option<Pass>,
    /// The comparison that is due, or was begun and has not ended. It waits while what changed is read, and a full reading, which
    /// compares everything itself, ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// One comparison of all ids of an object with the remote's.
///
/// ```
/// assert!(unicrm_sync::Comparison::default().after.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The token of the page of ids that is to be compared next; none for the first.
    pub after: Option<PageToken>,
    /// What differed on the pages before it.
    pub drift: Drift,
}

/// One reading of an object, from its first page to its last.
///
/// ```
/// assert!(unicrm_sync::Pass::default().is_snapshot());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    /// The watermark from which changes are read; none reads everything.
    pub since: Option<Watermark>,
    /// The token of the next page; none for the first.
    pub after: Option<PageToken>,
    /// Whether everything was asked for, rather than needed. Who asks for it again wants to see what is there now, and goes
    /// on with no other reading.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
    /// Set when the last page of a snapshot is in the store and only its end is missing. That page is not read again: what it
    /// showed counts as seen, and changes since then come from the watermark that it brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// What the last page of a reading brought.
///
/// ```
/// assert!(unicrm_sync::Ended::default().watermark.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Up to where the reading shows everything; none where changes cannot be read.
    pub watermark: Option<Watermark>,
}

impl Pass {
    /// Whether this reading shows everything, so that a record that it does not show is gone.
    #[must_use]
    pub const fn is_snapshot(&self) -> bool {
        self.since.is_none()
    }
}
