//! Calls and e-mails: rows of Task with the subtype Call, Email or ListEmail.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use unicrm_core::{Direction, Engagement, EngagementPatch, Json, RemoteField};

use super::event::same;
use super::{END_TIME_FIELD, START_TIME_FIELD, Shared, call_type, valued};
use crate::api::utc_date;
use crate::objects::context::MapContext;
use crate::objects::decode::Mapper;
use crate::objects::encode::RemoteRecord;
use crate::objects::engagement_type::Sort;
use crate::objects::wire::{Cell, Row, Wrong, wire};
use crate::objects::write::{Writer, seconds_between};

wire! {
    /// A row of Task that is a call or an e-mail.
    struct EngagementTaskRow {
        id: "Id",
        who_id: "WhoId",
        what_id: "WhatId",
        subject: "Subject",
        activity_date: "ActivityDate" + keep,
        owner_id: "OwnerId",
        description: "Description",
        kind: "Type",
        is_deleted: "IsDeleted",
        account_id: "AccountId",
        call_duration_in_seconds: "CallDurationInSeconds" + keep,
        call_type: "CallType",
        system_modstamp: "SystemModstamp" + keep,
        task_subtype: "TaskSubtype",
        completed_date_time: "CompletedDateTime" + keep,
        start_time: "UnicrmStartTime__c" + keep,
        end_time: "UnicrmEndTime__c" + keep,
        relations: "TaskWhoRelations",
        email_message: "EmailMessage",
    }
}

/// What an EmailMessage adds to its task.
#[derive(Deserialize, Default)]
struct EmailMessage<'a> {
    #[serde(rename = "Incoming", borrow)]
    incoming: Option<&'a RawValue>,
    #[serde(rename = "MessageDate", borrow)]
    message_date: Option<&'a RawValue>,
    #[serde(rename = "TextBody", borrow)]
    text_body: Option<&'a RawValue>,
}

pub(in crate::objects) fn from_task(
    row: &EngagementTaskRow<'_>,
    mut rest: Vec<RemoteField>,
    email_message: Option<&str>,
    map: &mut Mapper<'_>,
) -> Result<Engagement, Wrong> {
    let id = row.id.required_id()?;
    map.stamp(row.system_modstamp)?;
    let mut task = Engagement::default();
    task.id = Some(map.id(&id));
    task.engagement_url = Some(map.url(&id));
    task.remote_id = Some(id.into());
    task.owner = map.owner(row.owner_id, &mut rest)?;
    task.content = row.description.string()?;
    task.subject = row.subject.string()?;
    let subtype = match row.task_subtype.text()?.as_deref() {
        Some("Call") => "Call",
        Some("Email") => "Email",
        Some("ListEmail") => "ListEmail",
        _ => return Err(row.task_subtype.wrong("Call, Email or ListEmail: other tasks are no engagements")),
    };
    let value = row.kind.text()?;
    let sort = valued("Task", value.as_deref(), map.cx)
        .map(Sort::TaskType)
        // A value that speaks of another sort of engagement does not make it one.
        .filter(|sort| sort.subtype() == Some(subtype))
        .unwrap_or(Sort::Task(subtype));
    if matches!(sort, Sort::Task(_)) {
        map.keep(row.kind, "Type", &mut rest);
    }
    task.engagement_type = Some(map.reference(sort.remote_id().into()));
    let email = email_cells(row, email_message)?;
    task.direction = match (subtype, row.call_type.text()?.as_deref()) {
        ("Call", Some("Inbound")) => Some(Direction::Inbound),
        ("Call", Some("Outbound")) => Some(Direction::Outbound),
        _ => {
            map.keep(row.call_type, "CallType", &mut rest);
            email
                .incoming
                .boolean()?
                .map(|incoming| if incoming { Direction::Inbound } else { Direction::Outbound })
        }
    };
    if task.content.is_none() {
        task.content = email.text_body.string()?;
    }
    (task.start_time, task.end_time) = times(row, subtype == "Call", email.message_date)?;
    let shared = Shared {
        who_id: row.who_id,
        what_id: row.what_id,
        account_id: row.account_id,
        relations: row.relations,
        relations_name: "TaskWhoRelations",
    };
    shared.read(&mut task, map, &mut rest)?;
    task.remote_was_deleted = row.is_deleted.boolean()?;
    task.remote_fields = rest;
    Ok(task)
}

struct EmailCells<'a> {
    incoming: Cell<'a>,
    message_date: Cell<'a>,
    text_body: Cell<'a>,
}

fn email_cells<'a>(row: &EngagementTaskRow<'a>, json: Option<&'a str>) -> Result<EmailCells<'a>, Wrong> {
    let at = EngagementTaskRow::FIELDS.iter().position(|field| field.name == "EmailMessage");
    let at = at.and_then(|at| u8::try_from(at).ok()).unwrap_or_default();
    let json = json.or(row.email_message.raw());
    let message: EmailMessage<'a> = match json.map(serde_json::from_str) {
        None => EmailMessage::default(),
        Some(Ok(message)) => message,
        Some(Err(_)) => return Err(Wrong { at, expected: "a row of EmailMessage" }),
    };
    let cell = |raw| Cell::new(raw, at);
    Ok(EmailCells {
        incoming: cell(message.incoming),
        message_date: cell(message.message_date),
        text_body: cell(message.text_body),
    })
}

