//! Custom fields of every type on every object that can be written: written and read as remote fields, and back.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use unicrm_core::{
    Capability, FieldFormat, FieldMapping, MappedType, ObjectKind, OutcomeStatus, Provider, ProviderExt,
    ReadPart, RecordPatch, Row, Scope, WriteKind, WriteOperation, json_schema,
};
use unicrm_salesforce_emulator::{FieldSchema, FieldType, OrgHandle, PicklistValue};
use unicrm_testkit::json_schema_errors;

use crate::writing::{create, created, empty, one, update};

/// An object, its remote one, and what a create of it needs. Classic and enhanced notes have no custom fields.
fn objects() -> [(ObjectKind, &'static str, Json); 7] {
    [
        (ObjectKind::Account, "Account", json!({"name": "K-LINK"})),
        (ObjectKind::Contact, "Contact", json!({"last_name": "Feig"})),
        (ObjectKind::Lead, "Lead", json!({"last_name": "Feig", "company": "K-LINK"})),
        (
            ObjectKind::Opportunity,
            "Opportunity",
            json!({"name": "Deal", "stage": {"remote_id": "Prospecting"}, "close_date": "2030-01-01T00:00:00Z"}),
        ),
        (ObjectKind::Task, "Task", json!({"subject": "Call back"})),
        (
            ObjectKind::Engagement,
            "Event",
            json!({"subject": "Meet", "engagement_type": {"remote_id": "Event"},
                "start_time": "2030-01-01T10:00:00Z", "end_time": "2030-01-01T11:00:00Z"}),
        ),
        (
            ObjectKind::Engagement,
            "Task",
            json!({"subject": "Rang", "engagement_type": {"remote_id": "Task:Call"}}),
        ),
    ]
}

/// A field of a type, the format that it shows as, two values as they are written, and what is refused.
struct Sort {
    name: &'static str,
    ty: FieldType,
    format: FieldFormat,
    values: [Json; 2],
    wrong: Json,
}

fn sorts(user: &str, account: &str) -> Vec<Sort> {
    use FieldFormat as F;
    use FieldType as T;
    let sort = |name, ty, format, values, wrong: Json| Sort { name, ty, format, values, wrong };
    vec![
        sort("Text__c", T::String, F::String, [json!("O'Brien \\ 100%"), json!("Größe")], json!(5)),
        sort("Long__c", T::TextArea, F::String, [json!("one\ntwo"), json!("three")], json!(true)),
        sort("Number__c", T::Double, F::Number, [json!(12.25), json!(-3)], json!("twelve")),
        sort("Money__c", T::Currency, F::Number, [json!(1_000_000.5), json!(0)], json!("free")),
        sort("Share__c", T::Percent, F::Number, [json!(50), json!(7)], json!([50])),
        sort("Flag__c", T::Boolean, F::Bool, [json!(true), json!(false)], json!("yes")),
        sort("Day__c", T::Date, F::Date, [json!("2026-11-22"), json!("2000-02-29")], json!("22.11.2026")),
        sort(
            "At__c",
            T::DateTime,
            F::Datetime,
            [json!("2026-11-22T10:11:12.000+0000"), json!("1999-12-31T23:59:59.000+0000")],
            json!("soon"),
        ),
        sort("Tier__c", T::Picklist, F::String, [json!("Gold"), json!("Silver")], json!(1)),
        sort("Tags__c", T::MultiPicklist, F::List, [json!("a;b"), json!("c")], json!(1)),
        sort("Mail__c", T::Email, F::String, [json!("gil@feig.example"), json!("a@b.example")], json!(false)),
        sort("Ring__c", T::Phone, F::String, [json!("+1 415 555 0100"), json!("4155550100")], json!({})),
        sort(
            "Site__c",
            T::Url,
            F::String,
            [json!("https://k-link.example"), json!("http://x.example")],
            json!(0),
        ),
        sort("Who__c", T::Reference, F::String, [json!(user), json!(account)], json!(7)),
    ]
}

async fn add(org: &OrgHandle, object: &str, sorts: &[Sort]) {
    for sort in sorts {
        let mut field = FieldSchema::new(sort.name, sort.ty);
        match sort.ty {
            FieldType::Picklist | FieldType::MultiPicklist => {
                let values = ["Gold", "Silver", "a", "b", "c"];
                field.picklist = values.into_iter().map(PicklistValue::new).collect();
            }
            FieldType::Reference => field = field.to(&["User", "Account"], Some("Who__r")),
            _ => {}
        }
        org.add_field(object, field).await.unwrap();
    }
}

fn remote_fields(sobject: &str, values: &BTreeMap<&str, Json>) -> Json {
    let fields = values
        .iter()
        .map(|(name, value)| json!({"remote_field_class": format!("{sobject}.{name}"), "value": value}));
    fields.collect()
}

/// The record as it is read, by id.
async fn read(provider: &dyn Provider, kind: ObjectKind, id: &str) -> unicrm_core::Record {
    let page = provider.read_page(ReadPart::new(kind, Scope::Ids(vec![id.into()]))).await.unwrap();
    match page.rows.into_iter().next() {
        Some(Row::Live(row)) => row.record,
        other => panic!("{kind} {id}: {other:?}"),
    }
}

/// What the remote fields of a record hold, by name; formats are checked on the way.
fn shown(record: &unicrm_core::Record, sorts: &[Sort]) -> BTreeMap<&'static str, Json> {
    let mut values = BTreeMap::new();
    for sort in sorts {
        let field = record.remote_fields().iter().find(|field| field.key() == Some(sort.name));
        let Some(field) = field else { continue };
        let unicrm_core::RemoteFieldClassRef::Class(class) = &field.remote_field_class else {
            panic!("{}: the class is not there", sort.name)
        };
        assert_eq!(class.field_type.as_ref(), Some(&sort.format), "{}", sort.name);
        assert_eq!(class.is_custom, Some(true), "{}", sort.name);
        values.insert(sort.name, serde_json::from_str(field.value.as_str()).unwrap());
    }
    values
}

