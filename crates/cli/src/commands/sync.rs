//! `unicrm sync`

use clap::Args;
use unicrm_core::{Error, ErrorKind, LinkedAccountId, ObjectKind, Retry};
use unicrm_sync::{ObjectSummary, Options, Reconcile, Status, Stop, Summary};

use crate::cli::{AccountArgument, Global};
use crate::errors::{self, Exit, Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{self, Sheet};
use crate::progress::Progress;
use crate::session::Session;

/// Of each object, so many records that could not be understood are named.
const REJECTED_SHOWN: u32 = 10;

/// Bring the store up to date with the remote
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  unicrm sync acme\n  unicrm sync acme --object contacts --object accounts --json\n  \
    unicrm sync acme --reconcile --max-calls 500\n\n\
    A run that was interrupted goes on where it was. Ctrl-C finishes the pages that are under way and ends with 130."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    account: AccountArgument,
    /// Sync this object only, such as contacts; may be repeated
    #[arg(long = "object", value_name = "OBJECT")]
    objects: Vec<ObjectKind>,
    /// Read everything again, not only what changed
    #[arg(long)]
    full: bool,
    /// Then compare all ids and time stamps with the remote's, and repair what differs
    #[arg(long)]
    reconcile: bool,
    /// Stop comparing once it has cost so many API calls; the next --reconcile goes on there
    #[arg(long, value_name = "N", requires = "reconcile", value_parser = clap::value_parser!(u64).range(1..))]
    max_calls: Option<u64>,
    /// Stop when fewer than so many percent of the remote's API calls are left; the next sync goes on there
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    keep_quota: u8,
    /// How many objects are read at once
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=10))]
    concurrency: u8,
    /// At most so many records a page; smaller pages need less memory and more calls [default: the provider's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    page_size: Option<u32>,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let session = Session::open(global).await?;
    let account = session.account(arguments.account.name()).await?;
    let provider = session.connect(&account).await?;
    let stop = Stop::default();
    let options = Options {
        objects: arguments.objects,
        full: arguments.full,
        concurrency: usize::from(arguments.concurrency),
        page_size: arguments.page_size,
        reconcile: arguments.reconcile.then_some(Reconcile { max_calls: arguments.max_calls }),
        keep_quota: arguments.keep_quota,
        stop: stop.clone(),
    };
    let interrupt = Interrupt::stops(stop);
    let progress = Progress::new();
    let show = |event: &unicrm_sync::Event<'_>| progress.show(event);
    let summary = unicrm_sync::sync(&*provider, &*session.store, account.id, &options, &show).await;
    let summary = session.noting(account.id, summary).await?;
    for (_, error) in summary.objects.iter().flat_map(errors_of) {
        session.note(account.id, error).await;
    }
    let printed = if global.json { output::json_line(&summary) } else { print(&summary) };
    explain(&summary);
    name_rejected(&session, account.id, &summary).await?;
    Failure::read_or_not(printed)?;
    let Some(interrupted) = interrupt.exit() else { return Ok(exit(&summary)) };
    eprintln!("Interrupted. What was read is kept: the same command goes on from there.");
    Ok(interrupted)
}

/// The summary as a table.
pub(crate) fn print(summary: &Summary) -> Result<()> {
    let header = ["object", "read", "created", "updated", "deleted", "unchanged", "rejected", "status"];
    let mut sheet = Sheet::new(&header).tight().whole(0).whole(7).numbers(1..=6).spares([5, 6, 1, 4, 3, 2]);
    let counts = |tally: &unicrm_sync::Tally| {
        [tally.read, tally.created, tally.updated, tally.deleted, tally.unchanged, tally.rejected]
    };
    for object in &summary.objects {
        let numbers = counts(&object.tally).map(|count| count.to_string());
        let cells = [object.kind.plural().to_owned()].into_iter().chain(numbers);
        sheet.row(cells.chain([object.status.to_string()]));
    }
    let numbers = counts(&summary.total()).map(|count| count.to_string());
    sheet.row(["all".to_owned()].into_iter().chain(numbers).chain([String::new()]));
    sheet.print()?;
    print_drift(summary)?;
    output::line(cost(summary))
}

/// What the comparison found, as a table of its own.
fn print_drift(summary: &Summary) -> Result<()> {
    let compared = |object: &ObjectSummary| Some((object.kind, object.reconcile.clone()?));
    let compared: Vec<_> = summary.objects.iter().filter_map(compared).collect();
    if compared.is_empty() {
        return Ok(());
    }
    let header = ["compared", "remote", "local", "missing", "extra", "stale", "repaired", "status"];
    let mut sheet = Sheet::new(&header).tight().whole(0).whole(7).numbers(1..=6).spares([2, 1, 5, 4, 3, 6]);
    for (kind, reconciled) in compared {
        let drift = reconciled.drift;
        let known = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let found = [drift.missing, drift.extra, drift.stale, drift.repaired].map(|count| count.to_string());
        let cells = [kind.plural().to_owned(), known(drift.remote), known(drift.local)].into_iter();
        sheet.row(cells.chain(found).chain([reconciled.status.to_string()]));
    }
    output::line("")?;
    sheet.print()
}

