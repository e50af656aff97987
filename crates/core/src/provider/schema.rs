//! The fields of an object, unified and remote.

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
}

impl Schema {
    /// A schema without fields yet.
    #[must_use]
    pub fn new(kind: ObjectKind, remote_objects: Vec<String>) -> Self {
        Self { kind, remote_objects, fields: Vec::new() }
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
            label: None,
            description: None,
            format,
            remote_type: None,
            length: None,
            precision: None,
            scale: None,
            picklist: Vec::new(),
            restricted: false,
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
/// let value = PicklistValue { value: "Web".to_owned(), label: "Web".to_owned(), active: true, default: false };
/// assert!(value.active);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PicklistValue {
    /// The value.
    pub value: String,
    /// The label that people see.
    pub label: String,
    /// Whether new records may have it.
    pub active: bool,
    /// Whether it is the default.
    pub default: bool,
}
