//! What the org holds now, as far as it decides what is written: records as they are, the accounts of opportunities, and the
//! rows of junction objects that are to go.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::value::RawValue;
use unicrm_core::{
    Error, ErrorKind, GoneReason, Next, ObjectKind, Outcome, ReadPart, Record, RecordPatch, RemoteId, Row,
    Scope, Usage,
};

use super::Writer;
use super::outcome::no_such_record;
use super::plan::{Job, Tie, Work};
use super::prepare::{Draft, Prepared, Target, depends_on_present};
use crate::api::{QueryPage, SalesforceId, widened};
use crate::objects::{MapContext, Related};
use crate::read::Reader;
use crate::read::small::related;

/// Rows of a query by ids.
const CHUNK: usize = 200;

impl Writer {
    /// Reads the records whose present state decides what is written, and those that `fresh` asks for.
    pub(super) async fn look<'o>(
        &self,
        reader: &Reader,
        usage: &mut Usage,
        drafts: Vec<Draft<'o>>,
        fresh: impl Fn(&RecordPatch) -> bool,
        out: &mut Prepared,
    ) -> (Vec<Draft<'o>>, HashMap<String, Record>) {
        let mut wanted: BTreeMap<ObjectKind, Vec<RemoteId>> = BTreeMap::new();
        for draft in &drafts {
            if let Target::Known(id) = &draft.target
                && (fresh(draft.patch) || depends_on_present(draft.patch))
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
    pub(super) async fn with_accounts(
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
    pub(super) async fn find_ties(&self, usage: &mut Usage, out: &mut Prepared) {
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
                    let mut jobs: HashMap<String, Vec<&mut Job>> = HashMap::new();
                    for job in &mut out.jobs {
                        if let Some(id) = record_of(job).map(str::to_owned) {
                            jobs.entry(id).or_default().push(job);
                        }
                    }
                    for row in pages.iter().flat_map(QueryPage::rows) {
                        let ids = [text_cell(row, "Id"), text_cell(row, owner), text_cell(row, target)];
                        let [Some(id), Some(owner), Some(target)] = ids else { continue };
                        for job in jobs.get_mut(&*widened(&owner)).into_iter().flatten() {
                            untie(job, sobject, &id, &widened(&target));
                        }
                    }
                }
                Err(fault) => {
                    let error = Error::from(fault);
                    let concerned = |job: &Job| {
                        let touched = |r: &Related| r.sobject == sobject && !r.remove.is_empty();
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
        _ => Outcome::failed(no_such_record(&kind, id)),
    };
    outcome.with_remote_id(id)
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

/// Has a row of a junction object go with a job, if that is to go.
fn untie(job: &mut Job, sobject: &'static str, id: &str, target: &str) {
    let goes = |r: &Related| r.sobject == sobject && r.remove.iter().any(|to| to == target);
    if job.encoded.related.iter().any(goes) {
        job.untie.push(Tie { sobject, id: id.to_owned(), target: target.to_owned() });
    }
}

/// The cells of a row of a query.
pub(super) type Cells<'j> = HashMap<Cow<'j, str>, &'j RawValue>;

pub(super) fn cells(row: &str) -> Cells<'_> {
    serde_json::from_str(row).unwrap_or_default()
}

/// A cell of a row.
pub(super) fn cell<'j>(row: &'j str, field: &str) -> Option<&'j RawValue> {
    cells(row).get(field).copied().filter(|raw| raw.get() != "null")
}

/// The text in a cell of a row.
pub(super) fn text_cell(row: &str, field: &str) -> Option<String> {
    serde_json::from_str(cell(row, field)?.get()).ok()
}

/// A JSON string's text, or any other value as it is written.
pub(super) fn unquoted(json: &str) -> Cow<'_, str> {
    crate::objects::unquoted(json).unwrap_or(Cow::Borrowed(json))
}
