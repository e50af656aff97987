//! Everything that can go wrong between the plugin and Salesforce, and what it means to a host.
//!
//! A [`Fault`] is keyed on Salesforce's own [`Code`]; the HTTP status stands beside it. The one conversion to the error of
//! the contract is at the end of this file.

mod advice;
mod code;
mod refusal;

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use unicrm_core::{Error, ErrorKind, Retry};
use unicrm_http::{Effect, Replay, TransportError, TransportErrorKind};

pub(crate) use code::Code;
pub(crate) use refusal::{MAX_LIST, Refusal, bounded, is_page, is_whole_page};

/// How long a used-up daily quota keeps us away: the window rolls, so calls come back hour by hour.
const QUOTA_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Salesforce answered with one of its codes.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The token that was just issued is refused as well: another refresh would not help.
    #[error("the access token that was just issued is refused: {0}")]
    Rejected(Box<Refusal>),
    /// Something else than the API answered: a page, nothing, a status without Salesforce's error body.
    #[error("Salesforce answered {status} with {what}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// What came.
        what: What,
        /// How long the answer said to wait.
        after: Option<Duration>,
    },
    /// The instance answers with a redirect even after the login was asked where it is now.
    #[error("the org's instance redirects elsewhere (status {status})")]
    Moved {
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// A successful answer that is not what was asked for.
    #[error("{what} from Salesforce could not be read: {why}")]
    Unreadable {
        /// What was expected, with an article.
        what: &'static str,
        /// What is wrong with it.
        why: String,
        /// It ends early, so that asking again may help.
        cut: bool,
    },
    /// No answer.
    #[error("{error}")]
    Transport {
        /// What happened on the way.
        error: TransportError,
        /// Whether the request may be sent twice.
        replay: Replay,
    },
    /// How the last attempt of a change ended, when an earlier one may have been carried out.
    #[error("{0}")]
    AfterLost(Box<Fault>),
    /// The query could not be built.
    #[error("the query cannot be sent: {0}")]
    Query(String),
    /// An error of the configuration, the credential store or the token cache.
    #[error("{0}")]
    Core(#[from] Error),
}

/// What came instead of the API's JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A login, maintenance or proxy page.
    Page,
    /// No body.
    Nothing,
    /// A body that is neither JSON nor a page.
    Other,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Page => "an HTML page in place of data",
            Self::Nothing => "an empty body",
            Self::Other => "a body that is not Salesforce's",
        })
    }
}

/// How a failed attempt may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) reason: &'static str,
    pub(crate) after: Option<Duration>,
    pub(crate) effect: Effect,
    /// After this many attempts it is given up.
    pub(crate) attempts: u32,
}

impl Fault {
    /// Salesforce's code, if this is its refusal.
    pub(crate) fn code(&self) -> Option<&Code> {
        self.refusal().map(|refusal| &refusal.code)
    }

    /// Whether Salesforce refused with this code.
    pub(crate) fn is(&self, code: &Code) -> bool {
        self.code() == Some(code)
    }

    /// Salesforce's refusal, if this is one.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) | Self::Rejected(refusal) => Some(refusal),
            Self::AfterLost(last) => last.refusal(),
            _ => None,
        }
    }

    /// Whether the allowance of calls is used up: nothing more can be asked for now.
    pub(crate) fn is_quota(&self) -> bool {
        self.refusal().is_some_and(Refusal::is_daily_limit)
    }

    /// Whether too many requests run at once.
    pub(crate) fn is_crowded(&self) -> bool {
        match self {
            Self::Unexpected { status, .. } => *status == 429,
            _ => self.refusal().is_some_and(|refusal| refusal.is_concurrent_limit() || refusal.status == 429),
        }
    }

    /// Whether another access token may help: the session is over, or the org lives elsewhere now.
    pub(crate) fn wants_new_token(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_about_session(),
            Self::Unexpected { status, .. } => *status == 401,
            Self::Transport { error, .. } => matches!(error.kind(), TransportErrorKind::Redirected { .. }),
            _ => false,
        }
    }

    /// Whether the request may have been carried out all the same.
    pub(crate) fn may_have_acted(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.status >= 500,
            Self::Unexpected { status, .. } => matches!(status, 200..=299 | 408 | 500..),
            Self::Unreadable { .. } | Self::AfterLost(_) => true,
            Self::Transport { error, .. } => error.effect() == Effect::Unknown,
            Self::Rejected(_) | Self::Moved { .. } | Self::Query(_) | Self::Core(_) => false,
        }
    }

    /// Whether Salesforce itself answered, and so has nothing under way any more. A gateway answers while what is behind it
    /// goes on.
    pub(crate) fn is_final(&self) -> bool {
        let own = |status: u16| status < 500 || matches!(status, 500 | 503);
        match self {
            Self::Refused(refusal) | Self::Rejected(refusal) => own(refusal.status),
            Self::Unexpected { status, .. } => matches!(status, 500 | 503),
            _ => false,
        }
    }

    /// Whether the login itself, or the guard against refreshing in circles, said no.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Core(error) if error.kind() == ErrorKind::Unauthenticated)
    }

    /// The same fault, when an earlier attempt may have been carried out.
    pub(crate) fn after_lost(self) -> Self {
        if self.may_have_acted() { self } else { Self::AfterLost(Box::new(self)) }
    }

    /// The same fault after a new token did not help.
    pub(crate) fn despite_new_token(self) -> Self {
        match self {
            Self::Refused(refusal) if refusal.is_about_session() => Self::Rejected(refusal),
            Self::Unexpected { status: 401, .. } => Self::Rejected(Box::new(Refusal::without_body(401))),
            Self::Transport { error, replay } => match error.kind() {
                TransportErrorKind::Redirected { status } => Self::Moved { status },
                _ => Self::Transport { error, replay },
            },
            other => other,
        }
    }

    /// Whether and how the attempt that ended so may be repeated. `attempt` counts from 1.
    pub(crate) fn again(&self, attempt: u32) -> Option<Again> {
        let again = |reason, after, effect| Some(Again { reason, after, effect, attempts: u32::MAX });
        match self {
            Self::Refused(refusal) => refusal.again(attempt),
            // An org that is being woken up takes minutes: waits of 5, 10, 20 ... seconds.
            Self::Unexpected { status: 420, .. } => again("420", Some(waking(attempt)), Effect::None),
            Self::Unexpected { status: 406, what: What::Nothing, .. } => {
                again("406 without a body", None, Effect::None)
            }
            Self::Unexpected { status: 429, after, .. } => again("429", *after, Effect::None),
            Self::Unexpected { status: 200..=299, .. } => {
                again("a page in place of data", None, Effect::Unknown)
            }
            Self::Unexpected { status: 408 | 500.., after, .. } => {
                again("server error", *after, Effect::Unknown)
            }
            Self::Unreadable { cut: true, .. } => again("an answer that ends early", None, Effect::Unknown),
            Self::Transport { error, .. } => match error.kind() {
                TransportErrorKind::Connect => again("no connection", None, Effect::None),
                TransportErrorKind::Lost => again("connection lost", None, Effect::Unknown),
                TransportErrorKind::Timeout => again("timed out", None, Effect::Unknown),
                TransportErrorKind::IncompleteBody => again("incomplete answer", None, Effect::Unknown),
                _ => None,
            },
            _ => None,
        }
    }
}

