//! Grants, sessions and identity.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;
use unicrm_salesforce_emulator::Emulator;

use crate::client::{Client, empty, read, start};

#[tokio::test]
async fn client_credentials_give_a_token_that_works() {
    let client = empty().await;
    let (id, secret) = (client.emulator.client_id(), client.emulator.client_secret());
    let answer = client
        .token(&[("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)])
        .await;
    let body = answer.json();
    assert_eq!(answer.status, 200);
    assert!(body["access_token"].as_str().unwrap().starts_with("00D"));
    assert!(body["access_token"].as_str().unwrap().contains("!AQ"));
    assert_eq!(body["instance_url"], json!(client.emulator.url()));
    assert_eq!(body["token_type"], "Bearer");
    let issued: i64 = body["issued_at"].as_str().unwrap().parse().unwrap();
    assert!((issued - client.emulator.org().now().as_millisecond()).abs() < 60_000);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let signed = format!("{}{}", body["id"].as_str().unwrap(), body["issued_at"].as_str().unwrap());
    ring::hmac::verify(
        &key,
        signed.as_bytes(),
        &STANDARD.decode(body["signature"].as_str().unwrap()).unwrap(),
    )
    .unwrap();
    assert_eq!(client.get("/limits").await.status, 200);

    let basic = client.http.post(format!("{}/services/oauth2/token", client.emulator.url()));
    let answer =
        read(basic.basic_auth(id, Some(secret)).form(&[("grant_type", "client_credentials")])).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn refusals_say_what_salesforce_says() {
    let client = empty().await;
    let (id, secret) = (client.emulator.client_id(), client.emulator.client_secret());
    for (form, error, description) in [
        (
            vec![("grant_type", "client_credentials"), ("client_id", "x"), ("client_secret", secret)],
            "invalid_client_id",
            "client identifier invalid",
        ),
        (
            vec![("grant_type", "client_credentials"), ("client_id", id), ("client_secret", "x")],
            "invalid_client",
            "invalid client credentials",
        ),
        (
            vec![("grant_type", "magic"), ("client_id", id)],
            "unsupported_grant_type",
            "grant type not supported",
        ),
        (
            vec![("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", "x")],
            "invalid_grant",
            "expired access/refresh token",
        ),
        (
            vec![
                ("grant_type", "password"),
                ("client_id", id),
                ("client_secret", secret),
                ("username", "x"),
                ("password", "y"),
            ],
            "invalid_grant",
            "authentication failure",
        ),
        (
            vec![("grant_type", "authorization_code"), ("client_id", id), ("code", "x")],
            "invalid_grant",
            "expired authorization code",
        ),
    ] {
        let answer = client.token(&form).await;
        assert_eq!(answer.status, 400, "{form:?}");
        assert_eq!(answer.json(), json!({ "error": error, "error_description": description }));
    }
}

#[tokio::test]
async fn password_with_and_without_the_security_token() {
    let client = empty().await;
    let e = &client.emulator;
    for password in [e.password().to_owned(), format!("{}{}", e.password(), e.security_token())] {
        let form = [
            ("grant_type", "password"),
            ("client_id", e.client_id()),
            ("client_secret", e.client_secret()),
            ("username", e.username()),
            ("password", &password),
        ];
        assert_eq!(client.token(&form).await.status, 200);
    }
}

#[tokio::test]
async fn a_refresh_token_lasts_unless_it_rotates() {
    let client = empty().await;
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client.emulator.client_id()),
        ("refresh_token", client.emulator.refresh_token()),
    ];
    for _ in 0..2 {
        let answer = client.token(&form).await;
        assert_eq!(answer.status, 200);
        assert!(answer.json().get("refresh_token").is_none());
    }
    let client = start(Emulator::builder().empty().rotate_refresh_tokens()).await;
    let id = client.emulator.client_id();
    let first = client.emulator.refresh_token();
    let refresh = async |token: &str| {
        client.token(&[("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", token)]).await
    };
    let answer = refresh(first).await;
    let second = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(refresh(first).await.status, 400, "a spent token is refused");
    assert_eq!(refresh(&second).await.json()["error"], "invalid_grant", "and its family is revoked");
}

#[tokio::test]
async fn an_authorization_code_needs_its_verifier_and_is_good_once() {
    let client = empty().await;
    let id = client.emulator.client_id();
    let verifier = "a-verifier-of-at-least-forty-three-characters-long";
    let challenge = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()));
    let code = async || {
        let query = [
            ("response_type", "code"),
            ("client_id", id),
            ("redirect_uri", "http://localhost:1717/OauthRedirect"),
            ("state", "s t"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("scope", "api refresh_token"),
        ];
        let url = format!("{}/services/oauth2/authorize", client.emulator.url());
        let answer = read(client.http.get(url).query(&query)).await.unwrap();
        assert_eq!(answer.status, 302);
        let target = url::Url::parse(answer.header("location").unwrap()).unwrap();
        let find = |name: &str| {
            target.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        assert_eq!(find("state").as_deref(), Some("s t"));
        find("code").unwrap()
    };
    let redeem = async |code: &str, verifier: Option<&str>| {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("client_id", id),
            ("code", code),
            ("redirect_uri", "http://localhost:1717/OauthRedirect"),
        ];
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        client.token(&form).await
    };
    assert_eq!(redeem(&code().await, None).await.json()["error"], "invalid_request");
    assert_eq!(
        redeem(&code().await, Some("wrong")).await.json()["error_description"],
        "invalid code verifier"
    );
    let good = code().await;
    let answer = redeem(&good, Some(verifier)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.json()["refresh_token"].is_string());
    assert_eq!(redeem(&good, Some(verifier)).await.status, 400, "a code is good once");
}

#[tokio::test]
async fn every_org_knows_the_app_of_the_command_line() {
    let client = empty().await;
    let verifier = "a-verifier-that-is-long-enough-to-be-one-of-the-43-characters";
    let challenge = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()));
    let redirect = "http://localhost:1717/OauthRedirect";
    let asked = [
        ("client_id", "PlatformCLI"),
        ("response_type", "code"),
        ("redirect_uri", redirect),
        ("code_challenge", &challenge),
        ("scope", "refresh_token api web"),
    ];
    let page = client.http.get(format!("{}/services/oauth2/authorize", client.emulator.url()));
    let sent_back = read(page.query(&asked)).await.unwrap();
    assert_eq!(sent_back.status, 302, "{}", sent_back.text());
    let back = url::Url::parse(sent_back.header("location").unwrap()).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let grant = [
        ("grant_type", "authorization_code"),
        ("client_id", "PlatformCLI"),
        ("code", &code),
        ("redirect_uri", redirect),
        ("code_verifier", verifier),
    ];
    let granted = client.token(&grant).await.json();
    let token = granted["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("client_id", "PlatformCLI"), ("refresh_token", token)];
    assert_eq!(client.token(&form).await.status, 200);

    // It has no secret, and what needs one is not for it.
    let (user, password) = (client.emulator.username(), client.emulator.password());
    for secret in ["", "x", client.emulator.client_secret()] {
        for kind in ["client_credentials", "password"] {
            let form = [
                ("grant_type", kind),
                ("client_id", "PlatformCLI"),
                ("client_secret", secret),
                ("username", user),
                ("password", password),
            ];
            assert_eq!(client.token(&form).await.json()["error"], "invalid_client", "{kind}, {secret:?}");
        }
    }
}

