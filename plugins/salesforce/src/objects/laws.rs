//! The mapping without a network, for the round-trip laws and for seeding: what Salesforce would hold, and what it would
//! make of a write.

use unicrm_core::{Json, ObjectKind, Record};

use super::decode::{Decoder, Extras};
use super::engagement_type;
use super::known_fields;
use super::remote_fields::SourceClasses;
use super::wire::unquoted;
use crate::read::source::Source;

pub use super::context::{
    ActivityTypeRow, FieldFacts, LeadStatusRow, MapContext, OrgFacts, SobjectFacts, StageRow, TaskStatusRow,
};
pub use super::encode::RemoteRecord;
pub use super::write::{Encoded, Intent, Related};
pub use super::{encode, to_remote};

/// Reads a remote record back.
///
/// # Errors
///
/// A sentence that names the record and the field, when the record cannot be mapped.
pub fn decode(remote: &RemoteRecord, kind: ObjectKind, cx: &MapContext) -> Result<Record, String> {
    let source = match (kind, remote.sobject) {
        (ObjectKind::Engagement, "Task") => Source::TaskEngagement,
        (ObjectKind::Note, "ContentNote") => Source::ContentNote,
        (ObjectKind::EngagementType, _) => return engagement_type::decode(remote, cx).map(Record::from),
        (kind, _) => Source::of(kind).first().copied().ok_or("there is no such object")?,
    };
    let facts = cx.sobject(source.sobject());
    let selected = remote.fields.iter().map(|(name, _)| &**name);
    let classes = SourceClasses::new(source.sobject(), known_fields(source), facts, selected);
    let email = remote.related.iter().find(|row| row.sobject == "EmailMessage").map(RemoteRecord::row_json);
    let links = remote.related.iter().filter_map(|row| row.get("LinkedEntityId")).map(Json::as_str);
    let links: Vec<_> = links.filter_map(unquoted).collect();
    let links: Vec<&str> = links.iter().map(AsRef::as_ref).collect();
    let extras = Extras { email_message: email.as_deref(), body: None, links: &links };
    let row = remote.row_json();
    let decoded = Decoder::new(source, &classes, cx).decode(&row, extras);
    decoded.map(|decoded| decoded.record).map_err(|error| error.to_string())
}

/// Does to a remote record what a write asks, and what Salesforce then does of its own accord: it computes flags from
/// labels, an activity's account from what the activity is about, and the people of an activity from its first person.
/// Code and text of a state or country say the same: one that is written takes the other along. Which text belongs to a
/// code only the org knows, so here the other is empty.
#[must_use]
pub fn apply(remote: &RemoteRecord, write: &Encoded, cx: &MapContext) -> RemoteRecord {
    let mut after = remote.clone();
    let first_before = remote.get("WhoId").and_then(Json::to_text);
    for (field, value) in &write.fields {
        match value.as_str() {
            "null" => after.remove(field),
            _ => after.set(field.clone(), value.clone()),
        }
    }
    let wrote = |field: &str| write.fields.iter().any(|(name, _)| name == field);
    for (field, _) in &write.fields {
        if let Some(other) = other_half(field, after.sobject, cx).filter(|other| !wrote(other)) {
            after.remove(&other);
        }
    }
    match after.sobject {
        "Opportunity" if wrote("StageName") => {
            after.remove("IsClosed");
            after.remove("IsWon");
        }
        "Lead" if wrote("Status") => after.remove("IsConverted"),
        "Task" if wrote("Status") => {
            after.remove("IsClosed");
            after.remove("CompletedDateTime");
        }
        _ => {}
    }
    if matches!(after.sobject, "Task" | "Event") {
        if wrote("WhatId") {
            let what = after.get("WhatId").and_then(Json::to_text);
            let follows = what.and_then(|what| match cx.org.opportunity_accounts.get(what.as_str()) {
                Some(account) => Some(account.to_string()),
                None => what.starts_with("001").then_some(what),
            });
            after.remove("AccountId");
            after.set_text("AccountId", follows.as_deref());
        }
        people(&mut after, write, first_before.as_deref(), cx);
    }
    for related in write.related.iter().filter(|related| related.sobject == "ContentDocumentLink") {
        change(&mut after, "ContentDocumentLink", "LinkedEntityId", &related.add, &related.remove);
    }
    after
}

/// The code for a text of a state or country, and the text for a code, in an org that has such codes.
fn other_half(field: &str, sobject: &str, cx: &MapContext) -> Option<String> {
    let is_part = |name: &str| name.ends_with("State") || name.ends_with("Country");
    match field.strip_suffix("Code") {
        Some(text) if is_part(text) => Some(text.to_owned()),
        None if is_part(field) => Some(format!("{field}Code")).filter(|code| cx.has_field(sobject, code)),
        _ => None,
    }
}

/// The relations of an activity: its first person is one of them.
fn people(after: &mut RemoteRecord, write: &Encoded, before: Option<&str>, cx: &MapContext) {
    if !cx.org.shared_activities {
        return;
    }
    let (relation, junction) = match after.sobject {
        "Event" => ("EventWhoRelation", "EventRelation"),
        _ => ("TaskWhoRelation", "TaskRelation"),
    };
    let first = after.get("WhoId").and_then(Json::to_text);
    if first.as_deref() != before {
        let gone: Vec<_> = before.into_iter().map(str::to_owned).collect();
        let come: Vec<_> = first.into_iter().collect();
        change(after, relation, "RelationId", &come, &gone);
    }
    for related in write.related.iter().filter(|related| related.sobject == junction) {
        change(after, relation, "RelationId", &related.add, &related.remove);
    }
}

fn change(
    after: &mut RemoteRecord,
    sobject: &'static str,
    field: &'static str,
    add: &[String],
    remove: &[String],
) {
    let id = |row: &RemoteRecord| row.get(field).and_then(Json::to_text);
    after.related.retain(|row| row.sobject != sobject || id(row).is_none_or(|id| !remove.contains(&id)));
    for to in add {
        if !after.related.iter().any(|row| row.sobject == sobject && id(row).as_ref() == Some(to)) {
            let mut row = RemoteRecord { sobject, ..RemoteRecord::default() };
            row.set_text(field, Some(to));
            after.related.push(row);
        }
    }
}
