//! Records that are gone for good: they are in no query, and Salesforce names their ids for some days.
//!
//! The lists are asked for before any row. So a record that comes back meanwhile is shown alive behind its deletion; and a
//! list that does not reach back to the watermark is met while the host can still let go of the watermark, which is on the
//! first page of a reading alone.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use unicrm_core::{Error, ErrorKind, Gone, GoneReason, Row, Usage};

use super::batch::Ready;
use super::source::Source;
use super::token::{Cursor, Keyset, Marks};
use super::{Left, Reader};
use crate::api::{Deleted, DeletedRecord};
use crate::error::{Code, Fault};

/// Salesforce remembers fifteen days; a little less, so that the request is still good when it arrives.
const LONGEST: SignedDuration = SignedDuration::from_hours(15 * 24 - 1);
/// Salesforce leaves seconds away and wants more than a minute.
const SHORTEST: SignedDuration = SignedDuration::from_mins(2);
/// How often a span with too many deletions is halved.
const HALVINGS: u32 = 16;
/// Ids that one page shows: they are short.
const MOST: usize = 10_000;

/// What is gone for good from a source, in order of time and id.
#[derive(Debug)]
pub(super) struct GoneList {
    records: Vec<DeletedRecord>,
    /// From when on the next reading has to read for nothing to be missed.
    mark: Timestamp,
}

/// What is left of long lists behind the last row of a page. A token says how to find it without this process.
#[derive(Debug, Default)]
pub(super) struct RestOfGone(Mutex<HashMap<Source, (Keyset, GoneList)>>);

impl RestOfGone {
    fn keep(&self, source: Source, after: Keyset, list: GoneList) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(source, (after, list));
    }

    /// What was kept for this place; whatever was kept for another one is of no use any more.
    fn take(&self, source: Source, after: &Keyset) -> Option<GoneList> {
        let (place, list) = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&source)?;
        (place == *after).then_some(list)
    }
}

/// A span of time as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Span {
    /// What lies between; not shorter than Salesforce takes.
    pub(super) fn new(since: Timestamp, end: Timestamp) -> Self {
        let latest = end.saturating_sub(SHORTEST).unwrap_or(since);
        Self { start: since.min(latest), end }
    }

    /// The shortest span with the same start.
    fn shortest(self) -> Self {
        Self { end: self.start.saturating_add(SHORTEST).unwrap_or(self.end).min(self.end), ..self }
    }

    /// Both halves; none where they are too short to be asked for.
    fn halves(self) -> Option<[Self; 2]> {
        let half = SignedDuration::from_secs(self.end.duration_since(self.start).as_secs() / 2);
        let middle = self.start.saturating_add(half).unwrap_or(self.end);
        (half >= SHORTEST).then_some([Self { end: middle, ..self }, Self { start: middle, ..self }])
    }
}

impl Reader {
    /// Sees to it that all lists of a reading since a watermark are there before its first row.
    pub(super) async fn lists_of_gone(
        &self,
        usage: &mut Usage,
        sources: &[Source],
        marks: &Marks,
        ready: &mut Ready,
    ) -> Result<(), Error> {
        for source in sources.iter().copied().filter(|source| source.deletable()) {
            let Some(since) = self.since(marks.gone(source)) else { continue };
            let came = ready.deleted.remove(&source);
            if let Some(list) = self.list_of_gone(usage, source, since, came).await? {
                ready.gone.insert(source, list);
            }
        }
        Ok(())
    }

