//! Who stands in the way of a row that was refused: found out with a further look, where Salesforce's answer does not say.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use unicrm_core::{Error, GoneReason, ObjectKind, RemoteId};
use unicrm_http::Replay;

use super::execute::{Refused, Run};
use super::lost::{Lost, conversion_of};
use super::matching::Found;
use super::outcome::{id_of, in_doubt, saved};
use super::plan::{Job, Method, Subject, Work};
use super::present::{Seen, read_by_ids, text_cell};
use crate::api::{QueryPage, RowAnswer, SalesforceId, SubRequest, widened};
use crate::error::{Code, Fault};
use crate::read::small::related;
use crate::read::source::Source;

/// Requests of one composite call.
const AT_ONCE: usize = 25;
/// Rows of one wave for which a look is worth its calls, for each of the questions below: beyond that, the answers would
/// cost more than the write itself, and rows are told what Salesforce said.
const NAMED: usize = 500;

impl Run<'_> {
    /// Gives refused rows their outcomes, with the records that stand in the way.
    pub(super) async fn explain(&mut self, mut refusals: Vec<Refused>) {
        self.find_own(&mut refusals).await;
        self.name_duplicates(&mut refusals).await;
        self.name_successors(&mut refusals).await;
        self.name_missing(&mut refusals).await;
        for refused in refusals {
            self.refuse(refused);
        }
    }

    /// Rows that were sent again and refused: perhaps they met themselves, as they were sent first.
    async fn find_own(&mut self, refusals: &mut Vec<Refused>) {
        let again =
            |refused: &Refused| refused.job.resent.is_some() && matches!(refused.job.work, Work::Create);
        let (asked, rest) = std::mem::take(refusals).into_iter().partition::<Vec<_>, _>(again);
        *refusals = rest;
        let mut by_object: BTreeMap<String, Vec<Refused>> = BTreeMap::new();
        for refused in asked {
            by_object.entry(refused.job.sobject().to_owned()).or_default().push(refused);
        }
        for (sobject, asked) in by_object {
            let found = self.look_again(&sobject, &asked).await;
            let mut found = found.map(Vec::into_iter);
            for refused in asked {
                match found.as_mut().map(|found| found.next().unwrap_or(Found::Nothing)) {
                    Some(Found::One(id)) => {
                        let outcome = saved(&refused.job, RowAnswer { id: Some(id), created: Some(true) });
                        self.save(&refused.job, outcome);
                    }
                    unclear if unclear != Some(Found::Nothing) && met_another(&refused) => {
                        let candidates = match unclear {
                            Some(Found::Unclear(ids)) => ids.into_iter().map(RemoteId::from).collect(),
                            _ => Vec::new(),
                        };
                        let error = Error::from(Fault::Refused(Box::new(refused.refusal)));
                        self.done.push((refused.job.row, in_doubt(&refused.job, &error, candidates)));
                    }
                    _ => refusals.push(refused),
                }
            }
        }
    }

    /// A collection does not say which records a duplicate rule has found; the same write by itself does. Nothing was
    /// written yet, and if the rule no longer stands against it, it is written now, as was asked.
    async fn name_duplicates(&mut self, refusals: &mut Vec<Refused>) {
        let nameless = |refused: &Refused| {
            refused.refusal.code == Code::DuplicatesDetected
                && refused.refusal.candidates.is_empty()
                && matches!(refused.job.method(), Method::Create | Method::Update)
        };
        let (mut asked, rest) = std::mem::take(refusals).into_iter().partition::<Vec<_>, _>(nameless);
        *refusals = rest;
        refusals.extend(asked.split_off(asked.len().min(NAMED)));
        let mut asked = asked.into_iter();
        loop {
            let chunk: Vec<Refused> = asked.by_ref().take(AT_ONCE).collect();
            if chunk.is_empty() {
                return;
            }
            let sent = std::time::Instant::now();
            let requests: Vec<SubRequest> =
                chunk.iter().map(|refused| self.by_itself(&refused.job)).collect();
            let client = self.writer.client.clone();
            match client.change_singly(&mut self.usage, &requests, false, Replay::Unsafe).await {
                Ok(answers) => {
                    for (mut refused, answer) in chunk.into_iter().zip(answers) {
                        match answer {
                            Ok(answer) => {
                                let id = text_cell(answer.body(), "id");
                                let outcome = saved(&refused.job, RowAnswer { id, created: None });
                                self.save(&refused.job, outcome);
                            }
                            Err(fault) => {
                                if let Fault::Refused(refusal) = fault {
                                    refused.refusal = *refusal;
                                }
                                refusals.push(refused);
                            }
                        }
                    }
                }
                Err(fault) if fault.may_have_acted() => {
                    let error = Error::from(fault);
                    let lost = chunk.into_iter().map(|refused| {
                        // What was refused a moment ago is not sent a third time.
                        let job = Job { resent: Some(sent), ..refused.job };
                        Lost { job, call: usize::MAX, sent, error: error.clone(), answered: false }
                    });
                    let resend = self.settle(lost.collect()).await;
                    debug_assert!(resend.is_empty(), "a row is sent twice at the most");
                }
                Err(_) => refusals.extend(chunk),
            }
        }
    }

    /// A reference to a record that is not there: Salesforce does not say which of them it means.
    async fn name_missing(&mut self, refusals: &mut [Refused]) {
        let mut wanted: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for refused in refusals.iter().filter(|refused| may_miss(refused)).take(NAMED) {
            let own = id_of(&refused.job.work).map(str::to_owned);
            for id in references(&refused.job).map(|(_, id)| id).chain(own) {
                if let Some(sobject) = sobject_of(&id) {
                    wanted.entry(sobject).or_default().push(id);
                }
            }
        }
        let mut live: BTreeSet<String> = BTreeSet::new();
        let mut known: BTreeSet<&'static str> = BTreeSet::new();
        for (sobject, mut ids) in wanted {
            ids.sort_unstable();
            ids.dedup();
            let client = self.writer.client.clone();
            if let Ok(pages) = related(&client, &mut self.usage, sobject, &["Id"], "Id", &ids).await {
                let rows = pages.iter().flat_map(QueryPage::rows);
                live.extend(rows.filter_map(|row| Some(widened(&text_cell(row, "Id")?).into_owned())));
                known.insert(sobject);
            }
        }
        let is_missing =
            |id: &str| sobject_of(id).is_some_and(|sobject| known.contains(sobject)) && !live.contains(id);
        for refused in refusals.iter_mut().filter(|refused| may_miss(refused)).take(NAMED) {
            if id_of(&refused.job.work).is_some_and(is_missing) {
                continue;
            }
            let missing = references(&refused.job).filter(|(_, id)| is_missing(id));
            refused.refusal.fields = missing.map(|(field, _)| field).collect();
        }
    }

    fn by_itself(&self, job: &Job) -> SubRequest {
        let sobject = job.sobject();
        let path = match id_of(&job.work) {
            Some(id) => Cow::Owned(format!("/sobjects/{sobject}/{id}")),
            None => Cow::Owned(format!("/sobjects/{sobject}")),
        };
        let method = if matches!(job.work, Work::Create) { "POST" } else { "PATCH" };
        self.writer.client.change_request(method, &path, Some(&job.encoded.fields), self.allow_duplicates)
    }

    /// A record that was merged or converted lives on in another one.
    async fn name_successors(&mut self, refusals: &mut [Refused]) {
        let mut wanted: BTreeMap<ObjectKind, Vec<RemoteId>> = BTreeMap::new();
        for refused in refusals.iter().filter(|refused| may_have_successor(refused)).take(NAMED) {
            let Subject::Object(kind) = refused.job.subject else { continue };
            let id = id_of(&refused.job.work).map(RemoteId::from);
            wanted.entry(kind).or_default().extend(id);
        }
        if wanted.is_empty() {
            return;
        }
        let seen = read_by_ids(self.reader, &mut self.usage, wanted).await;
        for refused in refusals.iter_mut().filter(|refused| may_have_successor(refused)) {
            let Some(id) = id_of(&refused.job.work) else { continue };
            let refusal = &mut refused.refusal;
            match seen.get(id) {
                Some(Seen::Gone(GoneReason::MergedInto(into))) => {
                    refusal.message = format!("the {} {id} was merged into {into}", refused.job.subject);
                    refusal.candidates = vec![into.as_str().to_owned()];
                }
                Some(Seen::Live(record)) => {
                    if let Some(conversion) = conversion_of(record) {
                        refusal.message =
                            format!("the lead was converted into the contact {}", conversion.contact);
                        refusal.candidates = vec![conversion.contact, conversion.account];
                    }
                }
                _ => {}
            }
        }
    }
}

