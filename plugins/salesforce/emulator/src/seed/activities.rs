//! Tasks and calls, and what all tasks have in common.

use super::address::clip;
use super::deals::{campaign_id, case_id, deal_id};
use super::draw::{DAY, Draw, Kind, at, day};
use super::links::{CALL_WHEEL, Links, TASK_WHEEL, What, Who};
use super::people::{account_id, contact_id, tricky};
use super::world::{World, inactive_owner};
use crate::SalesforceError;
use crate::org::{Record, Value};
use crate::schema::ids::salesforce_id;

const SUBJECTS: &[&str] = &[
    "Send proposal",
    "Follow up",
    "Prepare demo",
    "Send Quote",
    "Send Letter",
    "Check references",
    "Renewal reminder",
    "Other",
];
const CALL_RESULTS: &[&str] =
    &["Left voicemail", "Interested", "Not interested", "Call back later", "Wrong number"];

/// Where the ids of a kind start among all tasks.
pub(crate) fn first_task(world: &World<'_>, kind: Kind) -> u64 {
    let volumes = &world.volumes;
    match kind {
        Kind::Call => volumes.tasks,
        Kind::Email => volumes.tasks + volumes.calls,
        Kind::ListEmail => volumes.tasks + volumes.calls + volumes.emails,
        _ => 0,
    }
}

/// Id of the `n`-th task of a kind.
pub(crate) fn task_id(world: &World<'_>, kind: Kind, n: u64) -> String {
    salesforce_id("00T", first_task(world, kind) + n + 1)
}

/// The id of whom an activity is with.
pub(crate) fn who_id(who: Who) -> Option<String> {
    match who {
        Who::Nobody => None,
        Who::Contact(n) => Some(contact_id(n)),
        Who::Lead(n) => Some(salesforce_id("00Q", n + 1)),
    }
}

/// The id of what an activity is about.
pub(crate) fn what_id(what: What) -> Option<String> {
    match what {
        What::Nothing => None,
        What::Account(n) => Some(account_id(n)),
        What::Opportunity(n) => Some(deal_id(n)),
        What::Case(n) => Some(case_id(n)),
        What::Campaign(n) => Some(campaign_id(n)),
    }
}

/// A task with everything that does not depend on its subtype.
pub(crate) fn task(world: &World<'_>, links: &Links, kind: Kind, n: u64, draw: &mut Draw) -> Record {
    let second = links.second(kind, n);
    let closed = links.closed(kind, n);
    let stamps = world.activity_stamps(draw, n, second, closed);
    let mut record = world.record("00T", first_task(world, kind) + n, draw, stamps);
    record.set("WhoId", who_id(links.who(kind, n)));
    record.set("WhatId", what_id(links.what(kind, n)));
    record.set("AccountId", links.account(kind, n).map(account_id));
    record.set("ActivityDate", day(at(second)));
    record.set("IsDeleted", links.deleted(kind, n));
    record.set("IsArchived", links.archived(kind, n));
    record.set("IsClosed", closed);
    record.set("Status", if closed { "Completed" } else { "Not Started" });
    record.set("CompletedDateTime", closed.then(|| at(second.min(world.now - 60))));
    record.set("Priority", "Normal");
    record
}

/// Writes a task and, where the org shares activities, its relations. `others` are further contacts.
pub(crate) fn write_task(
    world: &mut World<'_>,
    mut record: Record,
    who: Who,
    others: &[u64],
) -> Result<(), SalesforceError> {
    let shared = world.features().shared_activities;
    let whats: Vec<String> = record.text("WhatId").map(str::to_owned).into_iter().collect();
    let whos: Vec<String> = who_id(who).into_iter().chain(others.iter().map(|n| contact_id(*n))).collect();
    if shared {
        record.set("WhoCount", i64::try_from(whos.len()).unwrap_or(0));
        record.set("WhatCount", i64::try_from(whats.len()).unwrap_or(0));
    }
    let base = Record::new()
        .with("TaskId", record.get("Id").clone())
        .with("AccountId", record.get("AccountId").clone())
        .with("IsDeleted", record.get("IsDeleted").clone());
    let base = ["CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"]
        .into_iter()
        .fold(base, |base, stamp| base.with(stamp, record.get(stamp).clone()));
    world.write("Task", record)?;
    if !shared {
        return Ok(());
    }
    for (id, is_what) in whos.into_iter().map(|id| (id, false)).chain(whats.into_iter().map(|id| (id, true)))
    {
        let relation = salesforce_id("0RT", world.next_task_relation());
        let row = base.clone().with("Id", relation).with("RelationId", id.as_str());
        world.write("TaskRelation", row.clone().with("IsWhat", is_what))?;
        if !is_what {
            let kind = if id.starts_with("00Q") { "Lead" } else { "Contact" };
            world.write("TaskWhoRelation", row.with("Type", kind))?;
        }
    }
    Ok(())
}

