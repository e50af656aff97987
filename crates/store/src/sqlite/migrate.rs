//! Bringing a database up to the schema of this version, and refusing one that is ahead of it.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use unicrm_core::{Error, ErrorKind, ObjectKind};

use super::failure::Done;
use super::{schema, search};
use crate::text;

/// Each migration once, in this order; the version of a schema is how many of them it has seen. The tables of the records
/// are not here: they follow the fields of the objects.
const MIGRATIONS: &[(&str, &str)] =
    &[("first tables", FIRST), ("field mappings", FIELD_MAPPINGS), (SEARCH, search::CREATE)];

/// The keys by which records are found; those of the records that are there already are made after it.
const SEARCH: &str = "search";

const FIRST: &str = "
PRAGMA application_id = 1970170221;

CREATE TABLE linked_accounts (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    provider TEXT NOT NULL,
    config TEXT NOT NULL,
    status TEXT NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    last_sync TEXT
);

-- Encrypted: secrets under the data key, the data key under the master key of this fingerprint.
CREATE TABLE credentials (
    linked_account INTEGER PRIMARY KEY REFERENCES linked_accounts (pk) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    key_version INTEGER NOT NULL,
    master_key TEXT NOT NULL,
    data_key BLOB NOT NULL,
    secrets BLOB NOT NULL,
    modified_at TEXT NOT NULL
);

CREATE TABLE checkpoints (
    linked_account INTEGER NOT NULL REFERENCES linked_accounts (pk) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    state TEXT NOT NULL,
    modified_at TEXT NOT NULL,
    PRIMARY KEY (linked_account, kind)
) WITHOUT ROWID;

-- A full reading under way, and the records that it has shown so far.
CREATE TABLE snapshots (
    pk INTEGER PRIMARY KEY,
    linked_account INTEGER NOT NULL REFERENCES linked_accounts (pk) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    blind INTEGER NOT NULL DEFAULT 0,
    started_at TEXT NOT NULL,
    UNIQUE (linked_account, kind)
);

CREATE TABLE snapshot_records (
    snapshot INTEGER NOT NULL REFERENCES snapshots (pk) ON DELETE CASCADE,
    record INTEGER NOT NULL,
    PRIMARY KEY (snapshot, record)
) WITHOUT ROWID;

-- Rows that could not be understood. The key is the remote id, or else the hash of what came.
CREATE TABLE rejected (
    pk INTEGER PRIMARY KEY,
    linked_account INTEGER NOT NULL REFERENCES linked_accounts (pk) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    remote_id TEXT,
    error_kind TEXT NOT NULL,
    error TEXT NOT NULL,
    raw BLOB,
    since TEXT NOT NULL,
    UNIQUE (linked_account, kind, key)
);

CREATE TABLE remote_field_classes (
    pk INTEGER PRIMARY KEY,
    linked_account INTEGER NOT NULL REFERENCES linked_accounts (pk) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    key TEXT,
    class TEXT NOT NULL,
    hash BLOB NOT NULL,
    UNIQUE (linked_account, kind, hash)
);
";

const FIELD_MAPPINGS: &str = "
CREATE TABLE field_mappings (
    linked_account INTEGER NOT NULL REFERENCES linked_accounts (pk) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    remote TEXT NOT NULL,
    type TEXT NOT NULL,
    modified_at TEXT NOT NULL,
    PRIMARY KEY (linked_account, kind, name)
) WITHOUT ROWID;

-- Objects whose records are being made anew from their raw form, and the last record that has been.
CREATE TABLE projections (
    linked_account INTEGER NOT NULL REFERENCES linked_accounts (pk) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    after INTEGER NOT NULL,
    PRIMARY KEY (linked_account, kind)
) WITHOUT ROWID;
";

