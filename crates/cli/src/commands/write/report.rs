//! What became of the rows: a table for people, one JSON object a row for scripts, and the exit code.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;

use serde::Serialize;
use unicrm_core::{
    Error, LinkedAccountId, ObjectKind, Outcome, OutcomeStatus, RemoteId, Warning, compute_id,
};
use unicrm_store::LinkedAccount;
use uuid::Uuid;

use super::Command;
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
    /// Whoever read the output has gone away. The rows are written all the same, and count.
    deaf: bool,
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
            deaf: false,
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
        if self.deaf {
            return Ok(());
        }
        let told = if self.json { self.lines(places, outcomes) } else { self.table(places, outcomes) };
        self.deaf = told.as_ref().is_err_and(Failure::is_quiet);
        if self.deaf { Ok(()) } else { told }
    }

    fn lines(&self, places: &[(u64, Option<u64>)], outcomes: &[Outcome]) -> Result<()> {
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

    /// Something ends the write before the row with this number: says what was done with those before it.
    pub(super) fn stopped_by(&self, failure: Failure, first: u64) -> Failure {
        match self.sent_before(first) {
            Some(sent) => failure.and_advice(&format!("{sent}, those from there on were not")),
            None => failure,
        }
    }

    /// Something ends the write after the rows with these numbers were given away: nobody knows what became of them.
    pub(super) fn unsure_of(&self, failure: Failure, numbers: &Range<u64>) -> Failure {
        let sent = self.sent_before(numbers.start).map(|sent| format!("{sent}; ")).unwrap_or_default();
        let (first, last) = (numbers.start + 1, numbers.end);
        failure.and_advice(&format!(
            "{sent}rows {first} to {last} may have been written, those behind were not: look before you repeat them"
        ))
    }

    /// What became of the rows before this one; none when none was sent.
    fn sent_before(&self, number: u64) -> Option<String> {
        let sent = || format!("the rows before number {} were sent ({})", number + 1, self.counted());
        (!self.counts.is_empty()).then(sent)
    }

    fn counted(&self) -> String {
        let counts =
            self.counts.iter().map(|(status, count)| format!("{count} {}", status.replace('_', " ")));
        counts.collect::<Vec<_>>().join(", ")
    }

    /// The last words, and the exit code.
    pub(super) fn finish(self) -> Result<Exit> {
        if self.counts.is_empty() {
            eprintln!("nothing to write");
            return Ok(self.exit);
        }
        eprintln!("{}", self.counted());
        if let Some(error) = &self.stopped {
            eprintln!("no further row was sent: {error}");
            if let Some(advice) = advice(error) {
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

#[cfg(test)]
mod tests {
    use unicrm_core::ErrorKind;

    use super::*;

    fn report(counts: &[(&'static str, u64)]) -> Report {
        Report {
            json: false,
            kind: ObjectKind::Contact,
            account: LinkedAccountId::random(),
            has_copy: false,
            exit: Exit::DONE,
            counts: counts.iter().copied().collect(),
            stopped: None,
            deaf: false,
        }
    }

    #[test]
    fn what_ends_a_write_says_what_is_known_of_the_rows_and_keeps_its_advice() {
        let holds = |failure: Failure, advice: &str| {
            let shown = format!("{failure:?}");
            assert!(shown.contains(&format!("advice: Some({advice:?})")), "{advice} is not in {shown}");
        };
        let lost = || Failure::from(Error::new(ErrorKind::Unavailable, "no answer").with_advice("Wait."));
        let (none, some) = (report(&[]), report(&[("created", 2), ("in_doubt", 1)]));
        holds(none.stopped_by(lost(), 0), "Wait.");
        let sent = "the rows before number 4 were sent (2 created, 1 in doubt)";
        holds(some.stopped_by(lost(), 3), &format!("Wait.\n{sent}, those from there on were not"));

        let short = || Failure::from(Error::new(ErrorKind::Internal, "1 outcomes came for 2 rows"));
        let may = "rows 4 to 5 may have been written, those behind were not: look before you repeat them";
        holds(none.unsure_of(short(), &(3..5)), may);
        holds(some.unsure_of(short(), &(3..5)), &format!("{sent}; {may}"));
    }
}
