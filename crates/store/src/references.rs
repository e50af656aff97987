//! References in a patch: which are open, and filling them in.

use std::collections::HashMap;

use unicrm_core::{Object, ObjectKind, Patch, RecordPatch, Ref, RemoteId};
use uuid::Uuid;

/// The references of a patch that have a unified id but no remote id.
pub(crate) fn unresolved(patch: &mut RecordPatch) -> Vec<(ObjectKind, Uuid)> {
    struct Collect(Vec<(ObjectKind, Uuid)>);
    impl Visitor for Collect {
        fn reference<T: Object>(&mut self, reference: &mut Ref<T>) {
            self.0.extend(reference.unresolved());
        }
    }
    let mut collect = Collect(Vec::new());
    visit(patch, &mut collect);
    collect.0
}

/// Fills in the remote ids that are known.
pub(crate) fn fill(patch: &mut RecordPatch, known: &HashMap<(ObjectKind, Uuid), RemoteId>) {
    struct Fill<'a>(&'a HashMap<(ObjectKind, Uuid), RemoteId>);
    impl Visitor for Fill<'_> {
        fn reference<T: Object>(&mut self, reference: &mut Ref<T>) {
            if let Some(remote_id) = reference.unresolved().and_then(|record| self.0.get(&record)) {
                *reference = reference.clone().resolved(remote_id.clone());
            }
        }
    }
    visit(patch, &mut Fill(known));
}

trait Visitor {
    fn reference<T: Object>(&mut self, reference: &mut Ref<T>);

    fn field<T: Object>(&mut self, field: &mut Patch<Ref<T>>) {
        if let Patch::Set(reference) = field {
            self.reference(reference);
        }
    }

    fn list<T: Object>(&mut self, field: &mut Patch<Vec<Ref<T>>>) {
        if let Patch::Set(references) = field {
            references.iter_mut().for_each(|reference| self.reference(reference));
        }
    }
}

/// Every reference of every object; a test holds that none is forgotten.
fn visit(patch: &mut RecordPatch, visitor: &mut impl Visitor) {
    match patch {
        RecordPatch::Account(patch) => visitor.field(&mut patch.owner),
        RecordPatch::Contact(patch) => {
            visitor.field(&mut patch.account);
            visitor.field(&mut patch.owner);
        }
        RecordPatch::Engagement(patch) => {
            visitor.field(&mut patch.owner);
            visitor.field(&mut patch.engagement_type);
            visitor.field(&mut patch.account);
            visitor.list(&mut patch.contacts);
        }
        RecordPatch::Lead(patch) => {
            visitor.field(&mut patch.owner);
            visitor.field(&mut patch.converted_contact);
            visitor.field(&mut patch.converted_account);
        }
        RecordPatch::Note(patch) => {
            visitor.field(&mut patch.owner);
            visitor.field(&mut patch.contact);
            visitor.field(&mut patch.account);
            visitor.field(&mut patch.opportunity);
        }
        RecordPatch::Opportunity(patch) => {
            visitor.field(&mut patch.owner);
            visitor.field(&mut patch.account);
            visitor.field(&mut patch.stage);
        }
        RecordPatch::Task(patch) => {
            visitor.field(&mut patch.owner);
            visitor.field(&mut patch.account);
            visitor.field(&mut patch.opportunity);
            visitor.field(&mut patch.contact);
        }
        RecordPatch::EngagementType(_) | RecordPatch::Stage(_) | RecordPatch::User(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use unicrm_core::{FieldType, Record, Value};

    use super::*;

    #[test]
    fn no_reference_of_any_object_is_forgotten() {
        for kind in ObjectKind::ALL {
            let mut record = Record::empty(kind);
            let mut expected = Vec::new();
            for field in Record::fields_of(kind) {
                let FieldType::Reference(target) = field.ty else { continue };
                let id = Uuid::new_v4();
                let value = if field.list {
                    Value::Json(format!("[\"{id}\"]").into())
                } else {
                    Value::Reference { id: Some(id), remote_id: None }
                };
                record.set(field.name, Some(value)).unwrap();
                expected.push((target, id));
            }
            let mut patch = RecordPatch::from_record(record);
            assert_eq!(unresolved(&mut patch), expected, "{kind}");
            let known = expected.into_iter().map(|found| (found, RemoteId::from("x"))).collect();
            fill(&mut patch, &known);
            assert!(unresolved(&mut patch).is_empty(), "{kind}");
        }
    }
}
