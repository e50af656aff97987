//! What a write accepts, as JSON Schema.

use serde_json::{Map, Value, json};

use super::schema::{FieldSchema, PicklistValue, Schema};
use crate::{FieldFormat, FieldInfo, FieldMapping, FieldType, Json, MappedType, Record};

/// Which write a JSON Schema describes.
///
/// ```
/// use unicrm_core::WriteKind;
/// assert_eq!("update".parse::<WriteKind>()?, WriteKind::Update);
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// A new record.
    Create,
    /// A change of a record.
    Update,
}

impl std::str::FromStr for WriteKind {
    type Err = crate::Error;

    fn from_str(name: &str) -> Result<Self, crate::Error> {
        match name {
            "create" => Ok(Self::Create),
            "update" => Ok(Self::Update),
            _ => Err(crate::Error::new(
                crate::ErrorKind::InvalidConfig,
                format!("there is no schema of {name:?}: say create or update"),
            )),
        }
    }
}

/// The JSON Schema (draft 2020-12) of the records that a create or an update takes.
///
/// It is made of the fields of the model and of what the remote says of them. It refuses what [`RecordPatch::from_json`]
/// refuses, and what the remote is known to: a missing required field, text that is too long, a value that a restricted
/// list does not offer, a remote field that does not exist. What is taken with a warning is taken: read-only fields have
/// `readOnly`. It does not know of rules between fields; dependent choices stand in [`PicklistValue::valid_for`].
///
/// [`RecordPatch::from_json`]: crate::RecordPatch::from_json
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use unicrm_core::{json_schema, memory::MemoryProvider, LinkedAccountId, ObjectKind, Provider, WriteKind};
/// let provider = MemoryProvider::new(LinkedAccountId::random());
/// let schema = provider.describe(ObjectKind::Contact).await?;
/// let document = json_schema(&schema, &[], WriteKind::Create);
/// assert!(document.as_str().contains("https://json-schema.org/draft/2020-12/schema"));
/// # Ok::<_, unicrm_core::Error>(()) }).unwrap();
/// ```
#[must_use]
pub fn json_schema(schema: &Schema, mappings: &[FieldMapping], write: WriteKind) -> Json {
    let document = Document { schema, mappings, write };
    Json::of(&document.build())
}

struct Document<'a> {
    schema: &'a Schema,
    mappings: &'a [FieldMapping],
    write: WriteKind,
}

