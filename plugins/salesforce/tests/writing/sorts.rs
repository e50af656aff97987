//! What is written of each sort of record, and what the org's tables must hold then.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use unicrm_core::ObjectKind;
use unicrm_salesforce_emulator::Value;

/// Records that others refer to.
pub(super) struct Known {
    pub(super) account: String,
    pub(super) contact: String,
    pub(super) owner: String,
}

/// One sort of record: what a create needs, and what else may be said.
pub(super) struct Sort {
    pub(super) object: &'static str,
    pub(super) kind: ObjectKind,
    pub(super) start: Json,
    pub(super) required: Vec<Field>,
    pub(super) optional: Vec<Field>,
}

pub(super) const SORTS: usize = 10;
/// The sort that only orgs without enhanced notes have.
pub(super) const CLASSIC_NOTE: usize = 9;

/// What a unified field is given, and what the org must hold then.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) unified: &'static str,
    pub(super) json: Json,
    pub(super) remote: Vec<(&'static str, Value)>,
}

pub(super) type Field = BoxedStrategy<Given>;

fn text(unified: &'static str, remote: &'static str, required: bool) -> Field {
    // What a client may send: quotes, markup, accents, other scripts, spaces around.
    let words = "[ ]{0,2}[A-Za-zäßé中'\"\\\\<>&%_#+;,.|{}\\[\\]$0-9-][A-Za-zäßé中'\"\\\\<>&%_ 0-9]{0,20}";
    let text = words.prop_map(Some).boxed();
    let text = if required { text } else { prop_oneof![4 => text, 1 => Just(None)].boxed() };
    text.prop_map(move |text| {
        let kept = text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let value = kept.map_or(Value::Null, Value::from);
        Given { unified, json: json!(text), remote: vec![(remote, value)] }
    })
    .prop_filter("a required text is not blank", move |given| !(required && given.remote[0].1 == Value::Null))
    .boxed()
}

fn instants() -> impl Strategy<Value = Timestamp> {
    (0..2_000_000_000_i64).prop_map(|second| Timestamp::from_second(second).expect("an instant"))
}

fn day(unified: &'static str, remote: &'static str) -> Field {
    instants()
        .prop_map(move |at| {
            let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
            Given { unified, json: json!(at.to_string()), remote: vec![(remote, Value::Date(day))] }
        })
        .boxed()
}

fn reference(unified: &'static str, remote: &'static str, id: &str, nullable: bool) -> Field {
    let given = Given { unified, json: json!({ "remote_id": id }), remote: vec![(remote, Value::from(id))] };
    let none = Given { unified, json: Json::Null, remote: vec![(remote, Value::Null)] };
    if nullable { prop_oneof![3 => Just(given), 1 => Just(none)].boxed() } else { Just(given).boxed() }
}

fn phones(places: &'static [(&'static str, &'static str)]) -> Field {
    let numbers = proptest::collection::vec(proptest::option::of("\\+[0-9]{3,15}"), places.len());
    numbers
        .prop_map(move |numbers| {
            let listed = numbers.iter().zip(places).filter_map(|(number, (ty, _))| {
                number
                    .as_ref()
                    .map(|number| json!({ "phone_number": number, "phone_number_type": ty.to_lowercase() }))
            });
            let remote = numbers.iter().zip(places);
            Given {
                unified: "phone_numbers",
                json: listed.collect(),
                remote: remote
                    .map(|(number, (_, field))| (*field, number.as_deref().map_or(Value::Null, Value::from)))
                    .collect(),
            }
        })
        .boxed()
}

fn address(ty: &'static str, fields: [&'static str; 4]) -> Field {
    let part = || proptest::option::of("[A-Za-zäß][A-Za-z ]{0,10}[a-z]");
    (part(), part(), part(), part(), any::<bool>())
        .prop_map(move |(first, second, city, code, there)| {
            let join = |first: &Option<String>, second: &Option<String>| match (first, second) {
                (None, None) => Value::Null,
                (first, None) => Value::from(first.as_deref().unwrap_or_default()),
                (first, Some(second)) => {
                    Value::from(format!("{}\n{second}", first.as_deref().unwrap_or_default()).trim().to_owned())
                }
            };
            let some = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::from);
            let values = match there {
                true => [join(&first, &second), some(&city), some(&code), Value::Null],
                false => [Value::Null, Value::Null, Value::Null, Value::Null],
            };
            let address = json!({ "street_1": first, "street_2": second, "city": city, "postal_code": code, "address_type": ty });
            let json = if there { json!([address]) } else { json!([]) };
            Given { unified: "addresses", json, remote: fields.into_iter().zip(values).collect() }
        })
        .boxed()
}

