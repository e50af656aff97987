//! The binary against an org of its own, in a folder of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use unicode_width::UnicodeWidthStr;
use unicrm_salesforce_emulator::{Builder, Emulator};

pub(crate) const CLIENT_ID: &str = "3MVG9.tests";
/// Planted secrets: no run may ever print one of them.
pub(crate) const CLIENT_SECRET: &str = "pl4nted-cl1ent-s3cret";
pub(crate) const REFRESH_TOKEN: &str = "5Aep861.pl4nted-r3fresh-t0ken";

/// What a run of the binary printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Holds that it ended so.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Holds that stderr speaks of this.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in: {}", self.stderr);
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// A folder with a database, and the binary in it. Nothing of the person's environment comes along.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The binary, to be given its arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unicrm"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.0.path())
            .env("TMPDIR", self.path("tmp"))
            .env("UNICRM_DATABASE_URL", self.path("unicrm.db"))
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end. Emulators of the same test go on meanwhile.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        run(&mut self.command(arguments))
    }
}

pub(crate) fn run(command: &mut Command) -> Run {
    let Output { status, stdout, stderr } = tokio::task::block_in_place(|| command.output()).unwrap();
    let run = Run {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    };
    for text in [&run.stdout, &run.stderr] {
        for secret in [CLIENT_SECRET, REFRESH_TOKEN, "Bearer "] {
            assert!(!text.contains(secret), "{command:?} prints a secret: {text}");
        }
        assert!(!text.contains("panicked"), "{command:?} panics: {text}");
    }
    run
}

/// An org, and a folder from which it is linked.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) folder: Folder,
}

impl World {
    /// An org with a few hundred records.
    pub(crate) async fn small() -> Self {
        Self::of(Emulator::builder().contacts(40)).await
    }

    pub(crate) async fn of(builder: Builder) -> Self {
        let builder = builder.client(CLIENT_ID, CLIENT_SECRET).refresh_token(REFRESH_TOKEN);
        Self { emulator: builder.start().await.unwrap(), folder: Folder::new() }
    }

    /// A small org that is linked as `acme`.
    pub(crate) async fn linked() -> Self {
        let world = Self::small().await;
        world.link().exits(0);
        world
    }

    /// `link` with client credentials; waiting is kept short.
    pub(crate) fn link(&self) -> Run {
        self.link_with("client-credentials", &[], &[("UNICRM_CLIENT_SECRET", CLIENT_SECRET)])
    }

    pub(crate) fn link_with(&self, flow: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let url = self.emulator.url();
        let fixed = ["link", "salesforce", "--name", "acme", "--flow", flow, "--login-url", &url];
        let patience = r#"{"limits": {"attempts": 2}, "timeouts": {"retry": 2}}"#;
        let all = [&fixed[..], &["--client-id", CLIENT_ID, "--config", patience], arguments].concat();
        run(self.folder.command(&all).envs(environment.iter().copied()))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let run = self.folder.run(arguments);
        let tokens = format!("{}!", self.emulator.org().id().get(..15).unwrap());
        assert!(
            !run.stdout.contains(&tokens) && !run.stderr.contains(&tokens),
            "a token is printed: {run:?}"
        );
        run
    }
}

/// Holds that no line is longer than a page is wide.
#[track_caller]
pub(crate) fn assert_narrow(text: &str) {
    for line in text.lines() {
        assert!(line.width() <= 80, "{} columns: {line}", line.width());
    }
}

/// Starts the binary, reads one line of its output, and goes away.
pub(crate) fn head(command: &mut Command) -> (String, Run) {
    tokio::task::block_in_place(|| {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        (line, Run { code: status.code().unwrap(), stdout: String::new(), stderr })
    })
}

/// Runs the binary with an output that nobody reads.
pub(crate) fn unread(command: &mut Command) -> Run {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    run(command.stdout(writer))
}
