//! Queries built from typed parts: names are checked, values are escaped, and nothing else gets into the text.

mod condition;
mod literal;

use std::fmt::Write as _;

pub(crate) use condition::Condition;
pub(crate) use literal::Literal;

use crate::error::Fault;

/// Salesforce takes queries of at most this many characters.
const MAX_LENGTH: usize = 100_000;
/// A path has at most this many names: five relationships and a field.
const MAX_PATH: usize = 6;

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Soql {
    selected: Vec<Selected>,
    from: String,
    filter: Option<Condition>,
    order: Vec<Order>,
    limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
enum Selected {
    Field(String),
    /// Records of a child relationship inside each record.
    Child {
        relationship: String,
        fields: Vec<String>,
    },
    /// Only how many there are.
    Count,
}

/// A field to sort by, ascending: rows without a value come first, as Salesforce does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order(String);

impl Order {
    pub(crate) fn ascending(field: impl Into<String>) -> Self {
        Self(field.into())
    }
}

impl Soql {
    /// A query of an object's records. It needs at least one field.
    pub(crate) fn select(sobject: impl Into<String>) -> Self {
        Self { selected: Vec::new(), from: sobject.into(), filter: None, order: Vec::new(), limit: None }
    }

    /// A query for how many records there are: the page's `total_size`, without records.
    pub(crate) fn count(sobject: impl Into<String>) -> Self {
        Self { selected: vec![Selected::Count], ..Self::select(sobject) }
    }

    /// Adds fields: names, or paths such as `Owner.Name`.
    pub(crate) fn fields<F: Into<String>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        self.selected.extend(fields.into_iter().map(|field| Selected::Field(field.into())));
        self
    }

    /// Adds the records of a child relationship, as an inner page of each record.
    pub(crate) fn child<F: Into<String>>(
        mut self,
        relationship: impl Into<String>,
        fields: impl IntoIterator<Item = F>,
    ) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        self.selected.push(Selected::Child { relationship: relationship.into(), fields });
        self
    }

    /// Only records that meet this condition; a second call adds another condition.
    pub(crate) fn filter(mut self, condition: Condition) -> Self {
        self.filter = Some(match self.filter.take() {
            Some(first) => Condition::and([first, condition]),
            None => condition,
        });
        self
    }

    /// Sorts.
    pub(crate) fn order_by(mut self, order: impl IntoIterator<Item = Order>) -> Self {
        self.order.extend(order);
        self
    }

    /// At most so many records.
    pub(crate) fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The text that is sent.
    ///
    /// # Errors
    /// [`Fault::Query`] if a name is none, nothing is selected, or the text is too long.
    pub(crate) fn text(&self) -> Result<String, Fault> {
        let mut out = String::from("SELECT ");
        if self.selected.is_empty() {
            return Err(Fault::Query(format!("no field of {} is selected", shown(&self.from))));
        }
        for (at, selected) in self.selected.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { "," });
            match selected {
                Selected::Field(path) => out.push_str(checked_path(path)?),
                Selected::Count => out.push_str("COUNT()"),
                Selected::Child { relationship, fields } => write_child(&mut out, relationship, fields)?,
            }
        }
        out.push_str(" FROM ");
        out.push_str(checked_name(&self.from)?);
        if let Some(filter) = self.filter.as_ref().filter(|filter| !filter.is_always()) {
            out.push_str(" WHERE ");
            filter.write(&mut out)?;
        }
        for (at, order) in self.order.iter().enumerate() {
            out.push_str(if at == 0 { " ORDER BY " } else { "," });
            out.push_str(checked_path(&order.0)?);
            out.push_str(" ASC");
        }
        if let Some(limit) = self.limit {
            // Writing to a string does not fail.
            let _written = write!(out, " LIMIT {limit}");
        }
        let length = out.chars().count();
        if length > MAX_LENGTH {
            let sobject = shown(&self.from);
            let message =
                format!("the query of {sobject} has {length} characters, and Salesforce takes {MAX_LENGTH}");
            return Err(Fault::Query(message));
        }
        Ok(out)
    }
}

fn write_child(out: &mut String, relationship: &str, fields: &[String]) -> Result<(), Fault> {
    if fields.is_empty() {
        return Err(Fault::Query(format!("no field of {} is selected", shown(relationship))));
    }
    out.push_str("(SELECT ");
    for (at, field) in fields.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        out.push_str(checked_path(field)?);
    }
    out.push_str(" FROM ");
    out.push_str(checked_name(relationship)?);
    out.push(')');
    Ok(())
}

/// Whether a text is the name of an object, field or relationship: a letter, then letters, digits and underscores.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 255 && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(plain)
}

/// The name itself, or an error: what comes from a describe or a configuration is checked like everything else.
pub(crate) fn checked_name(name: &str) -> Result<&str, Fault> {
    if is_name(name) { Ok(name) } else { Err(Fault::Query(format!("{} is not a name", shown(name)))) }
}

pub(super) fn checked_path(path: &str) -> Result<&str, Fault> {
    let well_formed = path.split('.').count() <= MAX_PATH && path.split('.').all(is_name);
    if well_formed {
        Ok(path)
    } else {
        Err(Fault::Query(format!("{} is not the name of a field", shown(path))))
    }
}

fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(100).collect::<String>())
}

#[cfg(test)]
mod tests;
