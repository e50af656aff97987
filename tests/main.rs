//! Whole-system tests.

mod architecture;
mod contract;
mod generated;
