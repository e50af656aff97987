//! Picklist values by record type, as page layouts and the UI API give them: `/sobjects/X/describe/layouts` and
//! `/ui-api/object-info/X/picklist-values/RT`. The layouts themselves are empty: nobody looks at pages here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::message::{Answer, ApiResponse};
use crate::error::SalesforceError;
use crate::schema::ids::{salesforce_id, widen};
use crate::schema::{FieldSchema, FieldType, ObjectSchema, PicklistValue, RecordType};

/// The record type that every object has.
const MASTER: &str = "012000000000000AAA";

/// A record type by id and name.
struct Kind<'o> {
    own: Option<&'o RecordType>,
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
            own: Some(kind),
            id: &kind.id,
            name: &kind.name,
            developer_name: &kind.developer_name,
            available: kind.active,
            default: kind.default,
        })
        .collect();
    let default = !kinds.iter().any(|kind| kind.default);
    kinds.push(Kind {
        own: None,
        id: MASTER,
        name: "Master",
        developer_name: "Master",
        available: true,
        default,
    });
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
    let lists = |kind: &Kind<'_>| -> Vec<Value> {
        picklists(call, object)
            .map(|field| {
                let values: Vec<Value> = offered(field, kind).map(value).collect();
                json!({ "picklistName": field.name, "picklistValues": values })
            })
            .collect()
    };
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
                "picklistsForRecordType": lists(kind),
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
    let kind = find(object, record_type)?;
    let base = format!("{}/ui-api/object-info/{}/picklist-values/{}", call.base(), object.name, kind.id);
    let described = |field: &FieldSchema| ui_values(object, field, &kind, &format!("{base}/{}", field.name));
    if let Some(wanted) = field {
        let found = picklists(call, object).find(|field| field.name.eq_ignore_ascii_case(wanted));
        return Ok(ApiResponse::json(200, &described(found.ok_or_else(SalesforceError::no_such_resource)?)));
    }
    let all: Map<String, Value> =
        picklists(call, object).map(|field| (field.name.clone(), described(field))).collect();
    Ok(ApiResponse::json(200, &json!({ "eTag": tag(&base), "picklistFieldValues": all })))
}

/// The record type of this id, if the object has it.
fn find<'o>(object: &'o ObjectSchema, record_type: &str) -> Result<Kind<'o>, SalesforceError> {
    let id = widen(record_type);
    kinds(object).into_iter().find(|kind| id.as_deref() == Some(kind.id)).ok_or_else(|| {
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

/// The active values of a field that a record type offers.
fn offered<'f>(field: &'f FieldSchema, kind: &Kind<'_>) -> impl Iterator<Item = &'f PicklistValue> {
    let own = kind.own;
    let offers = move |value: &&PicklistValue| own.is_none_or(|own| own.offers(&field.name, &value.value));
    field.picklist.iter().filter(|value| value.active).filter(offers)
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

fn ui_values(object: &ObjectSchema, field: &FieldSchema, kind: &Kind<'_>, url: &str) -> Value {
    let controller = field.controller_name.as_deref().and_then(|name| object.field(name));
    let controllers = controller.map(controlling_values).unwrap_or_default();
    let numbers: Map<String, Value> =
        controllers.iter().zip(0_u64..).map(|(name, number)| (name.clone(), number.into())).collect();
    let shown = |value: &PicklistValue| {
        let valid_for = set_bits(value.valid_for.as_deref().unwrap_or_default(), controllers.len());
        json!({ "attributes": null, "label": value.label, "validFor": valid_for, "value": value.value })
    };
    let values: Vec<Value> = offered(field, kind).map(shown).collect();
    json!({
        "controllerValues": numbers,
        "defaultValue": offered(field, kind).find(|value| value.default_value).map(shown),
        "eTag": tag(url),
        "url": url,
        "values": values,
    })
}

/// The values of a controlling field, in the order in which sets of bits count them.
fn controlling_values(controller: &FieldSchema) -> Vec<String> {
    match controller.ty {
        FieldType::Boolean => vec!["false".to_owned(), "true".to_owned()],
        _ => controller.picklist.iter().map(|value| value.value.clone()).collect(),
    }
}

/// The numbers of the bits that are set, from the first bit of the first byte on.
fn set_bits(base64: &str, most: usize) -> Vec<usize> {
    let bytes = STANDARD.decode(base64).unwrap_or_default();
    let is_set = |at: &usize| bytes.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
    (0..most).filter(is_set).collect()
}

/// A tag that differs between resources.
fn tag(url: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, url.as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
