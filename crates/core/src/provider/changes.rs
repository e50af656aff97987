//! Change events.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::page::opaque;
use crate::{ObjectKind, Row, Usage};

opaque! {
    /// Where a stream of change events goes on. Opaque to hosts and serialisable.
    ///
    /// ```
    /// use unicrm_core::ResumeToken;
    /// assert_eq!(ResumeToken::new("r7").as_str(), "r7");
    /// ```
    ResumeToken
}

/// Asks for change events.
///
/// ```
/// use std::time::Duration;
/// use unicrm_core::{ChangesRequest, ObjectKind};
/// let request = ChangesRequest::new([ObjectKind::Contact]).patience(Duration::from_secs(5));
/// assert!(request.after.is_none());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChangesRequest {
    /// Of which objects.
    pub kinds: Vec<ObjectKind>,
    /// After which event; none for those from now on.
    pub after: Option<ResumeToken>,
    /// How long to wait for an event before answering without one.
    pub patience: Duration,
}

impl ChangesRequest {
    /// Events from now on, waiting for 30 seconds.
    pub fn new(kinds: impl IntoIterator<Item = ObjectKind>) -> Self {
        Self { kinds: kinds.into_iter().collect(), after: None, patience: Duration::from_secs(30) }
    }

    /// Events after this token.
    #[must_use]
    pub fn after(mut self, token: ResumeToken) -> Self {
        self.after = Some(token);
        self
    }

    /// Waiting so long.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// Some change events.
///
/// ```
/// use unicrm_core::{ChangesPage, ResumeToken};
/// let idle = ChangesPage::new(Vec::new(), ResumeToken::new("r7"));
/// assert!(idle.changes.is_empty());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChangesPage {
    /// What changed, in order; none when nothing did.
    pub changes: Vec<Change>,
    /// Where to go on. It may be the one that was asked with.
    pub next: ResumeToken,
    /// What it cost.
    pub usage: Usage,
}

impl ChangesPage {
    /// A page of changes.
    #[must_use]
    pub fn new(changes: Vec<Change>, next: ResumeToken) -> Self {
        Self { changes, next, usage: Usage::default() }
    }
}

/// One change: the object, and the record as it is after it.
///
/// ```
/// use unicrm_core::{Change, Contact, LiveRow, ObjectKind, Row};
/// let change = Change { kind: ObjectKind::Contact, row: Row::Live(LiveRow::new(Contact::default())) };
/// assert_eq!(change.kind, ObjectKind::Contact);
/// ```
#[derive(Clone, Debug)]
pub struct Change {
    /// Which object.
    pub kind: ObjectKind,
    /// The record, or that it is gone.
    pub row: Row,
}
