//! A call that is logged by us, and shown at the remote.

use serde::Serialize;
use serde_json::{Value, json};
use unicrm_core::{ObjectKind, Provider, ProviderExt, RecordPatch, WriteOperation};
use unicrm_salesforce_emulator::OrgHandle;

use super::changes::{Change, What, refused};
use crate::errors::{Failure, Result};

/// What we wrote, and what the remote has then.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LoggedCall {
    /// What was written, in unified names.
    engagement: Value,
    /// The same as the remote's own API shows it.
    pub(super) remote: Value,
}

/// Logs a call with a contact through the provider, as `unicrm create engagements` does.
pub(super) async fn log(
    provider: &dyn Provider,
    org: &OrgHandle,
    contact: &str,
) -> Result<(LoggedCall, Change)> {
    let now = jiff::Timestamp::now();
    let start = now.checked_sub(jiff::SignedDuration::from_mins(4)).unwrap_or(now);
    let engagement = json!({
        "engagement_type": { "remote_id": "Task:Call" },
        "subject": "First call",
        "content": "Asked for an offer.",
        "direction": "OUTBOUND",
        "start_time": start.to_string(),
        "end_time": now.to_string(),
        "contacts": [{ "remote_id": contact }],
    });
    let patch = RecordPatch::from_json(ObjectKind::Engagement, &engagement.to_string())?;
    let outcome = provider.write_one(WriteOperation::create(patch)).await?;
    let id = outcome.remote_id.ok_or_else(|| Failure::new("the call that was logged has no id"))?;
    let soql = format!(
        "SELECT Id, TaskSubtype, Subject, Description, CallType, CallDurationInSeconds, Status, Who.Name \
         FROM Task WHERE Id = '{id}'"
    );
    let mut rows = org.query(&soql).await.map_err(refused)?;
    let mut remote =
        rows.pop().ok_or_else(|| Failure::new(format!("the org does not have the call {id}")))?;
    if let Some(row) = remote.as_object_mut() {
        row.remove("attributes");
        if let Some(who) = row.get_mut("Who").and_then(Value::as_object_mut) {
            who.remove("attributes");
        }
    }
    let who = remote.pointer("/Who/Name").and_then(Value::as_str).unwrap_or("the contact");
    let change = Change {
        object: ObjectKind::Engagement,
        remote_id: id.as_str().to_owned(),
        what: What::Created,
        text: format!("a call with {who} is logged, by us"),
    };
    Ok((LoggedCall { engagement, remote }, change))
}
