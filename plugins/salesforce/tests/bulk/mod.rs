//! Reading by Bulk jobs: the same records as by REST, in few calls, over crashes and everything that goes wrong with jobs.

mod fault_rows;
mod faults;
mod same;

use std::sync::Arc;

use unicrm_core::{ObjectKind, Provider, ProviderExt, ReadPart};
use unicrm_salesforce_emulator::{Emulator, Resource};

use crate::support::{Linked, Shown, read, since};

/// Every reading of all records by a job, in pages so small that a few hundred records have lists of them.
const ALWAYS: &str =
    r#""flow":"client-credentials","bulk":"always","limits":{"bulk_records":100,"attempts":3}"#;

/// A connection that reads by jobs.
async fn connect(linked: &Linked) -> Arc<dyn Provider> {
    linked.connect_with(ALWAYS).await.expect("a connection")
}

/// Requests of a method to make or change jobs.
fn jobs(linked: &Linked, method: &str) -> usize {
    let log = linked.emulator.log().entries();
    log.iter().filter(|entry| entry.resource == Resource::BulkQuery && entry.method == method).count()
}

/// Requests for a list of a job's pages.
fn lists(linked: &Linked) -> usize {
    let log = linked.emulator.log().entries();
    log.iter().filter(|entry| entry.path.ends_with("/resultPages")).count()
}

