//! Real processes that share one store: an ended session is renewed once for all of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use unicrm::{ConnectRequest, Credentials, Json, Provider, RawRequest, Registry};
use unicrm_salesforce_emulator::{Emulator, Resource};
use unicrm_store::{LinkRequest, LinkedAccount, Store};

const PROCESSES: usize = 3;
const REQUESTS: usize = 50;
const DATABASE: &str = "UNICRM_TEST_DATABASE";

async fn connect(store: &Arc<dyn Store>, account: &LinkedAccount) -> Arc<dyn Provider> {
    let credentials = store.credentials(account.id);
    let request = ConnectRequest::new(account.id, account.config.clone(), credentials);
    Registry::discover().unwrap().connect("salesforce", request).await.unwrap()
}

/// One of the processes: this very program, with one test alone.
fn spawn(database: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "refresh_once::one_of_the_processes", "--ignored", "--nocapture"])
        .env(DATABASE, database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

fn wait_for(stdout: &mut impl BufRead, word: &str) {
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "a process ended before it said {word:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_with_fifty_requests_each_refresh_once() {
    for rotate in [false, true] {
        let builder = Emulator::builder().empty();
        let builder = if rotate { builder.rotate_refresh_tokens() } else { builder };
        let emulator = builder.start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("unicrm.db");
        let store = unicrm_store::open(database.to_str().unwrap()).await.unwrap();
        let config = format!(
            r#"{{"flow":"refresh-token","login_url":"{}","client_id":"{}","limits":{{"concurrency":25}}}}"#,
            emulator.url(),
            emulator.client_id()
        );
        let credentials = Credentials::new()
            .with("client_secret", emulator.client_secret().to_owned().into())
            .with("refresh_token", emulator.refresh_token().to_owned().into());
        let request = LinkRequest::new("acme", "salesforce")
            .with_config(Json::parse(config).unwrap())
            .with_credentials(credentials);
        let account = store.link(request).await.unwrap();
        connect(&store, &account).await;

        let mut processes: Vec<_> = (0..PROCESSES).map(|_| spawn(&database)).collect();
        tokio::task::block_in_place(|| {
            processes.iter_mut().for_each(|(_, stdout)| wait_for(stdout, "ready"));
        });
        let before = emulator.log().count(Resource::Token).requests;
        assert_eq!(before, 1, "the processes use the stored token");
        emulator.org().revoke_sessions();
        tokio::task::block_in_place(|| {
            for (process, _) in &mut processes {
                process.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
            }
            for (process, stdout) in &mut processes {
                wait_for(stdout, &format!("answered {REQUESTS}"));
                stdout.read_to_string(&mut String::new()).unwrap();
                assert!(process.wait().unwrap().success());
            }
        });
        let refreshes = emulator.log().count(Resource::Token).requests - before;
        assert_eq!(refreshes, 1, "with rotation: {rotate}");
        // What is stored is the last of the family: it is good for another one.
        emulator.org().revoke_sessions();
        connect(&store, &account).await.access().await.unwrap();
    }
}

/// What each of the processes does. It is no test of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of the test above, which starts it"]
async fn one_of_the_processes() {
    let database = std::env::var(DATABASE).unwrap();
    let store = unicrm_store::open(&database).await.unwrap();
    let account = store.linked_account("acme").await.unwrap();
    let provider = connect(&store, &account).await;
    println!("\nready");
    tokio::task::block_in_place(|| std::io::stdin().read_line(&mut String::new())).unwrap();
    let sent = (0..REQUESTS).map(|_| provider.send(RawRequest::new("GET", "/services/data/v66.0/limits")));
    let answers = futures::future::join_all(sent).await;
    let good = answers.iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200));
    println!("\nanswered {}", good.count());
}
