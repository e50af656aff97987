//! The store on PostgreSQL: a server that several processes share.

mod accounts;
mod commit;
mod credentials;
mod decode;
mod exact;
mod failure;
mod filter;
mod ingest;
mod instant;
mod mappings;
mod migrate;
mod plan;
mod records;
mod schema;
mod search;
mod write;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres, Transaction,
};
use tokio::sync::OwnedMutexGuard;
use unicrm_core::{Error, ErrorKind, LinkedAccountId, Result};

use self::failure::{Done, Failure};
use crate::KeySource;
use crate::key::Keyring;

/// The store on PostgreSQL, version 12 or later. Clones share it.
///
/// Any number of processes may have the same database open. Whoever writes into a linked account holds the lock on its row
/// until the page is committed, so pages of one account go one after the other and those of different accounts do not
/// wait for one another.
#[derive(Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    keyring: Keyring,
    /// The database as errors name it: without a password.
    name: String,
    operation_timeout: Duration,
    /// Where this process's own writers of a linked account queue, see [`PostgresStore::turn`].
    turns: Mutex<HashMap<LinkedAccountId, Arc<tokio::sync::Mutex<()>>>>,
}

/// How to open a PostgreSQL database.
///
/// ```
/// use unicrm_store::{KeySource, MasterKey, PostgresOptions};
/// let options = PostgresOptions::new(KeySource::Key(MasterKey::generate()?)).with_connections(2);
/// assert_eq!(options.connections, 2);
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// Where the master key is.
    pub key: KeySource,
    /// At most so many connections at once; at least one.
    pub connections: u32,
    /// How long to wait for a connection, be it made or be one free.
    pub connect_timeout: Duration,
    /// How long to wait for another process that writes into the same linked account.
    pub lock_timeout: Duration,
    /// How long any one call may take in all: a guard against a server or a network that has stopped without a word.
    pub operation_timeout: Duration,
}

impl PostgresOptions {
    /// The usual options with this master key: five connections, ten seconds for a connection, ten for a lock, an hour for
    /// a call.
    #[must_use]
    pub fn new(key: KeySource) -> Self {
        Self {
            key,
            connections: 5,
            connect_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(3600),
        }
    }

    /// With another number of connections.
    #[must_use]
    pub fn with_connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// With another wait for a connection.
    #[must_use]
    pub fn with_connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// With another wait for other processes.
    #[must_use]
    pub fn with_lock_timeout(mut self, lock_timeout: Duration) -> Self {
        self.lock_timeout = lock_timeout;
        self
    }

    /// With another limit for a call.
    #[must_use]
    pub fn with_operation_timeout(mut self, operation_timeout: Duration) -> Self {
        self.operation_timeout = operation_timeout;
        self
    }
}

