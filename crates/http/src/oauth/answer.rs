//! What a token endpoint gives.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use super::error::OAuthError;
use crate::token::Refreshed;

/// A successful answer of a token endpoint (RFC 6749, 5.1).
///
/// ```
/// use unicrm_http::oauth::TokenAnswer;
/// let answer = TokenAnswer::parse(br#"{"access_token":"s3cret","expires_in":"3600","instance_url":"https://a.b"}"#)?;
/// assert_eq!(answer.expires_in.map(|d| d.as_secs()), Some(3600));
/// assert_eq!(answer.extra["instance_url"], "https://a.b");
/// assert!(!format!("{answer:?}").contains("s3cret"));
/// # Ok::<(), unicrm_http::oauth::OAuthError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct TokenAnswer {
    /// The token that requests carry.
    pub access_token: SecretString,
    /// The token for the next refresh; if present, it replaces the one that was used.
    pub refresh_token: Option<SecretString>,
    /// Usually `Bearer`.
    pub token_type: Option<String>,
    /// How long the access token lives, if the remote says so.
    pub expires_in: Option<Duration>,
    /// The scopes that were granted.
    pub scope: Option<String>,
    /// All other members whose value is a string. Some of them may be secrets.
    pub extra: BTreeMap<String, String>,
}

impl TokenAnswer {
    /// Reads the body of a successful answer.
    ///
    /// # Errors
    /// [`OAuthError::Refused`] if it says `error` all the same, [`OAuthError::Unreadable`] if it is not a token answer.
    pub fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Err(OAuthError::unreadable(body));
        };
        if let Some(refusal) = OAuthError::refusal(&members, 200) {
            return Err(refusal);
        }
        let expires_in = members.get("expires_in").and_then(seconds);
        let mut strings: BTreeMap<String, String> = members
            .into_iter()
            .filter_map(
                |(name, value)| if let Value::String(text) = value { Some((name, text)) } else { None },
            )
            .filter(|(name, _)| name != "expires_in")
            .collect();
        let Some(access_token) = strings.remove("access_token").filter(|token| !token.is_empty()) else {
            return Err(OAuthError::Unreadable("a JSON object without an access_token"));
        };
        Ok(Self {
            access_token: access_token.into(),
            refresh_token: strings.remove("refresh_token").filter(|token| !token.is_empty()).map(Into::into),
            token_type: strings.remove("token_type"),
            expires_in,
            scope: strings.remove("scope"),
            extra: strings,
        })
    }

    /// The part that a [`TokenCache`](crate::TokenCache) stores: the tokens, when they end, and those extra members
    /// that the plugin needs again.
    #[must_use]
    pub fn into_refreshed(self, attributes: &[&str]) -> Refreshed {
        let expires_at = self.expires_in.and_then(|lifetime| Timestamp::now().checked_add(lifetime).ok());
        let keep = |(name, _): &(String, String)| attributes.contains(&name.as_str());
        Refreshed {
            access_token: self.access_token,
            refresh_token: self.refresh_token,
            attributes: self.extra.into_iter().filter(keep).collect(),
            expires_at,
        }
    }
}

/// Seconds as a number or, as some remotes send it, as a string of digits.
pub(super) fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer")
            .field("access_token", &"[REDACTED]")
            .field("refresh_token", &self.refresh_token.as_ref().map(|_| "[REDACTED]"))
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .field("extra", &self.extra.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_a_token_answer_says_what_it_is() {
        for (body, expected) in [
            ("", "an empty body"),
            ("<!DOCTYPE html><html>", "an HTML page"),
            ("  <html lang=en>", "an HTML page"),
            ("[]", "something else than a JSON object"),
            ("{", "something else than a JSON object"),
            ("{}", "a JSON object without an access_token"),
            (r#"{"access_token":""}"#, "a JSON object without an access_token"),
            (r#"{"access_token":7}"#, "a JSON object without an access_token"),
        ] {
            let error = TokenAnswer::parse(body.as_bytes()).unwrap_err();
            assert!(matches!(error, OAuthError::Unreadable(what) if what == expected), "{body}: {error}");
        }
    }

    #[test]
    fn an_error_with_status_200_is_a_refusal() {
        let error = TokenAnswer::parse(br#"{"error":"bad_verification_code"}"#).unwrap_err();
        assert!(matches!(error, OAuthError::Refused { code, .. } if code == "bad_verification_code"));
    }

    #[test]
    fn only_the_named_attributes_are_kept() {
        let body =
            br#"{"access_token":"a","instance_url":"u","id":"i","signature":"s","issued_at":"1","n":7}"#;
        let refreshed = TokenAnswer::parse(body).unwrap().into_refreshed(&["instance_url", "missing"]);
        assert_eq!(
            refreshed.attributes.into_iter().collect::<Vec<_>>(),
            [("instance_url".into(), "u".into())]
        );
        assert_eq!(refreshed.expires_at, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _outcome = TokenAnswer::parse(&body);
        }

        #[test]
        fn a_huge_lifetime_is_no_lifetime(seconds in any::<u64>()) {
            let body = format!(r#"{{"access_token":"a","expires_in":{seconds}}}"#);
            let refreshed = TokenAnswer::parse(body.as_bytes()).unwrap().into_refreshed(&[]);
            if seconds < 1_000_000_000 { prop_assert!(refreshed.expires_at.is_some()); }
        }
    }
}
