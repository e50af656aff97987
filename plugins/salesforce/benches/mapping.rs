//! What mapping costs: a page of 2000 contacts with 40 fields, from its bytes to unified records, beside parsing the same
//! bytes to nothing and into bare structs of the same 40 fields.

use std::fmt::Write as _;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use serde::Deserialize;
use serde::de::IgnoredAny;
use unicrm_core::LinkedAccountId;
use unicrm_salesforce::measure::Contacts;

const CONTACTS: usize = 2_000;

/// What a field's values look like.
#[derive(Clone, Copy)]
enum Sort {
    Text(&'static str),
    Id(&'static str),
    Flag,
    Number,
    Datetime,
    Date,
}

use Sort::{Date, Datetime, Flag, Id, Number, Text};

/// Defines the select list and the bare struct from one list of 40 fields.
macro_rules! fields {
    ($($field:ident: $ty:ty = $name:literal $sort:expr,)+) => {
        const FIELDS: [(&str, Sort); 40] = [$(($name, $sort)),+];

        /// The record as plainly as it can be read: everything owned, nothing understood.
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only the parsing counts")]
        struct Bare {
            $(#[serde(rename = $name)] $field: Option<$ty>,)+
        }
    };
}

fields! {
    id: String = "Id" Id("003"),
    is_deleted: bool = "IsDeleted" Flag,
    system_modstamp: String = "SystemModstamp" Datetime,
    tier: String = "Tier__c" Text("Gold"),
    score: f64 = "Score__c" Number,
    region: String = "Region__c" Text("Europe, Middle East and Africa"),
    external_id: String = "ExternalId__c" Text("ERP-0047-11"),
    opted_in: bool = "OptedIn__c" Flag,
    renewal: String = "RenewalDate__c" Date,
    account_id: String = "AccountId" Id("001"),
    last_name: String = "LastName" Text("Größe \\\"Zoë\\\""),
    first_name: String = "FirstName" Text("Alexandra"),
    salutation: String = "Salutation" Text("Ms."),
    name: String = "Name" Text("Alexandra Größe"),
    mailing_street: String = "MailingStreet" Text("50 Bowling Green Dr\\r\\nGolden Gate Park"),
    mailing_city: String = "MailingCity" Text("San Francisco"),
    mailing_state: String = "MailingState" Text("CA"),
    mailing_postal_code: String = "MailingPostalCode" Text("94122"),
    mailing_country: String = "MailingCountry" Text("United States"),
    other_street: String = "OtherStreet" Text("1 Market St"),
    other_city: String = "OtherCity" Text("Oakland"),
    phone: String = "Phone" Text("+1 (415) 555-0100"),
    fax: String = "Fax" Text("+1 (415) 555-0101"),
    mobile_phone: String = "MobilePhone" Text("+1 (415) 555-0102"),
    home_phone: String = "HomePhone" Text("+1 (415) 555-0103"),
    email: String = "Email" Text("alexandra.groesse@example.com"),
    title: String = "Title" Text("Vice President of Operations"),
    department: String = "Department" Text("Operations"),
    assistant_name: String = "AssistantName" Text("Jean Marie"),
    lead_source: String = "LeadSource" Text("Public Relations"),
    birthdate: String = "Birthdate" Date,
    description: String = "Description" Text("Met at the fair.\\nWants an offer for 2000 seats, and a call back next week."),
    owner_id: String = "OwnerId" Id("005"),
    created_date: String = "CreatedDate" Datetime,
    created_by_id: String = "CreatedById" Id("005"),
    last_modified_date: String = "LastModifiedDate" Datetime,
    last_modified_by_id: String = "LastModifiedById" Id("005"),
    last_activity_date: String = "LastActivityDate" Date,
    is_email_bounced: bool = "IsEmailBounced" Flag,
    photo_url: String = "PhotoUrl" Text("/services/images/photo/003Hs00004Xkq2aIAB"),
}

static PAGE: LazyLock<String> = LazyLock::new(page);

/// The text of a page, the same every time. One value in eight is null.
fn page() -> String {
    let mut page = format!("{{\"totalSize\":{CONTACTS},\"done\":true,\"records\":[");
    for row in 0..CONTACTS {
        if row > 0 {
            page.push(',');
        }
        write!(
            page,
            "{{\"attributes\":{{\"type\":\"Contact\",\"url\":\"/services/data/v66.0/sobjects/Contact/003Hs0000{row:06}IAB\"}}"
        )
        .expect("a string takes all");
        for (column, (name, sort)) in FIELDS.into_iter().enumerate() {
            write!(page, ",\"{name}\":").expect("a string takes all");
            let number = (row * 31 + column * 7) % 1_000;
            let null = number % 8 == 0 && !matches!(sort, Id("003") | Datetime);
            match sort {
                _ if null => write!(page, "null"),
                Text(text) => write!(page, "\"{text} {number}\""),
                Id("003") => write!(page, "\"003Hs0000{row:06}IAB\""),
                Id(prefix) => write!(page, "\"{prefix}Hs0000{:06}IAB\"", row / 5),
                Flag => write!(page, "{}", number % 2 == 1),
                Number => write!(page, "{number}.25"),
                Datetime => write!(page, "\"2026-11-{:02}T10:{:02}:12.000+0000\"", row % 28 + 1, row % 60),
                Date => write!(page, "\"2026-11-{:02}\"", row % 28 + 1),
            }
            .expect("a string takes all");
        }
        page.push('}');
    }
    page.push_str("]}");
    page
}

#[derive(Deserialize)]
struct Page<T> {
    records: Vec<T>,
}

#[divan::bench(sample_count = 200)]
fn parse_to_nothing(bencher: Bencher<'_, '_>) {
    let page = PAGE.as_bytes();
    bencher.counter(BytesCount::of_slice(page)).bench(|| serde_json::from_slice::<IgnoredAny>(page));
}

#[divan::bench(sample_count = 200)]
fn parse_into_bare_structs(bencher: Bencher<'_, '_>) {
    let page = PAGE.as_bytes();
    bencher.counter(BytesCount::of_slice(page)).bench(|| {
        let page: Page<Bare> = serde_json::from_slice(page).expect("a page");
        assert_eq!(page.records.len(), CONTACTS);
        page.records
    });
}

#[divan::bench(sample_count = 200)]
fn map_to_contacts(bencher: Bencher<'_, '_>) {
    let page = PAGE.as_bytes();
    let selected: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    let linked_account: LinkedAccountId = "6f1c8a52-0d6e-4d52-9a0b-3f0f8f8b5a10".parse().expect("an id");
    let contacts = Contacts::new(linked_account, &selected);
    bencher.counter(BytesCount::of_slice(page)).bench(|| {
        let mapped = contacts.map(page).expect("contacts");
        assert_eq!(mapped.len(), CONTACTS);
        mapped
    });
}

fn main() {
    divan::main();
}
