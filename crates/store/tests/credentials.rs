//! Credentials: encrypted at rest, swapped safely by several processes, opened by the right key alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use unicrm_core::{Credentials, ErrorKind, Swap};
use unicrm_store::{
    KeySource, LinkRequest, LinkedAccounts as _, MasterKey, SqliteOptions, SqliteStore, Store,
};

use crate::place::Place;

const SECRET: &str = "5Aep861TSESvWeug_xvFHRBTTbf_fVfAqcB";

async fn open(folder: &Path, key: KeySource) -> SqliteStore {
    SqliteStore::open_with(folder.join("unicrm.db"), SqliteOptions::new(key)).await.unwrap()
}

async fn open_as(place: &Place, key: &MasterKey) -> Arc<dyn Store> {
    place.try_open(KeySource::Key(key.clone()), Duration::from_secs(20)).await.unwrap()
}

fn secrets(value: &str) -> Credentials {
    Credentials::new().with("refresh_token", value.into()).with("client_secret", SECRET.into())
}

/// All bytes of all files in a folder.
fn bytes_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

#[tokio::test]
async fn no_secret_and_no_key_is_in_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let key = MasterKey::generate().unwrap();
    let store = open(folder.path(), KeySource::Key(key.clone())).await;
    let account =
        store.link(LinkRequest::new("acme", "memory").with_credentials(secrets(SECRET))).await.unwrap();
    let credentials = store.credentials(account.id);
    for version in 1..20 {
        let swap =
            credentials.compare_and_swap(version, secrets(&format!("{SECRET}{version}"))).await.unwrap();
        assert_eq!(swap, Swap::Stored { version: version + 1 });
    }
    let key = key.to_base64();
    let look = || {
        let files = bytes_of(folder.path());
        for (name, bytes) in &files {
            for secret in [SECRET.as_bytes(), key.as_bytes()] {
                assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{name}");
            }
        }
        files.len()
    };
    assert!(look() >= 2, "the database and its log are there");
    drop((credentials, store));
    assert_eq!(look(), 1, "closing leaves the database alone");
}

pub(crate) async fn several_processes_lose_no_swap(place: Place) {
    let store = place.open().await;
    let id = store.link(LinkRequest::new("acme", "memory")).await.unwrap().id;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        // Connections of their own, as another process would have.
        let store = place.open().await;
        tasks.push(tokio::spawn(async move {
            let credentials = store.credentials(id);
            let mut swapped = 0;
            let mut now = credentials.load().await.unwrap();
            while swapped < 25 {
                let count: u64 =
                    now.credentials.get("count").map_or(0, |count| count.expose_secret().parse().unwrap());
                let next = Credentials::new().with("count", (count + 1).to_string().into());
                now = match credentials.compare_and_swap(now.version, next).await.unwrap() {
                    Swap::Stored { .. } => {
                        swapped += 1;
                        credentials.load().await.unwrap()
                    }
                    Swap::Conflict(now) => now,
                };
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let end = store.credentials(id).load().await.unwrap();
    assert_eq!(end.version, 100);
    assert_eq!(end.credentials.get("count").unwrap().expose_secret(), "100");
}

#[tokio::test]
async fn a_key_file_is_made_once_with_a_warning_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("unicrm.db.key");
    let source = || KeySource::FileOrNew(file.clone());
    let store = open(folder.path(), source()).await;
    let account = store.link(LinkRequest::new("acme", "memory")).await.unwrap();
    assert!(!file.exists(), "no key before it is needed");
    store.credentials(account.id).compare_and_swap(0, secrets("r1")).await.unwrap();
    let warnings = store.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("unicrm.db.key"), "{warnings:?}");
    assert!(store.take_warnings().is_empty(), "once");
    #[cfg(unix)]
    for private in [&file, &folder.path().join("unicrm.db"), &folder.path().join("unicrm.db-wal")] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(private).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", private.display());
    }
    drop(store);

    let store = open(folder.path(), source()).await;
    assert_eq!(store.credentials(account.id).load().await.unwrap().credentials, secrets("r1"));
    assert!(store.take_warnings().is_empty());
    drop(store);

    std::fs::remove_file(&file).unwrap();
    let store = open(folder.path(), source()).await;
    assert_eq!(store.linked_accounts().await.unwrap().len(), 1, "everything else needs no key");
    for error in [
        store.credentials(account.id).load().await.unwrap_err(),
        store.credentials(account.id).compare_and_swap(1, secrets("r2")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("is missing") && error.advice().is_some(), "{error}");
    }
    assert!(!file.exists(), "a new key would open nothing");
}

pub(crate) async fn the_wrong_key_is_named_and_linking_again_helps(place: Place) {
    let store = open_as(&place, &MasterKey::generate().unwrap()).await;
    let id = store.link(LinkRequest::new("acme", "memory").with_credentials(secrets("r1"))).await.unwrap().id;
    drop(store);
    let store = open_as(&place, &MasterKey::generate().unwrap()).await;
    let error = store.credentials(id).load().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error.to_string().contains("master key") && error.advice().is_some_and(|a| a.contains("UNICRM_KEY"))
    );
    store.link(LinkRequest::new("acme", "memory").with_credentials(secrets("r2"))).await.unwrap();
    let now = store.credentials(id).load().await.unwrap();
    assert_eq!((now.version, now.credentials), (2, secrets("r2")));
}

pub(crate) async fn rotation_moves_everything_to_the_new_key(place: Place) {
    let [old, new, stranger] = [(); 3].map(|()| MasterKey::generate().unwrap());
    let store = open_as(&place, &old).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        let request = LinkRequest::new(name, "memory").with_credentials(secrets(name));
        ids.push((name, store.link(request).await.unwrap().id));
    }
    assert_eq!(store.rotate_master_key(&stranger, &new).await.unwrap_err().kind(), ErrorKind::InvalidConfig);
    assert_eq!(store.rotate_master_key(&old, &new).await.unwrap(), 3);
    assert_eq!(store.rotate_master_key(&old, &new).await.unwrap(), 0, "there is nothing left to do");
    for (name, id) in &ids {
        assert_eq!(store.credentials(*id).load().await.unwrap().credentials, secrets(name));
    }
    drop(store);
    let store = open_as(&place, &old).await;
    assert!(store.credentials(ids[0].1).load().await.is_err());
    drop(store);
    let store = open_as(&place, &new).await;
    assert_eq!(store.credentials(ids[0].1).load().await.unwrap().credentials, secrets("a"));
}

pub(crate) async fn an_account_without_credentials_has_version_zero(place: Place) {
    let (store, account, _) = crate::linked(&place).await;
    let stored = store.credentials(account.id).load().await.unwrap();
    assert_eq!((stored.version, stored.credentials.is_empty()), (0, true));
    let swap = store.credentials(account.id).compare_and_swap(1, secrets("r")).await.unwrap();
    assert_eq!(swap, Swap::Conflict(stored));
}
