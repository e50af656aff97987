//! Wrong usage ends with 2 and says what would be right; help has an example.

use crate::support::{Folder, assert_narrow, run};

const COMMANDS: [&str; 22] = [
    "demo",
    "providers",
    "link",
    "linked-accounts",
    "unlink",
    "rotate-key",
    "check",
    "sync",
    "list",
    "get",
    "export",
    "map",
    "custom-objects",
    "create",
    "update",
    "upsert",
    "delete",
    "convert-lead",
    "search",
    "schema",
    "request",
    "emulator",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_has_help_with_an_example() {
    let folder = Folder::new();
    let overview = folder.run(&["--help"]).exits(0).stdout;
    for command in COMMANDS {
        assert!(overview.contains(&format!("\n  {command} ")), "{command} is not in the overview");
        let help = folder.run(&[command, "--help"]).exits(0).stdout;
        assert!(help.contains("Example") && help.contains(&format!("\n  unicrm {command}")), "{help}");
        assert!(help.contains("--json"), "{help}");
    }
    let listed = overview.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    assert_eq!(listed.count(), COMMANDS.len() + 1, "and `help`, and nothing that does not exist");
    folder.run(&["--version"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_ends_with_2_and_says_what_would() {
    let folder = Folder::new();
    let link = |more: &[&'static str]| {
        let url = "https://acme.my.salesforce.com";
        let fixed = ["link", "salesforce", "--name", "x", "--client-id", "3MVG9", "--login-url", url];
        [&fixed[..], more].concat()
    };
    for (arguments, says) in [
        (vec!["frobnicate"], "frobnicate"),
        (vec![], "Usage"),
        (vec!["list", "cats"], "contacts"),
        (vec!["sync", "--object", "cats"], "engagement-types"),
        (vec!["list", "contacts", "--where", "name"], "FIELD=VALUE"),
        (vec!["list", "contacts", "--where", "frist_name=Gil"], "first_name"),
        (vec!["list", "contacts"], "unicrm link"),
        (vec!["list", "contacts", "--json"], "unicrm link"),
        (vec!["get", "contacts", "003Hs00004Xkq2aIAB"], "unicrm link"),
        (vec!["export", "--out", "backup"], "unicrm link"),
        (vec!["list", "contacts", "--json", "--format", "csv"], "--format"),
        (vec!["sync"], "unicrm link"),
        (vec!["check", "nobody"], "nobody"),
        (vec!["sync", "a", "-a", "b"], "cannot be used"),
        (vec!["unlink"], "name the linked account"),
        (vec!["request", "GET"], "2"),
        (vec!["request", "FETCH", "/x"], "FETCH"),
        (vec!["list", "contacts", "--db", "mysql://root:hunter2@db/x"], "sqlite:FILE"),
        (vec!["emulator", "salesforce", "--listen", "0.0.0.0:0"], "loopback"),
        (vec!["emulator", "salesforce", "--contacts", "5", "--data", "x"], "--data"),
        (vec!["demo", "--contacts", "1"], "10"),
        (vec!["link", "hubspot", "--name", "x", "--flow", "y"], "salesforce"),
        (link(&["--flow", "password"]), "client-credentials"),
        (link(&["--flow", "client-credentials", "--client-secret", "x"]), "--client-secret"),
        (link(&["--flow", "client-credentials", "--refresh-token-file", "x"]), "--refresh-token-file"),
        (link(&["--flow", "client-credentials", "--client-secret-file", "nosuch"]), "nosuch"),
        (link(&["--flow", "client-credentials", "--config", "[]"]), "JSON object"),
        (link(&["--flow", "client-credentials", "--config", "{\"flow\": \"x\"}"]), "given twice"),
        (
            vec!["link", "salesforce", "--name", "x", "--flow", "client-credentials", "--client-id", "y"],
            "My Domain",
        ),
        (vec!["link", "salesforce", "--name", "x", "--flow", "refresh-token"], "--client-id"),
    ] {
        let run = folder.run(&arguments).exits(2).says(says);
        assert!(run.stdout.is_empty(), "{arguments:?} prints data: {}", run.stdout);
        assert!(!run.stderr.contains("hunter2"), "a password of a URL is repeated: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_url_that_cannot_be_trusted_or_cannot_work_ends_with_2() {
    let folder = Folder::new();
    let link = |url: &str, secret: Option<&str>| {
        let fixed =
            ["link", "salesforce", "--name", "x", "--client-id", "3MVG9", "--flow", "client-credentials"];
        let mut command = folder.command(&[&fixed[..], &["--login-url", url]].concat());
        run(command.envs(secret.map(|secret| ("UNICRM_CLIENT_SECRET", secret))))
    };
    link("http://acme.my.salesforce.com", Some("s")).exits(2).says("https");
    link("acme", Some("s")).exits(2).says("login_url");
    link("https://login.salesforce.com", Some("s")).exits(2).says("My Domain");
    // Not from a terminal, so nobody can be asked.
    link("https://acme.my.salesforce.com", None)
        .exits(2)
        .says("UNICRM_CLIENT_SECRET")
        .says("--client-secret-file");
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_are_listed_with_what_they_can_do() {
    let folder = Folder::new();
    assert_narrow(&folder.run(&["providers"]).exits(0).stdout);
    let providers = folder.run(&["providers", "--json"]).exits(0).json();
    let salesforce = &providers[0];
    assert_eq!(salesforce["slug"], "salesforce");
    let objects = salesforce["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 10);
    assert!(objects.iter().all(|object| object["capabilities"].to_string().contains("\"read\"")));
    let flows: Vec<_> = salesforce["auth_flows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flow| flow["name"].as_str().unwrap())
        .collect();
    assert!(flows.contains(&"client-credentials") && flows.contains(&"refresh-token"), "{flows:?}");
}
