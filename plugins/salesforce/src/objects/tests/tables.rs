//! The field tables say what the code does: every remote field that a row reads is in its table, and the other way round.

use std::collections::BTreeSet;

use unicrm_core::{FieldError, Json, MappingDirection, ObjectKind, Record};

use super::{create, cx, sources};
use crate::objects::{Encoded, MAPPINGS, Related, known_fields, mapping};

/// Rows of other sObjects that belong to an object's own.
const RELATED: [&str; 4] = ["EmailMessage", "ContentDocumentLink", "EventWhoRelation", "TaskWhoRelation"];

/// Cells that stand for rows of another sObject, and those that tell what became of a record.
const APART: [&str; 6] = [
    "EventWhoRelations",
    "TaskWhoRelations",
    "EmailMessage",
    "ContentDocumentLinks",
    "MasterRecordId",
    "TaskSubtype",
];

#[test]
fn tables_and_rows_name_the_same_remote_fields() {
    for source in sources() {
        let table = mapping(source.kind());
        let named: BTreeSet<&str> = table
            .fields
            .iter()
            .flat_map(|field| field.remote)
            .filter_map(|name| match name.split_once('.') {
                Some((sobject, name)) => (sobject == source.sobject()).then_some(name),
                None => Some(*name),
            })
            .collect();
        let read: BTreeSet<&str> = known_fields(source).iter().map(|field| field.name).collect();
        let missing: Vec<_> = named.difference(&read).collect();
        assert!(missing.is_empty(), "{source:?} does not read {missing:?}");
        // What the mapping merely looks at is a remote field all the same.
        let looked_at: BTreeSet<&str> =
            known_fields(source).iter().filter(|field| field.keep).map(|field| field.name).collect();
        let unnamed: Vec<_> = read
            .difference(&named)
            .filter(|name| !looked_at.contains(*name) && !APART.contains(name))
            .collect();
        assert!(unnamed.is_empty(), "the table of {source:?} does not name {unnamed:?}");
    }
    for table in &MAPPINGS {
        for name in table.fields.iter().flat_map(|field| field.remote) {
            if let Some((sobject, _)) = name.split_once('.') {
                let known = table.remote_objects.contains(&sobject) || RELATED.contains(&sobject);
                assert!(known, "{}: {name}", table.kind);
            }
        }
    }
}

#[test]
fn tables_name_unified_fields_once_each() {
    let ours = ["created_at", "modified_at", "field_mappings", "remote_data"];
    for (kind, table) in ObjectKind::ALL.into_iter().zip(&MAPPINGS) {
        assert_eq!((table.kind, mapping(kind).kind), (kind, kind));
        let mapped: Vec<_> = table.fields.iter().map(|field| field.unified).collect();
        let unified: Vec<_> = Record::fields_of(kind).iter().map(|field| field.name).collect();
        for name in &mapped {
            assert!(unified.contains(name), "{kind} has no field {name}");
            assert_eq!(mapped.iter().filter(|other| *other == name).count(), 1, "{kind}.{name}");
        }
        let missing: Vec<_> =
            unified.iter().filter(|name| !mapped.contains(name) && !ours.contains(name)).copied().collect();
        // Stages and users are never deleted.
        let expected: &[&str] = match kind {
            ObjectKind::Stage | ObjectKind::User => &["remote_was_deleted"],
            _ => &[],
        };
        assert_eq!(missing, expected, "{kind}");
    }
}

#[test]
fn a_field_that_is_only_read_is_a_warning_on_every_object() {
    for table in &MAPPINGS {
        let patch = unicrm_core::RecordPatch::from_json(table.kind, r#"{"remote_id":"x"}"#).expect("a patch");
        let read_only = table.field("remote_id").expect("a field").direction == MappingDirection::Read;
        assert!(read_only && create(patch, &cx()).contains("/remote_id read_only: "), "{}", table.kind);
    }
}

#[test]
fn a_write_is_unchanged_when_it_has_nothing_to_say() {
    let related = Related { sobject: "ContentDocumentLink", add: Vec::new(), remove: Vec::new() };
    let mut write = Encoded::default();
    assert!(write.is_unchanged());
    write.fields.push(("Name".into(), Json::text("a")));
    assert!(!write.is_unchanged());
    let write = Encoded { related: vec![related], ..Encoded::default() };
    assert!(!write.is_unchanged());
    let error = FieldError { pointer: "/name".to_owned(), message: "too long".to_owned() };
    let write = Encoded { errors: vec![error], ..Encoded::default() };
    assert!(!write.is_unchanged());
}
