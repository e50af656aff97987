//! Changes of records with Salesforce's checks, defaults, derived fields and consequences.

mod activity;
mod address;
mod content;
mod convert;
pub(crate) mod derive;
mod duplicates;
mod input;
mod merge;
mod person;
mod reference;
pub(crate) mod remove;
mod rules;
mod save;

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

pub use convert::{Conversion, Converted};
pub use duplicates::DuplicateRule;
pub use rules::ValidationRule;

pub(crate) use convert::convert_lead;
pub(crate) use input::{Input, Operation};
pub(crate) use merge::merge;
pub(crate) use reference::find as find_by_key;
pub(crate) use remove::{delete, empty_bin, purge, undelete};
pub(crate) use save::{Upserted, create, update, upsert};

use crate::error::SalesforceError;
use crate::org::{Org, Record, Value, row};
use crate::schema::{FieldSchema, ObjectSchema, Schema, Visibility};

/// What every change needs to know: the org, the open transaction, the time and the user.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) org: &'a Org,
    pub(crate) conn: &'a Connection,
    pub(crate) schema: Arc<Schema>,
    visibility: Arc<Visibility>,
    /// The stamp of everything that changes in this transaction.
    pub(crate) stamp: Timestamp,
    /// Whether records are saved although a duplicate rule stands against it.
    allow_duplicates: bool,
    /// The API version that answers name.
    version: u16,
}

impl<'a> Context<'a> {
    pub(crate) fn new(org: &'a Org, conn: &'a Connection, schema: Arc<Schema>) -> Self {
        Self {
            org,
            conn,
            schema,
            visibility: org.visibility(),
            stamp: org.clock.stamp(),
            allow_duplicates: false,
            version: crate::http::NEWEST,
        }
    }

    /// The same for a request of an API version, with duplicates allowed or not.
    pub(crate) fn for_request(mut self, version: u16, allow_duplicates: bool) -> Self {
        self.version = version;
        self.allow_duplicates = allow_duplicates;
        self
    }

    /// The user whom changes are made by.
    pub(crate) fn user(&self) -> &str {
        &self.org.user_id
    }

    /// An object that the user may see.
    pub(crate) fn object(&self, name: &str) -> Result<&ObjectSchema, SalesforceError> {
        let object = self.schema.object(name).filter(|object| self.visibility.can_read(&object.name));
        object.ok_or_else(SalesforceError::no_such_resource)
    }

    /// Whether a field exists for the user.
    pub(crate) fn sees(&self, object: &ObjectSchema, field: &FieldSchema) -> bool {
        self.visibility.can_see(&object.name, &field.name)
    }

    fn may_set(&self, object: &ObjectSchema, field: &FieldSchema, operation: Operation) -> bool {
        let writable = match operation {
            Operation::Create => field.createable,
            Operation::Update => field.updateable,
        };
        writable && self.visibility.can_set(&object.name, &field.name)
    }

    /// Refuses a change of an object whose kind or permissions do not allow it.
    fn permit(&self, object: &ObjectSchema, change: Change) -> Result<(), SalesforceError> {
        let (possible, permitted, done) = match change {
            Change::Create => (object.createable, self.visibility.can_create(&object.name), "inserted"),
            Change::Update => (object.updateable, self.visibility.can_edit(&object.name), "updated"),
            Change::Delete => (object.deletable, self.visibility.can_delete(&object.name), "deleted"),
        };
        if !possible {
            let message = format!("entity type cannot be {done}: {}", object.label);
            return Err(SalesforceError::new(400, "INVALID_TYPE_FOR_OPERATION", message));
        }
        if !permitted {
            let message = "insufficient access rights on object id";
            return Err(SalesforceError::new(403, "INSUFFICIENT_ACCESS_OR_READONLY", message));
        }
        Ok(())
    }

    /// The live record with this id, for a change to it.
    fn live(&self, object: &ObjectSchema, id: &str) -> Result<Record, SalesforceError> {
        let record = row::by_id(self.conn, object, id)?.ok_or_else(|| {
            SalesforceError::new(
                404,
                "NOT_FOUND",
                format!("Provided external ID field does not exist or is not accessible: {id}"),
            )
        })?;
        if record.is_true("IsDeleted") {
            return Err(SalesforceError::new(404, "ENTITY_IS_DELETED", "entity is deleted"));
        }
        Ok(record)
    }

    /// Writes fields of a record with the stamps of a change made by the user.
    fn touch(&self, object: &ObjectSchema, id: &str, mut changes: Record) -> Result<(), SalesforceError> {
        changes.set("LastModifiedDate", self.stamp);
        changes.set("LastModifiedById", self.user());
        changes.set("SystemModstamp", self.stamp);
        row::update(self.conn, object, id, &changes)
    }

    /// Inserts a record that Salesforce itself makes as a consequence; gives its id.
    pub(crate) fn insert_own(&self, object: &str, mut record: Record) -> Result<String, SalesforceError> {
        let Some(object) = self.schema.object(object) else { return Ok(String::new()) };
        if !record.has("Id") {
            record.set("Id", self.org.allot(&self.schema, &object.name)?);
        }
        derive::fill_new(self, object, &mut record)?;
        row::insert(self.conn, object, &record)?;
        Ok(record.text("Id").unwrap_or_default().to_owned())
    }

    /// Whether an object exists in this org and the value is one of its ids.
    fn is_id_of(&self, object: &str, value: &Value) -> bool {
        let prefix = self.schema.object(object).and_then(|object| object.key_prefix.as_deref());
        prefix.is_some_and(|prefix| value.as_text().is_some_and(|id| id.starts_with(prefix)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Create,
    Update,
    Delete,
}
