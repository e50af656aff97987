//! From a database URL to a store.

use std::path::PathBuf;
use std::sync::Arc;

use unicrm_core::{Error, ErrorKind, Result};

use crate::{KeySource, SqliteStore, Store};

/// The database when none is named: a file in the working directory.
pub const DEFAULT_URL: &str = "sqlite:unicrm.db";

/// Opens the store that a URL names: `sqlite:FILE`, a bare path, `sqlite::memory:`, or
/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use unicrm_store::LinkedAccounts as _;
/// let store = unicrm_store::open("sqlite::memory:").await?;
/// assert!(store.linked_accounts().await?.is_empty());
/// assert!(unicrm_store::open("mysql://host/db").await.unwrap_err().to_string().contains("sqlite:FILE"));
/// # Ok::<_, unicrm_core::Error>(()) }).unwrap();
/// ```
pub async fn open(url: &str) -> Result<Arc<dyn Store>> {
    match parse(url)? {
        Target::Memory => Ok(Arc::new(SqliteStore::open_in_memory().await?)),
        Target::File(path) => Ok(Arc::new(SqliteStore::open(path).await?)),
        #[cfg(feature = "postgres")]
        Target::Postgres => Ok(Arc::new(crate::PostgresStore::open(url).await?)),
    }
}

/// Where [`open`] finds the master key of the store that a URL names.
///
/// ```
/// # fn main() -> unicrm_core::Result<()> {
/// let source = unicrm_store::key_source("sqlite:unicrm.db")?;
/// // Without UNICRM_KEY and UNICRM_KEY_FILE it is the file unicrm.db.key.
/// println!("{source:?}");
/// # Ok(()) }
/// ```
pub fn key_source(url: &str) -> Result<KeySource> {
    match parse(url)? {
        Target::Memory => {
            Err(Error::new(ErrorKind::InvalidConfig, "a database in memory has a key of its own"))
        }
        Target::File(path) => Ok(KeySource::from_env(PathBuf::from(format!("{path}.key")))),
        #[cfg(feature = "postgres")]
        Target::Postgres => crate::postgres::key_source(url),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    Memory,
    File(&'a str),
    #[cfg(feature = "postgres")]
    Postgres,
}

fn parse(url: &str) -> Result<Target<'_>> {
    let forms = "the forms are sqlite:FILE, a bare path and postgres://USER:PASSWORD@HOST/DATABASE";
    let lower = url.to_ascii_lowercase();
    // A PostgreSQL URL may hold a password, so no error repeats a URL.
    if lower.starts_with("postgres:") || lower.starts_with("postgresql:") {
        #[cfg(feature = "postgres")]
        return Ok(Target::Postgres);
        #[cfg(not(feature = "postgres"))]
        return Err(Error::new(ErrorKind::Unsupported, "PostgreSQL is not built into this version")
            .with_advice("use a SQLite file: sqlite:FILE"));
    }
    let path = match lower.strip_prefix("sqlite:") {
        Some(rest) => &url[url.len() - rest.len()..],
        None if url.contains("://") => {
            let scheme = url.split("://").next().unwrap_or_default();
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{scheme:?} is no kind of database that is known here; {forms}"),
            ));
        }
        None => url,
    };
    // `sqlite://file` and `sqlite:///file` are what other tools write.
    let path = path.strip_prefix("//").unwrap_or(path);
    match path {
        "" => Err(Error::new(ErrorKind::InvalidConfig, format!("the database URL names no file; {forms}"))),
        ":memory:" => Ok(Target::Memory),
        path => Ok(Target::File(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_names_its_file() {
        for (url, path) in [
            ("sqlite:a b.db", "a b.db"),
            ("SQLite:Data.db", "Data.db"),
            ("sqlite:///var/unicrm.db", "/var/unicrm.db"),
            ("sqlite:/var/unicrm.db", "/var/unicrm.db"),
            ("unicrm.db", "unicrm.db"),
            ("./x/sqlite:y.db", "./x/sqlite:y.db"),
        ] {
            assert_eq!(parse(url).unwrap(), Target::File(path), "{url}");
        }
        assert_eq!(parse("sqlite::memory:").unwrap(), Target::Memory);
    }

    #[test]
    fn a_password_is_not_repeated() {
        #[cfg(not(feature = "postgres"))]
        assert_eq!(parse("postgres://unicrm:hunter2@db/unicrm").unwrap_err().kind(), ErrorKind::Unsupported);
        #[cfg(feature = "postgres")]
        assert_eq!(parse("PostgreSQL://unicrm:hunter2@db/unicrm").unwrap(), Target::Postgres);
        assert!(!format!("{:?}", parse("mysql://u:hunter2@db").unwrap_err()).contains("hunter2"));
        assert_eq!(parse("").unwrap_err().kind(), ErrorKind::InvalidConfig);
    }
}