impl Document<'_> {
    fn build(&self) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for info in Record::fields_of(self.schema.kind) {
            let entries: Vec<&FieldSchema> = self.entries(info.name).collect();
            let needed = self.is_required(&entries);
            properties.insert(info.name.to_owned(), self.property(info, &entries, needed));
            if needed && self.write == WriteKind::Create {
                required.push(Value::from(info.name));
            }
        }
        let title = match self.write {
            WriteKind::Create => format!("create {}", self.schema.kind),
            WriteKind::Update => format!("update {}", self.schema.kind),
        };
        let mut document = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": title,
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        let needed: Vec<Value> = self.required_remote_fields().map(contains).collect();
        if !needed.is_empty() {
            required.push("remote_fields".into());
            set(&mut document, "allOf", needed.into());
        }
        if !required.is_empty() {
            set(&mut document, "required", required.into());
        }
        document
    }

    /// The remote's fields that a unified one shows.
    fn entries(&self, unified: &str) -> impl Iterator<Item = &FieldSchema> {
        let shows = move |field: &&FieldSchema| field.unified.as_deref() == Some(unified);
        self.schema.fields.iter().filter(shows)
    }

    fn is_writable(&self, field: &FieldSchema) -> bool {
        match self.write {
            WriteKind::Create => field.creatable,
            WriteKind::Update => field.updatable,
        }
    }

    /// Whether the remote field cannot be without a value. Of several remote objects, a write makes one: then none is sure.
    fn is_required(&self, entries: &[&FieldSchema]) -> bool {
        self.schema.remote_objects.len() == 1 && matches!(entries, [only] if only.required)
    }

    fn property(&self, info: &FieldInfo, entries: &[&FieldSchema], needed: bool) -> Value {
        let mut one = match info.ty {
            FieldType::RemoteField => self.remote_field(),
            FieldType::FieldMappings => self.field_mappings(),
            _ => item(info.ty),
        };
        if let ([entry], false) = (entries, info.list) {
            narrow(&mut one, info.ty, entry);
        }
        let mut property = if info.list { json!({"type": "array", "items": one}) } else { one };
        if !needed {
            property = or_null(property);
        }
        if let [entry] = entries
            && let Some(label) = &entry.label
        {
            set(&mut property, "title", label.as_str().into());
        }
        let kept = matches!(info.ty, FieldType::RemoteField | FieldType::FieldMappings);
        let own = info.ty == FieldType::Id || info.ty == FieldType::RemoteId;
        let known = own || !entries.is_empty();
        if known && !kept && !entries.iter().any(|entry| self.is_writable(entry)) {
            set(&mut property, "readOnly", true.into());
        }
        property
    }

    /// One remote field of a write: its class, by id or whole, and a value of its type.
    fn remote_field(&self) -> Value {
        let any_value = json!({
            "type": "object",
            "properties": {"remote_field_class": class(None), "value": {}},
            "required": ["remote_field_class"],
            "additionalProperties": false,
        });
        // A remote that shows its remote fields as one unified field takes any.
        if self.entries("remote_fields").next().is_some() {
            return any_value;
        }
        let rest = self.schema.fields.iter().filter(|field| field.unified.is_none());
        let known: Vec<Value> = rest
            .filter(|field| self.is_writable(field))
            .map(|field| {
                json!({
                    "type": "object",
                    "properties": {"remote_field_class": class(Some(field)), "value": remote_value(field)},
                    "required": ["remote_field_class"],
                    "additionalProperties": false,
                })
            })
            .collect();
        if known.is_empty() { any_value } else { json!({ "anyOf": known }) }
    }

    fn field_mappings(&self) -> Value {
        let own = self.mappings.iter().filter(|mapping| mapping.kind == self.schema.kind);
        let properties: Map<String, Value> =
            own.map(|mapping| (mapping.name.clone(), or_null(mapped_value(mapping.ty)))).collect();
        json!({
            "type": "object",
            "properties": {
                "organization_defined_targets": {"type": "object"},
                "linked_account_defined_targets":
                    {"type": "object", "properties": properties, "additionalProperties": false},
            },
            "additionalProperties": false,
        })
    }

    fn required_remote_fields(&self) -> impl Iterator<Item = &FieldSchema> {
        let asks = self.write == WriteKind::Create && self.schema.remote_objects.len() == 1;
        let needed = |field: &&FieldSchema| field.unified.is_none() && field.required && field.creatable;
        self.schema.fields.iter().filter(needed).filter(move |_| asks)
    }
}

/// What one value of a unified field looks like.
fn item(ty: FieldType) -> Value {
    let text = || json!({"type": "string"});
    match ty {
        FieldType::Id => json!({"type": "string", "format": "uuid"}),
        FieldType::Integer => json!({"type": "integer"}),
        FieldType::Amount => json!({"type": "number"}),
        FieldType::Boolean => json!({"type": "boolean"}),
        FieldType::Timestamp => json!({"type": "string", "format": "date-time"}),
        FieldType::Reference(kind) => json!({
            "description": format!("the {kind}, by unified id or by remote id"),
            "anyOf": [
                {"type": "string", "format": "uuid"},
                part(&[("remote_id", text(), true)]),
            ],
        }),
        // Values that are not listed are kept as they come.
        FieldType::Enum(known) => json!({"type": "string", "examples": known}),
        FieldType::Address => {
            let places = ["street_1", "street_2", "city", "state", "postal_code", "country", "address_type"];
            timed_part(&places)
        }
        FieldType::EmailAddress => timed_part(&["email_address", "email_address_type"]),
        FieldType::PhoneNumber => timed_part(&["phone_number", "phone_number_type"]),
        FieldType::RemoteData => part(&[("path", text(), true), ("data", json!({}), true)]),
        _ => text(),
    }
}

