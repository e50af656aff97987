//! Comparing with the remote: whatever is wrong in the store is found, counted and repaired, however often it is interrupted.

use std::sync::atomic::Ordering;

use proptest::prelude::*;
use unicrm_core::{
    Capabilities, Capability, CapabilitySet, Contact, Error, ErrorKind, Gone, GoneReason, LiveRow, Next,
    ObjectKind, Page, PageToken, Quota, RemoteId, Row, Shape, Usage, Watermark,
};
use unicrm_store::{Ingest, PageCommit, PageReport, SnapshotEnd, SqliteStore};
use unicrm_sync::{
    Answer, Checkpoint, Comparing, Drift, Effect, Options, Reconcile, Status, Stop, Summary, compare, sync,
};

use crate::support::{Fault, Flaky, account, assert_equal, linked, run, small_pages};

fn comparing(max_calls: Option<u64>) -> Options {
    Options { objects: vec![ObjectKind::Contact], reconcile: Some(Reconcile { max_calls }), ..small_pages() }
}

fn drift(summary: &Summary) -> Drift {
    summary.object(ObjectKind::Contact).unwrap().reconcile.as_ref().unwrap().drift
}

fn found(drift: &Drift) -> (u64, u64, u64, u64) {
    (drift.missing, drift.extra, drift.stale, drift.repaired)
}

async fn filled(contacts: usize) -> (SqliteStore, Flaky, Vec<RemoteId>) {
    let (store, provider) = linked().await;
    let ids = (0..contacts).map(|number| provider.contact(&format!("n{number}"))).collect();
    assert!(run(&store, &provider, &small_pages()).await.is_complete());
    provider.heal();
    (store, provider, ids)
}

/// Changes the store behind the back of every sync.
async fn tamper(store: &SqliteStore, rows: Vec<Row>) {
    let epoch = store.begin_epoch(account(store).await).await.unwrap();
    store.commit_page(PageCommit::new(epoch, ObjectKind::Contact, rows)).await.unwrap();
}

fn lost(id: &RemoteId) -> Row {
    Row::Gone(Gone::new(ObjectKind::Contact, id.clone(), GoneReason::NotVisible))
}

/// A record from another time, or one that the remote does not have.
fn alien(id: &RemoteId) -> Row {
    let mut contact = Contact::default();
    contact.remote_id = Some(id.clone());
    contact.last_name = Some("Alien".to_owned());
    Row::Live(LiveRow::new(contact).with_stamp(Some("2001-01-01T00:00:00Z".parse().unwrap())))
}

#[tokio::test]
async fn what_differs_is_counted_repaired_and_not_found_again() {
    let (store, provider, ids) = filled(20).await;
    tamper(&store, vec![lost(&ids[0]), lost(&ids[13]), alien(&ids[7]), alien(&"unknown".into())]).await;
    // No sync can see any of this.
    run(&store, &provider, &small_pages()).await;
    let summary = run(&store, &provider, &comparing(None)).await;
    assert!(summary.is_complete(), "{summary:?}");
    let drift = drift(&summary);
    assert_eq!(found(&drift), (2, 1, 1, 4));
    assert_eq!((drift.remote, drift.local), (Some(20), Some(19)));
    let tally = summary.object(ObjectKind::Contact).unwrap().tally;
    assert_eq!((tally.updated, tally.deleted, tally.read), (3, 1, 3));
    assert!(summary.reconcile_calls.unwrap() <= summary.api_calls);
    assert_equal(&store, &provider).await;

    let again = run(&store, &provider, &comparing(None)).await;
    assert!(self::drift(&again).is_none());
    assert_eq!(self::drift(&again).local, Some(20));
    // The count, and seven pages of ids: nothing is read in full.
    assert_eq!(again.reconcile_calls, Some(8));
    let json = serde_json::to_value(&again).unwrap();
    let told = &json["objects"]["contacts"]["reconcile"];
    for count in ["missing", "extra", "stale", "repaired", "remote", "local"] {
        assert!(told[count].is_u64(), "{json}");
    }
    assert_eq!(told["status"], "complete");
}

