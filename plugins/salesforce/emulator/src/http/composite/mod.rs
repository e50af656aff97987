//! Several calls in one request: `/composite` and its kin.

mod batch;
mod collections;
mod graph;
mod references;
mod tree;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::data;
use super::faults::Plan;
use super::message::{Answer, ApiRequest, ApiResponse};
use crate::error::SalesforceError;
pub(crate) use collections::{not_found_as_reference, record_id};
use references::Results;

/// Most parts of one request.
const MAX_PARTS: usize = 25;
/// The version since which there are graphs.
const GRAPHS_SINCE: u16 = 50;
/// Most parts that are queries or collections.
const MAX_HEAVY: usize = 5;

/// `/composite` and what is below it.
pub(crate) fn answer(call: &Call<'_>, path: &[&str]) -> Answer {
    match path {
        [] => {
            call.allow(&["GET", "HEAD", "POST"])?;
            if call.method() == "POST" { composite(call) } else { Ok(resources(call)) }
        }
        ["batch"] => {
            call.allow(&["POST"])?;
            batch::batch(call)
        }
        ["graph"] if call.version >= GRAPHS_SINCE => {
            call.allow(&["POST"])?;
            graph::graphs(call)
        }
        ["sobjects"] => collections::collection(call),
        ["sobjects", object] => collections::of_object(call, object),
        ["sobjects", object, field] => collections::upsert(call, object, field),
        ["tree", object] => {
            call.allow(&["POST"])?;
            tree::tree(call, object)
        }
        _ => Err(SalesforceError::no_such_resource()),
    }
}

/// How many API calls a request counts as: each part of a batch is one.
pub(crate) fn calls_of(call: &Call<'_>) -> u32 {
    match call.path {
        [composite, batch] if composite == "composite" && batch == "batch" => {
            batch::parts_in(&call.request.body)
        }
        _ => 1,
    }
}

fn resources(call: &Call<'_>) -> ApiResponse {
    let base = call.base();
    let names = ["batch", "graph", "sobjects", "tree"];
    let map: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!(format!("{base}/composite/{name}")))).collect();
    ApiResponse::json(200, &Value::Object(map))
}

/// A flag that may be null, which is as good as absent.
fn flag<'de, D: Deserializer<'de>>(given: D) -> Result<bool, D::Error> {
    Option::deserialize(given).map(Option::unwrap_or_default)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Composite {
    #[serde(default, deserialize_with = "flag")]
    all_or_none: bool,
    composite_request: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    method: String,
    url: String,
    reference_id: String,
    #[serde(default)]
    body: Option<Box<RawValue>>,
    #[serde(default)]
    http_headers: Map<String, Value>,
}

/// The answer to one part.
struct Done {
    reference: String,
    response: ApiResponse,
}

impl Done {
    fn failed(&self) -> bool {
        self.response.status >= 300 && self.response.status != 304
    }
}

fn composite(call: &Call<'_>) -> Answer {
    let request: Composite = call.body()?;
    check(&request)?;
    let done = if request.all_or_none && call.transaction.is_none() {
        all_or_none(call, &request)?
    } else {
        run(call, &request, false)
    };
    Ok(ApiResponse::raw_json(200, render(&done)))
}

fn check(request: &Composite) -> Result<(), SalesforceError> {
    let refuse = |message: String| Err(SalesforceError::new(400, "LIMIT_EXCEEDED", message));
    let parts = &request.composite_request;
    if parts.len() > MAX_PARTS {
        return refuse(format!(
            "The maximum number of subrequests is {MAX_PARTS}. Reduce the number of subrequests and try again."
        ));
    }
    let heavy = |part: &&Part| {
        let path = part.url.split('?').next().unwrap_or_default();
        path.contains("/query") || path.contains("/composite/sobjects")
    };
    if parts.iter().filter(heavy).count() > MAX_HEAVY {
        return refuse(format!(
            "Cannot have more than {MAX_HEAVY} query or sObject Collections operations in a request"
        ));
    }
    let mut seen = std::collections::HashSet::new();
    for part in parts {
        let id = part.reference_id.as_str();
        let first = id.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
        if !first || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let message = format!(
                "Provided referenceId ('{id}') must start with a letter or a number, and it can contain only letters, numbers and underscores ('_')."
            );
            return Err(SalesforceError::new(400, "INVALID_INPUT", message));
        }
        if !seen.insert(id.to_lowercase()) {
            let message = format!(
                "ReferenceId : {id} is used more than once; reference IDs must be unique (case-insensitively) within a request."
            );
            return Err(SalesforceError::new(400, "INVALID_INPUT", message));
        }
    }
    Ok(())
}

