//! What became of the rows: a table for people, one JSON object a row for scripts, and the exit code.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use unicrm_core::{
    Error, LinkedAccountId, ObjectKind, Outcome, OutcomeStatus, RemoteId, Warning, compute_id,
};
use unicrm_store::LinkedAccount;
use uuid::Uuid;

use super::{Command, Row};
use crate::errors::{Exit, Failure, Result, advice};
use crate::output::{self, Sheet};

/// Gathers and tells what became of the rows.
pub(super) struct Report {
    json: bool,
    kind: ObjectKind,
    account: LinkedAccountId,
    /// Whether the store holds records that may differ from the remote's now.
    has_copy: bool,
    exit: Exit,
    counts: BTreeMap<&'static str, u64>,
    /// Why no row behind those that were told is sent.
    stopped: Option<Error>,
}

/// A row for scripts.
#[derive(Serialize)]
struct Told<'a> {
    /// The row's number, from 0.
    index: u64,
    /// The line on which it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    status: &'static str,
    id: Option<Uuid>,
    remote_id: Option<&'a RemoteId>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    converted: Option<Converted>,
    warnings: &'a [Warning],
    errors: Vec<ToldError<'a>>,
    /// Records that stand in the way, or that may be the one.
    candidates: Vec<Known<'a>>,
}

/// What a lead became.
#[derive(Serialize)]
struct Converted {
    contact: Option<RemoteId>,
    account: Option<RemoteId>,
    opportunity: Option<RemoteId>,
}

/// What was wrong: with a field, or with the whole row.
#[derive(Serialize)]
struct ToldError<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    /// Whether the same row may fare better later.
    retryable: bool,
}

#[derive(Serialize)]
struct Known<'a> {
    id: Uuid,
    remote_id: &'a RemoteId,
}

impl Report {
    pub(super) fn new(command: &Command<'_>, account: &LinkedAccount) -> Self {
        Self {
            json: command.global.json,
            kind: command.kind,
            account: account.id,
            has_copy: account.last_sync.is_some(),
            exit: Exit::DONE,
            counts: BTreeMap::new(),
            stopped: None,
        }
    }