#[tokio::test]
async fn a_budget_stops_it_and_the_next_comparison_goes_on_there() {
    let (store, provider, ids) = filled(30).await;
    let all: Vec<Row> = ids.iter().map(lost).collect();
    tamper(&store, all).await;
    let mut runs = 0;
    let mut calls = 0;
    let last = loop {
        runs += 1;
        let summary = run(&store, &provider, &comparing(Some(5))).await;
        let used = summary.reconcile_calls.unwrap();
        // The last page of ids is repaired within one call more.
        assert!(used <= 6, "{used}");
        calls += used;
        let object = summary.object(ObjectKind::Contact).unwrap().clone();
        assert_eq!(object.status, Status::Complete, "the sync itself is not bounded");
        let compared = object.reconcile.unwrap();
        if compared.status == Status::Complete {
            break compared;
        }
        assert_eq!(compared.status, Status::Incomplete);
        assert_eq!(compared.error.unwrap().exit_code(), 5);
        assert!(!summary.is_complete());
        // What changes meanwhile does not lose its place.
        provider.contact(&format!("late{runs}"));
        run(&store, &provider, &small_pages()).await;
    };
    assert!(runs > 3, "{runs}");
    assert_eq!(found(&last.drift), (30, 0, 0, 30));
    // One count, and pages of three ids with their records: no page is compared twice.
    assert!(calls <= 2 * (30_u64 + runs).div_ceil(3) + 1, "{calls} calls in {runs} runs");
    assert_equal(&store, &provider).await;
}

#[tokio::test]
async fn the_smallest_budget_repairs_every_page_that_it_lists() {
    let (store, provider, ids) = filled(8).await;
    tamper(&store, vec![lost(&ids[0]), alien(&ids[4]), lost(&ids[7])]).await;
    let mut runs = 0;
    let last = loop {
        runs += 1;
        let summary = run(&store, &provider, &comparing(Some(1))).await;
        let used = summary.reconcile_calls.unwrap();
        assert!(used <= 2, "a page of ids and its repair: {used}");
        if summary.is_complete() {
            break drift(&summary);
        }
        assert!(runs < 10, "it never ends: {summary:?}");
    };
    // The count, and three pages of ids.
    assert_eq!(runs, 4);
    assert_eq!(found(&last), (2, 0, 1, 3));
    assert_equal(&store, &provider).await;
}

#[tokio::test]
async fn small_budgets_come_to_every_object_before_any_is_compared_again() {
    let (store, provider, _) = filled(4).await;
    let options =
        Options { reconcile: Some(Reconcile { max_calls: Some(1) }), concurrency: 1, ..small_pages() };
    let mut times = std::collections::BTreeMap::<ObjectKind, u32>::new();
    let mut runs = 0;
    loop {
        let summary = run(&store, &provider, &options).await;
        runs += 1;
        let complete = |object: &&unicrm_sync::ObjectSummary| {
            object.reconcile.as_ref().is_some_and(|compared| compared.status == Status::Complete)
        };
        summary
            .objects
            .iter()
            .filter(complete)
            .for_each(|object| *times.entry(object.kind).or_default() += 1);
        if summary.is_complete() {
            break;
        }
        assert!(runs < 30, "it never ends: {summary:?}");
    }
    assert!(times.len() == 10 && times.values().all(|times| *times == 1), "{times:?}");
}

#[tokio::test]
async fn what_an_earlier_run_left_comes_first_and_every_other_object_after_it() {
    let (store, provider, _) = filled(12).await;
    run(&store, &provider, &comparing(Some(3))).await;
    let options = Options { reconcile: Some(Reconcile::default()), concurrency: 1, ..small_pages() };
    let summary = run(&store, &provider, &options).await;
    let complete = |object: &unicrm_sync::ObjectSummary| {
        object.reconcile.as_ref().is_some_and(|compared| compared.status == Status::Complete)
    };
    assert!(summary.objects.len() == 10 && summary.objects.iter().all(complete), "{summary:?}");
}

#[tokio::test]
async fn a_full_reading_ends_a_comparison_that_was_under_way() {
    let (store, provider, ids) = filled(12).await;
    tamper(&store, vec![lost(&ids[1]), alien(&"unknown".into())]).await;
    run(&store, &provider, &comparing(Some(3))).await;
    let checkpoint = || async {
        let kept = store.checkpoint(account(&store).await, ObjectKind::Contact).await.unwrap().unwrap();
        kept.read::<Checkpoint>().unwrap()
    };
    assert!(checkpoint().await.comparison.is_some_and(|comparison| comparison.after.is_some()));
    run(&store, &provider, &Options { full: true, ..small_pages() }).await;
    assert!(checkpoint().await.comparison.is_none());
    assert_equal(&store, &provider).await;
    let summary = run(&store, &provider, &comparing(None)).await;
    assert!(drift(&summary).is_none());
}

#[tokio::test]
async fn an_object_whose_sync_failed_is_not_compared() {
    let (store, provider, ids) = filled(5).await;
    tamper(&store, vec![lost(&ids[0])]).await;
    let down = Error::new(ErrorKind::Unavailable, "down");
    provider.broken.lock().unwrap().insert(ObjectKind::Contact, down);
    let options = Options { reconcile: Some(Reconcile::default()), ..small_pages() };
    let summary = run(&store, &provider, &options).await;
    assert!(summary.object(ObjectKind::Contact).unwrap().reconcile.is_none());
    let others = summary.objects.iter().filter(|object| object.kind != ObjectKind::Contact);
    assert!(others.clone().count() == 9 && others.clone().all(|object| object.reconcile.is_some()));
}

