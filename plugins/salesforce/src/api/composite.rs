//! Several requests in one call: readings, and changes of records that belong together.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use unicrm_core::Json;

use super::answer::{Answer, json};
use super::query::{QueryPage, range_in};
use crate::error::{Fault, Refusal};

/// Salesforce takes this many requests in one call,
pub(super) const MAX_REQUESTS: usize = 25;
/// and so many queries among them.
pub(super) const MAX_QUERIES: usize = 5;

/// A request inside a composite call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SubRequest {
    method: &'static str,
    path: String,
    body: Option<Json>,
    headers: HashMap<&'static str, String>,
}

impl SubRequest {
    /// A GET of a path, query included.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: None, headers: HashMap::new() }
    }

    /// A change of what is at a path. The answer to the request number `n` of the same call is in `@{rn...}`.
    pub(crate) fn change(method: &'static str, path: impl Into<String>, body: Option<Json>) -> Self {
        Self { method, body, ..Self::get(path) }
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    /// Whether it counts as a query.
    pub(super) fn is_query(&self) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        path.split('/').any(|segment| matches!(segment, "query" | "queryAll"))
    }
}

/// The answer to one request of a composite call. Its body stays a part of the call's text.
#[derive(Clone, Debug)]
pub(crate) struct SubAnswer {
    /// The status of this request.
    pub(crate) status: u16,
    text: Arc<str>,
    body: Range<usize>,
    headers: HashMap<String, String>,
    server_time: Option<Timestamp>,
}

impl SubAnswer {
    /// The body as JSON text.
    pub(crate) fn body(&self) -> &str {
        self.text.get(self.body.clone()).unwrap_or_default()
    }

    /// A header, by its name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as a page of records.
    pub(crate) fn page(self) -> Result<QueryPage, Fault> {
        QueryPage::within(self.text, self.body, self.server_time)
    }

    /// Itself, or the fault that its status stands for.
    fn checked(self) -> Result<Self, Fault> {
        match StatusCode::from_u16(self.status) {
            Ok(status) if status.is_success() || status == StatusCode::NOT_MODIFIED => Ok(self),
            Ok(status) => Err(Fault::of_answer(status, &HeaderMap::new(), self.body().as_bytes())),
            Err(_) => Err(Fault::Refused(Box::new(Refusal::without_body(self.status)))),
        }
    }
}

/// The requests of as few calls as possible, in order.
pub(super) fn calls(requests: &[SubRequest]) -> Vec<&[SubRequest]> {
    let mut calls = Vec::new();
    let (mut start, mut queries) = (0, 0);
    for (at, request) in requests.iter().enumerate() {
        let query = usize::from(request.is_query());
        if at - start == MAX_REQUESTS || queries + query > MAX_QUERIES {
            calls.extend(requests.get(start..at));
            (start, queries) = (at, 0);
        }
        queries += query;
    }
    calls.extend(requests.get(start..).filter(|rest| !rest.is_empty()));
    calls
}

/// A request as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'r> {
    method: &'static str,
    url: &'r str,
    reference_id: String,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    http_headers: &'r HashMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'r Json>,
}

fn written(requests: &[SubRequest]) -> Vec<Written<'_>> {
    let mut list = Vec::with_capacity(requests.len());
    for (at, request) in requests.iter().enumerate() {
        list.push(Written {
            method: request.method,
            url: &request.path,
            reference_id: reference(at),
            http_headers: &request.headers,
            body: request.body.as_ref(),
        });
    }
    list
}

/// The body of a call.
pub(super) fn body(requests: &[SubRequest], all_or_none: bool) -> Result<Vec<u8>, Fault> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'r> {
        all_or_none: bool,
        composite_request: Vec<Written<'r>>,
    }
    to_json(&Body { all_or_none, composite_request: written(requests) })
}

/// The body of a call whose graphs are all or nothing, each by itself.
pub(super) fn graphs_body(graphs: &[Vec<SubRequest>]) -> Result<Vec<u8>, Fault> {
    #[derive(Serialize)]
    struct Body<'r> {
        graphs: Vec<Graph<'r>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Graph<'r> {
        graph_id: String,
        composite_request: Vec<Written<'r>>,
    }
    let graphs = graphs.iter().enumerate();
    let graphs = graphs
        .map(|(at, requests)| Graph { graph_id: graph_id(at), composite_request: written(requests) })
        .collect();
    to_json(&Body { graphs })
}

