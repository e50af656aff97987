//! The client that plugins use: a transport with the rules that hold for every remote.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderValue, StatusCode, header};
use tokio::time::Instant;
use unicrm_core::Result;
use url::Url;

use crate::body::BodyStream;
use crate::failure::{TransportError, TransportErrorKind, target};
use crate::gunzip;
use crate::hosts::HostPolicy;
use crate::redact::mark_sensitive;
use crate::trace;
use crate::transport::{Request, ReqwestTransport, Response, Transport};
use crate::usage::Usage;

/// Sends requests to allowed hosts only, unpacks and bounds what comes back, and turns a redirect into an error.
///
/// Clones share connections and counters.
///
/// ```
/// use bytes::Bytes;
/// use unicrm_http::{ClientConfig, HostPolicy, HttpClient, TransportErrorKind};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> unicrm_core::Result<()> {
/// let client = HttpClient::new(&ClientConfig::default(), HostPolicy::new([".example.com"])?)?;
/// let request = http::Request::get("https://evil.org/").body(Bytes::new()).expect("a request");
/// let error = client.fetch(request).await.expect_err("evil.org is not allowed");
/// assert_eq!(error.kind(), TransportErrorKind::Refused);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct HttpClient {
    transport: Arc<dyn Transport>,
    hosts: Arc<HostPolicy>,
    usage: Arc<Usage>,
    max_body: usize,
    max_body_time: Duration,
}

/// Time-outs, bounds and pool of a client.
///
/// ```
/// use unicrm_http::ClientConfig;
/// let config = ClientConfig { user_agent: "my-host/1.0".into(), ..ClientConfig::default() };
/// assert_eq!(config.connect_timeout.as_secs(), 10);
/// ```
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Sent with every request.
    pub user_agent: String,
    /// For name resolution, connection and TLS together.
    pub connect_timeout: Duration,
    /// For the headers, and then for every single chunk of the body: a large answer may take long, silence may not.
    pub read_timeout: Duration,
    /// For a whole body that is read by [`HttpClient::fetch`], so that a trickle ends as well.
    pub max_body_time: Duration,
    /// Size limit of such a body, after decompression.
    pub max_body: usize,
    /// How long an unused connection is kept.
    pub pool_idle_timeout: Duration,
    /// How many unused connections are kept per host.
    pub pool_max_idle_per_host: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("unicrm/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            max_body_time: Duration::from_secs(600),
            max_body: 128 << 20,
            pool_idle_timeout: Duration::from_secs(60),
            pool_max_idle_per_host: 32,
        }
    }
}

/// The number of the attempt, as a request extension: it is shown in the trace.
///
/// ```
/// use unicrm_http::Attempt;
/// let mut request = http::Request::new(bytes::Bytes::new());
/// request.extensions_mut().insert(Attempt(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt(pub u32);

impl HttpClient {
    /// A client over real connections.
    ///
    /// # Errors
    /// As [`ReqwestTransport::new`].
    pub fn new(config: &ClientConfig, hosts: HostPolicy) -> Result<Self> {
        Ok(Self::with_transport(Arc::new(ReqwestTransport::new(config)?), config, hosts))
    }

    /// A client over any transport: several linked accounts share one, tests bring their own.
    #[must_use]
    pub fn with_transport(transport: Arc<dyn Transport>, config: &ClientConfig, hosts: HostPolicy) -> Self {
        Self {
            transport,
            hosts: Arc::new(hosts),
            usage: Arc::default(),
            max_body: config.max_body,
            max_body_time: config.max_body_time,
        }
    }

    /// Counts here instead, for instance together with a [`Retrier`](crate::Retrier).
    #[must_use]
    pub fn with_usage(mut self, usage: Arc<Usage>) -> Self {
        self.usage = usage;
        self
    }

    /// The counters of this client and its clones.
    #[must_use]
    pub fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// The hosts that this client speaks to.
    #[must_use]
    pub fn hosts(&self) -> &HostPolicy {
        &self.hosts
    }

    /// Sends a request; the body of the answer arrives as it is read, unpacked.
    ///
    /// # Errors
    /// What happened on the way, a forbidden host and a redirect included. A status of 400 or more is not an error.
    pub async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        let target: Arc<str> = Arc::from(target(request.method(), request.uri()));
        let url = self.allowed(&request, &target)?;
        let attempt = request.extensions().get().copied().unwrap_or(Attempt(1));
        request.headers_mut().entry(header::ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
        mark_sensitive(request.headers_mut());

        self.usage.count_request();
        let start = Instant::now();
        let outcome = self.transport.send(request).await;
        trace::attempt(&target, attempt.0, start.elapsed(), &outcome);
        let response = outcome?;

        if let Some(error) = redirect(&response, &url, &target) {
            return Err(error);
        }
        let (parts, body) = response.into_parts();
        let usage = Arc::clone(&self.usage);
        let counted = body.inspect(move |chunk| usage.count_received(chunk.as_ref().map_or(0, Bytes::len)));
        let body = gunzip::decoded(&parts.headers, BodyStream::new(counted).of_request(target))?;
        Ok(http::Response::from_parts(parts, body))
    }

    /// Sends a request and reads the whole answer, within the limits of the [`ClientConfig`].
    ///
    /// # Errors
    /// As [`HttpClient::send`], and when the body is cut short, too large or too slow.
    pub async fn fetch(&self, request: Request) -> Result<http::Response<Bytes>, TransportError> {
        self.fetch_within(request, self.max_body).await
    }

    /// As [`HttpClient::fetch`] with another size limit.
    ///
    /// # Errors
    /// As [`HttpClient::fetch`].
    pub async fn fetch_within(
        &self,
        request: Request,
        limit: usize,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let (parts, body) = self.send(request).await?.into_parts();
        let target = body.target();
        let body = tokio::time::timeout(self.max_body_time, body.collect(limit)).await.map_err(|_| {
            TransportError::at(TransportErrorKind::Timeout, &*target).with_detail("the body came too slowly")
        })??;
        Ok(http::Response::from_parts(parts, body))
    }

    fn allowed(&self, request: &Request, target: &str) -> Result<Url, TransportError> {
        let refused = || TransportError::at(TransportErrorKind::Refused, target);
        let url = Url::parse(&request.uri().to_string())
            .map_err(|_| refused().with_detail("the URL needs a scheme and a host"))?;
        match self.hosts.check(&url) {
            Ok(()) => Ok(url),
            Err(error) => Err(refused().with_source(error)),
        }
    }
}

/// 300 and 304 are answers; the others in the three hundreds point elsewhere, and following them would take the token
/// along or turn a POST into a GET.
fn redirect(response: &Response, url: &Url, target: &str) -> Option<TransportError> {
    let elsewhere = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    elsewhere.then(|| {
        let kind = TransportErrorKind::Redirected { status: response.status().as_u16() };
        TransportError::at(kind, target).with_location(location.and_then(|to| url.join(to).ok()))
    })
}
