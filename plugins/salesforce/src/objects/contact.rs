//! Contact.

use unicrm_core::{
    Contact, ContactPatch, FieldRule, NormalForm, ObjectKind, ObjectMapping, ObjectPatch, RemoteField,
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
        FieldRule::read("id", &["Id"]).note("computed from the remote id"),
        FieldRule::read("remote_id", &["Id"]),
        FieldRule::both("first_name", &["FirstName"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("last_name", &["LastName"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("account", &["AccountId"]),
        FieldRule::both("owner", &["OwnerId"])
            .normal(&[NormalForm::Defaulted])
            .note("a queue is no user: it stays in the remote fields"),
        FieldRule::both(
            "addresses",
            &[
                "MailingStreet", "MailingCity", "MailingState", "MailingPostalCode", "MailingCountry",
                "MailingStateCode", "MailingCountryCode", "OtherStreet", "OtherCity", "OtherState",
                "OtherPostalCode", "OtherCountry", "OtherStateCode", "OtherCountryCode",
            ],
        )
        .normal(&[NormalForm::Places, NormalForm::LineBreaks, NormalForm::Trimmed])
        .note("MAILING and OTHER; SHIPPING or no type is written to MAILING and BILLING to OTHER, when that place is free"),
        FieldRule::both("email_addresses", &["Email"])
            .normal(&[NormalForm::Places, NormalForm::Trimmed])
            .note("one, read as Work; any type is written"),
        FieldRule::both(
            "phone_numbers",
            &["Phone", "MobilePhone", "HomePhone", "OtherPhone", "AssistantPhone", "Fax"],
        )
        .normal(&[NormalForm::Places, NormalForm::Trimmed])
        .note("Work, Mobile, Home, Other, Assistant and Fax, one of each"),
        FieldRule::read("last_activity_at", &["LastActivityDate"]).normal(&[NormalForm::Day]),
        FieldRule::read("remote_created_at", &["CreatedDate"]).normal(&[NormalForm::Second]),
        FieldRule::read("contact_url", &["Id"]).normal(&[NormalForm::Derived]),
        FieldRule::read("remote_was_deleted", &["IsDeleted"]),
        FieldRule::both("remote_fields", &[])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::tests::{
        create, cx, patch, read, refused, remote_fields, rich_cx, update, update_blindly,
    };
    use crate::read::source::Source;

    const GIL: &str = r#"{"Id":"003ak000003dQCGAA2","FirstName":"Gil","LastName":"Feig","AccountId":"001ak00000OKNPHAA5",
        "MailingCity":"San Francisco","OtherCity":"Reno","Email":"gil@klink.example","Phone":"1","Fax":"2"}"#;

    fn gil() -> Contact {
        read(Source::Contact, GIL)
    }

    fn contact(json: &str) -> ContactPatch {
        patch(json)
    }

    #[test]
    fn a_contact_as_clients_of_the_unified_api_send_it_is_written() {
        let seed = contact(
            r#"{
                "id": "550e8400-e29b-41d4-a716-446655440000", "remote_id": "19202938",
                "created_at": "2021-09-15T00:00:00Z", "modified_at": "2021-10-16T00:00:00Z",
                "first_name": "Gil", "last_name": "Feig",
                "account": {"remote_id": "001ak00000OKNPH"}, "owner": {"remote_id": "005ak000002nRJAAA2"},
                "addresses": [{"street_1": "50 Bowling Green Dr", "street_2": "Golden Gate Park", "city": "San Francisco",
                    "state": "CA", "postal_code": "94122", "country": "US", "address_type": "Shipping",
                    "created_at": "2021-09-15T00:00:00Z", "modified_at": "2021-10-16T00:00:00Z"}],
                "email_addresses": [{"email_address": "hello@klink.example", "email_address_type": "Work"}],
                "phone_numbers": [{"phone_number": "+13785579223", "phone_number_type": "Mobile",
                    "created_at": "2021-09-15T00:00:00Z", "modified_at": "2021-10-16T00:00:00Z"}],
                "last_activity_at": "2022-02-10T00:00:00Z", "remote_created_at": "2021-11-10T00:00:00Z",
                "remote_was_deleted": true
            }"#,
        );
        insta::assert_snapshot!(create(seed, &cx()));
    }

    #[test]
    fn all_places_are_written_and_types_in_any_case() {
        let all = contact(
            r#"{
                "addresses": [{"city": "Reno", "address_type": "other"}, {"city": "Oakland", "address_type": "Mailing"}],
                "email_addresses": [{"email_address": "a@b", "email_address_type": "work"}],
                "phone_numbers": [
                    {"phone_number": "1", "phone_number_type": "WORK"}, {"phone_number": "2", "phone_number_type": "mobile"},
                    {"phone_number": "3", "phone_number_type": "Home"}, {"phone_number": "4", "phone_number_type": "other"},
                    {"phone_number": "5", "phone_number_type": "Assistant"}, {"phone_number": " 6 ", "phone_number_type": "FAX"}
                ],
                "remote_fields": [{"remote_field_class": "Contact.Level__c", "value": 5}]
            }"#,
        );
        insta::assert_snapshot!(create(all, &cx()));
    }

    #[test]
    fn addresses_without_a_place_of_their_own_take_a_free_one() {
        let cases = [
            (
                r#"[{"city":"a"}]"#,
                "Contact.MailingCity = \"a\"\n/addresses/0 place_taken: an address without a type has no place of its own and is kept as MAILING\n",
            ),
            (
                r#"[{"city":"a","address_type":"BILLING"}]"#,
                "Contact.OtherCity = \"a\"\n/addresses/0 place_taken: BILLING has no place of its own and is kept as OTHER\n",
            ),
            (
                r#"[{"city":"a","address_type":"SHIPPING"},{"city":"b","address_type":"MAILING"}]"#,
                "Contact.MailingCity = \"b\"\n/addresses/0 refused: all places that could hold this address are taken\n",
            ),
            (
                r#"[{"city":"a","address_type":"HOME"}]"#,
                "/addresses/0/address_type refused: there is place for MAILING and OTHER\n",
            ),
            (
                r#"[{"city":"a","address_type":"OTHER"},{"city":"b","address_type":"OTHER"}]"#,
                "Contact.OtherCity = \"a\"\n/addresses/1 refused: there is another address of this type, and place for one only\n",
            ),
        ];
        for (addresses, lines) in cases {
            let written = create(contact(&format!("{{\"addresses\":{addresses}}}")), &cx());
            assert_eq!(written, lines, "{addresses}");
        }
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let cases = [
            (
                r#"{"phone_numbers":[{"phone_number":"1","phone_number_type":"Car"}]}"#,
                "/phone_numbers/0/phone_number_type refused: there is place for Work, Mobile, Home, Other, Assistant, Fax\n",
            ),
            (
                r#"{"phone_numbers":[{"phone_number":"1","phone_number_type":"Fax"},{"phone_number":"2","phone_number_type":"Fax"}]}"#,
                "Contact.Fax = \"1\"\n/phone_numbers/1 refused: there is another number of this type, and place for one only\n",
            ),
            (
                r#"{"email_addresses":[{"email_address":"a@b"},{"email_address":"c@d"}]}"#,
                "Contact.Email = \"a@b\"\n/email_addresses/1 refused: there is place for one e-mail address only\n",
            ),
            (
                r#"{"email_addresses":[{"email_address":"a@b","email_address_type":"Private"}]}"#,
                "Contact.Email = \"a@b\"\n/email_addresses/0 place_taken: Private has no place of its own and is kept as Work\n",
            ),
            (
                r#"{"account":{"remote_id":"003ak000003dQCGAA2"}}"#,
                "/account refused: 003ak000003dQCGAA2 is not an id that begins with 001\n",
            ),
            (
                r#"{"owner":"550e8400-e29b-41d4-a716-446655440000"}"#,
                "/owner refused: a reference without a remote id is not an id that begins with 005\n",
            ),
            (
                r#"{"remote_fields":[{"remote_field_class":"x","value":1},{"remote_field_class":"Contact.Email","value":"a"}]}"#,
                "/remote_fields/0 refused: the class names no remote field: give its remote_key_name\n\
                 /remote_fields/1 refused: Email belongs to a unified field: write that one\n",
            ),
        ];
        for (json, lines) in cases {
            assert_eq!(create(contact(json), &cx()), lines, "{json}");
        }
    }

    #[test]
    fn an_update_writes_what_differs_and_clears_what_a_list_leaves_out() {
        let cases = [
            (r#"{"first_name":" Gil ","last_name":"Feig","account":{"remote_id":"001ak00000OKNPHAA5"}}"#, ""),
            (r#"{"first_name":null,"account":null}"#, "Contact.FirstName = null\nContact.AccountId = null\n"),
            (
                r#"{"addresses":[{"city":"Oakland","address_type":"MAILING"}]}"#,
                "Contact.MailingCity = \"Oakland\"\nContact.OtherCity = null\n",
            ),
            (r#"{"addresses":null}"#, "Contact.MailingCity = null\nContact.OtherCity = null\n"),
            (
                r#"{"phone_numbers":[{"phone_number":"1","phone_number_type":"Work"}]}"#,
                "Contact.Fax = null\n",
            ),
            (r#"{"email_addresses":[]}"#, "Contact.Email = null\n"),
            (
                r#"{"email_addresses":[{"email_address":"gil@klink.example","email_address_type":"WORK"}]}"#,
                "",
            ),
        ];
        for (json, lines) in cases {
            assert_eq!(update(gil(), contact(json), &cx()), lines, "{json}");
        }
        let blind = update_blindly(
            "003ak000003dQCGAA2",
            contact(r#"{"email_addresses":[],"first_name":"Gil"}"#),
            &cx(),
        );
        assert_eq!(blind, "Contact.FirstName = \"Gil\"\nContact.Email = null\n");
    }

    #[test]
    fn orgs_with_picklists_of_states_and_countries_take_codes() {
        let coded = r#"{"addresses":[{"state":"CA","country":"US","address_type":"MAILING"}]}"#;
        let lines = "Contact.MailingStateCode = \"CA\"\nContact.MailingCountryCode = \"US\"\n";
        assert_eq!(create(contact(coded), &rich_cx()), lines);
        let named =
            r#"{"addresses":[{"state":"California","country":"Etats-Unis","address_type":"MAILING"}]}"#;
        let lines = "Contact.MailingState = \"California\"\nContact.MailingCountry = \"Etats-Unis\"\n";
        assert_eq!(create(contact(named), &rich_cx()), lines);
        let american: Contact =
            read(Source::Contact, r#"{"Id":"003ak000003dQCGAA2","MailingCountryCode":"US"}"#);
        let lines = "Contact.MailingCountry = \"Canada\"\n";
        let canada = r#"{"addresses":[{"country":"Canada","address_type":"MAILING"}]}"#;
        assert_eq!(update(american.clone(), contact(canada), &rich_cx()), lines);
        let lines = "Contact.MailingCountry = null\nContact.MailingCountryCode = null\n";
        assert_eq!(update(american, contact(r#"{"addresses":[]}"#), &rich_cx()), lines);
    }

    #[test]
    fn the_person_of_a_person_account_stays_with_it() {
        let json = r#"{"Id":"003ak000003dQCGAA2","AccountId":"001ak00000OKNPHAA5","IsPersonAccount":true}"#;
        let person: Contact = read(Source::Contact, json);
        let lines = "Contact.AccountId = null\n/account refused: this contact is the person of a person account and cannot leave it\n";
        assert_eq!(update(person, contact(r#"{"account":null}"#), &cx()), lines);
    }

    #[test]
    fn a_wrong_type_names_the_field_and_the_record() {
        let cases = [
            (r#""Email":5"#, "Email", "expected text"),
            (r#""IsDeleted":"yes""#, "IsDeleted", "expected true or false"),
            (r#""OwnerId":"005""#, "OwnerId", "expected an id of 15 or 18 characters"),
            (r#""OwnerId":"005ak000002nRJA-A2""#, "OwnerId", "expected an id of 15 or 18 characters"),
            (r#""CreatedDate":"2021-11-10""#, "CreatedDate", "expected a date with a time and an offset"),
            (
                r#""LastActivityDate":"2021-11-10T00:00:00.000Z""#,
                "LastActivityDate",
                "expected a date without a time",
            ),
            (r#""MailingStreet":{}"#, "MailingStreet", "expected text"),
            (r#""MailingCountryCode":"US","MailingCountry":1"#, "MailingCountry", "expected text"),
        ];
        for (member, field, message) in cases {
            let json = format!("{{\"Id\":\"003ak000003dQCGAA2\",{member}}}");
            assert_eq!(refused(Source::Contact, &json), (Some(field), message.to_owned()), "{member}");
        }
        assert_eq!(
            refused(Source::Contact, r#"{"Id":null}"#),
            (Some("Id"), "expected the record's id".to_owned())
        );
        assert_eq!(refused(Source::Contact, "[1]").0, None);
    }

    #[test]
    fn bulk_texts_are_understood() {
        let json =
            r#"{"Id":"003ak000003dQCG","IsDeleted":"true","FirstName":"","Email":"","CreatedDate":""}"#;
        let bulk: Contact = read(Source::Contact, json);
        assert_eq!(bulk.remote_id.as_ref().map(|id| id.as_str()), Some("003ak000003dQCGAA2"));
        assert_eq!((bulk.remote_was_deleted, bulk.first_name.as_deref()), (Some(true), None));
        assert!(bulk.email_addresses.is_empty() && bulk.remote_created_at.is_none());
    }

    #[test]
    fn a_queue_is_no_owner_and_stays_a_remote_field() {
        let queued: Contact =
            read(Source::Contact, r#"{"Id":"003ak000003dQCGAA2","OwnerId":"00Gak000002nRJAAA2"}"#);
        assert_eq!(queued.owner, None);
        assert_eq!(remote_fields(&queued), [("OwnerId".to_owned(), "\"00Gak000002nRJAAA2\"".to_owned())]);
    }

    #[test]
    fn a_list_takes_the_room_that_it_needs() {
        let gil = gil();
        assert_eq!((gil.phone_numbers.len(), gil.phone_numbers.capacity()), (2, 2));
        let one: Contact =
            read(Source::Contact, r#"{"Id":"003ak000003dQCGAA2","OtherCity":"Reno","HomePhone":"1"}"#);
        assert_eq!((one.phone_numbers.capacity(), one.addresses.capacity()), (1, 1));
    }

    #[test]
    fn a_state_is_a_code_only_when_it_looks_like_one() {
        for (state, field) in [
            ("CA", "MailingStateCode"),
            ("NSW", "MailingStateCode"),
            ("13", "MailingStateCode"),
            ("Goa", "MailingState"),
            ("OHIO", "MailingState"),
            ("N.Y", "MailingState"),
        ] {
            let json = format!("{{\"addresses\":[{{\"address_type\":\"MAILING\",\"state\":\"{state}\"}}]}}");
            assert_eq!(create(contact(&json), &rich_cx()), format!("Contact.{field} = \"{state}\"\n"));
        }
    }

    #[test]
    fn a_country_is_a_code_only_when_it_looks_like_one() {
        for (country, field) in [
            ("US", "MailingCountryCode"),
            ("USA", "MailingCountry"),
            ("Us", "MailingCountry"),
            ("ES", "MailingCountryCode"),
        ] {
            let json = format!(
                "{{\"last_name\":\"a\",\"addresses\":[{{\"address_type\":\"MAILING\",\"country\":\"{country}\"}}]}}"
            );
            let lines = create(patch::<ContactPatch>(&json), &rich_cx());
            assert!(lines.contains(&format!("Contact.{field} = \"{country}\"")), "{lines}");
        }
    }
}
