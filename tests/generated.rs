//! The pages of the book that are made from code. `just docs-gen` writes them; this test fails when one is stale.

use std::fmt::Write;
use std::path::Path;

use unicrm::{Capability, MappingDirection, NormalForm, ObjectKind, Registry};

pub(crate) const HEAD: &str = "<!-- Made from code by `just docs-gen`; do not edit. -->\n\n";

pub(crate) fn check(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/generated").join(file);
    if std::env::var_os("UNICRM_DOCS").is_some_and(|mode| mode == "write") {
        std::fs::write(&path, expected).expect("a writable page");
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/generated/{file} is stale: run `just docs-gen`");
}

#[test]
fn generated_capabilities_page_is_current() {
    let mut page = format!(
        "{HEAD}# Capabilities\n\nWhat each provider declares. Everything else answers `Unsupported`.\n"
    );
    for provider in Registry::discover().expect("plugins are linked").iter() {
        let capabilities = provider.capabilities();
        write!(page, "\n## {}\n\n| |", provider.info().name).unwrap();
        for kind in ObjectKind::ALL {
            write!(page, " {kind} |").unwrap();
        }
        page.push_str("\n|---|");
        page.push_str(&"---|".repeat(ObjectKind::ALL.len()));
        for capability in Capability::ALL {
            write!(page, "\n| `{capability}` |").unwrap();
            for kind in ObjectKind::ALL {
                page.push_str(if capabilities.allows(kind, capability) { " yes |" } else { " |" });
            }
        }
        let raw = if capabilities.raw_requests() { "passed through" } else { "not supported" };
        writeln!(page, "\n\nRaw requests: {raw}.").unwrap();
        let custom: Vec<_> =
            capabilities.custom_objects().iter().map(|capability| format!("`{capability}`")).collect();
        let custom = if custom.is_empty() { "not supported".to_owned() } else { custom.join(", ") };
        writeln!(page, "\nCustom objects: {custom}.").unwrap();
        page.push_str("\nWays to sign in:\n\n");
        for flow in provider.info().auth_flows {
            writeln!(page, "- `{}`: {}.", flow.name, flow.description).unwrap();
        }
    }
    check("capabilities.md", &page);
}

fn normal_form(form: NormalForm) -> &'static str {
    match form {
        NormalForm::Day => "the day alone (midnight UTC)",
        NormalForm::Second => "whole seconds",
        NormalForm::Trimmed => "trimmed; empty becomes none",
        NormalForm::LineBreaks => "line breaks become LF",
        NormalForm::Text => "markup becomes text",
        NormalForm::Derived => "computed by the remote",
        NormalForm::Places => "only the listed places",
        NormalForm::Defaulted => "the remote has a default",
        other => panic!("a normal form without a description: {other:?}"),
    }
}

#[test]
fn generated_mapping_pages_are_current() {
    for provider in Registry::discover().expect("plugins are linked").iter() {
        let info = provider.info();
        let mut page = format!("{HEAD}# How {} maps\n\n{}\n", info.name, info.description);
        for mapping in info.mappings {
            write!(page, "\n## {}\n\nRemote: {}.\n\n", mapping.kind, mapping.remote_objects.join(", "))
                .unwrap();
            page.push_str("| field | remote | direction | normal form | note |\n|---|---|---|---|---|\n");
            for field in mapping.fields {
                let direction = match field.direction {
                    MappingDirection::Both => "both",
                    MappingDirection::Read => "read",
                };
                let forms: Vec<_> = field.normal_forms.iter().map(|form| normal_form(*form)).collect();
                let remote = field.remote.join(", ").replace('|', "\\|");
                let note = field.note.replace('|', "\\|");
                writeln!(
                    page,
                    "| `{}` | {remote} | {direction} | {} | {note} |",
                    field.unified,
                    forms.join("; ")
                )
                .unwrap();
            }
        }
        check(&format!("mapping-{}.md", info.slug), &page);
    }
}

#[path = "../plugins/salesforce/tests/faults_auth_rows.rs"]
mod faults_auth_rows;
#[path = "../plugins/salesforce/tests/bulk/fault_rows.rs"]
mod faults_bulk_rows;
#[path = "../plugins/salesforce/tests/faults_requests_rows.rs"]
mod faults_requests_rows;
#[path = "../plugins/salesforce/tests/writing/fault_rows.rs"]
mod faults_writing_rows;

#[test]
fn generated_faults_of_signing_in_are_current() {
    let head = "# Faults of signing in\n\nWhat real orgs show when an account signs in or its session ends, what the Salesforce \
                plugin does about it, and the test in `plugins/salesforce/tests/faults_auth.rs` that shows it.";
    check("faults-sign-in.md", &faults(head, faults_auth_rows::ROWS));
}

#[test]
fn generated_faults_of_bulk_jobs_are_current() {
    let head = "# Faults of Bulk jobs\n\nWhat real orgs show when records are read by Bulk jobs, what the Salesforce plugin \
                does about it, and the test in `plugins/salesforce/tests/bulk` that shows it.";
    check("faults-bulk.md", &faults(head, faults_bulk_rows::ROWS));
}

#[test]
fn generated_faults_of_requests_are_current() {
    let head = "# Faults of requests\n\nWhat real orgs show when a quota is used up, when there are too many requests, and on the \
                way there and back, what the Salesforce plugin does about it, and the test that shows it: in \
                `plugins/salesforce/tests/faults_requests.rs`, or in `bulk/faults.rs` and `writing/rows.rs` beside it, or in \
                `plugins/salesforce/src/api`.";
    check("faults-requests.md", &faults(head, faults_requests_rows::ROWS));
}

#[test]
fn generated_faults_of_writing_are_current() {
    let head = "# Faults of writing\n\nWhat real orgs show when records are written, what the Salesforce plugin does about it, \
                and the test in `plugins/salesforce/tests/writing` that shows it.";
    check("faults-writing.md", &faults(head, faults_writing_rows::ROWS));
}

/// A page of faults: what happens, what is done, and the test.
fn faults(head: &str, rows: &[(&str, &str, &str)]) -> String {
    let mut page = format!("{HEAD}{head}\n\n| what happens | what is done | test |\n|---|---|---|\n");
    for (row, behaviour, test) in rows {
        writeln!(page, "| {row} | {behaviour} | `{test}` |").unwrap();
    }
    page
}
