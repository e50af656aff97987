//! The grants against scripted authorization servers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use unicrm_core::{Error, ErrorKind};
use unicrm_http::oauth::{AuthorizationRequest, DeviceFlow, JwtClaims, JwtSigner, OAuthClient, OAuthError};
use unicrm_http::{ClientConfig, TransportError, TransportErrorKind};

use crate::support::{Scripted, local_client};

const TOKEN_URL: &str = "https://login.example.com/oauth2/token";

fn client(transport: &Arc<Scripted>) -> OAuthClient {
    OAuthClient::new(transport.client(), TOKEN_URL.parse().unwrap(), "app")
        .with_secret("planted-client-secret".into())
}

fn form(body: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn token() -> Result<(u16, String), TransportError> {
    Ok((200, r#"{"access_token":"planted-token","token_type":"Bearer"}"#.to_owned()))
}

#[tokio::test]
async fn every_grant_sends_its_own_form() {
    let transport = Scripted::new(|_, _| token());
    let client = client(&transport).with_parameter("audience", "crm");
    let secret = |text: &str| SecretString::from(text);
    let request =
        AuthorizationRequest::new(TOKEN_URL.parse().unwrap(), "app", "http://localhost:1/cb", "api").unwrap();
    client.client_credentials().await.unwrap();
    client.refresh(&secret("r&=+ü")).await.unwrap();
    client.exchange_code(&secret("c0de"), &request).await.unwrap();
    client.jwt_bearer(&secret("a.b.c")).await.unwrap();

    let forms: Vec<_> = transport.bodies.lock().unwrap().iter().map(|body| form(body)).collect();
    for form in &forms {
        assert_eq!(
            (&*form["client_id"], &*form["client_secret"], &*form["audience"]),
            ("app", "planted-client-secret", "crm")
        );
    }
    assert_eq!(forms[0]["grant_type"], "client_credentials");
    assert_eq!((&*forms[1]["grant_type"], &*forms[1]["refresh_token"]), ("refresh_token", "r&=+ü"));
    assert_eq!((&*forms[2]["code"], &*forms[2]["redirect_uri"]), ("c0de", "http://localhost:1/cb"));
    assert!((43..=128).contains(&forms[2]["code_verifier"].len()));
    assert_eq!(
        (&*forms[3]["grant_type"], &*forms[3]["assertion"]),
        ("urn:ietf:params:oauth:grant-type:jwt-bearer", "a.b.c")
    );
}

#[tokio::test]
async fn basic_authentication_keeps_the_secret_out_of_the_form() {
    let app = Router::new().route(
        "/token",
        post(|headers: HeaderMap, body: String| async move {
            let authorization = headers["authorization"].to_str().unwrap().to_owned();
            assert!(!body.contains("client_secret"));
            format!(r#"{{"access_token":"t","authorization":"{authorization}"}}"#)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let answer = OAuthClient::new(local_client(&ClientConfig::default()), url.parse().unwrap(), "app")
        .with_secret("pw".into())
        .with_basic_authentication()
        .client_credentials()
        .await
        .unwrap();
    assert_eq!(answer.extra["authorization"], "Basic YXBwOnB3");
}

#[tokio::test]
async fn a_refusal_keeps_its_code_and_loses_echoed_secrets() {
    let transport = Scripted::new(|_, _| {
        let body = r#"{"error":"invalid_client","error_description":"bad secret planted-client-secret for planted-refresh"}"#;
        Ok((401, body.to_owned()))
    });
    let error = client(&transport).refresh(&"planted-refresh".into()).await.unwrap_err();
    assert_eq!(error.code(), Some("invalid_client"));
    let error = Error::from(error);
    assert_eq!((error.kind(), error.remote_code()), (ErrorKind::Unauthenticated, Some("invalid_client")));
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("bad secret [REDACTED]") && !shown.contains("planted"), "{shown}");
    assert_eq!(transport.bodies.lock().unwrap().len(), 1, "a refusal is final");
}

#[tokio::test(start_paused = true)]
async fn a_page_in_the_way_is_unavailable_and_tried_again() {
    for empty in [406, 420] {
        let transport = Scripted::new(move |_, number| match number {
            0 => Ok((503, "<html>We are down for maintenance".to_owned())),
            1 => Ok((empty, String::new())),
            _ => token(),
        });
        assert!(client(&transport).client_credentials().await.is_ok());
        assert_eq!(transport.bodies.lock().unwrap().len(), 3);
    }

    let transport = Scripted::new(|_, _| Ok((200, "<!DOCTYPE html>".to_owned())));
    let error = Error::from(client(&transport).client_credentials().await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_is_not_sent_twice_when_its_answer_was_lost() {
    let failing = |kind| {
        Scripted::new(move |_, number| {
            let uri = TOKEN_URL.parse().unwrap();
            if number == 0 { Err(TransportError::new(kind, &http::Method::POST, &uri)) } else { token() }
        })
    };
    for (kind, sent) in [
        (TransportErrorKind::Connect, 2),
        (TransportErrorKind::Lost, 1),
        (TransportErrorKind::Timeout, 1),
        (TransportErrorKind::IncompleteBody, 1),
    ] {
        let transport = failing(kind);
        let outcome = client(&transport).refresh(&"r".into()).await;
        assert_eq!(outcome.is_ok(), sent == 2, "{kind:?}");
        assert_eq!(transport.bodies.lock().unwrap().len(), sent, "{kind:?}");
        let transport = failing(kind);
        client(&transport).client_credentials().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_device_flow_waits_as_it_is_told() {
    let transport = Scripted::new(|body, number| {
        match number {
        0 => Ok((
            200,
            r#"{"device_code":"planted-device","user_code":"AB-CD","verification_uri":"https://v","interval":5,"expires_in":"600"}"#
                .to_owned(),
        )),
        1 | 2 => Ok((400, r#"{"error":"authorization_pending"}"#.to_owned())),
        3 => Ok((400, r#"{"error":"slow_down"}"#.to_owned())),
        4 => Ok((503, String::new())),
        _ => {
            assert_eq!(form(body)["device_code"], "planted-device");
            token()
        }
    }
    });
    let (client, flow) = (client(&transport), DeviceFlow::new(TOKEN_URL.parse().unwrap(), "api"));
    let authorization = flow.start(&client).await.unwrap();
    assert_eq!(authorization.user_code, "AB-CD");
    assert!(!format!("{authorization:?}").contains("planted"));
    let start = Instant::now();
    flow.wait(&client, &authorization).await.unwrap();
    // Three questions after 5 s each, one after 10 s; the unavailable one is retried at once by the client itself.
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(25) && waited < Duration::from_secs(30), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn the_device_flow_ends_with_the_code_or_the_refusal() {
    let started = r#"{"device_code":"d","user_code":"u","verification_uri":"https://v","expires_in":60}"#;
    for (code, expired) in
        [("authorization_pending", true), ("expired_token", true), ("access_denied", false)]
    {
        let transport = Scripted::new(move |_, number| match number {
            0 => Ok((200, started.to_owned())),
            _ => Ok((400, format!(r#"{{"error":"{code}"}}"#))),
        });
        let (client, flow) = (client(&transport), DeviceFlow::new(TOKEN_URL.parse().unwrap(), "api"));
        let authorization = flow.start(&client).await.unwrap();
        let error = flow.wait(&client, &authorization).await.unwrap_err();
        assert_eq!(matches!(error, OAuthError::DeviceExpired), expired, "{error}");
        assert!(transport.bodies.lock().unwrap().len() <= 13);
    }
}

#[tokio::test]
async fn an_assertion_goes_out_as_signed() {
    let transport = Scripted::new(|_, _| token());
    let pem = include_str!("../data/test-only-pkcs8.pem");
    let signer = JwtSigner::from_pem(&pem.into()).unwrap();
    let assertion = signer
        .sign(&JwtClaims {
            issuer: "app".into(),
            subject: "u@example.com".into(),
            audience: "https://login.example.com".into(),
            lifetime: Duration::from_secs(180),
        })
        .unwrap();
    client(&transport).jwt_bearer(&assertion).await.unwrap();
    assert_eq!(form(&transport.bodies.lock().unwrap()[0])["assertion"], assertion.expose_secret());
}
