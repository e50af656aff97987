//! Every field of every object is really exercised, and the model keeps whatever the strategies come up with.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use unicrm_core::{ObjectKind, Record, RecordPatch};
use unicrm_testkit::Profile;

#[test]
fn each_field_of_each_object_is_filled_in_at_least_one_case_of_twenty() {
    const CASES: usize = 400;
    let mut runner = TestRunner::new(Config::default());
    for kind in ObjectKind::ALL {
        let strategy = Profile::any().record(kind);
        let mut filled: BTreeMap<&str, usize> = BTreeMap::new();
        for _ in 0..CASES {
            let record = strategy.new_tree(&mut runner).unwrap().current();
            record.visit(&mut |field, value| {
                *filled.entry(field.name).or_default() += usize::from(value.is_some())
            });
        }
        for (field, count) in filled {
            assert!(count * 20 >= CASES, "{kind}.{field} has a value in {count} of {CASES} cases");
        }
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    proptest::sample::select(&ObjectKind::ALL[..]).prop_flat_map(|kind| Profile::any().record(kind))
}

proptest! {
    #[test]
    fn json_keeps_every_record(record in any_record()) {
        let json = record.to_json();
        let back = Record::from_json(record.kind(), &json).unwrap();
        prop_assert_eq!(&back, &record);
        prop_assert_eq!(back.to_json(), json);
    }

    #[test]
    fn json_keeps_every_patch(record in any_record()) {
        let patch = RecordPatch::from_record(record);
        let json = serde_json::to_string(&patch).unwrap();
        prop_assert_eq!(RecordPatch::from_json(patch.kind(), &json).unwrap(), patch);
    }

    #[test]
    fn a_create_of_a_record_makes_the_record(record in any_record()) {
        let mut made = Record::empty(record.kind());
        prop_assert!(RecordPatch::from_record(record.clone()).apply_to(&mut made));
        prop_assert_eq!(made, record);
    }

    #[test]
    fn reflection_takes_a_record_apart_and_puts_it_together(record in any_record()) {
        let mut copy = Record::empty(record.kind());
        record.visit(&mut |field, value| copy.set(field.name, value).unwrap());
        prop_assert_eq!(copy, record);
    }
}
