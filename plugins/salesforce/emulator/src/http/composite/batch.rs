//! `/composite/batch`: independent calls, run in order.

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{MAX_PARTS, subrequest};
use crate::error::SalesforceError;
use crate::http::call::Call;
use crate::http::message::{Answer, ApiResponse};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    batch_requests: Vec<Part>,
    #[serde(default, deserialize_with = "super::flag")]
    halt_on_error: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    method: String,
    url: String,
    #[serde(default)]
    rich_input: Option<Box<RawValue>>,
}

pub(super) fn batch(call: &Call<'_>) -> Answer {
    let request: Batch = call.body()?;
    let count = request.batch_requests.len();
    if count > MAX_PARTS {
        let message = format!(
            "The maximum number of subrequests is {MAX_PARTS}. Reduce the number of subrequests and try again."
        );
        return Err(SalesforceError::new(400, "LIMIT_EXCEEDED", message));
    }
    let mut errors = false;
    let mut out = Vec::new();
    for (at, part) in request.batch_requests.iter().enumerate() {
        let response = if errors && request.halt_on_error {
            ApiResponse::error(&SalesforceError::new(
                412,
                "BATCH_PROCESSING_HALTED",
                "Batch processing halted per request",
            ))
        } else {
            let body = part.rich_input.as_ref().map(|input| input.get().to_owned()).unwrap_or_default();
            subrequest(call, &part.method, &part.url, HeaderMap::new(), body)
        };
        errors |= response.status >= 400;
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("{{\"statusCode\":{},\"result\":", response.status).as_bytes());
        out.extend_from_slice(if response.body.is_empty() { b"null" } else { &response.body });
        out.push(b'}');
    }
    let mut body = format!("{{\"hasErrors\":{errors},\"results\":[").into_bytes();
    body.extend_from_slice(&out);
    body.extend_from_slice(b"]}");
    Ok(ApiResponse::raw_json(200, body))
}

/// How many parts a batch has; one for a body that is no batch.
pub(super) fn parts_in(body: &[u8]) -> u32 {
    let parts = serde_json::from_slice::<Batch>(body).map_or(1, |batch| batch.batch_requests.len().max(1));
    u32::try_from(parts).unwrap_or(u32::MAX)
}
