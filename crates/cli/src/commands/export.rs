//! `unicrm export`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde::Serialize;
use tempfile::NamedTempFile;
use unicrm_core::{FieldInfo, ObjectKind, Record, RemoteId};
use unicrm_store::{Include, LinkedAccount, ListRequest, StoredGone, StoredRecord};

use super::list::{PAGE, Rows};
use crate::cli::{AccountOption, Global};
use crate::errors::{Exit, Failure, Result};
use crate::output::{self, Sheet};
use crate::session::Session;
use crate::{interrupt, progress};

/// The field that says whether a record was deleted at the remote. Not every object has it; every export does.
const DELETED_FLAG: &str = "remote_was_deleted";

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Write the records of the store into files, one per object
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  unicrm export -a acme --out backup\n  \
    unicrm export -a acme --format csv --object contacts --object accounts --out tables\n\n\
    Deleted records are included and marked: remote_was_deleted, gone_reason (deleted, merged or not_visible) and gone_at.\n\
    A file appears under its name when it is whole, and only its owner can read it.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    account: AccountOption,
    /// The form of the files
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,
    /// The folder of the files; it is made when it is not there, and files of the same names are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Export this object only, such as contacts; may be repeated
    #[arg(long = "object", value_name = "OBJECT")]
    objects: Vec<ObjectKind>,
    /// The raw records as the remote sent them, too
    #[arg(long)]
    remote_data: bool,
    /// In CSV, put a ' before cells that a spreadsheet would run as a formula; such cells then differ from the record
    #[arg(long)]
    spreadsheet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line
    Ndjson,
    /// Comma-separated values with a heading; lists and parts as JSON
    Csv,
}

impl Format {
    const fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    if arguments.spreadsheet && arguments.format != Format::Csv {
        return Err(Failure::usage("--spreadsheet is for --format csv"));
    }
    let session = Session::open(global).await?;
    let account = session.account(arguments.account.linked_account.as_deref()).await?;
    let exported = tokio::select! {
        exported = export(&session, &account, &arguments) => exported?,
        // What was begun goes with its temporary file.
        code = interrupt::signal() => {
            eprintln!("Stopped; the files that were whole by then are there.");
            return Ok(Exit::of_signal(code));
        }
    };
    if global.json {
        output::json_line(&exported)?;
    } else {
        exported.print()?;
    }
    Ok(Exit::DONE)
}

/// What was written.
#[derive(Debug, Serialize)]
struct Exported {
    linked_account: String,
    out: PathBuf,
    format: &'static str,
    objects: BTreeMap<&'static str, Written>,
    seconds: f64,
}

/// One file.
#[derive(Debug, Default, Serialize)]
struct Written {
    file: String,
    /// Records in it, those that are gone included.
    records: u64,
    /// Those that are gone at the remote.
    deleted: u64,
    bytes: u64,
}

async fn export(session: &Session, account: &LinkedAccount, arguments: &Arguments) -> Result<Exported> {
    let started = Instant::now();
    let folder = &arguments.out;
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let counts = session.store.counts(Some(account.id)).await?;
    let mut objects = BTreeMap::new();
    let asked = |kind: &ObjectKind| arguments.objects.is_empty() || arguments.objects.contains(kind);
    for kind in ObjectKind::ALL.into_iter().filter(asked) {
        let total = counts.get(&kind).map_or(0, |counts| counts.live + counts.deleted);
        objects.insert(kind.plural(), write(session, account, arguments, kind, total).await?);
    }
    Ok(Exported {
        linked_account: account.name.clone(),
        out: folder.clone(),
        format: arguments.format.extension(),
        objects,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Writes one object's file beside its place and moves it there when it is whole.
async fn write(
    session: &Session,
    account: &LinkedAccount,
    arguments: &Arguments,
    kind: ObjectKind,
    total: u64,
) -> Result<Written> {
    let name = format!("{}.{}", kind.plural(), arguments.format.extension());
    let path = arguments.out.join(&name);
    let aside = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".part")
        .tempfile_in(&arguments.out)
        .map_err(|error| failed(&arguments.out, error))?;
    let include = Include { remote_fields: true, remote_data: arguments.remote_data };
    let request = ListRequest::new(kind).of(account.id).with_deleted(true).with(include).with_limit(PAGE);
    let mut rows = Rows::new(&*session.store, request, u64::MAX);
    let mut sink = Sink::new(aside, arguments, kind)?;
    let mut written = Written { file: name, ..Written::default() };
    let bar = progress::bar(kind.plural(), total);
    while let Some(page) = rows.next().await? {
        for stored in &page {
            sink.write(stored).map_err(|failure| failure.within(&path.display().to_string()))?;
            written.records += 1;
            written.deleted += u64::from(stored.gone.is_some());
        }
        bar.set_position(written.records);
    }
    bar.finish_and_clear();
    written.bytes = sink.place(&path).map_err(|error| failed(&path, error))?;
    Ok(written)
}

fn failed(path: &Path, error: io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull => "make room, or name another folder with --out",
        _ => "the folder must be writable; or name another with --out",
    };
    Failure::new(format!("{} cannot be written: {error}", path.display())).because(error).advice(advice)
}

/// Where the records of one file go, in its format.
enum Sink {
    Ndjson(BufWriter<NamedTempFile>),
    Csv { writer: Box<csv::Writer<NamedTempFile>>, columns: Columns },
}

impl Sink {
    fn new(aside: NamedTempFile, arguments: &Arguments, kind: ObjectKind) -> Result<Self> {
        Ok(match arguments.format {
            Format::Ndjson => Self::Ndjson(BufWriter::with_capacity(64 << 10, aside)),
            Format::Csv => {
                let columns = Columns::of(kind, arguments);
                let mut writer = Box::new(csv::Writer::from_writer(aside));
                writer.write_record(columns.header())?;
                Self::Csv { writer, columns }
            }
        })
    }

    fn write(&mut self, stored: &StoredRecord) -> Result<()> {
        match self {
            Self::Ndjson(out) => {
                serde_json::to_writer(&mut *out, &Line::of(stored))?;
                out.write_all(b"\n")?;
            }
            Self::Csv { writer, columns } => writer.write_record(columns.cells(stored))?,
        }
        Ok(())
    }

    /// Puts the file in its place, with all that was written safely on disk; gives its size.
    fn place(self, path: &Path) -> io::Result<u64> {
        let aside = match self {
            Self::Ndjson(out) => out.into_inner().map_err(io::IntoInnerError::into_error)?,
            Self::Csv { writer, .. } => writer
                .into_inner()
                .map_err(|error| io::Error::new(error.error().kind(), error.to_string()))?,
        };
        aside.as_file().sync_all()?;
        let bytes = aside.as_file().metadata()?.len();
        aside.persist(path)?;
        // The name is safe once the folder is; not every system can say so.
        if let Some(Ok(folder)) = path.parent().map(File::open) {
            drop(folder.sync_all());
        }
        Ok(bytes)
    }
}

/// A record as one line of NDJSON. One that is gone says so, whatever fields its object has.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    record: &'a Record,
    #[serde(flatten)]
    gone: Option<GoneKeys<'a>>,
}

