//! `emulator salesforce`: a remote for everybody on this machine.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{Folder, run};

/// The emulator as a process of its own; it ends with the test.
struct Process {
    child: Child,
    lines: Vec<String>,
}

impl Process {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let arguments = [&["emulator", "salesforce"], arguments].concat();
        let mut child = folder.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        for line in output.lines() {
            let line = line.unwrap();
            let last = line.starts_with("Ctrl-C");
            lines.push(line);
            if last {
                break;
            }
        }
        Self { child, lines }
    }

    /// A command of the printed ones that begins so.
    fn printed(&self, start: &str) -> Vec<&str> {
        let line = self.lines.iter().map(|line| line.trim()).find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("{start:?} is not in {:?}", self.lines)).split(' ').collect()
    }

    /// Presses Ctrl-C, and gives the exit code.
    fn interrupt(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended when the test went well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn fixtures() -> Option<PathBuf> {
    let found = match std::env::var_os("UNICRM_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/salesforce"),
    };
    let data = found.join("sample-data/apex-recipes");
    data.exists().then_some(data)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_commands_work_as_they_are() {
    let folder = Folder::new();
    let process = tokio::task::block_in_place(|| Process::start(&folder, &["--contacts", "30"]));
    let export = process.printed("export");
    let environment: Vec<_> = export[1..].iter().map(|pair| pair.split_once('=').unwrap()).collect();
    for start in ["unicrm link", "unicrm check", "unicrm sync", "unicrm list"] {
        let arguments = &process.printed(start)[1..];
        run(folder.command(arguments).envs(environment.iter().copied())).exits(0);
    }
    assert_eq!(tokio::task::block_in_place(|| process.interrupt()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_record_tree_is_served() {
    let Some(data) = fixtures() else {
        eprintln!("skipped: there are no recorded trees; set UNICRM_FIXTURES");
        return;
    };
    let folder = Folder::new();
    let process =
        tokio::task::block_in_place(|| Process::start(&folder, &["--data", data.to_str().unwrap()]));
    let export = process.printed("export");
    let environment: Vec<_> = export[1..].iter().map(|pair| pair.split_once('=').unwrap()).collect();
    run(folder.command(&process.printed("unicrm link")[1..]).envs(environment)).exits(0);
    let summary = folder.run(&["sync", "--json"]).exits(0).json();
    for (object, records) in [("accounts", 50), ("contacts", 150), ("opportunities", 50)] {
        assert_eq!(summary["objects"][object]["created"], records, "{object}");
    }
    assert_eq!(tokio::task::block_in_place(|| process.interrupt()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_does_not_load_ends_with_1_and_is_named() {
    let folder = Folder::new();
    folder.run(&["emulator", "salesforce", "--data", "nosuch-folder"]).exits(1).says("nosuch-folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_signs_in_when_the_app_has_a_certificate() {
    let folder = Folder::new();
    let (public, private) = (folder.path("public.pem"), folder.path("private.pem"));
    std::fs::write(&public, crate::sign_in::PUBLIC_KEY).unwrap();
    std::fs::write(&private, crate::sign_in::PRIVATE_KEY).unwrap();
    let arguments = ["--contacts", "5", "--jwt-certificate", public.to_str().unwrap()];
    let process = tokio::task::block_in_place(|| Process::start(&folder, &arguments));
    let printed = process.printed("unicrm link");
    let value = |name: &str| printed[printed.iter().position(|part| *part == name).unwrap() + 1];
    let client_id = process.printed("export")[1].split_once('=').unwrap().1;
    let user = ["--username", "admin@emulator.example", "--key-file", private.to_str().unwrap()];
    let link = ["link", "salesforce", "--name", "jwt", "--login-url", value("--login-url"), "--flow", "jwt"];
    folder.run(&[&link[..], &["--client-id", client_id], &user].concat()).exits(0);

    let none = folder.path("none.pem");
    let refused = ["emulator", "salesforce", "--jwt-certificate", none.to_str().unwrap()];
    folder.run(&refused).exits(1).says("none.pem");
}
