//! From Salesforce's descriptions to the schema of the contract, and to the classes of remote fields.

mod choices;

use std::sync::Arc;

use unicrm_core::{
    Error, ErrorKind, FieldChoice, FieldFormat, FieldSchema, ItemSchema, ObjectKind, ObjectMapping,
    PicklistValue, RemoteFieldClass, Schema, Usage,
};

use crate::api::{Client, Describe, DescribeField, FieldType};
use crate::error::Code;
use crate::objects::{FieldFacts, MAPPINGS, SobjectFacts, class_id, mapping};
use crate::read::source::Source;

pub(crate) use choices::Layouts;

/// The fields of an object as this user sees them.
pub(crate) async fn describe(client: &Client, usage: &mut Usage, kind: ObjectKind) -> Result<Schema, Error> {
    let mapping = mapping(kind);
    let described = describes(client, usage, mapping).await?;
    if described.is_empty() {
        let names = mapping.remote_objects.join(", ");
        let message = format!("{kind} cannot be described: this user sees none of the objects {names}");
        return Err(Error::new(ErrorKind::PermissionDenied, message).with_advice(
            "Setup > Permission Sets > the integration's set > Object Settings: give \"Read\" on the object",
        ));
    }
    let own = |describe: &&Arc<Describe>| mapping.remote_objects.contains(&describe.object.name.as_str());
    let objects = described.iter().filter(own).map(|describe| describe.object.name.clone()).collect();
    let mut schema = Schema::new(kind, objects);
    for field in mapping.fields.iter().filter(|field| is_described(field.unified)) {
        for (describe, remote) in remote_fields(field.remote, &described) {
            let mut entry = field_schema(describe, remote);
            entry.unified = Some(field.unified.to_owned());
            schema.fields.push(entry);
        }
    }
    let mapped: Vec<(String, String)> =
        schema.fields.iter().map(|field| (field.remote_object.clone(), field.remote.clone())).collect();
    let main = |describe: &&Arc<Describe>| {
        Source::of(kind).iter().any(|source| source.sobject() == describe.object.name)
    };
    for describe in described.iter().filter(main) {
        let sobject = &describe.object.name;
        let rest = describe
            .fields
            .iter()
            .filter(|field| !mapped.iter().any(|(object, name)| object == sobject && *name == field.name));
        schema.fields.extend(rest.map(|field| field_schema(describe, field)));
        schema.record_types.extend(choices::record_types(client, usage, describe).await?);
    }
    Ok(schema)
}

/// The descriptions of the objects behind a unified one; those that this user does not see are left out.
pub(crate) async fn describes(
    client: &Client,
    usage: &mut Usage,
    mapping: &ObjectMapping,
) -> Result<Vec<Arc<Describe>>, Error> {
    let answers = client.describe_many(usage, &objects_of(mapping)).await?;
    let mut described = Vec::with_capacity(answers.len());
    for answer in answers {
        match answer {
            Ok(describe) => described.push(describe),
            Err(fault) if matches!(fault.code(), Some(Code::NotFound | Code::InvalidType)) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(described)
}

/// Has the descriptions of all objects at hand, in few calls, as they are now: an administrator may just have changed them.
pub(crate) async fn describe_all(client: &Client, usage: &mut Usage) -> Result<(), Error> {
    let mut objects: Vec<&str> = MAPPINGS.iter().flat_map(objects_of).collect();
    objects.sort_unstable();
    objects.dedup();
    let answers = client.describe_anew(usage, &objects).await?;
    for (sobject, _) in objects.iter().zip(answers).filter(|(_, answer)| answer.is_err()) {
        client.forget_describe(sobject);
    }
    Ok(())
}

/// The remote objects of a field table: its own, and those that only single fields come from.
fn objects_of(mapping: &ObjectMapping) -> Vec<&'static str> {
    let mut objects = mapping.remote_objects.to_vec();
    for name in mapping.fields.iter().flat_map(|field| field.remote) {
        if let Some((object, _)) = name.split_once('.')
            && !objects.contains(&object)
        {
            objects.push(object);
        }
    }
    objects
}

/// The described fields that a field table names, as `Field` (in whichever of its objects) or `Object.Field`.
pub(crate) fn remote_fields<'d>(
    names: &[&str],
    described: &'d [Arc<Describe>],
) -> Vec<(&'d Describe, &'d DescribeField)> {
    let mut found = Vec::new();
    for name in names {
        let (object, name) = match name.split_once('.') {
            Some((object, name)) => (Some(object), name),
            None => (None, *name),
        };
        let fits = |describe: &&Arc<Describe>| object.is_none_or(|object| describe.object.name == object);
        for describe in described.iter().filter(fits) {
            found.extend(describe.field(name).map(|field| (&**describe, field)));
        }
    }
    found
}

