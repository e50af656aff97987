//! From the faults that strike a request to what is done with it.

use std::time::Duration;

use serde_json::json;

use super::Fault;
use crate::error::SalesforceError;
use crate::http::Server;
use crate::http::bulk::Fate;
use crate::http::bulk_v1;
use crate::http::message::{ApiRequest, ApiResponse};

/// Longest stall or delay.
const MAX_WAIT: Duration = Duration::from_secs(120);

/// What to do with a request that faults have struck.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Answer this instead of carrying the request out.
    pub(crate) reply: Option<ApiResponse>,
    /// Spoil the answer on its way.
    pub(crate) tamper: Option<Tamper>,
    /// Bytes of a query page at most.
    pub(crate) page_bytes: Option<usize>,
    /// A value of a query page that is another: its field, its record, and the text in its place.
    pub(crate) garbled: Option<(String, Option<String>, String)>,
    /// Rows that a page of bulk results lacks.
    pub(crate) lost_rows: u64,
    /// A page of bulk results does not say where the next one is.
    pub(crate) no_locator: bool,
    /// A list of pages of bulk results lacks its last one.
    pub(crate) lost_page: bool,
    /// What becomes of the bulk job that is created.
    pub(crate) job: Option<Fate>,
    /// Rows of a collection that fail, and with what.
    pub(crate) rows: Vec<(usize, SalesforceError)>,
    /// Wait before answering.
    pub(crate) delay: Option<Duration>,
    /// Names of the faults, for the log.
    pub(crate) names: Vec<String>,
}

/// How an answer is spoilt on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tamper {
    Cut {
        chunked: bool,
    },
    Stall(Duration),
    FalseGzip,
    DoubleGzip,
    /// Close the connection instead.
    Close,
    /// Reset the connection instead.
    Reset,
}

impl Plan {
    /// The plan for these faults. Their lasting effects (an expired session, a hidden field, a moved org) take place here.
    pub(crate) fn make(server: &Server, request: &ApiRequest, faults: Vec<Fault>) -> Self {
        let mut plan = Self::default();
        for fault in faults {
            plan.names.push(name(&fault));
            plan.add(server, request, fault);
        }
        plan.speak_as(request);
        plan
    }

    fn add(&mut self, server: &Server, request: &ApiRequest, fault: Fault) {
        let wait = |milliseconds: u64| Duration::from_millis(milliseconds).min(MAX_WAIT);
        match fault {
            Fault::SessionExpired => {
                if let Some(token) = request.token() {
                    server.tokens.end_session(token);
                }
                self.reply_error(&SalesforceError::invalid_session());
            }
            Fault::InstanceMoved { redirect } => server.move_instance(redirect),
            Fault::FieldDisappears { object, field } => server.org.hide_field(&object, &field),
            Fault::ObjectDisappears { object } => server.org.hide_object(&object),
            Fault::InvalidQueryLocator => {
                server.forget_locator(request);
                self.reply_error(&SalesforceError::new(
                    400,
                    "INVALID_QUERY_LOCATOR",
                    "invalid query locator",
                ));
            }
            Fault::ShortPage { bytes } => self.page_bytes = Some(bytes),
            Fault::GarbledValue { field, record, text } => self.garbled = Some((field, record, text)),
            Fault::ResultRowsLost { rows } => self.lost_rows = rows,
            Fault::LocatorHeaderMissing => self.no_locator = true,
            Fault::ResultPageLost => self.lost_page = true,
            Fault::RowsFail { rows, code, message } => {
                let error = SalesforceError::new(400, code, message);
                self.rows.extend(rows.into_iter().map(|row| (row, error.clone())));
            }
            Fault::JobFailed { message } => self.job = Some(Fate::Failed(message)),
            Fault::JobAborted => self.job = Some(Fate::Aborted),
            Fault::JobEndless => self.job = Some(Fate::Endless),
            Fault::Delay { milliseconds } => self.delay = Some(wait(milliseconds)),
            Fault::BodyStalled { milliseconds } => self.tamper = Some(Tamper::Stall(wait(milliseconds))),
            Fault::BodyCut { chunked } => self.tamper = Some(Tamper::Cut { chunked }),
            Fault::GzipMislabelled => self.tamper = Some(Tamper::FalseGzip),
            Fault::GzipTwice => self.tamper = Some(Tamper::DoubleGzip),
            Fault::AnswerLost => self.tamper = Some(Tamper::Close),
            Fault::ConnectionClosed => self.end_connection(Tamper::Close),
            Fault::ConnectionReset => self.end_connection(Tamper::Reset),
            other => self.reply(static_answer(other)),
        }
    }

    /// The older Bulk API has errors of its own form.
    fn speak_as(&mut self, request: &ApiRequest) {
        if request.segments.get(1).is_none_or(|segment| segment != "async") {
            return;
        }
        let Some(reply) = &self.reply else { return };
        let body = reply.body_json();
        let text = |name: &str| body.get(0).and_then(|error| error.get(name)).and_then(|text| text.as_str());
        if let (Some(code), Some(message)) = (text("errorCode"), text("message")) {
            self.reply = Some(bulk_v1::refuse(request, &SalesforceError::new(reply.status, code, message)));
        }
    }

    fn end_connection(&mut self, how: Tamper) {
        self.tamper = Some(how);
        self.reply(ApiResponse::empty(500));
    }

    fn reply_error(&mut self, error: &SalesforceError) {
        self.reply(ApiResponse::error(error));
    }

