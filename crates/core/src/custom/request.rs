//! What is asked of custom objects, and what comes back.

use std::collections::BTreeMap;

use super::CustomObject;
use crate::{Error, ExternalKey, GoneReason, Json, Next, PageToken, RawRecord, RemoteId, Scope, Usage};

/// What to read of one class: which records, from which page on.
///
/// ```
/// use unicrm_core::{CustomRead, Scope};
/// let read = CustomRead::all("Invoice__c").page_size(100);
/// assert_eq!((read.class.as_str(), read.scope), ("Invoice__c", Scope::All));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CustomRead {
    /// The class, by the remote's own name.
    pub class: String,
    /// Which records.
    pub scope: Scope,
    /// The token of the page before; none for the first page.
    pub after: Option<PageToken>,
    /// How many rows a page should have at the most; the provider may give fewer.
    pub page_size: Option<u32>,
}

impl CustomRead {
    /// Some records of a class.
    pub fn new(class: impl Into<String>, scope: Scope) -> Self {
        Self { class: class.into(), scope, after: None, page_size: None }
    }

    /// All records of a class.
    pub fn all(class: impl Into<String>) -> Self {
        Self::new(class, Scope::All)
    }

    /// From the page after this token.
    #[must_use]
    pub fn after(mut self, token: PageToken) -> Self {
        self.after = Some(token);
        self
    }

    /// At most so many rows a page.
    #[must_use]
    pub fn page_size(mut self, rows: u32) -> Self {
        self.page_size = Some(rows);
        self
    }
}

/// One page of a class's records.
///
/// ```
/// use unicrm_core::{CustomPage, Next};
/// let page = CustomPage::new(Vec::new(), Next::End(None));
/// assert_eq!(page.usage.calls, 0);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CustomPage {
    /// The rows. One bad record is a rejected row and never ends a page.
    pub rows: Vec<CustomRow>,
    /// More, or the end.
    pub next: Next,
    /// What this page cost.
    pub usage: Usage,
}

impl CustomPage {
    /// A page of rows.
    #[must_use]
    pub fn new(rows: Vec<CustomRow>, next: Next) -> Self {
        Self { rows, next, usage: Usage::default() }
    }

    /// With what it cost.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }
}

/// One row of a page.
///
/// ```
/// use unicrm_core::{CustomRow, GoneReason};
/// let row = CustomRow::Gone { remote_id: "a00x".into(), reason: GoneReason::NotVisible };
/// assert_eq!(row.remote_id().map(|id| id.as_str()), Some("a00x"));
/// ```
#[derive(Clone, Debug)]
pub enum CustomRow {
    /// A record as it is.
    Live(CustomObject),
    /// A record that is no more, or no more for us.
    Gone {
        /// The remote id.
        remote_id: RemoteId,
        /// Why.
        reason: GoneReason,
    },
    /// A record that could not be understood.
    Rejected {
        /// Which one, as far as it is known.
        remote_id: Option<RemoteId>,
        /// Why.
        error: Error,
        /// The raw record, so that nothing is lost.
        raw: RawRecord,
    },
}

impl CustomRow {
    /// The remote id, as far as it is known.
    #[must_use]
    pub fn remote_id(&self) -> Option<&RemoteId> {
        match self {
            Self::Live(object) => Some(&object.remote_id),
            Self::Gone { remote_id, .. } => Some(remote_id),
            Self::Rejected { remote_id, .. } => remote_id.as_ref(),
        }
    }
}

/// A batch of writes of custom objects. Rows are independent: one that fails does not undo the others.
///
/// ```
/// use unicrm_core::{CustomOperation, CustomWrite};
/// let write = CustomWrite::new([CustomOperation::delete("Invoice__c", "a00x")]);
/// assert_eq!(write.operations[0].class(), "Invoice__c");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CustomWrite {
    /// The operations, in order.
    pub operations: Vec<CustomOperation>,
    /// Whether to write even where the remote's duplicate rules warn.
    pub allow_duplicates: bool,
}

impl CustomWrite {
    /// A batch that respects the remote's duplicate rules.
    pub fn new(operations: impl IntoIterator<Item = CustomOperation>) -> Self {
        Self { operations: operations.into_iter().collect(), allow_duplicates: false }
    }

    /// Whether to write even where the remote's duplicate rules warn.
    #[must_use]
    pub fn allow_duplicates(mut self, allow: bool) -> Self {
        self.allow_duplicates = allow;
        self
    }
}

/// Values by the remote's own names. JSON null clears a field.
type Fields = BTreeMap<String, Json>;

/// One write of a custom object.
///
/// ```
/// use unicrm_core::CustomOperation;
/// let tie = CustomOperation::associate("Invoice__c", "a00x", "Customer__c", Some("001x".into()));
/// assert!(matches!(tie, CustomOperation::Update { fields, .. } if fields["Customer__c"].as_str() == "\"001x\""));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CustomOperation {
    /// Creates a record.
    Create {
        /// The class.
        class: String,
        /// Its values.
        fields: Fields,
    },
    /// Changes the fields that are named.
    Update {
        /// The class.
        class: String,
        /// Which record.
        remote_id: RemoteId,
        /// What to change.
        fields: Fields,
    },
    /// Changes the record that has this key, or creates one.
    Upsert {
        /// The class.
        class: String,
        /// The key.
        key: ExternalKey,
        /// What it shall hold.
        fields: Fields,
    },
    /// Deletes a record.
    Delete {
        /// The class.
        class: String,
        /// Which record.
        remote_id: RemoteId,
    },
}

impl CustomOperation {
    /// Creates a record.
    pub fn create(class: impl Into<String>, fields: Fields) -> Self {
        Self::Create { class: class.into(), fields }
    }

    /// Changes the fields that are named.
    pub fn update(class: impl Into<String>, remote_id: impl Into<RemoteId>, fields: Fields) -> Self {
        Self::Update { class: class.into(), remote_id: remote_id.into(), fields }
    }

    /// Changes the record that has this key, or creates one.
    pub fn upsert(class: impl Into<String>, key: ExternalKey, fields: Fields) -> Self {
        Self::Upsert { class: class.into(), key, fields }
    }

    /// Deletes a record.
    pub fn delete(class: impl Into<String>, remote_id: impl Into<RemoteId>) -> Self {
        Self::Delete { class: class.into(), remote_id: remote_id.into() }
    }

    /// Lets a record point at another one by an association type, or at none any more.
    pub fn associate(
        class: impl Into<String>,
        remote_id: impl Into<RemoteId>,
        association: impl Into<String>,
        target: Option<RemoteId>,
    ) -> Self {
        let target = target.map_or_else(|| Json::of(&()), |id| Json::text(id.as_str()));
        Self::update(class, remote_id, Fields::from([(association.into(), target)]))
    }

    /// The class that it writes.
    #[must_use]
    pub fn class(&self) -> &str {
        match self {
            Self::Create { class, .. }
            | Self::Update { class, .. }
            | Self::Upsert { class, .. }
            | Self::Delete { class, .. } => class,
        }
    }

    /// The record that it names by its remote id.
    #[must_use]
    pub fn remote_id(&self) -> Option<&RemoteId> {
        match self {
            Self::Update { remote_id, .. } | Self::Delete { remote_id, .. } => Some(remote_id),
            Self::Create { .. } | Self::Upsert { .. } => None,
        }
    }
}
