//! Merge: the losers go to the recycle bin under their master's name, their children move to the master.

use super::{Change, Context, remove};
use crate::error::SalesforceError;
use crate::org::{Record, storage};
use crate::schema::{FieldType, ObjectSchema};

/// Merges up to two records into a master.
pub(crate) fn merge(
    context: &Context<'_>,
    object: &ObjectSchema,
    master: &str,
    losers: &[String],
) -> Result<(), SalesforceError> {
    if !object.mergeable {
        return Err(SalesforceError::new(
            400,
            "INVALID_TYPE_FOR_OPERATION",
            "entity type does not support merge",
        ));
    }
    if losers.is_empty() || losers.len() > 2 || losers.iter().any(|loser| loser == master) {
        let message = "merge requires one or two records that differ from the master record";
        return Err(SalesforceError::new(400, "INVALID_ARGUMENT_TYPE", message));
    }
    context.permit(object, Change::Update)?;
    context.permit(object, Change::Delete)?;
    context.live(object, master)?;
    for loser in losers {
        context.live(object, loser)?;
        reparent(context, object, loser, master)?;
        remove::mark_merged(context, object, loser, master)?;
    }
    context.touch(object, master, Record::new())
}

/// Moves everything that refers to one record to another; what moves gets a new SystemModstamp.
pub(super) fn reparent(
    context: &Context<'_>,
    object: &ObjectSchema,
    from: &str,
    to: &str,
) -> Result<(), SalesforceError> {
    for child in context.schema.objects() {
        for field in child
            .fields
            .iter()
            .filter(|field| field.ty == FieldType::Reference && field.refers_to(&object.name))
        {
            // Read-only references such as MasterRecordId tell history and stay; AccountId of activities follows.
            let follows = field.name == "AccountId" || field.createable || field.updateable;
            if !follows || field.name == "MasterRecordId" {
                continue;
            }
            let stamp = if child.field("SystemModstamp").is_some() { ", \"SystemModstamp\"=?3" } else { "" };
            let sql = format!("UPDATE \"{}\" SET \"{1}\"=?1{stamp} WHERE \"{1}\"=?2", child.name, field.name);
            let mut statement = context.conn.prepare_cached(&sql).map_err(storage)?;
            let moved = if stamp.is_empty() {
                statement.execute([to, from])
            } else {
                statement.execute((to, from, context.stamp.as_millisecond()))
            };
            moved.map_err(storage)?;
        }
    }
    Ok(())
}
