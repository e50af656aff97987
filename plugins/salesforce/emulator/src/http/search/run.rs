//! Finding records: their texts are read row by row, and what matches is answered as a query would.

use std::sync::atomic::Ordering;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::expression::{Expression, Texts};
use super::sosl::{Group, Returning, Search};
use super::{MAX_RECORDS, malformed};
use crate::error::SalesforceError;
use crate::http::call::Call;
use crate::org::storage;
use crate::query::{self as engine, Found, UserContext};
use crate::schema::{FieldSchema, FieldType, ObjectSchema, Visibility};

/// Most records of one object that match before conditions are looked at.
const MAX_CANDIDATES: usize = 20_000;

/// The elements of the answer, written already.
pub(super) fn run(call: &Call<'_>, search: &Search) -> Result<Vec<u8>, SalesforceError> {
    let expression = Expression::parse(&search.find)?;
    let schema = call.server.org.schema();
    let visibility = call.server.org.visibility();
    let everything: Vec<Returning>;
    let returning = if search.returning.is_empty() {
        let searchable =
            schema.objects().filter(|object| object.searchable && visibility.can_read(&object.name));
        everything = searchable
            .map(|object| Returning { object: object.name.clone(), ..Returning::default() })
            .collect();
        &everything
    } else {
        &search.returning
    };
    let mut left = search.limit.unwrap_or(MAX_RECORDS).min(MAX_RECORDS);
    let mut out = Vec::new();
    for wanted in returning {
        // Compiled without the ids that are found: what is wrong with it is wrong whatever is found.
        prepare(call, &soql(wanted, &[], left))?;
        let object = schema
            .object(&wanted.object)
            .filter(|object| object.searchable)
            .ok_or_else(|| malformed(format!("entity type {} does not support search", wanted.object)))?;
        if left == 0 {
            continue;
        }
        let fields = searched(object, &visibility, search.group);
        let ids = call.read(|conn| candidates(conn, object, &fields, &expression, indexed(call)))?;
        if ids.is_empty() {
            continue;
        }
        let prepared = prepare(call, &soql(wanted, &ids, left))?;
        let version = format!("{}.0", call.version);
        let written = call.read(|conn| {
            let Found::Rows(rows) = prepared.materialise(conn)? else {
                return Err(malformed("only fields can be returned from a search"));
            };
            if rows.len() > 0 && !out.is_empty() {
                out.push(b',');
            }
            prepared.render(conn, (0..rows.len()).filter_map(|at| rows.get(at)), &version, &mut out)
        })?;
        left = left.saturating_sub(written);
    }
    Ok(out)
}

/// Up to when changes are in the index; none for all of them.
fn indexed(call: &Call<'_>) -> Option<i64> {
    let delay = call.server.org.search_delay.load(Ordering::Relaxed);
    let now = call.server.org.clock.now().as_millisecond();
    (delay > 0).then(|| now.saturating_sub_unsigned(delay))
}

fn prepare(call: &Call<'_>, soql: &str) -> Result<engine::Prepared, SalesforceError> {
    let org = &call.server.org;
    let user = UserContext { user_id: call.session.user_id.clone() };
    engine::prepare(&org.schema(), &org.visibility(), soql, false, org.clock.now(), &user)
}

/// The query for what is wanted of the records that were found.
fn soql(wanted: &Returning, ids: &[String], left: usize) -> String {
    let fields = if wanted.fields.is_empty() { "Id" } else { &wanted.fields };
    let mut conditions = Vec::new();
    if !wanted.condition.is_empty() {
        conditions.push(format!("({})", wanted.condition));
    }
    if !ids.is_empty() {
        conditions.push(format!("Id IN ('{}')", ids.join("','")));
    }
    let filter =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    let limit = wanted.limit.unwrap_or(usize::MAX).min(left);
    let offset = if wanted.offset > 0 { format!(" OFFSET {}", wanted.offset) } else { String::new() };
    format!("SELECT {fields} FROM {}{filter} {} LIMIT {limit}{offset}", wanted.object, wanted.order)
}

/// The fields that are searched.
fn searched<'o>(object: &'o ObjectSchema, visibility: &Visibility, group: Group) -> Vec<&'o FieldSchema> {
    let names = |field: &FieldSchema| {
        let of_name = field.compound_field_name.as_deref() == Some("Name") && field.ty != FieldType::Picklist;
        field.name_field || of_name
    };
    let wanted = |field: &FieldSchema| match group {
        Group::All => matches!(
            field.ty,
            FieldType::String
                | FieldType::TextArea
                | FieldType::Email
                | FieldType::Phone
                | FieldType::Url
                | FieldType::ComboBox
        ),
        Group::Name => names(field),
        Group::Email => field.ty == FieldType::Email,
        Group::Phone => field.ty == FieldType::Phone,
        Group::Sidebar => names(field) || matches!(field.ty, FieldType::Email | FieldType::Phone),
    };
    object
        .fields
        .iter()
        .filter(|field| wanted(field) && visibility.can_see(&object.name, &field.name))
        .collect()
}

/// Ids of the records whose texts match, in the order in which they were made.
fn candidates(
    conn: &Connection,
    object: &ObjectSchema,
    fields: &[&FieldSchema],
    expression: &Expression,
    indexed: Option<i64>,
) -> Result<Vec<String>, SalesforceError> {
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    let columns: String = fields.iter().map(|field| format!(",\"{}\"", field.name)).collect();
    let mut conditions = vec!["TRUE".to_owned()];
    if object.field("IsDeleted").is_some() {
        conditions.push("\"IsDeleted\"=0".to_owned());
    }
    if let Some(indexed) = indexed.filter(|_| object.field("SystemModstamp").is_some()) {
        conditions.push(format!("\"SystemModstamp\"<={indexed}"));
    }
    let sql = format!("SELECT \"Id\"{columns} FROM \"{}\" WHERE {}", object.name, conditions.join(" AND "));
    let mut statement = conn.prepare_cached(&sql).map_err(storage)?;
    let mut rows = statement.query([]).map_err(storage)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(storage)? {
        let mut texts = Texts::default();
        for (at, field) in fields.iter().enumerate() {
            if let ValueRef::Text(text) = row.get_ref(at + 1).map_err(storage)? {
                let text = String::from_utf8_lossy(text);
                if field.ty == FieldType::Phone { texts.add_phone(&text) } else { texts.add(&text) }
            }
        }
        if expression.matches(&texts) {
            found.push(row.get(0).map_err(storage)?);
            if found.len() == MAX_CANDIDATES {
                break;
            }
        }
    }
    Ok(found)
}