fn email() -> Field {
    let address = proptest::option::of("[a-z]{1,8}[.+]?[a-z]{1,8}@[a-z]{1,8}\\.example");
    address
        .prop_map(|address| Given {
            unified: "email_addresses",
            json: address.iter().map(|address| json!({ "email_address": address })).collect(),
            remote: vec![("Email", address.map_or(Value::Null, Value::from))],
        })
        .boxed()
}

fn choice(
    unified: &'static str,
    remote: &'static str,
    choices: &'static [(&'static str, &'static str)],
) -> Field {
    let given = move |(unified_value, value): (&str, &str)| Given {
        unified,
        json: match remote {
            "StageName" => json!({ "remote_id": unified_value }),
            _ => json!(unified_value),
        },
        remote: vec![(remote, Value::from(value))],
    };
    select(choices).prop_map(given).boxed()
}

fn times() -> Field {
    (instants(), 0..100_000_i64)
        .prop_map(|(start, length)| {
            let end = start.checked_add(SignedDuration::from_secs(length * 60)).expect("an instant");
            Given {
                // Two fields that only make sense together: the second rides along in the patch.
                unified: "start_time",
                json: json!([start.to_string(), end.to_string()]),
                remote: vec![
                    ("StartDateTime", Value::DateTime(start)),
                    ("EndDateTime", Value::DateTime(end)),
                ],
            }
        })
        .boxed()
}

/// A call keeps the day that it began on, and its length.
fn call_times() -> Field {
    (instants(), 1..90_000_i64)
        .prop_map(|(start, length)| {
            let end = start.checked_add(SignedDuration::from_secs(length)).expect("an instant");
            let day = start.to_zoned(jiff::tz::TimeZone::UTC).date();
            Given {
                unified: "start_time",
                json: json!([start.to_string(), end.to_string()]),
                remote: vec![
                    ("ActivityDate", Value::Date(day)),
                    ("CallDurationInSeconds", Value::Int(length)),
                ],
            }
        })
        .boxed()
}

/// The people of an activity: one, or nobody.
fn people(contact: &str) -> Field {
    let given = Given {
        unified: "contacts",
        json: json!([{ "remote_id": contact }]),
        remote: vec![("WhoId", Value::from(contact))],
    };
    let nobody = Given { unified: "contacts", json: json!([]), remote: vec![("WhoId", Value::Null)] };
    prop_oneof![3 => Just(given), 1 => Just(nobody)].boxed()
}

/// A note: its first line is the title, the rest the body, which enhanced notes keep as the base64 of HTML.
fn note(enhanced: bool) -> Field {
    let line = "[a-zäß<>&'\"中;#]([a-z<>&'\"/;#0-9 ]{0,20}[a-z<>&'\";#])?";
    ("[A-Z<&'\"中][A-Za-z<>&'\"/;# ]{0,30}[A-Z>&]", proptest::collection::vec(line, 0..4))
        .prop_map(move |(title, lines)| {
            let body = lines.join("\n");
            let content = if body.is_empty() { title.clone() } else { format!("{title}\n{body}") };
            let kept = if enhanced {
                ("Content", Value::from(STANDARD.encode(html(&body))))
            } else {
                ("Body", Value::from(body))
            };
            Given {
                unified: "content",
                json: json!(content),
                remote: vec![("Title", Value::from(title)), kept],
            }
        })
        .boxed()
}

fn html(text: &str) -> String {
    let mut html = text.replace('&', "&amp;");
    for (from, to) in [("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;"), ("\n", "<br>")] {
        html = html.replace(from, to);
    }
    html
}

/// The fields of an object: those that a create needs, and the others.
pub(super) fn sort(number: usize, known: &Known) -> Sort {
    let (object, kind, start, required, mut optional) = fields(number, known);
    if kind != ObjectKind::Note {
        optional.push(reference("owner", "OwnerId", &known.owner, false));
    }
    Sort { object, kind, start, required, optional }
}

