//! Linking by every flow, with the test in the person's place, and what comes after: unlinking, other keys.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use unicrm_salesforce_emulator::{Emulator, Fault, FaultRule, Resource};

use crate::support::{CLIENT_ID, CLIENT_SECRET, Folder, REFRESH_TOKEN, Run, World, run};

/// A key for tests alone.
pub(crate) const PRIVATE_KEY: &str = include_str!("../../../http/tests/data/test-only-pkcs8.pem");
pub(crate) const PUBLIC_KEY: &str = include_str!("../../../../plugins/salesforce/tests/test-only-public.pem");

/// A run that waits for a person.
struct Waiting {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: String,
}

impl Waiting {
    fn start(world: &World, flow: &str, more: &[&str]) -> Self {
        let url = world.emulator.url();
        let fixed = ["link", "salesforce", "--name", "acme", "--flow", flow, "--login-url", &url];
        let all = [&fixed[..], &["--client-id", CLIENT_ID], more].concat();
        let mut command = world.folder.command(&all);
        let command = command.env("UNICRM_CLIENT_SECRET", CLIENT_SECRET);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, seen: String::new() }
    }

    /// The next line that starts so, without what is before it.
    fn line(&mut self, start: &str) -> String {
        loop {
            let line = tokio::task::block_in_place(|| self.lines.recv_timeout(Duration::from_secs(60)));
            let line = line.unwrap_or_else(|_| panic!("no line starts with {start:?}: {}", self.seen));
            self.seen.push_str(&line);
            self.seen.push('\n');
            if let Some(rest) = line.trim().strip_prefix(start) {
                return format!("{start}{rest}");
            }
        }
    }

    fn ends(mut self) -> Run {
        tokio::task::block_in_place(|| {
            let mut stdout = String::new();
            self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
            let status = self.child.wait().unwrap();
            for line in self.lines.iter() {
                self.seen.push_str(&line);
                self.seen.push('\n');
            }
            for secret in [CLIENT_SECRET, "5Aep861", "code=", "pl4nted"] {
                assert!(!stdout.contains(secret) && !self.seen.contains(secret), "{secret}: {}", self.seen);
            }
            Run { code: status.code().unwrap(), stdout, stderr: self.seen }
        })
    }
}

/// What a browser gets that follows no redirect: its status and the whole answer.
fn get(url: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url}"));
    let (host, path) = rest.split_once('/').unwrap();
    tokio::task::block_in_place(|| {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
    })
}

/// Where a page sends the browser.
fn follow(url: &str) -> String {
    let (status, text) = get(url);
    assert_eq!(status, 302, "{text}");
    let mut headers = text.lines().filter_map(|line| line.split_once(": "));
    headers.find(|(name, _)| name.eq_ignore_ascii_case("location")).unwrap().1.trim().to_owned()
}

/// The account works now and after its session has ended, in one process after the other.
fn lasts(world: &World) {
    for _ in 0..2 {
        world.run(&["sync", "acme", "--object", "users"]).exits(0);
        world.emulator.org().revoke_sessions();
    }
    world.run(&["check", "acme"]).exits(0);
}

