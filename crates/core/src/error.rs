//! One opaque error type for every provider: what went wrong, whether to try again, and where.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// The result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a provider, of the guard, or of the model itself.
///
/// It answers three questions without being taken apart: *what kind* ([`Error::kind`]), *may it be tried
/// again, and when* ([`Error::retry`]), and *which input* ([`Error::fields`]). `Display` prints its own layer only; the
/// chain is reached through [`std::error::Error::source`].
///
/// ```
/// use unicrm_core::{Error, ErrorKind, Retry};
///
/// let error = Error::new(ErrorKind::InvalidRequest, "the remote refused one field")
///     .with_provider("salesforce")
///     .with_operation("write")
///     .with_remote_code("STRING_TOO_LONG")
///     .with_field("/last_name", "at most 80 characters");
/// assert_eq!(error.retry(), Retry::Never);
/// assert_eq!(error.exit_code(), 1);
/// assert_eq!(
///     error.to_string(),
///     "salesforce write: the remote refused one field (/last_name: at most 80 characters) [STRING_TOO_LONG]"
/// );
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: Cow<'static, str>,
    provider: Option<Cow<'static, str>>,
    operation: Option<Cow<'static, str>>,
    remote_code: Option<String>,
    fields: Vec<FieldError>,
    advice: Option<Cow<'static, str>>,
    source: Option<std::sync::Arc<dyn StdError + Send + Sync>>,
}

/// What kind of thing went wrong. Kind and [`Retry`] together fix the exit code of the command line.
///
/// ```
/// use unicrm_core::ErrorKind;
/// assert_eq!(ErrorKind::Unauthenticated.exit_code(), 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The credentials were refused: link the account again.
    Unauthenticated,
    /// The credentials are good, but this user may not do it at the remote.
    PermissionDenied,
    /// The record, object or linked account does not exist.
    NotFound,
    /// The remote state stands against it: a duplicate, a lock, a merged or converted record.
    Conflict,
    /// The request itself is wrong: a value that does not fit, a field that does not exist.
    InvalidRequest,
    /// The configuration is wrong: a malformed URL, an unknown setting, a missing secret.
    InvalidConfig,
    /// Too many requests at once or per second: wait a little.
    RateLimited,
    /// The allowance for the day (or another long period) is used up.
    QuotaExhausted,
    /// This provider does not do this: its capabilities say so.
    Unsupported,
    /// The remote, or the way to it, is out of order for now.
    Unavailable,
    /// What the remote sent could not be understood.
    Decode,
    /// A write was sent and its answer was lost: it may or may not have happened.
    InDoubt,
    /// A defect on our side.
    Internal,
}

impl ErrorKind {
    /// The exit code that `unicrm` ends with for this kind: 2 wrong usage, 3 not permitted, 4 credentials
    /// refused, 5 quota used up, 6 in doubt, 1 everything else.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::InvalidConfig => 2,
            Self::PermissionDenied => 3,
            Self::Unauthenticated => 4,
            Self::QuotaExhausted => 5,
            Self::InDoubt => 6,
            _ => 1,
        }
    }

    /// The name in `snake_case`, as `--json` output and logs print it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidConfig => "invalid_config",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::Decode => "decode",
            Self::InDoubt => "in_doubt",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether, when and how the same operation may be tried again.
///
/// Plugins retry what they can within their own budget first; an error that reaches the host has that behind it.
///
/// ```
/// use std::time::Duration;
/// use unicrm_core::{Error, ErrorKind, Retry};
/// let busy = Error::new(ErrorKind::RateLimited, "too many requests at once");
/// assert_eq!(busy.retry(), Retry::BackOff(None));
/// assert!(busy.is_retryable());
/// let told = busy.with_retry(Retry::BackOff(Some(Duration::from_secs(30))));
/// assert!(told.is_retryable());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// The same request will fail the same way.
    Never,
    /// Try again after a pause: at least as long as given, when the remote said how long.
    BackOff(Option<Duration>),
    /// Not before this instant; everything done so far is kept and goes on from there.
    NotBefore(Timestamp),
    /// Only after the account was linked again.
    Relink,
    /// Not blindly: find out first what the remote has.
    Reconcile,
}

