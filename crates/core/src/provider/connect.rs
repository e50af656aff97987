//! What a plugin gets when a host connects a linked account.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::Provider;
use crate::{CredentialStore, Json, LinkedAccountId, Result};

/// The future of a connection.
pub type ConnectFuture = BoxFuture<'static, Result<Arc<dyn Provider>>>;

/// What a plugin gets when a host connects a linked account.
///
/// ```
/// use std::sync::Arc;
/// use unicrm_core::{ConnectRequest, Credentials, Json, LinkedAccountId, MemoryCredentialStore};
/// let store = Arc::new(MemoryCredentialStore::new(Credentials::new()));
/// let request = ConnectRequest::new(LinkedAccountId::random(), Json::parse("{}")?, store);
/// assert!(request.cache_dir.is_none());
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// The linked account: the namespace of all ids.
    pub linked_account: LinkedAccountId,
    /// The plugin's own configuration, as a JSON object without secrets. Unknown keys are an error.
    pub config: Json,
    /// Where the secrets are.
    pub credentials: Arc<dyn CredentialStore>,
    /// A folder for what may be fetched again at any time, such as descriptions; none to keep nothing.
    pub cache_dir: Option<PathBuf>,
}

impl ConnectRequest {
    /// A connection without a cache on disk.
    #[must_use]
    pub fn new(linked_account: LinkedAccountId, config: Json, credentials: Arc<dyn CredentialStore>) -> Self {
        Self { linked_account, config, credentials, cache_dir: None }
    }

    /// With a cache on disk.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }
}
