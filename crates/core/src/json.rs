//! JSON in and out: errors that name the field, and values kept exactly as they came.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{Error, ErrorKind, Result};

/// Reads one JSON document; an error names the field by JSON pointer and says what would be right.
///
/// ```
/// use unicrm_core::{from_json, Contact};
/// let error = from_json::<Contact>(r#"{"addresses": [{"city": 5}]}"#).unwrap_err();
/// assert_eq!(error.fields()[0].pointer, "/addresses/0/city");
/// ```
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                Segment::Map { key } => {
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                }
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let inner = error.into_inner();
        let error = Error::new(ErrorKind::InvalidRequest, "the JSON does not fit");
        error.with_field(pointer, inner.to_string())
    })?;
    deserializer.end().map_err(|source| {
        Error::new(ErrorKind::InvalidRequest, "there is more after the JSON value").with_source(source)
    })?;
    Ok(value)
}

/// Any JSON value, kept as the text that it came in: numbers keep every digit, objects keep the order of their keys.
///
/// ```
/// use unicrm_core::Json;
/// let value: Json = serde_json::from_str("12345678901234567.890").unwrap();
/// assert_eq!(value.as_str(), "12345678901234567.890");
/// assert_eq!(Json::text("a\"b").as_str(), r#""a\"b""#);
/// ```
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Checks and keeps JSON text.
    pub fn parse(text: impl Into<String>) -> Result<Self> {
        RawValue::from_string(text.into()).map(Self).map_err(|source| {
            Error::new(ErrorKind::InvalidRequest, "this is not a JSON value").with_source(source)
        })
    }

    /// A JSON string.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::of(&text)
    }

    /// The JSON of anything serialisable; what cannot be written as JSON becomes `null`.
    pub fn of(value: &impl Serialize) -> Self {
        Self(serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Reads it as a `T`, with errors as those of [`from_json`].
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        from_json(self.as_str())
    }

    /// The text, when this is a JSON string.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        serde_json::from_str(self.as_str()).ok()
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Self {
        Self(raw)
    }
}

impl From<&RawValue> for Json {
    fn from(raw: &RawValue) -> Self {
        Self(raw.to_owned())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}
