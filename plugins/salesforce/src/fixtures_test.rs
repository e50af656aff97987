//! Recorded answers of real orgs: every one is read by the code that reads it in production, or excluded for a reason.
//!
//! The recordings are not a part of the project. They are looked for where the environment variable `UNICRM_FIXTURES` says,
//! else beside the workspace; without them the test says that it was skipped.

mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use unicrm_http::oauth::TokenAnswer;

use crate::api::fixtures as api;
use crate::error::{Fault, Refusal as Refused, What};
use How::*;

/// How a recording is read.
#[derive(Clone, Copy, Debug)]
enum How {
    /// The description of an object.
    Describe,
    /// The list of objects.
    Global,
    /// A page of records.
    Page,
    /// The list of API versions.
    Versions,
    /// A token.
    Token,
    /// Who the user is.
    UserInfo,
    /// Deleted records.
    Deleted,
    /// A composite answer of successes.
    Composite,
    /// A composite answer of descriptions.
    CompositeDescribe,
    /// A composite answer of refusals with these codes.
    CompositeRefusals(&'static [&'static str]),
    /// A body that came with this status and means this code.
    Refusal(u16, &'static str),
    /// The errors of the items of a write, with these codes.
    Items(&'static [&'static str]),
    /// A page for people.
    Html,
    /// A recorded exchange whose answer is a page of records.
    ExchangePage,
    /// A recorded exchange whose answer means this code.
    ExchangeRefusal(&'static str),
    /// A recorded exchange whose answer is a page for people, with this status.
    ExchangeHtml(u16),
    /// A recorded exchange whose answer is bytes.
    ExchangeBytes,
    /// Not read, for this reason.
    Excluded(&'static str),
}

pub(crate) fn folder() -> PathBuf {
    let root = std::env::var_os("UNICRM_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    let below = root.join("salesforce");
    if below.is_dir() { below } else { root }
}

fn files(folder: &Path, below: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name);
        }
    }
}

#[test]
fn every_recording_is_read_or_excluded_for_a_reason() {
    let folder = folder();
    if !folder.is_dir() {
        println!("skipped: there are no recordings at {}", folder.display());
        return;
    }
    let mut there = BTreeSet::new();
    files(&folder, "", &mut there);
    let listed: BTreeSet<String> = table::FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed.len(), table::FILES.len(), "a file is listed twice");
    let unlisted: Vec<_> = there.difference(&listed).collect();
    let missing: Vec<_> = listed.difference(&there).collect();
    assert!(unlisted.is_empty() && missing.is_empty(), "unlisted: {unlisted:?}; missing: {missing:?}");

    let mut read = 0;
    for (name, how) in table::FILES {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        if let Excluded(reason) = how {
            assert!(!reason.is_empty(), "{name}");
        } else {
            check(name, *how, &bytes);
            read += 1;
        }
    }
    println!("{read} recordings read, {} excluded", table::FILES.len() - read);
}

