//! Picklist values by record type, as page layouts and the UI API give them: `/sobjects/X/describe/layouts` and
//! `/ui-api/object-info/X/picklist-values/RT`. The layouts themselves are empty: nobody looks at pages here.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::message::{Answer, ApiResponse};
use crate::error::SalesforceError;
use crate::schema::ids::{salesforce_id, widen};
use crate::schema::{FieldSchema, ObjectSchema, PicklistValue};

/// The record type that every object has.
const MASTER: &str = "012000000000000AAA";

/// A record type by id and name.
struct Kind<'o> {
    id: &'o str,
    name: &'o str,
    developer_name: &'o str,
    available: bool,
    default: bool,
}

fn kinds(object: &ObjectSchema) -> Vec<Kind<'_>> {
    let mut kinds: Vec<Kind<'_>> = object
        .record_types
        .iter()
        .map(|kind| Kind {
            id: &kind.id,
            name: &kind.name,
            developer_name: &kind.developer_name,
            available: kind.active,
            default: kind.default,
        })
        .collect();
    let default = !kinds.iter().any(|kind| kind.default);
    kinds.push(Kind { id: MASTER, name: "Master", developer_name: "Master", available: true, default });
    kinds
}

/// `/sobjects/X/describe/layouts`, and with an id behind it the layout of one record type.
pub(crate) fn layouts(call: &Call<'_>, name: &str, record_type: Option<&str>) -> Answer {
    call.allow(&["GET", "HEAD"])?;
    let schema = call.server.org.schema();
    let object = call.visible_object(&schema, name)?;
    if !object.layoutable {
        return Err(SalesforceError::no_such_resource());
    }
    let number = object.name.bytes().fold(7u64, |sum, byte| (sum * 31 + u64::from(byte)) % 900_000);
    let layout_id = salesforce_id("00h", number);
    let layout = json!({
        "buttonLayoutSection": { "detailButtons": [] },
        "detailLayoutSections": [],
        "editLayoutSections": [],
        "feedView": null,
        "highlightsPanelLayoutSection": null,
        "id": layout_id,
        "multirowEditLayoutSections": [],
        "offlineLinks": [],
        "quickActionList": { "quickActionListItems": [] },
        "relatedContent": null,
        "relatedLists": [],
        "saveOptions": [],
    });
    if let Some(record_type) = record_type {
        find(object, record_type)?;
        return Ok(ApiResponse::json(200, &layout));
    }
    let base = format!("{}/sobjects/{}/describe/layouts", call.base(), object.name);
    let picklists: Vec<Value> = picklists(call, object)
        .map(|field| {
            let values: Vec<Value> = active(field).map(value).collect();
            json!({ "picklistName": field.name, "picklistValues": values })
        })
        .collect();
    let mappings: Vec<Value> = kinds(object)
        .iter()
        .map(|kind| {
            json!({
                "active": kind.available,
                "available": kind.available,
                "defaultRecordTypeMapping": kind.default,
                "developerName": kind.developer_name,
                "layoutId": layout_id,
                "master": kind.id == MASTER,
                "name": kind.name,
                "picklistsForRecordType": picklists,
                "recordTypeId": kind.id,
                "urls": { "layout": format!("{base}/{}", kind.id) },
            })
        })
        .collect();
    let body = json!({
        "layouts": [layout],
        "recordTypeMappings": mappings,
        "recordTypeSelectorRequired": [object.record_types.len() > 1],
    });
    Ok(ApiResponse::json(200, &body))
}

/// `/ui-api/object-info/X/picklist-values/RT`, and with a field behind it that field alone.
pub(crate) fn picklist_values(call: &Call<'_>, name: &str, record_type: &str, field: Option<&str>) -> Answer {
    call.allow(&["GET", "HEAD"])?;
    let schema = call.server.org.schema();
    let object = call.visible_object(&schema, name)?;
    let record_type = find(object, record_type)?;
    let base = format!("{}/ui-api/object-info/{}/picklist-values/{record_type}", call.base(), object.name);
    let described = |field: &FieldSchema| ui_values(field, &format!("{base}/{}", field.name));
    if let Some(wanted) = field {
        let found = picklists(call, object).find(|field| field.name.eq_ignore_ascii_case(wanted));
        return Ok(ApiResponse::json(200, &described(found.ok_or_else(SalesforceError::no_such_resource)?)));
    }
    let all: Map<String, Value> =
        picklists(call, object).map(|field| (field.name.clone(), described(field))).collect();
    Ok(ApiResponse::json(200, &json!({ "eTag": tag(&base), "picklistFieldValues": all })))
}

/// The record type's id, if the object has it.
fn find(object: &ObjectSchema, record_type: &str) -> Result<String, SalesforceError> {
    let id = widen(record_type).filter(|id| kinds(object).iter().any(|kind| kind.id == id));
    id.ok_or_else(|| {
        let message = format!("The record type {record_type} is not one of {}", object.name);
        SalesforceError::new(400, "INVALID_PARAMETER_VALUE", message)
    })
}

fn picklists<'o>(call: &Call<'_>, object: &'o ObjectSchema) -> impl Iterator<Item = &'o FieldSchema> {
    let visibility = call.server.org.visibility();
    object
        .fields
        .iter()
        .filter(move |field| !field.picklist.is_empty() && visibility.can_see(&object.name, &field.name))
}

fn active(field: &FieldSchema) -> impl Iterator<Item = &PicklistValue> {
    field.picklist.iter().filter(|value| value.active)
}

fn value(value: &PicklistValue) -> Value {
    json!({
        "active": value.active,
        "defaultValue": value.default_value,
        "label": value.label,
        "validFor": value.valid_for,
        "value": value.value,
    })
}

fn ui_values(field: &FieldSchema, url: &str) -> Value {
    let shown = |value: &PicklistValue| json!({ "attributes": null, "label": value.label, "validFor": [], "value": value.value });
    let values: Vec<Value> = active(field).map(shown).collect();
    json!({
        "controllerValues": {},
        "defaultValue": active(field).find(|value| value.default_value).map(shown),
        "eTag": tag(url),
        "url": url,
        "values": values,
    })
}

/// A tag that differs between resources.
fn tag(url: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, url.as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
