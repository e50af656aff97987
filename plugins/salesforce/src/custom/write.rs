//! Writes: rows that go together in collections of up to 200, and one outcome for each.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use unicrm_core::{
    CustomOperation, CustomWrite, Error, ErrorKind, Json, Outcome, OutcomeStatus, RemoteId, Usage, Warning,
    WriteReport,
};

use super::Custom;
use crate::api::{Change, ChangedRow, Describe, DescribeField, FieldType, MAX_ROWS, RowAnswer, SalesforceId};
use crate::error::{Code, Fault, Refusal};

/// How often rows that met a lock are sent again.
const LOCK_ROUNDS: u32 = 4;
/// The pause before the first of them; each is twice as long as the one before.
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// A row that is ready to be sent.
#[derive(Debug)]
struct Job {
    /// The operation's number in the batch.
    row: usize,
    class: String,
    work: Work,
    fields: Vec<(Cow<'static, str>, Json)>,
    warnings: Vec<Warning>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Create,
    Update(String),
    Upsert(String),
    Delete(String),
}

/// What a call does: rows that have the same go into one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Method {
    Create,
    Update,
    /// By a field of a class.
    Upsert(String, String),
    Delete,
}

impl Job {
    fn method(&self) -> Method {
        match &self.work {
            Work::Create => Method::Create,
            Work::Update(_) => Method::Update,
            Work::Upsert(key) => Method::Upsert(self.class.clone(), key.clone()),
            Work::Delete(_) => Method::Delete,
        }
    }

    fn id(&self) -> Option<&str> {
        match &self.work {
            Work::Update(id) | Work::Delete(id) => Some(id),
            Work::Create | Work::Upsert(_) => None,
        }
    }
}

pub(super) async fn write(custom: &Custom, request: CustomWrite) -> WriteReport {
    let mut usage = Usage::default();
    let mut outcomes: Vec<Option<Outcome>> = request.operations.iter().map(|_| None).collect();
    let mut calls: BTreeMap<Method, Vec<Job>> = BTreeMap::new();
    let mut describes: HashMap<String, Result<Arc<Describe>, Error>> = HashMap::new();
    for (row, operation) in request.operations.into_iter().enumerate() {
        let class = operation.class().to_owned();
        let described = match describes.get(&class) {
            Some(known) => known.clone(),
            None => {
                let described = custom.describe(&mut usage, &class).await;
                describes.insert(class, described.clone());
                described
            }
        };
        let prepared = match described {
            Ok(describe) => prepare(row, operation, &describe),
            Err(error) => Err(Box::new(Outcome::failed(error))),
        };
        match prepared {
            Ok(job) => calls.entry(job.method()).or_default().push(job),
            Err(outcome) => put(&mut outcomes, row, *outcome),
        }
    }
    for (method, mut jobs) in calls {
        while !jobs.is_empty() {
            let rest = jobs.split_off(jobs.len().min(MAX_ROWS));
            for (row, outcome) in send(custom, &mut usage, &method, jobs, request.allow_duplicates).await {
                put(&mut outcomes, row, outcome);
            }
            jobs = rest;
        }
    }
    let missing = || Outcome::failed(Error::new(ErrorKind::Internal, "the row has no outcome"));
    let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missing));
    WriteReport::new(outcomes.collect()).with_usage(usage)
}

fn put(outcomes: &mut [Option<Outcome>], row: usize, outcome: Outcome) {
    if let Some(place) = outcomes.get_mut(row) {
        *place = Some(outcome);
    }
}

/// Checks an operation against the description of its class; what needs no call has its outcome at once.
fn prepare(row: usize, operation: CustomOperation, describe: &Describe) -> Result<Job, Box<Outcome>> {
    let (fields, work) = match operation {
        CustomOperation::Create { fields, .. } => (fields, Work::Create),
        CustomOperation::Update { remote_id, fields, .. } => {
            (fields, Work::Update(known_id(describe, &remote_id)?))
        }
        CustomOperation::Delete { remote_id, .. } => {
            (BTreeMap::new(), Work::Delete(known_id(describe, &remote_id)?))
        }
        CustomOperation::Upsert { key, mut fields, .. } => {
            let field = describe.field(&key.field).filter(|field| field.external_id || field.id_lookup);
            let Some(field) = field else {
                return Err(refused(&key.field, "is no field that identifies records: take an external id"));
            };
            let numeric =
                matches!(field.field_type, FieldType::Double | FieldType::Int | FieldType::Currency);
            let number =
                Some(&key.value).filter(|_| numeric).and_then(|text| Json::parse(text.as_str()).ok());
            fields.insert(field.name.clone(), number.unwrap_or_else(|| Json::text(&key.value)));
            (fields, Work::Upsert(field.name.clone()))
        }
        _ => {
            let error =
                Error::new(ErrorKind::Unsupported, "this write is not known to the Salesforce plugin");
            return Err(Box::new(Outcome::failed(error)));
        }
    };
    let mut job =
        Job { row, class: describe.object.name.clone(), work, fields: Vec::new(), warnings: Vec::new() };
    for (name, value) in fields {
        let Some(field) = describe.field(&name) else {
            return Err(refused(&name, "does not exist, or is not visible to this user"));
        };
        let writable = match job.work {
            Work::Create => field.createable,
            // Which of the two it comes to shows at the remote.
            Work::Upsert(_) => field.createable || field.updateable,
            _ => field.updateable,
        };
        if writable {
            job.fields.push((Cow::Owned(field.name.clone()), as_salesforce_writes(field, value)));
        } else if field.createable || field.updateable {
            return Err(refused(&name, "can be set only when the record is made"));
        } else {
            let message = "this user can read the field and not write it";
            job.warnings.push(Warning::new(format!("/fields/{name}"), "read_only", message));
        }
    }
    match &job.work {
        Work::Update(id) if job.fields.is_empty() => {
            let outcome = Outcome::new(OutcomeStatus::Unchanged).with_remote_id(id.as_str());
            Err(Box::new(outcome.with_warnings(job.warnings)))
        }
        _ => Ok(job),
    }
}

