//! `unicrm providers`

use clap::Args;
use serde::Serialize;
use unicrm_core::{AuthFlow, Capability, CapabilitySet, ObjectKind, Registration, Registry};

use crate::cli::Global;
use crate::errors::{Exit, Result};
use crate::output::{self, Sheet};

/// List the providers and what they can do
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  unicrm providers")]
pub(crate) struct Arguments {}

pub(crate) fn run(global: &Global) -> Result<Exit> {
    let registry = Registry::discover()?;
    if global.json {
        let providers: Vec<_> = registry.iter().map(Provider::of).collect();
        output::json(&providers)?;
        return Ok(Exit::DONE);
    }
    for registration in registry.iter() {
        let provider = Provider::of(registration);
        output::line(format!("{} ({})\n{}\n", provider.name, provider.slug, provider.description))?;
        let mut sheet = Sheet::new(&["object", "remote objects", "can"]).wrapping();
        for object in &provider.objects {
            let can: Vec<_> = object.capabilities.iter().map(Capability::as_str).collect();
            sheet.row([object.object, &object.remote_objects.join(" "), &can.join(" ")]);
        }
        sheet.print()?;
        output::line("")?;
        let mut sheet = Sheet::new(&["sign-in flow", "how"]).wrapping();
        for flow in provider.auth_flows {
            sheet.row([flow.name, flow.description]);
        }
        sheet.print()?;
    }
    Ok(Exit::DONE)
}

#[derive(Serialize)]
struct Provider {
    slug: &'static str,
    name: &'static str,
    description: &'static str,
    objects: Vec<ObjectLine>,
    raw_requests: bool,
    auth_flows: &'static [AuthFlow],
}

#[derive(Serialize)]
struct ObjectLine {
    object: &'static str,
    remote_objects: &'static [&'static str],
    capabilities: CapabilitySet,
}

impl Provider {
    fn of(registration: &Registration) -> Self {
        let info = registration.info();
        let capabilities = registration.capabilities();
        let objects = ObjectKind::ALL.into_iter().map(|kind| ObjectLine {
            object: kind.plural(),
            remote_objects: info.mapping(kind).map_or(&[], |mapping| mapping.remote_objects),
            capabilities: capabilities.of(kind),
        });
        Self {
            slug: info.slug,
            name: info.name,
            description: info.description,
            objects: objects.collect(),
            raw_requests: capabilities.raw_requests(),
            auth_flows: info.auth_flows,
        }
    }
}
