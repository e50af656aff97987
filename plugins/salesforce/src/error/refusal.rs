//! Salesforce's refusals: every shape of error body, read into one form.

use std::fmt;
use std::time::Duration;

use http::header;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use unicrm_core::ErrorKind;
use unicrm_http::{Effect, retry_after};

use super::{Again, Code, Fault, What};

/// More of a message than this says nothing new.
const MAX_MESSAGE: usize = 1_000;
/// More fields or records than this are not listed.
pub(crate) const MAX_LIST: usize = 100;

/// One refusal of Salesforce. When an answer holds several, this is the first that is not a mere consequence of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Salesforce's code.
    pub(crate) code: Code,
    /// Salesforce's message, bounded and on one line, without the text of the query.
    pub(crate) message: String,
    /// The fields that it names, as Salesforce spells them.
    pub(crate) fields: Vec<String>,
    /// The records that stand against it: duplicates, or several matches of an external id.
    pub(crate) candidates: Vec<String>,
    /// How long the answer said to wait.
    pub(crate) after: Option<Duration>,
    /// As whom we asked, for the advice.
    pub(crate) user: Option<String>,
}

impl Refusal {
    /// A status alone.
    pub(crate) fn without_body(status: u16) -> Self {
        Self {
            status,
            code: Code::Unspecified,
            message: format!("status {status}"),
            fields: Vec::new(),
            candidates: Vec::new(),
            after: None,
            user: None,
        }
    }

    /// A code with its message, both bounded.
    pub(crate) fn worded(status: u16, code: &str, message: &str) -> Self {
        Self {
            code: Code::from(bounded(code, 100).as_str()),
            message: readable(message),
            ..Self::without_body(status)
        }
    }

    /// Reads one error object. The code is `errorCode`, `statusCode`, `exceptionCode` or `error`, whichever is there.
    pub(crate) fn of_object(status: u16, object: &Map<String, Value>) -> Option<Self> {
        let text =
            |names: [&str; 4]| names.into_iter().find_map(|name| object.get(name).and_then(Value::as_str));
        let code = text(["errorCode", "statusCode", "exceptionCode", "error"])?;
        let message =
            text(["message", "exceptionMessage", "error_description", "errorMessage"]).unwrap_or_default();
        let fields = object.get("fields").and_then(Value::as_array).into_iter().flatten();
        let fields = fields.filter_map(Value::as_str).take(MAX_LIST).map(str::to_owned).collect();
        // Salesforce itself misspelt the member for some years.
        let duplicates = ["duplicateResult", "duplicateResut"].into_iter().find_map(|name| object.get(name));
        Some(Self {
            fields,
            candidates: duplicates.map(matched_records).unwrap_or_default(),
            ..Self::worded(status, code, message)
        })
    }

    /// The field in "No such column 'X' on entity 'Y'", which another select list can leave out.
    pub(crate) fn missing_column(&self) -> Option<&str> {
        let (_, rest) = self.message.split_once("No such column '")?;
        rest.split_once('\'').map(|(column, _)| column)
    }

    /// Whether a new session may help. Salesforce says so with 401, Bulk 1.0 with 400, the identity service with 403.
    pub(crate) fn is_about_session(&self) -> bool {
        self.status == 401
            || matches!(
                self.code,
                Code::InvalidSession
                    | Code::InvalidSessionOfBulk
                    | Code::InvalidAuthHeader
                    | Code::BadOAuthToken
                    | Code::MissingOAuthToken
            )
    }

    /// The quota of a day. The same code stands for too many requests at once, which is over in a moment.
    pub(crate) fn is_daily_limit(&self) -> bool {
        self.code == Code::RequestLimitExceeded && !self.message.contains("Concurrent")
    }

    /// Too many requests, or too many long ones, at once.
    pub(crate) fn is_concurrent_limit(&self) -> bool {
        self.code == Code::RequestLimitExceeded && self.message.contains("Concurrent")
    }

    pub(super) fn again(&self, attempt: u32) -> Option<Again> {
        let again = |reason, effect, attempts| Some(Again { reason, after: self.after, effect, attempts });
        let again = match &self.code {
            Code::RequestLimitExceeded if self.is_concurrent_limit() => {
                again("too many requests at once", Effect::None, 6)
            }
            Code::RequestLimitExceeded => None,
            Code::UnableToLockRow => again("row locked", Effect::None, 6),
            Code::TransactionSecurity => again("transaction security", Effect::None, 3),
            Code::UnknownException => again("UNKNOWN_EXCEPTION", Effect::Unknown, 3),
            Code::ServerUnavailable => again("SERVER_UNAVAILABLE", Effect::Unknown, u32::MAX),
            _ if self.status == 429 => again("429", Effect::None, u32::MAX),
            // QUERY_TIMEOUT and its like come with 400; a 5xx is the server's trouble whatever the code.
            _ if self.status >= 500 => again("server error", Effect::Unknown, u32::MAX),
            _ => None,
        };
        again.filter(|again| attempt < again.attempts)
    }