#[tokio::test]
async fn what_one_app_is_given_is_worth_nothing_to_another() {
    let client = empty().await;
    let own = client.emulator.client_id();
    let redirect = "http://localhost:1717/OauthRedirect";
    let send = async |app: &str, kind: &str, field: &str, text: &str| {
        let form = [("grant_type", kind), ("client_id", app), (field, text), ("redirect_uri", redirect)];
        let answer = client.token(&form).await;
        (answer.status, answer.json())
    };
    let refused =
        |description: &str| (400, json!({ "error": "invalid_grant", "error_description": description }));
    for (app, other) in [(own, "PlatformCLI"), ("PlatformCLI", own)] {
        let page = client.http.get(format!("{}/services/oauth2/authorize", client.emulator.url()));
        let asked = [("client_id", app), ("response_type", "code"), ("redirect_uri", redirect)];
        let sent_back = read(page.query(&asked)).await.unwrap();
        let back = url::Url::parse(sent_back.header("location").unwrap()).unwrap();
        let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let stolen = send(other, "authorization_code", "code", &code).await;
        assert_eq!(stolen, refused("expired authorization code"), "{other}");
        let (status, granted) = send(app, "authorization_code", "code", &code).await;
        assert_eq!(status, 200, "{app} can still have it: {granted}");

        let token = granted["refresh_token"].as_str().unwrap();
        let stolen = send(other, "refresh_token", "refresh_token", token).await;
        assert_eq!(stolen, refused("expired access/refresh token"), "{other}");
        assert_eq!(send(app, "refresh_token", "refresh_token", token).await.0, 200, "{app}");

        let device = Device::start_as(&client, app).await;
        assert_eq!(device.decide("allow").await, 200);
        let code = device.text("device_code");
        assert_eq!(send(other, "device", "code", code).await, refused("token exchange failed"), "{other}");
        assert_eq!(send(app, "device", "code", code).await.0, 200, "{app}");
    }
    // The one that is good from the start belongs to the app that is there from the start.
    let token = client.emulator.refresh_token();
    let stolen = send("PlatformCLI", "refresh_token", "refresh_token", token).await;
    assert_eq!(stolen, refused("expired access/refresh token"));
    assert_eq!(send(own, "refresh_token", "refresh_token", token).await.0, 200);
}

