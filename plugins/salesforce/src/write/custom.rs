//! Custom objects: their rows are checked against the description of their class, and then go the way of all others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use unicrm_core::{
    CustomOperation, CustomWrite, Error, ErrorKind, Json, Outcome, OutcomeStatus, RemoteId, Usage, Warning,
    WriteReport,
};

use super::keys::{Keyed, number_of};
use super::outcome::{id_of, no_such_record};
use super::plan::{Job, Subject, Work};
use super::present::unquoted;
use super::waves::{Act, Step, Touched, ambiguous, waves};
use super::{Writer, execute, put, reported};
use crate::api::{Describe, DescribeField, FieldType, SalesforceId};
use crate::custom::describe;
use crate::objects::{Encoded, joined_choices};
use crate::read::Reader;

/// A class as this user sees it, or why there is none.
type Described = Result<Arc<Describe>, Error>;

impl Writer {
    /// Writes a batch of custom objects: one outcome per operation, in order.
    pub(crate) async fn write_custom(&self, reader: &Reader, request: CustomWrite) -> WriteReport {
        let mut usage = Usage::default();
        let mut outcomes: Vec<Option<Outcome>> = request.operations.iter().map(|_| None).collect();
        let mut jobs: Vec<Option<Job>> = Vec::with_capacity(outcomes.len());
        let mut describes: HashMap<String, Described> = HashMap::new();
        for (row, operation) in request.operations.into_iter().enumerate() {
            let described = self.described(&mut usage, &mut describes, operation.class()).await;
            let given = operation.remote_id().cloned();
            let prepared = match described {
                Ok(describe) => prepare(row, operation, &describe),
                Err(error) => Err(Box::new(Outcome::failed(error))),
            };
            jobs.push(match prepared {
                Ok(job) => Some(job),
                Err(mut outcome) => {
                    outcome.remote_id = outcome.remote_id.or(given);
                    put(&mut outcomes, [(row, *outcome)]);
                    None
                }
            });
        }
        let mut steps = steps(&jobs, &describes);
        let failed = self.name_keyed_jobs(&mut usage, &jobs, &mut steps).await;
        for (row, _) in &failed {
            jobs.get_mut(*row).map(Option::take);
        }
        put(&mut outcomes, failed);
        let mut stopped: Option<Error> = None;
        for wave in waves(&steps) {
            let wave = wave.into_iter().filter_map(|row| jobs.get_mut(row)?.take());
            if let Some(error) = &stopped {
                put(&mut outcomes, wave.map(|job| (job.row, super::outcome::failed(&job, error.clone()))));
                continue;
            }
            let mut run = execute::Run::new(self, reader, &[], request.allow_duplicates);
            run.execute(wave.collect()).await;
            usage.add(&run.usage);
            put(&mut outcomes, run.done);
            stopped = run.stopped;
        }
        reported(outcomes, usage)
    }

    async fn described(
        &self,
        usage: &mut Usage,
        describes: &mut HashMap<String, Described>,
        class: &str,
    ) -> Described {
        if let Some(known) = describes.get(class) {
            return known.clone();
        }
        let described = describe(&self.client, usage, class).await;
        describes.insert(class.to_owned(), described.clone());
        described
    }

    /// Adds the records that keys stand for to what rows write, where another row may name the same record otherwise. Gives
    /// the rows whose keys cannot be looked up: they fail.
    async fn name_keyed_jobs(
        &self,
        usage: &mut Usage,
        jobs: &[Option<Job>],
        steps: &mut [Step],
    ) -> Vec<(usize, Outcome)> {
        let named: Vec<_> = jobs.iter().map(|job| job.as_ref().map(named)).collect();
        let job = |row: usize| jobs.get(row)?.as_ref();
        let keyed = ambiguous(&named).into_iter().filter_map(|row| {
            let (key, value) = key_of(job(row)?)?;
            Some(Keyed { row, sobject: job(row)?.sobject(), key, value })
        });
        let failed = self.touch_keyed(usage, keyed.collect(), steps).await;
        failed
            .into_iter()
            .filter_map(|(row, error)| Some((row, super::outcome::failed(job(row)?, error))))
            .collect()
    }
}