/// Tasks that are neither call nor e-mail.
pub(crate) fn tasks(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let links = world.links();
    for n in 0..world.volumes.tasks {
        let place = n % TASK_WHEEL;
        let mut draw = world.draw(Kind::Task, n);
        let mut record = task(world, &links, Kind::Task, n, &mut draw);
        let subject: Value = match place {
            16 => clip(&tricky(n, TASK_WHEEL).replace(['\n', '\r'], " "), 255).into(),
            17 => Value::Null,
            _ => draw.pick(SUBJECTS).into(),
        };
        record.set("Subject", subject);
        record.set("Description", if place == 18 { draw.paragraphs(4) } else { draw.sentence() });
        // Rows from before subtypes existed have none.
        record.set("TaskSubtype", (place != 24).then_some("Task"));
        match place {
            11 => record.set("Status", "In Progress"),
            12 => record.set("Status", "Waiting on someone else"),
            13 => record.set("Status", "Deferred"),
            14 | 15 => recurring(world, &mut record, n),
            18 => {
                record.set("Priority", "High");
                record.set("IsHighPriority", true);
            }
            20 => record.set("OwnerId", inactive_owner(n)),
            21 => record.set("OwnerId", super::picklists::queue_id(1)),
            22 => {
                record.set("IsReminderSet", true);
                record.set("ReminderDateTime", at(links.second(Kind::Task, n) - 3600));
            }
            _ => {}
        }
        if place == 6 {
            record.set("ActivityDate", Value::Null);
        }
        let who = links.who(Kind::Task, n);
        let other = match who {
            Who::Contact(contact) if place == 19 => links.colleague(contact),
            _ => None,
        };
        write_task(world, record, who, other.as_slice())?;
    }
    Ok(())
}

/// A weekly series: place 14 is the master, the row after it an occurrence.
fn recurring(world: &World<'_>, record: &mut Record, n: u64) {
    if n % TASK_WHEEL == 15 {
        record.set("RecurrenceActivityId", task_id(world, Kind::Task, n - 1));
        return;
    }
    record.set("IsRecurrence", true);
    record.set("ActivityDate", Value::Null);
    record.set("RecurrenceType", "RecursWeekly");
    record.set("RecurrenceInterval", 1_i64);
    record.set("RecurrenceDayOfWeekMask", 2_i64);
    record.set("RecurrenceStartDateOnly", day(at(world.now - 30 * DAY)));
    record.set("RecurrenceEndDateOnly", day(at(world.now + 60 * DAY)));
    record.set("RecurrenceTimeZoneSidKey", "America/Los_Angeles");
}

/// Calls: in both directions, between colleagues, planned, without a result, very short and very long.
pub(crate) fn calls(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let links = world.links();
    for n in 0..world.volumes.calls {
        let place = n % CALL_WHEEL;
        let mut draw = world.draw(Kind::Call, n);
        let mut record = task(world, &links, Kind::Call, n, &mut draw);
        let call_type = match place {
            2 => Some("Internal"),
            5 => None,
            _ if draw.chance(50) => Some("Inbound"),
            _ => Some("Outbound"),
        };
        let call_type = if place == 0 {
            Some("Outbound")
        } else if place == 1 {
            Some("Inbound")
        } else {
            call_type
        };
        record.set("Subject", "Call");
        record.set("TaskSubtype", "Call");
        record.set("CallType", call_type);
        let seconds = match place {
            3 => None,
            9 => Some(0),
            10 => Some(86_399),
            _ => Some(draw.number(5, 3_600)),
        };
        record.set("CallDurationInSeconds", seconds);
        record.set("CallDisposition", (place != 3).then(|| draw.pick(CALL_RESULTS)));
        record.set(
            "CallObject",
            place.is_multiple_of(4).then(|| format!("call-{:08x}", draw.number(0, 0xffff_ffff))),
        );
        let text = if place == 16 { tricky(n, CALL_WHEEL).to_owned() } else { draw.sentence() };
        record.set("Description", text);
        let who = links.who(Kind::Call, n);
        let other = match who {
            Who::Contact(contact) if place == 8 => links.colleague(contact),
            _ => None,
        };
        write_task(world, record, who, other.as_slice())?;
    }
    Ok(())
}
