//! The error that a REST resource answers: status, code, message and fields, rendered as Salesforce does.

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
}

impl SalesforceError {
    /// An error without fields.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), fields: Vec::new() }
    }

    /// Names the fields concerned.
    #[must_use]
    pub fn with_fields<I: IntoIterator<Item = S>, S: Into<String>>(mut self, fields: I) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }
}

impl std::fmt::Display for SalesforceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for SalesforceError {}
