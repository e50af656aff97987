//! A Salesforce org in one process, for demos, tests and benchmarks.

mod error;
mod http;
mod org;
mod query;
mod schema;
mod seed;
mod soql;

pub use error::SalesforceError;
