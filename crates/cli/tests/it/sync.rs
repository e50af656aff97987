//! `sync`: what it says, and how it ends when not all is well.

use serde_json::Value;
use unicrm_core::{Contact, LiveRow, ObjectKind, Row};
use unicrm_salesforce_emulator::{Fault, FaultRule, Record, Resource};
use unicrm_store::PageCommit;

use crate::support::{World, assert_narrow, unread};

const COUNTS: [&str; 6] = ["read", "created", "updated", "deleted", "unchanged", "rejected"];

fn count(summary: &Value, object: &str, what: &str) -> u64 {
    summary["objects"][object][what].as_u64().unwrap_or_else(|| panic!("{object} {what}: {summary}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_run_reads_everything_and_the_second_what_changed() {
    let world = World::linked().await;
    let org = world.emulator.org();
    let first = world.run(&["sync", "acme", "--json"]).exits(0).json();
    assert_eq!(first["objects"].as_object().unwrap().len(), 10);
    for (object, summary) in first["objects"].as_object().unwrap() {
        assert_eq!(summary["status"], "complete", "{object}");
        assert!(COUNTS.iter().all(|count| summary[*count].is_u64()), "{summary}");
    }
    let (created, live) = (count(&first, "contacts", "created"), org.count("Contact").await.unwrap());
    assert_eq!(created, live);
    for cost in ["api_calls", "refreshes", "retries", "peak_rss_bytes"] {
        assert!(first[cost].is_u64(), "{cost}: {first}");
    }
    assert!(first["seconds"].as_f64().unwrap() > 0.0);
    assert!(world.run(&["linked-accounts", "--json"]).json()[0]["last_sync"].is_string());

    let contact =
        org.query("SELECT Id FROM Contact LIMIT 1").await.unwrap()[0]["Id"].as_str().unwrap().to_owned();
    org.update("Contact", &contact, serde_json::json!({ "LastName": "Changed" })).await.unwrap();
    let second = world.run(&["sync", "--json"]).exits(0).json();
    assert_eq!((count(&second, "contacts", "updated"), count(&second, "contacts", "created")), (1, 0));
    let total = |what: &str| -> u64 {
        second["objects"].as_object().unwrap().values().map(|object| object[what].as_u64().unwrap()).sum()
    };
    assert_eq!((total("created"), total("updated"), total("deleted")), (0, 1, 0));
    let shown = world.run(&["get", "contacts", &contact]).exits(0).json();
    assert_eq!(shown["last_name"], "Changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_summary_for_people_fits_a_page_and_progress_goes_to_stderr() {
    let world = World::linked().await;
    let run = world.run(&["sync"]).exits(0).says("contacts");
    assert_narrow(&run.stdout);
    assert!(run.stdout.contains("engagement-types ") && run.stdout.contains("API calls"), "{}", run.stdout);
    assert_eq!(run.stderr.lines().count(), 10, "a line per object: {}", run.stderr);
    assert!(!run.stderr.contains('\u{1b}') && !run.stdout.contains('\u{1b}'), "no colours off a terminal");
    let some = world.run(&["sync", "--object", "contacts", "--object", "stages", "--json"]).exits(0).json();
    assert_eq!(some["objects"].as_object().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_object_ends_with_3_and_does_not_stop_the_others() {
    let world = World::linked().await;
    world.emulator.org().hide_object("Lead");
    let run = world.run(&["sync", "--json"]).exits(3).says("leads");
    let summary = run.json();
    assert_eq!(summary["objects"]["leads"]["status"], "forbidden");
    assert_eq!(summary["objects"]["contacts"]["status"], "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_place_of_json_fails_that_object_and_ends_with_6() {
    let world = World::linked().await;
    let page = FaultRule::new(Resource::Any, Fault::MaintenancePage).on_object("Contact").forever();
    world.emulator.faults().add(page);
    let summary = world.run(&["sync", "--json"]).exits(6).says("contacts").json();
    assert_eq!(summary["objects"]["contacts"]["status"], "failed");
    assert_eq!(summary["objects"]["accounts"]["status"], "complete");
    world.emulator.faults().clear();
    world.run(&["sync"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_quota_ends_with_5_and_the_next_run_goes_on() {
    let world = World::linked().await;
    let used_up = FaultRule::new(Resource::Any, Fault::TotalRequests).on_object("Contact").forever();
    world.emulator.faults().add(used_up);
    let run =
        world.run(&["sync", "--json", "--concurrency", "1"]).exits(5).says("run the same command after 20");
    let summary = run.json();
    assert_eq!(summary["objects"]["contacts"]["status"], "incomplete");
    assert_eq!(summary["objects"]["stages"]["status"], "complete");
    assert_eq!(summary["objects"]["engagements"]["status"], "not_run");
    world.emulator.faults().clear();
    world.run(&["sync"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_it_ends_does_not_depend_on_who_reads_it() {
    let world = World::linked().await;
    let used_up = FaultRule::new(Resource::Any, Fault::TotalRequests).on_object("Contact").forever();
    world.emulator.faults().add(used_up);
    for arguments in [&["sync", "--json"][..], &["sync"]] {
        let mut command = world.folder.command(arguments);
        unread(&mut command).exits(5).says("run the same command after 20");
    }
    world.emulator.faults().clear();
    unread(&mut world.folder.command(&["sync"])).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expires_in_the_middle_is_renewed() {
    let world = World::linked().await;
    world.emulator.faults().add(FaultRule::new(Resource::Any, Fault::SessionExpired).on_object("Contact"));
    let summary = world.run(&["sync", "--json"]).exits(0).json();
    assert!(summary["refreshes"].as_u64().unwrap() >= 1, "{summary}");
    assert_eq!(count(&summary, "contacts", "created"), world.emulator.org().count("Contact").await.unwrap());
}

/// Far beyond the overlap, so that what is shown is shown for its change.
const LATER: std::time::Duration = std::time::Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_sync_of_all_ten_objects_takes_four_calls_at_the_most() {
    let world = World::linked().await;
    // The second time because the org's records may have been deleted just before the first.
    for _ in 0..2 {
        world.run(&["sync", "acme"]).exits(0);
        // Beyond the overlap, and not so far that the session ends.
        world.emulator.org().advance_clock(LATER / 2);
    }
    let log = world.emulator.log();
    log.clear();
    let idle = world.run(&["sync", "acme", "--json"]).exits(0).json();
    let calls = idle["api_calls"].as_u64().unwrap();
    // What the org took off its quota in the whole of the process, signing in and finding the version included.
    assert_eq!(calls, log.api_calls(), "{:?}", log.counts());
    let asked = || log.entries().into_iter().map(|entry| (entry.path, entry.query)).collect::<Vec<_>>();
    assert!((1..=4).contains(&calls), "{calls}: {:?}", asked());
    assert!(idle["objects"].as_object().unwrap().values().all(|object| object["status"] == "complete"));
    println!("an idle sync of a new process: {calls} calls, {} requests", log.count(Resource::Any).requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn comparing_finds_and_repairs_what_no_sync_can_see_and_says_so() {
    let world = World::linked().await;
    world.run(&["sync"]).exits(0);
    let org = world.emulator.org();
    org.advance_clock(LATER);
    world.run(&["sync"]).exits(0);
    let clean = world.run(&["sync", "--reconcile", "--json"]).exits(0).json();
    for (object, summary) in clean["objects"].as_object().unwrap() {
        let found = &summary["reconcile"];
        for what in ["missing", "extra", "stale", "repaired"] {
            assert_eq!(found[what], 0, "{object} {what}: {found}");
        }
        assert_eq!(found["remote"], found["local"], "{object}: {found}");
        assert_eq!(found["status"], "complete", "{object}");
    }
    let cost = clean["reconcile_calls"].as_u64().unwrap();
    assert!(cost > 4 && cost <= clean["api_calls"].as_u64().unwrap(), "{clean}");

    // Committed so late that no overlap reaches it, and gone so long ago that no list names it.
    let late = Record::new().with("LastName", "Late");
    let late = org.insert_late("Contact", late, LATER * 3).await.unwrap();
    let store = unicrm_store::open(world.folder.path("unicrm.db").to_str().unwrap()).await.unwrap();
    let account = store.linked_account("acme").await.unwrap();
    let epoch = store.begin_epoch(account.id).await.unwrap();
    let mut stray = Contact::default();
    stray.remote_id = Some("003000000000001AAA".into());
    let rows = vec![Row::Live(LiveRow::new(stray))];
    store.commit_page(PageCommit::new(epoch, ObjectKind::Contact, rows)).await.unwrap();
    drop(store);

    world.run(&["sync"]).exits(0);
    assert!(world.run(&["get", "contacts", &late]).code != 0, "a sync does not see it");
    let run = world.run(&["sync", "--reconcile", "--object", "contacts"]).exits(0);
    assert_narrow(&run.stdout);
    assert!(run.stdout.contains("MISSING") && run.stdout.contains("of them to compare"), "{}", run.stdout);
    world.run(&["get", "contacts", &late]).exits(0);
    let again = world.run(&["sync", "--reconcile", "--object", "contacts", "--json"]).exits(0).json();
    assert_eq!(again["objects"]["contacts"]["reconcile"]["extra"], 0);
    let gone = world.run(&[
        "list",
        "contacts",
        "--include-deleted",
        "--where",
        "remote_id=003000000000001AAA",
        "--json",
    ]);
    assert_eq!(gone.json()[0]["remote_was_deleted"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_refused_while_it_compares_are_noted_on_the_account() {
    let world = World::linked().await;
    world.run(&["sync"]).exits(0);
    // The first query is the sync's own, in one call with all else that it asks.
    let refused = FaultRule::new(Resource::Query, Fault::SessionRejected).after(1).forever();
    world.emulator.faults().add(refused);
    let run = world.run(&["sync", "--object", "contacts", "--reconcile", "--json"]).exits(4);
    assert_eq!(run.json()["objects"]["contacts"]["status"], "complete", "{}", run.stdout);
    assert_eq!(world.run(&["linked-accounts", "--json"]).json()[0]["status"], "relink_needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_for_comparing_ends_with_5_and_the_next_run_goes_on() {
    let world = World::linked().await;
    world.run(&["sync"]).exits(0);
    let arguments = ["sync", "--reconcile", "--max-calls", "6", "--concurrency", "1", "--json"];
    let mut runs = 1;
    while world.run(&arguments).code != 0 {
        runs += 1;
        assert!(runs < 12, "it never ends");
    }
    assert!(runs > 1);
    let stopped =
        world.run(&["sync", "--reconcile", "--max-calls", "1", "--json"]).exits(5).says("allowed 1 calls");
    let stopped = stopped.json();
    assert!(stopped["objects"].as_object().unwrap().values().all(|object| object["status"] == "complete"));
    world.run(&["sync", "--max-calls", "5"]).exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_understood_is_named_and_ends_with_6() {
    let world = World::linked().await;
    let org = world.emulator.org();
    let contact =
        org.query("SELECT Id FROM Contact LIMIT 1").await.unwrap()[0]["Id"].as_str().unwrap().to_owned();
    let garbled = Fault::GarbledValue {
        field: "CreatedDate".to_owned(),
        record: Some(contact.clone()),
        text: "yesterday".to_owned(),
    };
    world.emulator.faults().add(FaultRule::new(Resource::Any, garbled).on_object("Contact").forever());
    let run = world.run(&["sync", "--json"]).exits(6).says(&contact).says("CreatedDate");
    let summary = run.json();
    assert_eq!(count(&summary, "contacts", "rejected"), 1);
    assert_eq!(summary["objects"]["contacts"]["status"], "complete");
    assert_eq!(count(&summary, "contacts", "created"), org.count("Contact").await.unwrap() - 1);
    world.run(&["get", "contacts", &contact]).exits(1);

    world.emulator.faults().clear();
    world.run(&["sync", "--full"]).exits(0);
    world.run(&["get", "contacts", &contact]).exits(0);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_sync_keeps_its_pages_and_the_next_goes_on() {
    let world = World::linked().await;
    let slow = Fault::Delay { milliseconds: 400 };
    world.emulator.faults().add(FaultRule::new(Resource::Query, slow).forever());
    let mut command = world.folder.command(&["sync", "--json", "--concurrency", "1", "--page-size", "5"]);
    let child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while world.emulator.log().count(Resource::Query).requests < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = tokio::task::block_in_place(|| child.wait_with_output()).unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("goes on from there"));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let statuses: Vec<&str> = summary["objects"]
        .as_object()
        .unwrap()
        .values()
        .map(|object| object["status"].as_str().unwrap())
        .collect();
    assert!(statuses.contains(&"not_run"), "{statuses:?}");

    world.emulator.faults().clear();
    let next = world.run(&["sync", "--json"]).exits(0).json();
    let before = count(&summary, "contacts", "created");
    let live = world.emulator.org().count("Contact").await.unwrap();
    assert_eq!(before + count(&next, "contacts", "created"), live);
}
