//! What can happen to a request on the way, and whether the remote may have acted on it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use http::{Method, Uri};
use unicrm_core::{Error, ErrorKind};
use url::Url;

use crate::redact::SafeUrl;
use crate::retry::{Effect, Replay, Verdict};

/// A request that brought no usable answer. It names method, host and path, never the query.
///
/// ```
/// use unicrm_http::{Effect, TransportError, TransportErrorKind};
/// let uri = "https://host/path?token=s3cret".parse().unwrap();
/// let error = TransportError::new(TransportErrorKind::Connect, &http::Method::GET, &uri);
/// assert_eq!(error.effect(), Effect::None);
/// assert_eq!(error.to_string(), "GET https://host/path: no connection could be made");
/// ```
pub struct TransportError(Box<Inner>);

struct Inner {
    kind: TransportErrorKind,
    target: String,
    detail: Option<Cow<'static, str>>,
    location: Option<Url>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What happened to a request.
///
/// ```
/// use unicrm_http::TransportErrorKind;
/// assert_ne!(TransportErrorKind::Lost, TransportErrorKind::Timeout);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// It was not allowed to go there. Nothing was sent.
    Refused,
    /// No connection could be made. Nothing was sent.
    Connect,
    /// The connection ended after the request had (or may have) been sent, before an answer came.
    Lost,
    /// No answer, or no further part of it, came in time.
    Timeout,
    /// The answer began and then ended early, or its compression is damaged.
    IncompleteBody,
    /// The answer is larger than the limit, counted after decompression.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The remote points to another address; see [`TransportError::location`].
    Redirected {
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// The answer is compressed in a way that was not asked for.
    UnsupportedEncoding,
}

impl TransportError {
    /// An error of this kind for this request.
    #[must_use]
    pub fn new(kind: TransportErrorKind, method: &Method, uri: &Uri) -> Self {
        Self::at(kind, target(method, uri))
    }

    /// As [`TransportError::new`], for a request that is known by its printable target only.
    pub(crate) fn at(kind: TransportErrorKind, target: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, target: target.into(), detail: None, location: None, source: None }))
    }

    /// Adds a few words on what happened.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Keeps the error below. It must not print a secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_location(mut self, location: Option<Url>) -> Self {
        self.0.location = location;
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.0.kind
    }

    /// Where the remote points to, if it redirected. It may hold a secret in its query: check it with a
    /// [`HostPolicy`](crate::HostPolicy) and do not print it.
    #[must_use]
    pub fn location(&self) -> Option<&Url> {
        self.0.location.as_ref()
    }

    /// Whether the remote may have acted on the request.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self.0.kind {
            TransportErrorKind::Refused
            | TransportErrorKind::Connect
            | TransportErrorKind::Redirected { .. } => Effect::None,
            _ => Effect::Unknown,
        }
    }

    /// The verdict on an attempt that ended so: again if that can help, otherwise the error for the host.
    #[must_use]
    pub fn verdict<T>(self, replay: Replay) -> Verdict<T, Error> {
        let (effect, reason) = (self.effect(), self.reason());
        let helps = matches!(
            self.0.kind,
            TransportErrorKind::Connect
                | TransportErrorKind::Lost
                | TransportErrorKind::Timeout
                | TransportErrorKind::IncompleteBody
        );
        let error = self.into_error(replay);
        if helps { Verdict::Retry { error, reason, after: None, effect } } else { Verdict::Fail(error) }
    }

    /// The error as the host sees it: in doubt, if a request that must not be sent twice may have had its effect.
    #[must_use]
    pub fn into_error(self, replay: Replay) -> Error {
        let what = self.to_string();
        if replay == Replay::Unsafe && self.effect() == Effect::Unknown {
            let message = format!("{what}; whether the remote did it is not known");
            return Error::new(ErrorKind::InDoubt, message).with_source(self);
        }
        let (kind, advice) = match self.0.kind {
            TransportErrorKind::Refused => {
                (ErrorKind::InvalidConfig, "Check the URLs and the allowed hosts of this linked account.")
            }
            TransportErrorKind::Connect => (
                ErrorKind::Unavailable,
                "Check the network, the proxy settings and the host name. Certificates are checked against the system's authorities, or those of SSL_CERT_FILE.",
            ),
            TransportErrorKind::Lost | TransportErrorKind::Timeout | TransportErrorKind::IncompleteBody => {
                (ErrorKind::Unavailable, "Try again later.")
            }
            TransportErrorKind::TooLarge { .. } => (ErrorKind::Decode, "Ask for less in one request."),
            TransportErrorKind::Redirected { .. } => {
                (ErrorKind::Unavailable, "The address has moved: check the URL, or link the account again.")
            }
            TransportErrorKind::UnsupportedEncoding => {
                (ErrorKind::Decode, "A proxy on the way may be changing the answers.")
            }
        };
        Error::new(kind, what).with_advice(advice).with_source(self)
    }

    fn reason(&self) -> &'static str {
        match self.0.kind {
            TransportErrorKind::Refused => "refused",
            TransportErrorKind::Connect => "no connection",
            TransportErrorKind::Lost => "connection lost",
            TransportErrorKind::Timeout => "timed out",
            TransportErrorKind::IncompleteBody => "incomplete body",
            TransportErrorKind::TooLarge { .. } => "too large",
            TransportErrorKind::Redirected { .. } => "redirected",
            TransportErrorKind::UnsupportedEncoding => "unsupported encoding",
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.0.target)?;
        match self.0.kind {
            TransportErrorKind::Refused => f.write_str("the request was not allowed out")?,
            TransportErrorKind::Connect => f.write_str("no connection could be made")?,
            TransportErrorKind::Lost => f.write_str("the connection ended before an answer came")?,
            TransportErrorKind::Timeout => f.write_str("no answer came in time")?,
            TransportErrorKind::IncompleteBody => f.write_str("the answer is incomplete or damaged")?,
            TransportErrorKind::TooLarge { limit } => write!(f, "the answer is larger than {limit} bytes")?,
            TransportErrorKind::Redirected { status } => {
                write!(f, "the remote answered {status}, a redirect")?;
                if let Some(location) = &self.0.location {
                    write!(f, " to {}", SafeUrl(location))?;
                }
            }
            TransportErrorKind::UnsupportedEncoding => {
                f.write_str("the answer has an encoding that was not asked for")?;
            }
        }
        self.0.detail.as_ref().map_or(Ok(()), |detail| write!(f, " ({detail})"))
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportError")
            .field("kind", &self.0.kind)
            .field("target", &self.0.target)
            .field("detail", &self.0.detail)
            .field("location", &self.0.location.as_ref().map(SafeUrl))
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Method and URL of a request as they may be printed.
pub(crate) fn target(method: &Method, uri: &Uri) -> String {
    match Url::parse(&uri.to_string()) {
        Ok(url) => format!("{method} {}", SafeUrl(&url)),
        Err(_) => format!("{method} {}", uri.path()),
    }
}
