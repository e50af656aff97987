//! What only a PostgreSQL server does to a store: connections that end, users without rights, servers that are none.

use std::io::Write as _;
use std::time::{Duration, Instant};

use unicrm_core::{Error, ErrorKind, ObjectKind, Result};
use unicrm_store::{
    Checkpoint, Ingest as _, KeySource, LinkRequest, LinkedAccounts as _, MasterKey, PageCommit,
    PostgresOptions, PostgresStore, Records as _,
};

use crate::live;
use crate::place::{Place, on_server, server, with_option};

fn options() -> PostgresOptions {
    PostgresOptions::new(KeySource::Key(MasterKey::generate().unwrap()))
        .with_connect_timeout(Duration::from_secs(2))
        .with_lock_timeout(Duration::from_secs(10))
}

async fn fails(url: &str) -> Error {
    let error = PostgresStore::open_with(url, options()).await.map(drop).unwrap_err();
    assert!(error.advice().is_some(), "{error:?}");
    let all = format!("{error} {error:?} {:?}", error.advice());
    assert!(!all.contains("hunter2"), "a password is never repeated: {all}");
    error
}

fn url_of(user: &str, host: &str, database: &str) -> String {
    format!("postgres://{user}:hunter2@{host}/{database}")
}

/// Host and port of the server for tests.
fn host_of(server: &str) -> String {
    let rest = server.split("://").nth(1).unwrap();
    let host = rest.split('/').next().unwrap();
    host.rsplit('@').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let error = fails(&url_of("u", "127.0.0.1:1", "crm")).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    assert!(error.to_string().contains("postgres://u@127.0.0.1:1/crm cannot be reached"), "{error}");
    let error = fails(&url_of("u", "no-such-host.invalid", "crm")).await;
    assert!(error.is_retryable() && error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_silent_or_none_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let begun = Instant::now();
    let error = fails(&url_of("u", &address, "crm")).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "bounded");
    assert!(error.is_retryable() && error.to_string().contains("did not answer within 2 seconds"), "{error}");

    let talking = std::thread::spawn(move || {
        // It takes what comes and speaks of something else.
        for mut stream in listener.incoming().take(2).flatten() {
            drop(stream.write_all(b"220 mail.example.com ESMTP\r\n"));
        }
    });
    let error = fails(&url_of("u", &address, "crm?sslmode=disable")).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    drop(std::net::TcpStream::connect(&address));
    drop(std::net::TcpStream::connect(&address));
    talking.join().unwrap();
}

#[tokio::test]
async fn a_database_or_user_that_is_not_there_is_named() {
    let Some(server) = server().await else { return };
    let host = host_of(&server);
    let user = server.split("://").nth(1).unwrap().split(['@', ':']).next().unwrap();
    let error = fails(&url_of(user, &host, "no_such_database")).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidConfig, false));
    assert!(error.to_string().contains("no_such_database does not exist"), "{error}");
    let error = fails(&url_of("no_such_user", &host, "test")).await;
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("does not let this user in"), "{error}");
    let error = fails(&with_option(&server, "search_path", "no_such_schema")).await;
    assert!(error.to_string().contains("has no schema to work in"), "{error}");
}

/// A role that may log in, for as long as the test runs.
struct Role {
    server: String,
    name: String,
}

impl Role {
    async fn with(server: &str, also: &str) -> Self {
        let name = format!("unicrm_test_{}_{}", std::process::id(), also.len());
        on_server(
            server,
            &format!("DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD 'hunter2' {also}"),
        )
        .await;
        Self { server: server.to_owned(), name }
    }

    fn url(&self, schema_of: &Place) -> String {
        let path = schema_of.url();
        let (_, rest) = path.split_once("://").unwrap();
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        format!("postgres://{}:hunter2@{rest}", self.name)
    }

    async fn remove(self) {
        on_server(&self.server, &format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name)).await;
    }
}

#[tokio::test]
async fn a_user_without_rights_is_told_which() {
    let Some(place) = Place::postgres().await else { return };
    let role = Role::with(&server().await.unwrap(), "CONNECTION LIMIT 5").await;
    let error = fails(&role.url(&place)).await;
    role.remove().await;
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    // A schema that one may not use counts as none.
    let sentence = error.to_string();
    assert!(sentence.contains("no schema to work in") || sentence.contains("does not permit"), "{sentence}");
}

#[tokio::test]
async fn too_many_connections_can_be_tried_again() {
    let Some(place) = Place::postgres().await else { return };
    let role = Role::with(&server().await.unwrap(), "SUPERUSER").await;
    on_server(&role.server, &format!("ALTER ROLE {0} NOSUPERUSER CONNECTION LIMIT 0", role.name)).await;
    let error = fails(&role.url(&place)).await;
    role.remove().await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    assert!(error.to_string().contains("too many connections"), "{error}");
}

