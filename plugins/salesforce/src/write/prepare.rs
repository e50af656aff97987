//! What must be known before rows can be sent: the org's facts, the records that keys stand for, and records as they are.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::value::RawValue;
use unicrm_core::{
    ConvertLead, Error, ErrorKind, GoneReason, Json, Next, ObjectKind, Outcome, OutcomeStatus, Patch,
    ReadPart, Record, RecordPatch, RemoteId, Row, Scope, Usage, WriteOperation,
};

use super::Writer;
use super::outcome::no_such_record;
use super::plan::{Job, Tie, Work};
use crate::api::{
    Condition, FieldType, LeadConvert, Literal, QueryOptions, QueryPage, SalesforceId, Soql, widened,
};
use crate::objects::{Encoded, Intent, MapContext, to_remote};
use crate::read::small::{all_pages, related};
use crate::read::source::Source;
use crate::read::{Needs, Reader};

/// Rows of a query by ids or keys.
const CHUNK: usize = 200;

/// Rows that can be sent, and rows that are done with already.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) jobs: Vec<Job>,
    pub(super) done: Vec<(usize, Outcome)>,
}

/// The records that have each value of a key.
type IdsByKey<'v> = HashMap<&'v str, Vec<String>>;

/// A row that writes a record.
struct Draft<'o> {
    row: usize,
    patch: &'o RecordPatch,
    target: Target<'o>,
}

enum Target<'o> {
    New,
    /// A record, by its id in the long form.
    Known(String),
    /// A record by a key that none has yet.
    Keyed(&'o str, &'o str),
}

impl Writer {
    /// Prepares rows. With `fresh`, every record is looked at as it is now.
    pub(super) async fn prepare(
        &self,
        reader: &Reader,
        usage: &mut Usage,
        operations: &[WriteOperation],
        rows: &[usize],
        fresh: bool,
    ) -> Prepared {
        let mut out = Prepared::default();
        let mut drafts = Vec::new();
        let mut converts = Vec::new();
        let mut needs = Needs::default();
        for (row, operation) in rows.iter().filter_map(|row| Some((*row, operations.get(*row)?))) {
            let known =
                |kind, id: &RemoteId| own_id(kind, id).ok_or_else(|| no_such_record(kind, id.as_str()));
            let target = match operation {
                WriteOperation::Create { .. } => Ok(Target::New),
                WriteOperation::Update { remote_id, record } => {
                    known(record.kind(), remote_id).map(Target::Known)
                }
                WriteOperation::Upsert { key, .. } => Ok(Target::Keyed(&key.field, &key.value)),
                WriteOperation::Delete { kind, remote_id } => {
                    match known(*kind, remote_id) {
                        Ok(id) => out.jobs.push(deletion(row, *kind, id)),
                        Err(error) => out.done.push((row, Outcome::failed(error))),
                    }
                    continue;
                }
                WriteOperation::Convert(convert) => {
                    needs.lead_statuses |= convert.converted_status.is_none();
                    converts.push((row, convert));
                    continue;
                }
                _ => Err(Error::new(ErrorKind::Unsupported, "this kind of write is not supported")),
            };
            match (target, operation) {
                (
                    Ok(target),
                    WriteOperation::Create { record: patch }
                    | WriteOperation::Update { record: patch, .. }
                    | WriteOperation::Upsert { record: patch, .. },
                ) => {
                    need(&mut needs, patch);
                    drafts.push(Draft { row, patch, target });
                }
                (Err(error), _) => out.done.push((row, Outcome::failed(error))),
                (Ok(_), _) => {}
            }
        }
        if drafts.is_empty() && converts.is_empty() {
            return out;
        }
        let context = match reader.writing(usage, &needs).await {
            Ok(context) => context,
            Err(error) => {
                let rows = drafts.iter().map(|draft| draft.row).chain(converts.iter().map(|(row, _)| *row));
                out.done.extend(rows.map(|row| (row, Outcome::failed(error.clone()))));
                return out;
            }
        };
        for (row, convert) in converts {
            match conversion(convert, &context) {
                Ok(work) => out.jobs.push(bare(row, ObjectKind::Lead, Work::Convert(work))),
                Err(error) => out.done.push((row, Outcome::failed(error))),
            }
        }
        let drafts = self.find_keys(usage, drafts, &context, &mut out).await;
        let (drafts, befores) = self.look(reader, usage, drafts, fresh, &mut out).await;
        match self.with_accounts(usage, context, &drafts, &befores).await {
            Ok(context) => encode_all(drafts, &befores, &context, &mut out),
            Err(error) => {
                out.done.extend(drafts.iter().map(|draft| (draft.row, Outcome::failed(error.clone()))))
            }
        }
        self.find_ties(usage, &mut out).await;
        out
    }

