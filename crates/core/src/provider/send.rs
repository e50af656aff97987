//! Requests of the remote's own API.

use std::fmt;

use crate::{Quota, Usage};

/// A request of the remote's own API, by path. The plugin adds host and credentials; a path that names another host is
/// refused.
///
/// ```
/// use unicrm_core::RawRequest;
/// let request = RawRequest::new("GET", "/services/data/v66.0/limits").header("Accept", "application/json");
/// assert_eq!(request.headers.len(), 1);
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawRequest {
    /// The method, such as `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// More headers; credentials are not among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
}

impl RawRequest {
    /// A request without body.
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body: None }
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }
}

impl fmt::Debug for RawRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Queries, header values and bodies may hold what must not be logged.
        let path = self.path.split('?').next().unwrap_or_default();
        f.debug_struct("RawRequest")
            .field("method", &self.method)
            .field("path", &path)
            .finish_non_exhaustive()
    }
}

/// The remote's answer, whatever its status.
///
/// ```
/// use unicrm_core::RawResponse;
/// let response = RawResponse::new(200, Vec::new(), b"{}".to_vec());
/// assert_eq!(response.text(), "{}");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case; without those that say how the body was packed.
    pub headers: Vec<(String, String)>,
    /// The body, unpacked.
    pub body: Vec<u8>,
    /// What it cost.
    pub usage: Usage,
}

impl RawResponse {
    /// An answer.
    #[must_use]
    pub fn new(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        Self { status, headers, body, usage: Usage::calls(1) }
    }

    /// With the quota that it told of.
    #[must_use]
    pub fn with_quota(mut self, quota: Option<Quota>) -> Self {
        self.usage.quota = quota;
        self
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

impl fmt::Debug for RawResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawResponse")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
