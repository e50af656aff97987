//! Duplicate rules: a create that matches a record is refused, unless the caller allows it.

use rusqlite::params_from_iter;

use super::Context;
use crate::error::SalesforceError;
use crate::org::{Record, storage, value};
use crate::schema::ObjectSchema;

/// Most matches that are told.
const MAX_MATCHES: usize = 100;

/// Records are duplicates when they agree on all of these fields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DuplicateRule {
    /// The object.
    pub object: String,
    /// The fields that are compared.
    pub fields: Vec<String>,
}

impl DuplicateRule {
    /// A rule for one object.
    pub fn new<S: Into<String>>(object: impl Into<String>, fields: impl IntoIterator<Item = S>) -> Self {
        Self { object: object.into(), fields: fields.into_iter().map(Into::into).collect() }
    }
}

/// Refuses a new record that a rule finds a match for.
pub(super) fn check(
    context: &Context<'_>,
    object: &ObjectSchema,
    record: &Record,
) -> Result<(), SalesforceError> {
    if context.allow_duplicates {
        return Ok(());
    }
    for rule in context.org.duplicate_rules(&object.name) {
        let fields = rule.fields.iter().filter_map(|name| object.field(name));
        let compared: Vec<_> = fields.map(|field| (field, record.get(&field.name))).collect();
        if compared.is_empty() || compared.iter().any(|(_, value)| value.is_null()) {
            continue;
        }
        let equal: Vec<String> = compared.iter().map(|(field, _)| format!("\"{}\"=?", field.name)).collect();
        let sql = format!(
            "SELECT \"Id\" FROM \"{}\" WHERE {} AND \"IsDeleted\"=0 LIMIT {MAX_MATCHES}",
            object.name,
            equal.join(" AND ")
        );
        let values = compared
            .iter()
            .map(|(field, given)| value::encode(field, given))
            .collect::<Result<Vec<_>, _>>()?;
        let mut statement = context.conn.prepare_cached(&sql).map_err(storage)?;
        let found = statement.query_map(params_from_iter(values), |row| row.get(0)).map_err(storage)?;
        let duplicates: Vec<String> = found.collect::<Result<_, _>>().map_err(storage)?;
        if !duplicates.is_empty() {
            let mut error = SalesforceError::new(400, "DUPLICATES_DETECTED", "Use one of these records?");
            error.duplicates = duplicates;
            return Err(error);
        }
    }
    Ok(())
}
