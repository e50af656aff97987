//! `/composite/graph`: records that refer to each other, each graph all or nothing.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::json;

use super::{Composite, Done, Part, all_or_none, halted, render};
use crate::error::SalesforceError;
use crate::http::call::Call;
use crate::http::message::{Answer, ApiResponse};

/// Most graphs of one request.
const MAX_GRAPHS: usize = 75;
/// Most parts of all graphs together.
const MAX_NODES: usize = 500;
/// Longest chain of parts that refer to each other.
const MAX_DEPTH: usize = 15;
/// When so many graphs have failed, the others are not tried.
const MAX_FAILURES: usize = 14;

#[derive(Deserialize)]
struct Graphs {
    graphs: Vec<Graph>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Graph {
    graph_id: String,
    composite_request: Vec<Part>,
}

/// Runs each graph by itself.
pub(super) fn graphs(call: &Call<'_>) -> Answer {
    let request: Graphs = call.body()?;
    check(&request)?;
    let mut out = b"{\"graphs\":[".to_vec();
    let mut failures = 0;
    for (at, graph) in request.graphs.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let done = if failures < MAX_FAILURES {
            all_or_none(call, &Composite { all_or_none: true, composite_request: graph.composite_request })?
        } else {
            let untried = graph.composite_request.into_iter();
            untried.map(|part| Done { reference: part.reference_id, response: not_tried() }).collect()
        };
        let successful = !done.iter().any(Done::failed);
        failures += usize::from(!successful);
        out.extend_from_slice(
            format!("{{\"graphId\":{},\"graphResponse\":", json!(graph.graph_id)).as_bytes(),
        );
        out.extend_from_slice(&render(&done));
        out.extend_from_slice(format!(",\"isSuccessful\":{successful}}}").as_bytes());
    }
    out.extend_from_slice(b"]}");
    Ok(ApiResponse::raw_json(200, out))
}

fn not_tried() -> ApiResponse {
    halted("The graph was not processed because too many graphs of the request have failed.")
}

fn check(request: &Graphs) -> Result<(), SalesforceError> {
    let limit = |message: String| Err(SalesforceError::new(400, "LIMIT_EXCEEDED", message));
    let invalid = |message: String| Err(SalesforceError::new(400, "INVALID_INPUT", message));
    if request.graphs.len() > MAX_GRAPHS {
        return limit(format!("The maximum number of graphs in a request is {MAX_GRAPHS}."));
    }
    let parts = || request.graphs.iter().flat_map(|graph| &graph.composite_request);
    if parts().count() > MAX_NODES {
        return limit(format!("The maximum number of nodes in a request is {MAX_NODES}."));
    }
    let mut graphs = HashSet::new();
    for graph in &request.graphs {
        if !graphs.insert(graph.graph_id.as_str()) {
            return invalid(format!("graphId {} is used more than once in the request.", graph.graph_id));
        }
        let mut depths: HashMap<&str, usize> = HashMap::new();
        for part in &graph.composite_request {
            if !is_record(part) {
                return invalid(format!("The URL {} is not supported in a composite graph.", part.url));
            }
            let depth = 1 + referred(part).filter_map(|name| depths.get(name)).max().copied().unwrap_or(0);
            if depth > MAX_DEPTH {
                return limit(format!("The maximum depth of a graph is {MAX_DEPTH}."));
            }
            if depths.insert(&part.reference_id, depth).is_some() {
                let id = &part.reference_id;
                return invalid(format!("ReferenceId : {id} is used more than once in a graph."));
            }
        }
    }
    Ok(())
}

fn is_record(part: &Part) -> bool {
    let path = part.url.split('?').next().unwrap_or_default();
    path.contains("/sobjects/") && !path.contains("/composite/")
}

/// The parts that a part refers to.
fn referred(part: &Part) -> impl Iterator<Item = &str> {
    let texts = [Some(part.url.as_str()), part.body.as_ref().map(|body| body.get())];
    let expressions = texts.into_iter().flatten().flat_map(|text| text.split("@{").skip(1));
    expressions.map(|rest| rest.split(['.', '[', '}']).next().unwrap_or_default())
}
