//! A phone number with its type.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::field::json_field;

/// A phone number, in the notation that the remote has. The type is free text, such as `Mobile`.
///
/// ```
/// use unicrm_core::PhoneNumber;
/// let phone = PhoneNumber::new("+1 (415) 555-0100", "Mobile");
/// assert_eq!(phone.phone_number_type.as_deref(), Some("Mobile"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PhoneNumber {
    /// The number, as the remote has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// What sort of number, such as `Work` or `Mobile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number_type: Option<String>,
    /// When our copy was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When our copy last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
}

impl PhoneNumber {
    /// A number of a type.
    pub fn new(number: impl Into<String>, number_type: impl Into<String>) -> Self {
        Self {
            phone_number: Some(number.into()),
            phone_number_type: Some(number_type.into()),
            ..Self::default()
        }
    }
}

json_field!(PhoneNumber => PhoneNumber);
