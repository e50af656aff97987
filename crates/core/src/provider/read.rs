//! What to read.

use crate::{ObjectKind, PageToken, RemoteId, Watermark};

/// One or more parts to read a page of each. A provider that can ask for several parts in one call does.
///
/// ```
/// use unicrm_core::{ObjectKind, ReadPart, ReadRequest};
/// let request = ReadRequest::new(ReadPart::all(ObjectKind::Contact)).and(ReadPart::all(ObjectKind::Lead));
/// assert_eq!(request.parts().len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReadRequest {
    parts: Vec<ReadPart>,
}

impl ReadRequest {
    /// A request of one part.
    #[must_use]
    pub fn new(part: ReadPart) -> Self {
        Self { parts: vec![part] }
    }

    /// With one part more.
    #[must_use]
    pub fn and(mut self, part: ReadPart) -> Self {
        self.parts.push(part);
        self
    }

    /// The parts.
    #[must_use]
    pub fn parts(&self) -> &[ReadPart] {
        &self.parts
    }

    /// The parts, by value.
    #[must_use]
    pub fn into_parts(self) -> Vec<ReadPart> {
        self.parts
    }
}

impl FromIterator<ReadPart> for ReadRequest {
    fn from_iter<I: IntoIterator<Item = ReadPart>>(parts: I) -> Self {
        Self { parts: parts.into_iter().collect() }
    }
}

/// What to read of one object: which records, in which shape, from which page on.
///
/// ```
/// use unicrm_core::{ObjectKind, ReadPart, Scope, Shape};
/// let part = ReadPart::new(ObjectKind::Contact, Scope::All).shape(Shape::Count);
/// assert_eq!(part.shape, Shape::Count);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReadPart {
    /// Which object.
    pub kind: ObjectKind,
    /// Which records.
    pub scope: Scope,
    /// How much of each.
    pub shape: Shape,
    /// The token of the page before; none for the first page.
    pub after: Option<PageToken>,
    /// How many rows a page should have at the most; the provider may give fewer.
    pub page_size: Option<u32>,
}

impl ReadPart {
    /// The whole records of a scope, from the first page.
    #[must_use]
    pub fn new(kind: ObjectKind, scope: Scope) -> Self {
        Self { kind, scope, shape: Shape::Full, after: None, page_size: None }
    }

    /// All records.
    #[must_use]
    pub fn all(kind: ObjectKind) -> Self {
        Self::new(kind, Scope::All)
    }

    /// In this shape.
    #[must_use]
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
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

/// Which records.
///
/// ```
/// use unicrm_core::{Scope, Watermark};
/// let scope = Scope::Since(Watermark::new("w1"));
/// assert_ne!(scope, Scope::All);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scope {
    /// All that this user sees, and the deleted ones that the remote still shows.
    All,
    /// Those that changed after the watermark, deletions included; some more may come.
    Since(Watermark),
    /// These. An id that the remote does not know, or does not show, gives a gone row.
    Ids(Vec<RemoteId>),
}

/// How much of each record.
///
/// ```
/// assert_eq!(unicrm_core::Shape::default(), unicrm_core::Shape::Full);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// The whole record.
    #[default]
    Full,
    /// Ids and time stamps.
    Ids,
    /// The number of records alone: one page without rows.
    Count,
}
