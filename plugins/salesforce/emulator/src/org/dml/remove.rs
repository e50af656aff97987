//! Delete, undelete and purge. A delete takes the children along; an undelete brings back what that delete took.

use std::collections::HashSet;

use super::{Change, Context, activity, rules};
use crate::error::SalesforceError;
use crate::org::{Record, Value, row, storage};
use crate::schema::ObjectSchema;

/// Levels of children that a delete follows.
const MAX_DEPTH: usize = 8;

/// Puts a record and its children into the recycle bin.
pub(crate) fn delete(context: &Context<'_>, object: &ObjectSchema, id: &str) -> Result<(), SalesforceError> {
    context.permit(object, Change::Delete)?;
    let record = context.live(object, id).map_err(|error| match error.code.as_str() {
        "NOT_FOUND" => SalesforceError::new(404, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
        _ => error,
    })?;
    rules::check_lock(context, id)?;
    let mut seen = HashSet::new();
    recycle(context, object, id, id, MAX_DEPTH, &mut seen)?;
    // A note and its document are one record under two names.
    if let Some(twin) = twin(context, object)
        && row::by_id(context.conn, twin, id)?.is_some()
    {
        recycle(context, twin, id, id, MAX_DEPTH, &mut seen)?;
    }
    activity::hide_person(context, &object.name, id)?;
    if matches!(object.name.as_str(), "Task" | "Event") {
        activity::parents_of(&record)
            .try_for_each(|parent| activity::refresh_last_activity(context, parent))?;
    }
    Ok(())
}

fn twin<'c>(context: &'c Context<'_>, object: &ObjectSchema) -> Option<&'c ObjectSchema> {
    match object.name.as_str() {
        "ContentNote" => context.schema.object("ContentDocument"),
        "ContentDocument" => context.schema.object("ContentNote"),
        _ => None,
    }
}

fn recycle(
    context: &Context<'_>,
    object: &ObjectSchema,
    id: &str,
    root: &str,
    depth: usize,
    seen: &mut HashSet<(String, String)>,
) -> Result<(), SalesforceError> {
    if depth == 0 || !seen.insert((object.name.clone(), id.to_owned())) {
        return Ok(());
    }
    for relationship in object.child_relationships.iter().filter(|relationship| relationship.cascade_delete) {
        let Some(child) = context.schema.object(&relationship.child_object) else { continue };
        for child_id in live_children(context, child, &relationship.field, id)? {
            recycle(context, child, &child_id, root, depth - 1, seen)?;
        }
    }
    note_deletion(context, object, id)?;
    if object.field("IsDeleted").is_none() {
        return row::delete(context.conn, object, id);
    }
    context.touch(object, id, Record::new().with("IsDeleted", true))?;
    let sql = "INSERT INTO \"_recycled\" (root, object, id) VALUES (?1, ?2, ?3)";
    context
        .conn
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([root, &object.name, id]))
        .map_err(storage)?;
    Ok(())
}

fn live_children(
    context: &Context<'_>,
    child: &ObjectSchema,
    field: &str,
    id: &str,
) -> Result<Vec<String>, SalesforceError> {
    let live = if child.field("IsDeleted").is_some() { " AND \"IsDeleted\"=0" } else { "" };
    let sql = format!("SELECT \"Id\" FROM \"{}\" WHERE \"{field}\"=?1{live}", child.name);
    let mut statement = context.conn.prepare_cached(&sql).map_err(storage)?;
    let ids = statement.query_map([id], |row| row.get(0)).map_err(storage)?;
    ids.collect::<Result<_, _>>().map_err(storage)
}

/// Remembers the deletion for `/deleted`, which outlives the row.
pub(super) fn note_deletion(
    context: &Context<'_>,
    object: &ObjectSchema,
    id: &str,
) -> Result<(), SalesforceError> {
    note_deletion_at(context, object, id, context.stamp.as_millisecond())
}

/// The same for a row that was loaded into the recycle bin; it went when it last changed.
pub(crate) fn note_loaded_deletion(
    context: &Context<'_>,
    object: &ObjectSchema,
    record: &Record,
) -> Result<(), SalesforceError> {
    let at = match record.get("SystemModstamp") {
        Value::DateTime(at) => at.as_millisecond(),
        _ => context.stamp.as_millisecond(),
    };
    note_deletion_at(context, object, record.text("Id").unwrap_or_default(), at)
}

