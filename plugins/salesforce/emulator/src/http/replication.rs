//! `/sobjects/X/updated` and `/sobjects/X/deleted`: what changed and what went in a span of time.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::call::Call;
use super::message::{Answer, ApiResponse};
use crate::error::SalesforceError;
use crate::org::storage;
use crate::schema::ObjectSchema;

/// Most ids of one answer.
const MAX_IDS: usize = 600_000;
/// How far back a span may start.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24 * 30);
/// How long deletions are remembered.
const DELETIONS_KEPT: SignedDuration = SignedDuration::from_hours(24 * 15);

pub(crate) fn updated(call: &Call<'_>, name: &str) -> Answer {
    let schema = call.server.org.schema();
    let object = replicable(call, &schema, name)?;
    let span = span(call)?;
    let column = ["SystemModstamp", "LastModifiedDate", "CreatedDate"]
        .into_iter()
        .find(|field| object.field(field).is_some());
    let Some(column) = column else { return Err(not_replicable(object)) };
    let live = if object.field("IsDeleted").is_some() { " AND \"IsDeleted\"=0" } else { "" };
    let sql = format!(
        "SELECT \"Id\" FROM \"{}\" WHERE \"{column}\">=?1 AND \"{column}\"<?2{live} ORDER BY \"{column}\", \"Id\" LIMIT {}",
        object.name,
        MAX_IDS + 1
    );
    let ids: Vec<String> = call.read(|conn| {
        let mut statement = conn.prepare_cached(&sql).map_err(storage)?;
        let rows = statement
            .query_map([span.start.as_millisecond(), span.end.as_millisecond()], |row| row.get(0))
            .map_err(storage)?;
        let mut ids: Vec<String> = rows.collect::<Result<_, _>>().map_err(storage)?;
        ids.retain(|id| shown(call, id));
        Ok(ids)
    })?;
    check_count(ids.len())?;
    Ok(ApiResponse::json(200, &json!({ "ids": ids, "latestDateCovered": wire(span.covered) })))
}

pub(crate) fn deleted(call: &Call<'_>, name: &str) -> Answer {
    let schema = call.server.org.schema();
    let object = replicable(call, &schema, name)?;
    let span = span(call)?;
    let now = call.server.org.clock.now();
    // Before the rows: those of a transaction that ends while they are read may be missing.
    let running = call.server.org.replication().running;
    let remembered = minute(now.saturating_sub(DELETIONS_KEPT).unwrap_or(now));
    let sql = format!(
        "SELECT id, at FROM \"_deleted\" WHERE object=?1 AND at>=?2 AND at<?3 ORDER BY at, id LIMIT {}",
        MAX_IDS + 1
    );
    let records: Vec<Value> = call.read(|conn| {
        let mut statement = conn.prepare_cached(&sql).map_err(storage)?;
        let from = span.start.max(remembered).as_millisecond();
        let rows = statement
            .query_map((&object.name, from, span.end.as_millisecond()), |row| {
                Ok((row.get::<_, String>(0)?, Timestamp::from_millisecond(row.get(1)?).unwrap_or_default()))
            })
            .map_err(storage)?;
        let rows: Vec<_> = rows.collect::<Result<_, _>>().map_err(storage)?;
        let shared = rows.into_iter().filter(|(id, _)| shown(call, id));
        Ok(shared.map(|(id, at)| json!({ "deletedDate": wire(at), "id": id })).collect())
    })?;
    // Behind the rows: the bin may be emptied while they are read. Only whole minutes can be asked for, and in the one in
    // which it was emptied the list is not whole.
    let forgotten = call.server.org.replication().forgotten.map(next_minute);
    if forgotten.is_some_and(|forgotten| span.start < forgotten) {
        return Err(out_of_reach("the recycle bin was emptied after startDate"));
    }
    if let Some(running) = running.filter(|running| *running < span.covered) {
        return Err(out_of_reach(&format!("latestDateCovered is before endDate: {}", wire(minute(running)))));
    }
    let earliest = forgotten.map_or(remembered, |forgotten| forgotten.max(remembered));
    check_count(records.len())?;
    let body = json!({
        "deletedRecords": records,
        "earliestDateAvailable": wire(earliest),
        "latestDateCovered": wire(span.covered),
    });
    Ok(ApiResponse::json(200, &body))
}

/// Whether sharing lets the user know of a record.
fn shown(call: &Call<'_>, id: &str) -> bool {
    call.server.org.visibility().sees_record(id)
}

fn check_count(count: usize) -> Result<(), SalesforceError> {
    if count <= MAX_IDS {
        return Ok(());
    }
    Err(SalesforceError::new(
        400,
        "EXCEEDED_ID_LIMIT",
        "The number of ids exceeds the limit of 600000; narrow the date range",
    ))
}

fn replicable<'s>(
    call: &Call<'_>,
    schema: &'s crate::schema::Schema,
    name: &str,
) -> Result<&'s ObjectSchema, SalesforceError> {
    let object = call.visible_object(schema, name)?;
    call.allow(&["GET", "HEAD"])?;
    if object.replicateable { Ok(object) } else { Err(not_replicable(object)) }
}

fn not_replicable(object: &ObjectSchema) -> SalesforceError {
    SalesforceError::new(
        400,
        "INVALID_TYPE_FOR_OPERATION",
        format!("entity type {} does not support replication", object.name),
    )
}

fn out_of_reach(message: &str) -> SalesforceError {
    SalesforceError::new(400, "INVALID_REPLICATION_DATE", message)
}

struct Span {
    start: Timestamp,
    end: Timestamp,
    covered: Timestamp,
}

/// The span that `start` and `end` name, without their seconds.
fn span(call: &Call<'_>) -> Result<Span, SalesforceError> {
    let time = |name: &str| {
        let text = call.request.param(name).ok_or_else(|| {
            SalesforceError::new(400, "MISSING_ARGUMENT", format!("The {name} parameter is required"))
        })?;
        // An unescaped plus sign of the zone arrives as a space.
        let parsed = text.replace(' ', "+").parse::<Timestamp>();
        parsed.map(minute).map_err(|_| {
            SalesforceError::new(
                400,
                "INVALID_REPLICATION_DATE",
                format!("Invalid date: {text}. Use the form 2026-11-22T10:11:12Z"),
            )
        })
    };
    let refuse = |message: &str| Err(out_of_reach(message));
    let (start, end) = (time("start")?, time("end")?);
    let now = call.server.org.clock.now();
    if end < start.saturating_add(SignedDuration::from_mins(1)).unwrap_or(end) {
        return refuse("endDate must be at least one minute greater than the startDate");
    }
    if start > now {
        return refuse("startDate cannot be in the future");
    }
    if start < now.saturating_sub(MAX_AGE).unwrap_or(start) {
        return refuse("startDate cannot be more than 30 days ago");
    }
    let covered = end.min(minute(now));
    Ok(Span { start, end: covered.max(start), covered })
}

fn minute(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() - at.as_second().rem_euclid(60)).unwrap_or(at)
}

/// The whole minute that begins behind this time.
fn next_minute(at: Timestamp) -> Timestamp {
    minute(at.saturating_add(SignedDuration::from_mins(1)).unwrap_or(at))
}

fn wire(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}