    /// Finds the records that keys stand for.
    async fn find_keys<'o>(
        &self,
        usage: &mut Usage,
        drafts: Vec<Draft<'o>>,
        context: &MapContext,
        out: &mut Prepared,
    ) -> Vec<Draft<'o>> {
        let mut asked: BTreeMap<(&'static str, &'o str), Vec<&'o str>> = BTreeMap::new();
        let sobject = |draft: &Draft<'_>| to_remote(draft.patch, Intent::Create, context).sobject;
        for draft in &drafts {
            if let Target::Keyed(key, value) = draft.target {
                asked.entry((sobject(draft), key)).or_default().push(value);
            }
        }
        let mut found: HashMap<(&'static str, &'o str), Result<IdsByKey<'o>, Error>> = HashMap::new();
        for ((sobject, key), values) in asked {
            found.insert((sobject, key), self.ids_by_key(usage, sobject, key, &values).await);
        }
        let mut kept = Vec::with_capacity(drafts.len());
        for mut draft in drafts {
            if let Target::Keyed(key, value) = draft.target {
                let ids = match found.get(&(sobject(&draft), key)) {
                    Some(Ok(found)) => found.get(value).map(Vec::as_slice).unwrap_or_default(),
                    Some(Err(error)) => {
                        out.done.push((draft.row, Outcome::failed(error.clone())));
                        continue;
                    }
                    None => &[],
                };
                match ids {
                    [] => {}
                    [one] => draft.target = Target::Known(one.clone()),
                    several => {
                        let message = format!("{key} {value:?} fits several records");
                        let error = Error::new(ErrorKind::Conflict, message)
                            .with_remote_code("DUPLICATE_EXTERNAL_ID")
                            .with_advice("Name the record by its id, or give the key to one record only.");
                        let outcome =
                            Outcome::failed(error).with_candidates(several.iter().map(String::as_str));
                        out.done.push((draft.row, outcome));
                        continue;
                    }
                }
            }
            kept.push(draft);
        }
        kept
    }

    /// The live records that have these values in a key field.
    async fn ids_by_key<'v>(
        &self,
        usage: &mut Usage,
        sobject: &'static str,
        key: &str,
        values: &[&'v str],
    ) -> Result<IdsByKey<'v>, Error> {
        let refuse = |message: String| {
            Error::new(ErrorKind::InvalidRequest, message.clone()).with_field("/key/field", message)
        };
        let describe = self.client.describe(usage, sobject).await?;
        let field = describe
            .field(key)
            .ok_or_else(|| refuse(format!("{sobject} has no field {key} that this user may see")))?;
        if !(field.external_id || field.id_lookup) || field.field_type == FieldType::Id {
            return Err(refuse(format!(
                "{sobject}.{key} is no key: name a field that is marked as External ID"
            )));
        }
        let is_number = matches!(field.field_type, FieldType::Double | FieldType::Int | FieldType::Long);
        let literal = |value: &&str| {
            if !is_number {
                return Ok(Literal::text(*value));
            }
            value.parse().map(Literal::Number).map_err(|_| {
                Error::new(ErrorKind::InvalidRequest, format!("{value:?} is not a number"))
                    .with_field("/key/value", format!("{sobject}.{key} holds numbers, and {value:?} is none"))
            })
        };
        let mut found: HashMap<String, Vec<String>> = HashMap::new();
        for chunk in values.chunks(CHUNK) {
            let listed = chunk.iter().map(literal).collect::<Result<Vec<_>, _>>()?;
            let soql =
                Soql::select(sobject).fields(["Id", &field.name]).filter(Condition::in_(&field.name, listed));
            let options = QueryOptions { all_rows: false, batch_size: None };
            for page in all_pages(&self.client, usage, &soql, options).await? {
                for row in page.rows() {
                    let id = text_cell(row, "Id");
                    let value = cell(row, &field.name).map(|raw| unquoted(raw.get()).into_owned());
                    if let (Some(id), Some(value)) = (id, value) {
                        found
                            .entry(normal_key(&value, is_number))
                            .or_default()
                            .push(widened(&id).into_owned());
                    }
                }
            }
        }
        let of =
            |value: &&'v str| (*value, found.get(&normal_key(value, is_number)).cloned().unwrap_or_default());
        Ok(values.iter().map(of).collect())
    }

    /// Reads the records whose present state decides what is written.
    async fn look<'o>(
        &self,
        reader: &Reader,
        usage: &mut Usage,
        drafts: Vec<Draft<'o>>,
        fresh: bool,
        out: &mut Prepared,
    ) -> (Vec<Draft<'o>>, HashMap<String, Record>) {
        let mut wanted: BTreeMap<ObjectKind, Vec<RemoteId>> = BTreeMap::new();
        for draft in &drafts {
            if let Target::Known(id) = &draft.target
                && (fresh || depends_on_present(draft.patch))
            {
                wanted.entry(draft.patch.kind()).or_default().push(RemoteId::from(id.as_str()));
            }
        }
        if wanted.is_empty() {
            return (drafts, HashMap::new());
        }
        let seen = read_by_ids(reader, usage, wanted).await;
        let mut befores = HashMap::new();
        let mut kept = Vec::with_capacity(drafts.len());
        for draft in drafts {
            match &draft.target {
                Target::Known(id) => match seen.get(id) {
                    None => kept.push(draft),
                    Some(Seen::Live(record)) => {
                        befores.insert(id.clone(), (**record).clone());
                        kept.push(draft);
                    }
                    Some(Seen::Gone(reason)) => {
                        out.done.push((draft.row, gone(draft.patch.kind(), id, reason)));
                    }
                    Some(Seen::Failed(error)) => {
                        let outcome = Outcome::failed(error.clone()).with_remote_id(id.as_str());
                        out.done.push((draft.row, outcome));
                    }
                },
                _ => kept.push(draft),
            }
        }
        (kept, befores)
    }

    /// The context with the accounts of the opportunities that tasks are tied to.
    async fn with_accounts(
        &self,
        usage: &mut Usage,
        mut context: Arc<MapContext>,
        drafts: &[Draft<'_>],
        befores: &HashMap<String, Record>,
    ) -> Result<Arc<MapContext>, Error> {
        let mut ids: Vec<String> = Vec::new();
        for draft in drafts {
            let RecordPatch::Task(patch) = draft.patch else { continue };
            if patch.account.is_absent() {
                continue;
            }
            let before = match &draft.target {
                Target::Known(id) => befores.get(id),
                _ => None,
            };
            let held = match before {
                Some(Record::Task(task)) => task.opportunity.as_ref(),
                _ => None,
            };
            let opportunity = patch.opportunity.as_option().unwrap_or(held).and_then(|to| to.remote_id());
            ids.extend(opportunity.and_then(|id| SalesforceId::parse(id.as_str())).map(|id| id.to_string()));
        }
        if ids.is_empty() {
            return Ok(context);
        }
        ids.sort_unstable();
        ids.dedup();
        let pages = related(&self.client, usage, "Opportunity", &["Id", "AccountId"], "Id", &ids).await?;
        let known = &mut Arc::make_mut(&mut context).org.opportunity_accounts;
        for row in pages.iter().flat_map(QueryPage::rows) {
            if let (Some(id), Some(account)) = (text_cell(row, "Id"), text_cell(row, "AccountId")) {
                known.insert(widened(&id).into(), widened(&account).into());
            }
        }
        Ok(context)
    }

    /// Finds the rows of junction objects that are to go.
    async fn find_ties(&self, usage: &mut Usage, out: &mut Prepared) {
        let mut asked: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for job in &out.jobs {
            for related in job.encoded.related.iter().filter(|related| !related.remove.is_empty()) {
                asked.entry(related.sobject).or_default().extend(record_of(job).map(str::to_owned));
            }
        }
        for (sobject, ids) in asked {
            let Some((owner, target)) = junction(sobject) else { continue };
            let fields = ["Id", owner, target];
            match related(&self.client, usage, sobject, &fields, owner, &ids).await {
                Ok(pages) => {
                    for row in pages.iter().flat_map(QueryPage::rows) {
                        let ids = [text_cell(row, "Id"), text_cell(row, owner), text_cell(row, target)];
                        if let [Some(id), Some(owner), Some(target)] = ids {
                            untie(&mut out.jobs, sobject, &id, &widened(&owner), &widened(&target));
                        }
                    }
                }
                Err(fault) => {
                    let error = Error::from(fault);
                    let concerned = |job: &Job| {
                        let touched =
                            |r: &crate::objects::Related| r.sobject == sobject && !r.remove.is_empty();
                        job.encoded.related.iter().any(touched)
                    };
                    let (failed, jobs) = std::mem::take(&mut out.jobs).into_iter().partition(concerned);
                    out.jobs = jobs;
                    let failed: Vec<Job> = failed;
                    out.done.extend(
                        failed.iter().map(|job| (job.row, super::outcome::failed(job, error.clone()))),
                    );
                }
            }
        }
    }
}

