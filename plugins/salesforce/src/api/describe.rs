//! Descriptions of objects: what this user sees of them.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};

use super::answer::json;
use crate::error::Fault;

/// An object as this user sees it.
#[derive(Clone, Debug)]
pub(crate) struct Describe {
    /// The object itself.
    pub(crate) object: GlobalObject,
    /// Its fields, in Salesforce's order. Those that the user may not see are absent.
    pub(crate) fields: Vec<DescribeField>,
    /// The objects that point to it.
    pub(crate) child_relationships: Vec<ChildRelationship>,
    /// Its record types, the one that every object has among them.
    pub(crate) record_types: Vec<RecordTypeInfo>,
    by_name: HashMap<String, usize>,
}

impl Describe {
    /// Reads the answer of `/sobjects/X/describe`.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Members {
            fields: Vec<DescribeField>,
            #[serde(default)]
            child_relationships: Vec<ChildRelationship>,
            #[serde(default)]
            record_type_infos: Vec<RecordTypeInfo>,
        }
        const WHAT: &str = "the description of an object";
        // Two passes instead of a flattened form, which would read every value twice and numbers inexactly.
        let object: GlobalObject = json(text, WHAT)?;
        let Members { fields, child_relationships, record_type_infos } = json(text, WHAT)?;
        let by_name =
            fields.iter().enumerate().map(|(at, field)| (field.name.to_ascii_lowercase(), at)).collect();
        Ok(Self { object, fields, child_relationships, record_types: record_type_infos, by_name })
    }

    /// A field by its name, in any case as Salesforce has it.
    pub(crate) fn field(&self, name: &str) -> Option<&DescribeField> {
        self.by_name.get(&name.to_ascii_lowercase()).and_then(|at| self.fields.get(*at))
    }

    /// Whether records of another object can be selected through this relationship.
    pub(crate) fn has_child_relationship(&self, name: &str) -> bool {
        let named = |child: &ChildRelationship| {
            child.relationship_name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        self.child_relationships.iter().any(named)
    }
}

/// The head of a description, and an entry of the list of all objects. What a release does not send is false.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GlobalObject {
    /// The API name.
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) label: String,
    #[serde(default)]
    pub(crate) label_plural: Option<String>,
    /// The first three characters of its records' ids.
    #[serde(default)]
    pub(crate) key_prefix: Option<String>,
    #[serde(default)]
    pub(crate) custom: bool,
    #[serde(default)]
    pub(crate) createable: bool,
    #[serde(default)]
    pub(crate) updateable: bool,
    #[serde(default)]
    pub(crate) deletable: bool,
    #[serde(default)]
    pub(crate) undeletable: bool,
    #[serde(default)]
    pub(crate) mergeable: bool,
    #[serde(default)]
    pub(crate) queryable: bool,
    #[serde(default)]
    pub(crate) retrieveable: bool,
    #[serde(default)]
    pub(crate) searchable: bool,
    /// Whether getUpdated and getDeleted know it.
    #[serde(default)]
    pub(crate) replicateable: bool,
    #[serde(default)]
    pub(crate) triggerable: bool,
    #[serde(default)]
    pub(crate) deprecated_and_hidden: bool,
    /// Whether its records are settings of the org.
    #[serde(default)]
    pub(crate) custom_setting: bool,
}

/// The objects that this user sees at all.
#[derive(Clone, Debug)]
pub(crate) struct GlobalDescribe {
    /// In Salesforce's order.
    pub(crate) objects: Vec<GlobalObject>,
    by_name: HashMap<String, usize>,
}

impl GlobalDescribe {
    /// Reads the answer of `/sobjects`.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Wire {
            sobjects: Vec<GlobalObject>,
        }
        let Wire { sobjects: objects } = json(text, "the list of objects")?;
        let by_name =
            objects.iter().enumerate().map(|(at, object)| (object.name.to_ascii_lowercase(), at)).collect();
        Ok(Self { objects, by_name })
    }

    /// An object by its name, in any case.
    pub(crate) fn object(&self, name: &str) -> Option<&GlobalObject> {
        self.by_name.get(&name.to_ascii_lowercase()).and_then(|at| self.objects.get(*at))
    }
}

