//! The remote record that a unified one stands for: seeds the emulator and serves the round-trip laws.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use unicrm_core::{Json, Ref, RemoteField, RemoteId};

use super::remote_fields::key_of;
use super::write::{Encoded, whole_seconds};
use crate::api::{remote_datetime_text, utc_date};

/// A whole remote record, with the rows of other sObjects that belong to it.
#[derive(Clone, Debug, Default)]
pub struct RemoteRecord {
    /// The sObject.
    pub sobject: &'static str,
    /// Its fields, in order.
    pub fields: Vec<(Cow<'static, str>, Json)>,
    /// What belongs to it: rows of EventWhoRelation, TaskWhoRelation, EmailMessage or ContentDocumentLink.
    pub related: Vec<RemoteRecord>,
}

impl RemoteRecord {
    pub(super) fn new(encoded: Encoded) -> Self {
        Self { sobject: encoded.sobject, fields: encoded.fields, related: Vec::new() }
    }

    /// A field's value.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Json> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value)
    }

    /// Sets a field.
    pub fn set(&mut self, field: impl Into<Cow<'static, str>>, value: Json) {
        let field = field.into();
        match self.fields.iter_mut().find(|(name, _)| *name == field) {
            Some((_, held)) => *held = value,
            None => self.fields.push((field, value)),
        }
    }

    /// Takes a field out.
    pub fn remove(&mut self, field: &str) {
        self.fields.retain(|(name, _)| name != field);
    }

    pub(super) fn id(&mut self, id: Option<&RemoteId>) {
        if let Some(id) = id {
            self.fields.insert(0, (Cow::Borrowed("Id"), Json::text(id.as_str())));
        }
    }

    pub(super) fn set_text(&mut self, field: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.set(field, Json::text(text));
        }
    }

    pub(super) fn set_flag(&mut self, field: &'static str, flag: Option<bool>) {
        if let Some(flag) = flag {
            self.set(field, Json::of(&flag));
        }
    }

    pub(super) fn set_instant(&mut self, field: &'static str, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.set(field, Json::text(&remote_datetime_text(whole_seconds(at))));
        }
    }

    pub(super) fn set_day(&mut self, field: &'static str, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.set(field, Json::text(&utc_date(at).0.to_string()));
        }
    }

    pub(super) fn set_reference<T>(&mut self, field: &'static str, reference: Option<&Ref<T>>) {
        self.set_text(field, reference.and_then(Ref::remote_id).map(RemoteId::as_str));
    }

    /// Adds the remote fields that are not named yet.
    pub(super) fn add_remote_fields(&mut self, fields: &[RemoteField]) {
        for field in fields {
            if let Some(key) = key_of(field).filter(|key| self.get(key).is_none()) {
                self.fields.push((Cow::Owned(key.to_owned()), field.value.clone()));
            }
        }
    }

    /// The row as a query gives it, with the people of an activity as the answer of a sub-query.
    #[must_use]
    pub fn row_json(&self) -> String {
        Json::of(self).as_str().to_owned()
    }
}

impl Serialize for RemoteRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("attributes", &std::collections::BTreeMap::from([("type", self.sobject)]))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        for (name, sobject) in
            [("EventWhoRelations", "EventWhoRelation"), ("TaskWhoRelations", "TaskWhoRelation")]
        {
            let records: Vec<_> = self.related.iter().filter(|row| row.sobject == sobject).collect();
            if !records.is_empty() {
                map.serialize_entry(name, &std::collections::BTreeMap::from([("records", records)]))?;
            }
        }
        map.end()
    }
}
