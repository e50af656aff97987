//! `unicrm request`

use std::io::Write;

use clap::Args;
use serde::Serialize;
use unicrm_core::{Json, RawRequest, RawResponse};

use crate::cli::Global;
use crate::errors::{Exit, Failure, Result};
use crate::input::Source;
use crate::output;
use crate::session::Session;

/// No body is longer, in kilobytes.
const LONGEST: u64 = 64 << 10;

/// Send a request of the remote's own API
#[derive(Debug, Args)]
#[command(
    override_usage = "unicrm request [OPTIONS] [NAME] <METHOD> <PATH>",
    after_help = "Examples:\n  unicrm request acme GET /services/data\n  \
        unicrm request acme POST /services/data/v66.0/sobjects/Task --data '{\"Subject\": \"Call\"}'\n\n\
        With --json, status and headers are printed with the body."
)]
pub(crate) struct Arguments {
    /// The linked account (may be left out when there is one), the method, and the path with its query
    #[arg(num_args = 2..=3, required = true, value_names = ["NAME", "METHOD", "PATH"])]
    words: Vec<String>,
    /// The body: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON|@FILE|-")]
    data: Option<String>,
    /// One more header; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write a header as NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let (name, method, path) = match arguments.words.as_slice() {
        [name, method, path] => (Some(name.as_str()), method, path),
        [method, path] => (None, method, path),
        _ => return Err(Failure::usage("a request needs a method and a path")),
    };
    let method = method.to_ascii_uppercase();
    if !matches!(method.as_str(), "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE") {
        return Err(Failure::usage(format!("{method:?} is no method of HTTP")));
    }
    let mut request = RawRequest::new(method, path);
    if let Some(data) = &arguments.data {
        request = request.body(Source::of(data).read(LONGEST)?);
        if !arguments.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("Content-Type", "application/json");
        }
    }
    for (name, value) in arguments.headers {
        request = request.header(name, value);
    }
    let session = Session::open(global).await?;
    let account = session.account(name).await?;
    let provider = session.connect(&account).await?;
    let response = session.noting(account.id, provider.send(request).await).await?;
    Failure::read_or_not(print(&response, global.json))?;
    eprintln!("HTTP {}", response.status);
    Ok(match response.status {
        401 => Exit::REFUSED,
        403 => Exit::FORBIDDEN,
        400.. => Exit::FAILED,
        _ => Exit::DONE,
    })
}

#[derive(Serialize)]
struct Answer<'a> {
    status: u16,
    headers: Vec<(&'a str, &'a str)>,
    body: Option<Json>,
}

fn print(response: &RawResponse, json: bool) -> Result<()> {
    if json {
        let text = response.text();
        let body = (!text.is_empty()).then(|| Json::parse(&*text).unwrap_or_else(|_| Json::text(&text)));
        let headers = response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        return output::json(&Answer { status: response.status, headers: headers.collect(), body });
    }
    let mut out = output::stdout();
    out.write_all(&response.body)?;
    if !response.body.is_empty() && !response.body.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}