#[tokio::test]
async fn a_read_only_server_can_be_read() {
    let Some(place) = Place::postgres().await else { return };
    let (store, account, epoch) = crate::linked(&place).await;
    crate::commit(&*store, epoch, vec![live("003a", "Feig")]).await;
    let url = with_option(&place.url(), "default_transaction_read_only", "on");
    let reader = PostgresStore::open_with(&url, options()).await.unwrap();
    assert_eq!(reader.counts(Some(account.id)).await.unwrap()[&ObjectKind::Contact].live, 1);
    let page = PageCommit::new(epoch, ObjectKind::Contact, vec![live("003b", "Baur")]);
    for error in [
        reader.begin_epoch(account.id).await.map(drop).unwrap_err(),
        reader.commit_page(page).await.map(drop).unwrap_err(),
        reader.link(LinkRequest::new("other", "memory")).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("read-only"), "{error}");
    }
}

/// All connections are busy: the wait is bounded, and the error says so.
#[tokio::test]
async fn a_pool_without_a_free_connection_is_waited_for() {
    let Some(place) = Place::postgres().await else { return };
    let (_, account, epoch) = crate::linked(&place).await;
    let store = PostgresStore::open_with(&place.url(), options().with_connections(1)).await.unwrap();
    let holding = {
        let lock = "BEGIN; LOCK TABLE checkpoints IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(5); COMMIT";
        let url = place.url();
        tokio::spawn(async move { on_server(&url, lock).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let page = PageCommit::new(epoch, ObjectKind::Contact, vec![live("003a", "Feig")]);
    let committing = tokio::spawn({
        let store = store.clone();
        async move { store.commit_page(page.with_checkpoint(Checkpoint::of(&1))).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let error = store.linked_accounts().await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("no connection in time"), "{error}");
    holding.await.unwrap();
    assert_eq!(committing.await.unwrap().unwrap().counts.created, 1, "the one that waited has gone through");
    assert!(store.checkpoint(account.id, ObjectKind::Contact).await.unwrap().is_some());
}

/// The connection ends between a page's rows and its commit: neither they nor the checkpoint are there, the error may be
/// tried again, and the same store goes on over a new connection.
#[tokio::test]
async fn a_connection_lost_before_the_commit_loses_nothing() {
    let Some(place) = Place::postgres().await else { return };
    let (_, account, epoch) = crate::linked(&place).await;
    let url = with_option(&place.url(), "application_name", "unicrm");
    let store = PostgresStore::open_with(&url, options()).await.unwrap();
    let page = |ids: [&str; 2], at: u32| {
        PageCommit::new(epoch, ObjectKind::Contact, ids.map(|id| live(id, "x")).to_vec())
            .with_checkpoint(Checkpoint::of(&at))
    };
    store.commit_page(page(["a", "b"], 1)).await.unwrap();
    for again in 0..3 {
        // The commit comes as far as the checkpoint, which another session holds.
        let (locked, release) = (place.url(), std::sync::Arc::new(tokio::sync::Notify::new()));
        let holding = tokio::spawn({
            let release = release.clone();
            async move {
                use sqlx::Connection as _;
                let mut connection = sqlx::PgConnection::connect(&locked).await.unwrap();
                let mut transaction = connection.begin().await.unwrap();
                sqlx::raw_sql("LOCK TABLE checkpoints").execute(&mut *transaction).await.unwrap();
                release.notified().await;
                transaction.rollback().await.unwrap();
            }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let committing = tokio::spawn({
            let (store, page) = (store.clone(), page(["c", "d"], 2));
            async move { store.commit_page(page).await }
        });
        let schema = place.url().rsplit('=').next().unwrap().to_owned();
        let killed = terminate_waiting(&place, &schema).await;
        let error: Result<_> = committing.await.unwrap();
        release.notify_one();
        holding.await.unwrap();
        let error = error.map(drop).unwrap_err();
        assert!(killed, "the commit was seen waiting");
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error:?}");
        assert!(error.to_string().contains("closed the connection"), "{again}: {error}");
        assert_eq!(store.counts(None).await.unwrap()[&ObjectKind::Contact].live, 2);
        let checkpoint = store.checkpoint(account.id, ObjectKind::Contact).await.unwrap();
        assert_eq!(checkpoint, Some(Checkpoint::of(&1)));
    }
    assert_eq!(store.commit_page(page(["c", "d"], 2)).await.unwrap().counts.created, 2);
}

/// Ends the session of this schema that waits for a lock to write a checkpoint.
async fn terminate_waiting(place: &Place, schema: &str) -> bool {
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let killed = place
            .ask(&format!(
                "SELECT pg_terminate_backend(a.pid) AS killed FROM pg_stat_activity a
                 JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted
                 WHERE l.relation = '{schema}.checkpoints'::regclass AND a.query LIKE 'INSERT INTO checkpoints%'"
            ))
            .await;
        if !killed.is_empty() {
            return true;
        }
    }
    false
}

/// A call that is given up in the middle has done nothing, and leaves nothing locked.
#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_does_nothing() {
    let Some(place) = Place::postgres().await else { return };
    let (_, account, epoch) = crate::linked(&place).await;
    let store = PostgresStore::open_with(&place.url(), options().with_connections(2)).await.unwrap();
    for microseconds in [50, 500, 2_000, 5_000, 10_000, 20_000] {
        let rows = (0..200).map(|i| live(&format!("{microseconds}/{i}"), "x")).collect();
        let page =
            PageCommit::new(epoch, ObjectKind::Contact, rows).with_checkpoint(Checkpoint::of(&microseconds));
        let limit = Duration::from_micros(microseconds);
        let done = tokio::time::timeout(limit, store.commit_page(page)).await.is_ok();
        // Another session waits for the lock at most this long.
        let there =
            store.find_remote(None, None, &format!("{microseconds}/7"), Default::default()).await.unwrap();
        let checkpoint = store.checkpoint(account.id, ObjectKind::Contact).await.unwrap();
        let new = checkpoint == Some(Checkpoint::of(&microseconds));
        assert_eq!(new, !there.is_empty(), "rows and checkpoint go together");
        assert!(!done || new, "what was answered is there");
        crate::commit(&store, epoch, vec![live("next", &microseconds.to_string())]).await;
    }
}

/// What is the same again costs no write at all: not even a lock is left in a row.
#[tokio::test]
async fn a_page_that_changes_nothing_writes_nothing() {
    let Some(place) = Place::postgres().await else { return };
    let (store, _, epoch) = crate::linked(&place).await;
    let rows = || (0..50).map(|i| live(&format!("003{i}"), "Feig")).collect::<Vec<_>>();
    let page = || PageCommit::new(epoch, ObjectKind::Contact, rows()).with_checkpoint(Checkpoint::of(&1));
    assert_eq!(store.commit_page(page()).await.unwrap().counts.created, 50);
    let marks = async || {
        let mut marks = Vec::new();
        for table in ["contacts", "record_keys", "checkpoints"] {
            marks.push(
                place.ask(&format!("SELECT ctid AS place, xmin AS made, xmax AS held FROM {table}")).await,
            );
        }
        marks
    };
    let before = marks().await;
    assert!(before[0].len() == 50 && before[1].len() == 50 && before[2].len() == 1);
    assert_eq!(store.commit_page(page()).await.unwrap().counts.unchanged, 50);
    let after = marks().await;
    assert_eq!((&after[0], &after[1]), (&before[0], &before[1]));
    // The checkpoint's row is looked at under a lock; its content stays.
    assert_eq!(after[2][0][..2], before[2][0][..2]);
}

#[tokio::test]
async fn no_secret_and_no_key_is_in_any_row() {
    const SECRET: &str = "5Aep861TSESvWeug_xvFHRBTTbf_fVfAqcB";
    let Some(place) = Place::postgres().await else { return };
    let store = place.open().await;
    let secrets = unicrm_core::Credentials::new().with("refresh_token", SECRET.into());
    let account =
        store.link(LinkRequest::new("acme", "memory").with_credentials(secrets.clone())).await.unwrap();
    assert_eq!(store.credentials(account.id).load().await.unwrap().credentials, secrets);
    let rows = place
        .ask("SELECT c.secrets, c.data_key, c.master_key, a.name, a.provider, a.config FROM credentials c, linked_accounts a")
        .await;
    let all = format!("{rows:?}");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(rows.len() == 1 && all.contains("acme") && all.matches("\\\\x").count() == 2, "{all}");
    for secret in [SECRET.as_bytes(), place.key.to_base64().as_bytes()] {
        assert!(!all.contains(&hex(secret)) && !all.contains(std::str::from_utf8(secret).unwrap()));
    }
}

/// Objects that are read side by side are written one after the other, and do not take one another for another process.
#[tokio::test]
async fn the_tasks_of_a_process_wait_their_turn() {
    let Some(place) = Place::postgres().await else { return };
    let (_, account, epoch) = crate::linked(&place).await;
    let impatient = options().with_lock_timeout(Duration::from_millis(1)).with_connections(3);
    let store = PostgresStore::open_with(&place.url(), impatient).await.unwrap();
    let commits: Vec<_> = (0..12)
        .map(|task| {
            let store = store.clone();
            let rows = (0..200).map(|i| live(&format!("{task}/{i}"), "x")).collect();
            tokio::spawn(
                async move { store.commit_page(PageCommit::new(epoch, ObjectKind::Contact, rows)).await },
            )
        })
        .collect();
    for commit in commits {
        assert_eq!(commit.await.unwrap().unwrap().counts.created, 200);
    }
    assert_eq!(store.counts(Some(account.id)).await.unwrap()[&ObjectKind::Contact].live, 2_400);
}
