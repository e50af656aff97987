//! Printing URLs, headers and bodies without the secrets in them.
//!
//! ```
//! use unicrm_http::redact::{SafeBody, SafeUrl};
//! let url = "https://me:pw@host/path?sid=s3cret#frag".parse().unwrap();
//! assert_eq!(SafeUrl(&url).to_string(), "https://host/path");
//! assert_eq!(SafeBody(br#"{"access_token":"s3cret","id":1}"#).to_string(), r#"{"access_token":"[REDACTED]","id":1}"#);
//! ```

use std::fmt;

use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

const REDACTED: &str = "[REDACTED]";

/// Words in a name that make its value a secret.
const SECRET_WORDS: [&str; 14] = [
    "access_token",
    "refresh_token",
    "id_token",
    "token",
    "client_secret",
    "secret",
    "password",
    "passwd",
    "assertion",
    "code_verifier",
    "device_code",
    "sessionid",
    "signature",
    "authorization",
];

/// A URL without user, query and fragment: the parts that may hold a secret.
///
/// ```
/// use unicrm_http::redact::SafeUrl;
/// let url = "http://127.0.0.1:8080/a?token=x".parse().unwrap();
/// assert_eq!(SafeUrl(&url).to_string(), "http://127.0.0.1:8080/a");
/// ```
#[derive(Clone, Copy)]
pub struct SafeUrl<'a>(pub &'a Url);

impl fmt::Display for SafeUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0;
        write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        if url.cannot_be_a_base() { Ok(()) } else { f.write_str(url.path()) }
    }
}

impl fmt::Debug for SafeUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Headers with the values of the secret ones replaced.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use unicrm_http::redact::SafeHeaders;
/// let mut headers = HeaderMap::new();
/// headers.insert("authorization", HeaderValue::from_static("Bearer s3cret"));
/// assert!(!format!("{:?}", SafeHeaders(&headers)).contains("s3cret"));
/// ```
#[derive(Clone, Copy)]
pub struct SafeHeaders<'a>(pub &'a HeaderMap);

impl fmt::Debug for SafeHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.0 {
            let text = match value.to_str() {
                _ if value.is_sensitive() || is_sensitive_header(name) => REDACTED.to_owned(),
                Ok(text) if name == http::header::LOCATION => safe_location(text),
                Ok(text) => text.to_owned(),
                Err(_) => format!("{} bytes", value.len()),
            };
            map.entry(&name.as_str(), &text);
        }
        map.finish()
    }
}

fn safe_location(text: &str) -> String {
    text.split(['?', '#']).next().map_or_else(String::new, |path| match Url::parse(path) {
        Ok(url) => SafeUrl(&url).to_string(),
        Err(_) => path.to_owned(),
    })
}

/// Whether the value of a header of this name is a secret.
///
/// ```
/// use unicrm_http::redact::is_sensitive_header;
/// assert!(is_sensitive_header(&http::header::AUTHORIZATION));
/// assert!(!is_sensitive_header(&http::header::CONTENT_TYPE));
/// ```
#[must_use]
pub fn is_sensitive_header(name: &HeaderName) -> bool {
    let name = name.as_str();
    ["authorization", "cookie", "token", "secret", "session", "api-key", "apikey", "signature"]
        .iter()
        .any(|word| name.contains(word))
}

/// Marks secret headers as sensitive, so that HTTP libraries neither print nor index them.
///
/// ```
/// # use http::{HeaderMap, HeaderValue};
/// let mut headers = HeaderMap::new();
/// headers.insert("authorization", HeaderValue::from_static("Bearer s3cret"));
/// unicrm_http::redact::mark_sensitive(&mut headers);
/// assert!(headers["authorization"].is_sensitive());
/// ```
pub fn mark_sensitive(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if is_sensitive_header(name) {
            value.set_sensitive(true);
        }
    }
}

/// The beginning of a body for an error or a log line: bounded, on one line, and with the values of secret-looking
/// members (JSON, form, XML, `Bearer ...`) replaced.
///
/// ```
/// use unicrm_http::redact::SafeBody;
/// assert_eq!(SafeBody(b"refresh_token=s3cret&x=1").to_string(), "refresh_token=[REDACTED]&x=1");
/// assert_eq!(SafeBody(b"<html>\n down").to_string(), "<html>  down");
/// ```
#[derive(Clone, Copy)]
pub struct SafeBody<'a>(pub &'a [u8]);

