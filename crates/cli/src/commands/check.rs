//! `unicrm check`

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use unicrm_core::{Access, Capabilities, Capability, Identity, Missing, ObjectAccess, Quota};

use crate::cli::{AccountArgument, Global};
use crate::errors::{Exit, Result};
use crate::output::{self, Sheet};
use crate::session::Session;

/// Say who we are at the remote, and which permission is missing
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  unicrm check acme\n\nExit code 3 when something needed is missing.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    account: AccountArgument,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let session = Session::open(global).await?;
    let account = session.account(arguments.account.name()).await?;
    let provider = session.connect(&account).await?;
    let access = session.noting(account.id, provider.access().await).await?;
    let exit = verdict(&access, provider.capabilities());
    let report = Report::of(&account.name, &access);
    if global.json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(exit)
}

/// Whether all is there that is needed: every object that the provider can read.
pub(crate) fn verdict(access: &Access, capabilities: &Capabilities) -> Exit {
    let unreadable = access
        .objects
        .iter()
        .any(|(kind, object)| !object.readable && capabilities.allows(*kind, Capability::Read));
    let missing = access.missing.iter().any(|missing| missing.required);
    if missing || unreadable { Exit::FORBIDDEN } else { Exit::DONE }
}

#[derive(Serialize)]
struct Report<'a> {
    linked_account: &'a str,
    identity: &'a Identity,
    full_administrator: bool,
    objects: BTreeMap<&'static str, &'a ObjectAccess>,
    quota: Option<&'a Quota>,
    missing: &'a [Missing],
}

impl<'a> Report<'a> {
    fn of(name: &'a str, access: &'a Access) -> Self {
        Self {
            linked_account: name,
            identity: &access.identity,
            full_administrator: access.full_administrator,
            objects: access.objects.iter().map(|(kind, object)| (kind.plural(), object)).collect(),
            quota: access.quota.as_ref(),
            missing: &access.missing,
        }
    }
}

fn print(report: &Report<'_>) -> Result<()> {
    let identity = report.identity;
    let quota = report.quota.map(|quota| format!("{} of {} API calls left", quota.left(), quota.limit));
    let administrator = if report.full_administrator { "yes" } else { "no" };
    for (label, value) in [
        ("linked account", Some(report.linked_account)),
        ("user", Some(identity.username.as_str())),
        ("name", identity.display_name.as_deref()),
        ("organization", identity.organization.as_deref()),
        ("at", identity.instance_url.as_deref()),
        ("API version", identity.api_version.as_deref()),
        ("full administrator", Some(administrator)),
        ("quota", quota.as_deref()),
    ] {
        if let Some(value) = value {
            output::line(format!("{label:<19} {}", output::plain(value)))?;
        }
    }
    output::line("")?;
    let mut sheet = Sheet::new(&["object", "read", "create", "update", "delete", "readable fields"]);
    for (object, access) in &report.objects {
        let mark = |allowed: bool| if allowed { "yes" } else { "-" };
        let readable = access.fields.iter().filter(|field| field.readable).count();
        sheet.row([
            *object,
            mark(access.readable),
            mark(access.creatable),
            mark(access.updatable),
            mark(access.deletable),
            &format!("{readable} of {}", access.fields.len()),
        ]);
    }
    sheet.print()?;
    if report.missing.is_empty() {
        return output::line("\nNothing is missing.");
    }
    output::line("\nMissing:")?;
    for missing in report.missing {
        let needed = if missing.required { "needed" } else { "useful" };
        output::line(format!(
            "- {} ({needed} for {})",
            output::plain(&missing.what),
            output::plain(&missing.needed_for)
        ))?;
        output::line(format!("  {}", output::plain(&missing.how)))?;
    }
    Ok(())
}
