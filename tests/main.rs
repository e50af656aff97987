//! Whole-system tests.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod architecture;
mod contract;
mod fault_matrix;
mod generated;
mod refresh_once;
