//! Ways in to the parsers of SOQL and SOSL, for fuzz targets and for tests of those who build queries.

pub use crate::http::search::reading::{Searched, searched, words_of};
use crate::soql::ast::{Condition, Operand};
use crate::soql::literal::Value;
use crate::soql::parse;

/// Parses a query and prints it again; none when it is refused.
#[must_use]
pub fn print(soql: &str) -> Option<String> {
    parse(soql).ok().map(|query| query.to_string())
}

/// The text that the only condition of a query compares with; none when the query has another structure.
#[must_use]
pub fn compared_text(soql: &str) -> Option<String> {
    match parse(soql).ok()?.filter? {
        Condition::Compare(comparison) => match comparison.right {
            Operand::Value(literal) => match literal.value {
                Value::Text(text) => Some(text.value),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}