fn note_deletion_at(
    context: &Context<'_>,
    object: &ObjectSchema,
    id: &str,
    at: i64,
) -> Result<(), SalesforceError> {
    let sql = "INSERT INTO \"_deleted\" (object, id, at) VALUES (?1, ?2, ?3)";
    context
        .conn
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute((&object.name, id, at)))
        .map_err(storage)?;
    Ok(())
}

/// Takes a record out of the recycle bin, with what its delete took along.
pub(crate) fn undelete(
    context: &Context<'_>,
    object: &ObjectSchema,
    id: &str,
) -> Result<(), SalesforceError> {
    let record = row::by_id(context.conn, object, id)?;
    let in_bin = record
        .as_ref()
        .is_some_and(|record| record.is_true("IsDeleted") && record.get("MasterRecordId").is_null());
    if !object.undeletable || !in_bin {
        return Err(SalesforceError::new(400, "UNDELETE_FAILED", "Entity is not in the recycle bin"));
    }
    for (name, child) in &taken_with(context, object, id)? {
        if let Some(object) = context.schema.object(name) {
            context.touch(object, child, Record::new().with("IsDeleted", false))?;
            let sql = "DELETE FROM \"_deleted\" WHERE object=?1 AND id=?2";
            context.conn.execute(sql, [name, child]).map_err(storage)?;
        }
    }
    // A record that comes back alone does not go for good with what it was deleted with.
    context.conn.execute("DELETE FROM \"_recycled\" WHERE root=?1 OR id=?1", [id]).map_err(storage)?;
    if let Some(record) = record.filter(|_| matches!(object.name.as_str(), "Task" | "Event")) {
        activity::parents_of(&record)
            .try_for_each(|parent| activity::refresh_last_activity(context, parent))?;
    }
    Ok(())
}

/// The record itself and what its delete took along, as object and id.
fn taken_with(
    context: &Context<'_>,
    object: &ObjectSchema,
    id: &str,
) -> Result<Vec<(String, String)>, SalesforceError> {
    let mut statement =
        context.conn.prepare_cached("SELECT object, id FROM \"_recycled\" WHERE root=?1").map_err(storage)?;
    let rows = statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?))).map_err(storage)?;
    let mut taken: Vec<(String, String)> = rows.collect::<Result<_, _>>().map_err(storage)?;
    let own = (object.name.clone(), id.to_owned());
    // Rows that were loaded into the bin have no entry.
    if !taken.contains(&own) {
        taken.push(own);
    }
    Ok(taken)
}

/// Removes a record for good, from the recycle bin or straight away.
pub(crate) fn purge(context: &Context<'_>, object: &ObjectSchema, id: &str) -> Result<(), SalesforceError> {
    let record = row::by_id(context.conn, object, id)?.ok_or_else(|| {
        SalesforceError::new(404, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    })?;
    if !record.is_true("IsDeleted") {
        delete(context, object, id)?;
    }
    for (name, gone) in &taken_with(context, object, id)? {
        if let Some(object) = context.schema.object(name) {
            row::delete(context.conn, object, gone)?;
        }
    }
    context.conn.execute("DELETE FROM \"_recycled\" WHERE root=?1 OR id=?1", [id]).map_err(storage)?;
    Ok(())
}

/// Removes all that is in the recycle bin for good, and what is known of its deletion.
pub(crate) fn empty_bin(context: &Context<'_>) -> Result<(), SalesforceError> {
    for object in context.schema.objects().filter(|object| object.field("IsDeleted").is_some()) {
        let sql = format!("SELECT \"Id\" FROM \"{}\" WHERE \"IsDeleted\"=1", object.name);
        let mut statement = context.conn.prepare(&sql).map_err(storage)?;
        let ids = statement.query_map([], |row| row.get(0)).map_err(storage)?;
        let ids: Vec<String> = ids.collect::<Result<_, _>>().map_err(storage)?;
        ids.iter().try_for_each(|id| row::delete(context.conn, object, id))?;
    }
    context.conn.execute_batch("DELETE FROM \"_recycled\"; DELETE FROM \"_deleted\";").map_err(storage)
}

/// Marks a record that was merged into another.
pub(super) fn mark_merged(
    context: &Context<'_>,
    object: &ObjectSchema,
    id: &str,
    master: &str,
) -> Result<(), SalesforceError> {
    note_deletion(context, object, id)?;
    context.touch(
        object,
        id,
        Record::new().with("IsDeleted", true).with("MasterRecordId", Value::from(master)),
    )
}