#[derive(Serialize)]
struct GoneKeys<'a> {
    /// None where the record itself has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_was_deleted: Option<bool>,
    gone_reason: &'static str,
    gone_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into_remote_id: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(stored: &'a StoredRecord) -> Self {
        let gone = stored.gone.as_ref().map(|gone| GoneKeys {
            remote_was_deleted: (!has_flag(stored.record.kind())).then_some(true),
            gone_reason: gone.reason.as_str(),
            gone_at: gone.at.to_string(),
            merged_into_remote_id: survivor(gone),
        });
        Self { record: &stored.record, gone }
    }
}

fn has_flag(kind: ObjectKind) -> bool {
    Record::has_field(kind, DELETED_FLAG)
}

fn survivor(gone: &StoredGone) -> Option<&str> {
    gone.reason.survivor().map(RemoteId::as_str)
}

/// The columns of an object's CSV file.
struct Columns {
    fields: Vec<&'static str>,
    /// Whether the flag is not among the fields.
    adds_flag: bool,
    escapes: bool,
}

impl Columns {
    fn of(kind: ObjectKind, arguments: &Arguments) -> Self {
        let shown = |field: &&FieldInfo| field.name != "remote_data" || arguments.remote_data;
        let fields = Record::fields_of(kind).iter().filter(shown).map(|field| field.name).collect();
        Self { fields, adds_flag: !has_flag(kind), escapes: arguments.spreadsheet }
    }

    fn header(&self) -> impl Iterator<Item = &str> {
        let flag = self.adds_flag.then_some(DELETED_FLAG);
        self.fields.iter().copied().chain(flag).chain(["gone_reason", "gone_at", "merged_into_remote_id"])
    }

    fn cells(&self, stored: &StoredRecord) -> Vec<String> {
        let fields = self.fields.iter().map(|field| {
            let cell = stored.record.get(field).map(|value| value.to_string()).unwrap_or_default();
            if self.escapes { escaped(cell) } else { cell }
        });
        let flag = self.adds_flag.then(|| stored.gone.is_some().to_string());
        let gone = stored.gone.as_ref();
        let gone = [
            gone.map(|gone| gone.reason.as_str().to_owned()),
            gone.map(|gone| gone.at.to_string()),
            gone.and_then(survivor).map(str::to_owned),
        ];
        fields.chain(flag).chain(gone.map(Option::unwrap_or_default)).collect()
    }
}

/// The cell with a ' before what a spreadsheet would run.
fn escaped(cell: String) -> String {
    if cell.starts_with(FORMULA) { format!("'{cell}") } else { cell }
}

impl Exported {
    fn print(&self) -> Result<()> {
        let mut sheet = Sheet::new(&["file", "records", "deleted", "bytes"]).whole(0).numbers(1..=3);
        for written in self.objects.values() {
            let numbers = [written.records, written.deleted, written.bytes].map(|number| number.to_string());
            sheet.row([written.file.clone()].into_iter().chain(numbers));
        }
        sheet.print()?;
        output::line(format!("in {}", self.out.display()))
    }
}

#[cfg(test)]
mod tests {
    use unicrm_core::{EngagementType, Task};

    use super::*;

    #[test]
    fn cells_that_a_spreadsheet_would_run_are_marked_on_request() {
        for formula in ["=1+1", "+49 30", "-1", "@SUM(A1)", "\tx", "\rx"] {
            assert_eq!(escaped(formula.to_owned()), format!("'{formula}"));
        }
        for text in ["", "a=b", "[{\"x\":1}]", "'=1"] {
            assert_eq!(escaped(text.to_owned()), text);
        }
    }

    #[test]
    fn the_mark_of_a_deleted_record_is_there_once_on_every_object() {
        for (record, own) in
            [(Record::from(EngagementType::default()), false), (Record::from(Task::default()), true)]
        {
            assert_eq!(has_flag(record.kind()), own, "{}", record.kind());
        }
    }
}
