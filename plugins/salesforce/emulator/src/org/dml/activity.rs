//! Tasks and events: their derived fields, the relation rows behind them, and the last activity of their parents.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rusqlite::OptionalExtension as _;

use super::Context;
use crate::error::SalesforceError;
use crate::org::{Record, Value, row, storage};
use crate::schema::{FieldType, ObjectSchema};

/// Fields of a task that Salesforce computes.
pub(super) const TASK_FIELDS: [&str; 7] =
    ["IsClosed", "CompletedDateTime", "IsHighPriority", "AccountId", "WhoCount", "WhatCount", "TaskSubtype"];
/// Fields of an event that Salesforce computes.
pub(super) const EVENT_FIELDS: [&str; 9] = [
    "AccountId",
    "WhoCount",
    "WhatCount",
    "ActivityDate",
    "ActivityDateTime",
    "StartDateTime",
    "EndDateTime",
    "EndDate",
    "DurationInMinutes",
];

/// Puts derived fields that differ from the old record among the changes.
pub(super) fn take_derived(whole: &Record, old: &Record, changes: &mut Record, fields: &[&str]) {
    for field in fields {
        if whole.get(field) != old.get(field) && !changes.has(field) {
            changes.set(field, whole.get(field).clone());
        }
    }
}

/// What follows from a task's status, priority and relations.
pub(super) fn derive_task(
    context: &Context<'_>,
    task: &mut Record,
    old: Option<&Record>,
) -> Result<(), SalesforceError> {
    let given = |field: &str| old.is_none() && !task.get(field).is_null();
    let closed = match task.text("Status") {
        Some(status) => flag(context, "TaskStatus", "IsClosed", status)?.unwrap_or(status == "Completed"),
        None => false,
    };
    let high = match task.text("Priority") {
        Some(priority) => {
            flag(context, "TaskPriority", "IsHighPriority", priority)?.unwrap_or(priority == "High")
        }
        None => false,
    };
    let completed = match old {
        Some(old) if old.is_true("IsClosed") && closed => old.get("CompletedDateTime").clone(),
        None if given("CompletedDateTime") && closed => task.get("CompletedDateTime").clone(),
        _ if closed => Value::from(context.stamp),
        _ => Value::Null,
    };
    let account = if given("AccountId") { task.get("AccountId").clone() } else { account_of(context, task)? };
    task.set("IsClosed", closed);
    task.set("IsHighPriority", high);
    task.set("CompletedDateTime", completed);
    task.set("AccountId", account);
    if task.get("TaskSubtype").is_null() {
        task.set("TaskSubtype", "Task");
    }
    count_relations(task);
    Ok(())
}

fn count_relations(activity: &mut Record) {
    let one = |value: &Value| i64::from(!value.is_null());
    let (who, what) = (one(activity.get("WhoId")), one(activity.get("WhatId")));
    activity.set("WhoCount", who);
    activity.set("WhatCount", what);
}

fn flag(
    context: &Context<'_>,
    object: &str,
    column: &str,
    value: &str,
) -> Result<Option<bool>, SalesforceError> {
    if context.schema.object(object).is_none() {
        return Ok(None);
    }
    let sql =
        format!("SELECT \"{column}\" FROM \"{object}\" WHERE \"ApiName\"=?1 OR \"MasterLabel\"=?1 LIMIT 1");
    let mut statement = context.conn.prepare_cached(&sql).map_err(storage)?;
    statement.query_row([value], |row| row.get(0)).optional().map_err(storage)
}

/// The account of an activity: that of WhatId, else that of the contact.
fn account_of(context: &Context<'_>, activity: &Record) -> Result<Value, SalesforceError> {
    let what = activity.get("WhatId");
    if context.is_id_of("Account", what) {
        return Ok(what.clone());
    }
    let about = what.as_text().and_then(|id| Some((context.schema.object_of_id(id)?, id)));
    if let Some((object, id)) = about.filter(|(object, _)| object.field("AccountId").is_some()) {
        return Ok(Value::from(row::text(context.conn, &object.name, "AccountId", id)?));
    }
    let who = activity.get("WhoId");
    match who.as_text() {
        Some(id) if context.is_id_of("Contact", who) => {
            Ok(Value::from(row::text(context.conn, "Contact", "AccountId", id)?))
        }
        _ => Ok(Value::Null),
    }
}

