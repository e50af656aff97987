//! Any sequence of passing faults: nothing is lost, whatever strikes when. The seed of a failing case is printed.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use unicrm_core::{ObjectKind, ReadPart};
use unicrm_salesforce_emulator::{Fault, FaultRule, Resource};

use crate::support::{Linked, read_restarting};

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
                Fault::SessionExpired | Fault::InstanceMoved { .. } => resource != Resource::Token,
                _ => true,
            };
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
        rules.iter().cloned().for_each(|rule| faults.add(rule));
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
