//! SOQL over the org's tables: names resolved against the schema, one SQLite statement per query, JSON written row by
//! row, and locators for the pages after the first.

pub(crate) mod ddl;
mod functions;

pub(crate) use functions::register_collation;
