//! Rows that were sent and whose answer was lost: looked for before anything is sent again.
//!
//! A new record is found by what was written: made by this user since the call was sent, with the same value in every
//! field, and not known to be another row's. Salesforce commits the records of one object in a call together; so where one
//! of them is there, those that are not were refused, and may be sent again. Where nothing is there, the call may still be
//! under way: then only rows that cannot come into being twice are sent again, and of the others it is said that they are
//! in doubt.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use unicrm_core::{Error, ErrorKind, ObjectKind, Record, Ref, RemoteId};

use super::execute::{Refused, Run};
use super::matching::{Found, Matches, Wanted, fitting, settle_group};
use super::outcome::{in_doubt, saved};
use super::plan::{Job, Work};
use super::present::{Seen, read_by_ids, text_cell};
use crate::api::{Condition, Conversion, Literal, QueryOptions, QueryPage, RowAnswer, Soql, widened};
use crate::error::Fault;
use crate::objects::remote_text;
use crate::read::small::all_pages;

/// How long to wait before each look: what is still under way is given time to arrive.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(700), Duration::from_secs(2)];
/// How much further back a look goes than the time that has passed: clocks tell whole seconds.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);
/// The largest note that is compared.
const MAX_NOTE: usize = 8 << 20;

/// A row whose answer was lost.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) job: Job,
    /// The number of the call that it was in.
    pub(super) call: usize,
    /// When that was sent.
    pub(super) sent: Instant,
    /// What happened.
    pub(super) error: Error,
    /// Whether the server answered at all.
    pub(super) answered: bool,
}

