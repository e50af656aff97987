//! Records that Salesforce can hold.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use unicrm_core::{
    Address, AddressType, Contact, Direction, EmailAddress, Engagement, EngagementType, Json, Note,
    ObjectKind, PhoneNumber, Record, Ref, Value,
};
use unicrm_testkit::Profile;

use super::linked_account;
use crate::api::SalesforceId;
use crate::objects::engagement_type::Sort;

/// What an org can hold, apart from what depends on several fields at once.
fn profile() -> Profile {
    let mut profile = Profile::any().with_remote_id_strategy(|kind| match kind {
        ObjectKind::Stage => {
            select(&["Prospecting", "Negotiation", "Closed Won", "Closed Lost", "Abandoned", "Not known"][..])
                .prop_map(str::to_owned)
                .boxed()
        }
        ObjectKind::EngagementType => sort().prop_map(Sort::remote_id).boxed(),
        kind => id(prefixes(kind)).boxed(),
    });
    let none = || Just(None).boxed();
    for kind in ObjectKind::ALL {
        for ours in ["created_at", "modified_at", "field_mappings", "remote_data"] {
            profile = profile.with_field(kind, ours, none);
        }
    }
    profile = profile
        .with_field(ObjectKind::Account, "number_of_employees", || {
            proptest::option::of((0..99_999_999_i64).prop_map(Value::Integer)).boxed()
        })
        .with_field(ObjectKind::Account, "addresses", || addresses(&["BILLING", "SHIPPING"]))
        .with_field(ObjectKind::Contact, "addresses", || addresses(&["MAILING", "OTHER"]))
        .with_field(ObjectKind::Lead, "addresses", || addresses(&[""]))
        .with_field(ObjectKind::Account, "phone_numbers", || phones(&["Work", "Fax"]))
        .with_field(ObjectKind::Contact, "phone_numbers", || {
            phones(&["Work", "Mobile", "Home", "Other", "Assistant", "Fax"])
        })
        .with_field(ObjectKind::Lead, "phone_numbers", || phones(&["Work", "Mobile", "Fax"]))
        .with_field(ObjectKind::Contact, "email_addresses", emails)
        .with_field(ObjectKind::Lead, "email_addresses", emails)
        .with_field(ObjectKind::Lead, "status", || one_of(&["OPEN", "CLOSED", "UNQUALIFIED", "QUALIFIED"]))
        .with_field(ObjectKind::Opportunity, "status", || one_of(&["OPEN", "WON", "LOST"]))
        .with_field(ObjectKind::Task, "status", || one_of(&["OPEN", "CLOSED"]))
        .without_field(ObjectKind::EngagementType, "remote_fields")
        .without_field(ObjectKind::Engagement, "contacts");
    profile
}

fn prefixes(kind: ObjectKind) -> &'static [&'static str] {
    match kind {
        ObjectKind::Account => &["001"],
        ObjectKind::Contact => &["003"],
        ObjectKind::Engagement => &["00U", "00T"],
        ObjectKind::Lead => &["00Q"],
        ObjectKind::Note => &["002", "069"],
        ObjectKind::Opportunity => &["006"],
        ObjectKind::Task => &["00T"],
        ObjectKind::User | ObjectKind::Stage | ObjectKind::EngagementType => &["005"],
    }
}

fn id(prefixes: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(prefixes), "[A-Za-z0-9]{12}").prop_map(|(prefix, rest)| {
        SalesforceId::parse(&format!("{prefix}{rest}")).expect("15 characters").to_string()
    })
}

fn sort() -> impl Strategy<Value = Sort<'static>> {
    select(
        &[
            Sort::Event(None),
            Sort::Event(Some("Demo")),
            Sort::Task("Call"),
            Sort::Task("Email"),
            Sort::Task("ListEmail"),
            Sort::TaskType("Cold call"),
            Sort::TaskType("Mailing"),
        ][..],
    )
}

fn one_of(known: &'static [&'static str]) -> BoxedStrategy<Option<Value<'static>>> {
    proptest::option::of(select(known).prop_map(|text| Value::Text(text.into()))).boxed()
}

fn json<T: serde::Serialize>(items: &[T]) -> Option<Value<'static>> {
    (!items.is_empty()).then(|| Value::Json(Json::of(&items).as_str().to_owned().into()))
}

/// Text as Salesforce keeps it. No such text is a code of a state, which would come back as the state's name.
fn kept() -> impl Strategy<Value = String> {
    unicrm_testkit::strategies::text().prop_map(|text| text.replace('\r', " ").trim().to_owned()).prop_filter(
        "some text that is no code",
        |text| {
            !text.is_empty() && !text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        },
    )
}

fn addresses(types: &'static [&'static str]) -> BoxedStrategy<Option<Value<'static>>> {
    let part = || proptest::option::of(kept());
    let country = prop_oneof![select(&["US", "DE", "JP"][..]).prop_map(str::to_owned), kept()];
    let line = kept().prop_map(|text| text.replace('\n', " ").trim().to_owned());
    let one = (line, part(), part(), part(), part(), proptest::option::of(country)).prop_map(
        |(street_1, street_2, city, state, postal_code, country)| {
            let mut address = Address::default();
            address.street_1 = Some(street_1);
            address.street_2 = street_2;
            address.city = city;
            address.state = state;
            address.postal_code = postal_code;
            address.country = country;
            address
        },
    );
    (subsequence(types, 0..=types.len()), vec(one, types.len()))
        .prop_map(|(types, addresses)| {
            let typed = types.into_iter().zip(addresses).map(|(ty, mut address)| {
                address.address_type = (!ty.is_empty()).then(|| AddressType::from(ty));
                address
            });
            json(&typed.collect::<Vec<_>>())
        })
        .boxed()
}

