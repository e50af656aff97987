//! Every fault of the transport and of the API: whether it is tried again, how often, and what it becomes.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use unicrm_core::{Error, ErrorKind, Retry, Usage};

use super::script::*;
use crate::api::QueryOptions;
use crate::error::{Code, Fault};

/// Attempts when nothing else is said.
const ALL: usize = 6;

fn faults() -> Vec<(&'static str, Reply, usize, ErrorKind)> {
    use ErrorKind::*;
    vec![
        ("waking up, empty", with(420, &[], ""), ALL, Unavailable),
        ("waking up, page", page(420), ALL, Unavailable),
        ("406 without body", with(406, &[], ""), ALL, Unavailable),
        ("429", with(429, &[], ""), ALL, RateLimited),
        ("429 with a code", error(429, "TOO_MANY_REQUESTS", "slow down"), ALL, RateLimited),
        ("503 as JSON", error(503, "SERVER_UNAVAILABLE", "busy"), ALL, Unavailable),
        ("503 as page", page(503), ALL, Unavailable),
        ("502 as page", page(502), ALL, Unavailable),
        ("200 as page", page(200), ALL, Unavailable),
        ("200 as page without a type", with(200, &[], "\n <!DOCTYPE html>"), ALL, Unavailable),
        ("200 without body", with(200, &[], ""), ALL, Unavailable),
        (
            "500 UNKNOWN_EXCEPTION",
            error(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."),
            3,
            Unavailable,
        ),
        ("500 without body", with(500, &[], ""), ALL, Unavailable),
        (
            "JSON that ends early",
            json(200, r#"{"totalSize":1,"done":true,"records":[{"Id""#),
            ALL,
            Unavailable,
        ),
        ("body cut", Reply::Cut(r#"{"totalSize":1,"#.to_owned()), ALL, Unavailable),
        ("reset", Reply::Reset, ALL, Unavailable),
        ("no connection", Reply::NoConnection, ALL, Unavailable),
        ("transaction security", error(403, "TXN_SECURITY_METERING_ERROR", "took too long"), 3, Unavailable),
        ("row locked", error(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"), ALL, Conflict),
        (
            "too many at once",
            error(
                403,
                "REQUEST_LIMIT_EXCEEDED",
                "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
            ),
            ALL,
            RateLimited,
        ),
        (
            "too many long ones",
            error(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."),
            ALL,
            RateLimited,
        ),
        ("quota", error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), 1, QuotaExhausted),
        (
            "no API in the org",
            error(403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization."),
            1,
            PermissionDenied,
        ),
        (
            "no API for the user",
            error(403, "API_CURRENTLY_DISABLED", "API is disabled for this User"),
            1,
            PermissionDenied,
        ),
        (
            "password expired",
            error(403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "expired"),
            1,
            PermissionDenied,
        ),
        (
            "query timeout",
            error(400, "QUERY_TIMEOUT", "Your query request was running for too long."),
            1,
            Unavailable,
        ),
        ("lost locator", error(400, "INVALID_QUERY_LOCATOR", "invalid query locator"), 1, Unavailable),
        ("malformed query", error(400, "MALFORMED_QUERY", "unexpected token: x"), 1, InvalidRequest),
        (
            "missing field",
            error(400, "INVALID_FIELD", "No such column 'X__c' on entity 'Account'"),
            1,
            InvalidRequest,
        ),
        (
            "missing object",
            error(400, "INVALID_TYPE", "sObject type 'X' is not supported."),
            1,
            InvalidRequest,
        ),
        (
            "too large",
            error(400, "OPERATION_TOO_LARGE", "exceeded 100000 distinct who/what's"),
            1,
            InvalidRequest,
        ),
        ("version retired", error(410, "UNSUPPORTED_API_VERSION", "no longer supported"), 1, InvalidConfig),
        ("not found", error(404, "NOT_FOUND", "The requested resource does not exist"), 1, NotFound),
        ("unknown code", error(400, "SOMETHING_NEW", "x"), 1, InvalidRequest),
        ("431 as page", page(404), 1, NotFound),
        ("JSON of another form", json(200, r#"{"a":1}"#), 1, Decode),
        (
            "not the last page and no next one",
            json(200, r#"{"totalSize":9,"done":false,"records":[]}"#),
            1,
            Decode,
        ),
        ("not UTF-8", with(200, &[("content-encoding", "identity")], "{\"a\u{0}"), 1, Decode),
    ]
}

#[tokio::test(start_paused = true)]
async fn each_fault_is_tried_again_as_often_as_it_makes_sense() {
    for (name, reply, attempts, kind) in faults() {
        let server = Server::answering([reply]);
        let client = server.client().await;
        let mut usage = Usage::default();
        let outcome = client.query(&mut usage, &soql(), QueryOptions::default()).await;
        let error = Error::from(outcome.unwrap_err());
        assert_eq!(server.calls().len(), attempts, "{name}: {error:?}");
        assert_eq!(error.kind(), kind, "{name}: {error:?}");
        assert_eq!(usage.retries, attempts as u64 - 1, "{name}");
        let reached = if name == "no connection" { 0 } else { attempts as u64 };
        assert_eq!(usage.calls, reached, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_passing_fault_passes() {
    for (name, reply, attempts, _) in faults() {
        if attempts > 1 {
            let server = Server::answering([reply.clone(), reply, json(200, ONE_RECORD)]);
            let client = server.client().await;
            let page = client.query(&mut Usage::default(), &soql(), QueryOptions::default()).await;
            assert_eq!(page.unwrap().total_size, 1, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_error_shows_a_secret() {
    let token = format!("{}1", SECRETS[2]);
    for reply in [
        error(403, "INVALID", &format!("the session {token} may not do this")),
        error(400, "X", &format!("access_token={token}")),
        with(503, &[("content-type", "text/html")], &format!("<html>{token}")),
        json(200, &format!("{{\"{token}\":\"{token}\"}}")),
        with(302, &[("location", &format!("https://acme.my.salesforce.com/?sid={token}"))], ""),
        Reply::Reset,
    ] {
        let server = Server::answering([reply]);
        let client = server.client().await;
        let fault = client.query(&mut Usage::default(), &soql(), QueryOptions::default()).await.unwrap_err();
        let mut shown = format!("{fault} {fault:?} {client:?}");
        let error = Error::from(fault);
        shown.push_str(&format!("{error} {error:?} {:?}", error.advice()));
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

async fn failed(reply: Reply) -> Fault {
    let server = Server::answering([reply]);
    let client = server.client().await;
    client.query(&mut Usage::default(), &soql(), QueryOptions::default()).await.unwrap_err()
}

#[tokio::test]
async fn what_a_reader_acts_on_keeps_its_code() {
    for (code, expected) in [
        ("QUERY_TIMEOUT", Code::QueryTimeout),
        ("INVALID_QUERY_LOCATOR", Code::InvalidQueryLocator),
        ("INVALID_FIELD", Code::InvalidField),
        ("INVALID_TYPE", Code::InvalidType),
        ("OPERATION_TOO_LARGE", Code::OperationTooLarge),
        ("MALFORMED_QUERY", Code::MalformedQuery),
        ("SOMETHING_NEW", Code::Other("SOMETHING_NEW".into())),
    ] {
        let fault = failed(error(400, code, "m")).await;
        assert!(fault.is(&expected), "{fault:?}");
        assert_eq!(Error::from(fault).remote_code(), Some(code));
    }
    let message = "\nSELECT Id, Foo__c FROM Contact WHERE Email = 'me@x.org'\n           ^\nERROR at Row:1:Column:12\nNo such column 'Foo__c' on entity 'Contact'. If you are";
    let fault = failed(error(400, "INVALID_FIELD", message)).await;
    assert_eq!(fault.refusal().unwrap().missing_column(), Some("Foo__c"));
    assert!(!fault.to_string().contains("me@x.org"), "{fault}");
}

#[tokio::test]
async fn a_used_up_quota_says_when_to_come_back() {
    let fault = failed(error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")).await;
    assert!(fault.is_quota() && !fault.is_crowded());
    let Retry::NotBefore(at) = Error::from(fault).retry() else { panic!("no instant") };
    let wait = at.duration_since(Timestamp::now()).as_secs();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
}

#[tokio::test(start_paused = true)]
async fn the_advice_names_the_user() {
    let denied = error(403, "API_CURRENTLY_DISABLED", "API is disabled for this User");
    let server = Server::answering([denied.clone()]);
    let client = server.client().await;
    let mut usage = Usage::default();
    let advice = async |usage: &mut Usage| {
        let fault = client.query(usage, &soql(), QueryOptions::default()).await.unwrap_err();
        Error::from(fault).advice().unwrap().to_owned()
    };
    assert!(
        advice(&mut usage)
            .await
            .contains("\"API Enabled\" in the profile or a permission set of the user 0056g0000049jc6AAA")
    );
    server.answer([json(200, r#"{"user_id":"0056g0000049jc6AAA","preferred_username":"api@acme.example"}"#)]);
    client.identity(&mut usage).await.unwrap();
    server.answer([denied]);
    assert!(advice(&mut usage).await.contains("api@acme.example"));
}

#[tokio::test(start_paused = true)]
async fn waits_are_as_long_as_the_server_says() {
    let server = Server::answering([with(429, &[("retry-after", "77")], ""), json(200, ONE_RECORD)]);
    let client = server.client().await;
    let start = Instant::now();
    client.query(&mut Usage::default(), &soql(), QueryOptions::default()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(77));

    // Longer than the time for all attempts: given back at once, with the wait in the error.
    let server = Server::answering([with(503, &[("retry-after", "7200")], "")]);
    let client = server.client().await;
    let start = Instant::now();
    let fault = client.query(&mut Usage::default(), &soql(), QueryOptions::default()).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(Error::from(fault).retry(), Retry::BackOff(Some(Duration::from_secs(7_200))));

    // An org that is being woken up is given minutes.
    let server = Server::answering([with(420, &[], "")]);
    let client = server.client().await;
    let start = Instant::now();
    client.query(&mut Usage::default(), &soql(), QueryOptions::default()).await.unwrap_err();
    assert!(start.elapsed() > Duration::from_secs(100), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once_lowers_the_concurrency() {
    let crowded =
        error(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.");
    let server = Server::answering([crowded, json(200, ONE_RECORD)]);
    let client = server.client().await;
    assert_eq!(client.concurrency(), 5);
    client.query(&mut Usage::default(), &soql(), QueryOptions::default()).await.unwrap();
    assert_eq!(client.concurrency(), 2);
}

#[tokio::test]
async fn plain_text_that_is_called_gzip_is_read() {
    let server = Server::answering([with(200, &[("content-encoding", "gzip")], ONE_RECORD)]);
    let client = server.client().await;
    let page = client.query(&mut Usage::default(), &soql(), QueryOptions::default()).await.unwrap();
    assert_eq!(page.rows().collect::<Vec<_>>(), [r#"{"Id":"001"}"#]);
}
