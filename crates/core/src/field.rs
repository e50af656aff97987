//! Fields at run time: what stores, tables, filters and exports see of an object without knowing its type.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{Amount, Id, Json, Object, ObjectKind, Ref, RemoteId};

/// One field of an object: its name in JSON and what it holds.
///
/// ```
/// use unicrm_core::{Contact, FieldType, Object};
/// let field = Contact::FIELDS.iter().find(|field| field.name == "addresses").unwrap();
/// assert_eq!(field.ty, FieldType::Address);
/// assert!(field.list);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldInfo {
    /// The key in JSON.
    pub name: &'static str,
    /// What one value of it is.
    pub ty: FieldType,
    /// Whether it holds any number of them.
    pub list: bool,
}

impl FieldInfo {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, ty: FieldType, list: bool) -> Self {
        Self { name, ty, list }
    }
}

/// What one value of a field is.
///
/// ```
/// use unicrm_core::{FieldType, Object, ObjectKind, Task};
/// let owner = Task::FIELDS.iter().find(|field| field.name == "owner").unwrap();
/// assert_eq!(owner.ty, FieldType::Reference(ObjectKind::User));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldType {
    /// The unified id, a UUID.
    Id,
    /// The remote id.
    RemoteId,
    /// Text.
    Text,
    /// A whole number of at most 64 bits.
    Integer,
    /// An exact decimal.
    Amount,
    /// True or false.
    Boolean,
    /// An instant in UTC.
    Timestamp,
    /// A reference to a record of this kind.
    Reference(ObjectKind),
    /// One of these texts, or any other.
    Enum(&'static [&'static str]),
    /// A postal address.
    Address,
    /// An e-mail address with its type.
    EmailAddress,
    /// A phone number with its type.
    PhoneNumber,
    /// A remote field with its class.
    RemoteField,
    /// A piece of the raw record.
    RemoteData,
    /// The fields that a field mapping lifted.
    FieldMappings,
}

/// One value of a field, or the JSON of a whole list.
///
/// ```
/// use unicrm_core::{Contact, Object, Value};
/// let mut contact = Contact::default();
/// contact.set("first_name", Some(Value::Text("Gil".into())))?;
/// assert_eq!(contact.get("first_name"), Some(Value::Text("Gil".into())));
/// assert!(contact.set("first_name", Some(Value::Boolean(true))).is_err());
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Text, a remote id or an enum's value.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// An exact decimal.
    Amount(Amount),
    /// True or false.
    Boolean(bool),
    /// An instant.
    Timestamp(Timestamp),
    /// A unified id.
    Id(Uuid),
    /// A reference: the unified id, the remote id, or both.
    Reference {
        /// The unified id.
        id: Option<Uuid>,
        /// The remote id.
        remote_id: Option<RemoteId>,
    },
    /// JSON: a list, or a part with fields of its own.
    Json(Cow<'a, str>),
}

impl fmt::Display for Value<'_> {
    /// The value as a table or a CSV cell shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Json(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Amount(amount) => amount.fmt(f),
            Self::Boolean(flag) => flag.fmt(f),
            Self::Timestamp(instant) => instant.fmt(f),
            Self::Id(id) | Self::Reference { id: Some(id), .. } => id.fmt(f),
            Self::Reference { id: None, remote_id: Some(remote_id) } => remote_id.fmt(f),
            Self::Reference { id: None, remote_id: None } => Ok(()),
        }
    }
}

/// The value offered is not of the field's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongType {
    pub(crate) expected: &'static str,
}

/// A type that can stand in a field: how it looks at run time, and back.
pub(crate) trait FieldValue: Sized {
    const TYPE: FieldType;

    fn view(&self) -> Value<'_>;
    fn from_value(value: Value<'_>) -> Result<Self, WrongType>;
}

macro_rules! scalar {
    ($($rust:ty, $ty:ident, $expected:literal, $pattern:pat => $back:expr, $self_:ident => $view:expr;)+) => {$(
        impl FieldValue for $rust {
            const TYPE: FieldType = FieldType::$ty;
            fn view(&self) -> Value<'_> {
                let $self_ = self;
                $view
            }
            fn from_value(value: Value<'_>) -> Result<Self, WrongType> {
                match value {
                    $pattern => Ok($back),
                    _ => Err(WrongType { expected: $expected }),
                }
            }
        }
    )+};
}