async fn rotating() -> World {
    World::of(Emulator::builder().contacts(20).rotate_refresh_tokens()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_links_an_account() {
    let world = rotating().await;
    let mut waiting = Waiting::start(&world, "web", &["--callback-port", "0", "--json"]);
    let page = waiting.line("http://");
    let redirect = follow(&page);
    assert!(
        redirect.starts_with("http://localhost:") && redirect.contains("/OauthRedirect?code="),
        "{redirect}"
    );
    // What else calls here changes nothing.
    let place = redirect.split_once("/OauthRedirect").unwrap().0.replace("localhost", "127.0.0.1");
    assert_eq!(get(&format!("{place}/favicon.ico")).0, 404);
    let (status, text) = get(&format!("{place}/OauthRedirect?code=stolen&state=guessed"));
    assert!(status == 200 && text.contains("Not signed in"), "{text}");
    waiting.line("note:");

    let (status, text) = get(&redirect.replace("localhost", "127.0.0.1"));
    assert!(status == 200 && text.contains("Signed in") && text.contains("no-store"), "{text}");
    let linked = waiting.ends().exits(0).json();
    assert_eq!(linked["username"], world.emulator.username());
    lasts(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_says_no_or_nothing_links_nothing() {
    let world = rotating().await;
    let mut waiting = Waiting::start(&world, "web", &["--callback-port", "0"]);
    let denied = follow(&format!("{}&decision=deny", waiting.line("http://")));
    let (_, text) = get(&denied.replace("localhost", "127.0.0.1"));
    assert!(text.contains("Not signed in"), "{text}");
    waiting.ends().exits(4).says("allow it");
    Waiting::start(&world, "web", &["--callback-port", "0", "--wait", "1"]).ends().exits(4).says("--wait");
    Waiting::start(&world, "device", &["--wait", "1"]).ends().exits(4).says("--wait");
    assert_eq!(world.run(&["linked-accounts", "--json"]).json(), serde_json::json!([]));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    Waiting::start(&world, "web", &["--callback-port", &port]).ends().exits(2).says("--callback-port");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_on_another_device_links_an_account() {
    let world = rotating().await;
    let mut waiting = Waiting::start(&world, "device", &[]);
    let page = waiting.line("http://");
    waiting.line("and enter this code");
    waiting.line("");
    let code = waiting.line("");
    let (status, text) = get(&format!("{page}?user_code={code}"));
    assert_eq!(status, 200, "{code}: {text}");
    waiting.ends().exits(0);
    lasts(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_links_an_account() {
    let world = World::of(Emulator::builder().contacts(20).jwt_public_key(PUBLIC_KEY)).await;
    let user = world.emulator.username().to_owned();
    let key = world.folder.path("server.key");
    std::fs::write(&key, PRIVATE_KEY).unwrap();
    let key = key.to_str().unwrap();
    world.link_with("jwt", &["--key-file", key], &[]).exits(2).says("--username");
    world
        .link_with("jwt", &["--username", &user], &[])
        .exits(2)
        .says("--key-file")
        .says("UNICRM_PRIVATE_KEY");
    world
        .link_with("jwt", &["--username", "nobody@acme.example", "--key-file", key], &[])
        .exits(4)
        .says("username");
    world.link_with("jwt", &["--username", &user, "--key-file", key], &[]).exits(0);
    std::fs::remove_file(key).unwrap();
    lasts(&world);
    for file in std::fs::read_dir(world.folder.path("")).unwrap().map(|file| file.unwrap().path()) {
        let text = if file.is_file() { std::fs::read(&file).unwrap() } else { Vec::new() };
        let line = PRIVATE_KEY.lines().nth(3).unwrap().as_bytes();
        assert!(!text.windows(line.len()).any(|window| window == line), "the key is in {}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_a_flow_has_no_use_for_are_refused() {
    let world = World::small().await;
    let secret = [("UNICRM_CLIENT_SECRET", CLIENT_SECRET)];
    world.link_with("client-credentials", &["--username", "x"], &secret).exits(2).says("--username");
    world
        .link_with("client-credentials", &["--callback-port", "1"], &secret)
        .exits(2)
        .says("--callback-port");
    world.link_with("client-credentials", &["--key-file", "x"], &secret).exits(2).says("--key-file");
    world.link_with("web", &["--wait", "0"], &secret).exits(2).says("--wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_fails_leaves_what_was_linked() {
    let world = World::linked().await;
    let wrong = [("UNICRM_REFRESH_TOKEN", "wr0ng")];
    world.link_with("refresh-token", &[], &wrong).exits(4);
    world.run(&["check"]).exits(0);
    assert_eq!(world.run(&["linked-accounts", "--json"]).json()[0]["status"], "active");

    // A token that was rotated on the way is kept: the one that was given is worth nothing any more.
    let world = rotating().await;
    world.emulator.faults().add(FaultRule::new(Resource::Versions, Fault::MaintenancePage).forever());
    let secrets = [("UNICRM_REFRESH_TOKEN", REFRESH_TOKEN), ("UNICRM_CLIENT_SECRET", CLIENT_SECRET)];
    world.link_with("refresh-token", &[], &secrets).exits(1).says("linked all the same");
    world.emulator.faults().clear();
    lasts(&world);
}

fn linked_by_token(world: &World) {
    let secrets = [("UNICRM_REFRESH_TOKEN", REFRESH_TOKEN), ("UNICRM_CLIENT_SECRET", CLIENT_SECRET)];
    world.link_with("refresh-token", &[], &secrets).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unlinking_takes_the_access_back() {
    let world = World::small().await;
    linked_by_token(&world);
    let unlinked = world.run(&["unlink", "acme", "--json"]).exits(0).json();
    assert_eq!(unlinked["grant"], "revoked");
    let entries = world.emulator.log().entries();
    let revoked =
        entries.iter().find(|entry| entry.path == "/services/oauth2/revoke").expect("it was asked for");
    assert_eq!((revoked.method.as_str(), revoked.status), ("POST", 200));
    let secrets = [("UNICRM_REFRESH_TOKEN", REFRESH_TOKEN)];
    world.link_with("refresh-token", &[], &secrets).exits(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_can_be_kept_and_one_that_cannot_be_taken_back_is_told() {
    let world = World::small().await;
    linked_by_token(&world);
    let kept = world.run(&["unlink", "acme", "--keep-grant"]).exits(0);
    assert!(kept.stdout.contains("stands"), "{}", kept.stdout);
    linked_by_token(&world);
    world.emulator.faults().add(FaultRule::new(Resource::Identity, Fault::ServerUnavailablePage).forever());
    let unlinked = world.run(&["unlink", "acme"]).exits(0).says("could not be taken back").says("by hand");
    assert!(unlinked.stdout.contains("may still stand"), "{}", unlinked.stdout);
    assert_eq!(world.run(&["linked-accounts", "--json"]).json(), serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_opens_the_credentials_and_the_old_one_no_more() {
    let world = World::linked().await;
    let new = world.folder.path("new.key");
    let name = new.to_str().unwrap();
    let rotated = world.run(&["rotate-key", "--new-key-file", name]).exits(0);
    assert!(rotated.stdout.contains("UNICRM_KEY_FILE="), "{}", rotated.stdout);
    let text = std::fs::read_to_string(&new).unwrap();
    assert!(!rotated.stdout.contains(text.trim()) && !rotated.stderr.contains(text.trim()));

    // The old key lies beside the database still, and is found as always.
    world.run(&["check", "acme"]).exits(2).says("master key").says("UNICRM_KEY_FILE");
    run(world.folder.command(&["check", "acme"]).env("UNICRM_KEY_FILE", name)).exits(0);
    run(world.folder.command(&["check", "acme"]).env("UNICRM_KEY", text.trim())).exits(0);

    // Again, with a key of the administrator's own, and from the environment.
    let own = world.folder.path("own.key");
    std::fs::write(&own, "q83vEjRWeJASNFZ4kBI0VniQEjRWeJASNFZ4kBI0Vng=\n").unwrap();
    let again = ["rotate-key", "--new-key-file", own.to_str().unwrap(), "--json"];
    let rotated = run(world.folder.command(&again).env("UNICRM_KEY", text.trim())).exits(0).json();
    assert_eq!(rotated["accounts"], 1);
    run(world.folder.command(&["check", "acme"]).env("UNICRM_KEY_FILE", own.to_str().unwrap())).exits(0);
    run(world.folder.command(&["check", "acme"]).env("UNICRM_KEY_FILE", name)).exits(2).says("master key");
    // The key in use is no new one.
    run(world.folder.command(&again).env("UNICRM_KEY_FILE", own.to_str().unwrap())).exits(2).says("in use");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_key_to_rotate_in_a_new_database() {
    let folder = Folder::new();
    let name = folder.path("new.key");
    folder.run(&["rotate-key", "--new-key-file", name.to_str().unwrap()]).exits(2).says("unicrm.db.key");
    assert!(!name.exists(), "nothing is made for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_permissions_that_are_needed_are_written_ready_to_deploy() {
    let visibility = unicrm_salesforce_emulator::Visibility::minimum_access();
    let world = World::of(Emulator::builder().contacts(20).visibility(visibility)).await;
    world.link().exits(0);
    let folder = world.folder.path("permissions");
    let written = world.run(&["check", "acme", "--permission-set", folder.to_str().unwrap()]).exits(3);
    assert!(written.stdout.contains("sf project deploy start"), "{}", written.stdout);
    assert!(folder.join("sfdx-project.json").is_file());
    let set = folder.join("force-app/main/default/permissionsets/Unicrm.permissionset-meta.xml");
    world.emulator.org().deploy_permission_set(&std::fs::read_to_string(&set).unwrap()).unwrap();
    let written = world.run(&["check", "acme", "--permission-set", folder.to_str().unwrap()]).exits(0);
    assert!(!written.stdout.contains("sfdx-project.json\n-"), "{}", written.stdout);
    world.emulator.org().deploy_permission_set(&std::fs::read_to_string(&set).unwrap()).unwrap();
    world.run(&["check", "acme"]).exits(0);

    let file = world.folder.path("Unicrm_Read.permissionset-meta.xml");
    let name = file.to_str().unwrap();
    let json =
        world.run(&["check", "acme", "--permission-set", name, "--read-only", "--json"]).exits(0).json();
    assert_eq!(json["permission_set"]["files"], serde_json::json!([name]));
    let xml = std::fs::read_to_string(&file).unwrap();
    assert!(
        xml.contains("Contact.Phone") && !xml.contains("<editable>true") && !xml.contains("ConvertLeads"),
        "{xml}"
    );
    world.run(&["check", "acme", "--read-only"]).exits(2);
}
