//! Descriptions: dependent choices, choices by record type, and what is asked for how often.

use std::time::Duration;

use serde_json::{Value as Json, json};
use unicrm_core::{Capability, ObjectKind, Record, WriteKind, json_schema};
use unicrm_salesforce_emulator::{FieldSchema, FieldType, PicklistValue, RecordType};
use unicrm_testkit::json_schema_errors;

use crate::support::{Linked, age, read_all};
use crate::writing::empty;

fn choices(values: &[(&str, Option<&str>)]) -> Vec<PicklistValue> {
    let value = |(value, bits): &(&str, Option<&str>)| {
        let mut choice = PicklistValue::new(*value);
        choice.valid_for = bits.map(str::to_owned);
        choice
    };
    values.iter().map(value).collect()
}

/// Two fields: the second depends on the first, and a third on a checkbox.
async fn with_dependent_fields(linked: &Linked) {
    let org = linked.org();
    let mut country = FieldSchema::new("Land__c", FieldType::Picklist);
    country.picklist = choices(&[("DE", None), ("FR", None), ("US", None)]);
    let mut city = FieldSchema::new("City__c", FieldType::Picklist);
    // The first bit is DE, the second FR, the third US.
    city.picklist =
        choices(&[("Berlin", Some("gAAA")), ("Paris", Some("QAAA")), ("Frankfurt", Some("oAAA"))]);
    (city.dependent_picklist, city.controller_name) = (true, Some("Land__c".to_owned()));
    let active = FieldSchema::new("Active__c", FieldType::Boolean);
    let mut reason = FieldSchema::new("Reason__c", FieldType::Picklist);
    reason.picklist = choices(&[("Left", Some("gAAA")), ("Stays", Some("QAAA")), ("Unknown", Some("wAAA"))]);
    (reason.dependent_picklist, reason.controller_name) = (true, Some("Active__c".to_owned()));
    for field in [country, city, active, reason] {
        org.add_field("Contact", field).await.unwrap();
    }
}

#[tokio::test]
async fn dependent_choices_name_the_values_that_they_are_valid_for() {
    let linked = empty().await;
    with_dependent_fields(&linked).await;
    let schema = linked.connect().await.describe(ObjectKind::Contact).await.unwrap();
    let field = |name: &str| schema.fields.iter().find(|field| field.remote == name).unwrap();
    let valid = |name: &str| -> Vec<(String, Option<Vec<String>>)> {
        field(name).picklist.iter().map(|value| (value.value.clone(), value.valid_for.clone())).collect()
    };
    let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    assert_eq!(field("City__c").controller.as_deref(), Some("Land__c"));
    assert_eq!(
        valid("City__c"),
        [
            ("Berlin".to_owned(), texts(&["DE"])),
            ("Paris".to_owned(), texts(&["FR"])),
            ("Frankfurt".to_owned(), texts(&["DE", "US"])),
        ]
    );
    assert_eq!(
        valid("Reason__c"),
        [
            ("Left".to_owned(), texts(&["false"])),
            ("Stays".to_owned(), texts(&["true"])),
            ("Unknown".to_owned(), texts(&["false", "true"])),
        ]
    );
    assert!(valid("Land__c").iter().all(|(_, valid_for)| valid_for.is_none()));
    assert!(schema.record_types.is_empty(), "there is only the one that every object has");
}

#[tokio::test]
async fn choices_by_record_type_take_one_call() {
    let linked = empty().await;
    with_dependent_fields(&linked).await;
    let mut partner = RecordType::new("Contact", "Partner");
    partner.picklists.insert("Land__c".to_owned(), vec!["DE".to_owned(), "FR".to_owned()]);
    let mut retired = RecordType::new("Contact", "Retired");
    retired.active = false;
    for kind in [partner.clone(), retired] {
        linked.org().add_record_type("Contact", kind).await.unwrap();
    }
    let provider = linked.connect().await;
    linked.emulator.log().clear();
    let schema = provider.describe(ObjectKind::Contact).await.unwrap();
    let asked = linked.emulator.log().entries();
    let layouts = asked.iter().filter(|entry| entry.path.contains("/describe/layouts")).count();
    assert_eq!(layouts, 1, "{asked:?}");
    let [only] = schema.record_types.as_slice() else { panic!("{:?}", schema.record_types) };
    assert_eq!((only.name.as_str(), only.id.as_str()), ("Partner", partner.id.as_str()));
    assert_eq!(only.picklists["Land__c"], ["DE", "FR"]);
    assert_eq!(only.picklists["City__c"], ["Berlin", "Paris", "Frankfurt"], "what is not narrowed is whole");
}

/// A description is asked for once an hour, then only whether it has changed; the answer is kept on disk for the next
/// process.
#[tokio::test]
async fn a_description_is_fetched_once_and_then_only_asked_about() {
    let linked = empty().await;
    let dir = tempfile::tempdir().unwrap();
    let calls = |entries: Vec<unicrm_salesforce_emulator::LogEntry>| {
        entries
            .into_iter()
            .filter(|entry| entry.path.contains("/describe") || entry.path.contains("/composite"))
            .count()
    };
    let connect = || linked.connect_cached(dir.path());
    connect().await.describe(ObjectKind::Contact).await.unwrap();
    linked.emulator.log().clear();
    // Another connection, as of another process: the files say it all.
    let described = connect().await.describe(ObjectKind::Contact).await.unwrap();
    assert_eq!(calls(linked.emulator.log().entries()), 0);
    // Files that are an hour old are asked about, and the server says that nothing has changed.
    age(dir.path(), Duration::from_secs(4_000));
    linked.emulator.log().clear();
    let confirmed = connect().await.describe(ObjectKind::Contact).await.unwrap();
    assert_eq!(confirmed, described);
    let asked: Vec<_> = linked.emulator.log().entries();
    assert_eq!(calls(asked.clone()), 1, "{asked:?}");
}

/// The schemas of a real org's objects take what the org takes.
#[tokio::test]
async fn what_was_read_fits_the_schema_of_an_update() {
    let linked = Linked::with_contacts(12).await;
    let provider = linked.connect().await;
    let mut seen = 0;
    for kind in
        ObjectKind::ALL.into_iter().filter(|kind| provider.capabilities().allows(*kind, Capability::Update))
    {
        let schema = provider.describe(kind).await.unwrap();
        let document: Json = json_schema(&schema, &[], WriteKind::Update).read().unwrap();
        let rows = read_all(&*provider, kind).await;
        for row in rows.live.values().take(40) {
            let mut record: Record = row.record.clone();
            // What is only read stands among the remote fields too; a write names what it means to write.
            record.set("remote_fields", None).unwrap();
            let json: Json = serde_json::from_str(&record.to_json()).unwrap();
            let errors = json_schema_errors(&document, &json);
            assert!(errors.is_empty(), "{kind}: {errors:?} in {json}");
            seen += 1;
        }
        let wrong = json!({"remote_fields": [{"remote_field_class": "Nothing.At_All__c", "value": 1}]});
        assert!(!json_schema_errors(&document, &wrong).is_empty(), "{kind}");
    }
    assert!(seen > 60, "{seen}");
}
