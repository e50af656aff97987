//! `unicrm check`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use unicrm_core::{Access, Capabilities, Capability, Identity, Missing, ObjectAccess, Quota};

use crate::cli::{AccountArgument, Global};
use crate::errors::{Exit, Failure, Result};
use crate::output::{self, Sheet};
use crate::session::Session;

/// Say who we are at the remote, and which permission is missing
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  unicrm check acme\n  unicrm check acme --permission-set unicrm-permissions\n  \
    unicrm check acme --permission-set Unicrm.permissionset-meta.xml --read-only\n\n\
    Exit code 3 when something needed is missing."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    account: AccountArgument,
    /// Write the least permissions that are needed: into a file that ends in .xml, or else into a folder that the remote's own
    /// tools deploy
    #[arg(long, value_name = "PATH")]
    permission_set: Option<PathBuf>,
    /// Only what reading needs
    #[arg(long, requires = "permission_set")]
    read_only: bool,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let session = Session::open(global).await?;
    let account = session.account(arguments.account.name()).await?;
    let provider = session.connect(&account).await?;
    let access = session.noting(account.id, provider.access().await).await?;
    let exit = verdict(&access, provider.capabilities());
    let written = match &arguments.permission_set {
        Some(path) => Some(write(&access, path, arguments.read_only)?),
        None => None,
    };
    let report = Report { permission_set: written, ..Report::of(&account.name, &access) };
    Failure::read_or_not(if global.json { output::json(&report) } else { print(&report) })?;
    Ok(exit)
}

/// What was written for an administrator.
#[derive(Serialize)]
struct Written<'a> {
    files: Vec<String>,
    how: &'a str,
    notes: &'a [String],
}

/// Writes the grant: the whole project into a folder, or the grant alone into an XML file.
fn write<'a>(access: &'a Access, path: &Path, read_only: bool) -> Result<Written<'a>> {
    let grant = access.grants.iter().find(|grant| grant.read_only == read_only);
    let grant = grant.ok_or_else(|| Failure::usage("this provider has no permissions to deploy"))?;
    let single = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml"));
    let mut files = Vec::new();
    for (at, file) in grant.files.iter().enumerate() {
        let target = if single { path.to_owned() } else { path.join(&file.path) };
        // What surrounds the grant may have been changed by its owner.
        if at > 0 && (single || target.exists()) {
            continue;
        }
        let written = (|| {
            if let Some(folder) = target.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&target, &file.content)
        })();
        written.map_err(|error: std::io::Error| {
            Failure::new(format!("{} cannot be written: {error}", target.display()))
        })?;
        files.push(target.display().to_string());
    }
    Ok(Written { files, how: &grant.how, notes: &grant.notes })
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
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_set: Option<Written<'a>>,
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
            permission_set: None,
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
        output::line("\nNothing is missing.")?;
    } else {
        output::line("\nMissing:")?;
    }
    for missing in report.missing {
        let needed = if missing.required { "needed" } else { "useful" };
        output::line(format!(
            "- {} ({needed} for {})",
            output::plain(&missing.what),
            output::plain(&missing.needed_for)
        ))?;
        output::line(format!("  {}", output::plain(&missing.how)))?;
    }
    let Some(written) = &report.permission_set else { return Ok(()) };
    output::line("\nWritten:")?;
    for file in &written.files {
        output::line(format!("- {file}"))?;
    }
    output::line(format!("\n{}", output::plain(written.how)))?;
    for note in written.notes {
        output::line(format!("\n{}", output::plain(note)))?;
    }
    Ok(())
}
