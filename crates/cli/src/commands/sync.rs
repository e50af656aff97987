//! `unicrm sync`

use clap::Args;
use unicrm_core::ObjectKind;
use unicrm_sync::{Options, Status, Summary};

use crate::cli::{AccountArgument, Global};
use crate::errors::{self, Exit, Result};
use crate::output::{self, Sheet};
use crate::progress::Progress;
use crate::session::Session;

/// Bring the store up to date with the remote
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  unicrm sync acme\n  unicrm sync acme --object contacts --object accounts --json\n\n\
    A run that was interrupted goes on where it was."
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
    let options = Options {
        objects: arguments.objects,
        full: arguments.full,
        concurrency: usize::from(arguments.concurrency),
        page_size: arguments.page_size,
    };
    let progress = Progress::new();
    let show = |event: &unicrm_sync::Event<'_>| progress.show(event);
    let summary = unicrm_sync::sync(&*provider, &*session.store, account.id, &options, &show).await;
    let summary = session.noting(account.id, summary).await?;
    for object in &summary.objects {
        if let Some(error) = &object.error {
            session.note(account.id, error).await;
        }
    }
    if global.json {
        output::json_line(&summary)?;
    } else {
        print(&summary)?;
    }
    explain(&summary);
    Ok(exit(&summary))
}

/// The summary as a table.
pub(crate) fn print(summary: &Summary) -> Result<()> {
    let header = ["object", "read", "created", "updated", "deleted", "unchanged", "rejected", "status"];
    let mut sheet = Sheet::new(&header).tight().whole(0).numbers(1..=6);
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
    output::line(cost(summary))
}

/// What the run cost, as one line.
fn cost(summary: &Summary) -> String {
    let mut parts = vec![format!("{} API calls", summary.api_calls)];
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
    for object in &summary.objects {
        let Some(error) = object.error.as_ref().filter(|_| object.status != Status::NotRun) else { continue };
        eprintln!("{}: {}", object.kind.plural(), output::plain(&error.to_string()));
        if let Some(advice) = errors::advice(error).filter(|advice| !advices.contains(advice)) {
            advices.push(advice);
        }
    }
    let rejected = summary.total().rejected;
    if rejected > 0 {
        eprintln!(
            "{rejected} record(s) could not be understood; they are kept apart in the database, with the reason"
        );
    }
    for advice in advices {
        eprintln!("hint: {}", output::plain(&advice));
    }
}

/// A run that brought nothing in is failed; one that failed in part is done in part.
pub(crate) fn exit(summary: &Summary) -> Exit {
    let any_complete = summary.objects.iter().any(|object| object.status == Status::Complete);
    let mut exit = if summary.total().rejected > 0 { Exit::PARTLY } else { Exit::DONE };
    for object in &summary.objects {
        let Some(error) = &object.error else { continue };
        let of_error = Exit::of(error);
        let partly = of_error == Exit::FAILED && any_complete;
        exit = exit.and(if partly { Exit::PARTLY } else { of_error });
    }
    exit
}
