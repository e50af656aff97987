//! The tables of the records on PostgreSQL, derived from the fields of the objects.
//!
//! One table per object, named by its plural (`contacts`, `engagement_types`). Each has, in this order:
//!
//! | columns | |
//! |---|---|
//! | `pk` | integer key, in the order in which the store first saw the records |
//! | `linked_account` | the `pk` of `linked_accounts` |
//! | `id`, `remote_id` | the unified id (`uuid`) and the remote id |
//! | one per field, by its name | `text` for texts and enums, `numeric` for amounts, `timestamptz`, `bigint`, `boolean`; lists and parts as `json` |
//! | `<field>_id`, `<field>_remote_id` | of a reference; indexed, and joined with the `id` of the other table |
//! | `<field>_remote_ids` | of a list of references, beside the list itself: the remote ids in the same order |
//! | `remote_fields` | a JSON list of `{"key", "class", "value"}`; `class` is the `pk` in `remote_field_classes` |
//! | `stamp` | when it last changed at the remote |
//! | `gone_reason`, `gone_at`, `merged_into`, `merged_into_remote_id` | set on tombstones: `deleted`, `merged` or `not_visible` |
//! | `created_at`, `modified_at` | when our copy was made, and last differed from the one before |
//! | `content_hash`, `source_hash`, `raw` | of all fields; of stamp and raw record; the raw record, compressed |
//! | `exact` | nearly always null: what a column of this row cannot hold exactly, by the column's name; see `exact.rs` |
//!
//! JSON is kept as `json`, not `jsonb`: it comes back as it came, digit for digit, and writing it costs less.
//!
//! A field that core gains becomes a column when the database is next opened; a field whose type changes needs a migration.

use std::sync::OnceLock;

use unicrm_core::ObjectKind;

use crate::layout::{self, DELETED_FLAG, Field, Shape};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Text,
    Integer,
    Boolean,
    Instant,
    Uuid,
    /// An exact decimal; travels as text.
    Amount,
    /// Travels as text.
    Json,
    Bytes,
}

impl Sort {
    /// The type of the column.
    const fn sql(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "bigint",
            Self::Boolean => "boolean",
            Self::Instant => "timestamptz",
            Self::Uuid => "uuid",
            Self::Amount => "numeric",
            Self::Json => "json",
            Self::Bytes => "bytea",
        }
    }

    /// The type in which its values come as a parameter.
    const fn parameter(self) -> &'static str {
        match self {
            Self::Amount | Self::Json => "text",
            other => other.sql(),
        }
    }

    /// A column as it is read back.
    pub(super) fn read(self, column: &str) -> String {
        match self {
            Self::Amount | Self::Json => format!("{column}::text"),
            _ => column.to_owned(),
        }
    }
}

/// The sorts of a field's columns.
fn sorts(field: &Field) -> &'static [Sort] {
    match field.shape {
        Shape::Text => &[Sort::Text],
        Shape::Integer => &[Sort::Integer],
        Shape::Boolean => &[Sort::Boolean],
        Shape::Timestamp => &[Sort::Instant],
        Shape::Amount => &[Sort::Amount],
        Shape::Reference => &[Sort::Uuid, Sort::Text],
        Shape::References => &[Sort::Json, Sort::Json],
        Shape::Json | Shape::RemoteFields => &[Sort::Json],
    }
}

/// One column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) sort: Sort,
}

/// The columns that every written row brings behind those of its fields; `write::bind` goes through them in this order.
const TAIL: [(&str, Sort); 10] = [
    ("content_hash", Sort::Bytes),
    ("source_hash", Sort::Bytes),
    ("stamp", Sort::Instant),
    ("raw", Sort::Bytes),
    ("gone_reason", Sort::Text),
    ("gone_at", Sort::Instant),
    ("merged_into", Sort::Uuid),
    ("merged_into_remote_id", Sort::Text),
    ("exact", Sort::Text),
    ("modified_at", Sort::Instant),
];

