//! How many requests run at once: fewer when the remote complains, slowly more again when it does not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// An adaptive bound on concurrent requests. Clones share it.
///
/// ```
/// use unicrm_http::ConcurrencyLimit;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let limit = ConcurrencyLimit::new(8);
/// let permit = limit.acquire().await;
/// // ... the remote answers "too many concurrent requests" ...
/// permit.overloaded();
/// assert_eq!(limit.current(), 4);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    semaphore: Arc<Semaphore>,
    max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Permits that are out and must not come back, since the limit was lowered while they were in use.
    debt: usize,
    successes: usize,
    lowered: Option<Instant>,
}

/// The right to have one request running, given back on drop.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let limit = unicrm_http::ConcurrencyLimit::new(1);
/// limit.acquire().await.succeeded();
/// assert_eq!(limit.current(), 1);
/// # }
/// ```
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    permit: Option<OwnedSemaphorePermit>,
}

impl ConcurrencyLimit {
    /// At most `max` requests at once, and at least one.
    #[must_use]
    pub fn new(max: usize) -> Self {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        let state = State { limit: max, debt: 0, successes: 0, lowered: None };
        Self(Arc::new(Shared { semaphore: Arc::new(Semaphore::new(max)), max, state: Mutex::new(state) }))
    }

    /// Waits for a free place. Places are given in the order of asking.
    pub async fn acquire(&self) -> Permit {
        // The semaphore is never closed, so there is always a permit.
        let permit = Arc::clone(&self.0.semaphore).acquire_owned().await.ok();
        Permit { shared: Arc::clone(&self.0), permit }
    }

    /// How many requests may run at once now.
    #[must_use]
    pub fn current(&self) -> usize {
        self.0.lock().limit
    }
}

impl Permit {
    /// The remote complained about too many requests at once: halves the limit, at most once a second, because the
    /// complaints about one burst come together.
    pub fn overloaded(&self) {
        let mut state = self.shared.lock();
        state.successes = 0;
        let recent = |at: Instant| at.elapsed() < Duration::from_secs(1);
        if state.limit == 1 || state.lowered.is_some_and(recent) {
            return;
        }
        let remove = state.limit - state.limit / 2;
        state.limit -= remove;
        state.lowered = Some(Instant::now());
        state.debt += remove - self.shared.semaphore.forget_permits(remove);
        tracing::debug!(limit = state.limit, "fewer requests at once");
    }

    /// The request was served: after enough of these in a row, one more may run at once.
    pub fn succeeded(&self) {
        const ROUNDS: usize = 10;
        let mut state = self.shared.lock();
        state.successes += 1;
        if state.limit < self.shared.max && state.successes >= ROUNDS * state.limit {
            state.successes = 0;
            state.limit += 1;
            if state.debt > 0 {
                state.debt -= 1;
            } else {
                self.shared.semaphore.add_permits(1);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.debt > 0
            && let Some(permit) = self.permit.take()
        {
            state.debt -= 1;
            permit.forget();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_halves_once_per_burst_and_recovers_one_by_one() {
        let limit = ConcurrencyLimit::new(16);
        let burst = futures::future::join_all((0..16).map(|_| limit.acquire())).await;
        burst.iter().for_each(Permit::overloaded);
        assert_eq!(limit.current(), 8);
        tokio::time::advance(Duration::from_secs(2)).await;
        burst[0].overloaded();
        assert_eq!(limit.current(), 4);
        drop(burst);
        assert_eq!(limit.0.semaphore.available_permits(), 4);
        for _ in 0..40 {
            limit.acquire().await.succeeded();
        }
        assert_eq!(limit.current(), 5);
        assert_eq!(limit.0.semaphore.available_permits(), 5);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Acquire,
        Release(usize),
        Overloaded,
        Succeeded,
        Wait,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => Just(Step::Acquire),
            3 => any::<usize>().prop_map(Step::Release),
            1 => Just(Step::Overloaded),
            20 => Just(Step::Succeeded),
            1 => Just(Step::Wait),
        ];
        proptest::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn permits_are_neither_lost_nor_made(max in 1_usize..12, steps in steps()) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let limit = ConcurrencyLimit::new(max);
                let mut held = Vec::new();
                for step in steps {
                    match step {
                        Step::Acquire if limit.0.semaphore.available_permits() > 0 => held.push(limit.acquire().await),
                        Step::Release(at) if !held.is_empty() => drop(held.swap_remove(at % held.len())),
                        Step::Overloaded => held.iter().take(1).for_each(Permit::overloaded),
                        Step::Succeeded => held.iter().take(1).for_each(Permit::succeeded),
                        Step::Wait => tokio::time::advance(Duration::from_secs(2)).await,
                        Step::Acquire | Step::Release(_) => {}
                    }
                    prop_assert!((1..=max).contains(&limit.current()));
                }
                drop(held);
                prop_assert_eq!(limit.0.semaphore.available_permits(), limit.current());
                Ok(())
            })?;
        }
    }
}
