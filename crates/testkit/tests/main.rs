//! The testkit's own promises, and the memory provider under the conformance suite.

mod memory;
mod strategies;
