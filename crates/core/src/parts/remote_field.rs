//! Remote fields: everything that the remote has and the unified model has no place for.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Json;
use crate::field::json_field;
use crate::open_enum::open_enum;

/// A field of the remote record, with its class and its value as the remote gave it.
///
/// ```
/// use std::sync::Arc;
/// use unicrm_core::{Json, RemoteField, RemoteFieldClass};
/// let mut class = RemoteFieldClass::default();
/// class.remote_key_name = Some("Tier__c".to_owned());
/// let field = RemoteField::new(Arc::new(class), Json::text("gold"));
/// assert_eq!(field.key(), Some("Tier__c"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RemoteField {
    /// The field's class, whole or by id.
    pub remote_field_class: RemoteFieldClassRef,
    /// The value.
    #[serde(default = "null")]
    pub value: Json,
}

fn null() -> Json {
    Json::of(&())
}

impl RemoteField {
    /// A field of a class. The class is shared by all records that have the field.
    #[must_use]
    pub fn new(class: Arc<RemoteFieldClass>, value: Json) -> Self {
        Self { remote_field_class: RemoteFieldClassRef::Class(class), value }
    }

    /// The remote's own name of the field, when the class is here whole.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match &self.remote_field_class {
            RemoteFieldClassRef::Class(class) => class.remote_key_name.as_deref(),
            RemoteFieldClassRef::Id(_) => None,
        }
    }
}

/// A remote field's class: whole, or by its id alone.
///
/// ```
/// use unicrm_core::RemoteFieldClassRef;
/// let by_id: RemoteFieldClassRef = serde_json::from_str("\"8f2c\"").unwrap();
/// assert_eq!(by_id, RemoteFieldClassRef::Id("8f2c".to_owned()));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum RemoteFieldClassRef {
    /// By id.
    Id(String),
    /// Whole.
    Class(Arc<RemoteFieldClass>),
}

impl Serialize for RemoteFieldClassRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Id(id) => serializer.serialize_str(id),
            Self::Class(class) => class.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RemoteFieldClassRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdOrClass;

        impl<'de> Visitor<'de> for IdOrClass {
            type Value = RemoteFieldClassRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the id of a remote field class, or the class itself")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<Self::Value, E> {
                Ok(RemoteFieldClassRef::Id(id.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let class = RemoteFieldClass::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(RemoteFieldClassRef::Class(Arc::new(class)))
            }
        }

        deserializer.deserialize_any(IdOrClass)
    }
}

open_enum! {
    /// The type of a remote field's values, and their format.
    ///
    /// ```
    /// use unicrm_core::FieldFormat;
    /// assert_eq!(FieldFormat::from("datetime"), FieldFormat::Datetime);
    /// ```
    pub enum FieldFormat {
        /// Text.
        String => "string",
        /// A number.
        Number => "number",
        /// A calendar day.
        Date => "date",
        /// An instant.
        Datetime => "datetime",
        /// True or false.
        Bool => "bool",
        /// A list of items; see [`ItemSchema`].
        List => "list",
    }
}

/// What a remote field is, the same for all records of an object.
///
/// ```
/// use unicrm_core::{from_json, FieldChoice, RemoteFieldClass};
/// let class: RemoteFieldClass =
///     from_json(r#"{"id": "1", "field_choices": ["a", {"value": "b", "display_name": "B"}]}"#)?;
/// assert_eq!(class.field_choices[0], FieldChoice::Value("a".to_owned()));
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RemoteFieldClass {
    /// The class's id: any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The label that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The remote's own name of the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_key_name: Option<String>,
    /// Help text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the customer added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_custom: Option<bool>,
    /// Whether a unified field shows it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_common_model_field: Option<bool>,
    /// Whether a create must name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_required: Option<bool>,
    /// What its values are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_type: Option<FieldFormat>,
    /// How they are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_format: Option<FieldFormat>,
    /// The values that it offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub field_choices: Vec<FieldChoice>,
    /// What the items of a list are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_schema: Option<ItemSchema>,
}

/// A value that a remote field offers: with its label, or the bare value.
///
/// ```
/// use unicrm_core::FieldChoice;
/// assert_eq!(serde_json::to_string(&FieldChoice::Value("a".to_owned())).unwrap(), "\"a\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldChoice {
    /// The bare value.
    Value(String),
    /// The value and the label that people see.
    Labelled {
        /// The value.
        value: String,
        /// The label.
        display_name: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelledChoice {
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
}

impl Serialize for FieldChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => serializer.serialize_str(value),
            Self::Labelled { value, display_name } => {
                LabelledChoice { value: value.clone(), display_name: display_name.clone() }
                    .serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for FieldChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueOrLabelled;

        impl<'de> Visitor<'de> for ValueOrLabelled {
            type Value = FieldChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, or {\"value\": ..., \"display_name\": ...}")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<FieldChoice, E> {
                Ok(FieldChoice::Value(value.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FieldChoice, A::Error> {
                let choice = LabelledChoice::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(FieldChoice::Labelled { value: choice.value, display_name: choice.display_name })
            }
        }

        deserializer.deserialize_any(ValueOrLabelled)
    }
}

/// What the items of a list field are.
///
/// ```
/// use unicrm_core::{from_json, ItemSchema};
/// let schema: ItemSchema = from_json(r#"{"item_type": "string", "item_choices": ["a"]}"#)?;
/// assert_eq!(schema.item_choices, ["a"]);
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ItemSchema {
    /// What one item is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_type: Option<FieldFormat>,
    /// How it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_format: Option<FieldFormat>,
    /// The values that an item may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub item_choices: Vec<String>,
}

json_field!(RemoteField => RemoteField);
