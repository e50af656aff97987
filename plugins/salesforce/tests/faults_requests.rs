//! Every fault of quotas, throttling and transport: one test for each row of the list beside this file, here or where that
//! part of the plugin has its tests.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use unicrm_core::{Error, ErrorKind, ObjectKind, ProviderExt, RawRequest, ReadPart, Retry};
use unicrm_salesforce_emulator::{Fault, FaultRule, Resource};

use crate::faults_requests_rows::ROWS;
use crate::support::{Linked, Shown, read, read_all, read_since};
use crate::writing::{create, created, one, practised, update};

/// Few attempts, so that a fault that lasts ends soon.
const FEW: &str = r#""flow":"client-credentials","limits":{"attempts":3}"#;

#[test]
fn every_row_has_its_test() {
    let sources = [
        include_str!("faults_requests.rs"),
        include_str!("bulk/faults.rs"),
        include_str!("writing/rows.rs"),
        include_str!("../src/api/answer.rs"),
        include_str!("../src/api/tests/session.rs"),
    ];
    for (row, behaviour, test) in ROWS {
        let found = sources.iter().any(|source| source.contains(&format!("fn {test}()")));
        assert!(found, "{row}: there is no test {test}");
        assert!(!behaviour.is_empty(), "{row}");
    }
    let names: BTreeSet<_> = ROWS.iter().map(|(row, ..)| row).collect();
    assert_eq!((names.len(), ROWS.len()), (24, 24), "each row of the catalogue, and none twice");
}

fn contacts() -> ReadPart {
    ReadPart::all(ObjectKind::Contact).page_size(200)
}

/// Reads all contacts while later pages meet each fault so many times: all arrive, by as many attempts more.
async fn survives(faults: impl IntoIterator<Item = Fault>, times: u64) {
    let linked = Linked::with_contacts(450).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    for fault in faults {
        linked.emulator.faults().add(FaultRule::new(Resource::QueryMore, fault.clone()).times(times));
        let shown =
            read(&*linked.connect().await, contacts()).await.unwrap_or_else(|e| panic!("{fault:?}: {e:?}"));
        shown.assert_whole(ObjectKind::Contact, &expected);
        assert_eq!(linked.emulator.faults().struck(), times, "{fault:?}");
        assert_eq!(shown.usage.retries, times, "{fault:?}");
        linked.emulator.faults().clear();
    }
}

/// Reads contacts while a fault lasts: the error, and how often the fault struck.
async fn lasting(fault: Fault) -> (Error, u64) {
    let linked = Linked::with_contacts(20).await;
    let provider = linked.connect_with(FEW).await.unwrap();
    linked.emulator.faults().add(FaultRule::new(Resource::Query, fault).forever());
    let error = read(&*provider, contacts()).await.expect_err("a fault that lasts");
    (error, linked.emulator.faults().struck())
}

/// Creates a contact while the call meets a fault: there is one record, and the outcome names it.
async fn creates_once(fault: Fault) {
    let linked = crate::writing::empty().await;
    let provider = practised(&linked).await;
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, fault.clone()));
    let id = created(&one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Feig"}))).await);
    assert_eq!(linked.emulator.faults().struck(), 1, "{fault:?}");
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, fault.clone()));
    let outcome = one(&*provider, update(ObjectKind::Contact, &id, json!({"first_name": "Ada"}))).await;
    assert!(outcome.is_done(), "{fault:?}: {outcome:?}");
    assert_eq!(
        crate::writing::text(&linked.org(), "Contact", &id, "FirstName").await.as_deref(),
        Some("Ada")
    );
    assert_eq!(linked.org().count("Contact").await.unwrap(), 1, "{fault:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daily_api_quota() {
    let linked = Linked::with_contacts(450).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let provider = linked.connect().await;
    let page = provider.read_page(contacts()).await.unwrap();
    let rest = contacts().after(page.next_token().cloned().expect("more pages"));
    let mut shown = Shown::default();
    page.rows.into_iter().for_each(|row| shown.take(row));
    linked.emulator.faults().add(FaultRule::new(Resource::Any, Fault::TotalRequests).forever());
    let error = provider.read_page(rest.clone()).await.expect_err("the quota");
    assert_eq!(
        (error.kind(), linked.emulator.faults().struck()),
        (ErrorKind::QuotaExhausted, 1),
        "{error:?}"
    );
    let Retry::NotBefore(at) = error.retry() else { panic!("no time to come back: {error:?}") };
    let wait = at.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((3_500..=3_600).contains(&wait), "{wait} s");
    linked.emulator.faults().clear();
    let rest = read(&*provider, rest).await.unwrap();
    let all: BTreeSet<String> = shown.live_ids().union(&rest.live_ids()).cloned().collect();
    assert_eq!(all, expected.live);
}