/// A part of texts, with the times of our copy.
fn timed_part(texts: &[&'static str]) -> Value {
    let texts = texts.iter().map(|name| (*name, or_null(json!({"type": "string"})), false));
    let times = ["created_at", "modified_at"].map(|name| (name, or_null(item(FieldType::Timestamp)), false));
    part(&texts.chain(times).collect::<Vec<_>>())
}

/// An object of these members, of which some must be there.
fn part(members: &[(&'static str, Value, bool)]) -> Value {
    let properties: Map<String, Value> =
        members.iter().map(|(name, value, _)| ((*name).to_owned(), value.clone())).collect();
    let required: Vec<&str> = members.iter().filter(|(.., needed)| *needed).map(|(name, ..)| *name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// Takes into account what the remote says of the field that a unified one stands for.
fn narrow(value: &mut Value, ty: FieldType, entry: &FieldSchema) {
    if ty == FieldType::Text {
        narrow_text(value, entry);
    }
    if let Some(description) = &entry.description {
        set(value, "description", description.as_str().into());
    }
}

/// How long a text may be, and which ones the remote offers.
fn narrow_text(value: &mut Value, field: &FieldSchema) {
    if let Some(length) = field.length {
        set(value, "maxLength", length.into());
    }
    let offered = offered(&field.picklist);
    if !offered.is_empty() {
        set(value, if field.restricted { "enum" } else { "examples" }, offered.into());
    }
}

/// A value of a remote field.
fn remote_value(field: &FieldSchema) -> Value {
    let mut value = match field.format {
        FieldFormat::Number if field.scale == Some(0) => json!({"type": "integer"}),
        FieldFormat::Number => json!({"type": "number"}),
        FieldFormat::Bool => json!({"type": "boolean"}),
        FieldFormat::Date => json!({"type": "string", "format": "date", "pattern": DATE}),
        // As it is read it may have an offset without a colon, which is no date-time of RFC 3339.
        FieldFormat::Datetime => json!({"type": "string", "pattern": DATETIME}),
        FieldFormat::List => {
            let mut item = json!({"type": "string"});
            let offered = offered(&field.picklist);
            if field.restricted && !offered.is_empty() {
                set(&mut item, "enum", offered.into());
            }
            json!({"anyOf": [{"type": "string"}, {"type": "array", "items": item}]})
        }
        _ => {
            let mut text = json!({"type": "string"});
            narrow_text(&mut text, field);
            text
        }
    };
    // Of a boolean there is always a value, also where the remote does not ask for one.
    if !field.required && field.format != FieldFormat::Bool {
        value = or_null(value);
    }
    if let Some(label) = &field.label {
        set(&mut value, "title", label.as_str().into());
    }
    value
}

const DATE: &str = r"^\d{4}-\d{2}-\d{2}$";
const DATETIME: &str = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})$";

/// A value of a mapped field.
fn mapped_value(ty: MappedType) -> Value {
    match ty {
        MappedType::Text => json!({"type": "string"}),
        MappedType::Number => json!({"type": "number"}),
        MappedType::Boolean => json!({"type": "boolean"}),
        MappedType::Date => json!({"type": "string", "format": "date", "pattern": DATE}),
        MappedType::Timestamp => json!({"type": "string", "format": "date-time"}),
        MappedType::List => json!({"type": "array", "items": {"type": "string"}}),
    }
}

/// The class of a remote field, by id or whole; of any field, or of this one.
fn class(field: Option<&FieldSchema>) -> Value {
    let by_id = match field {
        Some(FieldSchema { class_id: Some(id), .. }) => json!({"const": id}),
        Some(_) => json!(false),
        None => json!({"type": "string"}),
    };
    let mut whole = json!({"type": "object"});
    if let Some(field) = field {
        set(&mut whole, "properties", json!({"remote_key_name": {"const": field.remote}}));
        set(&mut whole, "required", json!(["remote_key_name"]));
    }
    json!({"anyOf": [by_id, whole]})
}

/// That a record names a remote field, with a value.
fn contains(field: &FieldSchema) -> Value {
    let named = json!({
        "properties": {"remote_field_class": class(Some(field)), "value": {"not": {"type": "null"}}},
        "required": ["remote_field_class", "value"],
    });
    json!({"properties": {"remote_fields": {"contains": named}}})
}

fn offered(picklist: &[PicklistValue]) -> Vec<&str> {
    picklist.iter().filter(|value| value.active).map(|value| value.value.as_str()).collect()
}

fn or_null(value: Value) -> Value {
    let mut either = Map::new();
    either.insert("anyOf".to_owned(), Value::Array(vec![value, json!({"type": "null"})]));
    Value::Object(either)
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(object) = object {
        object.insert(key.to_owned(), value);
    }
}