impl SafeBody<'_> {
    const SHOWN: usize = 512;
}

impl fmt::Display for SafeBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.0.get(..Self::SHOWN).unwrap_or(self.0);
        let text = mask_members(&String::from_utf8_lossy(head));
        for c in text.chars() {
            fmt::Write::write_char(f, if c.is_control() { ' ' } else { c })?;
        }
        if head.len() < self.0.len() { write!(f, "... ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}

impl fmt::Debug for SafeBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Replaces what follows a secret-looking name and a separator, up to the end of the value.
fn mask_members(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(rest) = lower.get(at..).filter(|rest| !rest.is_empty()) {
        match secret_value(rest) {
            Some((start, end)) => {
                out.push_str(text.get(at..at + start).unwrap_or_default());
                out.push_str(REDACTED);
                at += end;
            }
            None => {
                out.push_str(text.get(at..).unwrap_or_default());
                break;
            }
        }
    }
    out
}

/// Where the first secret value in this lower-case text starts and ends.
fn secret_value(text: &str) -> Option<(usize, usize)> {
    let names = SECRET_WORDS.iter().map(|word| (*word, false)).chain([("bearer ", true), ("basic ", true)]);
    let value_of = |(word, separated): (&str, bool)| {
        text.match_indices(word).find_map(|(at, _)| {
            let name_end = at + word.len();
            let rest = text.get(name_end..)?;
            let value = rest.trim_start_matches(['"', '\'', '\\', ' ', ':', '=', '>']);
            let lead = &rest[..rest.len() - value.len()];
            if !separated && !lead.contains([':', '=', '>']) {
                return None;
            }
            let quoted = lead.ends_with(['"', '\'']);
            let ends = |c: char| {
                matches!(c, '"' | '&' | '<' | '\\' | '\n') || (!quoted && matches!(c, ' ' | ',' | '}' | ']'))
            };
            let length = value.find(ends).unwrap_or(value.len());
            (length > 0).then_some((name_end + lead.len(), name_end + lead.len() + length))
        })
    };
    names.filter_map(value_of).min()
}

/// Replaces every occurrence of these secrets in a text, as a remote that echoes them would otherwise make them
/// visible. Secrets of fewer than eight characters are left alone: replacing them would only mangle the text.
///
/// ```
/// use unicrm_http::redact::scrub;
/// let secret = "s3cret-value".to_owned().into();
/// assert_eq!(scrub("bad secret s3cret-value", [&secret]), "bad secret [REDACTED]");
/// ```
#[must_use]
pub fn scrub<'a>(text: &str, secrets: impl IntoIterator<Item = &'a SecretString>) -> String {
    let long_enough = secrets.into_iter().map(|secret| secret.expose_secret()).filter(|s| s.len() >= 8);
    long_enough.fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_show_names_and_harmless_values_only() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer planted"),
            ("set-cookie", "sid=planted"),
            ("x-session-id", "planted"),
            ("location", "https://host/p?sid=planted"),
            ("content-type", "text/csv"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let shown = format!("{:?}", SafeHeaders(&headers));
        assert!(!shown.contains("planted"), "{shown}");
        assert!(shown.contains("text/csv") && shown.contains("https://host/p"), "{shown}");
    }

    proptest! {
        #[test]
        fn a_secret_member_never_shows(
            secret in "[A-Za-z0-9!._/+-]{8,60}",
            before in "[a-z{}\",:= ]{0,60}",
            word in proptest::sample::select(SECRET_WORDS.to_vec()),
            form in 0..4,
        ) {
            let member = match form {
                0 => format!("\"{word}\":\"{secret}\""),
                1 => format!("\"{word}\" : \"{secret}\""),
                2 => format!("{word}={secret}&"),
                _ => format!("<{word}>{secret}</{word}>"),
            };
            let shown = SafeBody(format!("{before}{member}").as_bytes()).to_string();
            prop_assert!(!shown.contains(&secret), "{}", shown);
        }

        #[test]
        fn any_bytes_are_printed_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let shown = SafeBody(&bytes).to_string();
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert!(shown.chars().count() <= 2 * SafeBody::SHOWN + 40);
        }
    }
}
