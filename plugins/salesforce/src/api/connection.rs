//! One request to the org: sent with a token, classified, sent again where that is right, and counted.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use unicrm_core::{CredentialStore, Error, ErrorKind, Quota, Usage};
use unicrm_http::redact::scrub;
use unicrm_http::{
    Attempt, BodyStream, ConcurrencyLimit, HttpClient, Replay, Retrier, RetryPolicy, Token, TokenCache,
    TransportError, TransportErrorKind, Verdict,
};
use url::Url;

use super::answer::{Answer, Expect, dated, quota};
use super::clock::ServerClock;
use crate::auth;
use crate::config::SalesforceConfig;
use crate::error::{Fault, Refusal};

/// The way to one org.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) config: Arc<SalesforceConfig>,
    http: HttpClient,
    tokens: TokenCache,
    retrier: Retrier,
    slots: ConcurrencyLimit,
    /// Where the org was found last.
    instance: RwLock<Url>,
    /// As whom we ask, once it is known by name.
    username: RwLock<Option<String>>,
    /// Refreshes that no answered request has reported yet.
    refreshes: Arc<AtomicU64>,
    clock: ServerClock,
}

/// One request, by path.
#[derive(Debug)]
pub(super) struct Call<'c> {
    pub(super) method: Method,
    /// Path and query, from the root of the instance.
    pub(super) path: Cow<'c, str>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) expect: Expect,
    pub(super) replay: Replay,
    /// Largest answer in bytes, unless the configuration allows less.
    pub(super) max: usize,
    /// Whether it is a request of the data API, which is taken off the quota of calls.
    pub(super) counts: bool,
    /// Where the body wants the session's id, as older APIs do.
    pub(super) session_at: Option<usize>,
    /// Whether a good answer's body is read as it comes: [`Connection::stream`].
    pub(super) streamed: bool,
    /// Whether a fault says that an earlier attempt may have been carried out: [`Fault::AfterLost`].
    pub(super) tells_lost: bool,
}

impl<'c> Call<'c> {
    /// A GET of JSON.
    pub(super) fn get(path: impl Into<Cow<'c, str>>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            expect: Expect::Json,
            replay: Replay::Safe,
            max: usize::MAX,
            counts: true,
            session_at: None,
            streamed: false,
            tells_lost: false,
        }
    }

    /// A GET of CSV, read as it comes.
    pub(super) fn csv(path: impl Into<Cow<'c, str>>) -> Self {
        let mut call = Self { expect: Expect::Bytes, streamed: true, ..Self::get(path) };
        call.headers.insert(header::ACCEPT, HeaderValue::from_static("text/csv"));
        call
    }

    /// A change by JSON.
    pub(super) fn change(
        method: Method,
        path: impl Into<Cow<'c, str>>,
        body: Vec<u8>,
        replay: Replay,
    ) -> Self {
        Self { method, replay, ..Self::post_safely(path, body) }
    }

    /// A POST of JSON whose second time changes nothing.
    pub(super) fn post_safely(path: impl Into<Cow<'c, str>>, body: Vec<u8>) -> Self {
        let mut call = Self { method: Method::POST, body: Bytes::from(body), ..Self::get(path) };
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        call
    }

    /// With a header; one that cannot be written is an error of ours.
    pub(super) fn header(mut self, name: header::HeaderName, value: &str) -> Result<Self, Fault> {
        let value = HeaderValue::from_str(value).map_err(|_| {
            Error::new(ErrorKind::Internal, format!("the header {name} cannot carry its value"))
        })?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// The body, with the session's id in its place.
    fn body_with(&self, token: &Token) -> Bytes {
        let Some((before, after)) = self.session_at.and_then(|at| self.body.split_at_checked(at)) else {
            return self.body.clone();
        };
        let session = quick_xml::escape::escape(token.secret().expose_secret());
        Bytes::from([before, session.as_bytes(), after].concat())
    }

    /// A change of records: what became of it is worth knowing of every attempt.
    pub(super) fn of_records(mut self) -> Self {
        self.tells_lost = true;
        self
    }

    /// Not taken off the quota.
    pub(super) fn free(mut self) -> Self {
        self.counts = false;
        self
    }
}

