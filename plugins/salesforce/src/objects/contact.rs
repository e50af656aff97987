//! Contact.

use unicrm_core::{
    Contact, ContactPatch, FieldMapping, NormalForm, ObjectKind, ObjectMapping, ObjectPatch, RemoteField,
};

use super::context::MapContext;
use super::decode::Mapper;
use super::encode::RemoteRecord;
use super::parts::{AddressPlace, PhonePlace, address_cells, address_place, emails, listed, phones};
use super::remote_fields::holds;
use super::wire::{Row, Wrong, wire};
use super::write::{Encoded, Intent, Writer};
use super::write_parts::Fallback;

/// How contacts map.
pub(crate) const MAPPING: ObjectMapping = ObjectMapping {
    kind: ObjectKind::Contact,
    remote_objects: &["Contact"],
    fields: &[
        FieldMapping::read("id", &["Id"]).note("computed from the remote id"),
        FieldMapping::read("remote_id", &["Id"]),
        FieldMapping::both("first_name", &["FirstName"]).normal(&[NormalForm::Trimmed]),
        FieldMapping::both("last_name", &["LastName"]).normal(&[NormalForm::Trimmed]),
        FieldMapping::both("account", &["AccountId"]),
        FieldMapping::both("owner", &["OwnerId"])
            .normal(&[NormalForm::Defaulted])
            .note("a queue is no user: it stays in the remote fields"),
        FieldMapping::both(
            "addresses",
            &[
                "MailingStreet", "MailingCity", "MailingState", "MailingPostalCode", "MailingCountry",
                "MailingStateCode", "MailingCountryCode", "OtherStreet", "OtherCity", "OtherState",
                "OtherPostalCode", "OtherCountry", "OtherStateCode", "OtherCountryCode",
            ],
        )
        .normal(&[NormalForm::Places, NormalForm::LineBreaks, NormalForm::Trimmed])
        .note("MAILING and OTHER; SHIPPING or no type is written to MAILING and BILLING to OTHER, when that place is free"),
        FieldMapping::both("email_addresses", &["Email"])
            .normal(&[NormalForm::Places, NormalForm::Trimmed])
            .note("one, read as Work; any type is written"),
        FieldMapping::both(
            "phone_numbers",
            &["Phone", "MobilePhone", "HomePhone", "OtherPhone", "AssistantPhone", "Fax"],
        )
        .normal(&[NormalForm::Places, NormalForm::Trimmed])
        .note("Work, Mobile, Home, Other, Assistant and Fax, one of each"),
        FieldMapping::read("last_activity_at", &["LastActivityDate"]).normal(&[NormalForm::Day]),
        FieldMapping::read("remote_created_at", &["CreatedDate"]).normal(&[NormalForm::Second]),
        FieldMapping::read("contact_url", &["Id"]).normal(&[NormalForm::Derived]),
        FieldMapping::read("remote_was_deleted", &["IsDeleted"]),
        FieldMapping::both("remote_fields", &[])
            .normal(&[NormalForm::Places])
            .note("all other fields that this user sees; a write changes those that it lists"),
    ],
};

static ADDRESSES: [AddressPlace; 2] =
    [address_place!("MAILING", "Mailing"), address_place!("OTHER", "Other")];

const FALLBACKS: &[Fallback] = &[("SHIPPING", 0), ("", 0), ("BILLING", 1)];

static PHONES: [PhonePlace; 6] = [
    PhonePlace { ty: "Work", field: "Phone" },
    PhonePlace { ty: "Mobile", field: "MobilePhone" },
    PhonePlace { ty: "Home", field: "HomePhone" },
    PhonePlace { ty: "Other", field: "OtherPhone" },
    PhonePlace { ty: "Assistant", field: "AssistantPhone" },
    PhonePlace { ty: "Fax", field: "Fax" },
];

