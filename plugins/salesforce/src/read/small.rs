//! Small queries: lists that are read whole, and records of another object that belong to those of a page.

use unicrm_core::Usage;

use crate::api::{Client, Condition, Literal, QueryOptions, QueryPage, Soql};
use crate::error::{Code, Fault};

/// Ids of one query.
pub(super) const CHUNK: usize = 200;

/// How often a small query is started again.
const RESTARTS: u32 = 3;

/// As they are now; deleted records do not count.
const LIVE: QueryOptions = QueryOptions { all_rows: false, batch_size: None };

/// All pages of a small query. A place that is lost, or a query that takes too long, starts it again.
pub(crate) async fn all_pages(
    client: &Client,
    usage: &mut Usage,
    soql: &Soql,
    options: QueryOptions,
) -> Result<Vec<QueryPage>, Fault> {
    let mut restarts = 0;
    loop {
        match pages_once(client, usage, soql, options).await {
            Err(fault) if may_pass(&fault) && restarts < RESTARTS => restarts += 1,
            outcome => return outcome,
        }
    }
}

/// The same, once.
pub(super) async fn pages_once(
    client: &Client,
    usage: &mut Usage,
    soql: &Soql,
    options: QueryOptions,
) -> Result<Vec<QueryPage>, Fault> {
    let mut pages = Vec::new();
    let mut page = client.query(usage, soql, options).await?;
    while let Some(locator) = page.next.take() {
        pages.push(page);
        page = client.query_more(usage, &locator).await?;
    }
    pages.push(page);
    Ok(pages)
}

/// The live records whose `key` is one of these ids. Ids that are too many for one query are asked for in halves.
pub(crate) async fn related(
    client: &Client,
    usage: &mut Usage,
    sobject: &str,
    fields: &[&str],
    key: &str,
    ids: &[String],
) -> Result<Vec<QueryPage>, Fault> {
    let mut pages = Vec::new();
    let mut chunks: Vec<&[String]> = ids.chunks(CHUNK).rev().collect();
    while let Some(chunk) = chunks.pop() {
        let listed = chunk.iter().map(|id| Literal::id(id.as_str()));
        let soql = Soql::select(sobject).fields(fields.iter().copied()).filter(Condition::in_(key, listed));
        match all_pages(client, usage, &soql, LIVE).await {
            Ok(more) => pages.extend(more),
            Err(fault) if may_pass(&fault) && chunk.len() > 1 => {
                let (first, second) = chunk.split_at(chunk.len() / 2);
                chunks.extend([second, first]);
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(pages)
}

/// Whether the same query, or a smaller one, may do better.
fn may_pass(fault: &Fault) -> bool {
    matches!(fault.code(), Some(Code::InvalidQueryLocator | Code::QueryTimeout | Code::OperationTooLarge))
}
