use std::borrow::Cow;

use proptest::prelude::*;
use unicrm_core::{Account, ContactPatch, ExternalKey, Json, Ref};

use super::*;
use crate::objects::Related;

const SOBJECTS: [&str; 3] = ["Account", "Contact", "Task"];

fn job(row: usize, work: Work, sobject: &'static str, parent: Option<u8>, ties: usize, bytes: usize) -> Job {
    let mut fields = vec![(Cow::Borrowed("Description"), Json::text(&"x".repeat(bytes)))];
    fields.extend(parent.map(|parent| (Cow::Borrowed("AccountId"), Json::text(&format!("001{parent}")))));
    let add = (0..ties).map(|tie| format!("003{tie}")).collect();
    let related = vec![Related { sobject: "TaskRelation", add, remove: Vec::new() }];
    let encoded = Encoded { sobject, fields, related, ..Encoded::default() };
    Job { row, kind: ObjectKind::Task, work, encoded, untie: Vec::new(), resent: None }
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

    #[test]
    fn waves_hold_every_row_once_and_keep_the_order_of_each_record(
        rows in proptest::collection::vec((0..6_u8, 0..6_u8, 0..6_u8), 0..60),
    ) {
        let operations: Vec<WriteOperation> = rows.iter().map(|(what, id, other)| operation(*what, *id, *other)).collect();
        let waves = waves(&operations);
        let mut wave_of = HashMap::new();
        for (wave, rows) in waves.iter().enumerate() {
            prop_assert!(!rows.is_empty());
            for row in rows {
                prop_assert_eq!(wave_of.insert(*row, wave), None);
            }
        }
        prop_assert_eq!(wave_of.len(), operations.len());
        for (later, b) in operations.iter().enumerate() {
            for (earlier, a) in operations.iter().enumerate().take(later) {
                let same = target(a).is_some() && target(a) == target(b);
                let deletes = |op: &WriteOperation, names: &WriteOperation| {
                    let gone = matches!(op, WriteOperation::Delete { .. }).then(|| target(op)).flatten();
                    references(names).into_iter().any(|id| gone == Some(Touched::Record(id)))
                };
                let changes = match a {
                    WriteOperation::Delete { .. } => false,
                    WriteOperation::Create { .. } => !references(a).is_empty(),
                    _ => true,
                };
                let freed = changes && takes_others(b);
                if same || freed || deletes(a, b) || deletes(b, a) {
                    prop_assert!(wave_of[&earlier] < wave_of[&later], "{a:?} and {b:?}");
                }
            }
        }
    }
}

fn operation(what: u8, id: u8, other: u8) -> WriteOperation {
    let account: Ref<Account> = Ref::by_remote_id(format!("001{other}"));
    let patch = ContactPatch::new().last_name("Feig").account(account);
    match what {
        0 => WriteOperation::create(patch),
        1 => WriteOperation::update(format!("003{id}"), patch),
        2 => WriteOperation::delete(ObjectKind::Account, format!("001{id}")),
        3 => WriteOperation::create(ContactPatch::new().last_name("Feig")),
        4 => WriteOperation::update(format!("003{id}"), ContactPatch::new().last_name("Feig")),
        _ => WriteOperation::upsert(ExternalKey::new("Erp__c", id.to_string()), patch),
    }
}

#[test]
fn rows_that_have_nothing_to_do_with_each_other_are_one_wave() {
    let operations: Vec<_> =
        (0..300).map(|row| WriteOperation::create(ContactPatch::new().last_name(row.to_string()))).collect();
    assert_eq!(waves(&operations).len(), 1);
}

#[test]
fn what_a_contact_leaves_is_deleted_after_it_left() {
    let left = |id: u8| {
        let patch = RecordPatch::from_json(ObjectKind::Contact, r#"{"account":null}"#).expect("a patch");
        WriteOperation::update(format!("003{id}"), patch)
    };
    let delete = |kind, id: &str| WriteOperation::delete(kind, id);
    let account = || delete(ObjectKind::Account, "0011");
    assert_eq!(waves(&[left(1), account()]), [vec![0], vec![1]]);
    // Changes and deletions by turns are two waves, and not one for each turn.
    let by_turns = [left(1), account(), left(2), delete(ObjectKind::Account, "0012")];
    assert_eq!(waves(&by_turns), [vec![0, 2], vec![1, 3]]);
    // Nothing goes with a task.
    assert_eq!(waves(&[left(1), delete(ObjectKind::Task, "00T1")]), [vec![0, 1]]);
}

#[test]
fn ten_thousand_creates_are_fifty_calls() {
    let jobs = (0..10_000).map(|row| job(row, Work::Create, "Contact", None, 0, 100)).collect();
    assert_eq!(calls(jobs).len(), 50);
}
