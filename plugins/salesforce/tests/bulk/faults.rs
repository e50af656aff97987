//! Bad days of jobs: all rows arrive, by the same job, by another one or by REST.

use std::time::Duration;

use futures::StreamExt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use unicrm_core::{ErrorKind, ObjectKind, ProviderExt, ReadPart};
use unicrm_salesforce_emulator::{Fault, FaultRule, Resource};

use super::fault_rows::ROWS;
use super::{ALWAYS, connect, contacts, jobs};
use crate::support::{Linked, Shown, read, read_all, read_restarting_with};

/// An error of any kind.
fn error(status: u16, code: &str) -> Fault {
    Fault::Error { status, code: code.to_owned(), message: "Injected.".to_owned() }
}

/// Requests for pages of results.
fn results(linked: &Linked) -> usize {
    let log = linked.emulator.log().entries();
    log.iter().filter(|entry| entry.path.ends_with("/results")).count()
}

/// Reads the contacts by a job with a fault, and says how many jobs were made.
async fn over(linked: &Linked, rule: FaultRule) -> (Shown, usize) {
    linked.emulator.log().clear();
    linked.emulator.faults().add(rule);
    let shown = contacts(&*connect(linked).await).await;
    assert!(linked.emulator.faults().struck() > 0, "the fault struck");
    linked.emulator.faults().clear();
    (shown, jobs(linked, "POST"))
}

#[test]
fn each_row_has_its_test() {
    let sources = [include_str!("faults.rs"), include_str!("mod.rs"), include_str!("same.rs")].concat();
    for (row, behaviour, test) in ROWS {
        assert!(sources.contains(&format!("fn {test}(")), "{row}: there is no test {test}");
        assert!(!behaviour.is_empty(), "{row}");
    }
    let names: std::collections::BTreeSet<_> = ROWS.iter().map(|(row, ..)| row).collect();
    assert_eq!(names.len(), ROWS.len(), "no row twice");
}

