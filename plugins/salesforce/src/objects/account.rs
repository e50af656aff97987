//! Account.

use unicrm_core::{
    Account, AccountPatch, FieldMapping, NormalForm, ObjectKind, ObjectMapping, ObjectPatch, RemoteField,
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
        FieldMapping::read("id", &["Id"]).note("computed from the remote id"),
        FieldMapping::read("remote_id", &["Id"]),
        FieldMapping::both("owner", &["OwnerId"])
            .normal(&[NormalForm::Defaulted])
            .note("a queue is no user: it stays in the remote fields"),
        FieldMapping::both("name", &["Name"])
            .normal(&[NormalForm::Trimmed])
            .note("the name of a person account is written to its contact"),
        FieldMapping::both("description", &["Description"]).normal(&[NormalForm::Trimmed]),
        FieldMapping::both("industry", &["Industry"]).normal(&[NormalForm::Trimmed]),
        FieldMapping::both("website", &["Website"]).normal(&[NormalForm::Trimmed]),
        FieldMapping::both("number_of_employees", &["NumberOfEmployees"]),
        FieldMapping::both(
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
        FieldMapping::both("phone_numbers", &["Phone", "Fax"])
            .normal(&[NormalForm::Places, NormalForm::Trimmed])
            .note("Work and Fax, one of each"),
        FieldMapping::read("last_activity_at", &["LastActivityDate"]).normal(&[NormalForm::Day]),
        FieldMapping::read("remote_updated_at", &["SystemModstamp"]).normal(&[NormalForm::Second]),
        FieldMapping::read("remote_created_at", &["CreatedDate"]).normal(&[NormalForm::Second]),
        FieldMapping::read("account_url", &["Id"]).normal(&[NormalForm::Derived]),
        FieldMapping::read("remote_was_deleted", &["IsDeleted"]),
        FieldMapping::both("remote_fields", &[])
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
