//! The commands that write: records go to the remote in batches, and each row is told what became of it.

mod report;
mod row;
mod values;

pub(crate) mod convert_lead;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod update;
pub(crate) mod upsert;

use std::collections::HashMap;
use std::ops::Range;

use clap::Args;
use unicrm_core::{
    ConvertLead, Error, ErrorKind, FieldMapping, Object, ObjectKind, Outcome, Provider, RecordPatch, Ref,
    RemoteId, WriteOperation, WriteRequest,
};
use unicrm_store::LinkedAccount;
use uuid::Uuid;

use self::report::Report;
use self::row::{Ask, Conversion, Named};
use self::values::{Value, Values};
use crate::cli::{AccountOption, Global};
use crate::errors::{Exit, Result};
use crate::input::Source;
use crate::session::Session;

/// Rows that are sent together: enough for the provider to choose a way of its own for large loads.
const BATCH_ROWS: usize = 10_000;
/// Bytes of JSON that are in memory at once.
const BATCH_BYTES: usize = 16 << 20;

/// What every write takes.
#[derive(Clone, Debug, Args)]
struct WriteOptions {
    #[command(flatten)]
    account: AccountOption,
}

/// A write that may meet duplicate rules.
#[derive(Clone, Debug, Args)]
struct DuplicateOption {
    /// Write even where the remote's duplicate rules warn
    #[arg(long)]
    allow_duplicates: bool,
}

/// What a command takes that writes records, and not only their ids.
#[derive(Clone, Debug, Args)]
struct RecordOptions {
    /// The records: JSON, @FILE, or - for standard input. One object, one object a line, or one array of them
    #[arg(long, value_name = "JSON|@FILE|-")]
    data: String,
    #[command(flatten)]
    duplicates: DuplicateOption,
    #[command(flatten)]
    write: WriteOptions,
}

impl RecordOptions {
    /// Writes the records, each as `read` reads it.
    async fn run(
        &self,
        kind: ObjectKind,
        global: &Global,
        read: impl Fn(usize, &Value) -> Result<Ask>,
    ) -> Result<Exit> {
        let input = Input::Data(Source::of(&self.data), &read);
        let allow_duplicates = self.duplicates.allow_duplicates;
        run(Command { kind, options: &self.write, allow_duplicates, global }, input).await
    }
}

/// Rows that are given as arguments, or that stand in a source.
enum Input<'a> {
    Given(Vec<Ask>),
    Data(Source, &'a (dyn Fn(usize, &Value) -> Result<Ask> + 'a)),
}

/// What was typed, without what is to be written.
struct Command<'a> {
    kind: ObjectKind,
    options: &'a WriteOptions,
    allow_duplicates: bool,
    global: &'a Global,
}

/// One row of a batch: its number, the line on which it stands, and what it asks for.
struct Row {
    number: u64,
    line: Option<u64>,
    ask: Ask,
}

/// The remote ids of records that are named by unified ids.
type Known = HashMap<(ObjectKind, Uuid), RemoteId>;

async fn run(command: Command<'_>, input: Input<'_>) -> Result<Exit> {
    // What can be read twice is read through first, so that a mistake in the last line stops the first one too.
    if let Input::Data(source, read) = &input
        && source.is_repeatable()
    {
        for (number, value) in Values::of(source)?.enumerate() {
            ask(source, read, number, &value?)?;
        }
    }
    let session = Session::open(command.global).await?;
    let account = session.account(command.options.account.linked_account.as_deref()).await?;
    let provider = session.connect(&account).await?;
    let mappings = session.store.field_mappings(account.id).await?;
    let report = Report::new(&command, &account);
    let mut work = Work {
        command: &command,
        session: &session,
        account: &account,
        provider: &*provider,
        mappings,
        report,
    };
    match input {
        Input::Given(asks) => {
            let rows = asks.into_iter().zip(0..).map(|(ask, number)| Row { number, line: None, ask });
            work.send(rows.collect()).await?;
        }
        Input::Data(source, read) => work.stream(&source, read).await?,
    }
    work.report.finish()
}