/// A job that is refused when it is made: REST reads, and the next reading does not ask again.
async fn refused(faults: impl IntoIterator<Item = Fault>) {
    let linked = Linked::with_contacts(350).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    for fault in faults {
        linked.emulator.log().clear();
        linked.emulator.faults().add(FaultRule::new(Resource::BulkQuery, fault.clone()));
        let provider = connect(&linked).await;
        contacts(&*provider).await.assert_whole(ObjectKind::Contact, &expected);
        assert_eq!(linked.emulator.faults().struck(), 1, "{fault:?}");
        contacts(&*provider).await.assert_whole(ObjectKind::Contact, &expected);
        assert_eq!(jobs(&linked, "POST"), 1, "{fault:?}");
        linked.emulator.faults().clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_daily_limits() {
    refused([Fault::BulkDailyJobs, Fault::BulkDailyVolume, error(403, "LIMIT_EXCEEDED")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_not_supported() {
    refused([error(400, "INVALIDENTITY"), error(400, "FUNCTIONALITY_NOT_ENABLED")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forbidden_on_create() {
    refused([error(403, "INSUFFICIENT_ACCESS"), error(403, "FORBIDDEN")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compound_fields() {
    let refusal = "Selecting compound data not supported in Bulk Query";
    let fault = Fault::Error { status: 400, code: "API_ERROR".to_owned(), message: refusal.to_owned() };
    refused([fault]).await;
    let linked = Linked::with_contacts(120).await;
    for kind in ObjectKind::ALL {
        linked.emulator.log().clear();
        read_all(&*connect(&linked).await, kind).await.assert_whole(kind, &linked.expected(kind).await);
        // The emulator refuses compounds, bytes and sub-queries, as Salesforce does.
        let log = linked.emulator.log().entries();
        let refused = log.iter().filter(|entry| entry.resource == Resource::BulkQuery && entry.status >= 400);
        assert_eq!(refused.count(), 0, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn base64_fields() {
    let linked = Linked::with_contacts(120).await;
    let shown = read_all(&*connect(&linked).await, ObjectKind::Note).await;
    shown.assert_whole(ObjectKind::Note, &linked.expected(ObjectKind::Note).await);
    assert_eq!(jobs(&linked, "POST"), 1, "classic notes");
    let enhanced = shown.live.keys().filter(|id| id.starts_with("069")).count() as u64;
    assert!(enhanced > 0 && linked.emulator.log().count(Resource::Blob).requests >= enhanced);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_failed() {
    let linked = Linked::with_contacts(350).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    for message in [
        "InvalidBatch : Failed to process query: QUERY_TIMEOUT: too long",
        "Retried more than fifteen times",
        "",
    ] {
        let rule = FaultRule::new(Resource::BulkQuery, Fault::JobFailed { message: message.to_owned() });
        let (shown, made) = over(&linked, rule).await;
        shown.assert_whole(ObjectKind::Contact, &expected);
        assert_eq!(made, 1, "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_aborted() {
    let linked = Linked::with_contacts(350).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    for (times, jobs) in [(1, 2), (2, 2)] {
        let rule = FaultRule::new(Resource::BulkQuery, Fault::JobAborted).times(times);
        let (shown, made) = over(&linked, rule).await;
        shown.assert_whole(ObjectKind::Contact, &expected);
        assert_eq!(made, jobs, "aborted {times} times");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_never_ends() {
    let linked = Linked::with_contacts(350).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    linked.emulator.faults().add(FaultRule::new(Resource::BulkQuery, Fault::JobEndless));
    let provider = connect(&linked).await;
    let part = ReadPart::all(ObjectKind::Contact);
    // The job is made, and then an hour goes by.
    let page = provider.read_page(part.clone()).await.unwrap();
    assert!(page.rows.is_empty(), "nothing before the job");
    assert_eq!(jobs(&linked, "POST"), 1);
    linked.org().advance_clock(Duration::from_secs(3_700));
    let part = part.after(page.next_token().cloned().expect("a token"));
    let reading = read(&*provider, part);
    let shown = tokio::time::timeout(Duration::from_secs(120), reading).await.expect("an end").unwrap();
    shown.assert_whole(ObjectKind::Contact, &expected);
    assert_eq!((jobs(&linked, "POST"), jobs(&linked, "PATCH")), (1, 1), "it is aborted and not made again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_is_not_kept_waiting_by_a_job() {
    let linked = Linked::with_contacts(350).await;
    linked.emulator.faults().add(FaultRule::new(Resource::BulkQuery, Fault::JobEndless));
    let provider = connect(&linked).await;
    let part = ReadPart::all(ObjectKind::Contact);
    let page = provider.read_page(part.clone()).await.unwrap();
    let token = page.next_token().cloned().expect("a token");
    let begun = std::time::Instant::now();
    let page = provider.read_page(part.after(token.clone())).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(page.rows.is_empty());
    assert_ne!(page.next_token(), Some(&token), "tokens do not repeat");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_gone_is_made_once_more() {
    let linked = Linked::with_contacts(550).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    for resource in [Resource::BulkStatus, Resource::BulkResults] {
        for fault in [
            error(404, "NOT_FOUND"),
            error(409, "API_ERROR"),
            error(400, "INVALIDJOBSTATE"),
            Fault::VersionRetired,
        ] {
            let name = format!("{resource:?} {fault:?}");
            // The list of pages and the first page pass.
            let after = if resource == Resource::BulkResults { 2 } else { 0 };
            let (shown, made) = over(&linked, FaultRule::new(resource, fault.clone()).after(after)).await;
            shown.assert_whole(ObjectKind::Contact, &expected);
            assert_eq!(made, 2, "{name}");
            let (shown, made) = over(&linked, FaultRule::new(resource, fault).after(after).forever()).await;
            shown.assert_whole(ObjectKind::Contact, &expected);
            assert_eq!(made, 2, "{name}, for ever");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sforce_locator_null() {
    let linked = Linked::with_contacts(550).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let pages = (expected.live.len() + expected.deleted.len()).div_ceil(100);
    let missing = FaultRule::new(Resource::BulkResults, Fault::LocatorHeaderMissing).after(2);
    let (shown, made) = over(&linked, missing.clone()).await;
    shown.assert_whole(ObjectKind::Contact, &expected);
    assert_eq!((made, results(&linked)), (1, pages + 1), "one page is asked for again");
    let (shown, made) = over(&linked, missing.forever()).await;
    shown.assert_whole(ObjectKind::Contact, &expected);
    assert_eq!(made, 1);
    assert!(linked.emulator.log().count(Resource::Query).requests > 0, "REST reads what is not believed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_complete_but_rows_missing() {
    let linked = Linked::with_contacts(550).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    for rows in [1, 60, 1_000] {
        for after in [1, 3] {
            let rule = FaultRule::new(Resource::BulkResults, Fault::ResultRowsLost { rows }).after(after);
            let (shown, made) = over(&linked, rule.clone()).await;
            shown.assert_whole(ObjectKind::Contact, &expected);
            assert_eq!(made, 1);
            let (shown, made) = over(&linked, rule.forever()).await;
            shown.assert_whole(ObjectKind::Contact, &expected);
            assert_eq!(made, 1, "REST reads what the job does not give");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_counts_disagree() {
    let linked = Linked::with_contacts(550).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    // Each page is what it says, and one of them is named nowhere.
    let (shown, made) = over(&linked, FaultRule::new(Resource::BulkResults, Fault::ResultPageLost)).await;
    shown.assert_whole(ObjectKind::Contact, &expected);
    assert_eq!(made, 1, "REST reads what the pages lack");
    assert!(linked.emulator.log().count(Resource::Query).requests > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_silent_response() {
    let linked = Linked::with_contacts(550).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let hasty = ALWAYS.replace("\"limits\"", "\"timeouts\":{\"read\":1},\"limits\"");
    for (stall, times) in [(400, 4), (2_500, 1)] {
        let stalled = Fault::BodyStalled { milliseconds: stall };
        linked.emulator.faults().add(FaultRule::new(Resource::BulkResults, stalled).after(1).times(times));
        let shown = contacts(&*linked.connect_with(&hasty).await.unwrap()).await;
        shown.assert_whole(ObjectKind::Contact, &expected);
        assert_eq!(shown.rows, expected.live.len() + expected.deleted.len(), "no row came twice");
        assert_eq!(
            shown.usage.retries > 0,
            stall > 1_000,
            "{} retries after {stall} ms",
            shown.usage.retries
        );
        linked.emulator.faults().clear();
    }
}

/// The ids of all contacts in the order in which they come.
async fn order(linked: &Linked, members: &str) -> Vec<String> {
    let provider = linked.connect_with(members).await.unwrap();
    let mut pages = std::pin::pin!(provider.pages(ReadPart::all(ObjectKind::Contact).page_size(40)));
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await {
        let rows = page.unwrap().rows.into_iter();
        ids.extend(rows.filter_map(|row| row.remote_id().map(|id| id.as_str().to_owned())));
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn result_page_order_and_parallel() {
    let linked = Linked::with_contacts(550).await;
    let one_page = order(&linked, &ALWAYS.replace("\"bulk_records\":100", "\"bulk_records\":10000")).await;
    linked.emulator.log().clear();
    // Of the two that are fetched at once the first to arrive comes last, however busy the machine is.
    let late = Fault::Delay { milliseconds: 3_000 };
    linked.emulator.faults().add(FaultRule::new(Resource::BulkResults, late).after(1));
    assert_eq!(order(&linked, ALWAYS).await, one_page);
    let log = linked.emulator.log().entries();
    let pages: Vec<_> = log.iter().filter(|entry| entry.path.ends_with("/results")).collect();
    assert_eq!(pages.len(), one_page.len().div_ceil(100), "each page is fetched once");
    let delayed = pages.iter().position(|page| !page.faults.is_empty());
    assert!(delayed.is_some_and(|at| at > 0), "two at once: {pages:?}");
}

/// Faults of the way that pass.
fn passing() -> Vec<Fault> {
    vec![
        Fault::SessionExpired,
        Fault::NotAcceptable,
        Fault::ServerUnavailable,
        Fault::ServerUnavailablePage,
        Fault::MaintenancePage,
        Fault::LoginPage,
        Fault::BodyCut { chunked: false },
        Fault::BodyCut { chunked: true },
        Fault::GzipMislabelled,
        Fault::GzipTwice,
        Fault::BodyStalled { milliseconds: 300 },
        Fault::ConnectionClosed,
        Fault::ConnectionReset,
        Fault::UnknownException,
        Fault::ConcurrentRequests,
        Fault::TransactionSecurity,
        Fault::InstanceMoved { redirect: None },
        Fault::InstanceMoved { redirect: Some(302) },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_faults_lose_nothing() {
    let linked = Linked::with_contacts(550).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    // The list of pages, a first page, and one in the middle.
    for fault in passing() {
        for after in [0, 1, 3] {
            let rule = FaultRule::new(Resource::BulkResults, fault.clone()).after(after);
            let (shown, made) = over(&linked, rule).await;
            shown.assert_whole(ObjectKind::Contact, &expected);
            assert_eq!(made, 1, "{fault:?} after {after}");
        }
    }
    // The way to a job is that of every request: some faults stand for all.
    for fault in
        [Fault::SessionExpired, Fault::MaintenancePage, Fault::ConnectionReset, Fault::ServerUnavailable]
    {
        for resource in [Resource::BulkQuery, Resource::BulkStatus] {
            let (shown, _) = over(&linked, FaultRule::new(resource, fault.clone())).await;
            shown.assert_whole(ObjectKind::Contact, &expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_up_quota_stops_and_the_same_job_goes_on() {
    let linked = Linked::with_contacts(550).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    for after in 0..6 {
        linked.emulator.log().clear();
        let provider = connect(&linked).await;
        let mut part = ReadPart::all(ObjectKind::Contact).page_size(60);
        let mut shown = Shown::default();
        linked
            .emulator
            .faults()
            .add(FaultRule::new(Resource::Any, Fault::TotalRequests).after(after).forever());
        let error = loop {
            match provider.read_page(part.clone()).await {
                Err(error) => break error,
                Ok(page) => {
                    let token = page.next_token().cloned().expect("no end without the rest");
                    page.rows.into_iter().for_each(|row| shown.take(row));
                    part = part.after(token);
                }
            }
        };
        assert_eq!(error.kind(), ErrorKind::QuotaExhausted, "{error:?}");
        linked.emulator.faults().clear();
        let rest = read(&*provider, part).await.unwrap();
        shown.live.extend(rest.live);
        shown.gone.extend(rest.gone);
        shown.assert_whole(ObjectKind::Contact, &expected);
        let refused = linked
            .emulator
            .log()
            .entries()
            .iter()
            .filter(|entry| entry.resource == Resource::BulkQuery && entry.status != 200)
            .count();
        assert_eq!(jobs(&linked, "POST") - refused, 1, "one job, after {after}");
    }
}

#[test]
fn no_sequence_of_faults_of_jobs_loses_a_row() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let linked = runtime.block_on(Linked::with_contacts(450));
    let of_jobs = prop_oneof![
        Just(Fault::JobAborted),
        Just(Fault::JobFailed { message: "InternalServerError".to_owned() }),
        Just(Fault::BulkDailyJobs),
    ];
    let of_results = prop_oneof![
        (1_u64..150).prop_map(|rows| Fault::ResultRowsLost { rows }),
        Just(Fault::LocatorHeaderMissing),
        Just(error(404, "NOT_FOUND")),
    ];
    // What ends the session is refused as a login when it comes twice in a row.
    let way: Vec<Fault> = passing()
        .into_iter()
        .filter(|fault| !matches!(fault, Fault::SessionExpired | Fault::InstanceMoved { .. }))
        .collect();
    let resources =
        prop::sample::select(vec![Resource::BulkQuery, Resource::BulkStatus, Resource::BulkResults]);
    let rules = prop_oneof![
        of_jobs.prop_map(|fault| FaultRule::new(Resource::BulkQuery, fault)),
        of_results.prop_map(|fault| FaultRule::new(Resource::BulkResults, fault)),
        (resources, prop::sample::select(way)).prop_map(|(resource, fault)| FaultRule::new(resource, fault)),
    ];
    let rules = (rules, 0_u64..8, 1_u64..3).prop_map(|(rule, after, times)| rule.after(after).times(times));
    let kinds = prop::sample::select(vec![
        ObjectKind::Contact,
        ObjectKind::Account,
        ObjectKind::Task,
        ObjectKind::Lead,
    ]);
    let sizes = prop_oneof![Just(None), Just(Some(30)), Just(Some(200))];
    let cases = std::env::var("UNICRM_BULK_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&(kinds, prop::collection::vec(rules, 1..6), sizes), |(kind, rules, size)| {
        let faults = linked.emulator.faults();
        faults.clear();
        rules.into_iter().for_each(|rule| faults.add(rule));
        let mut part = ReadPart::all(kind);
        part.page_size = size;
        let (shown, expected) = runtime.block_on(async {
            let shown = read_restarting_with(&linked, ALWAYS, part).await;
            faults.clear();
            (shown, linked.expected(kind).await)
        });
        let shown = shown.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        prop_assert!(shown.rejected.is_empty(), "{:?}", shown.rejected);
        prop_assert_eq!(shown.live_ids(), expected.live);
        prop_assert_eq!(shown.gone_ids(), expected.deleted);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
