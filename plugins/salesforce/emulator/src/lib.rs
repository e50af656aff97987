//! A Salesforce org in one process, for demos, tests and benchmarks.
//!
//! It speaks Salesforce's protocol over real HTTP: OAuth, describe, SOQL and SOSL, single records, composite calls and
//! graphs, both generations of the Bulk API, quotas and errors, so that Salesforce clients of any language run against it
//! unmodified; those that know no host but `login.salesforce.com` through its encrypted side ([`Builder::tls`]). Data is seeded: the same seed gives the
//! same org. Faults that real orgs show on bad days can be switched on at will.
//!
//! ```
//! use unicrm_salesforce_emulator::{Emulator, Fault, FaultRule, Resource};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::builder().empty().start().await?;
//!
//! // Point a client at these.
//! assert!(emulator.url().starts_with("http://127.0.0.1:"));
//! assert!(!emulator.client_id().is_empty() && !emulator.client_secret().is_empty());
//!
//! // Look into the org and change it behind the client's back.
//! let id = emulator.org().create("Contact", serde_json::json!({ "LastName": "Frank" })).await?;
//! let found = emulator.org().query("SELECT Id FROM Contact WHERE LastName = 'Frank'").await?;
//! assert_eq!(found[0]["Id"], id.as_str());
//!
//! // The second page of the next query times out, once.
//! emulator.faults().add(FaultRule::new(Resource::QueryMore, Fault::QueryTimeout));
//! assert_eq!(emulator.log().api_calls(), 0);
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod emulator;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod http;
mod org;
mod query;
mod schema;
mod seed;
mod soql;

pub use emulator::{Builder, Emulator, EmulatorError};
pub use error::SalesforceError;
pub use handle::OrgHandle;
pub use http::{
    BulkSettings, Count, Fault, FaultControl, FaultRule, FaultState, LogEntry, PublicKey, RequestLog,
    Resource,
};
pub use org::{Conversion, Converted, DuplicateRule, Record, ValidationRule, Value};
pub use schema::ids::{is_valid as is_valid_id, salesforce_id, widen as widen_id};
pub use schema::visibility::{FieldAccess, ObjectAccess};
pub use schema::{Features, FieldSchema, FieldType, ObjectSchema, PicklistValue, RecordType, Visibility};
pub use seed::TreeError;
