//! A record and the rows of junction objects that tie it to others, as the requests of one graph.

use std::borrow::Cow;

use unicrm_core::{Error, Json};

use super::outcome::End;
use super::plan::{Job, Work};
use super::present::junction;
use crate::api::{Client, RowAnswer, SubAnswers, SubRequest};
use crate::error::{Code, Fault, Refusal};

/// The requests of a job: the record first, then what is tied to it, then what is untied.
pub(super) fn requests(client: &Client, job: &Job, allow_duplicates: bool) -> Vec<SubRequest> {
    let sobject = job.sobject();
    let fields = job.encoded.fields.as_slice();
    let own =
        |method, path: String, fields| client.change_request(method, &path, Some(fields), allow_duplicates);
    let mut requests = Vec::new();
    // What the rows below refer to.
    let mut id = Cow::Borrowed("@{r0.id}");
    match &job.work {
        Work::Upsert { key, value } => {
            let segment: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            let path = format!("/sobjects/{sobject}/{key}/{}", segment.replace('+', "%20"));
            let rest: Vec<_> =
                fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(key)).cloned().collect();
            requests.push(own("PATCH", path, &rest));
        }
        Work::Update { id: known } => {
            if job.writes_itself() {
                requests.push(own("PATCH", format!("/sobjects/{sobject}/{known}"), fields));
            }
            id = Cow::Owned(known.clone());
        }
        _ => requests.push(own("POST", format!("/sobjects/{sobject}"), fields)),
    }
    for (sobject, target) in added(job) {
        let Some((owner, other)) = junction(sobject) else { continue };
        let mut fields =
            vec![(Cow::Borrowed(owner), Json::text(&id)), (Cow::Borrowed(other), Json::text(target))];
        match sobject {
            "ContentDocumentLink" => fields.push((Cow::Borrowed("ShareType"), Json::text("V"))),
            // A relation, and no invitation.
            "EventRelation" => fields.push((Cow::Borrowed("IsParent"), Json::of(&true))),
            _ => {}
        }
        requests.push(client.change_request("POST", &format!("/sobjects/{sobject}"), Some(&fields), false));
    }
    for tie in &job.untie {
        let path = format!("/sobjects/{}/{}", tie.sobject, tie.id);
        requests.push(client.change_request("DELETE", &path, None, false));
    }
    requests
}

fn added(job: &Job) -> impl Iterator<Item = (&'static str, &str)> {
    let related = job.encoded.related.iter();
    related.flat_map(|related| related.add.iter().map(|target| (related.sobject, target.as_str())))
}

/// How a job ended whose graph was answered.
pub(super) fn end(job: &Job, answers: SubAnswers) -> End {
    let own = usize::from(job.writes_itself());
    let mut refused: Option<(Box<Refusal>, Option<&'static str>)> = None;
    let mut halted = false;
    let mut saved = RowAnswer { id: None, created: None };
    for (at, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(answer) if at < own => {
                #[derive(serde::Deserialize, Default)]
                struct Body {
                    id: Option<String>,
                    created: Option<bool>,
                }
                let body: Body = serde_json::from_str(answer.body()).unwrap_or_default();
                saved = RowAnswer { id: body.id, created: body.created.or(Some(answer.status == 201)) };
            }
            Ok(_) => {}
            Err(fault) if fault.is(&Code::ProcessingHalted) => halted = true,
            Err(Fault::Refused(refusal)) => {
                // Behind the record itself stand the rows that tie it to others.
                let tie = at.checked_sub(own).and_then(|at| {
                    let targets = added(job).map(|(_, target)| target);
                    targets.chain(job.untie.iter().map(|tie| tie.target.as_str())).nth(at)
                });
                refused.get_or_insert((refusal, tie.map(|target| pointer_of(job.sobject(), target))));
            }
            Err(fault) => return End::Failed(Error::from(fault)),
        }
    }
    match refused {
        Some((refusal, tie)) => End::Refused(refusal, tie),
        None if halted => End::NotTried,
        None => End::Saved(saved),
    }
}

/// The unified field of a tie to a record.
fn pointer_of(sobject: &str, target: &str) -> &'static str {
    match (sobject, target.get(..3)) {
        ("ContentNote", Some("001")) => "/account",
        ("ContentNote", Some("003")) => "/contact",
        ("ContentNote", _) => "/opportunity",
        _ => "/contacts",
    }
}
