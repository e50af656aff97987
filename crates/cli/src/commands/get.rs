//! `unicrm get`

use clap::Args;
use unicrm_core::{LinkedAccountId, ObjectKind, ProviderExt, ReadPart, Record, RemoteId, Row, Scope};
use unicrm_store::{Include, LinkedAccount, StoredRecord};
use uuid::Uuid;

use crate::cli::{AccountOption, Global};
use crate::errors::{Exit, Failure, Result};
use crate::output;
use crate::session::Session;

/// Print one record as JSON, by unified or remote id
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  unicrm get contacts 003Hs00004Xkq2aIAB\n  \
    unicrm get contacts 83eb1ab2-bce7-5ce4-99e8-fcfb7b5368de --live")]
pub(crate) struct Arguments {
    /// The object, such as contacts
    object: ObjectKind,
    /// The unified id (a UUID) or the remote id
    id: String,
    #[command(flatten)]
    account: AccountOption,
    /// Ask the remote instead of the store
    #[arg(long)]
    live: bool,
    /// The remote fields that have no unified place, too
    #[arg(long)]
    remote_fields: bool,
    /// The raw record as the remote sent it, too
    #[arg(long)]
    remote_data: bool,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let session = Session::open(global).await?;
    let named = session.account_or_all(arguments.account.linked_account.as_deref()).await?;
    let stored = find(&session, &arguments, named.as_ref().map(|account| account.id)).await?;
    let record = if arguments.live {
        let (account, remote_id) = whom_to_ask(&session, &arguments, named, stored).await?;
        live(&session, &arguments, &account, remote_id).await?
    } else {
        stored.map(|stored| stored.record).ok_or_else(|| {
            not_there(&arguments, "in the store")
                .advice("`unicrm sync` brings the store up to date; --live asks the remote")
        })?
    };
    output::json(&record)?;
    Ok(Exit::DONE)
}

fn not_there(arguments: &Arguments, place: &str) -> Failure {
    Failure::new(format!("there is no {} {:?} {place}", arguments.object, arguments.id))
}

async fn find(
    session: &Session,
    arguments: &Arguments,
    account: Option<LinkedAccountId>,
) -> Result<Option<StoredRecord>> {
    let include = Include { remote_fields: arguments.remote_fields, remote_data: arguments.remote_data };
    if let Ok(id) = Uuid::try_parse(&arguments.id) {
        let found = session.store.get(arguments.object, id, include).await?;
        return Ok(found.filter(|found| account.is_none_or(|account| found.linked_account == account)));
    }
    let kind = Some(arguments.object);
    let mut found = session.store.find_remote(account, kind, &arguments.id, include).await?;
    if found.len() > 1 {
        return Err(Failure::usage(format!(
            "several linked accounts have the {} {}",
            arguments.object, arguments.id
        ))
        .advice("name the one you mean with -a NAME"));
    }
    Ok(found.pop())
}

/// The account and the remote id of a record that the store may or may not have.
async fn whom_to_ask(
    session: &Session,
    arguments: &Arguments,
    named: Option<LinkedAccount>,
    stored: Option<StoredRecord>,
) -> Result<(LinkedAccount, RemoteId)> {
    if let Some(stored) = stored {
        let account = session.account(Some(&stored.linked_account.to_string())).await?;
        if let Some(remote_id) = stored.record.remote_id() {
            return Ok((account, remote_id.clone()));
        }
    }
    if Uuid::try_parse(&arguments.id).is_ok() {
        return Err(not_there(arguments, "in the store")
            .advice("the remote knows its own ids only: give the remote id, or sync first"));
    }
    let account = match named {
        Some(account) => account,
        None => session.account(None).await?,
    };
    Ok((account, RemoteId::from(arguments.id.as_str())))
}

async fn live(
    session: &Session,
    arguments: &Arguments,
    account: &LinkedAccount,
    remote_id: RemoteId,
) -> Result<Record> {
    let provider = session.connect(account).await?;
    let part = ReadPart::new(arguments.object, Scope::Ids(vec![remote_id]));
    let page = session.noting(account.id, provider.read_page(part).await).await?;
    for row in page.rows {
        let found = match row {
            Row::Live(live) => live,
            Row::Gone(gone) => match gone.last {
                Some(last) => *last,
                None => continue,
            },
            Row::Rejected { error, .. } => return Err(error.into()),
            Row::Id { .. } => continue,
        };
        let mut record = found.record;
        let mappings = session.store.field_mappings(account.id).await?;
        record.set_field_mappings(&mappings, &found.raw)?;
        if arguments.remote_data {
            record.set_remote_data(&found.raw)?;
        }
        if !arguments.remote_fields {
            record.set("remote_fields", None)?;
        }
        return Ok(record);
    }
    Err(not_there(arguments, "at the remote"))
}
