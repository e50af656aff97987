//! The testkit's own promises, and the memory provider under the conformance suite.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod json_schema;
mod memory;
mod strategies;
