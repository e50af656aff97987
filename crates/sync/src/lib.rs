//! Moves a provider's records into the store: a pure state machine per object, and a thin driver that carries out what it says.
//!
//! [`sync`] is the driver. [`step`] is the machine: it decides what is read and committed next, where a checkpoint is moved,
//! what a refused token leads to, and when absence means that a record is gone.

mod checkpoint;
mod cycle;
mod driver;
mod machine;
mod rss;
mod summary;

pub use checkpoint::{Checkpoint, Pass};
pub use driver::{Event, Observer, Options, sync};
pub use machine::{Effect, Input, Plan, State, step};
pub use rss::peak_rss_bytes;
pub use summary::{ObjectSummary, Status, Summary, Tally};
