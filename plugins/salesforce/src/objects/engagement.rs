//! Engagement: events, and tasks that are calls or e-mails.

use std::borrow::Cow;

use unicrm_core::{
    Contact, Direction, Engagement, EngagementPatch, FieldRule, Json, NormalForm, ObjectKind, ObjectMapping,
    ObjectPatch, Patch, Ref, RemoteField,
};

use super::activity::{What, what};
use super::context::MapContext;
use super::decode::Mapper;
use super::encode::RemoteRecord;
use super::engagement_type::Sort;
use super::remote_fields::{remote_text, remote_value};
use super::task::label_for;
use super::wire::{Cell, Row, WireField, Wrong};
use super::write::{Encoded, Intent, Related, Writer};

mod call;
mod event;
#[cfg(test)]
mod tests;

pub(super) use call::{EngagementTaskRow, from_task};
pub(super) use event::{EventRow, from_event};

/// How engagements map.
pub(crate) const MAPPING: ObjectMapping = ObjectMapping {
    kind: ObjectKind::Engagement,
    remote_objects: &["Event", "Task"],
    fields: &[
        FieldRule::read("id", &["Event.Id", "Task.Id"]).note("computed from the remote id"),
        FieldRule::read("remote_id", &["Event.Id", "Task.Id"]),
        FieldRule::both("owner", &["Event.OwnerId", "Task.OwnerId"])
            .normal(&[NormalForm::Defaulted])
            .note("a queue or a calendar is no user: it stays in the remote fields"),
        FieldRule::both("content", &["Event.Description", "Task.Description", "EmailMessage.TextBody"])
            .normal(&[NormalForm::Trimmed])
            .note("the text of the e-mail where the task has none"),
        FieldRule::both("subject", &["Event.Subject", "Task.Subject"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("direction", &["Task.CallType", "EmailMessage.Incoming"])
            .normal(&[NormalForm::Places])
            .note("calls have one, Internal is a remote field; that of an e-mail is only read; meetings have none"),
        FieldRule::both("engagement_type", &["Event.Type", "Task.TaskSubtype", "Task.Type"])
            .note("decides whether a write makes an event or a task; afterwards only the value of Type can change"),
        FieldRule::both(
            "start_time",
            &[
                "Event.StartDateTime",
                "Event.ActivityDate",
                "Event.IsAllDayEvent",
                "Task.UnicrmStartTime__c",
                "Task.CompletedDateTime",
                "Task.CallDurationInSeconds",
                "Task.ActivityDate",
                "EmailMessage.MessageDate",
            ],
        )
        .normal(&[NormalForm::Second, NormalForm::Derived])
        .note(TIMES),
        FieldRule::both(
            "end_time",
            &[
                "Event.EndDateTime",
                "Event.EndDate",
                "Event.IsAllDayEvent",
                "Task.UnicrmEndTime__c",
                "Task.CompletedDateTime",
                "Task.CallDurationInSeconds",
                "Task.ActivityDate",
                "EmailMessage.MessageDate",
            ],
        )
        .normal(&[NormalForm::Second, NormalForm::Derived])
        .note(TIMES),
        FieldRule::both("account", &["Event.WhatId", "Event.AccountId", "Task.WhatId", "Task.AccountId"])
            .normal(&[NormalForm::Derived])
            .note("follows from WhatId, or from the contact"),
        FieldRule::both(
            "contacts",
            &["Event.WhoId", "EventWhoRelation.RelationId", "Task.WhoId", "TaskWhoRelation.RelationId"],
        )
        .normal(&[NormalForm::Places])
        .note("one, unless the org shares activities; leads are remote fields"),
        FieldRule::read("engagement_url", &["Event.Id", "Task.Id"]).normal(&[NormalForm::Derived]),
        FieldRule::read("remote_was_deleted", &["Event.IsDeleted", "Task.IsDeleted"]),
        FieldRule::both("remote_fields", &[])
            .normal(&[NormalForm::Places])
            .note("all other fields that this user sees; a write changes those that it lists"),
    ],
};

const TIMES: &str = "an all-day event lasts from midnight UTC of its first day to midnight UTC after its last; a call ends \
    when it is completed and begins as many seconds before as it lasted, and a write keeps its day and its length, or, \
    where the org has UnicrmStartTime__c and UnicrmEndTime__c, both times; an e-mail begins and ends when it was sent; \
    what is not completed begins at midnight UTC of its day";

/// Custom fields that keep the exact times of calls and e-mails, in orgs that have them.
pub(crate) const START_TIME_FIELD: &str = "UnicrmStartTime__c";
/// See [`START_TIME_FIELD`].
pub(crate) const END_TIME_FIELD: &str = "UnicrmEndTime__c";

/// What both sources of engagements have in common.
struct Shared<'a> {
    who_id: Cell<'a>,
    what_id: Cell<'a>,
    account_id: Cell<'a>,
    relations: Cell<'a>,
    /// The remote field of the relations.
    relations_name: &'static str,
}

impl Shared<'_> {
    fn read(
        &self,
        engagement: &mut Engagement,
        map: &mut Mapper<'_>,
        rest: &mut Vec<RemoteField>,
    ) -> Result<(), Wrong> {
        engagement.account = map.account(self.account_id)?;
        match self.what_id.id()? {
            Some(what) if what.starts_with("001") => engagement.account = map.account(self.what_id)?,
            _ => map.keep(self.what_id, "WhatId", rest),
        }
        let who = self.who_id.id()?;
        match &who {
            Some(who) if who.starts_with("003") => engagement.contacts.push(map.reference(who.clone())),
            _ => map.keep(self.who_id, "WhoId", rest),
        }
        let mut others: Vec<Cow<'_, str>> = Vec::new();
        for id in self.relations.sub_query("RelationId")? {
            let known =
                |contact: &Ref<Contact>| contact.remote_id().is_some_and(|known| known.as_str() == id);
            if Some(&id) == who.as_ref() || engagement.contacts.iter().any(known) || others.contains(&id) {
                continue;
            }
            match id.starts_with("003") {
                true => engagement.contacts.push(map.reference(id)),
                false => others.push(id),
            }
        }
        if !others.is_empty() {
            map.keep_value(self.relations_name, Json::of(&others), rest);
        }
        Ok(())
    }
}

