//! The real binary, as people and scripts use it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod book;
mod demo;
mod emulator;
mod export;
mod link;
mod map;
mod postgres;
mod records;
mod search;
mod sign_in;
mod support;
mod sync;
mod terminal;
mod usage;
mod write;