/// Completes the times of an event that a caller writes: start and end, or start and length, or a day.
pub(super) fn complete_event(
    object: &ObjectSchema,
    changes: &mut Record,
    old: Option<&Record>,
) -> Result<(), SalesforceError> {
    if object.name != "Event" {
        return Ok(());
    }
    const TIMES: [&str; 6] = [
        "StartDateTime",
        "EndDateTime",
        "ActivityDateTime",
        "ActivityDate",
        "DurationInMinutes",
        "IsAllDayEvent",
    ];
    if old.is_some() && !TIMES.iter().any(|field| changes.has(field)) {
        return Ok(());
    }
    let mut whole = old.cloned().unwrap_or_default();
    whole.apply(changes);
    let inconsistent = |message: &str, field: &str| {
        SalesforceError::new(400, "FIELD_INTEGRITY_EXCEPTION", message).with_fields([field])
    };
    if whole.is_true("IsAllDayEvent") {
        let day = match (
            changes.get("ActivityDate"),
            changes.get("StartDateTime"),
            changes.get("ActivityDateTime"),
        ) {
            (Value::Date(day), _, _) => *day,
            (_, Value::DateTime(at), _) | (_, _, Value::DateTime(at)) => day_of(*at),
            _ => match whole.get("ActivityDate") {
                Value::Date(day) => *day,
                _ => match whole.get("StartDateTime") {
                    Value::DateTime(at) => day_of(*at),
                    _ => return Err(missing(&["ActivityDate"])),
                },
            },
        };
        let last = match (changes.get("EndDateTime"), changes.get("DurationInMinutes")) {
            (Value::DateTime(end), _) => day_of(*end),
            (_, Value::Int(minutes)) => {
                let days = (minutes + 1439) / 1440;
                day.checked_add(SignedDuration::from_hours(24 * (days - 1).max(0))).unwrap_or(day)
            }
            _ if changes.has("ActivityDate")
                || changes.has("StartDateTime")
                || changes.has("ActivityDateTime") =>
            {
                day
            }
            _ => match whole.get("EndDateTime") {
                Value::DateTime(end) => day_of(*end).max(day),
                _ => day,
            },
        };
        if last < day {
            return Err(inconsistent("End Date: An event can't end before it starts", "EndDateTime"));
        }
        let days = i64::from(day.until(last).map(|span| span.get_days()).unwrap_or(0)) + 1;
        changes.set("ActivityDate", day);
        changes.set("StartDateTime", midnight(day));
        changes.set("EndDateTime", midnight(last));
        changes.set("EndDate", last);
        changes.set("ActivityDateTime", Value::Null);
        changes.set("DurationInMinutes", days * 1440);
        return Ok(());
    }
    let given_start = match (changes.get("StartDateTime"), changes.get("ActivityDateTime")) {
        (Value::DateTime(start), Value::DateTime(other)) if start != other => {
            return Err(inconsistent(
                "Start Date Time and Activity Date Time are inconsistent",
                "StartDateTime",
            ));
        }
        (Value::DateTime(start), _) | (_, Value::DateTime(start)) => Some(*start),
        _ => None,
    };
    let start = match (given_start, whole.get("StartDateTime")) {
        (Some(start), _) => start,
        (None, Value::DateTime(start)) => *start,
        _ => return Err(missing(&["DurationInMinutes", "ActivityDateTime"])),
    };
    let from_minutes = |minutes: i64| start.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(start);
    let end = match (changes.get("EndDateTime"), changes.get("DurationInMinutes")) {
        (Value::DateTime(end), Value::Int(minutes)) if *end != from_minutes(*minutes) => {
            return Err(inconsistent("Duration and end date are inconsistent", "DurationInMinutes"));
        }
        (Value::DateTime(end), _) => *end,
        (_, Value::Int(minutes)) => from_minutes(*minutes),
        // A moved start keeps the length.
        _ => match whole.get("DurationInMinutes") {
            Value::Int(minutes) => from_minutes(*minutes),
            _ => return Err(missing(&["DurationInMinutes"])),
        },
    };
    if end < start {
        return Err(inconsistent("End Date: An event can't end before it starts", "EndDateTime"));
    }
    changes.set("StartDateTime", start);
    changes.set("ActivityDateTime", start);
    changes.set("ActivityDate", day_of(start));
    changes.set("EndDateTime", end);
    changes.set("EndDate", day_of(end));
    changes.set("DurationInMinutes", end.duration_since(start).as_mins());
    Ok(())
}