/// How a row names its record, for [`ambiguous`].
fn named(job: &Job) -> (&str, bool, Option<&str>) {
    (job.sobject(), id_of(&job.work).is_some(), key_of(job).map(|(key, _)| key))
}

/// The key by which a row names its record: the field and the value.
fn key_of(job: &Job) -> Option<(&str, &str)> {
    match &job.work {
        Work::Upsert { key, value } => Some((key, value)),
        _ => None,
    }
}

/// What the rows do. A row that is done with already does nothing.
fn steps(jobs: &[Option<Job>], describes: &HashMap<String, Described>) -> Vec<Step> {
    let keys: BTreeSet<(&str, &str)> =
        jobs.iter().flatten().filter_map(|job| Some((job.sobject(), key_of(job)?.0))).collect();
    let classes: HashMap<&str, &Describe> = describes
        .values()
        .filter_map(|described| described.as_deref().ok())
        .map(|describe| (describe.object.name.as_str(), describe))
        .collect();
    let step = |job: &Job| {
        let class = job.sobject();
        let mut writes: Vec<Touched> = id_of(&job.work).map(Touched::record).into_iter().collect();
        let mut names = BTreeSet::new();
        for (name, value) in &job.encoded.fields {
            if keys.contains(&(class, name.as_ref())) {
                writes.push(Touched::key(class, name, &unquoted(value.as_str())));
            }
            let field = classes.get(class).and_then(|describe| describe.field(name));
            if field.is_some_and(|field| field.field_type == FieldType::Reference) {
                let id = value.to_text().and_then(|text| SalesforceId::parse(&text));
                names.extend(id.map(|id| id.to_string()));
            }
        }
        let act = match job.work {
            Work::Create => Act::Create,
            // Details go with their master.
            Work::Delete { .. } => Act::Delete { takes_others: true },
            _ => Act::Change,
        };
        Step { writes, names, act }
    };
    jobs.iter().map(|job| job.as_ref().map(step).unwrap_or_default()).collect()
}

/// Checks an operation against the description of its class; what needs no call has its outcome at once.
fn prepare(row: usize, operation: CustomOperation, describe: &Describe) -> Result<Job, Box<Outcome>> {
    let (fields, work) = match operation {
        CustomOperation::Create { fields, .. } => (fields, Work::Create),
        CustomOperation::Update { remote_id, fields, .. } => {
            (fields, Work::Update { id: known_id(describe, &remote_id)? })
        }
        CustomOperation::Delete { remote_id, .. } => {
            (BTreeMap::new(), Work::Delete { id: known_id(describe, &remote_id)? })
        }
        CustomOperation::Upsert { key, mut fields, .. } => {
            let is_key = |field: &&DescribeField| {
                (field.external_id || field.id_lookup) && field.field_type != FieldType::Id
            };
            let Some(field) = describe.field(&key.field).filter(is_key) else {
                return Err(refused(&key.field, "is no field that identifies records: take an external id"));
            };
            let value = match field.field_type.is_number() {
                true => number_of(&key.value).ok_or_else(|| {
                    refused(&key.field, &format!("holds numbers, and {:?} is none", key.value))
                })?,
                false => Json::text(&key.value),
            };
            let differs = |name: &str, value: &Json| {
                name.eq_ignore_ascii_case(&field.name) && unquoted(value.as_str()) != key.value.as_str()
            };
            if let Some(name) = fields.iter().find(|(name, value)| differs(name, value)).map(|(name, _)| name)
            {
                return Err(refused(name, "is the key of this write and has another value there"));
            }
            fields.retain(|name, _| !name.eq_ignore_ascii_case(&field.name));
            fields.insert(field.name.clone(), value);
            (fields, Work::Upsert { key: field.name.clone(), value: key.value })
        }
        _ => {
            let error =
                Error::new(ErrorKind::Unsupported, "this write is not known to the Salesforce plugin");
            return Err(Box::new(Outcome::failed(error)));
        }
    };
    let subject = Subject::Class(Arc::from(describe.object.name.as_str()));
    let mut job = Job::new(row, subject, work, Encoded::default());
    for (name, value) in fields {
        let Some(field) = describe.field(&name) else {
            return Err(refused(&name, "does not exist, or is not visible to this user"));
        };
        // Names differ in case where a map does not see it, and which of the two values counts nobody can say.
        if job.encoded.fields.iter().any(|(named, _)| *named == field.name) {
            return Err(refused(&name, "is named twice"));
        }
        let writable = match job.work {
            Work::Create => field.createable,
            // Which of the two it comes to shows at the remote; without its key, a row would be made anew each time.
            Work::Upsert { ref key, .. } if *key == field.name => true,
            Work::Upsert { .. } => field.createable || field.updateable,
            _ => field.updateable,
        };
        if writable {
            let is_list = field.field_type == FieldType::MultiPicklist;
            let joined = is_list.then(|| joined_choices(&value)).flatten();
            job.encoded.fields.push((field.name.clone().into(), joined.unwrap_or(value)));
        } else if field.createable || field.updateable {
            return Err(refused(&name, "can be set only when the record is made"));
        } else {
            let message = "this user can read the field and not write it";
            job.encoded.warnings.push(Warning::new(format!("/fields/{name}"), "read_only", message));
        }
    }
    match &job.work {
        Work::Update { id } if job.encoded.fields.is_empty() => {
            let outcome = Outcome::new(OutcomeStatus::Unchanged).with_remote_id(id.as_str());
            Err(Box::new(outcome.with_warnings(job.encoded.warnings)))
        }
        _ => Ok(job),
    }
}

