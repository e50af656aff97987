//! What all ten objects have in common, and the macro that defines one.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{FieldInfo, Id, ObjectKind, Record, RecordPatch, RemoteField, RemoteId, Result, Value};

/// One of the ten unified objects.
///
/// Fields are public and hold *value or none*; a list that is empty and one that may not be seen look alike, the access
/// report tells them apart. In JSON, fields without a value are left out, and unknown keys are an error that names them.
///
/// ```
/// use unicrm_core::{Object, ObjectKind, Stage};
/// assert_eq!(Stage::KIND, ObjectKind::Stage);
/// let mut stage = Stage::default();
/// stage.name = Some("Proposal".to_owned());
/// assert_eq!(serde_json::to_string(&stage).unwrap(), r#"{"name":"Proposal"}"#);
/// ```
pub trait Object:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Into<Record> + Send + Sync + 'static
{
    /// Which of the ten.
    const KIND: ObjectKind;
    /// The fields, in the order of the JSON.
    const FIELDS: &'static [FieldInfo];
    /// What a write of this object names.
    type Patch: ObjectPatch<Object = Self>;

    /// The unified id.
    fn id(&self) -> Option<Id<Self>>;
    /// The remote id.
    fn remote_id(&self) -> Option<&RemoteId>;
    /// The remote fields that have no place among the unified ones.
    fn remote_fields(&self) -> &[RemoteField];
    /// Takes the record out, when it is of this kind.
    fn from_record(record: Record) -> Option<Self>;
    /// The value of a field; none when it holds nothing or there is no such field.
    fn get(&self, field: &str) -> Option<Value<'_>>;
    /// Sets or clears a field. Errors name the field: there is none of this name, or the value is not of its type.
    fn set(&mut self, field: &str, value: Option<Value<'_>>) -> Result<()>;
    /// Calls `visit` for each field in order, with its value.
    fn visit(&self, visit: &mut dyn FnMut(&'static FieldInfo, Option<Value<'_>>));
}

/// What a write says about an object: each field absent, null or with a value.
///
/// ```
/// use unicrm_core::{Contact, ContactPatch, ObjectPatch};
/// let mut contact = Contact::default();
/// let patch = ContactPatch::new().first_name("Gil");
/// patch.apply_to(&mut contact);
/// assert_eq!(contact.first_name.as_deref(), Some("Gil"));
/// assert_eq!(patch.named(), ["first_name"]);
/// ```
pub trait ObjectPatch:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Into<RecordPatch> + Send + Sync + 'static
{
    /// The object that it writes.
    type Object: Object<Patch = Self>;

