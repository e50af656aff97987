//! The SQLite database behind the org: one writer, and for a file several readers.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard};

use rusqlite::{Connection, OpenFlags};

use super::lock;
use crate::error::SalesforceError;

/// Readers beside the writer when the data is in a file.
const READERS: usize = 3;

/// Connections to the org's tables. An in-memory org has a single connection for everything.
#[derive(Debug)]
pub(crate) struct Database {
    writer: Mutex<Connection>,
    readers: Option<Readers>,
    // Dropped last: removes the files.
    _directory: Option<tempfile::TempDir>,
}

#[derive(Debug)]
struct Readers {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Database {
    /// A database in memory.
    pub(crate) fn in_memory() -> Result<Self, SalesforceError> {
        let writer = Connection::open_in_memory().map_err(storage)?;
        prepare(&writer)?;
        Ok(Self { writer: Mutex::new(writer), readers: None, _directory: None })
    }

    /// A database in a temporary file that goes when the org goes. Caches are small on purpose: memory must not grow
    /// with the number of records.
    pub(crate) fn in_file() -> Result<Self, SalesforceError> {
        let directory = tempfile::Builder::new().prefix("salesforce-org-").tempdir().map_err(|error| {
            SalesforceError::internal(format!(
                "cannot make a directory for the org's data: {error}; check TMPDIR"
            ))
        })?;
        let path: PathBuf = directory.path().join("org.sqlite");
        let writer = Connection::open(&path).map_err(storage)?;
        writer.pragma_update(None, "page_size", 8192).map_err(storage)?;
        writer.pragma_update(None, "journal_mode", "WAL").map_err(storage)?;
        // A crash may lose the data: the org lives as long as this process.
        writer.pragma_update(None, "synchronous", "OFF").map_err(storage)?;
        writer.pragma_update(None, "cache_size", -8192).map_err(storage)?;
        writer.pragma_update(None, "journal_size_limit", 16 << 20).map_err(storage)?;
        prepare(&writer)?;
        let idle = (0..READERS)
            .map(|_| {
                let reader = Connection::open_with_flags(
                    &path,
                    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
                )?;
                reader.pragma_update(None, "cache_size", -2048)?;
                reader.pragma_update(None, "query_only", true)?;
                Ok(reader)
            })
            .collect::<Result<Vec<_>, rusqlite::Error>>()
            .map_err(storage)?;
        for reader in &idle {
            prepare(reader)?;
        }
        let readers = Readers { idle: Mutex::new(idle), returned: Condvar::new() };
        Ok(Self { writer: Mutex::new(writer), readers: Some(readers), _directory: Some(directory) })
    }

    /// Runs a read. It sees every write that has been committed.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, SalesforceError>,
    ) -> Result<T, SalesforceError> {
        let Some(readers) = &self.readers else { return work(&lock(&self.writer)) };
        let reader = {
            let mut idle = lock(&readers.idle);
            loop {
                if let Some(reader) = idle.pop() {
                    break reader;
                }
                idle = readers.returned.wait(idle).unwrap_or_else(std::sync::PoisonError::into_inner);
            }
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&reader)));
        lock(&readers.idle).push(reader);
        readers.returned.notify_one();
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs writes as one transaction: all of them, or on an error none.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, SalesforceError>,
    ) -> Result<T, SalesforceError> {
        let mut writer: MutexGuard<'_, Connection> = lock(&self.writer);
        let transaction = writer.transaction().map_err(storage)?;
        let value = work(&transaction)?;
        transaction.commit().map_err(storage)?;
        Ok(value)
    }
}

/// Runs part of a transaction that may fail without failing the rest.
pub(crate) fn savepoint<T>(
    conn: &Connection,
    work: impl FnOnce() -> Result<T, SalesforceError>,
) -> Result<T, SalesforceError> {
    conn.execute_batch("SAVEPOINT part").map_err(storage)?;
    match work() {
        Ok(value) => {
            conn.execute_batch("RELEASE part").map_err(storage)?;
            Ok(value)
        }
        Err(error) => {
            conn.execute_batch("ROLLBACK TO part; RELEASE part").map_err(storage)?;
            Err(error)
        }
    }
}

fn prepare(conn: &Connection) -> Result<(), SalesforceError> {
    conn.set_prepared_statement_cache_capacity(128);
    conn.busy_timeout(std::time::Duration::from_secs(30)).map_err(storage)?;
    crate::query::register_collation(conn).map_err(storage)
}

/// A failure of the storage itself: the caller did nothing wrong.
#[expect(clippy::needless_pass_by_value, reason = "used as map_err(storage)")]
pub(crate) fn storage(error: rusqlite::Error) -> SalesforceError {
    SalesforceError::internal(format!(
        "An unexpected error occurred. Please include this ErrorId if you contact support: storage: {error}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(db: &Database) -> i64 {
        db.read(|conn| conn.query_row("SELECT COUNT(*) FROM t", [], |row| row.get(0)).map_err(storage))
            .unwrap()
    }

    fn insert(conn: &Connection) -> Result<(), SalesforceError> {
        conn.execute("INSERT INTO t VALUES (1)", []).map(drop).map_err(storage)
    }

    #[test]
    fn both_kinds_commit_roll_back_and_share_what_is_committed() {
        for db in [Database::in_memory().unwrap(), Database::in_file().unwrap()] {
            db.write(|conn| conn.execute_batch("CREATE TABLE t (n INTEGER)").map_err(storage)).unwrap();
            db.write(insert).unwrap();
            assert_eq!(count(&db), 1);
            let refused = SalesforceError::new(400, "NO", "no");
            let failed: Result<(), _> = db.write(|conn| {
                insert(conn)?;
                Err(refused.clone())
            });
            assert_eq!(failed, Err(refused.clone()));
            assert_eq!(count(&db), 1, "a failed transaction leaves nothing");
            db.write(|conn| {
                let part: Result<(), _> = savepoint(conn, || {
                    insert(conn)?;
                    Err(refused.clone())
                });
                assert_eq!(part, Err(refused.clone()));
                savepoint(conn, || insert(conn))
            })
            .unwrap();
            assert_eq!(count(&db), 2, "a failed part leaves the rest");
        }
    }

    #[test]
    fn readers_go_on_beside_a_writer_and_files_go_with_the_org() {
        let db = Database::in_file().unwrap();
        let path = db._directory.as_ref().unwrap().path().to_owned();
        db.write(|conn| conn.execute_batch("CREATE TABLE t (n INTEGER)").map_err(storage)).unwrap();
        db.write(|conn| {
            insert(conn)?;
            std::thread::scope(|scope| {
                let readers: Vec<_> = (0..2 * READERS).map(|_| scope.spawn(|| count(&db))).collect();
                for reader in readers {
                    assert_eq!(reader.join().unwrap(), 0, "what is not committed is not seen");
                }
            });
            Ok(())
        })
        .unwrap();
        assert_eq!(count(&db), 1);
        drop(db);
        assert!(!path.exists());
    }
}