/// The long form of an id that can be one of this class. Calls name records by their ids alone, and would change whatever
/// record that is.
fn known_id(describe: &Describe, remote_id: &RemoteId) -> Result<String, Box<Outcome>> {
    let Some(prefix) = describe.object.key_prefix.as_deref() else {
        let message = format!("the ids of {} do not say what they are ids of", describe.object.name);
        return Err(Box::new(Outcome::failed(Error::new(ErrorKind::Unsupported, message))));
    };
    SalesforceId::parse_with(remote_id.as_str(), [prefix])
        .map(|id| id.to_string())
        .ok_or_else(|| Box::new(Outcome::failed(no_such_record(&describe.object.name, remote_id.as_str()))))
}

fn refused(field: &str, why: &str) -> Box<Outcome> {
    let error = Error::new(ErrorKind::InvalidRequest, "a field cannot be written");
    Box::new(Outcome::failed(error.with_field(format!("/fields/{field}"), format!("{field} {why}"))))
}

#[cfg(test)]
mod tests {
    use unicrm_core::ExternalKey;

    use super::*;

    /// A class with an External ID that the org counts up by itself, so that nobody may write it.
    fn numbered() -> Describe {
        let field = |name: &str, ty: &str, key: bool, writable: bool| {
            format!(
                r#"{{"name":"{name}","label":"","type":"{ty}","nillable":true,"custom":true,"filterable":true,"sortable":true,
                "defaultedOnCreate":false,"unique":false,"idLookup":{key},"externalId":{key},"createable":{writable},
                "updateable":{writable},"length":30,"precision":0,"scale":0,"digits":0,"restrictedPicklist":false,
                "picklistValues":[],"referenceTo":[],"deprecatedAndHidden":false,"permissionable":true}}"#
            )
        };
        let fields = [
            field("Id", "id", true, false),
            field("Number__c", "string", true, false),
            field("Title__c", "string", false, true),
        ];
        let head = r#""name":"Invoice__c","keyPrefix":"a00","custom":true"#;
        Describe::parse(&format!(r#"{{{head},"fields":[{}]}}"#, fields.join(","))).unwrap()
    }

    #[test]
    fn a_key_that_nobody_may_write_goes_out_with_its_row() {
        let fields = BTreeMap::from([("Title__c".to_owned(), Json::text("x"))]);
        let key = ExternalKey::new("number__c", "A-0007");
        let job = prepare(0, CustomOperation::upsert("Invoice__c", key, fields), &numbered()).unwrap();
        let sent: Vec<_> =
            job.encoded.fields.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
        assert_eq!(sent, [("Number__c", "\"A-0007\""), ("Title__c", "\"x\"")]);
        assert!(job.encoded.warnings.is_empty());
    }
}
