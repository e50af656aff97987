//! One page of one source, over whatever the server answers on bad days: a lost place is found again from the keyset, a
//! query that takes too long is made smaller, a field that disappears is left out.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use unicrm_core::{Error, ErrorKind, Shape, Usage};

use super::Reader;
use super::select::Selection;
use super::source::Source;
use super::token::{Cursor, Window};
use crate::api::{Describe, QueryOptions, QueryPage};
use crate::error::{Code, Fault, Refusal};
use crate::schema::sobject_facts;

/// How often one page is mended before its error goes to the host; each mending is a smaller or shorter query.
const MENDINGS: u32 = 8;

/// Rows a page that the server takes a wish for; smaller pages need a limit of their own.
pub(super) const BATCH: std::ops::RangeInclusive<u32> = 200..=2_000;

/// Before Salesforce there was nothing to stamp.
const FIRST_STAMP: i64 = 915_148_800;

/// What is read, the same for all pages of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) shape: Shape,
    /// Only rows stamped from here on.
    pub(super) since: Option<Timestamp>,
    pub(super) size: PageSize,
}

/// How many rows a page shall have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PageSize {
    /// The server's own batch.
    pub(super) batch: Option<u32>,
    /// Fewer than the smallest batch: a limit, and the next page starts behind its last row.
    pub(super) limit: Option<u32>,
}

impl PageSize {
    /// What comes nearest to a wish.
    pub(super) fn of(wish: Option<u32>, usual: Option<u32>) -> Self {
        match wish {
            None => Self { batch: usual, limit: None },
            Some(rows) if rows < *BATCH.start() => {
                Self { batch: Some(*BATCH.start()), limit: Some(rows.max(1)) }
            }
            Some(rows) => Self { batch: Some(rows.min(*BATCH.end())), limit: None },
        }
    }
}

/// A page as it came, and what was selected.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) page: QueryPage,
    pub(super) selection: Arc<Selection>,
}

impl Reader {
    /// The page that the cursor points at; `ready` is the first one, where it came ahead. The cursor is changed where the
    /// way on had to be.
    pub(super) async fn fetch(
        &self,
        usage: &mut Usage,
        ask: Ask,
        ready: Option<QueryPage>,
        cursor: &mut Cursor,
    ) -> Result<Fetched, Error> {
        let mut without = BTreeSet::new();
        if let Some(page) = ready.filter(|_| cursor.after.is_none() && cursor.locator.is_none()) {
            let selection = self.selection(usage, cursor.source, ask.shape, &without).await?;
            return Ok(Fetched { page, selection });
        }
        let mut mendings = 0;
        loop {
            let selection = self.selection(usage, cursor.source, ask.shape, &without).await?;
            let fault = match self.ask(usage, ask, &selection, cursor).await {
                Ok(page) => return Ok(Fetched { page, selection }),
                Err(fault) => fault,
            };
            mendings += 1;
            if mendings > MENDINGS || !self.mend(&fault, ask, cursor, &mut without) {
                return Err(unreadable(cursor.source, fault));
            }
            tracing::debug!(source = ?cursor.source, fault = %fault, "the page is asked for in another way");
        }
    }

    async fn ask(
        &self,
        usage: &mut Usage,
        ask: Ask,
        selection: &Selection,
        cursor: &mut Cursor,
    ) -> Result<QueryPage, Fault> {
        if let Some(locator) = &cursor.locator {
            return self.client.query_more(usage, locator).await;
        }
        let limit = match (ask.size.limit, cursor.window.map(|window| window.limit)) {
            (Some(limit), Some(window)) => Some(limit.min(window)),
            (limit, window) => limit.or(window),
        };
        let options = QueryOptions { all_rows: true, batch_size: ask.size.batch };
        let page = self.client.query(usage, &selection.rows(cursor, ask.since, limit), options).await?;
        cursor.full = limit.is_some_and(|limit| page.total_size >= u64::from(limit));
        Ok(page)
    }

