//! A host in fifteen lines: links Salesforce and prints the contacts of an org.
//!
//! SF_LOGIN_URL=https://acme.my.salesforce.com SF_CLIENT_ID=... SF_CLIENT_SECRET=... cargo run --example host

use std::{env, sync::Arc};

use unicrm::{
    ConnectRequest, Contact, Credentials, Json, LinkedAccountId, MemoryCredentialStore, ProviderExt, Registry,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secrets = Credentials::new().with("client_secret", env::var("SF_CLIENT_SECRET")?.into());
    let config = serde_json::json!({
        "flow": "client-credentials",
        "login_url": env::var("SF_LOGIN_URL")?,
        "client_id": env::var("SF_CLIENT_ID")?,
    });
    let account = LinkedAccountId::random(); // keep it: all ids are computed from it
    let request =
        ConnectRequest::new(account, Json::of(&config), Arc::new(MemoryCredentialStore::new(secrets)));
    let salesforce = Registry::discover()?.connect("salesforce", request).await?;
    for contact in salesforce.read_all::<Contact>().await? {
        println!("{} {}", contact.first_name.unwrap_or_default(), contact.last_name.unwrap_or_default());
    }
    Ok(())
}
