//! Users, accounts, contacts and leads.

use rust_decimal::Decimal;

use super::address::{Address, Lines, clip};
use super::draw::{DAY, Draw, Kind, Locale, TRICKY, at};
use super::links::{
    ACCOUNT_DEAD, ACCOUNT_WHEEL, CONTACT_DEAD, CONTACT_WHEEL, LEAD_DEAD, LEAD_WHEEL, Links, is_person,
    live_account, live_contact, live_lead, person_account,
};
use super::world::{INACTIVE_USERS, USERS, World, inactive_owner, user_id};
use crate::SalesforceError;
use crate::org::{Record, Value};
use crate::schema::ids::salesforce_id;

const INDUSTRIES: &[&str] = &[
    "Agriculture",
    "Banking",
    "Biotechnology",
    "Chemicals",
    "Communications",
    "Construction",
    "Consulting",
    "Education",
    "Electronics",
    "Energy",
    "Engineering",
    "Finance",
    "Healthcare",
    "Insurance",
    "Manufacturing",
    "Media",
    "Retail",
    "Technology",
    "Telecommunications",
    "Transportation",
    "Utilities",
];
const ACCOUNT_TYPES: &[&str] = &[
    "Prospect",
    "Customer - Direct",
    "Customer - Channel",
    "Channel Partner / Reseller",
    "Technology Partner",
    "Other",
];
const SOURCES: &[&str] = &["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"];
const RATINGS: &[&str] = &["Hot", "Warm", "Cold"];
const SALUTATIONS: &[&str] = &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof."];
const DEPARTMENTS: &[&str] =
    &["Sales", "Marketing", "Finance", "Procurement", "Engineering", "Legal", "Operations", "IT"];
const OWNERSHIP: &[&str] = &["Public", "Private", "Subsidiary", "Other"];

/// Text of a tricky place, another one each time round.
pub(crate) fn tricky(n: u64, wheel: u64) -> &'static str {
    usize::try_from(n / wheel)
        .ok()
        .and_then(|round| TRICKY.get(round % TRICKY.len()))
        .copied()
        .unwrap_or_default()
}

/// The users besides the administrator, whom the setup writes.
pub(crate) fn users(world: &mut World<'_>) -> Result<(), SalesforceError> {
    for n in 1..=USERS {
        let mut draw = world.draw(Kind::User, n);
        let locale = if n % 4 == 0 { draw.locale() } else { Locale::English };
        let (first, last) = (draw.first_name(locale), draw.last_name(locale));
        let active = n <= USERS - INACTIVE_USERS;
        let email = draw.email(n);
        let created = world.now - draw.number(900 * DAY, 1500 * DAY);
        let stamps = super::world::Stamps::once(created, &mut draw);
        let mut record = Record::new();
        stamps.write(&mut record);
        let alias: String = first.chars().take(1).chain(last.chars().take(4)).collect();
        let record = record
            .with("Id", user_id(n))
            .with("Username", format!("user{n}.{}@crm.example.com", world.plan.seed))
            .with("Name", format!("{first} {last}"))
            .with("FirstName", first)
            .with("LastName", last)
            .with("Email", email)
            .with("Alias", alias.to_lowercase())
            .with("CommunityNickname", format!("user{n}"))
            .with("IsActive", active)
            .with("Title", if n % 3 == 0 { "Sales Manager" } else { "Account Executive" })
            .with("Department", "Sales")
            .with("ProfileId", super::security::profile_id(1))
            .with("UserRoleId", super::security::role_id(1 + n % 4))
            .with("ManagerId", if n % 3 == 0 { Value::Null } else { user_id(n / 3 * 3 + 3).into() })
            .with("Phone", draw.phone(Locale::English))
            .with("LastLoginDate", active.then(|| at(world.now - draw.number(600, 20 * DAY))));
        let assignment = record.clone();
        world.write("User", super::security::with_user_defaults(record))?;
        super::security::assign(&assignment, n, 1, &mut |object, row| world.write(object, row))?;
    }
    Ok(())
}

