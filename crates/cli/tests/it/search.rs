//! `search`, at the remote and in the store.

use serde_json::{Value, json};
use unicrm_salesforce_emulator::{Fault, FaultRule, Resource};

use crate::support::{World, assert_narrow};

/// The remote ids of what a search prints as JSON, with their objects.
#[track_caller]
fn found(world: &World, arguments: &[&str]) -> Vec<(String, String)> {
    let run = world.run(&[&["search", "--json"], arguments].concat()).exits(0);
    let rows: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    rows.iter().map(|row| (text(&row["kind"]), text(&row["record"]["remote_id"]))).collect()
}

async fn people() -> (World, [(String, String); 3]) {
    let world = World::linked().await;
    let org = world.emulator.org();
    let contact = json!({ "FirstName": "Ada", "LastName": "Quillfeather", "Email": "Ada@Engines.example", "MobilePhone": "415.555.0142" });
    let lead = json!({ "LastName": "Quillson", "Company": "Engines", "Phone": "+1 (415) 555-0142 x7" });
    let account = json!({ "Name": "Quill & Sons", "Phone": "4155550143" });
    let contact = org.create("Contact", contact).await.unwrap();
    let lead = org.create("Lead", lead).await.unwrap();
    let account = org.create("Account", account).await.unwrap();
    (
        world,
        [("contact", contact), ("lead", lead), ("account", account)].map(|(kind, id)| (kind.to_owned(), id)),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_found_here_and_there_by_number_address_and_name() {
    let (world, [ada, lead, account]) = people().await;
    world.run(&["search", "--phone", "4155550142", "--local"]).exits(0).says("nothing has been synced yet");
    world.run(&["sync"]).exits(0);
    let both = [ada.clone(), lead.clone()];
    for place in [&[][..], &["--local"]] {
        let search = |arguments: &[&str]| found(&world, &[arguments, place].concat());
        for number in ["+1 (415) 555-0142", "4155550142", "(415) 555-0142 x12"] {
            assert_eq!(search(&["--phone", number]), both, "{number} {place:?}");
        }
        assert_eq!(search(&["--phone", "415-555-0143", "-a", "acme"]), std::slice::from_ref(&account));
        assert_eq!(search(&["--email", "ada@ENGINES.example"]), std::slice::from_ref(&ada));
        assert_eq!(search(&["--text", "quill"]), [ada.clone(), lead.clone(), account.clone()]);
        assert_eq!(
            search(&["--text", "quill", "--object", "leads", "--object", "account"]),
            [lead.clone(), account.clone()]
        );
        assert_eq!(search(&["--text", "quill", "--limit", "1"]).len(), 1);

        let table = world.run(&[&["search", "--text", "Quillfeather"], place].concat()).exits(0);
        assert_narrow(&table.stdout);
        for cell in ["contact", &ada.1, "Ada Quillfeather"] {
            assert!(table.stdout.contains(cell), "{cell}: {}", table.stdout);
        }
        let nobody = world.run(&[&["search", "--phone", "415 555 0199"], place].concat()).exits(0);
        assert!(nobody.stdout.is_empty());
        nobody.says("was found");
        assert_eq!(search(&["--phone", "415 555 0199"]), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_for_is_wrong_usage() {
    let world = World::linked().await;
    world.run(&["search"]).exits(2);
    world.run(&["search", "--phone", "1", "--text", "x"]).exits(2);
    world.run(&["search", "--text", "ada", "--limit", "0"]).exits(2);
    for place in [&[][..], &["--local"]] {
        let run = |arguments: &[&str]| world.run(&[&["search"], arguments, place].concat()).exits(2);
        run(&["--phone", "Bob"]).says("three digits");
        run(&["--email", "bob"]).says("ada@example.com");
        run(&["--text", "a"]).says("2 letters");
    }
    world.run(&["search", "--text", "ada", "--object", "stages"]).exits(1).says("not supported");
    world.run(&["search", "--text", "ada", "-a", "nobody"]).exits(2).says("acme");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_refused_has_the_exit_code_of_its_reason() {
    let world = World::linked().await;
    world.emulator.faults().add(FaultRule::new(Resource::Search, Fault::TotalRequests).forever());
    world.run(&["search", "--text", "ada"]).exits(5);
    world.emulator.faults().clear();
    for object in ["Contact", "Lead", "Account"] {
        world.emulator.org().hide_object(object);
    }
    world.run(&["search", "--text", "ada"]).exits(3);
}
