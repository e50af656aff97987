//! `unicrm update`

use clap::Args;
use unicrm_core::ObjectKind;

use super::RecordOptions;
use super::row::{self, Named};
use crate::cli::Global;
use crate::errors::{Exit, Failure, Result};

/// Change records at the remote: what is named, and nothing else
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    unicrm update contacts 003Hs00004Xkq2aIAB --data '{\"last_name\": \"Feig\", \"first_name\": null}'\n  \
    unicrm update opportunities --data '[{\"remote_id\": \"006Hs00001AbCdEIAV\", \"status\": \"WON\"}]'\n\n\
    null clears a field, and a list that is named replaces the whole list. Without an ID each row names its record by \"id\" or \
    \"remote_id\".")]
pub(crate) struct Arguments {
    /// The object, such as contacts
    object: ObjectKind,
    /// The record, by unified or remote id; without it each row names its own
    id: Option<String>,
    #[command(flatten)]
    options: RecordOptions,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let Arguments { object: kind, id, options } = arguments;
    let named = id.as_deref().map(Named::of);
    let read = |number: usize, value: &_| {
        if named.is_some() && number > 0 {
            return Err(Failure::usage("one id is given, and more than one record to write")
                .advice("leave the id out, and name the record in each row by \"id\" or \"remote_id\""));
        }
        row::update(kind, named.as_ref(), value)
    };
    options.run(kind, global, read).await
}
