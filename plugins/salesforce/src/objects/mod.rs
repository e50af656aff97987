//! The ten objects, one a file: what each remote field becomes, and back. Pure functions; nothing here calls anybody.
//!
//! Each file has, in this order, the field table, the row, `from_remote`, `to_remote`, `encode` and its tests.

mod account;
mod activity;
mod contact;
mod context;
mod decode;
mod encode;
mod engagement;
mod engagement_type;
mod lead;
mod note;
mod opportunity;
mod parts;
mod remote_fields;
mod stage;
mod task;
mod user;
mod wire;
mod write;
mod write_parts;
