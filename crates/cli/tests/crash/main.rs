//! The real binary is killed at random moments of a sync, again and again, and started again. In the end the store equals
//! the org, and little was asked for twice.
//!
//! - `UNICRM_CRASH_KILLS`: how often (10).
//! - `UNICRM_CRASH_CONTACTS`: contacts of the org (500); with everything else there are about four records to a contact.
//! - `UNICRM_CRASH_DATABASE_URL`: another database than a SQLite file in a temporary folder.
//! - `UNICRM_SEED`: when the kills come.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tempfile::TempDir;
use unicrm_core::{LinkedAccountId, ObjectKind};
use unicrm_salesforce_emulator::{Emulator, OrgHandle, Value};
use unicrm_store::{ListRequest, Store};

const CLIENT_ID: &str = "3MVG9.crash";
const SECRET: &str = "crash-secret";
/// Folders go with their test, and a server may be there for the next one: a key that was left in a folder would be missed.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Requests that may be under way when the process dies: as many as the configuration allows at once.
const IN_FLIGHT: u64 = 3;
/// Of the results of a job two pages come at once, for each object that is read.
const PAGES: u64 = 2;
/// Calls beyond those that a kill may cost: most often the notes whose bodies were on their way, and their links.
const MORE: u64 = 2;
/// What a sync that was interrupted asks in the end, however often that was: what changed meanwhile in all objects, and
/// which of the deleted records are in the recycle bin. A clean run need not, so this cannot be had for nothing.
const CHANGES: u64 = 4;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// SplitMix64.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

/// An org, and a folder with a database for it.
struct World {
    emulator: Emulator,
    folder: TempDir,
    database: String,
    /// How pages are read: by REST (`never`) or by query jobs (`always`).
    bulk: &'static str,
}

impl World {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unicrm"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("UNICRM_DATABASE_URL", &self.database)
            .env("UNICRM_CLIENT_SECRET", SECRET)
            .env("UNICRM_KEY", KEY)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end; the org goes on meanwhile.
    fn run(&self, arguments: &[&str]) {
        let output = tokio::task::block_in_place(|| self.command(arguments).output()).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {:?}\n{stderr}", output.status);
    }

    fn link(&self, name: &str) {
        let config = serde_json::json!({
            "bulk": self.bulk,
            "limits": { "concurrency": IN_FLIGHT, "bulk_records": 5_000 },
        });
        let config = config.to_string();
        let url = self.emulator.url();
        self.run(&[
            "link",
            "salesforce",
            "--name",
            name,
            "--flow",
            "client-credentials",
            "--login-url",
            &url,
            "--client-id",
            CLIENT_ID,
            "--config",
            &config,
        ]);
        self.emulator.log().clear();
    }

    fn sync(&self, name: &str) {
        self.run(&["sync", name]);
    }

