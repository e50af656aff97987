//! Live records that meet conditions, of several sources in one call: what a search ends with.

use std::collections::BTreeSet;
use std::sync::Arc;

use unicrm_core::{Error, Row, Shape, Usage};

use super::Reader;
use super::fetch::{Fetched, refused_column, unreadable};
use super::select::Selection;
use super::small::pages_once;
use super::source::Source;
use crate::api::{Condition, QueryOptions, QueryPage, SubAnswer};
use crate::error::{Code, Fault};

/// How often a query is asked again after its field list was out of date.
const MENDINGS: u32 = 4;

/// The recycle bin is not searched.
const LIVE: QueryOptions = QueryOptions { all_rows: false, batch_size: None };

/// Records that are wanted of one source.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) source: Source,
    pub(crate) condition: Condition,
    /// How many at the most.
    pub(crate) limit: u32,
}

impl Reader {
    /// What this user sees of the records of a source.
    pub(crate) async fn seen(&self, usage: &mut Usage, source: Source) -> Result<Arc<Selection>, Error> {
        self.selection(usage, source, Shape::Full, &BTreeSet::new()).await
    }

    /// The whole records that are wanted, source by source.
    pub(crate) async fn matching(
        &self,
        usage: &mut Usage,
        wanted: &[Wanted],
    ) -> Result<Vec<Vec<Row>>, Error> {
        let mut first: Vec<Option<QueryPage>> = vec![None; wanted.len()];
        if wanted.len() > 1 {
            let mut requests = Vec::with_capacity(wanted.len());
            for wanted in wanted {
                let selection = self.seen(usage, wanted.source).await?;
                requests.push(self.client.query_request(&selection.matching(wanted), LIVE)?);
            }
            let answers = self.client.composite_batch(usage, &requests).await?;
            first = answers.into_iter().map(whole_page).collect::<Result<_, Fault>>()?;
        }
        let mut all = Vec::with_capacity(wanted.len());
        for (wanted, page) in wanted.iter().zip(first) {
            all.push(match page {
                Some(page) => {
                    let selection = self.seen(usage, wanted.source).await?;
                    let mut rows = Vec::new();
                    self.convert(usage, Shape::Full, &Fetched { page, selection }, &mut rows).await?;
                    rows
                }
                None => self.matching_of(usage, wanted).await?,
            });
        }
        Ok(all)
    }

    /// The records of one source, by itself; a field that disappears is left out.
    async fn matching_of(&self, usage: &mut Usage, wanted: &Wanted) -> Result<Vec<Row>, Error> {
        let sobject = wanted.source.sobject();
        let mut without = BTreeSet::new();
        let mut mendings = 0;
        loop {
            let selection = self.selection(usage, wanted.source, Shape::Full, &without).await?;
            match pages_once(&self.client, usage, &selection.matching(wanted), LIVE).await {
                Ok(pages) => {
                    let mut rows = Vec::new();
                    for page in pages {
                        let fetched = Fetched { page, selection: Arc::clone(&selection) };
                        self.convert(usage, Shape::Full, &fetched, &mut rows).await?;
                    }
                    return Ok(rows);
                }
                Err(fault) if fault.is(&Code::InvalidField) && mendings < MENDINGS => {
                    mendings += 1;
                    self.client.forget_describe(sobject);
                    let refused = fault.refusal().and_then(|refusal| refused_column(refusal, sobject));
                    without.extend(refused.map(str::to_owned));
                }
                Err(fault) => return Err(unreadable(wanted.source, fault)),
            }
        }
    }
}

/// The page, if it is the only one. Whatever else came is asked for again by itself; but a query that took too long would
/// do so again, and somebody waits.
fn whole_page(answer: Result<SubAnswer, Fault>) -> Result<Option<QueryPage>, Fault> {
    match answer.and_then(SubAnswer::page) {
        Err(fault) if fault.is(&Code::QueryTimeout) => Err(fault),
        page => Ok(page.ok().filter(|page| page.next.is_none())),
    }
}
