//! One refresh for everybody: within the process by a lock, across processes by a lease in the credential store.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::Instrument as _;
use unicrm_core::{CredentialStore, Credentials, Error, ErrorKind, Result, Retry, StoredCredentials, Swap};
use uuid::Uuid;

use super::lease::{Lease, Watch};
use super::{RefreshPolicy, Refreshed, Refresher, Token, names};
use crate::usage::Usage;

/// How often somebody else's change to the store is worked into ours before giving up for now.
const MAX_CONFLICTS: u32 = 32;
/// How often new tokens are offered to a store that fails.
const SAVE_ATTEMPTS: u32 = 5;

/// Gives out the access token of one linked account, and refreshes it exactly once however many tasks and processes
/// find it dead at the same time.
///
/// - Before a refresh, a process puts a lease into the store by compare-and-swap. The others wait for the new token.
/// - What the refresh brings (a rotated refresh token above all) is durable before anybody gets the access token.
/// - A refresh that has begun is finished and stored even if the caller went away.
/// - A token that was just refreshed and is refused without ever having worked is not refreshed again: the caller gets
///   [`ErrorKind::Unauthenticated`] instead of an endless loop.
///
/// ```
/// use std::sync::Arc;
/// use async_trait::async_trait;
/// use unicrm_core::{Credentials, MemoryCredentialStore, Result};
/// use unicrm_http::{Refreshed, Refresher, TokenCache};
///
/// #[derive(Debug)]
/// struct Fixed;
///
/// #[async_trait]
/// impl Refresher for Fixed {
///     async fn refresh(&self, _current: &Credentials) -> Result<Refreshed> {
///         Ok(Refreshed::new("t0ken".into()))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let tokens = TokenCache::new(Arc::new(MemoryCredentialStore::new(Credentials::new())), Arc::new(Fixed));
/// let answer = tokens.authorized(|token| async move {
///     let _header = token.bearer()?;
///     // ... send the request; a refused token is an error of kind `Unauthenticated` ...
///     Ok("answer")
/// });
/// assert_eq!(answer.await?, "answer");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TokenCache(Arc<Shared>);

struct Shared {
    store: Arc<dyn CredentialStore>,
    refresher: Arc<dyn Refresher>,
    policy: RefreshPolicy,
    usage: Arc<Usage>,
    owner: Uuid,
    current: RwLock<Option<Token>>,
    /// Counts renewals that failed, so that those who waited for one share its error.
    failures: AtomicU64,
    gate: Mutex<Gate>,
}

/// What only the task that renews may touch.
#[derive(Default)]
struct Gate {
    failure: Option<Error>,
    /// Tokens that the remote has issued and the store would not take: they must not be lost.
    unsaved: Option<Unsaved>,
    last: Option<(Token, Instant)>,
}

struct Unsaved {
    refreshed: Refreshed,
    /// The credentials that the refresh was made with.
    base: Credentials,
}

/// Why a token is needed.
enum Cause {
    Missing,
    Ending(Token),
    Refused(Token),
}

impl Cause {
    fn is_met_by(&self, token: &Token) -> bool {
        let other = match self {
            Self::Missing => true,
            Self::Ending(old) | Self::Refused(old) => !old.is_same(token),
        };
        other && !token.was_rejected() && !token.is_due()
    }

    fn refused(&self) -> Option<&Token> {
        if let Self::Refused(token) = self { Some(token) } else { None }
    }
}

enum Turn {
    Token(Token),
    Ours(StoredCredentials),
}

enum Saved {
    Ours(Token),
    /// Somebody stored other tokens in the meantime: those count.
    Theirs(StoredCredentials),
}

impl TokenCache {
    /// A cache over the linked account's credential store.
    #[must_use]
    pub fn new(store: Arc<dyn CredentialStore>, refresher: Arc<dyn Refresher>) -> Self {
        Self::with_options(store, refresher, RefreshPolicy::default(), Arc::default())
    }

    /// As [`TokenCache::new`], with other times and with the counters to count refreshes in.
    #[must_use]
    pub fn with_options(
        store: Arc<dyn CredentialStore>,
        refresher: Arc<dyn Refresher>,
        policy: RefreshPolicy,
        usage: Arc<Usage>,
    ) -> Self {
        Self(Arc::new(Shared {
            store,
            refresher,
            policy,
            usage,
            owner: Uuid::new_v4(),
            current: RwLock::default(),
            failures: AtomicU64::new(0),
            gate: Mutex::default(),
        }))
    }

