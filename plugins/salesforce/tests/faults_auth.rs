//! Every fault of signing in and of finding the org: one test for each row of the list beside this file.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use secrecy::ExposeSecret;
use unicrm_core::{
    ContactPatch, CredentialStore, Error, ErrorKind, ObjectKind, Provider, ProviderExt, RawRequest, ReadPart,
    Retry,
};
use unicrm_salesforce_emulator::{Emulator, Fault, FaultRule, Resource};

use crate::faults_auth_rows::ROWS;
use crate::support::{Linked, SECRET, Shown, read, read_all};

const REFRESH: &str = r#""flow":"refresh-token""#;
const LIMITS: &str = "/services/data/v66.0/limits";

#[test]
fn every_row_has_its_test() {
    let source = include_str!("faults_auth.rs");
    for (row, behaviour, test) in ROWS {
        assert!(source.contains(&format!("async fn {test}()")), "{row}: there is no test {test}");
        assert!(!behaviour.is_empty());
    }
    assert_eq!(ROWS.len(), 17);
}

fn token_requests(linked: &Linked) -> u64 {
    linked.emulator.log().count(Resource::Token).requests
}

async fn stored(linked: &Linked, name: &str) -> Option<String> {
    let credentials = linked.credentials.load().await.unwrap().credentials;
    credentials.get(name).map(|secret| secret.expose_secret().to_owned())
}

/// Sends so many requests at the same time; all are answered.
async fn at_once(providers: &[Arc<dyn Provider>], requests: usize) {
    let sent = (0..requests).map(|number| {
        let provider = Arc::clone(&providers[number % providers.len()]);
        async move { provider.send(RawRequest::new("GET", LIMITS)).await }
    });
    for answer in futures::future::join_all(sent).await {
        assert_eq!(answer.unwrap().status, 200);
    }
}

