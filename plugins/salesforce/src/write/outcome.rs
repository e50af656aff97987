//! From what Salesforce said about a row to the row's outcome: unified pointers, the remote's code, who stands in the way.

use std::fmt::Display;

use unicrm_core::{
    Error, ErrorKind, MappingDirection, ObjectKind, Outcome, OutcomeStatus, RecordPatch, RemoteField,
    RemoteId,
};

use super::plan::{Job, Subject, Work};
use crate::api::{Conversion, RowAnswer, SalesforceId};
use crate::error::{Code, Fault, Refusal};
use crate::objects::{key_of, mapping};

/// How a row ended at Salesforce.
#[derive(Debug)]
pub(super) enum End {
    /// It is written.
    Saved(RowAnswer),
    /// The lead is converted.
    Converted(Conversion),
    /// Salesforce refused this row, perhaps for what ties it to another: the unified field of that.
    Refused(Box<Refusal>, Option<&'static str>),
    /// It was not sent, or refused as a whole.
    Failed(Error),
    /// It was sent, and whether it was carried out is not known.
    Lost {
        /// What happened.
        error: Error,
        /// Whether the server answered at all: then it has nothing of it still under way.
        answered: bool,
    },
    /// It was sent, and nobody can say whether it was carried out.
    InDoubt {
        /// What happened.
        error: Error,
        /// Records that may be it.
        candidates: Vec<RemoteId>,
    },
    /// Others in the same call failed first.
    NotTried,
}

/// The outcome of a row that Salesforce has carried out.
pub(super) fn saved(job: &Job, answer: RowAnswer) -> Outcome {
    let (status, id) = match &job.work {
        Work::Create => (OutcomeStatus::Created, answer.id),
        Work::Update { id } => (OutcomeStatus::Updated, Some(id.clone())),
        Work::Upsert { .. } if answer.created == Some(true) => (OutcomeStatus::Created, answer.id),
        Work::Upsert { .. } => (OutcomeStatus::Updated, answer.id),
        Work::Delete { id } => (OutcomeStatus::Deleted, Some(id.clone())),
        Work::Convert(convert) => (OutcomeStatus::Updated, Some(convert.lead.clone())),
    };
    let mut outcome = Outcome::new(status).with_warnings(job.encoded.warnings.iter().cloned());
    outcome.remote_id = id.as_deref().map(crate::api::widened).map(RemoteId::from);
    outcome
}

/// The outcome of a row that Salesforce refused.
pub(super) fn refused(job: &Job, patch: Option<&RecordPatch>, mut refusal: Refusal) -> Outcome {
    if matches!(job.work, Work::Delete { .. }) && refusal.code == Code::EntityIsDeleted {
        return saved(job, RowAnswer { id: None, created: None });
    }
    let fields = std::mem::take(&mut refusal.fields);
    let message = refusal.message.clone();
    let code = refusal.code.clone();
    let mut candidates = std::mem::take(&mut refusal.candidates);
    if code == Code::DuplicateValue {
        candidates.extend(record_named_in(&message));
    }
    let mut error = Error::from(Fault::Refused(Box::new(refusal)));
    if code == Code::EntityIsDeleted && !candidates.is_empty() {
        // It is not gone without a trace: it lives on in another record.
        error = Error::new(ErrorKind::Conflict, message.clone())
            .with_remote_code(code.as_str())
            .with_advice("Change the record that it was merged into.");
    }
    if code == Code::InvalidReference && names_itself(&job.work) && fields.is_empty() {
        error = no_such_record(&job.subject, id_of(&job.work).unwrap_or_default())
            .with_remote_code(code.as_str());
    }
    if !fields.is_empty() && matches!(code, Code::EntityIsDeleted | Code::InvalidReference) {
        let advice = "Name a record that exists and that this user may see.";
        error = Error::new(ErrorKind::InvalidRequest, "the record refers to one that is not there")
            .with_remote_code(code.as_str())
            .with_advice(advice);
    }
    for field in &fields {
        let pointer = match job.subject {
            Subject::Object(kind) => pointer(kind, job.sobject(), patch, field),
            Subject::Class(_) => format!("/fields/{field}"),
        };
        error = error.with_field(pointer, format!("{field}: {message}"));
    }
    failed(job, error).with_candidates(candidates.iter().map(|id| crate::api::widened(id)))
}

/// The outcome of a row that failed for another reason.
pub(super) fn failed(job: &Job, error: Error) -> Outcome {
    let mut outcome = Outcome::failed(error).with_warnings(job.encoded.warnings.iter().cloned());
    outcome.remote_id = id_of(&job.work).map(RemoteId::from);
    outcome
}

/// The outcome of a row of which nobody knows whether it was carried out.
pub(super) fn in_doubt(job: &Job, error: &Error, candidates: Vec<RemoteId>) -> Outcome {
    let doubt = doubt(error).with_advice(if job.is_unique() {
        "Look whether the record is there before you repeat the write."
    } else {
        "Repeat the write: it may be done twice without harm."
    });
    let mut candidates = candidates;
    candidates.extend(id_of(&job.work).map(RemoteId::from));
    let mut outcome = Outcome::new(OutcomeStatus::InDoubt { error: doubt, candidates });
    outcome.remote_id = id_of(&job.work).map(RemoteId::from);
    outcome.with_warnings(job.encoded.warnings.iter().cloned())
}

/// The error of a row in doubt, for what happened to it.
pub(super) fn doubt(error: &Error) -> Error {
    Error::new(ErrorKind::InDoubt, error.message().to_owned()).with_source(error.clone())
}

/// The record that a write is about, if it has an id.
pub(super) fn id_of(work: &Work) -> Option<&str> {
    match work {
        Work::Update { id } | Work::Delete { id } => Some(id),
        Work::Convert(convert) => Some(&convert.lead),
        Work::Create | Work::Upsert { .. } => None,
    }
}

fn names_itself(work: &Work) -> bool {
    matches!(work, Work::Update { .. } | Work::Delete { .. })
}

/// The error of a record that is not there for this user.
pub(super) fn no_such_record(what: &dyn Display, id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {what} {id} that this user may see"))
}

/// The id in "duplicates value on record with id: 003...".
fn record_named_in(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("record with id:")?;
    SalesforceId::parse(rest.trim()).map(|id| id.to_string())
}

/// The unified field that a remote one belongs to; the one that the patch names, where several share it.
pub(super) fn pointer(kind: ObjectKind, sobject: &str, patch: Option<&RecordPatch>, remote: &str) -> String {
    let listed = patch.map(remote_fields).unwrap_or_default();
    if let Some(at) = listed.iter().position(|field| key_of(field) == Some(remote)) {
        return format!("/remote_fields/{at}");
    }
    let named = patch.map(RecordPatch::named).unwrap_or_default();
    let whole = format!("{sobject}.{remote}");
    let fits = mapping(kind).fields.iter().filter(|field| {
        field.direction == MappingDirection::Both
            && field.remote.iter().any(|name| *name == remote || *name == whole)
    });
    let fits: Vec<_> = fits.collect();
    let chosen = fits.iter().find(|field| named.contains(&field.unified)).or(fits.first());
    chosen.map_or_else(|| "/remote_fields".to_owned(), |field| format!("/{}", field.unified))
}

/// The remote fields that a patch names.
pub(super) fn remote_fields(patch: &RecordPatch) -> &[RemoteField] {
    macro_rules! listed {
        ($($object:ident),+) => {
            match patch {
                $(RecordPatch::$object(patch) => patch.remote_fields.value().map(Vec::as_slice),)+
            }
        };
    }
    listed!(Account, Contact, Engagement, EngagementType, Lead, Note, Opportunity, Stage, Task, User)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use unicrm_core::{ContactPatch, TaskPatch};

    use super::*;
    use crate::objects::Encoded;

    fn job(work: Work) -> Job {
        let encoded = Encoded { sobject: "Contact", ..Encoded::default() };
        Job::new(0, Subject::Object(ObjectKind::Contact), work, encoded)
    }

    fn refusal(code: &str, message: &str, fields: &[&str]) -> Refusal {
        Refusal {
            code: Code::from(code),
            message: message.to_owned(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            ..Refusal::without_body(400)
        }
    }

    #[test]
    fn fields_are_named_as_the_caller_knows_them() {
        let patch = RecordPatch::from(ContactPatch::new().last_name("x"));
        for (remote, unified) in [
            ("LastName", "/last_name"),
            ("MailingStreet", "/addresses"),
            ("Email", "/email_addresses"),
            ("OwnerId", "/owner"),
            ("Erp__c", "/remote_fields"),
        ] {
            assert_eq!(pointer(ObjectKind::Contact, "Contact", Some(&patch), remote), unified);
        }
        let task = RecordPatch::from(TaskPatch::new().subject("x"));
        assert_eq!(pointer(ObjectKind::Task, "Task", Some(&task), "WhatId"), "/account");
        let json = r#"{"opportunity": {"remote_id": "006x"}, "remote_fields": [{"remote_field_class": "Task.Erp__c", "value": 1}]}"#;
        let task = RecordPatch::from_json(ObjectKind::Task, json).unwrap();
        assert_eq!(pointer(ObjectKind::Task, "Task", Some(&task), "WhatId"), "/opportunity");
        assert_eq!(pointer(ObjectKind::Task, "Task", Some(&task), "Erp__c"), "/remote_fields/0");
        assert_eq!(pointer(ObjectKind::Engagement, "Event", None, "StartDateTime"), "/start_time");
    }

    #[test]
    fn a_refused_row_keeps_code_and_fields() {
        let outcome =
            refused(&job(Work::Create), None, refusal("REQUIRED_FIELD_MISSING", "missing", &["LastName"]));
        let error = outcome.error().unwrap();
        assert_eq!(
            (error.kind(), error.remote_code()),
            (ErrorKind::InvalidRequest, Some("REQUIRED_FIELD_MISSING"))
        );
        assert_eq!(error.fields().len(), 1);
        assert_eq!(error.fields()[0].pointer, "/last_name");
    }

    #[test]
    fn a_taken_value_names_its_record() {
        let message = "duplicate value found: Erp__c duplicates value on record with id: 003ak00000luKU1";
        let outcome = refused(&job(Work::Create), None, refusal("DUPLICATE_VALUE", message, &[]));
        assert_eq!(outcome.error().unwrap().kind(), ErrorKind::Conflict);
        assert_eq!(outcome.candidates, [RemoteId::from("003ak00000luKU1AAM")]);
    }

    #[test]
    fn deleting_what_is_deleted_is_as_good() {
        let gone = refusal("ENTITY_IS_DELETED", "entity is deleted", &[]);
        let delete = job(Work::Delete { id: "003A".to_owned() });
        assert!(matches!(refused(&delete, None, gone.clone()).status, OutcomeStatus::Deleted));
        let update = job(Work::Update { id: "003A".to_owned() });
        assert_eq!(refused(&update, None, gone).error().unwrap().kind(), ErrorKind::NotFound);
        let unknown = refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[]);
        let outcome = refused(&delete, None, unknown);
        assert_eq!(outcome.error().unwrap().kind(), ErrorKind::NotFound);
        assert_eq!(outcome.remote_id, Some(RemoteId::from("003A")));
    }
}
