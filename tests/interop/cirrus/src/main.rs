//! cirrus, unmodified, against the emulator.
//!
//!     unicrm-interop-cirrus check          signs in, describes, reads, writes; fails on the first thing that is not as
//!                                          Salesforce has it
//!     unicrm-interop-cirrus read FILE      prints the records as `{sObject: [{id, deleted}]}`, deleted ones included; FILE is
//!                                          reads.json, which says what is read
//!
//! Where the org is and how to sign in come from SF_URL, SF_CLIENT_ID, SF_CLIENT_SECRET, SF_REFRESH_TOKEN and SF_USERNAME.

mod check;

use std::error::Error;
use std::sync::Arc;

use cirrus::auth::{ClientCredentialsAuth, RefreshTokenAuth};
use cirrus::{Cirrus, SharedAuth};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The API version of all requests.
const VERSION: &str = "v62.0";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn client(auth: SharedAuth) -> Outcome<Cirrus> {
    Ok(Cirrus::builder().auth(auth).api_version(VERSION).build()?)
}

fn by_client_credentials(secret: &str) -> Outcome<Cirrus> {
    let (id, url) = (env("SF_CLIENT_ID"), env("SF_URL"));
    let builder = ClientCredentialsAuth::builder().consumer_key(id).consumer_secret(secret);
    client(Arc::new(builder.login_url(&url).instance_url(&url).build()?))
}

/// With a refresh token, and an access token that is no longer good.
fn by_refresh_token(access_token: &str) -> Outcome<Cirrus> {
    let (id, secret, url) = (env("SF_CLIENT_ID"), env("SF_CLIENT_SECRET"), env("SF_URL"));
    let builder = RefreshTokenAuth::builder().consumer_key(id).consumer_secret(secret);
    let builder = builder.refresh_token(env("SF_REFRESH_TOKEN")).initial_access_token(access_token);
    client(Arc::new(builder.login_url(&url).instance_url(&url).build()?))
}

#[derive(Deserialize)]
struct Wanted {
    sobject: String,
    id: String,
    deletable: bool,
    #[serde(rename = "where", default)]
    filter: String,
}

#[derive(Serialize)]
struct Row {
    id: Value,
    deleted: bool,
}

/// All records of the objects that are compared.
async fn read(sf: &Cirrus, reads: &str) -> Outcome<()> {
    let mut report = Map::new();
    for wanted in serde_json::from_str::<Vec<Wanted>>(&std::fs::read_to_string(reads)?)? {
        let Wanted { sobject, id, deletable, filter } = wanted;
        let deleted = if deletable { ", IsDeleted" } else { "" };
        let records = sf.query_all_stream(&format!("SELECT {id}{deleted} FROM {sobject} {filter}"));
        let rows = records.map_ok(|record: Value| Row {
            id: record[&id].clone(),
            deleted: record["IsDeleted"].as_bool().unwrap_or_default(),
        });
        report.insert(sobject, serde_json::to_value(rows.try_collect::<Vec<_>>().await?)?);
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let sf = by_client_credentials(&env("SF_CLIENT_SECRET"))?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["check"] => check::check(&sf).await,
        ["read", file] => read(&sf, file).await,
        _ => Err("usage: unicrm-interop-cirrus check | read FILE".into()),
    }
}
