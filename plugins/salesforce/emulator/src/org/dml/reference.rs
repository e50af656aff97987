//! References: the id must be one of an object that the field may point to, and its record must exist.

use serde_json::value::RawValue;

use super::Context;
use super::input::Input;
use crate::error::SalesforceError;
use crate::org::db::storage;
use crate::org::record::Record;
use crate::org::row;
use crate::org::value::{Value, encode};
use crate::schema::{FieldSchema, ObjectSchema, ids};

/// The reference in its 18-character form, after its record has been found.
pub(crate) fn check(
    context: &Context<'_>,
    object: &ObjectSchema,
    field: &FieldSchema,
    value: Value,
) -> Result<Value, SalesforceError> {
    let Some(text) = value.as_text() else { return Ok(value) };
    let wrong_type = || {
        let message = format!("{}: id value of incorrect type: {text}", field.label);
        SalesforceError::new(400, "MALFORMED_ID", message).with_fields([field.name.as_str()])
    };
    let id = ids::widen(text).ok_or_else(wrong_type)?;
    if field.name == "RecordTypeId" {
        let known = object.record_types.iter().any(|kind| kind.id == id && kind.active);
        return if known || exists(context, "RecordType", &id)? == Some(false) {
            Ok(Value::from(id))
        } else {
            let message = format!("{}: this ID value isn't valid for the user: {text}", field.label);
            Err(SalesforceError::new(400, "INVALID_CROSS_REFERENCE_KEY", message)
                .with_fields([field.name.as_str()]))
        };
    }
    let prefix = id.get(..3).unwrap_or_default();
    let targets = field.reference_to.iter().filter_map(|target| context.schema.object(target));
    let mut fitting = targets.filter(|target| target.key_prefix.as_deref() == Some(prefix)).peekable();
    if fitting.peek().is_none() {
        return Err(wrong_type());
    }
    let mut deleted = false;
    for target in fitting {
        match exists(context, &target.name, &id)? {
            Some(false) => return Ok(Value::from(id)),
            Some(true) => deleted = true,
            None => {}
        }
    }
    Err(if deleted {
        SalesforceError::new(400, "ENTITY_IS_DELETED", "entity is deleted")
    } else {
        SalesforceError::new(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    })
}

/// Whether a record is deleted; none when there is no such record.
pub(crate) fn exists(context: &Context<'_>, object: &str, id: &str) -> Result<Option<bool>, SalesforceError> {
    use rusqlite::OptionalExtension as _;
    let Some(object) = context.schema.object(object) else { return Ok(None) };
    let deleted = if object.field("IsDeleted").is_some() { "\"IsDeleted\"" } else { "0" };
    let sql = format!("SELECT {deleted} FROM \"{}\" WHERE \"Id\"=?", object.name);
    let mut statement = context.conn.prepare_cached(&sql).map_err(storage)?;
    statement.query_row([id], |row| row.get(0)).optional().map_err(storage)
}

/// `"Account": {"External_Id__c": "x"}`: a reference by the external id of the record that it points to.
pub(crate) fn by_external_id(
    context: &Context<'_>,
    object: &ObjectSchema,
    field: &FieldSchema,
    raw: &RawValue,
) -> Result<Value, SalesforceError> {
    if raw.get().trim() == "null" {
        return Ok(Value::Null);
    }
    let input: Input = serde_json::from_str(raw.get()).map_err(|error| {
        SalesforceError::new(400, "JSON_PARSER_ERROR", format!("{error} in the relationship {}", field.name))
    })?;
    let wanted = input.object_type();
    let targets = field
        .reference_to
        .iter()
        .filter(|target| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(target)));
    for target in targets.filter_map(|target| context.schema.object(target)) {
        for (name, _) in input.fields.iter().filter(|(name, _)| name != "attributes") {
            let Some(key) = target.field(name).filter(|key| key.external_id || key.id_lookup) else {
                continue;
            };
            let text = input.text(name).unwrap_or_default();
            let found = find(context, target, key, &text)?;
            return match found.as_slice() {
                [one] => Ok(one.get("Id").clone()),
                [] => Err(SalesforceError::new(
                    400,
                    "INVALID_FIELD",
                    format!(
                        "Foreign key external ID: {text} not found for field {} in entity {}",
                        key.name, target.name
                    ),
                )),
                _ => Err(SalesforceError::new(
                    400,
                    "DUPLICATE_EXTERNAL_ID",
                    format!("{}: more than one record found for external id field: {text}", key.label),
                )),
            };
        }
    }
    let message = format!(
        "The relationship {} of {} needs an external ID field of the record that it points to",
        field.name, object.name
    );
    Err(SalesforceError::new(400, "INVALID_FIELD", message).with_fields([field.name.as_str()]))
}

/// Live records with this value in a key field, at most ten.
pub(crate) fn find(
    context: &Context<'_>,
    object: &ObjectSchema,
    key: &FieldSchema,
    text: &str,
) -> Result<Vec<Record>, SalesforceError> {
    let value = match key.ty {
        crate::schema::FieldType::Id => Value::from(ids::widen(text).unwrap_or_default()),
        ty if ty.is_text() => Value::from(text),
        _ => match text.parse::<rust_decimal::Decimal>() {
            Ok(number) => Value::Decimal(number),
            Err(_) => return Ok(Vec::new()),
        },
    };
    if value.is_null() {
        return Ok(Vec::new());
    }
    let stored = encode(key, &value)?;
    let mut found = row::by_field(context.conn, object, key, &stored, 50)?;
    found.retain(|record| !record.is_true("IsDeleted"));
    found.truncate(10);
    Ok(found)
}
