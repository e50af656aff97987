//! Ways in to the query builder for the fuzz targets in `fuzz/`.

use crate::api::{Condition, Literal, Soql};

/// A query whose only condition compares a field with this text; none when the text is too long for a query.
#[must_use]
pub fn query_for_text(text: &str) -> Option<String> {
    let query = Soql::select("Contact").fields(["Id"]);
    query.filter(Condition::eq("LastName", Literal::text(text))).text().ok()
}