    /// Gives the ids that are gone for good, page by page. Where the record is in the recycle bin, its row follows with the
    /// last state; where it was taken out again, its row is alive.
    pub(super) async fn gone_for_good(
        &self,
        usage: &mut Usage,
        source: Source,
        since: Option<Timestamp>,
        ready: Option<GoneList>,
        cursor: &mut Cursor,
        rows: &mut Vec<Row>,
    ) -> Result<Left, Error> {
        let after = cursor.after.clone();
        let kept = after.as_ref().and_then(|after| self.rest_of_gone.take(source, after));
        let list = match (ready.or(kept), after.as_ref().map(|after| after.stamp).or(since)) {
            (Some(list), _) => Some(list),
            // The first page has had it already, and it was nothing; or it is asked for again, from the place reached.
            (None, Some(since)) if cursor.page > 0 => self.list_of_gone(usage, source, since, None).await?,
            _ => None,
        };
        let Some(GoneList { mut records, mark: covered }) = list else { return Ok(Left::Nothing) };
        let mark = cursor.marks.entry(source).or_insert(covered);
        *mark = covered.min(*mark);
        if let Some(Keyset { stamp, id }) = after {
            let reached = (stamp, id.unwrap_or_default());
            let next = records.partition_point(|record| (record.deleted_date, record.id.clone()) <= reached);
            records.drain(..next);
        }
        let rest = records.split_off(MOST.min(records.len()));
        for DeletedRecord { id, deleted_date } in records {
            cursor.after = Some(Keyset { stamp: deleted_date, id: Some(id.clone()) });
            let gone = Gone::new(source.kind(), id, GoneReason::Deleted);
            rows.push(Row::Gone(gone.with_stamp(Some(deleted_date))));
        }
        if rest.is_empty() {
            return Ok(Left::Nothing);
        }
        if let Some(after) = cursor.after.clone() {
            self.rest_of_gone.keep(source, after, GoneList { records: rest, mark: covered });
        }
        Ok(Left::Later)
    }

    /// The list of what is gone since; none where this object has no such list for this user.
    async fn list_of_gone(
        &self,
        usage: &mut Usage,
        source: Source,
        since: Timestamp,
        came: Option<(Span, Deleted)>,
    ) -> Result<Option<GoneList>, Error> {
        let sobject = source.sobject();
        let describe = self.client.describe(usage, sobject).await?;
        if !describe.object.replicateable {
            return Ok(None);
        }
        let now = self.client.now();
        if now.duration_since(since) > LONGEST {
            return Err(beyond_memory(source, since));
        }
        let (answer, end) = match came {
            Some((span, deleted)) => (Ok(deleted), span.end),
            None => (self.deleted_since(usage, source, since, now).await, now),
        };
        let deleted = match answer {
            Ok(deleted) => deleted,
            Err(fault) if is_out_of_reach(&fault) => {
                tracing::info!(sobject, %fault, "what is gone for good is not told that far back");
                return Err(beyond_memory(source, since));
            }
            Err(fault) if is_not_offered(&fault) => {
                // What is gone for good is then found by comparing ids.
                tracing::warn!(sobject, %fault, "what is gone for good is not told");
                return Ok(None);
            }
            Err(fault) => return Err(fault.into()),
        };
        if deleted.earliest_date_available > since {
            return Err(beyond_memory(source, since));
        }
        let Deleted { mut records, latest_date_covered: covered, .. } = deleted;
        // Salesforce leaves the seconds of a span away; what went before was shown by the last reading.
        records.retain(|record| record.deleted_date >= since);
        records.sort_by(|one, other| (one.deleted_date, &one.id).cmp(&(other.deleted_date, &other.id)));
        // The next reading starts no later than where this list ends.
        let covered = covered.saturating_add(self.config.overlap()).unwrap_or(covered);
        Ok(Some(GoneList { records, mark: covered.min(end) }))
    }

