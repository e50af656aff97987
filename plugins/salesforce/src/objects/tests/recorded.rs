//! Records of real orgs through the mapping: every value that was recorded comes back when the unified record is written
//! out again.
//!
//! The recordings are not a part of the project: see [`crate::fixtures_test`].

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use unicrm_core::{Json, ObjectKind};
use unicrm_testkit::laws::normal;

use super::cx;
use crate::api::{DescribeField, fixtures as api};
use crate::fixtures_test::folder;
use crate::objects::laws::{decode, encode};
use crate::objects::{RemoteRecord, mapping};

/// The sObjects whose rows were recorded, what they become, and the first three characters of their ids.
const RECORDED: [(&str, ObjectKind, &str); 5] = [
    ("Account", ObjectKind::Account, "001"),
    ("Contact", ObjectKind::Contact, "003"),
    ("Lead", ObjectKind::Lead, "00Q"),
    ("Opportunity", ObjectKind::Opportunity, "006"),
    ("Task", ObjectKind::Task, "00T"),
];

#[test]
fn every_recorded_value_survives_the_mapping() {
    let folder = folder();
    if !folder.is_dir() {
        println!("skipped: there are no recordings at {}", folder.display());
        return;
    }
    let mut rows = Vec::new();
    json_files(&folder, &mut |path, value| {
        // Answers to a write that was refused hold ids alone; the bodies of requests hold no record of an org.
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.contains("DUPLICATES_DETECTED") && !name.ends_with("payload.json") {
            collect(value, &mut |sobject, row| rows.push((name.to_owned(), sobject, row)));
        }
    });
    let cx = cx();
    let mut names = BTreeMap::new();
    let mut mapped: BTreeMap<&str, usize> = BTreeMap::new();
    let mut values = 0;
    for (number, (file, sobject, row)) in rows.iter().enumerate() {
        let Some((sobject, kind, prefix)) = RECORDED.iter().find(|(name, ..)| name == sobject) else {
            continue;
        };
        let names = names.entry(*sobject).or_insert_with(|| field_names(&folder, sobject));
        let remote = remote(sobject, prefix, number, row, names);
        let unified = decode(&remote, *kind, &cx).unwrap_or_else(|error| panic!("{file}: {error}\n{row:?}"));
        let back = encode(&unified, &cx);
        for (field, value) in &remote.fields {
            let found = back.get(field).map(plain);
            assert_eq!(found, Some(plain(value)), "{file}: {sobject}.{field} of {row:?}");
            values += 1;
        }
        let again = decode(&back, *kind, &cx).unwrap_or_else(|error| panic!("{file}: {error}"));
        for field in mapping(*kind).fields.iter().filter(|field| field.unified != "remote_fields") {
            let expected = normal(field, unified.get(field.unified));
            assert_eq!(again.get(field.unified), expected, "{file}: {kind}.{}", field.unified);
        }
        *mapped.entry(sobject).or_default() += 1;
    }
    println!("{values} values of {mapped:?}");
    assert!(mapped["Contact"] > 1_000 && mapped.len() == RECORDED.len(), "{mapped:?}");
}

/// The record as a query would give it: fields under the names of the describe, without what is empty.
fn remote(
    sobject: &'static str,
    prefix: &str,
    number: usize,
    row: &Map<String, Value>,
    names: &Names,
) -> RemoteRecord {
    let mut remote = RemoteRecord { sobject, ..RemoteRecord::default() };
    for (key, value) in row {
        // What hangs on a record, such as its owner's name, is a row of its own.
        // Text without a character is the same as none to Salesforce, and reads as none.
        if value.is_object() || value.is_array() || value.is_null() || value == "" {
            continue;
        }
        // Trees for loading refer to rows of the same load, which an org would answer with ids.
        if value.as_str().is_some_and(|text| text.starts_with('@')) {
            continue;
        }
        match names.get(&key.to_lowercase()) {
            Some((name, sort)) => remote.set(name.clone(), answered(value, sort)),
            None => remote.set(key.clone(), Json::of(value)),
        }
    }
    if remote.get("Id").is_none() {
        remote.set("Id", Json::text(&format!("{prefix}000000{number:06}AAA")));
    }
    remote
}

/// What an org answers when this value was loaded: an org takes a number as text, and a day with a time behind it.
fn answered(value: &Value, sort: &str) -> Json {
    match (sort, value) {
        ("currency" | "double" | "int" | "percent", Value::String(number)) => {
            serde_json::from_str::<serde_json::Number>(number)
                .map_or_else(|_| Json::of(value), |number| Json::of(&number))
        }
        ("date", Value::String(day)) => Json::text(day.get(..10).unwrap_or(day)),
        _ => Json::of(value),
    }
}

/// A value in the form that the mapping declares as normal: text is trimmed, as Salesforce itself does, and its lines end
/// in LF; numbers by their value.
fn plain(value: &Json) -> String {
    match serde_json::from_str::<Value>(value.as_str()) {
        Ok(Value::String(text)) => text.trim().replace("\r\n", "\n"),
        Ok(Value::Number(number)) => number
            .to_string()
            .parse::<rust_decimal::Decimal>()
            .map_or_else(|_| number.to_string(), |number| number.normalize().to_string()),
        _ => value.as_str().to_owned(),
    }
}

/// The names and types of an sObject's fields by their lower-case spelling: recorded trees spell them in any case.
type Names = BTreeMap<String, (String, String)>;

fn field_names(folder: &Path, sobject: &str) -> Names {
    let text = std::fs::read_to_string(folder.join(format!("describe-cached/{sobject}.json"))).unwrap();
    let described = api::describe(&text).unwrap();
    let named = |field: &DescribeField| (field.name.clone(), field.field_type.as_str().to_owned());
    described.fields.iter().map(|field| (field.name.to_lowercase(), named(field))).collect()
}

fn json_files(folder: &Path, found: &mut impl FnMut(&Path, &Value)) {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            json_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            // A few recordings are bare text under this name; the other test reads those.
            if let Ok(value) = serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()) {
                // Some recordings hold a whole exchange, with the body as text.
                let body =
                    value["response"]["body"].as_str().and_then(|body| serde_json::from_str(body).ok());
                found(&path, body.as_ref().unwrap_or(&value));
            }
        }
    }
}

fn collect(value: &Value, found: &mut impl FnMut(String, Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            if let Some(sobject) = object.get("attributes").and_then(|attributes| attributes["type"].as_str())
            {
                found(sobject.to_owned(), object.clone());
            }
            object.values().for_each(|value| collect(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
