//! `unicrm custom-objects`: classes that the customer has added, their records, and what these point at. Always live.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use unicrm_core::{
    CustomObject, CustomObjectClass, CustomOperation, CustomRead, CustomRow, CustomWrite, Error, ErrorKind,
    ExternalKey, Json, Next, Outcome, Provider, RemoteId, Scope, Warning, from_json,
};
use unicrm_store::LinkedAccount;

use crate::cli::{AccountOption, Global};
use crate::errors::{Exit, Failure, Result};
use crate::input::Source;
use crate::output::{self, Sheet};
use crate::session::Session;

/// No record is longer than this, in kilobytes.
const LONGEST: u64 = 16 << 10;

/// So many records are shown unless another number is asked for.
const MANY: u64 = 100;

/// Read and write custom objects at the remote
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  unicrm custom-objects classes -a acme\n  \
    unicrm custom-objects describe Invoice__c\n  \
    unicrm custom-objects list Invoice__c --limit 20\n  \
    unicrm custom-objects create Invoice__c --data '{\"Name\": \"R-1\", \"Total__c\": 12.50}'\n  \
    unicrm custom-objects associate Invoice__c a00Hs00000AbCdEIAV Customer__c 001Hs00003XyZabIAF")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The classes that this user sees
    Classes {
        #[command(flatten)]
        account: AccountOption,
    },
    /// The fields and association types of a class
    Describe {
        /// The class, such as Invoice__c
        class: String,
        #[command(flatten)]
        account: AccountOption,
    },
    /// The records of a class
    List {
        /// The class, such as Invoice__c
        class: String,
        /// Show at most so many records [default: 100, and all with --ndjson]
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
        /// Print one JSON object a line
        #[arg(long)]
        ndjson: bool,
        #[command(flatten)]
        account: AccountOption,
    },
    /// One record as JSON, with what it points at
    Get {
        /// The class, such as Invoice__c
        class: String,
        /// The remote id
        id: String,
        #[command(flatten)]
        account: AccountOption,
    },
    /// Make a record
    Create {
        /// The class, such as Invoice__c
        class: String,
        #[command(flatten)]
        data: DataOption,
        #[command(flatten)]
        account: AccountOption,
    },
    /// Change the fields that are named
    Update {
        /// The class, such as Invoice__c
        class: String,
        /// The remote id
        id: String,
        #[command(flatten)]
        data: DataOption,
        #[command(flatten)]
        account: AccountOption,
    },
    /// Change the record that has this key, or make one
    Upsert {
        /// The class, such as Invoice__c
        class: String,
        /// The field that identifies the record, and its value
        #[arg(long, value_name = "FIELD=VALUE", value_parser = key)]
        key: ExternalKey,
        #[command(flatten)]
        data: DataOption,
        #[command(flatten)]
        account: AccountOption,
    },
    /// Delete a record
    Delete {
        /// The class, such as Invoice__c
        class: String,
        /// The remote id
        id: String,
        #[command(flatten)]
        account: AccountOption,
    },
    /// Let a record point at another one, or at none any more
    Associate {
        /// The class, such as Invoice__c
        class: String,
        /// The remote id of the record that points
        id: String,
        /// The association type, by the remote's own name; `describe` lists them
        association: String,
        /// The remote id of the record to point at; without it, at none
        target: Option<String>,
        #[command(flatten)]
        account: AccountOption,
    },
}

#[derive(Clone, Debug, Args)]
struct DataOption {
    /// The values by the remote's own names: a JSON object, @FILE, or - for standard input
    #[arg(long, value_name = "JSON|@FILE|-")]
    data: String,
}

fn key(text: &str) -> Result<ExternalKey, String> {
    let (field, value) = text.split_once('=').ok_or("write a key as FIELD=VALUE")?;
    Ok(ExternalKey::new(field.trim(), value))
}

impl Action {
    fn account(&self) -> Option<&str> {
        let (Self::Classes { account }
        | Self::Describe { account, .. }
        | Self::List { account, .. }
        | Self::Get { account, .. }
        | Self::Create { account, .. }
        | Self::Update { account, .. }
        | Self::Upsert { account, .. }
        | Self::Delete { account, .. }
        | Self::Associate { account, .. }) = self;
        account.linked_account.as_deref()
    }

