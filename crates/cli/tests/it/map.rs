//! `map`, `schema --json-schema` and `custom-objects`, as people and scripts use them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use unicrm_salesforce_emulator::{
    Fault, FaultRule, FieldSchema, FieldType, ObjectSchema, PicklistValue, Resource,
};

use crate::support::{World, assert_narrow};

/// A synced org whose contacts have three custom fields; every third contact has a tier.
async fn world() -> World {
    let world = World::small().await;
    let org = world.emulator.org();
    let mut tier = FieldSchema::new("Tier__c", FieldType::Picklist);
    tier.picklist = ["gold", "silver"].map(PicklistValue::new).into();
    let mut tags = FieldSchema::new("Tags__c", FieldType::MultiPicklist);
    tags.picklist = ["a", "b", "c"].map(PicklistValue::new).into();
    for field in [tier, tags, FieldSchema::new("Score__c", FieldType::Double)] {
        org.add_field("Contact", field).await.unwrap();
    }
    for (i, (id, _)) in org.table("Contact", &["Name"]).await.unwrap().into_iter().enumerate() {
        if i % 3 == 0 {
            let fields = json!({"Tier__c": "gold", "Tags__c": "a;c", "Score__c": 12.5});
            // Deleted ones cannot be changed.
            let _refused = org.update("Contact", &id, fields).await;
        }
    }
    world.link().exits(0);
    world.run(&["sync"]).exits(0);
    world
}

/// Contacts by remote id.
fn contacts(world: &World) -> BTreeMap<String, Value> {
    let all = world.run(&["list", "contacts", "--json", "--include-deleted"]).exits(0).json();
    let all = all.as_array().unwrap().iter();
    all.map(|contact| (contact["remote_id"].as_str().unwrap().to_owned(), contact.clone())).collect()
}

