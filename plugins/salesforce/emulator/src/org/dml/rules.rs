//! Rules that an org's administrators have made, and records that others are working on.

use jiff::Timestamp;
use serde::Deserialize;

use super::Context;
use crate::error::SalesforceError;
use crate::org::Record;
use crate::query::{self, UserContext};
use crate::schema::{FieldType, ObjectSchema, Schema, Visibility};

/// A validation rule: a record that fulfils its condition cannot be saved.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ValidationRule {
    /// The object.
    pub object: String,
    /// When the record is wrong, in the words of a SOQL condition: `Amount > 1000 AND NextStep = null`.
    pub condition: String,
    /// What the user is told.
    pub message: String,
    /// The field that the message stands at; the top of the page without one.
    #[serde(default)]
    pub field: Option<String>,
}

impl ValidationRule {
    /// A rule whose message stands at the top of the page.
    pub fn new(object: impl Into<String>, condition: impl Into<String>, message: impl Into<String>) -> Self {
        Self { object: object.into(), condition: condition.into(), message: message.into(), field: None }
    }

    /// Puts the message at a field.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Refuses a rule whose object or condition does not exist.
    pub(crate) fn check(&self, schema: &Schema, now: Timestamp) -> Result<(), SalesforceError> {
        let (everything, user) = (Visibility::administrator(), UserContext::default());
        query::prepare(schema, &everything, &self.soql("000000000000000AAA"), true, now, &user).map(drop)
    }

    fn soql(&self, id: &str) -> String {
        format!("SELECT Id FROM {} WHERE Id = '{id}' AND ({})", self.object, self.condition)
    }
}

/// Refuses a record that has been written and breaks a rule; the caller takes the write back.
pub(super) fn validate(
    context: &Context<'_>,
    object: &ObjectSchema,
    id: &str,
) -> Result<(), SalesforceError> {
    for rule in context.org.validation_rules(&object.name) {
        let user = UserContext { user_id: context.user().to_owned() };
        let everything = Visibility::administrator();
        let soql = rule.soql(id);
        let prepared = query::prepare(&context.schema, &everything, &soql, true, context.stamp, &user)?;
        if prepared.count(context.conn)? == 0 {
            continue;
        }
        let error = SalesforceError::new(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", &rule.message);
        return Err(error.with_fields(rule.field.iter()));
    }
    Ok(())
}

/// Refuses a change while somebody else holds the record.
pub(super) fn check_lock(context: &Context<'_>, id: &str) -> Result<(), SalesforceError> {
    if !context.org.take_lock(id) {
        return Ok(());
    }
    let message = format!("unable to obtain exclusive access to this record or 1 records: {id}");
    Err(SalesforceError::new(400, "UNABLE_TO_LOCK_ROW", message))
}

/// The same for the records that are referred to anew: a change of a child locks its parent.
pub(super) fn check_parents(
    context: &Context<'_>,
    object: &ObjectSchema,
    changes: &Record,
) -> Result<(), SalesforceError> {
    let references = object.fields.iter().filter(|field| field.ty == FieldType::Reference);
    references.filter_map(|field| changes.text(&field.name)).try_for_each(|id| check_lock(context, id))
}
