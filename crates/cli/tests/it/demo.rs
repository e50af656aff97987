//! `demo`: the whole way, and nothing left behind.

use crate::support::{Folder, assert_narrow};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_the_whole_way_and_leaves_nothing() {
    let folder = Folder::new();
    let run = folder.run(&["demo", "--contacts", "60"]).exits(0);
    assert_narrow(&run.stdout);
    for part in
        ["First sync", "Second sync", "engagements", "ContentNote", "\"last_name\": \"Feig\"", "unicrm link"]
    {
        assert!(run.stdout.contains(part), "{part:?} is not in: {}", run.stdout);
    }
    let left: Vec<_> = std::fs::read_dir(folder.path("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!folder.path("unicrm.db").exists(), "the database of the environment is not the demo's");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_sync_of_the_demo_moves_what_changed_and_nothing_else() {
    let folder = Folder::new();
    let told = folder.run(&["demo", "--contacts", "60", "--json"]).exits(0).json();
    let contacts = |run: &str, what: &str| told[run]["objects"]["contacts"][what].as_u64().unwrap();
    assert_eq!(contacts("first_sync", "read"), 60);
    let moved = ["created", "updated", "deleted"].map(|what| contacts("second_sync", what));
    assert_eq!(moved, [1, 2, 1]);
    assert!(contacts("second_sync", "read") < 20);
    for kind in ["call", "meeting", "email"] {
        assert!(told["engagements"][kind].as_u64().unwrap() > 0, "{kind}");
    }
    for sort in ["Note", "ContentNote"] {
        assert!(told["notes"][sort].as_u64().unwrap() > 0, "{sort}");
    }
    // The seed's shape: its keys, and no others.
    let keys: Vec<_> = told["contact"].as_object().unwrap().keys().map(String::as_str).collect();
    let seed = [
        "account",
        "addresses",
        "created_at",
        "email_addresses",
        "first_name",
        "id",
        "last_activity_at",
        "last_name",
        "modified_at",
        "owner",
        "phone_numbers",
        "remote_created_at",
        "remote_id",
        "remote_was_deleted",
    ];
    assert!(keys.iter().all(|key| seed.contains(key)), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_with_a_database_leaves_it_and_may_be_run_again() {
    let folder = Folder::new();
    for _ in 0..2 {
        folder.run(&["demo", "--contacts", "60", "--db", "demo.db"]).exits(0);
        let contacts = folder.run(&["list", "contacts", "--db", "demo.db", "--json"]).exits(0).json();
        assert!(contacts.as_array().unwrap().len() > 40);
    }
    assert_eq!(
        folder.run(&["linked-accounts", "--db", "demo.db", "--json"]).json().as_array().unwrap().len(),
        1
    );
}
