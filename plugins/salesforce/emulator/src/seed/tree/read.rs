//! Reading of plan and record files, with numbers kept as they are written.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::TreeError;

/// Greatest size of a file.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// How deep children may be nested in parents.
const MAX_DEPTH: usize = 8;

/// One step of a plan.
#[derive(Debug, Deserialize)]
pub(super) struct Step {
    pub(super) sobject: String,
    pub(super) files: Vec<String>,
}

/// A record with the children nested in it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) object: String,
    /// Reference id, or the place in the file.
    pub(super) label: String,
    pub(super) fields: Vec<(String, Box<RawValue>)>,
    /// Children by relationship name.
    pub(super) children: Vec<(String, Vec<Node>)>,
}

#[derive(Deserialize)]
struct File {
    records: Vec<Fields>,
}

#[derive(Deserialize)]
struct Attributes {
    #[serde(rename = "type")]
    object: String,
    #[serde(rename = "referenceId")]
    reference: Option<String>,
}

/// Members of a JSON object in their order.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Fields(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The steps of a plan.
pub(super) fn plan(path: &Path) -> Result<Vec<Step>, TreeError> {
    serde_json::from_str(&text_of(path)?).map_err(|e| TreeError::file(path, format!("not a plan: {e}")))
}

/// The records of a file.
pub(super) fn records(path: &Path) -> Result<Vec<Node>, TreeError> {
    let file: File = serde_json::from_str(&text_of(path)?)
        .map_err(|e| TreeError::file(path, format!("not a record file: {e}")))?;
    nodes(path, file.records, "", 0)
}

/// The string in a JSON value, if it is one.
pub(super) fn text(value: &RawValue) -> Option<String> {
    value.get().starts_with('"').then(|| serde_json::from_str(value.get()).ok()).flatten()
}

fn text_of(path: &Path) -> Result<String, TreeError> {
    let size = std::fs::metadata(path).map_err(|e| TreeError::file(path, e))?.len();
    if size > MAX_BYTES {
        return Err(TreeError::file(path, format!("{size} bytes; split files of more than {MAX_BYTES}")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| TreeError::file(path, e))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn nodes(path: &Path, records: Vec<Fields>, parent: &str, depth: usize) -> Result<Vec<Node>, TreeError> {
    if depth > MAX_DEPTH {
        return Err(TreeError::file(path, format!("records nested more than {MAX_DEPTH} deep")));
    }
    records
        .into_iter()
        .zip(1..)
        .map(|(record, number)| node(path, record, &format!("{parent}#{number}"), depth))
        .collect()
}

fn node(path: &Path, Fields(members): Fields, place: &str, depth: usize) -> Result<Node, TreeError> {
    let attributes = members
        .iter()
        .find(|(name, _)| name == "attributes")
        .ok_or_else(|| TreeError::file(path, format!("record {place} has no attributes with its type")))?;
    let attributes: Attributes = serde_json::from_str(attributes.1.get())
        .map_err(|e| TreeError::file(path, format!("attributes of record {place}: {e}")))?;
    let mut node = Node {
        object: attributes.object,
        label: attributes.reference.unwrap_or_else(|| place.to_owned()),
        fields: Vec::new(),
        children: Vec::new(),
    };
    for (name, value) in members {
        if name == "attributes" {
            continue;
        }
        if !value.get().starts_with('{') {
            node.fields.push((name, value));
            continue;
        }
        let file: File = serde_json::from_str(value.get()).map_err(|_| {
            TreeError::field(path, &node, &name, "an object where a value or {\"records\": [...]} belongs")
        })?;
        let place = node.label.clone();
        node.children.push((name, nodes(path, file.records, &place, depth + 1)?));
    }
    Ok(node)
}

impl Node {
    /// The record and all that are nested in it.
    pub(super) fn with_children(&self) -> Vec<&Node> {
        let mut all = vec![self];
        for child in self.children.iter().flat_map(|(_, children)| children) {
            all.extend(child.with_children());
        }
        all
    }

    /// Reference ids of the record and its children.
    pub(super) fn all_labels(&self) -> Vec<&str> {
        self.with_children().into_iter().map(|node| node.label.as_str()).collect()
    }

    /// References that the record and its children make, without the `@`.
    pub(super) fn all_references(&self) -> Vec<&str> {
        self.with_children()
            .into_iter()
            .flat_map(|node| &node.fields)
            .filter(|(name, _)| is_reference_name(name))
            .filter_map(|(_, value)| value.get().strip_prefix("\"@").and_then(|rest| rest.strip_suffix('"')))
            .collect()
    }
}

/// Whether a field of this name can hold a reference: standard ones end in Id, custom ones in `__c`.
fn is_reference_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("id") || name.ends_with("__c")
}
