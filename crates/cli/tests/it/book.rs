//! The book against the binary: its page of commands is what `--help` says, and every option that it names is one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::support::Folder;

const HEAD: &str = "<!-- Made from code by `just docs-gen`; do not edit. -->\n\n# Commands\n\n\
    What `--help` says, command by command. Every command also takes what stands under *Everywhere*, and `--help`.\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What the binary says of each command, by its words.
fn helps() -> BTreeMap<Vec<String>, String> {
    let folder = Folder::new();
    let mut helps = BTreeMap::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(words) = open.pop() {
        let arguments: Vec<_> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = folder.run(&arguments).exits(0).stdout;
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in listed.take_while(|line| line.starts_with("  ")) {
            // What is deeper goes on with the line before.
            let name = line[2..].split(' ').next().unwrap();
            if !name.is_empty() && name != "help" {
                open.push([&words[..], &[name.to_owned()]].concat());
            }
        }
        helps.insert(words, help);
    }
    helps
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_commands_is_current() {
    let mut page = HEAD.to_owned();
    for (words, help) in helps() {
        let mut own = String::new();
        let overview = words.is_empty();
        let mut everywhere = false;
        for line in help.lines() {
            everywhere = if everywhere { !line.is_empty() } else { line == "Everywhere:" };
            let usual = line.starts_with("  -h, --help") || line.starts_with("  -V, --version");
            // What every command takes is told once, with the overview.
            if overview || !(everywhere || usual) {
                writeln!(own, "{line}").unwrap();
            }
        }
        let own = own.replace("Options:\n\n", "").replace("\n\n\n", "\n\n");
        let name = [&["unicrm".to_owned()], &words[..]].concat().join(" ");
        write!(page, "\n## {name}\n\n```text\n{}\n```\n", own.trim_end()).unwrap();
    }
    let path = root().join("docs/generated/commands.md");
    if std::env::var_os("UNICRM_DOCS").is_some_and(|mode| mode == "write") {
        std::fs::write(&path, page).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/generated/commands.md is stale: run `just docs-gen`");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_and_option_of_the_book_is_one() {
    let helps = helps();
    let pages = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut calls = 0;
    for path in
        pages.filter(|path| path.extension().is_some_and(|of| of == "md")).chain([root().join("README.md")])
    {
        let page = std::fs::read_to_string(&path).unwrap().replace("\\\n", " ");
        for line in page.lines() {
            // In a block of its own, or within a sentence.
            let spans = line.split('`').skip(1).step_by(2).filter_map(|span| span.strip_prefix("unicrm "));
            let whole = line.trim_start_matches("$ ").strip_prefix("unicrm ").filter(|_| !line.contains('`'));
            for call in spans.chain(whole) {
                let call = call.split(" # ").next().unwrap();
                let words = call.split(' ').take_while(|word| {
                    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                });
                let words: Vec<_> = words.map(str::to_owned).collect();
                let depth = (1..=words.len()).rev().find(|depth| helps.contains_key(&words[..*depth]));
                // Prose begins with the name too.
                let Some(depth) = depth else { continue };
                let help = &helps[&words[..depth]];
                for option in call.split(' ').filter(|word| word.starts_with("--")) {
                    let there = help.split([' ', ',', '\n']).any(|word| word == option);
                    assert!(there, "{}: there is no {option} in {call:?}", path.display());
                }
                calls += 1;
            }
        }
    }
    assert!(calls > 40, "{calls} calls were found");
}
