//! A store that cannot be written for a while: the sync waits for it, and not for ever.

use std::path::Path;
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;
use unicrm_core::ObjectKind;
use unicrm_store::{KeySource, LinkRequest, LinkedAccounts, SqliteOptions, SqliteStore};
use unicrm_sync::{Event, Options, Status, sync};

use crate::support::{Flaky, account, assert_equal, run, small_pages};

/// A store in a file, which waits for others no longer than a moment, and eight contacts at the remote.
async fn in_a_file(folder: &TempDir) -> (SqliteStore, Flaky) {
    let options = SqliteOptions::new(KeySource::FileOrNew(folder.path().join("key")));
    let options = options.with_busy_timeout(Duration::from_millis(10));
    let store = SqliteStore::open_with(folder.path().join("unicrm.db"), options).await.unwrap();
    let provider = Flaky::new(store.link(LinkRequest::new("acme", "memory")).await.unwrap().id);
    for number in 0..8 {
        provider.contact(&format!("n{number}"));
    }
    (store, provider)
}

/// Another program that writes into the file, for so long.
fn lock(folder: &Path, time: Duration) -> JoinHandle<()> {
    let other = Connection::open(folder.join("unicrm.db")).unwrap();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(time);
        drop(other);
    })
}

/// Syncs the contacts; the file is locked for so long behind each page that brings something new.
async fn sync_and_lock(
    store: &SqliteStore,
    provider: &Flaky,
    folder: &TempDir,
    time: Duration,
) -> unicrm_sync::Summary {
    let locks = Mutex::new(Vec::new());
    let seen = Mutex::new(0);
    let observer = |event: &Event<'_>| {
        let Event::Page { tally, .. } = event else { return };
        if tally.created > std::mem::replace(&mut *seen.lock().unwrap(), tally.created) {
            locks.lock().unwrap().push(lock(folder.path(), time));
        }
    };
    let options = Options { objects: vec![ObjectKind::Contact], ..small_pages() };
    let account = account(store).await;
    let summary = sync(provider, store, account, &options, &observer).await.unwrap();
    for lock in locks.into_inner().unwrap() {
        lock.join().unwrap();
    }
    summary
}

#[tokio::test]
async fn a_store_that_is_busy_for_a_while_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let (store, provider) = in_a_file(&folder).await;
    // Behind each of the three pages: before the next one, and before the end of the snapshot.
    let summary = sync_and_lock(&store, &provider, &folder, Duration::from_millis(300)).await;
    let contacts = &summary.objects[0];
    assert_eq!((contacts.status, contacts.tally.created), (Status::Complete, 8), "{contacts:?}");
    assert!(!contacts.resumed, "it is one run");
    assert!(store.linked_account("acme").await.unwrap().last_sync.is_some());
    assert!(contacts.tally.read > 8, "a page that was not taken is read again");
    run(&store, &provider, &small_pages()).await;
    assert_equal(&store, &provider).await;
}

#[tokio::test]
async fn a_store_that_stays_busy_ends_the_object_and_the_next_run_goes_on() {
    let folder = TempDir::new().unwrap();
    let (store, provider) = in_a_file(&folder).await;
    let started = Instant::now();
    let summary = sync_and_lock(&store, &provider, &folder, Duration::from_secs(5)).await;
    let contacts = &summary.objects[0];
    assert_eq!((contacts.status, contacts.tally.created), (Status::Failed, 3), "{contacts:?}");
    assert!(
        contacts.error.as_ref().is_some_and(|error| error.to_string().contains("locked")),
        "{contacts:?}"
    );
    assert!(started.elapsed() > Duration::from_secs(2), "it waited");
    let next = run(&store, &provider, &small_pages()).await;
    assert!(next.is_complete() && next.object(ObjectKind::Contact).unwrap().resumed);
    assert_equal(&store, &provider).await;
}
