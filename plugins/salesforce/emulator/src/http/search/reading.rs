//! What the parser understands of a search, for tests of whoever builds one.

use super::expression::{self, Expression};
use super::sosl;

/// A search that looks for terms which are all joined in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Searched {
    /// The words of each term, in lower case, wildcards included.
    pub terms: Vec<Vec<String>>,
    /// How several terms are joined: `AND` or `OR`.
    pub joined: Option<&'static str>,
    /// The objects that are answered, each with its fields.
    pub returning: Vec<(String, String)>,
}

/// Reads a search; none when it is refused, or looks for more than a list of terms.
#[must_use]
pub fn searched(sosl: &str) -> Option<Searched> {
    let search = sosl::parse(sosl).ok()?;
    let (terms, joined) = match Expression::parse(&search.find).ok()? {
        Expression::And(parts) => (parts, Some("AND")),
        Expression::Or(parts) => (parts, Some("OR")),
        one => (vec![one], None),
    };
    let words = |term: Expression| match term {
        Expression::Words(words) => Some(words.iter().map(ToString::to_string).collect()),
        _ => None,
    };
    let terms = terms.into_iter().map(words).collect::<Option<_>>()?;
    let returning = search.returning.into_iter().map(|item| (item.object, item.fields)).collect();
    Some(Searched { terms, joined, returning })
}

/// The words of a text, as a search cuts it.
#[must_use]
pub fn words_of(text: &str) -> Vec<String> {
    expression::plain_words(text).iter().map(ToString::to_string).collect()
}