fn waking(attempt: u32) -> Duration {
    Duration::from_secs(5 << attempt.saturating_sub(1).min(3))
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let message = fault.to_string();
        match fault {
            Fault::Core(error) => error,
            Fault::AfterLost(last) => Self::from(*last),
            Fault::Transport { error, replay } => error.into_error(replay),
            Fault::Refused(refusal) => of_refusal(&refusal, message),
            Fault::Rejected(refusal) => Self::new(ErrorKind::Unauthenticated, message)
                .with_remote_code(refusal.code.as_str())
                .with_advice(
                    "Check that \"login_url\" belongs to this org, and the org's session settings (IP ranges, session \
                     security level) and the app's policies; then link the account again.",
                ),
            Fault::Unexpected { status, after, .. } => {
                let (kind, advice) = match status {
                    420 => (ErrorKind::Unavailable, "The org is being set up or woken up; try again in some minutes."),
                    429 => (ErrorKind::RateLimited, "Wait a little, or lower \"limits.concurrency\"."),
                    401 => (ErrorKind::Unauthenticated, "Link the account again."),
                    414 | 431 => (ErrorKind::InvalidRequest, "Ask for less in one request."),
                    403 => (ErrorKind::PermissionDenied, "A proxy or firewall may be in the way."),
                    404 | 410 => (ErrorKind::NotFound, "Check \"login_url\": is this a Salesforce org?"),
                    // Not Salesforce's words: nothing is known of the request, and no place in a reading is given up for it.
                    400..=499 if !matches!(status, 406 | 408) => {
                        (ErrorKind::Unavailable, "A proxy may be in the way.")
                    }
                    _ => (ErrorKind::Unavailable, "Salesforce may be in maintenance (status.salesforce.com); try again later."),
                };
                let error = Self::new(kind, message).with_advice(advice);
                if error.is_retryable() && after.is_some() { error.with_retry(Retry::BackOff(after)) } else { error }
            }
            Fault::Moved { .. } => Self::new(ErrorKind::Unavailable, message)
                .with_advice("The org is being moved: try again later. If it persists, check \"login_url\"."),
            Fault::Unreadable { cut: true, .. } => Self::new(ErrorKind::Unavailable, message)
                .with_advice("Try again later; a proxy may be cutting the answers short."),
            Fault::Unreadable { cut: false, .. } => Self::new(ErrorKind::Decode, message),
            Fault::Query(_) => Self::new(ErrorKind::InvalidRequest, message),
        }
    }
}

fn of_refusal(refusal: &Refusal, message: String) -> Error {
    let kind = refusal.kind();
    let mut error = Error::new(kind, message).with_remote_code(refusal.code.as_str());
    for field in &refusal.fields {
        // Salesforce's own names: whoever knows the unified field replaces them.
        error = error.with_field(format!("/{field}"), "is named by Salesforce");
    }
    let retry = match kind {
        ErrorKind::QuotaExhausted => {
            Timestamp::now().checked_add(QUOTA_PAUSE).map_or(Retry::BackOff(None), Retry::NotBefore)
        }
        ErrorKind::RateLimited | ErrorKind::Unavailable => Retry::BackOff(refusal.after),
        ErrorKind::Conflict if refusal.code == Code::UnableToLockRow => Retry::BackOff(None),
        _ => error.retry(),
    };
    error = error.with_retry(retry);
    match advice::of(refusal) {
        Some(advice) => error.with_advice(advice),
        None => error,
    }
}

#[cfg(test)]
mod tests;
