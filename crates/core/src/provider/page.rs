//! What a read brings: pages of rows, with what they cost.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, Json, ObjectKind, Record, RemoteData, RemoteId};

/// One page of a reading, by value: rows, what it cost, and how to go on.
///
/// ```
/// use unicrm_core::{Next, Page, PageToken};
/// let page = Page::new(Vec::new(), Next::More(PageToken::new("2000")));
/// assert!(page.next_token().is_some());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// The rows. One bad record is a rejected row and never ends a page.
    pub rows: Vec<Row>,
    /// More, or the end.
    pub next: Next,
    /// For [`Shape::Count`](crate::Shape::Count) the answer; for other shapes a hint for progress bars, when the remote gave
    /// one. It may be out of date while it is read.
    pub count: Option<u64>,
    /// What this page cost.
    pub usage: Usage,
}

impl Page {
    /// A page of rows.
    #[must_use]
    pub fn new(rows: Vec<Row>, next: Next) -> Self {
        Self { rows, next, count: None, usage: Usage::default() }
    }

    /// With a count.
    #[must_use]
    pub fn with_count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// With what it cost.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// The token for the next page, unless this is the last.
    #[must_use]
    pub fn next_token(&self) -> Option<&PageToken> {
        match &self.next {
            Next::More(token) => Some(token),
            Next::End(_) => None,
        }
    }
}

/// How a reading goes on.
///
/// ```
/// use unicrm_core::{Next, Watermark};
/// let end = Next::End(Some(Watermark::new("2026-11-22T10:00:00Z")));
/// assert!(matches!(end, Next::End(Some(_))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// There is more: pass the token back.
    More(PageToken),
    /// That was all. The watermark is where a later reading of what changed starts; none when the provider cannot say, or
    /// when the scope was not one that a later reading can start from.
    End(Option<Watermark>),
}

macro_rules! opaque {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Wraps the provider's own text.
            pub fn new(text: impl Into<Box<str>>) -> Self {
                Self(text.into())
            }

            /// The provider's own text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}
pub(crate) use opaque;

opaque! {
    /// Where the next page starts. Opaque to hosts, serialisable, and good after a restart of the process: what the
    /// remote forgets meanwhile, the plugin finds again.
    ///
    /// ```
    /// use unicrm_core::PageToken;
    /// let token = PageToken::new("2000");
    /// assert_eq!(serde_json::to_string(&token).unwrap(), "\"2000\"");
    /// ```
    PageToken
}

opaque! {
    /// Up to where everything has been read. Opaque to hosts and serialisable. A reading since a watermark shows every
    /// record that changed after it, and may show some that did not.
    ///
    /// ```
    /// use unicrm_core::Watermark;
    /// let watermark: Watermark = serde_json::from_str("\"w1\"").unwrap();
    /// assert_eq!(watermark.as_str(), "w1");
    /// ```
    Watermark
}

/// One row of a page.
///
/// ```
/// use unicrm_core::{Gone, GoneReason, ObjectKind, Row};
/// let row = Row::Gone(Gone::new(ObjectKind::Contact, "003x", GoneReason::Deleted));
/// assert_eq!(row.remote_id().map(|id| id.as_str()), Some("003x"));
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every row is live; a box for each costs more than the space"
)]
pub enum Row {
    /// A record as it is.
    Live(LiveRow),
    /// A record that is no more, or no more for us.
    Gone(Gone),
    /// A record's id and time stamp alone ([`Shape::Ids`](crate::Shape::Ids)).
    Id {
        /// The remote id.
        remote_id: RemoteId,
        /// When it last changed.
        stamp: Option<Timestamp>,
    },
    /// A record that could not be understood.
    Rejected {
        /// Which one, as far as it is known.
        remote_id: Option<RemoteId>,
        /// Why.
        error: Error,
        /// The raw record, so that nothing is lost.
        raw: Option<RawRecord>,
    },
}

impl Row {
    /// The remote id, as far as it is known.
    #[must_use]
    pub fn remote_id(&self) -> Option<&RemoteId> {
        match self {
            Self::Live(row) => row.record.remote_id(),
            Self::Gone(gone) => Some(&gone.remote_id),
            Self::Id { remote_id, .. } => Some(remote_id),
            Self::Rejected { remote_id, .. } => remote_id.as_ref(),
        }
    }
}

/// A record as the remote has it now.
///
/// ```
/// use unicrm_core::{Contact, LiveRow};
/// let row = LiveRow::new(Contact::default());
/// assert!(row.raw.is_empty());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LiveRow {
    /// The unified record.
    pub record: Record,
    /// When it last changed at the remote.
    pub stamp: Option<Timestamp>,
    /// What the remote sent.
    pub raw: RawRecord,
}

impl LiveRow {
    /// A row of a record, without stamp and raw record.
    pub fn new(record: impl Into<Record>) -> Self {
        Self { record: record.into(), stamp: None, raw: RawRecord::default() }
    }

    /// With the time of the last change.
    #[must_use]
    pub fn with_stamp(mut self, stamp: Option<Timestamp>) -> Self {
        self.stamp = stamp;
        self
    }

    /// With the raw record.
    #[must_use]
    pub fn with_raw(mut self, raw: RawRecord) -> Self {
        self.raw = raw;
        self
    }
}

