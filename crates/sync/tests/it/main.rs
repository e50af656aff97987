//! The machine by itself, and whole syncs from a provider in memory into a store in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod faults;
mod interrupted;
mod locked;
mod machine;
mod reconcile;
mod support;
mod together;
