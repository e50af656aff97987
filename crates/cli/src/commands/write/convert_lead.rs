//! `unicrm convert-lead`

use clap::Args;
use unicrm_core::{Id, Object, ObjectKind, Ref};

use super::row::{self, Aims, Ask, Conversion, Named};
use super::{Command, DuplicateOption, Input, WriteOptions, run as write};
use crate::cli::Global;
use crate::errors::{Exit, Result};
use crate::input::Source;

/// Turn leads into contacts, accounts and opportunities
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    unicrm convert-lead 00QHs00003AbCdEMAV --opportunity \"Integration\"\n  \
    unicrm convert-lead 00QHs00003AbCdEMAV --account 001Hs00002AbCdEIAV --owner 005Hs00000AbCdEIAV\n  \
    unicrm convert-lead --data @leads.ndjson --json\n\n\
    Without --account and --contact new ones are made; without --opportunity, none is. Rows of --data are ids, or objects with \
    \"id\" or \"remote_id\" and account, contact, opportunity_name, owner, converted_status.")]
pub(crate) struct Arguments {
    /// The leads, by unified or remote id
    #[arg(required_unless_present = "data", conflicts_with = "data", value_name = "ID")]
    ids: Vec<String>,
    /// The leads: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON|@FILE|-")]
    data: Option<String>,
    /// The account to join
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// The contact to merge into; it belongs to the account
    #[arg(long, value_name = "ID", requires = "account")]
    contact: Option<String>,
    /// The name of an opportunity to make
    #[arg(long, value_name = "NAME")]
    opportunity: Option<String>,
    /// Who owns the new records [default: the lead's owner]
    #[arg(long, value_name = "ID")]
    owner: Option<String>,
    /// The remote's status of the converted lead [default: its first one]
    #[arg(long, value_name = "LABEL")]
    status: Option<String>,
    #[command(flatten)]
    duplicates: DuplicateOption,
    #[command(flatten)]
    options: WriteOptions,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let usual = Aims {
        account: reference(arguments.account.as_deref()),
        contact: reference(arguments.contact.as_deref()),
        opportunity_name: arguments.opportunity,
        owner: reference(arguments.owner.as_deref()),
        converted_status: arguments.status,
    };
    let read = |_: usize, value: &_| row::convert(&usual, value);
    let input = match &arguments.data {
        Some(data) => Input::Data(Source::of(data), &read),
        None => {
            let one = |id: &String| Conversion { lead: Named::of(id), into: usual.clone() };
            Input::Given(arguments.ids.iter().map(|id| Ask::Convert(Box::new(one(id)))).collect())
        }
    };
    let allow_duplicates = arguments.duplicates.allow_duplicates;
    let (kind, options) = (ObjectKind::Lead, &arguments.options);
    write(Command { kind, options, allow_duplicates, global }, input).await
}

fn reference<T: Object>(id: Option<&str>) -> Option<Ref<T>> {
    Some(match Named::of(id?) {
        Named::Unified(id) => Ref::unified(Id::from_uuid(id)),
        Named::Remote(id) => Ref::by_remote_id(id),
    })
}
