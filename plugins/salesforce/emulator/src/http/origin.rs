//! Answers in the caller's terms: over an encrypted connection the org's own address is that of the host asked for, as
//! it is behind a proxy that ends TLS.

use bytes::Bytes;
use serde_json::Value;

use super::link::Peer;
use super::log::Resource;
use super::message::{ApiRequest, ApiResponse};
use super::{Server, oauth};

/// Writes the address that the caller used in the place of the org's own.
pub(crate) fn speak_as_asked(
    server: &Server,
    peer: &Peer,
    request: &ApiRequest,
    resource: Resource,
    response: &mut ApiResponse,
) {
    // Only these name addresses; records are never touched.
    let names_addresses = matches!(
        resource,
        Resource::Token | Resource::Identity | Resource::Soap | Resource::Versions | Resource::Describe
    );
    if !peer.encrypted || !names_addresses {
        return;
    }
    let Some(host) = request.header("host") else { return };
    let asked = format!("https://{host}");
    for own in &server.hosts {
        let body = replace(&response.body, own.as_bytes(), asked.as_bytes());
        if let Some(body) = body {
            response.body = body;
        }
        for (_, value) in &mut response.headers {
            *value = value.replace(own.as_str(), &asked).replace(&encoded(own), &encoded(&asked));
        }
    }
    if resource == Resource::Token
        && let Some(body) = signed(server, &response.body)
    {
        response.body = body;
    }
}

/// A token's answer with the signature of the identity URL that it has now; none when it is no such answer.
fn signed(server: &Server, body: &[u8]) -> Option<Bytes> {
    let mut token: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| token.get(name).and_then(Value::as_str);
    let signature = oauth::sign(server, text("id")?, text("issued_at")?);
    *token.get_mut("signature")? = signature.into();
    Some(token.to_string().into())
}

/// A URL as it stands inside another.
fn encoded(url: &str) -> String {
    url::form_urlencoded::byte_serialize(url.as_bytes()).collect()
}

/// The text with every `from` replaced; none when there is none.
fn replace(text: &Bytes, from: &[u8], to: &[u8]) -> Option<Bytes> {
    let mut out = Vec::new();
    let mut rest: &[u8] = text;
    while let Some(at) = rest.windows(from.len().max(1)).position(|window| window == from) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(to);
        rest = after.get(from.len()..).unwrap_or_default();
    }
    if rest.len() == text.len() {
        return None;
    }
    out.extend_from_slice(rest);
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn replacing_is_that_of_text(text in "[ab]{0,30}", from in "[ab]{1,3}", to in "[cd]{0,4}") {
            let replaced = replace(&Bytes::from(text.clone()), from.as_bytes(), to.as_bytes());
            let expected = text.replace(&from, &to);
            prop_assert_eq!(replaced.is_some(), text.contains(&from));
            prop_assert_eq!(replaced.unwrap_or_else(|| text.into()), expected.into_bytes());
        }
    }
}
