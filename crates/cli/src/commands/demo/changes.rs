//! What happens at the remote between the two syncs.

use serde::Serialize;
use serde_json::{Value, json};
use unicrm_core::ObjectKind;
use unicrm_salesforce_emulator::{OrgHandle, SalesforceError};

use crate::errors::{Failure, Result};

/// One change at the remote.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Change {
    pub(super) object: ObjectKind,
    pub(super) remote_id: String,
    pub(super) what: What,
    /// What was done, for people.
    pub(super) text: String,
}

/// What a change leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    Created,
    Updated,
    Deleted,
}

/// Changes a few records: three updates, two deletions, one that is new.
pub(super) async fn make(org: &OrgHandle) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let contacts =
        some(org, "SELECT Id, Name, AccountId FROM Contact WHERE AccountId != null ORDER BY Id LIMIT 3")
            .await?;
    let deals =
        some(org, "SELECT Id, Name FROM Opportunity WHERE IsClosed = false ORDER BY Id LIMIT 1").await?;
    let leads = some(org, "SELECT Id, Name FROM Lead WHERE IsConverted = false ORDER BY Id LIMIT 1").await?;
    let mut note = |object, record: &Value, what, text: String| {
        changes.push(Change { object, remote_id: text_of(record, "Id"), what, text });
    };

    let [moved, renamed, left] = contacts.as_slice() else {
        return Err(Failure::new("the org has too few contacts for the demo"));
    };
    let phone = "+1 415 555 0142";
    update(org, "Contact", moved, json!({ "Phone": phone })).await?;
    note(
        ObjectKind::Contact,
        moved,
        What::Updated,
        format!("{} has the phone number {phone}", text_of(moved, "Name")),
    );
    update(org, "Contact", renamed, json!({ "LastName": "Newname" })).await?;
    note(
        ObjectKind::Contact,
        renamed,
        What::Updated,
        format!("{} is called Newname", text_of(renamed, "Name")),
    );
    for deal in &deals {
        update(org, "Opportunity", deal, json!({ "StageName": "Closed Won" })).await?;
        note(
            ObjectKind::Opportunity,
            deal,
            What::Updated,
            format!("the deal {} is won", text_of(deal, "Name")),
        );
    }

    delete(org, "Contact", left).await?;
    note(ObjectKind::Contact, left, What::Deleted, format!("{} is deleted", text_of(left, "Name")));
    for lead in &leads {
        delete(org, "Lead", lead).await?;
        note(ObjectKind::Lead, lead, What::Deleted, format!("the lead {} is deleted", text_of(lead, "Name")));
    }

    let gil = create(org, "Contact", new_contact(moved)).await?;
    note(ObjectKind::Contact, &gil, What::Created, "Gil Feig is a contact".to_owned());
    Ok(changes)
}

fn new_contact(colleague: &Value) -> Value {
    json!({
        "FirstName": "Gil", "LastName": "Feig", "AccountId": colleague["AccountId"],
        "Email": "hello@klink.cloud", "MobilePhone": "+13785579223",
        "MailingStreet": "50 Bowling Green Dr\nGolden Gate Park", "MailingCity": "San Francisco",
        "MailingState": "CA", "MailingPostalCode": "94122", "MailingCountry": "US"
    })
}

pub(super) fn text_of(record: &Value, field: &str) -> String {
    record[field].as_str().unwrap_or_default().to_owned()
}

async fn some(org: &OrgHandle, soql: &str) -> Result<Vec<Value>> {
    org.query(soql).await.map_err(refused)
}

async fn update(org: &OrgHandle, object: &str, record: &Value, fields: Value) -> Result<()> {
    org.update(object, &text_of(record, "Id"), fields).await.map_err(refused)
}

async fn delete(org: &OrgHandle, object: &str, record: &Value) -> Result<()> {
    org.delete(object, &text_of(record, "Id")).await.map_err(refused)
}

async fn create(org: &OrgHandle, object: &str, fields: Value) -> Result<Value> {
    let id = org.create(object, fields).await.map_err(refused)?;
    Ok(json!({ "Id": id }))
}

/// The org refused what the demo does to it.
pub(super) fn refused(error: SalesforceError) -> Failure {
    Failure::new(format!("the org refused a change: {error}")).because(error)
}
