//! The server's clock, as its answers tell it.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// What time it is at the server, by the `Date` of its last answer and the time that has passed since.
#[derive(Debug, Default)]
pub(super) struct ServerClock(Mutex<Option<(Timestamp, Instant)>>);

impl ServerClock {
    /// Takes the time of an answer that has just come.
    pub(super) fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Instant::now()));
    }

    /// The time there now; none before an answer has told it.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let (then, at) = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let since = SignedDuration::try_from(at.elapsed()).unwrap_or(SignedDuration::ZERO);
        Some(then.saturating_add(since).unwrap_or(then))
    }
}