    /// Changes the cursor so that the next attempt avoids the fault; false when nothing helps.
    fn mend(&self, fault: &Fault, ask: Ask, cursor: &mut Cursor, without: &mut BTreeSet<String>) -> bool {
        let sobject = cursor.source.sobject();
        match fault.code() {
            // The place is forgotten, or belongs to a version that was retired meanwhile.
            Some(Code::InvalidQueryLocator | Code::NotFound | Code::UnsupportedApiVersion)
                if cursor.locator.is_some() => {}
            Some(Code::QueryTimeout | Code::OperationTooLarge) => {
                let from = cursor.after.as_ref().map(|after| after.stamp).or(ask.since);
                let from = from.or_else(|| Timestamp::from_second(FIRST_STAMP).ok()).unwrap_or_default();
                cursor.window = Some(Window::narrower(cursor.window, from, self.end_of(cursor)));
            }
            Some(Code::InvalidField) => {
                // The describe is out of date; where it is not, the field is left out by name.
                self.client.forget_describe(sobject);
                let refused = fault.refusal().and_then(|refusal| refused_column(refusal, sobject));
                without.extend(refused.or(cursor.source.people()).map(str::to_owned));
            }
            Some(Code::InvalidType) => {
                self.client.forget_describe(sobject);
                return false;
            }
            _ => return false,
        }
        cursor.locator = None;
        cursor.full = false;
        true
    }

    /// Until when a window must reach to hold everything that this reading has to show.
    pub(super) fn end_of(&self, cursor: &Cursor) -> Timestamp {
        cursor.marks.get(&cursor.source).copied().unwrap_or_else(|| self.client.now())
    }

    /// What is selected of a source, by the describe as it is now.
    pub(super) async fn selection(
        &self,
        usage: &mut Usage,
        source: Source,
        shape: Shape,
        without: &BTreeSet<String>,
    ) -> Result<Arc<Selection>, Error> {
        let describe = self.describe(usage, source).await?;
        let key = (source, shape == Shape::Full);
        if let Some(known) = self.selections().get(&key)
            && without.is_empty()
            && Arc::ptr_eq(&known.describe, &describe)
        {
            return Ok(Arc::clone(known));
        }
        let facts = sobject_facts(&describe);
        let selection = Arc::new(Selection::choose(source, shape, &describe, &facts, without)?);
        if without.is_empty() {
            self.selections().insert(key, Arc::clone(&selection));
        }
        Ok(selection)
    }

    async fn describe(&self, usage: &mut Usage, source: Source) -> Result<Arc<Describe>, Error> {
        self.client.describe(usage, source.sobject()).await.map_err(|fault| unreadable(source, fault))
    }
}

/// The field of this object that a query may not name. One of another object stands in a sub-query, which is left out as a
/// whole.
pub(super) fn refused_column<'r>(refusal: &'r Refusal, sobject: &str) -> Option<&'r str> {
    let (_, rest) = refusal.message.split_once("on entity '").unwrap_or_default();
    let entity = rest.split('\'').next().unwrap_or_default();
    let own = entity.is_empty() || entity.eq_ignore_ascii_case(sobject);
    refusal.missing_column().filter(|_| own)
}

/// The error of an object that is not there for this user, or of whatever else stands in the way.
pub(super) fn unreadable(source: Source, fault: Fault) -> Error {
    match fault.code() {
        Some(Code::InvalidType | Code::NotFound) => unavailable(source).with_source(Error::from(fault)),
        _ => Error::from(fault),
    }
}

/// The error of an object that is not there for this user.
pub(crate) fn unavailable(source: Source) -> Error {
    let sobject = source.sobject();
    let kind = source.kind();
    Error::new(
        ErrorKind::PermissionDenied,
        format!("{kind} records cannot be read: the object {sobject} does not exist in this org, or this user may not see it"),
    )
    .with_remote_code("INVALID_TYPE")
    .with_advice(format!(
        "Setup > Permission Sets > the integration's set > Object Settings > {sobject}: give \"Read\" and \"View All\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_field_is_told_from_one_of_a_sub_query() {
        let refusal = |message: &str| {
            let value = serde_json::json!([{"errorCode": "INVALID_FIELD", "message": message}]);
            Fault::of_value(400, &value).expect("a refusal")
        };
        let own =
            refusal("ERROR at Row:1:Column:8 No such column 'Phone' on entity 'Contact'. If you are ...");
        assert_eq!(refused_column(&own, "Contact"), Some("Phone"));
        assert_eq!(refused_column(&own, "Event"), None);
        assert_eq!(
            refused_column(&refusal("Didn't understand relationship 'X' in FROM part"), "Event"),
            None
        );
    }
}
