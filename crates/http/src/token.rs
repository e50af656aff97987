//! Access tokens that many tasks and processes share, and that are refreshed once.

mod cache;
mod lease;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use unicrm_core::{Credentials, Error, ErrorKind, Result};

pub use cache::TokenCache;

/// The names under which the cache keeps its secrets in the host's credential store.
///
/// ```
/// use unicrm_core::Credentials;
/// use unicrm_http::names;
/// let linked = Credentials::new().with(names::REFRESH_TOKEN, "r3fresh".into());
/// assert!(linked.get("refresh_token").is_some());
/// ```
pub mod names {
    /// The access token in use.
    pub const ACCESS_TOKEN: &str = "access_token";
    /// When it ends, RFC 3339; absent if the remote does not say.
    pub const ACCESS_TOKEN_EXPIRES_AT: &str = "access_token_expires_at";
    /// The refresh token, where the grant has one.
    pub const REFRESH_TOKEN: &str = "refresh_token";
    /// Who is refreshing at the moment, and until when.
    pub const REFRESH_LEASE: &str = "refresh_lease";

    pub(crate) const RESERVED: [&str; 4] =
        [ACCESS_TOKEN, ACCESS_TOKEN_EXPIRES_AT, REFRESH_TOKEN, REFRESH_LEASE];
}

/// Gets a new access token: the plugin's knowledge of grants and endpoints.
///
/// The cache calls it at most once per failed token, whatever the number of tasks and processes.
///
/// ```
/// use async_trait::async_trait;
/// use unicrm_core::{Credentials, Error, ErrorKind, Result};
/// use unicrm_http::{Refreshed, Refresher, names, oauth::OAuthClient};
///
/// #[derive(Debug)]
/// struct ByRefreshToken(OAuthClient);
///
/// #[async_trait]
/// impl Refresher for ByRefreshToken {
///     async fn refresh(&self, current: &Credentials) -> Result<Refreshed> {
///         let Some(token) = current.get(names::REFRESH_TOKEN) else {
///             return Err(Error::new(ErrorKind::InvalidConfig, "there is no refresh token: link the account"));
///         };
///         Ok(self.0.refresh(token).await?.into_refreshed(&["instance_url"]))
///     }
/// }
/// ```
#[async_trait]
pub trait Refresher: fmt::Debug + Send + Sync + 'static {
    /// Asks the remote, with the credentials as they are stored now.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if the account has to be linked again.
    async fn refresh(&self, current: &Credentials) -> Result<Refreshed>;
}

/// What a refresh brought. All of it is stored before anybody may use the token.
///
/// ```
/// use unicrm_http::Refreshed;
/// let refreshed = Refreshed::new("s3cret-token".into()).with_attribute("instance_url", "https://acme.example.com");
/// assert!(!format!("{refreshed:?}").contains("s3cret"));
/// ```
#[derive(Clone)]
pub struct Refreshed {
    /// The new access token.
    pub access_token: SecretString,
    /// The next refresh token, if the remote rotates it; otherwise the old one stays.
    pub refresh_token: Option<SecretString>,
    /// What belongs to the token, such as the instance's URL. Each is stored under its own name.
    pub attributes: BTreeMap<String, String>,
    /// When the access token ends, if known.
    pub expires_at: Option<Timestamp>,
}

impl Refreshed {
    /// An access token alone.
    #[must_use]
    pub fn new(access_token: SecretString) -> Self {
        Self { access_token, refresh_token: None, attributes: BTreeMap::new(), expires_at: None }
    }

    /// Adds something that belongs to the token.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Writes itself over what was stored: for a first sign-in, before there is a [`TokenCache`].
    #[must_use]
    pub fn apply(&self, stored: &Credentials) -> Credentials {
        let mut new = stored.clone();
        for (name, value) in &self.attributes {
            if !names::RESERVED.contains(&name.as_str()) {
                new.set(name.as_str(), value.as_str().into());
            }
        }
        new.set(names::ACCESS_TOKEN, self.access_token.clone());
        if let Some(refresh_token) = &self.refresh_token {
            new.set(names::REFRESH_TOKEN, refresh_token.clone());
        }
        match self.expires_at {
            Some(instant) => new.set(names::ACCESS_TOKEN_EXPIRES_AT, instant.to_string().into()),
            None => {
                new.remove(names::ACCESS_TOKEN_EXPIRES_AT);
            }
        }
        new
    }
}

impl fmt::Debug for Refreshed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refreshed")
            .field("refresh_token", &self.refresh_token.as_ref().map(|_| "[REDACTED]"))
            .field("attributes", &self.attributes.keys())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// An access token with what belongs to it. Clones are the same token.
