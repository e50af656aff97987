//! `--db postgres://...`: the same commands on a server. Runs where there is one (`UNICRM_TEST_POSTGRES`).

use std::time::Duration;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::{CLIENT_SECRET, World};

/// The server that tests use when it is there. It lets the user in whatever the password.
const USUAL_SERVER: &str = "postgres://root@127.0.0.1/test";
const PASSWORD: &str = "pl4nted-p4ssword";

/// A schema of its own.
struct Schema {
    server: String,
    name: String,
}

impl Schema {
    async fn new(of: &str) -> Option<Self> {
        let named = std::env::var("UNICRM_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
        let server = named.clone().unwrap_or_else(|| USUAL_SERVER.to_owned());
        let connecting = tokio::time::timeout(Duration::from_secs(10), PgConnection::connect(&server)).await;
        if !matches!(connecting, Ok(Ok(_))) {
            let demanded = named.is_some() || std::env::var_os("UNICRM_REQUIRE_POSTGRES").is_some();
            assert!(!demanded, "the PostgreSQL server for tests cannot be reached");
            eprintln!("SKIPPED: a test on PostgreSQL, as there is no server");
            return None;
        }
        let name = format!("unicrm_cli_{}_{of}", std::process::id());
        let schema = Self { server, name };
        on_server(&schema.server, format!("CREATE SCHEMA {}", schema.name)).await;
        Some(schema)
    }

    /// The URL, with a password where it has none.
    fn url(&self) -> String {
        let (scheme, rest) = self.server.split_once("://").unwrap();
        let user = rest.split(['@', '/']).next().unwrap();
        let with_password = if rest.contains('@') && !user.contains(':') {
            rest.replacen('@', &format!(":{PASSWORD}@"), 1)
        } else {
            rest.to_owned()
        };
        let joint = if rest.contains('?') { '&' } else { '?' };
        format!("{scheme}://{with_password}{joint}options[search_path]={}", self.name)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP SCHEMA {} CASCADE", self.name));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(on_server(&server, sql));
        });
        drop(dropping.join());
    }
}

async fn on_server(server: &str, sql: String) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn link_sync_list_and_unlink_work_on_a_server() {
    let Some(schema) = Schema::new("whole").await else { return };
    let world = World::small().await;
    let org = world.emulator.org();
    let url = schema.url();
    let run = |arguments: &[&str]| {
        let run = world.run(&[arguments, &["--db", &url]].concat());
        assert!(
            !run.stdout.contains(PASSWORD) && !run.stderr.contains(PASSWORD),
            "a password is printed: {run:?}"
        );
        run
    };

    let secret = [("UNICRM_CLIENT_SECRET", CLIENT_SECRET)];
    world.link_with("client-credentials", &["--db", &url], &secret).exits(0).says("a new key was written");
    let keys = std::fs::read_dir(world.folder.path(".config/unicrm")).unwrap().count();
    assert_eq!(keys, 1, "the key lies in the user's folder of settings");
    assert!(!world.folder.path("unicrm.db").exists(), "nothing is written elsewhere");

    let first = run(&["sync", "acme", "--json"]).exits(0).json();
    let created = |summary: &Value| -> u64 {
        let objects = summary["objects"].as_object().unwrap();
        objects.values().map(|object| object["created"].as_u64().unwrap()).sum()
    };
    assert!(created(&first) > 100, "{first}");
    assert_eq!(first["objects"]["contacts"]["created"], org.count("Contact").await.unwrap());

    let contact =
        org.query("SELECT Id FROM Contact LIMIT 1").await.unwrap()[0]["Id"].as_str().unwrap().to_owned();
    org.update("Contact", &contact, serde_json::json!({ "LastName": "Changed" })).await.unwrap();
    let second = run(&["sync", "--json"]).exits(0).json();
    assert_eq!((created(&second), &second["objects"]["contacts"]["updated"]), (0, &1.into()));
    assert_eq!(run(&["get", "contacts", &contact]).exits(0).json()["last_name"], "Changed");

    let listed = run(&["list", "contacts", "--where", "last_name=Changed", "--json"]).exits(0);
    assert!(listed.stdout.contains(&contact), "{}", listed.stdout);
    assert!(run(&["linked-accounts", "--json"]).exits(0).json()[0]["last_sync"].is_string());

    let nowhere = url.replacen("/test?", "/no_such_database?", 1);
    if nowhere != url {
        let refused = world.run(&["linked-accounts", "--db", &nowhere]).exits(2).says("does not exist");
        assert!(!refused.stderr.contains(PASSWORD), "{}", refused.stderr);
    }
    run(&["unlink", "acme"]).exits(0);
    assert_eq!(run(&["linked-accounts", "--json"]).exits(0).json(), serde_json::json!([]));
}

/// A key that is changed in one store must leave the other one alone.
#[tokio::test(flavor = "multi_thread")]
async fn two_stores_in_one_database_have_a_key_each() {
    let (Some(first), Some(second)) = (Schema::new("a").await, Schema::new("b").await) else { return };
    let world = World::small().await;
    let secret = [("UNICRM_CLIENT_SECRET", CLIENT_SECRET)];
    for schema in [&first, &second] {
        world.link_with("client-credentials", &["--db", &schema.url()], &secret).exits(0);
    }
    let folder = world.folder.path(".config/unicrm");
    let file_of = |schema: &Schema| {
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let of = format!("+{}.key", schema.name);
        files.into_iter().find(|file| file.to_str().unwrap().ends_with(&of)).expect("a key file of its own")
    };
    let keys = [&first, &second].map(|schema| std::fs::read(file_of(schema)).unwrap());
    assert_ne!(keys[0], keys[1]);

    // Where it was kept before schemas were told apart, it is still found, and nothing is made in its place.
    let file = file_of(&first);
    let (database, _) = file.to_str().unwrap().split_once('+').unwrap();
    let earlier = format!("{database}.key");
    std::fs::rename(&file, &earlier).unwrap();
    let check = |schema: &Schema| world.run(&["check", "acme", "--db", &schema.url()]);
    check(&first).exits(0);
    check(&second).exits(0);
    assert!(!file.exists());

    // A new key is put where the store looks first, and both stores are open.
    let rotate = ["rotate-key", "--new-key-file", "new.key", "--db", &first.url()];
    let said = world.run(&rotate).exits(0).stdout;
    assert!(said.contains(file.to_str().unwrap()) && !said.contains(&earlier), "{said}");
    std::fs::rename(world.folder.path("new.key"), &file).unwrap();
    check(&first).exits(0);
    check(&second).exits(0);
}