wire! {
    /// A row of Contact.
    struct ContactRow {
        id: "Id",
        is_deleted: "IsDeleted",
        master_record_id: "MasterRecordId" + keep,
        account_id: "AccountId",
        last_name: "LastName",
        first_name: "FirstName",
        other_street: "OtherStreet",
        other_city: "OtherCity",
        other_state: "OtherState",
        other_postal_code: "OtherPostalCode",
        other_country: "OtherCountry",
        other_state_code: "OtherStateCode" + keep,
        other_country_code: "OtherCountryCode",
        mailing_street: "MailingStreet",
        mailing_city: "MailingCity",
        mailing_state: "MailingState",
        mailing_postal_code: "MailingPostalCode",
        mailing_country: "MailingCountry",
        mailing_state_code: "MailingStateCode" + keep,
        mailing_country_code: "MailingCountryCode",
        phone: "Phone",
        fax: "Fax",
        mobile_phone: "MobilePhone",
        home_phone: "HomePhone",
        other_phone: "OtherPhone",
        assistant_phone: "AssistantPhone",
        email: "Email",
        owner_id: "OwnerId",
        created_date: "CreatedDate",
        system_modstamp: "SystemModstamp" + keep,
        last_activity_date: "LastActivityDate",
    }
}

pub(super) fn from_remote(
    row: &ContactRow<'_>,
    mut rest: Vec<RemoteField>,
    map: &mut Mapper<'_>,
) -> Result<Contact, Wrong> {
    let id = row.id.required_id()?;
    map.stamp(row.system_modstamp)?;
    map.merged_into(row.master_record_id)?;
    let mut contact = Contact::default();
    contact.id = Some(map.id(&id));
    contact.contact_url = Some(map.url(&id));
    contact.remote_id = Some(id.into());
    contact.first_name = row.first_name.string()?;
    contact.last_name = row.last_name.string()?;
    contact.account = map.account(row.account_id)?;
    contact.owner = map.owner(row.owner_id, &mut rest)?;
    let [mailing, other] = &ADDRESSES;
    let cells = address_cells!(
        row,
        mailing_street,
        mailing_city,
        mailing_state,
        mailing_postal_code,
        mailing_country,
        mailing_state_code,
        mailing_country_code,
    );
    let mailing = cells.read(mailing, map, &mut rest)?;
    let cells = address_cells!(
        row,
        other_street,
        other_city,
        other_state,
        other_postal_code,
        other_country,
        other_state_code,
        other_country_code,
    );
    contact.addresses = listed([mailing, cells.read(other, map, &mut rest)?]);
    contact.email_addresses = emails(row.email)?;
    contact.phone_numbers = phones(
        &PHONES,
        [row.phone, row.mobile_phone, row.home_phone, row.other_phone, row.assistant_phone, row.fax],
    )?;
    contact.last_activity_at = row.last_activity_date.day()?;
    contact.remote_created_at = row.created_date.datetime()?;
    contact.remote_was_deleted = row.is_deleted.boolean()?;
    contact.remote_fields = rest;
    Ok(contact)
}

pub(crate) fn to_remote(patch: &ContactPatch, intent: Intent<'_, Contact>, cx: &MapContext) -> Encoded {
    let before = intent.before();
    let mut w = Writer::new("Contact", cx, intent);
    w.text("first_name", "FirstName", &patch.first_name, before.map(|c| c.first_name.as_deref()));
    w.text("last_name", "LastName", &patch.last_name, before.map(|c| c.last_name.as_deref()));
    w.reference("account", "AccountId", &patch.account, before.map(|c| c.account.as_ref()), &["001"]);
    if w.names("AccountId")
        && before.is_some_and(|before| holds(&before.remote_fields, "IsPersonAccount", "true"))
    {
        w.refuse("/account", "this contact is the person of a person account and cannot leave it");
    }
    w.reference("owner", "OwnerId", &patch.owner, before.map(|c| c.owner.as_ref()), &["005"]);
    w.addresses(&ADDRESSES, FALLBACKS, &patch.addresses, before.map(|c| &*c.addresses));
    w.emails("Email", &patch.email_addresses, before.map(|c| &*c.email_addresses));
    w.phones(&PHONES, &patch.phone_numbers, before.map(|c| &*c.phone_numbers));
    w.remote_fields(ContactRow::FIELDS, &patch.remote_fields, before.map(|c| &*c.remote_fields));
    w.read_only(&MAPPING, patch);
    w.out
}

/// The remote record that a contact stands for.
pub(crate) fn encode(contact: &Contact, cx: &MapContext) -> RemoteRecord {
    let patch = ContactPatch::from_object(contact.clone());
    let mut remote = RemoteRecord::new(to_remote(&patch, Intent::Seed, cx));
    remote.id(contact.remote_id.as_ref());
    remote.set_flag("IsDeleted", contact.remote_was_deleted);
    remote.set_instant("CreatedDate", contact.remote_created_at);
    remote.set_day("LastActivityDate", contact.last_activity_at);
    remote
}