/// A record as a reading by id showed it.
pub(super) enum Seen {
    Live(Box<Record>),
    Gone(GoneReason),
    Failed(Error),
}

/// Reads records of several objects, by id in the long form.
pub(super) async fn read_by_ids(
    reader: &Reader,
    usage: &mut Usage,
    wanted: BTreeMap<ObjectKind, Vec<RemoteId>>,
) -> HashMap<String, Seen> {
    let mut parts: Vec<ReadPart> = Vec::new();
    for (kind, mut ids) in wanted {
        ids.sort_unstable();
        ids.dedup();
        parts.extend(ids.chunks(CHUNK).map(|ids| ReadPart::new(kind, Scope::Ids(ids.to_vec()))));
    }
    let mut seen = HashMap::new();
    while !parts.is_empty() {
        let pages = reader.read(parts.clone()).await;
        let asked = std::mem::take(&mut parts);
        for (part, page) in asked.into_iter().zip(pages) {
            match page {
                Ok(page) => {
                    usage.add(&page.usage);
                    for row in page.rows {
                        let Some(id) = row.remote_id().map(|id| widened(id.as_str()).into_owned()) else {
                            continue;
                        };
                        seen.insert(
                            id,
                            match row {
                                Row::Live(live) => Seen::Live(Box::new(live.record)),
                                Row::Gone(gone) => Seen::Gone(gone.reason),
                                Row::Rejected { error, .. } => Seen::Failed(error),
                                Row::Id { .. } => continue,
                            },
                        );
                    }
                    if let Next::More(token) = page.next {
                        parts.push(part.after(token));
                    }
                }
                Err(error) => {
                    if let Scope::Ids(ids) = part.scope {
                        let ids = ids.iter().map(|id| widened(id.as_str()).into_owned());
                        seen.extend(ids.map(|id| (id, Seen::Failed(error.clone()))));
                    }
                }
            }
        }
    }
    seen
}

