//! Which queries fill which unified object.

use serde::{Deserialize, Serialize};
use unicrm_core::ObjectKind;

use crate::api::{Condition, Literal};

/// One query that fills a unified object, wholly or in part. Tokens and watermarks name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// Accounts, person accounts among them.
    Account,
    /// Contacts, the persons of person accounts among them.
    Contact,
    /// Meetings.
    Event,
    /// Logged calls and e-mails.
    TaskEngagement,
    /// Leads.
    Lead,
    /// Classic notes.
    Note,
    /// Enhanced notes.
    ContentNote,
    /// Deals.
    Opportunity,
    /// The steps of deals, active or not.
    Stage,
    /// Tasks that are neither call nor e-mail.
    Task,
    /// Users that can own records.
    User,
}

/// The subtypes that make a task an engagement. They are fixed when the task is made, so that no record ever moves
/// between the two objects.
const ENGAGEMENT_SUBTYPES: [&str; 3] = ["Call", "Email", "ListEmail"];

/// Users that are visitors of a site or readers of a feed: they may be millions and can own no account, contact, lead,
/// deal or activity. All others are read, whether or not they own something today, because a user who starts to own
/// records is not changed by that and no later reading would show him. Whom this leaves out and owns a record all the
/// same is found by id.
const VISITORS: [&str; 4] = ["CspLitePortal", "CsnOnly", "Guest", "SelfService"];

/// A field that a source cannot do without, and what it decides.
pub(crate) struct Deciding {
    pub(crate) field: &'static str,
    pub(crate) because: &'static str,
}

const fn deciding(field: &'static str, because: &'static str) -> Deciding {
    Deciding { field, because }
}

const ID: Deciding = deciding("Id", "it says which record it is");
const IS_DELETED: Deciding = deciding("IsDeleted", "it tells deleted records from live ones");
const IS_CHILD: Deciding = deciding("IsChild", "it tells a meeting from the copies of those invited");
const PARENT_ID: Deciding = deciding("ParentId", "it says what the note is about");
const STAGE_NAME: Deciding = deciding("StageName", "it says where the deal stands");
const API_NAME: Deciding = deciding("ApiName", "it is what deals know of their stage");
const TASK_SUBTYPE: Deciding = deciding("TaskSubtype", "it tells tasks from calls and e-mails");