/// Reads the contacts to their end.
async fn contacts(provider: &dyn Provider) -> Shown {
    read(provider, ReadPart::all(ObjectKind::Contact)).await.expect("all contacts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_records_are_read_in_few_calls() {
    let linked = Linked::start(Emulator::builder().contacts(25_000).seed(7)).await;
    let provider = linked.connect().await;
    linked.emulator.log().clear();
    let shown = contacts(&*provider).await;
    shown.assert_whole(ObjectKind::Contact, &linked.expected(ObjectKind::Contact).await);
    assert!(shown.rows >= 25_000, "{} rows", shown.rows);
    assert_eq!(shown.rows, shown.live.len() + shown.gone.len(), "no row came twice");
    assert_eq!(jobs(&linked, "POST"), 1, "the first page says that a job pays");
    let calls = linked.emulator.log().api_calls();
    println!("{} rows by {calls} calls in {} pages", shown.rows, shown.pages);
    assert!(calls <= 12, "{calls} calls");
    assert_eq!(shown.usage.calls, calls, "each call is reported");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_records_are_read_by_rest() {
    let linked = Linked::with_contacts(2_500).await;
    contacts(&*linked.connect().await).await;
    assert_eq!(jobs(&linked, "POST"), 0);
    let never = linked.connect_with(r#""flow":"client-credentials","bulk":"never""#).await.unwrap();
    contacts(&*never).await;
    assert_eq!(jobs(&linked, "POST"), 0);
    // Before resultPages there was no way to fetch pages at once.
    let old = r#""flow":"client-credentials","bulk":"always","api_version":"57.0""#;
    contacts(&*linked.connect_with(old).await.unwrap()).await;
    assert_eq!(jobs(&linked, "POST"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn result_life() {
    let linked = Linked::with_contacts(950).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    for size in [30, 100, 2_000] {
        linked.emulator.log().clear();
        let mut part = ReadPart::all(ObjectKind::Contact).page_size(size);
        let mut shown = Shown::default();
        let mut restarts = 0;
        loop {
            // A new process for each page.
            let page = connect(&linked).await.read_page(part.clone()).await.unwrap();
            let token = page.next_token().cloned();
            if restarts == 0 {
                // The job is in the host's hands before anything is done with it.
                assert!(page.rows.is_empty() && jobs(&linked, "POST") == 1);
                assert_eq!(linked.emulator.log().count(Resource::BulkStatus).requests, 0);
            }
            page.rows.into_iter().for_each(|row| shown.take(row));
            let Some(token) = token else { break };
            part = part.after(token);
            restarts += 1;
            assert!(restarts < 60, "it goes on and on");
        }
        println!("pages of {size}: {restarts} restarts, {} calls", linked.emulator.log().api_calls());
        shown.assert_whole(ObjectKind::Contact, &expected);
        assert_eq!(shown.rows, expected.live.len() + expected.deleted.len(), "no row came twice");
        assert_eq!(jobs(&linked, "POST"), 1, "one job for all processes");
        // What one process has learned of the job, no other one asks for.
        let states = linked.emulator.log().count(Resource::BulkStatus).requests;
        assert!(states <= 2, "its state was asked for {states} times");
        assert_eq!(lists(&linked), shown.rows.div_ceil(100).div_ceil(5), "each list is read once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_while_a_job_runs_is_in_the_next_reading() {
    let linked = Linked::with_contacts(300).await;
    let org = linked.org();
    let provider = connect(&linked).await;
    let mut part = ReadPart::all(ObjectKind::Contact).page_size(50);
    let mut copy = Shown::default();
    let mut pages = 0;
    let watermark = loop {
        let page = provider.read_page(part.clone()).await.unwrap();
        pages += 1;
        let live = linked.expected(ObjectKind::Contact).await.live;
        if let Some(id) = live.into_iter().nth(pages) {
            org.update("Contact", &id, serde_json::json!({"Title": format!("Page {pages}")})).await.unwrap();
        }
        org.create("Contact", serde_json::json!({"LastName": "Newcomer"})).await.unwrap();
        page.rows.into_iter().for_each(|row| copy.take(row));
        match page.next {
            unicrm_core::Next::More(token) => part = part.after(token),
            unicrm_core::Next::End(watermark) => break watermark.expect("a watermark"),
        }
    };
    assert!(pages > 3, "{pages} pages");
    let news = read(&*provider, since(ObjectKind::Contact, &watermark)).await.unwrap();
    assert!(news.rows < 200, "{} rows: only what changed", news.rows);
    copy.live.extend(news.live);
    copy.assert_whole(ObjectKind::Contact, &linked.expected(ObjectKind::Contact).await);
    let titled = org.query("SELECT Id, Title FROM Contact WHERE Title LIKE 'Page %'").await.unwrap();
    assert_eq!(titled.len(), pages);
    for row in titled {
        let copied = &copy.live[row["Id"].as_str().unwrap()];
        let fields = copied.record.remote_fields();
        let title =
            fields.iter().find(|field| field.key() == Some("Title")).and_then(|field| field.value.to_text());
        assert_eq!(title.as_deref(), row["Title"].as_str());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_only_csv() {
    let linked = Linked::start(Emulator::builder().contacts(0).seed(7)).await;
    for kind in [ObjectKind::Contact, ObjectKind::Lead, ObjectKind::Task] {
        let shown = read(&*connect(&linked).await, ReadPart::all(kind)).await.unwrap();
        shown.assert_whole(kind, &linked.expected(kind).await);
        assert!(shown.watermark.is_some(), "{kind}");
    }
    assert!(jobs(&linked, "POST") >= 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_that_is_dropped_ends_its_downloads_and_does_no_harm() {
    let linked = Linked::with_contacts(950).await;
    let expected = linked.expected(ObjectKind::Contact).await;
    let provider = connect(&linked).await;
    let mut part = ReadPart::all(ObjectKind::Contact).page_size(20);
    let mut shown = Shown::default();
    let mut dropped = 0_u64;
    loop {
        let hasty = std::time::Duration::from_millis(dropped % 7);
        let Ok(page) = tokio::time::timeout(hasty, provider.read_page(part.clone())).await else {
            dropped += 1;
            if dropped.is_multiple_of(2) {
                // The host comes back with the same token; now it waits.
                let page = provider.read_page(part.clone()).await.unwrap();
                let token = page.next_token().cloned();
                page.rows.into_iter().for_each(|row| shown.take(row));
                let Some(token) = token else { break };
                part = part.after(token);
            }
            continue;
        };
        let page = page.unwrap();
        let token = page.next_token().cloned();
        page.rows.into_iter().for_each(|row| shown.take(row));
        let Some(token) = token else { break };
        part = part.after(token);
    }
    println!("{dropped} readings were dropped");
    assert!(dropped > 0);
    shown.assert_whole(ObjectKind::Contact, &expected);
}