/// Business accounts, then (where the org has them) the person accounts behind some contacts.
pub(crate) fn accounts(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let links = world.links();
    for n in 0..world.volumes.accounts {
        let place = n % ACCOUNT_WHEEL;
        let mut draw = world.draw(Kind::Account, n);
        let stamps = world.stamps(&mut draw, n);
        let mut record = world.record("001", n, &mut draw, stamps);
        let locale = draw.locale();
        let name = if place == 16 {
            format!("{} {}", tricky(n, ACCOUNT_WHEEL), draw.company(locale))
        } else {
            draw.company(locale)
        };
        record.set("Name", clip(&name, 255));
        record.set("CleanStatus", "Pending");
        if place == 24 {
            record.set("OwnerId", inactive_owner(n));
        }
        if ACCOUNT_DEAD.contains(&place) {
            record.set("IsDeleted", true);
        }
        if place == ACCOUNT_DEAD[1] {
            record.set("MasterRecordId", account_id(live_account(n)));
        }
        if place == 4 {
            record.set("ParentId", account_id(n - 1));
        }
        // Place 13 has a name and nothing else.
        if place != 13 {
            business_facts(&mut record, &mut draw, n, locale);
            let lines = if place == 17 { Lines::CarriageReturn } else { Lines::One };
            let codes = world.features().state_country_picklists;
            Address::draw(&mut draw, locale, lines).write(&mut record, "Billing", codes);
            if draw.chance(60) {
                Address::draw(&mut draw, locale, Lines::One).write(&mut record, "Shipping", codes);
            }
        }
        record.set("LastActivityDate", links.last_with_account(n));
        world.write("Account", record)?;
    }
    person_accounts(world)
}

fn business_facts(record: &mut Record, draw: &mut Draw, n: u64, locale: Locale) {
    let place = n % ACCOUNT_WHEEL;
    record.set("Type", draw.pick(ACCOUNT_TYPES));
    record.set("Industry", draw.pick(INDUSTRIES));
    record.set("Phone", draw.phone(locale));
    record.set("Fax", draw.chance(40).then(|| draw.phone(locale)));
    record.set("Website", format!("https://www.company{n}.example.com"));
    record.set("NumberOfEmployees", draw.number(1, 40_000));
    let revenue = if place == 19 { 999_999_999_999_999_i64 } else { draw.number(50_000, 900_000_000) };
    record.set("AnnualRevenue", Decimal::from(revenue));
    record.set("AccountNumber", format!("CC{:06}", draw.number(0, 1_000_000)));
    record.set("Ownership", draw.pick(OWNERSHIP));
    record.set("Rating", draw.pick(RATINGS));
    record.set("AccountSource", draw.pick(SOURCES));
    let description = if place == 18 { draw.paragraphs(40) } else { draw.slogan() };
    record.set("Description", description);
    let kind = if n.is_multiple_of(2) { "Business" } else { "Household" };
    record.set("RecordTypeId", super::picklists::record_type_id("Account", kind));
}

fn person_accounts(world: &mut World<'_>) -> Result<(), SalesforceError> {
    if !world.features().person_accounts {
        return Ok(());
    }
    for contact in (0..world.volumes.contacts).filter(|n| is_person(*n)) {
        // The same draws as the contact's, so that both carry one name.
        let mut draw = world.draw(Kind::Contact, contact);
        let stamps = world.stamps(&mut draw, contact);
        let mut record =
            world.record("001", person_account(world.volumes.accounts, contact), &mut draw, stamps);
        let person = Person::draw(&mut draw, contact);
        record.set("Name", person.full_name());
        record.set("FirstName", person.first.clone());
        record.set("LastName", person.last.clone());
        record.set("PersonEmail", person.email.clone());
        record.set("IsPersonAccount", true);
        record.set("PersonContactId", contact_id(contact));
        record.set("CleanStatus", "Pending");
        world.write("Account", record)?;
    }
    Ok(())
}

