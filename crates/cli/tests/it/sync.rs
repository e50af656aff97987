//! `sync`: what it says, and how it ends when not all is well.

use serde_json::Value;
use unicrm_salesforce_emulator::{Fault, FaultRule, Resource};

use crate::support::{World, assert_narrow};

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
async fn a_session_that_expires_in_the_middle_is_renewed() {
    let world = World::linked().await;
    world.emulator.faults().add(FaultRule::new(Resource::Any, Fault::SessionExpired).on_object("Contact"));
    let summary = world.run(&["sync", "--json"]).exits(0).json();
    assert!(summary["refreshes"].as_u64().unwrap() >= 1, "{summary}");
    assert_eq!(count(&summary, "contacts", "created"), world.emulator.org().count("Contact").await.unwrap());
}
