//! What the requests look like, and what is made of good answers.

use unicrm_core::{Quota, Usage};

use super::script::*;
use crate::api::soql::{Condition, Literal, Soql};
use crate::api::{Client, QueryOptions, SubAnswer, SubRequest};

const DESCRIBE: &str = r#"{"name":"Lead","label":"Lead","keyPrefix":"00Q","queryable":true,"childRelationships":[{"childSObject":"Task","field":"WhoId","relationshipName":"Tasks","cascadeDelete":true}],
    "fields":[{"name":"Id","type":"id","filterable":true},{"name":"Rating__c","type":"newtype","custom":true,"defaultValue":12345678901234567.89,"picklistValues":[{"value":null,"active":true}]}]}"#;

fn describe(since: Option<&str>) -> Reply {
    let headers: Vec<_> = since.map(|at| ("last-modified", at)).into_iter().collect();
    with(200, &headers, DESCRIBE)
}

fn long_query() -> Soql {
    let ids = (0..900).map(|at| Literal::id(format!("003{at:012}")));
    Soql::select("Contact").fields(["Id"]).filter(Condition::in_("Id", ids))
}

async fn client_of(server: &std::sync::Arc<Server>) -> (Client, Usage) {
    (server.client().await, Usage::default())
}

#[tokio::test]
async fn a_query_is_escaped_and_its_page_is_counted() {
    let headers = [("sforce-limit-info", "api-usage=18/15000"), ("date", "Tue, 13 Apr 2021 11:33:05 GMT")];
    let server = Server::answering([with(200, &headers, ONE_RECORD)]);
    let (client, mut usage) = client_of(&server).await;
    let options = QueryOptions { all_rows: true, batch_size: Some(5) };
    let page = client.query(&mut usage, &soql(), options).await.unwrap();
    let dated: jiff::Timestamp = "2021-04-13T11:33:05Z".parse().unwrap();
    assert!(
        page.server_time.is_some_and(|began| began <= dated),
        "what changed meanwhile may not be on the page"
    );
    assert!(client.now() >= dated && client.now() < dated + jiff::SignedDuration::from_hours(1));
    assert_eq!(usage.quota, Some(Quota { used: 18, limit: 15_000 }));
    let call = &server.calls()[0];
    assert_eq!(
        call.path,
        "/services/data/v66.0/queryAll?q=SELECT+Id+FROM+Account+WHERE+Name+%3D+%27A+%26+B%2BC%27"
    );
    assert_eq!(call.headers["sforce-query-options"], "batchSize=200");
    assert_eq!(call.headers["accept"], "application/json");
    assert!(!call.headers.contains_key("accept-language"));
    assert!(call.headers["authorization"].is_sensitive());
}

