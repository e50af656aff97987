//! The JSON Schema of a write and the model itself say the same.

use proptest::prelude::*;
use serde_json::{Value, json};
use unicrm_core::memory::MemoryProvider;
use unicrm_core::{
    FieldFormat, FieldMapping, FieldSchema, MappedType, ObjectKind, PicklistValue, Provider, Record,
    RecordPatch, Schema, WriteKind, json_schema,
};
use unicrm_testkit::strategies::linked_account;
use unicrm_testkit::{Profile, json_schema_errors};

fn described(kind: ObjectKind) -> Schema {
    let provider = MemoryProvider::new(linked_account());
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(provider.describe(kind)).unwrap()
}

fn document(schema: &Schema, mappings: &[FieldMapping], write: WriteKind) -> Value {
    json_schema(schema, mappings, write).read().unwrap()
}

/// Whatever the model can hold is taken, with some fields cleared.
#[test]
fn every_patch_of_the_model_is_taken() {
    for kind in ObjectKind::ALL {
        let schema = described(kind);
        let [create, update] =
            [WriteKind::Create, WriteKind::Update].map(|write| document(&schema, &[], write));
        // Mapped names are those of the linked account, and this one has none.
        let profile = match Record::has_field(kind, "field_mappings") {
            true => Profile::any().without_field(kind, "field_mappings"),
            false => Profile::any(),
        };
        proptest!(ProptestConfig::with_cases(24), |(record in profile.record(kind), cleared in 0_usize..40)| {
            let mut json: Value = serde_json::from_str(&record.to_json()).unwrap();
            let field = Record::fields_of(kind).iter().cycle().nth(cleared).unwrap();
            json[field.name] = Value::Null;
            RecordPatch::from_json(kind, &json.to_string()).unwrap();
            for schema in [&create, &update] {
                let errors = json_schema_errors(schema, &json);
                prop_assert!(errors.is_empty(), "{kind}: {errors:?} in {json}");
            }
        });
    }
}

/// A value of another type is refused by both, under the same pointer; so is a key that nobody knows.
#[test]
fn what_the_model_refuses_is_refused() {
    for kind in ObjectKind::ALL {
        let schema = document(&described(kind), &[], WriteKind::Update);
        for field in Record::fields_of(kind) {
            for wrong in
                [json!([17]), json!({"nonsense": 1}), json!(true), json!("\u{0}nonsense"), json!(1.5)]
            {
                let json = json!({field.name: wrong});
                if RecordPatch::from_json(kind, &json.to_string()).is_err() {
                    let errors = json_schema_errors(&schema, &json);
                    // What a text must look like to be an id or an instant is a format: a hint, and not a rule.
                    let format = wrong.is_string();
                    assert!(format || !errors.is_empty(), "{kind}: {json} is taken");
                    let pointer = format!("/{}", field.name);
                    assert!(errors.iter().all(|error| error.starts_with(&pointer)), "{errors:?}");
                }
            }
        }
        let errors = json_schema_errors(&schema, &json!({"frist_name": "Gil"}));
        assert_eq!(errors, ["/frist_name: is not known"]);
    }
}

#[test]
fn what_the_remote_refuses_is_refused() {
    let mut schema = Schema::new(ObjectKind::Lead, vec!["Lead".to_owned()]);
    let mut company = FieldSchema::new("Lead", "Company", FieldFormat::String);
    company.unified = Some("company".to_owned());
    (company.required, company.creatable, company.updatable, company.length) = (true, true, true, Some(5));
    let mut source = FieldSchema::new("Lead", "LeadSource", FieldFormat::String);
    source.unified = Some("lead_source".to_owned());
    (source.creatable, source.updatable, source.restricted) = (true, true, true);
    let mut old = PicklistValue::new("Fax");
    old.active = false;
    source.picklist = vec![PicklistValue::new("Web"), old];
    let mut tier = FieldSchema::new("Lead", "Tier__c", FieldFormat::Number);
    tier.class_id = Some("Lead.Tier__c".to_owned());
    (tier.required, tier.creatable, tier.scale) = (true, true, Some(0));
    let mut read_only = FieldSchema::new("Lead", "Score__c", FieldFormat::Number);
    read_only.class_id = Some("Lead.Score__c".to_owned());
    let mut note = FieldSchema::new("Lead", "Note__c", FieldFormat::String);
    note.class_id = Some("Lead.Note__c".to_owned());
    (note.creatable, note.updatable) = (true, true);
    schema.fields = vec![company, source, tier, read_only, note];

    let mapping = FieldMapping::new(ObjectKind::Lead, "vip", "Vip__c", MappedType::Boolean).unwrap();
    let [create, update] = [WriteKind::Create, WriteKind::Update]
        .map(|write| document(&schema, std::slice::from_ref(&mapping), write));
    let tier = |value: Value| json!([{"remote_field_class": "Lead.Tier__c", "value": value}]);
    let good = json!({
        "company": "K", "lead_source": "Web", "remote_fields": tier(json!(5)),
        "field_mappings": {"linked_account_defined_targets": {"vip": true}},
    });
    assert_eq!(json_schema_errors(&create, &good), [] as [String; 0]);
    for (field, value) in [
        ("company", json!("K-LINK")),
        ("company", Value::Null),
        ("lead_source", json!("Fax")),
        ("lead_source", json!("Wbe")),
        ("remote_fields", tier(json!("five"))),
        ("remote_fields", tier(json!(5.5))),
        ("remote_fields", tier(Value::Null)),
        ("remote_fields", json!([])),
        ("remote_fields", json!([{"remote_field_class": "Lead.Score__c", "value": 1}])),
        ("remote_fields", json!([{"remote_field_class": "Lead.Teir__c", "value": 1}])),
        ("field_mappings", json!({"linked_account_defined_targets": {"vip": "yes"}})),
        ("field_mappings", json!({"linked_account_defined_targets": {"pvi": true}})),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(!json_schema_errors(&create, &bad).is_empty(), "{bad}");
    }
    for missing in ["company", "remote_fields"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(missing);
        assert!(!json_schema_errors(&create, &bad).is_empty(), "{bad}");
    }
    let mut named = good;
    named["remote_fields"] = json!([{"remote_field_class": {"remote_key_name": "Tier__c"}, "value": 5}]);
    assert_eq!(json_schema_errors(&create, &named), [] as [String; 0]);
    assert_eq!(json_schema_errors(&update, &json!({})), [] as [String; 0]);
    // What may only be set at the beginning is no part of an update.
    assert!(!json_schema_errors(&update, &json!({"remote_fields": tier(json!(5))})).is_empty());
    let note = json!({"remote_fields": [{"remote_field_class": "Lead.Note__c", "value": null}]});
    assert_eq!(json_schema_errors(&update, &note), [] as [String; 0]);
}