    /// What kind of error this is to a host.
    pub(crate) fn kind(&self) -> ErrorKind {
        if self.is_about_session() {
            return ErrorKind::Unauthenticated;
        }
        match self.code.as_str() {
            "REQUEST_LIMIT_EXCEEDED" if self.is_concurrent_limit() => ErrorKind::RateLimited,
            "REQUEST_LIMIT_EXCEEDED" | "EXCEEDED_QUOTA" | "EXCEEDEDQUOTA" | "LIMIT_EXCEEDED" => {
                ErrorKind::QuotaExhausted
            }
            "SERVER_UNAVAILABLE"
            | "UNKNOWN_EXCEPTION"
            | "TXN_SECURITY_METERING_ERROR"
            | "QUERY_TIMEOUT"
            | "INVALID_QUERY_LOCATOR" => ErrorKind::Unavailable,
            "API_DISABLED_FOR_ORG"
            | "API_CURRENTLY_DISABLED"
            | "INVALID_OPERATION_WITH_EXPIRED_PASSWORD"
            | "INSUFFICIENT_ACCESS"
            | "INSUFFICIENT_ACCESS_OR_READONLY"
            | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
            | "FUNCTIONALITY_NOT_ENABLED"
            | "FORBIDDEN" => ErrorKind::PermissionDenied,
            "UNSUPPORTED_API_VERSION" => ErrorKind::InvalidConfig,
            "NOT_FOUND" | "ENTITY_IS_DELETED" => ErrorKind::NotFound,
            "UNABLE_TO_LOCK_ROW"
            | "DUPLICATES_DETECTED"
            | "DUPLICATE_VALUE"
            | "DUPLICATE_EXTERNAL_ID"
            | "CANNOT_UPDATE_CONVERTED_LEAD"
            | "ENTITY_IS_LOCKED"
            | "MULTIPLE_MATCHES" => ErrorKind::Conflict,
            _ => match self.status {
                403 => ErrorKind::PermissionDenied,
                404 | 410 => ErrorKind::NotFound,
                409 | 412 => ErrorKind::Conflict,
                429 => ErrorKind::RateLimited,
                500.. => ErrorKind::Unavailable,
                _ => ErrorKind::InvalidRequest,
            },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.message.is_empty() { "Salesforce gives no message" } else { &self.message })
    }
}

impl Fault {
    /// Reads an answer with an error status, whatever it is.
    pub(crate) fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let after = retry_after(headers);
        let status = status.as_u16();
        let body = body.trim_ascii();
        let unexpected = |what| Self::Unexpected { status, what, after };
        if body.is_empty() {
            return unexpected(What::Nothing);
        }
        if let Ok(text @ ("Bad_OAuth_Token" | "Missing_OAuth_Token")) = std::str::from_utf8(body) {
            let refusal =
                Refusal { code: Code::from(text), message: text.to_owned(), ..Refusal::without_body(status) };
            return Self::Refused(Box::new(refusal));
        }
        if is_page(headers, body) {
            return unexpected(What::Page);
        }
        let refusal = serde_json::from_slice(body).ok().and_then(|value| Self::of_value(status, &value));
        refusal
            .map_or(unexpected(What::Other), |refusal| Self::Refused(Box::new(Refusal { after, ..refusal })))
    }

    /// Reads an error body: an array of errors, one error, or the URLs of several matches.
    pub(crate) fn of_value(status: u16, value: &Value) -> Option<Refusal> {
        let errors = match value {
            Value::Object(object) => return Refusal::of_object(status, object),
            Value::Array(errors) => errors,
            _ => return None,
        };
        if status == 300 {
            let candidates =
                errors.iter().filter_map(Value::as_str).take(MAX_LIST).map(str::to_owned).collect();
            return Some(Refusal {
                code: Code::MultipleMatches,
                message: "the external id fits several records".to_owned(),
                candidates,
                ..Refusal::without_body(status)
            });
        }
        let refusals = || {
            errors.iter().filter_map(Value::as_object).filter_map(|object| Refusal::of_object(status, object))
        };
        let consequence = |refusal: &Refusal| {
            matches!(refusal.code.as_str(), "PROCESSING_HALTED" | "ALL_OR_NONE_OPERATION_ROLLED_BACK")
        };
        refusals().find(|refusal| !consequence(refusal)).or_else(|| refusals().next())
    }
}

/// Whether a body is a page: what the content type says counts, and so does the first character.
pub(crate) fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<") || is_html(headers)
}

/// Whether HTML is a page of its own, from its very beginning.
pub(crate) fn is_whole_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    let begins =
        |with: &str| body.get(..with.len()).is_some_and(|text| text.eq_ignore_ascii_case(with.as_bytes()));
    is_html(headers) && (begins("<!doctype") || begins("<html"))
}

fn is_html(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.unwrap_or_default().to_ascii_lowercase().starts_with("text/html")
}

/// The ids of the records that a duplicate rule found.
fn matched_records(result: &Value) -> Vec<String> {
    let list =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let records = list(result, "matchResults").into_iter().flat_map(|found| list(&found, "matchRecords"));
    let id = |found: Value| found.pointer("/record/Id").and_then(Value::as_str).map(str::to_owned);
    records.filter_map(id).take(MAX_LIST).collect()
}

/// A message on one line. Of a query's message only the part after the marked place is kept: the query itself may hold
/// personal data.
fn readable(message: &str) -> String {
    let from = message.find("ERROR at Row:").unwrap_or(0);
    bounded(message.get(from..).unwrap_or(message), MAX_MESSAGE)
}

/// The beginning of a text on one line.
pub(crate) fn bounded(text: &str, limit: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(limit).collect();
    line.trim().to_owned()
}
