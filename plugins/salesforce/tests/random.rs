//! Any sequence of passing faults and of changes: nothing is lost, whatever happens when. A failing case is printed.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use unicrm_core::{Next, ObjectKind, Provider, ProviderExt, ReadPart, Scope, Watermark};
use unicrm_salesforce_emulator::{Emulator, Fault, FaultRule, Record, Resource};

use crate::support::{Linked, Shown, read_restarting};

/// Faults that pass, and whose waits are short.
fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::SessionExpired),
        Just(Fault::NotAcceptable),
        Just(Fault::ServerUnavailable),
        Just(Fault::ServerUnavailablePage),
        Just(Fault::MaintenancePage),
        any::<bool>().prop_map(|chunked| Fault::BodyCut { chunked }),
        Just(Fault::GzipMislabelled),
        Just(Fault::ConnectionClosed),
        Just(Fault::ConnectionReset),
        Just(Fault::UnknownException),
        Just(Fault::ConcurrentRequests),
        Just(Fault::QueryTimeout),
        Just(Fault::InvalidQueryLocator),
        Just(Fault::OperationTooLarge),
        prop_oneof![Just(None), Just(Some(302))].prop_map(|redirect| Fault::InstanceMoved { redirect }),
        (1_000_usize..300_000).prop_map(|bytes| Fault::ShortPage { bytes }),
    ]
}

/// Faults after which a new token is needed. Two of them in a row are a refused login and no passing fault.
fn ends_session(fault: &Fault) -> bool {
    matches!(fault, Fault::SessionExpired | Fault::InstanceMoved { .. })
}

/// Switches a fault on, unless it would be the second that ends the session.
fn strike(linked: &Linked, rule: &FaultRule) {
    let faults = linked.emulator.faults();
    let waiting =
        faults.states().into_iter().any(|state| ends_session(&state.rule.fault) && state.struck == 0);
    if !(waiting && ends_session(&rule.fault)) {
        faults.add(rule.clone());
    }
}

fn rules() -> impl Strategy<Value = FaultRule> {
    let resources = prop_oneof![
        4 => Just(Resource::QueryMore),
        3 => Just(Resource::Query),
        2 => Just(Resource::Any),
        1 => Just(Resource::Describe),
        1 => Just(Resource::Blob),
        1 => Just(Resource::Composite),
        1 => Just(Resource::Token),
    ];
    (resources, faults(), 0_u64..6, 1_u64..3).prop_filter_map(
        "only queries have pages and places",
        |(resource, fault, after, times)| {
            let query = matches!(resource, Resource::Query | Resource::QueryMore);
            let fits = match fault {
                Fault::QueryTimeout | Fault::InvalidQueryLocator | Fault::OperationTooLarge => query,
                Fault::ShortPage { .. } => query,
                Fault::SessionExpired | Fault::InstanceMoved { .. } => query,
                _ => true,
            };
            let times = if ends_session(&fault) { 1 } else { times };
            fits.then(|| FaultRule::new(resource, fault).after(after).times(times))
        },
    )
}

