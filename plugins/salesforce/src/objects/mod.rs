//! The ten objects, one a file: what each remote field becomes, and back. Pure functions; nothing here calls anybody.
//!
//! Each file has, in this order, the field table, the row, `from_remote`, `to_remote`, `encode` and its tests.

mod account;
mod activity;
mod contact;
mod context;
mod decode;
mod encode;
mod engagement;
mod engagement_type;
pub mod laws;
mod lead;
pub mod measure;
mod note;
mod opportunity;
mod parts;
mod remote_fields;
mod stage;
mod task;
#[cfg(test)]
pub(crate) mod tests;
mod user;
mod wire;
mod write;
mod write_parts;

use unicrm_core::{ObjectKind, ObjectMapping, Record, RecordPatch};

pub(crate) use self::context::{
    ActivityTypeRow, FieldFacts, LeadStatusRow, MapContext, SobjectFacts, StageRow, TaskStatusRow,
};
pub(crate) use self::decode::{Decoder, Extras, MapError};
pub(crate) use self::encode::RemoteRecord;
pub(crate) use self::engagement_type::all as engagement_types;
pub(crate) use self::remote_fields::{SourceClasses, class_id, key_of, remote_text};
pub(crate) use self::wire::unquoted;
use self::wire::{Row, WireField};
use self::write::Writer;
pub(crate) use self::write::{Encoded, Intent, Related, joined_choices};
use crate::read::source::Source;

/// The field tables of all objects.
pub(crate) static MAPPINGS: [ObjectMapping; 10] = [
    account::MAPPING,
    contact::MAPPING,
    engagement::MAPPING,
    engagement_type::MAPPING,
    lead::MAPPING,
    note::MAPPING,
    opportunity::MAPPING,
    stage::MAPPING,
    task::MAPPING,
    user::MAPPING,
];

/// The field table of an object.
pub(crate) const fn mapping(kind: ObjectKind) -> &'static ObjectMapping {
    let [account, contact, engagement, engagement_type, lead, note, opportunity, stage, task, user] =
        &MAPPINGS;
    match kind {
        ObjectKind::Account => account,
        ObjectKind::Contact => contact,
        ObjectKind::Engagement => engagement,
        ObjectKind::EngagementType => engagement_type,
        ObjectKind::Lead => lead,
        ObjectKind::Note => note,
        ObjectKind::Opportunity => opportunity,
        ObjectKind::Stage => stage,
        ObjectKind::Task => task,
        ObjectKind::User => user,
    }
}

/// The remote fields that the mapping of a source reads.
pub(crate) const fn known_fields(source: Source) -> &'static [WireField] {
    match source {
        Source::Account => account::AccountRow::FIELDS,
        Source::Contact => contact::ContactRow::FIELDS,
        Source::Event => engagement::EventRow::FIELDS,
        Source::TaskEngagement => engagement::EngagementTaskRow::FIELDS,
        Source::Lead => lead::LeadRow::FIELDS,
        Source::Note => note::NoteRow::FIELDS,
        Source::ContentNote => note::ContentNoteRow::FIELDS,
        Source::Opportunity => opportunity::OpportunityRow::FIELDS,
        Source::Stage => stage::StageRow::FIELDS,
        Source::Task => task::TaskRow::FIELDS,
        Source::User => user::UserRow::FIELDS,
    }
}

/// How to read the rows of a source whose select list is this.
pub(crate) fn source_classes<'s>(
    source: Source,
    facts: &SobjectFacts,
    selected: impl IntoIterator<Item = &'s str>,
) -> SourceClasses {
    SourceClasses::new(source.sobject(), known_fields(source), Some(facts), selected)
}

/// What a write comes to, for any of the objects.
#[must_use]
pub fn to_remote(patch: &RecordPatch, intent: Intent<'_, Record>, cx: &MapContext) -> Encoded {
    /// The same intent for one object. A record of another object is not the one that is written.
    macro_rules! intent {
        ($object:ident) => {
            match intent {
                Intent::Create => Intent::Create,
                Intent::Seed => Intent::Seed,
                Intent::Update { remote_id, before } => Intent::Update {
                    remote_id,
                    before: match before {
                        Some(Record::$object(before)) => Some(before),
                        _ => None,
                    },
                },
            }
        };
    }
    /// Objects that are only read: every field that is named is a warning.
    macro_rules! read_only {
        ($sobject:literal, $object:ident, $patch:expr) => {{
            let intent: Intent<'_, unicrm_core::$object> = intent!($object);
            let mut w = Writer::new($sobject, cx, intent);
            w.read_only(mapping(ObjectKind::$object), $patch);
            w.out
        }};
    }
    match patch {
        RecordPatch::Account(patch) => account::to_remote(patch, intent!(Account), cx),
        RecordPatch::Contact(patch) => contact::to_remote(patch, intent!(Contact), cx),
        RecordPatch::Engagement(patch) => engagement::to_remote(patch, intent!(Engagement), cx),
        RecordPatch::EngagementType(patch) => read_only!("", EngagementType, patch),
        RecordPatch::Lead(patch) => lead::to_remote(patch, intent!(Lead), cx),
        RecordPatch::Note(patch) => note::to_remote(patch, intent!(Note), cx),
        RecordPatch::Opportunity(patch) => opportunity::to_remote(patch, intent!(Opportunity), cx),
        RecordPatch::Stage(patch) => read_only!("OpportunityStage", Stage, patch),
        RecordPatch::Task(patch) => task::to_remote(patch, intent!(Task), cx),
        RecordPatch::User(patch) => read_only!("User", User, patch),
    }
}

/// The remote record that a unified one stands for.
#[must_use]
pub fn encode(record: &Record, cx: &MapContext) -> RemoteRecord {
    match record {
        Record::Account(account) => account::encode(account, cx),
        Record::Contact(contact) => contact::encode(contact, cx),
        Record::Engagement(engagement) => engagement::encode(engagement, cx),
        Record::EngagementType(sort) => engagement_type::encode(sort),
        Record::Lead(lead) => lead::encode(lead, cx),
        Record::Note(note) => note::encode(note, cx),
        Record::Opportunity(deal) => opportunity::encode(deal, cx),
        Record::Stage(stage) => stage::encode(stage),
        Record::Task(task) => task::encode(task, cx),
        Record::User(user) => user::encode(user),
    }
}