impl Run<'_> {
    /// Settles lost rows; gives those that may be sent again.
    pub(super) async fn settle(&mut self, lost: Vec<Lost>) -> Vec<Job> {
        let mut creates: BTreeMap<String, Vec<Lost>> = BTreeMap::new();
        let mut converts = Vec::new();
        for lost in lost {
            match &lost.job.work {
                _ if !lost.job.is_unique() => {
                    // It was sent again to the end of patience already.
                    self.done.push((lost.job.row, in_doubt(&lost.job, &lost.error, Vec::new())));
                }
                Work::Create => {
                    creates.entry(lost.job.sobject().to_owned()).or_default().push(lost);
                }
                Work::Convert(_) => converts.push(lost),
                // What is left to do shows when the record is looked at anew.
                Work::Update { .. } | Work::Upsert { .. } | Work::Delete { .. } => {
                    self.again.push(lost.job.row)
                }
            }
        }
        let mut resend = Vec::new();
        for (sobject, lost) in creates {
            resend.extend(self.settle_creates(&sobject, lost).await);
        }
        resend.extend(self.settle_converts(converts).await);
        resend
    }

    async fn settle_creates(&mut self, sobject: &str, mut lost: Vec<Lost>) -> Vec<Job> {
        let mut resend = Vec::new();
        let mut looked = false;
        for pause in LOOKS {
            tokio::time::sleep(pause).await;
            let matches = match self.look_for(sobject, &lost).await {
                Ok(matches) => matches,
                Err(fault) => {
                    tracing::warn!(%fault, sobject, "lost rows cannot be looked for");
                    continue;
                }
            };
            looked = true;
            let mut left = Vec::new();
            for (lost, found) in lost.into_iter().zip(matches.found) {
                match found {
                    Found::One(id) => {
                        let answer = RowAnswer { id: Some(id), created: Some(true) };
                        self.save(&lost.job, saved(&lost.job, answer));
                    }
                    Found::Unclear(ids) => {
                        let candidates = ids.into_iter().map(RemoteId::from).collect();
                        self.done.push((lost.job.row, in_doubt(&lost.job, &lost.error, candidates)));
                    }
                    Found::Nothing if matches.committed.contains(&lost.call) => {
                        again(lost, self, &mut resend)
                    }
                    Found::Nothing => left.push(lost),
                }
            }
            lost = left;
            if lost.is_empty() {
                return resend;
            }
        }
        for lost in lost {
            let safe = (looked && lost.answered) || self.has_key(&lost.job).await;
            if safe {
                again(lost, self, &mut resend);
            } else {
                self.done.push((lost.job.row, in_doubt(&lost.job, &lost.error, Vec::new())));
            }
        }
        resend
    }

    /// Whether the record has a value that no other record may have, so that it cannot come into being twice.
    async fn has_key(&mut self, job: &Job) -> bool {
        let describe = self.writer.client.describe(&mut self.usage, job.sobject()).await;
        describe.is_ok_and(|describe| {
            job.encoded.fields.iter().any(|(name, value)| {
                value.as_str() != "null" && describe.field(name).is_some_and(|field| field.unique)
            })
        })
    }

    /// Looks for the records of lost rows of one object.
    async fn look_for(&mut self, sobject: &str, lost: &[Lost]) -> Result<Matches, Fault> {
        let client = self.writer.client.clone();
        let user = client.user_id(&mut self.usage).await?;
        let first = |lost: &Lost| lost.job.resent.unwrap_or(lost.sent);
        let sent = lost.iter().map(first).min().unwrap_or_else(Instant::now);
        let now = client.server_time(&mut self.usage).await?;
        let since = began(now, sent.elapsed());
        let wanted: Vec<Wanted> =
            lost.iter().map(|lost| Wanted::new(sobject, &lost.job.encoded.fields)).collect();
        let mut fields: Vec<&str> = wanted.iter().flat_map(Wanted::names).collect();
        fields.push("Id");
        fields.sort_unstable();
        fields.dedup();
        let made_since = Condition::and([
            Condition::eq("CreatedById", Literal::id(user)),
            Condition::ge("CreatedDate", Literal::DateTime(since)),
        ]);
        let soql = Soql::select(sobject).fields(fields).filter(made_since);
        let options = QueryOptions { all_rows: true, batch_size: None };
        let pages = all_pages(&client, &mut self.usage, &soql, options).await?;
        let rows = pages.iter().flat_map(QueryPage::rows);
        let mut candidates: Vec<(String, &str)> = rows
            .filter_map(|row| Some((widened(&text_cell(row, "Id")?).into_owned(), row)))
            .filter(|(id, _)| !self.writer.remembers(id))
            .collect();
        candidates.sort_unstable();
        let bodies = match sobject {
            "ContentNote" => self.bodies(&wanted, &candidates).await?,
            _ => HashMap::new(),
        };
        let calls: Vec<usize> = lost.iter().map(|lost| lost.call).collect();
        Ok(settle_group(&wanted, &calls, &candidates, &bodies))
    }

    /// The bodies of notes that may be those that were lost: a query does not show them.
    async fn bodies(
        &mut self,
        wanted: &[Wanted],
        candidates: &[(String, &str)],
    ) -> Result<HashMap<String, Vec<u8>>, Fault> {
        let mut bodies = HashMap::new();
        for id in fitting(wanted, candidates) {
            let path = format!("/sobjects/ContentNote/{id}/Content");
            let body = self.writer.client.blob(&mut self.usage, &path, MAX_NOTE).await?;
            bodies.insert(id.to_owned(), body.to_vec());
        }
        Ok(bodies)
    }

    /// What a look finds for rows that were sent twice and refused the second time: whether the first time was carried out
    /// after all. None where nobody can look.
    pub(super) async fn look_again(&mut self, sobject: &str, refused: &[Refused]) -> Option<Vec<Found>> {
        let lost: Vec<Lost> = refused
            .iter()
            .filter_map(|refused| {
                let error = Error::new(ErrorKind::InDoubt, "the first answer was lost");
                let sent = refused.job.resent?;
                Some(Lost { job: refused.job.clone(), call: 0, sent, error, answered: true })
            })
            .collect();
        match self.look_for(sobject, &lost).await {
            Ok(matches) => Some(matches.found),
            Err(fault) => {
                tracing::warn!(%fault, sobject, "rows that were sent twice cannot be looked for");
                None
            }
        }
    }

    /// Leads whose conversion may have taken place: they say so themselves, and cannot be converted twice.
    async fn settle_converts(&mut self, lost: Vec<Lost>) -> Vec<Job> {
        let leads = lost.iter().filter_map(|lost| match &lost.job.work {
            Work::Convert(convert) => Some(RemoteId::from(convert.lead.as_str())),
            _ => None,
        });
        let wanted = BTreeMap::from([(ObjectKind::Lead, leads.collect::<Vec<_>>())]);
        if lost.is_empty() {
            return Vec::new();
        }
        let mut seen = read_by_ids(self.reader, &mut self.usage, wanted).await;
        let mut resend = Vec::new();
        for lost in lost {
            let lead = match &lost.job.work {
                Work::Convert(convert) => seen.remove(&convert.lead),
                _ => None,
            };
            match lead {
                Some(Seen::Live(record)) => match conversion_of(&record) {
                    Some(conversion) => self.converted(&lost.job, conversion),
                    None => again(lost, self, &mut resend),
                },
                _ => self.done.push((lost.job.row, in_doubt(&lost.job, &lost.error, Vec::new()))),
            }
        }
        resend
    }
}

/// Has a row sent again, once.
fn again(mut lost: Lost, run: &mut Run<'_>, resend: &mut Vec<Job>) {
    if lost.job.resent.is_some() {
        run.done.push((lost.job.row, in_doubt(&lost.job, &lost.error, Vec::new())));
    } else {
        lost.job.resent = Some(lost.sent);
        resend.push(lost.job);
    }
}

/// What a converted lead became.
pub(super) fn conversion_of(record: &Record) -> Option<Conversion> {
    let Record::Lead(lead) = record else { return None };
    let id = |id: Option<&RemoteId>| id.map(|id| id.as_str().to_owned());
    Some(Conversion {
        account: id(lead.converted_account.as_ref().and_then(Ref::remote_id))?,
        contact: id(lead.converted_contact.as_ref().and_then(Ref::remote_id))?,
        opportunity: remote_text(&lead.remote_fields, "ConvertedOpportunityId"),
    })
}

/// The server's time when a call was sent, or a little before.
fn began(now: Timestamp, ago: Duration) -> Timestamp {
    let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX);
    now.checked_sub(ago).and_then(|at| at.checked_sub(MARGIN)).unwrap_or(Timestamp::UNIX_EPOCH)
}