/// What the run cost, as one line.
fn cost(summary: &Summary) -> String {
    let mut parts = vec![format!("{} API calls", summary.api_calls)];
    parts.extend(summary.reconcile_calls.map(|calls| format!("{calls} of them to compare")));
    for (count, what) in [(summary.retries, "retries"), (summary.refreshes, "token refreshes")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.push(format!("{:.1} s", summary.seconds));
    if let Some(bytes) = summary.peak_rss_bytes {
        parts.push(format!("{} MB of memory at most", bytes / 1_000_000));
    }
    parts.join(", ")
}

/// Says on stderr why objects did not come to their end, and what to do about it.
pub(crate) fn explain(summary: &Summary) {
    let mut advices = Vec::new();
    for (kind, error) in summary.objects.iter().flat_map(errors_of) {
        eprintln!("{}: {}", kind.plural(), output::plain(&error.to_string()));
        if let Some(advice) = advice(error).filter(|advice| !advices.contains(advice)) {
            advices.push(advice);
        }
    }
    for advice in advices {
        eprintln!("hint: {}", output::plain(&advice));
    }
}

/// What to do about it; of a used-up quota also when the run goes on, as no other command does.
fn advice(error: &Error) -> Option<String> {
    if error.kind() != ErrorKind::QuotaExhausted {
        return errors::advice(error);
    }
    // A budget of our own: its advice says how to go on.
    let timed = matches!(error.retry(), Retry::NotBefore(_));
    if let Some(own) = error.advice().filter(|_| !timed) {
        return Some(own.to_owned());
    }
    let when = errors::when_there_is_quota(error);
    let resume = format!("What was read is kept: run the same command {when}, and it goes on.");
    Some(error.advice().map_or_else(|| resume.clone(), |own| format!("{own}\n{resume}")))
}

/// Why the sync of an object, and its comparison, ended early. What was not begun is not to blame.
fn errors_of(object: &ObjectSummary) -> impl Iterator<Item = (ObjectKind, &Error)> {
    let own = object.error.as_ref().filter(|_| object.status != Status::NotRun);
    let compared = object.reconcile.as_ref().filter(|compared| compared.status != Status::NotRun);
    let errors = own.into_iter().chain(compared.and_then(|compared| compared.error.as_ref()));
    errors.map(|error| (object.kind, error))
}

/// Says on stderr which records could not be understood, and why.
async fn name_rejected(session: &Session, account: LinkedAccountId, summary: &Summary) -> Result<()> {
    let rejected = summary.total().rejected;
    if rejected == 0 {
        return Ok(());
    }
    eprintln!(
        "{rejected} record(s) could not be understood; they are kept apart in the database (table rejected):"
    );
    for object in summary.objects.iter().filter(|object| object.tally.rejected > 0) {
        let rows = session.store.rejected(account, Some(object.kind), REJECTED_SHOWN).await?;
        for row in &rows {
            let id = row.remote_id.as_ref().map_or("without an id", |id| id.as_str());
            eprintln!("  {} {}: {}", object.kind.plural(), output::plain(id), output::plain(&row.error));
        }
        let more = object.tally.rejected.saturating_sub(rows.len() as u64);
        if more > 0 {
            eprintln!("  {}: {more} more", object.kind.plural());
        }
    }
    Ok(())
}

/// A run that brought nothing in is failed; one that failed in part is done in part.
pub(crate) fn exit(summary: &Summary) -> Exit {
    let any_complete = summary.objects.iter().any(|object| object.status == Status::Complete);
    let mut exit = if summary.total().rejected > 0 { Exit::PARTLY } else { Exit::DONE };
    let compared =
        |object: &ObjectSummary| object.reconcile.as_ref().and_then(|compared| compared.error.clone());
    let errors =
        summary.objects.iter().flat_map(|object| object.error.clone().into_iter().chain(compared(object)));
    for error in errors {
        let of_error = Exit::of(&error);
        let partly = of_error == Exit::FAILED && any_complete;
        exit = exit.and(if partly { Exit::PARTLY } else { of_error });
    }
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_up_quota_says_when_it_goes_on() {
        let instant = "2026-11-22T10:00:00Z".parse().expect("an instant");
        let error = Error::new(ErrorKind::QuotaExhausted, "none left").with_retry(Retry::NotBefore(instant));
        assert!(advice(&error).expect("advice").contains("2026-11-22T10:00:00Z"));
        let budget = Error::new(ErrorKind::QuotaExhausted, "none left").with_advice("Compare again.");
        assert_eq!(advice(&budget).as_deref(), Some("Compare again."));
    }
}
