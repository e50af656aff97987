//! What the plugin can do, per object.

use unicrm_core::{Capabilities, Capability, CapabilitySet, ObjectKind};

const READING: CapabilitySet = CapabilitySet::of(&[
    Capability::Read,
    Capability::ReadSince,
    Capability::ReadByIds,
    Capability::ReadIds,
    Capability::Count,
    Capability::Describe,
]);

const READING_WITH_DELETIONS: CapabilitySet = READING.and(CapabilitySet::of(&[Capability::Deletions]));

const WRITING: CapabilitySet =
    CapabilitySet::of(&[Capability::Create, Capability::Update, Capability::Delete]);

const KEYED: CapabilitySet = CapabilitySet::of(&[Capability::Upsert]);

const CONVERTING: CapabilitySet = CapabilitySet::of(&[Capability::Convert]);

const SEARCHING: CapabilitySet =
    CapabilitySet::of(&[Capability::SearchPhone, Capability::SearchEmail, Capability::SearchText]);

/// What the plugin can do at the most. A linked account may see less: the access report says what.
#[must_use]
pub fn capabilities() -> Capabilities {
    let of = |kind: ObjectKind| match kind {
        // Salesforce never deletes users; stages and types of engagement are settings of the org.
        ObjectKind::User | ObjectKind::Stage | ObjectKind::EngagementType => READING,
        // Notes can have no field that holds a key.
        ObjectKind::Note => READING_WITH_DELETIONS.and(WRITING),
        ObjectKind::Account | ObjectKind::Contact => {
            READING_WITH_DELETIONS.and(WRITING).and(KEYED).and(SEARCHING)
        }
        ObjectKind::Lead => READING_WITH_DELETIONS.and(WRITING).and(KEYED).and(SEARCHING).and(CONVERTING),
        _ => READING_WITH_DELETIONS.and(WRITING).and(KEYED),
    };
    let custom = CapabilitySet::of(&[Capability::Read, Capability::ReadByIds, Capability::Describe]);
    let start =
        Capabilities::new().with_raw_requests(true).with_custom_objects(custom.and(WRITING).and(KEYED));
    ObjectKind::ALL.into_iter().fold(start, |all, kind| all.with(kind, of(kind)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::source::Source;

    #[test]
    fn deletions_are_declared_where_records_can_be_deleted() {
        let capabilities = capabilities();
        for kind in ObjectKind::ALL {
            let deletable = Source::of(kind).iter().any(|source| source.deletable());
            assert_eq!(capabilities.allows(kind, Capability::Deletions), deletable, "{kind}");
            assert!(capabilities.allows(kind, Capability::ReadSince), "{kind}");
        }
    }
}