/// Whether a record stands in the way, which may be the row's own.
fn met_another(refused: &Refused) -> bool {
    matches!(refused.refusal.code, Code::DuplicateValue | Code::DuplicatesDetected)
}

fn may_have_successor(refused: &Refused) -> bool {
    match refused.refusal.code {
        Code::EntityIsDeleted => matches!(refused.job.work, Work::Update { .. }),
        Code::ConvertedLead => true,
        _ => false,
    }
}

fn may_miss(refused: &Refused) -> bool {
    let refusal = &refused.refusal;
    matches!(refusal.code, Code::EntityIsDeleted | Code::InvalidReference)
        && refusal.fields.is_empty()
        && refusal.candidates.is_empty()
        && refused.tie.is_none()
        && !matches!(refused.job.work, Work::Delete { .. })
}

/// The references that a job writes: remote field and id in the long form.
fn references(job: &Job) -> impl Iterator<Item = (String, String)> {
    let written = job.encoded.fields.iter();
    written.filter_map(|(name, value)| {
        let id = SalesforceId::parse(&value.to_text()?)?.to_string();
        (name.ends_with("Id") || name.ends_with("__c")).then(|| (name.clone().into_owned(), id))
    })
}

/// The object of an id, when it is one of those that are mapped.
fn sobject_of(id: &str) -> Option<&'static str> {
    let mut sources = ObjectKind::ALL.into_iter().flat_map(|kind| Source::of(kind).iter().copied());
    let fits = |source: &Source| source.key_prefix().is_some_and(|prefix| id.starts_with(prefix));
    sources.find(fits).map(Source::sobject)
}
