//! What can be typed: names, meanings and examples.

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::commands::{
    check, custom_objects, demo, emulator, export, get, link, linked_accounts, list, map, providers, request,
    rotate_key, schema, search, sync, unlink, write,
};

/// One Rust API over every CRM, from the command line.
#[derive(Debug, Parser)]
#[command(
    name = "unicrm",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Example:\n  unicrm demo\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 not permitted at the remote, \
                  4 credentials refused: link again, 5 quota used up (a sync goes on later), 6 done, with rejected rows, \
                  failed objects or writes in doubt."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The database: sqlite:FILE, a bare path or postgres://USER:PASSWORD@HOST/DATABASE [default:
    /// $UNICRM_DATABASE_URL, or else sqlite:unicrm.db]
    #[arg(long, global = true, value_name = "URL", help_heading = "Everywhere")]
    pub(crate) db: Option<String>,
    /// Print JSON for scripts
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// Say more on stderr: causes of errors, and the log (-vv: more of it). RUST_LOG is respected
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    pub(crate) verbose: u8,
}

impl Global {
    /// The URL of the database.
    pub(crate) fn database_url(&self) -> String {
        let named = self.db.clone().or_else(|| std::env::var("UNICRM_DATABASE_URL").ok());
        named.filter(|url| !url.is_empty()).unwrap_or_else(|| unicrm_store::DEFAULT_URL.to_owned())
    }
}

/// The linked account, as an option.
#[derive(Clone, Debug, Args)]
pub(crate) struct AccountOption {
    /// The linked account, by name or id; may be left out when there is one
    #[arg(short = 'a', long, value_name = "NAME")]
    pub(crate) linked_account: Option<String>,
}

/// The linked account, as an argument or as an option.
#[derive(Clone, Debug, Args)]
pub(crate) struct AccountArgument {
    /// The linked account, by name or id; may be left out when there is one
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The same
    #[arg(short = 'a', long, value_name = "NAME", conflicts_with = "name")]
    linked_account: Option<String>,
}

impl AccountArgument {
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref().or(self.linked_account.as_deref())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Arguments),
    Providers(providers::Arguments),
    Link(link::Arguments),
    LinkedAccounts(linked_accounts::Arguments),
    Unlink(unlink::Arguments),
    RotateKey(rotate_key::Arguments),
    Check(check::Arguments),
    Sync(sync::Arguments),
    List(list::Arguments),
    Get(get::Arguments),
    Export(export::Arguments),
    Create(write::create::Arguments),
    Update(write::update::Arguments),
    Upsert(write::upsert::Arguments),
    Delete(write::delete::Arguments),
    ConvertLead(write::convert_lead::Arguments),
    Search(search::Arguments),
    Schema(schema::Arguments),
    Map(map::Arguments),
    CustomObjects(custom_objects::Arguments),
    Request(request::Arguments),
    Emulator(emulator::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let call = format!("unicrm {}", command.get_name());
            assert!(help.contains(&call), "{}: {help:?}", command.get_name());
            // Longer ones would be broken where a shell does not take them.
            let narrow = |line: &str| !line.starts_with("  ") || line.chars().count() <= 100;
            assert!(help.lines().all(narrow), "{}: {help:?}", command.get_name());
        }
    }
}
