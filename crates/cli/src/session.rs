//! What most commands start with: the store, a linked account, and its provider connected.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use unicrm_core::{
    ConnectRequest, CredentialStore, Error, ErrorKind, Json, LinkedAccountId, Provider, Registry,
};
use unicrm_store::{AccountStatus, LinkedAccount, Store};

use crate::cli::Global;
use crate::errors::{Failure, Result};

/// The store, opened.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) store: Arc<dyn Store>,
    /// Where plugins may keep what can be fetched again; none to keep nothing.
    cache: Option<PathBuf>,
    /// Whether what the store has to say is of interest.
    warns: bool,
}

impl Session {
    /// Opens the database that the command line or the environment names.
    pub(crate) async fn open(global: &Global) -> Result<Self> {
        let session = Self {
            store: unicrm_store::open(&global.database_url()).await?,
            cache: cache_dir(),
            warns: true,
        };
        session.warn();
        Ok(session)
    }

    /// Opens a database that lasts as long as this folder.
    pub(crate) async fn open_in(folder: &Path) -> Result<Self> {
        let file = folder.join("unicrm.db");
        let url = file
            .to_str()
            .ok_or_else(|| Failure::new("the folder for temporary files is not named in UTF-8"))?;
        // That a key was made for a database that nobody keeps is of no interest.
        Ok(Self { store: unicrm_store::open(url).await?, cache: None, warns: false })
    }

    /// Passes on what the store has to say.
    fn warn(&self) {
        for warning in self.store.take_warnings().into_iter().filter(|_| self.warns) {
            eprintln!("note: {warning}");
        }
    }

    /// The linked account of this name or id, or the only one.
    pub(crate) async fn account(&self, name: Option<&str>) -> Result<LinkedAccount> {
        if let Some(name) = name {
            return self.store.linked_account(name).await.map_err(|error| match error.kind() {
                ErrorKind::NotFound => Failure::from(error).into_usage(),
                _ => error.into(),
            });
        }
        let mut accounts = self.store.linked_accounts().await?;
        match (accounts.pop(), accounts.as_slice()) {
            (Some(only), []) => Ok(only),
            (None, _) => Err(nobody_linked()),
            (Some(last), others) => {
                let names: Vec<_> =
                    others.iter().chain([&last]).map(|account| account.name.as_str()).collect();
                Err(Failure::usage(format!("several accounts are linked: {}", names.join(", ")))
                    .advice("name the one you mean with -a NAME"))
            }
        }
    }

    /// The linked account that is asked for; none when none is, and all are meant. There must be one.
    pub(crate) async fn account_or_all(&self, name: Option<&str>) -> Result<Option<LinkedAccount>> {
        match name {
            Some(_) => self.account(name).await.map(Some),
            None if self.store.linked_accounts().await?.is_empty() => Err(nobody_linked()),
            None => Ok(None),
        }
    }

    /// Removes a linked account, and what its plugin kept.
    pub(crate) async fn unlink(&self, account: &LinkedAccount) -> Result<()> {
        self.store.unlink(account.id).await?;
        if let Some(folder) = self.cache_of(account.id).filter(|folder| folder.exists())
            && let Err(error) = std::fs::remove_dir_all(&folder)
        {
            tracing::warn!(%error, folder = %folder.display(), "the cache could not be removed");
        }
        Ok(())
    }

    /// What a description shows depends on the user, so each linked account has a folder of its own.
    fn cache_of(&self, account: LinkedAccountId) -> Option<PathBuf> {
        self.cache.as_ref().map(|dir| dir.join(account.to_string()))
    }

    /// Connects a linked account. Refused credentials are noted on it.
    pub(crate) async fn connect(&self, account: &LinkedAccount) -> Result<Arc<dyn Provider>> {
        let credentials = self.store.credentials(account.id);
        let connected =
            self.connect_with(&account.provider, account.id, account.config.clone(), credentials).await;
        self.noting(account.id, connected).await
    }

    /// Passes a result through. When the remote refused the credentials, the linked account says so from now on.
    pub(crate) async fn noting<T>(
        &self,
        account: LinkedAccountId,
        result: unicrm_core::Result<T>,
    ) -> Result<T> {
        if let Err(error) = &result {
            self.note(account, error).await;
        }
        self.warn();
        result.map_err(Failure::from)
    }

    /// Notes on the linked account when an error means that it must be linked again.
    pub(crate) async fn note(&self, account: LinkedAccountId, error: &Error) {
        if error.kind() != ErrorKind::Unauthenticated {
            return;
        }
        if let Err(error) = self.store.set_status(account, AccountStatus::RelinkNeeded).await {
            tracing::warn!(%error, "the linked account could not be marked");
        }
    }

    /// Connects with credentials from anywhere.
    pub(crate) async fn connect_with(
        &self,
        provider: &str,
        account: LinkedAccountId,
        config: Json,
        credentials: Arc<dyn CredentialStore>,
    ) -> unicrm_core::Result<Arc<dyn Provider>> {
        let mut request = ConnectRequest::new(account, config, credentials);
        if let Some(folder) = self.cache_of(account) {
            request = request.cache_dir(folder);
        }
        Registry::discover()?.connect(provider, request).await
    }
}

/// Often the database is another one than was meant.
fn nobody_linked() -> Failure {
    Failure::usage("no account is linked in this database")
        .advice("`unicrm link salesforce --name NAME ...` links one; `unicrm demo` needs none; --db names another database")
}

/// Where things lie that may be fetched again at any time.
fn cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("unicrm"))
}
