//! `unicrm rotate-key`

use std::path::PathBuf;

use clap::Args;
use unicrm_store::{KeySource, MasterKey};

use crate::cli::Global;
use crate::errors::{Exit, Failure, Result};
use crate::output;
use crate::session::Session;

/// Encrypt the stored credentials with a new key
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  unicrm rotate-key --new-key-file unicrm.key\n  UNICRM_KEY_FILE=unicrm.key unicrm linked-accounts\n\n\
    The key in use is found as always: in UNICRM_KEY, in the file that UNICRM_KEY_FILE names, beside a SQLite database, or \
    (PostgreSQL) in ~/.config/unicrm.\n\
    A new key file is made when there is none of this name; one that is there is used as it is.\n\
    Until all processes have the new key, those with the old one cannot open the credentials."
)]
pub(crate) struct Arguments {
    /// The file of the new key: 32 random bytes in base64
    #[arg(long, value_name = "FILE")]
    new_key_file: PathBuf,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let source = unicrm_store::key_source(&global.database_url())?;
    let old = source.load()?;
    let session = Session::open(global).await?;
    let file = &arguments.new_key_file;
    // Written before it is used: credentials whose key is lost are lost.
    let new = if file.exists() {
        MasterKey::read_file(file)?
    } else {
        let new = MasterKey::generate()?;
        new.write_file(file)?;
        new
    };
    if new == old {
        let message = format!("{} holds the key that is in use", file.display());
        return Err(
            Failure::usage(message).advice("name a file that is not there yet: a new key is written to it")
        );
    }
    let rotated = session.store.rotate_master_key(&old, &new).await?;
    let file = std::path::absolute(file)?;
    if global.json {
        output::json(&serde_json::json!({ "accounts": rotated, "key_file": file.display().to_string() }))?;
        return Ok(Exit::DONE);
    }
    output::line(format!("The credentials of {rotated} account(s) are encrypted with the new key."))?;
    output::line(format!("From now on, set UNICRM_KEY_FILE={}", file.display()))?;
    match source {
        KeySource::FileOrNew(usual) | KeySource::FileOrEarlier { file: usual, .. } => {
            output::line(format!("or put it in its usual place, {}", usual.display()))?;
        }
        KeySource::File(old) => {
            output::line(format!("The old key opens nothing any more: remove {}", old.display()))?;
        }
        _ => output::line("The old key opens nothing any more: take UNICRM_KEY out of the environment")?,
    }
    Ok(Exit::DONE)
}