/// Too many at once, of either sort: over in a moment, and no matter of the day's quota.
async fn crowded(fault: Fault) {
    survives([fault.clone()], 2).await;
    let (error, struck) = lasting(fault).await;
    assert_eq!((error.kind(), struck), (ErrorKind::RateLimited, 3), "{error:?}");
    assert!(matches!(error.retry(), Retry::BackOff(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests() {
    crowded(Fault::ConcurrentRequests).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_long_transactions() {
    crowded(Fault::ConcurrentLongTransactions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quota_foresight() {
    let linked = Linked::with_contacts(120).await;
    let org = linked.org();
    let provider = linked.connect().await;
    for _ in 0..300 {
        provider.send(RawRequest::new("GET", "/services/data/v60.0/limits")).await.unwrap();
    }
    let quota = provider.access().await.unwrap().quota.expect("a quota");
    assert_eq!(quota.limit, 100_000);
    assert!(quota.used >= 300, "{quota:?}");
    // Thirty calls are left: enough for the notes without their bodies, and less than a tenth of the day's.
    let limit = org.api_usage() + 30;
    org.set_daily_api_requests(limit);
    linked.emulator.log().clear();
    let shown = read_all(&*provider, ObjectKind::Note).await;
    shown.assert_whole(ObjectKind::Note, &linked.expected(ObjectKind::Note).await);
    assert_eq!(linked.emulator.log().count(Resource::Blob).requests, 0, "the last calls are left to others");
    let quota = shown.usage.quota.expect("a quota");
    assert_eq!((quota.limit, quota.used), (limit, org.api_usage()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn composite_batch_throttled() {
    let linked = Linked::with_contacts(60).await;
    let provider = practised(&linked).await;
    for kind in ObjectKind::ALL {
        read_all(&*provider, kind).await;
    }
    let log = linked.emulator.log().entries();
    let calls = |part: &str| log.iter().filter(|entry| entry.path.contains(part)).count();
    assert!(calls("/composite") > 0);
    assert_eq!(calls("/composite/batch"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_429() {
    let started = Instant::now();
    survives([Fault::TooManyRequests { retry_after: Some(2) }], 1).await;
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    let (error, struck) = lasting(Fault::TooManyRequests { retry_after: None }).await;
    assert_eq!((error.kind(), struck), (ErrorKind::RateLimited, 3), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn email_async_and_streaming_quotas() {
    let linked = Linked::with_contacts(60).await;
    let org = linked.org();
    let provider = practised(&linked).await;
    let shown = read_all(&*provider, ObjectKind::Contact).await;
    let id = shown.live.keys().next().expect("a contact").clone();
    org.advance_clock(Duration::from_secs(600));
    org.update("Contact", &id, json!({"Department": "Purchasing"})).await.unwrap();
    org.advance_clock(Duration::from_secs(600));
    let later = read_since(&*provider, ObjectKind::Contact, &shown.watermark.unwrap()).await;
    assert!(later.live.contains_key(&id), "a change is found by asking");
    for entry in linked.emulator.log().entries() {
        for drawing in ["/cometd", "/event", "/streaming", "/actions", "/async", "/emailMessage"] {
            assert!(!entry.path.contains(drawing), "{}", entry.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_503_json() {
    survives([Fault::ServerUnavailable], 2).await;
    creates_once(Fault::ServerUnavailable).await;
    let (error, struck) = lasting(Fault::ServerUnavailable).await;
    assert_eq!((error.kind(), error.is_retryable(), struck), (ErrorKind::Unavailable, true, 3), "{error:?}");
    assert_eq!(error.remote_code(), Some("SERVER_UNAVAILABLE"));
}

/// A page in place of JSON: sent again, and no error of decoding when it stays.
async fn pages(faults: &[Fault]) {
    survives(faults.iter().cloned(), 2).await;
    for fault in faults {
        let (error, struck) = lasting(fault.clone()).await;
        assert_eq!(
            (error.kind(), error.is_retryable(), struck),
            (ErrorKind::Unavailable, true, 3),
            "{error:?}"
        );
        assert!(!error.to_string().contains('<'), "no markup for people: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_503_html() {
    pages(&[Fault::ServerUnavailablePage]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_200_html() {
    pages(&[Fault::MaintenancePage, Fault::LoginPage]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_cut_in_the_middle() {
    let cut = [Fault::BodyCut { chunked: false }, Fault::BodyCut { chunked: true }];
    survives(cut.clone(), 2).await;
    for fault in cut {
        let (error, struck) = lasting(fault).await;
        assert_eq!((error.kind(), struck), (ErrorKind::Unavailable, 3), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gzip_mislabelled() {
    let linked = Linked::with_contacts(450).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    for fault in [Fault::GzipMislabelled, Fault::GzipTwice] {
        linked.emulator.faults().add(FaultRule::new(Resource::QueryMore, fault.clone()).forever());
        let shown = read(&*linked.connect().await, contacts()).await.unwrap();
        shown.assert_whole(ObjectKind::Contact, &expected);
        assert!(linked.emulator.faults().struck() > 0, "{fault:?}");
        assert_eq!(shown.usage.retries, 0, "{fault:?}: read as it is");
        linked.emulator.faults().clear();
    }
}

/// Somebody on the way takes no long URLs: the query goes into a body.
async fn too_long(fault: Fault) {
    let linked = Linked::with_contacts(60).await;
    let provider = linked.connect().await;
    linked.emulator.faults().add(FaultRule::new(Resource::Query, fault));
    linked.emulator.log().clear();
    let shown = read_all(&*provider, ObjectKind::Contact).await;
    shown.assert_whole(ObjectKind::Contact, &linked.expected(ObjectKind::Contact).await);
    assert_eq!(linked.emulator.faults().struck(), 1);
    assert!(linked.emulator.log().count(Resource::Composite).requests > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uri_too_long() {
    too_long(Fault::UriTooLong).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_too_large() {
    too_long(Fault::HeadersTooLarge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keep_alive_closed_by_peer() {
    survives([Fault::ConnectionClosed, Fault::ConnectionReset], 1).await;
    creates_once(Fault::AnswerLost).await;
    // A record that is not found may still be on its way: nobody but the caller may decide to send it again.
    let linked = crate::writing::empty().await;
    let provider = practised(&linked).await;
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, Fault::ConnectionClosed));
    let outcome = one(&*provider, create(ObjectKind::Contact, json!({"last_name": "Feig"}))).await;
    let error = outcome.error().expect("a doubt");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::InDoubt, Retry::Reconcile), "{error:?}");
    assert_eq!(linked.org().count("Contact").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_silent_response() {
    let linked = Linked::with_contacts(450).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let hasty = r#""flow":"client-credentials","timeouts":{"read":2}"#;
    for (milliseconds, retries) in [(500, 0), (5_000, 1)] {
        let rule = FaultRule::new(Resource::QueryMore, Fault::BodyStalled { milliseconds });
        linked.emulator.faults().add(rule);
        let shown = read(&*linked.connect_with(hasty).await.unwrap(), contacts()).await.unwrap();
        shown.assert_whole(ObjectKind::Contact, &expected);
        assert_eq!(linked.emulator.faults().struck(), 1);
        assert_eq!(shown.usage.retries, retries, "silent for {milliseconds} ms");
        linked.emulator.faults().clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_500_unknown_exception() {
    survives([Fault::UnknownException], 2).await;
    let (error, struck) = lasting(Fault::UnknownException).await;
    assert_eq!((error.kind(), struck), (ErrorKind::Unavailable, 3), "{error:?}");
    assert_eq!(error.remote_code(), Some("UNKNOWN_EXCEPTION"));
    assert!(
        error.to_string().contains("1187394462-20716"),
        "the ErrorId is for Salesforce's support: {error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailing_slash_and_encoding_of_q() {
    let linked = Linked::with_contacts(450).await;
    let provider = linked.connect().await;
    read(&*provider, contacts()).await.unwrap();
    for entry in linked.emulator.log().entries() {
        match entry.resource {
            Resource::Query => {
                assert!(
                    entry.path.ends_with("/query") || entry.path.ends_with("/queryAll"),
                    "{}",
                    entry.path
                );
                assert!(entry.query.starts_with("q=SELECT"), "{}", entry.query);
            }
            Resource::QueryMore => assert_eq!(entry.query, "", "a locator says it all"),
            _ => {}
        }
    }
    let mut next = String::new();
    for path in ["query?q=SELECT+Id+FROM+Contact", "query/?q=SELECT%20Id%20FROM%20Contact"] {
        let request = RawRequest::new("GET", format!("/services/data/v60.0/{path}"));
        let answer = provider.send(request.header("Sforce-Query-Options", "batchSize=200")).await.unwrap();
        let page: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, page["done"].as_bool()), (200, Some(false)), "{path}: {page}");
        next = page["nextRecordsUrl"].as_str().expect("a locator").to_owned();
    }
    let again = RawRequest::new("GET", format!("{next}?q=SELECT+Id+FROM+Nothing"));
    let answer = provider.send(again).await.unwrap();
    let page: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, page["records"].as_array().map(Vec::len)), (200, Some(200)), "{page}");
}