fn missing(fields: &[&str]) -> SalesforceError {
    let message = format!("Required fields are missing: [{}]", fields.join(", "));
    SalesforceError::new(400, "REQUIRED_FIELD_MISSING", message).with_fields(fields.iter().copied())
}

/// What follows from an event's times and relations; also for loaded events, which bring only some of the times.
pub(super) fn derive_event(context: &Context<'_>, event: &mut Record) -> Result<(), SalesforceError> {
    if event.get("EndDateTime").is_null()
        || event.get("StartDateTime").is_null()
        || event.get("DurationInMinutes").is_null()
    {
        for field in ["StartDateTime", "EndDateTime", "ActivityDateTime", "ActivityDate"] {
            let ty =
                context.schema.object("Event").and_then(|object| object.field(field)).map(|field| field.ty);
            if let Some(value) = event.text(field).and_then(|text| parse(ty, text)) {
                event.set(field, value);
            }
        }
        if let Some(object) = context.schema.object("Event") {
            let known = ["StartDateTime", "ActivityDateTime", "ActivityDate"]
                .iter()
                .any(|field| !event.get(field).is_null());
            if known {
                if event.get("EndDateTime").is_null() && event.get("DurationInMinutes").is_null() {
                    event.set("DurationInMinutes", 60i64);
                }
                complete_event(object, event, None)?;
            }
        }
    }
    if event.get("AccountId").is_null() {
        let account = account_of(context, event)?;
        event.set("AccountId", account);
    }
    count_relations(event);
    Ok(())
}

fn parse(ty: Option<FieldType>, text: &str) -> Option<Value> {
    match ty? {
        FieldType::Date => text.parse().ok().map(Value::Date),
        FieldType::DateTime => text.parse().ok().map(Value::DateTime),
        _ => None,
    }
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn midnight(day: Date) -> Value {
    day.to_zoned(TimeZone::UTC).map_or(Value::Null, |zoned| Value::DateTime(zoned.timestamp()))
}

/// Relation rows of a new activity, and its parents' last activity.
pub(super) fn after_insert(
    context: &Context<'_>,
    object: &ObjectSchema,
    activity: &Record,
) -> Result<(), SalesforceError> {
    match object.name.as_str() {
        "Task" | "Event" => {}
        "EventRelation" => return show_person(context, "Event", activity),
        "TaskRelation" => return show_person(context, "Task", activity),
        _ => return Ok(()),
    }
    relate(context, object, activity)?;
    parents_of(activity).try_for_each(|parent| refresh_last_activity(context, parent))
}

/// Relation rows and parents of a changed activity, the old parents included.
pub(super) fn after_update(
    context: &Context<'_>,
    object: &ObjectSchema,
    old: &Record,
    changes: &Record,
) -> Result<(), SalesforceError> {
    if !matches!(object.name.as_str(), "Task" | "Event") {
        return Ok(());
    }
    let mut new = old.clone();
    new.apply(changes);
    if new.get("WhoId") != old.get("WhoId") || new.get("WhatId") != old.get("WhatId") {
        unrelate(context, object, old)?;
        relate(context, object, &new)?;
    }
    for parent in parents_of(old).chain(parents_of(&new)) {
        refresh_last_activity(context, parent)?;
    }
    Ok(())
}

/// The records whose last activity an activity counts for.
pub(super) fn parents_of(activity: &Record) -> impl Iterator<Item = &str> {
    ["WhoId", "WhatId", "AccountId"].into_iter().filter_map(|field| activity.text(field))
}

fn relation_object(activity: &str) -> (&'static str, &'static str) {
    if activity == "Event" { ("EventRelation", "EventId") } else { ("TaskRelation", "TaskId") }
}

fn relate(context: &Context<'_>, object: &ObjectSchema, activity: &Record) -> Result<(), SalesforceError> {
    let (relation, key) = relation_object(&object.name);
    if context.schema.object(relation).is_none() {
        return Ok(());
    }
    for (field, is_what) in [("WhoId", false), ("WhatId", true)] {
        if activity.get(field).is_null() {
            continue;
        }
        let mut row = Record::new();
        row.set(key, activity.get("Id").clone());
        row.set("RelationId", activity.get(field).clone());
        row.set("AccountId", activity.get("AccountId").clone());
        row.set("IsWhat", is_what);
        row.set("IsParent", true);
        row.set("IsInvitee", false);
        for stamp in ["CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"]
        {
            if activity.has(stamp) {
                row.set(stamp, activity.get(stamp).clone());
            }
        }
        let kind = activity
            .text(field)
            .and_then(|id| context.schema.object_of_id(id))
            .map(|object| object.name.clone());
        let id = context.insert_own(relation, row.clone())?;
        if !is_what && context.schema.object(who_relation(&object.name)).is_some() {
            context.insert_own(who_relation(&object.name), row.with("Id", id).with("Type", kind))?;
        }
    }
    Ok(())
}

/// A relation that a caller makes shows among the activity's people, unless it stands for an invitation.
fn show_person(context: &Context<'_>, activity: &str, relation: &Record) -> Result<(), SalesforceError> {
    let to = relation.get("RelationId");
    let kind = ["Contact", "Lead"].into_iter().find(|object| context.is_id_of(object, to));
    let Some(kind) = kind.filter(|_| !relation.is_true("IsInvitee")) else { return Ok(()) };
    if context.schema.object(who_relation(activity)).is_none() {
        return Ok(());
    }
    let fields =
        ["Id", relation_object(activity).1, "RelationId", "AccountId", "CreatedDate", "LastModifiedDate"];
    let row: Record = fields.into_iter().map(|field| (field, relation.get(field).clone())).collect();
    context.insert_own(who_relation(activity), row.with("Type", kind)).map(drop)
}

/// A relation that a caller deletes no longer shows among the activity's people.
pub(super) fn hide_person(context: &Context<'_>, relation: &str, id: &str) -> Result<(), SalesforceError> {
    let Some(activity) = relation.strip_suffix("Relation").filter(|name| matches!(*name, "Task" | "Event"))
    else {
        return Ok(());
    };
    let Some(view) = context.schema.object(who_relation(activity)) else { return Ok(()) };
    row::delete(context.conn, view, id)
}

/// The read-only view of an activity's people, which has the rows of the relation under the same ids.
fn who_relation(activity: &str) -> &'static str {
    if activity == "Event" { "EventWhoRelation" } else { "TaskWhoRelation" }
}

