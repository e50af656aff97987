//! Duplicate rules: a save that matches another record is refused, unless the caller allows it and the rule lets it.

use rusqlite::params_from_iter;
use serde_json::{Value as Json, json};

use super::Context;
use crate::error::SalesforceError;
use crate::org::{Record, storage, value};
use crate::schema::ObjectSchema;

/// Most matches that are told.
const MAX_MATCHES: usize = 100;
/// The version since which `duplicateResult` is spelt so; before, it was `duplicateResut`.
const SPELT_SINCE: u16 = 60;

/// Records are duplicates when they agree on all of these fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DuplicateRule {
    /// The object.
    pub object: String,
    /// The fields that are compared.
    pub fields: Vec<String>,
    /// API name of the rule.
    pub name: String,
    /// API name of the matching rule below it.
    pub matching_rule: String,
    /// `ExactMatchEngine` or `FuzzyMatchEngine`, as the answer says.
    pub match_engine: String,
    /// Whether a caller may save all the same (the rule alerts), or not (it blocks).
    pub allow_save: bool,
    /// What the user is told.
    pub message: String,
}

impl DuplicateRule {
    /// A rule for one object that lets callers save all the same.
    pub fn new<S: Into<String>>(object: impl Into<String>, fields: impl IntoIterator<Item = S>) -> Self {
        let object = object.into();
        Self {
            fields: fields.into_iter().map(Into::into).collect(),
            name: format!("{object}_Duplicate_Rule"),
            matching_rule: format!("{object}_Duplicate_Matching_Rule"),
            match_engine: "ExactMatchEngine".to_owned(),
            allow_save: true,
            message: "Use one of these records?".to_owned(),
            object,
        }
    }

    /// Lets nobody save a duplicate.
    #[must_use]
    pub fn blocking(mut self) -> Self {
        self.allow_save = false;
        self
    }

    /// The message and the names that the answer shows, as standard rules have others.
    #[must_use]
    pub fn named(mut self, name: &str, matching_rule: &str, match_engine: &str, message: &str) -> Self {
        name.clone_into(&mut self.name);
        matching_rule.clone_into(&mut self.matching_rule);
        match_engine.clone_into(&mut self.match_engine);
        message.clone_into(&mut self.message);
        self
    }

    /// What the answer tells of the records that were found.
    fn details(&self, version: u16, found: &[String]) -> (&'static str, Json) {
        let records: Vec<Json> = found
            .iter()
            .map(|id| {
                let url = format!("/services/data/v{version}.0/sobjects/{}/{id}", self.object);
                json!({
                    "additionalInformation": [],
                    "fieldDiffs": [],
                    "matchConfidence": 100.0,
                    "record": { "attributes": { "type": self.object, "url": url }, "Id": id },
                })
            })
            .collect();
        let result = json!({
            "allowSave": self.allow_save,
            "duplicateRule": self.name,
            "duplicateRuleEntityType": self.object,
            "errorMessage": self.message,
            "matchResults": [{
                "entityType": self.object,
                "errors": [],
                "matchEngine": self.match_engine,
                "matchRecords": records,
                "rule": self.matching_rule,
                "size": found.len(),
                "success": true,
            }],
        });
        (if version >= SPELT_SINCE { "duplicateResult" } else { "duplicateResut" }, result)
    }
}

/// Refuses a record that a rule finds a match for. Of a record that exists, only changes of the compared fields count.
pub(super) fn check(
    context: &Context<'_>,
    object: &ObjectSchema,
    record: &Record,
    old: Option<&Record>,
) -> Result<(), SalesforceError> {
    for rule in context.org.duplicate_rules(&object.name) {
        let changed = |name: &String| old.is_none_or(|old| record.get(name) != old.get(name));
        if (context.allow_duplicates && rule.allow_save) || !rule.fields.iter().any(changed) {
            continue;
        }
        let fields = rule.fields.iter().filter_map(|name| object.field(name));
        let compared: Vec<_> = fields.map(|field| (field, record.get(&field.name))).collect();
        if compared.is_empty() || compared.iter().any(|(_, value)| value.is_null()) {
            continue;
        }
        let equal: Vec<String> = compared.iter().map(|(field, _)| format!("\"{}\"=?", field.name)).collect();
        let sql = format!(
            "SELECT \"Id\" FROM \"{}\" WHERE {} AND \"IsDeleted\"=0 AND \"Id\" IS NOT ? LIMIT {MAX_MATCHES}",
            object.name,
            equal.join(" AND ")
        );
        let mut values = compared
            .iter()
            .map(|(field, given)| value::encode(field, given))
            .collect::<Result<Vec<_>, _>>()?;
        values.push(old.and_then(|old| old.text("Id")).map(str::to_owned).into());
        let mut statement = context.conn.prepare_cached(&sql).map_err(storage)?;
        let found = statement.query_map(params_from_iter(values), |row| row.get(0)).map_err(storage)?;
        let duplicates: Vec<String> = found.collect::<Result<_, _>>().map_err(storage)?;
        if !duplicates.is_empty() {
            let (name, details) = rule.details(context.version, &duplicates);
            let mut error = SalesforceError::new(400, "DUPLICATES_DETECTED", &rule.message);
            error.duplicates = duplicates;
            return Err(error.with_details(name, details));
        }
    }
    Ok(())
}
