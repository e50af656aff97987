//! Bulk API 2.0: query jobs, which find many records once and keep them as CSV for some days.

mod number;
mod table;

use std::fmt;

use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use unicrm_core::Usage;
use unicrm_http::{BodyStream, Replay};

pub(crate) use table::{Layout, Table};

use super::answer::Answer;
use super::client::Client;
use super::connection::Call;
use super::query::Locator;
use super::soql::Soql;
use super::time::parse_datetime;
use super::version::ApiVersion;
use crate::error::{Fault, What, is_page};

/// Since this version a job says where all of its pages are, so that several can be fetched at once.
pub(crate) const BULK_SINCE: ApiVersion = ApiVersion::new(58);

/// A query job as the server last showed it.
#[derive(Clone, Debug)]
pub(crate) struct BulkJob {
    /// Its resource. The version in it is part of it: results are given to the version that made the job only.
    pub(crate) path: Locator,
    pub(crate) state: JobState,
    /// When it was made, by the server's clock.
    pub(crate) created: Option<Timestamp>,
    /// The server's clock when it answered.
    pub(crate) now: Option<Timestamp>,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    /// Waiting or at work; a state that this version does not know is taken for one of these.
    Running,
    /// Complete, with this number of records.
    Complete(u64),
    /// Failed, and why.
    Failed(String),
    /// Ended by an administrator or by Salesforce.
    Aborted,
}

/// Where pages of results are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResultPages {
    /// Up to five pages.
    pub(crate) pages: Vec<Locator>,
    /// Where the pages after these are named; none when these are the last.
    pub(crate) next: Option<Locator>,
}

/// One page of results: its head has come, its rows are on their way.
pub(crate) struct ResultPage {
    /// How many rows it has, as its head says.
    pub(crate) records: u64,
    pub(crate) body: BodyStream,
}

impl fmt::Debug for ResultPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultPage").field("records", &self.records).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a job for a query, deleted and archived records included. An answer that is lost may leave a job behind that
    /// nobody asks for; Salesforce drops it after a week.
    pub(crate) async fn create_bulk_query(&self, usage: &mut Usage, soql: &Soql) -> Result<BulkJob, Fault> {
        let body = json!({
            "operation": "queryAll",
            "query": soql.text()?,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        });
        let resource = self.path("/jobs/query");
        let call = Call::post_safely(resource.as_str(), body.to_string().into_bytes());
        self.fetch(usage, &call, |answer| {
            let wire: WireJob = answer.json(JOB)?;
            let id =
                wire.id.as_deref().filter(|id| is_id(id)).ok_or_else(|| unreadable(JOB, "it has no id"))?;
            let path = Locator::new(&format!("{resource}/{id}"))?;
            wire.read(path, &answer)
        })
        .await
    }

    /// How far a job is.
    pub(crate) async fn bulk_job(&self, usage: &mut Usage, job: &Locator) -> Result<BulkJob, Fault> {
        self.fetch(usage, &Call::get(job.path()), |answer| {
            answer.json::<WireJob>(JOB)?.read(job.clone(), &answer)
        })
        .await
    }

    /// Ends a job that is not over.
    pub(crate) async fn abort_bulk_job(&self, usage: &mut Usage, job: &Locator) -> Result<(), Fault> {
        let body = json!({ "state": "Aborted" }).to_string().into_bytes();
        let call = Call::change(http::Method::PATCH, job.path(), body, Replay::Safe);
        self.fetch(usage, &call, |_| Ok(())).await
    }

    /// Where the pages of a complete job are: the first ones, or those at a place that an earlier answer named.
    pub(crate) async fn bulk_pages(
        &self,
        usage: &mut Usage,
        job: &Locator,
        at: Option<&Locator>,
    ) -> Result<ResultPages, Fault> {
        let path = match at {
            Some(at) => at.path().to_owned(),
            None => format!("{}/resultPages?maxRecords={}", job.path(), self.config().limits.bulk_records),
        };
        self.fetch(usage, &Call::get(path), |answer| answer.json::<WirePages>(PAGES)?.read()).await
    }

    /// Begins to fetch a page of results. What goes wrong with its rows is seen by who reads them.
    pub(crate) async fn bulk_results(&self, usage: &mut Usage, page: &Locator) -> Result<ResultPage, Fault> {
        let (records, body) =
            self.stream(usage, &Call::csv(page.path()), |answer| head(&answer.headers)).await?;
        Ok(ResultPage { records, body })
    }
}

const JOB: &str = "the state of a job";
const PAGES: &str = "the list of a job's results";
const RESULTS: &str = "a page of a job's results";

fn unreadable(what: &'static str, why: &str) -> Fault {
    Fault::Unreadable { what, why: why.to_owned(), cut: false }
}

fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// How many rows a page has. A page whose head lacks this, or where the next page is (the text `null` on the last one), is
/// not whole and is asked for again.
fn head(headers: &HeaderMap) -> Result<u64, Fault> {
    if is_page(headers, &[]) {
        return Err(Fault::Unexpected { status: 200, what: What::Page, after: None });
    }
    let lacks = |why: &str| Fault::Unreadable { what: RESULTS, why: why.to_owned(), cut: true };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let records = text("sforce-numberofrecords").and_then(|number| number.trim().parse().ok());
    let records = records.ok_or_else(|| lacks("it does not say how many rows it has"))?;
    text("sforce-locator").ok_or_else(|| lacks("it does not say whether there are more"))?;
    Ok(records)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireJob {
    #[serde(default)]
    id: Option<String>,
    state: String,
    #[serde(default)]
    created_date: Option<String>,
    #[serde(default)]
    number_records_processed: Option<u64>,
    #[serde(default)]
    error_message: Option<String>,
}

impl WireJob {
    fn read(self, path: Locator, answer: &Answer) -> Result<BulkJob, Fault> {
        let state =
            match self.state.as_str() {
                "JobComplete" => JobState::Complete(self.number_records_processed.ok_or_else(|| {
                    unreadable(JOB, "it is complete and does not say how many records it has")
                })?),
                "Failed" => JobState::Failed(self.error_message.unwrap_or_default()),
                "Aborted" => JobState::Aborted,
                _ => JobState::Running,
            };
        let created = self.created_date.as_deref().and_then(parse_datetime);
        Ok(BulkJob { path, state, created, now: answer.server_time() })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePages {
    result_pages: Vec<WirePage>,
    /// The documentation spells it in two ways.
    #[serde(default, alias = "nextRecordUrl")]
    next_records_url: Option<String>,
    done: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePage {
    result_url: String,
}

impl WirePages {
    fn read(self) -> Result<ResultPages, Fault> {
        let pages: Result<Vec<Locator>, Fault> =
            self.result_pages.iter().map(|page| Locator::new(&page.result_url)).collect();
        let next = match (self.done, self.next_records_url) {
            (true, _) => None,
            (false, Some(url)) => Some(Locator::new(&url)?),
            (false, None) => {
                return Err(unreadable(
                    PAGES,
                    "it is not the last one, and does not say where the next one is",
                ));
            }
        };
        Ok(ResultPages { pages: pages?, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(text: &str) -> Result<ResultPages, Fault> {
        serde_json::from_str::<WirePages>(text).expect("the form of a list").read()
    }

    #[test]
    fn lists_of_pages_are_read_in_both_spellings() {
        let one = r#"{"resultUrl":"/services/data/v66.0/jobs/query/750R0000000zxr8IAA/results?locator=aB"}"#;
        for name in ["nextRecordsUrl", "nextRecordUrl"] {
            let next = "https://x.my.salesforce.com/services/data/v66.0/jobs/query/750R0000000zxr8IAA/resultPages?locator=cD";
            let read =
                pages(&format!(r#"{{"resultPages":[{one}],"{name}":"{next}","done":false}}"#)).unwrap();
            assert_eq!(read.pages.len(), 1);
            let path = read.next.as_ref().map(Locator::path);
            assert_eq!(
                path,
                Some("/services/data/v66.0/jobs/query/750R0000000zxr8IAA/resultPages?locator=cD")
            );
        }
        assert_eq!(
            pages(r#"{"resultPages":[],"done":true}"#).unwrap(),
            ResultPages { pages: vec![], next: None }
        );
        assert!(pages(&format!(r#"{{"resultPages":[{one}],"done":false}}"#)).is_err(), "an end that is none");
        assert!(pages(r#"{"resultPages":[{"resultUrl":"https://evil.org/x"}],"done":true}"#).is_err());
    }

    #[test]
    fn a_page_without_its_numbers_is_not_whole() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        let whole = headers(&[("sforce-numberofrecords", "7"), ("sforce-locator", "null")]);
        assert_eq!(head(&whole).unwrap(), 7);
        for lacking in [
            headers(&[("sforce-numberofrecords", "7")]),
            headers(&[("sforce-locator", "null")]),
            headers(&[("sforce-numberofrecords", "many"), ("sforce-locator", "x")]),
        ] {
            assert!(matches!(head(&lacking), Err(Fault::Unreadable { cut: true, .. })));
        }
        let page: HeaderMap = headers(&[("content-type", "text/html; charset=utf-8")]);
        assert!(matches!(head(&page), Err(Fault::Unexpected { what: What::Page, .. })));
    }
}
