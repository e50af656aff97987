//! Moves a provider's records into the store: a pure state machine per object, and a thin driver that carries out what it says.
//!
//! [`sync`] is the driver. [`step`] is the machine: it decides what is read and committed next, where a checkpoint is moved,
//! what a refused token leads to, and when absence means that a record is gone. [`compare`] is the machine of a comparison
//! by ids, which finds and repairs what a sync cannot see.

mod checkpoint;
mod comparing;
mod cycle;
mod driver;
mod machine;
mod options;
mod patience;
mod reconcile;
mod rss;
mod summary;

pub use checkpoint::{Checkpoint, Comparison, Ended, Pass};
pub use driver::sync;
pub use machine::{Effect, Input, Plan, State, step};
pub use options::{Event, Observer, Options, Reconcile, Stop};
pub use reconcile::{Answer, Comparing, compare};
pub use rss::peak_rss_bytes;
pub use summary::{Drift, ObjectSummary, Reconciled, Status, Summary, Tally};
