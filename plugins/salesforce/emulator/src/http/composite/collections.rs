//! `/composite/sobjects`: up to 200 records in one call.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::SalesforceError;
use crate::http::call::Call;
use crate::http::external::key_field;
use crate::http::message::{Answer, ApiResponse};
use crate::http::{query, sobject};
use crate::org::dml::{self, Context, Input, Upserted};
use crate::org::savepoint;
use crate::schema::{ObjectSchema, ids};

/// Most records of a change.
const MAX_RECORDS: usize = 200;
/// Most records of a retrieve.
const MAX_RETRIEVED: usize = 2_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Records {
    #[serde(default, deserialize_with = "super::flag")]
    all_or_none: bool,
    #[serde(default)]
    records: Vec<Input>,
}

/// `/composite/sobjects`: POST creates, PATCH updates, DELETE deletes.
pub(super) fn collection(call: &Call<'_>) -> Answer {
    call.allow(&["DELETE", "PATCH", "POST"])?;
    if call.method() == "DELETE" {
        return delete(call);
    }
    let request: Records = call.body()?;
    check_size(request.records.len())?;
    let creating = call.method() == "POST";
    run(call, request.all_or_none, request.records, |context, mut input| {
        let object = object_of(context, &input)?;
        if creating {
            return dml::create(context, object, &input).map(Saved::plain);
        }
        let given = input.take_id().ok_or_else(|| {
            SalesforceError::new(400, "MISSING_ARGUMENT", "Id not specified in an update call")
        })?;
        let id = record_id(object, &given)?;
        dml::update(context, object, &id, &input).map_err(|error| not_found_as_reference(error, &id))?;
        Ok(Saved::plain(id))
    })
}

/// `PATCH /composite/sobjects/X/Field`: upsert by external id.
pub(super) fn upsert(call: &Call<'_>, name: &str, field: &str) -> Answer {
    call.allow(&["PATCH"])?;
    let schema = call.server.org.schema();
    let object = call.visible_object(&schema, name)?;
    let key = key_field(call, object, field)?;
    let request: Records = call.body()?;
    check_size(request.records.len())?;
    run(call, request.all_or_none, request.records, |context, mut input| {
        let value = if key.name == "Id" { input.take_id() } else { input.text(&key.name) };
        let Some(value) = value else {
            if key.name == "Id" {
                return dml::create(context, object, &input).map(|id| Saved { id, created: Some(true) });
            }
            let message = format!("{} not specified", key.name);
            return Err(SalesforceError::new(400, "MISSING_ARGUMENT", message));
        };
        match dml::upsert(context, object, key, &value, &input)? {
            Upserted::Created(id) => Ok(Saved { id, created: Some(true) }),
            Upserted::Updated(id) => Ok(Saved { id, created: Some(false) }),
            Upserted::Several(_) => {
                let message =
                    format!("{}: more than one record found for external id field: [{value}]", key.label);
                Err(SalesforceError::new(400, "DUPLICATE_EXTERNAL_ID", message))
            }
        }
    })
}

