//! Tokens, instances and redirects.

use unicrm_core::{CredentialStore as _, Error, ErrorKind, RawRequest, Retry, Usage};

use super::script::*;
use crate::api::{Locator, QueryOptions};
use crate::error::Fault;

async fn query(server: &std::sync::Arc<Server>) -> (Result<crate::api::QueryPage, Fault>, Usage) {
    let client = server.client().await;
    let mut usage = Usage::default();
    let outcome = client.query(&mut usage, &soql(), QueryOptions::default()).await;
    (outcome, usage)
}

#[tokio::test]
async fn a_session_that_ends_between_pages_goes_on_at_the_same_place() {
    let server = Server::answering([
        json(
            200,
            r#"{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/01g-2000","records":[{}]}"#,
        ),
        json(401, EXPIRED),
        json(200, ONE_RECORD),
    ]);
    let client = server.client().await;
    let mut usage = Usage::default();
    let first = client.query(&mut usage, &soql(), QueryOptions::default()).await.unwrap();
    assert_eq!((usage.calls, usage.refreshes), (1, 1), "the first request reports the sign-in");
    let mut usage = Usage::default();
    let second = client.query_more(&mut usage, first.next.as_ref().unwrap()).await.unwrap();
    assert_eq!(second.records.len(), 1);
    assert_eq!((usage.calls, usage.retries, usage.refreshes), (2, 1, 1));
    let calls = server.calls();
    assert_eq!(calls[1].path, "/services/data/v66.0/query/01g-2000");
    assert_eq!(calls[2].path, calls[1].path);
    assert_ne!(calls[2].token, calls[1].token);
}

#[tokio::test]
async fn one_refresh_and_one_refusal_is_the_end() {
    let server = Server::answering([json(401, EXPIRED)]);
    let (outcome, usage) = query(&server).await;
    let error = Error::from(outcome.unwrap_err());
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unauthenticated, Retry::Relink));
    assert_eq!(error.remote_code(), Some("INVALID_SESSION_ID"));
    assert!(error.advice().unwrap().contains("login_url"), "{error:?}");
    assert_eq!(server.calls().len(), 2);
    assert_eq!((server.refreshes(), usage.refreshes), (2, 2));
}

