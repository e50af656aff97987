//! The org's clock: it runs with the machine's clock, shifted as tests wish, and never goes back.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};

use super::lock;

/// The time that stamps rows, expires sessions and answers `Date`.
#[derive(Debug)]
pub(crate) struct Clock {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    shift: SignedDuration,
    frozen: Option<Timestamp>,
    last: Timestamp,
}

impl Clock {
    /// A clock that shows `start` now and runs on; the machine's time when `start` is none.
    pub(crate) fn new(start: Option<Timestamp>) -> Self {
        let now = Timestamp::now();
        let start = start.unwrap_or(now);
        Self { state: Mutex::new(State { shift: start.duration_since(now), frozen: None, last: start }) }
    }

    /// The time now, to the millisecond.
    pub(crate) fn now(&self) -> Timestamp {
        let mut state = lock(&self.state);
        let now = state
            .frozen
            .unwrap_or_else(|| Timestamp::now().saturating_add(state.shift).unwrap_or(state.last));
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        state.last = state.last.max(now);
        state.last
    }

    /// The stamp of a row written now: Salesforce keeps whole seconds, so rows of one second share it.
    pub(crate) fn stamp(&self) -> Timestamp {
        let now = self.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// Moves the clock forward.
    pub(crate) fn advance(&self, by: std::time::Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::ZERO);
        let mut state = lock(&self.state);
        state.shift = state.shift.saturating_add(by);
        if let Some(frozen) = state.frozen {
            state.frozen = frozen.saturating_add(by).ok();
        }
    }

    /// Stops the clock where it stands, or lets it run on from there.
    pub(crate) fn freeze(&self, frozen: bool) {
        let now = self.now();
        let mut state = lock(&self.state);
        state.frozen = frozen.then_some(now);
        if !frozen {
            state.shift = now.duration_since(Timestamp::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_starts_where_told_advances_and_never_goes_back() {
        let start: Timestamp = "2026-01-15T09:00:00Z".parse().unwrap();
        let clock = Clock::new(Some(start));
        clock.freeze(true);
        let first = clock.now();
        assert!(first >= start && first < start + SignedDuration::from_secs(60));
        assert_eq!(clock.now(), first, "a frozen clock stands still");
        clock.advance(Duration::from_secs(3600));
        assert_eq!(clock.now(), first + SignedDuration::from_secs(3600));
        clock.freeze(false);
        assert!(clock.now() >= first + SignedDuration::from_secs(3600));
    }
}
