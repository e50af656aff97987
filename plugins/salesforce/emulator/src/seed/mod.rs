//! Data for an org: setup rows that every org has, a generator of any size, and a loader of exported record trees.

mod activities;
mod address;
mod deals;
mod draw;
mod emails;
mod events;
mod links;
mod notes;
mod people;
mod picklists;
mod security;
mod world;

pub mod generate;
pub mod setup;
pub mod tree;

use crate::SalesforceError;
use crate::org::Record;

pub use generate::{SeedPlan, generate};
pub use setup::setup;
pub use tree::{RecordSink, TreeError, load_folder};

/// Takes one row of an object; what it refuses ends the work.
pub type RowSink<'a> = dyn FnMut(&str, Record) -> Result<(), SalesforceError> + 'a;

#[cfg(test)]
mod tests;