scalar! {
    String, Text, "text", Value::Text(text) => text.into_owned(), this => Value::Text(Cow::Borrowed(this));
    RemoteId, RemoteId, "text", Value::Text(text) => Self::from(text), this => Value::Text(Cow::Borrowed(this.as_str()));
    i64, Integer, "a whole number", Value::Integer(number) => number, this => Value::Integer(*this);
    Amount, Amount, "an amount", Value::Amount(amount) => amount, this => Value::Amount(*this);
    bool, Boolean, "true or false", Value::Boolean(flag) => flag, this => Value::Boolean(*this);
    Timestamp, Timestamp, "an instant", Value::Timestamp(instant) => instant, this => Value::Timestamp(*this);
}

impl<T> FieldValue for Id<T> {
    const TYPE: FieldType = FieldType::Id;

    fn view(&self) -> Value<'_> {
        Value::Id(*self.as_uuid())
    }

    fn from_value(value: Value<'_>) -> Result<Self, WrongType> {
        match value {
            Value::Id(uuid) => Ok(Self::from_uuid(uuid)),
            _ => Err(WrongType { expected: "a unified id" }),
        }
    }
}

impl<T: Object> FieldValue for Ref<T> {
    const TYPE: FieldType = FieldType::Reference(T::KIND);

    fn view(&self) -> Value<'_> {
        Value::Reference { id: self.id().map(|id| *id.as_uuid()), remote_id: self.remote_id().cloned() }
    }

    fn from_value(value: Value<'_>) -> Result<Self, WrongType> {
        let wrong = WrongType { expected: "a reference" };
        match value {
            Value::Reference { id, remote_id } => Self::from_parts(id, remote_id).ok_or(wrong),
            _ => Err(wrong),
        }
    }
}

/// A part with fields of its own shows as JSON.
macro_rules! json_field {
    ($($rust:ty => $ty:ident),+ $(,)?) => {$(
        impl $crate::field::FieldValue for $rust {
            const TYPE: $crate::field::FieldType = $crate::field::FieldType::$ty;
            fn view(&self) -> $crate::field::Value<'_> {
                $crate::field::Value::Json(std::borrow::Cow::Owned($crate::Json::of(self).as_str().to_owned()))
            }
            fn from_value(value: $crate::field::Value<'_>) -> Result<Self, $crate::field::WrongType> {
                $crate::field::read_json(&value, "JSON of the field's type")
            }
        }
    )+};
}
pub(crate) use json_field;

pub(crate) fn read_json<T: DeserializeOwned>(
    value: &Value<'_>,
    expected: &'static str,
) -> Result<T, WrongType> {
    match value {
        Value::Json(text) => crate::from_json(text).map_err(|_| WrongType { expected }),
        _ => Err(WrongType { expected }),
    }
}

/// The two shapes of a field: none or one value, and a list.
pub(crate) trait Slot: Default {
    type Item: FieldValue;
    const LIST: bool;

    fn is_unset(&self) -> bool;
    fn view(&self) -> Option<Value<'_>>;
    fn from_value(value: Value<'_>) -> Result<Self, WrongType>;
}

impl<T: FieldValue> Slot for Option<T> {
    type Item = T;
    const LIST: bool = false;

    fn is_unset(&self) -> bool {
        self.is_none()
    }

    fn view(&self) -> Option<Value<'_>> {
        self.as_ref().map(FieldValue::view)
    }

    fn from_value(value: Value<'_>) -> Result<Self, WrongType> {
        T::from_value(value).map(Some)
    }
}

impl<T: FieldValue + Serialize + DeserializeOwned> Slot for Vec<T> {
    type Item = T;
    const LIST: bool = true;

    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn view(&self) -> Option<Value<'_>> {
        if self.is_empty() {
            return None;
        }
        Some(Value::Json(Cow::Owned(Json::of(self).as_str().to_owned())))
    }

    fn from_value(value: Value<'_>) -> Result<Self, WrongType> {
        read_json(&value, "a JSON list of the field's type")
    }
}
