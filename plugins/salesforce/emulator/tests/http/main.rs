//! The emulator over real HTTP, as a client of any language meets it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod bulk;
mod bulk_ingest;
mod bulk_v1;
mod client;
mod composite;
mod dml;
mod faults;
mod oauth;
mod query;
mod recordings;
mod records;
mod resources;
mod rules;
mod search;
mod sharing;
mod soap;
mod tls;