/// Who a contact or lead is.
struct Person {
    locale: Locale,
    salutation: Option<&'static str>,
    first: String,
    last: String,
    email: String,
}

impl Person {
    fn draw(draw: &mut Draw, n: u64) -> Self {
        let locale = draw.locale();
        Self {
            locale,
            salutation: draw.chance(30).then(|| draw.pick(SALUTATIONS)),
            first: clip(&draw.first_name(locale), 40),
            last: clip(&draw.last_name(locale), 80),
            email: draw.email(n),
        }
    }

    fn full_name(&self) -> String {
        clip(format!("{} {}", self.first, self.last).trim(), 121)
    }

    fn write_name(&self, record: &mut Record) {
        record.set("Salutation", self.salutation);
        record.set("FirstName", self.first.clone());
        record.set("LastName", self.last.clone());
        record.set("Name", self.full_name());
    }
}

/// Contacts.
pub(crate) fn contacts(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let links = world.links();
    let codes = world.features().state_country_picklists;
    let persons = world.features().person_accounts;
    for n in 0..world.volumes.contacts {
        let place = n % CONTACT_WHEEL;
        let mut draw = world.draw(Kind::Contact, n);
        let stamps = world.stamps(&mut draw, n);
        let mut record = world.record("003", n, &mut draw, stamps);
        let person = Person::draw(&mut draw, n);
        record.set("CleanStatus", "Pending");
        record.set("LastActivityDate", links.last_with_contact(n));
        if persons && is_person(n) {
            record.set("IsPersonAccount", true);
        }
        record.set("AccountId", links.account_of_contact(n).map(account_id));
        if CONTACT_DEAD.contains(&place) {
            record.set("IsDeleted", true);
        }
        if place == CONTACT_DEAD[1] {
            record.set("MasterRecordId", contact_id(live_contact(n)));
        }
        if place == 25 {
            record.set("OwnerId", inactive_owner(n));
        }
        if place == 7 {
            // A last name and nothing else.
            record.set("LastName", person.last.clone());
            record.set("Name", person.last);
        } else {
            person.write_name(&mut record);
            contact_facts(&mut record, &mut draw, &person, n, codes);
        }
        world.write("Contact", record)?;
    }
    Ok(())
}

fn contact_facts(record: &mut Record, draw: &mut Draw, person: &Person, n: u64, codes: bool) {
    let place = n % CONTACT_WHEEL;
    let locale = person.locale;
    record.set("Email", (place != 5).then(|| person.email.clone()));
    record.set("Title", clip(&draw.job(), 128));
    record.set("Department", draw.pick(DEPARTMENTS));
    record.set("LeadSource", draw.chance(70).then(|| draw.pick(SOURCES)));
    record.set("Phone", draw.phone(locale));
    record.set("MobilePhone", draw.chance(70).then(|| draw.phone(locale)));
    record.set("Fax", draw.chance(20).then(|| draw.phone(locale)));
    let lines = match place {
        17 => Lines::CarriageReturn,
        18 => Lines::LineFeed,
        _ => Lines::One,
    };
    if place != 6 {
        Address::draw(draw, locale, lines).write(record, "Mailing", codes);
    }
    if place == 29 {
        for field in ["HomePhone", "OtherPhone", "AssistantPhone"] {
            record.set(field, draw.phone(locale));
        }
        record.set("AssistantName", clip(&draw.first_name(locale), 40));
        Address::draw(draw, locale, Lines::One).write(record, "Other", codes);
    }
    if draw.chance(30) {
        let born = -draw.number(20 * 365 * DAY, 60 * 365 * DAY) + 1_700_000_000;
        record.set("Birthdate", super::draw::day(at(born)));
    }
    let description = match place {
        21 | 33 => tricky(n, CONTACT_WHEEL).to_owned(),
        _ if draw.chance(40) => draw.sentence(),
        _ => String::new(),
    };
    record.set("Description", description);
    if place == 2 {
        record.set("ReportsToId", contact_id(n - 1));
    }
}