    /// Begins a sync and kills it after this time; false when it was done before.
    fn kill_after(&self, name: &str, time: Duration) -> bool {
        let mut child = self.command(&["sync", name]).stderr(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + time;
        tokio::task::block_in_place(|| {
            while Instant::now() < end {
                if let Some(status) = child.try_wait().unwrap() {
                    assert!(status.success(), "a sync that was not killed failed: {status:?}");
                    return false;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            kill(&mut child)
        })
    }
}

/// SIGKILL: nothing is flushed, nothing is said goodbye to.
fn kill(child: &mut Child) -> bool {
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// What is compared of a record: its stamp, whether it is gone, and a text.
type Row = (Option<Timestamp>, bool, Option<String>);

/// The objects of the org, how they are named in the store, the column of the stamp, and a column and its field.
const OBJECTS: [(&str, ObjectKind, &str, &str, &str); 9] = [
    ("Account", ObjectKind::Account, "SystemModstamp", "Name", "name"),
    ("Contact", ObjectKind::Contact, "SystemModstamp", "LastName", "last_name"),
    ("Lead", ObjectKind::Lead, "SystemModstamp", "Company", "company"),
    ("Opportunity", ObjectKind::Opportunity, "SystemModstamp", "Name", "name"),
    ("Task", ObjectKind::Task, "SystemModstamp", "Subject", "subject"),
    ("Task", ObjectKind::Engagement, "SystemModstamp", "Subject", "subject"),
    ("Event", ObjectKind::Engagement, "SystemModstamp", "Subject", "subject"),
    ("Note", ObjectKind::Note, "SystemModstamp", "Title", "content"),
    ("ContentNote", ObjectKind::Note, "LastModifiedDate", "Title", "content"),
];

async fn in_org(org: &OrgHandle) -> BTreeMap<(ObjectKind, String), Row> {
    let mut rows = BTreeMap::new();
    for (object, kind, stamp, text, _) in OBJECTS {
        let sort = match object {
            "Task" => "TaskSubtype",
            "Event" => "IsChild",
            _ => "Id",
        };
        for (id, values) in org.table(object, &[stamp, "IsDeleted", text, sort]).await.unwrap() {
            let [stamp, deleted, text, sort] = values.as_slice() else { panic!("{values:?}") };
            let logged = sort.as_text().is_some_and(|sort| ["Call", "Email", "ListEmail"].contains(&sort));
            let belongs = match object {
                "Task" => logged == (kind == ObjectKind::Engagement),
                _ => !sort.is_true(),
            };
            if belongs {
                let stamp = match stamp {
                    Value::DateTime(at) => Some(*at),
                    _ => None,
                };
                let text = text.as_text().map(|text| text.trim().to_owned());
                rows.insert((kind, id), (stamp, deleted.is_true(), text));
            }
        }
    }
    rows
}

async fn in_store(store: &dyn Store, account: LinkedAccountId) -> BTreeMap<(ObjectKind, String), Row> {
    let mut rows = BTreeMap::new();
    let kinds: BTreeMap<ObjectKind, &str> =
        OBJECTS.iter().map(|(_, kind, .., field)| (*kind, *field)).collect();
    for (kind, field) in kinds {
        let mut after = None;
        loop {
            let request =
                ListRequest::new(kind).of(account).with_deleted(true).with_limit(5_000).after(after);
            let page = store.list(request).await.unwrap();
            for stored in page.records {
                let json: serde_json::Value = serde_json::from_str(&stored.record.to_json()).unwrap();
                let text = json[field].as_str().map(str::to_owned);
                // Of a note the first line is the title.
                let text = match kind {
                    ObjectKind::Note => {
                        text.and_then(|text| text.lines().next().map(|line| line.trim().to_owned()))
                    }
                    _ => text,
                };
                let id = stored.record.remote_id().unwrap().to_string();
                rows.insert((kind, id), (stored.stamp, stored.gone.is_some(), text));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    rows
}

/// A note without a title begins with its text, of which the org's table of titles knows nothing.
fn same(kind: ObjectKind, remote: &Row, stored: &Row) -> bool {
    let untitled = kind == ObjectKind::Note && remote.2.is_none();
    (remote.0, remote.1) == (stored.0, stored.1) && (untitled || remote.2 == stored.2)
}

async fn assert_equal(world: &World, name: &str) {
    let store = unicrm_store::open(&world.database).await.unwrap();
    let account = store.linked_account(name).await.unwrap().id;
    let (remote, local) = (in_org(&world.emulator.org()).await, in_store(&*store, account).await);
    let differences: Vec<_> = remote
        .iter()
        .filter(|(key, row)| !local.get(*key).is_some_and(|stored| same(key.0, row, stored)))
        .map(|(key, row)| (key, row, local.get(key)))
        .collect();
    assert!(
        differences.is_empty(),
        "{name}: {} of {} records differ: {:?}",
        differences.len(),
        remote.len(),
        &differences[..differences.len().min(5)]
    );
    let live =
        |rows: &BTreeMap<(ObjectKind, String), Row>| rows.values().filter(|(_, gone, _)| !gone).count();
    assert_eq!(live(&local), live(&remote), "{name}: more than there is");
}

/// Syncs new accounts of the same org, each killed at random moments until it is done, until there were enough kills.
async fn killed_syncs_go_on(bulk: &'static str) {
    let (kills, contacts) = (number("UNICRM_CRASH_KILLS", 10), number("UNICRM_CRASH_CONTACTS", 500));
    let seed = number("UNICRM_SEED", 1);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("unicrm.db").display().to_string();
    let given = std::env::var("UNICRM_CRASH_DATABASE_URL").ok().filter(|url| !url.is_empty());
    let database = given.unwrap_or(file);
    let builder = Emulator::builder().contacts(contacts).client(CLIENT_ID, SECRET);
    let emulator = builder.daily_api_requests(100_000_000).start().await.unwrap();
    let world = World { emulator, folder, database, bulk };
    // A database that is not made for this run may have the names already.
    let run = std::process::id();

    let name = format!("clean-{bulk}-{run}");
    world.link(&name);
    let started = Instant::now();
    world.sync(&name);
    let (clean, calls) = (started.elapsed(), world.emulator.log().api_calls());
    assert_equal(&world, &name).await;
    let records = in_org(&world.emulator.org()).await.len();
    println!(
        "UNICRM_SEED={seed}, bulk {bulk}: {records} records; a clean run takes {clean:.1?} and {calls} API calls"
    );

    let mut draw = Draw(seed);
    let (mut killed, mut round, mut all) = (0, 0, 0);
    while killed < kills {
        round += 1;
        let name = format!("round{round}-{bulk}-{run}");
        world.link(&name);
        let before = killed;
        let mut done = false;
        // Moments of the whole sync: each attempt lives for a part of what a whole one takes.
        while killed < kills && !done {
            let time = Duration::from_micros(draw.below(clean.as_micros() as u64 / 3));
            done = !world.kill_after(&name, time);
            killed += u64::from(!done);
        }
        if !done {
            world.sync(&name);
        }
        let (used, deaths) = (world.emulator.log().api_calls(), killed - before);
        println!("round {round}: {deaths} kills, {used} API calls");
        assert_equal(&world, &name).await;
        all += used;
    }
    // A page that is being decoded holds calls that are answered already, so a single kill may cost a few more than it may
    // on the whole; others cost nothing.
    let in_flight = if bulk == "always" { IN_FLIGHT * PAGES } else { IN_FLIGHT };
    let most = round * (calls + CHANGES) + killed * (in_flight + MORE);
    println!("{all} API calls in {round} rounds with {killed} kills; {most} are allowed");
    assert!(all <= most, "{all} calls in {round} rounds with {killed} kills; a clean run takes {calls}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_sync_by_rest_goes_on_where_it_was() {
    killed_syncs_go_on("never").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_sync_by_bulk_goes_on_where_it_was() {
    killed_syncs_go_on("always").await;
}
