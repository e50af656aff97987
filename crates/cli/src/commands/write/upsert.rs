//! `unicrm upsert`

use clap::Args;
use unicrm_core::ObjectKind;

use super::{RecordOptions, row};
use crate::cli::Global;
use crate::errors::{Exit, Failure, Result};

/// Change the records that have a key, and make those that are not there
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    unicrm upsert contacts --key ErpId__c=4711 --data '{\"last_name\": \"Feig\"}'\n  \
    unicrm upsert accounts --key ErpId__c --data @accounts.ndjson\n\n\
    The key is a field of the remote that is marked as external id, by its own name. Without a value, each row has the value \
    under that name: {\"ErpId__c\": \"4711\", \"last_name\": \"Feig\"}.")]
pub(crate) struct Arguments {
    /// The object, such as contacts
    object: ObjectKind,
    /// The key, and its value when there is one record
    #[arg(long, value_name = "FIELD[=VALUE]", value_parser = key)]
    key: (String, Option<String>),
    #[command(flatten)]
    options: RecordOptions,
}

fn key(text: &str) -> Result<(String, Option<String>), String> {
    let (field, value) = match text.split_once('=') {
        Some((field, value)) => (field.trim(), Some(value.to_owned())),
        None => (text.trim(), None),
    };
    if field.is_empty() || value.as_deref() == Some("") {
        return Err("write the key as FIELD=VALUE, or as FIELD when each row has its value".to_owned());
    }
    Ok((field.to_owned(), value))
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let Arguments { object: kind, key: (field, value), options } = arguments;
    let read = |number: usize, row: &_| {
        if value.is_some() && number > 0 {
            return Err(Failure::usage("one value of the key is given, and more than one record to write")
                .advice(format!("write --key {field}, and give each row its value under {field:?}")));
        }
        row::upsert(kind, &field, value.as_deref(), row)
    };
    options.run(kind, global, read).await
}
