//! Signing in as a host application does it: each flow from its beginning to an account that works for ever, and back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use unicrm_core::{
    ConnectRequest, CredentialStore, Credentials, Error, ErrorKind, Interaction, Json, LinkedAccountId,
    MemoryCredentialStore, Provider, RawRequest, Registry, Result, Revocation, SignInRequest, SignInStep,
};
use unicrm_salesforce_emulator::{Builder, Emulator, Fault, FaultRule, Resource};

const SECRET: &str = "the-app-s-s3cret";
const REDIRECT: &str = "https://app.example.com/linked";
/// A key for tests alone.
const PRIVATE_KEY: &str = include_str!("../../../crates/http/tests/data/test-only-pkcs8.pem");
const PUBLIC_KEY: &str = include_str!("test-only-public.pem");

struct World {
    emulator: Emulator,
    registry: Registry,
}

impl World {
    async fn of(builder: Builder) -> Self {
        let emulator = builder.client("3MVG9.host", SECRET).start().await.expect("an org");
        Self { emulator, registry: Registry::new([unicrm_salesforce::PROVIDER]).expect("a registry") }
    }

    fn config(&self, flow: &str) -> Json {
        let (url, user) = (self.emulator.url(), self.emulator.username());
        let username = if flow == "jwt" { format!(r#","username":"{user}""#) } else { String::new() };
        let few = r#""limits":{"attempts":2},"timeouts":{"retry":5}"#;
        Json::parse(format!(
            r#"{{"flow":"{flow}","login_url":"{url}","client_id":"3MVG9.host",{few}{username}}}"#
        ))
        .expect("JSON")
    }

    fn request(&self, flow: &str) -> SignInRequest {
        SignInRequest::new(self.config(flow)).secrets(Credentials::new().with("client_secret", SECRET.into()))
    }

    async fn begin(&self, request: SignInRequest) -> Result<SignInStep> {
        self.registry.sign_in("salesforce")?.begin(request).await
    }

    async fn finish(
        &self,
        flow: &str,
        pending: SecretString,
        callback: Option<String>,
    ) -> Result<Credentials> {
        self.registry.sign_in("salesforce")?.finish(self.request(flow), pending, callback).await
    }

    async fn revoke(&self, flow: &str, credentials: Credentials) -> Result<Revocation> {
        let request = SignInRequest::new(self.config(flow)).secrets(credentials);
        self.registry.sign_in("salesforce")?.revoke(request).await
    }

    async fn connect(&self, flow: &str, store: &Arc<MemoryCredentialStore>) -> Result<Arc<dyn Provider>> {
        let request =
            ConnectRequest::new(LinkedAccountId::random(), self.config(flow), Arc::clone(store) as _);
        self.registry.connect("salesforce", request).await
    }

    /// Where the browser is sent back to, from the page that the person was sent to.
    async fn allow(&self, page: &str) -> String {
        let (status, headers, _) = get(page).await;
        assert_eq!(status, 302, "{headers}");
        let header = headers.lines().filter_map(|line| line.split_once(": "));
        let location = header.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
        location.expect("a place to go back to").1.to_owned()
    }

    /// Works now, and again after the session has ended, several times.
    async fn lasts(&self, flow: &str, credentials: Credentials) -> Arc<MemoryCredentialStore> {
        let store = Arc::new(MemoryCredentialStore::new(credentials));
        let provider = self.connect(flow, &store).await.expect("a connection");
        for _ in 0..3 {
            let answer = provider.send(RawRequest::new("GET", "/services/data/v66.0/limits")).await;
            assert_eq!(answer.expect("an answer").status, 200, "{flow}");
            self.emulator.org().revoke_sessions();
        }
        // And after a restart, from what is stored alone.
        self.connect(flow, &store).await.expect("a connection").access().await.expect("access");
        store
    }
}

/// What a browser gets that follows no redirect: status, head and body.
async fn get(url: &str) -> (u16, String, String) {
    ask("GET", url, String::new()).await
}

async fn ask(method: &'static str, url: &str, form: String) -> (u16, String, String) {
    let url = url.to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        let rest = url.strip_prefix("http://").expect("a loopback URL");
        let (host, path) = rest.split_once('/').expect("a path");
        let mut stream = TcpStream::connect(host).expect("a connection");
        let sort = "Content-Type: application/x-www-form-urlencoded";
        let head = format!("{sort}\r\nContent-Length: {}\r\nConnection: close", form.len());
        write!(stream, "{method} /{path} HTTP/1.1\r\nHost: {host}\r\n{head}\r\n\r\n{form}").expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    });
    let text = answer.await.expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_owned(), body.to_owned())
}