#[tokio::test]
async fn versions_are_agreed_on_and_can_be_pinned() {
    let server = Server::answering([]);
    assert_eq!(server.client().await.version().to_string(), "66.0");
    let pinned = server.connect(r#"{"api_version":"60.0","locale":"de"}"#).await.unwrap();
    pinned.limits(&mut Usage::default()).await.unwrap_err();
    let call = server.calls().pop().unwrap();
    assert_eq!(
        (call.path.as_str(), &call.headers["accept-language"]),
        ("/services/data/v60.0/limits", &"de".parse().unwrap())
    );
    assert!(server.connect(r#"{"api_version":"61.0"}"#).await.is_err());
}

fn composite(bodies: &[(u16, &str)]) -> Reply {
    let entry = |(at, (status, body)): (usize, &(u16, &str))| {
        format!(
            r#"{{"body":{body},"httpHeaders":{{"Last-Modified":"yesterday"}},"httpStatusCode":{status},"referenceId":"r{at}"}}"#
        )
    };
    // In another order than asked.
    let mut entries: Vec<_> = bodies.iter().enumerate().map(entry).collect();
    entries.reverse();
    json(200, &format!(r#"{{"compositeResponse":[{}]}}"#, entries.join(",")))
}

#[tokio::test]
async fn a_long_query_travels_in_a_body() {
    let server = Server::answering([composite(&[(200, ONE_RECORD)])]);
    let (client, mut usage) = client_of(&server).await;
    let options = QueryOptions { batch_size: Some(2_000), ..QueryOptions::default() };
    let page = client.query(&mut usage, &long_query(), options).await.unwrap();
    assert_eq!(page.rows().collect::<Vec<_>>(), [r#"{"Id":"001"}"#]);
    let call = &server.calls()[0];
    assert_eq!((call.path.as_str(), call.method.as_str()), ("/services/data/v66.0/composite", "POST"));
    let body: serde_json::Value = serde_json::from_str(&call.body).unwrap();
    let part = &body["compositeRequest"][0];
    assert_eq!(
        (&part["method"], &part["httpHeaders"]["Sforce-Query-Options"]),
        (&"GET".into(), &"batchSize=2000".into())
    );
    let url = part["url"].as_str().unwrap();
    let (_, query) = url::form_urlencoded::parse(url.split_once('?').unwrap().1.as_bytes()).next().unwrap();
    assert_eq!(query, long_query().text().unwrap());
}

#[tokio::test]
async fn a_query_that_is_too_long_for_somebody_on_the_way_travels_in_a_body() {
    for status in [414, 431] {
        let server = Server::answering([page(status), composite(&[(200, ONE_RECORD)])]);
        let (client, mut usage) = client_of(&server).await;
        client.query(&mut usage, &soql(), QueryOptions::default()).await.unwrap();
        assert_eq!(usage.calls, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_inside_a_composite_call_is_the_querys_own() {
    let busy = composite(&[(503, r#"[{"message":"m","errorCode":"SERVER_UNAVAILABLE"}]"#)]);
    let server = Server::answering([busy, composite(&[(200, ONE_RECORD)])]);
    let (client, mut usage) = client_of(&server).await;
    client.query(&mut usage, &long_query(), QueryOptions::default()).await.unwrap();
    assert_eq!(usage.retries, 1);
    server.answer([composite(&[(400, r#"[{"message":"m","errorCode":"QUERY_TIMEOUT"}]"#)])]);
    let fault = client.query(&mut usage, &long_query(), QueryOptions::default()).await.unwrap_err();
    assert!(fault.is(&crate::error::Code::QueryTimeout));
}

#[tokio::test]
async fn several_queries_are_one_call_and_fail_one_by_one() {
    let refused = r#"[{"message":"m","errorCode":"INVALID_TYPE"}]"#;
    let server = Server::answering([composite(&[
        (200, ONE_RECORD),
        (400, refused),
        (200, r#"{"totalSize":7,"done":true,"records":[]}"#),
    ])]);
    let (client, mut usage) = client_of(&server).await;
    let request = client.query_request(&soql(), QueryOptions::default()).unwrap();
    let answers = client.composite_batch(&mut usage, &vec![request; 3]).await.unwrap();
    assert_eq!(usage.calls, 1);
    let pages = answers.into_iter().map(|answer| answer.and_then(SubAnswer::page));
    let sizes: Vec<_> = pages.map(|page| page.map(|page| page.total_size).ok()).collect();
    assert_eq!(sizes, [Some(1), None, Some(7)]);
}

#[tokio::test]
async fn a_composite_answer_that_leaves_one_out_is_an_error() {
    let server = Server::answering([composite(&[(200, "{}")])]);
    let (client, mut usage) = client_of(&server).await;
    let requests =
        [SubRequest::get("/services/data/v66.0/limits"), SubRequest::get("/services/data/v66.0/limits")];
    assert!(client.composite_batch(&mut usage, &requests).await.is_err());
    assert!(client.composite_batch(&mut usage, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_description_is_asked_for_once_and_again_when_it_was_wrong() {
    let server = Server::answering([describe(Some("yesterday"))]);
    let (client, mut usage) = client_of(&server).await;
    let lead = client.describe(&mut usage, "Lead").await.unwrap();
    assert_eq!(lead.object.key_prefix.as_deref(), Some("00Q"));
    assert_eq!(lead.field("rating__C").unwrap().field_type.as_str(), "newtype");
    assert!(lead.has_child_relationship("Tasks") && !lead.has_child_relationship("Events"));
    client.describe(&mut usage, "lead").await.unwrap();
    assert_eq!(server.calls().len(), 1);
    client.forget_describe("Lead");
    client.describe(&mut usage, "Lead").await.unwrap();
    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    assert!(!calls[1].headers.contains_key("if-modified-since"), "fetched whole");
    assert!(client.describe(&mut usage, "../limits").await.is_err());
}

#[tokio::test]
async fn an_old_description_on_disk_is_confirmed_and_not_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let config = serde_json::json!({ "cache_dir": dir.path() }).to_string();
    let server = Server::answering([describe(Some("yesterday"))]);
    let mut usage = Usage::default();
    server.connect(&config).await.unwrap().describe(&mut usage, "Lead").await.unwrap();
    server.connect(&config).await.unwrap().describe(&mut usage, "Lead").await.unwrap();
    assert_eq!(server.calls().len(), 1, "fresh on disk");

    let place = "salesforce/00D6g000006wre4EAA/0056g0000049jc6AAA/v66.0/user/lead.describe";
    let file = std::fs::File::options().append(true).open(dir.path().join(place)).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    server.answer([with(304, &[], "")]);
    let client = server.connect(&config).await.unwrap();
    assert_eq!(client.describe(&mut usage, "Lead").await.unwrap().fields.len(), 2);
    assert_eq!(server.calls()[1].headers["if-modified-since"], "yesterday");
    client.describe(&mut usage, "Lead").await.unwrap();
    assert_eq!(server.calls().len(), 2, "fresh again");
}

#[tokio::test]
async fn many_descriptions_are_one_call() {
    let refused = r#"[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]"#;
    let server = Server::answering([composite(&[(200, DESCRIBE), (404, refused)])]);
    let (client, mut usage) = client_of(&server).await;
    let outcomes = client.describe_many(&mut usage, &["Lead", "Nothing__c"]).await.unwrap();
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
    assert_eq!(usage.calls, 1);
    client.describe(&mut usage, "Lead").await.unwrap();
    let outcomes = client.describe_many(&mut usage, &["Lead"]).await.unwrap();
    assert!(outcomes[0].is_ok());
    assert_eq!(usage.calls, 1, "known by now");
}

#[tokio::test]
async fn identity_falls_back_to_the_identity_url() {
    let server = Server::answering([
        with(403, &[], "Bad_OAuth_Token"),
        with(403, &[], "Bad_OAuth_Token"),
        json(
            200,
            r#"{"user_id":"0056g0000049jc6AAA","username":"u@x","organization_id":"00D6g000006wre4EAA"}"#,
        ),
    ]);
    let (client, mut usage) = client_of(&server).await;
    let info = client.identity(&mut usage).await.unwrap();
    assert_eq!(info.username.as_deref(), Some("u@x"));
    assert_eq!(server.calls()[2].path, "/id/00D6g000006wre4EAA/0056g0000049jc6AAA");
    assert_eq!(usage.calls, 0, "identity is not taken off the quota");
}

#[tokio::test]
async fn deleted_records_of_a_span_and_bytes() {
    let server = Server::answering([json(
        200,
        r#"{"deletedRecords":[{"id":"a00D0000008pQRA","deletedDate":"2013-05-07T22:07:19.000+0000"}],"earliestDateAvailable":"2013-05-03T15:57:00.000+0000","latestDateCovered":"2013-05-08T21:20:00.000+0000"}"#,
    )]);
    let (client, mut usage) = client_of(&server).await;
    let (start, end) = ("2013-05-05T00:00:00.9Z".parse().unwrap(), "2013-05-10T00:00:00Z".parse().unwrap());
    let deleted = client.deleted(&mut usage, "Merchandise__c", start, end).await.unwrap();
    assert_eq!(deleted.records[0].id, "a00D0000008pQRAIA2");
    assert_eq!(
        server.calls()[0].path,
        "/services/data/v66.0/sobjects/Merchandise__c/deleted/?start=2013-05-05T00:00:00%2B00:00&end=2013-05-10T00:00:00%2B00:00"
    );
    server.answer([with(200, &[("content-type", "text/html")], "<b>note</b>")]);
    let bytes = client.blob(&mut usage, "/sobjects/ContentNote/069/Content", 100).await.unwrap();
    assert_eq!(bytes, "<b>note</b>");
    assert_eq!(server.calls()[1].path, "/services/data/v66.0/sobjects/ContentNote/069/Content");
    assert!(client.blob(&mut usage, "/sobjects/ContentNote/069/Content", 5).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_page_that_stands_in_the_way_is_not_the_body_of_a_note() {
    let html = |body| with(200, &[("content-type", "text/html; charset=utf-8")], body);
    let login = html("\n<!DocType HTML><title>Login</title>");
    let server = Server::answering([page(200), login, html("<p>note</p>")]);
    let (client, mut usage) = client_of(&server).await;
    let body = client.blob(&mut usage, "/sobjects/ContentNote/069/Content", 100).await.unwrap();
    assert_eq!((body, usage.retries), ("<p>note</p>".into(), 2));
}
