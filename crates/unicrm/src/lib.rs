//! One Rust API over every CRM.
//!
//! This crate re-exports [`unicrm_core`] and links the plugins that its features name. A host depends on it alone:
//!
//! ```no_run
//! use std::sync::Arc;
//! use unicrm::{ConnectRequest, Contact, Credentials, Json, LinkedAccountId, MemoryCredentialStore, ProviderExt, Registry};
//!
//! # async fn host() -> unicrm::Result<()> {
//! let secrets = Credentials::new().with("client_secret", std::env::var("SF_CLIENT_SECRET").unwrap().into());
//! let config = r#"{"flow": "client-credentials", "login_url": "https://acme.my.salesforce.com", "client_id": "3MVG9..."}"#;
//! let request = ConnectRequest::new(
//!     LinkedAccountId::random(),
//!     Json::parse(config)?,
//!     Arc::new(MemoryCredentialStore::new(secrets)),
//! );
//! let salesforce = Registry::discover()?.connect("salesforce", request).await?;
//! for contact in salesforce.read_all::<Contact>().await? {
//!     println!("{:?} {:?}", contact.first_name, contact.last_name);
//! }
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! | feature | links |
//! |---|---|
//! | `salesforce` (default) | the Salesforce plugin |
//! | `mock` | nothing; offers `MockProvider` and `MockCredentialStore` for a host's own tests |
//!
//! A dependency that nothing refers to is dropped by the compiler, and its registration with it, without a word. The
//! `use ... as _` lines below are what refers to the plugins; the lint makes a forgotten one an error.

// Not in tests: those have dependencies that only examples use.
#![cfg_attr(not(test), deny(unused_crate_dependencies))]

#[cfg(feature = "salesforce")]
use unicrm_salesforce as _;

pub use unicrm_core::*;

#[cfg(all(test, feature = "salesforce"))]
mod tests {
    use unicrm_core::Registry;

    #[test]
    fn every_feature_links_its_plugin() {
        assert_eq!(Registry::discover().expect("plugins are linked").slugs(), ["salesforce"]);
    }
}
