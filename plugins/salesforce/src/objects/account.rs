//! Account.

use unicrm_core::{
    Account, AccountPatch, FieldRule, NormalForm, ObjectKind, ObjectMapping, ObjectPatch, RemoteField,
};

use super::context::MapContext;
use super::decode::Mapper;
use super::encode::RemoteRecord;
use super::parts::{AddressPlace, PhonePlace, address_cells, address_place, listed, phones};
use super::remote_fields::holds;
use super::wire::{Row, Wrong, wire};
use super::write::{Encoded, Intent, Writer};

/// How accounts map.
pub(crate) const MAPPING: ObjectMapping = ObjectMapping {
    kind: ObjectKind::Account,
    remote_objects: &["Account"],
    fields: &[
        FieldRule::read("id", &["Id"]).note("computed from the remote id"),
        FieldRule::read("remote_id", &["Id"]),
        FieldRule::both("owner", &["OwnerId"])
            .normal(&[NormalForm::Defaulted])
            .note("a queue is no user: it stays in the remote fields"),
        FieldRule::both("name", &["Name"])
            .normal(&[NormalForm::Trimmed])
            .note("the name of a person account is written to its contact"),
        FieldRule::both("description", &["Description"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("industry", &["Industry"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("website", &["Website"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("number_of_employees", &["NumberOfEmployees"]),
        FieldRule::both(
            "addresses",
            &[
                "BillingStreet",
                "BillingCity",
                "BillingState",
                "BillingPostalCode",
                "BillingCountry",
                "BillingStateCode",
                "BillingCountryCode",
                "ShippingStreet",
                "ShippingCity",
                "ShippingState",
                "ShippingPostalCode",
                "ShippingCountry",
                "ShippingStateCode",
                "ShippingCountryCode",
            ],
        )
        .normal(&[NormalForm::Places, NormalForm::LineBreaks, NormalForm::Trimmed])
        .note("BILLING and SHIPPING, one of each"),
        FieldRule::both("phone_numbers", &["Phone", "Fax"])
            .normal(&[NormalForm::Places, NormalForm::Trimmed])
            .note("Work and Fax, one of each"),
        FieldRule::read("last_activity_at", &["LastActivityDate"]).normal(&[NormalForm::Day]),
        FieldRule::read("remote_updated_at", &["SystemModstamp"]).normal(&[NormalForm::Second]),
        FieldRule::read("remote_created_at", &["CreatedDate"]).normal(&[NormalForm::Second]),
        FieldRule::read("account_url", &["Id"]).normal(&[NormalForm::Derived]),
        FieldRule::read("remote_was_deleted", &["IsDeleted"]),
        FieldRule::both("remote_fields", &[])
            .normal(&[NormalForm::Places])
            .note("all other fields that this user sees; a write changes those that it lists"),
    ],
};

static ADDRESSES: [AddressPlace; 2] =
    [address_place!("BILLING", "Billing"), address_place!("SHIPPING", "Shipping")];

static PHONES: [PhonePlace; 2] =
    [PhonePlace { ty: "Work", field: "Phone" }, PhonePlace { ty: "Fax", field: "Fax" }];

wire! {
    /// A row of Account.
    struct AccountRow {
        id: "Id",
        is_deleted: "IsDeleted",
        master_record_id: "MasterRecordId" + keep,
        name: "Name",
        billing_street: "BillingStreet",
        billing_city: "BillingCity",
        billing_state: "BillingState",
        billing_postal_code: "BillingPostalCode",
        billing_country: "BillingCountry",
        billing_state_code: "BillingStateCode" + keep,
        billing_country_code: "BillingCountryCode",
        shipping_street: "ShippingStreet",
        shipping_city: "ShippingCity",
        shipping_state: "ShippingState",
        shipping_postal_code: "ShippingPostalCode",
        shipping_country: "ShippingCountry",
        shipping_state_code: "ShippingStateCode" + keep,
        shipping_country_code: "ShippingCountryCode",
        phone: "Phone",
        fax: "Fax",
        website: "Website",
        industry: "Industry",
        number_of_employees: "NumberOfEmployees",
        description: "Description",
        owner_id: "OwnerId",
        created_date: "CreatedDate",
        system_modstamp: "SystemModstamp",
        last_activity_date: "LastActivityDate",
    }
}

pub(super) fn from_remote(
    row: &AccountRow<'_>,
    mut rest: Vec<RemoteField>,
    map: &mut Mapper<'_>,
) -> Result<Account, Wrong> {
    let id = row.id.required_id()?;
    map.merged_into(row.master_record_id)?;
    let mut account = Account::default();
    account.id = Some(map.id(&id));
    account.account_url = Some(map.url(&id));
    account.remote_id = Some(id.into());
    account.owner = map.owner(row.owner_id, &mut rest)?;
    account.name = row.name.string()?;
    account.description = row.description.string()?;
    account.industry = row.industry.string()?;
    account.website = row.website.string()?;
    account.number_of_employees = row.number_of_employees.integer()?;
    let [billing, shipping] = &ADDRESSES;
    let cells = address_cells!(
        row,
        billing_street,
        billing_city,
        billing_state,
        billing_postal_code,
        billing_country,
        billing_state_code,
        billing_country_code,
    );
    let billing = cells.read(billing, map, &mut rest)?;
    let cells = address_cells!(
        row,
        shipping_street,
        shipping_city,
        shipping_state,
        shipping_postal_code,
        shipping_country,
        shipping_state_code,
        shipping_country_code,
    );
    account.addresses = listed([billing, cells.read(shipping, map, &mut rest)?]);
    account.phone_numbers = phones(&PHONES, [row.phone, row.fax])?;
    account.last_activity_at = row.last_activity_date.day()?;
    account.remote_updated_at = map.stamp(row.system_modstamp)?;
    account.remote_created_at = row.created_date.datetime()?;
    account.remote_was_deleted = row.is_deleted.boolean()?;
    account.remote_fields = rest;
    Ok(account)
}

pub(crate) fn to_remote(patch: &AccountPatch, intent: Intent<'_, Account>, cx: &MapContext) -> Encoded {
    let before = intent.before();
    let mut w = Writer::new("Account", cx, intent);
    w.text("name", "Name", &patch.name, before.map(|a| a.name.as_deref()));
    if w.names("Name") && before.is_some_and(|before| holds(&before.remote_fields, "IsPersonAccount", "true"))
    {
        w.refuse("/name", "this account is a person: write the names of the contact in PersonContactId");
    }
    w.text("description", "Description", &patch.description, before.map(|a| a.description.as_deref()));
    w.text("industry", "Industry", &patch.industry, before.map(|a| a.industry.as_deref()));
    w.text("website", "Website", &patch.website, before.map(|a| a.website.as_deref()));
    w.integer(
        "number_of_employees",
        "NumberOfEmployees",
        &patch.number_of_employees,
        before.map(|a| a.number_of_employees),
    );
    w.reference("owner", "OwnerId", &patch.owner, before.map(|a| a.owner.as_ref()), &["005"]);
    w.addresses(&ADDRESSES, &[], &patch.addresses, before.map(|a| &*a.addresses));
    w.phones(&PHONES, &patch.phone_numbers, before.map(|a| &*a.phone_numbers));
    w.remote_fields(AccountRow::FIELDS, &patch.remote_fields, before.map(|a| &*a.remote_fields));
    w.read_only(&MAPPING, patch);
    w.out
}

/// The remote record that an account stands for.
pub(crate) fn encode(account: &Account, cx: &MapContext) -> RemoteRecord {
    let patch = AccountPatch::from_object(account.clone());
    let mut remote = RemoteRecord::new(to_remote(&patch, Intent::Seed, cx));
    remote.id(account.remote_id.as_ref());
    remote.set_flag("IsDeleted", account.remote_was_deleted);
    remote.set_instant("CreatedDate", account.remote_created_at);
    remote.set_instant("SystemModstamp", account.remote_updated_at);
    remote.set_day("LastActivityDate", account.last_activity_at);
    remote
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::FieldFacts;
    use crate::objects::tests::{create, cx, patch, read, refused, update, with_field, writable};
    use crate::read::source::Source;

    fn account(json: &str) -> AccountPatch {
        patch(json)
    }

    #[test]
    fn everything_that_has_a_place_is_written() {
        let all = account(
            r#"{
                "name": "K-LINK", "description": "What it is", "industry": "Technology", "website": "https://klink.example",
                "number_of_employees": 40, "owner": {"remote_id": "005ak000002nRJAAA2"},
                "addresses": [
                    {"street_1": "1 Market St", "street_2": "Floor 2\r\nRoom 3", "city": "Oakland", "state": "CA",
                        "postal_code": "94601", "country": "US", "address_type": "Shipping"},
                    {"street_1": "2 Side St", "city": "Reno", "state": "NV", "postal_code": "89501", "country": "US",
                        "address_type": "billing"}
                ],
                "phone_numbers": [{"phone_number": "1", "phone_number_type": "Fax"}, {"phone_number": "2", "phone_number_type": "work"}],
                "last_activity_at": "2022-02-10T00:00:00Z", "remote_updated_at": "2022-02-10T00:00:00Z",
                "remote_created_at": "2022-02-10T00:00:00Z", "account_url": "x", "remote_was_deleted": false
            }"#,
        );
        insta::assert_snapshot!(create(all, &cx()));
    }

    #[test]
    fn an_update_writes_what_differs() {
        let json = r#"{"Id":"001ak00000OKNPHAA5","Name":"K-LINK","NumberOfEmployees":40.0,"Industry":"Technology","Phone":"1"}"#;
        let cases = [
            (r#"{"name":"K-LINK","number_of_employees":40,"industry":"Technology"}"#, ""),
            (
                r#"{"number_of_employees":41,"industry":null,"description":"  "}"#,
                "Account.Industry = null\nAccount.NumberOfEmployees = 41\n",
            ),
            (r#"{"number_of_employees":null}"#, "Account.NumberOfEmployees = null\n"),
            (
                r#"{"phone_numbers":[{"phone_number":"2","phone_number_type":"Work"}]}"#,
                "Account.Phone = \"2\"\n",
            ),
        ];
        for (given, lines) in cases {
            assert_eq!(
                update(read::<Account>(Source::Account, json), account(given), &cx()),
                lines,
                "{given}"
            );
        }
    }

    #[test]
    fn addresses_need_a_type() {
        let lines = "/addresses/0/address_type refused: there is place for BILLING and SHIPPING\n";
        for address in [r#"{"city":"a"}"#, r#"{"city":"a","address_type":"MAILING"}"#] {
            assert_eq!(create(account(&format!("{{\"addresses\":[{address}]}}")), &cx()), lines, "{address}");
        }
    }

    #[test]
    fn the_name_of_a_person_is_its_contacts() {
        let person: Account =
            read(Source::Account, r#"{"Id":"001ak00000OKNPHAA5","Name":"Gil","IsPersonAccount":true}"#);
        let lines = "Account.Name = \"Zoë\"\n/name refused: this account is a person: write the names of the contact in PersonContactId\n";
        assert_eq!(update(person.clone(), account(r#"{"name":"Zoë"}"#), &cx()), lines);
        assert_eq!(update(person, account(r#"{"name":"Gil"}"#), &cx()), "");
    }

    #[test]
    fn whole_numbers_in_any_notation() {
        for (number, employees) in
            [("5", 5), ("5.0", 5), ("5E2", 500), ("1.2e1", 12), ("\"7\"", 7), ("-0", 0)]
        {
            let json = format!("{{\"Id\":\"001ak00000OKNPHAA5\",\"NumberOfEmployees\":{number}}}");
            let read: Account = read(Source::Account, &json);
            assert_eq!(read.number_of_employees, Some(employees), "{number}");
        }
        for number in ["5.5", "true", "\"many\"", "1e40", "{}"] {
            let json = format!("{{\"Id\":\"001ak00000OKNPHAA5\",\"NumberOfEmployees\":{number}}}");
            assert_eq!(refused(Source::Account, &json).0, Some("NumberOfEmployees"), "{number}");
        }
        let lines =
            "/number_of_employees refused: NumberOfEmployees holds whole numbers of at most 8 digits\n";
        assert_eq!(create(account(r#"{"number_of_employees":100000000}"#), &cx()), lines);
        assert_eq!(
            create(account(r#"{"number_of_employees":-99999999}"#), &cx()),
            "Account.NumberOfEmployees = -99999999\n"
        );
    }

    #[test]
    fn what_the_describe_does_not_allow_is_said() {
        let name = r#"{"name":"Zoë"}"#;
        let limited = |facts: FieldFacts| with_field(cx(), "Account", "Name", facts);
        let usual = || writable("Account", "Name");
        let short = limited(FieldFacts { length: 2, ..usual() });
        assert_eq!(create(account(name), &short), "/name refused: Account.Name holds 2 characters, not 3\n");
        let fits = limited(FieldFacts { length: 3, ..usual() });
        assert_eq!(create(account(name), &fits), "Account.Name = \"Zoë\"\n");
        let read_only = limited(FieldFacts { createable: false, updateable: false, ..usual() });
        assert_eq!(
            create(account(name), &read_only),
            "/name read_only: this user can read Account.Name and not write it\n"
        );
        let once = limited(FieldFacts { updateable: false, ..usual() });
        assert_eq!(create(account(name), &once), "Account.Name = \"Zoë\"\n");
        let before: Account = read(Source::Account, r#"{"Id":"001ak00000OKNPHAA5"}"#);
        let lines = "/name refused: Account.Name can be set only when the record is made: make a new record instead\n";
        assert_eq!(update(before, account(name), &once), lines);
        let hidden = with_field(cx(), "Account", "Fax", writable("Account", "Fax"));
        let lines = "/name refused: Account.Name is not visible to this user: grant access to the field, or leave it out\n";
        assert_eq!(create(account(name), &hidden), lines);
    }
}
