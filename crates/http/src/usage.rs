//! Counters that a run reports at its end: requests, retries, refreshes, bytes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Shared counters of one client. Cheap to add to from any task.
///
/// ```
/// use unicrm_http::Usage;
/// let usage = Usage::default();
/// assert_eq!(usage.counts().requests, 0);
/// ```
#[derive(Debug, Default)]
pub struct Usage {
    requests: AtomicU64,
    retries: AtomicU64,
    token_refreshes: AtomicU64,
    bytes_received: AtomicU64,
}

/// What [`Usage`] has counted so far.
///
/// ```
/// use unicrm_http::UsageCounts;
/// assert_eq!(UsageCounts::default().retries, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageCounts {
    /// Requests handed to the transport, retries and token requests included.
    pub requests: u64,
    /// Attempts beyond the first one.
    pub retries: u64,
    /// Access tokens asked for anew.
    pub token_refreshes: u64,
    /// Body bytes as they came over the wire, before decompression.
    pub bytes_received: u64,
}

impl Usage {
    /// The counters as they stand.
    #[must_use]
    pub fn counts(&self) -> UsageCounts {
        UsageCounts {
            requests: self.requests.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            token_refreshes: self.token_refreshes.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_refresh(&self) {
        self.token_refreshes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