#[test]
fn no_sequence_of_faults_loses_a_row() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let linked = runtime.block_on(Linked::with_contacts(650));
    let kinds = [
        ObjectKind::Contact,
        ObjectKind::Engagement,
        ObjectKind::Task,
        ObjectKind::Note,
        ObjectKind::Account,
    ];
    let cases = (
        prop::sample::select(kinds.to_vec()),
        prop::collection::vec(rules(), 1..6),
        prop_oneof![Just(None), Just(Some(30)), Just(Some(200)), Just(Some(2_000))],
    );
    let mut runner = TestRunner::new(Config {
        cases: 24,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&cases, |(kind, rules, size)| {
        let faults = linked.emulator.faults();
        faults.clear();
        rules.iter().for_each(|rule| strike(&linked, rule));
        let mut part = ReadPart::all(kind);
        part.page_size = size;
        let (shown, expected) = runtime.block_on(async {
            let shown = read_restarting(&linked, part).await;
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

/// What a remote user does while the org is read. Numbers choose the record.
#[derive(Clone, Debug)]
enum Change {
    Create,
    Update(usize),
    Delete(usize),
    Undelete(usize),
    Purge(usize),
    Merge(usize, usize),
    CommitLate(u64),
    Wait(u64),
    Strike(FaultRule),
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => Just(Change::Create),
        4 => any::<usize>().prop_map(Change::Update),
        2 => any::<usize>().prop_map(Change::Delete),
        1 => any::<usize>().prop_map(Change::Undelete),
        2 => any::<usize>().prop_map(Change::Purge),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(master, loser)| Change::Merge(master, loser)),
        2 => (1_u64..540).prop_map(Change::CommitLate),
        3 => (1_u64..1_200).prop_map(Change::Wait),
        2 => rules().prop_map(Change::Strike),
    ]
}

/// A record by number, among those in the bin or those that are not.
async fn pick(linked: &Linked, deleted: bool, number: usize) -> Option<String> {
    let expected = linked.expected(ObjectKind::Contact).await;
    let ids = if deleted { expected.deleted } else { expected.live };
    let at = number.checked_rem(ids.len())?;
    ids.into_iter().nth(at)
}

async fn happen(linked: &Linked, change: &Change) {
    let org = linked.org();
    match change {
        Change::Create => drop(org.create("Contact", json!({"LastName": "Newcomer"})).await.unwrap()),
        Change::Update(number) => {
            if let Some(id) = pick(linked, false, *number).await {
                org.update("Contact", &id, json!({"Title": format!("No. {number}")})).await.unwrap();
            }
        }
        Change::Delete(number) => {
            if let Some(id) = pick(linked, false, *number).await {
                org.delete("Contact", &id).await.unwrap();
            }
        }
        Change::Undelete(number) => {
            if let Some(id) = pick(linked, true, *number).await {
                // One that was merged into another stays where it is.
                let _may_be_refused = org.undelete("Contact", &id).await;
            }
        }
        Change::Purge(number) => {
            if let Some(id) = pick(linked, false, *number).await {
                org.delete("Contact", &id).await.unwrap();
                org.hard_delete("Contact", &id).await.unwrap();
            }
        }
        Change::Merge(master, loser) => {
            let (master, loser) = (pick(linked, false, *master).await, pick(linked, false, *loser).await);
            if let (Some(master), Some(loser)) = (master, loser)
                && master != loser
            {
                org.merge("Contact", &master, &[&loser]).await.unwrap();
            }
        }
        Change::CommitLate(seconds) => {
            let late = Record::new().with("LastName", "Late").with("Name", "Late");
            org.insert_late("Contact", late, Duration::from_secs(*seconds)).await.unwrap();
        }
        Change::Wait(seconds) => org.advance_clock(Duration::from_secs(*seconds)),
        Change::Strike(rule) => strike(linked, rule),
    }
}

/// Reads to the end, with the next change after each page.
async fn read_while(
    linked: &Linked,
    provider: &dyn Provider,
    scope: Scope,
    changes: &mut std::slice::Iter<'_, Change>,
    copy: &mut Shown,
) -> Watermark {
    let mut part = ReadPart::new(ObjectKind::Contact, scope).page_size(20);
    loop {
        let page = match provider.read_page(part.clone()).await {
            Ok(page) => page,
            Err(error) if error.is_retryable() => {
                linked.emulator.faults().clear();
                continue;
            }
            Err(error) => panic!("{error:?}"),
        };
        page.rows.into_iter().for_each(|row| copy.take(row));
        if let Some(change) = changes.next() {
            happen(linked, change).await;
        }
        match page.next {
            Next::More(token) => part = part.after(token),
            Next::End(watermark) => return watermark.expect("a watermark"),
        }
    }
}

#[test]
fn a_copy_is_equal_once_the_org_is_quiet() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config {
        cases: 12,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&prop::collection::vec(changes(), 0..40), |changes| {
        let (copy, expected, titles, shown) = runtime.block_on(async {
            let linked = Linked::start(Emulator::builder().contacts(90).seed(3)).await;
            let provider = linked.connect().await;
            let mut copy = Shown::default();
            let mut changes = changes.iter();
            let mut watermark = read_while(&linked, &*provider, Scope::All, &mut changes, &mut copy).await;
            while changes.len() > 0 {
                watermark =
                    read_while(&linked, &*provider, Scope::Since(watermark), &mut changes, &mut copy).await;
            }
            // Quiet, and late enough for the list of deletions, which goes by whole minutes.
            linked.emulator.faults().clear();
            linked.org().advance_clock(Duration::from_secs(120));
            read_while(&linked, &*provider, Scope::Since(watermark), &mut changes, &mut copy).await;
            let titles: BTreeMap<String, Option<String>> = linked
                .org()
                .query("SELECT Id, Title FROM Contact")
                .await
                .unwrap()
                .iter()
                .map(|row| (row["Id"].as_str().unwrap().to_owned(), row["Title"].as_str().map(str::to_owned)))
                .collect();
            let title = |row: &unicrm_core::LiveRow| {
                let fields = row.record.remote_fields();
                fields
                    .iter()
                    .find(|field| field.key() == Some("Title"))
                    .and_then(|field| field.value.to_text())
            };
            let shown: BTreeMap<_, _> = copy.live.iter().map(|(id, row)| (id.clone(), title(row))).collect();
            (copy, linked.expected(ObjectKind::Contact).await, titles, shown)
        });
        prop_assert!(copy.rejected.is_empty(), "{:?}", copy.rejected);
        prop_assert_eq!(copy.live_ids(), expected.live);
        prop_assert_eq!(shown, titles);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
