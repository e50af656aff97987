//! Linked accounts: one customer's org at one provider.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use unicrm_core::{Credentials, Error, ErrorKind, Json, LinkedAccountId, Result, from_json};
use unicrm_phone::Region;

/// A linked account as the store has it. Its credentials are not here: see
/// [`LinkedAccounts::credentials`](crate::LinkedAccounts::credentials).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LinkedAccount {
    /// The id from which the ids of all its records are computed.
    pub id: LinkedAccountId,
    /// The name that people use, unique in a store.
    pub name: String,
    /// The provider's slug.
    pub provider: String,
    /// The provider's configuration, without secrets. The store itself looks at one member alone: `phone_region`, the country
    /// of phone numbers that are written without a country code.
    pub config: Json,
    /// Whether it can be used as it is.
    pub status: AccountStatus,
    /// When it was first linked.
    pub created_at: Timestamp,
    /// When a sync last came to its end.
    pub last_sync: Option<Timestamp>,
}

/// The country that a configuration names for phone numbers without a country code. One that names none, or none that there
/// is, is its provider's affair: numbers are then taken for those of the United States.
pub(crate) fn region_of(config: &str) -> Region {
    let members: BTreeMap<String, Json> = from_json(config).unwrap_or_default();
    members.get("phone_region").and_then(|region| region.read().ok()).unwrap_or_default()
}

/// Whether a linked account can be used as it is.
///
/// ```
/// use unicrm_store::AccountStatus;
/// assert_eq!(AccountStatus::RelinkNeeded.to_string(), "relink_needed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountStatus {
    /// It can.
    Active,
    /// The remote refused its credentials: somebody has to link it again.
    RelinkNeeded,
}

impl AccountStatus {
    /// The name in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::RelinkNeeded => "relink_needed",
        }
    }
}

impl fmt::Display for AccountStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for AccountStatus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Active, Self::RelinkNeeded].into_iter().find(|status| status.as_str() == text).ok_or_else(
            || Error::new(ErrorKind::InvalidRequest, format!("{text:?} is no status of a linked account")),
        )
    }
}

/// What it takes to link an account, or to link one of the same name again.
///
/// ```
/// use unicrm_core::{Credentials, Json};
/// use unicrm_store::LinkRequest;
/// let request = LinkRequest::new("acme", "salesforce")
///     .with_config(Json::parse(r#"{"login_url": "https://login.salesforce.com"}"#)?)
///     .with_credentials(Credentials::new().with("refresh_token", "s3cret".into()));
/// assert!(!format!("{request:?}").contains("s3cret"));
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkRequest {
    /// The name; an account that has it already is linked again and keeps its records.
    pub name: String,
    /// The provider's slug.
    pub provider: String,
    /// The provider's configuration, without secrets.
    pub config: Json,
    /// The credentials; without any, those that are stored stay.
    pub credentials: Option<Credentials>,
}

impl LinkRequest {
    /// Links an account of a provider under a name.
    pub fn new(name: impl Into<String>, provider: impl Into<String>) -> Self {
        Self { name: name.into(), provider: provider.into(), config: empty_object(), credentials: None }
    }

    /// With the provider's configuration.
    #[must_use]
    pub fn with_config(mut self, config: Json) -> Self {
        self.config = config;
        self
    }

    /// With credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Refuses names that nobody could type or see.
    pub(crate) fn check(&self) -> Result<()> {
        const LONGEST: usize = 200;
        let name = &self.name;
        let wrong = if name.trim().is_empty() {
            "it is empty"
        } else if name.trim() != name {
            "it begins or ends with a space"
        } else if name.chars().any(char::is_control) {
            "it holds a control character"
        } else if name.chars().count() > LONGEST {
            "it is longer than 200 characters"
        } else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{name:?} cannot be the name of a linked account: {wrong}"),
        ))
    }
}

fn empty_object() -> Json {
    Json::of(&BTreeMap::<String, String>::new())
}

/// The error when the account that is meant is not there any more.
#[cold]
pub(crate) fn not_linked(id: LinkedAccountId) -> Error {
    Error::new(ErrorKind::NotFound, format!("the account {id} is not linked"))
        .with_advice("it may have been unlinked meanwhile; `unicrm linked-accounts` lists those that are")
}

/// The error when no account has this name or id; these are the names that there are.
#[cold]
pub(crate) fn no_such_account(wanted: &str, names: &[String]) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("no account is linked under the name {wanted:?}"));
    if names.is_empty() {
        error.with_advice("none is linked yet: `unicrm link` does it")
    } else {
        error.with_advice(format!("linked are: {}", names.join(", ")))
    }
}

/// The error when the name belongs to an account of another provider.
#[cold]
pub(crate) fn other_provider(request: &LinkRequest, provider: &str) -> Error {
    let message = format!("{:?} is linked to {provider}, not to {}", request.name, request.provider);
    Error::new(ErrorKind::Conflict, message)
        .with_advice("link it under another name, or unlink this one first")
}