    /// Tells what became of a batch.
    pub(super) fn batch(&mut self, places: &[(u64, Option<u64>)], outcomes: &[Outcome]) -> Result<()> {
        for outcome in outcomes {
            *self.counts.entry(outcome.status.as_str()).or_default() += 1;
            if let Some(error) = outcome.error() {
                let exit = if super::ends_everything(error) { Exit::of(error) } else { Exit::PARTLY };
                self.exit = self.exit.and(exit);
            }
        }
        if !self.json {
            return self.table(places, outcomes);
        }
        let mut out = output::stdout();
        for ((index, line), outcome) in places.iter().zip(outcomes) {
            serde_json::to_writer(&mut out, &self.told(*index, *line, outcome))?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(())
    }

    fn told<'a>(&self, index: u64, line: Option<u64>, outcome: &'a Outcome) -> Told<'a> {
        let known = |remote_id: &'a RemoteId| Known { id: self.id_of(remote_id), remote_id };
        let (converted, maybe) = match &outcome.status {
            OutcomeStatus::Converted { contact, account, opportunity } => {
                let converted = Converted {
                    contact: contact.remote_id().cloned(),
                    account: account.remote_id().cloned(),
                    opportunity: opportunity.as_ref().and_then(|deal| deal.remote_id().cloned()),
                };
                (Some(converted), [].as_slice())
            }
            OutcomeStatus::InDoubt { candidates, .. } => (None, candidates.as_slice()),
            _ => (None, [].as_slice()),
        };
        Told {
            index,
            line,
            status: outcome.status.as_str(),
            id: outcome.remote_id.as_ref().map(|id| self.id_of(id)),
            remote_id: outcome.remote_id.as_ref(),
            converted,
            warnings: &outcome.warnings,
            errors: outcome.error().map(errors).unwrap_or_default(),
            candidates: outcome.candidates.iter().chain(maybe).map(known).collect(),
        }
    }

    fn id_of(&self, remote_id: &RemoteId) -> Uuid {
        compute_id(self.account, self.kind, remote_id.as_str())
    }

    fn table(&self, places: &[(u64, Option<u64>)], outcomes: &[Outcome]) -> Result<()> {
        let mut sheet = Sheet::new(&["row", "status", "remote id", "what"]).numbers([0]).whole(2).wrapping();
        for ((index, _), outcome) in places.iter().zip(outcomes) {
            let id = outcome.remote_id.as_ref().map_or("", RemoteId::as_str);
            sheet.row([(index + 1).to_string().as_str(), outcome.status.as_str(), id, &in_words(outcome)]);
        }
        sheet.print()
    }

    /// Notes why no more rows are sent.
    pub(super) fn stop(&mut self, error: &Error) {
        self.stopped = Some(error.clone());
    }

    /// A mistake in the input ends the write: says what was done before it.
    pub(super) fn stopped_by(&self, failure: Failure, unsent: &[Row]) -> Failure {
        let sent: u64 = self.counts.values().sum();
        let first = unsent.first().map_or(sent, |row| row.number);
        if sent == 0 {
            return failure.advice("nothing was written");
        }
        let message =
            format!("the rows before number {} were written, those from there on were not", first + 1);
        failure.advice(message)
    }

    /// The last words, and the exit code.
    pub(super) fn finish(self) -> Result<Exit> {
        let counts: Vec<String> = self
            .counts
            .iter()
            .map(|(status, count)| format!("{count} {}", status.replace('_', " ")))
            .collect();
        if counts.is_empty() {
            eprintln!("nothing to write");
            return Ok(self.exit);
        }
        eprintln!("{}", counts.join(", "));
        if let Some(error) = &self.stopped {
            eprintln!("no further row was sent: {error}");
            // What the error itself advises speaks of readings.
            if let Some(advice) = error.advice() {
                eprintln!("{advice}");
            }
        }
        if self.has_copy && self.counts.keys().any(|status| !matches!(*status, "failed" | "unchanged")) {
            eprintln!("note: the store does not have this yet: `unicrm sync` brings it up to date");
        }
        Ok(self.exit)
    }
}

fn errors(error: &Error) -> Vec<ToldError<'_>> {
    let told = |pointer, message| ToldError {
        kind: error.kind().as_str(),
        pointer,
        message,
        remote_code: error.remote_code(),
        advice: advice(error),
        retryable: error.is_retryable(),
    };
    if error.fields().is_empty() {
        return vec![told(None, error.message())];
    }
    error.fields().iter().map(|field| told(Some(field.pointer.as_str()), field.message.as_str())).collect()
}

/// An outcome in words: what was wrong or left out, and who stands in the way.
fn in_words(outcome: &Outcome) -> String {
    let mut words = Vec::new();
    if let Some(error) = outcome.error() {
        let code = error.remote_code().map(|code| format!(" [{code}]")).unwrap_or_default();
        let fields: Vec<String> =
            error.fields().iter().map(|field| format!("{}: {}", field.pointer, field.message)).collect();
        let message = if fields.is_empty() { error.message().to_owned() } else { fields.join("; ") };
        words.push(format!("{message}{code}"));
    }
    if let OutcomeStatus::Converted { contact, account, opportunity } = &outcome.status {
        let made = [
            ("contact", contact.remote_id()),
            ("account", account.remote_id()),
            ("opportunity", opportunity.as_ref().and_then(|deal| deal.remote_id())),
        ];
        words.extend(made.into_iter().filter_map(|(what, id)| Some(format!("{what} {}", id?))));
    }
    let maybe = match &outcome.status {
        OutcomeStatus::InDoubt { candidates, .. } => candidates.as_slice(),
        _ => &[],
    };
    let candidates: Vec<&str> = outcome.candidates.iter().chain(maybe).map(RemoteId::as_str).collect();
    if !candidates.is_empty() {
        words.push(format!("see {}", candidates.join(", ")));
    }
    words.extend(outcome.warnings.iter().map(|warning| format!("{}: {}", warning.pointer, warning.message)));
    words.join("; ")
}
