//! What one row of a write asks for, read from its JSON.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use unicrm_core::{Account, Contact, ExternalKey, ObjectKind, RecordPatch, Ref, RemoteId, User};
use uuid::Uuid;

use super::values::Value;
use crate::errors::{Failure, Result};

/// A record, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Unified(Uuid),
    Remote(RemoteId),
}

impl Named {
    /// A unified id looks like a UUID, and no remote id does.
    pub(super) fn of(id: &str) -> Self {
        Uuid::try_parse(id).map_or_else(|_| Self::Remote(RemoteId::from(id)), Self::Unified)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unified(id) => id.fmt(f),
            Self::Remote(id) => id.fmt(f),
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Create(RecordPatch),
    Update(Named, RecordPatch),
    Upsert(ExternalKey, RecordPatch),
    Delete(Named),
    Convert(Box<Conversion>),
}

impl Ask {
    /// The record that goes along.
    pub(super) fn record(&mut self) -> Option<&mut RecordPatch> {
        match self {
            Self::Create(record) | Self::Update(_, record) | Self::Upsert(_, record) => Some(record),
            Self::Delete(_) | Self::Convert(_) => None,
        }
    }

    /// The records that it names by unified id, apart from the references of its record.
    pub(super) fn unified(&self, kind: ObjectKind) -> Vec<(ObjectKind, Uuid)> {
        let of = |kind, named: &Named| match named {
            Named::Unified(id) => Some((kind, *id)),
            Named::Remote(_) => None,
        };
        match self {
            Self::Create(_) | Self::Upsert(..) => Vec::new(),
            Self::Update(named, _) | Self::Delete(named) => of(kind, named).into_iter().collect(),
            Self::Convert(conversion) => {
                let Conversion { lead, into } = &**conversion;
                let account = into.account.as_ref().and_then(Ref::unresolved);
                let contact = into.contact.as_ref().and_then(Ref::unresolved);
                let owner = into.owner.as_ref().and_then(Ref::unresolved);
                [of(ObjectKind::Lead, lead), account, contact, owner].into_iter().flatten().collect()
            }
        }
    }
}

/// The conversion of a lead, as JSON and arguments name it.
#[derive(Clone, Debug)]
pub(super) struct Conversion {
    pub(super) lead: Named,
    pub(super) into: Aims,
}

/// What a lead is converted into; what is none is made new or takes its usual value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Aims {
    pub(super) account: Option<Ref<Account>>,
    pub(super) contact: Option<Ref<Contact>>,
    pub(super) opportunity_name: Option<String>,
    pub(super) owner: Option<Ref<User>>,
    pub(super) converted_status: Option<String>,
}

/// Reads the record of a create.
pub(super) fn create(kind: ObjectKind, value: &Value) -> Result<Ask> {
    record(kind, value.line, &value.text).map(Ask::Create)
}

/// Reads a change: of the record that is named, or of the one that the row itself names.
pub(super) fn update(kind: ObjectKind, named: Option<&Named>, value: &Value) -> Result<Ask> {
    if let Some(named) = named {
        return Ok(Ask::Update(named.clone(), record(kind, value.line, &value.text)?));
    }
    let (members, rest) = take(value, &["id", "remote_id"])?;
    let named = named_by(&members).ok_or_else(|| {
        wrong(value.line, "the record to change is not named")
            .advice("give its \"id\" or \"remote_id\" in the row, or one id before --data")
    })?;
    Ok(Ask::Update(named, record(kind, value.line, &rest)?))
}

/// Reads a record that is found or made by a key: of the value that is given, or that the row has under the key's name.
pub(super) fn upsert(kind: ObjectKind, field: &str, given: Option<&str>, value: &Value) -> Result<Ask> {
    if let Some(given) = given {
        let key = ExternalKey::new(field, given);
        return Ok(Ask::Upsert(key, record(kind, value.line, &value.text)?));
    }
    let (members, rest) = take(value, &[field])?;
    let key = members.first().and_then(|(_, raw)| text_of(raw)).filter(|text| !text.is_empty());
    let key = key.ok_or_else(|| {
        wrong(value.line, &format!("the row has no value for the key {field}"))
            .advice(format!("give it in the row as {{\"{field}\": \"...\", ...}}, or as --key {field}=VALUE"))
    })?;
    Ok(Ask::Upsert(ExternalKey::new(field, key), record(kind, value.line, &rest)?))
}

