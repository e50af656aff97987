//! Create, update and upsert of one record.

use super::input::{self, Input, Operation};
use super::{Change, Context, activity, address, content, derive, duplicates, person, reference, rules};
use crate::error::SalesforceError;
use crate::org::{Record, row, storage};
use crate::schema::{FieldSchema, FieldType, ObjectSchema, ids};

/// Creates a record and gives its id.
pub(crate) fn create(
    context: &Context<'_>,
    object: &ObjectSchema,
    input: &Input,
) -> Result<String, SalesforceError> {
    context.permit(object, Change::Create)?;
    let record = input::read(context, object, input, Operation::Create)?;
    insert(context, object, record)
}

fn insert(
    context: &Context<'_>,
    object: &ObjectSchema,
    mut record: Record,
) -> Result<String, SalesforceError> {
    person::prepare(object, &mut record);
    content::prepare(context, object, &mut record)?;
    address::complete(object, &mut record, None)?;
    activity::complete_event(object, &mut record, None)?;
    require(object, &record, Operation::Create)?;
    unique(context, object, &record, None)?;
    duplicates::check(context, object, &record, None)?;
    rules::check_parents(context, object, &record)?;
    let id = context.org.allot(&context.schema, &object.name)?;
    record.set("Id", id.as_str());
    derive::fill_new(context, object, &mut record)?;
    row::insert(context.conn, object, &record)?;
    content::after_insert(context, object, &record)?;
    person::after_insert(context, object, &record)?;
    activity::after_insert(context, object, &record)?;
    rules::validate(context, object, &id)?;
    Ok(id)
}

/// Changes a record.
pub(crate) fn update(
    context: &Context<'_>,
    object: &ObjectSchema,
    id: &str,
    input: &Input,
) -> Result<(), SalesforceError> {
    context.permit(object, Change::Update)?;
    let old = context.live(object, id)?;
    if object.name == "Lead" && old.is_true("IsConverted") {
        return Err(SalesforceError::new(
            400,
            "CANNOT_UPDATE_CONVERTED_LEAD",
            "cannot reference converted lead",
        ));
    }
    let mut changes = input::read(context, object, input, Operation::Update)?;
    address::complete(object, &mut changes, Some(&old))?;
    activity::complete_event(object, &mut changes, Some(&old))?;
    require(object, &changes, Operation::Update)?;
    unique(context, object, &changes, Some(id))?;
    let mut whole = old.clone();
    whole.apply(&changes);
    duplicates::check(context, object, &whole, Some(&old))?;
    rules::check_lock(context, id)?;
    rules::check_parents(context, object, &changes)?;
    derive::on_update(context, object, &old, &mut changes)?;
    context.touch(object, id, changes.clone())?;
    content::after_update(context, object, &old, &changes)?;
    person::after_update(context, object, &old, &changes)?;
    activity::after_update(context, object, &old, &changes)?;
    rules::validate(context, object, id)
}

/// What an upsert came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Upserted {
    Created(String),
    Updated(String),
    /// Several records have the key: nothing was changed.
    Several(Vec<String>),
}

/// Changes the record with this value in a key field, or creates it.
pub(crate) fn upsert(
    context: &Context<'_>,
    object: &ObjectSchema,
    key: &FieldSchema,
    value: &str,
    input: &Input,
) -> Result<Upserted, SalesforceError> {
    let found = reference::find(context, object, key, value)?;
    let id_of = |record: &Record| record.text("Id").unwrap_or_default().to_owned();
    match found.as_slice() {
        [] if key.ty == FieldType::Id => {
            Err(SalesforceError::new(404, "NOT_FOUND", "The requested resource does not exist"))
        }
        [] => {
            context.permit(object, Change::Create)?;
            let mut record = input::read(context, object, &without(input, key), Operation::Create)?;
            let raw = serde_json::value::to_raw_value(value)
                .map_err(|error| SalesforceError::internal(error.to_string()))?;
            let key_only = Input { fields: vec![(key.name.clone(), raw)] };
            record.apply(&input::read(context, object, &key_only, Operation::Create)?);
            Ok(Upserted::Created(insert(context, object, record)?))
        }
        [one] => {
            let id = id_of(one);
            update(context, object, &id, &without(input, key))?;
            Ok(Upserted::Updated(id))
        }
        several => Ok(Upserted::Several(several.iter().map(id_of).collect())),
    }
}

/// The input without the key field, which the URL gives.
fn without(input: &Input, key: &FieldSchema) -> Input {
    let fields =
        input.fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(&key.name)).cloned().collect();
    Input { fields }
}

/// Fields that must have a value.
fn require(object: &ObjectSchema, record: &Record, operation: Operation) -> Result<(), SalesforceError> {
    let missing: Vec<&str> = object
        .fields
        .iter()
        .filter(|field| !field.nillable && field.ty != FieldType::Boolean && field.ty != FieldType::Id)
        .filter(|field| match operation {
            Operation::Create => {
                let defaulted =
                    field.defaulted_on_create || field.picklist.iter().any(|value| value.default_value);
                let left_out = field.createable && !defaulted && record.get(&field.name).is_null();
                let emptied =
                    field.createable && record.has(&field.name) && record.get(&field.name).is_null();
                left_out || emptied
            }
            Operation::Update => record.has(&field.name) && record.get(&field.name).is_null(),
        })
        .map(|field| field.name.as_str())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("Required fields are missing: [{}]", missing.join(", "));
    Err(SalesforceError::new(400, "REQUIRED_FIELD_MISSING", message).with_fields(missing))
}

/// No other record may have the value of a unique field.
fn unique(
    context: &Context<'_>,
    object: &ObjectSchema,
    record: &Record,
    own: Option<&str>,
) -> Result<(), SalesforceError> {
    for field in object.fields.iter().filter(|field| field.unique && field.ty != FieldType::Id) {
        let value = record.get(&field.name);
        if value.is_null() {
            continue;
        }
        let stored = crate::org::value::encode(field, value)?;
        let sql = format!(
            "SELECT \"Id\" FROM \"{}\" WHERE \"{}\"=?1 AND \"Id\" IS NOT ?2 LIMIT 1",
            object.name, field.name
        );
        let mut statement = context.conn.prepare_cached(&sql).map_err(storage)?;
        let mut rows = statement.query((stored, own)).map_err(storage)?;
        if let Some(row) = rows.next().map_err(storage)? {
            let other: String = row.get(0).map_err(storage)?;
            let short = ids::widen(&other).and_then(|id| id.get(..15).map(str::to_owned)).unwrap_or(other);
            let message =
                format!("duplicate value found: {} duplicates value on record with id: {short}", field.name);
            return Err(
                SalesforceError::new(400, "DUPLICATE_VALUE", message).with_fields(Vec::<String>::new())
            );
        }
    }
    Ok(())
}
