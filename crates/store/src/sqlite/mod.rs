//! The store on SQLite: one file, no setup.

mod accounts;
mod commit;
mod credentials;
mod decode;
mod encode;
mod failure;
mod filter;
mod ingest;
mod mappings;
mod migrate;
mod pool;
mod records;
mod schema;
mod search;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use unicrm_core::{Error, ErrorKind, Result};

use self::failure::{Done, Failure};
use self::pool::Pool;
use crate::key::Keyring;
use crate::{KeySource, MasterKey};

/// The store on SQLite. Clones share it.
///
/// All writing goes through one thread with one connection, reading through a few others, so nothing blocks the async
/// runtime and reading goes on while a page is committed. Several processes may have the same file open.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    /// None for a database in memory: only one connection can see it. Dropped before the writer, which is then the last
    /// to close and leaves the file whole, without a log beside it.
    readers: Option<Pool>,
    writer: Pool,
    keyring: Arc<Keyring>,
    name: String,
}

/// How to open a SQLite file.
///
/// ```
/// use unicrm_store::{KeySource, MasterKey, SqliteOptions};
/// let options = SqliteOptions::new(KeySource::Key(MasterKey::generate()?));
/// assert_eq!(options.readers, 2);
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// Where the master key is.
    pub key: KeySource,
    /// How long to wait for another process that is writing.
    pub busy_timeout: Duration,
    /// How many connections read; at least one.
    pub readers: usize,
}

impl SqliteOptions {
    /// The usual options with this master key.
    #[must_use]
    pub fn new(key: KeySource) -> Self {
        Self { key, busy_timeout: Duration::from_secs(10), readers: 2 }
    }

    /// With another wait for other processes.
    #[must_use]
    pub fn with_busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.busy_timeout = busy_timeout;
        self
    }

    /// With another number of reading connections.
    #[must_use]
    pub fn with_readers(mut self, readers: usize) -> Self {
        self.readers = readers;
        self
    }
}

impl SqliteStore {
    /// Opens a SQLite file and makes it when it is not there. The master key comes from where the environment says, else
    /// from the file `<path>.key`; see [`KeySource::from_env`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut key_file = path.as_os_str().to_owned();
        key_file.push(".key");
        let key = KeySource::from_env(PathBuf::from(key_file));
        Self::open_with(path, SqliteOptions::new(key)).await
    }

    /// Opens a SQLite file with these options and makes it when it is not there.
    pub async fn open_with(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        off_the_runtime(move || Self::open_file(&path, options)).await
    }

    /// A new database in memory, with a key of its own: gone when it is dropped.
    pub async fn open_in_memory() -> Result<Self> {
        off_the_runtime(|| {
            let name = "in memory".to_owned();
            let connection = (|| {
                let mut connection = Connection::open_in_memory()?;
                prepare(&connection, Duration::ZERO)?;
                migrate::migrate(&mut connection)?;
                Done::Ok(connection)
            })()
            .map_err(|failure| failure.into_error(&name))?;
            let writer = Pool::start(&name, vec![connection])?;
            let keyring = Arc::new(Keyring::new(KeySource::Key(MasterKey::generate()?)));
            Ok(Self { inner: Arc::new(Inner { writer, readers: None, keyring, name }) })
        })
        .await
    }

    fn open_file(path: &Path, options: SqliteOptions) -> Result<Self> {
        let name = path.display().to_string();
        create_private(path)?;
        let connect = || -> Done<Connection> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            prepare(&connection, options.busy_timeout)?;
            Ok(connection)
        };
        let connections = (|| {
            let mut writer = connect()?;
            writer.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
            write_ahead_log(&writer, options.busy_timeout)?;
            migrate::migrate(&mut writer)?;
            let readers = (0..options.readers.max(1)).map(|_| {
                let reader = connect()?;
                reader.pragma_update(None, "query_only", true)?;
                Done::Ok(reader)
            });
            Done::Ok((writer, readers.collect::<Done<Vec<_>>>()?))
        })();
        let (writer, readers) = connections.map_err(|failure| failure.into_error(&name))?;
        Ok(Self {
            inner: Arc::new(Inner {
                writer: Pool::start(&name, vec![writer])?,
                readers: Some(Pool::start(&name, readers)?),
                keyring: Arc::new(Keyring::new(options.key)),
                name,
            }),
        })
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        self.inner.writer.run(job).await
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        self.inner.readers.as_ref().unwrap_or(&self.inner.writer).run(job).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteStore").field(&self.inner.name).finish()
    }
}

async fn off_the_runtime<T: Send + 'static>(job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(job).await.map_err(|source| {
        Error::new(ErrorKind::Internal, "opening the database ended early").with_source(source)
    })?
}

/// Makes the file readable by its owner alone, as it will hold people's data. SQLite gives its side files the same mode.
fn create_private(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(source) => {
            let advice = match source.kind() {
                std::io::ErrorKind::NotFound => "make its folder first, or name another file with --db",
                std::io::ErrorKind::IsADirectory => "name a file, not a folder",
                _ => "the file and its folder must be writable; or name another file with --db",
            };
            let message = format!("the database {} cannot be opened for writing", path.display());
            Err(Error::new(ErrorKind::InvalidConfig, message).with_source(source).with_advice(advice))
        }
    }
}

/// What a reader keeps of the file. The operating system keeps the rest: memory must not grow with the number of records.
const READER_CACHE_KIB: i64 = 2_000;
/// What the writer keeps: the pages that a commit touches.
const WRITER_CACHE_KIB: i64 = 16_000;

fn prepare(connection: &Connection, busy_timeout: Duration) -> Done<()> {
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(256);
    connection.pragma_update(None, "foreign_keys", true)?;
    // With a write-ahead log this can lose the last commits in a power cut, but never the consistency of rows and
    // checkpoint. Where a lost commit would hurt, the writer asks for more.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Records with their raw form take some kilobytes. On larger pages fewer of them spill over, and a third less space
    // is left empty. Says nothing to a database that is there already.
    connection.pragma_update(None, "page_size", 8_192)?;
    // SQLite counts the cache in pages, by the page size that it knows at that moment: that of a file only once it was read.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    // In pages. A commit of a full page of records does not have to move the log into the file each time.
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    filter::add_functions(connection)?;
    Ok(())
}

/// Turns the write-ahead log on. SQLite does not wait for other processes here, so this does.
fn write_ahead_log(connection: &Connection, patience: Duration) -> Done<()> {
    let mode = || connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    let until = std::time::Instant::now() + patience;
    loop {
        if mode()? == "wal" {
            return Ok(());
        }
        let turned = connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()));
        match turned.map_err(Failure::from) {
            Err(failure) if failure.is_busy() && std::time::Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}