    /// The token to use now: from memory, else from the store, else by a refresh.
    ///
    /// # Errors
    /// The store's or the refresher's.
    pub async fn get(&self) -> Result<Token> {
        let Some(token) = self.0.current() else { return self.renew(Cause::Missing).await };
        if token.was_rejected() {
            return self.renew(Cause::Refused(token)).await;
        }
        if !token.is_due() {
            return Ok(token);
        }
        match self.renew(Cause::Ending(token.clone())).await {
            // The old one is still good for the moment.
            Err(error) if error.is_retryable() && !token.has_ended() => Ok(token),
            outcome => outcome,
        }
    }

    /// A token other than the one that failed: the current one if somebody has refreshed already, else by a refresh.
    ///
    /// # Errors
    /// The store's or the refresher's, and [`ErrorKind::Unauthenticated`] if the failed token itself came from a
    /// refresh a moment ago and has never worked.
    pub async fn refresh_if(&self, failed: &Token) -> Result<Token> {
        self.renew(Cause::Refused(failed.clone())).await
    }

    /// Says that this token is dead; the next [`TokenCache::get`] gives another one.
    pub fn invalidate(&self, token: &Token) {
        token.reject();
        if let Some(current) = self.0.current().filter(|current| current.is_same(token)) {
            current.reject();
        }
    }

    /// Runs a call with a token, and once more with another token if the first was refused (an error of kind
    /// [`ErrorKind::Unauthenticated`]). A refused call has done nothing, so this is safe for writes.
    ///
    /// # Errors
    /// The call's, the store's or the refresher's.
    pub async fn authorized<T, F, Fut>(&self, mut call: F) -> Result<T>
    where
        F: FnMut(Token) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let refused = |outcome: &Result<T>| {
            outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unauthenticated)
        };
        let mut token = self.get().await?;
        let mut outcome = call(token.clone()).await;
        if refused(&outcome) {
            token = self.refresh_if(&token).await?;
            outcome = call(token.clone()).await;
        }
        if refused(&outcome) {
            self.0.forget(&token);
        } else if outcome.is_ok() {
            token.accepted();
        }
        outcome
    }

    /// Renews in a task of its own: once the remote has rotated a refresh token, the new one has to reach the store
    /// even if nobody waits for the answer any more.
    async fn renew(&self, cause: Cause) -> Result<Token> {
        let shared = Arc::clone(&self.0);
        let ticket = shared.failures.load(Ordering::Acquire);
        let task = async move { shared.renew(&cause, ticket).await };
        match tokio::spawn(task.in_current_span()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::new(ErrorKind::Internal, "the token refresh was stopped")),
        }
    }
}

impl Shared {
    async fn renew(&self, cause: &Cause, ticket: u64) -> Result<Token> {
        let mut gate = self.gate.lock().await;
        if let Some(current) = self.current().filter(|current| cause.is_met_by(current)) {
            return Ok(current);
        }
        if self.failures.load(Ordering::Acquire) != ticket
            && let Some(error) = &gate.failure
        {
            return Err(error.clone());
        }
        let outcome = self.renew_through_store(&mut gate, cause).await;
        match &outcome {
            Ok(token) => {
                gate.failure = None;
                self.publish(Some(token.clone()));
            }
            Err(error) => {
                gate.failure = Some(error.clone());
                self.failures.fetch_add(1, Ordering::AcqRel);
            }
        }
        outcome
    }

