//! The schema against its own rules, and against recorded describes.

mod recorded;

use proptest::prelude::*;

use super::describe::Describer;
use super::visibility::{FieldAccess, ObjectAccess};
use super::*;

fn all_features() -> Features {
    Features {
        multi_currency: true,
        person_accounts: true,
        state_country_picklists: true,
        shared_activities: true,
        enhanced_notes: true,
    }
}

fn describer<'a>(schema: &'a Schema, visibility: &'a Visibility) -> Describer<'a> {
    Describer { schema, visibility, version: "66.0", instance_url: "http://127.0.0.1:1" }
}

#[test]
fn every_field_is_sound() {
    let schema = Schema::standard(&all_features());
    for object in schema.objects() {
        let mut seen = std::collections::HashSet::new();
        assert!(object.field("Id").is_some(), "{} has no Id", object.name);
        for field in &object.fields {
            let at = format!("{}.{}", object.name, field.name);
            assert!(seen.insert(field.name.to_ascii_lowercase()), "{at} twice");
            assert_eq!(field.ty == FieldType::Reference, !field.reference_to.is_empty(), "{at} targets");
            assert!(!field.restricted_picklist || !field.picklist.is_empty(), "{at} accepts nothing");
            if let Some(whole) = &field.compound_field_name {
                assert!(object.field(whole).is_some() || whole == "Fiscal", "{at} is part of {whole}");
            }
            if field.ty.is_text() && !field.ty.is_compound() {
                assert!(field.length > 0, "{at} has no length");
            }
            for value in &field.picklist {
                assert!(
                    u32::try_from(value.value.chars().count()).is_ok_and(|n| n <= field.length),
                    "{at}: {}",
                    value.value
                );
            }
        }
    }
}

#[test]
fn relationship_names_are_unique_per_object() {
    let schema = Schema::standard(&all_features());
    for object in schema.objects() {
        let mut seen = std::collections::HashSet::new();
        for name in object.fields.iter().filter_map(|f| f.relationship_name.as_deref()) {
            assert!(seen.insert(name.to_ascii_lowercase()), "{}.{name} twice", object.name);
        }
    }
}

#[test]
fn features_add_and_remove_fields_and_objects() {
    let plain = Schema::standard(&Features {
        shared_activities: false,
        enhanced_notes: false,
        ..Features::default()
    });
    let full = Schema::standard(&all_features());
    for (object, field) in [
        ("Contact", "CurrencyIsoCode"),
        ("Account", "PersonContactId"),
        ("Contact", "MailingCountryCode"),
        ("Task", "WhoCount"),
    ] {
        let has = |schema: &Schema| schema.object(object).is_some_and(|o| o.field(field).is_some());
        assert!(!has(&plain) && has(&full), "{object}.{field}");
    }
    for object in ["ContentNote", "TaskRelation", "TaskWhoRelation", "EventWhoRelation", "CurrencyType"] {
        assert!(plain.object(object).is_none() && full.object(object).is_some(), "{object}");
    }
}

#[test]
fn objects_are_found_by_name_and_prefix() {
    let schema = Schema::standard(&Features::default());
    assert_eq!(schema.object("cOnTaCt").map(|o| o.name.as_str()), Some("Contact"));
    assert_eq!(schema.object_by_prefix("003").map(|o| o.name.as_str()), Some("Contact"));
    assert_eq!(schema.object_by_prefix("069").map(|o| o.name.as_str()), Some("ContentDocument"));
    assert_eq!(schema.object_by_prefix("0RE").map(|o| o.name.as_str()), Some("EventRelation"));
    assert!(schema.object("Nonsense__c").is_none());
    let contact = schema.object("Contact").expect("built in");
    assert_eq!(contact.field("accountid").map(|f| f.name.as_str()), Some("AccountId"));
    assert_eq!(contact.relationship("ACCOUNT").map(|f| f.name.as_str()), Some("AccountId"));
    assert_eq!(contact.name_field().map(|f| f.name.as_str()), Some("Name"));
    let account = schema.object("Account").expect("built in");
    assert_eq!(account.child_relationship("contacts").map(|c| c.child_object.as_str()), Some("Contact"));
    assert_eq!(account.parts_of("BillingAddress").count(), 8);
}