/// What the attempts of one request came to.
#[derive(Debug, Default)]
struct Tally {
    attempts: AtomicU64,
    calls: AtomicU64,
    renewed: AtomicBool,
    /// An attempt may have been carried out though it failed.
    lost: AtomicBool,
    quota: Mutex<Option<Quota>>,
    /// The body of the last good answer, when it is read as it comes.
    body: Mutex<Option<BodyStream>>,
}

impl Connection {
    /// A connection over an HTTP client. It has a token and knows the instance, but has not spoken to the API yet.
    pub(super) async fn open(
        config: Arc<SalesforceConfig>,
        http: HttpClient,
        store: Arc<dyn CredentialStore>,
    ) -> Result<Self, Fault> {
        let refreshes = Arc::new(AtomicU64::new(0));
        let tokens = auth::token_cache(&config, &http, store, Arc::clone(&refreshes));
        let policy = RetryPolicy {
            max_attempts: config.limits.attempts,
            total: config.retry_time(),
            ..RetryPolicy::default()
        };
        let connection = Self {
            retrier: Retrier::new(policy).with_usage(Arc::clone(http.usage())),
            slots: ConcurrencyLimit::new(config.limits.concurrency),
            instance: RwLock::new(config.login_url.clone()),
            username: RwLock::default(),
            refreshes,
            clock: ServerClock::default(),
            tokens,
            http,
            config,
        };
        let mut token = connection.tokens.get().await?;
        connection.locate(&mut token).await?;
        Ok(connection)
    }

