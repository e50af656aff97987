//! An e-mail address with its type.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::field::json_field;

/// An e-mail address. The type is free text, such as `Work`.
///
/// ```
/// use unicrm_core::EmailAddress;
/// let email = EmailAddress::new("hello@klink.cloud", "Work");
/// assert_eq!(email.email_address.as_deref(), Some("hello@klink.cloud"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EmailAddress {
    /// The address, as the remote has it; it is never refused for its form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_address: Option<String>,
    /// What sort of address, such as `Work`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_address_type: Option<String>,
    /// When our copy was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When our copy last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
}

impl EmailAddress {
    /// An address of a type.
    pub fn new(address: impl Into<String>, address_type: impl Into<String>) -> Self {
        Self {
            email_address: Some(address.into()),
            email_address_type: Some(address_type.into()),
            ..Self::default()
        }
    }
}

json_field!(EmailAddress => EmailAddress);