#[test]
fn custom_objects_and_fields_join_the_schema() {
    let mut schema = Schema::standard(&Features::default());
    schema.add_object(ObjectSchema::custom("Trip__c")).expect("new object");
    assert!(schema.add_object(ObjectSchema::custom("trip__C")).is_err());
    let mut guest = FieldSchema::new("Guest__c", FieldType::Reference).to(&["Contact"], Some("Guest__r"));
    guest.child_relationship_name = Some("Trips__r".to_owned());
    schema.add_field("trip__c", guest.clone()).expect("new field");
    assert!(schema.add_field("Trip__c", guest).is_err());
    assert!(schema.add_field("None__c", FieldSchema::new("X__c", FieldType::String)).is_err());
    let trip = schema.object("Trip__c").expect("added");
    assert_eq!(trip.key_prefix.as_deref(), Some("a00"));
    assert_eq!(schema.object_by_prefix("a00").map(|o| o.name.as_str()), Some("Trip__c"));
    let children = &schema.object("Contact").expect("built in").child_relationships;
    assert!(
        children
            .iter()
            .any(|c| c.child_object == "Trip__c" && c.relationship_name.as_deref() == Some("Trips__r"))
    );
}

#[test]
fn describe_hides_what_the_user_may_not_see() {
    let schema = Schema::standard(&Features::default());
    let mut visibility = Visibility::administrator();
    visibility.set_field("Contact", "Birthdate", FieldAccess::NONE);
    visibility.set_field("Contact", "Email", FieldAccess::READ);
    visibility.set_object("Lead", ObjectAccess::NONE);
    visibility.set_object("Opportunity", ObjectAccess::READ);
    let describer = describer(&schema, &visibility);
    assert!(describer.object("Lead").is_none());
    assert!(describer.basics("lead", &[]).is_none());
    let global = describer.global();
    let names: Vec<&str> =
        global["sobjects"].as_array().expect("list").iter().filter_map(|o| o["name"].as_str()).collect();
    assert!(!names.contains(&"Lead") && names.contains(&"Contact"));
    let contact = describer.object("contact").expect("visible");
    let field =
        |name: &str| contact["fields"].as_array().expect("list").iter().find(|f| f["name"] == name).cloned();
    assert!(field("Birthdate").is_none());
    assert_eq!(field("Email").expect("readable")["updateable"], false);
    assert_eq!(field("LastName").expect("readable")["updateable"], true);
    let opportunity = describer.object("Opportunity").expect("visible");
    assert_eq!(opportunity["createable"], false);
    // A hidden lead does not show through the relationships of others either.
    let user = describer.object("User").expect("visible");
    assert!(user["childRelationships"].as_array().expect("list").iter().all(|c| c["childSObject"] != "Lead"));
}

#[test]
fn a_schema_is_cheap_to_make() {
    // A generous bound for a debug build on a busy machine; it guards against quadratic reading.
    let start = std::time::Instant::now();
    let schema = Schema::standard(&all_features());
    assert!(schema.objects().count() > 40);
    assert!(start.elapsed() < std::time::Duration::from_millis(500), "{:?}", start.elapsed());
}

proptest! {
    #[test]
    fn ids_widen_to_themselves(n in 0u64..62u64.pow(9), prefix in "[0-9A-Za-z]{3}") {
        let id = ids::salesforce_id(&prefix, n);
        prop_assert_eq!(id.len(), 18);
        prop_assert_eq!(ids::widen(&id), Some(id.clone()));
        prop_assert_eq!(ids::widen(&id[..15]), Some(id.clone()));
        prop_assert_eq!(ids::serial_of(&id), Some(n));
        prop_assert!(id.starts_with(&prefix));
    }

    #[test]
    fn ids_ascend(n in 0u64..62u64.pow(9) - 1, step in 1u64..1_000_000) {
        let m = (n + step).min(62u64.pow(9) - 1);
        prop_assume!(m > n);
        prop_assert!(ids::salesforce_id("003", n) < ids::salesforce_id("003", m));
    }

    #[test]
    fn any_text_can_be_asked_whether_it_is_an_id(text in "\\PC{0,20}") {
        let wide = ids::widen(&text);
        prop_assert_eq!(wide.is_some(), ids::is_valid(&text));
        if let Some(wide) = wide {
            prop_assert!(wide.starts_with(&text[..15]));
        }
    }

    #[test]
    fn a_wrong_suffix_is_refused(n in 0u64..1_000_000, wrong in "[A-Z0-5]{3}") {
        let id = ids::salesforce_id("001", n);
        prop_assume!(!id.ends_with(&wrong));
        let forged = format!("{}{wrong}", &id[..15]);
        prop_assert_eq!(ids::widen(&forged), None);
    }
}

#[test]
fn suffixes_are_those_of_recorded_ids() {
    for id in [
        "06APu00000Mjo8sMAB",
        "069Pu00000KgSpBIAV",
        "0056g0000049jc6AAA",
        "00D6g000006wre4EAA",
        "012000000000000AAA",
    ] {
        assert_eq!(ids::widen(&id[..15]).as_deref(), Some(id));
    }
}
