//! The tables of the records, derived from the fields of the objects: here and nowhere else.
//!
//! One table per object, named by its plural (`contacts`, `engagement_types`). Each has, in this order:
//!
//! | columns | |
//! |---|---|
//! | `pk` | integer key, in the order in which the store first saw the records |
//! | `linked_account` | the `pk` of `linked_accounts` |
//! | `id`, `remote_id` | the unified and the remote id |
//! | one per field, by its name | text, enums, amounts (exact decimals) and instants (RFC 3339 with `Z`) as text; integers; booleans as 0 and 1; lists and parts as JSON |
//! | `<field>_id`, `<field>_remote_id` | of a reference; indexed, and joined with the `id` of the other table |
//! | `<field>_remote_ids` | of a list of references, beside the list itself: the remote ids in the same order |
//! | `remote_fields` | a JSON list of `{"key", "class", "value"}`; `class` is the `pk` in `remote_field_classes` |
//! | `stamp` | when it last changed at the remote |
//! | `gone_reason`, `gone_at`, `merged_into`, `merged_into_remote_id` | set on tombstones: `deleted`, `merged` or `not_visible` |
//! | `created_at`, `modified_at` | when our copy was made, and last differed from the one before |
//! | `content_hash`, `source_hash`, `raw` | of all fields; of stamp and raw record; the raw record, compressed |
//!
//! A field that core gains becomes a column when the database is next opened; a field whose type changes needs a migration.

use std::sync::OnceLock;

use unicrm_core::ObjectKind;

use crate::layout::{self, DELETED_FLAG, Field, Shape};

fn sql_type(field: &Field) -> &'static str {
    match field.shape {
        Shape::Integer | Shape::Boolean => "INTEGER",
        _ => "TEXT",
    }
}

/// One object's table and the statements that write it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) kind: ObjectKind,
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    /// What the store has of an id: see `commit::Prior`.
    pub(super) probe: String,
    /// Parameters: the fields' columns, then [`INSERT_TAIL`].
    pub(super) insert: String,
    /// Parameters: the fields' columns, then [`UPDATE_TAIL`].
    pub(super) update: String,
}

/// The parameters of an insert behind the fields.
const INSERT_TAIL: [&str; 13] = [
    "content_hash",
    "source_hash",
    "stamp",
    "raw",
    "gone_reason",
    "gone_at",
    "merged_into",
    "merged_into_remote_id",
    "modified_at",
    "created_at",
    "linked_account",
    "id",
    "remote_id",
];

/// How many parameters of [`INSERT_TAIL`] an update takes too, before the `pk`.
pub(super) const UPDATE_TAIL: usize = 9;

/// The table of an object.
pub(super) fn table(kind: ObjectKind) -> &'static Table {
    static TABLES: OnceLock<Vec<Table>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| ObjectKind::ALL.into_iter().map(Table::of).collect());
    &tables[kind as usize]
}

impl Table {
    fn of(kind: ObjectKind) -> Self {
        let name = layout::table_name(kind);
        let fields = layout::fields(kind);
        let columns: Vec<_> = fields.iter().flat_map(Field::columns).chain(INSERT_TAIL).collect();
        let marks: Vec<_> = (1..=columns.len()).map(|i| format!("?{i}")).collect();
        let insert = format!("INSERT INTO {name} ({}) VALUES ({})", columns.join(", "), marks.join(", "));

        let updated = columns.len() - INSERT_TAIL.len() + UPDATE_TAIL;
        let mut sets = String::new();
        for (column, mark) in columns.iter().zip(&marks).take(updated) {
            let lead = if sets.is_empty() { "" } else { ", " };
            // A row that comes without its raw record, or without a change of content, keeps the one that it has.
            sets.push_str(&match *column {
                "raw" | "modified_at" => format!("{lead}{column} = coalesce({mark}, {column})"),
                _ => format!("{lead}{column} = {mark}"),
            });
        }
        let update = format!("UPDATE {name} SET {sets} WHERE pk = ?{}", updated + 1);
        let probe = format!(
            "SELECT pk, content_hash, source_hash, gone_reason, merged_into_remote_id, stamp FROM {name} WHERE id = ?1"
        );
        Self { kind, name, fields, probe, insert, update }
    }

    /// Whether the object has a field that says whether the remote record was deleted.
    pub(super) fn has_deleted_flag(&self) -> bool {
        self.fields.iter().any(|field| field.info.name == DELETED_FLAG)
    }

    /// All columns with their types, in the order of the table.
    pub(super) fn columns(&self) -> Vec<(&str, &'static str)> {
        let mut columns = vec![
            ("pk", "INTEGER PRIMARY KEY"),
            ("linked_account", "INTEGER NOT NULL REFERENCES linked_accounts (pk) ON DELETE CASCADE"),
            ("id", "TEXT NOT NULL UNIQUE"),
            ("remote_id", "TEXT NOT NULL"),
        ];
        for field in &self.fields {
            columns.extend(field.columns().map(|column| (column, sql_type(field))));
        }
        columns.extend([
            ("stamp", "TEXT"),
            ("gone_reason", "TEXT"),
            ("gone_at", "TEXT"),
            ("merged_into", "TEXT"),
            ("merged_into_remote_id", "TEXT"),
            ("created_at", "TEXT NOT NULL"),
            ("modified_at", "TEXT NOT NULL"),
            ("content_hash", "BLOB"),
            ("source_hash", "BLOB"),
            ("raw", "BLOB"),
        ]);
        columns
    }

    pub(super) fn create(&self) -> String {
        let columns: Vec<_> =
            self.columns().iter().map(|(name, sql_type)| format!("    {name} {sql_type}")).collect();
        format!("CREATE TABLE {} (\n{}\n)", self.name, columns.join(",\n"))
    }

    /// The statements that make the indexes which are not there yet.
    pub(super) fn create_indexes(&self) -> Vec<String> {
        let name = &self.name;
        let mut indexes = vec![
            // Ends with the pk, as every index does: lists go through it page by page.
            format!("CREATE INDEX IF NOT EXISTS {name}_linked_account ON {name} (linked_account)"),
            format!("CREATE INDEX IF NOT EXISTS {name}_remote_id ON {name} (remote_id)"),
            format!(
                "CREATE INDEX IF NOT EXISTS {name}_gone ON {name} (linked_account) WHERE gone_reason IS NOT NULL"
            ),
        ];
        let references = self.fields.iter().filter(|field| field.shape == Shape::Reference);
        indexes.extend(references.map(|field| {
            let column = &field.column;
            format!(
                "CREATE INDEX IF NOT EXISTS {name}_{column} ON {name} ({column}) WHERE {column} IS NOT NULL"
            )
        }));
        indexes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_and_no_two_columns_share_a_name() {
        for kind in ObjectKind::ALL {
            let table = table(kind);
            assert_eq!(table.kind, kind);
            let mut names: Vec<_> = table.columns().into_iter().map(|(name, _)| name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{kind}");
            let plain =
                |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            assert!(names.iter().all(|name| plain(name)), "{names:?}");
        }
    }
}