fn delete(call: &Call<'_>) -> Answer {
    let list = call.request.param("ids").unwrap_or_default();
    let ids: Vec<String> =
        list.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
    check_size(ids.len())?;
    let all_or_none = call.request.param("allOrNone") == Some("true");
    run(call, all_or_none, ids, |context, given| {
        let id = ids::widen(&given)
            .ok_or_else(|| SalesforceError::new(400, "MALFORMED_ID", format!("malformed id {given}")))?;
        let object = context.schema.object_of_id(&id).ok_or_else(|| {
            SalesforceError::new(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        })?;
        dml::delete(context, object, &id)?;
        Ok(Saved::plain(id))
    })
}

/// A record that was changed.
struct Saved {
    id: String,
    created: Option<bool>,
}

impl Saved {
    fn plain(id: String) -> Self {
        Self { id, created: None }
    }
}

/// Changes each record by itself, or with allOrNone all or none.
fn run<T>(
    call: &Call<'_>,
    all_or_none: bool,
    items: Vec<T>,
    change: impl Fn(&Context<'_>, T) -> Result<Saved, SalesforceError>,
) -> Answer {
    let mut results: Vec<Result<Saved, SalesforceError>> = Vec::with_capacity(items.len());
    let outcome = call.write(|context| {
        for (at, item) in items.into_iter().enumerate() {
            let struck = call.plan.rows.iter().find(|(row, _)| *row == at);
            results.push(match struck {
                Some((_, error)) => Err(error.clone()),
                None => savepoint(context.conn, || change(context, item)),
            });
        }
        if all_or_none && results.iter().any(Result::is_err) {
            return Err(rolled_back());
        }
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(error) if error == rolled_back() => {
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(rolled_back());
            }
        }
        Err(error) => return Err(error),
    }
    let body: Vec<Value> = results.iter().map(render).collect();
    Ok(ApiResponse::json(200, &Value::Array(body)))
}

fn rolled_back() -> SalesforceError {
    let message =
        "Record rolled back because not all records were valid and the request was using AllOrNone header";
    SalesforceError::new(400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", message)
}

fn render(result: &Result<Saved, SalesforceError>) -> Value {
    match result {
        Ok(saved) => {
            let mut body = json!({ "id": saved.id, "success": true, "errors": [] });
            if let Some(created) = saved.created {
                body["created"] = json!(created);
            }
            body
        }
        Err(error) => json!({ "success": false, "errors": [error.to_item_json()] }),
    }
}

fn check_size(count: usize) -> Result<(), SalesforceError> {
    if count == 0 {
        return Err(SalesforceError::new(400, "REQUIRED_FIELD_MISSING", "At least 1 record is required"));
    }
    if count > MAX_RECORDS {
        let message =
            format!("record limit reached. cannot submit more than {MAX_RECORDS} records into this request");
        return Err(SalesforceError::new(400, "EXCEEDED_ID_LIMIT", message));
    }
    Ok(())
}

fn object_of<'c>(context: &'c Context<'_>, input: &Input) -> Result<&'c ObjectSchema, SalesforceError> {
    let name = input.object_type().ok_or_else(|| {
        SalesforceError::new(
            400,
            "INVALID_INPUT",
            "Include an entity type in the attributes of each record: {\"attributes\":{\"type\":..}}",
        )
    })?;
    context.object(&name).map_err(|_| {
        SalesforceError::new(400, "INVALID_TYPE", format!("sObject type '{name}' is not supported."))
    })
}

/// The id in its long form, if it can be one of this object.
pub(crate) fn record_id(object: &ObjectSchema, given: &str) -> Result<String, SalesforceError> {
    let id = ids::widen(given)
        .ok_or_else(|| SalesforceError::new(400, "MALFORMED_ID", format!("malformed id {given}")))?;
    if id.get(..3) == object.key_prefix.as_deref() {
        return Ok(id);
    }
    let message = format!("Record ID: id value of incorrect type: {given}");
    Err(SalesforceError::new(400, "MALFORMED_ID", message).with_fields(["Id"]))
}

/// A record that is not there reads as a reference to nothing where ids stand in the body.
pub(crate) fn not_found_as_reference(error: SalesforceError, id: &str) -> SalesforceError {
    if error.code == "NOT_FOUND" && error.message.ends_with(id) {
        return SalesforceError::new(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id");
    }
    error
}

#[derive(Deserialize)]
struct Retrieve {
    ids: Vec<String>,
    fields: Vec<String>,
}

/// `/composite/sobjects/X`: records by id, in the order asked for; null for those that are not there.
pub(super) fn of_object(call: &Call<'_>, name: &str) -> Answer {
    let schema = call.server.org.schema();
    let object = call.visible_object(&schema, name)?;
    call.allow(&["GET", "HEAD", "POST"])?;
    let split = |list: Option<&str>| {
        list.unwrap_or_default().split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>()
    };
    let request: Retrieve = if call.method() == "POST" {
        call.body()?
    } else {
        Retrieve { ids: split(call.request.param("ids")), fields: split(call.request.param("fields")) }
    };
    if request.ids.len() > MAX_RETRIEVED {
        let message = format!(
            "record limit reached. cannot submit more than {MAX_RETRIEVED} records into this request"
        );
        return Err(SalesforceError::new(400, "EXCEEDED_ID_LIMIT", message));
    }
    let fields = sobject::named_fields(call, object, &request.fields.join(","))?;
    let mut out = vec![b'['];
    for (at, given) in request.ids.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let id = record_id(object, given)?;
        let found = call
            .server
            .org
            .find_in(call.transaction, object, &id)?
            .filter(|record| !record.is_true("IsDeleted"));
        let record = match found {
            Some(_) => query::record(call, object, &id, &fields)?,
            None => None,
        };
        out.extend_from_slice(record.as_deref().unwrap_or(b"null"));
    }
    out.push(b']');
    Ok(ApiResponse::raw_json(200, out))
}
