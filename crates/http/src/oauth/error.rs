//! Why there is no token.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value};
use unicrm_core::{Error, ErrorKind, Retry};

use crate::failure::{TransportError, TransportErrorKind};
use crate::retry::Replay;

/// Why an authorization server gave no token.
///
/// It converts to [`unicrm_core::Error`] by the standard codes. A plugin that knows more (a remote's own codes)
/// matches on [`OAuthError::Refused`] first.
///
/// ```
/// use unicrm_core::{Error, ErrorKind};
/// use unicrm_http::oauth::OAuthError;
///
/// let refused = OAuthError::Refused { code: "invalid_grant".into(), description: None, status: 400 };
/// let error = Error::from(refused);
/// assert_eq!((error.kind(), error.remote_code()), (ErrorKind::Unauthenticated, Some("invalid_grant")));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// The server's own answer (RFC 6749, 5.2).
    #[error("the authorization server answered {code}{}", description.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    Refused {
        /// `error`, such as `invalid_grant`.
        code: String,
        /// `error_description`: bounded, and without the secrets that were sent.
        description: Option<String>,
        /// The HTTP status.
        status: u16,
    },
    /// Not an OAuth answer: a maintenance page, a proxy, a server in trouble.
    #[error("the authorization server answered {status} with {what}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// What came instead, such as "an HTML page".
        what: &'static str,
        /// How long it said to wait.
        after: Option<Duration>,
    },
    /// A successful status, but not a token.
    #[error("the authorization server sent {0} instead of a token")]
    Unreadable(&'static str),
    /// The server could not be asked.
    #[error("the authorization server could not be reached")]
    Transport(#[source] TransportError),
    /// The answer of the browser does not belong to the request that was made.
    #[error("the answer from the browser does not belong to this request (its state is another one)")]
    StateMismatch,
    /// The answer of the browser holds neither a code nor an error.
    #[error("the answer from the browser holds no code")]
    MissingCode,
    /// What was kept of an attempt to sign in is not what was given to be kept.
    #[error("what was kept of this attempt to sign in cannot be read")]
    NotSaved,
    /// Nobody entered the code of the device flow in time.
    #[error("the code was not entered in time")]
    DeviceExpired,
    /// The private key cannot be used.
    #[error("the private key cannot be used: {0}")]
    InvalidKey(&'static str),
    /// A URL or an id cannot be put into a request.
    #[error("the token request could not be built: a URL or the client id is malformed")]
    InvalidUrl,
    /// Something failed on this machine.
    #[error(transparent)]
    Local(#[from] Error),
}

impl OAuthError {
    /// The error for an answer with an error status.
    pub(super) fn of_answer(status: StatusCode, after: Option<Duration>, body: &[u8]) -> Self {
        let refusal = match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Self::refusal(&members, status.as_u16()),
            _ => None,
        };
        refusal.unwrap_or(Self::Unavailable { status: status.as_u16(), what: what_it_is(body), after })
    }

    /// The `error` and `error_description` of an answer.
    pub(super) fn refusal(members: &Map<String, Value>, status: u16) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let bounded =
            |text: &str, limit: usize| text.chars().filter(|c| !c.is_control()).take(limit).collect();
        Some(Self::Refused {
            code: bounded(text("error")?, 100),
            description: text("error_description").map(|text| bounded(text, 500)),
            status,
        })
    }

    pub(super) fn unreadable(body: &[u8]) -> Self {
        Self::Unreadable(what_it_is(body))
    }

    /// The server's code, if it gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        if let Self::Refused { code, .. } = self { Some(code) } else { None }
    }

    /// Whether asking again later can help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { code, status, .. } => {
                *status >= 500
                    || *status == 429
                    || matches!(code.as_str(), "server_error" | "temporarily_unavailable" | "slow_down")
            }
            // 406 is what an overloaded edge says of requests that it takes at other times.
            Self::Unavailable { status, .. } => *status >= 500 || matches!(status, 406 | 408 | 420 | 429),
            Self::Unreadable(_) => true,
            Self::Transport(error) => matches!(
                error.kind(),
                TransportErrorKind::Connect
                    | TransportErrorKind::Lost
                    | TransportErrorKind::Timeout
                    | TransportErrorKind::IncompleteBody
            ),
            _ => false,
        }
    }
}

fn what_it_is(body: &[u8]) -> &'static str {
    let text = body.trim_ascii_start();
    if text.is_empty() {
        "an empty body"
    } else if text.starts_with(b"<") {
        "an HTML page"
    } else {
        "something else than a JSON object"
    }
}

impl From<OAuthError> for Error {
    fn from(error: OAuthError) -> Self {
        let message = error.to_string();
        let transient = error.is_transient();
        match error {
            OAuthError::Refused { code, status, .. } => {
                let (kind, advice) = match code.as_str() {
                    _ if status == 429 || code == "slow_down" || code == "rate_limit_exceeded" => {
                        (ErrorKind::RateLimited, "Wait a little.")
                    }
                    _ if transient => (ErrorKind::Unavailable, "Try again later."),
                    "unsupported_grant_type"
                    | "invalid_scope"
                    | "invalid_request"
                    | "unsupported_response_type" => (
                        ErrorKind::InvalidConfig,
                        "Check the login settings and the app's allowed flows and scopes.",
                    ),
                    "unauthorized_client" | "invalid_client" | "invalid_client_id" => (
                        ErrorKind::Unauthenticated,
                        "Check the client id and secret, and that the app allows this flow.",
                    ),
                    _ => (ErrorKind::Unauthenticated, "Check the login URL, then link the account again."),
                };
                Self::new(kind, message).with_remote_code(code).with_advice(advice)
            }
            OAuthError::Unavailable { status, after, .. } => {
                let kind = match status {
                    429 => ErrorKind::RateLimited,
                    _ if transient => ErrorKind::Unavailable,
                    404 | 405 | 410 => ErrorKind::InvalidConfig,
                    _ => ErrorKind::Unauthenticated,
                };
                let error = Self::new(kind, message).with_advice("Check the login URL.");
                if transient { error.with_retry(Retry::BackOff(after)) } else { error }
            }
            OAuthError::Unreadable(_) => Self::new(ErrorKind::Unavailable, message)
                .with_advice("Check the login URL; a login or maintenance page may be in the way."),
            OAuthError::Transport(error) => error.into_error(Replay::Safe),
            // The right answer may still come.
            OAuthError::StateMismatch | OAuthError::MissingCode => {
                Self::new(ErrorKind::InvalidRequest, message).with_advice("Start the login again.")
            }
            OAuthError::DeviceExpired => {
                Self::new(ErrorKind::Unauthenticated, message).with_advice("Start the login again.")
            }
            OAuthError::NotSaved => {
                Self::new(ErrorKind::InvalidConfig, message).with_advice("Start the login again.")
            }
            OAuthError::InvalidKey(_) | OAuthError::InvalidUrl => {
                Self::new(ErrorKind::InvalidConfig, message)
            }
            OAuthError::Local(error) => error,
        }
    }
}
