//! Secrets come from a file, the environment or a prompt: never from an argument, which other users could see.

use std::io::IsTerminal;
use std::path::Path;

use secrecy::SecretString;
use unicrm_core::{Credentials, Setting};

use crate::errors::{Failure, Result};
use crate::input::Source;

/// No secret is longer, in kilobytes; a larger file is the wrong one.
const LONGEST: u64 = 64;

/// Collects the secrets of a sign-in flow: each from its file, from `UNICRM_<NAME>`, or from the person at the terminal.
pub(crate) fn collect(wanted: &[Setting], files: &[(&str, Option<&Path>)]) -> Result<Credentials> {
    for (name, file) in files {
        if file.is_some() && !wanted.iter().any(|setting| setting.name == *name) {
            return Err(Failure::usage(format!("this flow takes no {name}: leave --{} out", option(name))));
        }
    }
    let mut credentials = Credentials::new();
    for setting in wanted {
        let file = files.iter().find(|(name, _)| *name == setting.name).and_then(|(_, file)| *file);
        if let Some(secret) = one(setting, file)? {
            credentials.set(setting.name, secret);
        }
    }
    Ok(credentials)
}

fn one(setting: &Setting, file: Option<&Path>) -> Result<Option<SecretString>> {
    if let Some(file) = file {
        return read(file).map(Some);
    }
    let variable = variable(setting.name);
    match std::env::var(&variable) {
        Ok(value) if !value.is_empty() => return Ok(Some(value.into())),
        Ok(_) | Err(std::env::VarError::NotPresent) => {}
        Err(error) => return Err(Failure::usage(format!("{variable} is not UTF-8")).because(error)),
    }
    if !setting.required {
        return Ok(None);
    }
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return ask(setting).map(Some);
    }
    Err(Failure::usage(format!(
        "the {} is missing ({})",
        setting.name.replace('_', " "),
        setting.description
    ))
    .advice(format!("put it into {variable}, or name a file that holds it: --{} FILE", option(setting.name))))
}

fn ask(setting: &Setting) -> Result<SecretString> {
    let prompt = format!("{} ({})", setting.name.replace('_', " "), setting.description);
    let typed = dialoguer::Password::new()
        .with_prompt(prompt)
        .interact()
        .map_err(|error| Failure::new("nothing could be read from the terminal").because(error))?;
    Ok(typed.into())
}

/// Reads a secret from a file, or from standard input for `-`. A line end behind it is not part of it.
fn read(file: &Path) -> Result<SecretString> {
    let source = Source::of_file(file);
    let text = String::from_utf8(source.read(LONGEST)?);
    // The error itself would hold the bytes.
    let text = text.map_err(|_| Failure::usage(format!("{} is not UTF-8", source.name())))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Failure::usage(format!("there is no secret in {}", source.name())));
    }
    Ok(secret.to_owned().into())
}

fn variable(name: &str) -> String {
    format!("UNICRM_{}", name.to_ascii_uppercase())
}

fn option(name: &str) -> String {
    match name {
        "private_key" => "key-file".to_owned(),
        name => format!("{}-file", name.replace('_', "-")),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const SECRET: Setting =
        Setting { name: "client_secret", description: "the app's secret", required: true };

    #[test]
    fn a_line_end_behind_a_secret_is_not_part_of_it() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), " s3cret \r\n").expect("written");
        let credentials = collect(&[SECRET], &[("client_secret", Some(file.path()))]).expect("read");
        assert_eq!(credentials.get("client_secret").expect("there").expose_secret(), " s3cret ");
    }

    #[test]
    fn a_file_that_the_flow_has_no_use_for_is_refused() {
        let failure = collect(&[SECRET], &[("refresh_token", Some(Path::new("x")))]).expect_err("refused");
        assert!(format!("{failure:?}").contains("--refresh-token-file"));
    }

    #[test]
    fn an_empty_file_and_one_that_is_too_long_are_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let collected = || collect(&[SECRET], &[("client_secret", Some(file.path()))]);
        assert!(collected().is_err());
        std::fs::write(file.path(), vec![b'x'; 64 << 10]).expect("written");
        assert!(collected().is_ok());
        std::fs::write(file.path(), vec![b'x'; (64 << 10) + 1]).expect("written");
        assert!(collected().is_err(), "a secret is not cut");
    }
}