/// The outcome of a change of a record that is gone.
fn gone(kind: ObjectKind, id: &str, reason: &GoneReason) -> Outcome {
    let outcome = match reason {
        GoneReason::MergedInto(into) => {
            let error = Error::new(ErrorKind::Conflict, format!("the {kind} {id} was merged into {into}"))
                .with_remote_code("ENTITY_IS_DELETED")
                .with_advice("Change the record that it was merged into.");
            Outcome::failed(error).with_candidates([into.clone()])
        }
        GoneReason::Deleted => {
            let error = Error::new(ErrorKind::NotFound, format!("the {kind} {id} is deleted"))
                .with_remote_code("ENTITY_IS_DELETED");
            Outcome::failed(error)
        }
        _ => Outcome::failed(no_such_record(kind, id)),
    };
    outcome.with_remote_id(id)
}

fn encode_all(
    drafts: Vec<Draft<'_>>,
    befores: &HashMap<String, Record>,
    context: &MapContext,
    out: &mut Prepared,
) {
    for draft in drafts {
        let kind = draft.patch.kind();
        let (work, mut encoded) = match &draft.target {
            Target::New => (Work::Create, to_remote(draft.patch, Intent::Create, context)),
            Target::Known(id) => {
                let intent = Intent::Update { remote_id: id, before: befores.get(id) };
                (Work::Update { id: id.clone() }, to_remote(draft.patch, intent, context))
            }
            Target::Keyed(key, value) => {
                let work = Work::Upsert { key: (*key).to_owned(), value: (*value).to_owned() };
                (work, to_remote(draft.patch, Intent::Create, context))
            }
        };
        if let Work::Upsert { key, value } = &work {
            add_key(&mut encoded, key, value, context);
        }
        if !encoded.errors.is_empty() {
            let error = Error::new(ErrorKind::InvalidRequest, "the record cannot be written as it is given");
            let errors = std::mem::take(&mut encoded.errors);
            let error =
                errors.into_iter().fold(error, |error, field| error.with_field(field.pointer, field.message));
            out.done.push((draft.row, Outcome::failed(error).with_warnings(encoded.warnings)));
            continue;
        }
        if let (Work::Update { id }, true) = (&work, encoded.is_unchanged()) {
            let outcome = Outcome::new(OutcomeStatus::Unchanged).with_remote_id(id.as_str());
            out.done.push((draft.row, outcome.with_warnings(encoded.warnings)));
            continue;
        }
        out.jobs.push(Job { row: draft.row, kind, work, encoded, untie: Vec::new(), resent: None });
    }
}

