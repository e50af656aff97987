//! Reading the records that the host names, and counting.

use std::collections::{BTreeMap, HashSet};

use unicrm_core::{Error, Gone, GoneReason, Next, Page, ReadPart, RemoteId, Row, Scope, Shape, Usage};

use super::Reader;
use super::batch::Ready;
use super::fetch::{Fetched, refused_column, unreadable};
use super::small::{CHUNK, all_pages};
use super::source::Source;
use super::token::{Cursor, Marks};
use crate::api::{QueryOptions, SalesforceId};
use crate::error::Code;

/// How often a query is asked again after its field list was out of date.
const MENDINGS: u32 = 4;

impl Reader {
    /// A page of the records with these ids. Each id is answered for: with a record, or that it is gone.
    pub(super) async fn by_ids(&self, part: &ReadPart, ids: &[RemoteId]) -> Result<Page, Error> {
        let mut usage = Usage::default();
        let first = Source::of(part.kind).first().copied();
        let mut cursor = match (&part.after, first) {
            (Some(token), _) => Cursor::parse(token, part.kind, part.shape)?,
            (None, Some(first)) => Cursor::start(part.kind, part.shape, first),
            (None, None) => return Ok(Page::new(Vec::new(), Next::End(None))),
        };
        let size = part.page_size.map_or(CHUNK, |rows| rows.clamp(1, 200) as usize);
        let wanted: Vec<&RemoteId> = ids.iter().skip(cursor.asked).take(size).collect();
        let sources = self.sources(&mut usage, part.kind).await?;
        let mut rows = Vec::new();
        let mut answered: HashSet<RemoteId> = HashSet::new();
        for (source, ids) in by_source(&sources, &wanted) {
            let before = rows.len();
            self.rows_by_ids(&mut usage, part.shape, source, &ids, &mut rows).await?;
            answered.extend(rows.iter().skip(before).filter_map(|row| row.remote_id().cloned()));
        }
        for id in &wanted {
            let known = answered.contains(*id) || answered.contains(normal(id).as_str());
            if !known {
                rows.push(Row::Gone(Gone::new(part.kind, (*id).clone(), GoneReason::NotVisible)));
            }
        }
        cursor.asked += wanted.len();
        let next = if cursor.asked < ids.len() { Next::More(cursor.to_token()?) } else { Next::End(None) };
        Ok(Page::new(rows, next).with_usage(usage))
    }

    async fn rows_by_ids(
        &self,
        usage: &mut Usage,
        shape: Shape,
        source: Source,
        ids: &[String],
        rows: &mut Vec<Row>,
    ) -> Result<(), Error> {
        let mut without = std::collections::BTreeSet::new();
        let mut mendings = 0;
        loop {
            let selection = self.selection(usage, source, shape, &without).await?;
            let options = QueryOptions { all_rows: true, batch_size: None };
            match all_pages(&self.client, usage, &selection.by_ids(ids), options).await {
                Ok(pages) => {
                    for page in pages {
                        let fetched = Fetched { page, selection: selection.clone() };
                        self.convert(usage, shape, &fetched, rows).await?;
                    }
                    return Ok(());
                }
                Err(fault) if fault.is(&Code::InvalidField) && mendings < MENDINGS => {
                    mendings += 1;
                    self.client.forget_describe(source.sobject());
                    let refused =
                        fault.refusal().and_then(|refusal| refused_column(refusal, source.sobject()));
                    without.extend(refused.or(source.people()).map(str::to_owned));
                }
                Err(fault) => {
                    if fault.is(&Code::InvalidType) {
                        self.client.forget_describe(source.sobject());
                    }
                    return Err(unreadable(source, fault));
                }
            }
        }
    }

    /// The number of live records of a scope, as far as it was not asked for together with others.
    pub(super) async fn count(&self, part: &ReadPart, ready: &Ready) -> Result<Page, Error> {
        let mut usage = Usage::default();
        let sources = self.sources(&mut usage, part.kind).await?;
        let mut count = 0;
        match &part.scope {
            Scope::Ids(ids) => {
                let ids: Vec<&RemoteId> = ids.iter().collect::<HashSet<_>>().into_iter().collect();
                for chunk in ids.chunks(CHUNK) {
                    for (source, ids) in by_source(&sources, chunk) {
                        count += self.counted(&mut usage, source, None, Some(&ids)).await?;
                    }
                }
            }
            scope => {
                let marks = match scope {
                    Scope::Since(watermark) => Marks::parse(watermark)?,
                    _ => Marks::default(),
                };
                for source in sources {
                    count += match ready.counts.get(&source) {
                        Some(count) => *count,
                        None => self.counted(&mut usage, source, self.since(marks.of(source)), None).await?,
                    };
                }
            }
        }
        Ok(Page::new(Vec::new(), Next::End(None)).with_count(count).with_usage(usage))
    }

    async fn counted(
        &self,
        usage: &mut Usage,
        source: Source,
        since: Option<jiff::Timestamp>,
        ids: Option<&[String]>,
    ) -> Result<u64, Error> {
        let selection = self.selection(usage, source, Shape::Ids, &std::collections::BTreeSet::new()).await?;
        // The archive is in the count, the recycle bin is not: the query itself leaves it out.
        let options = QueryOptions { all_rows: true, batch_size: None };
        let pages = all_pages(&self.client, usage, &selection.count(since, ids), options).await;
        let pages = pages.map_err(|fault| unreadable(source, fault))?;
        Ok(pages.first().map_or(0, |page| page.total_size))
    }
}

/// The ids that each source can hold, in the form in which it holds them. An id of no source is in none.
fn by_source(sources: &[Source], ids: &[&RemoteId]) -> BTreeMap<Source, Vec<String>> {
    let mut parted: BTreeMap<Source, Vec<String>> = BTreeMap::new();
    for id in ids {
        let parsed = SalesforceId::parse(id.as_str());
        let source = sources.iter().find(|source| match (source.key_prefix(), &parsed) {
            (None, _) => true,
            (Some(prefix), Some(id)) => id.key_prefix() == prefix,
            (Some(_), None) => false,
        });
        let Some(source) = source else { continue };
        let listed = parted.entry(*source).or_default();
        let text = if source.key_prefix().is_some() { normal(id) } else { id.as_str().to_owned() };
        if !listed.contains(&text) {
            listed.push(text);
        }
    }
    parted
}

/// The 18-character form of an id.
fn normal(id: &RemoteId) -> String {
    crate::api::widened(id.as_str()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_to_the_source_that_can_hold_them() {
        let ids =
            ["00U000000000001", "00T000000000001EAA", "003000000000001AAA", "nonsense", "00T000000000001"];
        let ids: Vec<RemoteId> = ids.into_iter().map(RemoteId::from).collect();
        let parted = by_source(&[Source::Event, Source::TaskEngagement], &ids.iter().collect::<Vec<_>>());
        assert_eq!(parted[&Source::Event], ["00U000000000001EAA"]);
        assert_eq!(parted[&Source::TaskEngagement], ["00T000000000001EAA"]);
        assert_eq!(parted.len(), 2);
    }

    #[test]
    fn stages_are_named_and_not_numbered() {
        let ids = [RemoteId::from("Closed Won")];
        assert_eq!(by_source(&[Source::Stage], &[&ids[0]])[&Source::Stage], ["Closed Won"]);
    }
}
