//! Reading the org outside of queries, and changing what its user sees.

use rusqlite::Connection;

use super::dml::{Context, find_by_key};
use super::{Org, Record, row};
use crate::error::SalesforceError;
use crate::schema::visibility::{FieldAccess, ObjectAccess};
use crate::schema::{FieldSchema, ObjectSchema};

impl Org {
    /// A record with all its fields, deleted or not.
    pub(crate) fn find(&self, object: &str, id: &str) -> Result<Option<Record>, SalesforceError> {
        let schema = self.schema();
        match schema.object(object) {
            Some(object) => self.find_in(None, object, id),
            None => Ok(None),
        }
    }

    /// The same inside a transaction.
    pub(crate) fn find_in(
        &self,
        transaction: Option<&Connection>,
        object: &ObjectSchema,
        id: &str,
    ) -> Result<Option<Record>, SalesforceError> {
        match transaction {
            Some(conn) => row::by_id(conn, object, id),
            None => self.db.read(|conn| row::by_id(conn, object, id)),
        }
    }

    /// Ids of the live records with this value in a key field, at most ten.
    pub(crate) fn ids_by_key(
        &self,
        transaction: Option<&Connection>,
        object: &ObjectSchema,
        key: &FieldSchema,
        value: &str,
    ) -> Result<Vec<String>, SalesforceError> {
        let find =
            |conn: &Connection| find_by_key(&Context::new(self, conn, self.schema()), object, key, value);
        let records = match transaction {
            Some(conn) => find(conn),
            None => self.db.read(find),
        }?;
        Ok(records.iter().filter_map(|record| record.text("Id").map(str::to_owned)).collect())
    }

    /// Takes a field out of the user's sight.
    pub(crate) fn hide_field(&self, object: &str, field: &str) {
        let schema = self.schema();
        let Some(object) = schema.object(object) else { return };
        let Some(field) = object.field(field) else { return };
        self.change_visibility(|visibility| {
            visibility.set_field(&object.name, &field.name, FieldAccess::NONE)
        });
    }

    /// Gives a field back to the user's sight.
    pub(crate) fn show_field(&self, object: &str, field: &str) {
        let schema = self.schema();
        let Some(object) = schema.object(object) else { return };
        let Some(field) = object.field(field) else { return };
        self.change_visibility(|visibility| {
            visibility.set_field(&object.name, &field.name, FieldAccess::ALL)
        });
    }

    /// Takes an object out of the user's sight.
    pub(crate) fn hide_object(&self, object: &str) {
        let schema = self.schema();
        let Some(object) = schema.object(object) else { return };
        self.change_visibility(|visibility| visibility.set_object(&object.name, ObjectAccess::NONE));
    }

    /// Gives an object back to the user's sight.
    pub(crate) fn show_object(&self, object: &str) {
        let schema = self.schema();
        let Some(object) = schema.object(object) else { return };
        self.change_visibility(|visibility| visibility.set_object(&object.name, ObjectAccess::ALL));
    }
}
