//! Single records: `/sobjects/X`, `/sobjects/X/{id}` and what is below.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::json;

use super::call::Call;
use super::describe::{self, parse_http_date};
use super::message::{Answer, ApiResponse};
use super::pipeline::http_date;
use super::query;
use crate::error::SalesforceError;
use crate::org::dml;
use crate::org::{Record, Value};
use crate::schema::{FieldType, ObjectSchema, ids};

/// `/sobjects/X`: GET tells about the object, POST creates a record.
pub(crate) fn object(call: &Call<'_>, name: &str) -> Answer {
    let schema = call.server.org.schema();
    let object = call.visible_object(&schema, name)?;
    call.allow(&["GET", "HEAD", "POST"])?;
    if call.method() != "POST" {
        return describe::basics(call, name);
    }
    let input = call.record_body(object)?;
    let id = call.write(|context| dml::create(context, object, &input))?;
    Ok(created(call, object, &id, None))
}

/// 201 with the new record's place.
pub(crate) fn created(call: &Call<'_>, object: &ObjectSchema, id: &str, flag: Option<bool>) -> ApiResponse {
    let mut body = json!({ "id": id, "success": true, "errors": [] });
    if let Some(created) = flag {
        body["created"] = json!(created);
    }
    ApiResponse::json(201, &body)
        .with_header("location", format!("{}/sobjects/{}/{id}", call.base(), object.name))
}

/// `/sobjects/X/{id}`.
pub(crate) fn record(call: &Call<'_>, name: &str, id: &str) -> Answer {
    let schema = call.server.org.schema();
    let object = call.visible_object(&schema, name)?;
    call.allow(&["DELETE", "GET", "HEAD", "PATCH"])?;
    match call.method() {
        "PATCH" => {
            let id = own_id(object, id)?;
            let input = call.record_body(object)?;
            if let Some(failed) = precondition(call, object, &id)? {
                return Ok(failed);
            }
            call.write(|context| dml::update(context, object, &id, &input))?;
            Ok(ApiResponse::empty(204))
        }
        "DELETE" => {
            let id = own_id(object, id)?;
            if let Some(failed) = precondition(call, object, &id)? {
                return Ok(failed);
            }
            call.write(|context| dml::delete(context, object, &id))?;
            Ok(ApiResponse::empty(204))
        }
        _ => {
            if object.custom && !object.retrieveable {
                return Err(SalesforceError::no_such_resource());
            }
            let id = own_id(object, id).map_err(|_| not_accessible(id))?;
            get(call, object, &id)
        }
    }
}

/// A record's fields, all or those that `fields` names.
pub(crate) fn get(call: &Call<'_>, object: &ObjectSchema, id: &str) -> Answer {
    let found = call
        .server
        .org
        .find_in(call.transaction, object, id)?
        .ok_or_else(SalesforceError::no_such_resource)?;
    if found.is_true("IsDeleted") {
        return Err(SalesforceError::new(404, "ENTITY_IS_DELETED", "entity is deleted"));
    }
    if let Some(failed) = conditional(call, &found) {
        return Ok(failed);
    }
    let fields = match call.request.param("fields") {
        Some(list) => named_fields(call, object, list)?,
        None => visible_fields(call, object),
    };
    let body = query::record(call, object, id, &fields)?.ok_or_else(SalesforceError::no_such_resource)?;
    let mut response = ApiResponse::raw_json(200, body);
    if let Some(modified) = modified(&found) {
        response = response.with_header("last-modified", http_date(modified));
    }
    Ok(response)
}

/// All fields that the user sees.
pub(crate) fn visible_fields(call: &Call<'_>, object: &ObjectSchema) -> Vec<String> {
    let visibility = call.server.org.visibility();
    object
        .fields
        .iter()
        .filter(|field| visibility.can_see(&object.name, &field.name))
        .map(|field| field.name.clone())
        .collect()
}

/// The fields of a comma-separated list, which must exist; Id is always among them.
pub(crate) fn named_fields(
    call: &Call<'_>,
    object: &ObjectSchema,
    list: &str,
) -> Result<Vec<String>, SalesforceError> {
    let visibility = call.server.org.visibility();
    let mut fields = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if name.contains('.') {
            fields.push(name.to_owned());
            continue;
        }
        let field = object
            .field(name)
            .filter(|field| visibility.can_see(&object.name, &field.name))
            .ok_or_else(|| {
                SalesforceError::new(
                    400,
                    "INVALID_FIELD",
                    format!("No such column '{name}' on sobject of type {}", object.name),
                )
            })?;
        if !fields.contains(&field.name) {
            fields.push(field.name.clone());
        }
    }
    if !fields.iter().any(|field| field == "Id") {
        fields.push("Id".to_owned());
    }
    Ok(fields)
}