fn fields(sort: usize, known: &Known) -> (&'static str, ObjectKind, Json, Vec<Field>, Vec<Field>) {
    let Known { account, contact, .. } = known;
    const STREET: [&str; 4] = ["MailingStreet", "MailingCity", "MailingPostalCode", "OtherStreet"];
    const LEAD: [&str; 4] = ["Street", "City", "PostalCode", "State"];
    const BILLING: [&str; 4] = ["BillingStreet", "BillingCity", "BillingPostalCode", "ShippingStreet"];
    match sort {
        0 => (
            "Account",
            ObjectKind::Account,
            json!({}),
            vec![text("name", "Name", true)],
            vec![
                text("description", "Description", false),
                text("industry", "Industry", false),
                text("website", "Website", false),
                (0..99_999_999_i64)
                    .prop_map(|number| Given {
                        unified: "number_of_employees",
                        json: json!(number),
                        remote: vec![("NumberOfEmployees", Value::Int(number))],
                    })
                    .boxed(),
                phones(&[("Work", "Phone"), ("Fax", "Fax")]),
                address("billing", BILLING),
            ],
        ),
        1 => (
            "Contact",
            ObjectKind::Contact,
            json!({}),
            vec![text("last_name", "LastName", true)],
            vec![
                text("first_name", "FirstName", false),
                reference("account", "AccountId", account, true),
                phones(&[
                    ("Work", "Phone"),
                    ("Mobile", "MobilePhone"),
                    ("Home", "HomePhone"),
                    ("Other", "OtherPhone"),
                    ("Assistant", "AssistantPhone"),
                    ("Fax", "Fax"),
                ]),
                email(),
                address("Mailing", STREET),
            ],
        ),
        2 => (
            "Lead",
            ObjectKind::Lead,
            json!({}),
            vec![text("last_name", "LastName", true), text("company", "Company", true)],
            vec![
                text("first_name", "FirstName", false),
                text("title", "Title", false),
                text("lead_source", "LeadSource", false),
                email(),
                phones(&[("Work", "Phone"), ("Mobile", "MobilePhone"), ("Fax", "Fax")]),
                address("", LEAD),
                choice(
                    "status",
                    "Status",
                    &[("CLOSED", "Closed - Not Converted"), ("open", "Open - Not Contacted")],
                ),
            ],
        ),
        3 => (
            "Opportunity",
            ObjectKind::Opportunity,
            json!({}),
            vec![
                text("name", "Name", true),
                day("close_date", "CloseDate"),
                choice(
                    "stage",
                    "StageName",
                    &[
                        ("Prospecting", "Prospecting"),
                        ("Closed Won", "Closed Won"),
                        ("Closed Lost", "Closed Lost"),
                    ],
                ),
            ],
            vec![
                text("description", "Description", false),
                reference("account", "AccountId", account, true),
                (-999_999_999_999_999_999_i64..=999_999_999_999_999_999)
                    .prop_map(|cents| {
                        let amount = Decimal::new(cents, 2);
                        let json = json!({ "exact": amount.to_string() });
                        Given {
                            unified: "amount",
                            json,
                            remote: vec![("Amount", Value::Decimal(amount.normalize()))],
                        }
                    })
                    .boxed(),
            ],
        ),
        4 => (
            "Task",
            ObjectKind::Task,
            json!({}),
            vec![text("subject", "Subject", false)],
            vec![
                text("content", "Description", false),
                day("due_date", "ActivityDate"),
                choice("status", "Status", &[("OPEN", "Not Started"), ("closed", "Completed")]),
                reference("contact", "WhoId", contact, true),
                reference("account", "WhatId", account, true),
            ],
        ),
        5 => (
            "Event",
            ObjectKind::Engagement,
            json!({ "engagement_type": { "remote_id": "Event" } }),
            vec![times(), text("subject", "Subject", false)],
            vec![
                text("content", "Description", false),
                reference("account", "WhatId", account, true),
                people(contact),
            ],
        ),
        6 => (
            "Task",
            ObjectKind::Engagement,
            json!({ "engagement_type": { "remote_id": "Task:Call" } }),
            vec![text("subject", "Subject", false)],
            vec![
                text("content", "Description", false),
                choice("direction", "CallType", &[("INBOUND", "Inbound"), ("outbound", "Outbound")]),
                reference("account", "WhatId", account, true),
                people(contact),
                call_times(),
            ],
        ),
        7 => (
            "Task",
            ObjectKind::Engagement,
            json!({ "engagement_type": { "remote_id": "Task:Email" } }),
            vec![text("subject", "Subject", false)],
            vec![
                text("content", "Description", false),
                reference("account", "WhatId", account, true),
                people(contact),
            ],
        ),
        8 => ("ContentNote", ObjectKind::Note, json!({}), vec![note(true)], vec![]),
        _ => (
            "Note",
            ObjectKind::Note,
            json!({}),
            vec![note(false), reference("contact", "ParentId", contact, false)],
            vec![],
        ),
    }
}
