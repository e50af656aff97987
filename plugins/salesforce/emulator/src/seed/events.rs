//! Events: timed, all-day, series with occurrences, invitations with their copies, and who takes part.

use super::activities::{what_id, who_id};
use super::address::clip;
use super::draw::{DAY, Draw, Kind, at, day};
use super::links::{EVENT_WHEEL, Links, Who};
use super::people::{account_id, contact_id, tricky};
use super::world::{World, user_id};
use crate::SalesforceError;
use crate::org::{Record, Value};
use crate::schema::ids::salesforce_id;

const SUBJECTS: &[&str] =
    &["Meeting", "Demo", "Quarterly review", "Kick-off", "Lunch", "Site visit", "Other"];
const PLACES: &[&str] =
    &["Conference room 3", "Video call", "Customer's office", "Café Central", "Stand 12, hall B"];

/// Id of the `n`-th event.
fn event_id(n: u64) -> String {
    salesforce_id("00U", n + 1)
}

/// Events.
pub(crate) fn events(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let links = world.links();
    for n in 0..world.volumes.events {
        let place = n % EVENT_WHEEL;
        let mut draw = world.draw(Kind::Event, n);
        let second = links.second(Kind::Event, n);
        let stamps = world.activity_stamps(&mut draw, n, second, second < world.now);
        let mut record = world.record("00U", n, &mut draw, stamps);
        let who = links.who(Kind::Event, n);
        record.set("WhoId", who_id(who));
        record.set("WhatId", what_id(links.what(Kind::Event, n)));
        record.set("AccountId", links.account(Kind::Event, n).map(account_id));
        let subject = if place == 18 {
            tricky(n, EVENT_WHEEL).replace(['\n', '\r'], " ")
        } else {
            draw.pick(SUBJECTS).to_owned()
        };
        record.set("Subject", clip(&subject, 255));
        record.set("Location", draw.chance(60).then(|| draw.pick(PLACES)));
        let text = if place == 18 { tricky(n, EVENT_WHEEL).to_owned() } else { draw.sentence() };
        record.set("Description", text);
        record.set("EventSubtype", "Event");
        record.set("ShowAs", if place == 11 { "OutOfOffice" } else { "Busy" });
        record.set("GroupEventType", "0");
        record.set("IsDeleted", links.deleted(Kind::Event, n));
        record.set("IsArchived", links.archived(Kind::Event, n));
        match place {
            1 => all_day(&mut record, second, 1),
            2 => all_day(&mut record, second, 3),
            _ => timed(&mut record, second, draw.number(1, 8) * 15),
        }
        shape(&mut record, &links, n);
        let mut others = Vec::new();
        if let (Who::Contact(contact), 7 | 10) = (who, place) {
            others.extend(links.colleague(contact));
        }
        write_event(world, record, n, who, &others, &mut draw)?;
    }
    Ok(())
}

fn timed(record: &mut Record, second: i64, minutes: i64) {
    let end = second + minutes * 60;
    record.set("IsAllDayEvent", false);
    record.set("StartDateTime", at(second));
    record.set("ActivityDateTime", at(second));
    record.set("EndDateTime", at(end));
    record.set("ActivityDate", day(at(second)));
    record.set("EndDate", day(at(end)));
    record.set("DurationInMinutes", minutes);
}

/// An all-day event lasts from midnight to midnight UTC, its end being the start of the last day.
fn all_day(record: &mut Record, second: i64, days: i64) {
    let midnight = second / DAY * DAY;
    let last = midnight + (days - 1) * DAY;
    record.set("IsAllDayEvent", true);
    record.set("StartDateTime", at(midnight));
    record.set("EndDateTime", at(last));
    record.set("ActivityDateTime", Value::Null);
    record.set("ActivityDate", day(at(midnight)));
    record.set("EndDate", day(at(last)));
    record.set("DurationInMinutes", days * 1440);
}