/// A field as this user sees it. What a release does not send is false, zero or none.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeField {
    /// The API name.
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) label: String,
    #[serde(rename = "type")]
    pub(crate) field_type: FieldType,
    /// Characters of a text; zero for none.
    #[serde(default)]
    pub(crate) length: u32,
    /// Digits of a number in all, of which `scale` are behind the point.
    #[serde(default)]
    pub(crate) precision: u8,
    #[serde(default)]
    pub(crate) scale: u8,
    /// Digits of a whole number.
    #[serde(default)]
    pub(crate) digits: u8,
    #[serde(default)]
    pub(crate) nillable: bool,
    #[serde(default)]
    pub(crate) createable: bool,
    #[serde(default)]
    pub(crate) updateable: bool,
    #[serde(default)]
    pub(crate) custom: bool,
    #[serde(default)]
    pub(crate) filterable: bool,
    #[serde(default)]
    pub(crate) sortable: bool,
    #[serde(default)]
    pub(crate) defaulted_on_create: bool,
    /// Whether no two records have the same value.
    #[serde(default)]
    pub(crate) unique: bool,
    /// Whether texts that differ in case are two values.
    #[serde(default)]
    pub(crate) case_sensitive: bool,
    /// Whether permission sets say who sees it; the others everybody sees who sees the object.
    #[serde(default)]
    pub(crate) permissionable: bool,
    /// The field of which it is a part, such as `MailingAddress`; permissions are given on the whole.
    #[serde(default)]
    pub(crate) compound_field_name: Option<String>,
    /// Whether it holds the key of another system.
    #[serde(default)]
    pub(crate) external_id: bool,
    /// Whether records can be found by it where a key is asked for.
    #[serde(default)]
    pub(crate) id_lookup: bool,
    /// The field that decides which values may be chosen.
    #[serde(default)]
    pub(crate) controller_name: Option<String>,
    #[serde(default)]
    pub(crate) restricted_picklist: bool,
    #[serde(default)]
    pub(crate) picklist_values: Vec<PicklistEntry>,
    /// The objects that a reference may point to.
    #[serde(default)]
    pub(crate) reference_to: Vec<String>,
    #[serde(default)]
    pub(crate) inline_help_text: Option<String>,
    #[serde(default)]
    pub(crate) deprecated_and_hidden: bool,
}

/// A value of a picklist.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PicklistEntry {
    /// What records hold.
    #[serde(deserialize_with = "text_or_nothing")]
    pub(crate) value: String,
    /// What people see.
    #[serde(default)]
    pub(crate) label: Option<String>,
    #[serde(default)]
    pub(crate) active: bool,
    #[serde(default)]
    pub(crate) default_value: bool,
    /// The values of the controlling field under which it may be chosen, as a set of bits.
    #[serde(default)]
    pub(crate) valid_for: Option<String>,
}

/// A record type, as far as this user is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordTypeInfo {
    pub(crate) record_type_id: String,
    #[serde(default)]
    pub(crate) name: String,
    /// Whether this user may make records of it.
    #[serde(default)]
    pub(crate) available: bool,
    #[serde(default)]
    pub(crate) default_record_type_mapping: bool,
}

/// An object that points to another one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChildRelationship {
    /// The object that points.
    #[serde(rename = "childSObject")]
    pub(crate) child_object: String,
    /// The field by which it does.
    pub(crate) field: String,
    /// The name for a select list; none if it cannot be selected.
    #[serde(default)]
    pub(crate) relationship_name: Option<String>,
    #[serde(default)]
    pub(crate) cascade_delete: bool,
    #[serde(default)]
    pub(crate) deprecated_and_hidden: bool,
}

macro_rules! field_types {
    ($($name:ident => $text:literal,)+) => {
        /// The type of a field.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum FieldType {
            $(#[doc = $text] $name,)+
            /// A type that this version does not know.
            Other(Box<str>),
        }

        impl FieldType {
            /// As Salesforce spells it.
            pub(crate) fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for FieldType {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$name,)+
                    other => Self::Other(other.into()),
                }
            }
        }
    };
}

field_types! {
    Id => "id",
    String => "string",
    TextArea => "textarea",
    Boolean => "boolean",
    Int => "int",
    Long => "long",
    Double => "double",
    Currency => "currency",
    Percent => "percent",
    Date => "date",
    DateTime => "datetime",
    Time => "time",
    Reference => "reference",
    Picklist => "picklist",
    MultiPicklist => "multipicklist",
    ComboBox => "combobox",
    Email => "email",
    Phone => "phone",
    Url => "url",
    Base64 => "base64",
    Address => "address",
    Location => "location",
    EncryptedString => "encryptedstring",
    AnyType => "anyType",
    ComplexValue => "complexvalue",
    DataCategoryGroupReference => "DataCategoryGroupReference",
}

impl FieldType {
    /// Whether its values are numbers.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Long | Self::Double | Self::Currency | Self::Percent)
    }
}

impl<'de> Deserialize<'de> for FieldType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// Some orgs have a picklist entry whose value is null.
fn text_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}
