use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::draw::Kind;
use super::super::links::{Spread, Who};
use super::super::{SeedPlan, generate, setup};
use crate::org::{Record, Value};
use crate::schema::{Features, FieldType, Schema, ids};

fn now() -> Timestamp {
    "2026-11-22T10:11:12Z".parse().expect("a time")
}

type Org = BTreeMap<String, Vec<Record>>;

fn org(plan: &SeedPlan, features: &Features) -> (Schema, Org) {
    let schema = Schema::standard(features);
    let mut rows = Org::new();
    {
        let mut sink = |object: &str, record: Record| {
            rows.entry(object.to_owned()).or_default().push(record);
            Ok(())
        };
        setup(&schema, now(), &mut sink).expect("setup");
    }
    let mut sink = |object: &str, record: Record| {
        rows.entry(object.to_owned()).or_default().push(record);
        Ok(())
    };
    generate(plan, &schema, now(), &mut sink).expect("generate");
    (schema, rows)
}

fn all_features() -> Features {
    Features {
        multi_currency: true,
        person_accounts: true,
        state_country_picklists: true,
        shared_activities: true,
        enhanced_notes: true,
    }
}

/// Every value fits its field: it exists, has the right kind, is not too long, and is one of the listed values.
fn check_values(schema: &Schema, rows: &Org) {
    for (object, records) in rows {
        let object = schema.object(object).unwrap_or_else(|| panic!("no object {object}"));
        for record in records {
            for (name, value) in record.iter() {
                let at = format!("{}.{name} of {:?}: {value:?}", object.name, record.text("Id"));
                // A field of a feature that is off is passed over by the org.
                let Some(field) = object.field(name) else {
                    assert!(
                        matches!(
                            name,
                            "IsPersonAccount"
                                | "CurrencyIsoCode"
                                | "OwnerId"
                                | "LastModifiedById"
                                | "LastModifiedDate"
                                | "CreatedDate"
                                | "CreatedById"
                                | "SystemModstamp"
                                | "IsDeleted"
                        ),
                        "unknown field {at}"
                    );
                    continue;
                };
                assert_eq!(field.name, name, "case of {at}");
                let fits = match (field.ty, value) {
                    (_, Value::Null) => true,
                    (FieldType::Boolean, Value::Bool(_)) | (FieldType::Int, Value::Int(_)) => true,
                    (FieldType::Date, Value::Date(_)) | (FieldType::DateTime, Value::DateTime(_)) => true,
                    (ty, Value::Decimal(number)) if ty.is_decimal() => {
                        number.scale() <= u32::from(field.scale)
                            && number.trunc().mantissa().unsigned_abs()
                                < 10u128.pow(u32::from(field.precision - field.scale))
                    }
                    (ty, Value::Text(text)) if ty.is_id() => ids::widen(text).as_deref() == Some(text),
                    (FieldType::Base64, Value::Text(_)) => true,
                    (ty, Value::Text(text)) if ty.is_text() => {
                        !text.is_empty()
                            && text.trim() == text
                            && text.chars().count() <= field.length as usize
                            && (!field.restricted_picklist || field.picklist_value(text).is_some())
                    }
                    _ => false,
                };
                assert!(fits, "{at}");
            }
            for field in
                object.fields.iter().filter(|f| !f.nillable && f.ty != FieldType::Boolean && !f.auto_number)
            {
                let old_import = object.name == "Note" && field.name == "Title";
                let filled_in = field.default_value.is_some();
                assert!(
                    !record.get(&field.name).is_null() || old_import || filled_in,
                    "{}.{} of {:?} is missing",
                    object.name,
                    field.name,
                    record.text("Id")
                );
            }
        }
    }
}

/// Ids are unique, of the object's prefix, and every reference points to a row of an object that it may point to.
fn check_references(schema: &Schema, rows: &Org) {
    let mut by_id: HashMap<String, Vec<&str>> = HashMap::new();
    for (object, records) in rows {
        let mut seen = HashSet::new();
        for record in records {
            let id = record.text("Id").expect("an id").to_owned();
            let prefix = schema.object(object).and_then(|o| o.key_prefix.clone()).expect("a prefix");
            assert!(id.starts_with(&prefix), "{object} {id}");
            assert!(seen.insert(id.clone()), "{object} {id} twice");
            by_id.entry(id).or_default().push(object);
        }
    }
    for (object, records) in rows {
        let object = schema.object(object).expect("built in");
        for record in records {
            for field in object.fields.iter().filter(|f| f.ty == FieldType::Reference) {
                let Some(target) = record.text(&field.name) else { continue };
                let found = by_id.get(target).unwrap_or_else(|| {
                    panic!(
                        "{}.{} of {:?} points nowhere: {target}",
                        object.name,
                        field.name,
                        record.text("Id")
                    )
                });
                assert!(
                    found.iter().any(|o| field.refers_to(o)),
                    "{}.{} -> {found:?}",
                    object.name,
                    field.name
                );
            }
        }
    }
}

