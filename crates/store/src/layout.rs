//! Which columns an object has, derived from its fields: here and nowhere else. What a column looks like in a database is
//! that database's own; see its `schema.rs`.

use unicrm_core::{FieldInfo, FieldType, ObjectKind, Record};

/// How a field lies in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Integer,
    Boolean,
    Timestamp,
    Amount,
    /// Two columns: unified and remote id.
    Reference,
    /// Two columns: JSON lists of the references and of their remote ids.
    References,
    /// JSON as core writes it.
    Json,
    /// JSON that names the classes by number.
    RemoteFields,
}

/// One field and its columns.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) info: &'static FieldInfo,
    pub(crate) shape: Shape,
    /// The first or only column.
    pub(crate) column: String,
    /// The second column, where the shape has one.
    pub(crate) second: Option<String>,
}

impl Field {
    fn of(info: &'static FieldInfo) -> Option<Self> {
        let shape = match info.ty {
            // These stand in every table under the same names and are the store's own.
            FieldType::Id | FieldType::RemoteId => return None,
            FieldType::Timestamp if matches!(info.name, "created_at" | "modified_at") => return None,
            // The raw record is kept compactly.
            FieldType::RemoteData => return None,
            FieldType::RemoteField => Shape::RemoteFields,
            FieldType::Reference(_) if info.list => Shape::References,
            FieldType::Reference(_) => Shape::Reference,
            _ if info.list => Shape::Json,
            FieldType::Text | FieldType::Enum(_) => Shape::Text,
            FieldType::Integer => Shape::Integer,
            FieldType::Boolean => Shape::Boolean,
            FieldType::Timestamp => Shape::Timestamp,
            FieldType::Amount => Shape::Amount,
            // Parts with fields of their own, and whatever core adds.
            _ => Shape::Json,
        };
        let name = info.name;
        let (column, second) = match shape {
            Shape::Reference => (format!("{name}_id"), Some(format!("{name}_remote_id"))),
            Shape::References => (name.to_owned(), Some(format!("{name}_remote_ids"))),
            _ => (name.to_owned(), None),
        };
        Some(Self { info, shape, column, second })
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        [Some(self.column.as_str()), self.second.as_deref()].into_iter().flatten()
    }
}

/// The fields of an object that have columns of their own, in the order of the table.
pub(crate) fn fields(kind: ObjectKind) -> Vec<Field> {
    Record::fields_of(kind).iter().filter_map(Field::of).collect()
}

/// The name of an object's table: its plural.
pub(crate) fn table_name(kind: ObjectKind) -> String {
    kind.plural().replace('-', "_")
}

/// The field that tombstones set, where the object has it.
pub(crate) const DELETED_FLAG: &str = "remote_was_deleted";
