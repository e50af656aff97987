//! Files that are not as they should be: each gives a clear error, and none is changed.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use unicrm_core::{Error, ErrorKind, ObjectKind};
use unicrm_store::{
    Include, Ingest, KeySource, LinkRequest, LinkedAccounts, ListRequest, MasterKey, PageCommit, Records,
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
async fn a_newer_schema_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("newer.db");
    database(&path).await;
    let connection = Connection::open(&path).unwrap();
    connection.execute("INSERT INTO schema_migrations VALUES (99, 'of tomorrow', '2030-01-01')", []).unwrap();
    drop(connection);
    let error = fails(&path).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("written by a newer unicrm") && error.to_string().contains("99"),
        "{error}"
    );
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    let error = fails(&path).await;
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("another program"), "{error}");
    let tables: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
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
async fn a_row_that_something_else_wrote_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edited.db");
    database(&path).await;
    let store = SqliteStore::open_with(&path, options()).await.unwrap();
    for (column, value) in
        [("last_activity_at", "'yesterday'"), ("addresses", "'[{]'"), ("owner_id", "x'ff00'")]
    {
        Connection::open(&path)
            .unwrap()
            .execute_batch(&format!("UPDATE contacts SET {column} = {value} WHERE pk = 1500"))
            .unwrap();
        let error = store.list(ListRequest::new(ObjectKind::Contact).with_limit(10_000)).await.unwrap_err();
        assert!(error.to_string().contains("row 1500 of the table contacts"), "{error}");
        Connection::open(&path)
            .unwrap()
            .execute_batch(&format!("UPDATE contacts SET {column} = NULL WHERE pk = 1500"))
            .unwrap();
    }
    assert_eq!(store.find_remote(None, None, "0031499", Include::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_locked_file_is_waited_for_and_then_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locked.db");
    let store = SqliteStore::open_with(&path, options()).await.unwrap();
    let account = store.link(LinkRequest::new("acme", "memory")).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.begin_epoch(account.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable() && error.to_string().contains("locked.db is locked"), "{error}");
    assert_eq!(store.linked_accounts().await.unwrap().len(), 1, "reading goes on");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.begin_epoch(account.id).await.unwrap().number, 1, "nothing was changed");
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
async fn several_processes_may_open_a_new_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let patient = || options().with_busy_timeout(Duration::from_secs(20));
    let opening = (0..6).map(|_| tokio::spawn(SqliteStore::open_with(path.clone(), patient())));
    let opening: Vec<_> = opening.collect();
    for store in opening {
        let store = store.await.unwrap().unwrap();
        assert!(store.linked_accounts().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.db");
    database(&path).await;
    let store = unicrm_store::open(&format!("sqlite:{}", path.display())).await.unwrap();
    assert_eq!(store.counts(None).await.unwrap()[&ObjectKind::Contact].live, 2_000);
    let account = store.linked_account("acme").await.unwrap();
    let epoch = store.begin_epoch(account.id).await.unwrap();
    assert_eq!(epoch.number, 2);
    let page = PageCommit::new(epoch, ObjectKind::Contact, vec![crate::live("0037", &"x".repeat(300))]);
    assert_eq!(store.commit_page(page).await.unwrap().counts.unchanged, 1);
}
