//! One tracing event per attempt: method, host and path, status, time. Never a query, a header or a body.

use std::time::Duration;

use crate::failure::TransportError;
use crate::transport::Response;

/// Reports how an attempt ended, at level `debug`, target `unicrm_http`.
pub(crate) fn attempt(
    target: &str,
    attempt: u32,
    took: Duration,
    outcome: &Result<Response, TransportError>,
) {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Ok(response) => {
            let status = response.status().as_u16();
            tracing::debug!(target: "unicrm_http", request = target, attempt, status, ms, "answered");
        }
        Err(error) => {
            tracing::debug!(target: "unicrm_http", request = target, attempt, kind = ?error.kind(), ms, "failed");
        }
    }
}
