use proptest::prelude::*;
use serde_json::json;
use unicrm_core::{Account, ContactPatch, ExternalKey, Ref};

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn waves_hold_every_row_once_and_keep_the_order_of_each_record(
        rows in proptest::collection::vec((0..6_u8, 0..6_u8, 0..6_u8), 0..60),
    ) {
        let operations: Vec<WriteOperation> = rows.iter().map(|(what, id, other)| operation(*what, *id, *other)).collect();
        let mut steps = steps(&operations);
        // Two of the keys stand for records that rows name by id as well.
        for step in &mut steps {
            for id in ["0", "1"] {
                if step.writes.contains(&Touched::key("contact", "Erp__c", id)) {
                    step.writes.push(Touched::record(&format!("003{id}")));
                }
            }
        }
        let waves = waves(&steps);
        let mut wave_of = HashMap::new();
        for (wave, rows) in waves.iter().enumerate() {
            prop_assert!(!rows.is_empty());
            for row in rows {
                prop_assert_eq!(wave_of.insert(*row, wave), None);
            }
        }
        prop_assert_eq!(wave_of.len(), operations.len());
        for (later, b) in steps.iter().enumerate() {
            for (earlier, a) in steps.iter().enumerate().take(later) {
                let same = a.writes.iter().any(|touched| b.writes.contains(touched));
                let deletes = |one: &Step, other: &Step| {
                    let gone = |id: &String| one.writes.contains(&Touched::Record(id.clone()));
                    matches!(one.act, Act::Delete { .. }) && other.names.iter().any(gone)
                };
                let changes = match a.act {
                    Act::Delete { .. } => false,
                    Act::Create => !a.names.is_empty(),
                    Act::Change => true,
                };
                let freed = changes && b.act == Act::Delete { takes_others: true };
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

fn waves_of(operations: &[WriteOperation]) -> Vec<Vec<usize>> {
    waves(&steps(operations))
}

fn contact(json: &serde_json::Value) -> RecordPatch {
    RecordPatch::from_json(ObjectKind::Contact, &json.to_string()).expect("a patch")
}

#[test]
fn rows_that_have_nothing_to_do_with_each_other_are_one_wave() {
    let operations: Vec<_> =
        (0..300).map(|row| WriteOperation::create(ContactPatch::new().last_name(row.to_string()))).collect();
    assert_eq!(waves_of(&operations).len(), 1);
    // Nor do numbers that happen to be the key of another row.
    let upsert = |row: u32| {
        let value = json!([{"remote_field_class": "Contact.Level__c", "value": "7"}]);
        let patch = contact(&json!({"last_name": "7", "remote_fields": value}));
        WriteOperation::upsert(ExternalKey::new("Erp__c", row.to_string()), patch)
    };
    assert_eq!(waves_of(&(0..50).map(upsert).collect::<Vec<_>>()).len(), 1);
}

#[test]
fn what_a_contact_leaves_is_deleted_after_it_left() {
    let left = |id: u8| WriteOperation::update(format!("003{id}"), contact(&json!({"account": null})));
    let delete = |kind, id: &str| WriteOperation::delete(kind, id);
    let account = || delete(ObjectKind::Account, "0011");
    assert_eq!(waves_of(&[left(1), account()]), [vec![0], vec![1]]);
    // Changes and deletions by turns are two waves, and not one for each turn.
    let by_turns = [left(1), account(), left(2), delete(ObjectKind::Account, "0012")];
    assert_eq!(waves_of(&by_turns), [vec![0, 2], vec![1, 3]]);
    // Nothing goes with a task.
    assert_eq!(waves_of(&[left(1), delete(ObjectKind::Task, "00T1")]), [vec![0, 1]]);
}

#[test]
fn a_row_that_gives_a_record_its_key_comes_before_one_that_names_it_so() {
    let upsert = |field: &str, value: &str| {
        WriteOperation::upsert(ExternalKey::new(field, value), ContactPatch::new().last_name("Feig"))
    };
    let erp = json!([{"remote_field_class": "Contact.ERP__c", "value": " a1 "}]);
    let keyed = || contact(&json!({"last_name": "x", "remote_fields": erp}));
    let in_order = [vec![0], vec![1]];
    for first in [
        WriteOperation::create(keyed()),
        WriteOperation::update("0031", keyed()),
        upsert("erp__c", "a1"),
        upsert("Erp__c", "A1"),
    ] {
        assert_eq!(waves_of(&[first.clone(), upsert("Erp__c", "A1")]), in_order, "{first:?}");
    }
    assert_eq!(waves_of(&[upsert("Erp__c", "1.0"), upsert("Erp__c", "1")]), in_order);
    let email = contact(&json!({"email_addresses": [{"email_address": "Gil@klink.cloud"}]}));
    assert_eq!(
        waves_of(&[WriteOperation::update("0031", email), upsert("Email", "gil@klink.cloud")]),
        in_order
    );
    assert_eq!(waves_of(&[upsert("Erp__c", "A1"), upsert("Erp__c", "A2")]), [vec![0, 1]]);
}

#[test]
fn keys_are_looked_up_where_a_record_may_be_named_in_two_ways() {
    let upsert = |field: &str| {
        WriteOperation::upsert(ExternalKey::new(field, "1"), ContactPatch::new().last_name("Feig"))
    };
    let of = |operations: &[WriteOperation]| ambiguous(&operations.iter().map(named).collect::<Vec<_>>());
    let delete = |kind| WriteOperation::delete(kind, "003");
    assert_eq!(of(&[upsert("A__c"), delete(ObjectKind::Contact)]), [0]);
    assert_eq!(of(&[upsert("A__c"), upsert("B__c")]), [0, 1]);
    let apart = [
        upsert("A__c"),
        upsert("a__C"),
        delete(ObjectKind::Account),
        WriteOperation::create(ContactPatch::new().last_name("Feig")),
    ];
    assert!(of(&apart).is_empty());
}
