//! Trying again: when, how long, and when not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use tokio::time::Instant;

use crate::random::jitter;
use crate::usage::Usage;

/// Repeats an attempt until its [`Verdict`] is final or one of the bounds is reached: attempts, time, or the budget
/// that all users of this retrier share.
///
/// ```
/// use unicrm_http::{Effect, Replay, Retrier, RetryPolicy, Verdict};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let retrier = Retrier::new(RetryPolicy::default());
/// let mut calls = 0;
/// let answer = retrier.run(Replay::Safe, |attempt| {
///     calls += 1;
///     async move {
///         if attempt < 3 {
///             Verdict::Retry { error: "busy", reason: "busy", after: None, effect: Effect::Unknown }
///         } else {
///             Verdict::Done(42)
///         }
///     }
/// });
/// assert_eq!(answer.await, Ok(42));
/// assert_eq!(calls, 3);
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Retrier {
    policy: RetryPolicy,
    budget: Arc<RetryBudget>,
    usage: Arc<Usage>,
}

/// What one attempt came to. The plugin decides, because only it can read the remote's error body.
///
/// ```
/// use unicrm_http::Verdict;
/// let verdict: Verdict<u32, String> = Verdict::Done(1);
/// assert!(matches!(verdict, Verdict::Done(1)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<T, E> {
    /// It worked.
    Done(T),
    /// It may work later.
    Retry {
        /// What is returned when there is no further attempt.
        error: E,
        /// A few words for the log, such as `503`.
        reason: &'static str,
        /// How long the remote said to wait ([`retry_after`]).
        after: Option<Duration>,
        /// Whether the remote may have acted on this attempt.
        effect: Effect,
    },
    /// It will not work.
    Fail(E),
}

/// Whether the remote may have acted on a failed attempt.
///
/// ```
/// use unicrm_http::Effect;
/// assert_ne!(Effect::None, Effect::Unknown);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It certainly did not: nothing was sent, or it said so.
    None,
    /// It may have.
    Unknown,
}

/// Whether sending the same request twice has the effect of sending it once.
///
/// ```
/// use unicrm_http::Replay;
/// assert_ne!(Replay::Safe, Replay::Unsafe);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Reads, upserts by an external id, deletes.
    Safe,
    /// Creates, and everything else whose second time counts: retried only where [`Effect::None`].
    Unsafe,
}

/// The bounds of retrying one request. Delays are drawn between zero and `base * 2^n`, at most `cap` ("full jitter").
///
/// ```
/// use std::time::Duration;
/// use unicrm_http::RetryPolicy;
/// let patient = RetryPolicy { total: Duration::from_secs(600), ..RetryPolicy::default() };
/// assert_eq!(patient.max_attempts, 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub max_attempts: u32,
    /// Upper end of the first delay.
    pub base: Duration,
    /// Upper end of every delay that the remote did not ask for.
    pub cap: Duration,
    /// Time for all attempts and delays; a delay that would not fit is not begun, the error is returned at once.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            total: Duration::from_secs(180),
        }
    }
}

impl RetryPolicy {
    /// One attempt only.
    #[must_use]
    pub fn never() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    fn delay(&self, attempt: u32, after: Option<Duration>) -> Duration {
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let backoff = jitter(self.base.saturating_mul(doubled).min(self.cap));
        // Everybody was told the same instant: the jitter on top keeps them from coming back together.
        after.map_or(backoff, |after| after.saturating_add(backoff.min(self.base)))
    }
}

impl Retrier {
    /// A retrier with its own budget and counters.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Counts retries here.
    #[must_use]
    pub fn with_usage(mut self, usage: Arc<Usage>) -> Self {
        self.usage = usage;
        self
    }

    /// Takes retries from this budget.
    #[must_use]
    pub fn with_budget(mut self, budget: RetryBudget) -> Self {
        self.budget = Arc::new(budget);
        self
    }

    /// The same budget and counters with other bounds, for one unusual request.
    #[must_use]
    pub fn with_policy(&self, policy: RetryPolicy) -> Self {
        Self { policy, ..self.clone() }
    }

    /// Runs `attempt` with the attempt's number (from 1) until its verdict is final or a bound is reached.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub async fn run<T, E, F, Fut>(&self, replay: Replay, mut attempt: F) -> Result<T, E>
    where
        F: FnMut(u32) -> Fut,
        Fut: Future<Output = Verdict<T, E>>,
    {
        let deadline = Instant::now() + self.policy.total;
        self.budget.deposit();
        let mut number = 1;
        loop {
            let (error, reason, after, effect) = match attempt(number).await {
                Verdict::Done(value) => return Ok(value),
                Verdict::Fail(error) => return Err(error),
                Verdict::Retry { error, reason, after, effect } => (error, reason, after, effect),
            };
            if replay == Replay::Unsafe && effect == Effect::Unknown {
                return Err(error);
            }
            let delay = self.policy.delay(number, after);
            if number >= self.policy.max_attempts || Instant::now() + delay > deadline {
                tracing::debug!(attempt = number, reason, "giving up");
                return Err(error);
            }
            if !self.budget.withdraw() {
                tracing::warn!(attempt = number, reason, "giving up: too many requests fail at this remote");
                return Err(error);
            }
            self.usage.count_retry();
            tracing::debug!(attempt = number, reason, delay_ms = delay.as_millis() as u64, "trying again");
            tokio::time::sleep(delay).await;
            number += 1;
        }
    }
}