fn shape(record: &mut Record, links: &Links, n: u64) {
    let place = n % EVENT_WHEEL;
    match place {
        3 => {
            let second = links.second(Kind::Event, n);
            record.set("IsRecurrence", true);
            record.set("RecurrenceType", "RecursWeekly");
            record.set("RecurrenceInterval", 1_i64);
            record.set("RecurrenceDayOfWeekMask", 8_i64);
            record.set("RecurrenceStartDateTime", at(second));
            record.set("RecurrenceEndDateOnly", day(at(second + 21 * DAY)));
            record.set("RecurrenceTimeZoneSidKey", "Europe/Berlin");
        }
        4..=6 => record.set("RecurrenceActivityId", event_id(n - (place - 3))),
        7 => {
            record.set("IsGroupEvent", true);
            record.set("GroupEventType", "1");
        }
        8 => {
            // The copy in the calendar of the user who was invited.
            record.set("IsChild", true);
            record.set("IsGroupEvent", true);
            record.set("GroupEventType", "1");
            record.set("OwnerId", user_id(1 + n % 10));
            for field in ["Subject", "Location", "Description"] {
                record.set(field, if field == "Subject" { "Meeting".into() } else { Value::Null });
            }
        }
        11 => record.set("IsPrivate", true),
        15 => {
            record.set("IsRecurrence2", true);
            record.set("Recurrence2PatternText", "RRULE:FREQ=DAILY;INTERVAL=1;COUNT=3");
            record.set("Recurrence2PatternVersion", "1");
            record.set("Recurrence2PatternTimeZone", "America/New_York");
            record.set("Recurrence2PatternStartDate", at(links.second(Kind::Event, n)));
            record.set("GroupEventType", "3");
        }
        16 | 17 => record.set("IsRecurrence2", true),
        _ => {}
    }
}

fn write_event(
    world: &mut World<'_>,
    mut record: Record,
    n: u64,
    who: Who,
    others: &[u64],
    draw: &mut Draw,
) -> Result<(), SalesforceError> {
    let shared = world.features().shared_activities;
    let place = n % EVENT_WHEEL;
    let whos: Vec<String> = who_id(who).into_iter().chain(others.iter().map(|n| contact_id(*n))).collect();
    let what = record.text("WhatId").map(str::to_owned);
    if shared {
        record.set("WhoCount", i64::try_from(whos.len()).unwrap_or(0));
        record.set("WhatCount", i64::from(what.is_some()));
    }
    let mut base = Record::new().with("EventId", event_id(n));
    for field in
        ["CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp", "IsDeleted"]
    {
        base.set(field, record.get(field).clone());
    }
    let account = record.get("AccountId").clone();
    world.write("Event", record)?;
    let invited =
        if place == 7 { vec![user_id(1 + (n + 1) % 10), user_id(1 + (n + 4) % 10)] } else { Vec::new() };
    for user in invited {
        let id = salesforce_id("0RE", world.next_event_relation());
        let accepted = draw.chance(50);
        let mut row = base.clone().with("Id", id).with("RelationId", user);
        row.set("Status", if accepted { "Accepted" } else { "New" });
        row.set("RespondedDate", if accepted { row.get("LastModifiedDate").clone() } else { Value::Null });
        if shared {
            row.set("IsInvitee", true);
        }
        world.write("EventRelation", row)?;
    }
    // The copies of invited users have no relations of their own.
    if !shared || place == 8 {
        return Ok(());
    }
    let relations = whos.into_iter().map(|id| (id, false)).chain(what.into_iter().map(|id| (id, true)));
    for (relation, is_what) in relations {
        let id = salesforce_id("0RE", world.next_event_relation());
        let row = base
            .clone()
            .with("Id", id)
            .with("RelationId", relation.as_str())
            .with("AccountId", account.clone());
        let full = row.clone().with("IsParent", true).with("IsWhat", is_what).with("IsInvitee", false);
        world.write("EventRelation", full)?;
        if !is_what {
            let kind = if relation.starts_with("00Q") { "Lead" } else { "Contact" };
            world.write("EventWhoRelation", row.with("Type", kind))?;
        }
    }
    Ok(())
}
