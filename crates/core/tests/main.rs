//! The model against the nine seed files and committed test vectors.

mod ids;
mod seed;
