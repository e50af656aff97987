//! `unicrm search`

use clap::{ArgGroup, Args, value_parser};
use serde::Serialize;
use unicrm_core::{ObjectKind, Record, Row, SearchQuery, SearchRequest};
use unicrm_store::{Include, LinkedAccount};

use super::columns;
use crate::cli::{AccountOption, Global};
use crate::errors::{Exit, Failure, Result};
use crate::output::{self, Sheet};
use crate::session::Session;

/// Find contacts, leads and accounts by phone, e-mail or text
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("query").required(true).args(["phone", "email", "text"])),
    after_help = "Examples:\n  unicrm search --phone \"+1 (415) 555-0100\"\n  \
        unicrm search -a acme --email hello@klink.example --local\n  \
        unicrm search --text \"ada love\" --object contacts --json"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    account: AccountOption,
    /// A phone number in any notation
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    phone: Option<String>,
    /// An e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Words of a name or their beginnings; at the remote, of any text
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
    /// Look in the store, as the last sync left it, instead of asking the remote
    #[arg(long)]
    local: bool,
    /// Only this object; may be repeated [default: contacts, leads and accounts]
    #[arg(long = "object", value_name = "OBJECT")]
    objects: Vec<ObjectKind>,
    /// At most so many records
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser!(u32).range(1..=2_000))]
    limit: u32,
    /// The remote fields that have no unified place, too (with --json)
    #[arg(long)]
    remote_fields: bool,
}

impl Arguments {
    fn request(&self) -> Result<SearchRequest> {
        let query = match (&self.phone, &self.email, &self.text) {
            (Some(number), ..) => SearchQuery::Phone(number.clone()),
            (_, Some(address), _) => SearchQuery::Email(address.clone()),
            (.., Some(words)) => SearchQuery::Text(words.clone()),
            (None, None, None) => {
                return Err(Failure::usage("say what to look for: --phone, --email or --text"));
            }
        };
        let request = SearchRequest::new(query).limit(self.limit);
        Ok(if self.objects.is_empty() { request } else { request.kinds(self.objects.iter().copied()) })
    }
}

/// What was found.
struct Found {
    records: Vec<Record>,
    /// How many there are, as far as that is known.
    count: Option<u64>,
    /// Records that were found and could not be understood.
    rejected: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let request = arguments.request()?;
    let session = Session::open(global).await?;
    let account = session.account(arguments.account.linked_account.as_deref()).await?;
    let mut found = if arguments.local {
        here(&session, &account, request, arguments.remote_fields).await?
    } else {
        there(&session, &account, request).await?
    };
    if !arguments.remote_fields {
        // As `list` does it: they are many, and most readers do not know them.
        found.records.iter_mut().try_for_each(|record| record.set("remote_fields", None))?;
    }
    if global.json {
        output::json(&found.records.iter().map(Shown::of).collect::<Vec<_>>())?;
    } else {
        table(&found.records)?;
    }
    if found.records.is_empty() && found.rejected.is_empty() {
        let place = if arguments.local { " in the store" } else { " at the remote" };
        eprintln!("nobody and nothing was found{place}");
        match (arguments.local, account.last_sync) {
            (true, None) => eprintln!("nothing has been synced yet: `unicrm sync {}` does it", account.name),
            (true, Some(at)) => {
                eprintln!("the last sync was at {at:.0}; without --local the remote is asked")
            }
            (false, _) => {}
        }
    }
    let shown = found.records.len();
    if found.count.is_some_and(|count| count > shown as u64) || shown == arguments.limit as usize {
        eprintln!("the first {shown}; --limit N shows more");
    }
    for rejected in &found.rejected {
        eprintln!("not understood: {}", output::plain(rejected));
    }
    Ok(if found.rejected.is_empty() { Exit::DONE } else { Exit::PARTLY })
}

/// Asks the store.
async fn here(
    session: &Session,
    account: &LinkedAccount,
    request: SearchRequest,
    remote_fields: bool,
) -> Result<Found> {
    let include = if remote_fields { Include::remote_fields() } else { Include::default() };
    let records = session.store.search(account.id, request, include).await.map_err(Failure::of_request)?;
    let records = records.into_iter().map(|stored| stored.record).collect();
    Ok(Found { records, count: None, rejected: Vec::new() })
}

/// Asks the remote.
async fn there(session: &Session, account: &LinkedAccount, request: SearchRequest) -> Result<Found> {
    let provider = session.connect(account).await?;
    let result = provider.search(request).await;
    if let Err(error) = &result {
        session.note(account.id, error).await;
    }
    let page = result.map_err(Failure::of_request)?;
    tracing::info!(calls = page.usage.calls, "searched");
    let mut found = Found { records: Vec::new(), count: page.count, rejected: Vec::new() };
    for row in page.rows {
        match row {
            Row::Live(live) => found.records.push(live.record),
            Row::Rejected { error, .. } => found.rejected.push(error.to_string()),
            Row::Gone(_) | Row::Id { .. } => {}
        }
    }
    Ok(found)
}

/// A record of any object, which its JSON alone does not tell.
#[derive(Serialize)]
struct Shown<'r> {
    kind: &'static str,
    record: &'r Record,
}

impl<'r> Shown<'r> {
    fn of(record: &'r Record) -> Self {
        Self { kind: record.kind().as_str(), record }
    }
}

fn table(records: &[Record]) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let mut sheet = Sheet::new(&["object", "remote id", "name", "email", "phone"]).whole(0).whole(1);
    for record in records {
        sheet.row([
            record.kind().as_str().to_owned(),
            columns::cell(record, "remote_id"),
            name(record),
            columns::cell(record, "email_addresses"),
            numbers(record),
        ]);
    }
    sheet.print()
}

fn name(record: &Record) -> String {
    let parts: &[&Option<String>] = match record {
        Record::Account(account) => &[&account.name],
        Record::Contact(contact) => &[&contact.first_name, &contact.last_name],
        Record::Lead(lead) => &[&lead.first_name, &lead.last_name],
        _ => &[],
    };
    parts.iter().filter_map(|part| part.as_deref()).collect::<Vec<_>>().join(" ")
}

/// All of them: any may be the one that was looked for.
fn numbers(record: &Record) -> String {
    let numbers = match record {
        Record::Account(account) => &account.phone_numbers[..],
        Record::Contact(contact) => &contact.phone_numbers[..],
        Record::Lead(lead) => &lead.phone_numbers[..],
        _ => &[],
    };
    let numbers = numbers.iter().filter_map(|number| number.phone_number.as_deref());
    numbers.collect::<Vec<_>>().join(", ")
}
