//! The real binary at a terminal: it asks for secrets without showing them, and draws how far it is.

use std::process::Command;

use rexpect::process::WaitStatus;
use rexpect::session::{PtySession, spawn_command};

use crate::support::{CLIENT_ID, CLIENT_SECRET, World};

/// Longer than anything takes, in milliseconds.
const PATIENCE: u64 = 60_000;

/// Starts it where a person would: at a terminal that shows what is typed.
fn at_a_terminal(command: &Command) -> PtySession {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", r#"stty echo cols 100; exec "$0" "$@""#])
        .arg(command.get_program())
        .args(command.get_args());
    shell.env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm-256color");
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap());
    spawn_command(shell, Some(PATIENCE)).unwrap()
}

/// What else it prints, and that it ends well.
#[track_caller]
fn rest(mut session: PtySession) -> String {
    let text = session.exp_eof().unwrap();
    match session.process().wait().unwrap() {
        WaitStatus::Exited(_, 0) => text,
        status => panic!("{status:?}: {text}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_asked_for_and_never_shown() {
    let world = World::small().await;
    let url = world.emulator.url();
    let arguments = ["link", "salesforce", "--name", "acme", "--flow", "client-credentials", "--login-url"];
    let arguments = [&arguments[..], &[&url, "--client-id", CLIENT_ID]].concat();
    tokio::task::block_in_place(|| {
        let mut session = at_a_terminal(&world.folder.command(&arguments));
        let asked = session.exp_string("client secret").unwrap();
        session.exp_string(":").unwrap();
        session.send_line(CLIENT_SECRET).unwrap();
        let text = format!("{asked}{}", rest(session));
        assert!(!text.contains(CLIENT_SECRET), "{text}");
        assert!(text.contains("acme"), "{text}");
    });
    world.run(&["check", "acme"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_sees_how_far_a_sync_is_and_a_pipe_sees_lines() {
    let world = World::linked().await;
    let text = tokio::task::block_in_place(|| rest(at_a_terminal(&world.folder.command(&["sync", "acme"]))));
    // Drawn anew in place: the cursor goes up and lines are cleared.
    assert!(text.contains("\x1b[") && text.contains("\x1b[2K"), "{text:?}");
    assert!(text.contains("contacts") && text.contains("complete"), "{text:?}");

    let piped = world.run(&["sync", "acme", "--full"]).exits(0);
    assert!(!piped.stderr.contains('\x1b') && !piped.stdout.contains('\x1b'), "{piped:?}");
    assert!(piped.stderr.contains("contacts"), "{piped:?}");
}
