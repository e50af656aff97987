//! Assertions signed with the app's private key (RFC 7523, RS256).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::error::OAuthError;

/// Signs assertions with an RSA key of 2048 bits or more, given as PEM: PKCS#8 (`BEGIN PRIVATE KEY`) or PKCS#1
/// (`BEGIN RSA PRIVATE KEY`). Line breaks may be written as `\n`, as environment variables often have them.
///
/// ```
/// use unicrm_http::oauth::JwtSigner;
/// let error = JwtSigner::from_pem(&"not a key".into()).unwrap_err();
/// assert!(error.to_string().contains("PEM"));
/// ```
pub struct JwtSigner(RsaKeyPair);

/// What an assertion says.
///
/// ```
/// use std::time::Duration;
/// use unicrm_http::oauth::JwtClaims;
/// let claims = JwtClaims {
///     issuer: "my-app".into(),
///     subject: "integration@example.com".into(),
///     audience: "https://login.example.com".into(),
///     lifetime: Duration::from_secs(180),
/// };
/// assert_eq!(claims.issuer, "my-app");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtClaims {
    /// `iss`: the client id.
    pub issuer: String,
    /// `sub`: the user to act for.
    pub subject: String,
    /// `aud`: the authorization server.
    pub audience: String,
    /// From now to `exp`.
    pub lifetime: Duration,
}

#[derive(Serialize)]
struct WireClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
}

impl JwtSigner {
    /// Reads the key.
    ///
    /// # Errors
    /// [`OAuthError::InvalidKey`], saying what is wrong with it. The key itself never shows.
    pub fn from_pem(pem: &SecretString) -> Result<Self, OAuthError> {
        let text = pem.expose_secret().replace("\\n", "\n");
        if text.contains("ENCRYPTED") {
            return Err(OAuthError::InvalidKey(
                "it is encrypted; decrypt it first, for example with: openssl pkcs8 -in key.pem -out plain.pem",
            ));
        }
        let key = if let Some(der) = between(&text, "PRIVATE KEY")? {
            RsaKeyPair::from_pkcs8(&der)
        } else if let Some(der) = between(&text, "RSA PRIVATE KEY")? {
            RsaKeyPair::from_der(&der)
        } else {
            return Err(OAuthError::InvalidKey(
                "it is not PEM; it must begin with -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----",
            ));
        };
        key.map(Self).map_err(|_| OAuthError::InvalidKey("it is not a sound RSA key of 2048 to 4096 bits"))
    }

    /// A signed assertion, for [`OAuthClient::jwt_bearer`](super::OAuthClient::jwt_bearer).
    ///
    /// # Errors
    /// [`OAuthError::InvalidKey`] if the key cannot sign.
    pub fn sign(&self, claims: &JwtClaims) -> Result<SecretString, OAuthError> {
        self.sign_at(claims, Timestamp::now())
    }

    fn sign_at(&self, claims: &JwtClaims, now: Timestamp) -> Result<SecretString, OAuthError> {
        let lifetime = i64::try_from(claims.lifetime.as_secs()).unwrap_or(i64::MAX);
        let wire = WireClaims {
            iss: &claims.issuer,
            sub: &claims.subject,
            aud: &claims.audience,
            exp: now.as_second().saturating_add(lifetime),
        };
        let payload =
            serde_json::to_vec(&wire).map_err(|_| OAuthError::InvalidKey("the claims cannot be written"))?;
        let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256","typ":"JWT"}"#);
        let mut token = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| OAuthError::InvalidKey("it failed to sign"))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token.into())
    }
}

impl fmt::Debug for JwtSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtSigner([REDACTED])")
    }
}

/// The DER bytes between the PEM lines of this label, or none if there are no such lines.
fn between(text: &str, label: &str) -> Result<Option<Vec<u8>>, OAuthError> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let Some((_, rest)) = text.split_once(&begin) else { return Ok(None) };
    let Some((body, _)) = rest.split_once(&end) else {
        return Err(OAuthError::InvalidKey("its end line is missing; it was probably cut off"));
    };
    let compact: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(compact).map(Some).map_err(|_| OAuthError::InvalidKey("its base64 is damaged"))
}

#[cfg(test)]
mod tests {
    use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    const PKCS8: &str = include_str!("../../tests/data/test-only-pkcs8.pem");
    const PKCS1: &str = include_str!("../../tests/data/test-only-pkcs1.pem");

    fn claims() -> JwtClaims {
        JwtClaims {
            issuer: "app".into(),
            subject: "user@example.com".into(),
            audience: "https://login.example.com".into(),
            lifetime: Duration::from_secs(180),
        }
    }

    #[test]
    fn the_signature_holds_for_both_forms_of_the_key() {
        for pem in
            [PKCS8.to_owned(), PKCS1.to_owned(), PKCS8.replace('\n', "\\n"), PKCS1.replace('\n', "\r\n")]
        {
            let signer = JwtSigner::from_pem(&pem.into()).unwrap();
            let now = Timestamp::from_second(1_700_000_000).unwrap();
            let token = signer.sign_at(&claims(), now).unwrap();
            let (signed, signature) = token.expose_secret().rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, signer.0.public_key().as_ref());
            public.verify(signed.as_bytes(), &signature).unwrap();

            let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
            let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(payload["exp"], 1_700_000_180);
            assert_eq!(payload["sub"], "user@example.com");
        }
    }

    #[test]
    fn a_bad_key_is_named_and_never_shown() {
        let cut = PKCS8.split_at(PKCS8.len() / 2).0.to_owned();
        let damaged = PKCS8.replacen("MII", "***", 1);
        let other = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_owned();
        let encrypted = PKCS8.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for (pem, word) in [(cut, "cut off"), (damaged, "base64"), (other, "sound"), (encrypted, "openssl")] {
            let error = JwtSigner::from_pem(&pem.into()).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
            assert!(!format!("{error:?}").contains("MII"));
        }
    }
}
