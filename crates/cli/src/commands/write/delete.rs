//! `unicrm delete`

use clap::Args;
use unicrm_core::ObjectKind;

use super::row::{self, Ask, Named};
use super::{Command, Input, WriteOptions, run as write};
use crate::cli::Global;
use crate::errors::{Exit, Result};
use crate::input::Source;

/// Delete records at the remote
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    unicrm delete contacts 003Hs00004Xkq2aIAB\n  \
    unicrm list leads --where status=CLOSED --format ndjson | unicrm delete leads --data -\n\n\
    A record that is deleted already counts as deleted.")]
pub(crate) struct Arguments {
    /// The object, such as contacts
    object: ObjectKind,
    /// The records, by unified or remote id
    #[arg(required_unless_present = "data", conflicts_with = "data", value_name = "ID")]
    ids: Vec<String>,
    /// The records: JSON, @FILE, or - for standard input. Ids as JSON strings, or objects with an "id" or a "remote_id"
    #[arg(long, value_name = "JSON|@FILE|-")]
    data: Option<String>,
    #[command(flatten)]
    options: WriteOptions,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let Arguments { object: kind, ids, data, options } = arguments;
    let read = |_: usize, value: &_| row::delete(value);
    let input = match &data {
        Some(data) => Input::Data(Source::of(data), &read),
        None => Input::Given(ids.iter().map(|id| Ask::Delete(Named::of(id))).collect()),
    };
    write(Command { kind, options: &options, allow_duplicates: false, global }, input).await
}
