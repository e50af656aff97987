//! What a search found: ids, and the few texts that were asked for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use unicrm_core::Usage;
use url::form_urlencoded::byte_serialize;

use super::answer::Answer;
use super::connection::Call;
use super::{Client, Sosl};
use crate::error::Fault;

/// Salesforce takes 16,384 bytes of URL and headers together, and a search cannot travel in a body.
const MAX_URL: usize = 14_000;

const WHAT: &str = "the answer to a search";

/// A record that a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Its object.
    pub(crate) sobject: String,
    /// Its id.
    pub(crate) id: String,
    /// The other fields that were asked for and hold text.
    pub(crate) texts: Vec<String>,
}

impl Client {
    /// Searches several objects in one call. Records come object by object, the best first.
    pub(crate) async fn search(&self, usage: &mut Usage, sosl: &Sosl) -> Result<Vec<Hit>, Fault> {
        let text: String = byte_serialize(sosl.text()?.as_bytes()).collect();
        let path = self.path(&format!("/search?q={text}"));
        if path.len() > MAX_URL {
            let message = "what is searched for is too long to be sent: look for fewer words".to_owned();
            return Err(Fault::Query(message));
        }
        self.fetch(usage, &Call::get(path), |answer: Answer| hits(&answer.json::<Wire>(WHAT)?)).await
    }
}

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "searchRecords")]
    records: Vec<BTreeMap<String, Box<RawValue>>>,
}

fn hits(wire: &Wire) -> Result<Vec<Hit>, Fault> {
    #[derive(Deserialize)]
    struct Attributes {
        #[serde(rename = "type")]
        sobject: String,
    }
    let without =
        |what: &str| Fault::Unreadable { what: WHAT, why: format!("a record has no {what}"), cut: false };
    let text = |value: &RawValue| serde_json::from_str::<String>(value.get()).ok();
    let records = wire.records.iter().map(|cells| {
        let attributes =
            cells.get("attributes").and_then(|raw| serde_json::from_str::<Attributes>(raw.get()).ok());
        let texts = cells.iter().filter(|(name, _)| name.as_str() != "Id");
        Ok(Hit {
            sobject: attributes.ok_or_else(|| without("type"))?.sobject,
            id: cells.get("Id").and_then(|raw| text(raw)).ok_or_else(|| without("id"))?,
            texts: texts.filter_map(|(_, raw)| text(raw)).collect(),
        })
    });
    records.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Hit>, Fault> {
        hits(&super::super::answer::json(text, WHAT)?)
    }

    #[test]
    fn records_have_a_type_an_id_and_texts() {
        let text = r#"{"searchRecords":[{"attributes":{"type":"Lead","url":"/x"},"Id":"00Q1","Phone":"1\u00e9","Fax":null,"N":5},
                       {"attributes":{"type":"Account"},"Id":"0011"}],"metadata":{}}"#;
        let hit = |sobject: &str, id: &str, texts: &[&str]| Hit {
            sobject: sobject.to_owned(),
            id: id.to_owned(),
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
        };
        assert_eq!(read(text).unwrap(), [hit("Lead", "00Q1", &["1é"]), hit("Account", "0011", &[])]);
        assert_eq!(read(r#"{"searchRecords":[]}"#).unwrap(), []);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in [
            "[]",
            "{}",
            r#"{"searchRecords":[{"Id":"1"}]}"#,
            r#"{"searchRecords":[{"attributes":{"type":"Lead"}}]}"#,
            r#"{"searchRecords":[{"attributes":{"type":"Lead"},"Id":5}]}"#,
            r#"{"searchRecords":[{"#,
        ] {
            assert!(matches!(read(text), Err(Fault::Unreadable { .. })), "{text}");
        }
    }
}
