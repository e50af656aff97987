//! Which fields of each object a table shows.

use unicrm_core::{ObjectKind, Record, Value};

/// One column: its heading, and the field that it shows.
type Column = (&'static str, &'static str);

/// The columns of an object, the most telling first; the remote id is what `get` takes.
pub(crate) const fn of(kind: ObjectKind) -> &'static [Column] {
    match kind {
        ObjectKind::Account => &[
            ("remote id", "remote_id"),
            ("name", "name"),
            ("industry", "industry"),
            ("website", "website"),
            ("phone", "phone_numbers"),
        ],
        ObjectKind::Contact => &[
            ("remote id", "remote_id"),
            ("first name", "first_name"),
            ("last name", "last_name"),
            ("email", "email_addresses"),
            ("phone", "phone_numbers"),
        ],
        ObjectKind::Engagement => &[
            ("remote id", "remote_id"),
            ("start", "start_time"),
            ("direction", "direction"),
            ("subject", "subject"),
        ],
        ObjectKind::EngagementType => {
            &[("remote id", "remote_id"), ("activity", "activity_type"), ("name", "name")]
        }
        ObjectKind::Lead => &[
            ("remote id", "remote_id"),
            ("first name", "first_name"),
            ("last name", "last_name"),
            ("company", "company"),
            ("email", "email_addresses"),
        ],
        ObjectKind::Note => {
            &[("remote id", "remote_id"), ("created", "remote_created_at"), ("content", "content")]
        }
        ObjectKind::Opportunity => &[
            ("remote id", "remote_id"),
            ("name", "name"),
            ("amount", "amount"),
            ("status", "status"),
            ("close", "close_date"),
        ],
        ObjectKind::Stage => &[("remote id", "remote_id"), ("name", "name")],
        ObjectKind::Task => {
            &[("remote id", "remote_id"), ("subject", "subject"), ("status", "status"), ("due", "due_date")]
        }
        ObjectKind::User => {
            &[("remote id", "remote_id"), ("name", "name"), ("email", "email"), ("active", "is_active")]
        }
    }
}

/// What a cell shows of a field: of e-mail addresses and phone numbers the first, of midnights the day.
pub(crate) fn cell(record: &Record, field: &str) -> String {
    let (emails, phones) = match record {
        Record::Account(account) => (&[][..], &account.phone_numbers[..]),
        Record::Contact(contact) => (&contact.email_addresses[..], &contact.phone_numbers[..]),
        Record::Lead(lead) => (&lead.email_addresses[..], &lead.phone_numbers[..]),
        _ => (&[][..], &[][..]),
    };
    let first = match field {
        "email_addresses" => emails.iter().find_map(|email| email.email_address.clone()),
        "phone_numbers" => phones.iter().find_map(|phone| phone.phone_number.clone()),
        _ => match record.get(field) {
            Some(Value::Timestamp(instant)) => {
                let text = format!("{instant:.0}");
                Some(text.strip_suffix("T00:00:00Z").map(str::to_owned).unwrap_or(text))
            }
            value => value.map(|value| value.to_string()),
        },
    };
    first.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_a_field_of_its_object() {
        for kind in ObjectKind::ALL {
            for (_, field) in of(kind) {
                assert!(Record::has_field(kind, field), "{kind} {field}");
            }
        }
    }

    #[test]
    fn lists_show_their_first_and_days_are_days() {
        let json = r#"{"email_addresses": [{"email_address": "a@b"}, {"email_address": "c@d"}],
            "last_activity_at": "2022-02-10T00:00:00Z", "remote_created_at": "2021-11-10T10:00:00.5Z"}"#;
        let contact = Record::from_json(ObjectKind::Contact, json).expect("a contact");
        assert_eq!(cell(&contact, "email_addresses"), "a@b");
        assert_eq!(cell(&contact, "phone_numbers"), "");
        assert_eq!(cell(&contact, "last_activity_at"), "2022-02-10");
        assert_eq!(cell(&contact, "remote_created_at"), "2021-11-10T10:00:00Z");
    }
}
