//! What to write, and what became of it.

use serde::Serialize;

use crate::{Account, Contact, Error, ObjectKind, Opportunity, RecordPatch, Ref, RemoteId, Usage, User};

/// A batch of writes. Rows are independent: one that fails does not undo the others.
///
/// ```
/// use unicrm_core::{ContactPatch, WriteOperation, WriteRequest};
/// let request = WriteRequest::new([WriteOperation::create(ContactPatch::new().last_name("Feig"))]);
/// assert_eq!(request.operations.len(), 1);
/// assert!(!request.allow_duplicates);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WriteRequest {
    /// The operations, in order.
    pub operations: Vec<WriteOperation>,
    /// Whether to write even where the remote's duplicate rules warn.
    pub allow_duplicates: bool,
}

impl WriteRequest {
    /// A batch that respects the remote's duplicate rules.
    pub fn new(operations: impl IntoIterator<Item = WriteOperation>) -> Self {
        Self { operations: operations.into_iter().collect(), allow_duplicates: false }
    }

    /// Whether to write even where the remote's duplicate rules warn.
    #[must_use]
    pub fn allow_duplicates(mut self, allow: bool) -> Self {
        self.allow_duplicates = allow;
        self
    }
}

/// One write. References in records must hold remote ids; the guard refuses others.
///
/// ```
/// use unicrm_core::{ObjectKind, WriteOperation};
/// let delete = WriteOperation::delete(ObjectKind::Contact, "003x");
/// assert_eq!(delete.kind(), ObjectKind::Contact);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WriteOperation {
    /// Creates a record. Null and absent fields are the same here.
    Create {
        /// The new record.
        record: RecordPatch,
    },
    /// Changes the fields that the patch names.
    Update {
        /// Which record.
        remote_id: RemoteId,
        /// What to change.
        record: RecordPatch,
    },
    /// Changes the record that has this key, or creates one.
    Upsert {
        /// The key.
        key: ExternalKey,
        /// What it shall hold.
        record: RecordPatch,
    },
    /// Deletes a record.
    Delete {
        /// Which object.
        kind: ObjectKind,
        /// Which record.
        remote_id: RemoteId,
    },
    /// Turns a lead into a contact, an account and perhaps an opportunity.
    Convert(ConvertLead),
}

impl WriteOperation {
    /// Creates a record.
    pub fn create(record: impl Into<RecordPatch>) -> Self {
        Self::Create { record: record.into() }
    }

    /// Changes the fields that the patch names.
    pub fn update(remote_id: impl Into<RemoteId>, record: impl Into<RecordPatch>) -> Self {
        Self::Update { remote_id: remote_id.into(), record: record.into() }
    }

    /// Changes the record that has this key, or creates one.
    pub fn upsert(key: ExternalKey, record: impl Into<RecordPatch>) -> Self {
        Self::Upsert { key, record: record.into() }
    }

    /// Deletes a record.
    pub fn delete(kind: ObjectKind, remote_id: impl Into<RemoteId>) -> Self {
        Self::Delete { kind, remote_id: remote_id.into() }
    }

    /// Which object it writes.
    #[must_use]
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::Create { record } | Self::Update { record, .. } | Self::Upsert { record, .. } => {
                record.kind()
            }
            Self::Delete { kind, .. } => *kind,
            Self::Convert(_) => ObjectKind::Lead,
        }
    }

    /// The record that it names by its remote id.
    #[must_use]
    pub fn remote_id(&self) -> Option<&RemoteId> {
        match self {
            Self::Update { remote_id, .. } | Self::Delete { remote_id, .. } => Some(remote_id),
            Self::Convert(convert) => Some(&convert.remote_id),
            Self::Create { .. } | Self::Upsert { .. } => None,
        }
    }
}

/// A remote field that identifies a record, with its value.
///
/// ```
/// use unicrm_core::ExternalKey;
/// let key = ExternalKey::new("ErpId__c", "4711");
/// assert_eq!(key.field, "ErpId__c");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalKey {
    /// The remote's own name of the field.
    pub field: String,
    /// The value.
    pub value: String,
}

impl ExternalKey {
    /// A key.
    pub fn new(field: impl Into<String>, value: impl Into<String>) -> Self {
        Self { field: field.into(), value: value.into() }
    }
}

/// How to convert a lead.
///
/// ```
/// use unicrm_core::ConvertLead;
/// let convert = ConvertLead::new("00Q1");
/// assert!(convert.opportunity_name.is_none());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConvertLead {
    /// Which lead.
    pub remote_id: RemoteId,
    /// The account to join; none for a new one.
    pub account: Option<Ref<Account>>,
    /// The contact to merge into; none for a new one.
    pub contact: Option<Ref<Contact>>,
    /// The name of an opportunity to create; none for no opportunity.
    pub opportunity_name: Option<String>,
    /// Who owns the new records; none for the lead's owner.
    pub owner: Option<Ref<User>>,
    /// The remote's status of the converted lead; none for its default one.
    pub converted_status: Option<String>,
}