fn given(sorts: &[Sort], which: usize) -> BTreeMap<&'static str, Json> {
    sorts.iter().map(|sort| (sort.name, sort.values[which].clone())).collect()
}

/// Numbers are the same whatever their scale.
fn same(a: &BTreeMap<&str, Json>, b: &BTreeMap<&str, Json>) -> bool {
    a.len() == b.len()
        && a.iter().all(|(name, a)| {
            b.get(name).is_some_and(|b| a == b || a.as_f64().is_some() && a.as_f64() == b.as_f64())
        })
}

#[tokio::test]
async fn custom_fields_of_every_type_go_both_ways_on_every_object() {
    let linked = empty().await;
    let org = linked.org();
    let account = org.create("Account", json!({"Name": "Target"})).await.unwrap();
    let user = org.user_id().to_owned();
    let sorts = sorts(&user, &account);
    for object in ["Account", "Contact", "Lead", "Opportunity", "Task", "Event"] {
        add(&org, object, &sorts).await;
    }
    let provider = linked.connect().await;
    for (kind, sobject, base) in objects() {
        let first = given(&sorts, 0);
        let mut record = base.clone();
        record["remote_fields"] = remote_fields(sobject, &first);
        let schema = provider.describe(kind).await.unwrap();
        let document: Json = json_schema(&schema, &[], WriteKind::Create).read().unwrap();
        assert_eq!(json_schema_errors(&document, &record), [] as [String; 0], "{kind}");
        let id = created(&one(&*provider, create(kind, record.clone())).await);

        // The org's own tables hold what was written.
        let row = &org
            .query(&format!("SELECT FIELDS(ALL) FROM {sobject} WHERE Id = '{id}' LIMIT 1"))
            .await
            .unwrap()[0];
        let held: BTreeMap<&str, Json> =
            sorts.iter().map(|sort| (sort.name, row[sort.name].clone())).collect();
        assert!(same(&held, &first), "{kind} {sobject}: {held:?}");

        // It reads back typed, and writing back what was read writes nothing.
        let before = read(&*provider, kind, &id).await;
        assert!(same(&shown(&before, &sorts), &first), "{kind}: {:?}", shown(&before, &sorts));
        linked.emulator.log().clear();
        let back = WriteOperation::update(id.as_str(), RecordPatch::from_record(before.clone()));
        let outcome = one(&*provider, back).await;
        assert!(matches!(outcome.status, OutcomeStatus::Unchanged), "{kind}: {outcome:?}");
        let writes = linked.emulator.log().entries();
        assert!(
            writes.iter().all(|entry| entry.method == "GET" || !entry.path.contains("sobjects")),
            "{kind}"
        );

        // Other values, then none.
        let second = given(&sorts, 1);
        let patch = json!({"remote_fields": remote_fields(sobject, &second)});
        let outcome = one(&*provider, update(kind, &id, patch)).await;
        assert!(matches!(outcome.status, OutcomeStatus::Updated), "{kind}: {outcome:?}");
        assert!(same(&shown(&read(&*provider, kind, &id).await, &sorts), &second), "{kind}");
        let nulls = sorts.iter().filter(|sort| sort.ty != FieldType::Boolean);
        let nulls = nulls.map(|sort| (sort.name, Json::Null)).collect();
        let outcome =
            one(&*provider, update(kind, &id, json!({"remote_fields": remote_fields(sobject, &nulls)})))
                .await;
        assert!(outcome.is_done(), "{kind}: {outcome:?}");
        let left = shown(&read(&*provider, kind, &id).await, &sorts);
        assert!(left.iter().all(|(name, value)| *name == "Flag__c" || value.is_null()), "{kind}: {left:?}");

        // A value of another type: the schema refuses it.
        for sort in &sorts {
            let wrong = &sort.wrong;
            let mut record = base.clone();
            record["remote_fields"] = remote_fields(sobject, &BTreeMap::from([(sort.name, wrong.clone())]));
            assert!(
                !json_schema_errors(&document, &record).is_empty(),
                "{kind} {}: {wrong} is taken",
                sort.name
            );
        }
    }
    // Every object that may be created was among them, but for notes.
    let creatable =
        ObjectKind::ALL.into_iter().filter(|kind| provider.capabilities().allows(*kind, Capability::Create));
    let covered = objects().map(|(kind, ..)| kind);
    assert_eq!(creatable.filter(|kind| !covered.contains(kind)).collect::<Vec<_>>(), [ObjectKind::Note]);
}

