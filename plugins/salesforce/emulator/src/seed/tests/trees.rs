use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::super::tree::{RecordSink, load_folder};
use crate::SalesforceError;
use crate::schema::{Features, FieldSchema, FieldType, ObjectSchema, Schema, ids};

/// Keeps what it is given, and refuses what a schema would refuse.
struct Memory {
    schema: Arc<Schema>,
    rows: Vec<(String, Vec<(String, String)>)>,
    ids: HashMap<String, String>,
}

impl Memory {
    fn new() -> Self {
        Self {
            schema: Arc::new(Schema::standard(&Features::default())),
            rows: Vec::new(),
            ids: HashMap::new(),
        }
    }

    fn values(&self, object: &str, field: &str) -> Vec<&str> {
        self.rows
            .iter()
            .filter(|(o, _)| o == object)
            .filter_map(|(_, fields)| fields.iter().find(|(n, _)| n == field).map(|(_, v)| v.as_str()))
            .collect()
    }
}

impl RecordSink for Memory {
    fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema)
    }

    fn add_object(&mut self, object: ObjectSchema) -> Result<(), SalesforceError> {
        Arc::make_mut(&mut self.schema)
            .add_object(object)
            .map_err(|e| SalesforceError::new(400, "INVALID_TYPE", e.to_string()))
    }

    fn add_field(&mut self, object: &str, field: FieldSchema) -> Result<(), SalesforceError> {
        Arc::make_mut(&mut self.schema)
            .add_field(object, field)
            .map_err(|e| SalesforceError::new(400, "INVALID_FIELD", e.to_string()))
    }

    fn insert(
        &mut self,
        object: &str,
        fields: Vec<(String, Box<RawValue>)>,
    ) -> Result<String, SalesforceError> {
        let schema = self.schema();
        let found = schema.object(object).ok_or_else(|| SalesforceError::new(404, "NOT_FOUND", object))?;
        for (name, value) in &fields {
            let field =
                found.field(name).ok_or_else(|| SalesforceError::new(400, "INVALID_FIELD", name.clone()))?;
            let text = value.get().trim_matches('"');
            if field.ty == FieldType::Reference && !value.get().starts_with("null") {
                let target = self
                    .ids
                    .get(text)
                    .ok_or_else(|| SalesforceError::new(400, "INVALID_CROSS_REFERENCE_KEY", text))?;
                assert!(field.refers_to(target), "{object}.{name} -> {target}");
            }
            if field.ty == FieldType::Date && text != "null" {
                assert_eq!(text.len(), 10, "{object}.{name}: {text}");
            }
        }
        let n = u64::try_from(self.rows.len()).expect("few rows");
        let id = ids::salesforce_id(found.key_prefix.as_deref().unwrap_or("000"), n + 1);
        self.ids.insert(id.clone(), found.name.clone());
        self.rows
            .push((found.name.clone(), fields.into_iter().map(|(n, v)| (n, v.get().to_owned())).collect()));
        Ok(id)
    }
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

fn record(object: &str, reference: &str, fields: &str) -> String {
    format!(
        "{{\"attributes\":{{\"type\":\"{object}\",\"referenceId\":\"{reference}\"}}{}{fields}}}",
        if fields.is_empty() { "" } else { "," }
    )
}

fn file(records: &[String]) -> String {
    format!("{{\"records\":[{}]}}", records.join(","))
}

#[test]
fn files_are_loaded_in_the_order_of_their_references() {
    let accounts =
        file(&[record("Account", "A1", "\"name\":\"One\",\"annualrevenue\":12345678901234567.89")]);
    let contacts = file(&[record("Contact", "C1", "\"LASTNAME\":\"Two\",\"accountId\":\"@A1\"")]);
    let folder = folder(&[("a-contacts.json", &contacts), ("b-accounts.json", &accounts)]);
    let mut memory = Memory::new();
    let loaded = load_folder(folder.path(), &mut memory).expect("loads");
    assert_eq!(loaded.records.values().sum::<u64>(), 2);
    assert_eq!(memory.rows[0].0, "Account");
    assert_eq!(memory.values("Account", "AnnualRevenue"), ["12345678901234567.89"]);
    assert_eq!(memory.values("Contact", "LastName"), ["\"Two\""]);
}

#[test]
fn children_are_nested_in_their_parents() {
    let child = record("Contact", "C1", "\"LastName\":\"Two\"");
    let accounts =
        file(&[record("Account", "A1", &format!("\"Name\":\"One\",\"Contacts\":{{\"records\":[{child}]}}"))]);
    let folder = folder(&[("accounts.json", &accounts)]);
    let mut memory = Memory::new();
    load_folder(folder.path(), &mut memory).expect("loads");
    assert_eq!(memory.values("Contact", "AccountId").len(), 1);
}