/// Reads which record to delete: an id, or an object with one.
pub(super) fn delete(value: &Value) -> Result<Ask> {
    named(value).map(Ask::Delete)
}

/// Reads which lead to convert, and into what; the arguments hold where the row says nothing.
pub(super) fn convert(usual: &Aims, value: &Value) -> Result<Ask> {
    if !value.text.starts_with('{') {
        return Ok(Ask::Convert(Box::new(Conversion { lead: named(value)?, into: usual.clone() })));
    }
    let (members, rest) = take(value, &["id", "remote_id"])?;
    let lead = named_by(&members).ok_or_else(|| wrong(value.line, "the lead is not named"))?;
    let own: Aims = unicrm_core::from_json(&rest).map_err(|error| misfit(value.line, &error))?;
    let usual = usual.clone();
    let into = Aims {
        account: own.account.or(usual.account),
        contact: own.contact.or(usual.contact),
        opportunity_name: own.opportunity_name.or(usual.opportunity_name),
        owner: own.owner.or(usual.owner),
        converted_status: own.converted_status.or(usual.converted_status),
    };
    Ok(Ask::Convert(Box::new(Conversion { lead, into })))
}

fn named(value: &Value) -> Result<Named> {
    let found = if value.text.starts_with('{') {
        named_by(&take(value, &["id", "remote_id"])?.0)
    } else {
        serde_json::from_str::<String>(&value.text).ok().map(|id| Named::of(&id))
    };
    found.ok_or_else(|| {
        wrong(value.line, "the record is not named")
            .advice("give an id as a JSON string, or an object with an \"id\" or a \"remote_id\"")
    })
}

/// The remote id wins: it needs no look into the store.
fn named_by(members: &[Member<'_>]) -> Option<Named> {
    let text = |name: &str| {
        let found = members.iter().find(|(key, _)| key == name);
        found.and_then(|(_, raw)| serde_json::from_str::<String>(raw.get()).ok())
    };
    text("remote_id")
        .map(|id| Named::Remote(RemoteId::from(id)))
        .or_else(|| text("id").map(|id| Named::of(&id)))
}

fn record(kind: ObjectKind, line: u64, text: &str) -> Result<RecordPatch> {
    RecordPatch::from_json(kind, text).map_err(|error| misfit(line, &error))
}

/// An error of a row's JSON. Where the row stands counts, not where in it.
fn misfit(line: u64, error: &unicrm_core::Error) -> Failure {
    let within =
        |message: &str| message.rsplit_once(" at line ").map_or(message, |(text, _)| text).to_owned();
    let fields = error.fields().iter().map(|field| {
        let message = within(&field.message);
        if field.pointer.is_empty() { message } else { format!("{}: {message}", field.pointer) }
    });
    let fields: Vec<_> = fields.collect();
    let message = if fields.is_empty() { error.to_string() } else { fields.join("; ") };
    wrong(line, &message)
}

fn wrong(line: u64, message: &str) -> Failure {
    Failure::usage(format!("line {line}: {message}"))
}

type Member<'j> = (Cow<'j, str>, &'j RawValue);

/// Takes members out of an object; everything else stays as it is written, digits and all.
fn take<'v>(value: &'v Value, names: &[&str]) -> Result<(Vec<Member<'v>>, String)> {
    let members: Members<'_> = serde_json::from_str(&value.text).map_err(|error| {
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text);
        wrong(value.line, &format!("this is not a JSON object: {message}"))
    })?;
    let (taken, rest): (Vec<_>, Vec<_>) =
        members.0.into_iter().partition(|(key, _)| names.contains(&key.as_ref()));
    let rest: Vec<String> = rest
        .iter()
        .map(|(key, raw)| Ok(format!("{}:{}", serde_json::to_string(key)?, raw.get())))
        .collect::<Result<_>>()?;
    Ok((taken, format!("{{{}}}", rest.join(","))))
}

/// A text, or a number digit by digit.
fn text_of(raw: &RawValue) -> Option<String> {
    match raw.get().as_bytes().first()? {
        b'"' => serde_json::from_str(raw.get()).ok(),
        b'0'..=b'9' | b'-' => Some(raw.get().to_owned()),
        _ => None,
    }
}

