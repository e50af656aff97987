//! Linking, checking and unlinking.

use std::fs::File;
use std::path::Path;

use unicrm_salesforce_emulator::{Emulator, Fault, FaultRule, ObjectAccess, Resource};

use crate::support::{CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, World, assert_narrow, run};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_linked_listed_checked_and_unlinked() {
    let world = World::small().await;
    assert_eq!(world.run(&["linked-accounts", "--json"]).exits(0).json(), serde_json::json!([]));
    world.link().exits(0);
    let accounts = world.run(&["linked-accounts", "--json"]).exits(0).json();
    let account = &accounts[0];
    let keys: Vec<_> = account.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "last_sync", "name", "provider", "status"]);
    assert_eq!((&account["name"], &account["provider"]), (&"acme".into(), &"salesforce".into()));
    assert_eq!((&account["status"], &account["last_sync"]), (&"active".into(), &serde_json::Value::Null));
    assert_narrow(&world.run(&["linked-accounts"]).exits(0).stdout);

    let check = world.run(&["check", "acme", "--json"]).exits(0).json();
    assert_eq!(check["identity"]["username"], world.emulator.username());
    assert_eq!(check["full_administrator"], true);
    assert_eq!(check["objects"].as_object().unwrap().len(), 10);
    assert_eq!(check["objects"]["engagement-types"]["readable"], true);
    assert!(check["quota"]["limit"].as_u64().unwrap() > 0);
    assert_eq!(check["missing"], serde_json::json!([]));
    // The only account need not be named.
    assert!(world.run(&["check"]).exits(0).stdout.contains("Nothing is missing"));

    world.run(&["unlink", "acme"]).exits(0);
    world.run(&["check", "acme"]).exits(2).says("acme");
}

