//! From a record to the values of its columns, as text, before any database sees them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use unicrm_core::{
    GoneReason, Json, ObjectKind, Record, RemoteField, RemoteFieldClass, RemoteFieldClassRef, RemoteId, Value,
};

use crate::layout::{DELETED_FLAG, Field, Shape};
use crate::text::{push_timestamp, push_uuid};

/// A hash of what a row holds, to see whether it changed.
pub(crate) type Hash = [u8; 16];

/// The columns of one record. All text lies in one buffer, which the next record uses again.
#[derive(Debug, Default)]
pub(crate) struct RowBuffer {
    text: String,
    cells: Vec<Cell>,
}

#[derive(Debug)]
enum Cell {
    Null,
    Integer(i64),
    Text(Range<usize>),
}

/// What a column holds. Amounts, instants, ids and JSON are text, booleans are 0 and 1.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CellRef<'b> {
    Null,
    Integer(i64),
    Text(&'b str),
}

impl RowBuffer {
    /// Writes the columns of a record's fields. A record that is gone says so in its own field too.
    pub(crate) fn encode<N: ClassNumbers>(
        &mut self,
        fields: &[Field],
        record: &Record,
        gone: bool,
        classes: &mut Classes<N>,
    ) -> Result<(), N::Error> {
        self.text.clear();
        self.cells.clear();
        for field in fields {
            let name = field.info.name;
            match field.shape {
                Shape::RemoteFields => {
                    self.push(|text| classes.push_fields(text, record.kind(), record.remote_fields()))?;
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
    fn push<E>(&mut self, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<(), E> {
        let start = self.text.len();
        write(&mut self.text)?;
        let end = self.text.len();
        self.cells.push(if start == end { Cell::Null } else { Cell::Text(start..end) });
        Ok(())
    }

    /// The columns, in the order of the fields.
    pub(crate) fn cells(&self) -> impl ExactSizeIterator<Item = CellRef<'_>> {
        self.cells.iter().map(|cell| self.view(cell))
    }

    fn view(&self, cell: &Cell) -> CellRef<'_> {
        match cell {
            Cell::Null => CellRef::Null,
            Cell::Integer(number) => CellRef::Integer(*number),
            Cell::Text(range) => CellRef::Text(&self.text[range.clone()]),
        }
    }

    /// The hash of the columns and of why the record is gone.
    pub(crate) fn hash(&self, gone: Option<&GoneReason>) -> Hash {
        let why = gone.map(|reason| [reason.as_str(), reason.survivor().map_or("", RemoteId::as_str)]);
        let gone = why.as_ref().map_or(&[][..], |why| &why[..]);
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

/// For databases that take whole pages.
#[cfg(feature = "postgres")]
impl RowBuffer {
    /// The column at this place; none behind the last.
    pub(crate) fn cell(&self, at: usize) -> CellRef<'_> {
        self.cells.get(at).map_or(CellRef::Null, |cell| self.view(cell))
    }

    /// Puts a number into the column at this place.
    pub(crate) fn set_integer(&mut self, at: usize, number: i64) {
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = Cell::Integer(number);
        }
    }

    /// Puts a substitute, of one byte, in the place of every NUL.
    pub(crate) fn replace_nul(&mut self, substitute: &str) {
        debug_assert_eq!(substitute.len(), 1);
        self.text = self.text.replace('\0', substitute);
    }

    /// How much text the columns hold, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }
}

/// The hash of several byte strings, told apart by their lengths.
pub(crate) fn hash_of(parts: &[&[u8]]) -> Hash {
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

/// Where the numbers of classes of remote fields come from: each class is stored once, and records name its number.
pub(crate) trait ClassNumbers {
    type Error;

    /// The number of a class, which is stored when it is new.
    fn number(&mut self, kind: ObjectKind, class: &Arc<RemoteFieldClass>) -> Result<i64, Self::Error>;
}

/// The classes of remote fields of a page.
#[derive(Debug)]
pub(crate) struct Classes<N> {
    numbers: N,
    /// What stands before a field's value, by the class's address: a page's records share their classes, and the page
    /// keeps them alive.
    known: HashMap<(ObjectKind, usize), String>,
}

impl<N: ClassNumbers> Classes<N> {
    pub(crate) fn new(numbers: N) -> Self {
        Self { numbers, known: HashMap::new() }
    }

    fn push_fields(
        &mut self,
        text: &mut String,
        kind: ObjectKind,
        fields: &[RemoteField],
    ) -> Result<(), N::Error> {
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
                            let number = self.numbers.number(kind, class)?;
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