impl Source {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 11] = [
        Self::Account,
        Self::Contact,
        Self::Event,
        Self::TaskEngagement,
        Self::Lead,
        Self::Note,
        Self::ContentNote,
        Self::Opportunity,
        Self::Stage,
        Self::Task,
        Self::User,
    ];

    /// The sources of an object, in the order in which they are read. Engagement types have none: they are made from what
    /// the org says about events and tasks.
    pub(crate) const fn of(kind: ObjectKind) -> &'static [Self] {
        match kind {
            ObjectKind::Account => &[Self::Account],
            ObjectKind::Contact => &[Self::Contact],
            ObjectKind::Engagement => &[Self::Event, Self::TaskEngagement],
            ObjectKind::EngagementType => &[],
            ObjectKind::Lead => &[Self::Lead],
            ObjectKind::Note => &[Self::Note, Self::ContentNote],
            ObjectKind::Opportunity => &[Self::Opportunity],
            ObjectKind::Stage => &[Self::Stage],
            ObjectKind::Task => &[Self::Task],
            ObjectKind::User => &[Self::User],
        }
    }

    /// The object that it fills.
    pub(crate) const fn kind(self) -> ObjectKind {
        match self {
            Self::Account => ObjectKind::Account,
            Self::Contact => ObjectKind::Contact,
            Self::Event | Self::TaskEngagement => ObjectKind::Engagement,
            Self::Lead => ObjectKind::Lead,
            Self::Note | Self::ContentNote => ObjectKind::Note,
            Self::Opportunity => ObjectKind::Opportunity,
            Self::Stage => ObjectKind::Stage,
            Self::Task => ObjectKind::Task,
            Self::User => ObjectKind::User,
        }
    }

    /// The remote object that it reads.
    pub(crate) const fn sobject(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Contact => "Contact",
            Self::Event => "Event",
            Self::TaskEngagement | Self::Task => "Task",
            Self::Lead => "Lead",
            Self::Note => "Note",
            Self::ContentNote => "ContentNote",
            Self::Opportunity => "Opportunity",
            Self::Stage => "OpportunityStage",
            Self::User => "User",
        }
    }

    /// The resource that raw records name.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Account => "/sobjects/Account",
            Self::Contact => "/sobjects/Contact",
            Self::Event => "/sobjects/Event",
            Self::TaskEngagement | Self::Task => "/sobjects/Task",
            Self::Lead => "/sobjects/Lead",
            Self::Note => "/sobjects/Note",
            Self::ContentNote => "/sobjects/ContentNote",
            Self::Opportunity => "/sobjects/Opportunity",
            Self::Stage => "/sobjects/OpportunityStage",
            Self::User => "/sobjects/User",
        }
    }

    /// The first three characters of its records' ids; none where the remote id is a name.
    pub(crate) const fn key_prefix(self) -> Option<&'static str> {
        match self {
            Self::Account => Some("001"),
            Self::Contact => Some("003"),
            Self::Event => Some("00U"),
            Self::TaskEngagement | Self::Task => Some("00T"),
            Self::Lead => Some("00Q"),
            Self::Note => Some("002"),
            Self::ContentNote => Some("069"),
            Self::Opportunity => Some("006"),
            Self::Stage => None,
            Self::User => Some("005"),
        }
    }

    /// The field that holds the unified record's remote id.
    pub(crate) const fn remote_id_field(self) -> &'static str {
        match self {
            Self::Stage => "ApiName",
            _ => "Id",
        }
    }

    /// Whether records of it can be deleted.
    pub(crate) const fn deletable(self) -> bool {
        !matches!(self, Self::Stage | Self::User)
    }

    /// Whether an org may be without it, so that its absence is no error.
    pub(crate) const fn optional(self) -> bool {
        matches!(self, Self::Note | Self::ContentNote)
    }

    /// The fields that it cannot do without; its time stamp comes on top.
    pub(crate) const fn deciding(self) -> &'static [Deciding] {
        match self {
            Self::Account | Self::Contact | Self::Lead | Self::ContentNote => &[ID, IS_DELETED],
            Self::Event => &[ID, IS_DELETED, IS_CHILD],
            Self::TaskEngagement | Self::Task => &[ID, IS_DELETED, TASK_SUBTYPE],
            Self::Note => &[ID, IS_DELETED, PARENT_ID],
            Self::Opportunity => &[ID, IS_DELETED, STAGE_NAME],
            Self::Stage => &[ID, API_NAME],
            Self::User => &[ID],
        }
    }

    /// The relationship to further people, where the org shares activities.
    pub(crate) const fn people(self) -> Option<&'static str> {
        match self {
            Self::Event => Some("EventWhoRelations"),
            Self::TaskEngagement => Some("TaskWhoRelations"),
            _ => None,
        }
    }

    /// Which rows of the remote object belong to it. A reading by ids shows users of every type.
    pub(crate) fn filter(self, by_ids: bool) -> Option<Condition> {
        let texts = |values: &[&str]| values.iter().map(|value| Literal::text(*value)).collect::<Vec<_>>();
        match self {
            Self::Event => Some(Condition::eq("IsChild", Literal::Bool(false))),
            Self::TaskEngagement => Some(Condition::in_("TaskSubtype", texts(&ENGAGEMENT_SUBTYPES))),
            Self::Task => Some(Condition::or([
                Condition::not_in("TaskSubtype", texts(&ENGAGEMENT_SUBTYPES)),
                Condition::eq("TaskSubtype", Literal::Null),
            ])),
            Self::User if !by_ids => Some(Condition::or([
                Condition::not_in("UserType", texts(&VISITORS)),
                Condition::eq("UserType", Literal::Null),
            ])),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_belongs_to_its_object() {
        for source in Source::ALL {
            assert!(Source::of(source.kind()).contains(&source), "{source:?}");
        }
        let listed: usize = ObjectKind::ALL.into_iter().map(|kind| Source::of(kind).len()).sum();
        assert_eq!(listed, Source::ALL.len());
    }

    #[test]
    fn ids_of_an_object_tell_the_source() {
        for kind in ObjectKind::ALL {
            let mut prefixes: Vec<_> =
                Source::of(kind).iter().filter_map(|source| source.key_prefix()).collect();
            let before = prefixes.len();
            prefixes.dedup();
            assert_eq!(prefixes.len(), before, "{kind}");
        }
    }
}
