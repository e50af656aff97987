//! From a record to the columns of its table.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Statement, params};
use unicrm_core::{
    Json, ObjectKind, Record, RemoteField, RemoteFieldClass, RemoteFieldClassRef, RemoteId, Value,
};

use super::failure::Done;
use super::schema::{DELETED_FLAG, Shape, Table};
use super::text::{push_timestamp, push_uuid};

/// A hash of what a row holds, to see whether it changed.
pub(super) type Hash = [u8; 16];

/// The columns of one record. All text lies in one buffer, which the next record uses again.
#[derive(Default)]
pub(super) struct RowBuffer {
    text: String,
    cells: Vec<Cell>,
}

enum Cell {
    Null,
    Integer(i64),
    Text(Range<usize>),
}

impl RowBuffer {
    /// Writes the columns of a record's fields. A record that is gone says so in its own field too.
    pub(super) fn encode(
        &mut self,
        table: &Table,
        record: &Record,
        gone: bool,
        classes: &mut Classes<'_>,
    ) -> Done<()> {
        self.text.clear();
        self.cells.clear();
        for field in &table.fields {
            let name = field.info.name;
            match field.shape {
                Shape::RemoteFields => {
                    self.push(|text| classes.push_fields(text, table.kind, record.remote_fields()))?;
                }
                Shape::References => {
                    self.push_value(record.get(name));
                    let remote_ids = reference_list(record, name);
                    self.push(|text| {
                        if remote_ids.iter().any(Option::is_some) {
                            text.push_str(Json::of(&remote_ids).as_str());
                        }
                        Ok(())
                    })?;
                }
                Shape::Reference => match record.get(name) {
                    Some(Value::Reference { id, remote_id }) => {
                        self.push_value(id.map(Value::Id));
                        let remote_id = remote_id.as_ref().map(RemoteId::as_str);
                        self.push_value(remote_id.map(|id| Value::Text(id.into())));
                    }
                    _ => self.cells.extend([Cell::Null, Cell::Null]),
                },
                _ if gone && name == DELETED_FLAG => self.cells.push(Cell::Integer(1)),
                _ => self.push_value(record.get(name)),
            }
        }
        Ok(())
    }

    fn push_value(&mut self, value: Option<Value<'_>>) {
        let start = self.text.len();
        match value {
            None => return self.cells.push(Cell::Null),
            Some(Value::Integer(number)) => return self.cells.push(Cell::Integer(number)),
            Some(Value::Boolean(flag)) => return self.cells.push(Cell::Integer(flag.into())),
            Some(Value::Text(text) | Value::Json(text)) => self.text.push_str(&text),
            Some(Value::Timestamp(instant)) => push_timestamp(&mut self.text, instant),
            Some(Value::Id(id)) => push_uuid(&mut self.text, id),
            Some(other) => {
                // Writing into a string cannot fail.
                let written = write!(self.text, "{other}");
                debug_assert!(written.is_ok());
            }
        }
        self.cells.push(Cell::Text(start..self.text.len()));
    }

    /// A text that `write` appends; nothing appended is none.
    fn push(&mut self, write: impl FnOnce(&mut String) -> Done<()>) -> Done<()> {
        let start = self.text.len();
        write(&mut self.text)?;
        let end = self.text.len();
        self.cells.push(if start == end { Cell::Null } else { Cell::Text(start..end) });
        Ok(())
    }

    /// Binds the columns as the first parameters, and says how many they are.
    pub(super) fn bind(&self, statement: &mut Statement<'_>) -> rusqlite::Result<usize> {
        for (i, cell) in (1..).zip(&self.cells) {
            let value = match cell {
                Cell::Null => ValueRef::Null,
                Cell::Integer(number) => ValueRef::Integer(*number),
                Cell::Text(range) => ValueRef::Text(self.text[range.clone()].as_bytes()),
            };
            statement.raw_bind_parameter(i, ToSqlOutput::Borrowed(value))?;
        }
        Ok(self.cells.len())
    }

