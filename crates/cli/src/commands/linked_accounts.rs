//! `unicrm linked-accounts`

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use unicrm_core::LinkedAccountId;
use unicrm_store::AccountStatus;

use crate::cli::Global;
use crate::errors::{Exit, Result};
use crate::output::{self, Sheet};
use crate::session::Session;

/// List the linked accounts
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  unicrm linked-accounts --json")]
pub(crate) struct Arguments {}

#[derive(Serialize)]
struct Line<'a> {
    id: LinkedAccountId,
    name: &'a str,
    provider: &'a str,
    status: AccountStatus,
    last_sync: Option<Timestamp>,
}

pub(crate) async fn run(global: &Global) -> Result<Exit> {
    let session = Session::open(global).await?;
    let accounts = session.store.linked_accounts().await?;
    if global.json {
        let lines: Vec<_> = accounts
            .iter()
            .map(|account| Line {
                id: account.id,
                name: &account.name,
                provider: &account.provider,
                status: account.status,
                last_sync: account.last_sync,
            })
            .collect();
        output::json(&lines)?;
        return Ok(Exit::DONE);
    }
    let mut sheet =
        Sheet::new(&["name", "provider", "status", "last sync"]).wrapping().whole(2).spares([1, 3]);
    for account in &accounts {
        let last_sync = account.last_sync.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"));
        sheet.row([&account.name, &account.provider, account.status.as_str(), &last_sync]);
    }
    sheet.print()?;
    Ok(Exit::DONE)
}
