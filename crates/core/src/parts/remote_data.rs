//! The raw record, and what field mappings lift from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Json;
use crate::field::json_field;

/// A piece of the raw record: the remote resource that it came from and its JSON, as it came.
///
/// ```
/// use unicrm_core::{Json, RemoteData};
/// let raw = RemoteData::new("/sobjects/Contact", Json::parse(r#"{"Id": "003"}"#)?);
/// assert_eq!(raw.data.as_str(), r#"{"Id": "003"}"#);
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RemoteData {
    /// The remote resource, such as `/sobjects/Contact`.
    pub path: String,
    /// Its JSON.
    pub data: Json,
}

impl RemoteData {
    /// A piece of the raw record.
    pub fn new(path: impl Into<String>, data: Json) -> Self {
        Self { path: path.into(), data }
    }
}

/// The fields that field mappings lifted from the raw record, by the name that the mapping gives them.
///
/// ```
/// use unicrm_core::{from_json, FieldMappings};
/// let json = r#"{"organization_defined_targets": {}, "linked_account_defined_targets": {"tier": "gold"}}"#;
/// let lifted: FieldMappings = from_json(json)?;
/// assert_eq!(lifted.linked_account_defined_targets["tier"].to_text().as_deref(), Some("gold"));
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FieldMappings {
    /// Mapped for all linked accounts.
    #[serde(default)]
    pub organization_defined_targets: BTreeMap<String, Json>,
    /// Mapped for this linked account.
    #[serde(default)]
    pub linked_account_defined_targets: BTreeMap<String, Json>,
}

json_field!(RemoteData => RemoteData, FieldMappings => FieldMappings);
