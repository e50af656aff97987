//! `/composite/tree/X`: records with their children, all of them or none.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::error::SalesforceError;
use crate::http::call::Call;
use crate::http::message::{Answer, ApiResponse};
use crate::org::dml::{self, Context, Input};
use crate::schema::ObjectSchema;

/// Most records of one request, children included.
const MAX_RECORDS: usize = 200;
/// Most levels.
const MAX_DEPTH: usize = 5;

#[derive(Deserialize)]
struct Records {
    records: Vec<Input>,
}

/// A record that was made, or the one that failed.
struct Made {
    reference: String,
    id: String,
}

pub(super) fn tree(call: &Call<'_>, name: &str) -> Answer {
    let schema = call.server.org.schema();
    let object = call.visible_object(&schema, name)?;
    let request: Records = call.body()?;
    if request.records.is_empty() {
        return Err(SalesforceError::new(400, "REQUIRED_FIELD_MISSING", "At least 1 record is required"));
    }
    let mut made = Vec::new();
    let mut failed = String::new();
    let outcome = call.write(|context| {
        request
            .records
            .iter()
            .try_for_each(|input| create(context, object, input, None, MAX_DEPTH, &mut made, &mut failed))
    });
    match outcome {
        Ok(()) => {
            let results: Vec<_> =
                made.iter().map(|made| json!({ "referenceId": made.reference, "id": made.id })).collect();
            Ok(ApiResponse::json(201, &json!({ "hasErrors": false, "results": results })))
        }
        Err(error) => {
            let results = json!([{ "referenceId": failed, "errors": [error.to_item_json()] }]);
            Ok(ApiResponse::json(400, &json!({ "hasErrors": true, "results": results })))
        }
    }
}

fn create(
    context: &Context<'_>,
    object: &ObjectSchema,
    input: &Input,
    parent: Option<(&str, &str)>,
    depth: usize,
    made: &mut Vec<Made>,
    failed: &mut String,
) -> Result<(), SalesforceError> {
    let reference = input.reference_id().unwrap_or_default();
    failed.clone_from(&reference);
    if made.len() >= MAX_RECORDS {
        let message =
            format!("record limit reached. cannot submit more than {MAX_RECORDS} records into this request");
        return Err(SalesforceError::new(400, "EXCEEDED_ID_LIMIT", message));
    }
    if depth == 0 {
        return Err(SalesforceError::new(
            400,
            "INVALID_INPUT",
            format!("sObject trees can have at most {MAX_DEPTH} levels"),
        ));
    }
    let (mut own, mut children) = (Vec::new(), Vec::new());
    for (name, raw) in &input.fields {
        match object.child_relationship(name) {
            Some(relationship) if raw.get().trim_start().starts_with('{') => {
                children.push((relationship, raw))
            }
            _ => own.push((name.clone(), raw.clone())),
        }
    }
    if let Some((field, id)) = parent {
        own.push((field.to_owned(), raw_text(id)?));
    }
    let id = dml::create(context, object, &Input { fields: own })?;
    made.push(Made { reference, id: id.clone() });
    for (relationship, raw) in children {
        let child = context.object(&relationship.child_object)?;
        let records: Records = serde_json::from_str(raw.get())
            .map_err(|error| SalesforceError::new(400, "JSON_PARSER_ERROR", error.to_string()))?;
        for input in &records.records {
            create(
                context,
                child,
                input,
                Some((relationship.field.as_str(), id.as_str())),
                depth - 1,
                made,
                failed,
            )?;
        }
    }
    Ok(())
}

fn raw_text(text: &str) -> Result<Box<RawValue>, SalesforceError> {
    serde_json::value::to_raw_value(text).map_err(|error| SalesforceError::internal(error.to_string()))
}