#[tokio::test]
async fn a_provider_that_lists_no_ids_says_so() {
    let (store, mut provider, _) = filled(5).await;
    let some = CapabilitySet::of(&[Capability::Read, Capability::ReadSince]);
    provider.capabilities = Capabilities::new().with(ObjectKind::Contact, some);
    let summary = run(&store, &provider, &comparing(None)).await;
    let compared = summary.object(ObjectKind::Contact).unwrap().reconcile.clone().unwrap();
    assert_eq!(compared.status, Status::Failed);
    assert!(compared.error.unwrap().advice().unwrap().contains("--full"));
    assert_eq!(compared.drift.remote, None, "what cannot be counted is not");
}

#[tokio::test]
async fn a_refused_token_of_an_earlier_run_begins_it_anew() {
    let (store, provider, ids) = filled(12).await;
    tamper(&store, vec![lost(&ids[1]), lost(&ids[11])]).await;
    run(&store, &provider, &comparing(Some(4))).await;
    provider.heal();
    let refused = Error::new(ErrorKind::InvalidRequest, "this token is not from this provider");
    // The changes, and then the next page of ids.
    provider.plan(1, Fault::Error(ObjectKind::Contact, refused));
    let summary = run(&store, &provider, &comparing(None)).await;
    assert!(summary.is_complete(), "{summary:?}");
    assert_eq!(found(&drift(&summary)), (1, 0, 0, 1), "the first was repaired before");
    assert_equal(&store, &provider).await;
}

#[tokio::test]
async fn more_records_than_one_request_names_are_repaired_in_several() {
    let (store, provider, ids) = filled(450).await;
    tamper(&store, ids.iter().map(lost).collect()).await;
    let options = Options { page_size: Some(450), ..comparing(None) };
    let summary = run(&store, &provider, &options).await;
    assert_eq!(found(&drift(&summary)), (450, 0, 0, 450));
    // The count, one page of ids, and three requests of at most 200 records.
    assert_eq!(summary.reconcile_calls, Some(5));
    assert_equal(&store, &provider).await;
}

/// What is wrong in the store, or ends a comparison.
#[derive(Clone, Debug)]
enum Happening {
    Lost(usize),
    Stale(usize),
    Unknown(u8),
    Crash(usize),
    Stop(usize),
    Sync,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0..15_usize).prop_map(Happening::Lost),
        4 => (0..15_usize).prop_map(Happening::Stale),
        2 => any::<u8>().prop_map(Happening::Unknown),
        2 => (0..10_usize).prop_map(Happening::Crash),
        1 => (0..10_usize).prop_map(Happening::Stop),
        1 => Just(Happening::Sync),
    ]
}

