//! What a write says about one field: nothing, clear it, or set it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Three states of a field in a write. In JSON: the key is absent, `null`, or has a value.
///
/// ```
/// use unicrm_core::{ContactPatch, Patch};
/// let patch: ContactPatch = serde_json::from_str(r#"{"first_name": null, "last_name": "Feig"}"#).unwrap();
/// assert_eq!(patch.first_name, Patch::Null);
/// assert_eq!(patch.last_name, Patch::Set("Feig".to_owned()));
/// assert_eq!(patch.account, Patch::Absent);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Not named: the remote keeps what it has.
    #[default]
    Absent,
    /// Named as `null`: the remote shall hold nothing.
    Null,
    /// The remote shall hold this.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether the write does not name the field.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value to set, when there is one.
    #[must_use]
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Absent as `None`, null as `Some(None)`, a value as `Some(Some(_))`.
    #[must_use]
    pub const fn as_option(&self) -> Option<Option<&T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }

    /// The same state with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Absent => Patch::Absent,
            Self::Null => Patch::Null,
            Self::Set(value) => Patch::Set(f(value)),
        }
    }
}

impl<T> From<T> for Patch<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

impl From<&str> for Patch<String> {
    fn from(value: &str) -> Self {
        Self::Set(value.to_owned())
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // An absent field is skipped by the struct around it; alone it can only be null.
            Self::Absent | Self::Null => serializer.serialize_none(),
            Self::Set(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Null, Self::Set))
    }
}
