//! A call of a resource under `/services/data/vNN.0`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use serde_json::value::to_raw_value;

use super::Server;
use super::faults::Plan;
use super::message::ApiRequest;
use super::multipart::{self, Part};
use super::oauth::Session;
use crate::error::SalesforceError;
use crate::org::dml::{Context, Input};
use crate::org::savepoint;
use crate::schema::{FieldType, ObjectSchema, Schema};

/// An authenticated request with its version taken off the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) server: &'a Server,
    pub(crate) request: &'a ApiRequest,
    /// 66 for v66.0.
    pub(crate) version: u16,
    /// Path segments behind the version.
    pub(crate) path: &'a [String],
    pub(crate) session: &'a Session,
    pub(crate) plan: &'a Plan,
    /// The transaction that this call is a part of, when it is one of a composite request that is all or nothing.
    pub(crate) transaction: Option<&'a Connection>,
}

impl Call<'_> {
    /// The path that the version's resources are under.
    pub(crate) fn base(&self) -> String {
        format!("/services/data/v{}.0", self.version)
    }

    /// Refuses methods that the resource does not have.
    pub(crate) fn allow(&self, methods: &[&str]) -> Result<(), SalesforceError> {
        let method = self.method();
        if methods.contains(&method) {
            return Ok(());
        }
        let mut allowed: Vec<&str> = methods.to_vec();
        allowed.sort_unstable();
        let message = format!("HTTP Method '{method}' not allowed. Allowed are {}", allowed.join(","));
        Err(SalesforceError::new(405, "METHOD_NOT_ALLOWED", message))
    }

    /// The method; `_HttpMethod=PATCH` stands in for clients that cannot send PATCH.
    pub(crate) fn method(&self) -> &str {
        match self.request.param("_HttpMethod") {
            Some(method) if self.request.method == http::Method::POST => method,
            _ => self.request.method.as_str(),
        }
    }

    /// The body as JSON.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, SalesforceError> {
        json(&self.request.body)
    }

    /// The fields of a record of this object: JSON, or parts with the bytes of blob fields beside the JSON.
    pub(crate) fn record_body(&self, object: &ObjectSchema) -> Result<Input, SalesforceError> {
        let content_type = self.request.header("content-type").unwrap_or_default();
        let Some(parts) = multipart::parts(content_type, &self.request.body) else { return self.body() };
        let is_blob =
            |part: &Part<'_>| object.field(part.name).is_some_and(|field| field.ty == FieldType::Base64);
        // What the part with the fields is called is up to the caller.
        let (blobs, fields): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_blob);
        let mut input: Input = json(fields.first().map(|part| part.content).unwrap_or_default())?;
        for blob in blobs {
            let content = to_raw_value(&STANDARD.encode(blob.content));
            let content = content.map_err(|error| SalesforceError::internal(error.to_string()))?;
            input.fields.push((blob.name.to_owned(), content));
        }
        Ok(input)
    }

    /// Runs a read, inside the call's transaction if it has one.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, SalesforceError>,
    ) -> Result<T, SalesforceError> {
        match self.transaction {
            Some(conn) => work(conn),
            None => self.server.org.db.read(work),
        }
    }

    /// Runs changes that succeed or fail together.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Context<'_>) -> Result<T, SalesforceError>,
    ) -> Result<T, SalesforceError> {
        let org = &self.server.org;
        let rules = self.request.header("sforce-duplicate-rule-header").unwrap_or_default();
        let allowed = rules.split([';', ',']).any(|option| {
            option.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("allowSave") && value.trim().eq_ignore_ascii_case("true")
            })
        });
        let work = |conn: &Connection| {
            work(&Context::new(org, conn, org.schema()).for_request(self.version, allowed))
        };
        match self.transaction {
            Some(conn) => savepoint(conn, || work(conn)),
            None => org.db.write(work),
        }
    }

    /// The object of this name, if the user may see it.
    pub(crate) fn visible_object<'s>(
        &self,
        schema: &'s Schema,
        name: &str,
    ) -> Result<&'s ObjectSchema, SalesforceError> {
        let object = schema.object(name).ok_or_else(SalesforceError::no_such_resource)?;
        if self.server.org.visibility().can_read(&object.name) {
            Ok(object)
        } else {
            Err(SalesforceError::no_such_resource())
        }
    }
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, SalesforceError> {
    serde_json::from_slice(body).map_err(|error| parser_error(body, &error))
}

/// The answer to a body that is no JSON, or JSON of another shape.
fn parser_error(body: &[u8], error: &serde_json::Error) -> SalesforceError {
    if body.is_empty() {
        return SalesforceError::new(
            400,
            "JSON_PARSER_ERROR",
            "The HTTP entity body is required, but this request has no entity body.",
        );
    }
    let message = format!("{error} at [line:{}, column:{}]", error.line(), error.column());
    SalesforceError::new(400, "JSON_PARSER_ERROR", message)
}
