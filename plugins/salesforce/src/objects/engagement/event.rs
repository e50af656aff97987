//! Events.

use jiff::{SignedDuration, Timestamp};
use unicrm_core::{Engagement, EngagementPatch, Json, Patch, RemoteField};

use super::{Shared, valued};
use crate::api::utc_date;
use crate::objects::decode::Mapper;
use crate::objects::engagement_type::Sort;
use crate::objects::remote_fields::{holds, remote_value};
use crate::objects::wire::{Wrong, wire};
use crate::objects::write::{Writer, whole_seconds};

const DAY: SignedDuration = SignedDuration::from_hours(24);

wire! {
    /// A row of Event.
    struct EventRow {
        id: "Id",
        who_id: "WhoId",
        what_id: "WhatId",
        subject: "Subject",
        is_all_day_event: "IsAllDayEvent" + keep,
        activity_date: "ActivityDate" + keep,
        start_date_time: "StartDateTime",
        end_date_time: "EndDateTime",
        end_date: "EndDate" + keep,
        description: "Description",
        account_id: "AccountId",
        owner_id: "OwnerId",
        kind: "Type",
        is_deleted: "IsDeleted",
        system_modstamp: "SystemModstamp" + keep,
        relations: "EventWhoRelations",
    }
}

pub(in crate::objects) fn from_event(
    row: &EventRow<'_>,
    mut rest: Vec<RemoteField>,
    map: &mut Mapper<'_>,
) -> Result<Engagement, Wrong> {
    let id = row.id.required_id()?;
    map.stamp(row.system_modstamp)?;
    let mut event = Engagement::default();
    event.id = Some(map.id(&id));
    event.engagement_url = Some(map.url(&id));
    event.remote_id = Some(id.into());
    event.owner = map.owner(row.owner_id, &mut rest)?;
    event.content = row.description.string()?;
    event.subject = row.subject.string()?;
    let value = row.kind.text()?;
    let sort = valued("Event", value.as_deref(), map.cx);
    if sort.is_none() {
        map.keep(row.kind, "Type", &mut rest);
    }
    event.engagement_type = Some(map.reference(Sort::Event(sort).remote_id().into()));
    (event.start_time, event.end_time) = times(row)?;
    let shared = Shared {
        who_id: row.who_id,
        what_id: row.what_id,
        account_id: row.account_id,
        relations: row.relations,
        relations_name: "EventWhoRelations",
    };
    shared.read(&mut event, map, &mut rest)?;
    event.remote_was_deleted = row.is_deleted.boolean()?;
    event.remote_fields = rest;
    Ok(event)
}

/// From when to when it lasts. Salesforce gives the last day of an all-day event, which is over at the next midnight.
fn times(row: &EventRow<'_>) -> Result<(Option<Timestamp>, Option<Timestamp>), Wrong> {
    let (start, end) = (row.start_date_time.datetime()?, row.end_date_time.datetime()?);
    let (first_day, last_day) = (row.activity_date.day()?, row.end_date.day()?);
    if row.is_all_day_event.boolean()? != Some(true) {
        return Ok((start, end));
    }
    let first = first_day.or(start);
    let last = last_day.or(end).or(first);
    Ok((first, last.and_then(|last| last.checked_add(DAY).ok())))
}

/// Writes the times, both together: Salesforce refuses a start that does not fit the end that it holds.
pub(super) fn write(w: &mut Writer<'_>, patch: &EngagementPatch, before: Option<&Engagement>) {
    if matches!(&patch.direction, Patch::Set(_)) {
        w.refuse("/direction", "a meeting has no direction: leave it out");
    }
    let asked_start = w.asked(&patch.start_time).map(Option::<&Timestamp>::copied);
    let asked_end = w.asked(&patch.end_time).map(Option::<&Timestamp>::copied);
    if asked_start.is_none() && asked_end.is_none() {
        return;
    }
    let held_start = before.and_then(|before| before.start_time);
    let held_end = before.and_then(|before| before.end_time);
    let (start, end) = (asked_start.unwrap_or(held_start), asked_end.unwrap_or(held_end));
    if before.is_some() && same(start, held_start) && same(end, held_end) {
        return;
    }
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        return w.refuse("/end_time", "the end is before the start");
    }
    let given = patch.remote_fields.value().filter(|_| w.is_seed());
    let all_day = given
        .map(Vec::as_slice)
        .or(before.map(|before| &*before.remote_fields))
        .is_some_and(|fields| holds(fields, "IsAllDayEvent", "true"));
    let mut end = end;
    if all_day {
        let days =
            start.zip(end).is_some_and(|(start, end)| !utc_date(start).1 && !utc_date(end).1 && start < end);
        if days {
            end = end.and_then(|end| end.checked_sub(DAY).ok());
            if w.is_seed() {
                last_days(w, patch, start, end);
            }
        } else if !w.is_seed() {
            w.put("/start_time", "IsAllDayEvent", Json::of(&false));
        }
    }
    if before.is_some() || w.is_seed() || asked_start.is_some() {
        w.put_instant("start_time", "StartDateTime", start);
    }
    if before.is_some() || w.is_seed() || asked_end.is_some() {
        w.put_instant("end_time", "EndDateTime", end);
    }
}

/// The dates that Salesforce computes, unless they are given.
fn last_days(w: &mut Writer<'_>, patch: &EngagementPatch, first: Option<Timestamp>, last: Option<Timestamp>) {
    let given = patch.remote_fields.value().map_or(&[][..], Vec::as_slice);
    for (field, at) in [("ActivityDate", first), ("EndDate", last)] {
        if let Some(at) = at.filter(|_| remote_value(given, field).is_none()) {
            w.put("/start_time", field, Json::text(&utc_date(at).0.to_string()));
        }
    }
}

pub(super) fn same(a: Option<Timestamp>, b: Option<Timestamp>) -> bool {
    a.map(whole_seconds) == b.map(whole_seconds)
}