async fn happen(store: &SqliteStore, provider: &Flaky, ids: &[RemoteId], happening: Happening) {
    match happening {
        Happening::Lost(at) => tamper(store, vec![lost(&ids[at])]).await,
        Happening::Stale(at) => tamper(store, vec![alien(&ids[at])]).await,
        Happening::Unknown(serial) => tamper(store, vec![alien(&format!("u{serial}").into())]).await,
        Happening::Crash(call) => {
            provider.heal();
            provider.plan(call, Fault::Hang);
            let (account, options) = (account(store).await, comparing(None));
            tokio::select! {
                _ = sync(provider, store, account, &options, &|_| {}) => {}
                () = provider.hanging.notified() => {}
            }
            provider.heal();
        }
        Happening::Stop(events) => {
            let stop = Stop::default();
            let options = Options { stop: stop.clone(), ..comparing(None) };
            let seen = std::sync::atomic::AtomicUsize::new(0);
            let observer = |_: &unicrm_sync::Event<'_>| {
                if seen.fetch_add(1, Ordering::SeqCst) == events {
                    stop.stop();
                }
            };
            sync(provider, store, account(store).await, &options, &observer).await.unwrap();
        }
        Happening::Sync => drop(run(store, provider, &small_pages()).await),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn whatever_is_wrong_one_whole_comparison_makes_the_store_equal(
        happenings in proptest::collection::vec(happening(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (store, provider, ids) = filled(15).await;
            // One that has left no trace but in the watermark.
            provider.inner.remove(ObjectKind::Contact, &ids[3], GoneReason::Deleted);
            for happening in happenings {
                happen(&store, &provider, &ids, happening).await;
            }
            // The first may be the rest of one that passed a place before it was spoilt; the second is whole.
            run(&store, &provider, &comparing(None)).await;
            let summary = run(&store, &provider, &comparing(None)).await;
            assert!(summary.is_complete(), "{summary:?}");
            assert_equal(&store, &provider).await;
            assert!(drift(&run(&store, &provider, &comparing(None)).await).is_none());
        });
    }

    #[test]
    fn the_machine_asks_for_every_id_that_differs_and_ends_once(
        pages in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 0..8), 1..8),
        split in 1..4_usize,
    ) {
        let id = |page: usize, at: usize| RemoteId::from(format!("{page}-{at}"));
        let mut comparing = Comparing::new(ObjectKind::Contact, None);
        let mut answer = Answer::Start(Checkpoint {
            watermark: Some(Watermark::new("w")),
            ..Checkpoint::default()
        });
        let (mut fetched, mut page, mut finished) = (Vec::new(), 0, 0);
        loop {
            let (next, effect) = compare(comparing, answer);
            comparing = next;
            answer = match effect {
                None => break,
                Some(Effect::Begin(checkpoint)) => {
                    prop_assert_eq!(checkpoint.watermark.as_ref().map(Watermark::as_str), Some("w"));
                    Answer::Begun
                }
                Some(Effect::Read(part)) if part.shape == Shape::Ids => {
                    page = part.after.map_or(0, |token| token.as_str().parse().unwrap());
                    let rows = (0..pages[page].len()).map(|at| Row::Id { remote_id: id(page, at), stamp: None });
                    let more = page + 1 < pages.len();
                    let next = if more { Next::More(PageToken::new((page + 1).to_string())) } else { Next::End(None) };
                    Answer::Page(Page::new(rows.collect(), next).with_usage(Usage::calls(1)))
                }
                Some(Effect::Read(part)) => {
                    let unicrm_core::Scope::Ids(ids) = part.scope else { panic!("all that is read in full is named") };
                    // Pages of a few records each.
                    let from: usize = part.after.map_or(0, |token| token.as_str().parse().unwrap());
                    let to = (from + split).min(ids.len());
                    fetched.extend(ids[from..to].iter().cloned());
                    let next = if to < ids.len() { Next::More(PageToken::new(to.to_string())) } else { Next::End(None) };
                    Answer::Page(Page::new(ids[from..to].iter().map(alien).collect(), next))
                }
                Some(Effect::Commit { rows, checkpoint }) => {
                    // The checkpoint never passes a page before its records are there.
                    let place = checkpoint.comparison.unwrap().after;
                    prop_assert_eq!(place.map_or(0, |token| token.as_str().parse::<usize>().unwrap()), page);
                    let mut report = PageReport::default();
                    for (at, row) in rows.iter().enumerate() {
                        match row {
                            Row::Id { remote_id, .. } if pages[page][at] => {
                                report.to_fetch.push(remote_id.clone());
                                report.missing += 1;
                            }
                            Row::Live(_) => report.counts.created += 1,
                            _ => {}
                        }
                    }
                    Answer::Committed(report)
                }
                Some(Effect::Finish(checkpoint)) => {
                    prop_assert!(checkpoint.comparison.is_none() && checkpoint.watermark.is_some());
                    finished += 1;
                    let mut end = SnapshotEnd::default();
                    end.gone = 2;
                    Answer::Finished(end)
                }
            };
        }
        let expected: Vec<RemoteId> = pages
            .iter()
            .enumerate()
            .flat_map(|(page, rows)| rows.iter().enumerate().filter(|(_, differs)| **differs).map(move |(at, _)| (page, at)))
            .map(|(page, at)| id(page, at))
            .collect();
        prop_assert_eq!(comparing.status(), Some(Status::Complete));
        prop_assert_eq!(finished, 1);
        let count = expected.len() as u64;
        prop_assert_eq!(found(comparing.drift()), (count, 2, 0, count + 2));
        prop_assert_eq!(fetched, expected);
    }
}

#[tokio::test]
async fn what_is_kept_of_the_quota_is_not_used_to_count_either() {
    let (store, provider) = linked().await;
    provider.contact("only");
    *provider.quota.lock().unwrap() = Some(Quota { used: 90, limit: 100 });
    let objects = vec![ObjectKind::Contact];
    let options = Options { objects, keep_quota: 10, reconcile: Some(Reconcile::default()), ..small_pages() };
    let summary = run(&store, &provider, &options).await;
    let contacts = summary.object(ObjectKind::Contact).unwrap();
    assert_eq!((contacts.status, contacts.tally.created), (Status::Complete, 1));
    let reconciled = contacts.reconcile.as_ref().unwrap();
    assert_eq!(reconciled.error.as_ref().unwrap().kind(), ErrorKind::QuotaExhausted);
    assert_eq!(provider.requests.load(Ordering::SeqCst), 1, "the page of contacts");
}
