//! Enhanced notes come a few at a time: each body is a call of its own, so that a page which waited for hundreds of them
//! would lose them all with the process. What one query found is given to the host in small pages, and the rest is kept
//! here until it comes back. A process that does not have the rest asks for it again, behind the last row delivered.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use unicrm_core::{Error, Quota, Shape, Usage};

use super::Reader;
use super::enrich::Enrichment;
use super::fetch::Fetched;
use super::head::Head;
use super::source::Source;
use super::token::{Cursor, Keyset};

/// The notes of a page whose bodies are still to come, and what is known of them.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) fetched: Fetched,
    pub(super) links: Enrichment,
}

/// The rest of one page, for the reading that it belongs to.
#[derive(Debug)]
struct Kept {
    after: Keyset,
    /// When the reading began: what changed later is read by the next one, however long the rest waits.
    mark: Option<Timestamp>,
    full: bool,
    quota: Option<Quota>,
    rest: Rest,
}

/// The rest of the last page of notes, if there is one. Several readings of notes at once take it from each other, which
/// costs calls and no more.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<Option<Kept>>);

impl Held {
    /// What was kept for this place of this reading.
    pub(super) fn take(&self, usage: &mut Usage, cursor: &mut Cursor) -> Option<Rest> {
        if cursor.source != Source::ContentNote || cursor.locator.is_some() {
            return None;
        }
        let after = cursor.after.as_ref()?;
        let mark = cursor.marks.get(&cursor.source).copied();
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = held.take_if(|kept| kept.after == *after && kept.mark == mark)?;
        cursor.full = kept.full;
        if usage.quota.is_none() {
            usage.quota = kept.quota;
        }
        Some(kept.rest)
    }

    /// Keeps a rest for the place behind the last row. The token says how to find it without this process.
    pub(super) fn keep(&self, usage: &Usage, cursor: &mut Cursor, rest: Rest) {
        cursor.locator = None;
        let full = std::mem::take(&mut cursor.full);
        let Some(after) = cursor.after.clone() else { return };
        let mark = cursor.marks.get(&cursor.source).copied();
        let kept = Kept { after, mark, full, quota: usage.quota.clone(), rest };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }
}

impl Reader {
    /// Leaves on a page of notes as many as their bodies can be fetched of at once, and gives the others.
    pub(super) async fn put_off(
        &self,
        usage: &mut Usage,
        shape: Shape,
        fetched: &mut Fetched,
        links: &mut Enrichment,
    ) -> Result<Option<Rest>, Error> {
        let (page, selection) = (&mut fetched.page, &fetched.selection);
        if selection.source != Source::ContentNote || shape != Shape::Full {
            return Ok(None);
        }
        let heads: Vec<Option<Head<'_>>> = page.rows().map(Head::read).collect();
        // The last row on the page must be one behind which a later query can go on.
        let placed = |head: &Option<Head<'_>>| {
            head.as_ref().is_some_and(|head| head.keyset(selection.stamp).is_some())
        };
        let last = heads.iter().skip(self.concurrency() - 1).position(placed);
        let now = last.map_or(heads.len(), |last| last + self.concurrency());
        if now >= heads.len() {
            return Ok(None);
        }
        self.link(usage, links, &heads).await?;
        let mut rest = std::mem::take(links);
        *links = rest.split(&heads[..now]);
        drop(heads);
        let mut later = page.clone();
        later.records = page.records.split_off(now);
        // That time has passed by then.
        later.server_time = None;
        let selection = std::sync::Arc::clone(selection);
        Ok(Some(Rest { fetched: Fetched { page: later, selection }, links: rest }))
    }
}