fn target<'v>(contact: &'v Value, name: &str) -> &'v Value {
    &contact["field_mappings"]["linked_account_defined_targets"][name]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_shows_in_every_record_without_reading_again() {
    let world = world().await;
    let before = contacts(&world);
    let gold =
        world.emulator.org().query("SELECT Id FROM Contact WHERE Tier__c = 'gold'").await.unwrap().len()
            as u64;
    assert!(gold > 5);

    let preview = world.run(&["map", "preview", "contacts", "Tier__c", "--json"]).exits(0).json();
    assert_eq!((&preview["type"], preview["filled"].as_u64()), (&json!("text"), Some(gold)));
    assert_eq!(preview["samples"][0]["value"], "gold");
    assert_narrow(&world.run(&["map", "preview", "contacts", "Score__c"]).exits(0).stdout);
    assert_eq!(contacts(&world), before, "a preview changes nothing");

    world.emulator.log().clear();
    let set = world.run(&["map", "set", "contacts", "tier", "Tier__c", "--json"]).exits(0).json();
    assert_eq!((&set["type"], set["records"].as_u64()), (&json!("text"), Some(before.len() as u64)));
    world.run(&["map", "set", "contacts", "tags", "Tags__c"]).exits(0);
    world.run(&["map", "set", "contacts", "score", "Score__c", "-a", "acme"]).exits(0);
    let asked = world.emulator.log().entries();
    assert!(
        asked.iter().all(|entry| !entry.path.contains("/query") && !entry.path.contains("/jobs")),
        "no record is read again: {asked:?}"
    );
    let mapped = contacts(&world);
    let rich = mapped.values().find(|contact| target(contact, "tier") == "gold").unwrap();
    assert_eq!(target(rich, "tags"), &json!(["a", "c"]));
    assert_eq!(target(rich, "score").as_f64(), Some(12.5));
    assert!(mapped.values().all(|contact| contact["field_mappings"].is_object()));

    // The next sync finds nothing to change, a whole one neither; and what is live is mapped too.
    for arguments in [&["sync", "--json"][..], &["sync", "--full", "--json"]] {
        let sync = world.run(arguments).exits(0).json();
        assert_eq!(sync["objects"]["contacts"]["updated"], 0, "{sync}");
    }
    let id = rich["remote_id"].as_str().unwrap();
    let live = world.run(&["get", "contacts", id, "--live"]).exits(0).json();
    assert_eq!(target(&live, "tier"), "gold");

    let listed = world.run(&["map", "list", "--json"]).exits(0).json();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|mapping| mapping["name"].clone()).collect();
    assert_eq!(names, ["score", "tags", "tier"]);
    assert_narrow(&world.run(&["map", "list"]).exits(0).stdout);

    world.emulator.log().clear();
    for name in ["tier", "tags", "score"] {
        world.run(&["map", "remove", "contacts", name]).exits(0);
    }
    assert_eq!(world.emulator.log().entries().len(), 0, "taking a mapping away asks nobody");
    let bare = contacts(&world);
    for (id, contact) in &bare {
        assert!(contact.get("field_mappings").is_none(), "{contact}");
        assert_eq!(contact["last_name"], before[id]["last_name"]);
    }
    world.run(&["map", "apply"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_field_is_written_by_its_name() {
    let world = world().await;
    world.run(&["map", "set", "contacts", "tier", "Tier__c"]).exits(0);
    world.run(&["map", "set", "contacts", "tags", "Tags__c"]).exits(0);
    let data = r#"{"last_name": "Mapped", "field_mappings":
        {"linked_account_defined_targets": {"tier": "silver", "tags": ["b", "c"]}}}"#;
    let made = world.run(&["create", "contacts", "--json", "--data", data]).exits(0).json();
    let id = made["remote_id"].as_str().unwrap();
    let query = format!("SELECT Tier__c, Tags__c FROM Contact WHERE Id = '{id}'");
    let row = &world.emulator.org().query(&query).await.unwrap()[0];
    assert_eq!((&row["Tier__c"], &row["Tags__c"]), (&json!("silver"), &json!("b;c")));
    for (targets, pointer) in [(r#"{"teir": "x"}"#, "teir"), (r#"{"tags": "b"}"#, "tags")] {
        let data = format!(r#"{{"field_mappings": {{"linked_account_defined_targets": {targets}}}}}"#);
        let refused = world.run(&["update", "contacts", id, "--json", "--data", &data]);
        assert_ne!(refused.code, 0);
        assert!(refused.stdout.contains(&format!("linked_account_defined_targets/{pointer}")), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_cannot_be_is_wrong_usage() {
    let world = World::linked().await;
    world.run(&["map", "set", "contacts", "last_name", "Title"]).exits(2).says("of its own");
    world.run(&["map", "set", "contacts", "Tier", "Title"]).exits(2).says("snake_case");
    world.run(&["map", "set", "contacts", "tier", "NoSuch__c"]).exits(2).says("unicrm schema contacts");
    world.run(&["map", "set", "contacts", "title", "title"]).exits(2).says("do you mean Title?");
    world
        .run(&["map", "set", "contacts", "rank", "Title", "--type", "number"])
        .exits(2)
        .says("map it as text");
    world.run(&["map", "set", "contacts", "rank", "Title", "--type", "money"]).exits(2).says("timestamp");
    world.run(&["map", "remove", "contacts", "tier"]).exits(2).says("unicrm map list");
    world.run(&["map", "preview", "contacts", "Title"]).exits(1).says("unicrm sync");
    world.run(&["map", "list"]).exits(0).says("no remote field is mapped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_schema_knows_the_mapped_fields() {
    let world = world().await;
    world.run(&["map", "set", "contacts", "tags", "Tags__c"]).exits(0);
    let schema = world.run(&["schema", "contacts", "--json-schema", "create"]).exits(0).json();
    assert_eq!(schema["required"], json!(["last_name"]));
    let document = schema.to_string();
    assert!(
        document.contains("Contact.Tier__c") && document.contains(r#""tags":{"anyOf":[{"items""#),
        "{document}"
    );
    let update = world.run(&["schema", "contacts", "--json-schema", "update"]).exits(0).json();
    assert!(update.get("required").is_none());
    world.run(&["schema", "contacts", "--json-schema", "delete"]).exits(2).says("create or update");
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_objects_are_read_and_written_live() {
    let world = World::linked().await;
    let org = world.emulator.org();
    let mut invoice = ObjectSchema::custom("Invoice__c");
    let mut erp = FieldSchema::new("Erp__c", FieldType::String);
    (erp.external_id, erp.id_lookup) = (true, true);
    let customer =
        FieldSchema::new("Customer__c", FieldType::Reference).to(&["Account"], Some("Customer__r"));
    invoice.fields.extend([erp, customer, FieldSchema::new("Total__c", FieldType::Currency)]);
    org.add_object(invoice).await.unwrap();
    let account = org.create("Account", json!({"Name": "K-LINK"})).await.unwrap();

    let classes = world.run(&["custom-objects", "classes", "--json"]).exits(0).json();
    assert_eq!(classes[0]["remote_id"], "Invoice__c");
    let class = world.run(&["custom-objects", "describe", "Invoice__c", "--json"]).exits(0).json();
    let types = class["association_types"].as_array().unwrap();
    let customer = types.iter().find(|ty| ty["remote_key_name"] == "Customer__c").unwrap();
    assert_eq!(customer["target_object_classes"][0]["origin_type"], "COMMON_MODEL");
    for words in [&["classes"][..], &["describe", "Invoice__c"], &["list", "Invoice__c"]] {
        assert_narrow(&world.run(&[&["custom-objects"], words].concat()).exits(0).stdout);
    }

    let run = |words: &[&str]| world.run(&[&["custom-objects"], words, &["--json"]].concat());
    let data = r#"{"Name": "R-1", "Total__c": 12345678901234.57}"#;
    let made = run(&["create", "Invoice__c", "--data", data]).exits(0).json();
    assert_eq!(made["status"], "created");
    let id = made["remote_id"].as_str().unwrap();
    run(&["associate", "Invoice__c", id, "Customer__c", &account]).exits(0);
    let read = world.run(&["custom-objects", "get", "Invoice__c", id]).exits(0);
    assert!(read.stdout.contains("12345678901234.57"), "{}", read.stdout);
    let ties = read.json()["associations"].clone();
    let tie = ties.as_array().unwrap().iter().find(|tie| tie["remote_key_name"] == "Customer__c").unwrap();
    assert_eq!((&tie["target_remote_id"], &tie["target_object_class"]), (&json!(account), &json!("Account")));
    run(&["associate", "Invoice__c", id, "Customer__c"]).exits(0);
    let row = org.get("Invoice__c", id).await.unwrap().unwrap();
    assert_eq!(row.text("Customer__c"), None);

    let upsert = |name: &str| {
        let data = format!(r#"{{"Name": "{name}"}}"#);
        run(&["upsert", "Invoice__c", "--key", "Erp__c=4711", "--data", &data]).exits(0).json()
    };
    let (first, second) = (upsert("R-2"), upsert("R-3"));
    assert_eq!((&first["status"], &second["status"]), (&json!("created"), &json!("updated")));
    assert_eq!(first["remote_id"], second["remote_id"]);
    assert_eq!(run(&["list", "Invoice__c"]).exits(0).json().as_array().unwrap().len(), 2);
    // The first of two has lost its id.
    let garbled = Fault::GarbledValue { field: "Id".to_owned(), record: None, text: String::new() };
    world.emulator.faults().add(FaultRule::new(Resource::Query, garbled).on_object("Invoice__c").forever());
    let listed =
        run(&["list", "Invoice__c"]).exits(6).says("not understood: a record came without an id").json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    for (form, lines) in [(&["--ndjson"][..], 1), (&[], 2)] {
        let listed = world.run(&[&["custom-objects", "list", "Invoice__c"], form].concat()).exits(6);
        assert_eq!(listed.stdout.lines().count(), lines, "{}", listed.stdout);
    }
    world.emulator.faults().clear();
    assert_eq!(run(&["update", "Invoice__c", id, "--data", "{}"]).exits(0).json()["status"], "unchanged");
    for _ in 0..2 {
        assert_eq!(run(&["delete", "Invoice__c", id]).exits(0).json()["status"], "deleted");
    }
    run(&["get", "Invoice__c", id]).exits(1).says("that this user sees");
    run(&["create", "Invoice__c", "--data", r#"{"Nmae": "x"}"#]).exits(1).says("/fields/Nmae");
    run(&["list", "Nothing__c"]).exits(1).says("custom-objects classes");
    run(&["create", "Invoice__c", "--data", "[]"]).exits(2).says("JSON object");
}
