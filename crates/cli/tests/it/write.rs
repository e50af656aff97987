//! `create`, `update`, `upsert`, `delete` and `convert-lead`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdout, Stdio};

use serde_json::{Value, json};
use unicrm_salesforce_emulator::{DuplicateRule, Fault, FaultRule, FieldSchema, FieldType, Resource};

use crate::support::{Run, World, assert_narrow, run};

/// One JSON object a row.
#[track_caller]
fn rows(run: &Run) -> Vec<Value> {
    run.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Runs it with a text on its standard input.
fn feed(world: &World, arguments: &[&str], input: &str) -> Run {
    let file = world.folder.path("input");
    std::fs::write(&file, input).unwrap();
    run(world.folder.command(arguments).stdin(File::open(file).unwrap()))
}

/// Feeds it the first rows, waits until it tells of one, hands its output over, and feeds it the rest.
fn feed_in_two(
    world: &World,
    arguments: &[&str],
    [first, rest]: [&str; 2],
    between: impl FnOnce(BufReader<ChildStdout>),
) -> Run {
    let mut command = world.folder.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    tokio::task::block_in_place(|| {
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(first.as_bytes()).unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut String::new()).unwrap();
        between(told);
        input.write_all(rest.as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        Run { code: output.status.code().unwrap(), stdout: String::new(), stderr }
    })
}

/// The row, made so long by spaces that it is sent as a batch of its own.
fn alone(row: &Value) -> String {
    let row = row.to_string();
    let spaces = " ".repeat((16 << 20) - row.len());
    format!("{}{spaces}}}\n", row.strip_suffix('}').unwrap())
}

async fn value(world: &World, object: &str, id: &Value, field: &str) -> Option<String> {
    let row = world.emulator.org().get(object, id.as_str().unwrap()).await.unwrap().unwrap();
    row.text(field).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_is_made_changed_and_deleted() {
    let world = World::linked().await;
    let data = r#"{"first_name": "Gil", "last_name": "Feig", "remote_was_deleted": false}"#;
    let made = world.run(&["create", "contacts", "--data", data, "--json"]).exits(0).says("1 created");
    let [row] = rows(&made).try_into().unwrap();
    let row: Value = row;
    assert_eq!((&row["index"], &row["status"], &row["errors"]), (&json!(0), &json!("created"), &json!([])));
    assert_eq!(row["warnings"][0]["pointer"], "/remote_was_deleted");
    let id = row["remote_id"].as_str().unwrap();
    assert_eq!(value(&world, "Contact", &row["remote_id"], "FirstName").await.as_deref(), Some("Gil"));

    let changed =
        world.run(&["update", "contacts", id, "--data", r#"{"first_name": null}"#, "-a", "acme"]).exits(0);
    assert_narrow(&changed.stdout);
    assert!(changed.stdout.contains("updated") && changed.stdout.contains(id), "{}", changed.stdout);
    assert_eq!(value(&world, "Contact", &row["remote_id"], "FirstName").await, None);
    world.run(&["update", "contacts", id, "--data", r#"{"first_name": null}"#]).exits(0);

    world.run(&["delete", "contacts", id]).exits(0).says("1 deleted");
    assert!(world.emulator.org().get("Contact", id).await.unwrap().unwrap().is_true("IsDeleted"));
    world.run(&["delete", "contacts", id]).exits(0).says("1 deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_of_many_is_told_what_became_of_it() {
    let world = World::linked().await;
    let input = concat!(
        "{\"last_name\": \"One\"}\n\n",
        "{\"first_name\": \"nameless\"}\n",
        "{\"last_name\": \"Three\",\n \"account\": \"83eb1ab2-bce7-5ce4-99e8-fcfb7b5368de\"}\n",
        "{\"last_name\": \"Four\", \"email_addresses\": [{\"email_address\": \"a@b.example\"}, {\"email_address\": \"c\"}]}\n",
        "{\"last_name\": \"Five\"}"
    );
    let told = feed(&world, &["create", "contacts", "--data", "-", "--json"], input).exits(6);
    assert!(told.stderr.contains("2 created, 3 failed"), "{}", told.stderr);
    let rows = rows(&told);
    let column = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("index"), [0, 1, 2, 3, 4]);
    assert_eq!(column("line"), [1, 3, 4, 6, 7]);
    assert_eq!(column("status"), ["created", "failed", "failed", "failed", "created"]);
    let pointers = |row: usize| {
        rows[row]["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(pointers(1), ["/last_name"]);
    assert_eq!(rows[1]["errors"][0]["remote_code"], "REQUIRED_FIELD_MISSING");
    assert_eq!(pointers(2), ["/account"]);
    assert!(rows[2]["errors"][0]["advice"].as_str().unwrap().contains("sync"));
    assert_eq!(pointers(3), ["/email_addresses/1"]);
    for (row, name) in [(0, "One"), (4, "Five")] {
        assert_eq!(
            value(&world, "Contact", &rows[row]["remote_id"], "LastName").await.as_deref(),
            Some(name)
        );
    }
    let table = feed(&world, &["create", "contacts", "--data", "-"], input).exits(6);
    assert_narrow(&table.stdout);
    assert!(table.stdout.contains("/email_addresses/1"), "{}", table.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_file_is_found_before_anything_is_written() {
    let world = World::linked().await;
    let before = world.emulator.org().count("Contact").await.unwrap();
    let file = world.folder.path("contacts.json");
    let data = format!("@{}", file.display());
    for (text, line, what) in [
        ("{\"last_name\": \"a\"}\n{\"last_name\": \"b\"}\n{\"frist_name\": \"c\"}", 3, "/frist_name"),
        ("[{\"last_name\": \"a\"},\n{\"last_name\": 5}]", 2, "/last_name"),
        ("{\"last_name\": \"a\"}\n{\"last_name\": ", 2, "EOF"),
        ("[{\"last_name\": \"a\"}", 1, "no end"),
        ("{\"last_name\": \"a\"}\nlast_name", 2, "expected"),
    ] {
        std::fs::write(&file, text).unwrap();
        let failed = world.run(&["create", "contacts", "--data", &data]).exits(2);
        let place = format!("contacts.json, line {line}");
        assert!(failed.stderr.contains(&place) && failed.stderr.contains(what), "{}", failed.stderr);
    }
    assert_eq!(world.emulator.org().count("Contact").await.unwrap(), before);
    world.run(&["create", "contacts", "--data", "@nowhere.json"]).exits(2).says("nowhere.json");
    world.run(&["create", "contacts", "--data", ""]).exits(0).says("nothing to write");
    world.run(&["create", "stages", "--data", r#"{"name": "x"}"#]).exits(6);
    world.run(&["update", "contacts", "--data", r#"{"last_name": "x"}"#]).exits(2).says("remote_id");
    world.run(&["update", "contacts", "003x", "--data", "{}{}"]).exits(2).says("one id");
    world.run(&["delete", "contacts"]).exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_named_by_either_id() {
    let world = World::linked().await;
    world.run(&["sync"]).exits(0);
    let of = |object: &str| world.run(&["list", object, "--json", "--limit", "2"]).exits(0).json();
    let (accounts, contacts) = (of("accounts"), of("contacts"));
    let change = format!(
        "[{{\"id\": {}, \"first_name\": \"Unified\", \"account\": {}}}, {{\"remote_id\": {}, \"first_name\": \"Remote\"}}]",
        contacts[0]["id"], accounts[1]["id"], contacts[1]["remote_id"]
    );
    world.run(&["update", "contacts", "--data", &change, "--json"]).exits(0).says("sync");
    let first = &contacts[0]["remote_id"];
    assert_eq!(value(&world, "Contact", first, "FirstName").await.as_deref(), Some("Unified"));
    assert_eq!(
        value(&world, "Contact", first, "AccountId").await.as_deref(),
        accounts[1]["remote_id"].as_str()
    );
    assert_eq!(
        value(&world, "Contact", &contacts[1]["remote_id"], "FirstName").await.as_deref(),
        Some("Remote")
    );

    let id = contacts[0]["id"].as_str().unwrap();
    world.run(&["delete", "contacts", id]).exits(0);
    let list = world.run(&["list", "contacts", "--format", "ndjson", "--limit", "5"]).exits(0).stdout;
    feed(&world, &["delete", "contacts", "--data", "-"], &list).exits(0).says("5 deleted");
    let unknown =
        world.run(&["delete", "contacts", "83eb1ab2-bce7-5ce4-99e8-fcfb7b5368de", "--json"]).exits(6);
    assert_eq!(rows(&unknown)[0]["errors"][0]["kind"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_finds_or_makes_the_record() {
    let world = World::small().await;
    let mut field = FieldSchema::new("ErpId__c", FieldType::String);
    (field.external_id, field.id_lookup, field.length) = (true, true, 40);
    world.emulator.org().add_field("Contact", field).await.unwrap();
    world.link().exits(0);
    let upsert =
        |key: &str, data: &str| world.run(&["upsert", "contacts", "--key", key, "--data", data, "--json"]);
    let made = rows(&upsert("ErpId__c=4711", r#"{"last_name": "Feig"}"#).exits(0));
    assert_eq!(made[0]["status"], "created");
    let many = r#"[{"ErpId__c": "4711", "first_name": "Gil"}, {"ErpId__c": 4712, "last_name": "Roe"}]"#;
    let many = rows(&upsert("ErpId__c", many).exits(0));
    assert_eq!((&many[0]["status"], &many[1]["status"]), (&json!("updated"), &json!("created")));
    assert_eq!(many[0]["remote_id"], made[0]["remote_id"]);
    assert_eq!(value(&world, "Contact", &many[1]["remote_id"], "ErpId__c").await.as_deref(), Some("4712"));
    upsert("ErpId__c", r#"{"last_name": "Keyless"}"#).exits(2).says("ErpId__c");
    upsert("ErpId__c=1", "{}{}").exits(2).says("one value");
    let no_key = rows(&upsert("LastName=Feig", r#"{"first_name": "x"}"#).exits(6));
    assert_eq!(no_key[0]["errors"][0]["pointer"], "/key/field");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_becomes_a_contact_an_account_and_a_deal() {
    let world = World::linked().await;
    let org = world.emulator.org();
    let mut leads = Vec::new();
    for name in ["One", "Two"] {
        leads.push(org.create("Lead", json!({"LastName": name, "Company": "K-LINK"})).await.unwrap());
    }
    let told = world.run(&["convert-lead", &leads[0], "--opportunity", "Deal", "--json"]).exits(0);
    let row = &rows(&told)[0];
    assert_eq!((&row["status"], &row["remote_id"]), (&json!("converted"), &json!(leads[0])));
    assert_eq!(value(&world, "Opportunity", &row["opportunity"], "Name").await.as_deref(), Some("Deal"));
    let data = json!({"remote_id": leads[1], "account": {"remote_id": row["account"]}}).to_string();
    let second = rows(&world.run(&["convert-lead", "--data", &data, "--json"]).exits(0));
    assert_eq!((&second[0]["account"], &second[0]["opportunity"]), (&row["account"], &Value::Null));
    let again = world.run(&["convert-lead", &leads[0], "--json"]).exits(6);
    assert_eq!(rows(&again)[0]["errors"][0]["kind"], "conflict");
    assert_eq!(rows(&again)[0]["candidates"][0]["remote_id"], row["contact"]);
    world.run(&["convert-lead"]).exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_names_who_is_there_and_may_be_allowed() {
    let world = World::linked().await;
    world.emulator.org().add_duplicate_rule(DuplicateRule::new("Contact", ["Email"]));
    let data = r#"{"last_name": "Feig", "email_addresses": [{"email_address": "hello@klink.cloud"}]}"#;
    let first = rows(&world.run(&["create", "contacts", "--data", data, "--json"]).exits(0));
    let second = rows(&world.run(&["create", "contacts", "--data", data, "--json"]).exits(6));
    assert_eq!(second[0]["errors"][0]["remote_code"], "DUPLICATES_DETECTED");
    assert_eq!(second[0]["candidates"][0]["remote_id"], first[0]["remote_id"]);
    assert_eq!(second[0]["candidates"][0]["id"], first[0]["id"]);
    world.run(&["create", "contacts", "--data", data, "--allow-duplicates"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_doubt_and_what_the_quota_stops_have_their_exit_codes() {
    let world = World::linked().await;
    let data = r#"{"last_name": "Feig"}"#;
    let faults = world.emulator.faults();
    // The first run describes the objects; the last composite call of every later one is the write.
    world.run(&["create", "contacts", "--data", data]).exits(0);
    world.emulator.log().clear();
    world.run(&["create", "contacts", "--data", data]).exits(0);
    let entries = world.emulator.log().entries();
    let calls = entries.iter().filter(|entry| entry.resource == Resource::Composite).count() as u64;
    faults.add(FaultRule::new(Resource::Composite, Fault::ConnectionClosed).after(calls - 1));
    let doubt = world.run(&["create", "contacts", "--data", data, "--json"]).exits(6).says("1 in doubt");
    let row = &rows(&doubt)[0];
    assert_eq!((&row["status"], &row["errors"][0]["kind"]), (&json!("in_doubt"), &json!("in_doubt")));
    faults.clear();
    faults.add(FaultRule::new(Resource::Composite, Fault::TotalRequests).forever());
    let stopped = world.run(&["create", "contacts", "--data", data]).exits(5);
    assert!(stopped.stderr.contains("no further row"), "{}", stopped.stderr);
    // Only a sync goes on where it was: the same write once more would make duplicates.
    let told = world.run(&["create", "contacts", "--data", data, "--json"]).exits(5).says("24 hours");
    assert!(rows(&told)[0]["errors"][0]["advice"].as_str().unwrap().contains("24 hours"), "{}", told.stdout);
    assert!(!format!("{stopped:?}{told:?}").contains("same command"), "{stopped:?} {told:?}");
    faults.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_written_and_count_also_when_nobody_reads_on() {
    let world = World::linked().await;
    let rest =
        format!("{}{}\n{}\n", alone(&json!({"last_name": "Two"})), json!({}), json!({"last_name": "Four"}));
    for form in [&["--json"][..], &[]] {
        let arguments = [&["create", "contacts", "--data", "-"], form].concat();
        let first = alone(&json!({"last_name": "One"}));
        feed_in_two(&world, &arguments, [&first, &rest], drop).exits(6).says("3 created, 1 failed");
    }
    let four = world.emulator.org().query("SELECT Id FROM Contact WHERE LastName = 'Four'").await.unwrap();
    assert_eq!(four.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_sent_says_what_was_sent_before() {
    let world = World::linked().await;
    let contacts = world.emulator.org().query("SELECT Id FROM Contact LIMIT 1").await.unwrap();
    let arguments = ["delete", "contacts", "--data", "-", "--json"];
    let first = alone(&json!({"remote_id": contacts[0]["Id"]}));
    let sent = "the rows before number 2 were sent (1 deleted), those from there on were not";
    let mistake = feed_in_two(&world, &arguments, [&first, "{}"], drop).exits(2);
    mistake.says("the record is not named").says("give an id").says(sent);

    // The store is asked for a unified id, and does not know the account any more.
    let unified = json!({"id": "83eb1ab2-bce7-5ce4-99e8-fcfb7b5368de"}).to_string();
    let unlink = |_| drop(world.run(&["unlink", "acme"]).exits(0));
    feed_in_two(&world, &arguments, [&first, &unified], unlink).exits(1).says(sent);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_full_says_what_was_sent() {
    let world = World::linked().await;
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = world.folder.command(&["create", "contacts", "--data", r#"{"last_name": "Feig"}"#]);
    run(command.stdout(full)).exits(1).says("the rows before number 2 were sent (1 created)");
}

/// The second example of the README: find, log, read back.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_logged_and_read_back() {
    let world = World::linked().await;
    let org = world.emulator.org();
    let contact =
        org.create("Contact", json!({"LastName": "Feig", "Phone": "(415) 555-0100"})).await.unwrap();
    let call = json!({
        "engagement_type": {"remote_id": "Task:Call"}, "subject": "Call", "direction": "INBOUND",
        "contacts": [{"remote_id": contact}],
    });
    let told = rows(&world.run(&["create", "engagements", "--data", &call.to_string(), "--json"]).exits(0));
    let id = told[0]["remote_id"].as_str().unwrap();
    assert_eq!(value(&world, "Task", &told[0]["remote_id"], "CallType").await.as_deref(), Some("Inbound"));
    let read = world.run(&["get", "engagements", id, "--live"]).exits(0).json();
    assert_eq!(
        (&read["subject"], &read["direction"], &read["id"]),
        (&json!("Call"), &json!("INBOUND"), &told[0]["id"])
    );
    // It is no task, under whichever verb.
    for arguments in [&["delete", "tasks", id][..], &["update", "tasks", id, "--data", r#"{"subject": "x"}"#]]
    {
        let refused = world.run(&[arguments, &["--json"]].concat()).exits(6);
        assert!(
            rows(&refused)[0]["errors"][0]["message"].as_str().unwrap().contains("engagement"),
            "{}",
            refused.stdout
        );
    }
    assert_eq!(value(&world, "Task", &told[0]["remote_id"], "Subject").await.as_deref(), Some("Call"));
}