/// One object's table and the statements that write it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    /// The columns of the fields.
    pub(super) columns: Vec<Column>,
    /// What the store has of these ids: see `plan::Known`. Parameter: the ids.
    pub(super) probe: String,
    /// Parameters: the fields' columns, [`TAIL`], `id`, `remote_id`; then the linked account and the time.
    pub(super) insert: String,
    /// Parameters: the fields' columns, [`TAIL`], `pk`.
    pub(super) update: String,
    /// Parameters: `pk`, `gone_reason`, `gone_at`, `merged_into`, `merged_into_remote_id`, `exact`; then the time.
    pub(super) bury: String,
    /// Parameters: a snapshot, and the ids of records that it has shown.
    pub(super) seen: String,
}

/// The table of an object.
pub(super) fn table(kind: ObjectKind) -> &'static Table {
    static TABLES: OnceLock<Vec<Table>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| ObjectKind::ALL.into_iter().map(Table::of).collect());
    &tables[kind as usize]
}

/// `unnest($1::text[], $2::bigint[])`: rows out of one array per column.
fn unnest(columns: &[(&str, Sort)]) -> String {
    let arrays: Vec<_> =
        (1..).zip(columns).map(|(i, (_, sort))| format!("${i}::{}[]", sort.parameter())).collect();
    format!("unnest({})", arrays.join(", "))
}

/// A column of those rows as its table takes it.
fn cast(name: &str, sort: Sort) -> String {
    if sort.parameter() == sort.sql() { format!("r.{name}") } else { format!("r.{name}::{}", sort.sql()) }
}