/// Runs all parts in one transaction, and takes them back when one fails.
fn all_or_none(call: &Call<'_>, request: &Composite) -> Result<Vec<Done>, SalesforceError> {
    let mut done = Vec::new();
    let outcome = call.server.org.db.write(|conn| {
        let inside = Call { transaction: Some(conn), ..*call };
        done = run(&inside, request, true);
        if done.iter().any(Done::failed) {
            return Err(SalesforceError::new(400, ROLLED_BACK, ""));
        }
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(done),
        Err(error) if error.code == ROLLED_BACK => {
            for part in done.iter_mut().filter(|part| !part.failed()) {
                part.response = halted(
                    "The transaction was rolled back since another operation in the same transaction failed.",
                );
            }
            Ok(done)
        }
        Err(error) => Err(error),
    }
}

const ROLLED_BACK: &str = "PROCESSING_HALTED";

fn halted(message: &str) -> ApiResponse {
    ApiResponse::error(&SalesforceError::new(400, "PROCESSING_HALTED", message))
}

fn run(call: &Call<'_>, request: &Composite, stop_at_failure: bool) -> Vec<Done> {
    let mut results = Results::default();
    let mut done: Vec<Done> = Vec::new();
    let mut stopped = false;
    // Pages of a query can be large: they are only read again when something may refer to them.
    let refers = request.composite_request.iter().any(|part| {
        part.url.contains("@{") || part.body.as_ref().is_some_and(|body| body.get().contains("@{"))
    });
    for part in &request.composite_request {
        let response = if stopped {
            halted("The transaction was rolled back since another operation in the same transaction failed.")
        } else {
            run_part(call, part, &results)
        };
        if refers {
            results.add(&part.reference_id, &response);
        }
        let answered = Done { reference: part.reference_id.clone(), response };
        stopped |= stop_at_failure && answered.failed();
        done.push(answered);
    }
    done
}

fn run_part(call: &Call<'_>, part: &Part, results: &Results) -> ApiResponse {
    let url = match results.fill_text(&part.url) {
        Ok(url) => url,
        Err(message) => return halted(&message),
    };
    let body = match part.body.as_ref().map(|body| results.fill_json(body.get())).transpose() {
        Ok(body) => body.unwrap_or_default(),
        Err(message) => return halted(&message),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &part.http_headers {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&text))
        {
            headers.insert(name, value);
        }
    }
    subrequest(call, &part.method, &url, headers, body)
}

/// Calls a resource as a part of this request, with the faults that strike it.
fn subrequest(call: &Call<'_>, method: &str, url: &str, headers: HeaderMap, body: String) -> ApiResponse {
    let Ok(method) = Method::from_bytes(method.as_bytes()) else {
        return ApiResponse::error(&SalesforceError::new(
            405,
            "METHOD_NOT_ALLOWED",
            format!("HTTP Method '{method}' not allowed."),
        ));
    };
    let target = url.strip_prefix("/services/data").map_or(url, |rest| rest.trim_start_matches('/'));
    let target = format!("/services/data/{}", target.trim_start_matches('/'));
    let request = ApiRequest::new(method, &target, headers, body.into());
    let version = request.segments.get(2).and_then(|version| super::versions::parse(version));
    let Some(version) =
        version.filter(|version| (super::versions::OLDEST..=super::versions::NEWEST).contains(version))
    else {
        return ApiResponse::error(&SalesforceError::no_such_resource());
    };
    let (resource, object) = data::classify(&request);
    let object = object.or_else(|| call.server.locators.object_of(&request));
    let plan = Plan::make(call.server, &request, call.server.faults.strike_part(resource, object.as_deref()));
    if let Some(reply) = plan.reply {
        return reply;
    }
    let path = request.segments.get(3..).unwrap_or_default();
    let nested = match path {
        [first, second, ..] if first == "composite" => matches!(second.as_str(), "batch" | "graph"),
        [first, ..] => matches!(first.as_str(), "composite" | "jobs"),
        [] => false,
    };
    if nested {
        return ApiResponse::error(&SalesforceError::new(
            400,
            "INVALID_INPUT",
            "Composite requests cannot contain composite, batch, graph or bulk subrequests",
        ));
    }
    let part = Call {
        server: call.server,
        request: &request,
        version,
        path,
        session: call.session,
        plan: &plan,
        transaction: call.transaction,
    };
    data::resource(&part).unwrap_or_else(|error| ApiResponse::error(&error))
}

/// Writes the answer; bodies are taken over as they are.
fn render(done: &[Done]) -> Vec<u8> {
    let mut out = b"{\"compositeResponse\":[".to_vec();
    for (at, part) in done.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"body\":");
        out.extend_from_slice(if part.response.body.is_empty() { b"null" } else { &part.response.body });
        let headers: Map<String, Value> = part
            .response
            .headers
            .iter()
            .filter_map(|(name, value)| shown_header(name).map(|name| (name.to_owned(), json!(value))))
            .collect();
        let rest = format!(
            ",\"httpHeaders\":{},\"httpStatusCode\":{},\"referenceId\":{}}}",
            Value::Object(headers),
            part.response.status,
            Value::String(part.reference.clone())
        );
        out.extend_from_slice(rest.as_bytes());
    }
    out.extend_from_slice(b"]}");
    out
}

fn shown_header(name: &str) -> Option<&'static str> {
    match name {
        "location" => Some("Location"),
        "last-modified" => Some("Last-Modified"),
        _ => None,
    }
}