/// One input field that was refused, as a JSON pointer into the request or the record, and why.
///
/// ```
/// use unicrm_core::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::InvalidRequest, "two fields").with_field("/email_addresses/1", "has no place");
/// assert_eq!(error.fields()[0].pointer, "/email_addresses/1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) in unified names, such as `/addresses/0/country`.
    pub pointer: String,
    /// What is wrong with it and what would be right.
    pub message: String,
}

impl Error {
    /// A new error. The retry advice starts as the usual one of its kind and may be replaced.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let retry = match kind {
            ErrorKind::Unauthenticated => Retry::Relink,
            ErrorKind::RateLimited | ErrorKind::Unavailable => Retry::BackOff(None),
            ErrorKind::InDoubt => Retry::Reconcile,
            _ => Retry::Never,
        };
        Self(Box::new(Inner {
            kind,
            retry,
            message: message.into(),
            provider: None,
            operation: None,
            remote_code: None,
            fields: Vec::new(),
            advice: None,
            source: None,
        }))
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether and when to try again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Whether a later attempt of the very same request makes sense without anybody doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.retry, Retry::BackOff(_) | Retry::NotBefore(_))
    }

    /// The message of this layer, without provider, operation and source.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The provider's slug, such as `salesforce`.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    /// The operation of the contract that failed, such as `read`.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// The remote's own code, kept as it came (Salesforce: `errorCode`, `statusCode`, OAuth `error`).
    #[must_use]
    pub fn remote_code(&self) -> Option<&str> {
        self.0.remote_code.as_deref()
    }

    /// The fields that were refused, in unified names.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// What the reader can do about it, as one sentence.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }

    /// The exit code of the command line; see [`ErrorKind::exit_code`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.0.kind.exit_code()
    }

    /// Replaces the retry advice.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Names the provider, unless one is named already.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<Cow<'static, str>>) -> Self {
        self.0.provider.get_or_insert_with(|| provider.into());
        self
    }

    /// Names the operation, unless one is named already: the innermost one is the most telling.
    #[must_use]
    pub fn with_operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.0.operation.get_or_insert_with(|| operation.into());
        self
    }

    /// Keeps the remote's own code.
    #[must_use]
    pub fn with_remote_code(mut self, code: impl Into<String>) -> Self {
        self.0.remote_code = Some(code.into());
        self
    }

    /// Adds a refused field: a JSON pointer in unified names, and why.
    #[must_use]
    pub fn with_field(mut self, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.fields.push(FieldError { pointer: pointer.into(), message: message.into() });
        self
    }

    /// Says what the reader can do about it.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Keeps the error below this one. It must not contain a secret: hosts print the chain.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(std::sync::Arc::new(source));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.provider, &self.0.operation) {
            (Some(provider), Some(operation)) => write!(f, "{provider} {operation}: ")?,
            (Some(name), None) | (None, Some(name)) => write!(f, "{name}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.0.message)?;
        for (i, field) in self.0.fields.iter().enumerate() {
            let lead = if i == 0 { " (" } else { "; " };
            write!(f, "{lead}{}: {}", field.pointer, field.message)?;
        }
        if !self.0.fields.is_empty() {
            f.write_str(")")?;
        }
        if let Some(code) = &self.0.remote_code {
            write!(f, " [{code}]")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("retry", &inner.retry)
            .field("provider", &inner.provider)
            .field("operation", &inner.operation)
            .field("message", &inner.message)
            .field("remote_code", &inner.remote_code)
            .field("fields", &inner.fields)
            .field("advice", &inner.advice)
            .field("source", &inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn display_prints_its_own_layer_only() {
        let below = std::io::Error::other("cable cut");
        let error = Error::new(ErrorKind::Unavailable, "no answer").with_source(below);
        assert_eq!(error.to_string(), "no answer");
        assert_eq!(error.source().expect("a source").to_string(), "cable cut");
    }

    #[test]
    fn the_first_named_operation_stays() {
        let error =
            Error::new(ErrorKind::Internal, "x").with_operation("token refresh").with_operation("read");
        assert_eq!(error.operation(), Some("token refresh"));
    }
}
