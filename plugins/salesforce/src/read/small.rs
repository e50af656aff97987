//! Small queries: lists that are read whole, and records of another object that belong to those of a page.

use unicrm_core::Usage;
use unicrm_http::{TransportError, TransportErrorKind};

use crate::api::{Client, Condition, Literal, QueryOptions, QueryPage, Soql, SubAnswer, SubRequest};
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
    let page = client.query(usage, soql, options).await?;
    pages_from(client, usage, page).await
}

/// A first page and those behind it.
async fn pages_from(
    client: &Client,
    usage: &mut Usage,
    mut page: QueryPage,
) -> Result<Vec<QueryPage>, Fault> {
    let mut pages = Vec::new();
    while let Some(locator) = page.next.take() {
        pages.push(page);
        page = client.query_more(usage, &locator).await?;
    }
    pages.push(page);
    Ok(pages)
}

/// The live records whose `key` is one of these ids. More ids than one query takes are asked for in one call; where that is
/// too much, query by query, and by halves.
pub(crate) async fn related(
    client: &Client,
    usage: &mut Usage,
    sobject: &str,
    fields: &[&str],
    key: &str,
    ids: &[String],
) -> Result<Vec<QueryPage>, Fault> {
    let query = |chunk: &[String]| {
        let listed = chunk.iter().map(|id| Literal::id(id.as_str()));
        Soql::select(sobject).fields(fields.iter().copied()).filter(Condition::in_(key, listed))
    };
    let mut pages = Vec::new();
    let mut chunks: Vec<&[String]> = ids.chunks(CHUNK).rev().collect();
    if chunks.len() > 1 {
        let requests: Vec<SubRequest> =
            chunks.iter().map(|chunk| client.query_request(&query(chunk), LIVE)).collect::<Result<_, _>>()?;
        match client.composite_batch(usage, &requests).await {
            Ok(answers) => {
                let mut left = Vec::new();
                for (chunk, answer) in chunks.into_iter().zip(answers) {
                    let found = match answer.and_then(SubAnswer::page) {
                        Ok(page) => pages_from(client, usage, page).await,
                        Err(fault) => Err(fault),
                    };
                    // By itself it is asked for with the patience that a query has.
                    found.map_or_else(|_| left.push(chunk), |more| pages.extend(more));
                }
                chunks = left;
            }
            Err(fault) if is_too_much(&fault) => {}
            Err(fault) => return Err(fault),
        }
    }
    while let Some(chunk) = chunks.pop() {
        match all_pages(client, usage, &query(chunk), LIVE).await {
            Ok(more) => pages.extend(more),
            Err(fault) if is_too_much(&fault) && chunk.len() > 1 => {
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

/// Whether fewer ids at once may do better.
fn is_too_much(fault: &Fault) -> bool {
    let too_large = |error: &TransportError| matches!(error.kind(), TransportErrorKind::TooLarge { .. });
    may_pass(fault) || matches!(fault, Fault::Transport { error, .. } if too_large(error))
}