/// The key belongs to the record that is made.
fn add_key(encoded: &mut Encoded, key: &str, value: &str, context: &MapContext) {
    let json = Json::text(value);
    let number = || {
        let facts = context.sobject(encoded.sobject)?.field(key)?;
        (facts.precision > 0).then(|| Json::parse(value).ok()).flatten()
    };
    let json = number().unwrap_or(json);
    match encoded.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)) {
        None => encoded.fields.push((Cow::Owned(key.to_owned()), json)),
        Some((_, given)) if unquoted(given.as_str()) == value => {}
        Some(_) => encoded.errors.push(unicrm_core::FieldError {
            pointer: "/remote_fields".to_owned(),
            message: format!("{key} is the key of this write and has another value there"),
        }),
    }
}

fn deletion(row: usize, kind: ObjectKind, id: String) -> Job {
    let sobject = Source::of(kind).iter().find(|source| source.key_prefix() == id.get(..3));
    let mut job = bare(row, kind, Work::Delete { id });
    job.encoded.sobject = sobject.map_or("", |source| source.sobject());
    job
}

fn bare(row: usize, kind: ObjectKind, work: Work) -> Job {
    Job { row, kind, work, encoded: Encoded::default(), untie: Vec::new(), resent: None }
}

fn conversion(convert: &ConvertLead, context: &MapContext) -> Result<LeadConvert, Error> {
    let lead = own_id(ObjectKind::Lead, &convert.remote_id)
        .ok_or_else(|| no_such_record(ObjectKind::Lead, convert.remote_id.as_str()))?;
    let mut error = Error::new(ErrorKind::InvalidRequest, "the lead cannot be converted like this");
    let mut id = |pointer: &str, kind: ObjectKind, given: Option<&RemoteId>| {
        let given = given?;
        let id = own_id(kind, given);
        if id.is_none() {
            error = error.clone().with_field(pointer, format!("{given} is not an id of {kind}"));
        }
        id
    };
    let account = id("/account", ObjectKind::Account, convert.account.as_ref().and_then(|to| to.remote_id()));
    let contact = id("/contact", ObjectKind::Contact, convert.contact.as_ref().and_then(|to| to.remote_id()));
    let owner = id("/owner", ObjectKind::User, convert.owner.as_ref().and_then(|to| to.remote_id()));
    if convert.contact.is_some() && convert.account.is_none() {
        error = error.with_field("/account", "a lead that joins a contact needs that contact's account");
    }
    for (pointer, given, found) in [
        ("/account", convert.account.is_some(), account.is_some()),
        ("/contact", convert.contact.is_some(), contact.is_some()),
        ("/owner", convert.owner.is_some(), owner.is_some()),
    ] {
        if given && !found && !error.fields().iter().any(|field| field.pointer == pointer) {
            error = error.with_field(pointer, "the reference has no remote id");
        }
    }
    let converted = context.org.lead_statuses.iter().filter(|status| status.is_converted);
    let first = converted.min_by_key(|status| status.sort_order).map(|status| status.api_name.clone());
    let Some(status) = convert.converted_status.clone().or(first) else {
        let message = "this org shows no status of converted leads: name one";
        return Err(error.with_field("/converted_status", message));
    };
    if !error.fields().is_empty() {
        return Err(error);
    }
    let opportunity_name = convert.opportunity_name.clone();
    Ok(LeadConvert { lead, account, contact, opportunity_name, owner, status })
}

/// The long form of an id that can be one of this object.
fn own_id(kind: ObjectKind, id: &RemoteId) -> Option<String> {
    let id = SalesforceId::parse(id.as_str())?;
    let fits = |source: &Source| source.key_prefix() == Some(id.key_prefix());
    Source::of(kind).iter().any(fits).then(|| id.to_string())
}

