//! `unicrm emulator`

use std::error::Error as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use unicrm_salesforce_emulator::{Emulator, EmulatorError};

use crate::cli::Global;
use crate::errors::{Exit, Failure, Result};
use crate::output;

/// Run a CRM on this machine, for trials and tests
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Example:\n  unicrm emulator salesforce --listen 127.0.0.1:8080"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Remote {
    Salesforce(Salesforce),
}

/// Run a Salesforce org on this machine until Ctrl-C
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  unicrm emulator salesforce --listen 127.0.0.1:8080 --contacts 10000\n  \
    unicrm emulator salesforce --data exported-tree/\n\n\
    With --json its first line says where it listens and how to sign in, for scripts."
)]
struct Salesforce {
    /// Where to listen: an address of this machine alone; port 0 takes any
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The same seed gives the same org
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many contacts; everything else follows from it
    #[arg(long, value_name = "N", default_value_t = 2_500, conflicts_with = "data")]
    contacts: u64,
    /// Records from a folder in the format of `sf data export tree`
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Open an encrypted side too, a proxy for clients that know no host but login.salesforce.com, and write here the
    /// certificate that they must trust
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The app's certificate or public key, as PEM, for clients that sign in with a JWT
    #[arg(long, value_name = "FILE")]
    jwt_certificate: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let Remote::Salesforce(salesforce) = arguments.remote;
    if !salesforce.listen.ip().is_loopback() {
        let message =
            format!("the emulator listens on this machine alone, not on {}", salesforce.listen.ip());
        return Err(Failure::usage(message).advice("give a loopback address such as 127.0.0.1:8080"));
    }
    let builder = Emulator::builder().listen(salesforce.listen).seed(salesforce.seed);
    let builder = match salesforce.data {
        Some(folder) => builder.data_dir(folder),
        None => builder.contacts(salesforce.contacts),
    };
    let builder = if salesforce.ca_file.is_some() { builder.tls() } else { builder };
    let builder = match &salesforce.jwt_certificate {
        Some(file) => builder.jwt_public_key(
            std::fs::read_to_string(file)
                .map_err(|error| Failure::new(format!("{} cannot be read: {error}", file.display())))?,
        ),
        None => builder,
    };
    let emulator = builder.start().await.map_err(|error| failure(&error))?;
    if let Some(file) = &salesforce.ca_file {
        let failed =
            |error: std::io::Error| Failure::new(format!("{} cannot be written: {error}", file.display()));
        emulator.write_ca(file).map_err(failed)?;
    }
    if global.json {
        output::json_line(&SignIn::of(&emulator))?;
    } else {
        print(&emulator)?;
    }
    tokio::signal::ctrl_c().await?;
    eprintln!("Stopping.");
    emulator.shutdown().await;
    Ok(Exit::DONE)
}

/// An emulator that does not start.
pub(crate) fn failure(error: &EmulatorError) -> Failure {
    let reason = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    Failure::new(format!("{error}{reason}"))
}

/// All that a client needs to sign in. The secrets are those of an org that ends with this program.
#[derive(Serialize)]
struct SignIn<'a> {
    url: String,
    /// The proxy that leads to the encrypted side, if there is one.
    proxy_url: Option<String>,
    client_id: &'a str,
    client_secret: &'a str,
    refresh_token: &'a str,
    username: &'a str,
    password: &'a str,
    security_token: &'a str,
}

impl<'a> SignIn<'a> {
    fn of(emulator: &'a Emulator) -> Self {
        Self {
            url: emulator.url(),
            proxy_url: emulator.proxy_url(),
            client_id: emulator.client_id(),
            client_secret: emulator.client_secret(),
            refresh_token: emulator.refresh_token(),
            username: emulator.username(),
            password: emulator.password(),
            security_token: emulator.security_token(),
        }
    }
}

fn print(emulator: &Emulator) -> Result<()> {
    let (url, id, secret) = (emulator.url(), emulator.client_id(), emulator.client_secret());
    let token = emulator.refresh_token();
    let proxy = emulator.proxy_url().map(|url| format!("\n  https proxy    {url}")).unwrap_or_default();
    output::line(format!(
        "Salesforce org at {url}

  client id      {id}
  client secret  {secret}
  refresh token  {token}{proxy}

In another terminal:

  export UNICRM_CLIENT_ID={id} UNICRM_CLIENT_SECRET={secret}
  unicrm link salesforce --name emulator --login-url {url} --flow client-credentials
  unicrm check emulator
  unicrm sync emulator
  unicrm list contacts -a emulator

Ctrl-C stops it."
    ))
}
