//! Where a store lies during a test: a SQLite file, or a schema of its own on a PostgreSQL server.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use unicrm_core::Result;
use unicrm_store::{KeySource, MasterKey, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore, Store};

/// The server that tests use when it is there.
const USUAL_SERVER: &str = "postgres://root@127.0.0.1/test";

/// A place for a store, removed with everything in it when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) key: MasterKey,
    database: Database,
}

#[derive(Debug)]
enum Database {
    Sqlite(TempDir),
    Postgres { server: String, schema: String },
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let key = MasterKey::generate().unwrap();
        Self { key, database: Database::Sqlite(tempfile::tempdir().unwrap()) }
    }

    /// None when there is no server, unless the environment demands one.
    pub(crate) async fn postgres() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = server().await?;
        let schema = format!("unicrm_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        on_server(&server, &format!("CREATE SCHEMA {schema}")).await;
        let key = MasterKey::generate().unwrap();
        Some(Self { key, database: Database::Postgres { server, schema } })
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.database, Database::Postgres { .. })
    }

    /// The URL for [`unicrm_store::open`].
    pub(crate) fn url(&self) -> String {
        match &self.database {
            Database::Sqlite(_) => format!("sqlite:{}", self.file().display()),
            // No test cuts the power, and waiting for the disk is most of the time.
            Database::Postgres { server, schema } => {
                with_option(&with_option(server, "synchronous_commit", "off"), "search_path", schema)
            }
        }
    }

    /// The SQLite file.
    pub(crate) fn file(&self) -> PathBuf {
        match &self.database {
            Database::Sqlite(folder) => folder.path().join("unicrm.db"),
            Database::Postgres { .. } => panic!("there is no file"),
        }
    }

    /// What an error calls the database.
    pub(crate) fn name(&self) -> String {
        match &self.database {
            Database::Sqlite(_) => self.file().display().to_string(),
            Database::Postgres { .. } => "postgres://".to_owned(),
        }
    }

    /// Opens the store; each has connections of its own, as another process would.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        self.try_open(KeySource::Key(self.key.clone()), Duration::from_secs(20)).await.unwrap()
    }

    /// Opens the store with another key, or less patience with other processes.
    pub(crate) async fn try_open(&self, key: KeySource, patience: Duration) -> Result<Arc<dyn Store>> {
        Ok(match &self.database {
            Database::Sqlite(_) => {
                let options = SqliteOptions::new(key).with_busy_timeout(patience);
                Arc::new(SqliteStore::open_with(self.file(), options).await?)
            }
            Database::Postgres { .. } => {
                let options = PostgresOptions::new(key).with_lock_timeout(patience).with_connections(3);
                Arc::new(PostgresStore::open_with(&self.url(), options).await?)
            }
        })
    }

    /// Does what another program might do to the database.
    pub(crate) async fn meddle(&self, sql: &str) {
        match &self.database {
            Database::Sqlite(_) => {
                let connection = rusqlite::Connection::open(self.file()).unwrap();
                connection.busy_timeout(Duration::from_secs(20)).unwrap();
                connection.execute_batch(sql).unwrap();
            }
            Database::Postgres { .. } => on_server(&self.url(), sql).await,
        }
    }

    /// The rows of a query, every cell as text.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        match &self.database {
            Database::Sqlite(_) => {
                let connection = rusqlite::Connection::open(self.file()).unwrap();
                let mut statement = connection.prepare(sql).unwrap();
                let width = statement.column_count();
                let cells = |row: &rusqlite::Row<'_>| (0..width).map(|at| text_of(row, at)).collect();
                statement.query_map([], cells).unwrap().collect::<rusqlite::Result<_>>().unwrap()
            }
            Database::Postgres { .. } => {
                use sqlx::{Column as _, Executor as _, Row as _, SqlSafeStr as _, Statement as _};
                let mut connection = PgConnection::connect(&self.url()).await.unwrap();
                let asked = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await.unwrap();
                let texts = |name: &str| format!("\"{name}\"::text");
                let columns: Vec<_> = asked.columns().iter().map(|column| texts(column.name())).collect();
                let whole = format!(
                    "SELECT {} FROM ({}) AS asked",
                    columns.join(", "),
                    sql.trim().trim_end_matches(';')
                );
                let rows = sqlx::query(AssertSqlSafe(whole)).fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect()
            }
        }
    }
}

fn text_of(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Option<String>> {
    use rusqlite::types::Value;
    Ok(match row.get(at)? {
        Value::Null => None,
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Text(text) => Some(text),
        Value::Blob(bytes) => Some(format!("{bytes:?}")),
    })
}

impl Drop for Place {
    fn drop(&mut self) {
        let Database::Postgres { server, schema } = &self.database else { return };
        // The test's own runtime is busy dropping this, and may not have ended a transaction that failed.
        let sql = format!(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
             WHERE c.relnamespace = '{schema}'::regnamespace AND l.pid <> pg_backend_pid();
             DROP SCHEMA {schema} CASCADE"
        );
        let server = server.clone();
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(on_server(&server, &sql));
        });
        drop(dropped.join());
    }
}

/// A URL with one more setting of the session.
pub(crate) fn with_option(url: &str, name: &str, value: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}options[{name}]={value}")
}

/// Runs statements on a server.
pub(crate) async fn on_server(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The URL of the server, when there is one. Said once when there is none.
pub(crate) async fn server() -> Option<String> {
    static SERVER: OnceCell<Option<String>> = OnceCell::const_new();
    let found = SERVER.get_or_init(|| async {
        let named = std::env::var("UNICRM_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
        let url = named.clone().unwrap_or_else(|| USUAL_SERVER.to_owned());
        let connecting = tokio::time::timeout(Duration::from_secs(10), PgConnection::connect(&url)).await;
        let why = match connecting {
            Ok(Ok(_)) => return Some(url),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        let demanded = named.is_some() || std::env::var_os("UNICRM_REQUIRE_POSTGRES").is_some();
        assert!(!demanded, "the PostgreSQL server for tests cannot be reached: {why}");
        // Not by a macro: those are silent in a test that passes.
        let mut out = std::io::stderr();
        writeln!(out, "SKIPPED: the tests on PostgreSQL, as no server is at {USUAL_SERVER}: {why}").unwrap();
        None
    });
    found.await.clone()
}