#[tokio::test]
async fn every_way_of_saying_that_the_session_is_over_is_understood() {
    for reply in [
        json(401, EXPIRED),
        json(400, r#"{"exceptionCode":"InvalidSessionId","exceptionMessage":"Invalid session id"}"#),
        json(401, r#"[{"message":"INVALID_HEADER_TYPE","errorCode":"INVALID_AUTH_HEADER"}]"#),
        with(403, &[("content-type", "text/plain")], "Bad_OAuth_Token"),
        with(401, &[], ""),
        page(401),
    ] {
        let server = Server::answering([reply.clone(), json(200, ONE_RECORD)]);
        let (outcome, _) = query(&server).await;
        assert_eq!(outcome.unwrap().total_size, 1, "{reply:?}");
        assert_eq!(server.refreshes(), 2, "{reply:?}");
    }
}

#[tokio::test]
async fn many_requests_refresh_once() {
    let mut replies = vec![json(401, EXPIRED); 5];
    replies.push(json(200, ONE_RECORD));
    let server = Server::answering(replies);
    let client = server.client().await;
    let before = server.refreshes();
    let queries = (0..5).map(|_| {
        let client = client.clone();
        async move { client.query(&mut Usage::default(), &soql(), QueryOptions::default()).await }
    });
    for outcome in futures::future::join_all(queries).await {
        outcome.unwrap();
    }
    assert_eq!(server.refreshes() - before, 1);
    assert_eq!(server.calls().len(), 10);
}

#[tokio::test]
async fn a_rotated_refresh_token_is_stored_before_the_access_token_is_used() {
    let server = Server::answering([json(401, EXPIRED), json(200, ONE_RECORD)]);
    server.rotate();
    query(&server).await.0.unwrap();
    let stored = server.stored_refresh_tokens();
    let token = |number: u32| Some(format!("{}{number}", SECRETS[1]));
    assert_eq!(stored, [token(1), token(1), token(2)]);
}

#[tokio::test]
async fn a_refused_grant_says_what_to_do() {
    for (body, kind, part) in [
        (
            r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#,
            ErrorKind::Unauthenticated,
            "link the account again",
        ),
        (
            r#"{"error":"invalid_grant","error_description":"authentication failure"}"#,
            ErrorKind::Unauthenticated,
            "test.salesforce.com",
        ),
        (
            r#"{"error":"invalid_grant","error_description":"request not supported on this domain"}"#,
            ErrorKind::InvalidConfig,
            "My Domain",
        ),
        (
            r#"{"error":"invalid_grant","error_description":"no client credentials user enabled"}"#,
            ErrorKind::InvalidConfig,
            "Run As",
        ),
        (
            r#"{"error":"invalid_client_id","error_description":"client identifier invalid"}"#,
            ErrorKind::Unauthenticated,
            "client_id",
        ),
        (
            r#"{"error":"invalid_client","error_description":"invalid client credentials"}"#,
            ErrorKind::Unauthenticated,
            "client_secret",
        ),
        (
            r#"{"error":"unsupported_grant_type","error_description":"grant type not supported"}"#,
            ErrorKind::InvalidConfig,
            "Enable this flow",
        ),
    ] {
        let server = Server::answering([]);
        server.next_token(json(400, body));
        let error = Error::from(server.connect("{}").await.unwrap_err());
        assert_eq!(error.kind(), kind, "{body}");
        assert!(error.advice().unwrap().contains(part), "{body}: {error:?}");
        assert!(server.calls().is_empty());
    }
}

#[tokio::test]
async fn a_missing_secret_is_named() {
    for (flow, secret) in [("client-credentials", "client_secret"), ("refresh-token", "refresh_token")] {
        let server = Server::answering([]);
        let stored = server.store.load().await.unwrap();
        let mut credentials = stored.credentials;
        credentials.remove(secret);
        server.store.compare_and_swap(stored.version, credentials).await.unwrap();
        let error = Error::from(server.connect(&format!(r#"{{"flow":"{flow}"}}"#)).await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.message().contains(secret), "{error}");
        assert!(server.all().is_empty());
    }
}

#[tokio::test]
async fn an_org_that_has_moved_is_followed_through_the_login_only() {
    for status in [301, 302, 303, 307, 308] {
        let redirect =
            with(status, &[("location", "https://evil.example.org/services/data/v66.0/query/01g-1")], "");
        let server = Server::answering([redirect, json(200, ONE_RECORD)]);
        let client = server.client().await;
        server.move_to("https://moved.my.salesforce.com/");
        let locator = Locator::new("/services/data/v66.0/query/01g-1").unwrap();
        client.query_more(&mut Usage::default(), &locator).await.unwrap();
        let calls = server.calls();
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[1].origin, "https://moved.my.salesforce.com");
        assert_eq!((&calls[1].path, &calls[1].method), (&calls[0].path, &calls[0].method));
        assert_eq!(client.instance_url().as_str(), "https://moved.my.salesforce.com/");
        assert!(server.all().iter().all(|seen| !seen.origin.contains("evil")));
    }
}

#[tokio::test]
async fn an_org_that_has_moved_together_with_its_sessions_is_found() {
    let server = Server::answering([with(302, &[("location", "/")], ""), json(200, ONE_RECORD)]);
    server.repeat_token();
    let client = server.client().await;
    server.move_to("https://moved.my.salesforce.com");
    client.query(&mut Usage::default(), &soql(), QueryOptions::default()).await.unwrap();
    let calls = server.calls();
    assert_eq!(calls[0].token, calls[1].token);
    assert_eq!(calls[1].origin, "https://moved.my.salesforce.com");
}

#[tokio::test]
async fn a_redirect_that_does_not_end_is_an_error() {
    let server = Server::answering([with(302, &[("location", "https://acme.my.salesforce.com/x")], "")]);
    let error = Error::from(query(&server).await.0.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_old_host_that_is_gone_is_found_anew() {
    let server = Server::answering([Reply::NoConnection, Reply::NoConnection, json(200, ONE_RECORD)]);
    server.move_to("https://old.my.salesforce.com");
    let client = server.client().await;
    server.move_to("https://new.my.salesforce.com");
    client.query(&mut Usage::default(), &soql(), QueryOptions::default()).await.unwrap();
    let origins: Vec<_> = server.calls().into_iter().map(|seen| seen.origin).collect();
    let (old, new) = ("https://old.my.salesforce.com", "https://new.my.salesforce.com");
    assert_eq!(origins, [old, old, new]);
}

#[tokio::test]
async fn no_token_goes_to_a_host_that_is_not_salesforces() {
    for instance in [
        "https://evil.example.org",
        "https://acme.my.salesforce.com.evil.org",
        "http://acme.my.salesforce.com",
        "http://127.0.0.1:8080",
        "https://me:pw@acme.my.salesforce.com",
        "acme",
    ] {
        let server = Server::answering([]);
        server.move_to(instance);
        let error = Error::from(server.connect("{}").await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{instance}: {error:?}");
        assert!(error.advice().unwrap().contains("allow_hosts"), "{instance}");
        assert_eq!(server.all().len(), 1, "{instance}: only the login was asked");
    }
    let server = Server::answering([]);
    server.move_to("https://crm.example.org");
    server.connect(r#"{"allow_hosts":["crm.example.org"]}"#).await.unwrap();
    let error =
        Error::from(server.connect(r#"{"login_url":"https://login.example.org"}"#).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn a_token_without_its_instance_is_renewed_once() {
    let server = Server::answering([]);
    let stored = server.store.load().await.unwrap();
    let credentials = stored.credentials.with("access_token", "00D!of-the-host".into());
    server.store.compare_and_swap(stored.version, credentials).await.unwrap();
    server.client().await;
    assert_eq!(server.refreshes(), 1);
    server.client().await;
    assert_eq!(server.refreshes(), 1, "the stored token is used as it is");
}

#[tokio::test]
async fn a_raw_request_gets_any_answer_and_stays_on_the_instance() {
    let server = Server::answering([json(401, EXPIRED), error(400, "MALFORMED_QUERY", "x")]);
    let client = server.client().await;
    let mut usage = Usage::default();
    let request = RawRequest::new("get", "/services/data/v66.0/query?q=x").header("X-Own", "1");
    let response = client.raw(&mut usage, &request).await.unwrap();
    assert_eq!((response.status, usage.calls, response.usage.calls), (400, 2, 2));
    assert_eq!(server.calls()[1].headers["x-own"], "1");

    for (path, header) in [
        ("https://evil.org/services", None),
        ("//evil.org/services", None),
        ("/\\evil.org", None),
        ("services", None),
        ("/services", Some("Authorization")),
        ("/services", Some("host")),
        ("/services", Some("a b")),
    ] {
        let mut request = RawRequest::new("GET", path);
        if let Some(name) = header {
            request = request.header(name, "x");
        }
        let error = Error::from(client.raw(&mut usage, &request).await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{path} {header:?}");
    }
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_raw_write_in_doubt_is_not_repeated() {
    let server = Server::answering([Reply::Reset]);
    let client = server.client().await;
    let request = RawRequest::new("POST", "/services/data/v66.0/sobjects/Account").body(*b"{}");
    let error = Error::from(client.raw(&mut Usage::default(), &request).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::InDoubt);
    assert_eq!(server.calls().len(), 1);
}
