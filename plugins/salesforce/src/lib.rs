//! The Salesforce plugin of unicrm.

mod api;
mod auth;
mod config;
mod error;

pub use api::ApiVersion;
pub use config::{Flow, Limits, SalesforceConfig, Timeouts};