struct Members<'j>(Vec<Member<'j>>);

impl<'de: 'j, 'j> Deserialize<'de> for Members<'j> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<Member<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Collect).map(Self)
    }
}

/// A key, borrowed from the text unless it holds escapes.
#[derive(Deserialize)]
struct Key<'j>(#[serde(borrow)] Cow<'j, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        Value { text: text.to_owned(), line: 7 }
    }

    #[test]
    fn a_change_names_its_record_in_the_row_or_before_it() {
        let text = r#"{"remote_id": "006A", "id": "83eb1ab2-bce7-5ce4-99e8-fcfb7b5368de", "amount": 1234567890123456.70}"#;
        let Ask::Update(named, patch) =
            update(ObjectKind::Opportunity, None, &value(text)).expect("a change")
        else {
            panic!("no change");
        };
        assert_eq!(named, Named::Remote("006A".into()));
        assert_eq!(patch.named(), ["amount"]);
        let json = unicrm_core::Json::of(&patch);
        assert!(json.as_str().contains("1234567890123456.70"), "{}", json.as_str());
        let id = Named::of("83eb1ab2-bce7-5ce4-99e8-fcfb7b5368de");
        assert!(matches!(id, Named::Unified(_)));
        let Ask::Update(named, _) =
            update(ObjectKind::Note, Some(&id), &value(r#"{"content": "x"}"#)).expect("a change")
        else {
            panic!("no change");
        };
        assert_eq!(named, id);
        let nameless = update(ObjectKind::Note, None, &value(r#"{"content": "x"}"#)).expect_err("no name");
        assert!(format!("{nameless:?}").contains("line 7"));
    }

    #[test]
    fn a_key_is_taken_from_the_row() {
        for (text, expected) in
            [(r#"{"Erp__c": "4711", "last_name": "Feig"}"#, "4711"), (r#"{"Erp__c":4711.0}"#, "4711.0")]
        {
            let Ask::Upsert(key, _) =
                upsert(ObjectKind::Contact, "Erp__c", None, &value(text)).expect("a row")
            else {
                panic!("no upsert");
            };
            assert_eq!((key.field.as_str(), key.value.as_str()), ("Erp__c", expected));
        }
        for text in [r#"{"last_name": "Feig"}"#, r#"{"Erp__c": null}"#, r#"{"Erp__c": ""}"#] {
            assert!(upsert(ObjectKind::Contact, "Erp__c", None, &value(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn what_to_delete_is_an_id_in_any_dress() {
        for text in [r#""003A""#, r#"{"remote_id":"003A","last_name":"Feig"}"#, r#"{"id":"003A"}"#] {
            let Ask::Delete(named) = delete(&value(text)).expect("an id") else { panic!("no delete") };
            assert_eq!(named, Named::Remote("003A".into()), "{text}");
        }
        for text in ["5", "{}", "null", r#"{"id": 5}"#] {
            assert!(delete(&value(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_names_line_and_field() {
        let error = create(ObjectKind::Contact, &value("{\"last_name\": \"x\",\n\"frist_name\": \"y\"}"));
        let error = format!("{:?}", error.expect_err("an unknown field"));
        assert!(error.contains("line 7: /frist_name: unknown field"), "{error}");
        assert!(!error.contains("column"), "{error}");
    }

    #[test]
    fn what_a_row_says_of_a_conversion_holds_before_the_arguments() {
        let usual = Aims {
            opportunity_name: Some("Usual".into()),
            converted_status: Some("Done".into()),
            ..Aims::default()
        };
        let text = r#"{"remote_id":"00QA","opportunity_name":"Own","account":{"remote_id":"001A"}}"#;
        let Ask::Convert(conversion) = convert(&usual, &value(text)).expect("a lead") else { panic!("none") };
        assert_eq!(conversion.into.opportunity_name.as_deref(), Some("Own"));
        assert_eq!(conversion.into.converted_status.as_deref(), Some("Done"));
        assert!(conversion.into.account.is_some());
        assert!(convert(&usual, &value(r#"{"remote_id":"00QA","acount":null}"#)).is_err());
    }
}