fn names(columns: &[(&str, Sort)]) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl Table {
    fn of(kind: ObjectKind) -> Self {
        let name = layout::table_name(kind);
        let fields = layout::fields(kind);
        let columns: Vec<_> = fields
            .iter()
            .flat_map(|field| field.columns().zip(sorts(field)))
            .map(|(name, &sort)| Column { name: name.to_owned(), sort })
            .collect();
        let written: Vec<_> =
            columns.iter().map(|column| (column.name.as_str(), column.sort)).chain(TAIL).collect();

        let inserted = [&written[..], &[("id", Sort::Uuid), ("remote_id", Sort::Text)]].concat();
        let casts: Vec<_> = inserted.iter().map(|(name, sort)| cast(name, *sort)).collect();
        let (account, time) = (inserted.len() + 1, inserted.len() + 2);
        let insert = format!(
            "INSERT INTO {name} ({columns}, linked_account, created_at) \
             SELECT {}, ${account}, ${time} FROM {} WITH ORDINALITY AS r ({columns}, place) ORDER BY r.place",
            casts.join(", "),
            unnest(&inserted),
            columns = names(&inserted),
        );

        let updated = [&written[..], &[("pk", Sort::Integer)]].concat();
        let sets: Vec<_> = written
            .iter()
            .map(|(column, sort)| match *column {
                // A row that comes without its raw record, or without a change of content, keeps the one that it has.
                "raw" | "modified_at" => format!("{column} = coalesce(r.{column}, t.{column})"),
                _ => format!("{column} = {}", cast(column, *sort)),
            })
            .collect();
        let update = format!(
            "UPDATE {name} AS t SET {} FROM {} AS r ({}) WHERE t.pk = r.pk",
            sets.join(", "),
            unnest(&updated),
            names(&updated)
        );

        let buried = [
            ("pk", Sort::Integer),
            ("gone_reason", Sort::Text),
            ("gone_at", Sort::Instant),
            ("merged_into", Sort::Uuid),
            ("merged_into_remote_id", Sort::Text),
            ("exact", Sort::Text),
        ];
        let flag = deleted_flag(&fields);
        // Without a content hash, whatever comes next counts as a change.
        let bury = format!(
            "UPDATE {name} AS t SET gone_reason = r.gone_reason, gone_at = r.gone_at, merged_into = r.merged_into, \
             merged_into_remote_id = r.merged_into_remote_id, exact = r.exact, modified_at = $7, \
             content_hash = NULL{flag} FROM {} AS r ({}) WHERE t.pk = r.pk",
            unnest(&buried),
            names(&buried)
        );
        let probe = format!(
            "SELECT id, pk, content_hash, source_hash, gone_reason, merged_into_remote_id, stamp, exact \
             FROM {name} WHERE id = ANY($1)"
        );
        let seen = format!(
            "INSERT INTO snapshot_records (snapshot, record) SELECT $1, pk FROM {name} WHERE id = ANY($2) \
             ON CONFLICT DO NOTHING"
        );
        Self { name, fields, columns, probe, insert, update, bury, seen }
    }

    /// `, remote_was_deleted = TRUE` where the object has this field.
    pub(super) fn deleted_flag(&self) -> &'static str {
        deleted_flag(&self.fields)
    }

    /// All columns with their types, in the order of the table.
    pub(super) fn all_columns(&self) -> Vec<(&str, &'static str)> {
        let mut columns = vec![
            ("pk", "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
            // Not a foreign key, which would be checked row by row. Whoever writes holds a lock on the row of the linked
            // account, and unlinking removes the records first.
            ("linked_account", "bigint NOT NULL"),
            ("id", "uuid NOT NULL UNIQUE"),
            ("remote_id", "text NOT NULL"),
        ];
        columns.extend(self.columns.iter().map(|column| (column.name.as_str(), column.sort.sql())));
        columns.extend([
            ("stamp", "timestamptz"),
            ("gone_reason", "text"),
            ("gone_at", "timestamptz"),
            ("merged_into", "uuid"),
            ("merged_into_remote_id", "text"),
            ("created_at", "timestamptz NOT NULL"),
            ("modified_at", "timestamptz NOT NULL"),
            ("content_hash", "bytea"),
            ("source_hash", "bytea"),
            ("raw", "bytea"),
            ("exact", "text"),
        ]);
        columns
    }

    pub(super) fn create(&self) -> String {
        let columns: Vec<_> =
            self.all_columns().iter().map(|(name, sql_type)| format!("    {name} {sql_type}")).collect();
        let name = &self.name;
        // The raw record is compressed already; and a little room on each page keeps most updates on it.
        format!(
            "CREATE TABLE {name} (\n{}\n) WITH (fillfactor = 90);\n\
             ALTER TABLE {name} ALTER COLUMN raw SET STORAGE EXTERNAL;\n",
            columns.join(",\n")
        )
    }

    /// The statements that make the indexes which are not there yet.
    pub(super) fn create_indexes(&self) -> String {
        let name = &self.name;
        let mut indexes = format!(
            "CREATE INDEX IF NOT EXISTS {name}_linked_account ON {name} (linked_account, pk);\n\
             CREATE INDEX IF NOT EXISTS {name}_remote_id ON {name} (remote_id);\n\
             CREATE INDEX IF NOT EXISTS {name}_gone ON {name} (linked_account) WHERE gone_reason IS NOT NULL;\n"
        );
        for field in self.fields.iter().filter(|field| field.shape == Shape::Reference) {
            let column = &field.column;
            indexes.push_str(&format!(
                "CREATE INDEX IF NOT EXISTS {name}_{column} ON {name} ({column}) WHERE {column} IS NOT NULL;\n"
            ));
        }
        indexes
    }
}

fn deleted_flag(fields: &[Field]) -> &'static str {
    if fields.iter().any(|field| field.info.name == DELETED_FLAG) {
        ", remote_was_deleted = TRUE"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_and_no_two_columns_share_a_name() {
        for kind in ObjectKind::ALL {
            let table = table(kind);
            assert_eq!(table.name, layout::table_name(kind));
            let mut names: Vec<_> = table.all_columns().into_iter().map(|(name, _)| name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{kind}");
            // What PostgreSQL cuts off without an error.
            assert!(names.iter().all(|name| format!("{}_{name}", table.name).len() < 64), "{names:?}");
        }
        assert!(table(ObjectKind::Contact).bury.contains(DELETED_FLAG));
    }
}