    async fn renew_through_store(&self, gate: &mut Gate, cause: &Cause) -> Result<Token> {
        let mut stored = self.store.load().await?;
        if let Some(unsaved) = gate.unsaved.take() {
            stored = match self.save(gate, unsaved, stored).await? {
                Saved::Ours(token) if cause.is_met_by(&token) => return Ok(token),
                Saved::Ours(_) => self.store.load().await?,
                Saved::Theirs(stored) => stored,
            };
        }
        let mut watch = Watch::new(self.policy.lease);
        for _ in 0..MAX_CONFLICTS {
            stored = match self.wait_for_turn(&mut watch, gate, cause, stored).await? {
                Turn::Token(token) => return Ok(token),
                Turn::Ours(stored) => stored,
            };
            let mut leased = stored.credentials.clone();
            Lease::new(self.owner, self.policy.lease).write(&mut leased);
            match self.store.compare_and_swap(stored.version, leased.clone()).await? {
                Swap::Conflict(now) => stored = now,
                Swap::Stored { version } => {
                    let leased = StoredCredentials { version, credentials: leased };
                    match self.refresh(gate, cause, leased).await? {
                        Saved::Ours(token) => return Ok(token),
                        Saved::Theirs(now) => stored = now,
                    }
                }
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "the stored credentials change all the time; no token could be had",
        )
        .with_operation("token refresh"))
    }