/// The engagement type of a value of Type, when it is one of those in use and of the right sort.
fn valued<'a>(sobject: &str, value: Option<&'a str>, cx: &MapContext) -> Option<&'a str> {
    value
        .filter(|value| cx.org.activity_types.iter().any(|row| row.sobject == sobject && row.value == *value))
}

pub(crate) fn to_remote(patch: &EngagementPatch, intent: Intent<'_, Engagement>, cx: &MapContext) -> Encoded {
    let before = intent.before();
    let given = patch.engagement_type.value().and_then(|sort| sort.remote_id()).map(|id| id.as_str());
    let held = before.and_then(|e| e.engagement_type.as_ref()).and_then(Ref::remote_id).map(|id| id.as_str());
    let sort = given.and_then(Sort::parse);
    let sobject = match (intent, sort) {
        (Intent::Update { remote_id, .. }, _) if remote_id.starts_with("00U") => "Event",
        (Intent::Update { .. }, _) => "Task",
        (_, Some(sort)) if sort.subtype().is_some() => "Task",
        _ => "Event",
    };
    let mut w = Writer::new(sobject, cx, intent);
    match (given, sort) {
        (None, _) if w.is_update() && !matches!(patch.engagement_type, Patch::Null) || w.is_seed() => {}
        (Some(_), Some(sort)) => write_sort(&mut w, sort, held.and_then(Sort::parse), patch),
        _ => w.refuse(
            "/engagement_type",
            "name what sort of engagement it is: Event, Task:Call, Task:Email, Task:ListEmail, or one of the org's types",
        ),
    }
    w.text("subject", "Subject", &patch.subject, before.map(|e| e.subject.as_deref()));
    w.text("content", "Description", &patch.content, before.map(|e| e.content.as_deref()));
    w.reference("owner", "OwnerId", &patch.owner, before.map(|e| e.owner.as_ref()), &["005"]);
    let before_what = before.map(|e| What {
        account: e.account.as_ref(),
        opportunity: None,
        other: remote_text(&e.remote_fields, "WhatId"),
    });
    let kept_what = w.is_seed() && remote_named(patch, "WhatId");
    if !kept_what {
        what(&mut w, &patch.account, &Patch::Absent, before_what.as_ref());
    }
    contacts(&mut w, patch, before);
    let known: &[WireField] = if sobject == "Event" {
        event::write(&mut w, patch, before);
        EventRow::FIELDS
    } else {
        let call = sort.or(held.and_then(Sort::parse)).is_none_or(|sort| sort.subtype() == Some("Call"));
        call::write(&mut w, patch, before, call);
        EngagementTaskRow::FIELDS
    };
    w.remote_fields(known, &patch.remote_fields, before.map(|e| &*e.remote_fields));
    w.read_only(&MAPPING, patch);
    w.out
}

fn remote_named(patch: &EngagementPatch, key: &str) -> bool {
    patch.remote_fields.value().is_some_and(|fields| remote_value(fields, key).is_some())
}

