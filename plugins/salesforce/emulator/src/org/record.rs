//! A row under way: field values by API name.

use std::collections::BTreeMap;

use super::value::Value;

/// The fields of one record, by API name as the schema spells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    values: BTreeMap<String, Value>,
}

static NULL: Value = Value::Null;

impl Record {
    /// A record without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field and gives the record back, to write records as one expression.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.set(field, value);
        self
    }

    /// Sets a field.
    pub fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.values.insert(field.to_owned(), value.into());
    }

    /// Sets a field that has no value yet; a field that was set to null on purpose stays so.
    pub fn set_if_absent(&mut self, field: &str, value: impl Into<Value>) {
        if !self.values.contains_key(field) {
            self.set(field, value);
        }
    }

    /// The value of a field; null when it was never set.
    #[must_use]
    pub fn get(&self, field: &str) -> &Value {
        self.values.get(field).unwrap_or(&NULL)
    }

    /// The text of a field, when it holds text.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.get(field).as_text()
    }

    /// Whether a checkbox is set.
    #[must_use]
    pub fn is_true(&self, field: &str) -> bool {
        self.get(field).is_true()
    }

    /// Whether the field was set, to null or to a value.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.values.contains_key(field)
    }

    /// Takes a field out.
    pub fn take(&mut self, field: &str) -> Option<Value> {
        self.values.remove(field)
    }

    /// All fields in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Puts the fields of `changes` over this record's.
    pub fn apply(&mut self, changes: &Self) {
        for (name, value) in &changes.values {
            self.values.insert(name.clone(), value.clone());
        }
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Record {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        Self { values: fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}