/// Unified fields that stand for no remote field of their own.
fn is_described(unified: &str) -> bool {
    unified != "id" && !unified.ends_with("_url")
}

fn field_schema(describe: &Describe, field: &DescribeField) -> FieldSchema {
    let mut schema =
        FieldSchema::new(describe.object.name.clone(), field.name.clone(), format_of(&field.field_type));
    let some = |number: u8| (number > 0).then_some(number);
    schema.class_id = Some(class_id(&describe.object.name, &field.name));
    schema.label = Some(field.label.clone()).filter(|label| !label.is_empty());
    schema.description = field.inline_help_text.clone();
    schema.remote_type = Some(field.field_type.as_str().to_owned());
    schema.length = (field.length > 0).then_some(field.length);
    schema.precision = some(field.precision.max(field.digits));
    schema.scale = some(field.precision).map(|_| field.scale);
    let controller = field.controller_name.as_deref().and_then(|name| describe.field(name));
    schema.controller = controller.map(|controller| controller.name.clone());
    schema.picklist = field
        .picklist_values
        .iter()
        .map(|entry| {
            let mut value = PicklistValue::new(entry.value.clone());
            value.label = entry.label.clone().unwrap_or_else(|| entry.value.clone());
            value.active = entry.active;
            value.default = entry.default_value;
            value.valid_for =
                controller.and_then(|controller| choices::valid_for(entry.valid_for.as_deref()?, controller));
            value
        })
        .collect();
    schema.restricted = field.restricted_picklist;
    schema.references.clone_from(&field.reference_to);
    schema.required = is_required(field);
    schema.custom = field.custom;
    schema.creatable = field.createable;
    schema.updatable = field.updateable;
    schema
}

/// What the mapping must know about an object.
pub(crate) fn sobject_facts(describe: &Describe) -> SobjectFacts {
    let facts = |field: &DescribeField| FieldFacts {
        class: Arc::new(class_of(describe, field)),
        length: field.length,
        precision: field.precision.max(field.digits),
        scale: field.scale,
        createable: field.createable,
        updateable: field.updateable,
    };
    describe.fields.iter().map(|field| (field.name.as_str(), facts(field))).collect()
}

pub(crate) fn class_of(describe: &Describe, field: &DescribeField) -> RemoteFieldClass {
    let mut class = RemoteFieldClass::default();
    let format = format_of(&field.field_type);
    class.id = Some(class_id(&describe.object.name, &field.name));
    class.display_name = Some(field.label.clone()).filter(|label| !label.is_empty());
    class.remote_key_name = Some(field.name.clone());
    class.description = field.inline_help_text.clone();
    class.is_custom = Some(field.custom);
    class.is_required = Some(is_required(field));
    class.field_choices = field
        .picklist_values
        .iter()
        .filter(|entry| entry.active)
        .map(|entry| FieldChoice::Labelled { value: entry.value.clone(), display_name: entry.label.clone() })
        .collect();
    if field.field_type == FieldType::MultiPicklist {
        let mut items = ItemSchema::default();
        items.item_type = Some(FieldFormat::String);
        items.item_choices = field.picklist_values.iter().map(|entry| entry.value.clone()).collect();
        class.item_schema = Some(items);
    }
    class.field_type = Some(format.clone());
    class.field_format = Some(format);
    class
}

/// Whether a create fails without it.
fn is_required(field: &DescribeField) -> bool {
    field.createable
        && !field.nillable
        && !field.defaulted_on_create
        && field.field_type != FieldType::Boolean
}

fn format_of(field_type: &FieldType) -> FieldFormat {
    match field_type {
        FieldType::Boolean => FieldFormat::Bool,
        number if number.is_number() => FieldFormat::Number,
        FieldType::Date => FieldFormat::Date,
        FieldType::DateTime => FieldFormat::Datetime,
        FieldType::MultiPicklist => FieldFormat::List,
        _ => FieldFormat::String,
    }
}
