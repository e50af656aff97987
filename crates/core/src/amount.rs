//! Exact money: a decimal inside, a JSON number outside, never a binary float in between.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{Error, ErrorKind};

/// An exact amount of money: up to 28 significant digits, kept with its scale (`100.50` stays `100.50`).
///
/// Equality is numeric: `100.5 == 100.50`. In JSON it is a number with exactly these digits. Read and write it with
/// `serde_json::from_str` and `to_string`; a detour over `serde_json::Value` would pass through `f64`.
///
/// ```
/// use unicrm_core::Amount;
/// let amount: Amount = serde_json::from_str("12345678901234567.89").unwrap();
/// assert_eq!(serde_json::to_string(&amount).unwrap(), "12345678901234567.89");
/// assert_eq!("1.5e3".parse::<Amount>()?, "1500".parse::<Amount>()?);
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Amount(Decimal);

impl Amount {
    /// The decimal itself.
    #[must_use]
    pub const fn decimal(self) -> Decimal {
        self.0
    }
}

impl From<Decimal> for Amount {
    fn from(decimal: Decimal) -> Self {
        Self(decimal)
    }
}

impl FromStr for Amount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = if text.contains(['e', 'E']) {
            Decimal::from_scientific(text)
        } else {
            // `from_str_exact` refuses what it would have to round.
            Decimal::from_str_exact(text)
        };
        parsed.map(Self).map_err(|source| {
            Error::new(ErrorKind::InvalidRequest, format!("{text:?} is not an amount of at most 28 digits"))
                .with_source(source)
        })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Err(serde::de::Error::custom(format_args!("invalid type: {text}, expected a number")));
        }
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_not_rounded() {
        assert!("123456789012345678901234567890.12".parse::<Amount>().is_err());
        assert!("0.12345678901234567890123456789012".parse::<Amount>().is_err());
    }

    #[test]
    fn only_a_number_is_an_amount() {
        for wrong in ["\"100\"", "true", "{}", "[1]", "null"] {
            let error = serde_json::from_str::<Amount>(wrong).expect_err(wrong).to_string();
            assert!(error.contains("expected a number"), "{error}");
        }
    }
}