fn unrelate(context: &Context<'_>, object: &ObjectSchema, activity: &Record) -> Result<(), SalesforceError> {
    let (relation, key) = relation_object(&object.name);
    let Some(relation) = context.schema.object(relation) else { return Ok(()) };
    let sql = format!("DELETE FROM \"{}\" WHERE \"{key}\"=?1 AND \"RelationId\" IN (?2, ?3)", relation.name);
    let id = activity.text("Id").unwrap_or_default();
    let related = ["WhoId", "WhatId"].map(|field| activity.text(field).unwrap_or_default());
    context
        .conn
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.execute([id, related[0], related[1]]))
        .map_err(storage)?;
    if let Some(view) = context.schema.object(who_relation(&object.name)) {
        let who = activity.text("WhoId").unwrap_or_default();
        let sql = format!("DELETE FROM \"{}\" WHERE \"{key}\"=?1 AND \"RelationId\"=?2", view.name);
        context
            .conn
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.execute([id, who]))
            .map_err(storage)?;
    }
    Ok(())
}

/// The latest day of a closed task or past event of a record. It is no change of the record: its stamps stay.
pub(super) fn refresh_last_activity(context: &Context<'_>, parent: &str) -> Result<(), SalesforceError> {
    let Some(object) =
        context.schema.object_of_id(parent).filter(|object| object.field("LastActivityDate").is_some())
    else {
        return Ok(());
    };
    let today = day_of(context.stamp).to_string();
    let column = match object.name.as_str() {
        "Account" => "AccountId",
        "Contact" | "Lead" => "WhoId",
        _ => "WhatId",
    };
    let sql = format!(
        "UPDATE \"{0}\" SET \"LastActivityDate\"=(SELECT MAX(\"ActivityDate\") FROM (\
           SELECT \"ActivityDate\" FROM \"Task\" WHERE \"{column}\"=?1 AND \"IsDeleted\"=0 AND \"IsClosed\"=1 \
           UNION ALL \
           SELECT \"ActivityDate\" FROM \"Event\" WHERE \"{column}\"=?1 AND \"IsDeleted\"=0 AND \"ActivityDate\"<=?2)) \
         WHERE \"Id\"=?1",
        object.name
    );
    context
        .conn
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.execute([parent, &today]))
        .map_err(storage)?;
    Ok(())
}