    /// The patch that sets what the object has and names nothing else: a create of the same record.
    fn from_object(object: Self::Object) -> Self;
    /// The patch that turns `before` into `after` and names only what differs.
    fn difference(before: &Self::Object, after: &Self::Object) -> Self;
    /// Does to a record what the remote is asked to do.
    fn apply_to(&self, object: &mut Self::Object);
    /// The names of the fields that it names, in the order of the JSON.
    fn named(&self) -> Vec<&'static str>;
    /// Takes the patch out, when it is of this kind.
    fn from_record(patch: RecordPatch) -> Option<Self>;
}

/// The patch state of a field's shape.
macro_rules! patch_of {
    (Option $item:ty) => { $crate::Patch<$item> };
    (Vec $item:ty) => { $crate::Patch<Vec<$item>> };
}
pub(crate) use patch_of;

/// Moves one field between an object and a patch; the two shapes differ in how a value goes in.
macro_rules! field_shape {
    (@to_patch Option $value:expr) => {
        $value.map_or($crate::Patch::Absent, $crate::Patch::Set)
    };
    (@to_patch Vec $value:expr) => {{
        let list = $value;
        if list.is_empty() { $crate::Patch::Absent } else { $crate::Patch::Set(list) }
    }};
    (@set Option $target:expr, $value:expr) => {
        $target = Some($value.clone())
    };
    (@set Vec $target:expr, $value:expr) => {
        $target = $value.clone()
    };
    (@changed Option $after:expr) => {
        $after.clone().map_or($crate::Patch::Null, $crate::Patch::Set)
    };
    (@changed Vec $after:expr) => {
        $crate::Patch::Set($after.clone())
    };
}
pub(crate) use field_shape;

/// Defines one object, its patch and both trait implementations from the list of its fields.
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub struct $name:ident, $(#[$patch_meta:meta])* $patch:ident {
            $($(#[$field_meta:meta])* $field:ident: $shape:ident<$item:ty>,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(default, skip_serializing_if = "crate::field::Slot::is_unset")]
                pub $field: $shape<$item>,
            )+
        }

        $(#[$patch_meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $patch {
            $(
                $(#[$field_meta])*
                #[serde(default, skip_serializing_if = "crate::Patch::is_absent")]
                pub $field: $crate::object::patch_of!($shape $item),
            )+
        }

        impl $patch {
            /// A patch that names nothing yet.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[$field_meta])*
                #[must_use]
                pub fn $field(mut self, value: impl Into<$crate::object::patch_of!($shape $item)>) -> Self {
                    self.$field = value.into();
                    self
                }
            )+
        }

        impl $crate::Object for $name {
            const KIND: $crate::ObjectKind = $crate::ObjectKind::$name;
            const FIELDS: &'static [$crate::FieldInfo] = &[$($crate::FieldInfo::new(
                stringify!($field),
                <<$shape<$item> as $crate::field::Slot>::Item as $crate::field::FieldValue>::TYPE,
                <$shape<$item> as $crate::field::Slot>::LIST,
            )),+];
            type Patch = $patch;

            fn id(&self) -> Option<$crate::Id<Self>> {
                self.id
            }

            fn remote_id(&self) -> Option<&$crate::RemoteId> {
                self.remote_id.as_ref()
            }

            fn remote_fields(&self) -> &[$crate::RemoteField] {
                &self.remote_fields
            }

            fn from_record(record: $crate::Record) -> Option<Self> {
                match record {
                    $crate::Record::$name(object) => Some(object),
                    _ => None,
                }
            }

            fn get(&self, field: &str) -> Option<$crate::Value<'_>> {
                match field {
                    $(stringify!($field) => $crate::field::Slot::view(&self.$field),)+
                    _ => None,
                }
            }

            fn set(&mut self, field: &str, value: Option<$crate::Value<'_>>) -> $crate::Result<()> {
                let wrong = match field {
                    $(stringify!($field) => match value.map($crate::field::Slot::from_value).transpose() {
                        Ok(slot) => {
                            self.$field = slot.unwrap_or_default();
                            return Ok(());
                        }
                        Err(wrong) => wrong,
                    },)+
                    _ => return Err($crate::object::no_such_field(Self::KIND, Self::FIELDS, field)),
                };
                Err($crate::Error::new($crate::ErrorKind::InvalidRequest, "the value does not fit the field")
                    .with_field(format!("/{field}"), format!("expected {}", wrong.expected)))
            }

            fn visit(&self, visit: &mut dyn FnMut(&'static $crate::FieldInfo, Option<$crate::Value<'_>>)) {
                let mut fields = Self::FIELDS.iter();
                $(if let Some(info) = fields.next() {
                    visit(info, $crate::field::Slot::view(&self.$field));
                })+
            }
        }

        impl $crate::ObjectPatch for $patch {
            type Object = $name;

            fn from_object(object: $name) -> Self {
                Self { $($field: $crate::object::field_shape!(@to_patch $shape object.$field),)+ }
            }

            fn difference(before: &$name, after: &$name) -> Self {
                let mut patch = Self::default();
                $(if before.$field != after.$field {
                    patch.$field = $crate::object::field_shape!(@changed $shape after.$field);
                })+
                patch
            }

            fn apply_to(&self, object: &mut $name) {
                $(match &self.$field {
                    $crate::Patch::Absent => {}
                    $crate::Patch::Null => object.$field = Default::default(),
                    $crate::Patch::Set(value) => {
                        $crate::object::field_shape!(@set $shape object.$field, value);
                    }
                })+
            }

            fn named(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if !self.$field.is_absent() {
                    names.push(stringify!($field));
                })+
                names
            }

            fn from_record(patch: $crate::RecordPatch) -> Option<Self> {
                match patch {
                    $crate::RecordPatch::$name(patch) => Some(patch),
                    _ => None,
                }
            }
        }

        impl From<$name> for $crate::Record {
            fn from(object: $name) -> Self {
                Self::$name(object)
            }
        }

        impl From<$patch> for $crate::RecordPatch {
            fn from(patch: $patch) -> Self {
                Self::$name(patch)
            }
        }
    };
}
pub(crate) use object;

#[cold]
pub(crate) fn no_such_field(kind: ObjectKind, fields: &[FieldInfo], name: &str) -> crate::Error {
    let known: Vec<_> = fields.iter().map(|field| field.name).collect();
    crate::Error::new(crate::ErrorKind::InvalidRequest, format!("{kind} has no such field"))
        .with_field(format!("/{name}"), format!("the fields are {}", known.join(", ")))
}
