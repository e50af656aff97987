//! `unicrm unlink`

use clap::Args;

use crate::cli::{AccountArgument, Global};
use crate::errors::{Exit, Failure, Result};
use crate::output;
use crate::session::Session;

/// Remove a linked account and its records from the store
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  unicrm unlink acme")]
pub(crate) struct Arguments {
    #[command(flatten)]
    account: AccountArgument,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    // What removes records is never guessed, not even when there is one account alone.
    let Some(name) = arguments.account.name() else {
        return Err(
            Failure::usage("name the linked account to remove").advice("`unicrm linked-accounts` lists them")
        );
    };
    let session = Session::open(global).await?;
    let account = session.account(Some(name)).await?;
    session.unlink(&account).await?;
    if global.json {
        output::json(&serde_json::json!({ "id": account.id, "name": account.name }))?;
    } else {
        output::line(format!("Unlinked {}.", account.name))?;
    }
    Ok(Exit::DONE)
}
