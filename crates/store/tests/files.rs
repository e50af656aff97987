//! SQLite files that are not as they should be: each gives a clear error, and none is changed.

use std::path::Path;
use std::time::Duration;

use unicrm_core::{Error, ErrorKind, ObjectKind};
use unicrm_store::{
    Ingest as _, KeySource, LinkRequest, LinkedAccounts as _, ListRequest, MasterKey, Records as _,
    SqliteOptions, SqliteStore,
};

fn options() -> SqliteOptions {
    SqliteOptions::new(KeySource::Key(MasterKey::generate().unwrap()))
        .with_busy_timeout(Duration::from_millis(50))
}

async fn fails(path: &Path) -> Error {
    let error = SqliteStore::open_with(path, options()).await.unwrap_err();
    assert!(error.advice().is_some(), "{error:?}");
    error
}

/// A closed database with some records in it.
async fn database(path: &Path) {
    let store = SqliteStore::open_with(path, options()).await.unwrap();
    let account = store.link(LinkRequest::new("acme", "memory")).await.unwrap();
    let epoch = store.begin_epoch(account.id).await.unwrap();
    let rows = (0..2_000).map(|i| crate::live(&format!("003{i}"), &"x".repeat(300))).collect();
    crate::commit(&store, epoch, rows).await;
}

#[tokio::test]
async fn what_is_no_database_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    let letter = "Dear reader, this is no database at all. ".repeat(100);
    std::fs::write(&path, &letter).unwrap();
    let error = fails(&path).await;
    assert!(error.to_string().contains("letter.txt is not a SQLite database"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter);
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_no_surprise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.db");
    database(&path).await;
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 400_000);
    // Everything behind the schema is overwritten.
    bytes[200_000..].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let result = async {
        let store = SqliteStore::open_with(&path, options()).await?;
        store.list(ListRequest::new(ObjectKind::Contact).with_limit(10_000)).await
    };
    let error = result.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().contains("damaged.db is damaged") && error.advice().is_some(), "{error}");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = fails(&folder.path().join("no/such/folder.db")).await;
    assert!(error.to_string().contains("cannot be opened for writing"), "{error}");
    assert!(error.advice().is_some_and(|advice| advice.contains("folder")));
    assert_eq!(fails(folder.path()).await.advice(), Some("name a file, not a folder"));
    // Not even the administrator can make a file here.
    #[cfg(target_os = "linux")]
    assert_eq!(fails(Path::new("/proc/unicrm.db")).await.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn a_locked_file_is_named_and_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locked.db");
    let store = SqliteStore::open_with(&path, options()).await.unwrap();
    let account = store.link(LinkRequest::new("acme", "memory")).await.unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.begin_epoch(account.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable() && error.to_string().contains("locked.db is locked"), "{error}");
    assert_eq!(store.linked_accounts().await.unwrap().len(), 1, "reading goes on");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.begin_epoch(account.id).await.unwrap().number, 1, "nothing was changed");
}
