//! Faults on demand, and the control endpoints.

use std::time::{Duration, Instant};

use serde_json::json;
use unicrm_salesforce_emulator::{Emulator, Fault, FaultRule, Resource};

use crate::client::{Client, empty, read, seeded, start};

async fn limits(client: &Client) -> Result<crate::client::Answer, reqwest::Error> {
    read(client.request("GET", "/limits")).await
}

#[tokio::test]
async fn every_answering_fault_answers_as_told_and_then_stops() {
    let client = empty().await;
    let error = |status: u16, code: &str| (status, Some(code.to_owned()));
    let cases = [
        (Fault::SessionRejected, error(401, "INVALID_SESSION_ID")),
        (Fault::ApiDisabledForOrg, error(403, "API_DISABLED_FOR_ORG")),
        (Fault::ApiCurrentlyDisabled, error(403, "API_CURRENTLY_DISABLED")),
        (Fault::ExpiredPassword, error(403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD")),
        (Fault::EdgeEmpty, (420, None)),
        (Fault::EdgePage, (420, None)),
        (Fault::NotAcceptable, (406, None)),
        (Fault::TooManyRequests { retry_after: Some(3) }, (429, None)),
        (Fault::ServerUnavailable, error(503, "SERVER_UNAVAILABLE")),
        (Fault::ServerUnavailablePage, (503, None)),
        (Fault::MaintenancePage, (200, None)),
        (Fault::LoginPage, (200, None)),
        (Fault::UnknownException, error(500, "UNKNOWN_EXCEPTION")),
        (Fault::TotalRequests, error(403, "REQUEST_LIMIT_EXCEEDED")),
        (Fault::ConcurrentRequests, error(403, "REQUEST_LIMIT_EXCEEDED")),
        (Fault::ConcurrentLongTransactions, error(403, "REQUEST_LIMIT_EXCEEDED")),
        (Fault::TransactionSecurity, error(403, "TXN_SECURITY_METERING_ERROR")),
        (Fault::QueryTimeout, error(400, "QUERY_TIMEOUT")),
        (Fault::InvalidQueryLocator, error(400, "INVALID_QUERY_LOCATOR")),
        (Fault::OperationTooLarge, error(400, "OPERATION_TOO_LARGE")),
        (Fault::UriTooLong, (414, None)),
        (Fault::HeadersTooLarge, (431, None)),
        (Fault::VersionRetired, error(410, "UNSUPPORTED_API_VERSION")),
        (Fault::UnableToLockRow, error(400, "UNABLE_TO_LOCK_ROW")),
        (Fault::Error { status: 418, code: "TEAPOT".into(), message: "short".into() }, error(418, "TEAPOT")),
    ];
    for (fault, (status, code)) in cases {
        client.emulator.faults().add(FaultRule::new(Resource::Limits, fault.clone()));
        let answer = limits(&client).await.unwrap();
        assert_eq!(answer.status, status, "{fault:?}");
        match code {
            Some(code) => assert_eq!(answer.error().1, code, "{fault:?}"),
            None => assert!(
                serde_json::from_slice::<serde_json::Value>(&answer.body).is_err(),
                "{fault:?}: {}",
                answer.text()
            ),
        }
        assert_eq!(limits(&client).await.unwrap().status, 200, "{fault:?} is over");
    }
    client
        .emulator
        .faults()
        .add(FaultRule::new(Resource::Limits, Fault::TooManyRequests { retry_after: Some(3) }));
    assert_eq!(limits(&client).await.unwrap().header("retry-after"), Some("3"));
}

#[tokio::test]
async fn an_expired_session_needs_a_new_token() {
    let mut client = empty().await;
    client.emulator.faults().add(FaultRule::new(Resource::Limits, Fault::SessionExpired));
    assert_eq!(limits(&client).await.unwrap().status, 401);
    assert_eq!(limits(&client).await.unwrap().status, 401, "the token stays useless");
    client.log_in().await;
    assert_eq!(limits(&client).await.unwrap().status, 200);
    client.emulator.faults().add(FaultRule::new(Resource::Token, Fault::RefreshRefused).forever());
    let answer = client
        .token(&[
            ("grant_type", "refresh_token"),
            ("client_id", client.emulator.client_id()),
            ("refresh_token", client.emulator.refresh_token()),
        ])
        .await;
    assert_eq!(
        answer.json(),
        json!({ "error": "invalid_grant", "error_description": "expired access/refresh token" })
    );
}

#[tokio::test]
async fn bodies_are_cut_both_ways() {
    let client = seeded().await;
    for chunked in [false, true] {
        client.emulator.faults().add(FaultRule::new(Resource::Query, Fault::BodyCut { chunked }));
        let request = client.request("GET", "/query").query(&[("q", "SELECT Id, Name FROM Contact")]);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().contains_key("content-length"), !chunked);
        assert!(response.bytes().await.is_err(), "chunked: {chunked}");
        assert_eq!(client.query("SELECT Id FROM Contact").await.status, 200);
    }
}

#[tokio::test]
async fn connections_end_without_an_answer() {
    let client = empty().await;
    for fault in [Fault::ConnectionClosed, Fault::ConnectionReset] {
        client.emulator.faults().add(FaultRule::new(Resource::Limits, fault.clone()));
        assert!(limits(&client).await.is_err(), "{fault:?}");
        assert_eq!(limits(&client).await.unwrap().status, 200);
    }
    client.emulator.faults().add(FaultRule::new(Resource::Sobject, Fault::AnswerLost));
    let lost = read(client.request("POST", "/sobjects/Account").json(&json!({ "Name": "Acme" }))).await;
    assert!(lost.is_err());
    assert_eq!(client.emulator.org().count("Account").await.unwrap(), 1, "the write was carried out");
    assert_eq!(client.emulator.log().entries().last().unwrap().status, 0);
}

#[tokio::test]
async fn gzip_can_be_a_lie() {
    let client = empty().await;
    client.emulator.faults().add(FaultRule::new(Resource::Limits, Fault::GzipMislabelled));
    let answer = limits(&client).await.unwrap();
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert!(answer.json().is_object(), "plain in truth");
    client.emulator.faults().add(FaultRule::new(Resource::Limits, Fault::GzipTwice));
    let answer = limits(&client).await.unwrap();
    let once = flate2::read::GzDecoder::new(answer.body.as_slice());
    let twice = flate2::read::GzDecoder::new(once);
    assert!(serde_json::from_reader::<_, serde_json::Value>(twice).unwrap().is_object());
}

#[tokio::test]
async fn stalls_and_delays_take_their_time() {
    let client = empty().await;
    for fault in [Fault::BodyStalled { milliseconds: 300 }, Fault::Delay { milliseconds: 300 }] {
        client.emulator.faults().add(FaultRule::new(Resource::Limits, fault.clone()));
        let begun = Instant::now();
        assert!(limits(&client).await.unwrap().json().is_object(), "{fault:?}: whole in the end");
        assert!(begun.elapsed() >= Duration::from_millis(300), "{fault:?}");
    }
}

#[tokio::test]
async fn a_moved_org_redirects_and_answers_at_its_new_host() {
    let client = empty().await;
    client
        .emulator
        .faults()
        .add(FaultRule::new(Resource::Limits, Fault::InstanceMoved { redirect: Some(302) }));
    let answer = limits(&client).await.unwrap();
    assert_eq!(answer.status, 302);
    let target = answer.header("location").unwrap();
    assert!(
        target.starts_with(&client.emulator.instance_url())
            && target.ends_with("/services/data/v66.0/limits")
    );
    assert_ne!(client.emulator.instance_url(), client.emulator.url());
    assert_eq!(read(client.http.get(target).bearer_auth(&client.token)).await.unwrap().status, 200);
    let (id, secret) = (client.emulator.client_id(), client.emulator.client_secret());
    let token = client
        .token(&[("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)])
        .await
        .json();
    assert_eq!(token["instance_url"], json!(client.emulator.instance_url()), "tokens name the new host");
}

#[tokio::test]
async fn fields_objects_and_locators_disappear_in_mid_flight() {
    let client = seeded().await;
    let request = client
        .request("GET", "/query")
        .query(&[("q", "SELECT Id FROM Contact")])
        .header("Sforce-Query-Options", "batchSize=200");
    let next = read(request).await.unwrap().json()["nextRecordsUrl"].as_str().unwrap().to_owned();
    client
        .emulator
        .faults()
        .add(FaultRule::new(Resource::QueryMore, Fault::InvalidQueryLocator).on_object("Contact"));
    assert_eq!(client.get(&next).await.error(), (400, "INVALID_QUERY_LOCATOR".into()));
    assert_eq!(
        client.get(&next).await.error(),
        (400, "INVALID_QUERY_LOCATOR".into()),
        "it does not come back"
    );
    client.emulator.faults().add(FaultRule::new(
        Resource::Query,
        Fault::FieldDisappears { object: "Contact".into(), field: "Title".into() },
    ));
    assert_eq!(
        client.query("SELECT Title FROM Contact LIMIT 1").await.error(),
        (400, "INVALID_FIELD".into())
    );
    client
        .emulator
        .faults()
        .add(FaultRule::new(Resource::Query, Fault::ObjectDisappears { object: "Lead".into() }));
    assert_eq!(client.query("SELECT Id FROM Lead LIMIT 1").await.error(), (400, "INVALID_TYPE".into()));
    client.emulator.faults().add(FaultRule::new(Resource::Query, Fault::ShortPage { bytes: 2_000 }));
    let page = client.query("SELECT Id, Name FROM Contact").await.json();
    let rows = page["records"].as_array().unwrap().len();
    assert!(rows > 1 && rows < 100 && page["done"] == json!(false), "{rows} rows");
}

#[tokio::test]
async fn control_endpoints_serve_other_processes() {
    let client = empty().await;
    let info = client.get("/_emulator/info").await.json();
    assert_eq!(info["client_id"], json!(client.emulator.client_id()));
    let set = client
        .post(
            "/_emulator/faults",
            json!([{ "resource": "limits", "times": 2, "fault": { "kind": "query_timeout" } }]),
        )
        .await;
    assert_eq!(set.status, 200, "{}", set.text());
    assert_eq!(limits(&client).await.unwrap().status, 400);
    assert_eq!(client.get("/_emulator/faults").await.json()[0]["struck"], json!(1));
    assert_eq!(client.send("DELETE", "/_emulator/faults", None).await.status, 204);
    assert_eq!(limits(&client).await.unwrap().status, 200);
    assert!(
        client
            .post("/_emulator/faults", json!({ "fault": { "kind": "nonsense" } }))
            .await
            .text()
            .contains("nonsense")
    );
    let log = client.get("/_emulator/log").await.json();
    assert_eq!(log["resources"]["limits"]["requests"], json!(2));
    assert!(
        log["entries"].as_array().unwrap().iter().any(|entry| entry["faults"] == json!(["query_timeout"]))
    );
    let before = client.emulator.org().now();
    client.post("/_emulator/clock", json!({ "advance_seconds": 3600 })).await;
    assert!(client.emulator.org().now() >= before + Duration::from_secs(3600));
    let hidden = client.post("/_emulator/visibility", json!({ "objects": { "Lead": { "read": false, "create": false, "edit": false, "delete": false, "view_all": false, "modify_all": false } } })).await;
    assert_eq!(hidden.status, 200, "{}", hidden.text());
    assert_eq!(client.get("/sobjects/Lead/describe").await.status, 404);
    client.post("/_emulator/sessions", json!({})).await;
    assert_eq!(limits(&client).await.unwrap().status, 401);
}

#[tokio::test]
async fn too_many_at_once_are_refused() {
    let client = start(Emulator::builder().seed(1).contacts(3000).concurrent_limit(1)).await;
    let one = || client.query("SELECT Id, Name, Email, Account.Name FROM Contact ORDER BY Name");
    let answers = futures::future::join_all((0..6).map(|_| one())).await;
    let refused = answers.iter().filter(|answer| answer.status == 403).count();
    assert!(answers.iter().any(|answer| answer.status == 200));
    assert!(refused > 0, "requests overlap");
    let message = answers.iter().find(|answer| answer.status == 403).unwrap().json()[0]["message"].clone();
    assert_eq!(message, "ConcurrentRequests (Concurrent API Requests) Limit exceeded.");
    assert_eq!(one().await.status, 200);
}