#[tokio::test(flavor = "multi_thread")]
async fn linking_again_keeps_the_id_and_the_records() {
    let world = World::linked().await;
    world.run(&["sync", "acme", "--object", "contacts"]).exits(0);
    let before = world.run(&["linked-accounts", "--json"]).json();
    let contacts = world.run(&["list", "contacts", "--json"]).json();
    let file = world.folder.path("token");
    std::fs::write(&file, format!("{REFRESH_TOKEN}\n")).unwrap();
    let secret = world.folder.path("secret");
    std::fs::write(&secret, CLIENT_SECRET).unwrap();
    let (file, secret) = (file.to_str().unwrap(), secret.to_str().unwrap());
    world
        .link_with("refresh-token", &["--refresh-token-file", file, "--client-secret-file", secret], &[])
        .exits(0);
    assert_eq!(world.run(&["linked-accounts", "--json"]).json()[0]["id"], before[0]["id"]);
    assert_eq!(world.run(&["list", "contacts", "--json"]).json(), contacts);
    world.run(&["sync", "acme", "--object", "contacts"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_from_standard_input_is_bounded_and_named_so() {
    let world = World::small().await;
    let url = world.emulator.url();
    let arguments = ["link", "salesforce", "--name", "acme", "--flow", "client-credentials", "--login-url"];
    let arguments = [&arguments[..], &[&url, "--client-id", CLIENT_ID, "--client-secret-file", "-"]].concat();
    let file = world.folder.path("secret");
    let given = |secret: &[u8]| {
        std::fs::write(&file, secret).unwrap();
        run(world.folder.command(&arguments).stdin(File::open(&file).unwrap()))
    };
    given(&[b'x'; (64 << 10) + 1]).exits(2).says("standard input is longer than 64 kilobytes");
    given(b"\n").exits(2).says("there is no secret in standard input");
    given(b"\xff").exits(2).says("standard input is not UTF-8");
    given(CLIENT_SECRET.as_bytes()).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_end_with_4_and_nothing_is_kept() {
    let world = World::small().await;
    let refused =
        world.link_with("client-credentials", &[], &[("UNICRM_CLIENT_SECRET", "wr0ng-s3cret")]).exits(4);
    assert!(!refused.stderr.contains("wr0ng-s3cret"), "{}", refused.stderr);
    world.link_with("refresh-token", &[], &[("UNICRM_REFRESH_TOKEN", "wr0ng")]).exits(4);
    assert_eq!(world.run(&["linked-accounts", "--json"]).json(), serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_credentials_cannot_be_kept_aside_is_not_linked_again() {
    let world = World::linked().await;
    // A key, but not the one that the credentials are sealed with.
    let other = format!("{}=", "A".repeat(43));
    let environment = [("UNICRM_CLIENT_SECRET", "wr0ng-s3cret"), ("UNICRM_KEY", &other)];
    world.link_with("client-credentials", &[], &environment).exits(2).says("master key");
    world.run(&["check"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_refused_later_are_noted_on_the_account() {
    let world = World::small().await;
    let secrets = [("UNICRM_REFRESH_TOKEN", REFRESH_TOKEN), ("UNICRM_CLIENT_SECRET", CLIENT_SECRET)];
    world.link_with("refresh-token", &[], &secrets).exits(0);
    world.run(&["sync"]).exits(0);
    world.emulator.org().revoke_access();
    world.run(&["sync"]).exits(4).says("link");
    assert_eq!(world.run(&["linked-accounts", "--json"]).json()[0]["status"], "relink_needed");
    world.run(&["check"]).exits(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_is_not_there_or_is_no_salesforce_ends_with_1() {
    let world = World::small().await;
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let patience = r#"{"limits": {"attempts": 1}, "timeouts": {"retry": 1}}"#;
    let fixed =
        ["link", "salesforce", "--name", "x", "--flow", "client-credentials", "--client-id", CLIENT_ID];
    let arguments = [&fixed[..], &["--login-url", &url, "--config", patience]].concat();
    run(world.folder.command(&arguments).env("UNICRM_CLIENT_SECRET", CLIENT_SECRET)).exits(1);

    world.emulator.faults().add(FaultRule::new(Resource::Token, Fault::LoginPage).forever());
    world.link().exits(1);
    world.emulator.faults().clear();
    world.emulator.faults().add(FaultRule::new(Resource::Versions, Fault::MaintenancePage).forever());
    world.link().exits(1);
    world.emulator.faults().clear();
    world.link().exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_with_the_way_to_get_it_and_ends_with_3() {
    let world = World::linked().await;
    world.emulator.org().hide_object("Lead");
    let check = world.run(&["check", "--json"]).exits(3).json();
    assert_eq!(check["objects"]["leads"]["readable"], false);
    let missing = check["missing"].as_array().unwrap();
    let lead = missing.iter().find(|missing| missing["what"].to_string().contains("Lead")).unwrap();
    assert_eq!(lead["required"], true);
    assert!(!lead["how"].as_str().unwrap().is_empty());
    assert!(world.run(&["check"]).exits(3).stdout.contains("Missing:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_hidden_is_named_and_the_rest_goes_on() {
    let world = World::linked().await;
    world.emulator.org().hide_field("Contact", "MobilePhone");
    let check = world.run(&["check", "--json"]).exits(0).json();
    assert!(check["missing"].to_string().contains("MobilePhone"), "{}", check["missing"]);
    assert_eq!(check["objects"]["contacts"]["readable"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_read_nothing_ends_with_3() {
    let world = World::linked().await;
    let mut visibility = world.emulator.org().visibility();
    visibility.default_object = ObjectAccess::NONE;
    world.emulator.org().set_visibility(visibility);
    world.run(&["check"]).exits(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_at_any_verbosity_or_kept_in_the_clear() {
    let world = World::linked().await;
    // Every run is searched for secrets; these are the most talkative ones.
    for arguments in [
        &["check", "-vvv"][..],
        &["sync", "-vvv", "--full"],
        &["linked-accounts", "--json", "-vv"],
        &["request", "acme", "GET", "/services/data/v66.0/limits", "-vvv"],
    ] {
        world.run(arguments).exits(0);
        let mut command = world.folder.command(arguments);
        run(command.env("RUST_LOG", "trace")).exits(0);
    }
    world.emulator.org().revoke_sessions();
    world.run(&["check", "-vvv"]).exits(0);
    let refused = [("UNICRM_CLIENT_SECRET", REFRESH_TOKEN)];
    world.link_with("client-credentials", &["-vvv"], &refused).exits(4);
    for file in std::fs::read_dir(world.folder.path("")).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            let bytes = std::fs::read(&file).unwrap();
            let found = bytes.windows(CLIENT_SECRET.len()).any(|window| window == CLIENT_SECRET.as_bytes());
            assert!(!found, "the secret is in {}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_my_domain_is_reached_over_tls_through_a_proxy() {
    let world = World::of(Emulator::builder().contacts(40).tls()).await;
    let authority = world.folder.path("authority.pem");
    world.emulator.write_ca(&authority).unwrap();
    let proxy = world.emulator.proxy_url().unwrap();
    let through = |arguments: &[&str], authority: &Path| {
        let mut command = world.folder.command(arguments);
        run(command
            .envs([("HTTPS_PROXY", proxy.as_str()), ("UNICRM_CLIENT_SECRET", CLIENT_SECRET)])
            .env("SSL_CERT_FILE", authority))
    };
    let login = "https://acme.my.salesforce.com";
    let patience = r#"{"limits": {"attempts": 2}, "timeouts": {"retry": 2}}"#;
    let link = ["link", "salesforce", "--name", "acme", "--flow", "client-credentials", "--login-url", login];
    let link = [&link[..], &["--client-id", CLIENT_ID, "--config", patience]].concat();

    // The system does not know who vouches for the other side: no secret is sent.
    let stranger = World::of(Emulator::builder().tls()).await;
    let other = world.folder.path("other.pem");
    stranger.emulator.write_ca(&other).unwrap();
    through(&link, &other).exits(1).says("certificate");
    assert!(world.emulator.log().entries().is_empty());

    through(&link, &authority).exits(0);
    let summary = through(&["sync", "acme", "--json"], &authority).exits(0).json();
    assert_eq!(summary["objects"]["contacts"]["status"], "complete", "{summary}");
}
