//! One file per command: its arguments, and what it does.

pub(crate) mod check;
mod columns;
pub(crate) mod custom_objects;
pub(crate) mod demo;
pub(crate) mod emulator;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod link;
pub(crate) mod linked_accounts;
pub(crate) mod list;
pub(crate) mod map;
pub(crate) mod providers;
pub(crate) mod request;
pub(crate) mod rotate_key;
pub(crate) mod schema;
pub(crate) mod search;
pub(crate) mod sync;
pub(crate) mod unlink;
pub(crate) mod write;

use crate::cli::{Cli, Command};
use crate::errors::{Exit, Result};

/// Runs what was typed.
pub(crate) async fn run(cli: Cli) -> Result<Exit> {
    let global = &cli.global;
    match cli.command {
        Command::Demo(arguments) => Box::pin(demo::run(arguments, global)).await,
        Command::Providers(_) => providers::run(global),
        Command::Link(arguments) => Box::pin(link::run(arguments, global)).await,
        Command::LinkedAccounts(_) => linked_accounts::run(global).await,
        Command::Unlink(arguments) => Box::pin(unlink::run(arguments, global)).await,
        Command::RotateKey(arguments) => rotate_key::run(arguments, global).await,
        Command::Check(arguments) => Box::pin(check::run(arguments, global)).await,
        Command::Sync(arguments) => Box::pin(sync::run(arguments, global)).await,
        Command::List(arguments) => list::run(arguments, global).await,
        Command::Get(arguments) => get::run(arguments, global).await,
        Command::Export(arguments) => Box::pin(export::run(arguments, global)).await,
        Command::Create(arguments) => Box::pin(write::create::run(arguments, global)).await,
        Command::Update(arguments) => Box::pin(write::update::run(arguments, global)).await,
        Command::Upsert(arguments) => Box::pin(write::upsert::run(arguments, global)).await,
        Command::Delete(arguments) => Box::pin(write::delete::run(arguments, global)).await,
        Command::ConvertLead(arguments) => Box::pin(write::convert_lead::run(arguments, global)).await,
        Command::Map(arguments) => Box::pin(map::run(arguments, global)).await,
        Command::CustomObjects(arguments) => Box::pin(custom_objects::run(arguments, global)).await,
        Command::Search(arguments) => Box::pin(search::run(arguments, global)).await,
        Command::Schema(arguments) => schema::run(arguments, global).await,
        Command::Request(arguments) => request::run(arguments, global).await,
        Command::Emulator(arguments) => Box::pin(emulator::run(arguments, global)).await,
    }
}