    /// Deletions up to now; where a transaction that runs, or anything else, keeps Salesforce from telling so much, those
    /// of the first minutes.
    async fn deleted_since(
        &self,
        usage: &mut Usage,
        source: Source,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Deleted, Fault> {
        let span = Span::new(since, now);
        match self.deleted_between(usage, source, span).await {
            Err(fault) if fault.is(&Code::InvalidReplicationDate) && span.shortest() != span => {
                self.deleted_between(usage, source, span.shortest()).await
            }
            outcome => outcome,
        }
    }

    /// Deletions of a span; one with too many of them is asked for in halves.
    async fn deleted_between(&self, usage: &mut Usage, source: Source, span: Span) -> Result<Deleted, Fault> {
        let mut spans = vec![(span, HALVINGS)];
        let mut all: Option<Deleted> = None;
        let mut is_held_back = false;
        while let Some((span, halvings)) = spans.pop() {
            let mut answer = match self.client.deleted(usage, source.sobject(), span.start, span.end).await {
                Err(fault) if fault.is(&Code::ExceededIdLimit) && halvings > 0 => {
                    let [first, second] = span.halves().ok_or(fault)?;
                    spans.extend([(second, halvings - 1), (first, halvings - 1)]);
                    continue;
                }
                outcome => outcome?,
            };
            answer.latest_date_covered = answer.latest_date_covered.min(span.end);
            if let Some(before) = all.take() {
                answer.earliest_date_available =
                    before.earliest_date_available.max(answer.earliest_date_available);
                answer.records.extend(before.records);
                if is_held_back {
                    answer.latest_date_covered = before.latest_date_covered;
                }
            }
            is_held_back |=
                answer.latest_date_covered.saturating_add(SHORTEST).is_ok_and(|covered| covered < span.end);
            all = Some(answer);
        }
        all.ok_or_else(|| Fault::Query("an empty span of time".to_owned()))
    }
}

/// Leaves out what says no more than a row behind it: a record in the recycle bin comes again, with its last state, and one
/// that was taken out of it alive.
pub(super) fn without_repeated(rows: Vec<Row>) -> Vec<Row> {
    let says_little = |row: &Row| matches!(row, Row::Gone(gone) if gone.last.is_none());
    if !rows.iter().any(says_little) {
        return rows;
    }
    let mut shown = HashSet::new();
    let mut kept: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows.into_iter().rev() {
        let is_new = row.remote_id().is_none_or(|id| shown.insert(id.clone()));
        if is_new || !says_little(&row) {
            kept.push(row);
        }
    }
    kept.reverse();
    kept
}

/// Whether Salesforce does not know any more, or does not tell at once, what went in the time that was asked for.
fn is_out_of_reach(fault: &Fault) -> bool {
    fault.is(&Code::InvalidReplicationDate) || fault.is(&Code::ExceededIdLimit)
}

/// Whether this object has no such list for this user. Any other refusal is an error: were the reading to go on, its
/// watermark would pass deletions that nobody has shown.
fn is_not_offered(fault: &Fault) -> bool {
    fault.refusal().is_some_and(|refusal| {
        matches!(
            refusal.code.as_str(),
            "FUNCTIONALITY_NOT_ENABLED"
                | "INSUFFICIENT_ACCESS"
                | "INSUFFICIENT_ACCESS_OR_READONLY"
                | "INVALID_TYPE_FOR_OPERATION"
        )
    })
}

/// The error of a watermark from before the time of which Salesforce still tells what is gone for good. The host then reads
/// everything, and what that does not show is gone.
fn beyond_memory(source: Source, since: Timestamp) -> Error {
    let sobject = source.sobject();
    let message = format!(
        "this watermark cannot be used: Salesforce does not tell any more which {sobject} records were deleted for good since \
         {since}; read all anew"
    );
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_000_000_000 + 60 * minutes).unwrap()
    }

    #[test]
    fn spans_are_never_shorter_than_salesforce_takes() {
        for (since, end) in [(0, 60), (0, 1), (0, 0), (5, 0)] {
            let span = Span::new(at(since), at(end));
            assert_eq!(span.end, at(end));
            assert!(
                span.end.duration_since(span.start) >= SHORTEST && span.start <= at(since),
                "{since} {end}"
            );
            assert_eq!(span.shortest().start, span.start);
            assert_eq!(span.shortest().end.duration_since(span.start), SHORTEST);
            if let Some([first, second]) = span.halves() {
                assert_eq!((first.start, first.end, second.end), (span.start, second.start, span.end));
            }
        }
    }
}