/// Writes what sort of engagement it is. The sObject and the subtype are for life; the value of Type may change.
fn write_sort(w: &mut Writer<'_>, sort: Sort<'_>, held: Option<Sort<'_>>, patch: &EngagementPatch) {
    let pointer = "/engagement_type";
    if held == Some(sort) {
        return;
    }
    let subtype = sort.subtype();
    if w.is_update() {
        let fits = match held {
            Some(held) => held.subtype() == subtype,
            None => subtype.is_none() == (w.out.sobject == "Event"),
        };
        if !fits {
            let message =
                "an engagement stays the meeting, call or e-mail that it was made as: make a new one instead";
            return w.refuse(pointer, message);
        }
    } else if let Some(subtype) = subtype {
        w.put_text(pointer, "TaskSubtype", Some(subtype));
        if !w.is_seed() && !remote_named(patch, "Status") {
            // A call or an e-mail is logged when it is over.
            if let Some(label) = label_for(true, &w.cx.org).map(str::to_owned) {
                w.put_text(pointer, "Status", Some(&label));
            }
        }
    }
    let value = match sort {
        Sort::Event(value) => value,
        Sort::TaskType(value) => Some(value),
        Sort::Task(_) => None,
    };
    let held_value = matches!(held, Some(Sort::Event(Some(_)) | Sort::TaskType(_)));
    if value.is_some() || held_value {
        w.put_text(pointer, "Type", value);
    }
}

/// Writes the people: the first is WhoId, the others are relations where the org shares activities.
fn contacts(w: &mut Writer<'_>, patch: &EngagementPatch, before: Option<&Engagement>) {
    let Some(asked) = w.asked(&patch.contacts) else { return };
    let asked: &[Ref<Contact>] = asked.map_or(&[], Vec::as_slice);
    if before.is_some_and(|before| before.contacts == asked) || (asked.is_empty() && !w.is_update()) {
        return;
    }
    let mut after = Vec::new();
    for (at, contact) in asked.iter().enumerate() {
        match w.target(&format!("/contacts/{at}"), contact, &["003"]) {
            Some(id) if !after.contains(&id) => after.push(id),
            Some(_) => {}
            None => return,
        }
    }
    let mut held: Vec<String> = before
        .into_iter()
        .flat_map(|before| &before.contacts)
        .filter_map(|contact| contact.remote_id().map(|id| id.as_str().to_owned()))
        .collect();
    let lead = before.and_then(|before| remote_text(&before.remote_fields, "WhoId"));
    let shared = w.cx.org.shared_activities;
    let kept_lead = w.is_seed() && remote_named(patch, "WhoId");
    // A lead in WhoId keeps its place where the contacts have places of their own.
    if (lead.is_none() || !shared) && !kept_lead {
        let first = if after.is_empty() { None } else { Some(after.remove(0)) };
        let held_first = (lead.is_none() && !held.is_empty()).then(|| held.remove(0));
        if before.is_none() || held_first != first {
            if let (Some(lead), true) = (&lead, first.is_some()) {
                w.warn(
                    "/contacts",
                    "replaced",
                    format!("the activity was with the lead {lead}, which it no longer is"),
                );
            }
            if first.is_some() || lead.is_none() {
                w.put("/contacts", "WhoId", Json::of(&first));
            }
        }
    }
    if w.is_seed() {
        return;
    }
    if !shared {
        if !after.is_empty() {
            let message = format!("this org does not share activities: {} are left out", after.join(", "));
            w.warn("/contacts", "left_out", message);
        }
        return;
    }
    let add: Vec<_> = after.iter().filter(|id| !held.contains(id)).cloned().collect();
    let remove: Vec<_> = held.into_iter().filter(|id| !after.contains(id)).collect();
    if !add.is_empty() || !remove.is_empty() {
        let sobject = if w.out.sobject == "Event" { "EventRelation" } else { "TaskRelation" };
        w.out.related.push(Related { sobject, add, remove });
    }
}

/// The remote record that an engagement stands for.
pub(crate) fn encode(engagement: &Engagement, cx: &MapContext) -> RemoteRecord {
    let patch = EngagementPatch::from_object(engagement.clone());
    let mut remote = RemoteRecord::new(to_remote(&patch, Intent::Seed, cx));
    remote.id(engagement.remote_id.as_ref());
    remote.set_flag("IsDeleted", engagement.remote_was_deleted);
    remote.set_reference("AccountId", engagement.account.as_ref());
    let (relations, relation) = match remote.sobject {
        "Event" => ("EventWhoRelations", "EventWhoRelation"),
        _ => ("TaskWhoRelations", "TaskWhoRelation"),
    };
    let others =
        remote.get(relations).and_then(|others| others.read::<Vec<String>>().ok()).unwrap_or_default();
    remote.remove(relations);
    if cx.org.shared_activities || !others.is_empty() {
        let contacts = engagement.contacts.iter().filter_map(Ref::remote_id).map(|id| id.as_str().to_owned());
        for id in contacts.chain(others) {
            let mut row = RemoteRecord { sobject: relation, ..RemoteRecord::default() };
            row.set_text("RelationId", Some(&id));
            remote.related.push(row);
        }
    }
    if remote.sobject == "Task" {
        call::complete(&mut remote, engagement, cx);
    }
    remote
}

/// The direction of a call, as CallType has it.
fn call_type(direction: &Direction) -> Option<&'static str> {
    match direction.normalized() {
        Direction::Inbound => Some("Inbound"),
        Direction::Outbound => Some("Outbound"),
        Direction::Other(_) => None,
    }
}
