use std::borrow::Cow;

use proptest::prelude::*;
use unicrm_core::Json;

use super::*;
use crate::objects::Related;

const SOBJECTS: [&str; 3] = ["Account", "Contact", "Task"];

fn job(row: usize, work: Work, sobject: &'static str, parent: Option<u8>, ties: usize, bytes: usize) -> Job {
    let mut fields = vec![(Cow::Borrowed("Description"), Json::text(&"x".repeat(bytes)))];
    fields.extend(parent.map(|parent| (Cow::Borrowed("AccountId"), Json::text(&format!("001{parent}")))));
    let add = (0..ties).map(|tie| format!("003{tie}")).collect();
    let related = vec![Related { sobject: "TaskRelation", add, remove: Vec::new() }];
    let encoded = Encoded { sobject, fields, related, ..Encoded::default() };
    Job::new(row, Subject::Object(ObjectKind::Task), work, encoded)
}

fn jobs() -> impl Strategy<Value = Vec<Job>> {
    let work = prop_oneof![
        4 => Just(Work::Create),
        2 => Just(Work::Update { id: "003".to_owned() }),
        1 => Just(Work::Delete { id: "003".to_owned() }),
        1 => Just(Work::Upsert { key: "Erp__c".to_owned(), value: "1".to_owned() }),
        1 => Just(Work::Convert(LeadConvert::default())),
    ];
    let bytes = prop_oneof![60 => Just(10_usize), 1 => 0..2_000_000_usize];
    let one =
        (work, 0..3_usize, proptest::option::of(0..5_u8), prop_oneof![3 => Just(0), 1 => 1..30_usize], bytes);
    proptest::collection::vec(one, 0..500).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(row, (work, sobject, parent, ties, bytes))| {
            job(row, work, SOBJECTS[sobject], parent, ties, bytes)
        })
        .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn every_job_is_sent_once_and_no_call_is_too_large(jobs in jobs()) {
        let rows: BTreeSet<usize> = (0..jobs.len()).collect();
        let calls = calls(jobs);
        let sent: Vec<usize> = calls.iter().flat_map(|call| &call.jobs).map(|job| job.row).collect();
        prop_assert_eq!(sent.len(), rows.len());
        prop_assert_eq!(sent.into_iter().collect::<BTreeSet<_>>(), rows);
        for call in &calls {
            prop_assert!(!call.jobs.is_empty());
            prop_assert!(call.jobs.iter().all(|job| job.method() == call.method));
            let most = match call.method {
                Method::Graphs => 75,
                Method::Convert => 100,
                _ => 200,
            };
            prop_assert!(call.jobs.len() <= most);
            let bytes: usize = call.jobs.iter().map(Job::bytes).sum();
            prop_assert!(bytes <= MAX_BYTES);
            if call.method == Method::Graphs {
                prop_assert!(call.jobs.iter().map(Job::nodes).sum::<usize>() <= 500);
            }
        }
    }

    #[test]
    fn jobs_with_the_same_parent_are_neighbours(parents in proptest::collection::vec(0..9_u8, 1..300)) {
        let jobs = parents.iter().enumerate().map(|(row, parent)| job(row, Work::Create, "Contact", Some(*parent), 0, 1));
        let calls = calls(jobs.collect());
        let order: Vec<_> = calls.iter().flat_map(|call| &call.jobs).map(Job::parent).collect();
        let mut changes: Vec<_> = order.clone();
        changes.dedup();
        let distinct: BTreeSet<_> = order.into_iter().collect();
        prop_assert_eq!(changes.len(), distinct.len());
    }
}

#[test]
fn ten_thousand_creates_are_fifty_calls() {
    let jobs = (0..10_000).map(|row| job(row, Work::Create, "Contact", None, 0, 100)).collect();
    assert_eq!(calls(jobs).len(), 50);
}