fn phones(types: &'static [&'static str]) -> BoxedStrategy<Option<Value<'static>>> {
    (subsequence(types, 0..=types.len()), vec(kept(), types.len()))
        .prop_map(|(types, numbers)| {
            let numbers = types.into_iter().zip(numbers).map(|(ty, number)| PhoneNumber::new(number, ty));
            json(&numbers.collect::<Vec<_>>())
        })
        .boxed()
}

fn emails() -> BoxedStrategy<Option<Value<'static>>> {
    vec(kept().prop_map(|text| EmailAddress::new(text, "Work")), 0..2).prop_map(|list| json(&list)).boxed()
}

/// Two records of the same kind that one write can turn into each other, in an org that shares activities or not.
pub(super) fn pair(kind: ObjectKind, shared: bool) -> BoxedStrategy<(Record, Record)> {
    let pair = (profile().record(kind), profile().record(kind));
    match kind {
        ObjectKind::Engagement => (pair, people(shared), people(shared), sort(), sort(), 0..7_200_i64)
            .prop_map(move |((a, b), first, second, one, other, seconds)| {
                let other = if one.subtype() == other.subtype() { other } else { one };
                (engagement(a, first, one, seconds), engagement(b, second, other, seconds / 2))
            })
            .boxed(),
        ObjectKind::EngagementType => {
            pair.prop_map(|(a, b)| (engagement_type(a), engagement_type(b))).boxed()
        }
        ObjectKind::Note => pair.prop_map(|(a, b)| notes(a, b)).boxed(),
        _ => pair.boxed(),
    }
}

/// One record.
pub(super) fn record(kind: ObjectKind, shared: bool) -> BoxedStrategy<Record> {
    pair(kind, shared).prop_map(|(record, _)| record).boxed()
}

fn people(shared: bool) -> impl Strategy<Value = Vec<Ref<Contact>>> {
    let most = if shared { 4 } else { 1 };
    vec(id(&["003"]).prop_map(|id| Ref::remote(linked_account(), id)), 0..=most)
}

fn engagement(record: Record, contacts: Vec<Ref<Contact>>, sort: Sort<'_>, seconds: i64) -> Record {
    let Record::Engagement(mut engagement) = record else { return record };
    let prefix = if sort.subtype().is_some() { "00T" } else { "00U" };
    let id = engagement.remote_id.as_ref().map_or("", |id| id.as_str());
    let id = SalesforceId::parse(&format!("{prefix}{}", &id[3..15])).expect("15 characters");
    engagement.id = Some(unicrm_core::Id::compute(linked_account(), id.as_str()));
    engagement.remote_id = Some(id.as_str().into());
    engagement.engagement_type = Some(Ref::<EngagementType>::remote(linked_account(), sort.remote_id()));
    engagement.contacts = contacts;
    engagement.direction = match (sort.subtype(), seconds % 3) {
        (Some("Call"), 0) => Some(Direction::Inbound),
        (Some("Call"), 1) => Some(Direction::Outbound),
        _ => None,
    };
    end(&mut engagement, seconds);
    Record::Engagement(engagement)
}

/// Its sort decides what it is at heart.
fn engagement_type(mut record: Record) -> Record {
    if let Record::EngagementType(made) = &mut record {
        let sort = made.remote_id.as_ref().and_then(|id| Sort::parse(id.as_str()));
        made.activity_type = sort.map(Sort::activity);
    }
    record
}

/// Nothing ends before it begins.
fn end(engagement: &mut Engagement, seconds: i64) {
    let length = jiff::SignedDuration::from_secs(seconds);
    engagement.end_time =
        engagement.end_time.and(engagement.start_time).and_then(|start| start.checked_add(length).ok());
}

/// Two notes of the same sort; classic ones have exactly one parent.
fn notes(a: Record, b: Record) -> (Record, Record) {
    let (Record::Note(mut a), Record::Note(mut b)) = (a, b) else { unreachable!("two notes") };
    b.remote_id = a.remote_id.clone();
    b.id = a.id;
    for note in [&mut a, &mut b] {
        if note.content.as_deref().is_none_or(|text| text.trim().is_empty()) {
            note.content = Some("Some text".to_owned());
        }
        one_parent(note);
    }
    (Record::Note(a), Record::Note(b))
}

fn one_parent(note: &mut Note) {
    if !note.remote_id.as_ref().is_some_and(|id| id.as_str().starts_with("002")) {
        return;
    }
    if note.opportunity.is_some() {
        note.contact = None;
    }
    if note.opportunity.is_some() || note.contact.is_some() {
        note.account = None;
    } else if note.account.is_none() {
        note.account = Some(Ref::remote(linked_account(), "001B000001LntWlIAJ"));
    }
}
