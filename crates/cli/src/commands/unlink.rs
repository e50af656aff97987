//! `unicrm unlink`

use clap::Args;
use serde::Serialize;
use unicrm_core::{ErrorKind, Registry, Revocation, SignInRequest};
use unicrm_store::LinkedAccount;

use crate::cli::{AccountArgument, Global};
use crate::errors::{Exit, Failure, Result};
use crate::output;
use crate::session::Session;

/// Take the access back at the remote, and remove a linked account and its records from the store
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  unicrm unlink acme\n\n\
    When the remote cannot be reached or refuses, the account is removed all the same, and you are told.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    account: AccountArgument,
    /// Leave the access at the remote as it is: another database uses the same refresh token
    #[arg(long)]
    keep_grant: bool,
}

/// What became of the access at the remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Grant {
    /// It is taken back.
    Revoked,
    /// There was none that the remote knows of.
    None,
    /// It was to be kept.
    Kept,
    /// It could not be taken back, and may still stand.
    NotRevoked,
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
    let grant = if arguments.keep_grant { Grant::Kept } else { take_back(&session, &account).await };
    session.unlink(&account).await?;
    if global.json {
        let id = account.id;
        output::json(&serde_json::json!({ "id": id, "name": account.name, "grant": grant }))?;
        return Ok(Exit::DONE);
    }
    let and = match grant {
        Grant::Revoked => ", and its access is taken back at the remote",
        Grant::None => "; there was no access left to take back at the remote",
        Grant::Kept => "; its access at the remote stands",
        Grant::NotRevoked => "; its access at the remote may still stand",
    };
    output::line(format!("Unlinked {}{and}.", account.name))?;
    Ok(Exit::DONE)
}

/// Takes the access back. Whatever hinders it, the account goes: it is what was asked for.
async fn take_back(session: &Session, account: &LinkedAccount) -> Grant {
    let revoked = async {
        let credentials = session.store.credentials(account.id).load().await?.credentials;
        let request = SignInRequest::new(account.config.clone()).secrets(credentials);
        match Registry::discover()?.sign_in(&account.provider) {
            Ok(sign_in) => sign_in.revoke(request).await,
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Revocation::Nothing),
            Err(error) => Err(error),
        }
    };
    match revoked.await {
        Ok(Revocation::Revoked) => Grant::Revoked,
        Ok(_) => Grant::None,
        Err(error) => {
            eprintln!(
                "note: the access could not be taken back at the remote: {}",
                output::plain(&error.to_string())
            );
            if let Some(advice) = error.advice() {
                eprintln!("hint: {}", output::plain(advice));
            }
            Grant::NotRevoked
        }
    }
}
