//! A record is the same however it came: fields, raw record, stamp, and what is gone.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use unicrm_core::{LiveRow, ObjectKind, ReadPart, Shape};
use unicrm_salesforce_emulator::{Emulator, Features, FieldSchema, FieldType, Record};

use super::{connect, jobs};
use crate::support::{Linked, Shown, read};

/// What a host keeps of a row.
fn kept(row: &LiveRow) -> Value {
    let raw: Vec<_> = row.raw.pieces().collect();
    json!({ "record": row.record.to_json().as_str(), "stamp": row.stamp.map(|at| at.to_string()), "raw": raw })
}

fn all(shown: &Shown) -> BTreeMap<String, Value> {
    let live = shown.live.iter().map(|(id, row)| (id.clone(), kept(row)));
    let gone = shown.gone.iter().map(|(id, gone)| {
        let last = gone.last.as_deref().map(kept);
        (id.clone(), json!([format!("{:?}", gone.reason), gone.stamp.map(|at| at.to_string()), last]))
    });
    live.chain(gone).collect()
}

async fn compare(linked: &Linked, kind: ObjectKind) -> usize {
    let part = ReadPart::all(kind);
    let rest = read(&*linked.connect().await, part.clone()).await.unwrap();
    let bulk = read(&*connect(linked).await, part).await.unwrap();
    assert_eq!((rest.rejected.len(), bulk.rejected.len()), (0, 0), "{:?} {:?}", rest.rejected, bulk.rejected);
    let (rest, bulk) = (all(&rest), all(&bulk));
    for (id, row) in &rest {
        assert_eq!(bulk.get(id), Some(row), "{kind} {id}");
    }
    assert_eq!(rest.len(), bulk.len(), "{kind}");
    rest.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_object_is_the_same_by_rest_and_by_job() {
    let plain = Features { shared_activities: false, enhanced_notes: false, ..Features::default() };
    let rich = Features {
        multi_currency: true,
        person_accounts: true,
        state_country_picklists: true,
        ..Features::default()
    };
    // Activities with several people and enhanced notes stay with REST, and so do the few stages.
    for (features, activities) in [(plain, 1), (rich, 0)] {
        let linked =
            Linked::start(Emulator::builder().contacts(120).seed(7).features(features.clone())).await;
        for kind in ObjectKind::ALL {
            let before = jobs(&linked, "POST");
            let rows = compare(&linked, kind).await;
            let made = jobs(&linked, "POST") - before;
            println!("{kind}: {rows} rows, {made} jobs");
            let expected = match kind {
                ObjectKind::EngagementType | ObjectKind::Stage => 0,
                ObjectKind::Engagement => 2 * activities,
                _ => 1,
            };
            assert_eq!(made, expected, "{kind} {features:?}");
            assert!(rows > 0, "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_alone_come_by_a_job_too() {
    let linked = Linked::with_contacts(230).await;
    let part = ReadPart::all(ObjectKind::Contact).shape(Shape::Ids);
    let rest = read(&*linked.connect().await, part.clone()).await.unwrap();
    let bulk = read(&*connect(&linked).await, part).await.unwrap();
    assert_eq!(jobs(&linked, "POST"), 1);
    assert_eq!((rest.ids, rest.gone.len()), (bulk.ids, bulk.gone.len()));
}

/// Texts that readers of CSV have lost in the past.
fn texts() -> impl Strategy<Value = String> {
    let known = [
        "NA", "null", "NaN", "None", "#N/A", "true", "0", "1.6E13", "=1+1", " x ", "a,b", "\"", "a\"\"b",
        "\\",
    ];
    prop_oneof![
        3 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        3 => "[a\",\r\n;\t' \\\\\u{0}\u{1}é😀-]{1,12}",
        1 => "\\PC{1,20}",
    ]
}

#[test]
fn any_values_are_the_same_by_rest_and_by_job() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let linked = runtime.block_on(async {
        let linked = Linked::start(Emulator::builder().contacts(0).seed(3)).await;
        let org = linked.org();
        let mut score = FieldSchema::new("Score__c", FieldType::Double);
        (score.precision, score.scale) = (18, 6);
        org.add_field("Contact", score).await.unwrap();
        org.add_field("Contact", FieldSchema::new("Children__c", FieldType::Int)).await.unwrap();
        org.add_field("Contact", FieldSchema::new("Vip__c", FieldType::Boolean)).await.unwrap();
        org.add_field("Contact", FieldSchema::new("Wake__c", FieldType::Time)).await.unwrap();
        org.add_field("Contact", FieldSchema::new("Met__c", FieldType::DateTime)).await.unwrap();
        linked
    });
    let row = (
        texts(),
        prop::option::of(texts()),
        prop::option::of(-1_000_000_000_000_000_i64..1_000_000_000_000_000),
        prop::option::of(any::<i32>()),
        any::<bool>(),
        prop::option::of(0_i64..4_000_000_000),
    );
    let cases = std::env::var("UNICRM_BULK_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&prop::collection::vec(row, 1..12), |rows| {
        runtime.block_on(async {
            let org = linked.org();
            for (name, description, score, children, vip, met) in rows {
                let mut record = Record::new()
                    .with("LastName", name.as_str())
                    .with("Name", name.as_str())
                    .with("Vip__c", vip);
                if let Some(text) = description {
                    record = record.with("Description", text.as_str());
                }
                if let Some(millionths) = score {
                    record = record
                        .with("Score__c", rust_decimal::Decimal::from_i128_with_scale(millionths.into(), 6));
                }
                if let Some(children) = children {
                    record = record.with("Children__c", i64::from(children));
                }
                if let Some(met) = met {
                    let met = jiff::Timestamp::from_second(met).unwrap();
                    let wake = met.to_zoned(jiff::tz::TimeZone::UTC).time();
                    record = record.with("Met__c", met).with("Wake__c", wake);
                }
                org.insert("Contact", record).await.unwrap();
            }
            compare(&linked, ObjectKind::Contact).await;
        });
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
