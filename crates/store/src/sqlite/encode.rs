//! The values of a record's columns into a statement, and the numbers of its classes.

use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Statement, params};
use unicrm_core::{Json, ObjectKind, RemoteFieldClass};

use super::failure::{Done, Failure};
use crate::encode::{CellRef, ClassNumbers, RowBuffer, hash_of};

/// Binds the columns as the first parameters, and says how many they are.
pub(super) fn bind(buffer: &RowBuffer, statement: &mut Statement<'_>) -> rusqlite::Result<usize> {
    let cells = buffer.cells();
    let count = cells.len();
    for (i, cell) in (1..).zip(cells) {
        let value = match cell {
            CellRef::Null => ValueRef::Null,
            CellRef::Integer(number) => ValueRef::Integer(number),
            CellRef::Text(text) => ValueRef::Text(text.as_bytes()),
        };
        statement.raw_bind_parameter(i, ToSqlOutput::Borrowed(value))?;
    }
    Ok(count)
}

/// The classes of remote fields in their table.
pub(super) struct ClassTable<'c> {
    pub(super) connection: &'c Connection,
    pub(super) account: i64,
}

impl ClassNumbers for ClassTable<'_> {
    type Error = Failure;

    fn number(&mut self, kind: ObjectKind, class: &Arc<RemoteFieldClass>) -> Done<i64> {
        let json = Json::of(&**class);
        let hash = hash_of(&[json.as_str().as_bytes()]);
        let known = self
            .connection
            .prepare_cached(
                "SELECT pk FROM remote_field_classes WHERE linked_account = ?1 AND kind = ?2 AND hash = ?3",
            )?
            .query_row(params![self.account, kind.as_str(), hash], |row| row.get(0))
            .optional()?;
        if let Some(number) = known {
            return Ok(number);
        }
        self.connection
            .prepare_cached(
                "INSERT INTO remote_field_classes (linked_account, kind, key, class, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![self.account, kind.as_str(), class.remote_key_name, json.as_str(), hash])?;
        Ok(self.connection.last_insert_rowid())
    }
}
