//! The generator's promises, the setup rows and the tree loader.

mod generated;
mod loaded;
mod trees;
