//! What was deleted in a span of time.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::answer::{Answer, json};
use super::id::widened;
use super::time::parse_datetime;
use crate::error::Fault;

const WHAT: &str = "the list of deleted records";

/// The answer of `/sobjects/X/deleted`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deleted {
    /// The records, deleted ones that were restored since excluded.
    #[serde(rename = "deletedRecords")]
    pub(crate) records: Vec<DeletedRecord>,
    /// Before this, nothing is known.
    #[serde(deserialize_with = "datetime")]
    pub(crate) earliest_date_available: Timestamp,
    /// Up to this, nothing is missing.
    #[serde(deserialize_with = "datetime")]
    pub(crate) latest_date_covered: Timestamp,
}

/// A deleted record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeletedRecord {
    /// Its id, in the 18-character form.
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
    /// When it was deleted.
    #[serde(deserialize_with = "datetime")]
    pub(crate) deleted_date: Timestamp,
}

impl Deleted {
    pub(super) fn decode(answer: &Answer) -> Result<Self, Fault> {
        Self::parse(answer.text(WHAT)?)
    }

    /// Reads the answer, also of a part of a composite call.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        json(text, WHAT)
    }
}

fn datetime<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_datetime(&text).ok_or_else(|| serde::de::Error::custom("a datetime is expected"))
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(widened(&String::deserialize(deserializer)?).into_owned())
}
