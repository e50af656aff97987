//! A planted secret in every type that can hold one, and no trace of it in what the types print.

use std::fmt::Debug;
use std::sync::Arc;

use secrecy::SecretString;
use unicrm_core::{Credentials, MemoryCredentialStore};
use unicrm_http::oauth::{AuthorizationRequest, JwtSigner, OAuthClient, TokenAnswer};
use unicrm_http::redact::{SafeBody, SafeUrl};
use unicrm_http::{Refreshed, TokenCache, TransportError, TransportErrorKind, names};

use crate::support::Scripted;
use crate::tokens::Remote;

const PLANTED: &str = "planted-s3cret";

fn clean(what: &impl Debug) {
    for shown in [format!("{what:?}"), format!("{what:#?}")] {
        assert!(!shown.contains(PLANTED), "{shown}");
    }
}

#[tokio::test]
async fn no_type_prints_its_secret() {
    let secret = || SecretString::from(PLANTED);
    let url = format!("https://u:{PLANTED}@login.example.com/p?sid={PLANTED}#{PLANTED}").parse().unwrap();
    clean(&SafeUrl(&url));
    assert_eq!(SafeUrl(&url).to_string(), "https://login.example.com/p");
    clean(&SafeBody(format!("{{\"access_token\": \"{PLANTED}\"}}").as_bytes()));

    let transport = Scripted::new(|_, _| Ok((200, String::new())));
    let client = OAuthClient::new(
        transport.client(),
        format!("https://login.example.com/?x={PLANTED}").parse().unwrap(),
        "app",
    )
    .with_secret(secret())
    .with_parameter("password", PLANTED);
    clean(&client);
    let body = format!(
        r#"{{"access_token":"{PLANTED}","refresh_token":"{PLANTED}","id_token":"{PLANTED}","signature":"{PLANTED}"}}"#
    );
    let answer = TokenAnswer::parse(body.as_bytes()).unwrap();
    clean(&answer);
    clean(&answer.into_refreshed(&["id_token"]));
    clean(&Refreshed::new(secret()).with_attribute("a", PLANTED));

    let login = format!("https://login.example.com/?x={PLANTED}").parse().unwrap();
    let request = AuthorizationRequest::new(login, "app", "http://localhost/cb", "api").unwrap();
    clean(&request);
    let state = request.url().query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let back = format!("http://localhost/cb?code={PLANTED}&state={state}").parse().unwrap();
    clean(&request.callback(&back).unwrap());
    clean(&JwtSigner::from_pem(&PLANTED.into()).map_err(|error| error.to_string()));

    let uri = format!("https://login.example.com/p?sid={PLANTED}").parse().unwrap();
    let error = TransportError::new(TransportErrorKind::Lost, &http::Method::GET, &uri);
    clean(&error);
    clean(&error.to_string());
    clean(&error.into_error(unicrm_http::Replay::Unsafe));

    let linked = Credentials::new()
        .with(names::ACCESS_TOKEN, secret())
        .with(names::REFRESH_TOKEN, secret())
        .with("instance_url", secret());
    let tokens = TokenCache::new(Arc::new(MemoryCredentialStore::new(linked)), Arc::new(Remote::default()));
    let token = tokens.get().await.unwrap();
    clean(&token);
    clean(&tokens);
    clean(&token.bearer().unwrap());
    clean(&http::HeaderMap::from_iter([(http::header::AUTHORIZATION, token.bearer().unwrap())]));
    assert_eq!(token.attribute(names::REFRESH_TOKEN), None);
}
