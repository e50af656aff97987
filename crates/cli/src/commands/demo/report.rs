//! What the demo did: checked against the remote, and shown.

use std::collections::BTreeMap;

use serde::Serialize;
use unicrm_core::{ObjectKind, Record};
use unicrm_salesforce_emulator::OrgHandle;
use unicrm_store::{Include, LinkedAccount, ListRequest, RecordCounts, StoredRecord};
use unicrm_sync::Summary;

use super::call::LoggedCall;
use super::changes::{Change, What, refused};
use crate::commands::sync;
use crate::errors::{Failure, Result};
use crate::output::{self, Sheet, Style, paint};
use crate::session::Session;

/// Everything that the demo tells.
#[derive(Serialize)]
pub(super) struct Outcome {
    first_sync: Summary,
    changes: Vec<Change>,
    call: LoggedCall,
    second_sync: Summary,
    /// The records in the store afterwards.
    records: BTreeMap<&'static str, RecordCounts>,
    engagements: BTreeMap<String, u64>,
    notes: BTreeMap<&'static str, u64>,
    contact: Record,
    /// The changes, each as the store has it now.
    #[serde(skip)]
    arrived: Vec<(Change, Option<StoredRecord>)>,
}

impl Outcome {
    /// Looks into the store.
    pub(super) async fn collect(
        session: &Session,
        account: &LinkedAccount,
        first_sync: Summary,
        second_sync: Summary,
        changes: Vec<Change>,
        call: LoggedCall,
    ) -> Result<Self> {
        let store = &session.store;
        let mut arrived = Vec::new();
        for change in &changes {
            let (id, object) = (Some(account.id), Some(change.object));
            let found = store.find_remote(id, object, &change.remote_id, Include::default()).await?.pop();
            arrived.push((change.clone(), found));
        }
        let created = arrived
            .iter()
            .filter(|(change, _)| change.what == What::Created && change.object == ObjectKind::Contact)
            .find_map(|(_, stored)| stored.as_ref());
        let mut contact = created
            .ok_or_else(|| Failure::new("the new contact did not arrive in the store"))?
            .record
            .clone();
        // The org is gone when this is read, and its pages with it.
        contact.set("contact_url", None)?;
        let records = store.counts(Some(account.id)).await?;
        Ok(Self {
            first_sync,
            second_sync,
            changes,
            call,
            records: records.into_iter().map(|(kind, counts)| (kind.plural(), counts)).collect(),
            engagements: engagements(session, account).await?,
            notes: notes(session, account).await?,
            contact,
            arrived,
        })
    }

    /// Holds that the store has what the remote has.
    pub(super) async fn verify(&self, org: &OrgHandle) -> Result<()> {
        for (change, stored) in &self.arrived {
            let gone = stored.as_ref().map(|stored| stored.gone.is_some());
            if gone != Some(change.what == What::Deleted) {
                return Err(Failure::new(format!(
                    "this change did not arrive in the store: {}",
                    change.text
                )));
            }
        }
        for (object, kind) in [("Contact", ObjectKind::Contact), ("Lead", ObjectKind::Lead)] {
            let remote = org.count(object).await.map_err(refused)?;
            let here = self.records.get(kind.plural()).map_or(0, |counts| counts.live);
            if here != remote {
                let message = format!("the store has {here} {}, but the org has {remote}", kind.plural());
                return Err(Failure::new(message));
            }
        }
        Ok(())
    }

    /// Shows it to a person.
    pub(super) fn print(&self, db: Option<&str>) -> Result<()> {
        heading("First sync")?;
        sync::print(&self.first_sync)?;
        heading("Engagements and notes by kind")?;
        let mut sheet = Sheet::new(&["object", "kind", "records"]).numbers([2]);
        for (kind, count) in &self.engagements {
            sheet.row(["engagements", kind, &count.to_string()]);
        }
        for (kind, count) in &self.notes {
            sheet.row(["notes", kind, &count.to_string()]);
        }
        sheet.print()?;
        heading("Changed at the remote")?;
        for change in &self.changes {
            output::line(format!("- {}", output::plain(&change.text)))?;
        }
        heading("The call that we logged, as Salesforce has it")?;
        output::json(&self.call.remote)?;
        heading("Second sync")?;
        sync::print(&self.second_sync)?;
        heading("A contact")?;
        output::json(&self.contact)?;
        heading("Next")?;
        self.next(db)
    }

    fn next(&self, db: Option<&str>) -> Result<()> {
        if let Some(db) = db {
            let id = self.contact.remote_id().map_or("ID", |id| id.as_str());
            for command in [
                "list contacts".to_owned(),
                "list opportunities --format csv".to_owned(),
                format!("get contacts {id}"),
            ] {
                output::line(format!("  unicrm {command} -a demo --db {db}"))?;
            }
        } else {
            output::line("  unicrm demo --db demo.db         keeps the records, for `unicrm list`")?;
        }
        output::line("  unicrm emulator salesforce       an org that stays, to be linked")?;
        output::line("  unicrm link salesforce --help    links a real org")
    }
}

fn heading(text: &str) -> Result<()> {
    use std::io::IsTerminal;
    let terminal = std::io::stdout().is_terminal();
    output::line(format!("\n{}\n", paint(terminal, Style::Strong, text)))
}

/// How many engagements there are of each activity.
async fn engagements(session: &Session, account: &LinkedAccount) -> Result<BTreeMap<String, u64>> {
    let mut names = BTreeMap::new();
    each(session, account, ObjectKind::EngagementType, |record| {
        if let Record::EngagementType(sort) = record {
            let activity = sort.activity_type.as_ref().map(|activity| activity.as_str().to_lowercase());
            names.extend(sort.id.zip(activity));
        }
    })
    .await?;
    let mut counts = BTreeMap::new();
    each(session, account, ObjectKind::Engagement, |record| {
        if let Record::Engagement(engagement) = record {
            let sort = engagement.engagement_type.as_ref().and_then(|sort| sort.id());
            let name = sort.and_then(|id| names.get(&id)).map_or("unknown", String::as_str);
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    })
    .await?;
    Ok(counts)
}

/// How many notes there are of each of Salesforce's two sorts, which their ids tell.
async fn notes(session: &Session, account: &LinkedAccount) -> Result<BTreeMap<&'static str, u64>> {
    let mut counts = BTreeMap::new();
    each(session, account, ObjectKind::Note, |record| {
        let id = record.remote_id().map_or("", |id| id.as_str());
        let sort = if id.starts_with("069") { "ContentNote" } else { "Note" };
        *counts.entry(sort).or_default() += 1;
    })
    .await?;
    Ok(counts)
}

/// Visits every live record of an object, a page at a time.
async fn each(
    session: &Session,
    account: &LinkedAccount,
    kind: ObjectKind,
    mut visit: impl FnMut(Record),
) -> Result<()> {
    let mut request = ListRequest::new(kind).of(account.id).with_limit(1_000);
    loop {
        let page = session.store.list(request.clone()).await?;
        page.records.into_iter().for_each(|stored| visit(stored.record));
        if page.next.is_none() {
            return Ok(());
        }
        request = request.after(page.next);
    }
}