    /// The hash of the columns and of why the record is gone.
    pub(super) fn hash(&self, gone: &[&str]) -> Hash {
        let mut layout = Vec::with_capacity(9 * (self.cells.len() + gone.len()));
        let mut add = |tag: u8, number: u64| {
            layout.push(tag);
            layout.extend_from_slice(&number.to_le_bytes());
        };
        for cell in &self.cells {
            match cell {
                Cell::Null => add(0, 0),
                Cell::Integer(number) => add(1, number.cast_unsigned()),
                Cell::Text(range) => add(2, range.len() as u64),
            }
        }
        gone.iter().for_each(|text| add(3, text.len() as u64));
        let mut context = Context::new(&SHA256);
        context.update(&layout);
        context.update(self.text.as_bytes());
        gone.iter().for_each(|text| context.update(text.as_bytes()));
        finish(context)
    }
}

/// The hash of several byte strings, told apart by their lengths.
pub(super) fn hash_of(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    finish(context)
}

fn finish(context: Context) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(&context.finish().as_ref()[..16]);
    hash
}

/// The remote ids of a list of references: JSON keeps the unified id alone. A test holds that no such list is forgotten.
fn reference_list<'r>(record: &'r Record, field: &str) -> Vec<Option<&'r RemoteId>> {
    match (record, field) {
        (Record::Engagement(engagement), "contacts") => {
            engagement.contacts.iter().map(unicrm_core::Ref::remote_id).collect()
        }
        _ => Vec::new(),
    }
}

/// The classes of remote fields: each is stored once, and records name its number.
pub(super) struct Classes<'c> {
    connection: &'c Connection,
    account: i64,
    /// What stands before a field's value, by the class's address: a page's records share their classes, and the page
    /// keeps them alive.
    known: HashMap<(ObjectKind, usize), String>,
}

impl<'c> Classes<'c> {
    pub(super) fn new(connection: &'c Connection, account: i64) -> Self {
        Self { connection, account, known: HashMap::new() }
    }

    fn push_fields(&mut self, text: &mut String, kind: ObjectKind, fields: &[RemoteField]) -> Done<()> {
        for (i, field) in fields.iter().enumerate() {
            text.push(if i == 0 { '[' } else { ',' });
            match &field.remote_field_class {
                RemoteFieldClassRef::Id(id) => {
                    text.push_str(r#"{"class":"#);
                    text.push_str(Json::text(id).as_str());
                    text.push_str(r#","value":"#);
                }
                RemoteFieldClassRef::Class(class) => {
                    match self.known.entry((kind, Arc::as_ptr(class).addr())) {
                        Entry::Occupied(known) => text.push_str(known.get()),
                        Entry::Vacant(new) => {
                            let number = number(self.connection, self.account, kind, class)?;
                            let key = match &class.remote_key_name {
                                Some(key) => format!(r#""key":{},"#, Json::text(key).as_str()),
                                None => String::new(),
                            };
                            text.push_str(new.insert(format!(r#"{{{key}"class":{number},"value":"#)));
                        }
                    }
                }
            }
            text.push_str(field.value.as_str());
            text.push('}');
        }
        if !fields.is_empty() {
            text.push(']');
        }
        Ok(())
    }
}

/// The number of a class, which is stored when it is new.
fn number(connection: &Connection, account: i64, kind: ObjectKind, class: &RemoteFieldClass) -> Done<i64> {
    let json = Json::of(class);
    let hash = hash_of(&[json.as_str().as_bytes()]);
    let known = connection
        .prepare_cached(
            "SELECT pk FROM remote_field_classes WHERE linked_account = ?1 AND kind = ?2 AND hash = ?3",
        )?
        .query_row(params![account, kind.as_str(), hash], |row| row.get(0))
        .optional()?;
    if let Some(number) = known {
        return Ok(number);
    }
    connection
        .prepare_cached(
            "INSERT INTO remote_field_classes (linked_account, kind, key, class, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![account, kind.as_str(), class.remote_key_name, json.as_str(), hash])?;
    Ok(connection.last_insert_rowid())
}

#[cfg(test)]
mod tests {
    use unicrm_core::FieldType;

    use super::*;

    #[test]
    fn no_list_of_references_is_forgotten() {
        let mut lists = 0;
        for kind in ObjectKind::ALL {
            let list =
                |field: &&unicrm_core::FieldInfo| field.list && matches!(field.ty, FieldType::Reference(_));
            for field in Record::fields_of(kind).iter().filter(list) {
                let mut record = Record::empty(kind);
                record.set(field.name, Some(Value::Json(r#"[{"remote_id":"003x"}]"#.into()))).unwrap();
                assert_eq!(reference_list(&record, field.name), [Some(&RemoteId::from("003x"))], "{kind}");
                lists += 1;
            }
        }
        assert!(lists > 0);
    }
}
