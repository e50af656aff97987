//! Conversion of a lead into an account, a contact and, unless told otherwise, an opportunity.

use rusqlite::OptionalExtension as _;

use super::{Context, derive};
use crate::error::SalesforceError;
use crate::org::{Record, Value, storage};

/// How a lead is converted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Conversion {
    /// An existing account to convert into; otherwise one is made of the lead's company.
    pub account_id: Option<String>,
    /// An existing contact to convert into; otherwise one is made of the lead's person.
    pub contact_id: Option<String>,
    /// Name of the opportunity; otherwise the company's.
    pub opportunity_name: Option<String>,
    /// No opportunity.
    pub without_opportunity: bool,
    /// The lead's status afterwards; otherwise the first converted one.
    pub status: Option<String>,
    /// Who owns the new records; otherwise the lead's owner.
    pub owner_id: Option<String>,
}

/// The records that a conversion made or chose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Converted {
    /// Id of the account.
    pub account_id: String,
    /// Id of the contact.
    pub contact_id: String,
    /// Id of the opportunity, if there is one.
    pub opportunity_id: Option<String>,
}

/// Converts a lead.
pub(crate) fn convert_lead(
    context: &Context<'_>,
    id: &str,
    conversion: &Conversion,
) -> Result<Converted, SalesforceError> {
    let leads = context.object("Lead")?;
    let mut lead = context.live(leads, id)?;
    if lead.is_true("IsConverted") {
        return Err(SalesforceError::new(
            400,
            "CANNOT_UPDATE_CONVERTED_LEAD",
            "cannot reference converted lead",
        ));
    }
    let status = converted_status(context, conversion.status.as_deref())?;
    if conversion.contact_id.is_some() && conversion.account_id.is_none() {
        let message = "accountId is required when contactId is given";
        return Err(SalesforceError::new(400, "REQUIRED_FIELD_MISSING", message));
    }
    if let Some(owner) = &conversion.owner_id {
        context.live(context.object("User")?, owner)?;
        lead.set("OwnerId", owner.as_str());
    }
    let account_id = match &conversion.account_id {
        Some(account) => {
            context.live(context.object("Account")?, account)?;
            account.clone()
        }
        None => context.insert_own("Account", copy(&lead, &ACCOUNT))?,
    };
    let contact_id = match &conversion.contact_id {
        Some(contact) => {
            context.live(context.object("Contact")?, contact)?;
            contact.clone()
        }
        None => {
            context.insert_own("Contact", copy(&lead, &CONTACT).with("AccountId", account_id.as_str()))?
        }
    };
    let opportunity_id = if conversion.without_opportunity {
        None
    } else {
        Some(opportunity(context, &lead, conversion, &account_id)?)
    };
    let changes = Record::new()
        .with("IsConverted", true)
        .with("Status", status)
        .with("ConvertedDate", context.stamp.to_zoned(jiff::tz::TimeZone::UTC).date())
        .with("ConvertedAccountId", account_id.as_str())
        .with("ConvertedContactId", contact_id.as_str())
        .with("ConvertedOpportunityId", opportunity_id.clone());
    context.touch(leads, id, changes)?;
    move_activities(context, id, &contact_id, &account_id)?;
    Ok(Converted { account_id, contact_id, opportunity_id })
}

/// The converted status of this name, or the first one.
fn converted_status(context: &Context<'_>, wanted: Option<&str>) -> Result<String, SalesforceError> {
    let sql = "SELECT \"MasterLabel\" FROM \"LeadStatus\" WHERE \"IsConverted\"=1 AND (?1 IS NULL OR \"MasterLabel\"=?1 OR \"ApiName\"=?1) \
               ORDER BY \"SortOrder\" LIMIT 1";
    let found: Option<String> =
        context.conn.query_row(sql, [wanted], |row| row.get(0)).optional().map_err(storage)?;
    found.ok_or_else(|| {
        let message = format!(
            "invalid convertedStatus: {}",
            wanted.unwrap_or("none of the lead statuses means converted")
        );
        SalesforceError::new(400, "INVALID_STATUS", message)
    })
}

