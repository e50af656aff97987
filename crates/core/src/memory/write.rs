//! Writes to records in memory.

use jiff::Timestamp;

use super::{INFO, org::Org};
use crate::{
    Account, Contact, ConvertLead, Error, ErrorKind, ExternalKey, GoneReason, LinkedAccountId,
    MappingDirection, ObjectKind, Opportunity, Outcome, OutcomeStatus, Record, RecordPatch, Ref, RemoteId,
    Result, Warning, WriteOperation,
};

pub(super) fn write(org: &mut Org, linked_account: LinkedAccountId, operation: WriteOperation) -> Outcome {
    let written = match operation {
        WriteOperation::Create { record } => Ok(create(org, &record)),
        WriteOperation::Update { remote_id, record } => update(org, &remote_id, &record),
        WriteOperation::Upsert { key, record } => match find_by_key(org, record.kind(), &key) {
            Some(remote_id) => update(org, &remote_id, &record),
            None => Ok(create(org, &record)),
        },
        WriteOperation::Delete { kind, remote_id } => match org.get(kind, &remote_id) {
            None => Err(no_such_record(kind, &remote_id)),
            // A record that is gone already is as asked.
            Some(stored) => {
                if stored.gone.is_none() {
                    org.remove(kind, &remote_id, GoneReason::Deleted);
                }
                Ok(Outcome::new(OutcomeStatus::Deleted).with_remote_id(remote_id))
            }
        },
        WriteOperation::Convert(convert) => self::convert(org, linked_account, convert),
    };
    written.unwrap_or_else(Outcome::failed)
}

fn create(org: &mut Org, patch: &RecordPatch) -> Outcome {
    let mut record = Record::empty(patch.kind());
    let warnings = apply(patch, &mut record);
    let remote_id = org.put(record);
    Outcome::new(OutcomeStatus::Created).with_remote_id(remote_id).with_warnings(warnings)
}

fn update(org: &mut Org, remote_id: &RemoteId, patch: &RecordPatch) -> Result<Outcome> {
    let kind = patch.kind();
    let before = live(org, kind, remote_id)?.clone();
    let mut after = before.clone();
    let warnings = apply(patch, &mut after);
    let status = if after == before {
        OutcomeStatus::Unchanged
    } else {
        org.put(after);
        OutcomeStatus::Updated
    };
    Ok(Outcome::new(status).with_remote_id(remote_id.clone()).with_warnings(warnings))
}

/// Applies a patch without its read-only fields, and names those.
fn apply(patch: &RecordPatch, record: &mut Record) -> Vec<Warning> {
    let before = record.clone();
    patch.apply_to(record);
    let mapping = INFO.mapping(patch.kind());
    let mut warnings = Vec::new();
    for name in patch.named() {
        let read_only = mapping
            .and_then(|mapping| mapping.field(name))
            .is_none_or(|field| field.direction == MappingDirection::Read);
        if read_only {
            let restored = record.set(name, before.get(name));
            debug_assert!(restored.is_ok(), "{name} does not take its own value");
            warnings.push(Warning::new(
                format!("/{name}"),
                "read_only",
                "the remote keeps this field itself",
            ));
        }
    }
    warnings
}

fn convert(org: &mut Org, linked_account: LinkedAccountId, convert: ConvertLead) -> Result<Outcome> {
    let Record::Lead(lead) = live(org, ObjectKind::Lead, &convert.remote_id)?.clone() else {
        return Err(no_such_record(ObjectKind::Lead, &convert.remote_id));
    };
    if lead.converted_date.is_some() {
        return Err(Error::new(ErrorKind::Conflict, "the lead is converted already"));
    }
    let owner = convert.owner.or(lead.owner.clone());
    let account = convert.account.unwrap_or_else(|| {
        let account = Account { name: lead.company.clone(), owner: owner.clone(), ..Account::default() };
        Ref::remote(linked_account, org.put(account.into()))
    });
    let contact = convert.contact.unwrap_or_else(|| {
        let contact = Contact {
            first_name: lead.first_name.clone(),
            last_name: lead.last_name.clone(),
            account: Some(account.clone()),
            owner: owner.clone(),
            email_addresses: lead.email_addresses.clone(),
            phone_numbers: lead.phone_numbers.clone(),
            addresses: lead.addresses.clone(),
            ..Contact::default()
        };
        Ref::remote(linked_account, org.put(contact.into()))
    });
    let opportunity = convert.opportunity_name.map(|name| {
        let opportunity =
            Opportunity { name: Some(name), account: Some(account.clone()), owner, ..Opportunity::default() };
        Ref::remote(linked_account, org.put(opportunity.into()))
    });
    let mut lead = lead;
    lead.converted_date = Some(Timestamp::now());
    lead.converted_contact = Some(contact.clone());
    lead.converted_account = Some(account.clone());
    org.put(lead.into());
    let status = OutcomeStatus::Converted { contact, account, opportunity };
    Ok(Outcome::new(status).with_remote_id(convert.remote_id))
}

fn find_by_key(org: &Org, kind: ObjectKind, key: &ExternalKey) -> Option<RemoteId> {
    let mut live = org.after(kind, None).filter(|(_, stored)| stored.gone.is_none());
    let found = live.find(|(_, stored)| {
        let keys = stored.record.remote_fields().iter().filter(|field| field.key() == Some(&key.field));
        keys.into_iter().any(|field| field.value.to_text().as_deref() == Some(&key.value))
    });
    found.map(|(id, _)| id.clone())
}

fn live<'a>(org: &'a Org, kind: ObjectKind, remote_id: &RemoteId) -> Result<&'a Record> {
    match org.get(kind, remote_id) {
        Some(stored) if stored.gone.is_none() => Ok(&stored.record),
        _ => Err(no_such_record(kind, remote_id)),
    }
}

fn no_such_record(kind: ObjectKind, remote_id: &RemoteId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {kind} {remote_id}"))
}
