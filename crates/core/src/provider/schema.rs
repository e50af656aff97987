//! The fields of an object, unified and remote.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{FieldFormat, ObjectKind};

/// The fields of an object as this user sees them.
///
/// ```
/// use unicrm_core::{ObjectKind, Schema};
/// let schema = Schema::new(ObjectKind::Contact, vec!["Contact".to_owned()]);
/// assert!(schema.fields.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Schema {
    /// Which object.
    pub kind: ObjectKind,
    /// The remote objects behind it.
    pub remote_objects: Vec<String>,
    /// The fields: those with a unified name first.
    pub fields: Vec<FieldSchema>,
    /// Sorts of record that offer choices of their own, where the remote knows such; empty where all records offer the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub record_types: Vec<RecordType>,
}

impl Schema {
    /// A schema without fields yet.
    #[must_use]
    pub fn new(kind: ObjectKind, remote_objects: Vec<String>) -> Self {
        Self { kind, remote_objects, fields: Vec::new(), record_types: Vec::new() }
    }
}

/// One field of the remote, and the unified field that shows it.
///
/// ```
/// use unicrm_core::{FieldFormat, FieldSchema};
/// let field = FieldSchema::new("Contact", "Tier__c", FieldFormat::String);
/// assert!(field.unified.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FieldSchema {
    /// The unified field, when there is one; otherwise it is a remote field.
    pub unified: Option<String>,
    /// The remote object that has it.
    pub remote_object: String,
    /// The remote's own name.
    pub remote: String,
    /// The id of its class as a remote field, when writes may name it by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_id: Option<String>,
    /// The label that people see.
    pub label: Option<String>,
    /// Help text.
    pub description: Option<String>,
    /// What its values are.
    pub format: FieldFormat,
    /// The remote's own type.
    pub remote_type: Option<String>,
    /// The greatest length of a text, in characters.
    pub length: Option<u32>,
    /// Digits in all, of a number.
    pub precision: Option<u8>,
    /// Digits behind the point, of a number.
    pub scale: Option<u8>,
    /// The values that it offers.
    pub picklist: Vec<PicklistValue>,
    /// Whether only those values are taken.
    pub restricted: bool,
    /// The remote field whose value decides which of the values may be chosen; see [`PicklistValue::valid_for`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// The remote objects that a reference may point at.
    pub references: Vec<String>,
    /// Whether a create must name it.
    pub required: bool,
    /// Whether the customer added it.
    pub custom: bool,
    /// Whether a create may name it.
    pub creatable: bool,
    /// Whether an update may name it.
    pub updatable: bool,
}

impl FieldSchema {
    /// A field that can only be read.
    pub fn new(remote_object: impl Into<String>, remote: impl Into<String>, format: FieldFormat) -> Self {
        Self {
            unified: None,
            remote_object: remote_object.into(),
            remote: remote.into(),
            class_id: None,
            label: None,
            description: None,
            format,
            remote_type: None,
            length: None,
            precision: None,
            scale: None,
            picklist: Vec::new(),
            restricted: false,
            controller: None,
            references: Vec::new(),
            required: false,
            custom: false,
            creatable: false,
            updatable: false,
        }
    }
}

/// A value that a field offers.
///
/// ```
/// use unicrm_core::PicklistValue;
/// let value = PicklistValue::new("Web");
/// assert!(value.active && value.valid_for.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PicklistValue {
    /// The value.
    pub value: String,
    /// The label that people see.
    pub label: String,
    /// Whether new records may have it.
    pub active: bool,
    /// Whether it is the default.
    pub default: bool,
    /// Of a dependent field: the values of its controller under which this one may be chosen. None where it always may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<Vec<String>>,
}

impl PicklistValue {
    /// An active value that is its own label.
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        Self { label: value.clone(), value, active: true, default: false, valid_for: None }
    }
}

/// A sort of record with its own choice of picklist values (Salesforce: a record type).
///
/// ```
/// use unicrm_core::RecordType;
/// let partner = RecordType::new("Account", "012000000000001AAA", "Partner");
/// assert!(partner.picklists.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RecordType {
    /// The remote object that has it.
    pub remote_object: String,
    /// The remote's own id.
    pub id: String,
    /// The label that people see.
    pub name: String,
    /// Whether new records are of this sort when they do not say.
    pub default: bool,
    /// The values that records of this sort offer, by the remote's name of the field.
    pub picklists: BTreeMap<String, Vec<String>>,
}

impl RecordType {
    /// A sort of record that offers nothing yet.
    pub fn new(remote_object: impl Into<String>, id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            remote_object: remote_object.into(),
            id: id.into(),
            name: name.into(),
            default: false,
            picklists: BTreeMap::new(),
        }
    }
}
