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

pub(crate) mod generate;
pub(crate) mod setup;
pub(crate) mod tree;

use crate::SalesforceError;
use crate::org::Record;

pub(crate) use generate::{SeedPlan, generate};
pub(crate) use setup::setup;
pub use tree::TreeError;
pub(crate) use tree::{RecordSink, load_folder};

/// Takes one row of an object; what it refuses ends the work.
pub(crate) type RowSink<'a> = dyn FnMut(&str, Record) -> Result<(), SalesforceError> + 'a;

#[cfg(test)]
mod tests;