const ACCOUNT: [(&str, &str); 13] = [
    ("Company", "Name"),
    ("Street", "BillingStreet"),
    ("City", "BillingCity"),
    ("State", "BillingState"),
    ("PostalCode", "BillingPostalCode"),
    ("Country", "BillingCountry"),
    ("Phone", "Phone"),
    ("Fax", "Fax"),
    ("Website", "Website"),
    ("Industry", "Industry"),
    ("NumberOfEmployees", "NumberOfEmployees"),
    ("AnnualRevenue", "AnnualRevenue"),
    ("OwnerId", "OwnerId"),
];

const CONTACT: [(&str, &str); 15] = [
    ("Salutation", "Salutation"),
    ("FirstName", "FirstName"),
    ("LastName", "LastName"),
    ("Title", "Title"),
    ("Street", "MailingStreet"),
    ("City", "MailingCity"),
    ("State", "MailingState"),
    ("PostalCode", "MailingPostalCode"),
    ("Country", "MailingCountry"),
    ("Phone", "Phone"),
    ("MobilePhone", "MobilePhone"),
    ("Fax", "Fax"),
    ("Email", "Email"),
    ("LeadSource", "LeadSource"),
    ("OwnerId", "OwnerId"),
];

fn copy(lead: &Record, fields: &[(&str, &str)]) -> Record {
    fields
        .iter()
        .filter(|(from, _)| !lead.get(from).is_null())
        .map(|(from, to)| (*to, lead.get(from).clone()))
        .collect()
}

fn opportunity(
    context: &Context<'_>,
    lead: &Record,
    conversion: &Conversion,
    account_id: &str,
) -> Result<String, SalesforceError> {
    let company = lead.text("Company").map(str::to_owned).unwrap_or_else(|| derive::person_name(lead));
    let name = conversion.opportunity_name.clone().unwrap_or(format!("{company}-"));
    let sql = "SELECT \"ApiName\" FROM \"OpportunityStage\" WHERE \"IsActive\"=1 AND \"IsClosed\"=0 ORDER BY \"SortOrder\" LIMIT 1";
    let stage: Option<String> =
        context.conn.query_row(sql, [], |row| row.get(0)).optional().map_err(storage)?;
    let today = context.stamp.to_zoned(jiff::tz::TimeZone::UTC).date();
    // Salesforce sets the end of the quarter.
    let month = (today.month() - 1) / 3 * 3 + 3;
    let close = jiff::civil::Date::new(today.year(), month, 1).map_or(today, |first| first.last_of_month());
    let record = Record::new()
        .with("Name", name)
        .with("AccountId", account_id)
        .with("StageName", Value::from(stage))
        .with("CloseDate", close)
        .with("LeadSource", lead.get("LeadSource").clone())
        .with("OwnerId", lead.get("OwnerId").clone());
    context.insert_own("Opportunity", record)
}

/// The lead's tasks and events go over to the contact.
fn move_activities(
    context: &Context<'_>,
    lead: &str,
    contact: &str,
    account: &str,
) -> Result<(), SalesforceError> {
    let stamp = context.stamp.as_millisecond();
    for object in ["Task", "Event"] {
        let sql = format!(
            "UPDATE \"{object}\" SET \"WhoId\"=?1, \"AccountId\"=COALESCE(\"AccountId\", ?2), \"SystemModstamp\"=?3 WHERE \"WhoId\"=?4"
        );
        context.conn.execute(&sql, (contact, account, stamp, lead)).map_err(storage)?;
    }
    for object in ["TaskRelation", "EventRelation", "TaskWhoRelation", "EventWhoRelation"] {
        if context.schema.object(object).is_some() {
            let sql = format!(
                "UPDATE \"{object}\" SET \"RelationId\"=?1, \"SystemModstamp\"=?2 WHERE \"RelationId\"=?3"
            );
            context.conn.execute(&sql, (contact, stamp, lead)).map_err(storage)?;
        }
    }
    Ok(())
}
