//! `unicrm schema`

use clap::Args;
use unicrm_core::{FieldSchema, ObjectKind, Schema, WriteKind, json_schema};

use crate::cli::{AccountOption, Global};
use crate::errors::{Exit, Result};
use crate::output::{self, Sheet};
use crate::session::Session;

/// Show the fields of an object as this user sees them
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  unicrm schema contacts -a acme\n  unicrm schema contacts --json-schema create"
)]
pub(crate) struct Arguments {
    /// The object, such as contacts
    object: ObjectKind,
    /// Print the JSON Schema of what a create or an update takes instead: create or update
    #[arg(long, value_name = "WRITE")]
    json_schema: Option<WriteKind>,
    #[command(flatten)]
    account: AccountOption,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let session = Session::open(global).await?;
    let account = session.account(arguments.account.linked_account.as_deref()).await?;
    let provider = session.connect(&account).await?;
    let schema = session.noting(account.id, provider.describe(arguments.object).await).await?;
    if let Some(write) = arguments.json_schema {
        let mappings = session.store.field_mappings(account.id).await?;
        let document: serde_json::Value = json_schema(&schema, &mappings, write).read()?;
        output::json(&document)?;
    } else if global.json {
        output::json(&schema)?;
    } else {
        print(&schema)?;
    }
    Ok(Exit::DONE)
}

fn print(schema: &Schema) -> Result<()> {
    output::line(format!("{}: {}\n", schema.kind.plural(), schema.remote_objects.join(", ")))?;
    let mut sheet = Sheet::new(&["unified", "remote", "type", "flags", "values"]);
    for field in &schema.fields {
        // With one remote object behind it, every field is of that.
        let remote = match schema.remote_objects.as_slice() {
            [_] => field.remote.clone(),
            _ => format!("{}.{}", field.remote_object, field.remote),
        };
        let unified = field.unified.as_deref().unwrap_or_default();
        sheet.row([unified, &remote, &kind(field), &flags(field), &values(field)]);
    }
    sheet.print()?;
    print_record_types(schema)
}

/// What the sorts of record are that offer choices of their own.
fn print_record_types(schema: &Schema) -> Result<()> {
    if schema.record_types.is_empty() {
        return Ok(());
    }
    output::line("")?;
    let mut sheet = Sheet::new(&["record type", "of", "id", "picklists"]).whole(2);
    for kind in &schema.record_types {
        let lists: Vec<_> =
            kind.picklists.iter().map(|(field, values)| format!("{field} ({})", values.len())).collect();
        sheet.row([&kind.name, &kind.remote_object, &kind.id, &lists.join(", ")]);
    }
    sheet.print()
}

fn kind(field: &FieldSchema) -> String {
    let base = field.remote_type.as_deref().unwrap_or(field.format.as_str());
    match field.length.filter(|length| *length > 0) {
        Some(length) => format!("{base}({length})"),
        None => base.to_owned(),
    }
}

/// `r`equired, `c`ustom, and writable on `create` or `update` only, where that is so.
fn flags(field: &FieldSchema) -> String {
    let writable = match (field.creatable, field.updatable) {
        (true, true) => "writable",
        (true, false) => "create only",
        (false, true) => "update only",
        (false, false) => "read only",
    };
    let mut flags = vec![writable];
    flags.extend(field.required.then_some("required"));
    flags.extend(field.custom.then_some("custom"));
    flags.join(", ")
}

fn values(field: &FieldSchema) -> String {
    if !field.references.is_empty() {
        return format!("-> {}", field.references.join(", "));
    }
    let active = field.picklist.iter().filter(|value| value.active);
    let values = active.map(|value| value.value.as_str()).collect::<Vec<_>>().join(" | ");
    match &field.controller {
        Some(controller) => format!("(by {controller}) {values}"),
        None => values,
    }
}
