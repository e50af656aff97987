//! The token cache against a remote that rotates refresh tokens and ends the grant when an old one is used again.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use unicrm_core::{
    CredentialStore, Credentials, Error, ErrorKind, MemoryCredentialStore, Result, StoredCredentials, Swap,
};
use unicrm_http::{RefreshPolicy, Refreshed, Refresher, Token, TokenCache, Usage, names};

/// An authorization server and its API in one: generation n has access token `a<n>` and refresh token `r<n>`.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    generation: AtomicU32,
    /// Access tokens below this generation are refused.
    oldest_valid: AtomicU32,
    refreshes: AtomicUsize,
    /// Somebody used an old refresh token: the grant is over.
    ended: AtomicBool,
    takes: Duration,
    lifetime: Option<Duration>,
}

impl Remote {
    fn refreshes(&self) -> usize {
        self.refreshes.load(Ordering::SeqCst)
    }

    fn expire_session(&self) {
        self.oldest_valid.store(self.generation.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
    }

    /// An API call with this token.
    fn call(&self, token: &Token) -> Result<()> {
        let generation: u32 = token.secret().expose_secret()[1..].parse().unwrap();
        if generation < self.oldest_valid.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unauthenticated, "session expired"));
        }
        Ok(())
    }
}

#[async_trait]
impl Refresher for Remote {
    async fn refresh(&self, current: &Credentials) -> Result<Refreshed> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        let used = current.get(names::REFRESH_TOKEN).map(|token| token.expose_secret().to_owned());
        let generation = self.generation.load(Ordering::SeqCst);
        if used != Some(format!("r{generation}")) || self.ended.load(Ordering::SeqCst) {
            self.ended.store(true, Ordering::SeqCst);
            return Err(Error::new(ErrorKind::Unauthenticated, "expired access/refresh token"));
        }
        let next = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        // The answer is on its way: from here on the old refresh token is dead.
        tokio::time::sleep(self.takes).await;
        let mut refreshed = Refreshed::new(format!("a{next}").into())
            .with_attribute("instance_url", format!("https://org{next}.example.com"));
        refreshed.refresh_token = Some(format!("r{next}").into());
        refreshed.expires_at = self.lifetime.map(|lifetime| Timestamp::now() + lifetime);
        Ok(refreshed)
    }
}

fn linked() -> Credentials {
    Credentials::new().with(names::ACCESS_TOKEN, "a0".into()).with(names::REFRESH_TOKEN, "r0".into())
}

fn memory(credentials: Credentials) -> Arc<MemoryCredentialStore> {
    Arc::new(MemoryCredentialStore::new(credentials))
}

fn cache(store: &Arc<impl CredentialStore>, remote: &Arc<Remote>) -> TokenCache {
    TokenCache::new(Arc::clone(store) as _, Arc::clone(remote) as _)
}

fn text(credentials: &Credentials, name: &str) -> String {
    credentials.get(name).map(|secret| secret.expose_secret().to_owned()).unwrap_or_default()
}

fn slow_remote() -> Arc<Remote> {
    Arc::new(Remote { takes: Duration::from_millis(300), ..Remote::default() })
}

