//! `/sobjects`, `/sobjects/X` and `/sobjects/X/describe`.

use jiff::Timestamp;
use serde_json::Value;

use super::call::Call;
use super::message::{Answer, ApiResponse};
use super::pipeline::http_date;
use crate::error::SalesforceError;
use crate::schema::describe::Describer;
use crate::schema::{Schema, Visibility};

/// `GET /sobjects`.
pub(crate) fn global(call: &Call<'_>) -> Answer {
    call.allow(&["GET", "HEAD"])?;
    if let Some(unchanged) = not_modified(call) {
        return Ok(unchanged);
    }
    let body = with_describer(call, |describer| Some(describer.global()))?;
    Ok(stamped(call, &body))
}

/// `GET /sobjects/X`.
pub(crate) fn basics(call: &Call<'_>, object: &str) -> Answer {
    let body = with_describer(call, |describer| describer.basics(object, &[]))?;
    Ok(ApiResponse::json(200, &body))
}

/// `GET /sobjects/X/describe`.
pub(crate) fn object(call: &Call<'_>, object: &str) -> Answer {
    call.allow(&["GET", "HEAD"])?;
    let schema = call.server.org.schema();
    call.visible_object(&schema, object)?;
    if let Some(unchanged) = not_modified(call) {
        return Ok(unchanged);
    }
    let body = with_describer(call, |describer| describer.object(object))?;
    Ok(stamped(call, &body))
}

fn with_describer(
    call: &Call<'_>,
    describe: impl FnOnce(&Describer<'_>) -> Option<Value>,
) -> Result<Value, SalesforceError> {
    let org = &call.server.org;
    let (schema, visibility): (std::sync::Arc<Schema>, std::sync::Arc<Visibility>) =
        (org.schema(), org.visibility());
    let version = format!("{}.0", call.version);
    let instance_url = call.server.instance_url();
    let describer = Describer {
        schema: &schema,
        visibility: &visibility,
        version: &version,
        instance_url: &instance_url,
    };
    describe(&describer).ok_or_else(SalesforceError::no_such_resource)
}

fn stamped(call: &Call<'_>, body: &Value) -> ApiResponse {
    ApiResponse::json(200, body).with_header("last-modified", http_date(call.server.org.metadata_changed()))
}

/// 304 when nothing has changed since the time that the caller names.
fn not_modified(call: &Call<'_>) -> Option<ApiResponse> {
    let since = parse_http_date(call.request.header("if-modified-since")?)?;
    let changed = call.server.org.metadata_changed();
    (changed.as_second() <= since.as_second())
        .then(|| ApiResponse::empty(304).with_header("last-modified", http_date(changed)))
}

/// The time of an HTTP date header.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    date.or_else(|| Timestamp::strptime("%a, %d %b %Y %H:%M:%S %z", text.replace("GMT", "+0000")).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn http_dates_read_back(second in 0i64..4_000_000_000) {
            let at = Timestamp::from_second(second).unwrap();
            prop_assert_eq!(parse_http_date(&http_date(at)), Some(at));
        }
    }
}
