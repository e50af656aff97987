//! A postal address.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::field::json_field;
use crate::open_enum::open_enum;

open_enum! {
    /// What an address is for.
    ///
    /// ```
    /// use unicrm_core::AddressType;
    /// let kept = AddressType::from("Shipping");
    /// assert_eq!(kept.as_str(), "Shipping");
    /// assert_eq!(kept.normalized(), AddressType::Shipping);
    /// ```
    pub enum AddressType {
        /// Where bills go.
        Billing => "BILLING",
        /// Where goods go.
        Shipping => "SHIPPING",
        /// Where letters to a person go.
        Mailing => "MAILING",
    }
}

/// A postal address. `country` is the ISO 3166 alpha-2 code when there is one, else the remote's own text.
///
/// ```
/// use unicrm_core::{from_json, Address, AddressType};
/// let address: Address = from_json(r#"{"street_1": "50 Bowling Green Dr", "address_type": "MAILING"}"#)?;
/// assert_eq!(address.address_type, Some(AddressType::Mailing));
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Address {
    /// The first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street_1: Option<String>,
    /// The other lines, with their line breaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street_2: Option<String>,
    /// The city.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The state or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// The country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// What the address is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_type: Option<AddressType>,
    /// When our copy was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When our copy last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
}

json_field!(Address => Address);
