//! `unicrm create`

use clap::Args;
use unicrm_core::ObjectKind;

use super::{RecordOptions, row};
use crate::cli::Global;
use crate::errors::{Exit, Result};

/// Make records at the remote
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    unicrm create contacts --data '{\"first_name\": \"Gil\", \"last_name\": \"Feig\"}'\n  \
    unicrm create leads -a acme --data @leads.ndjson --json > outcomes.ndjson\n  \
    unicrm create engagements --data '{\"engagement_type\": {\"remote_id\": \"Task:Call\"},\n      \
    \"direction\": \"OUTBOUND\", \"subject\": \"Call\",\n      \
    \"contacts\": [{\"remote_id\": \"003Hs00004Xkq2aIAB\"}]}'\n\n\
    A reference is the unified id of a record in the store, or {\"remote_id\": \"...\"}. Exit code 6: some rows failed or are in \
    doubt.")]
pub(crate) struct Arguments {
    /// The object, such as contacts
    object: ObjectKind,
    #[command(flatten)]
    options: RecordOptions,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let Arguments { object: kind, options } = arguments;
    options.run(kind, global, |_, value| row::create(kind, value)).await
}