/// A device, and what the emulator says to it.
struct Device<'c> {
    client: &'c Client,
    started: serde_json::Value,
}

impl<'c> Device<'c> {
    async fn start(client: &'c Client) -> Self {
        Self::start_as(client, client.emulator.client_id()).await
    }

    async fn start_as(client: &'c Client, app: &str) -> Self {
        let form = [("response_type", "device_code"), ("client_id", app), ("scope", "api refresh_token")];
        Self { client, started: client.token(&form).await.json() }
    }

    fn text(&self, name: &str) -> &str {
        self.started[name].as_str().unwrap()
    }

    /// Asks for the token: status and error.
    async fn poll(&self) -> (u16, String) {
        let (id, code) = (self.client.emulator.client_id(), self.text("device_code"));
        let answer = self.client.token(&[("grant_type", "device"), ("client_id", id), ("code", code)]).await;
        let body = answer.json();
        let said = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (answer.status, [said("error"), said("error_description")].join(": "))
    }

    async fn decide(&self, decision: &str) -> u16 {
        let (page, code) = (self.text("verification_uri"), self.text("user_code"));
        let page = format!("{page}?user_code={code}&decision={decision}");
        read(self.client.http.get(page)).await.unwrap().status
    }
}

const PENDING: &str = "authorization_pending: authorization pending";
const SLOW_DOWN: &str = "slow_down: polling too quickly for the token endpoint";
const SPENT: &str = "invalid_grant: token exchange failed";

#[tokio::test]
async fn the_device_flow_waits_for_approval() {
    let client = empty().await;
    let device = Device::start(&client).await;
    assert_eq!(device.poll().await, (400, PENDING.to_owned()));
    assert_eq!(device.decide("allow").await, 200);
    assert_eq!(device.poll().await.0, 200);
    assert_eq!(device.poll().await, (400, SPENT.to_owned()), "a device code is good once");
    assert_eq!(device.decide("allow").await, 400, "and so is the code that the user types");
}