/// From when to when it lasted: the exact times where the org keeps them, else what Salesforce knows.
fn times(
    row: &EngagementTaskRow<'_>,
    call: bool,
    message_date: Cell<'_>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Wrong> {
    let length = row.call_duration_in_seconds.integer()?.filter(|_| call).map(SignedDuration::from_secs);
    let sent = message_date.datetime()?.filter(|_| !call);
    let over = sent.or(row.completed_date_time.datetime()?);
    let (start, end) = match (over, row.activity_date.day()?) {
        (Some(end), _) => (end.checked_sub(length.unwrap_or_default()).ok(), Some(end)),
        (None, Some(day)) => (Some(day), length.and_then(|length| day.checked_add(length).ok())),
        (None, None) => (None, None),
    };
    Ok((row.start_time.datetime()?.or(start), row.end_time.datetime()?.or(end)))
}

/// Writes direction and times.
pub(super) fn write(w: &mut Writer<'_>, patch: &EngagementPatch, before: Option<&Engagement>, call: bool) {
    if let Some(asked) =
        w.asked(&patch.direction).filter(|asked| before.is_none_or(|b| b.direction.as_ref() != *asked))
    {
        match asked.and_then(call_type) {
            _ if !call => {
                w.warn("/direction", "read_only", "the direction of an e-mail follows from its message")
            }
            None if asked.is_some() => w.refuse("/direction", "a call is INBOUND or OUTBOUND"),
            call_type => w.put_text("/direction", "CallType", call_type),
        }
    }
    let asked_start = w.asked(&patch.start_time).map(Option::<&Timestamp>::copied);
    let asked_end = w.asked(&patch.end_time).map(Option::<&Timestamp>::copied);
    let held_start = before.and_then(|before| before.start_time);
    let held_end = before.and_then(|before| before.end_time);
    let (start, end) = (asked_start.unwrap_or(held_start), asked_end.unwrap_or(held_end));
    let start_changes = asked_start.is_some() && (before.is_none() || !same(start, held_start));
    let end_changes = asked_end.is_some() && (before.is_none() || !same(end, held_end));
    if !start_changes && !end_changes {
        return;
    }
    let length = start.zip(end).map(|(start, end)| seconds_between(start, end));
    if length == Some(None) && !w.is_seed() {
        return w.refuse("/end_time", "the end is before the start");
    }
    if w.cx.has_field("Task", START_TIME_FIELD) && start_changes {
        w.put_instant("start_time", START_TIME_FIELD, start);
    }
    if w.cx.has_field("Task", END_TIME_FIELD) && end_changes {
        w.put_instant("end_time", END_TIME_FIELD, end);
    }
    if w.is_seed() {
        return;
    }
    if !(w.names(START_TIME_FIELD) || w.names(END_TIME_FIELD)) {
        let message = "Salesforce keeps the day and the length; the time of day is that of its completion";
        for (pointer, _) in [("/start_time", start_changes), ("/end_time", end_changes)]
            .iter()
            .filter(|(_, changes)| *changes)
        {
            w.warn(*pointer, "time_of_day", message);
        }
    }
    let named = |field| {
        patch
            .remote_fields
            .value()
            .is_some_and(|fields| crate::objects::remote_fields::remote_value(fields, field).is_some())
    };
    if !named("ActivityDate") {
        let day = start.or(end).map(|at| utc_date(at).0.to_string());
        w.put("/start_time", "ActivityDate", Json::of(&day));
    }
    if call && !named("CallDurationInSeconds") && (length.is_some() || w.is_update()) {
        w.put("/end_time", "CallDurationInSeconds", Json::of(&length.flatten()));
    }
}

/// What Salesforce knows of the times of a call or an e-mail, unless the remote fields say it.
pub(super) fn complete(remote: &mut RemoteRecord, task: &Engagement, cx: &MapContext) {
    let call = remote.get("TaskSubtype").and_then(Json::to_text).as_deref() == Some("Call");
    let exact = |field| cx.has_field("Task", field);
    if let Some(direction) = task.direction.as_ref().and_then(call_type).filter(|_| !call) {
        let mut message = RemoteRecord { sobject: "EmailMessage", ..RemoteRecord::default() };
        message.set_flag("Incoming", Some(direction == "Inbound"));
        message.set_instant("MessageDate", task.end_time.filter(|_| !exact(END_TIME_FIELD)));
        remote.related.push(message);
    }
    let known = |field: &str| remote.get(field).is_some();
    let completed = known("CompletedDateTime");
    let timed = known("CallDurationInSeconds") || known("ActivityDate");
    let kept_exactly = exact(START_TIME_FIELD) && exact(END_TIME_FIELD);
    if !completed && !kept_exactly {
        match (task.start_time, task.end_time) {
            (start, Some(end)) => {
                remote.set_instant("CompletedDateTime", Some(end));
                let length =
                    start.and_then(|start| seconds_between(start, end)).filter(|length| call && *length > 0);
                if let Some(length) = length.filter(|_| !timed) {
                    remote.set("CallDurationInSeconds", Json::of(&length));
                }
            }
            (Some(start), None) if !timed => remote.set_day("ActivityDate", Some(start)),
            _ => {}
        }
    }
}