fn text<'c>(credentials: &'c Credentials, name: &str) -> &'c str {
    credentials.get(name).map(|secret| secret.expose_secret()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_links_with_a_browser_and_works_for_ever() {
    for rotate in [false, true] {
        let builder = Emulator::builder().empty();
        let world = World::of(if rotate { builder.rotate_refresh_tokens() } else { builder }).await;
        let step = world.begin(world.request("web").redirect_uri(REDIRECT)).await.unwrap();
        let SignInStep::Browser { url, pending } = step else { panic!("{step:?}") };
        assert!(!url.contains(SECRET) && url.contains("code_challenge_method=S256"), "{url}");
        let back = world.allow(&url).await;
        assert!(back.starts_with(REDIRECT), "{back}");
        // The second request of the browser may be answered by another process, which knows path and query alone.
        let pending = SecretString::from(pending.expose_secret().to_owned());
        let query = back.strip_prefix("https://app.example.com").unwrap().to_owned();
        let credentials = world.finish("web", pending.clone(), Some(query.clone())).await.unwrap();
        for name in ["refresh_token", "access_token", "instance_url", "client_secret"] {
            assert!(!text(&credentials, name).is_empty(), "{name}");
        }
        let granted = text(&credentials, "refresh_token").to_owned();
        let store = world.lasts("web", credentials).await;
        let now = store.load().await.unwrap().credentials;
        assert_eq!(text(&now, "refresh_token") != granted, rotate);

        let error = world.finish("web", pending, Some(query)).await.expect_err("a code is good once");
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
        assert!(error.advice().unwrap().contains("start the login again"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_is_not_ours_ends_nothing() {
    let world = World::of(Emulator::builder().empty()).await;
    let begin = async || {
        let step = world.begin(world.request("web").redirect_uri(REDIRECT)).await.unwrap();
        let SignInStep::Browser { url, pending } = step else { panic!("{step:?}") };
        (url, pending)
    };
    let (url, pending) = begin().await;
    let (other, _) = begin().await;
    let theirs = world.allow(&other).await;
    for wrong in
        [theirs, "/linked".into(), "/linked?code=x".into(), "/linked?code=x&state=y".into(), String::new()]
    {
        let error = world.finish("web", pending.clone(), Some(wrong.clone())).await.expect_err(&wrong);
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{wrong}: {error:?}");
    }
    let error = world.finish("web", pending.clone(), None).await.expect_err("no callback");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error:?}");
    assert_eq!(world.emulator.log().count(Resource::Token).requests, 0, "no code was tried");

    let denied = world.allow(&format!("{url}&decision=deny")).await;
    let error = world.finish("web", pending.clone(), Some(denied)).await.expect_err("denied");
    assert_eq!((error.kind(), error.remote_code()), (ErrorKind::Unauthenticated, Some("access_denied")));
    assert!(error.advice().unwrap().contains("allow it"), "{error:?}");
    // The right answer still counts.
    let back = world.allow(&url).await;
    world.finish("web", pending, Some(back)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_linked_and_works_for_ever() {
    let world = World::of(Emulator::builder().empty().rotate_refresh_tokens()).await;
    let step = world.begin(world.request("device")).await.unwrap();
    let SignInStep::Device { url, code, pending, expires_in } = step else { panic!("{step:?}") };
    assert!(expires_in.as_secs() > 60 && !code.is_empty());
    let pending = SecretString::from(pending.expose_secret().to_owned());
    let (finished, entered) = tokio::join!(world.finish("device", pending, None), async {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        get(&format!("{url}?user_code={code}")).await.0
    });
    assert_eq!(entered, 200);
    world.lasts("device", finished.unwrap()).await;
}

/// A device that waits, and what it takes to ask and to decide in its place.
struct Waiting {
    pending: SecretString,
    token_url: String,
    form: String,
    page: String,
}

impl Waiting {
    async fn begin(world: &World) -> Self {
        let step = world.begin(world.request("device")).await.unwrap();
        let SignInStep::Device { url, code, pending, .. } = step else { panic!("{step:?}") };
        let kept: serde_json::Value = serde_json::from_str(pending.expose_secret()).unwrap();
        let device = kept["device_code"].as_str().unwrap();
        let form = format!("grant_type=device&client_id=3MVG9.host&code={device}");
        let token_url = format!("{}/services/oauth2/token", world.emulator.url());
        Self { pending, token_url, form, page: format!("{url}?user_code={code}") }
    }

    /// Asks as the device does.
    async fn ask(&self) -> String {
        ask("POST", &self.token_url, self.form.clone()).await.2
    }

    async fn decide(&self, decision: &str) {
        assert_eq!(get(&format!("{}&decision={decision}", self.page)).await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_told_to_slow_down_asks_less_often() {
    let world = World::of(Emulator::builder().empty()).await;
    let device = Waiting::begin(&world).await;
    let begin = std::time::Instant::now();
    let (finished, asked) = tokio::join!(world.finish("device", device.pending.clone(), None), async {
        // Another one asks with the same code, so that our first question, after five seconds, comes too soon.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let answer = device.ask().await;
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        device.decide("allow").await;
        answer
    });
    assert!(asked.contains("authorization_pending"), "{asked}");
    finished.unwrap();
    // Ours came after five seconds and was told to slow down; the next came after ten more.
    assert!(begin.elapsed().as_secs() >= 15, "{:?}", begin.elapsed());
    assert_eq!(world.emulator.log().count(Resource::Token).requests, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_told_that_its_user_refused_or_that_its_code_is_spent() {
    let world = World::of(Emulator::builder().empty()).await;
    let (denied, spent) = (Waiting::begin(&world).await, Waiting::begin(&world).await);
    denied.decide("deny").await;
    spent.decide("allow").await;
    assert!(spent.ask().await.contains("access_token"));
    let finish = |device: &Waiting| world.finish("device", device.pending.clone(), None);
    let (denied, spent) = tokio::join!(finish(&denied), finish(&spent));
    for (outcome, code, advice) in
        [(denied, "access_denied", "allow it"), (spent, "invalid_grant", "start the login again")]
    {
        let error = outcome.expect_err(code);
        assert_eq!((error.kind(), error.remote_code()), (ErrorKind::Unauthenticated, Some(code)));
        assert!(error.advice().unwrap().contains(advice), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_signs_in_with_its_key_for_ever() {
    let world = World::of(Emulator::builder().empty().jwt_public_key(PUBLIC_KEY)).await;
    let key = |text: &str| Credentials::new().with("private_key", text.to_owned().into());
    let store = world.lasts("jwt", key(PRIVATE_KEY)).await;
    let kept = store.load().await.unwrap().credentials;
    assert_eq!(text(&kept, "refresh_token"), "", "there is none to lose");

    let refused = async |credentials: Credentials| -> Error {
        let store = Arc::new(MemoryCredentialStore::new(credentials));
        world.connect("jwt", &store).await.map(|_| ()).expect_err("refused")
    };
    let error = refused(key("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")).await;
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    let error = refused(Credentials::new()).await;
    assert!(error.message().contains("private_key"), "{error:?}");
    for (description, says) in [
        ("user hasn't approved this consumer", "pre-authorized"),
        ("audience is invalid", "login_url"),
        ("assertion expired", "clock"),
        ("invalid assertion", "certificate"),
    ] {
        let fault = Fault::GrantRefused { error: "invalid_grant".into(), description: description.into() };
        world.emulator.faults().add(FaultRule::new(Resource::Token, fault));
        let error = refused(key(PRIVATE_KEY)).await;
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
        assert!(error.advice().unwrap().contains(says), "{description}: {error:?}");
    }
    // Another key than that of the certificate.
    let world = World::of(Emulator::builder().empty()).await;
    let store = Arc::new(MemoryCredentialStore::new(key(PRIVATE_KEY)));
    let error = world.connect("jwt", &store).await.map(|_| ()).expect_err("no certificate");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_of_the_other_flows_last_too() {
    let world = World::of(Emulator::builder().empty().rotate_refresh_tokens()).await;
    let secret = Credentials::new().with("client_secret", SECRET.into());
    world.lasts("client-credentials", secret.clone()).await;
    let token = world.emulator.refresh_token().to_owned();
    world.lasts("refresh-token", secret.with("refresh_token", token.into())).await;
    for flow in ["client-credentials", "jwt", "refresh-token"] {
        let error = world.begin(world.request(flow)).await.expect_err(flow);
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
        assert_eq!(unicrm_salesforce::INFO.auth_flow(flow).unwrap().interaction, Interaction::None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_is_taken_back() {
    let world = World::of(Emulator::builder().empty().rotate_refresh_tokens()).await;
    let token = world.emulator.refresh_token().to_owned();
    let given = Credentials::new().with("client_secret", SECRET.into()).with("refresh_token", token.into());
    let store = world.lasts("refresh-token", given).await;
    let credentials = store.load().await.unwrap().credentials;
    assert_eq!(world.revoke("refresh-token", credentials.clone()).await.unwrap(), Revocation::Revoked);
    let provider = world.connect("refresh-token", &store).await.unwrap();
    let error = provider.access().await.expect_err("revoked");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
    assert_eq!(world.revoke("refresh-token", credentials.clone()).await.unwrap(), Revocation::Nothing);
    assert_eq!(world.revoke("refresh-token", Credentials::new()).await.unwrap(), Revocation::Nothing);

    // Where nobody can be asked, or somebody else answers, the grant may still stand.
    for fault in [Fault::ConnectionReset, Fault::MaintenancePage, Fault::ServerUnavailablePage] {
        world.emulator.faults().add(FaultRule::new(Resource::Identity, fault.clone()).forever());
        let error = world.revoke("refresh-token", credentials.clone()).await.expect_err("not revoked");
        assert!(error.advice().unwrap().contains("by hand"), "{fault:?}: {error:?}");
        world.emulator.faults().clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_without_a_refresh_token_is_refused() {
    let world = World::of(Emulator::builder().empty()).await;
    let step = world.begin(world.request("web").redirect_uri(REDIRECT)).await.unwrap();
    let SignInStep::Browser { url, pending } = step else { panic!("{step:?}") };
    // As when the app does not have the scope.
    let back = world.allow(&url.replace("api+id+refresh_token", "api+id")).await;
    let error = world.finish("web", pending, Some(back)).await.expect_err("no refresh token");
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    assert!(error.advice().unwrap().contains("offline_access"), "{error:?}");
}
