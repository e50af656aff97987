use proptest::prelude::*;

use super::*;

fn mapping(name: &str, remote: &str, ty: MappedType) -> FieldMapping {
    FieldMapping::new(ObjectKind::Contact, name, remote, ty).unwrap()
}

#[test]
fn names_that_cannot_stand_beside_the_model_are_refused() {
    let refused = |kind, name: &str, remote: &str| {
        let error = FieldMapping::new(kind, name, remote, MappedType::Text).unwrap_err();
        error.fields()[0].pointer.clone()
    };
    for name in ["", "Tier", "tier-x", "1tier", "last_name", "field_mappings", &"x".repeat(65)] {
        assert_eq!(refused(ObjectKind::Contact, name, "Tier__c"), "/name", "{name}");
    }
    for remote in ["", ".", "A.", ".B", "A.B.C"] {
        assert_eq!(refused(ObjectKind::Contact, "tier", remote), "/remote", "{remote}");
    }
    assert_eq!(refused(ObjectKind::EngagementType, "tier", "Tier__c"), "/kind");
}

#[test]
fn a_qualified_field_is_taken_from_its_own_piece() {
    let mut raw = RawRecord::new("/sobjects/Task", r#"{"Status":"Open"}"#);
    raw.append(RawRecord::new("/sobjects/EmailMessage", r#"{"Status":"3","Incoming":true}"#));
    let record = Record::empty(ObjectKind::Engagement);
    let source = |remote: &str| {
        let mapping = FieldMapping::new(ObjectKind::Engagement, "x", remote, MappedType::Text).unwrap();
        mapping.source(&record, &raw).map(|json| json.as_str().to_owned())
    };
    assert_eq!(source("Status").as_deref(), Some("\"Open\""));
    assert_eq!(source("EmailMessage.Status").as_deref(), Some("\"3\""));
    assert_eq!(source("Incoming"), None, "another piece's field is not the record's");
    assert_eq!(source("Event.Status"), None);
}

#[test]
fn a_value_of_another_type_is_null_and_no_error() {
    let record = Record::empty(ObjectKind::Contact);
    let raw = RawRecord::new("contact", r#"{"a":"x","b":null,"c":5}"#);
    let mappings = [
        mapping("a", "a", MappedType::Number),
        mapping("b", "b", MappedType::Number),
        mapping("c", "c", MappedType::Number),
        mapping("d", "d", MappedType::Number),
    ];
    let lifted = FieldMappings::lift(&mappings, &record, &raw).unwrap();
    let json = Json::of(&lifted.linked_account_defined_targets);
    assert_eq!(json.as_str(), r#"{"a":null,"b":null,"c":5,"d":null}"#);
    assert!(FieldMappings::lift(&mappings, &Record::empty(ObjectKind::Lead), &raw).is_none());
}

#[test]
fn writes_of_mapped_fields_are_checked_and_named() {
    let mappings =
        [mapping("score", "Score__c", MappedType::Number), mapping("tier", "Tier__c", MappedType::List)];
    let patch = |targets: &str| {
        let json = format!(
            r#"{{"remote_fields":[{{"remote_field_class":"Contact.Other__c","value":1}}],
                "field_mappings":{{"linked_account_defined_targets":{targets}}}}}"#
        );
        RecordPatch::from_json(ObjectKind::Contact, &json).unwrap()
    };
    let mut good = patch(r#"{"score": 1.50, "tier": ["a", "b"]}"#);
    good.resolve_field_mappings(&mappings).unwrap();
    let RecordPatch::Contact(contact) = good else { panic!() };
    let fields = contact.remote_fields.value().unwrap();
    let values: Vec<_> = fields.iter().map(|field| (field.key(), field.value.as_str())).collect();
    assert_eq!(values, [(None, "1"), (Some("Score__c"), "1.50"), (Some("Tier__c"), r#"["a", "b"]"#)]);
    for (targets, pointer) in
        [(r#"{"score": "x"}"#, "score"), (r#"{"nobody": 1}"#, "nobody"), (r#"{"tier": "a;b"}"#, "tier")]
    {
        let error = patch(targets).resolve_field_mappings(&mappings).unwrap_err();
        assert_eq!(error.fields()[0].pointer, format!("{TARGETS}/{pointer}"), "{targets}");
    }
}

#[test]
fn what_cannot_be_written_is_not_dropped() {
    let read = |json: &str| RecordPatch::from_json(ObjectKind::Contact, json).unwrap();
    let mut cleared = read(r#"{"field_mappings": null}"#);
    cleared.resolve_field_mappings(&[]).unwrap();
    assert_eq!(cleared.named(), ["field_mappings"], "the provider says that it is only read");
    let mut of_all = read(r#"{"field_mappings": {"organization_defined_targets": {"tier": "gold"}}}"#);
    let error = of_all.resolve_field_mappings(&[mapping("tier", "Tier__c", MappedType::Text)]).unwrap_err();
    assert_eq!(error.fields()[0].pointer, "/field_mappings/organization_defined_targets/tier");
}

proptest! {
    /// What was lifted can be written, and lifts to itself again.
    #[test]
    fn what_is_lifted_may_be_written_back(
        text in "\\PC{0,20}", number in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,6})?", flag: bool,
        second in -2_000_000_000_i64..4_000_000_000,
    ) {
        let at = Timestamp::from_second(second).unwrap();
        let values = [
            Json::text(&text), Json::parse(number).unwrap(), Json::of(&flag),
            Json::text(&at.to_string()), Json::of(&()),
        ];
        for (ty, value) in MappedType::ALL.iter().flat_map(|ty| values.iter().map(move |value| (ty, value))) {
            let Some(lifted) = ty.lift(value) else { continue };
            prop_assert!(mapping("x", "X__c", *ty).accepts(&lifted), "{ty} {value:?} {lifted:?}");
            prop_assert_eq!(ty.lift(&lifted), Some(lifted.clone()), "{} {:?}", ty, value);
        }
    }
}
