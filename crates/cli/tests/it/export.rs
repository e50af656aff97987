//! `export`: whole files, every record in them, and nothing half-written under a final name.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use unicrm_core::{Contact, LiveRow, ObjectKind, Record, Row};
use unicrm_store::{LinkRequest, PageCommit};

use crate::support::{Folder, World, assert_narrow};

fn lines(folder: &Folder, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn by_id(records: Vec<Value>) -> BTreeMap<String, Value> {
    let id = |record: &Value| record["remote_id"].as_str().unwrap().to_owned();
    records.into_iter().map(|record| (id(&record), record)).collect()
}

/// The rows of a CSV file, each by the names of its columns.
fn rows(folder: &Folder, file: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(folder.path(file)).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// A synced org in which a contact was deleted and one was merged into another.
async fn synced() -> (World, [String; 3]) {
    let world = World::linked().await;
    world.run(&["sync"]).exits(0);
    let org = world.emulator.org();
    let found = org.query("SELECT Id FROM Contact WHERE IsDeleted = false LIMIT 3").await.unwrap();
    let ids = [0, 1, 2].map(|at: usize| found[at]["Id"].as_str().unwrap().to_owned());
    org.delete("Contact", &ids[0]).await.unwrap();
    org.merge("Contact", &ids[1], &[&ids[2]]).await.unwrap();
    world.run(&["sync"]).exits(0);
    (world, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_a_line_and_those_that_are_gone_say_why() {
    let (world, [deleted, master, loser]) = synced().await;
    let summary = world.run(&["export", "-a", "acme", "--out", "out", "--json"]).exits(0).json();
    let listed = world.run(&["list", "contacts", "--include-deleted", "--remote-fields", "--json"]).json();
    let listed = by_id(listed.as_array().unwrap().clone());
    let exported = by_id(lines(&world.folder, "out/contacts.ndjson"));
    assert_eq!(exported.keys().collect::<BTreeSet<_>>(), listed.keys().collect::<BTreeSet<_>>());
    for (id, record) in &exported {
        let gone = listed[id]["remote_was_deleted"] == true;
        assert_eq!(record["remote_was_deleted"] == true, gone, "{id}");
        assert_eq!(record.get("gone_reason").is_some(), gone, "{id}");
        let mut same = record.clone();
        same.as_object_mut()
            .unwrap()
            .retain(|key, _| !key.starts_with("gone_") && !key.starts_with("merged_"));
        assert_eq!(same, listed[id]);
    }
    assert_eq!(
        (&exported[&deleted]["gone_reason"], &exported[&loser]["gone_reason"]),
        (&"deleted".into(), &"merged".into())
    );
    assert_eq!(exported[&loser]["merged_into_remote_id"], master.as_str());
    let contacts = &summary["objects"]["contacts"];
    let gone = exported.values().filter(|record| record.get("gone_reason").is_some()).count();
    assert_eq!(
        (contacts["records"].as_u64(), contacts["deleted"].as_u64()),
        (Some(exported.len() as u64), Some(gone as u64))
    );
    let size = std::fs::metadata(world.folder.path("out/contacts.ndjson")).unwrap().len();
    assert_eq!(contacts["bytes"].as_u64(), Some(size));
    let mut names: Vec<_> = std::fs::read_dir(world.folder.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    let name = |kind: ObjectKind| std::ffi::OsString::from(format!("{}.ndjson", kind.plural()));
    let mut expected: Vec<_> = ObjectKind::ALL.into_iter().map(name).collect();
    expected.sort();
    assert_eq!(names, expected, "one file per object and nothing else");
    // A line without its marks is a record that can be read again.
    let live = exported.values().find(|record| record.get("gone_reason").is_none()).unwrap();
    Record::from_json(ObjectKind::Contact, &live.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_records_come_along_where_the_object_has_a_place_for_them() {
    let world = World::linked().await;
    world.run(&["sync"]).exits(0);
    world.run(&["export", "-a", "acme", "--out", "out", "--remote-data"]).exits(0);
    let contacts = lines(&world.folder, "out/contacts.ndjson");
    assert!(!contacts.is_empty());
    assert!(contacts.iter().all(|record| record["remote_data"][0]["data"].is_object()));
    let sorts = lines(&world.folder, "out/engagement-types.ndjson");
    let id = sorts[0]["remote_id"].as_str().unwrap();
    for live in [&[][..], &["--live"]] {
        let command = [&["get", "engagement-types", id, "--remote-data"][..], live].concat();
        assert_eq!(world.run(&command).exits(0).json()["remote_id"], id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_has_the_same_records_with_lists_as_json() {
    let (world, [deleted, ..]) = synced().await;
    let run = world.run(&[
        "export",
        "--format",
        "csv",
        "--out",
        "out",
        "--object",
        "contacts",
        "--object",
        "engagement-types",
    ]);
    assert_narrow(&run.exits(0).stdout);
    let listed = world.run(&["list", "contacts", "--include-deleted", "--remote-fields", "--json"]).json();
    let listed = by_id(listed.as_array().unwrap().clone());
    let table = rows(&world.folder, "out/contacts.csv");
    assert_eq!(table.len(), listed.len());
    for row in &table {
        let record = &listed[&row["remote_id"]];
        assert_eq!(row["last_name"], record["last_name"].as_str().unwrap_or_default());
        let phones = row["phone_numbers"].as_str();
        if !phones.is_empty() {
            assert_eq!(serde_json::from_str::<Value>(phones).unwrap(), record["phone_numbers"]);
        }
        assert_eq!(row["gone_reason"].is_empty(), record["remote_was_deleted"] != true);
        assert!(row["remote_id"] != deleted || row["gone_reason"] == "deleted");
    }
    let types = rows(&world.folder, "out/engagement-types.csv");
    assert!(!types.is_empty() && types.iter().all(|row| row["remote_was_deleted"] == "false"));
    assert!(!world.folder.path("out/leads.csv").exists());
}

/// A folder whose database has so many contacts, written without a remote.
async fn filled(contacts: usize) -> Folder {
    let folder = Folder::new();
    let store = unicrm_store::open(folder.path("unicrm.db").to_str().unwrap()).await.unwrap();
    let account = store.link(LinkRequest::new("acme", "salesforce")).await.unwrap();
    let epoch = store.begin_epoch(account.id).await.unwrap();
    let row = |number: usize| {
        let mut contact = Contact::default();
        contact.remote_id = Some(format!("003{number:015}").into());
        contact.first_name = Some("=HYPERLINK(\"x\")".to_owned());
        contact.last_name = Some("several\nlines, \"quoted\" ".repeat(8));
        Row::Live(LiveRow::new(contact))
    };
    let numbers: Vec<usize> = (0..contacts).collect();
    for page in numbers.chunks(2_000) {
        let rows = page.iter().copied().map(row).collect();
        store.commit_page(PageCommit::new(epoch, ObjectKind::Contact, rows)).await.unwrap();
    }
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_spreadsheet_would_run_is_written_as_it_is_unless_asked() {
    let folder = filled(3).await;
    let first_name = |folder: &Folder| rows(folder, "out/contacts.csv")[0]["first_name"].clone();
    let arguments = ["export", "--format", "csv", "--out", "out", "--object", "contacts"];
    folder.run(&arguments).exits(0);
    assert_eq!(first_name(&folder), "=HYPERLINK(\"x\")");
    folder.run(&[&arguments[..], &["--spreadsheet"]].concat()).exits(0);
    assert_eq!(first_name(&folder), "'=HYPERLINK(\"x\")");
    folder.run(&["export", "--out", "out", "--spreadsheet"]).exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_killed_leaves_no_half_file_under_a_final_name() {
    const CONTACTS: usize = 6_000;
    let folder = filled(CONTACTS).await;
    let mut caught = 0;
    for wait in [0, 5, 20, 60] {
        let out = format!("out{wait}");
        let mut command = folder.command(&["export", "--out", &out, "--object", "contacts"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // From the moment at which something is being written.
        while std::fs::read_dir(folder.path(&out)).map_or(0, Iterator::count) == 0
            && child.try_wait().unwrap().is_none()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(wait)).await;
        caught += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let name = format!("{out}/contacts.ndjson");
        if folder.path(&name).exists() {
            assert_eq!(lines(&folder, &name).len(), CONTACTS, "what is there is whole");
        }
        folder.run(&["export", "--out", &out, "--object", "contacts"]).exits(0);
        assert_eq!(lines(&folder, &name).len(), CONTACTS);
    }
    assert!(caught > 0, "no run was killed while it wrote");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_interrupted_leaves_nothing_aside() {
    let folder = filled(6_000).await;
    let mut command = folder.command(&["export", "--out", "out", "--object", "contacts"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while std::fs::read_dir(folder.path("out")).map_or(0, Iterator::count) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let status = tokio::task::block_in_place(|| child.wait()).unwrap();
    let left: Vec<_> =
        std::fs::read_dir(folder.path("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    match status.code() {
        Some(130) => assert!(left.is_empty(), "{left:?}"),
        code => assert_eq!((code, left.len()), (Some(0), 1), "it was done before: {left:?}"),
    }
}
