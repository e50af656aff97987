//! The memory provider's field tables: every field stands for itself.

use crate::{
    Account, Contact, Engagement, EngagementType, FieldInfo, FieldRule, Lead, MappingDirection, Note, Object,
    ObjectMapping, Opportunity, Stage, Task, User,
};

/// The fields that the provider keeps itself, on every object.
const READ_ONLY: &[&str] = &[
    "id",
    "remote_id",
    "created_at",
    "modified_at",
    "remote_created_at",
    "remote_updated_at",
    "remote_was_deleted",
    "remote_data",
    "field_mappings",
    "converted_date",
    "converted_contact",
    "converted_account",
];

macro_rules! mappings {
    ($($object:ident),+ $(,)?) => {
        pub(super) static MAPPINGS: &[ObjectMapping] = &[$(ObjectMapping {
            kind: $object::KIND,
            remote_objects: &[$object::KIND.as_str()],
            fields: {
                static FIELDS: [FieldRule; $object::FIELDS.len()] = each_for_itself($object::FIELDS);
                &FIELDS
            },
        }),+];
    };
}

mappings!(Account, Contact, Engagement, EngagementType, Lead, Note, Opportunity, Stage, Task, User);

const fn each_for_itself<const N: usize>(fields: &'static [FieldInfo]) -> [FieldRule; N] {
    let mut mappings = [const { FieldRule::both("", &[]) }; N];
    let mut i = 0;
    while i < N {
        mappings[i] = FieldRule::both(fields[i].name, std::slice::from_ref(&fields[i].name));
        if is_read_only(fields[i].name) {
            mappings[i].direction = MappingDirection::Read;
        }
        i += 1;
    }
    mappings
}

const fn is_read_only(name: &str) -> bool {
    let mut i = 0;
    while i < READ_ONLY.len() {
        if equal(READ_ONLY[i].as_bytes(), name.as_bytes()) {
            return true;
        }
        i += 1;
    }
    false
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
