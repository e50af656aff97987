//! Tasks, calls and e-mails are rows of one remote object. What such a row is decides under which name it may be changed or
//! deleted: a call that is named as a task is let be, with an error that says what it is.

use std::collections::HashMap;

use unicrm_core::{Error, ErrorKind, ObjectKind, Outcome, Usage};

use super::Writer;
use super::outcome::id_of;
use super::plan::{Job, Subject};
use super::prepare::{Draft, Prepared, Target};
use super::present::text_cell;
use crate::api::{QueryPage, widened};
use crate::read::small::related;

impl Writer {
    /// Takes out the rows that name a record by another object than its own.
    pub(super) async fn check_sorts<'o>(
        &self,
        usage: &mut Usage,
        drafts: Vec<Draft<'o>>,
        out: &mut Prepared,
    ) -> Vec<Draft<'o>> {
        let rows = drafts.iter().filter_map(named).chain(out.jobs.iter().filter_map(deleted));
        let mut ids: Vec<String> = rows.map(|(_, id)| id.to_owned()).collect();
        if ids.is_empty() {
            return drafts;
        }
        ids.sort_unstable();
        ids.dedup();
        let found = related(&self.client, usage, "Task", &["Id", "TaskSubtype"], "Id", &ids).await;
        let sorts = found.map_err(Error::from).map(|pages| {
            let rows = pages.iter().flat_map(QueryPage::rows);
            let sort =
                |row| Some((widened(&text_cell(row, "Id")?).into_owned(), text_cell(row, "TaskSubtype")));
            rows.filter_map(sort).collect::<HashMap<_, _>>()
        });
        let wrong = |(kind, id): (ObjectKind, &str)| {
            let error = match &sorts {
                // What is not there is for Salesforce to say.
                Ok(sorts) => misnamed(kind, id, sorts.get(id)?.as_deref())?,
                Err(error) => error.clone(),
            };
            Some(Outcome::failed(error).with_remote_id(id))
        };
        let mut done = Vec::new();
        out.jobs.retain(|job| match deleted(job).and_then(wrong) {
            Some(outcome) => {
                done.push((job.row, outcome));
                false
            }
            None => true,
        });
        let mut kept = Vec::with_capacity(drafts.len());
        for draft in drafts {
            match named(&draft).and_then(wrong) {
                Some(outcome) => done.push((draft.row, outcome)),
                None => kept.push(draft),
            }
        }
        out.done.extend(done);
        kept
    }
}

/// The row that a change names, if it is one of the shared object.
fn named<'d>(draft: &'d Draft<'_>) -> Option<(ObjectKind, &'d str)> {
    match &draft.target {
        Target::Known(id) => shared(draft.patch.kind(), id),
        Target::New | Target::Keyed(..) => None,
    }
}

/// The row that a deletion names, if it is one of the shared object.
fn deleted(job: &Job) -> Option<(ObjectKind, &str)> {
    match job.subject {
        Subject::Object(kind) => shared(kind, id_of(&job.work)?),
        Subject::Class(_) => None,
    }
}

fn shared(kind: ObjectKind, id: &str) -> Option<(ObjectKind, &str)> {
    (matches!(kind, ObjectKind::Task | ObjectKind::Engagement) && id.starts_with("00T")).then_some((kind, id))
}

/// The error of a record that is named as what it is not.
fn misnamed(kind: ObjectKind, id: &str, subtype: Option<&str>) -> Option<Error> {
    let (what, is) = match subtype {
        Some("Call") => ("a call", ObjectKind::Engagement),
        Some("Email" | "ListEmail") => ("an e-mail", ObjectKind::Engagement),
        _ => ("a task", ObjectKind::Task),
    };
    let message = match is {
        _ if is == kind => return None,
        ObjectKind::Engagement => format!("{id} is {what}, which is an engagement and not a task"),
        _ => format!("{id} is a task and not an engagement"),
    };
    let error = Error::new(ErrorKind::InvalidRequest, message.clone()).with_field("/remote_id", message);
    Some(error.with_advice(format!("Write it as one of the {}.", is.plural())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subtype_has_one_name() {
        for (subtype, kind) in [
            (None, ObjectKind::Task),
            (Some("Task"), ObjectKind::Task),
            (Some("Cadence"), ObjectKind::Task),
            (Some("Call"), ObjectKind::Engagement),
            (Some("Email"), ObjectKind::Engagement),
            (Some("ListEmail"), ObjectKind::Engagement),
        ] {
            for named in [ObjectKind::Task, ObjectKind::Engagement] {
                let error = misnamed(named, "00T1", subtype);
                assert_eq!(error.is_none(), named == kind, "{subtype:?} as {named}");
                if let Some(error) = error {
                    assert!(error.advice().is_some_and(|advice| advice.contains(kind.plural())), "{error:?}");
                }
            }
        }
    }
}