fn check(name: &str, how: How, bytes: &[u8]) {
    match how {
        Describe => describe(name, text(bytes)),
        Global => {
            let global = api::global(text(bytes)).unwrap();
            let objects = value(bytes)["sobjects"].as_array().unwrap().clone();
            assert_eq!(global.objects.len(), objects.len(), "{name}");
            for object in objects {
                let found = global.object(object["name"].as_str().unwrap()).unwrap();
                assert_eq!(object["label"], found.label.as_str(), "{name}");
            }
        }
        Page => page(name, 200, &HeaderMap::new(), bytes),
        Versions => {
            let versions = api::versions(&answer(200, HeaderMap::new(), bytes).unwrap()).unwrap();
            assert_eq!(versions.len(), value(bytes).as_array().unwrap().len(), "{name}");
        }
        Token => {
            let token = TokenAnswer::parse(bytes).unwrap();
            assert_eq!(value(bytes)["instance_url"], token.extra["instance_url"].as_str(), "{name}");
        }
        UserInfo => {
            let info = api::identity(&answer(200, HeaderMap::new(), bytes).unwrap()).unwrap();
            let value = value(bytes);
            assert_eq!(value["user_id"], info.user_id.as_str(), "{name}");
            assert_eq!(value["preferred_username"].as_str(), info.username.as_deref(), "{name}");
            assert_eq!(value["organization_id"].as_str(), info.organization_id.as_deref(), "{name}");
        }
        Deleted => {
            let deleted = api::deleted(&answer(200, HeaderMap::new(), bytes).unwrap()).unwrap();
            let records = value(bytes)["deletedRecords"].as_array().unwrap().clone();
            let ids: Vec<_> = records.iter().map(|record| record["id"].as_str().unwrap()).collect();
            assert_eq!(
                deleted.records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(),
                ids,
                "{name}"
            );
        }
        Composite | CompositeDescribe | CompositeRefusals(_) => composite(name, how, bytes),
        Refusal(status, code) => refusal(name, status, &HeaderMap::new(), bytes, code),
        Items(codes) => items(name, bytes, codes),
        Html => html(name, 503, HeaderMap::new(), bytes),
        ExchangePage | ExchangeRefusal(_) | ExchangeHtml(_) | ExchangeBytes => exchange(name, how, bytes),
        Excluded(_) => {}
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn answer(status: u16, headers: HeaderMap, bytes: &[u8]) -> Result<api::Answer, Fault> {
    let mut response = http::Response::new(Bytes::copy_from_slice(bytes));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = headers;
    api::checked(response)
}

fn describe(name: &str, text: &str) {
    let described = api::describe(text).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(value["name"], described.object.name.as_str(), "{name}");
    assert_eq!(value["queryable"], described.object.queryable, "{name}");
    let fields = value["fields"].as_array().unwrap();
    assert_eq!(described.fields.len(), fields.len(), "{name}");
    for field in fields {
        let field_name = field["name"].as_str().unwrap();
        let found = described.field(field_name).unwrap_or_else(|| panic!("{name}: {field_name}"));
        assert_eq!(field["type"], found.field_type.as_str(), "{name}: {field_name}");
        assert!(!matches!(found.field_type, crate::api::FieldType::Other(_)), "{name}: {field_name}");
        assert_eq!(field["nillable"], found.nillable, "{name}: {field_name}");
        assert_eq!(
            field["picklistValues"].as_array().map_or(0, Vec::len),
            found.picklist_values.len(),
            "{name}: {field_name}"
        );
        if let Some(updateable) = field["updateable"].as_bool() {
            assert_eq!(updateable, found.updateable, "{name}: {field_name}");
            assert_eq!(field["length"], found.length, "{name}: {field_name}");
            assert_eq!(field["precision"], found.precision, "{name}: {field_name}");
        }
    }
    let children = value["childRelationships"].as_array().map_or(0, Vec::len);
    assert_eq!(described.child_relationships.len(), children, "{name}");
}

fn page(name: &str, status: u16, headers: &HeaderMap, bytes: &[u8]) {
    let page = answer(status, headers.clone(), bytes).and_then(|answer| api::page(&answer));
    let page = page.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let value = value(bytes);
    let records = value["records"].as_array().unwrap();
    assert_eq!(value["totalSize"], page.total_size, "{name}");
    assert_eq!(page.records.len(), records.len(), "{name}");
    for (row, record) in page.rows().zip(records) {
        assert_eq!(&serde_json::from_str::<Value>(row).unwrap(), record, "{name}");
    }
    let next = value["nextRecordsUrl"].as_str().filter(|_| value["done"] == false);
    assert_eq!(page.next.as_ref().map(crate::api::Locator::path), next, "{name}");
    assert_eq!(page.server_time.is_some(), headers.contains_key("date"), "{name}");
}

fn refusal(name: &str, status: u16, headers: &HeaderMap, bytes: &[u8], code: &str) {
    let fault = answer(status, headers.clone(), bytes).map(|_| ()).unwrap_err();
    let refusal = fault.refusal().unwrap_or_else(|| panic!("{name}: {fault:?}"));
    assert_eq!((refusal.status, refusal.code.as_str()), (status, code), "{name}");
    assert!(!refusal.message.is_empty(), "{name}");
    if code == "DUPLICATES_DETECTED" || code == "MULTIPLE_MATCHES" {
        assert!(!refusal.candidates.is_empty(), "{name}");
    }
    let fields = value(bytes)[0]["fields"].as_array().map_or(0, Vec::len);
    assert_eq!(refusal.fields.len(), fields, "{name}");
}

fn items(name: &str, bytes: &[u8], codes: &[&str]) {
    let items = match value(bytes) {
        Value::Array(items) => items,
        item => vec![item],
    };
    let errors = items.iter().flat_map(|item| item["errors"].as_array().unwrap());
    let read: Vec<_> =
        errors.map(|error| Refused::of_object(200, error.as_object().unwrap()).unwrap()).collect();
    assert_eq!(read.iter().map(|refusal| refusal.code.as_str()).collect::<Vec<_>>(), codes, "{name}");
}

fn html(name: &str, status: u16, headers: HeaderMap, bytes: &[u8]) {
    match answer(status, headers, bytes) {
        Err(Fault::Unexpected { status: given, what: What::Page, .. }) => assert_eq!(given, status, "{name}"),
        other => panic!("{name}: {other:?}"),
    }
}

fn composite(name: &str, how: How, bytes: &[u8]) {
    let mut value = value(bytes);
    let parts = value["compositeResponse"].as_array_mut().unwrap();
    for (at, part) in parts.iter_mut().enumerate() {
        part["referenceId"] = format!("r{at}").into();
        // One recording was trimmed to its body.
        part.as_object_mut().unwrap().entry("httpStatusCode").or_insert(200.into());
    }
    let parts = parts.clone();
    let answer = answer(200, HeaderMap::new(), value.to_string().as_bytes()).unwrap();
    let read = api::composite(&answer, parts.len()).unwrap();
    for (at, (outcome, part)) in read.into_iter().zip(parts).enumerate() {
        match how {
            CompositeRefusals(codes) => {
                let fault = outcome.map(|_| ()).unwrap_err();
                assert_eq!(fault.code().unwrap().as_str(), codes[at], "{name}");
            }
            _ => {
                let outcome = outcome.unwrap_or_else(|fault| panic!("{name}: {fault}"));
                assert_eq!(part["httpStatusCode"], outcome.status, "{name}");
                assert_eq!(serde_json::from_str::<Value>(outcome.body()).unwrap(), part["body"], "{name}");
                if matches!(how, CompositeDescribe) {
                    describe(name, outcome.body());
                }
            }
        }
    }
}

fn exchange(name: &str, how: How, bytes: &[u8]) {
    let value = value(bytes);
    let response = &value["response"];
    let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
    let mut headers = HeaderMap::new();
    for (key, value) in response["headers"].as_object().into_iter().flatten() {
        if let (Ok(key), Some(Ok(value))) =
            (key.parse::<HeaderName>(), value.as_str().map(HeaderValue::from_str))
        {
            headers.insert(key, value);
        }
    }
    let body = response["body"].as_str().unwrap_or_default().as_bytes();
    match how {
        ExchangePage => page(name, status, &headers, body),
        ExchangeRefusal(code) => refusal(name, status, &headers, body, code),
        ExchangeHtml(expected) => {
            assert_eq!(status, expected, "{name}");
            html(name, status, headers, body);
        }
        ExchangeBytes => {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(response["base64Body"].as_str().unwrap())
                .unwrap();
            let mut response = http::Response::new(Bytes::from(bytes.clone()));
            *response.headers_mut() = headers;
            assert_eq!(api::bytes(response).unwrap(), bytes, "{name}");
        }
        _ => unreachable!("{name} is no exchange"),
    }
}
