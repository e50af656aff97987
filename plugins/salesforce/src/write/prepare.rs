//! From operations to jobs: what is written, once everything is known that decides it.

use std::borrow::Cow;
use std::collections::HashMap;

use unicrm_core::{
    ConvertLead, Error, ErrorKind, FieldFormat, Json, ObjectKind, Outcome, OutcomeStatus, Patch, Record,
    RecordPatch, RemoteId, Usage, WriteOperation,
};

use super::Writer;
use super::keys::number_of;
use super::outcome::no_such_record;
use super::plan::{Job, Subject, Work};
use super::present::unquoted;
use crate::api::{LeadConvert, SalesforceId, is_xml_text};
use crate::objects::{Encoded, Intent, MapContext, to_remote};
use crate::read::source::Source;
use crate::read::{Needs, Reader};

/// Rows that can be sent, and rows that are done with already.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) jobs: Vec<Job>,
    pub(super) done: Vec<(usize, Outcome)>,
}

/// A row that writes a record.
pub(super) struct Draft<'o> {
    pub(super) row: usize,
    pub(super) patch: &'o RecordPatch,
    pub(super) target: Target<'o>,
}

/// What a row writes.
pub(super) enum Target<'o> {
    /// A new record.
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
                |kind, id: &RemoteId| own_id(kind, id).ok_or_else(|| no_such_record(&kind, id.as_str()));
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
            self.check_sorts(usage, drafts, &mut out).await;
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
        let drafts = self.check_sorts(usage, drafts, &mut out).await;
        // The person of a person account stays with it, and only the record itself says that it is one.
        let persons = context.has_field("Contact", "IsPersonAccount");
        let may_leave =
            |patch: &RecordPatch| matches!(patch, RecordPatch::Contact(patch) if !patch.account.is_absent());
        let anew = |patch: &RecordPatch| fresh || persons && may_leave(patch);
        let (drafts, befores) = self.look(reader, usage, drafts, anew, &mut out).await;
        match self.with_accounts(usage, context, &drafts, &befores).await {
            Ok(context) => encode_all(drafts, &befores, &context, &mut out),
            Err(error) => {
                out.done.extend(drafts.iter().map(|draft| (draft.row, Outcome::failed(error.clone()))))
            }
        }
        self.find_ties(usage, &mut out).await;
        out
    }
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
            let mut outcome = Outcome::failed(error).with_warnings(encoded.warnings);
            if let Work::Update { id } = work {
                outcome = outcome.with_remote_id(id);
            }
            out.done.push((draft.row, outcome));
            continue;
        }
        if let (Work::Update { id }, true) = (&work, encoded.is_unchanged()) {
            let outcome = Outcome::new(OutcomeStatus::Unchanged).with_remote_id(id.as_str());
            out.done.push((draft.row, outcome.with_warnings(encoded.warnings)));
            continue;
        }
        out.jobs.push(Job::new(draft.row, Subject::Object(kind), work, encoded));
    }
}

/// The key belongs to the record that is made.
fn add_key(encoded: &mut Encoded, key: &str, value: &str, context: &MapContext) {
    let number = || {
        let facts = context.sobject(encoded.sobject)?.field(key)?;
        let is_number = facts.class.field_type == Some(FieldFormat::Number);
        is_number.then(|| number_of(value)).flatten()
    };
    let json = number().unwrap_or_else(|| Json::text(value));
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
    Job::new(row, Subject::Object(kind), work, Encoded::default())
}

fn conversion(convert: &ConvertLead, context: &MapContext) -> Result<LeadConvert, Error> {
    let lead = own_id(ObjectKind::Lead, &convert.remote_id)
        .ok_or_else(|| no_such_record(&ObjectKind::Lead, convert.remote_id.as_str()))?;
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
    for (pointer, text) in
        [("/opportunity_name", &convert.opportunity_name), ("/converted_status", &convert.converted_status)]
    {
        if text.as_ref().is_some_and(|text| !is_xml_text(text)) {
            error =
                error.with_field(pointer, "the text holds control characters, which no conversion can carry");
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
    let prefixes = Source::of(kind).iter().filter_map(|source| source.key_prefix());
    SalesforceId::parse_with(id.as_str(), prefixes).map(|id| id.to_string())
}

/// What the org must say before this patch can be mapped.
pub(super) fn need(needs: &mut Needs, patch: &RecordPatch) {
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
pub(super) fn depends_on_present(patch: &RecordPatch) -> bool {
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
