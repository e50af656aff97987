//! The JWT bearer grant: an assertion signed with RS256 by the key of a registered certificate.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;

use super::{OAuthError, equal};
use crate::http::Server;

pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An RSA public key, from a PEM certificate or a PEM public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// PKCS#1 `RSAPublicKey` in DER.
    der: Vec<u8>,
}

/// `AlgorithmIdentifier` of rsaEncryption with null parameters: what precedes the key in a SubjectPublicKeyInfo.
const RSA_ENCRYPTION: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

impl PublicKey {
    /// Reads `-----BEGIN CERTIFICATE-----`, `-----BEGIN PUBLIC KEY-----` or `-----BEGIN RSA PUBLIC KEY-----`.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let der = STANDARD.decode(body).ok()?;
        if pem.contains("BEGIN RSA PUBLIC KEY") {
            return Some(Self { der });
        }
        let start = der.windows(RSA_ENCRYPTION.len()).position(|window| window == RSA_ENCRYPTION)?
            + RSA_ENCRYPTION.len();
        let bits = der_content(der.get(start..)?, 0x03)?;
        // The first byte of a BIT STRING counts unused bits: none.
        let (unused, key) = bits.split_first()?;
        (*unused == 0).then(|| Self { der: key.to_vec() })
    }
}

/// The content of a DER element with this tag.
fn der_content(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    if *first < 0x80 {
        return rest.get(..usize::from(*first));
    }
    let count = usize::from(*first & 0x7f);
    if count > 4 {
        return None;
    }
    let length = rest.get(..count)?.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
    rest.get(count..count.checked_add(length)?)
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: Option<String>,
    prn: Option<String>,
    aud: Audience,
    exp: serde_json::Number,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Checks an assertion: signature, issuer, user, audience and expiry.
pub(super) fn check(server: &Server, assertion: &str) -> Result<(), OAuthError> {
    let refuse = |why: &str| OAuthError::new("invalid_grant", why);
    let (signed, signature) = assertion.rsplit_once('.').ok_or_else(|| refuse("invalid assertion"))?;
    let (header, claims) = signed.split_once('.').ok_or_else(|| refuse("invalid assertion"))?;
    let header: Header = decode(header).ok_or_else(|| refuse("invalid assertion"))?;
    let claims: Claims = decode(claims).ok_or_else(|| refuse("invalid assertion"))?;
    if header.alg != "RS256" {
        return Err(refuse("algorithm unsupported"));
    }
    if !equal(&claims.iss, &server.credentials.client_id) {
        return Err(OAuthError::new("invalid_client_id", "client identifier invalid"));
    }
    let key =
        server.credentials.jwt_key.as_ref().ok_or_else(|| refuse("user hasn't approved this consumer"))?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| refuse("invalid assertion"))?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.der)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| refuse("invalid assertion"))?;
    let now = server.org.clock.now().as_second();
    let expiry = claims
        .exp
        .as_i64()
        .or_else(|| claims.exp.to_string().split('.').next()?.parse().ok())
        .unwrap_or_default();
    if expiry <= now {
        return Err(refuse("assertion expired"));
    }
    let audiences = match claims.aud {
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
    };
    let own = [server.login_url(), server.instance_url()];
    let accepted = |audience: &String| {
        let audience = audience.trim_end_matches('/').trim_end_matches("/services/oauth2/token");
        // Any host of Salesforce's leads here, through the encrypted side.
        (audience.starts_with("https://") && audience.ends_with(".salesforce.com"))
            || own.iter().any(|url| url == audience)
    };
    if !audiences.iter().any(accepted) {
        return Err(refuse("audience is invalid"));
    }
    let user = claims.sub.or(claims.prn).unwrap_or_default();
    if !user.eq_ignore_ascii_case(&server.credentials.username) {
        return Err(refuse("user hasn't approved this consumer"));
    }
    Ok(())
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn der_reading_never_goes_out_of_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(content) = der_content(&bytes, 0x03) {
                prop_assert!(content.len() < bytes.len());
            }
        }
    }
}