/// Reads contacts while a fault lasts: the error, and how often the fault struck.
async fn refusal(fault: Fault) -> (Error, u64) {
    let linked = Linked::with_contacts(20).await;
    let provider = linked.connect().await;
    linked.emulator.faults().add(FaultRule::new(Resource::Any, fault).forever());
    let error = read(&*provider, ReadPart::all(ObjectKind::Contact)).await.expect_err("a fault that lasts");
    (error, linked.emulator.faults().struck())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_expiry_in_mid_pagination() {
    let linked = Linked::with_contacts(700).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let provider = linked.connect().await;
    let before = token_requests(&linked);
    let mut pages = provider.pages(ReadPart::all(ObjectKind::Contact).page_size(200));
    let mut shown = Shown::default();
    while let Some(page) = pages.next().await {
        page.unwrap().rows.into_iter().for_each(|row| shown.take(row));
        linked.org().revoke_sessions();
    }
    shown.assert_whole(ObjectKind::Contact, &expected);
    assert_eq!(shown.rows, expected.live.len() + expected.deleted.len(), "no row came twice");
    let entries = linked.emulator.log().entries();
    let refused = entries.iter().filter(|entry| entry.status == 401).count() as u64;
    assert!(refused >= 2, "{refused} pages met an ended session");
    assert_eq!(token_requests(&linked) - before, refused, "one refresh for each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_refresh_loop() {
    let linked = Linked::with_contacts(20).await;
    let provider = linked.connect().await;
    linked.emulator.faults().add(FaultRule::new(Resource::Query, Fault::SessionRejected).forever());
    let before = token_requests(&linked);
    let error = read(&*provider, ReadPart::all(ObjectKind::Contact)).await.expect_err("no session holds");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unauthenticated, Retry::Relink), "{error:?}");
    assert!(error.advice().unwrap().contains("login_url"), "{error:?}");
    assert_eq!(token_requests(&linked) - before, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_1_says_400_instead_of_401() {
    let linked = Linked::with_contacts(20).await;
    let provider = linked.connect().await;
    linked.org().revoke_sessions();
    let before = token_requests(&linked);
    let job = r#"{"operation":"query","object":"Contact","contentType":"JSON"}"#;
    let request = RawRequest::new("POST", "/services/async/60.0/job")
        .header("Content-Type", "application/json")
        .body(job.as_bytes());
    let answer = provider.send(request).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let entries = linked.emulator.log().entries();
    let bulk = entries.iter().filter(|entry| entry.resource == Resource::BulkV1);
    assert_eq!(bulk.map(|entry| entry.status).collect::<Vec<_>>(), [400, 201]);
    assert_eq!(token_requests(&linked) - before, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh_race_in_one_process() {
    for rotate in [false, true] {
        let builder = Emulator::builder().contacts(10);
        let builder = if rotate { builder.rotate_refresh_tokens() } else { builder };
        let linked = Linked::start(builder).await;
        let members = format!(r#"{REFRESH},"limits":{{"concurrency":25}}"#);
        let provider = linked.connect_with(&members).await.unwrap();
        for _ in 0..3 {
            linked.org().revoke_sessions();
            let before = token_requests(&linked);
            at_once(&[Arc::clone(&provider)], 50).await;
            assert_eq!(token_requests(&linked) - before, 1, "with rotation: {rotate}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh_race_across_processes() {
    for rotate in [false, true] {
        let builder = Emulator::builder().contacts(10);
        let builder = if rotate { builder.rotate_refresh_tokens() } else { builder };
        let linked = Linked::start(builder).await;
        // Each connection has a token cache of its own, as each process has; tests/refresh_once.rs has real processes.
        let mut providers = Vec::new();
        for _ in 0..3 {
            providers.push(linked.connect_with(REFRESH).await.unwrap());
        }
        linked.org().revoke_sessions();
        let before = token_requests(&linked);
        at_once(&providers, 50).await;
        assert_eq!(token_requests(&linked) - before, 1, "with rotation: {rotate}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh_token_rotation() {
    let linked = Linked::start(Emulator::builder().contacts(10).rotate_refresh_tokens()).await;
    let first = stored(&linked, "refresh_token").await.unwrap();
    let provider = linked.connect_with(REFRESH).await.unwrap();
    let second = stored(&linked, "refresh_token").await.unwrap();
    assert_ne!(first, second, "the first refresh has rotated it");
    linked.org().revoke_sessions();
    at_once(&[Arc::clone(&provider)], 1).await;
    let third = stored(&linked, "refresh_token").await.unwrap();
    assert_ne!(second, third);

    // Somebody restores an old copy of the credentials: the spent token ends the whole family.
    let now = linked.credentials.load().await.unwrap();
    let old = now.credentials.with("refresh_token", second.into());
    linked.credentials.compare_and_swap(now.version, old).await.unwrap();
    linked.org().revoke_sessions();
    let before = token_requests(&linked);
    let error = provider.send(RawRequest::new("GET", LIMITS)).await.expect_err("a spent token");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unauthenticated, Retry::Relink), "{error:?}");
    assert!(error.advice().unwrap().contains("link the account again"), "{error:?}");
    assert_eq!(token_requests(&linked) - before, 1, "a second use is not repeated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instance_url_changes() {
    let linked = Linked::with_contacts(700).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let provider = linked.connect().await;
    let before = stored(&linked, "instance_url").await.unwrap();
    let mut pages = provider.pages(ReadPart::all(ObjectKind::Contact).page_size(200));
    let mut shown = Shown::default();
    pages.next().await.unwrap().unwrap().rows.into_iter().for_each(|row| shown.take(row));
    let moved = Fault::InstanceMoved { redirect: None };
    linked.emulator.faults().add(FaultRule::new(Resource::QueryMore, moved));
    while let Some(page) = pages.next().await {
        page.unwrap().rows.into_iter().for_each(|row| shown.take(row));
    }
    shown.assert_whole(ObjectKind::Contact, &expected);
    assert_eq!(shown.rows, expected.live.len() + expected.deleted.len(), "no row came twice");
    let after = stored(&linked, "instance_url").await.unwrap();
    assert_ne!(before, after);
    assert_eq!(after, linked.emulator.instance_url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirect_drops_the_method_or_the_token() {
    for status in [301, 302, 307, 308] {
        let linked = Linked::start(Emulator::builder().empty()).await;
        let provider = linked.connect().await;
        provider.create(ContactPatch::new().last_name("First")).await.unwrap();
        let from = linked.emulator.log().entries().len();
        let moved = Fault::InstanceMoved { redirect: Some(status) };
        linked.emulator.faults().add(FaultRule::new(Resource::Any, moved));
        let outcome = provider.create(ContactPatch::new().last_name("Second")).await.unwrap();
        assert!(outcome.remote_id.is_some());
        assert_eq!(linked.org().count("Contact").await.unwrap(), 2, "{status}: written once");
        let entries = linked.emulator.log().entries().split_off(from);
        let (redirected, rest): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.status == status);
        assert_eq!(redirected.len(), 1, "{status}: {entries:?}");
        let again = rest.iter().find(|entry| entry.path == redirected[0].path && entry.status < 300);
        assert_eq!(again.map(|entry| &entry.method), Some(&redirected[0].method), "{status}: {entries:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_login_host() {
    for (description, says) in [
        ("authentication failure", "test.salesforce.com"),
        ("request not supported on this domain", "My Domain"),
    ] {
        let linked = Linked::with_contacts(10).await;
        let refused = Fault::GrantRefused { error: "invalid_grant".into(), description: description.into() };
        linked.emulator.faults().add(FaultRule::new(Resource::Token, refused).forever());
        let error = linked.connect_with(REFRESH).await.expect_err("another host's grant");
        assert!(matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::InvalidConfig), "{error:?}");
        let advice = error.advice().unwrap();
        assert!(advice.contains(says) && advice.contains("127.0.0.1"), "{advice}");
        assert_eq!(token_requests(&linked), 1, "it is not tried again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_password() {
    let (error, struck) = refusal(Fault::ExpiredPassword).await;
    assert_eq!(
        (error.kind(), error.retry(), struck),
        (ErrorKind::PermissionDenied, Retry::Never, 1),
        "{error:?}"
    );
    assert_eq!(error.remote_code(), Some("INVALID_OPERATION_WITH_EXPIRED_PASSWORD"));
    assert!(error.advice().unwrap().contains("change it"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_without_api_access() {
    let (error, struck) = refusal(Fault::ApiDisabledForOrg).await;
    assert_eq!(
        (error.kind(), error.retry(), struck),
        (ErrorKind::PermissionDenied, Retry::Never, 1),
        "{error:?}"
    );
    let advice = error.advice().unwrap();
    assert!(advice.contains("edition") && advice.contains("API Enabled"), "{advice}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_access_off_in_profile() {
    let (error, struck) = refusal(Fault::ApiCurrentlyDisabled).await;
    assert_eq!(
        (error.kind(), error.retry(), struck),
        (ErrorKind::PermissionDenied, Retry::Never, 1),
        "{error:?}"
    );
    assert!(error.advice().unwrap().contains("\"API Enabled\""), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soap_login_going_away() {
    let linked = Linked::with_contacts(20).await;
    let provider = linked.connect_with(REFRESH).await.unwrap();
    provider.access().await.unwrap();
    read_all(&*provider, ObjectKind::Contact).await;
    assert_eq!(linked.emulator.log().count(Resource::Soap).requests, 0);
    let flows = unicrm_salesforce::INFO.auth_flows;
    assert!(flows.iter().flat_map(|flow| flow.secrets).all(|secret| !secret.name.contains("password")));
    let error = linked.connect_with(r#""flow":"password""#).await.expect_err("no such flow");
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn salesforce_edge_cold_start() {
    let linked = Linked::with_contacts(20).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let provider = linked.connect().await;
    for fault in [Fault::EdgeEmpty, Fault::EdgePage] {
        linked.emulator.faults().add(FaultRule::new(Resource::Query, fault));
        let shown = read_all(&*provider, ObjectKind::Contact).await;
        shown.assert_whole(ObjectKind::Contact, &expected);
    }
    assert_eq!(linked.emulator.faults().struck(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_406_with_empty_body() {
    let linked = Linked::with_contacts(20).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let provider = linked.connect().await;
    linked.emulator.faults().add(FaultRule::new(Resource::Query, Fault::NotAcceptable).times(2));
    let shown = read_all(&*provider, ObjectKind::Contact).await;
    shown.assert_whole(ObjectKind::Contact, &expected);
    assert_eq!(shown.usage.retries, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transaction_security() {
    let linked = Linked::with_contacts(20).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let provider = linked.connect().await;
    linked.emulator.faults().add(FaultRule::new(Resource::Query, Fault::TransactionSecurity));
    read_all(&*provider, ObjectKind::Contact).await.assert_whole(ObjectKind::Contact, &expected);
    let (error, struck) = refusal(Fault::TransactionSecurity).await;
    assert_eq!((error.kind(), struck), (ErrorKind::Unavailable, 3), "{error:?}");
    assert!(error.advice().unwrap().contains("Exempt from Transaction Security"), "{error:?}");
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// For the whole process: what a thread without a subscriber has met before would stay switched off for the others. What other
// tests do meanwhile is searched too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_in_logs() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("unicrm=trace")
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("the only subscriber of these tests");

    let linked = Linked::start(Emulator::builder().contacts(10).rotate_refresh_tokens()).await;
    let mut told = String::new();
    let mut secrets = vec![SECRET.to_owned(), linked.emulator.refresh_token().to_owned()];
    let provider = linked.connect_with(REFRESH).await.unwrap();
    for name in ["refresh_token", "access_token"] {
        secrets.push(stored(&linked, name).await.unwrap());
    }
    read_all(&*provider, ObjectKind::Contact).await;
    linked.org().revoke_sessions();
    at_once(&[Arc::clone(&provider)], 3).await;
    for fault in [Fault::SessionRejected, Fault::ExpiredPassword, Fault::ConnectionReset, Fault::LoginPage] {
        let few = r#""limits":{"attempts":1}"#;
        let provider = linked.connect_with(&format!("{REFRESH},{few}")).await.unwrap();
        linked.emulator.faults().add(FaultRule::new(Resource::Query, fault).forever());
        let error = read(&*provider, ReadPart::all(ObjectKind::Contact)).await.expect_err("a fault");
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            writeln!(told, "{error} {error:?}").unwrap();
            cause = error.source();
        }
        writeln!(told, "{provider:?}").unwrap();
        linked.emulator.faults().clear();
    }
    for name in ["refresh_token", "access_token"] {
        secrets.push(stored(&linked, name).await.unwrap());
    }
    linked.emulator.faults().add(FaultRule::new(Resource::Token, Fault::RefreshRefused).forever());
    linked.org().revoke_access();
    let error = provider.send(RawRequest::new("GET", LIMITS)).await.expect_err("no grant");
    writeln!(told, "{error} {error:?} {:?}", linked.credentials).unwrap();

    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("/services/oauth2/token"), "the log is not on: {} bytes", logged.len());
    told.push_str(&logged);
    for secret in secrets {
        assert!(!told.contains(&secret), "a secret is told: {}", secret.get(..12).unwrap_or(&secret));
    }
}