    /// Where the org was found last.
    pub(super) fn instance_url(&self) -> Url {
        self.instance.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the next answered request report what a request without a caller has cost.
    pub(super) fn report_later(&self, usage: &Usage) {
        self.refreshes.fetch_add(usage.refreshes, Ordering::Relaxed);
    }

    /// The time at the server, as its last answer told it.
    pub(super) fn server_now(&self) -> Option<Timestamp> {
        self.clock.now()
    }

    /// How many requests may run at once now.
    pub(super) fn concurrency(&self) -> usize {
        self.slots.current()
    }

    /// The token in use.
    pub(super) async fn token(&self) -> Result<Token, Fault> {
        Ok(self.tokens.get().await?)
    }

    /// Remembers as whom we ask, for advice in errors.
    pub(super) fn remember_username(&self, username: &str) {
        *self.username.write().unwrap_or_else(PoisonError::into_inner) = Some(username.to_owned());
    }

    /// Sends a request until it is answered or given up, and reads the answer. What reading finds wrong is treated like what
    /// the server says: an answer that ends early is asked for again.
    pub(super) async fn fetch<T, D>(&self, usage: &mut Usage, call: &Call<'_>, decode: D) -> Result<T, Fault>
    where
        D: Fn(Answer) -> Result<T, Fault>,
    {
        self.run(usage, call, decode).await.0
    }

    /// As [`Connection::fetch`], but the body of a good answer comes chunk by chunk, and reading sees the head alone. What
    /// happens to the body on its way is for its reader to find and to mend.
    pub(super) async fn stream<T, D>(
        &self,
        usage: &mut Usage,
        call: &Call<'_>,
        decode: D,
    ) -> Result<(T, BodyStream), Fault>
    where
        D: Fn(Answer) -> Result<T, Fault>,
    {
        let (outcome, body) = self.run(usage, call, decode).await;
        Ok((outcome?, body.unwrap_or_else(|| BodyStream::from(Bytes::new()))))
    }

    async fn run<T, D>(
        &self,
        usage: &mut Usage,
        call: &Call<'_>,
        decode: D,
    ) -> (Result<T, Fault>, Option<BodyStream>)
    where
        D: Fn(Answer) -> Result<T, Fault>,
    {
        let tally = Tally::default();
        let (counts, decode) = (&tally, &decode);
        let outcome =
            self.retrier.run(call.replay, |number| self.attempt(number, call, counts, decode)).await;
        let lost = call.tells_lost && tally.lost.load(Ordering::Relaxed);
        let outcome = outcome.map_err(|fault| if lost { fault.after_lost() } else { fault });
        let body = tally.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        usage.add(&tally.into_usage(self.refreshes.swap(0, Ordering::Relaxed)));
        (outcome, body)
    }

    async fn attempt<T, D>(
        &self,
        number: u32,
        call: &Call<'_>,
        tally: &Tally,
        decode: &D,
    ) -> Verdict<T, Fault>
    where
        D: Fn(Answer) -> Result<T, Fault>,
    {
        let permit = self.slots.acquire().await;
        match self.authorized(number, call, tally, decode).await {
            Ok(value) => {
                permit.succeeded();
                Verdict::Done(value)
            }
            Err(fault) => {
                if fault.is_crowded() {
                    permit.overloaded();
                }
                if fault.may_have_acted() {
                    tally.lost.store(true, Ordering::Relaxed);
                }
                match fault.again(number) {
                    Some(again) => Verdict::Retry {
                        reason: again.reason,
                        after: again.after,
                        effect: again.effect,
                        error: fault,
                    },
                    None => Verdict::Fail(fault),
                }
            }
        }
    }

    /// Sends with the current token, and once per request with another one: when the session is over, when the org has moved,
    /// or when its old host is gone. The path stays the same, cursors included: they belong to the user, not to the session.
    async fn authorized<T, D>(
        &self,
        number: u32,
        call: &Call<'_>,
        tally: &Tally,
        decode: &D,
    ) -> Result<T, Fault>
    where
        D: Fn(Answer) -> Result<T, Fault>,
    {
        let mut token = self.tokens.get().await?;
        let base = self.locate(&mut token).await?;
        let fault = match self.send(number, call, &base, &token, tally).await.and_then(decode) {
            Ok(value) => return Ok(value),
            Err(fault) => fault,
        };
        let host_is_gone =
            number > 1 && is_unreachable(&fault) && base.host() != self.config.login_url.host();
        if !fault.wants_new_token() && !host_is_gone {
            return Err(fault);
        }
        if tally.renewed.swap(true, Ordering::Relaxed) {
            return Err(fault.despite_new_token());
        }
        let mut token = match self.tokens.refresh_if(&token).await {
            Ok(token) => token,
            Err(_) if host_is_gone => return Err(fault),
            Err(error) => return Err(error.into()),
        };
        let base = self.locate(&mut token).await?;
        self.send(number, call, &base, &token, tally).await.and_then(decode).map_err(|fault| {
            // The identity service refuses good tokens too, when the app's scopes do not reach it.
            if fault.refusal().is_some_and(Refusal::is_about_session) && call.counts {
                self.tokens.invalidate(&token);
            }
            fault.despite_new_token()
        })
    }

    /// Where the org is, as the token's answer said. A token that was stored without it is renewed once.
    async fn locate(&self, token: &mut Token) -> Result<Url, Fault> {
        let known = match auth::instance_of(token, &self.config, &self.http)? {
            Some(url) => Some(url),
            None => {
                *token = self.tokens.refresh_if(token).await?;
                auth::instance_of(token, &self.config, &self.http)?
            }
        };
        let url = known.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                "the login's answer does not say where the org is (\"instance_url\")",
            )
            .with_advice("Check \"login_url\": is this a Salesforce login?")
        })?;
        let mut instance = self.instance.write().unwrap_or_else(PoisonError::into_inner);
        if *instance != url {
            *instance = url.clone();
        }
        Ok(url)
    }

    async fn send(
        &self,
        number: u32,
        call: &Call<'_>,
        base: &Url,
        token: &Token,
        tally: &Tally,
    ) -> Result<Answer, Fault> {
        let url = joined(base, &call.path)?;
        let mut request = http::Request::new(call.body_with(token));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = url.as_str().parse().map_err(|_| {
            Error::new(ErrorKind::InvalidRequest, "the path of the request is malformed or too long")
        })?;
        *request.headers_mut() = call.headers.clone();
        let headers = request.headers_mut();
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        if let (Some(locale), false) = (&self.config.locale, headers.contains_key(header::ACCEPT_LANGUAGE))
            && let Ok(locale) = HeaderValue::from_str(locale)
        {
            headers.insert(header::ACCEPT_LANGUAGE, locale);
        }
        headers.insert(header::AUTHORIZATION, token.bearer()?);
        request.extensions_mut().insert(Attempt(number));

        tally.attempts.fetch_add(1, Ordering::Relaxed);
        let count = || tally.calls.fetch_add(u64::from(call.counts), Ordering::Relaxed);
        let begun = Instant::now();
        match self.receive(request, call, tally).await {
            Ok(response) => {
                count();
                if let Some(quota) = quota(response.headers()) {
                    *tally.quota.lock().unwrap_or_else(PoisonError::into_inner) = Some(quota);
                }
                if let Some(now) = dated(response.headers()) {
                    self.clock.set(now);
                }
                let outcome = Answer::checked(response, call.expect, begun.elapsed());
                let taken = match &outcome {
                    Ok(_) => true,
                    Err(fault) => fault.refusal().is_some_and(|refusal| !refusal.is_about_session()),
                };
                if taken {
                    token.accepted();
                }
                outcome.map_err(|fault| self.told(fault, token))
            }
            Err(error) => {
                let reached = !matches!(
                    error.kind(),
                    TransportErrorKind::Refused
                        | TransportErrorKind::Connect
                        | TransportErrorKind::Redirected { .. }
                );
                if reached {
                    count();
                }
                Err(Fault::Transport { error, replay: call.replay })
            }
        }
    }

    /// Reads the whole answer, unless it is a good one whose body is read as it comes.
    async fn receive(
        &self,
        request: http::Request<Bytes>,
        call: &Call<'_>,
        tally: &Tally,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let max = call.max.min(self.config.max_answer());
        if !call.streamed {
            return self.http.fetch_within(request, max).await;
        }
        let (parts, body) = self.http.send(request).await?.into_parts();
        let body = if parts.status.is_success() {
            *tally.body.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
            Bytes::new()
        } else {
            body.collect(max).await?
        };
        Ok(http::Response::from_parts(parts, body))
    }

    /// A refusal without our token in it, and with the user's name for the advice.
    fn told(&self, fault: Fault, token: &Token) -> Fault {
        let Fault::Refused(mut refusal) = fault else { return fault };
        refusal.message = scrub(&refusal.message, [token.secret()]);
        let named = self.username.read().unwrap_or_else(PoisonError::into_inner).clone();
        refusal.user = named.or_else(|| auth::ids_of(token).map(|(_, user)| format!("the user {user}")));
        Fault::Refused(refusal)
    }
}

