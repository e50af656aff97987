//! SOQL: text to syntax tree and back, with the error messages Salesforce gives.
//!
//! Nothing here knows the schema: names are resolved in [`crate::query`].

pub(crate) mod ast;
mod error;
mod lexer;
pub(crate) mod literal;
mod parser;
mod print;
#[cfg(test)]
mod tests;

pub(crate) use error::{error_at, malformed};
pub(crate) use parser::parse;

/// Longest SOQL text that is accepted, in characters.
pub(crate) const MAX_SOQL_CHARS: usize = 100_000;