///
/// ```
/// # use std::sync::Arc;
/// # use unicrm_core::{Credentials, MemoryCredentialStore, Result};
/// # use unicrm_http::{Refreshed, Refresher, TokenCache, names};
/// # #[derive(Debug)] struct Never;
/// # #[async_trait::async_trait] impl Refresher for Never {
/// #     async fn refresh(&self, _: &Credentials) -> Result<Refreshed> { unreachable!() } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let linked = Credentials::new()
///     .with(names::ACCESS_TOKEN, "s3cret".into())
///     .with("instance_url", "https://acme.example.com".into());
/// let tokens = TokenCache::new(Arc::new(MemoryCredentialStore::new(linked)), Arc::new(Never));
/// let token = tokens.get().await?;
/// assert_eq!(token.attribute("instance_url"), Some("https://acme.example.com"));
/// assert!(token.bearer()?.is_sensitive());
/// assert!(!format!("{token:?}").contains("s3cret"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Token(Arc<Inner>);

struct Inner {
    access_token: SecretString,
    credentials: Credentials,
    expires_at: Option<Timestamp>,
    /// From then on it is refreshed before it is used.
    due_at: Option<Timestamp>,
    accepted: AtomicBool,
    rejected: AtomicBool,
}

impl Token {
    /// The token in these credentials, if there is one. It is due `margin` before its end, but never in the first three
    /// quarters of the time that it has left: a remote with very short lives would be asked for every single request.
    fn stored(credentials: &Credentials, margin: Duration) -> Option<Self> {
        let access_token = credentials.get(names::ACCESS_TOKEN)?.clone();
        if access_token.expose_secret().is_empty() {
            return None;
        }
        let instant = |text: &SecretString| text.expose_secret().parse().ok();
        let expires_at: Option<Timestamp> = credentials.get(names::ACCESS_TOKEN_EXPIRES_AT).and_then(instant);
        let due_at = expires_at.map(|end| {
            let left = Duration::try_from(end.duration_since(Timestamp::now())).unwrap_or_default();
            end.checked_sub(margin.min(left / 4)).unwrap_or(end)
        });
        Some(Self(Arc::new(Inner {
            access_token,
            credentials: credentials.clone(),
            expires_at,
            due_at,
            accepted: AtomicBool::new(false),
            rejected: AtomicBool::new(false),
        })))
    }

    /// The secret itself.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.0.access_token
    }

    /// The value for the `Authorization` header, marked as sensitive.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if the token has characters that no header can carry.
    pub fn bearer(&self) -> Result<HeaderValue> {
        let text = format!("Bearer {}", self.0.access_token.expose_secret());
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            Error::new(
                ErrorKind::InvalidConfig,
                "the access token has characters that no HTTP header can carry",
            )
            .with_advice("Link the account again.")
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// What was stored together with the token under this name, such as `instance_url`; never one of the tokens.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        if names::RESERVED.contains(&name) {
            return None;
        }
        self.0.credentials.get(name).map(|value| value.expose_secret())
    }

    /// When it ends, if the remote said so.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at
    }

    /// Says that the remote took this token. A token that was refused before it was ever taken is not refreshed again
    /// at once. [`TokenCache::authorized`] calls it.
    pub fn accepted(&self) {
        self.0.accepted.store(true, Ordering::Relaxed);
    }

    fn was_accepted(&self) -> bool {
        self.0.accepted.load(Ordering::Relaxed)
    }

    fn reject(&self) {
        self.0.rejected.store(true, Ordering::Relaxed);
    }

    fn was_rejected(&self) -> bool {
        self.0.rejected.load(Ordering::Relaxed)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.0.access_token.expose_secret() == other.0.access_token.expose_secret()
    }

    /// Whether what belongs to the token is the same as well. The same token with another instance's URL may work.
    fn has_same_attributes(&self, other: &Self) -> bool {
        let attributes = |token: &Self| -> BTreeMap<String, String> {
            let all = token.0.credentials.iter().filter(|(name, _)| !names::RESERVED.contains(name));
            all.map(|(name, value)| (name.to_owned(), value.expose_secret().to_owned())).collect()
        };
        attributes(self) == attributes(other)
    }

    fn is_due(&self) -> bool {
        self.0.due_at.is_some_and(|due| Timestamp::now() >= due)
    }

    fn has_ended(&self) -> bool {
        self.0.expires_at.is_some_and(|end| Timestamp::now() >= end)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires_at", &self.0.expires_at).finish_non_exhaustive()
    }
}

/// The times that govern refreshing.
///
/// ```
/// use std::time::Duration;
/// use unicrm_http::RefreshPolicy;
/// let policy = RefreshPolicy { lease: Duration::from_secs(30), ..RefreshPolicy::default() };
/// assert!(policy.refresh_timeout > policy.lease);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// How long a process that refreshes keeps the others waiting after its last sign of life; then they take over.
    pub lease: Duration,
    /// How long one refresh may take, all attempts together. What the remote has rotated is lost when its answer is given up,
    /// so this is longer than any transport waits; the lease is renewed meanwhile.
    pub refresh_timeout: Duration,
    /// A token that ends within this time is refreshed before it is used.
    pub expiry_margin: Duration,
    /// A token that came from a refresh and was refused at once is not refreshed again for this long.
    pub cool_down: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            refresh_timeout: Duration::from_secs(1_800),
            expiry_margin: Duration::from_secs(60),
            cool_down: Duration::from_secs(60),
        }
    }
}
