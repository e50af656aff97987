//! What records of a query must meet.

use super::checked_path;
use super::literal::{Literal, escaped_in_pattern, write_escaped};
use crate::error::Fault;

/// What records must meet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    /// A field against a value.
    Compare { field: String, operator: Operator, value: Literal },
    /// A field against a list.
    Listed { field: String, not: bool, values: Vec<Literal> },
    /// A text field against a text with anything before or after it, case ignored.
    Like { field: String, text: String, anything_before: bool, anything_after: bool },
    /// A text field that holds these texts in this order, with anything before, between and after them.
    InOrder { field: String, texts: Vec<String> },
    /// All of them; none of them is always met.
    All(Vec<Condition>),
    /// One of them at least; none of them is never met.
    Any(Vec<Condition>),
    /// The contrary.
    Not(Box<Condition>),
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    const fn text(self) -> &'static str {
        match self {
            Self::Equal => " = ",
            Self::NotEqual => " != ",
            Self::Less => " < ",
            Self::LessOrEqual => " <= ",
            Self::Greater => " > ",
            Self::GreaterOrEqual => " >= ",
        }
    }
}

/// The conditions that reading does without.
#[cfg_attr(not(test), expect(dead_code, reason = "searches ask for it"))]
impl Condition {
    /// The field has another value or none.
    pub(crate) fn ne(field: impl Into<String>, value: Literal) -> Self {
        Self::compare(field, Operator::NotEqual, value)
    }

    /// The field is less.
    pub(crate) fn lt(field: impl Into<String>, value: Literal) -> Self {
        Self::compare(field, Operator::Less, value)
    }

    /// The text starts with this one; `%` and `_` stand for themselves.
    pub(crate) fn starts_with(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Like { field: field.into(), text: text.into(), anything_before: false, anything_after: true }
    }

    /// The text contains this one; `%` and `_` stand for themselves.
    pub(crate) fn contains(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Like { field: field.into(), text: text.into(), anything_before: true, anything_after: true }
    }

    /// Not this. SOQL gives rows without a value to neither side of a comparison.
    pub(crate) fn not(condition: Self) -> Self {
        Self::Not(Box::new(condition))
    }
}

impl Condition {
    fn compare(field: impl Into<String>, operator: Operator, value: Literal) -> Self {
        Self::Compare { field: field.into(), operator, value }
    }

    /// The field has this value.
    pub(crate) fn eq(field: impl Into<String>, value: Literal) -> Self {
        Self::compare(field, Operator::Equal, value)
    }

    /// The field is less or equal.
    pub(crate) fn le(field: impl Into<String>, value: Literal) -> Self {
        Self::compare(field, Operator::LessOrEqual, value)
    }

    /// The field is greater.
    pub(crate) fn gt(field: impl Into<String>, value: Literal) -> Self {
        Self::compare(field, Operator::Greater, value)
    }

    /// The field is greater or equal.
    pub(crate) fn ge(field: impl Into<String>, value: Literal) -> Self {
        Self::compare(field, Operator::GreaterOrEqual, value)
    }

    /// The field has one of these values. An empty list is never met.
    pub(crate) fn in_(field: impl Into<String>, values: impl IntoIterator<Item = Literal>) -> Self {
        Self::Listed { field: field.into(), not: false, values: values.into_iter().collect() }
    }

    /// The field has none of these values. An empty list is always met.
    pub(crate) fn not_in(field: impl Into<String>, values: impl IntoIterator<Item = Literal>) -> Self {
        Self::Listed { field: field.into(), not: true, values: values.into_iter().collect() }
    }

    /// The text holds these texts in this order, whatever is before, between and after them.
    pub(crate) fn in_order(field: impl Into<String>, texts: Vec<String>) -> Self {
        Self::InOrder { field: field.into(), texts }
    }

    /// All of these.
    pub(crate) fn and(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self::All(conditions.into_iter().collect())
    }

    /// One of these at least.
    pub(crate) fn or(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self::Any(conditions.into_iter().collect())
    }

    /// Whether every record meets it, so that it need not be written.
    pub(super) fn is_always(&self) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(Self::is_always),
            Self::Any(parts) => parts.iter().any(Self::is_always),
            Self::Listed { not: true, values, .. } => values.is_empty(),
            Self::Not(part) => part.is_never(),
            _ => false,
        }
    }

    fn is_never(&self) -> bool {
        match self {
            Self::All(parts) => parts.iter().any(Self::is_never),
            Self::Any(parts) => parts.iter().all(Self::is_never),
            Self::Listed { not: false, values, .. } => values.is_empty(),
            Self::Not(part) => part.is_always(),
            _ => false,
        }
    }

    pub(super) fn write(&self, out: &mut String) -> Result<(), Fault> {
        if self.is_never() {
            // SOQL has no constants, and every record has an id.
            out.push_str("Id = null");
            return Ok(());
        }
        match self {
            Self::Compare { field, operator, value } => {
                out.push_str(checked_path(field)?);
                out.push_str(operator.text());
                value.write(out)
            }
            Self::Listed { field, not, values } => {
                out.push_str(checked_path(field)?);
                out.push_str(if *not { " NOT IN (" } else { " IN (" });
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    value.write(out)?;
                }
                out.push(')');
                Ok(())
            }
            Self::Like { field, text, anything_before, anything_after } => {
                out.push_str(checked_path(field)?);
                out.push_str(" LIKE '");
                out.push_str(if *anything_before { "%" } else { "" });
                write_escaped(out, text, escaped_in_pattern);
                out.push_str(if *anything_after { "%'" } else { "'" });
                Ok(())
            }
            Self::InOrder { field, texts } => {
                out.push_str(checked_path(field)?);
                out.push_str(" LIKE '%");
                for text in texts {
                    write_escaped(out, text, escaped_in_pattern);
                    out.push('%');
                }
                out.push('\'');
                Ok(())
            }
            Self::All(parts) => write_joined(out, " AND ", parts.iter().filter(|part| !part.is_always())),
            Self::Any(parts) => write_joined(out, " OR ", parts.iter().filter(|part| !part.is_never())),
            Self::Not(part) => {
                out.push_str("(NOT (");
                part.write(out)?;
                out.push_str("))");
                Ok(())
            }
        }
    }
}

/// SOQL wants parentheses wherever AND and OR meet.
fn write_joined<'c>(
    out: &mut String,
    operator: &str,
    parts: impl Iterator<Item = &'c Condition>,
) -> Result<(), Fault> {
    for (at, part) in parts.enumerate() {
        out.push_str(if at == 0 { "" } else { operator });
        let nested = matches!(part, Condition::All(_) | Condition::Any(_));
        out.push_str(if nested { "(" } else { "" });
        part.write(out)?;
        out.push_str(if nested { ")" } else { "" });
    }
    Ok(())
}