#[tokio::test]
async fn forms_may_have_parts() {
    // As the Salesforce CLI's device flow sends them.
    let client = empty().await;
    let form = |fields: &[(&str, &str)]| {
        let part = |(name, value): &(&str, &str)| {
            format!("--B0UND\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        format!("{}--B0UND--\r\n", fields.iter().map(part).collect::<String>())
    };
    let send = async |body: String| {
        let url = format!("{}/services/oauth2/token", client.emulator.url());
        let kind = "multipart/form-data; boundary=B0UND";
        read(client.http.post(url).header("content-type", kind).body(body)).await.unwrap()
    };
    let id = client.emulator.client_id();
    let started = send(form(&[("client_id", id), ("response_type", "device_code"), ("scope", "api")])).await;
    assert_eq!(started.status, 200, "{}", started.text());
    let device = Device { client: &client, started: started.json() };
    assert_eq!(device.decide("allow").await, 200);
    let code = device.text("device_code");
    let granted = send(form(&[("client_id", id), ("grant_type", "device"), ("code", code)])).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
}

#[tokio::test]
async fn a_device_that_asks_too_often_has_to_slow_down() {
    let client = empty().await;
    let org = client.emulator.org();
    org.freeze_clock(true);
    let device = Device::start(&client).await;
    assert_eq!(device.started["interval"], 5);
    let mut answers = Vec::new();
    // Seconds before each question: each that comes too soon adds five to what is asked for, counted from itself on.
    for wait in [0, 5, 4, 9, 14, 20, 19] {
        org.advance_clock(Duration::from_secs(wait));
        answers.push(device.poll().await);
    }
    let expected = [PENDING, PENDING, SLOW_DOWN, SLOW_DOWN, SLOW_DOWN, PENDING, SLOW_DOWN];
    assert_eq!(answers, expected.map(|said| (400, said.to_owned())));
    // Once the user has decided, there is nothing to wait for.
    assert_eq!(device.decide("allow").await, 200);
    assert_eq!(device.poll().await.0, 200);
}

#[tokio::test]
async fn a_device_is_told_when_its_user_refuses_or_takes_too_long() {
    let client = empty().await;
    let denied = Device::start(&client).await;
    assert_eq!(denied.decide("deny").await, 200);
    assert_eq!(denied.decide("allow").await, 400, "who has decided has decided");
    assert_eq!(denied.poll().await, (400, "access_denied: end-user denied authorization".to_owned()));
    assert_eq!(denied.poll().await, (400, SPENT.to_owned()));

    let late = Device::start(&client).await;
    client.emulator.org().advance_clock(Duration::from_secs(10 * 60));
    assert_eq!(late.decide("allow").await, 400);
    assert_eq!(late.poll().await, (400, SPENT.to_owned()));
}

/// A 2048-bit test key in PKCS#8; it protects nothing.
const KEY: &str = include_str!("jwt_test_key.pem");

#[tokio::test]
async fn a_signed_assertion_is_verified() {
    let der =
        STANDARD.decode(KEY.lines().filter(|line| !line.starts_with("-----")).collect::<String>()).unwrap();
    let key = RsaKeyPair::from_pkcs8(&der).unwrap();
    let pem = format!(
        "-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n",
        STANDARD.encode(key.public_key().as_ref())
    );
    let client = start(Emulator::builder().empty().jwt_public_key(pem)).await;
    let assert_with = async |claims: serde_json::Value, spoil: bool| {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "RS256" }).to_string());
        let mut signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        if spoil {
            signature[7] ^= 1;
        }
        signed.push('.');
        signed.push_str(&URL_SAFE_NO_PAD.encode(signature));
        client
            .token(&[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &signed)])
            .await
    };
    let expiry = client.emulator.org().now().as_second() + 180;
    let good = json!({ "iss": client.emulator.client_id(), "sub": client.emulator.username(), "aud": "https://login.salesforce.com", "exp": expiry });
    assert_eq!(assert_with(good.clone(), false).await.status, 200);
    assert_eq!(assert_with(good.clone(), true).await.json()["error"], "invalid_grant");
    for (claim, value) in [
        ("exp", json!(expiry - 1000)),
        ("aud", json!("https://elsewhere.example")),
        ("sub", json!("nobody@example.com")),
    ] {
        let mut bad = good.clone();
        bad[claim] = value;
        assert_eq!(assert_with(bad, false).await.json()["error"], "invalid_grant", "{claim}");
    }
}

#[tokio::test]
async fn sessions_expire_can_be_revoked_and_are_needed() {
    let mut client = start(Emulator::builder().empty().session_lifetime(Duration::from_secs(600))).await;
    assert_eq!(client.get("/limits").await.status, 200);
    client.emulator.org().advance_clock(Duration::from_secs(601));
    let answer = client.get("/limits").await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.json(),
        json!([{ "message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID" }])
    );
    client.log_in().await;
    client.emulator.org().revoke_sessions();
    assert_eq!(client.get("/limits").await.status, 401);
    client.log_in().await;
    let revoke = format!("{}/services/oauth2/revoke", client.emulator.url());
    assert_eq!(read(client.http.post(&revoke).form(&[("token", &client.token)])).await.unwrap().status, 200);
    assert_eq!(client.get("/limits").await.status, 401);
    assert_eq!(
        read(client.http.get(format!("{}/services/data/v66.0/limits", client.emulator.url())))
            .await
            .unwrap()
            .status,
        401
    );
}

#[tokio::test]
async fn identity_and_introspection_know_the_user() {
    let client = empty().await;
    let info = client.get("/services/oauth2/userinfo").await;
    assert_eq!(info.status, 200);
    assert_eq!(info.json()["user_id"], json!(client.emulator.org().user_id()));
    let path = format!("/id/{}/{}", client.emulator.org().id(), client.emulator.org().user_id());
    let identity = client.get(&path).await.json();
    assert_eq!(identity["username"], json!(client.emulator.username()));
    assert!(identity["urls"]["rest"].as_str().unwrap().contains("/services/data/v{version}/"));
    let url = format!("{}/services/oauth2/introspect", client.emulator.url());
    let form = [
        ("token", client.token.as_str()),
        ("client_id", client.emulator.client_id()),
        ("client_secret", client.emulator.client_secret()),
    ];
    let answer = read(client.http.post(url).form(&form)).await.unwrap();
    assert_eq!(answer.json()["active"], json!(true));
}