    /// Waits while another process refreshes: until it has stored a token that serves, or its lease is over.
    async fn wait_for_turn(
        &self,
        watch: &mut Watch,
        gate: &mut Gate,
        cause: &Cause,
        mut stored: StoredCredentials,
    ) -> Result<Turn> {
        loop {
            if let Some(token) = self.adopt(gate, &stored.credentials).filter(|token| cause.is_met_by(token))
            {
                return Ok(Turn::Token(token));
            }
            if cause.refused().is_some_and(|failed| self.was_refused_at_once(gate, failed)) {
                self.publish(None);
                return Err(refused_at_once());
            }
            let theirs = Lease::read(&stored.credentials).filter(|lease| lease.owner != self.owner);
            if theirs.is_none_or(|lease| watch.may_take_over(lease)) {
                return Ok(Turn::Ours(stored));
            }
            if watch.is_over() {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "other processes hold the lease for refreshing the access token and bring no token",
                )
                .with_operation("token refresh"));
            }
            watch.pause().await;
            stored = self.store.load().await?;
        }
    }

    async fn refresh(&self, gate: &mut Gate, cause: &Cause, mut leased: StoredCredentials) -> Result<Saved> {
        self.usage.count_refresh();
        match self.refreshed(&mut leased).await {
            Ok(refreshed) => {
                let unsaved = Unsaved { refreshed, base: leased.credentials.clone() };
                let saved = self.save(gate, unsaved, leased).await?;
                match &saved {
                    // Stored all the same: the refresh token may have been rotated.
                    Saved::Ours(token)
                        if cause.refused().is_some_and(|failed| {
                            failed.is_same(token) && failed.has_same_attributes(token)
                        }) =>
                    {
                        Err(refused_at_once())
                    }
                    _ => Ok(saved),
                }
            }
            Err(error) => {
                self.release(leased).await;
                Err(error.with_operation("token refresh"))
            }
        }
    }

    /// Refreshes, and renews the lease for as long as that takes: the remote may have rotated the refresh token already, so
    /// neither is the answer given up early nor does another process begin meanwhile.
    async fn refreshed(&self, leased: &mut StoredCredentials) -> Result<Refreshed> {
        let credentials = leased.credentials.clone();
        let mut refresh = pin!(self.refresher.refresh(&credentials));
        let begun = Instant::now();
        loop {
            let left = self.policy.refresh_timeout.saturating_sub(begun.elapsed());
            if let Ok(outcome) = tokio::time::timeout(left.min(self.policy.lease / 3), &mut refresh).await {
                return outcome;
            }
            if begun.elapsed() >= self.policy.refresh_timeout {
                return Err(Error::new(ErrorKind::Unavailable, "the authorization server took too long"));
            }
            self.extend(leased).await;
        }
    }

    /// Keeps the others waiting for another while.
    async fn extend(&self, leased: &mut StoredCredentials) {
        let mut credentials = leased.credentials.clone();
        Lease::new(self.owner, self.policy.lease).write(&mut credentials);
        match self.store.compare_and_swap(leased.version, credentials.clone()).await {
            Ok(Swap::Stored { version }) => *leased = StoredCredentials { version, credentials },
            // Something else was written meanwhile, or this lease, and its answer was lost: the next one goes on from there.
            // Where the account was linked anew or the lease was taken over, what the refresh brings is worked in at the end.
            Ok(Swap::Conflict(now)) => {
                let lease = Lease::read(&now.credentials).filter(|lease| lease.owner == self.owner);
                if lease.is_some() && has_same_tokens(&now.credentials, &leased.credentials) {
                    *leased = now;
                }
            }
            Err(error) => tracing::warn!(%error, "the lease for refreshing could not be renewed"),
        }
    }

    /// Makes new tokens durable. Until that has worked they stay in the gate, and nobody gets them.
    async fn save(&self, gate: &mut Gate, unsaved: Unsaved, mut stored: StoredCredentials) -> Result<Saved> {
        let mut failures = 0;
        let mut conflicts = 0;
        let error = loop {
            if !has_same_tokens(&stored.credentials, &unsaved.base) {
                return Ok(Saved::Theirs(stored));
            }
            let mut new = unsaved.refreshed.apply(&stored.credentials);
            new.remove(names::REFRESH_LEASE);
            match self.store.compare_and_swap(stored.version, new.clone()).await {
                Ok(Swap::Stored { .. }) => match Token::stored(&new, self.policy.expiry_margin) {
                    Some(token) => {
                        gate.last = Some((token.clone(), Instant::now()));
                        return Ok(Saved::Ours(token));
                    }
                    None => break Error::new(ErrorKind::Decode, "the refresh brought an empty access token"),
                },
                Ok(Swap::Conflict(now)) if conflicts < MAX_CONFLICTS => {
                    conflicts += 1;
                    stored = now;
                }
                Ok(Swap::Conflict(_)) => {
                    gate.unsaved = Some(unsaved);
                    break Error::new(ErrorKind::Unavailable, "the stored credentials change all the time");
                }
                Err(error) if failures + 1 < SAVE_ATTEMPTS => {
                    tracing::warn!(%error, "new tokens could not be stored; trying again");
                    tokio::time::sleep(Duration::from_millis(100) * (1 << failures)).await;
                    failures += 1;
                    // The failed swap may have been carried out all the same: look before the next one.
                    if let Ok(now) = self.store.load().await {
                        stored = now;
                    }
                }
                Err(error) => {
                    gate.unsaved = Some(unsaved);
                    break error.with_retry(Retry::BackOff(None)).with_advice(
                        "Make the credential store writable; the new tokens are kept in memory until then.",
                    );
                }
            }
        };
        Err(error.with_operation("token refresh"))
    }

    /// Gives the lease back after a failed refresh, so that the others need not wait for its end.
    async fn release(&self, leased: StoredCredentials) {
        let StoredCredentials { version, mut credentials } = leased;
        credentials.remove(names::REFRESH_LEASE);
        // A conflict means that somebody has changed the credentials since; the lease then ends by its time.
        if let Err(error) = self.store.compare_and_swap(version, credentials).await {
            tracing::warn!(%error, "the lease for refreshing could not be given back");
        }
    }

    fn was_refused_at_once(&self, gate: &Gate, failed: &Token) -> bool {
        gate.last.as_ref().is_some_and(|(token, at)| {
            token.is_same(failed) && !token.was_accepted() && at.elapsed() < self.policy.cool_down
        })
    }

    /// The stored token. If it is the one that we refreshed last, what we know about it is kept.
    fn adopt(&self, gate: &Gate, credentials: &Credentials) -> Option<Token> {
        let stored = Token::stored(credentials, self.policy.expiry_margin)?;
        match &gate.last {
            Some((last, _)) if last.is_same(&stored) => Some(last.clone()),
            _ => Some(stored),
        }
    }

    fn current(&self) -> Option<Token> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, token: Option<Token>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// Lets the next caller look into the store, where a new link may have put other credentials.
    fn forget(&self, token: &Token) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| current.is_same(token)) {
            *current = None;
        }
    }
}

fn has_same_tokens(one: &Credentials, other: &Credentials) -> bool {
    let text =
        |credentials: &Credentials, name| credentials.get(name).map(|value| value.expose_secret().to_owned());
    [names::ACCESS_TOKEN, names::REFRESH_TOKEN].iter().all(|name| text(one, name) == text(other, name))
}

fn refused_at_once() -> Error {
    Error::new(ErrorKind::Unauthenticated, "the remote refuses the access token that it has just issued")
        .with_advice(
            "Check that the login URL belongs to this org and that its session policies (IP ranges, API access) allow \
             this connection, then link the account again.",
        )
        .with_operation("token refresh")
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("policy", &self.0.policy).finish_non_exhaustive()
    }
}
