//! The model against the nine seed files and committed test vectors.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod ids;
mod seed;