/// A list, where Salesforce separates the choices of one text by semicolons.
fn as_salesforce_writes(field: &DescribeField, value: Json) -> Json {
    match value.read::<Vec<String>>() {
        Ok(choices) if field.field_type == FieldType::MultiPicklist => Json::text(&choices.join(";")),
        _ => value,
    }
}

fn known_id(describe: &Describe, remote_id: &RemoteId) -> Result<String, Box<Outcome>> {
    SalesforceId::parse(remote_id.as_str()).map(|id| id.to_string()).ok_or_else(|| {
        let message = format!("there is no {} {remote_id} that this user may see", describe.object.name);
        Box::new(Outcome::failed(Error::new(ErrorKind::NotFound, message)))
    })
}

fn refused(field: &str, why: &str) -> Box<Outcome> {
    let error = Error::new(ErrorKind::InvalidRequest, "a field cannot be written");
    Box::new(Outcome::failed(error.with_field(format!("/fields/{field}"), format!("{field} {why}"))))
}

/// Sends rows; those that meet a lock are sent again a few times.
async fn send(
    custom: &Custom,
    usage: &mut Usage,
    method: &Method,
    mut jobs: Vec<Job>,
    allow_duplicates: bool,
) -> Vec<(usize, Outcome)> {
    let change = match method {
        Method::Create => Change::Create,
        Method::Update => Change::Update,
        Method::Upsert(sobject, key) => Change::Upsert { sobject, key },
        Method::Delete => Change::Delete,
    };
    let mut done = Vec::with_capacity(jobs.len());
    for round in 0..=LOCK_ROUNDS {
        if round > 0 {
            tokio::time::sleep(LOCK_PAUSE * 2_u32.pow(round - 1)).await;
        }
        let rows: Vec<ChangedRow<'_>> = jobs
            .iter()
            .map(|job| ChangedRow { sobject: &job.class, id: job.id(), fields: &job.fields })
            .collect();
        let answers = match custom.client.change(usage, change, &rows, allow_duplicates).await {
            Ok(answers) => answers,
            Err(fault) => {
                let lost = *method == Method::Create && fault.may_have_acted();
                let error = Error::from(fault);
                done.extend(jobs.into_iter().map(|job| {
                    let outcome = if lost { in_doubt(&error) } else { Outcome::failed(error.clone()) };
                    (job.row, outcome.with_warnings(job.warnings))
                }));
                return done;
            }
        };
        let mut locked = Vec::new();
        for (job, answer) in jobs.into_iter().zip(answers) {
            match answer {
                Ok(answer) => done.push((job.row, saved(&job, answer))),
                Err(refusal) if refusal.code == Code::UnableToLockRow && round < LOCK_ROUNDS => {
                    locked.push(job)
                }
                Err(refusal) => {
                    if matches!(
                        refusal.code.as_str(),
                        "INVALID_FIELD" | "INVALID_FIELD_FOR_INSERT_UPDATE" | "INVALID_TYPE"
                    ) {
                        custom.client.forget_describe(&job.class);
                    }
                    done.push((job.row, of_refusal(&job, *refusal)));
                }
            }
        }
        if locked.is_empty() {
            break;
        }
        jobs = locked;
    }
    done
}

fn saved(job: &Job, answer: RowAnswer) -> Outcome {
    let status = match (&job.work, answer.created) {
        (Work::Create, _) | (Work::Upsert(_), Some(true)) => OutcomeStatus::Created,
        (Work::Delete(_), _) => OutcomeStatus::Deleted,
        _ => OutcomeStatus::Updated,
    };
    let mut outcome = Outcome::new(status).with_warnings(job.warnings.iter().cloned());
    let id = job.id().map(str::to_owned).or(answer.id);
    outcome.remote_id = id.map(|id| RemoteId::from(crate::api::widened(&id).into_owned()));
    outcome
}

fn of_refusal(job: &Job, mut refusal: Refusal) -> Outcome {
    if matches!(job.work, Work::Delete(_)) && refusal.code == Code::EntityIsDeleted {
        return saved(job, RowAnswer { id: None, created: None });
    }
    let fields = std::mem::take(&mut refusal.fields);
    let candidates = std::mem::take(&mut refusal.candidates);
    let message = refusal.message.clone();
    let missing = refusal.code == Code::InvalidReference && job.id().is_some() && fields.is_empty();
    let mut error = if missing {
        let message =
            format!("there is no {} {} that this user may see", job.class, job.id().unwrap_or_default());
        Error::new(ErrorKind::NotFound, message).with_remote_code(refusal.code.as_str())
    } else {
        Error::from(Fault::Refused(Box::new(refusal)))
    };
    for field in &fields {
        error = error.with_field(format!("/fields/{field}"), message.clone());
    }
    let mut outcome = Outcome::failed(error).with_warnings(job.warnings.iter().cloned());
    outcome.remote_id = job.id().map(RemoteId::from);
    outcome.with_candidates(candidates.iter().map(|id| crate::api::widened(id).into_owned()))
}

/// A create whose answer was lost: nothing in a custom object says which record it would be.
fn in_doubt(error: &Error) -> Outcome {
    let doubt = Error::new(ErrorKind::InDoubt, error.message().to_owned())
        .with_advice("Look whether the record is there before you repeat the write; an upsert may be repeated without harm.")
        .with_source(error.clone());
    Outcome::new(OutcomeStatus::InDoubt { error: doubt, candidates: Vec::new() })
}
