//! API versions, and which one to speak.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicrm_core::{Error, ErrorKind};

use super::answer::Answer;
use crate::error::Fault;

/// A version of Salesforce's API, such as 66.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion(u16);

impl ApiVersion {
    /// The newest version that this plugin was tested with.
    pub const NEWEST_TESTED: Self = Self(66);
    /// The oldest version whose resources suffice.
    pub const OLDEST: Self = Self(50);

    /// The version with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The segment of a path: `v66.0`.
    pub(crate) fn segment(self) -> String {
        format!("v{self}")
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.0", self.0)
    }
}

impl FromStr for ApiVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = text.strip_prefix('v').unwrap_or(text);
        let number = number.strip_suffix(".0").unwrap_or(number);
        let plain = (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse() {
            Ok(number) if plain => Ok(Self(number)),
            _ => Err(Error::new(ErrorKind::InvalidConfig, "an API version looks like \"66.0\"")),
        }
    }
}

impl Serialize for ApiVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApiVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| D::Error::custom(error.message()))
    }
}

/// The versions in the answer of `/services/data`. Entries of another form are not for us.
pub(crate) fn offered(answer: &Answer) -> Result<Vec<ApiVersion>, Fault> {
    #[derive(Deserialize)]
    struct Entry {
        version: String,
    }
    let entries: Vec<Entry> = answer.json("the list of API versions")?;
    Ok(entries.iter().filter_map(|entry| entry.version.parse().ok()).collect())
}

/// The version to speak: the pinned one, else the newest that both sides know.
pub(crate) fn choose(offered: &[ApiVersion], pinned: Option<ApiVersion>) -> Result<ApiVersion, Fault> {
    let range = || match (offered.iter().min(), offered.iter().max()) {
        (Some(oldest), Some(newest)) => format!("it offers {oldest} to {newest}"),
        _ => "it offers none".to_owned(),
    };
    let fault = |message: String, advice: String| {
        Fault::from(Error::new(ErrorKind::InvalidConfig, message).with_advice(advice))
    };
    if let Some(pinned) = pinned {
        return if offered.contains(&pinned) {
            Ok(pinned)
        } else {
            let message = format!("this org does not offer the API version {pinned}: {}", range());
            Err(fault(message, "Change \"api_version\" in the configuration or leave it out.".to_owned()))
        };
    }
    let usable = |version: &&ApiVersion| (ApiVersion::OLDEST..=ApiVersion::NEWEST_TESTED).contains(*version);
    offered.iter().filter(usable).max().copied().ok_or_else(|| {
        let (oldest, newest) = (ApiVersion::OLDEST, ApiVersion::NEWEST_TESTED);
        let message = format!("this org offers none of the API versions {oldest} to {newest}: {}", range());
        fault(message, "Check \"login_url\": is this a Salesforce org?".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(numbers: &[u16]) -> Vec<ApiVersion> {
        numbers.iter().copied().map(ApiVersion::new).collect()
    }

    #[test]
    fn the_newest_that_both_know() {
        let chosen =
            |numbers: &[u16]| choose(&versions(numbers), None).ok().map(|version| version.to_string());
        assert_eq!(chosen(&[31, 60, 66, 67, 100]).as_deref(), Some("66.0"));
        assert_eq!(chosen(&[60, 58, 59]).as_deref(), Some("60.0"));
        assert_eq!(chosen(&[67, 30]), None);
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn a_pinned_one_must_be_offered() {
        assert_eq!(choose(&versions(&[60, 66]), Some(ApiVersion(60))).unwrap(), ApiVersion(60));
        let error = Error::from(choose(&versions(&[60, 66]), Some(ApiVersion(61))).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.message().contains("60.0 to 66.0"), "{error}");
    }

    #[test]
    fn texts() {
        for text in ["66.0", "v66.0", "66"] {
            assert_eq!(text.parse::<ApiVersion>().unwrap().segment(), "v66.0");
        }
        for text in ["", "v", "66.1", "-1", "6600", "sixty", "+66"] {
            assert!(text.parse::<ApiVersion>().is_err(), "{text}");
        }
    }
}
