//! `unicrm link`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use unicrm_core::{Access, CredentialStore, LinkedAccountId, MemoryCredentialStore, Registry};
use unicrm_store::LinkRequest;

use crate::cli::Global;
use crate::errors::{Exit, Failure, Result};
use crate::session::Session;
use crate::{output, secrets, settings};

/// Link an account of a provider, with its credentials encrypted
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    UNICRM_CLIENT_SECRET=... unicrm link salesforce --name acme --flow client-credentials \\\n      \
    --login-url https://acme.my.salesforce.com --client-id 3MVG9...\n  \
    unicrm link salesforce --name acme --flow refresh-token --client-id 3MVG9... --refresh-token-file token.txt\n\n\
    Secrets never are arguments: they come from UNICRM_CLIENT_SECRET and UNICRM_REFRESH_TOKEN, from a file, or from a \
    prompt.\nAn account that is linked already keeps its records.")]
pub(crate) struct Arguments {
    /// The provider, such as salesforce
    provider: String,
    /// The name of the linked account, for later commands
    #[arg(long)]
    name: String,
    /// How to sign in: `unicrm providers` lists the flows
    #[arg(long)]
    flow: String,
    /// Where to sign in [default: the provider's own, such as `https://login.salesforce.com`]
    #[arg(long, value_name = "URL")]
    login_url: Option<String>,
    /// The app's id (Salesforce: consumer key)
    #[arg(long, env = "UNICRM_CLIENT_ID", value_name = "ID")]
    client_id: Option<String>,
    /// A file with the app's secret; - reads standard input
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// A file with the refresh token; - reads standard input
    #[arg(long, value_name = "FILE")]
    refresh_token_file: Option<PathBuf>,
    /// Speak this version of the remote's API instead of the newest
    #[arg(long, value_name = "VERSION")]
    api_version: Option<String>,
    /// More settings of the provider, as a JSON object: {"timeouts": {"retry": 60}}
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// One more host that may see tokens, such as an own proxy; may be repeated
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let registry = Registry::discover()?;
    let info = registry.find(&arguments.provider)?.info();
    let flow = settings::flow(info, &arguments.flow)?;
    let given = [
        ("client_id", arguments.client_id.as_deref()),
        ("login_url", arguments.login_url.as_deref()),
        ("api_version", arguments.api_version.as_deref()),
    ];
    let config = settings::config(flow, &given, &arguments.allow_host, arguments.config.as_deref())?;
    let files = [
        ("client_secret", arguments.client_secret_file.as_deref()),
        ("refresh_token", arguments.refresh_token_file.as_deref()),
    ];
    let credentials = secrets::collect(flow.secrets, &files)?;

    // The database is opened first: credentials that rotate must not be lost because there is no place for them.
    let session = Session::open(global).await?;
    let accounts = session.store.linked_accounts().await?;
    let known = accounts.iter().find(|account| account.name == arguments.name);
    if let Some(other) = known.filter(|account| account.provider != info.slug) {
        let message = format!("{:?} is an account of {} already", other.name, other.provider);
        return Err(Failure::usage(message).advice("choose another --name"));
    }
    let id = known.map_or_else(LinkedAccountId::random, |account| account.id);
    let keeper = Arc::new(MemoryCredentialStore::new(credentials));
    let provider = session.connect_with(info.slug, id, config.clone(), keeper.clone()).await?;
    let access = provider.access().await?;
    let credentials = keeper.load().await?.credentials;
    let request =
        LinkRequest::new(&arguments.name, info.slug).with_config(config).with_credentials(credentials);
    let account = session.store.link(request).await?;
    report(&access, &Linked::new(&account, &access), global.json)
}

#[derive(Serialize)]
struct Linked<'a> {
    id: LinkedAccountId,
    name: &'a str,
    provider: &'a str,
    status: unicrm_store::AccountStatus,
    username: &'a str,
    organization: Option<&'a str>,
    instance_url: Option<&'a str>,
    missing: &'a [unicrm_core::Missing],
}

impl<'a> Linked<'a> {
    fn new(account: &'a unicrm_store::LinkedAccount, access: &'a Access) -> Self {
        Self {
            id: account.id,
            name: &account.name,
            provider: &account.provider,
            status: account.status,
            username: &access.identity.username,
            organization: access.identity.organization.as_deref(),
            instance_url: access.identity.instance_url.as_deref(),
            missing: &access.missing,
        }
    }
}

fn report(access: &Access, linked: &Linked<'_>, json: bool) -> Result<Exit> {
    if json {
        output::json(linked)?;
        return Ok(Exit::DONE);
    }
    let at = linked.organization.or(linked.instance_url).unwrap_or(linked.provider);
    output::line(format!("Linked {} as {} at {at}.", linked.name, linked.username))?;
    if !access.missing.is_empty() {
        output::line(format!(
            "{} permission(s) are missing: `unicrm check {}` says which, and how to get them.",
            access.missing.len(),
            linked.name
        ))?;
    }
    output::line(format!("Next: unicrm sync {}", linked.name))?;
    Ok(Exit::DONE)
}
