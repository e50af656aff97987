//! Lead.

use unicrm_core::{
    FieldRule, Json, Lead, LeadPatch, LeadStatus, NormalForm, ObjectKind, ObjectMapping, ObjectPatch,
    RemoteField,
};

use super::context::{MapContext, OrgFacts};
use super::decode::Mapper;
use super::encode::RemoteRecord;
use super::parts::{AddressPlace, PhonePlace, address_cells, address_place, emails, listed, phones};
use super::remote_fields::{remote_text, remote_value};
use super::wire::{Row, Wrong, wire};
use super::write::{Encoded, Intent, Writer};
use super::write_parts::Fallback;

/// How leads map.
pub(crate) const MAPPING: ObjectMapping = ObjectMapping {
    kind: ObjectKind::Lead,
    remote_objects: &["Lead"],
    fields: &[
        FieldRule::read("id", &["Id"]).note("computed from the remote id"),
        FieldRule::read("remote_id", &["Id"]),
        FieldRule::both("owner", &["OwnerId"])
            .normal(&[NormalForm::Defaulted])
            .note("a queue is no user: it stays in the remote fields"),
        FieldRule::both("lead_source", &["LeadSource"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("title", &["Title"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("company", &["Company"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("first_name", &["FirstName"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("last_name", &["LastName"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both(
            "addresses",
            &["Street", "City", "State", "PostalCode", "Country", "StateCode", "CountryCode"],
        )
        .normal(&[NormalForm::Places, NormalForm::LineBreaks, NormalForm::Trimmed])
        .note("one, read without a type; any type is written"),
        FieldRule::both("email_addresses", &["Email"])
            .normal(&[NormalForm::Places, NormalForm::Trimmed])
            .note("one, read as Work; any type is written"),
        FieldRule::both("phone_numbers", &["Phone", "MobilePhone", "Fax"])
            .normal(&[NormalForm::Places, NormalForm::Trimmed])
            .note("Work, Mobile and Fax, one of each"),
        FieldRule::read("remote_updated_at", &["SystemModstamp"]).normal(&[NormalForm::Second]),
        FieldRule::read("remote_created_at", &["CreatedDate"]).normal(&[NormalForm::Second]),
        FieldRule::read("converted_date", &["ConvertedDate"]).normal(&[NormalForm::Day]),
        FieldRule::read("converted_contact", &["ConvertedContactId"]),
        FieldRule::read("converted_account", &["ConvertedAccountId"]),
        FieldRule::both("status", &["Status", "IsConverted"])
            .normal(&[NormalForm::Places, NormalForm::Defaulted])
            .note(
                "QUALIFIED when converted, else by the label, which stays in the remote fields; a write takes a label, or \
                 a status that stands for one label only",
            ),
        FieldRule::read("lead_url", &["Id"]).normal(&[NormalForm::Derived]),
        FieldRule::read("remote_was_deleted", &["IsDeleted"]),
        FieldRule::both("remote_fields", &[])
            .normal(&[NormalForm::Places])
            .note("all other fields that this user sees; a write changes those that it lists"),
    ],
};

static ADDRESSES: [AddressPlace; 1] = [address_place!("", "")];

const FALLBACKS: &[Fallback] = &[("*", 0)];

static PHONES: [PhonePlace; 3] = [
    PhonePlace { ty: "Work", field: "Phone" },
    PhonePlace { ty: "Mobile", field: "MobilePhone" },
    PhonePlace { ty: "Fax", field: "Fax" },
];

wire! {
    /// A row of Lead.
    struct LeadRow {
        id: "Id",
        is_deleted: "IsDeleted",
        master_record_id: "MasterRecordId" + keep,
        last_name: "LastName",
        first_name: "FirstName",
        title: "Title",
        company: "Company",
        street: "Street",
        city: "City",
        state: "State",
        postal_code: "PostalCode",
        country: "Country",
        state_code: "StateCode" + keep,
        country_code: "CountryCode",
        phone: "Phone",
        mobile_phone: "MobilePhone",
        fax: "Fax",
        email: "Email",
        lead_source: "LeadSource",
        status: "Status" + keep,
        owner_id: "OwnerId",
        is_converted: "IsConverted" + keep,
        converted_date: "ConvertedDate",
        converted_account_id: "ConvertedAccountId",
        converted_contact_id: "ConvertedContactId",
        created_date: "CreatedDate",
        system_modstamp: "SystemModstamp",
    }
}

pub(super) fn from_remote(
    row: &LeadRow<'_>,
    mut rest: Vec<RemoteField>,
    map: &mut Mapper<'_>,
) -> Result<Lead, Wrong> {
    let id = row.id.required_id()?;
    map.merged_into(row.master_record_id)?;
    let mut lead = Lead::default();
    lead.id = Some(map.id(&id));
    lead.lead_url = Some(map.url(&id));
    lead.remote_id = Some(id.into());
    lead.owner = map.owner(row.owner_id, &mut rest)?;
    lead.lead_source = row.lead_source.string()?;
    lead.title = row.title.string()?;
    lead.company = row.company.string()?;
    lead.first_name = row.first_name.string()?;
    lead.last_name = row.last_name.string()?;
    let [place] = &ADDRESSES;
    let cells = address_cells!(row, street, city, state, postal_code, country, state_code, country_code);
    lead.addresses = listed([cells.read(place, map, &mut rest)?]);
    lead.email_addresses = emails(row.email)?;
    lead.phone_numbers = phones(&PHONES, [row.phone, row.mobile_phone, row.fax])?;
    lead.remote_updated_at = map.stamp(row.system_modstamp)?;
    lead.remote_created_at = row.created_date.datetime()?;
    lead.converted_date = row.converted_date.day()?;
    lead.converted_contact = row.converted_contact_id.id()?.map(|id| map.reference(id));
    lead.converted_account = map.account(row.converted_account_id)?;
    let converted = row.is_converted.boolean()?;
    lead.status = match row.status.text()? {
        _ if converted == Some(true) => Some(LeadStatus::Qualified),
        label => label.map(|label| status_of(&label, &map.cx.org)),
    };
    lead.remote_was_deleted = row.is_deleted.boolean()?;
    lead.remote_fields = rest;
    Ok(lead)
}

/// The unified status of a label.
fn status_of(label: &str, org: &OrgFacts) -> LeadStatus {
    if org.lead_statuses.iter().any(|status| status.is_converted && status.api_name == label) {
        return LeadStatus::Qualified;
    }
    match &org.lead_labels {
        Some(table) => {
            let known = table.iter().find(|(known, _)| known.eq_ignore_ascii_case(label));
            known.map_or(LeadStatus::Open, |(_, status)| status.clone())
        }
        None if label.eq_ignore_ascii_case("Unqualified") => LeadStatus::Unqualified,
        None if label.eq_ignore_ascii_case("Closed - Not Converted") => LeadStatus::Closed,
        None => LeadStatus::Open,
    }
}

pub(crate) fn to_remote(patch: &LeadPatch, intent: Intent<'_, Lead>, cx: &MapContext) -> Encoded {
    let before = intent.before();
    let mut w = Writer::new("Lead", cx, intent);
    w.text("first_name", "FirstName", &patch.first_name, before.map(|l| l.first_name.as_deref()));
    w.text("last_name", "LastName", &patch.last_name, before.map(|l| l.last_name.as_deref()));
    w.text("company", "Company", &patch.company, before.map(|l| l.company.as_deref()));
    w.text("title", "Title", &patch.title, before.map(|l| l.title.as_deref()));
    w.text("lead_source", "LeadSource", &patch.lead_source, before.map(|l| l.lead_source.as_deref()));
    w.reference("owner", "OwnerId", &patch.owner, before.map(|l| l.owner.as_ref()), &["005"]);
    w.addresses(&ADDRESSES, FALLBACKS, &patch.addresses, before.map(|l| &*l.addresses));
    w.emails("Email", &patch.email_addresses, before.map(|l| &*l.email_addresses));
    w.phones(&PHONES, &patch.phone_numbers, before.map(|l| &*l.phone_numbers));
    status(&mut w, patch, before);
    w.remote_fields(LeadRow::FIELDS, &patch.remote_fields, before.map(|l| &*l.remote_fields));
    w.read_only(&MAPPING, patch);
    w.out
}

/// Writes the label that a status stands for.
fn status(w: &mut Writer<'_>, patch: &LeadPatch, before: Option<&Lead>) {
    let Some(asked) = w.asked(&patch.status) else { return };
    let Some(asked) = asked.map(LeadStatus::normalized) else {
        return w.refuse("/status", "a lead always has a status: name one, or leave the field out");
    };
    let org = &w.cx.org;
    let named = patch.remote_fields.value().and_then(|fields| remote_text(fields, "Status"));
    if named.is_some_and(|label| w.is_seed() || status_of(&label, org) == asked)
        || before.is_some_and(|before| before.status.as_ref() == Some(&asked))
    {
        return;
    }
    let exact = org.lead_statuses.iter().find(|status| status.api_name.eq_ignore_ascii_case(asked.as_str()));
    if let Some(label) = exact {
        let label = label.api_name.clone();
        return w.put_text("/status", "Status", Some(&label));
    }
    if asked == LeadStatus::Qualified && !w.is_seed() {
        return w.refuse("/status", "a lead becomes QUALIFIED by conversion: convert it");
    }
    let fitting: Vec<_> =
        org.lead_statuses.iter().filter(|status| status_of(&status.api_name, org) == asked).collect();
    let default = fitting.iter().find(|status| status.is_default).copied();
    let chosen = match (default, fitting.as_slice()) {
        (Some(default), _) => Some(default),
        (None, [only]) => Some(*only),
        (None, [first, ..]) if w.is_seed() => Some(*first),
        _ => None,
    };
    if let Some(chosen) = chosen.map(|status| status.api_name.clone()) {
        w.warn("/status", "label_chosen", format!("{asked} is written as the status {chosen:?}"));
        return w.put_text("/status", "Status", Some(&chosen));
    }
    if w.is_seed() {
        let label = match asked {
            LeadStatus::Open => "Open - Not Contacted",
            LeadStatus::Closed => "Closed - Not Converted",
            LeadStatus::Unqualified => "Unqualified",
            LeadStatus::Qualified => "Closed - Converted",
            LeadStatus::Other(_) => return,
        };
        return w.put_text("/status", "Status", Some(label));
    }
    let choices = if fitting.is_empty() { org.lead_statuses.iter().collect() } else { fitting };
    let choices: Vec<_> = choices.iter().map(|status| status.api_name.as_str()).collect();
    let message =
        format!("{asked} does not stand for one label of this org: name one of {}", choices.join(", "));
    w.refuse("/status", message);
}

/// The remote record that a lead stands for.
pub(crate) fn encode(lead: &Lead, cx: &MapContext) -> RemoteRecord {
    let patch = LeadPatch::from_object(lead.clone());
    let mut remote = RemoteRecord::new(to_remote(&patch, Intent::Seed, cx));
    remote.id(lead.remote_id.as_ref());
    remote.set_flag("IsDeleted", lead.remote_was_deleted);
    if remote_value(&lead.remote_fields, "IsConverted").is_none() && lead.status.is_some() {
        remote.set("IsConverted", Json::of(&(lead.status == Some(LeadStatus::Qualified))));
    }
    remote.set_day("ConvertedDate", lead.converted_date);
    remote.set_reference("ConvertedContactId", lead.converted_contact.as_ref());
    remote.set_reference("ConvertedAccountId", lead.converted_account.as_ref());
    remote.set_instant("CreatedDate", lead.remote_created_at);
    remote.set_instant("SystemModstamp", lead.remote_updated_at);
    remote
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Extras;
    use crate::objects::tests::{create, cx, decode, patch, read, refused, update, update_blindly};
    use crate::read::source::Source;

    fn lead(json: &str) -> LeadPatch {
        patch(json)
    }

    fn with_status(label: &str) -> Lead {
        read(
            Source::Lead,
            &format!("{{\"Id\":\"00Q6g00000D3CNyEAN\",\"Status\":\"{label}\",\"IsConverted\":false}}"),
        )
    }

    #[test]
    fn a_lead_as_clients_of_the_unified_api_send_it_is_written() {
        let seed = lead(
            r#"{
                "owner": {"remote_id": "0056g000004AiJXAA0"}, "lead_source": "API Blogger", "title": "Co-Founder",
                "company": "K-LINK", "first_name": "Gil", "last_name": "Feig",
                "addresses": [{"street_1": "50 Bowling Green Dr", "street_2": "Golden Gate Park", "city": "San Francisco",
                    "state": "CA", "postal_code": "94122", "country": "US", "address_type": "Shipping"}],
                "email_addresses": [{"email_address": "hello@klink.example", "email_address_type": "Work"}],
                "phone_numbers": [{"phone_number": "1", "phone_number_type": "Mobile"},
                    {"phone_number": "2", "phone_number_type": "Work"}, {"phone_number": "3", "phone_number_type": "Fax"}],
                "remote_updated_at": "2022-02-10T00:00:00Z", "remote_created_at": "2021-11-10T00:00:00Z",
                "converted_date": "2022-03-10T00:00:00Z", "converted_contact": {"remote_id": "0036g00000BdtE7AAJ"},
                "converted_account": {"remote_id": "0016g00000CYNqKAAX"}, "remote_was_deleted": true, "lead_url": "x"
            }"#,
        );
        insta::assert_snapshot!(create(seed, &cx()));
    }

    #[test]
    fn a_lead_has_one_address() {
        let two = lead(r#"{"addresses":[{"city":"a"},{"city":"b","address_type":"BILLING"}]}"#);
        let lines =
            "Lead.City = \"a\"\n/addresses/1 refused: all places that could hold this address are taken\n";
        assert_eq!(create(two, &cx()), lines);
    }

    #[test]
    fn the_status_follows_from_conversion_and_label() {
        let configured = {
            let mut cx = cx();
            cx.org.lead_labels = Some(vec![("working - contacted".to_owned(), LeadStatus::Closed)]);
            cx
        };
        let read = |json: &str, cx: &MapContext| {
            let json = format!("{{\"Id\":\"00Q6g00000D3CNyEAN\",{json}}}");
            let record = decode(Source::Lead, &json, Extras::default(), cx).expect("a lead").record;
            record.get("status").map(|status| status.to_string())
        };
        let cases = [
            (r#""Status":"Open - Not Contacted","IsConverted":true"#, &cx(), Some("QUALIFIED")),
            (r#""Status":"Closed - Converted""#, &cx(), Some("QUALIFIED")),
            (r#""Status":"Working - Contacted","IsConverted":false"#, &cx(), Some("OPEN")),
            (r#""Status":"unqualified""#, &cx(), Some("UNQUALIFIED")),
            (r#""Status":"Closed - Not Converted""#, &cx(), Some("CLOSED")),
            (r#""Status":"Something else""#, &cx(), Some("OPEN")),
            (r#""Status":"Working - Contacted""#, &configured, Some("CLOSED")),
            (r#""Status":"Unqualified""#, &configured, Some("OPEN")),
            (r#""IsConverted":true"#, &cx(), Some("QUALIFIED")),
            (r#""IsConverted":false"#, &cx(), None),
        ];
        for (json, cx, status) in cases {
            assert_eq!(read(json, cx).as_deref(), status, "{json}");
        }
        assert_eq!(
            refused(Source::Lead, r#"{"Id":"00Q6g00000D3CNyEAN","ConvertedDate":"soon"}"#).0,
            Some("ConvertedDate")
        );
    }

    #[test]
    fn a_written_status_is_a_label() {
        let opened = "Lead.Status = \"Open - Not Contacted\"\n/status label_chosen: OPEN is written as the status \"Open - Not Contacted\"\n";
        let cases = [
            (r#"{"status":"unqualified"}"#, "Working - Contacted", "Lead.Status = \"Unqualified\"\n"),
            (r#"{"status":"UNQUALIFIED"}"#, "Unqualified", ""),
            (r#"{"status":"OPEN"}"#, "Working - Contacted", ""),
            (r#"{"status":"OPEN"}"#, "Unqualified", opened),
            (r#"{"status":"working - contacted"}"#, "Unqualified", "Lead.Status = \"Working - Contacted\"\n"),
            (
                r#"{"status":"QUALIFIED"}"#,
                "Unqualified",
                "/status refused: a lead becomes QUALIFIED by conversion: convert it\n",
            ),
            (
                r#"{"status":null}"#,
                "Unqualified",
                "/status refused: a lead always has a status: name one, or leave the field out\n",
            ),
            (
                r#"{"status":"Lukewarm"}"#,
                "Unqualified",
                "/status refused: Lukewarm does not stand for one label of this org: name one of Open - Not Contacted, \
                 Working - Contacted, Closed - Converted, Closed - Not Converted, Unqualified\n",
            ),
            (
                r#"{"status":"OPEN","remote_fields":[{"remote_field_class":"Lead.Status","value":"Working - Contacted"}]}"#,
                "Unqualified",
                "Lead.Status = \"Working - Contacted\"\n",
            ),
        ];
        for (json, before, lines) in cases {
            assert_eq!(update(with_status(before), lead(json), &cx()), lines, "{json}");
        }
        assert_eq!(
            create(lead(r#"{"status":"CLOSED"}"#), &cx()).lines().next(),
            Some("Lead.Status = \"Closed - Not Converted\"")
        );
        let mut several = cx();
        several.org.lead_statuses.retain(|status| !status.is_default);
        several.org.lead_statuses.push(crate::objects::LeadStatusRow {
            api_name: "Nurturing".to_owned(),
            is_converted: false,
            is_default: false,
            sort_order: 9,
        });
        let lines = "/status refused: OPEN does not stand for one label of this org: name one of Working - Contacted, Nurturing\n";
        assert_eq!(create(lead(r#"{"status":"OPEN"}"#), &several), lines);
        let label = lead(r#"{"remote_fields":[{"remote_field_class":"Lead.Status","value":"Unqualified"}]}"#);
        assert_eq!(update_blindly("00Q6g00000D3CNyEAN", label, &cx()), "Lead.Status = \"Unqualified\"\n");
    }

    #[test]
    fn a_seeded_lead_has_a_label_of_the_org_and_no_more_than_is_known() {
        let mut cx = cx();
        cx.org.lead_statuses = ["Nurturing", "Warming up"]
            .map(|label| crate::objects::LeadStatusRow {
                api_name: label.to_owned(),
                is_converted: false,
                is_default: false,
                sort_order: 1,
            })
            .into();
        let open = encode(&with_status("Anything else"), &cx);
        assert_eq!(open.get("Status").and_then(Json::to_text).as_deref(), Some("Anything else"));
        let mut lead = Lead::default();
        lead.status = Some(LeadStatus::Open);
        assert_eq!(encode(&lead, &cx).get("Status").and_then(Json::to_text).as_deref(), Some("Nurturing"));
        assert_eq!(encode(&lead, &cx).get("IsConverted").map(Json::as_str), Some("false"));
        lead.status = None;
        assert!(encode(&lead, &cx).get("IsConverted").is_none());
    }
}