/// What is below a record: a blob field, a parent, or children.
pub(crate) fn below(call: &Call<'_>, name: &str, id: &str, rest: &[&str]) -> Answer {
    let schema = call.server.org.schema();
    let object = call.visible_object(&schema, name)?;
    let visibility = call.server.org.visibility();
    call.allow(&["GET", "HEAD"])?;
    let id = own_id(object, id).map_err(|_| not_accessible(id))?;
    let found = call
        .server
        .org
        .find_in(call.transaction, object, &id)?
        .ok_or_else(SalesforceError::no_such_resource)?;
    let [step, further @ ..] = rest else { return get(call, object, &id) };
    if let Some(field) = object.field(step).filter(|field| field.ty == FieldType::Base64) {
        if !visibility.can_see(&object.name, &field.name) || !further.is_empty() {
            return Err(SalesforceError::no_such_resource());
        }
        return blob(&found, &field.name);
    }
    if let Some(field) =
        object.relationship(step).filter(|field| visibility.can_see(&object.name, &field.name))
    {
        let parent_id = found.text(&field.name).ok_or_else(SalesforceError::no_such_resource)?;
        let parent = schema.object_of_id(parent_id).ok_or_else(SalesforceError::no_such_resource)?;
        return below(call, &parent.name, parent_id, further);
    }
    let children = object
        .child_relationship(step)
        .filter(|_| further.is_empty())
        .ok_or_else(SalesforceError::no_such_resource)?;
    let child = call.visible_object(&schema, &children.child_object)?;
    let fields = match call.request.param("fields") {
        Some(list) => named_fields(call, child, list)?,
        None => visible_fields(call, child),
    };
    query::children(call, child, &children.field, &id, &fields)
}

fn blob(record: &Record, field: &str) -> Answer {
    let text = record.text(field).ok_or_else(SalesforceError::no_such_resource)?;
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| SalesforceError::internal(format!("the stored content is no base64: {error}")))?;
    Ok(ApiResponse::bytes("application/octet-stream", bytes))
}

/// The id in its long form, if it can be one of this object.
pub(crate) fn own_id(object: &ObjectSchema, id: &str) -> Result<String, SalesforceError> {
    if !matches!(id.len(), 15 | 18) || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(not_accessible(id));
    }
    let fits = |prefix: &str| object.key_prefix.as_deref() == Some(prefix);
    match ids::widen(id) {
        Some(wide) if wide.get(..3).is_some_and(fits) => Ok(wide),
        _ => Err(SalesforceError::new(
            400,
            "MALFORMED_ID",
            format!("Record ID: id value of incorrect type: {id}"),
        )
        .with_fields(["Id"])),
    }
}

fn not_accessible(id: &str) -> SalesforceError {
    SalesforceError::new(
        404,
        "NOT_FOUND",
        format!("Provided external ID field does not exist or is not accessible: {id}"),
    )
}

fn modified(record: &Record) -> Option<Timestamp> {
    match record.get("LastModifiedDate") {
        Value::DateTime(at) => Some(*at),
        _ => None,
    }
}

fn precondition(
    call: &Call<'_>,
    object: &ObjectSchema,
    id: &str,
) -> Result<Option<ApiResponse>, SalesforceError> {
    if call.request.header("if-unmodified-since").is_none() {
        return Ok(None);
    }
    let found = call.server.org.find_in(call.transaction, object, id)?;
    Ok(found.and_then(|record| conditional(call, &record)))
}

/// 304 or 412 when the record's last change does not fit the request's conditions. Neither has a body.
fn conditional(call: &Call<'_>, record: &Record) -> Option<ApiResponse> {
    let modified = modified(record)?.as_second();
    let header = |name: &str| call.request.header(name).and_then(parse_http_date).map(|at| at.as_second());
    if header("if-unmodified-since").is_some_and(|since| modified > since) {
        return Some(ApiResponse::empty(412));
    }
    let unchanged = header("if-modified-since").is_some_and(|since| modified <= since);
    (unchanged && matches!(call.method(), "GET" | "HEAD")).then(|| ApiResponse::empty(304))
}
