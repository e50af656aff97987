//! Which remote fields a source has, in the order in which its rows name them.

use std::collections::HashMap;
use std::sync::Arc;

use unicrm_core::{Json, RemoteField, RemoteFieldClass, RemoteFieldClassRef};

use super::context::SobjectFacts;
use super::wire::WireField;

/// How to read the rows of one source: what each key is. Made once per select list and shared by all its pages.
#[derive(Debug)]
pub(crate) struct SourceClasses {
    sobject: &'static str,
    columns: Vec<Column>,
    by_name: HashMap<Box<str>, usize>,
}

/// One key of a row.
#[derive(Debug)]
pub(super) struct Column {
    name: Box<str>,
    /// The cell that takes it, when the mapping knows it.
    pub(super) cell: Option<u8>,
    /// Whether it is a remote field too.
    pub(super) keep: bool,
    pub(super) class: Arc<RemoteFieldClass>,
}

impl SourceClasses {
    pub(super) fn new<'s>(
        sobject: &'static str,
        known: &'static [WireField],
        facts: Option<&SobjectFacts>,
        selected: impl IntoIterator<Item = &'s str>,
    ) -> Self {
        let mut classes = Self { sobject, columns: Vec::new(), by_name: HashMap::new() };
        for name in selected.into_iter().chain(known.iter().map(|field| field.name)) {
            if classes.by_name.contains_key(name) {
                continue;
            }
            let at = known.iter().position(|field| field.name == name);
            let class = facts.and_then(|facts| facts.field(name)).map(|field| field.class.clone());
            let column = Column {
                name: name.into(),
                cell: at.and_then(|at| u8::try_from(at).ok()),
                keep: at.and_then(|at| known.get(at)).is_some_and(|field| field.keep),
                class: class.unwrap_or_else(|| classes.unknown(name)),
            };
            classes.by_name.insert(name.into(), classes.columns.len());
            classes.columns.push(column);
        }
        classes
    }

    /// The column of a key. Rows name their fields in the order of the select list, so the next one is nearly always it.
    pub(super) fn find(&self, key: &str, cursor: &mut usize) -> Option<&Column> {
        let at = match self.columns.get(*cursor) {
            Some(next) if *next.name == *key => *cursor,
            _ => *self.by_name.get(key)?,
        };
        *cursor = at + 1;
        self.columns.get(at)
    }

    /// Passes a key whose value does not count.
    pub(super) fn skip(&self, key: &str, cursor: &mut usize) {
        if self.columns.get(*cursor).is_some_and(|next| *next.name == *key) {
            *cursor += 1;
        }
    }

    /// The class of a field by its remote name.
    pub(super) fn class(&self, name: &str) -> Arc<RemoteFieldClass> {
        let column = self.by_name.get(name).and_then(|at| self.columns.get(*at));
        column.map_or_else(|| self.unknown(name), |column| column.class.clone())
    }

    /// A class for a field that the describe does not show.
    pub(super) fn unknown(&self, name: &str) -> Arc<RemoteFieldClass> {
        bare_class(self.sobject, name)
    }
}

/// The class of a field of which nothing is known but its name.
pub(super) fn bare_class(sobject: &str, name: &str) -> Arc<RemoteFieldClass> {
    let mut class = RemoteFieldClass::default();
    class.id = Some(class_id(sobject, name));
    class.remote_key_name = Some(name.to_owned());
    class.is_custom = Some(name.ends_with("__c"));
    Arc::new(class)
}

/// The id of a field's class: the same on every machine, and readable.
pub(crate) fn class_id(sobject: &str, field: &str) -> String {
    format!("{sobject}.{field}")
}

/// Whether a record holds this JSON value in a remote field.
pub(super) fn holds(fields: &[RemoteField], key: &str, json: &str) -> bool {
    remote_value(fields, key).is_some_and(|value| value.as_str() == json)
}

/// The value of a remote field.
pub(super) fn remote_value<'f>(fields: &'f [RemoteField], key: &str) -> Option<&'f Json> {
    fields.iter().find(|field| key_of(field) == Some(key)).map(|field| &field.value)
}

/// The text of a remote field.
pub(crate) fn remote_text(fields: &[RemoteField], key: &str) -> Option<String> {
    remote_value(fields, key)?.to_text()
}

/// The remote name of a remote field, whether its class is here whole or by its id.
pub(crate) fn key_of(field: &RemoteField) -> Option<&str> {
    match &field.remote_field_class {
        RemoteFieldClassRef::Class(_) => field.key(),
        RemoteFieldClassRef::Id(id) => id.split_once('.').map(|(_, name)| name),
    }
}