/// Leads: open, worked, converted, lost, owned by a queue, deleted, merged.
pub(crate) fn leads(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let links = world.links();
    let codes = world.features().state_country_picklists;
    for n in 0..world.volumes.leads {
        let place = n % LEAD_WHEEL;
        let mut draw = world.draw(Kind::Lead, n);
        let stamps = world.stamps(&mut draw, n);
        let mut record = world.record("00Q", n, &mut draw, stamps);
        let person = Person::draw(&mut draw, n);
        person.write_name(&mut record);
        record.set("Company", clip(&draw.company(person.locale), 255));
        record.set("CleanStatus", "Pending");
        record.set("Status", lead_status(place));
        if LEAD_DEAD.contains(&place) {
            record.set("IsDeleted", true);
        }
        if place == LEAD_DEAD[1] {
            record.set("MasterRecordId", salesforce_id("00Q", live_lead(n) + 1));
        }
        if matches!(place, 5 | 6) {
            record.set("OwnerId", super::picklists::queue_id(1 + n % 2));
            record.set("IsUnreadByOwner", true);
        }
        if place == 24 {
            record.set("OwnerId", inactive_owner(n));
        }
        if matches!(place, 7..=9) {
            convert(&mut record, &links, n, stamps.modified);
        }
        if place != 13 {
            record.set("Email", person.email.clone());
            record.set("Title", clip(&draw.job(), 128));
            record.set("Phone", draw.phone(person.locale));
            record.set("MobilePhone", draw.chance(50).then(|| draw.phone(person.locale)));
            record.set("LeadSource", draw.pick(SOURCES));
            record.set("Industry", draw.pick(INDUSTRIES));
            record.set("Rating", draw.pick(RATINGS));
            record.set("NumberOfEmployees", draw.number(1, 5_000));
            record.set("AnnualRevenue", Decimal::from(draw.number(10_000, 50_000_000)));
            let lines = if place == 17 { Lines::CarriageReturn } else { Lines::One };
            Address::draw(&mut draw, person.locale, lines).write(&mut record, "", codes);
            let text = if place == 21 { tricky(n, LEAD_WHEEL).to_owned() } else { draw.sentence() };
            record.set("Description", text);
        }
        world.write("Lead", record)?;
    }
    Ok(())
}

/// A converted lead became a contact of its account, place 7 and 8 an opportunity too.
fn convert(record: &mut Record, links: &Links, n: u64, modified: i64) {
    let contact = live_contact(n % links.volumes.contacts);
    record.set("IsConverted", true);
    record.set("ConvertedDate", super::draw::day(at(modified)));
    record.set("ConvertedContactId", contact_id(contact));
    record.set("ConvertedAccountId", links.account_of_contact(contact).map(account_id));
    if n % LEAD_WHEEL != 9 {
        let deal = n % links.volumes.deals;
        record.set("ConvertedOpportunityId", salesforce_id("006", deal + 1));
    }
}

fn lead_status(place: u64) -> &'static str {
    match place {
        7..=9 => "Closed - Converted",
        14 | 15 => "Closed - Not Converted",
        // A value that the picklist no longer has; old rows keep it.
        16 => "Unqualified",
        place if place % 3 == 1 => "Working - Contacted",
        _ => "Open - Not Contacted",
    }
}

/// Id of the `n`-th account, from 0.
pub(crate) fn account_id(n: u64) -> String {
    salesforce_id("001", n + 1)
}

/// Id of the `n`-th contact, from 0.
pub(crate) fn contact_id(n: u64) -> String {
    salesforce_id("003", n + 1)
}
