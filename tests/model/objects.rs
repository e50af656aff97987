//! The objects of the org that programs change, and what the oracle knows of them: which column is which field. It is
//! written by hand from the documents and shares nothing with the plugin's mapping.

use serde_json::{Value as Json, json};
use unicrm_core::ObjectKind;

/// An object of the org, or a sort of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Remote {
    Account,
    Contact,
    Lead,
    Opportunity,
    Task,
    Call,
    Event,
    Note,
    ContentNote,
    User,
}

/// A column and where its text is in the unified JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) pointer: &'static str,
    /// How the unified text relates to the column's.
    pub(crate) form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The same text.
    Same,
    /// The first line of the unified text.
    FirstLine,
    /// An id of a record with this prefix, as the unified id of this object; ids of others are none of it.
    Id(ObjectKind, &'static str),
}

const fn column(name: &'static str, pointer: &'static str) -> Column {
    Column { name, pointer, form: Form::Same }
}

const fn account(name: &'static str) -> Column {
    Column { name, pointer: "/account", form: Form::Id(ObjectKind::Account, "001") }
}

const fn contact(name: &'static str) -> Column {
    Column { name, pointer: "/contact", form: Form::Id(ObjectKind::Contact, "003") }
}

const STAGE: Column = Column { name: "StageName", pointer: "/stage", form: Form::Id(ObjectKind::Stage, "") };

const TITLE: Column = Column { name: "Title", pointer: "/content", form: Form::FirstLine };

impl Remote {
    pub(crate) const fn sobject(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Contact => "Contact",
            Self::Lead => "Lead",
            Self::Opportunity => "Opportunity",
            Self::Task | Self::Call => "Task",
            Self::Event => "Event",
            Self::Note => "Note",
            Self::ContentNote => "ContentNote",
            Self::User => "User",
        }
    }

    /// The unified object that its records become.
    pub(crate) const fn kind(self) -> ObjectKind {
        match self {
            Self::Account => ObjectKind::Account,
            Self::Contact => ObjectKind::Contact,
            Self::Lead => ObjectKind::Lead,
            Self::Opportunity => ObjectKind::Opportunity,
            Self::Task => ObjectKind::Task,
            Self::Call | Self::Event => ObjectKind::Engagement,
            Self::Note | Self::ContentNote => ObjectKind::Note,
            Self::User => ObjectKind::User,
        }
    }

    /// The column that says when a record changed.
    pub(crate) const fn stamp(self) -> &'static str {
        match self {
            Self::ContentNote => "LastModifiedDate",
            _ => "SystemModstamp",
        }
    }

    /// What the oracle compares.
    pub(crate) const fn columns(self) -> &'static [Column] {
        match self {
            Self::Account => const { &[column("Name", "/name"), column("Industry", "/industry")] },
            Self::Contact => {
                const {
                    &[
                        column("LastName", "/last_name"),
                        column("FirstName", "/first_name"),
                        account("AccountId"),
                    ]
                }
            }
            Self::Lead => {
                const {
                    &[
                        column("LastName", "/last_name"),
                        column("FirstName", "/first_name"),
                        column("Company", "/company"),
                    ]
                }
            }
            Self::Opportunity => {
                const {
                    &[
                        column("Name", "/name"),
                        column("Description", "/description"),
                        STAGE,
                        account("AccountId"),
                    ]
                }
            }
            Self::Task => {
                const { &[column("Subject", "/subject"), column("Description", "/content"), contact("WhoId")] }
            }
            Self::Call | Self::Event => {
                const { &[column("Subject", "/subject"), column("Description", "/content")] }
            }
            Self::Note => const { &[TITLE, contact("ParentId")] },
            Self::ContentNote => const { &[TITLE] },
            Self::User => const { &[column("Name", "/name")] },
        }
    }

    /// Fields that may be taken out of sight: the object can be read without them.
    pub(crate) const fn hideable(self) -> &'static [&'static str] {
        match self {
            Self::Account => &["Industry"],
            Self::Contact => &["FirstName", "AccountId"],
            Self::Lead => &["FirstName", "Company"],
            Self::Opportunity => &["Description", "AccountId"],
            Self::Task | Self::Call | Self::Event => &["Description"],
            Self::Note | Self::ContentNote | Self::User => &[],
        }
    }

    /// Whether the org can be told to merge its records.
    pub(crate) const fn merges(self) -> bool {
        matches!(self, Self::Account | Self::Contact | Self::Lead)
    }

    /// Whether its records can be deleted.
    pub(crate) const fn deletes(self) -> bool {
        !matches!(self, Self::User)
    }

    /// Whether custom fields are added to it.
    pub(crate) const fn extends(self) -> bool {
        matches!(self, Self::Account | Self::Contact | Self::Lead)
    }

    /// Objects that records of this one may refer to, and the field.
    pub(crate) const fn parent(self) -> Option<(&'static str, Self)> {
        match self {
            Self::Contact | Self::Opportunity => Some(("AccountId", Self::Account)),
            Self::Task | Self::Call => Some(("WhoId", Self::Contact)),
            Self::Note => Some(("ParentId", Self::Contact)),
            _ => None,
        }
    }

    /// The fields of a new record.
    pub(crate) fn created(self, text: u16) -> Json {
        let mut fields = self.edited(text);
        let more = match self {
            Self::Lead => json!({ "Company": format!("co{text:04x}") }),
            Self::Opportunity => json!({ "StageName": "Prospecting", "CloseDate": "2027-01-31" }),
            Self::Call => json!({ "TaskSubtype": "Call" }),
            Self::Event => json!({ "StartDateTime": "2026-03-01T10:00:00.000Z", "DurationInMinutes": 5 }),
            _ => json!({}),
        };
        if let (Some(fields), Json::Object(more)) = (fields.as_object_mut(), more) {
            fields.extend(more);
        }
        fields
    }

    /// The fields of a change. Some of the lesser ones become empty now and then.
    pub(crate) fn edited(self, text: u16) -> Json {
        let name = format!("n{text:04x}");
        let lesser = if text.is_multiple_of(4) { Json::Null } else { json!(format!("x{text:04x}")) };
        match self {
            Self::Account => json!({ "Name": name, "Industry": lesser }),
            Self::Contact | Self::Lead => json!({ "LastName": name, "FirstName": lesser }),
            Self::Opportunity => {
                let stage =
                    ["Prospecting", "Qualification", "Closed Won", "Closed Lost"][usize::from(text % 4)];
                json!({ "Name": name, "Description": lesser, "StageName": stage })
            }
            Self::Task | Self::Call | Self::Event => json!({ "Subject": name, "Description": lesser }),
            // "body" in base64: what a user types is HTML.
            Self::ContentNote => json!({ "Title": name, "Content": "Ym9keQ==" }),
            Self::Note => json!({ "Title": name, "Body": lesser }),
            Self::User => json!({}),
        }
    }
}

/// The objects of the org that become a unified object.
pub(crate) const fn remotes_of(kind: ObjectKind) -> &'static [Remote] {
    match kind {
        ObjectKind::Account => &[Remote::Account],
        ObjectKind::Contact => &[Remote::Contact],
        ObjectKind::Lead => &[Remote::Lead],
        ObjectKind::Opportunity => &[Remote::Opportunity],
        ObjectKind::Task => &[Remote::Task],
        ObjectKind::Engagement => &[Remote::Call, Remote::Event],
        ObjectKind::Note => &[Remote::Note, Remote::ContentNote],
        ObjectKind::User => &[Remote::User],
        _ => &[],
    }
}