#[tokio::test(start_paused = true)]
async fn fifty_tasks_that_fail_together_refresh_once() {
    let (store, remote) = (memory(linked()), slow_remote());
    let usage = Arc::new(Usage::default());
    let tokens = TokenCache::with_options(
        Arc::clone(&store) as _,
        Arc::clone(&remote) as _,
        RefreshPolicy::default(),
        Arc::clone(&usage),
    );
    let first = tokens.get().await.unwrap();
    assert_eq!((first.secret().expose_secret(), remote.refreshes()), ("a0", 0));
    remote.expire_session();
    let renewed = join_all((0..50).map(|_| tokens.refresh_if(&first))).await;
    for token in renewed {
        let token = token.unwrap();
        assert_eq!(token.secret().expose_secret(), "a1");
        assert_eq!(token.attribute("instance_url"), Some("https://org1.example.com"));
    }
    assert_eq!((remote.refreshes(), usage.counts().token_refreshes), (1, 1));
    assert_eq!(tokens.get().await.unwrap().secret().expose_secret(), "a1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_processes_of_fifty_tasks_refresh_once_under_real_time() {
    let (store, remote) = (memory(linked()), Arc::new(Remote::default()));
    let processes: Vec<_> = (0..3).map(|_| cache(&store, &remote)).collect();
    for tokens in &processes {
        tokens.get().await.unwrap();
    }
    remote.expire_session();
    let calls = processes.iter().flat_map(|tokens| std::iter::repeat_n(tokens, 50)).map(|tokens| {
        let (tokens, remote, store) = (tokens.clone(), Arc::clone(&remote), Arc::clone(&store));
        tokio::spawn(async move {
            tokens
                .authorized(|token| {
                    let (remote, store) = (Arc::clone(&remote), Arc::clone(&store));
                    async move {
                        remote.call(&token)?;
                        // Whatever token works is durable already, and its refresh token with it.
                        let stored = store.load().await?.credentials;
                        assert_eq!(text(&stored, names::ACCESS_TOKEN), token.secret().expose_secret());
                        assert_eq!(text(&stored, names::REFRESH_TOKEN), "r1");
                        Ok(())
                    }
                })
                .await
        })
    });
    for outcome in join_all(calls).await {
        outcome.unwrap().unwrap();
    }
    assert_eq!(remote.refreshes(), 1);
    assert!(store.load().await.unwrap().credentials.get(names::REFRESH_LEASE).is_none());
}

/// A store that fails, conflicts or is slow as its script says, one step per swap.
#[derive(Debug)]
struct Flaky {
    inner: MemoryCredentialStore,
    script: Mutex<Vec<Fault>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// The swap is refused by an outage.
    Fails,
    /// The swap is done but its answer is lost.
    DoneButLost,
    /// Another writer changes something else just before.
    Interfered,
    Slow,
}

impl Flaky {
    fn new(credentials: Credentials, script: Vec<Fault>) -> Arc<Self> {
        Arc::new(Self { inner: MemoryCredentialStore::new(credentials), script: Mutex::new(script) })
    }
}

#[async_trait]
impl CredentialStore for Flaky {
    async fn load(&self) -> Result<StoredCredentials> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.inner.load().await
    }

    async fn compare_and_swap(&self, expected: u64, credentials: Credentials) -> Result<Swap> {
        let fault = self.script.lock().unwrap().pop().unwrap_or(Fault::None);
        let outage = || Error::new(ErrorKind::Unavailable, "the store is out of order");
        match fault {
            Fault::None => {}
            Fault::Fails => return Err(outage()),
            Fault::DoneButLost => {
                self.inner.compare_and_swap(expected, credentials).await?;
                return Err(outage());
            }
            Fault::Interfered => {
                let now = self.inner.load().await?;
                let other = now.credentials.with("setting", format!("{}", now.version).into());
                self.inner.compare_and_swap(now.version, other).await?;
            }
            Fault::Slow => tokio::time::sleep(Duration::from_secs(2)).await,
        }
        self.inner.compare_and_swap(expected, credentials).await
    }
}

