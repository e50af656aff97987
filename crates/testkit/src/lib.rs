//! What plugins and stores are tested with: strategies, round-trip laws and the conformance suite for providers.
//!
//! - [`strategies`]: any record of any object, with hostile values, narrowed by a [`Profile`] to what a remote can hold.
//! - [`laws`]: the round trips that every mapping must hold, with the normal forms that its field table declares and no
//!   other tolerance.
//! - [`conformance`]: the cases of `docs/provider-contract.md`, listed once; a plugin runs them all with
//!   [`provider_conformance!`].

pub mod conformance;
pub mod laws;
pub mod strategies;

pub use strategies::Profile;