    /// What is to be written; none of an action that reads.
    fn operation(&self) -> Result<Option<CustomOperation>> {
        Ok(Some(match self {
            Self::Create { class, data, .. } => CustomOperation::create(class, data.fields()?),
            Self::Update { class, id, data, .. } => {
                CustomOperation::update(class, id.as_str(), data.fields()?)
            }
            Self::Upsert { class, key, data, .. } => {
                CustomOperation::upsert(class, key.clone(), data.fields()?)
            }
            Self::Delete { class, id, .. } => CustomOperation::delete(class, id.as_str()),
            Self::Associate { class, id, association, target, .. } => {
                let target = target.as_deref().map(RemoteId::from);
                CustomOperation::associate(class, id.as_str(), association, target)
            }
            _ => return Ok(None),
        }))
    }
}

impl DataOption {
    fn fields(&self) -> Result<BTreeMap<String, Json>> {
        let bytes = Source::of(&self.data).read(LONGEST)?;
        let text = String::from_utf8(bytes)
            .map_err(|error| Failure::usage("the values are not UTF-8").because(error))?;
        from_json(&text).map_err(|error| {
            Failure::from(error)
                .into_usage()
                .advice("give one JSON object of values by the remote's own names")
        })
    }
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    let operation = arguments.action.operation()?;
    let session = Session::open(global).await?;
    let account = session.account(arguments.action.account()).await?;
    let provider = session.connect(&account).await?;
    let work = Work { session: &session, account: &account, provider: &*provider, json: global.json };
    if let Some(operation) = operation {
        return work.write(operation).await;
    }
    match &arguments.action {
        Action::Classes { .. } => work.classes().await?,
        Action::Describe { class, .. } => work.describe(class).await?,
        Action::List { class, limit, ndjson, .. } => return work.list(class, *limit, *ndjson).await,
        Action::Get { class, id, .. } => work.get(class, id).await?,
        _ => {}
    }
    Ok(Exit::DONE)
}

struct Work<'a> {
    session: &'a Session,
    account: &'a LinkedAccount,
    provider: &'a dyn Provider,
    json: bool,
}

/// What became of a write, for scripts.
#[derive(Serialize)]
struct Told<'a> {
    status: &'static str,
    remote_id: Option<&'a RemoteId>,
    warnings: &'a [Warning],
    candidates: &'a [RemoteId],
}

