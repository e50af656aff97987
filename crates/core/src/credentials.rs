//! Credentials belong to the host: a plugin loads them and swaps them, and never keeps the only copy.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use crate::Result;

/// The named secrets of one linked account, such as `client_secret`, `refresh_token`, `access_token`.
///
/// Names are for people and may be printed; values are [`SecretString`] and never are.
///
/// ```
/// use secrecy::SecretString;
/// use unicrm_core::Credentials;
///
/// let credentials = Credentials::new().with("client_secret", SecretString::from("s3cret"));
/// assert!(credentials.get("client_secret").is_some());
/// assert!(!format!("{credentials:?}").contains("s3cret"));
/// ```
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, SecretString>);

impl Credentials {
    /// No secrets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces one secret.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: SecretString) -> Self {
        self.set(name, value);
        self
    }

    /// The secret of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }

    /// Adds or replaces one secret.
    pub fn set(&mut self, name: impl Into<String>, value: SecretString) {
        self.0.insert(name.into(), value);
    }

    /// Removes one secret; says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Names and secrets, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there is no secret at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = self.0.keys().map(|name| (name, "[REDACTED]"));
        f.debug_map().entries(redacted).finish()
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|((name, value), (other_name, other_value))| {
                name == other_name && value.expose_secret() == other_value.expose_secret()
            })
    }
}

impl Eq for Credentials {}

/// Credentials with the version that a [`CredentialStore::compare_and_swap`] must name.
///
/// ```
/// use unicrm_core::{Credentials, StoredCredentials};
/// let stored = StoredCredentials { version: 3, credentials: Credentials::new() };
/// assert_eq!(stored.version, 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCredentials {
    /// Grows with every swap.
    pub version: u64,
    /// The secrets themselves.
    pub credentials: Credentials,
}

/// What became of a swap.
///
/// ```
/// use unicrm_core::Swap;
/// let swap = Swap::Stored { version: 4 };
/// assert!(matches!(swap, Swap::Stored { version: 4 }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The new credentials are durable under this version.
    Stored {
        /// The version that the next swap must name.
        version: u64,
    },
    /// Somebody else was faster: these are the credentials now, and nothing was changed.
    Conflict(StoredCredentials),
}

/// Where a host keeps the credentials of one linked account.
///
/// A plugin gets one at connect time. Compare-and-swap is what makes a refresh safe across tasks and processes: whoever
/// swaps first wins, the other takes what it finds.
///
/// ```
/// # tokio_test::block_on(async {
/// use unicrm_core::{CredentialStore, Credentials, MemoryCredentialStore, Swap};
/// let store = MemoryCredentialStore::new(Credentials::new());
/// let before = store.load().await?;
/// let new = before.credentials.clone().with("access_token", "abc".to_owned().into());
/// assert!(matches!(store.compare_and_swap(before.version, new.clone()).await?, Swap::Stored { .. }));
/// assert!(matches!(store.compare_and_swap(before.version, new).await?, Swap::Conflict(_)));
/// # Ok::<_, unicrm_core::Error>(()) }).unwrap();
/// # mod tokio_test { pub fn block_on<F: Future>(f: F) -> F::Output {
/// #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(f) } }
/// ```
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait CredentialStore: fmt::Debug + Send + Sync + 'static {
    /// The credentials as they are now.
    async fn load(&self) -> Result<StoredCredentials>;

    /// Replaces the credentials if their version is still the one named. The new ones are durable before this returns
    /// [`Swap::Stored`].
    async fn compare_and_swap(&self, expected_version: u64, credentials: Credentials) -> Result<Swap>;
}

/// A credential store in memory: for tests, and for hosts that keep their secrets elsewhere.
///
/// ```
/// use unicrm_core::{Credentials, MemoryCredentialStore};
/// let store = MemoryCredentialStore::new(Credentials::new().with("refresh_token", "r".to_owned().into()));
/// assert!(!format!("{store:?}").contains("\"r\""));
/// ```
#[derive(Debug)]
pub struct MemoryCredentialStore(Mutex<StoredCredentials>);

impl MemoryCredentialStore {
    /// A store that starts with these credentials, at version 1.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self(Mutex::new(StoredCredentials { version: 1, credentials }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, StoredCredentials> {
        // The critical sections below cannot panic, so a poisoned lock still holds whole credentials.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl CredentialStore for MemoryCredentialStore {
    async fn load(&self) -> Result<StoredCredentials> {
        Ok(self.lock().clone())
    }

    async fn compare_and_swap(&self, expected_version: u64, credentials: Credentials) -> Result<Swap> {
        let mut stored = self.lock();
        if stored.version != expected_version {
            return Ok(Swap::Conflict(stored.clone()));
        }
        stored.version += 1;
        stored.credentials = credentials;
        Ok(Swap::Stored { version: stored.version })
    }
}