impl Tally {
    fn into_usage(self, refreshes: u64) -> Usage {
        let mut usage = Usage::calls(self.calls.into_inner());
        usage.retries = self.attempts.into_inner().saturating_sub(1);
        usage.refreshes = refreshes;
        usage.quota = self.quota.into_inner().unwrap_or_else(PoisonError::into_inner);
        usage
    }
}

fn is_unreachable(fault: &Fault) -> bool {
    matches!(fault, Fault::Transport { error, .. } if error.kind() == TransportErrorKind::Connect)
}

/// The URL of a path on the instance, and never on another host.
fn joined(base: &Url, path: &str) -> Result<Url, Fault> {
    let refused = || {
        Error::new(ErrorKind::InvalidRequest, "the path of a request starts with one slash and names no host")
            .with_advice("Give a path such as /services/data/v66.0/limits.")
    };
    if !path.starts_with('/') || path.starts_with("//") || path.contains(['\\', '#']) {
        return Err(refused().into());
    }
    let url = base.join(path).map_err(|_| refused())?;
    if url.origin() == base.origin() { Ok(url) } else { Err(refused().into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_path_leads_to_another_host(path in "[/\\\\@:.?#a-z%]{0,30}", plain in ".{0,30}") {
            let base = Url::parse("https://acme.my.salesforce.com/").unwrap();
            for path in [path.clone(), format!("/{path}"), plain.clone(), format!("/{plain}")] {
                if let Ok(url) = joined(&base, &path) {
                    prop_assert_eq!(url.origin(), base.origin());
                }
            }
        }
    }
}
