//! Several reading requests in one call.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{Answer, json};
use super::query::{QueryPage, range_in};
use crate::error::{Fault, Refusal};

/// Salesforce takes this many requests in one call,
pub(super) const MAX_REQUESTS: usize = 25;
/// and so many queries among them.
pub(super) const MAX_QUERIES: usize = 5;

/// A GET inside a composite call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SubRequest {
    path: String,
    headers: HashMap<&'static str, String>,
}

impl SubRequest {
    /// A GET of a path, query included.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), headers: HashMap::new() }
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

/// The body of a call.
pub(super) fn body(requests: &[SubRequest]) -> Result<Vec<u8>, Fault> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'r> {
        all_or_none: bool,
        composite_request: Vec<Entry<'r>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry<'r> {
        method: &'static str,
        url: &'r str,
        reference_id: String,
        #[serde(skip_serializing_if = "HashMap::is_empty")]
        http_headers: &'r HashMap<&'static str, String>,
    }
    let composite_request = requests
        .iter()
        .enumerate()
        .map(|(at, request)| Entry {
            method: "GET",
            url: &request.path,
            reference_id: reference(at),
            http_headers: &request.headers,
        })
        .collect();
    serde_json::to_vec(&Body { all_or_none: false, composite_request })
        .map_err(|error| Fault::Query(format!("a composite request cannot be written: {error}")))
}

fn reference(at: usize) -> String {
    format!("r{at}")
}

/// Reads the answer of a call: one outcome per request, in the order of the requests.
pub(super) fn decode(answer: &Answer, requests: usize) -> Result<Vec<Result<SubAnswer, Fault>>, Fault> {
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
    const WHAT: &str = "the answer to a composite request";
    let text: Arc<str> = answer.text(WHAT)?.into();
    let server_time = answer.server_time();
    let mut answers: HashMap<String, SubAnswer> = {
        let wire: Wire<'_> = json(&text, WHAT)?;
        let entry = |entry: Entry<'_>| {
            let body = entry.body.map_or(0..0, |body| range_in(&text, body.get()));
            let answer = SubAnswer {
                status: entry.http_status_code,
                text: Arc::clone(&text),
                body,
                headers: entry.http_headers,
                server_time,
            };
            (entry.reference_id, answer)
        };
        wire.responses.into_iter().map(entry).collect()
    };
    (0..requests)
        .map(|at| match answers.remove(&reference(at)) {
            Some(answer) => Ok(answer.checked()),
            None => Err(Fault::Unreadable {
                what: WHAT,
                why: format!("request {at} is not answered"),
                cut: false,
            }),
        })
        .collect()
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