/// Brings the database up to this version's schema, in one transaction. Nothing is written when it is there already.
pub(super) fn migrate(connection: &mut Connection) -> Done<()> {
    if is_current(connection)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it while this one waited.
    if !is_current(&transaction)? {
        let seen = version(&transaction)?;
        if seen == 0 {
            transaction.execute_batch(
                "CREATE TABLE schema_migrations (
                    version INTEGER PRIMARY KEY,
                    name TEXT NOT NULL,
                    applied_at TEXT NOT NULL
                )",
            )?;
        }
        for (version, (name, sql)) in (1..).zip(MIGRATIONS).skip(seen) {
            transaction.execute_batch(sql)?;
            transaction.execute(
                "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?1, ?2, ?3)",
                params![version, name, text::now()],
            )?;
        }
        follow_fields(&transaction)?;
        if seen > 0 && MIGRATIONS.iter().skip(seen).any(|(name, _)| *name == SEARCH) {
            search::rebuild(&transaction, None)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn is_current(connection: &Connection) -> Done<bool> {
    if version(connection)? != MIGRATIONS.len() {
        return Ok(false);
    }
    for kind in ObjectKind::ALL {
        let found = columns(connection, &schema::table(kind).name)?;
        if schema::table(kind).columns().iter().any(|(name, _)| !found.contains(*name)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How many migrations the database has seen; an error when it is not ours or ahead of us.
fn version(connection: &Connection) -> Done<usize> {
    let tables: Option<String> = connection
        .query_row("SELECT name FROM sqlite_schema WHERE name = 'schema_migrations'", [], |row| row.get(0))
        .optional()?;
    if tables.is_none() {
        let others: bool =
            connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
        if others {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "this SQLite database belongs to another program",
            )
            .with_advice("name another file with --db; this one was left as it is")
            .into());
        }
        return Ok(0);
    }
    let seen: usize =
        connection
            .query_row("SELECT coalesce(max(version), 0) FROM schema_migrations", [], |row| row.get(0))?;
    if seen > MIGRATIONS.len() {
        let message = format!(
            "this database was written by a newer unicrm: its schema is version {seen}, this one knows {}",
            MIGRATIONS.len()
        );
        return Err(Error::new(ErrorKind::Unsupported, message)
            .with_advice("use the newer unicrm, or another file with --db; this one was left as it is")
            .into());
    }
    Ok(seen)
}

/// Makes the tables and columns of the records that are not there yet.
fn follow_fields(connection: &Connection) -> Done<()> {
    for kind in ObjectKind::ALL {
        let table = schema::table(kind);
        let found = columns(connection, &table.name)?;
        if found.is_empty() {
            connection.execute_batch(&table.create())?;
        } else {
            for (name, sql_type) in table.columns().into_iter().filter(|(name, _)| !found.contains(*name)) {
                connection
                    .execute_batch(&format!("ALTER TABLE {} ADD COLUMN {name} {sql_type}", table.name))?;
            }
        }
        for index in table.create_indexes() {
            connection.execute_batch(&index)?;
        }
    }
    Ok(())
}

fn columns(connection: &Connection, table: &str) -> Done<HashSet<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
    }

    #[test]
    fn a_field_that_core_gained_becomes_a_column() {
        let mut connection = migrated();
        connection.execute_batch("ALTER TABLE contacts DROP COLUMN last_name").unwrap();
        connection
            .execute_batch("DROP INDEX contacts_owner_id; ALTER TABLE contacts DROP COLUMN owner_id")
            .unwrap();
        migrate(&mut connection).unwrap();
        let found = columns(&connection, "contacts").unwrap();
        assert!(found.contains("last_name") && found.contains("owner_id"));
        connection.execute_batch("DROP INDEX contacts_owner_id").expect("the index is back");
    }

    #[test]
    fn a_second_time_changes_nothing() {
        let mut connection = migrated();
        let schema = |connection: &Connection| -> Vec<String> {
            let mut statement = connection
                .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
                .unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
        };
        let before = schema(&connection);
        migrate(&mut connection).unwrap();
        assert_eq!(schema(&connection), before);
        assert!(before.len() > 30);
    }
}
