//! Records that are gone for good: they are in no query, and Salesforce names their ids for some days.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use unicrm_core::{Error, Gone, GoneReason, RemoteId, Row, Usage};

use super::Reader;
use super::small::{CHUNK, all_pages};
use super::source::Source;
use super::token::Cursor;
use crate::api::{Condition, Deleted, DeletedRecord, Literal, QueryOptions, QueryPage, Soql, widened};
use crate::error::{Code, Fault};

/// Salesforce looks back thirty days; a little less, so that the request is still good when it arrives.
const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24 - 1);
/// Salesforce leaves seconds away and wants more than a minute.
const SHORTEST: SignedDuration = SignedDuration::from_mins(2);
/// How often a span with too many deletions is halved.
const HALVINGS: u32 = 16;

impl Reader {
    /// The ids that are gone for good since the last reading. Those in the recycle bin have been shown already, with their
    /// last state; and a record that was taken out of the bin is alive.
    pub(super) async fn gone_for_good(
        &self,
        usage: &mut Usage,
        source: Source,
        since: Option<Timestamp>,
        ready: Option<Deleted>,
        cursor: &mut Cursor,
        rows: &mut Vec<Row>,
    ) -> Result<(), Error> {
        let (Some(since), Some(end)) = (since, cursor.marks.get(&source).copied()) else { return Ok(()) };
        let describe = self.client.describe(usage, source.sobject()).await?;
        if !describe.object.replicateable {
            return Ok(());
        }
        let (start, end) = span(since, end);
        let answer = match ready {
            Some(deleted) => Ok((deleted.records, deleted.latest_date_covered)),
            None => self.deleted_between(usage, source, start, end).await,
        };
        let (deleted, covered) = match answer {
            Ok(deleted) => deleted,
            Err(fault) if is_not_offered(&fault) => {
                // What is gone for good is then found by comparing ids.
                tracing::warn!(sobject = source.sobject(), %fault, "what is gone for good is not told");
                return Ok(());
            }
            Err(fault) => return Err(fault.into()),
        };
        // The next reading starts no later than where this list ends.
        let covered = covered.saturating_add(self.config.overlap()).unwrap_or(covered);
        cursor.marks.entry(source).and_modify(|mark| *mark = covered.min(*mark));
        // What this page has shown is in the recycle bin or alive: nobody need be asked.
        let shown: HashSet<&str> = rows.iter().filter_map(Row::remote_id).map(RemoteId::as_str).collect();
        let unseen: Vec<DeletedRecord> =
            deleted.into_iter().filter(|record| !shown.contains(record.id.as_str())).collect();
        for chunk in unseen.chunks(CHUNK) {
            let known = self.still_there(usage, source, chunk).await?;
            for record in chunk {
                if !known.contains(&record.id) {
                    let gone = Gone::new(source.kind(), record.id.clone(), GoneReason::Deleted)
                        .with_stamp(Some(record.deleted_date));
                    rows.push(Row::Gone(gone));
                }
            }
        }
        Ok(())
    }

    /// Deletions of a span; one with too many of them is asked for in halves.
    async fn deleted_between(
        &self,
        usage: &mut Usage,
        source: Source,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<(Vec<DeletedRecord>, Timestamp), Fault> {
        let mut spans = vec![(start, end, HALVINGS)];
        let mut deleted = Vec::new();
        let mut covered = start;
        while let Some((start, end, halvings)) = spans.pop() {
            match self.client.deleted(usage, source.sobject(), start, end).await {
                Ok(answer) => {
                    covered = covered.max(answer.latest_date_covered);
                    deleted.extend(answer.records);
                }
                Err(fault) if fault.is(&Code::ExceededIdLimit) && halvings > 0 => {
                    let half = SignedDuration::from_secs(end.duration_since(start).as_secs() / 2);
                    let middle = start.saturating_add(half).unwrap_or(end);
                    if middle.duration_since(start) < SHORTEST || end.duration_since(middle) < SHORTEST {
                        return Err(fault);
                    }
                    spans.push((middle, end, halvings - 1));
                    spans.push((start, middle, halvings - 1));
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok((deleted, covered))
    }

    /// Which of these records a query still shows, deleted or not.
    async fn still_there(
        &self,
        usage: &mut Usage,
        source: Source,
        records: &[DeletedRecord],
    ) -> Result<HashSet<String>, Error> {
        let ids = records.iter().map(|record| Literal::id(record.id.as_str()));
        let soql = Soql::select(source.sobject()).fields(["Id"]).filter(Condition::in_("Id", ids));
        let options = QueryOptions { all_rows: true, batch_size: None };
        let pages = all_pages(&self.client, usage, &soql, options).await?;
        let rows = pages.iter().flat_map(QueryPage::rows);
        Ok(rows
            .filter_map(|json| super::enrich::cell(json, "Id"))
            .map(|id| widened(id).into_owned())
            .collect())
    }
}

/// The span to ask for: not longer than Salesforce remembers, and not shorter than it takes.
pub(super) fn span(since: Timestamp, end: Timestamp) -> (Timestamp, Timestamp) {
    let earliest = end.saturating_sub(LONGEST).unwrap_or(since);
    let latest = end.saturating_sub(SHORTEST).unwrap_or(since);
    (since.max(earliest).min(latest), end)
}

/// Whether this object has no such list for this user, or not so far back. Any other refusal is an error: were the reading to
/// go on, its watermark would pass deletions that nobody has shown.
fn is_not_offered(fault: &Fault) -> bool {
    fault.refusal().is_some_and(|refusal| {
        matches!(
            refusal.code.as_str(),
            "EXCEEDED_ID_LIMIT"
                | "FUNCTIONALITY_NOT_ENABLED"
                | "INSUFFICIENT_ACCESS"
                | "INSUFFICIENT_ACCESS_OR_READONLY"
                | "INVALID_REPLICATION_DATE"
                | "INVALID_TYPE_FOR_OPERATION"
        )
    })
}
