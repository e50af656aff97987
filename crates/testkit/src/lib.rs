//! What plugins and stores are tested with: strategies, round-trip laws and the conformance suite for providers.
//!
//! - [`strategies`]: any record of any object, with hostile values, narrowed by a [`Profile`] to what a remote can hold.
//! - [`laws`]: the round trips that every mapping must hold, with the normal forms that its field table declares and no
//!   other tolerance.
//! - [`conformance`]: the cases of `docs/provider-contract.md`, listed once; a plugin runs them all with
//!   [`provider_conformance!`].
//! - [`json_schema_errors`]: whether a JSON Schema of a write takes a value.

pub mod conformance;
mod json_schema;
pub mod laws;
pub mod strategies;

pub use json_schema::json_schema_errors;
pub use strategies::Profile;