#[test]
fn custom_objects_and_fields_are_added_with_fitting_types() {
    let trips = file(&[
        record(
            "Trip__c",
            "T1",
            "\"Name\":\"x\",\"Guest__c\":\"@C1\",\"Price__c\":10.25,\"Paid__c\":true,\"Day__c\":null",
        ),
        record(
            "Trip__c",
            "T2",
            "\"guest__C\":null,\"Price__c\":7,\"Paid__c\":false,\"Day__c\":\"2026-01-02\",\"Site__c\":\"https://example.com\"",
        ),
    ]);
    let contacts = file(&[record("Contact", "C1", "\"LastName\":\"x\",\"Code__c\":\"007\"")]);
    let folder = folder(&[("contacts.json", &contacts), ("trips.json", &trips)]);
    let mut memory = Memory::new();
    let loaded = load_folder(folder.path(), &mut memory).expect("loads");
    assert_eq!(loaded.objects_added, ["Trip__c"]);
    let schema = memory.schema();
    let ty = |object: &str, field: &str| schema.object(object).and_then(|o| o.field(field)).map(|f| f.ty);
    assert_eq!(ty("Trip__c", "Guest__c"), Some(FieldType::Reference));
    assert_eq!(ty("Trip__c", "Price__c"), Some(FieldType::Double));
    assert_eq!(schema.object("Trip__c").and_then(|o| o.field("Price__c")).map(|f| f.scale), Some(2));
    assert_eq!(ty("Trip__c", "Paid__c"), Some(FieldType::Boolean));
    assert_eq!(ty("Trip__c", "Day__c"), Some(FieldType::Date));
    assert_eq!(ty("Trip__c", "Site__c"), Some(FieldType::Url));
    assert_eq!(ty("Contact", "Code__c"), Some(FieldType::String));
}

#[test]
fn errors_name_file_record_and_field() {
    for (text, expected) in [
        (file(&[record("Contact", "C1", "\"LastName\":\"x\",\"Nickname\":\"y\"")]), "field Nickname"),
        (file(&[record("Nonsense", "N1", "")]), "record N1"),
        (file(&[record("Contact", "C1", "\"AccountId\":\"@Nowhere\"")]), "@Nowhere"),
        (
            file(&[record(
                "Account",
                "A1",
                "\"Name\":\"x\",\"Cats\":{\"records\":[{\"attributes\":{\"type\":\"Contact\"},\"LastName\":\"x\"}]}",
            )]),
            "field Cats",
        ),
        ("[1]".to_owned(), "not a record file"),
        ("{\"records\":[{\"Name\":\"x\"}]}".to_owned(), "no attributes"),
    ] {
        let folder = folder(&[("data.json", &text)]);
        let error = load_folder(folder.path(), &mut Memory::new()).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
    }
}

#[test]
fn a_plan_may_not_leave_its_folder() {
    let plan = "[{\"sobject\":\"Account\",\"files\":[\"../secret.json\"]}]";
    let folder = folder(&[("data-plan.json", plan)]);
    let error = load_folder(folder.path(), &mut Memory::new()).expect_err("refused").to_string();
    assert!(error.contains("outside"), "{error}");
}

#[test]
fn equal_references_are_refused_only_when_used() {
    let twice = |name: &str| file(&[record("Account", "A1", &format!("\"Name\":\"{name}\""))]);
    let two = folder(&[("a.json", &twice("x")), ("b.json", &twice("y"))]);
    load_folder(two.path(), &mut Memory::new()).expect("nobody refers to A1");
    let user = file(&[record("Contact", "C1", "\"LastName\":\"x\",\"AccountId\":\"@A1\"")]);
    let three = folder(&[("a.json", &twice("x")), ("b.json", &twice("y")), ("c.json", &user)]);
    let error = load_folder(three.path(), &mut Memory::new()).expect_err("ambiguous").to_string();
    assert!(error.contains("several"), "{error}");
}

pub(super) fn samples() -> Option<PathBuf> {
    let root = std::env::var_os("UNICRM_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/fixtures"),
        PathBuf::from,
    );
    let folder = root.join("salesforce/sample-data");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no sample data at {}", folder.display());
    None
}

#[test]
fn sample_data_of_others_loads() {
    let Some(samples) = samples() else { return };
    let mut folders = 0;
    for entry in std::fs::read_dir(samples).expect("folder") {
        let path = entry.expect("entry").path();
        let mut memory = Memory::new();
        let loaded = load_folder(&path, &mut memory).unwrap_or_else(|e| panic!("{e}"));
        println!("{}: {loaded:?}", path.display());
        assert!(loaded.records.values().sum::<u64>() > 0, "{} is empty", path.display());
        folders += 1;
    }
    assert!(folders >= 6, "{folders} folders");
}
