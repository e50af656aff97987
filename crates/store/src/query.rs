//! What is asked of the records, and what comes back.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use unicrm_core::{Error, ErrorKind, GoneReason, LinkedAccountId, ObjectKind, Record, Result};

/// A record from the store. Its `id`, `created_at` and `modified_at` are filled in.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredRecord {
    /// The linked account that it came from.
    pub linked_account: LinkedAccountId,
    /// The record itself.
    pub record: Record,
    /// When it last changed at the remote, as far as it is known.
    pub stamp: Option<Timestamp>,
    /// Set on a tombstone: why the record is gone, and since when.
    pub gone: Option<StoredGone>,
}

/// Why a record is gone, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredGone {
    /// Why.
    pub reason: GoneReason,
    /// When it happened at the remote, or else when the store learnt of it.
    pub at: Timestamp,
}

/// Which of the costly parts of a record to bring along.
///
/// ```
/// use unicrm_store::Include;
/// assert!(!Include::default().remote_data);
/// assert!(Include::everything().remote_fields);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// The remote fields.
    pub remote_fields: bool,
    /// The raw record, as `remote_data`.
    pub remote_data: bool,
}

impl Include {
    /// All parts.
    #[must_use]
    pub const fn everything() -> Self {
        Self { remote_fields: true, remote_data: true }
    }

    /// The remote fields, but not the raw record.
    #[must_use]
    pub const fn remote_fields() -> Self {
        Self { remote_fields: true, remote_data: false }
    }
}

/// A page of records that is asked for.
///
/// ```
/// use unicrm_core::ObjectKind;
/// use unicrm_store::{Filter, ListRequest};
/// let request = ListRequest::new(ObjectKind::Contact).with_filter(Filter::equal("last_name", "Feig")).with_limit(50);
/// assert!(!request.include_deleted);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListRequest {
    /// Which object.
    pub kind: ObjectKind,
    /// Of this linked account alone.
    pub linked_account: Option<LinkedAccountId>,
    /// Only records that pass all of these.
    pub filters: Vec<Filter>,
    /// Tombstones too.
    pub include_deleted: bool,
    /// Which costly parts to bring along.
    pub include: Include,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// At most so many records; [`ListRequest::LARGEST`] at the most.
    pub limit: u32,
}

impl ListRequest {
    /// No page holds more records than this.
    pub const LARGEST: u32 = 10_000;

    /// The first page of an object's records, of all linked accounts.
    #[must_use]
    pub fn new(kind: ObjectKind) -> Self {
        Self {
            kind,
            linked_account: None,
            filters: Vec::new(),
            include_deleted: false,
            include: Include::default(),
            after: None,
            limit: 200,
        }
    }

    /// Of one linked account.
    #[must_use]
    pub fn of(mut self, linked_account: LinkedAccountId) -> Self {
        self.linked_account = Some(linked_account);
        self
    }

    /// With one more condition.
    #[must_use]
    pub fn with_filter(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// With tombstones.
    #[must_use]
    pub fn with_deleted(mut self, include_deleted: bool) -> Self {
        self.include_deleted = include_deleted;
        self
    }

    /// With costly parts.
    #[must_use]
    pub fn with(mut self, include: Include) -> Self {
        self.include = include;
        self
    }

    /// From where the page before ended.
    #[must_use]
    pub fn after(mut self, cursor: Option<Cursor>) -> Self {
        self.after = cursor;
        self
    }

    /// With so many records at the most.
    #[must_use]
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}

/// A condition: a field holds this value, or none.
///
/// The value is given as text and read as the field's type: a number, `true`, an instant or a day, a unified or remote id
/// for a reference. A list passes when any value in it is this one.
///
/// ```
/// use unicrm_store::Filter;
/// assert_eq!("last_name=Feig".parse::<Filter>()?, Filter::equal("last_name", "Feig"));
/// assert_eq!("owner=".parse::<Filter>()?, Filter::none("owner"));
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// The field's name in JSON.
    pub field: String,
    /// The value; none for a field that holds nothing.
    pub value: Option<String>,
}

impl Filter {
    /// The field holds this value.
    pub fn equal(field: impl Into<String>, value: impl Into<String>) -> Self {
        Self { field: field.into(), value: Some(value.into()) }
    }

    /// The field holds nothing.
    pub fn none(field: impl Into<String>) -> Self {
        Self { field: field.into(), value: None }
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (field, value) =
            text.split_once('=').filter(|(field, _)| !field.is_empty()).ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidConfig,
                    format!("{text:?} is not a condition: write FIELD=VALUE"),
                )
            })?;
        Ok(if value.is_empty() { Self::none(field) } else { Self::equal(field, value) })
    }
}

/// Where a page of records ended. It stays good while records come and go.
///
/// ```
/// use unicrm_store::Cursor;
/// let cursor: Cursor = "42".parse()?;
/// assert_eq!(cursor.to_string(), "42");
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) i64);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self).map_err(|_| {
            Error::new(ErrorKind::InvalidRequest, format!("{text:?} is not a cursor that a list gave"))
        })
    }
}

/// A page of records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListPage {
    /// The records, in the order in which the store first saw them.
    pub records: Vec<StoredRecord>,
    /// Where the next page starts; none at the end.
    pub next: Option<Cursor>,
}

/// How many records of an object there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecordCounts {
    /// Records that the remote shows.
    pub live: u64,
    /// Tombstones.
    pub deleted: u64,
}