/// What the org must say before this patch can be mapped.
fn need(needs: &mut Needs, patch: &RecordPatch) {
    match patch {
        RecordPatch::Account(_) => needs.sobjects.extend(["Account"]),
        RecordPatch::Contact(_) => needs.sobjects.extend(["Contact"]),
        RecordPatch::Lead(patch) => {
            needs.sobjects.extend(["Lead"]);
            needs.lead_statuses |= !patch.status.is_absent();
        }
        RecordPatch::Opportunity(patch) => {
            needs.sobjects.extend(["Opportunity"]);
            needs.stages |= !patch.status.is_absent();
        }
        RecordPatch::Task(patch) => {
            needs.sobjects.extend(["Task"]);
            needs.task_statuses |= !patch.status.is_absent();
        }
        RecordPatch::Engagement(patch) => {
            needs.sobjects.extend(["Event", "Task"]);
            // A call or an e-mail that is logged is over, and takes a status that says so.
            needs.task_statuses |= !patch.engagement_type.is_absent();
            if !patch.contacts.is_absent() {
                needs.sobjects.extend(["EventRelation"]);
            }
        }
        RecordPatch::Note(_) => needs.sobjects.extend(["ContentNote", "Note"]),
        RecordPatch::EngagementType(_) | RecordPatch::Stage(_) | RecordPatch::User(_) => {}
    }
}

/// Whether what an update writes depends on the record as it is.
fn depends_on_present(patch: &RecordPatch) -> bool {
    fn named<T>(patch: &Patch<T>) -> bool {
        !patch.is_absent()
    }
    match patch {
        RecordPatch::Account(patch) => named(&patch.remote_fields) || named(&patch.addresses),
        RecordPatch::Contact(patch) => named(&patch.remote_fields) || named(&patch.addresses),
        RecordPatch::Lead(patch) => {
            named(&patch.remote_fields) || named(&patch.addresses) || named(&patch.status)
        }
        RecordPatch::Opportunity(patch) => named(&patch.remote_fields) || named(&patch.status),
        RecordPatch::Task(patch) => {
            named(&patch.remote_fields)
                || named(&patch.status)
                || named(&patch.account)
                || named(&patch.opportunity)
                || named(&patch.contact)
        }
        RecordPatch::Engagement(patch) => {
            named(&patch.remote_fields)
                || named(&patch.account)
                || named(&patch.contacts)
                || named(&patch.engagement_type)
                || named(&patch.direction)
                || named(&patch.start_time)
                || named(&patch.end_time)
        }
        RecordPatch::Note(patch) => {
            named(&patch.remote_fields)
                || named(&patch.content)
                || named(&patch.account)
                || named(&patch.contact)
                || named(&patch.opportunity)
        }
        RecordPatch::EngagementType(_) | RecordPatch::Stage(_) | RecordPatch::User(_) => false,
    }
}

/// The fields of a junction object: the record that it belongs to, and what it ties it to.
pub(super) fn junction(sobject: &str) -> Option<(&'static str, &'static str)> {
    match sobject {
        "ContentDocumentLink" => Some(("ContentDocumentId", "LinkedEntityId")),
        "EventRelation" => Some(("EventId", "RelationId")),
        "TaskRelation" => Some(("TaskId", "RelationId")),
        _ => None,
    }
}

fn record_of(job: &Job) -> Option<&str> {
    match &job.work {
        Work::Update { id } => Some(id),
        _ => None,
    }
}

fn untie(jobs: &mut [Job], sobject: &'static str, id: &str, owner: &str, target: &str) {
    for job in jobs.iter_mut().filter(|job| record_of(job) == Some(owner)) {
        let goes =
            |r: &crate::objects::Related| r.sobject == sobject && r.remove.iter().any(|to| to == target);
        if job.encoded.related.iter().any(goes) {
            job.untie.push(Tie { sobject, id: id.to_owned(), target: target.to_owned() });
        }
    }
}

/// A cell of a row.
pub(super) fn cell<'j>(row: &'j str, field: &str) -> Option<&'j RawValue> {
    let cells: HashMap<Cow<'j, str>, &'j RawValue> = serde_json::from_str(row).ok()?;
    cells.get(field).copied().filter(|raw| raw.get() != "null")
}

/// The text in a cell of a row.
pub(super) fn text_cell(row: &str, field: &str) -> Option<String> {
    serde_json::from_str(cell(row, field)?.get()).ok()
}

/// A JSON string's text, or any other value as it is written.
pub(super) fn unquoted(json: &str) -> Cow<'_, str> {
    match serde_json::from_str::<String>(json) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(json),
    }
}

/// A key as Salesforce compares it: text without regard to case, numbers by their value.
fn normal_key(value: &str, is_number: bool) -> String {
    match value.parse::<rust_decimal::Decimal>() {
        Ok(number) if is_number => number.normalize().to_string(),
        _ => value.trim().to_lowercase(),
    }
}
