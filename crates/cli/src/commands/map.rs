//! `unicrm map`: field mappings of a linked account.

use std::fmt;

use clap::{Args, Subcommand};
use serde::Serialize;
use unicrm_core::{FieldMapping, Json, MappedType, ObjectKind, RawRecord};
use unicrm_store::{Include, LinkedAccount, ListRequest, Projection};

use super::list::Rows;
use crate::cli::{AccountOption, Global};
use crate::errors::{Exit, Failure, Result};
use crate::output::{self, Sheet};
use crate::session::Session;

/// Records of one transaction: enough to be quick, few enough to let others write in between.
const PAGE: u32 = 500;

/// Lift remote fields to fields with a name and a type of their own
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  unicrm map preview contacts Tier__c\n  unicrm map set contacts tier Tier__c -a acme\n  \
    unicrm map list\n  unicrm map remove contacts tier\n\n\
    Mapped values stand in \"field_mappings\" of each record and are written by the same name. The records in the store are \
    made anew from what the remote sent before: nothing is fetched again."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the field mappings
    List {
        #[command(flatten)]
        account: AccountOption,
    },
    /// Map a remote field, or change the mapping of this name
    Set {
        /// The object, such as contacts
        object: ObjectKind,
        /// The name of the mapped field, in snake_case
        name: String,
        #[command(flatten)]
        source: SourceOption,
        #[command(flatten)]
        account: AccountOption,
    },
    /// Take a mapping away
    Remove {
        /// The object, such as contacts
        object: ObjectKind,
        /// The name of the mapped field
        name: String,
        #[command(flatten)]
        account: AccountOption,
    },
    /// Show what a mapping would make of the records in the store
    Preview {
        /// The object, such as contacts
        object: ObjectKind,
        #[command(flatten)]
        source: SourceOption,
        /// How many records to show
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
        show: u16,
        /// How many records to look at
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        limit: u32,
        #[command(flatten)]
        account: AccountOption,
    },
    /// Finish making the records anew, where that was interrupted
    Apply {
        #[command(flatten)]
        account: AccountOption,
    },
}

#[derive(Clone, Debug, Args)]
struct SourceOption {
    /// The remote field, as Field, or Object.Field where several remote objects stand behind the unified one
    #[arg(value_name = "REMOTE")]
    remote: String,
    /// What the values are: text, number, boolean, date, timestamp or list [default: as the remote has it]
    #[arg(long = "type", value_name = "TYPE")]
    ty: Option<MappedType>,
}

impl Action {
    fn account(&self) -> Option<&str> {
        let (Self::List { account }
        | Self::Set { account, .. }
        | Self::Remove { account, .. }
        | Self::Preview { account, .. }
        | Self::Apply { account }) = self;
        account.linked_account.as_deref()
    }
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let session = Session::open(global).await?;
    let account = session.account(arguments.action.account()).await?;
    let work = Work { session: &session, account: &account, json: global.json };
    match arguments.action {
        Action::List { .. } => work.list().await?,
        Action::Set { object, name, source, .. } => work.set(object, &name, &source).await?,
        Action::Remove { object, name, .. } => work.remove(object, &name).await?,
        Action::Preview { object, source, show, limit, .. } => {
            work.preview(object, &source, usize::from(show), limit).await?;
        }
        Action::Apply { .. } => work.apply().await?,
    }
    Ok(Exit::DONE)
}

struct Work<'a> {
    session: &'a Session,
    account: &'a LinkedAccount,
    json: bool,
}

/// A mapping for scripts, with what it did to the store.
#[derive(Serialize)]
struct Told<'a> {
    object: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    ty: Option<MappedType>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    records: Option<Records>,
}

#[derive(Clone, Copy, Serialize)]
struct Records {
    /// Records that were looked at.
    records: u64,
    /// Records that are different now.
    changed: u64,
    /// Records whose raw form is not there: what cannot be made again stays as it was.
    left: u64,
}