/// A shared allowance for retries, so that a remote in trouble is not hammered: every request earns a part of a
/// retry, every retry costs one.
///
/// ```
/// use unicrm_http::RetryBudget;
/// let generous = RetryBudget::new(50, 100);
/// assert!(format!("{generous:?}").contains("RetryBudget"));
/// ```
#[derive(Debug)]
pub struct RetryBudget {
    percent: u32,
    limit: u32,
    hundredths: AtomicU32,
}

impl RetryBudget {
    /// Earns `percent` of a retry per request and holds at most `burst` retries, with which it starts.
    #[must_use]
    pub fn new(percent: u32, burst: u32) -> Self {
        let limit = burst.saturating_mul(100);
        Self { percent, limit, hundredths: AtomicU32::new(limit) }
    }

    fn deposit(&self) {
        self.update(|held| Some(held.saturating_add(self.percent).min(self.limit)));
    }

    fn withdraw(&self) -> bool {
        self.update(|held| held.checked_sub(100))
    }

    fn update(&self, change: impl FnMut(u32) -> Option<u32>) -> bool {
        self.hundredths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).is_ok()
    }
}

impl Default for RetryBudget {
    /// One retry per five requests, fifty at once.
    fn default() -> Self {
        Self::new(20, 50)
    }
}

/// How long the remote says to wait in its `Retry-After` header: seconds or an HTTP date. At most a day; an instant
/// in the past is zero, a header that is neither is none.
///
/// ```
/// use std::time::Duration;
/// use http::{HeaderMap, HeaderValue};
/// let mut headers = HeaderMap::new();
/// headers.insert("retry-after", HeaderValue::from_static("120"));
/// assert_eq!(unicrm_http::retry_after(&headers), Some(Duration::from_secs(120)));
/// ```
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    retry_after_at(headers, SystemTime::now())
}

fn retry_after_at(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    const DAY: Duration = Duration::from_secs(86_400);
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(DAY, Duration::from_secs)
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(DAY))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn again(after: Option<Duration>, effect: Effect) -> Verdict<(), &'static str> {
        Verdict::Retry { error: "busy", reason: "busy", after, effect }
    }

    async fn attempts(retrier: &Retrier, replay: Replay, verdict: Verdict<(), &'static str>) -> u32 {
        let count = Cell::new(0);
        let run = retrier.run(replay, |number| {
            count.set(number);
            let verdict = verdict.clone();
            async move { verdict }
        });
        assert_eq!(run.await, Err("busy"));
        count.get()
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_bounded_and_every_retry_is_counted() {
        let usage = Arc::new(Usage::default());
        let retrier = Retrier::new(RetryPolicy::default()).with_usage(Arc::clone(&usage));
        assert_eq!(attempts(&retrier, Replay::Safe, again(None, Effect::Unknown)).await, 5);
        assert_eq!(usage.counts().retries, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_in_doubt_is_never_repeated_and_one_that_did_nothing_is() {
        let retrier = Retrier::default();
        assert_eq!(attempts(&retrier, Replay::Unsafe, again(None, Effect::Unknown)).await, 1);
        assert_eq!(attempts(&retrier, Replay::Unsafe, again(None, Effect::None)).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn the_remotes_wish_is_honoured_within_the_total_time() {
        let policy = RetryPolicy { max_attempts: 3, ..RetryPolicy::default() };
        let retrier = Retrier::new(policy);
        let start = Instant::now();
        let told = Some(Duration::from_secs(60));
        assert_eq!(attempts(&retrier, Replay::Safe, again(told, Effect::Unknown)).await, 3);
        let waited = start.elapsed();
        assert!(waited >= Duration::from_secs(120) && waited <= Duration::from_secs(122), "{waited:?}");

        let start = Instant::now();
        let too_long = Some(Duration::from_secs(3600));
        assert_eq!(attempts(&retrier, Replay::Safe, again(too_long, Effect::Unknown)).await, 1);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_stops_retries_when_everything_fails() {
        let retrier = Retrier::default().with_budget(RetryBudget::new(20, 3));
        let mut total = 0;
        for _ in 0..20 {
            total += attempts(&retrier, Replay::Safe, again(None, Effect::Unknown)).await;
        }
        // 20 first attempts, 3 retries to begin with, and one more per five requests.
        assert!((26..=27).contains(&total), "{total}");
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::from_str(text).unwrap());
            retry_after_at(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("0"), Some(0));
        assert_eq!(read(" 17 "), Some(17));
        assert_eq!(read("Wed, 21 Oct 2026 07:30:00 GMT"), Some(120));
        assert_eq!(read("Wed, 21 Oct 2026 07:00:00 GMT"), Some(0));
        assert_eq!(read("99999999999999999999999"), Some(86_400));
        assert_eq!(read("-1"), None);
        assert_eq!(read("1.5"), None);
        assert_eq!(read("soon"), None);
        assert_eq!(read(""), None);
    }

    proptest! {
        #[test]
        fn a_delay_stays_between_zero_and_the_cap(attempt in 1_u32..1000, base in 1_u64..5000, cap in 1_u64..60_000) {
            let (base, cap) = (Duration::from_millis(base), Duration::from_millis(cap));
            let policy = RetryPolicy { base, cap, ..RetryPolicy::default() };
            prop_assert!(policy.delay(attempt, None) <= cap);
            let told = Duration::from_secs(7);
            let delay = policy.delay(attempt, Some(told));
            prop_assert!(delay >= told && delay <= told + base);
        }
    }
}
