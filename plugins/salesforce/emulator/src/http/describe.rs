//! `/sobjects`, `/sobjects/X` and `/sobjects/X/describe`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::call::Call;
use super::message::{Answer, ApiResponse};
use super::pipeline::http_date;
use crate::error::SalesforceError;
use crate::org::lock;
use crate::schema::describe::Describer;
use crate::schema::{Schema, Visibility};

/// `GET /sobjects`.
pub(crate) fn global(call: &Call<'_>) -> Answer {
    call.allow(&["GET", "HEAD"])?;
    if let Some(unchanged) = not_modified(call) {
        return Ok(unchanged);
    }
    stamped(call, "", |describer| Some(describer.global()))
}

/// `GET /sobjects/X`.
pub(crate) fn basics(call: &Call<'_>, object: &str) -> Answer {
    let org = &call.server.org;
    let body =
        with_describer(call, &org.schema(), &org.visibility(), |describer| describer.basics(object, &[]))?;
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
    stamped(call, object, |describer| describer.object(object))
}

/// The descriptions that were written since the metadata last changed: clients ask for the same ones again and again.
#[derive(Debug, Default)]
pub(crate) struct Descriptions(Mutex<Written>);

#[derive(Debug, Default)]
struct Written {
    /// The metadata that they describe.
    of: Option<(Arc<Schema>, Arc<Visibility>)>,
    /// By object (none for the list of all), version and host.
    bodies: HashMap<(String, u16, String), Bytes>,
}

/// Most descriptions that are kept.
const MAX_KEPT: usize = 256;

impl Descriptions {
    fn get(
        &self,
        call: &Call<'_>,
        object: &str,
        describe: impl FnOnce(&Describer<'_>) -> Option<Value>,
    ) -> Result<Bytes, SalesforceError> {
        let (schema, visibility) = (call.server.org.schema(), call.server.org.visibility());
        let key = (object.to_lowercase(), call.version, call.server.instance_url());
        if let Some(body) = self.of(&schema, &visibility).bodies.get(&key) {
            return Ok(body.clone());
        }
        let body = Bytes::from(with_describer(call, &schema, &visibility, describe)?.to_string());
        let mut written = self.of(&schema, &visibility);
        if written.bodies.len() >= MAX_KEPT {
            written.bodies.clear();
        }
        written.bodies.insert(key, body.clone());
        Ok(body)
    }

    /// What is written of this metadata; what was written of other is forgotten.
    fn of(&self, schema: &Arc<Schema>, visibility: &Arc<Visibility>) -> MutexGuard<'_, Written> {
        let mut written = lock(&self.0);
        let same = written.of.as_ref().is_some_and(|(known_schema, known_visibility)| {
            Arc::ptr_eq(known_schema, schema) && Arc::ptr_eq(known_visibility, visibility)
        });
        if !same {
            *written =
                Written { of: Some((Arc::clone(schema), Arc::clone(visibility))), bodies: HashMap::new() };
        }
        written
    }
}

fn with_describer(
    call: &Call<'_>,
    schema: &Schema,
    visibility: &Visibility,
    describe: impl FnOnce(&Describer<'_>) -> Option<Value>,
) -> Result<Value, SalesforceError> {
    let version = format!("{}.0", call.version);
    let instance_url = call.server.instance_url();
    let describer = Describer { schema, visibility, version: &version, instance_url: &instance_url };
    describe(&describer).ok_or_else(SalesforceError::no_such_resource)
}

/// A description with the time since which it holds.
fn stamped(call: &Call<'_>, object: &str, describe: impl FnOnce(&Describer<'_>) -> Option<Value>) -> Answer {
    // Before the description is made: where the metadata changes in between, the caller asks once more than it needs to,
    // and never goes on with what is old.
    let changed = call.server.org.metadata_changed();
    let body = call.server.descriptions.get(call, object, describe)?;
    Ok(ApiResponse::raw_json(200, body).with_header("last-modified", http_date(changed)))
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
