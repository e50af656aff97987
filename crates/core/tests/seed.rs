//! The nine examples of the product page pass through typed fields: nothing lost, every mistake named.

use std::path::{Path, PathBuf};

use serde_json::Value;
use unicrm_core::{ObjectKind, Record, RecordPatch};

fn seed_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("UNICRM_SEED").map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/seed"));
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("skipped: no seed files at {}; set UNICRM_SEED to their folder", dir.display());
    None
}

/// Kind, text and parsed JSON of each seed file.
fn seed_files() -> Vec<(ObjectKind, String, Value)> {
    let Some(dir) = seed_dir() else { return Vec::new() };
    let files: Vec<_> = ObjectKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let text = std::fs::read_to_string(dir.join(format!("{kind}.json"))).ok()?;
            let value = serde_json::from_str(&text).unwrap();
            Some((kind, text, value))
        })
        .collect();
    assert_eq!(files.len(), 9, "nine objects have an example");
    files
}

#[test]
fn every_key_and_value_is_kept() {
    for (kind, text, expected) in seed_files() {
        let record = Record::from_json(kind, &text).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&record.to_json()).unwrap(), expected, "{kind}");
        let patch = RecordPatch::from_json(kind, &text).unwrap();
        assert_eq!(serde_json::to_value(&patch).unwrap(), expected, "{kind} as a patch");
    }
}

/// Every path to a value in the JSON, as a list of keys and indices.
fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = format!("{path}/{key}");
                paths(value, &path, found);
                found.push(path);
            }
        }
        Value::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                paths(value, &format!("{path}/{i}"), found);
            }
        }
        _ => {}
    }
}

/// A value of another type than the one given.
fn mistyped(value: &Value) -> Value {
    match value {
        Value::String(_) => serde_json::json!([17]),
        _ => serde_json::json!("not this"),
    }
}

#[test]
fn each_value_of_the_wrong_type_gives_an_error_that_names_it() {
    for (kind, _, seed) in seed_files() {
        let mut all = Vec::new();
        paths(&seed, "", &mut all);
        for path in all {
            // Any JSON is a value of a remote field, so only its absence could be wrong.
            if path.ends_with("/value") {
                continue;
            }
            let mut broken = seed.clone();
            let target = broken.pointer_mut(&path).unwrap();
            // A class may be its id, a choice and an item any text: only these take a string where another type stood.
            let wrong = match path.rsplit('/').next() {
                Some("remote_field_class") => serde_json::json!(17),
                _ => mistyped(target),
            };
            *target = wrong;
            for error in [
                Record::from_json(kind, &broken.to_string()).expect_err(&path),
                RecordPatch::from_json(kind, &broken.to_string()).expect_err(&path),
            ] {
                let pointer = &error.fields()[0].pointer;
                assert!(pointer.starts_with(&path), "{kind}: {path} was wrong, {pointer} is named: {error}");
            }
        }
    }
}

#[test]
fn each_misspelt_key_gives_an_error_that_names_it() {
    for (kind, _, seed) in seed_files() {
        let mut all = Vec::new();
        paths(&seed, "", &mut all);
        for path in all {
            let (parent, key) = path.rsplit_once('/').unwrap();
            let misspelt = format!("{key}x");
            let mut broken = seed.clone();
            let map = broken.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
            let value = map.remove(key).unwrap();
            map.insert(misspelt.clone(), value);
            let error = Record::from_json(kind, &broken.to_string()).expect_err(&path).to_string();
            assert!(error.contains(&misspelt), "{kind}: {misspelt} is not named in: {error}");
        }
    }
}
