//! The country that numbers without a country code belong to.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::PHONE_NUMBER_UTIL;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicrm_core::{Error, ErrorKind};

/// A country, by the two letters of ISO 3166: the one that numbers without a country code belong to. By default the United
/// States.
///
/// ```
/// use unicrm_phone::Region;
/// assert_eq!("de".parse::<Region>()?.to_string(), "DE");
/// assert!("Germany".parse::<Region>().is_err());
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Region(pub(crate) rlibphonenumber::Region);

impl Default for Region {
    fn default() -> Self {
        Self(rlibphonenumber::Region::US)
    }
}

impl FromStr for Region {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = |region: &rlibphonenumber::Region| {
            PHONE_NUMBER_UTIL.get_country_code_for_region(*region).is_some()
        };
        let letters = text.len() == 2;
        let region = rlibphonenumber::Region::from_code(text).ok().filter(|region| letters && known(region));
        region.map(Self).ok_or_else(|| {
            let message = format!(
                "{text:?} is no country with phone numbers: give two letters such as \"US\" or \"DE\""
            );
            Error::new(ErrorKind::InvalidConfig, message)
        })
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_region_str().as_str())
    }
}

impl Serialize for Region {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|error: Error| D::Error::custom(error.message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_two_letters_of_a_country() {
        for (text, right) in [
            ("US", true),
            ("gb", true),
            ("QQ", false),
            ("001", false),
            ("", false),
            ("U1", false),
            ("é", false),
        ] {
            assert_eq!(text.parse::<Region>().is_ok(), right, "{text}");
        }
        assert_eq!(serde_json::to_string(&Region::default()).expect("JSON"), "\"US\"");
        assert_eq!(serde_json::from_str::<Region>("\"fr\"").expect("a region").to_string(), "FR");
        assert!(serde_json::from_str::<Region>("\"France\"").is_err());
    }
}