impl fmt::Display for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} records changed", self.changed, self.records)?;
        if self.left > 0 {
            write!(
                f,
                "\n{} have no raw record and keep what they had; `unicrm sync --full` reads them again",
                self.left
            )?;
        }
        Ok(())
    }
}

impl<'a> Told<'a> {
    fn of(mapping: &'a FieldMapping, records: Option<Records>) -> Self {
        Self {
            object: mapping.kind.plural(),
            name: &mapping.name,
            remote: Some(&mapping.remote),
            ty: Some(mapping.ty),
            records,
        }
    }
}

impl Work<'_> {
    async fn list(&self) -> Result<()> {
        let mappings = self.session.store.field_mappings(self.account.id).await?;
        self.mention_unfinished().await?;
        if self.json {
            return output::json(&mappings.iter().map(|mapping| Told::of(mapping, None)).collect::<Vec<_>>());
        }
        if mappings.is_empty() {
            eprintln!("no remote field is mapped; `unicrm map set contacts tier Tier__c` maps one");
            return Ok(());
        }
        let mut sheet = Sheet::new(&["object", "name", "remote", "type"]);
        for mapping in &mappings {
            sheet.row([mapping.kind.plural(), &mapping.name, &mapping.remote, mapping.ty.as_str()]);
        }
        sheet.print()
    }

    async fn set(&self, kind: ObjectKind, name: &str, source: &SourceOption) -> Result<()> {
        let mapping = self.checked(kind, name, source).await?;
        self.session.store.set_field_mapping(self.account.id, mapping.clone()).await?;
        let records = self.project(kind).await?;
        if self.json {
            return output::json_line(&Told::of(&mapping, Some(records)));
        }
        output::line(format!("{mapping}: {records}"))
    }

    async fn remove(&self, kind: ObjectKind, name: &str) -> Result<()> {
        if !self.session.store.remove_field_mapping(self.account.id, kind, name).await? {
            return Err(Failure::usage(format!(
                "{} has no field mapping {}.{name}",
                self.account.name, kind
            ))
            .advice("`unicrm map list` shows those that there are"));
        }
        let records = self.project(kind).await?;
        if self.json {
            let told = Told { object: kind.plural(), name, remote: None, ty: None, records: Some(records) };
            return output::json_line(&told);
        }
        output::line(format!("{kind}.{name} removed: {records}"))
    }

    async fn apply(&self) -> Result<()> {
        let mut told = Vec::new();
        for kind in self.session.store.unprojected(self.account.id).await? {
            told.push((kind, self.project(kind).await?));
        }
        if self.json {
            let told: std::collections::BTreeMap<_, _> =
                told.into_iter().map(|(kind, records)| (kind.plural(), records)).collect();
            return output::json_line(&told);
        }
        if told.is_empty() {
            return output::line("all records are as the field mappings say");
        }
        for (kind, records) in told {
            output::line(format!("{}: {records}", kind.plural()))?;
        }
        Ok(())
    }

    /// A mapping that fits what the remote has, of the type that is asked for or that fits best.
    async fn checked(&self, kind: ObjectKind, name: &str, source: &SourceOption) -> Result<FieldMapping> {
        let ty = source.ty.unwrap_or(MappedType::Text);
        // What is wrong with the name shows before anybody is asked.
        let mut mapping = FieldMapping::new(kind, name, source.remote.as_str(), ty).map_err(usage)?;
        let provider = self.session.connect(self.account).await?;
        let schema = self.session.noting(self.account.id, provider.describe(kind).await).await?;
        let field = mapping.check(&schema).map_err(usage)?;
        if source.ty.is_none() {
            mapping.ty = MappedType::of(&field.format);
        }
        Ok(mapping)
    }

    /// Makes all records of an object anew that are not yet as the mappings say.
    async fn project(&self, kind: ObjectKind) -> Result<Records> {
        let mut records = Records { records: 0, changed: 0, left: 0 };
        loop {
            let Projection { seen, changed, left, done, .. } =
                self.session.store.project(self.account.id, kind, PAGE).await?;
            records.records += seen;
            records.changed += changed;
            records.left += left;
            if done {
                return Ok(records);
            }
        }
    }

    async fn mention_unfinished(&self) -> Result<()> {
        let kinds = self.session.store.unprojected(self.account.id).await?;
        if !kinds.is_empty() {
            let names: Vec<_> = kinds.iter().map(|kind| kind.plural()).collect();
            eprintln!(
                "note: some records of {} are not yet as the mappings say; `unicrm map apply` finishes them",
                names.join(", ")
            );
        }
        Ok(())
    }

    async fn preview(&self, kind: ObjectKind, source: &SourceOption, show: usize, limit: u32) -> Result<()> {
        let mapping = self.checked(kind, "preview", source).await?;
        let preview = self.look(&mapping, show, limit).await?;
        if preview.records == 0 {
            return Err(Failure::new(format!("the store has no {} of {}", kind.plural(), self.account.name))
                .advice("`unicrm sync` brings them in; then the preview shows real records"));
        }
        if self.json {
            return output::json(&preview);
        }
        let mut sheet = Sheet::new(&["remote id", "remote", "as"]).whole(0);
        for sample in &preview.samples {
            let value = sample.value.as_ref().map_or("(does not fit)", Json::as_str);
            sheet.row([sample.remote_id.as_str(), sample.remote.as_str(), value]);
        }
        sheet.print()?;
        output::line(format!(
            "\n{} as {}, in {} records:\n{} with a value, {} without, {} of another type",
            mapping.remote, mapping.ty, preview.records, preview.filled, preview.empty, preview.misfits
        ))
    }

    async fn look(&self, mapping: &FieldMapping, show: usize, limit: u32) -> Result<Preview> {
        let mut preview = Preview {
            remote: mapping.remote.clone(),
            ty: mapping.ty,
            records: 0,
            filled: 0,
            empty: 0,
            misfits: 0,
            samples: Vec::new(),
        };
        let request =
            ListRequest::new(mapping.kind).of(self.account.id).with(Include::everything()).with_limit(PAGE);
        let mut rows = Rows::new(&*self.session.store, request, limit.into());
        while let Some(page) = rows.next().await? {
            for stored in page {
                preview.take(mapping, &stored.record, show)?;
            }
        }
        Ok(preview)
    }
}