#[tokio::test(start_paused = true)]
async fn new_tokens_that_the_store_will_not_take_are_kept_and_not_given_out() {
    // Popped from the end: the lease is stored, then nothing for twelve swaps.
    let script = [vec![Fault::Fails; 12], vec![Fault::None]].concat();
    let (store, remote) = (Flaky::new(linked(), script), slow_remote());
    let tokens = cache(&store, &remote);
    let old = tokens.get().await.unwrap();
    remote.expire_session();
    let mut outcome = tokens.refresh_if(&old).await;
    assert!(outcome.as_ref().is_err_and(Error::is_retryable), "{outcome:?}");
    assert_eq!(text(&store.load().await.unwrap().credentials, names::ACCESS_TOKEN), "a0");
    for _ in 0..5 {
        if outcome.is_err() {
            outcome = tokens.refresh_if(&old).await;
        }
    }
    assert_eq!(outcome.unwrap().secret().expose_secret(), "a1");
    let stored = store.load().await.unwrap().credentials;
    assert_eq!(
        (text(&stored, names::ACCESS_TOKEN).as_str(), text(&stored, names::REFRESH_TOKEN).as_str()),
        ("a1", "r1")
    );
    assert_eq!(remote.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_has_begun_is_stored_even_if_nobody_waits() {
    let (store, remote) = (memory(linked()), slow_remote());
    let tokens = cache(&store, &remote);
    let old = tokens.get().await.unwrap();
    remote.expire_session();
    let impatient = tokio::time::timeout(Duration::from_millis(450), tokens.refresh_if(&old)).await;
    assert!(impatient.is_err(), "the caller has gone while the answer was on its way");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(text(&store.load().await.unwrap().credentials, names::REFRESH_TOKEN), "r1");
    assert_eq!(tokens.refresh_if(&old).await.unwrap().secret().expose_secret(), "a1");
    assert_eq!(remote.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_refresh_is_waited_for_by_all_and_what_it_rotated_is_stored() {
    let store = memory(linked());
    let remote = Arc::new(Remote { takes: Duration::from_secs(70), ..Remote::default() });
    let processes = [cache(&store, &remote), cache(&store, &remote)];
    let old = processes[0].get().await.unwrap();
    remote.expire_session();
    for token in join_all(processes.iter().map(|tokens| tokens.refresh_if(&old))).await {
        assert_eq!(token.unwrap().secret().expose_secret(), "a1");
    }
    assert_eq!(remote.refreshes(), 1);
    let stored = store.load().await.unwrap().credentials;
    assert_eq!(text(&stored, names::REFRESH_TOKEN), "r1");
    assert!(stored.get(names::REFRESH_LEASE).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_whatever_else_is_written_meanwhile() {
    let store = memory(linked());
    let remote = Arc::new(Remote { takes: Duration::from_secs(200), ..Remote::default() });
    let tokens = cache(&store, &remote);
    let old = tokens.get().await.unwrap();
    remote.expire_session();
    let refresh = tokens.refresh_if(&old);
    let watch = async {
        let mut untils = Vec::new();
        for second in 1..380 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = store.load().await.unwrap();
            let lease = text(&now.credentials, names::REFRESH_LEASE);
            if second == 30 {
                let other = now.credentials.with("note", "of somebody else".into());
                store.compare_and_swap(now.version, other).await.unwrap();
            }
            if untils.last() != Some(&lease) {
                untils.push(lease);
            }
        }
        untils
    };
    let (token, untils) = tokio::join!(refresh, watch);
    assert_eq!(token.unwrap().secret().expose_secret(), "a1");
    // One is lost to the conflict.
    assert!(untils.len() >= 18, "every 20 s a new one: {untils:?}");
    assert_eq!(text(&store.load().await.unwrap().credentials, "note"), "of somebody else");
}

#[tokio::test(start_paused = true)]
async fn tokens_that_were_stored_during_a_refresh_win() {
    let (store, remote) = (memory(linked()), slow_remote());
    let tokens = cache(&store, &remote);
    let old = tokens.get().await.unwrap();
    let link_again = async {
        tokio::time::sleep(Duration::from_millis(450)).await;
        let now = store.load().await.unwrap();
        let new = linked().with(names::ACCESS_TOKEN, "a9".into()).with(names::REFRESH_TOKEN, "r9".into());
        store.compare_and_swap(now.version, new).await.unwrap();
    };
    let (token, ()) = tokio::join!(tokens.refresh_if(&old), link_again);
    assert_eq!(token.unwrap().secret().expose_secret(), "a9");
    assert_eq!(text(&store.load().await.unwrap().credentials, names::REFRESH_TOKEN), "r9");
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_a_dead_process_is_waited_for_and_then_taken_over() {
    let lease = "6f1f7a55-5a3f-4c39-9c5e-2f3a3b3c3d3e";
    for (until, least, most) in [("2999-01-01T00:00:00Z", 60, 63), ("2020-01-01T00:00:00Z", 0, 1)] {
        let credentials = linked().with(names::REFRESH_LEASE, format!("{lease} {until}").into());
        let (store, remote) = (memory(credentials), slow_remote());
        let processes: Vec<_> = (0..3).map(|_| cache(&store, &remote)).collect();
        let old = processes[0].get().await.unwrap();
        remote.expire_session();
        let start = tokio::time::Instant::now();
        for token in join_all(processes.iter().map(|tokens| tokens.refresh_if(&old))).await {
            assert_eq!(token.unwrap().secret().expose_secret(), "a1");
        }
        let waited = start.elapsed().as_secs();
        assert!((least..=most).contains(&waited), "waited {waited} s");
        assert_eq!(remote.refreshes(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_refresh_is_shared_by_those_who_waited_and_frees_the_lease() {
    let (store, remote) = (memory(linked()), slow_remote());
    remote.ended.store(true, Ordering::SeqCst);
    let tokens = cache(&store, &remote);
    let old = tokens.get().await.unwrap();
    for outcome in join_all((0..50).map(|_| tokens.refresh_if(&old))).await {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(remote.refreshes(), 1);
    assert!(store.load().await.unwrap().credentials.get(names::REFRESH_LEASE).is_none());

    // Linked again meanwhile: the new credentials are found without a refresh.
    let now = store.load().await.unwrap();
    let relinked =
        now.credentials.with(names::ACCESS_TOKEN, "a9".into()).with(names::REFRESH_TOKEN, "r9".into());
    store.compare_and_swap(now.version, relinked).await.unwrap();
    assert_eq!(tokens.refresh_if(&old).await.unwrap().secret().expose_secret(), "a9");
    assert_eq!(remote.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_never_works_ends_in_unauthenticated_and_not_in_a_loop() {
    let (store, remote) = (memory(linked()), slow_remote());
    remote.oldest_valid.store(u32::MAX, Ordering::SeqCst);
    let tokens = cache(&store, &remote);
    let calls = AtomicUsize::new(0);
    let call = |token: Token| {
        calls.fetch_add(1, Ordering::SeqCst);
        let outcome = remote.call(&token);
        async move { outcome }
    };
    for _ in 0..10 {
        assert_eq!(tokens.authorized(call).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(remote.refreshes(), 1);
    assert!(calls.load(Ordering::SeqCst) <= 11, "{calls:?}");
    // Much later it is worth another try, and this time the remote has come to its senses.
    tokio::time::advance(Duration::from_secs(61)).await;
    remote.oldest_valid.store(2, Ordering::SeqCst);
    tokens.authorized(call).await.unwrap();
    assert_eq!(remote.refreshes(), 2);
}

#[tokio::test(start_paused = true)]
async fn sessions_that_worked_may_expire_as_often_as_they_like() {
    let (store, remote) = (memory(linked()), slow_remote());
    let tokens = cache(&store, &remote);
    for expired in 1..=20 {
        remote.expire_session();
        let outcome = tokens.authorized(|token| {
            let outcome = remote.call(&token);
            async move { outcome }
        });
        outcome.await.unwrap();
        assert_eq!(remote.refreshes(), expired);
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalidated_token_is_not_given_out_again() {
    let (store, remote) = (memory(linked()), slow_remote());
    let tokens = cache(&store, &remote);
    let token = tokens.get().await.unwrap();
    tokens.invalidate(&token);
    assert_eq!(tokens.get().await.unwrap().secret().expose_secret(), "a1");
    tokens.invalidate(&token);
    assert_eq!(tokens.get().await.unwrap().secret().expose_secret(), "a1");
    assert_eq!(remote.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_short_life_does_not_mean_a_refresh_per_call() {
    let remote = Arc::new(Remote { lifetime: Some(Duration::from_secs(40)), ..Remote::default() });
    let credentials = Credentials::new().with(names::REFRESH_TOKEN, "r0".into());
    let store = memory(credentials);
    let tokens = cache(&store, &remote);
    for _ in 0..20 {
        tokens.get().await.unwrap();
    }
    assert_eq!(remote.refreshes(), 1);
    // Another process finds it in the store.
    cache(&store, &remote).get().await.unwrap();
    assert_eq!(remote.refreshes(), 1);
}

#[tokio::test]
async fn an_ended_token_is_refreshed_before_use() {
    let ended = linked().with(names::ACCESS_TOKEN_EXPIRES_AT, "2020-01-01T00:00:00Z".into());
    let (store, remote) = (memory(ended), Arc::new(Remote::default()));
    let tokens = cache(&store, &remote);
    assert_eq!(tokens.get().await.unwrap().secret().expose_secret(), "a1");
    assert_eq!(remote.refreshes(), 1);
    let stored = store.load().await.unwrap().credentials;
    assert!(stored.get(names::ACCESS_TOKEN_EXPIRES_AT).is_none());
}

#[tokio::test]
async fn a_token_near_its_end_is_refreshed_unless_that_fails_while_it_is_still_good() {
    let remote = Arc::new(Remote { lifetime: Some(Duration::from_secs(2)), ..Remote::default() });
    let store = Flaky::new(linked(), Vec::new());
    remote.expire_session();
    let tokens = cache(&store, &remote);
    let old = tokens.get().await.unwrap();
    let token = tokens.refresh_if(&old).await.unwrap();
    token.accepted();
    // It is due for its last quarter.
    tokio::time::sleep(Duration::from_millis(1550)).await;
    store.script.lock().unwrap().push(Fault::Fails);
    assert_eq!(tokens.get().await.unwrap().secret().expose_secret(), "a1");
    assert_eq!(tokens.get().await.unwrap().secret().expose_secret(), "a2");
    assert_eq!(remote.refreshes(), 2);
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        4 => Just(Fault::None),
        1 => Just(Fault::Fails),
        1 => Just(Fault::DoneButLost),
        2 => Just(Fault::Interfered),
        1 => Just(Fault::Slow),
    ];
    let run = (fault, 1_usize..9).prop_map(|(fault, times)| vec![fault; times]);
    proptest::collection::vec(run, 0..12).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever the store does: the grant never ends, no refresh is wasted, and the store ends up with the remote's
    /// newest tokens.
    #[test]
    fn the_newest_tokens_are_never_lost(script in faults(), processes in 1_usize..4, tasks in 1_usize..8, rounds in 1_u32..5) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (store, remote) = (Flaky::new(linked(), script), slow_remote());
            let caches: Vec<_> = (0..processes).map(|_| cache(&store, &remote)).collect();
            for round in 1..=rounds {
                remote.expire_session();
                let calls = caches.iter().flat_map(|tokens| std::iter::repeat_n(tokens, tasks)).map(|tokens| async {
                    // A store in trouble may fail a call; a host tries again.
                    for _ in 0..60 {
                        let outcome = tokens.authorized(|token| {
                            let outcome = remote.call(&token);
                            async move { outcome }
                        });
                        match outcome.await {
                            Ok(()) => return Ok(()),
                            Err(error) if error.kind() == ErrorKind::Unavailable => {}
                            Err(error) => return Err(error),
                        }
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    Err(Error::new(ErrorKind::Internal, "no success in sixty tries"))
                });
                for outcome in join_all(calls).await {
                    prop_assert!(outcome.is_ok(), "{:?}", outcome);
                }
                let stored = store.load().await.unwrap().credentials;
                prop_assert_eq!(text(&stored, names::ACCESS_TOKEN), format!("a{round}"));
                prop_assert_eq!(text(&stored, names::REFRESH_TOKEN), format!("r{round}"));
                prop_assert_eq!(remote.refreshes(), round as usize);
            }
            Ok(())
        })?;
    }
}
