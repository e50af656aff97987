//! The Salesforce plugin of unicrm: all ten objects over Salesforce's REST API.
//!
//! A host finds it through the registry and connects it with a configuration ([`SalesforceConfig`]) and a credential
//! store:
//!
//! ```
//! use unicrm_core::Registry;
//! let registry = Registry::new([unicrm_salesforce::PROVIDER])?;
//! assert_eq!(registry.find("salesforce")?.info().name, "Salesforce");
//! # Ok::<_, unicrm_core::Error>(())
//! ```

mod access;
mod api;
mod auth;
mod capabilities;
mod config;
mod custom;
mod error;
#[cfg(test)]
mod fixtures_test;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod objects;
mod permission_set;
mod provider;
mod read;
mod schema;
mod search;
mod shunned;
mod write;

use unicrm_core::Registration;

pub use api::ApiVersion;
pub use capabilities::capabilities;
pub use config::{BulkUse, Flow, Limits, SalesforceConfig, Timeouts};
#[doc(hidden)]
pub use objects::{laws, measure};
pub use provider::{INFO, connect};

/// The plugin's entry in the registry.
pub const PROVIDER: Registration =
    Registration::new(&INFO, capabilities, connect).with_sign_in(&auth::SalesforceSignIn);

unicrm_core::register_provider!(PROVIDER);