impl PostgresStore {
    /// Opens the database that a URL names (`postgres://USER:PASSWORD@HOST:PORT/DATABASE`) and makes its tables when they
    /// are not there. The master key comes from where the environment says, else from a file in the user's folder of
    /// settings, named after host, database and schema; see [`KeySource::from_env`].
    ///
    /// The tables lie in the schema that the connection works in; `?options[search_path]=NAME` chooses another. What the
    /// URL leaves out comes from `PGHOST`, `PGUSER`, `PGPASSWORD` and their kin.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, PostgresOptions::new(key_source(url)?)).await
    }

    /// Opens a database with these options.
    pub async fn open_with(url: &str, options: PostgresOptions) -> Result<Self> {
        let connect = parse(url)?;
        let name = describe(&connect);
        let prepared = prepare(&connect, options.connect_timeout).await;
        prepared.map_err(|failure| failure.into_error(&name))?;

        let milliseconds = options.lock_timeout.as_millis().clamp(1, i32::MAX as u128);
        // A session that was left in the middle of a transaction holds the lock on a linked account.
        let settings = format!(
            "SET lock_timeout = {milliseconds}; SET idle_in_transaction_session_timeout = '5min'; \
             SET TIME ZONE 'UTC'"
        );
        let pool = PgPoolOptions::new()
            .max_connections(options.connections.max(1))
            .acquire_timeout(options.connect_timeout)
            .acquire_slow_threshold(options.connect_timeout)
            .after_connect(move |connection, _| {
                let settings = settings.clone();
                Box::pin(async move {
                    sqlx::raw_sql(AssertSqlSafe(settings)).execute(connection).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(connect);
        let keyring = Keyring::new(options.key);
        let operation_timeout = options.operation_timeout;
        let turns = Mutex::default();
        Ok(Self { inner: Arc::new(Inner { pool, keyring, name, operation_timeout, turns }) })
    }

    /// Ends all connections; waits for those in use. Afterwards every call fails.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    /// Runs work on connections within the limit, and gives its failure the name of the database.
    async fn run<T>(&self, work: impl Future<Output = Done<T>> + Send) -> Result<T> {
        let limit = self.inner.operation_timeout;
        let done = tokio::time::timeout(limit, work).await.unwrap_or(Err(Failure::TimedOut(limit)));
        done.map_err(|failure| failure.into_error(&self.inner.name))
    }

    /// Waits until no other task of this process writes into the linked account. Objects that are read side by side are
    /// written one after the other in any case: here they wait without a connection, and without running into the limit
    /// that is meant for other processes.
    async fn turn(&self, account: LinkedAccountId) -> OwnedMutexGuard<()> {
        let queue = {
            // What is behind the lock is replaced whole, so a panic elsewhere leaves it usable.
            let mut turns = self.inner.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, queue| Arc::strong_count(queue) > 1);
            Arc::clone(turns.entry(account).or_default())
        };
        queue.lock_owned().await
    }

    /// A connection, for one statement.
    async fn connection(&self) -> Done<PoolConnection<Postgres>> {
        Ok(self.inner.pool.acquire().await?)
    }

    /// A transaction that sees one state throughout and changes nothing.
    async fn reading(&self) -> Done<Transaction<'static, Postgres>> {
        Ok(self.inner.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?)
    }

    /// A transaction that changes something. Dropped before it commits, it has done nothing.
    async fn writing(&self) -> Done<Transaction<'static, Postgres>> {
        Ok(self.inner.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresStore").field(&self.inner.name).finish()
    }
}

/// Where the master key of the database that a URL names is.
pub(crate) fn key_source(url: &str) -> Result<KeySource> {
    Ok(KeySource::from_env_or(default_key(&parse(url)?)))
}

/// Makes one connection, whose errors are told as they are, and brings the schema up to date.
async fn prepare(connect: &PgConnectOptions, timeout: Duration) -> Done<()> {
    let connecting = tokio::time::timeout(timeout, PgConnection::connect_with(connect)).await;
    let mut connection = connecting.map_err(|_| Failure::TimedOut(timeout))??;
    migrate::migrate(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Reads a URL. It may hold a password, so no error repeats it.
fn parse(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(|source| {
        Error::new(ErrorKind::InvalidConfig, "the PostgreSQL URL cannot be read")
            .with_source(source)
            .with_advice(
                "it looks like postgres://USER:PASSWORD@HOST:PORT/DATABASE; in user and password, signs like @ : / are \
                 written %40 %3A %2F",
            )
    })?;
    // Waiting for another page of the same account is no news; what fails is told by its error.
    Ok(options.application_name("unicrm").disable_statement_logging())
}

/// The database as errors name it.
fn describe(options: &PgConnectOptions) -> String {
    let place = options.get_socket().map_or_else(
        || format!("{}:{}", options.get_host(), options.get_port()),
        |socket| socket.display().to_string(),
    );
    let user = options.get_username();
    format!("postgres://{user}@{place}/{}", options.get_database().unwrap_or(user))
}

/// The key file of a store: in the user's folder of settings, as there is no file for it to lie beside. None without such
/// a folder. Several stores may be in one database, in a schema each; before they were told apart, they had one file.
fn default_key(options: &PgConnectOptions) -> Option<KeySource> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    let plain = |text: &str| -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
        text.chars().map(plain).collect()
    };
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    let database = plain(&format!("postgres-{}-{}-{database}", options.get_host(), options.get_port()));
    let file = |name: &str| folder.join("unicrm").join(format!("{name}.key"));
    Some(match schema(options) {
        None => KeySource::FileOrNew(file(&database)),
        Some(schema) => KeySource::FileOrEarlier {
            file: file(&format!("{database}+{}", plain(schema))),
            earlier: file(&database),
        },
    })
}

/// The schema that a connection is told to work in; none where that is the usual one.
fn schema(options: &PgConnectOptions) -> Option<&str> {
    let (_, value) = options.get_options()?.rsplit_once("search_path=")?;
    value.split_whitespace().next().filter(|schema| *schema != "public")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_no_name_and_no_error() {
        let options = parse("postgres://unicrm:hunter2@db.example.com:6432/crm?sslmode=require").unwrap();
        assert_eq!(describe(&options), "postgres://unicrm@db.example.com:6432/crm");
        for url in [
            "postgres://unicrm:hunter2@db:port/crm",
            "postgres://unicrm:hunter2@db/crm?sslmode=hunter2x",
            "postgres://unicrm:hunter2@[db/crm",
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.advice().is_some());
            assert!(!format!("{error} {:?}", error.message()).contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn a_key_file_is_named_after_database_and_schema() {
        let of = |url: &str| default_key(&parse(url).unwrap()).expect("this machine has a home");
        let database = "unicrm/postgres-db.example.com-5432-a_b.key";
        for url in [
            "postgres://u@db.example.com/a%2Fb",
            "postgres://u@db.example.com/a%2Fb?options[search_path]=public",
        ] {
            let KeySource::FileOrNew(file) = of(url) else { panic!("{url}") };
            assert!(file.ends_with(database), "{}", file.display());
        }
        for url in [
            "postgres://u@db.example.com/a%2Fb?options[search_path]=crm+2&options[geqo]=off",
            "postgres://u@db.example.com/a%2Fb?options=-c%20search_path%3Dcrm%5C%202",
        ] {
            let KeySource::FileOrEarlier { file, earlier } = of(url) else { panic!("{url}") };
            assert!(file.ends_with("unicrm/postgres-db.example.com-5432-a_b+crm_.key"), "{}", file.display());
            assert!(earlier.ends_with(database), "{}", earlier.display());
        }
    }
}
