//! What to search for.

use crate::ObjectKind;

/// A search at the remote.
///
/// ```
/// use unicrm_core::{ObjectKind, SearchQuery, SearchRequest};
/// let request = SearchRequest::new(SearchQuery::Phone("+1 (415) 555-0100".to_owned())).kinds([ObjectKind::Contact]);
/// assert_eq!(request.kinds, [ObjectKind::Contact]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchRequest {
    /// What to look for.
    pub query: SearchQuery,
    /// Which objects to look among.
    pub kinds: Vec<ObjectKind>,
    /// How many rows at the most.
    pub limit: u32,
}

impl SearchRequest {
    /// Looks among contacts, leads and accounts, for 50 rows at the most.
    #[must_use]
    pub fn new(query: SearchQuery) -> Self {
        let kinds = vec![ObjectKind::Contact, ObjectKind::Lead, ObjectKind::Account];
        Self { query, kinds, limit: 50 }
    }

    /// Looks among these objects.
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = ObjectKind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// For so many rows at the most.
    #[must_use]
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = rows;
        self
    }
}

/// What to look for.
///
/// ```
/// use unicrm_core::SearchQuery;
/// let query = SearchQuery::Email("hello@klink.cloud".to_owned());
/// assert!(matches!(query, SearchQuery::Email(_)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchQuery {
    /// A phone number in any notation.
    Phone(String),
    /// An e-mail address.
    Email(String),
    /// Words, as a person would type them.
    Text(String),
}
