//! `unicrm list`

use std::io::Write;

use clap::{Args, ValueEnum};
use unicrm_core::{FieldInfo, ObjectKind, Record};
use unicrm_store::{Filter, Include, ListRequest, Store, StoredRecord};

use super::columns;
use crate::cli::{AccountOption, Global};
use crate::errors::{Exit, Failure, Result};
use crate::output::{self, Sheet};
use crate::session::Session;

/// How many rows a table shows when nothing else is said: more would not be read.
const TABLE_ROWS: u64 = 100;

/// Rows that are in memory at once.
pub(super) const PAGE: u32 = 500;

/// List records from the store
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  unicrm list contacts\n  \
    unicrm list opportunities --where status=OPEN --format csv > open.csv\n  \
    unicrm list leads -a acme --format ndjson | head")]
pub(crate) struct Arguments {
    /// The object, such as contacts
    object: ObjectKind,
    #[command(flatten)]
    account: AccountOption,
    /// How to print the records; --json is short for --format json
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only records whose field has this value, or none after the =; may be repeated, then all must hold
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    filters: Vec<Filter>,
    /// Records that are gone at the remote, too
    #[arg(long)]
    include_deleted: bool,
    /// The remote fields that have no unified place, too
    #[arg(long)]
    remote_fields: bool,
    /// At most so many records [default: 100 in a table, all elsewhere]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns for people
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Ndjson,
    /// Comma-separated values with a heading
    Csv,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let format = match (arguments.format, global.json) {
        (None, false) => Format::Table,
        (None, true) => Format::Json,
        (Some(format), json) if !json || format == Format::Json => format,
        (Some(_), _) => return Err(Failure::usage("--json and another --format exclude each other")),
    };
    let kind = arguments.object;
    for filter in &arguments.filters {
        check_field(kind, &filter.field)?;
    }
    let session = Session::open(global).await?;
    let account = session.account_or_all(arguments.account.linked_account.as_deref()).await?;
    let include = if arguments.remote_fields { Include::remote_fields() } else { Include::default() };
    let mut request =
        ListRequest::new(kind).with_deleted(arguments.include_deleted).with(include).with_limit(PAGE);
    request.filters = arguments.filters;
    request.linked_account = account.map(|account| account.id);
    let limit = arguments.limit.unwrap_or(if format == Format::Table { TABLE_ROWS } else { u64::MAX });
    let rows = Rows::new(&*session.store, request, limit);
    match format {
        Format::Table => table(rows, kind, arguments.include_deleted).await?,
        Format::Json => json(rows).await?,
        Format::Ndjson => ndjson(rows).await?,
        Format::Csv => csv(rows, kind, arguments.remote_fields).await?,
    }
    Ok(Exit::DONE)
}

fn check_field(kind: ObjectKind, name: &str) -> Result<()> {
    if Record::has_field(kind, name) {
        return Ok(());
    }
    let names: Vec<_> = Record::fields_of(kind).iter().map(|field| field.name).collect();
    Err(Failure::usage(format!("{} have no field {name:?}; they have {}", kind.plural(), names.join(", "))))
}

/// The records of a list, page by page.
pub(super) struct Rows<'a> {
    store: &'a dyn Store,
    request: Option<ListRequest>,
    left: u64,
    /// Whether there is more than was asked for.
    cut: bool,
}

impl<'a> Rows<'a> {
    /// At most so many records of the list that begins with this page.
    pub(super) fn new(store: &'a dyn Store, request: ListRequest, limit: u64) -> Self {
        Self { store, request: Some(request), left: limit, cut: false }
    }

    /// The next page; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<StoredRecord>>> {
        let Some(request) = self.request.take() else { return Ok(None) };
        let mut page = self.store.list(request.clone()).await.map_err(Failure::of_request)?;
        let found = page.records.len() as u64;
        // A next page has at least one record; it need not be read to know that there is more.
        self.cut = found > self.left || (found == self.left && page.next.is_some());
        page.records.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= page.records.len() as u64;
        self.request = page.next.filter(|_| !self.cut).map(|cursor| request.after(Some(cursor)));
        Ok(Some(page.records))
    }
}

async fn table(mut rows: Rows<'_>, kind: ObjectKind, with_deleted: bool) -> Result<()> {
    let columns = columns::of(kind);
    let mut header: Vec<_> = columns.iter().map(|(heading, _)| *heading).collect();
    if with_deleted {
        header.push("gone");
    }
    let mut sheet = Sheet::new(&header).whole(0);
    let mut shown = 0_u64;
    while let Some(page) = rows.next().await? {
        for stored in page {
            let mut cells: Vec<_> =
                columns.iter().map(|(_, field)| columns::cell(&stored.record, field)).collect();
            if with_deleted {
                cells.push(stored.gone.map(|gone| format!("{:.0}", gone.at)).unwrap_or_default());
            }
            sheet.row(cells);
            shown += 1;
        }
    }
    sheet.print()?;
    if rows.cut {
        eprintln!("the first {shown}; --limit N shows more, --format ndjson all");
    }
    Ok(())
}

async fn json(mut rows: Rows<'_>) -> Result<()> {
    // What is wrong with the request shows at the first page, before anything is printed.
    let mut next = rows.next().await?;
    let mut first = true;
    write_some("[")?;
    while let Some(page) = next {
        let mut out = output::stdout();
        for stored in page {
            out.write_all(if first { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut out, &stored.record)?;
            first = false;
        }
        out.flush()?;
        drop(out);
        next = rows.next().await?;
    }
    write_some(if first { "]\n" } else { "\n]\n" })
}

fn write_some(text: &str) -> Result<()> {
    let mut out = output::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

async fn ndjson(mut rows: Rows<'_>) -> Result<()> {
    while let Some(page) = rows.next().await? {
        let mut out = output::stdout();
        for stored in page {
            serde_json::to_writer(&mut out, &stored.record)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
    }
    Ok(())
}

async fn csv(mut rows: Rows<'_>, kind: ObjectKind, remote_fields: bool) -> Result<()> {
    let shown = |field: &&FieldInfo| match field.name {
        "remote_data" => false,
        "remote_fields" => remote_fields,
        _ => true,
    };
    let fields: Vec<_> = Record::fields_of(kind).iter().filter(shown).map(|field| field.name).collect();
    let mut writer = csv_writer();
    writer.write_record(&fields)?;
    writer.flush()?;
    drop(writer);
    while let Some(page) = rows.next().await? {
        let mut writer = csv_writer();
        for stored in page {
            let record = &stored.record;
            let cells = fields.iter().map(|field| record.get(field).map(|value| value.to_string()));
            writer.write_record(cells.map(Option::unwrap_or_default))?;
        }
        writer.flush()?;
    }
    Ok(())
}

fn csv_writer() -> csv::Writer<std::io::StdoutLock<'static>> {
    csv::Writer::from_writer(std::io::stdout().lock())
}
