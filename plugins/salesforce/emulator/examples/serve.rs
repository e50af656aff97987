//! Serves an emulated org until interrupted, for clients in other processes:
//! `cargo run -p unicrm-salesforce-emulator --example serve -- [contacts] [port] [seed] [CA file]`.
//!
//! With a CA file there is an encrypted side as well. Clients that know no host but `login.salesforce.com` reach it with
//! the proxy URL as `HTTPS_PROXY` and the file as an authority that they trust.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use unicrm_salesforce_emulator::Emulator;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let number = |at: usize, default: u64| match std::env::args().nth(at) {
        Some(text) => text.parse::<u64>().map_err(|error| format!("argument {at}, {text:?}: {error}")),
        None => Ok(default),
    };
    let port = u16::try_from(number(2, 0)?)?;
    let builder = Emulator::builder()
        .contacts(number(1, 2_500)?)
        .seed(number(3, 1)?)
        .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let ca_file = std::env::args().nth(4);
    let emulator = if ca_file.is_some() { builder.tls() } else { builder }.start().await?;
    if let (Some(path), Some(proxy)) = (ca_file, emulator.proxy_url()) {
        emulator.write_ca(&path)?;
        println!("proxy url      {proxy}");
    }
    println!("login url      {}", emulator.url());
    println!("client id      {}", emulator.client_id());
    println!("client secret  {}", emulator.client_secret());
    println!("refresh token  {}", emulator.refresh_token());
    println!("username       {}", emulator.username());
    println!("password       {}", emulator.password());
    println!("security token {}", emulator.security_token());
    stopped().await?;
    emulator.shutdown().await;
    Ok(())
}

/// Waits for an interrupt, or for what service managers send.
#[cfg(unix)]
async fn stopped() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn stopped() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
