//! `unicrm link`

mod callback;
mod person;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::ExposeSecret;
use serde::Serialize;
use unicrm_core::{
    Access, AuthFlow, Credentials, ErrorKind, Interaction, Json, LinkedAccountId, Registry, SignInRequest,
};
use unicrm_store::{LinkRequest, LinkedAccount};

use crate::cli::Global;
use crate::errors::{Exit, Failure, Result};
use crate::session::Session;
use crate::{output, secrets, settings};

/// The port that other command lines for Salesforce use too.
const CALLBACK_PORT: u16 = 1717;

/// Link an account of a provider, with its credentials encrypted
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    unicrm link salesforce --name acme --flow web --client-id 3MVG9...\n  \
    unicrm link salesforce --name acme --flow device --client-id 3MVG9... \\\n      \
    --login-url https://test.salesforce.com\n  \
    unicrm link salesforce --name acme --flow jwt --client-id 3MVG9... \\\n      \
    --username integration@acme.example --key-file server.key\n  \
    UNICRM_CLIENT_SECRET=... unicrm link salesforce --name acme --flow client-credentials \\\n      \
    --login-url https://acme.my.salesforce.com --client-id 3MVG9...\n  \
    unicrm link salesforce --name acme --flow refresh-token --client-id 3MVG9... \\\n      \
    --refresh-token-file token.txt\n\n\
    Secrets never are arguments: they come from UNICRM_CLIENT_SECRET, UNICRM_REFRESH_TOKEN and UNICRM_PRIVATE_KEY, from a \
    file, or from a prompt.\nThe web flow comes back to http://localhost:1717/OauthRedirect: the app needs this callback URL.\n\
    An account that is linked already keeps its records, as long as its key is there.")]
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
    /// The user to act for (jwt), or to show on the login page (web)
    #[arg(long, value_name = "USER")]
    username: Option<String>,
    /// A file with the app's secret; - reads standard input
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// A file with the refresh token; - reads standard input
    #[arg(long, value_name = "FILE")]
    refresh_token_file: Option<PathBuf>,
    /// A file with the private key of the jwt flow (RSA, PEM); - reads standard input
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The port of this machine that the browser comes back to in the web flow [default: 1717]; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    callback_port: Option<u16>,
    /// How long to wait for a person to sign in, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
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
    let config = arguments.config(flow)?;
    let files = [
        ("client_secret", arguments.client_secret_file.as_deref()),
        ("refresh_token", arguments.refresh_token_file.as_deref()),
        ("private_key", arguments.key_file.as_deref()),
    ];
    let credentials = secrets::collect(flow.secrets, &files)?;

    // The database is opened first: credentials that rotate must not be lost because there is no place for them.
    let session = Session::open(global).await?;
    let accounts = session.store.linked_accounts().await?;
    let known = accounts.into_iter().find(|account| account.name == arguments.name);
    if let Some(other) = known.as_ref().filter(|account| account.provider != info.slug) {
        let message = format!("{:?} is an account of {} already", other.name, other.provider);
        return Err(Failure::usage(message).advice("choose another --name"));
    }
    // Before anybody signs in: what cannot be kept aside is not replaced.
    let before = Before::of(&session, known).await?;
    let patience = Duration::from_secs(arguments.wait);
    let request = SignInRequest::new(config.clone()).secrets(credentials.clone());
    let credentials = match flow.interaction {
        Interaction::Browser => {
            let port = arguments.callback_port.unwrap_or(CALLBACK_PORT);
            person::browser(registry.sign_in(info.slug)?, request, port, patience).await?
        }
        Interaction::Device => person::device(registry.sign_in(info.slug)?, request, patience).await?,
        _ => credentials,
    };
    let request = LinkRequest::new(&arguments.name, info.slug)
        .with_config(config)
        .with_credentials(credentials.clone());
    // Linked before it is tried: what the first sign-in brings, a rotated refresh token above all, is durable before it is used.
    let account = session.store.link(request).await?;
    match access(&session, &account).await {
        Ok(access) => report(&access, &Linked::new(&account, &access), global.json),
        Err(failure) => {
            if flow.interaction == Interaction::None && !rotated(&session, &account, &credentials).await {
                before.restore(&session, &account).await?;
            } else {
                eprintln!(
                    "note: {} is linked all the same, so that nobody has to sign in again",
                    account.name
                );
            }
            Err(failure)
        }
    }
}

async fn access(session: &Session, account: &LinkedAccount) -> Result<Access> {
    let provider = session.connect(account).await?;
    session.noting(account.id, provider.access().await).await
}

impl Arguments {
    /// The configuration that is linked.
    fn config(&self, flow: &AuthFlow) -> Result<Json> {
        if self.username.is_some() && !flow.settings.iter().any(|setting| setting.name == "username") {
            return Err(Failure::usage(format!("the {} flow takes no --username", flow.name)));
        }
        if self.callback_port.is_some() && flow.interaction != Interaction::Browser {
            return Err(Failure::usage(format!("no browser comes back in the {} flow", flow.name))
                .advice("leave --callback-port out"));
        }
        let given = [
            ("client_id", self.client_id.as_deref()),
            ("login_url", self.login_url.as_deref()),
            ("username", self.username.as_deref()),
            ("api_version", self.api_version.as_deref()),
        ];
        settings::config(flow, &given, &self.allow_host, self.config.as_deref())
    }
}

/// Whether the remote has replaced the refresh token that was given: then only the stored one is worth something.
async fn rotated(session: &Session, account: &LinkedAccount, given: &Credentials) -> bool {
    let token = |credentials: &Credentials| {
        credentials.get("refresh_token").map(|token| token.expose_secret().to_owned())
    };
    match session.store.credentials(account.id).load().await {
        Ok(now) => token(&now.credentials) != token(given),
        // Nothing is thrown away that cannot be looked at.
        Err(_) => true,
    }
}

/// What was linked under the name before, so that a link that fails changes nothing.
struct Before {
    account: Option<LinkedAccount>,
    credentials: Option<Credentials>,
}

impl Before {
    async fn of(session: &Session, account: Option<LinkedAccount>) -> Result<Self> {
        let credentials = match &account {
            Some(account) => match session.store.credentials(account.id).load().await {
                Ok(stored) => Some(stored.credentials),
                // Damaged ones are no loss. Anything else passes, or is put right: the key, the place of the database.
                Err(error) if error.kind() == ErrorKind::Internal => None,
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        Ok(Self { account, credentials })
    }

    async fn restore(self, session: &Session, linked: &LinkedAccount) -> Result<()> {
        let Some(account) = self.account else { return session.unlink(linked).await };
        let request = LinkRequest::new(&account.name, &account.provider)
            .with_config(account.config)
            .with_credentials(self.credentials.unwrap_or_default());
        session.store.link(request).await?;
        Ok(session.store.set_status(account.id, account.status).await?)
    }
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
    fn new(account: &'a LinkedAccount, access: &'a Access) -> Self {
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
