//! Records by external id: `/sobjects/X/Field__c/value`, GET, PATCH (upsert) and DELETE.

use serde_json::{Value, json};

use super::call::Call;
use super::message::{Answer, ApiResponse};
use super::sobject;
use crate::error::SalesforceError;
use crate::org::dml::{self, Upserted};
use crate::schema::{FieldSchema, FieldType, ObjectSchema};

/// The version since which an upsert that updates answers 200 with a body instead of 204.
const UPDATED_HAS_BODY: u16 = 46;

pub(crate) fn record(call: &Call<'_>, name: &str, field: &str, value: &str) -> Answer {
    let schema = call.server.org.schema();
    let object = call.visible_object(&schema, name)?;
    let key = key_field(call, object, field)?;
    call.allow(&["DELETE", "GET", "HEAD", "PATCH"])?;
    match call.method() {
        "PATCH" => {
            let input = call.record_body(object)?;
            let upserted = call.write(|context| dml::upsert(context, object, key, value, &input))?;
            Ok(match upserted {
                Upserted::Created(id) => {
                    sobject::created(call, object, &id, (call.version >= UPDATED_HAS_BODY).then_some(true))
                }
                Upserted::Updated(id) if call.version >= UPDATED_HAS_BODY => ApiResponse::json(
                    200,
                    &json!({ "id": id, "success": true, "errors": [], "created": false }),
                ),
                Upserted::Updated(_) => ApiResponse::empty(204),
                Upserted::Several(ids) => several(call, object, &ids),
            })
        }
        method => {
            let ids = call.server.org.ids_by_key(call.transaction, object, key, value)?;
            match ids.as_slice() {
                [] => Err(SalesforceError::no_such_resource()),
                [id] if method == "DELETE" => {
                    call.write(|context| dml::delete(context, object, id))?;
                    Ok(ApiResponse::empty(204))
                }
                [id] => sobject::get(call, object, id),
                ids => Ok(several(call, object, ids)),
            }
        }
    }
}

/// The field that records are found by.
pub(crate) fn key_field<'o>(
    call: &Call<'_>,
    object: &'o ObjectSchema,
    name: &str,
) -> Result<&'o FieldSchema, SalesforceError> {
    let visibility = call.server.org.visibility();
    let usable = |field: &&FieldSchema| field.external_id || field.id_lookup || field.ty == FieldType::Id;
    object
        .field(name)
        .filter(usable)
        .filter(|field| visibility.can_see(&object.name, &field.name))
        .ok_or_else(|| {
            let message = format!("Provided external ID field does not exist or is not accessible: {name}");
            SalesforceError::new(404, "NOT_FOUND", message)
        })
}

/// 300 with the places of all records that fit.
fn several(call: &Call<'_>, object: &ObjectSchema, ids: &[String]) -> ApiResponse {
    let urls = ids.iter().map(|id| json!(format!("{}/sobjects/{}/{id}", call.base(), object.name)));
    ApiResponse::json(300, &Value::Array(urls.collect()))
}