impl Work<'_> {
    async fn noting<T>(&self, result: unicrm_core::Result<T>) -> Result<T> {
        self.session.noting(self.account.id, result).await
    }

    async fn classes(&self) -> Result<()> {
        let classes = self.noting(self.provider.custom_classes().await).await?;
        if self.json {
            return output::json(&classes);
        }
        if classes.is_empty() {
            eprintln!("this user sees no custom object");
            return Ok(());
        }
        let mut sheet = Sheet::new(&["class", "label", "create", "update", "delete"]).whole(0);
        let mark = |allowed: bool| if allowed { "yes" } else { "-" };
        for class in &classes {
            let label = class.name.as_deref().unwrap_or_default();
            let may = [class.creatable, class.updatable, class.deletable].map(mark);
            sheet.row([class.remote_id.as_str(), label].into_iter().chain(may));
        }
        sheet.print()
    }

    async fn describe(&self, name: &str) -> Result<()> {
        let class = self.noting(self.provider.custom_class(name).await).await?;
        if self.json {
            return output::json(&class);
        }
        let mut sheet = Sheet::new(&["field", "type", "label", "points at"]).whole(0);
        for field in &class.fields {
            let name = field.remote_key_name.as_deref().unwrap_or_default();
            let ty = field.field_type.as_ref().map(ToString::to_string).unwrap_or_default();
            let label = field.display_name.as_deref().unwrap_or_default();
            sheet.row([name, &ty, label, &targets(&class, name)]);
        }
        sheet.print()
    }

    async fn list(&self, class: &str, limit: Option<u64>, ndjson: bool) -> Result<Exit> {
        let limit = limit.or((!ndjson).then_some(MANY));
        let mut read = CustomRead::all(class);
        if let Some(limit) = limit {
            // One more than is shown tells whether there are more.
            read = read.page_size(u32::try_from(limit).unwrap_or(u32::MAX).saturating_add(1).min(2_000));
        }
        let mut shown = 0;
        let mut sheet = Sheet::new(&["remote id", "name", "changed"]).whole(0);
        let mut all = Vec::new();
        let mut exit = Exit::DONE;
        'pages: loop {
            let page = self.noting(self.provider.custom_read(read.clone()).await).await?;
            for row in page.rows {
                if limit.is_some_and(|limit| shown == limit) {
                    eprintln!("note: there are more; --limit N shows N of them, --ndjson all");
                    break 'pages;
                }
                let object = match row {
                    CustomRow::Live(object) => object,
                    CustomRow::Gone { .. } => continue,
                    CustomRow::Rejected { error, .. } => {
                        eprintln!("not understood: {}", output::plain(&error.to_string()));
                        exit = Exit::PARTLY;
                        continue;
                    }
                };
                shown += 1;
                if ndjson {
                    output::json_line(&object)?;
                } else if self.json {
                    all.push(object);
                } else {
                    sheet.row(cells(&object));
                }
            }
            match page.next {
                Next::More(token) => read = read.after(token),
                Next::End(_) => break,
            }
        }
        match (ndjson, self.json) {
            (true, _) => {}
            (false, true) => output::json(&all)?,
            (false, false) => sheet.print()?,
        }
        Ok(exit)
    }

    async fn get(&self, class: &str, id: &str) -> Result<()> {
        let read = CustomRead::new(class, Scope::Ids(vec![RemoteId::from(id)]));
        let page = self.noting(self.provider.custom_read(read).await).await?;
        for row in page.rows {
            match row {
                CustomRow::Live(object) => return output::json(&object),
                CustomRow::Rejected { error, .. } => return Err(error.into()),
                CustomRow::Gone { .. } => {}
            }
        }
        Err(Error::new(ErrorKind::NotFound, format!("there is no {class} {id} that this user sees")).into())
    }

    async fn write(&self, operation: CustomOperation) -> Result<Exit> {
        let report = self.noting(self.provider.custom_write(CustomWrite::new([operation])).await).await?;
        let Some(outcome) = report.outcomes.into_iter().next() else {
            return Err(Failure::new("the provider answered without an outcome"));
        };
        if self.json && outcome.is_done() {
            let told = Told {
                status: outcome.status.as_str(),
                remote_id: outcome.remote_id.as_ref(),
                warnings: &outcome.warnings,
                candidates: &outcome.candidates,
            };
            output::json_line(&told)?;
        } else if outcome.is_done() {
            let id = outcome.remote_id.as_ref().map_or("", RemoteId::as_str);
            output::line(format!("{} {id}", outcome.status.as_str()))?;
        }
        self.finish(&outcome)
    }

    fn finish(&self, outcome: &Outcome) -> Result<Exit> {
        for warning in outcome.warnings.iter().filter(|_| !self.json) {
            eprintln!("note: {}: {}", warning.pointer, output::plain(&warning.message));
        }
        let Some(error) = outcome.error() else { return Ok(Exit::DONE) };
        if !outcome.candidates.is_empty() {
            let ids: Vec<_> = outcome.candidates.iter().map(RemoteId::as_str).collect();
            eprintln!("in the way: {}", ids.join(", "));
        }
        Err(error.clone().into())
    }
}

/// What a field points at, when it does.
fn targets(class: &CustomObjectClass, field: &str) -> String {
    let association = class.association_type(field);
    let names = association.into_iter().flat_map(|association| &association.target_object_classes);
    names.map(|target| target.remote_id.as_str()).collect::<Vec<_>>().join(", ")
}

fn cells(object: &CustomObject) -> [String; 3] {
    let name = object.fields.get("Name").and_then(Json::to_text).unwrap_or_default();
    let changed = object.remote_updated_at.map(|at| format!("{at:.0}")).unwrap_or_default();
    [object.remote_id.to_string(), name, changed]
}