impl ConvertLead {
    /// Into a new contact and a new account.
    pub fn new(remote_id: impl Into<RemoteId>) -> Self {
        Self {
            remote_id: remote_id.into(),
            account: None,
            contact: None,
            opportunity_name: None,
            owner: None,
            converted_status: None,
        }
    }
}

/// What became of a batch.
///
/// ```
/// use unicrm_core::{Outcome, OutcomeStatus, WriteReport};
/// let report = WriteReport::new(vec![Outcome::new(OutcomeStatus::Deleted)]);
/// assert!(report.outcomes[0].is_done());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WriteReport {
    /// One outcome per operation, in order.
    pub outcomes: Vec<Outcome>,
    /// What it cost.
    pub usage: Usage,
}

impl WriteReport {
    /// A report.
    #[must_use]
    pub fn new(outcomes: Vec<Outcome>) -> Self {
        Self { outcomes, usage: Usage::default() }
    }

    /// With what it cost.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }
}

/// What became of one write.
///
/// ```
/// use unicrm_core::{Outcome, OutcomeStatus, Warning};
/// let outcome = Outcome::new(OutcomeStatus::Created)
///     .with_remote_id("003x")
///     .with_warning(Warning::new("/remote_was_deleted", "read_only", "the remote keeps this itself"));
/// assert_eq!(outcome.warnings.len(), 1);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// What became of it.
    pub status: OutcomeStatus,
    /// The record's remote id, when there is a record.
    pub remote_id: Option<RemoteId>,
    /// What was not written as it was given.
    pub warnings: Vec<Warning>,
    /// Records that stand in the way of a write that failed: those that a duplicate rule or a key found, or the one that
    /// this record was merged or converted into.
    pub candidates: Vec<RemoteId>,
}

impl Outcome {
    /// An outcome.
    #[must_use]
    pub fn new(status: OutcomeStatus) -> Self {
        Self { status, remote_id: None, warnings: Vec::new(), candidates: Vec::new() }
    }

    /// A write that failed.
    #[must_use]
    pub fn failed(error: Error) -> Self {
        Self::new(OutcomeStatus::Failed(error))
    }

    /// Of this record.
    #[must_use]
    pub fn with_remote_id(mut self, remote_id: impl Into<RemoteId>) -> Self {
        self.remote_id = Some(remote_id.into());
        self
    }

    /// With a warning.
    #[must_use]
    pub fn with_warning(mut self, warning: Warning) -> Self {
        self.warnings.push(warning);
        self
    }

    /// With warnings.
    #[must_use]
    pub fn with_warnings(mut self, warnings: impl IntoIterator<Item = Warning>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// With records that stand in the way.
    #[must_use]
    pub fn with_candidates(mut self, candidates: impl IntoIterator<Item = impl Into<RemoteId>>) -> Self {
        self.candidates.extend(candidates.into_iter().map(Into::into));
        self
    }

    /// Whether the remote now is as asked.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !matches!(self.status, OutcomeStatus::Failed(_) | OutcomeStatus::InDoubt { .. })
    }

    /// The error of a write that failed or is in doubt.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match &self.status {
            OutcomeStatus::Failed(error) | OutcomeStatus::InDoubt { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// What became of one write, in a word.
///
/// ```
/// use unicrm_core::{Error, ErrorKind, OutcomeStatus};
/// let failed = OutcomeStatus::Failed(Error::new(ErrorKind::Conflict, "a duplicate"));
/// assert_eq!(failed.as_str(), "failed");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OutcomeStatus {
    /// There is a new record.
    Created,
    /// The record was changed.
    Updated,
    /// The record is deleted; also when it already was.
    Deleted,
    /// There was nothing to write.
    Unchanged,
    /// The lead is converted into these.
    Converted {
        /// The contact.
        contact: Ref<Contact>,
        /// The account.
        account: Ref<Account>,
        /// The opportunity, when one was asked for.
        opportunity: Option<Ref<Opportunity>>,
    },
    /// Nothing was written.
    Failed(Error),
    /// The answer was lost and no look-up could settle whether it was written.
    InDoubt {
        /// What happened.
        error: Error,
        /// Records that may be the one.
        candidates: Vec<RemoteId>,
    },
}

impl OutcomeStatus {
    /// The name in `snake_case`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Unchanged => "unchanged",
            Self::Converted { .. } => "converted",
            Self::Failed(_) => "failed",
            Self::InDoubt { .. } => "in_doubt",
        }
    }
}

/// Something that was not written as it was given, though the write succeeded.
///
/// ```
/// use unicrm_core::Warning;
/// let warning = Warning::new("/close_date", "time_of_day", "the remote keeps the day alone");
/// assert_eq!(warning.pointer, "/close_date");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Warning {
    /// JSON pointer into the record, in unified names.
    pub pointer: String,
    /// What sort of warning, in `snake_case`: `read_only`, `time_of_day`, `place_taken`, ...
    pub code: &'static str,
    /// What was done instead.
    pub message: String,
}

impl Warning {
    /// A warning.
    pub fn new(pointer: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, message: message.into() }
    }
}
