//! Ways in to the builders of queries and searches for the fuzz targets in `fuzz/`.

use crate::api::{Condition, Literal, Soql, Sosl, Within};

/// A query whose only condition compares a field with this text; none when the text is too long for a query.
#[must_use]
pub fn query_for_text(text: &str) -> Option<String> {
    let query = Soql::select("Contact").fields(["Id"]);
    query.filter(Condition::eq("LastName", Literal::text(text))).text().ok()
}

/// A search for the words of a text; none when they are too few or too long for a search.
#[must_use]
pub fn search_for_words(text: &str) -> Option<String> {
    Sosl::words(text, Within::All).returning("Contact", ["Id"], 50).text().ok()
}
