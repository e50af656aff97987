//! The error that a REST resource answers: status, code, message and fields, rendered as Salesforce does.

use serde_json::{Value, json};

/// An error answer of the REST API: `[{"message":..,"errorCode":..,"fields":[..]}]` with its HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalesforceError {
    /// HTTP status of the answer.
    pub status: u16,
    /// Salesforce's `errorCode` (or `statusCode` inside collections), such as `INVALID_FIELD`.
    pub code: String,
    /// The message, word for word as Salesforce gives it.
    pub message: String,
    /// API names of the fields concerned.
    pub fields: Vec<String>,
    /// Ids of the records that a duplicate rule found.
    pub duplicates: Vec<String>,
    /// A further member of the REST body.
    pub(crate) details: Option<Box<(&'static str, Value)>>,
}

impl SalesforceError {
    /// An error without fields.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            fields: Vec::new(),
            duplicates: Vec::new(),
            details: None,
        }
    }

    /// Names the fields concerned.
    #[must_use]
    pub fn with_fields<I: IntoIterator<Item = S>, S: Into<String>>(mut self, fields: I) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a member to the REST body.
    pub(crate) fn with_details(mut self, name: &'static str, details: Value) -> Self {
        self.details = Some(Box::new((name, details)));
        self
    }

    /// A failure that is not the caller's fault.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "UNKNOWN_EXCEPTION", message)
    }

    /// The answer for a path that leads nowhere.
    pub(crate) fn no_such_resource() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    /// The answer for a token that is missing, expired or revoked.
    pub(crate) fn invalid_session() -> Self {
        Self::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
    }

    /// The shape of an element of a REST error body. DML errors carry `fields` even when there are none.
    pub(crate) fn to_rest_json(&self) -> Value {
        let mut body = json!({ "message": self.message, "errorCode": self.code });
        if !self.fields.is_empty() || DML_CODES.contains(&self.code.as_str()) {
            body["fields"] = json!(self.fields);
        }
        if let Some((name, details)) = self.details.as_deref() {
            body[*name] = details.clone();
        }
        body
    }

    /// The shape of an error inside a collection's or composite's item.
    pub(crate) fn to_item_json(&self) -> Value {
        json!({ "statusCode": self.code, "message": self.message, "fields": self.fields })
    }
}

/// Codes of the save machinery, whose errors always carry `fields`.
const DML_CODES: [&str; 18] = [
    "CANNOT_UPDATE_CONVERTED_LEAD",
    "DELETE_FAILED",
    "DUPLICATE_VALUE",
    "ENTITY_IS_DELETED",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    "FIELD_INTEGRITY_EXCEPTION",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
    "INSUFFICIENT_ACCESS_OR_READONLY",
    "INVALID_CROSS_REFERENCE_KEY",
    "INVALID_EMAIL_ADDRESS",
    "INVALID_FIELD_FOR_INSERT_UPDATE",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    "MALFORMED_ID",
    "NUMBER_OUTSIDE_VALID_RANGE",
    "REQUIRED_FIELD_MISSING",
    "STRING_TOO_LONG",
    "UNABLE_TO_LOCK_ROW",
    "UNDELETE_FAILED",
];

impl std::fmt::Display for SalesforceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for SalesforceError {}