    fn reply(&mut self, response: ApiResponse) {
        // The first fault wins.
        self.reply.get_or_insert(response);
    }

    /// Whether a part of a composite request may meet this plan: it has no connection of its own.
    pub(crate) fn fits_subrequest(fault: &Fault) -> bool {
        !matches!(
            fault,
            Fault::BodyStalled { .. }
                | Fault::BodyCut { .. }
                | Fault::GzipMislabelled
                | Fault::GzipTwice
                | Fault::AnswerLost
                | Fault::ConnectionClosed
                | Fault::ConnectionReset
                | Fault::Delay { .. }
                | Fault::InstanceMoved { .. }
        )
    }
}

fn name(fault: &Fault) -> String {
    let value = serde_json::to_value(fault).unwrap_or_default();
    value.get("kind").and_then(|kind| kind.as_str()).unwrap_or("fault").to_owned()
}

/// Faults whose answer depends on nothing.
fn static_answer(fault: Fault) -> ApiResponse {
    let error =
        |status, code: &str, message: &str| ApiResponse::error(&SalesforceError::new(status, code, message));
    let limit = |message| error(403, "REQUEST_LIMIT_EXCEEDED", message);
    match fault {
        Fault::GrantRefused { error, description } => {
            ApiResponse::json(400, &json!({ "error": error, "error_description": description }))
        }
        Fault::RefreshRefused => ApiResponse::json(
            400,
            &json!({ "error": "invalid_grant", "error_description": "expired access/refresh token" }),
        ),
        Fault::ApiDisabledForOrg => {
            error(403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.")
        }
        Fault::ApiCurrentlyDisabled => error(403, "API_CURRENTLY_DISABLED", "API is disabled for this User"),
        Fault::ExpiredPassword => error(
            403,
            "INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
            "The users password has expired, you must call SetPassword before attempting any other API operations",
        ),
        Fault::EdgeEmpty => ApiResponse::empty(420),
        Fault::EdgePage => ApiResponse::html(
            420,
            "<html><body><p>We are setting things up. This process can take a few minutes. \
             This page will auto-refresh when ready.</p></body></html>",
        ),
        Fault::NotAcceptable => ApiResponse::empty(406),
        Fault::TooManyRequests { retry_after } => {
            let answer = ApiResponse::html(429, "Too Many Requests");
            match retry_after {
                Some(seconds) => answer.with_header("retry-after", seconds.to_string()),
                None => answer,
            }
        }
        Fault::ServerUnavailable => {
            error(503, "SERVER_UNAVAILABLE", "The server is too busy. Try again later.")
        }
        Fault::ServerUnavailablePage => ApiResponse::html(503, MAINTENANCE),
        Fault::MaintenancePage => ApiResponse::html(200, MAINTENANCE),
        Fault::LoginPage => ApiResponse::html(200, LOGIN),
        Fault::UnknownException => error(
            500,
            "UNKNOWN_EXCEPTION",
            "An unexpected error occurred. Please include this ErrorId if you contact support: 1187394462-20716 (-1904243014)",
        ),
        Fault::TotalRequests => limit("TotalRequests Limit exceeded."),
        Fault::ConcurrentRequests => limit("ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
        Fault::ConcurrentLongTransactions => limit("ConcurrentPerOrgLongTxn Limit exceeded."),
        Fault::TransactionSecurity => error(
            403,
            "TXN_SECURITY_METERING_ERROR",
            "We can't complete the action because enabled transaction security policies took too long to complete.",
        ),
        Fault::QueryTimeout => error(400, "QUERY_TIMEOUT", "Your query request was running for too long."),
        Fault::OperationTooLarge => error(400, "OPERATION_TOO_LARGE", "exceeded 100000 distinct who/what's"),
        Fault::UriTooLong => uri_too_long(),
        Fault::HeadersTooLarge => headers_too_large(),
        Fault::VersionRetired => {
            error(410, "UNSUPPORTED_API_VERSION", "The requested API version is no longer supported.")
        }
        Fault::UnableToLockRow => {
            error(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records")
        }
        Fault::BulkDailyJobs => {
            error(400, "EXCEEDEDQUOTA", "Max bulk v2 query jobs (10000) per 24 hrs has been reached")
        }
        Fault::BulkDailyVolume => error(
            400,
            "EXCEEDEDQUOTA",
            "Max bulk v2 query result size stored (1000000000) kb per 24 hrs has been exceeded",
        ),
        Fault::Error { status, code, message } => {
            ApiResponse::error(&SalesforceError::new(status, code, message))
        }
        _ => ApiResponse::error(&SalesforceError::invalid_session()),
    }
}

/// The server's answer to a URL over its size.
pub(crate) fn uri_too_long() -> ApiResponse {
    ApiResponse::html(414, "<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>")
}

/// The server's answer to headers over their size.
pub(crate) fn headers_too_large() -> ApiResponse {
    ApiResponse::html(431, "<h1>Bad Message 431</h1><pre>reason: Request Header Fields Too Large</pre>")
}

const MAINTENANCE: &str = "<html><head><title>Maintenance</title></head><body><center><p>We are down for maintenance.</p>\
<p>Sorry for the inconvenience. We'll be back shortly.</p></center></body></html>";

const LOGIN: &str = "<!DOCTYPE html><html lang=\"en\"><head><title>Login | Salesforce</title></head><body>\
<form name=\"login\" method=\"post\" action=\"/\"><input name=\"username\"><input name=\"pw\" type=\"password\">\
<button>Log In</button></form></body></html>";