fn to_json(body: &impl Serialize) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(body)
        .map_err(|error| Fault::Query(format!("a composite request cannot be written: {error}")))
}

fn graph_id(at: usize) -> String {
    format!("g{at}")
}

fn reference(at: usize) -> String {
    format!("r{at}")
}

/// The answers of a call, as they came.
#[derive(Deserialize)]
struct Wire<'t> {
    #[serde(rename = "compositeResponse", borrow)]
    responses: Vec<Entry<'t>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'t> {
    #[serde(borrow, default)]
    body: Option<&'t RawValue>,
    #[serde(default)]
    http_headers: HashMap<String, String>,
    http_status_code: u16,
    reference_id: String,
}

/// The answers to the requests of one call or graph, in order.
pub(crate) type SubAnswers = Vec<Result<SubAnswer, Fault>>;

impl Wire<'_> {
    fn answers(
        self,
        text: &Arc<str>,
        server_time: Option<Timestamp>,
        requests: usize,
    ) -> Result<SubAnswers, Fault> {
        let entry = |entry: Entry<'_>| {
            let body = entry.body.map_or(0..0, |body| range_in(text, body.get()));
            let answer = SubAnswer {
                status: entry.http_status_code,
                text: Arc::clone(text),
                body,
                headers: entry.http_headers,
                server_time,
            };
            (entry.reference_id, answer)
        };
        let mut answers: HashMap<String, SubAnswer> = self.responses.into_iter().map(entry).collect();
        (0..requests)
            .map(|at| match answers.remove(&reference(at)) {
                Some(answer) => Ok(answer.checked()),
                None => Err(unanswered(format!("request {at} is not answered"))),
            })
            .collect()
    }
}

const WHAT: &str = "the answer to a composite request";

fn unanswered(why: String) -> Fault {
    Fault::Unreadable { what: WHAT, why, cut: false }
}

/// Reads the answer of a call: one outcome per request, in the order of the requests.
pub(super) fn decode(answer: &Answer, requests: usize) -> Result<SubAnswers, Fault> {
    let text: Arc<str> = answer.text(WHAT)?.into();
    json::<Wire<'_>>(&text, WHAT)?.answers(&text, answer.server_time(), requests)
}

/// Reads the answer of a call with graphs: one list of outcomes per graph, in the order of the graphs.
pub(super) fn decode_graphs(answer: &Answer, graphs: &[Vec<SubRequest>]) -> Result<Vec<SubAnswers>, Fault> {
    #[derive(Deserialize)]
    struct Graphs<'t> {
        #[serde(borrow)]
        graphs: Vec<Graph<'t>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Graph<'t> {
        graph_id: String,
        #[serde(borrow)]
        graph_response: Wire<'t>,
    }
    let text: Arc<str> = answer.text(WHAT)?.into();
    let wire: Graphs<'_> = json(&text, WHAT)?;
    let mut answered: HashMap<String, Wire<'_>> =
        wire.graphs.into_iter().map(|graph| (graph.graph_id, graph.graph_response)).collect();
    let one = |(at, requests): (usize, &Vec<SubRequest>)| match answered.remove(&graph_id(at)) {
        Some(graph) => graph.answers(&text, answer.server_time(), requests.len()),
        None => Err(unanswered(format!("graph {at} is not answered"))),
    };
    graphs.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn calls_keep_the_order_and_the_limits(kinds in proptest::collection::vec(any::<bool>(), 0..120)) {
            let request = |(at, query): (usize, &bool)| {
                SubRequest::get(format!("/services/data/v66.0/{}?q={at}", if *query { "queryAll" } else { "sobjects/query" }))
            };
            let requests: Vec<_> = kinds.iter().enumerate().map(request).collect();
            let calls = calls(&requests);
            prop_assert_eq!(calls.concat(), requests.clone());
            for call in &calls {
                prop_assert!(!call.is_empty() && call.len() <= MAX_REQUESTS);
                prop_assert!(call.iter().filter(|request| request.is_query()).count() <= MAX_QUERIES);
            }
        }
    }
}
