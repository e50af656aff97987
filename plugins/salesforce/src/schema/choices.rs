//! Which values of a picklist may be chosen: under which value of the field that controls it, and for which record type.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use unicrm_core::{RecordType, Usage};

use crate::api::{Client, Describe, DescribeField, FieldType};
use crate::error::{Code, Fault};

/// The record type that every object has: it offers every value, as the description itself says.
const MASTER: &str = "012000000000000AAA";

/// The values of the controlling field that a set of bits names: the first bit of the first byte is the first value.
///
/// Salesforce writes the set as base64 and leaves out zero bytes at its end. The values of a checkbox are `false` and
/// `true`, in this order.
pub(super) fn valid_for(bits: &str, controller: &DescribeField) -> Option<Vec<String>> {
    let bytes = STANDARD.decode(bits).ok()?;
    let is_set = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
    let named = |names: &mut dyn Iterator<Item = &str>| {
        let chosen = names.enumerate().filter(|(at, _)| is_set(*at));
        chosen.map(|(_, name)| name.to_owned()).collect()
    };
    Some(match controller.field_type {
        FieldType::Boolean => named(&mut ["false", "true"].into_iter()),
        _ => named(&mut controller.picklist_values.iter().map(|entry| entry.value.as_str())),
    })
}

/// The record types of an object that this user may use, with what each offers. None are asked for where there is only the
/// one that every object has.
pub(super) async fn record_types(
    client: &Client,
    usage: &mut Usage,
    describe: &Describe,
) -> Result<Vec<RecordType>, Fault> {
    let own = |kind: &&crate::api::RecordTypeInfo| kind.available && kind.record_type_id != MASTER;
    if !describe.record_types.iter().any(|kind| own(&kind)) {
        return Ok(Vec::new());
    }
    let sobject = &describe.object.name;
    let mappings = match client.record_type_choices(usage, sobject).await {
        Ok(layouts) => layouts.record_type_mappings,
        // Some objects have record types and no layouts: then nobody says what they offer.
        Err(fault) if matches!(fault.code(), Some(Code::NotFound)) => Vec::new(),
        Err(fault) => return Err(fault),
    };
    let described = describe.record_types.iter().filter(own).map(|kind| {
        let mut record_type = RecordType::new(sobject, &kind.record_type_id, &kind.name);
        record_type.default = kind.default_record_type_mapping;
        let offered = mappings.iter().find(|mapping| mapping.record_type_id == kind.record_type_id);
        record_type.picklists = offered.map(RecordTypeChoices::picklists).unwrap_or_default();
        record_type
    });
    Ok(described.collect())
}

/// What `/sobjects/X/describe/layouts` says of record types.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layouts {
    #[serde(default)]
    record_type_mappings: Vec<RecordTypeChoices>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordTypeChoices {
    record_type_id: String,
    #[serde(default)]
    picklists_for_record_type: Option<Vec<Choices>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Choices {
    picklist_name: String,
    #[serde(default)]
    picklist_values: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    active: bool,
    value: Option<String>,
}

impl RecordTypeChoices {
    fn picklists(&self) -> BTreeMap<String, Vec<String>> {
        let lists = self.picklists_for_record_type.iter().flatten();
        lists
            .map(|list| {
                let active = list.picklist_values.iter().filter(|choice| choice.active);
                (list.picklist_name.clone(), active.filter_map(|choice| choice.value.clone()).collect())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn controller(json: &str) -> DescribeField {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn bits_count_from_the_left() {
        let values: Vec<_> = (0..10).map(|at| format!(r#"{{"value":"v{at}","active":true}}"#)).collect();
        let controller = controller(&format!(
            r#"{{"name":"Country__c","type":"picklist","picklistValues":[{}]}}"#,
            values.join(",")
        ));
        // 1000 0000 0100 0000: the first and the tenth.
        assert_eq!(valid_for("gEAA", &controller), Some(vec!["v0".to_owned(), "v9".to_owned()]));
        assert_eq!(valid_for("QAAA", &controller), Some(vec!["v1".to_owned()]));
        assert_eq!(valid_for("", &controller), Some(Vec::new()));
        assert_eq!(valid_for("?", &controller), None);
    }

    #[test]
    fn a_checkbox_is_false_before_it_is_true() {
        let checkbox = controller(r#"{"name":"Active__c","type":"boolean"}"#);
        assert_eq!(valid_for("gAAA", &checkbox), Some(vec!["false".to_owned()]));
        assert_eq!(valid_for("QAAA", &checkbox), Some(vec!["true".to_owned()]));
    }

    proptest! {
        #[test]
        fn each_bit_is_its_value(set in proptest::collection::btree_set(0_usize..40, 0..40), extra in 0_usize..3) {
            let values: Vec<_> = (0..40).map(|at| format!(r#"{{"value":"{at}","active":false}}"#)).collect();
            let controller = controller(&format!(r#"{{"name":"C","type":"picklist","picklistValues":[{}]}}"#, values.join(",")));
            let mut bytes = vec![0_u8; set.iter().max().map_or(0, |max| max / 8 + 1) + extra];
            for at in &set {
                bytes[at / 8] |= 0x80 >> (at % 8);
            }
            let named = valid_for(&STANDARD.encode(&bytes), &controller).unwrap();
            let expected: Vec<String> = set.iter().map(ToString::to_string).collect();
            prop_assert_eq!(named, expected);
        }
    }
}