/// What a mapping would make of the records in the store.
#[derive(Serialize)]
struct Preview {
    remote: String,
    #[serde(rename = "type")]
    ty: MappedType,
    records: u64,
    filled: u64,
    empty: u64,
    /// Records whose value is of another type: those show none.
    misfits: u64,
    samples: Vec<Sample>,
}

#[derive(Serialize)]
struct Sample {
    remote_id: String,
    /// As the remote has it.
    remote: Json,
    /// As the mapping shows it; none when it does not fit.
    value: Option<Json>,
}

impl Preview {
    fn take(&mut self, mapping: &FieldMapping, record: &unicrm_core::Record, show: usize) -> Result<()> {
        let mut raw = RawRecord::default();
        if let Some(unicrm_core::Value::Json(pieces)) = record.get("remote_data") {
            for piece in unicrm_core::from_json::<Vec<unicrm_core::RemoteData>>(&pieces)? {
                raw.append(RawRecord::new(piece.path, piece.data.as_str()));
            }
        }
        self.records += 1;
        let Some(remote) = mapping.source(record, &raw).filter(|value| value.as_str() != "null") else {
            self.empty += 1;
            return Ok(());
        };
        let value = mapping.ty.lift(&remote);
        let place = if value.is_some() { &mut self.filled } else { &mut self.misfits };
        *place += 1;
        if self.samples.len() < show {
            let remote_id = record.remote_id().map(ToString::to_string).unwrap_or_default();
            self.samples.push(Sample { remote_id, remote, value });
        }
        Ok(())
    }
}

/// A mapping that cannot be is wrong usage, whatever finds it out.
fn usage(error: unicrm_core::Error) -> Failure {
    Failure::from(error).into_usage()
}
