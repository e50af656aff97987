//! Who the token belongs to.

use serde::Deserialize;

/// The user, as the identity service describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct UserInfo {
    /// The user's id.
    pub(crate) user_id: String,
    /// The organisation's id.
    #[serde(default)]
    pub(crate) organization_id: Option<String>,
    /// The name that the user signs in with.
    #[serde(default, alias = "preferred_username")]
    pub(crate) username: Option<String>,
    /// The name that people see.
    #[serde(default, alias = "name")]
    pub(crate) display_name: Option<String>,
    /// The user's e-mail address.
    #[serde(default)]
    pub(crate) email: Option<String>,
    /// `STANDARD` for most.
    #[serde(default)]
    pub(crate) user_type: Option<String>,
    /// The language of labels, such as `en_US`.
    #[serde(default)]
    pub(crate) language: Option<String>,
    /// How the user writes numbers and dates.
    #[serde(default)]
    pub(crate) locale: Option<String>,
}
