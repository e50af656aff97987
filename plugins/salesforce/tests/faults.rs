//! Bad days: each fault strikes in the middle of a reading, and either all rows arrive or a typed error says what to do.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use unicrm_core::{Error, ErrorKind, ObjectKind, ProviderExt, ReadPart, Retry};
use unicrm_salesforce_emulator::{Fault, FaultRule, Record, Resource};

use crate::support::{Linked, Shown, read, read_all, read_restarting};

/// Short waits, so that a test that meets many faults ends soon.
const FEW_ATTEMPTS: &str = r#""flow":"client-credentials","limits":{"attempts":3}"#;

/// Reads all contacts in pages of 200, with a fault from the second request for a page on.
async fn read_over(linked: &Linked, fault: Fault, times: u64) -> Result<Shown, Error> {
    // The login answers on, whatever the API does.
    let resource = if fault == Fault::SessionRejected { Resource::QueryMore } else { Resource::Any };
    let provider = linked.connect().await;
    let mut pages = provider.pages(ReadPart::all(ObjectKind::Contact).page_size(200));
    let mut shown = Shown::default();
    let first = pages.next().await.expect("a page")?;
    first.rows.into_iter().for_each(|row| shown.take(row));
    linked.emulator.faults().add(FaultRule::new(resource, fault).times(times));
    while let Some(page) = pages.next().await {
        page?.rows.into_iter().for_each(|row| shown.take(row));
    }
    assert!(linked.emulator.faults().struck() > 0, "the fault struck");
    linked.emulator.faults().clear();
    Ok(shown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_faults_lose_nothing() {
    let linked = Linked::with_contacts(900).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    for (fault, times) in [
        (Fault::SessionExpired, 1),
        (Fault::NotAcceptable, 1),
        (Fault::TooManyRequests { retry_after: Some(1) }, 1),
        (Fault::ServerUnavailable, 2),
        (Fault::ServerUnavailablePage, 1),
        (Fault::MaintenancePage, 1),
        (Fault::LoginPage, 1),
        (Fault::BodyCut { chunked: false }, 1),
        (Fault::BodyCut { chunked: true }, 1),
        (Fault::GzipMislabelled, 1),
        (Fault::GzipTwice, 1),
        (Fault::ConnectionClosed, 1),
        (Fault::ConnectionReset, 1),
        (Fault::UnknownException, 1),
        (Fault::ConcurrentRequests, 1),
        (Fault::ConcurrentLongTransactions, 1),
        (Fault::TransactionSecurity, 1),
        (Fault::QueryTimeout, 1),
        (Fault::QueryTimeout, 4),
        (Fault::InvalidQueryLocator, 1),
        (Fault::OperationTooLarge, 2),
        (Fault::InstanceMoved { redirect: None }, 1),
        (Fault::InstanceMoved { redirect: Some(302) }, 1),
        (Fault::ShortPage { bytes: 20_000 }, 100),
    ] {
        let name = format!("{fault:?} {times} times");
        let shown =
            read_over(&linked, fault, times).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        println!("{name}: {} rows in all", shown.rows);
        shown.assert_whole(ObjectKind::Contact, &expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_too_long_for_a_url_travels_in_a_body() {
    let linked = Linked::with_contacts(450).await;
    linked.emulator.faults().add(FaultRule::new(Resource::Query, Fault::UriTooLong));
    let shown = read_all(&*linked.connect().await, ObjectKind::Contact).await;
    shown.assert_whole(ObjectKind::Contact, &linked.expected(ObjectKind::Contact).await);
    assert!(linked.emulator.log().count(Resource::Composite).requests > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_org_that_wakes_up_is_waited_for() {
    let linked = Linked::with_contacts(450).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let shown = read_over(&linked, Fault::EdgePage, 1).await.unwrap();
    shown.assert_whole(ObjectKind::Contact, &expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lasting_faults_are_errors_that_say_what_to_do() {
    let linked = Linked::with_contacts(450).await;
    for (fault, kind, part) in [
        (Fault::TotalRequests, ErrorKind::QuotaExhausted, "API calls"),
        (Fault::ApiDisabledForOrg, ErrorKind::PermissionDenied, "API"),
        (Fault::ApiCurrentlyDisabled, ErrorKind::PermissionDenied, "API Enabled"),
        (Fault::ExpiredPassword, ErrorKind::PermissionDenied, "password"),
        (Fault::SessionRejected, ErrorKind::Unauthenticated, "login_url"),
    ] {
        let name = format!("{fault:?}");
        let error = read_over(&linked, fault, u64::MAX).await.expect_err(&name);
        linked.emulator.faults().clear();
        assert_eq!(error.kind(), kind, "{name}: {error:?}");
        assert!(error.advice().is_some_and(|advice| advice.contains(part)), "{name}: {error:?}");
        assert_eq!((error.provider(), error.operation()), (Some("salesforce"), Some("read")), "{name}");
    }
    let error = read_over(&linked, Fault::TotalRequests, u64::MAX).await.expect_err("the quota");
    assert!(matches!(error.retry(), Retry::NotBefore(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_goes_on_from_its_token_after_an_outage_and_a_restart() {
    let linked = Linked::with_contacts(900).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let provider = linked.connect_with(FEW_ATTEMPTS).await.unwrap();
    let part = ReadPart::all(ObjectKind::Contact).page_size(200);
    let page = provider.read_page(part.clone()).await.unwrap();
    let token = page.next_token().cloned().expect("more pages");
    let mut shown = Shown::default();
    page.rows.into_iter().for_each(|row| shown.take(row));
    linked.emulator.faults().add(FaultRule::new(Resource::Any, Fault::ServerUnavailable).forever());
    let part = part.after(token);
    let error = provider.read_page(part.clone()).await.expect_err("an outage");
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error:?}");
    linked.emulator.faults().clear();
    drop(provider);
    // The process starts again much later: the session is over, and the server has forgotten the place.
    linked.org().advance_clock(Duration::from_secs(3 * 24 * 3_600));
    let rest = read_restarting(&linked, part).await.unwrap();
    let all: BTreeSet<String> = shown.live_ids().union(&rest.live_ids()).cloned().collect();
    assert_eq!(all, expected.live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_are_found_again_among_rows_of_the_same_instant() {
    let linked = Linked::with_contacts(700).await;
    let org = linked.org();
    let stamp = Record::new().with("SystemModstamp", org.now());
    for (id, _) in org.table("Contact", &[]).await.unwrap() {
        org.set("Contact", &id, stamp.clone()).await.unwrap();
    }
    let expected = linked.expected(ObjectKind::Contact).await;
    let lost = FaultRule::new(Resource::QueryMore, Fault::InvalidQueryLocator).forever();
    linked.emulator.faults().add(lost);
    let provider = linked.connect().await;
    let shown = read(&*provider, ReadPart::all(ObjectKind::Contact).page_size(200)).await.unwrap();
    shown.assert_whole(ObjectKind::Contact, &expected);
    assert_eq!(shown.rows, expected.live.len() + expected.deleted.len(), "no row came twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_that_always_take_too_long_become_small_enough() {
    let linked = Linked::with_contacts(450).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    for strikes in 1..=6 {
        let rule = FaultRule::new(Resource::Query, Fault::QueryTimeout).on_object("Contact").times(strikes);
        linked.emulator.faults().add(rule);
        let provider = linked.connect().await;
        let shown = read_all(&*provider, ObjectKind::Contact).await;
        shown.assert_whole(ObjectKind::Contact, &expected);
        linked.emulator.faults().clear();
    }
    let rule = FaultRule::new(Resource::Query, Fault::QueryTimeout).on_object("Contact").forever();
    linked.emulator.faults().add(rule);
    let error =
        read(&*linked.connect().await, ReadPart::all(ObjectKind::Contact)).await.expect_err("no end of it");
    assert_eq!(error.remote_code(), Some("QUERY_TIMEOUT"), "{error:?}");
    assert!(error.is_retryable());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_disappears_is_left_out() {
    let linked = Linked::with_contacts(700).await;
    let provider = linked.connect().await;
    read_all(&*provider, ObjectKind::Contact).await;
    linked.org().hide_field("Contact", "Phone");
    let rule = FaultRule::new(Resource::QueryMore, Fault::InvalidQueryLocator).on_object("Contact");
    linked.emulator.faults().add(rule);
    let shown = read(&*provider, ReadPart::all(ObjectKind::Contact).page_size(200)).await.unwrap();
    shown.assert_whole(ObjectKind::Contact, &linked.expected(ObjectKind::Contact).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deciding_field_that_disappears_fails_its_object_alone() {
    let linked = Linked::with_contacts(60).await;
    for (object, field, kind) in [
        ("Task", "TaskSubtype", ObjectKind::Task),
        ("Opportunity", "StageName", ObjectKind::Opportunity),
        ("Contact", "SystemModstamp", ObjectKind::Contact),
        ("Contact", "IsDeleted", ObjectKind::Contact),
    ] {
        let linked = Linked::with_contacts(30).await;
        linked.org().hide_field(object, field);
        if field == "SystemModstamp" {
            linked.org().hide_field(object, "LastModifiedDate");
            linked.org().hide_field(object, "CreatedDate");
        }
        let provider = linked.connect().await;
        let error = read(&*provider, ReadPart::all(kind)).await.expect_err(field);
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
        assert!(error.message().contains(&format!("{object}.{field}")), "{error:?}");
        assert!(error.advice().is_some_and(|advice| advice.contains(field)), "{error:?}");
        read_all(&*provider, ObjectKind::Lead).await;
    }
    drop(linked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_disappears_in_the_middle_is_an_error_and_no_early_end() {
    let linked = Linked::with_contacts(500).await;
    for (object, kind) in [
        ("Contact", ObjectKind::Contact),
        ("ContentNote", ObjectKind::Note),
        ("Event", ObjectKind::Engagement),
    ] {
        let provider = linked.connect().await;
        let visible = linked.org().visibility();
        let mut pages = provider.pages(ReadPart::all(kind).page_size(20));
        pages.next().await.expect("a page").unwrap();
        linked.org().hide_object(object);
        let error = loop {
            match pages.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("{object}: the reading ended as if it were whole"),
            }
        };
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
        assert!(error.message().contains(object), "{error:?}");
        linked.org().set_visibility(visible);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_in_what_belongs_to_a_row_lose_nothing() {
    let linked = Linked::with_contacts(300).await;
    for (resource, fault) in [
        (Resource::Blob, Fault::BodyCut { chunked: false }),
        (Resource::Blob, Fault::SessionExpired),
        (Resource::Query, Fault::ServerUnavailable),
        (Resource::Query, Fault::MaintenancePage),
        (Resource::Describe, Fault::ConnectionReset),
    ] {
        for kind in [ObjectKind::Note, ObjectKind::Engagement, ObjectKind::Lead] {
            let expected = linked.expected(kind).await;
            linked.emulator.faults().add(FaultRule::new(resource, fault.clone()).after(1));
            let provider = linked.connect().await;
            let shown = read_all(&*provider, kind).await;
            shown.assert_whole(kind, &expected);
            linked.emulator.faults().clear();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_are_told_when_connecting() {
    let linked = Linked::with_contacts(10).await;
    linked.emulator.faults().add(FaultRule::new(Resource::Token, Fault::RefreshRefused).forever());
    let error = linked.connect_with(r#""flow":"refresh-token""#).await.expect_err("a refused refresh token");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unauthenticated, Retry::Relink), "{error:?}");
    let error =
        linked.connect_with(r#""flow":"refresh-token","surprise":1"#).await.expect_err("an unknown key");
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    assert!(error.to_string().contains("/surprise"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_open_places_are_enough_for_all_objects_at_once() {
    let linked = Linked::with_contacts(700).await;
    linked.org().limit_locators(2, None);
    let provider = linked.connect().await;
    let readings = [
        ObjectKind::Contact,
        ObjectKind::Account,
        ObjectKind::Lead,
        ObjectKind::Task,
        ObjectKind::Engagement,
    ];
    let readings = readings.map(|kind| {
        let provider = provider.clone();
        async move { (kind, read(&*provider, ReadPart::all(kind).page_size(200)).await) }
    });
    for (kind, shown) in futures::future::join_all(readings).await {
        shown.unwrap().assert_whole(kind, &linked.expected(kind).await);
    }
}