/// Mapped names are written as the remote fields that they stand for; lists become what Salesforce keeps.
#[tokio::test]
async fn a_mapped_field_is_written_by_its_name() {
    let linked = empty().await;
    let org = linked.org();
    add(&org, "Contact", &sorts("", "")).await;
    let provider = linked.connect().await;
    let schema = provider.describe(ObjectKind::Contact).await.unwrap();
    let mappings = [
        ("tier", "Tier__c", MappedType::Text),
        ("tags", "Tags__c", MappedType::List),
        ("score", "Contact.Number__c", MappedType::Number),
        ("seen", "At__c", MappedType::Timestamp),
        ("mobile", "MobilePhone", MappedType::Text),
    ]
    .map(|(name, remote, ty)| FieldMapping::new(ObjectKind::Contact, name, remote, ty).unwrap());
    for mapping in &mappings {
        mapping.check(&schema).unwrap();
    }
    let json = json!({"last_name": "Feig", "field_mappings": {"linked_account_defined_targets": {
        "tier": "Gold", "tags": ["a", "c"], "score": 7.5, "seen": "2026-11-22T10:11:12Z"}}});
    let document: Json = json_schema(&schema, &mappings, WriteKind::Create).read().unwrap();
    assert_eq!(json_schema_errors(&document, &json), [] as [String; 0]);
    let mut patch = RecordPatch::from_json(ObjectKind::Contact, &json.to_string()).unwrap();
    patch.resolve_field_mappings(&mappings).unwrap();
    let id = created(&one(&*provider, WriteOperation::create(patch)).await);
    let row = &org
        .query(&format!("SELECT Tier__c, Tags__c, Number__c FROM Contact WHERE Id = '{id}'"))
        .await
        .unwrap()[0];
    assert_eq!((&row["Tier__c"], &row["Tags__c"]), (&json!("Gold"), &json!("a;c")));

    let page =
        provider.read_page(ReadPart::new(ObjectKind::Contact, Scope::Ids(vec![id.as_str().into()]))).await;
    let Some(Row::Live(mut live)) = page.unwrap().rows.into_iter().next() else { panic!("no contact") };
    live.record.set_field_mappings(&mappings, &live.raw).unwrap();
    let json: Json = serde_json::from_str(&live.record.to_json()).unwrap();
    let lifted = &json["field_mappings"]["linked_account_defined_targets"];
    assert_eq!(lifted["tags"], json!(["a", "c"]));
    assert_eq!(lifted["seen"], "2026-11-22T10:11:12Z");
    assert_eq!(lifted["score"].as_f64(), Some(7.5));
    assert_eq!(lifted["mobile"], Json::Null);
}