fn check_times(rows: &Org) {
    for (object, records) in rows {
        for record in records {
            let time = |name: &str| match record.get(name) {
                Value::DateTime(at) => Some(*at),
                _ => None,
            };
            let at = || format!("{object} {:?}", record.text("Id"));
            if let (Some(created), Some(modified)) = (time("CreatedDate"), time("LastModifiedDate")) {
                assert!(created <= modified, "{} modified before it was made", at());
            }
            if let (Some(modified), Some(system)) = (time("LastModifiedDate"), time("SystemModstamp")) {
                assert!(modified <= system, "{} stamped before it was modified", at());
            }
            assert!(time("SystemModstamp").is_none_or(|s| s <= now()), "{} stamped in the future", at());
        }
    }
}

#[test]
fn every_row_is_sound() {
    for features in [
        Features::default(),
        all_features(),
        Features { shared_activities: false, enhanced_notes: false, ..Features::default() },
    ] {
        let (schema, rows) = org(&SeedPlan { seed: 7, contacts: 200 }, &features);
        check_values(&schema, &rows);
        check_references(&schema, &rows);
        check_times(&rows);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn any_seed_and_size_is_sound(seed: u64, contacts in 0u64..400) {
        let (schema, rows) = org(&SeedPlan { seed, contacts }, &Features::default());
        check_values(&schema, &rows);
        check_references(&schema, &rows);
        check_times(&rows);
    }
}

#[test]
fn the_same_plan_gives_the_same_org() {
    let plan = SeedPlan { seed: 42, contacts: 60 };
    assert_eq!(org(&plan, &Features::default()).1, org(&plan, &Features::default()).1);
    assert_ne!(
        org(&plan, &Features::default()).1,
        org(&SeedPlan { seed: 43, ..plan }, &Features::default()).1
    );
}

/// Whether any row of an object fits.
fn any(rows: &Org, object: &str, fits: impl Fn(&Record) -> bool) -> bool {
    rows.get(object).is_some_and(|records| records.iter().any(fits))
}

#[test]
fn every_kind_of_row_occurs() {
    let (_, rows) = org(&SeedPlan { seed: 1, contacts: 0 }, &Features::default());
    let prefix = |record: &Record, field: &str, prefix: &str| {
        record.text(field).is_some_and(|id| id.starts_with(prefix))
    };
    let text = |record: &Record, field: &str, value: &str| record.text(field) == Some(value);
    let users: HashSet<String> = rows["User"]
        .iter()
        .filter(|u| !u.is_true("IsActive"))
        .filter_map(|u| u.text("Id").map(str::to_owned))
        .collect();
    for object in ["Account", "Contact", "Lead"] {
        assert!(
            any(&rows, object, |r| r.is_true("IsDeleted") && r.get("MasterRecordId").is_null()),
            "deleted {object}"
        );
        assert!(
            any(&rows, object, |r| r.is_true("IsDeleted") && !r.get("MasterRecordId").is_null()),
            "merged {object}"
        );
    }
    for object in
        ["Opportunity", "Task", "Event", "Note", "ContentNote", "ContentDocumentLink", "EmailMessage"]
    {
        assert!(any(&rows, object, |r| r.is_true("IsDeleted")), "deleted {object}");
    }
    for object in ["Account", "Contact", "Lead", "Opportunity"] {
        assert!(
            any(&rows, object, |r| r.text("OwnerId").is_some_and(|o| users.contains(o))),
            "owner left {object}"
        );
    }
    assert!(any(&rows, "Lead", |r| prefix(r, "OwnerId", "00G")));
    assert!(any(&rows, "Lead", |r| r.is_true("IsConverted") && !r.get("ConvertedOpportunityId").is_null()));
    assert!(any(&rows, "Lead", |r| r.is_true("IsConverted") && r.get("ConvertedOpportunityId").is_null()));
    assert!(any(&rows, "Lead", |r| text(r, "Status", "Closed - Not Converted")));
    assert!(any(&rows, "Lead", |r| text(r, "Status", "Unqualified")));
    assert!(any(&rows, "Contact", |r| r.get("AccountId").is_null()));
    assert!(any(&rows, "Contact", |r| r.get("FirstName").is_null() && r.get("Email").is_null()));
    assert!(any(&rows, "Contact", |r| r.text("MailingStreet").is_some_and(|s| s.contains("\r\n"))));
    assert!(any(&rows, "Contact", |r| r
        .text("MailingStreet")
        .is_some_and(|s| s.contains('\n') && !s.contains('\r'))));
    assert!(any(&rows, "Contact", |r| !r.get("AssistantPhone").is_null() && !r.get("OtherCity").is_null()));
    let stages: HashSet<&str> = rows["OpportunityStage"]
        .iter()
        .filter(|s| !s.is_true("IsActive"))
        .filter_map(|s| s.text("ApiName"))
        .collect();
    assert!(any(&rows, "Opportunity", |r| r.text("StageName").is_some_and(|s| stages.contains(s))));
    assert!(any(&rows, "Opportunity", |r| r.is_true("IsWon")));
    assert!(any(&rows, "Opportunity", |r| r.is_true("IsClosed") && !r.is_true("IsWon")));
    assert!(any(
        &rows,
        "Opportunity",
        |r| matches!(r.get("Amount"), Value::Decimal(d) if d.scale() == 2 && d.fract() != rust_decimal::Decimal::ZERO)
    ));
    assert!(any(
        &rows,
        "Opportunity",
        |r| matches!(r.get("Amount"), Value::Decimal(d) if d.to_string() == "1234567890123456.78")
    ));
    assert!(any(&rows, "Opportunity", |r| r.get("Amount").is_null() && r.get("AccountId").is_null()
        || r.get("AccountId").is_null()));
    for (subtype, name) in [
        (Some("Task"), "task"),
        (Some("Call"), "call"),
        (Some("Email"), "e-mail"),
        (Some("ListEmail"), "list e-mail"),
        (None, "no subtype"),
    ] {
        assert!(any(&rows, "Task", |r| r.text("TaskSubtype") == subtype), "{name}");
    }
    for target in ["001", "006", "500", "701"] {
        assert!(any(&rows, "Task", |r| prefix(r, "WhatId", target)), "task about {target}");
    }
    assert!(any(&rows, "Task", |r| prefix(r, "WhoId", "00Q")));
    assert!(any(&rows, "Task", |r| text(r, "CallType", "Internal")));
    assert!(any(&rows, "Task", |r| text(r, "TaskSubtype", "Call")
        && !r.is_true("IsClosed")
        && r.get("CallDurationInSeconds").is_null()));
    for object in ["Task", "Event"] {
        assert!(any(&rows, object, |r| r.is_true("IsArchived")), "archived {object}");
        assert!(any(&rows, object, |r| r.is_true("IsRecurrence")), "series of {object}");
        assert!(any(&rows, object, |r| !r.get("RecurrenceActivityId").is_null()), "occurrence of {object}");
    }
    assert!(any(&rows, "Event", |r| r.is_true("IsAllDayEvent")));
    assert!(any(&rows, "Event", |r| r.is_true("IsChild")));
    assert!(any(&rows, "Event", |r| r.is_true("IsRecurrence2")));
    assert!(any(&rows, "Event", |r| matches!(r.get("WhoCount"), Value::Int(n) if *n > 1)));
    assert!(any(&rows, "EventRelation", |r| prefix(r, "RelationId", "005")));
    assert!(any(&rows, "EventWhoRelation", |r| prefix(r, "RelationId", "003")));
    assert!(
        any(&rows, "EmailMessage", |r| r.is_true("Incoming"))
            && any(&rows, "EmailMessage", |r| !r.is_true("Incoming"))
    );
    assert!(
        any(&rows, "Note", |r| r.get("Title").is_null()) && any(&rows, "Note", |r| r.get("Body").is_null())
    );
    assert!(any(&rows, "ContentDocument", |r| text(r, "FileType", "TEXT")));
    let mut links: HashMap<&str, usize> = HashMap::new();
    for link in rows["ContentDocumentLink"].iter().filter(|l| !prefix(l, "LinkedEntityId", "005")) {
        *links.entry(link.text("ContentDocumentId").expect("id")).or_default() += 1;
    }
    assert!(links.values().any(|n| *n == 1) && links.values().any(|n| *n == 3));
}

#[test]
fn stamps_come_in_groups() {
    let (_, rows) = org(&SeedPlan { seed: 1, contacts: 300 }, &Features::default());
    let mut groups: HashMap<String, usize> = HashMap::new();
    for contact in &rows["Contact"] {
        *groups.entry(format!("{:?}", contact.get("SystemModstamp"))).or_default() += 1;
    }
    assert!(groups.values().filter(|n| **n >= 4).count() >= 3, "{groups:?}");
}

#[test]
fn last_activity_is_that_of_the_activities() {
    let (_, rows) = org(&SeedPlan { seed: 5, contacts: 150 }, &Features::default());
    let mut newest: HashMap<String, jiff::civil::Date> = HashMap::new();
    let today = now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let tasks = rows["Task"].iter().filter(|t| t.is_true("IsClosed"));
    for activity in tasks.chain(&rows["Event"]).filter(|a| !a.is_true("IsDeleted")) {
        let (Some(who), Value::Date(day)) = (activity.text("WhoId"), activity.get("ActivityDate")) else {
            continue;
        };
        if *day <= today {
            let entry = newest.entry(who.to_owned()).or_insert(*day);
            *entry = (*entry).max(*day);
        }
    }
    let mut with = 0;
    for contact in &rows["Contact"] {
        let id = contact.text("Id").expect("id");
        let expected = newest.get(id).map_or(Value::Null, |day| Value::Date(*day));
        with += usize::from(!expected.is_null());
        assert_eq!(contact.get("LastActivityDate"), &expected, "{id}");
    }
    assert!(with > 100, "only {with} contacts have an activity");
}

#[test]
fn setup_agrees_with_the_picklists() {
    let schema = Schema::standard(&Features::default());
    let mut rows = Org::new();
    let mut sink = |object: &str, record: Record| {
        rows.entry(object.to_owned()).or_default().push(record);
        Ok(())
    };
    setup(&schema, now(), &mut sink).expect("setup");
    let listed = |object: &str, field: &str| -> Vec<String> {
        let field = schema.object(object).and_then(|o| o.field(field)).expect("built in");
        field.picklist.iter().map(|p| p.value.clone()).collect()
    };
    let names = |table: &str, active_only: bool| -> Vec<String> {
        rows[table]
            .iter()
            .filter(|r| !active_only || r.is_true("IsActive"))
            .filter_map(|r| r.text("ApiName").map(str::to_owned))
            .collect()
    };
    assert_eq!(names("OpportunityStage", true), listed("Opportunity", "StageName"));
    assert!(names("OpportunityStage", false).len() > names("OpportunityStage", true).len());
    assert_eq!(names("TaskStatus", false), listed("Task", "Status"));
    assert_eq!(names("TaskPriority", false), listed("Task", "Priority"));
    assert_eq!(names("LeadStatus", false), listed("Lead", "Status"));
    assert_eq!(names("CaseStatus", false), listed("Case", "Status"));
    assert_eq!(rows["TaskStatus"].iter().filter(|r| r.is_true("IsClosed")).count(), 1);
    assert_eq!(rows["LeadStatus"].iter().filter(|r| r.is_true("IsConverted")).count(), 1);
    assert_eq!(rows["Organization"].len(), 1);
    assert_eq!(rows["User"].len(), 1);
}

#[test]
fn volumes_follow_the_contacts() {
    let volumes = SeedPlan::default().volumes();
    assert_eq!((volumes.contacts, volumes.accounts, volumes.leads, volumes.deals), (2_500, 500, 600, 800));
    assert_eq!((volumes.tasks, volumes.calls, volumes.emails, volumes.list_emails), (1_500, 1_200, 700, 40));
    assert_eq!((volumes.events, volumes.notes, volumes.content_notes), (900, 300, 250));
}

proptest! {
    #[test]
    fn a_spread_lists_exactly_the_children(parents in 1u64..400, salt in 0u64..50, total in 0u64..900) {
        let spread = Spread::new(parents, salt);
        let mut listed: Vec<(u64, u64)> =
            (0..parents).flat_map(|p| spread.children(p, total).map(move |c| (c, p))).collect();
        listed.sort_unstable();
        let expected: Vec<(u64, u64)> = (0..total).map(|c| (c, spread.parent(c))).collect();
        prop_assert_eq!(listed, expected);
        prop_assert_eq!(spread.children(parents, total).count(), 0);
    }

    #[test]
    fn guests_are_alive(contacts in 0u64..2_000, n in 0u64..5_000, seed: u64) {
        let plan = SeedPlan { seed, contacts };
        let links = super::super::links::Links::new(&plan, plan.volumes(), now().as_second(), false);
        for kind in [Kind::Task, Kind::Call, Kind::Email, Kind::Event] {
            if let Who::Contact(contact) = links.who(kind, n % plan.volumes().of(kind)) {
                prop_assert!(contact < plan.volumes().contacts);
                prop_assert_eq!(super::super::links::live_contact(contact), contact);
            }
        }
    }
}
