//! The machine by itself, and whole syncs from a provider in memory into a store in memory.

mod faults;
mod interrupted;
mod machine;
mod support;