/// Reads what a row asks for; the error names the source.
fn ask(
    source: &Source,
    read: &dyn Fn(usize, &Value) -> Result<Ask>,
    number: usize,
    value: &Value,
) -> Result<Ask> {
    read(number, value).map_err(|failure| failure.within(&source.name()))
}

/// A write on its way.
struct Work<'a> {
    command: &'a Command<'a>,
    session: &'a Session,
    account: &'a LinkedAccount,
    provider: &'a dyn Provider,
    mappings: Vec<FieldMapping>,
    report: Report,
}

impl Work<'_> {
    /// Sends what a source holds, batch by batch.
    async fn stream(&mut self, source: &Source, read: &dyn Fn(usize, &Value) -> Result<Ask>) -> Result<()> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (number, value) in Values::of(source)?.enumerate() {
            let row = value.and_then(|value| {
                let ask = ask(source, read, number, &value)?;
                bytes += value.text.len();
                Ok(Row { number: number as u64, line: Some(value.line), ask })
            });
            let row = match row {
                Ok(row) => row,
                // What stands before the mistake in this batch is not sent; what went out before is told.
                Err(failure) => {
                    let first = batch.first().map_or(number as u64, |row: &Row| row.number);
                    let failure =
                        if first == 0 { failure.and_advice("nothing was written") } else { failure };
                    return Err(self.report.stopped_by(failure, first));
                }
            };
            batch.push(row);
            if batch.len() == BATCH_ROWS || bytes >= BATCH_BYTES {
                bytes = 0;
                if !self.send(std::mem::take(&mut batch)).await? {
                    return Ok(());
                }
            }
        }
        self.send(batch).await.map(drop)
    }

    /// Sends a batch. Whether it makes sense to go on.
    async fn send(&mut self, mut rows: Vec<Row>) -> Result<bool> {
        let Some(first) = rows.first().map(|row| row.number) else { return Ok(true) };
        let numbers = first..first + rows.len() as u64;
        let known = self.look_up(&mut rows).await;
        let known = known.map_err(|failure| self.report.stopped_by(failure, numbers.start))?;
        let mut places = Vec::with_capacity(rows.len());
        let mut refused = Vec::with_capacity(rows.len());
        let mut operations = Vec::with_capacity(rows.len());
        for row in rows {
            places.push((row.number, row.line));
            match self.operation(row.ask, &known) {
                Ok(operation) => {
                    operations.push(operation);
                    refused.push(None);
                }
                Err(error) => refused.push(Some(error)),
            }
        }
        let mut written = self.write(operations, &numbers).await?.into_iter();
        let mut next = || {
            let missing = || Outcome::failed(Error::new(ErrorKind::Internal, "the row has no outcome"));
            written.next().unwrap_or_else(missing)
        };
        let outcomes: Vec<Outcome> =
            refused.into_iter().map(|error| error.map_or_else(&mut next, Outcome::failed)).collect();
        let last = outcomes.iter().filter_map(Outcome::error).find(|error| ends_everything(error));
        if let Some(error) = last {
            self.session.note(self.account.id, error).await;
            self.report.stop(error);
        }
        let goes_on = last.is_none();
        let told = self.report.batch(&places, &outcomes);
        told.map_err(|failure| self.report.stopped_by(failure, numbers.end))?;
        Ok(goes_on)
    }

    /// Has the provider write the rows with these numbers; a failure says what is known of them and of those before.
    async fn write(&self, operations: Vec<WriteOperation>, numbers: &Range<u64>) -> Result<Vec<Outcome>> {
        if operations.is_empty() {
            return Ok(Vec::new());
        }
        let request = WriteRequest::new(operations).allow_duplicates(self.command.allow_duplicates);
        let written = self.provider.write(request).await;
        // Any other error means that nothing was sent; that outcomes are missing is found afterwards.
        let defect = matches!(&written, Err(error) if error.kind() == ErrorKind::Internal);
        match self.session.noting(self.account.id, written).await {
            Ok(written) => Ok(written.outcomes),
            Err(failure) if defect => Err(self.report.unsure_of(failure, numbers)),
            Err(failure) => Err(self.report.stopped_by(failure, numbers.start)),
        }
    }

    /// Looks up what a batch names by unified ids, all at once: fills in references, and gives the remote ids of the
    /// records that are to be written.
    async fn look_up(&self, rows: &mut [Row]) -> Result<Known> {
        let store = &self.session.store;
        let mut records: Vec<_> = rows.iter_mut().filter_map(|row| row.ask.record()).collect();
        store.resolve_references(self.account.id, &mut records).await?;
        let named: Vec<_> = rows.iter().flat_map(|row| row.ask.unified(self.command.kind)).collect();
        if named.is_empty() {
            return Ok(Known::new());
        }
        Ok(store.remote_ids(self.account.id, named).await?)
    }

    /// The operation of a row, with remote ids in place of ours. An id that the store does not know is an error of the row.
    fn operation(&self, ask: Ask, known: &Known) -> Result<WriteOperation, Error> {
        let kind = self.command.kind;
        let named = |named: &Named| self.remote_id(known, kind, named, "/id");
        Ok(match ask {
            Ask::Create(record) => WriteOperation::create(self.mapped(record)?),
            Ask::Upsert(key, record) => WriteOperation::upsert(key, self.mapped(record)?),
            Ask::Update(id, record) => WriteOperation::update(named(&id)?, self.mapped(record)?),
            Ask::Delete(id) => WriteOperation::delete(kind, named(&id)?),
            Ask::Convert(conversion) => WriteOperation::Convert(self.conversion(*conversion, known)?),
        })
    }

    /// The record with the remote's own fields in place of mapped ones; one that is none is an error of the row. References
    /// that stayed open are refused by name, with everything else that is wrong with the row.
    fn mapped(&self, mut record: RecordPatch) -> Result<RecordPatch, Error> {
        record.resolve_field_mappings(&self.mappings)?;
        Ok(record)
    }

    fn conversion(&self, conversion: Conversion, known: &Known) -> Result<ConvertLead, Error> {
        let Conversion { lead, into } = conversion;
        let mut convert = ConvertLead::new(self.remote_id(known, ObjectKind::Lead, &lead, "/id")?);
        convert.opportunity_name = into.opportunity_name;
        convert.converted_status = into.converted_status;
        convert.account = self.target(known, into.account, "/account")?;
        convert.contact = self.target(known, into.contact, "/contact")?;
        convert.owner = self.target(known, into.owner, "/owner")?;
        Ok(convert)
    }

    fn target<T: Object>(
        &self,
        known: &Known,
        reference: Option<Ref<T>>,
        pointer: &str,
    ) -> Result<Option<Ref<T>>, Error> {
        let Some(reference) = reference else { return Ok(None) };
        let Some((kind, id)) = reference.unresolved() else { return Ok(Some(reference)) };
        let id = self.remote_id(known, kind, &Named::Unified(id), pointer)?;
        Ok(Some(reference.resolved(id)))
    }

    /// The remote id of a record of this account.
    fn remote_id(
        &self,
        known: &Known,
        kind: ObjectKind,
        named: &Named,
        pointer: &str,
    ) -> Result<RemoteId, Error> {
        let id = match named {
            Named::Remote(id) => return Ok(id.clone()),
            Named::Unified(id) => *id,
        };
        known.get(&(kind, id)).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("no {kind} {id} of {:?} is in the store", self.account.name),
            )
            .with_field(pointer, "no record with this unified id is known here")
            .with_advice("give the remote id, or sync first so that the unified id can be looked up")
        })
    }
}

/// Whether rows behind this one would fare no better.
fn ends_everything(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::QuotaExhausted | ErrorKind::Unauthenticated)
}