/// A record that is no more, or no more for us.
///
/// ```
/// use unicrm_core::{Gone, GoneReason, ObjectKind};
/// let merged = Gone::new(ObjectKind::Lead, "00Q1", GoneReason::MergedInto("00Q2".into()));
/// assert!(merged.last.is_none());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Gone {
    /// Which object.
    pub kind: ObjectKind,
    /// The remote id.
    pub remote_id: RemoteId,
    /// Why.
    pub reason: GoneReason,
    /// When, as far as it is known.
    pub stamp: Option<Timestamp>,
    /// Its last state, when the remote still shows it.
    pub last: Option<Box<LiveRow>>,
}

impl Gone {
    /// A record that is gone for a reason.
    pub fn new(kind: ObjectKind, remote_id: impl Into<RemoteId>, reason: GoneReason) -> Self {
        Self { kind, remote_id: remote_id.into(), reason, stamp: None, last: None }
    }

    /// With the time.
    #[must_use]
    pub fn with_stamp(mut self, stamp: Option<Timestamp>) -> Self {
        self.stamp = stamp;
        self
    }

    /// With its last state.
    #[must_use]
    pub fn with_last(mut self, last: LiveRow) -> Self {
        self.last = Some(Box::new(last));
        self
    }
}

/// Why a record is gone.
///
/// ```
/// use unicrm_core::GoneReason;
/// assert_eq!(GoneReason::NotVisible.as_str(), "not_visible");
/// assert_eq!(GoneReason::MergedInto("00Q2".into()).survivor(), Some(&"00Q2".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GoneReason {
    /// It was deleted.
    Deleted,
    /// It was merged into another record, which lives on.
    MergedInto(RemoteId),
    /// This user does not see it any more; it may still exist.
    NotVisible,
}

impl GoneReason {
    /// The name in `snake_case`, as columns and exports have it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::MergedInto(_) => "merged",
            Self::NotVisible => "not_visible",
        }
    }

    /// The record that lives on; none unless it was merged into one.
    #[must_use]
    pub const fn survivor(&self) -> Option<&RemoteId> {
        match self {
            Self::MergedInto(survivor) => Some(survivor),
            Self::Deleted | Self::NotVisible => None,
        }
    }
}

/// The raw record: the remote's own JSON, in one piece or several (a meeting and its invitees).
///
/// The text is shared with the page that it came in, so keeping it for the length of a page costs nothing.
///
/// ```
/// use unicrm_core::RawRecord;
/// let raw = RawRecord::new("/sobjects/Contact", r#"{"Id":"003"}"#);
/// assert_eq!(raw.pieces().next(), Some(("/sobjects/Contact", r#"{"Id":"003"}"#)));
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct RawRecord {
    first: Option<Piece>,
    more: Vec<Piece>,
}

#[derive(Clone)]
struct Piece {
    path: Cow<'static, str>,
    page: Arc<str>,
    range: Range<usize>,
}

impl Piece {
    fn body(&self) -> &str {
        self.page.get(self.range.clone()).unwrap_or_default()
    }
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.body() == other.body()
    }
}

impl RawRecord {
    /// A raw record of one piece: its remote resource and its JSON.
    pub fn new(path: impl Into<Cow<'static, str>>, json: &str) -> Self {
        Self::slice(path, json.into(), 0..json.len())
    }

    /// A raw record that is a part of a page's text.
    pub fn slice(path: impl Into<Cow<'static, str>>, page: Arc<str>, range: Range<usize>) -> Self {
        Self { first: Some(Piece { path: path.into(), page, range }), more: Vec::new() }
    }

    /// Adds the pieces of another raw record.
    pub fn append(&mut self, other: Self) {
        self.more.extend(other.first.into_iter().chain(other.more));
        if self.first.is_none() && !self.more.is_empty() {
            self.first = Some(self.more.remove(0));
        }
    }

    /// Each piece: the remote resource and its JSON.
    pub fn pieces(&self) -> impl Iterator<Item = (&str, &str)> {
        self.first.iter().chain(&self.more).map(|piece| (&*piece.path, piece.body()))
    }

    /// Whether there is no piece.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// As the `remote_data` of a record. A piece that is no JSON is given as a JSON string.
    #[must_use]
    pub fn to_remote_data(&self) -> Vec<RemoteData> {
        self.pieces()
            .map(|(path, body)| RemoteData::new(path, Json::parse(body).unwrap_or_else(|_| Json::text(body))))
            .collect()
    }
}

impl fmt::Debug for RawRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.pieces()).finish()
    }
}

/// What an operation cost at the remote.
///
/// ```
/// use unicrm_core::Usage;
/// let mut total = Usage::calls(1);
/// total.add(&Usage::calls(2));
/// assert_eq!(total.calls, 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// Calls that count against a quota, failed ones included.
    pub calls: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Access tokens fetched.
    pub refreshes: u64,
    /// The quota as the remote last told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
}

impl Usage {
    /// So many calls and nothing else.
    #[must_use]
    pub fn calls(calls: u64) -> Self {
        Self { calls, ..Self::default() }
    }

    /// Adds another usage; the later quota wins.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.retries += other.retries;
        self.refreshes += other.refreshes;
        if other.quota.is_some() {
            self.quota.clone_from(&other.quota);
        }
    }
}

/// An allowance of calls.
///
/// ```
/// use unicrm_core::Quota;
/// let quota = Quota { used: 18, limit: 15_000 };
/// assert_eq!(quota.left(), 14_982);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Calls used in the period, by everybody.
    pub used: u64,
    /// Calls allowed in the period.
    pub limit: u64,
}

impl Quota {
    /// Calls left in the period.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}
