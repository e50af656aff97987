//! The commands that write: records go to the remote in batches, and each row is told what became of it.

mod report;
mod row;
mod values;

pub(crate) mod convert_lead;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod update;
pub(crate) mod upsert;

use clap::Args;
use unicrm_core::{
    ConvertLead, Error, ErrorKind, FieldMapping, Object, ObjectKind, Outcome, Provider, RecordPatch, Ref,
    RemoteId, WriteOperation, WriteRequest,
};
use unicrm_store::{Include, LinkedAccount};

use self::report::Report;
use self::row::{Ask, Conversion, Named};
use self::values::{Source, Value};
use crate::cli::{AccountOption, Global};
use crate::errors::{Exit, Failure, Result};
use crate::session::Session;

/// Rows that are sent together: enough for the provider to choose a way of its own for large loads.
const BATCH_ROWS: usize = 10_000;
/// Bytes of JSON that are in memory at once.
const BATCH_BYTES: usize = 16 << 20;

/// Where the rows come from.
#[derive(Clone, Debug, Args)]
struct DataOption {
    /// The records: JSON, @FILE, or - for standard input. One object, one object a line, or one array of them
    #[arg(long, value_name = "JSON|@FILE|-")]
    data: String,
}

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

/// What becomes of a row before anything is sent.
type Resolved = std::result::Result<WriteOperation, Error>;

async fn run(command: Command<'_>, input: Input<'_>) -> Result<Exit> {
    // What can be read twice is read through first, so that a mistake in the last line stops the first one too.
    if let Input::Data(source, read) = &input
        && source.is_repeatable()
    {
        for (number, value) in source.values()?.enumerate() {
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
        for (number, value) in source.values()?.enumerate() {
            let row = value.and_then(|value| {
                let ask = ask(source, read, number, &value)?;
                bytes += value.text.len();
                Ok(Row { number: number as u64, line: Some(value.line), ask })
            });
            let row = match row {
                Ok(row) => row,
                // What stands before the mistake in this batch is not sent; what went out before is told.
                Err(failure) => return Err(self.report.stopped_by(failure, &batch)),
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
    async fn send(&mut self, rows: Vec<Row>) -> Result<bool> {
        if rows.is_empty() {
            return Ok(true);
        }
        let mut places = Vec::with_capacity(rows.len());
        let mut resolved = Vec::with_capacity(rows.len());
        for row in rows {
            places.push((row.number, row.line));
            resolved.push(self.resolve(row.ask).await?);
        }
        let operations = resolved.iter().filter_map(|row| row.as_ref().ok()).cloned().collect::<Vec<_>>();
        let written = if operations.is_empty() {
            Vec::new()
        } else {
            let request = WriteRequest::new(operations).allow_duplicates(self.command.allow_duplicates);
            self.session.noting(self.account.id, self.provider.write(request).await).await?.outcomes
        };
        let mut written = written.into_iter();
        let outcomes: Vec<Outcome> = resolved
            .into_iter()
            .map(|row| match row {
                Ok(_) => written.next().unwrap_or_else(|| {
                    Outcome::failed(Error::new(ErrorKind::Internal, "the row has no outcome"))
                }),
                Err(error) => Outcome::failed(error),
            })
            .collect();
        let last = outcomes.iter().filter_map(Outcome::error).find(|error| ends_everything(error));
        if let Some(error) = last {
            self.session.note(self.account.id, error).await;
            self.report.stop(error);
        }
        let goes_on = last.is_none();
        self.report.batch(&places, &outcomes)?;
        Ok(goes_on)
    }

    /// The operation of a row, with remote ids in place of ours. An id that the store does not know is an error of the row.
    async fn resolve(&self, ask: Ask) -> Result<Resolved> {
        let kind = self.command.kind;
        Ok(match ask {
            Ask::Create(record) => self.referring(record).await?.map(WriteOperation::create),
            Ask::Upsert(key, record) => {
                self.referring(record).await?.map(|record| WriteOperation::upsert(key, record))
            }
            Ask::Update(named, record) => match self.remote_id(kind, &named, "/id").await? {
                Ok(id) => self.referring(record).await?.map(|record| WriteOperation::update(id, record)),
                Err(error) => Err(error),
            },
            Ask::Delete(named) => {
                self.remote_id(kind, &named, "/id").await?.map(|id| WriteOperation::delete(kind, id))
            }
            Ask::Convert(conversion) => self.conversion(*conversion).await?.map(WriteOperation::Convert),
        })
    }

    /// The record with remote ids and the remote's own fields in place of ours. References that stay open are refused by
    /// name, with everything else that is wrong with the row; a mapped field that is none is an error of the row.
    async fn referring(&self, mut record: RecordPatch) -> Result<Result<RecordPatch, Error>> {
        self.session.store.resolve_references(self.account.id, &mut record).await?;
        Ok(record.resolve_field_mappings(&self.mappings).map(|()| record))
    }

    async fn conversion(&self, conversion: Conversion) -> Result<Result<ConvertLead, Error>> {
        let Conversion { lead, into } = conversion;
        let lead = match self.remote_id(ObjectKind::Lead, &lead, "/id").await? {
            Ok(id) => id,
            Err(error) => return Ok(Err(error)),
        };
        let mut convert = ConvertLead::new(lead);
        convert.opportunity_name = into.opportunity_name;
        convert.converted_status = into.converted_status;
        let target = async {
            convert.account = self.target(into.account, "/account").await?;
            convert.contact = self.target(into.contact, "/contact").await?;
            convert.owner = self.target(into.owner, "/owner").await?;
            Ok(convert)
        };
        match target.await {
            Ok(convert) => Ok(Ok(convert)),
            Err(Unknown::Row(error)) => Ok(Err(error)),
            Err(Unknown::All(failure)) => Err(failure),
        }
    }

    async fn target<T: Object>(
        &self,
        reference: Option<Ref<T>>,
        pointer: &str,
    ) -> Result<Option<Ref<T>>, Unknown> {
        let Some(reference) = reference else { return Ok(None) };
        let (Some(id), None) = (reference.id(), reference.remote_id()) else { return Ok(Some(reference)) };
        let named = Named::Unified(*id.as_uuid());
        let found = self.remote_id(T::KIND, &named, pointer).await.map_err(Unknown::All)?;
        found.map(|id| Some(reference.resolved(id))).map_err(Unknown::Row)
    }

    /// The remote id of a record of this account.
    async fn remote_id(
        &self,
        kind: ObjectKind,
        named: &Named,
        pointer: &str,
    ) -> Result<Result<RemoteId, Error>> {
        let id = match named {
            Named::Remote(id) => return Ok(Ok(id.clone())),
            Named::Unified(id) => *id,
        };
        let stored = self.session.store.get(kind, id, Include::default()).await?;
        let found = stored
            .filter(|stored| stored.linked_account == self.account.id)
            .and_then(|stored| stored.record.remote_id().cloned());
        Ok(found.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("no {kind} {id} of {:?} is in the store", self.account.name),
            )
            .with_field(pointer, "no record with this unified id is known here")
            .with_advice("give the remote id, or sync first so that the unified id can be looked up")
        }))
    }
}

/// Why a reference has no remote id.
enum Unknown {
    /// The store does not know it: the row fails.
    Row(Error),
    /// The store cannot be read.
    All(Failure),
}

/// Whether rows behind this one would fare no better.
fn ends_everything(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::QuotaExhausted | ErrorKind::Unauthenticated)
}
