//! Person accounts: an account and the contact behind it are one person, and what is written to one shows on both.

use super::{Context, derive};
use crate::error::SalesforceError;
use crate::org::{Record, row};
use crate::schema::ObjectSchema;

/// Fields of the same name on both records.
const SHARED: [&str; 6] = ["FirstName", "LastName", "Salutation", "Phone", "Fax", "OwnerId"];

/// Makes a new account with a last name a person account, before its fields are checked.
pub(super) fn prepare(object: &ObjectSchema, record: &mut Record) {
    if object.name == "Account"
        && object.field("IsPersonAccount").is_some()
        && !record.get("LastName").is_null()
    {
        record.set("IsPersonAccount", true);
        let name = derive::person_name(record);
        record.set("Name", name);
    }
}

/// Gives a new person account its contact.
pub(super) fn after_insert(
    context: &Context<'_>,
    object: &ObjectSchema,
    account: &Record,
) -> Result<(), SalesforceError> {
    if object.name != "Account" || !account.is_true("IsPersonAccount") {
        return Ok(());
    }
    let id = account.text("Id").unwrap_or_default();
    let contact = mirrored(context, object, account).with("AccountId", id).with("IsPersonAccount", true);
    let contact = context.insert_own("Contact", contact)?;
    row::update(context.conn, object, id, &Record::new().with("PersonContactId", contact))
}

/// Carries changes of one of the two records over to the other.
pub(super) fn after_update(
    context: &Context<'_>,
    object: &ObjectSchema,
    old: &Record,
    changes: &Record,
) -> Result<(), SalesforceError> {
    if !old.is_true("IsPersonAccount") {
        return Ok(());
    }
    let (other, id) = match object.name.as_str() {
        "Account" => ("Contact", old.text("PersonContactId")),
        "Contact" => ("Account", old.text("AccountId")),
        _ => return Ok(()),
    };
    let (Some(other), Some(id)) = (context.schema.object(other), id) else { return Ok(()) };
    let mut carried = mirrored(context, object, changes);
    if ["FirstName", "LastName"].iter().any(|part| carried.has(part)) {
        let mut whole = old.clone();
        whole.apply(changes);
        let name = derive::person_name(&whole);
        carried.set("Name", name.as_str());
        row::update(
            context.conn,
            object,
            old.text("Id").unwrap_or_default(),
            &Record::new().with("Name", name),
        )?;
    }
    if carried.iter().next().is_none() {
        return Ok(());
    }
    context.touch(other, id, carried)
}

/// The fields of one record under the names that the other has for them.
fn mirrored(context: &Context<'_>, from: &ObjectSchema, record: &Record) -> Record {
    let to = if from.name == "Account" { "Contact" } else { "Account" };
    let Some(to) = context.schema.object(to) else { return Record::new() };
    let other_name = |name: &str| {
        if SHARED.contains(&name) {
            return Some(name.to_owned());
        }
        let candidate = if from.name == "Account" {
            match (name.strip_prefix("Person"), name.strip_suffix("__pc")) {
                (Some(rest), _) => rest.to_owned(),
                (_, Some(stem)) => format!("{stem}__c"),
                _ => return None,
            }
        } else {
            match name.strip_suffix("__c") {
                Some(stem) => format!("{stem}__pc"),
                None => format!("Person{name}"),
            }
        };
        to.field(&candidate).filter(|field| field.createable).map(|field| field.name.clone())
    };
    record.iter().filter_map(|(name, value)| Some((other_name(name)?, value.clone()))).collect()
}
