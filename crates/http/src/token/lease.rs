//! Who may refresh: one process at a time, by a lease in the credential store.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use unicrm_core::Credentials;
use uuid::Uuid;

use super::names;
use crate::random::jitter;

/// How far the clocks of two machines may differ before a lease would be taken over too early.
const CLOCK_SKEW: Duration = Duration::from_secs(10);

/// An entry in the credentials: who refreshes, and until when. Written as `<uuid> <RFC 3339 instant>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) owner: Uuid,
    pub(super) until: Timestamp,
}

impl Lease {
    pub(super) fn new(owner: Uuid, length: Duration) -> Self {
        let now = Timestamp::now();
        Self { owner, until: now.checked_add(length).unwrap_or(now) }
    }

    /// The lease in these credentials. One that cannot be read binds nobody.
    pub(super) fn read(credentials: &Credentials) -> Option<Self> {
        let text = credentials.get(names::REFRESH_LEASE)?.expose_secret();
        let (owner, until) = text.split_once(' ')?;
        Some(Self { owner: owner.parse().ok()?, until: until.parse().ok()? })
    }

    pub(super) fn write(&self, credentials: &mut Credentials) {
        let text = format!("{} {}", self.owner, self.until);
        credentials.set(names::REFRESH_LEASE, SecretString::from(text));
    }

    fn has_ended(&self) -> bool {
        self.until.checked_add(CLOCK_SKEW).is_ok_and(|end| Timestamp::now() > end)
    }
}

/// Waits for another process's lease to end.
///
/// A lease is over by its own clock (with an allowance for skew), or when it has not changed for its whole length by
/// ours: the second rule needs no agreement between clocks.
#[derive(Debug)]
pub(super) struct Watch {
    length: Duration,
    started: Instant,
    seen: Option<(Lease, Instant)>,
    polls: u32,
}

impl Watch {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, started: Instant::now(), seen: None, polls: 0 }
    }

    /// Whether this lease, held by somebody else, may be taken over.
    pub(super) fn may_take_over(&mut self, lease: Lease) -> bool {
        let now = Instant::now();
        let since = match self.seen {
            Some((seen, since)) if seen == lease => since,
            _ => {
                self.seen = Some((lease, now));
                now
            }
        };
        lease.has_ended() || now.duration_since(since) >= self.length
    }

    /// Whether the wait has been long enough: others keep renewing and failing.
    pub(super) fn is_over(&self) -> bool {
        self.started.elapsed() >= self.length.saturating_mul(3)
    }

    /// A pause before the next look: short at first, at most a second, never in step with the others.
    pub(super) async fn pause(&mut self) {
        let longest =
            Duration::from_millis(20).saturating_mul(1 << self.polls.min(6)).min(Duration::from_secs(1));
        self.polls = self.polls.saturating_add(1);
        tokio::time::sleep(longest / 2 + jitter(longest / 2)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_as_it_was_written_and_garbage_binds_nobody() {
        let lease = Lease::new(Uuid::new_v4(), Duration::from_secs(9));
        let mut credentials = Credentials::new();
        assert_eq!(Lease::read(&credentials), None);
        lease.write(&mut credentials);
        assert_eq!(Lease::read(&credentials), Some(lease));
        for garbage in ["", " ", "x y", "00000000-0000-0000-0000-000000000000", "x 2026-01-01T00:00:00Z"] {
            let credentials = Credentials::new().with(names::REFRESH_LEASE, garbage.into());
            assert_eq!(Lease::read(&credentials), None, "{garbage:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_over_by_its_clock_or_when_it_stood_still_for_its_length() {
        let length = Duration::from_secs(60);
        let owner = Uuid::new_v4();
        let past = Lease { owner, until: Timestamp::from_second(1_000_000_000).unwrap() };
        assert!(Watch::new(length).may_take_over(past));

        let future = Lease { owner, until: "2999-01-01T00:00:00Z".parse().unwrap() };
        let mut watch = Watch::new(length);
        assert!(!watch.may_take_over(future));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(!watch.may_take_over(future));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(watch.may_take_over(future));
        let renewed = Lease { until: "2999-01-02T00:00:00Z".parse().unwrap(), ..future };
        assert!(!watch.may_take_over(renewed), "a new lease is waited for anew");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_are_bounded_and_so_is_the_wait() {
        let mut watch = Watch::new(Duration::from_secs(10));
        let mut pauses = 0;
        while !watch.is_over() {
            let start = Instant::now();
            watch.pause().await;
            assert!(start.elapsed() <= Duration::from_millis(1001));
            pauses += 1;
        }
        assert!(pauses < 100, "{pauses}");
    }
}
