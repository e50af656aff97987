//! The seam between the plugins and the network.

use std::fmt;
use std::sync::Once;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use unicrm_core::{Error, ErrorKind, Result};

use crate::body::BodyStream;
use crate::client::ClientConfig;
use crate::failure::{TransportError, TransportErrorKind, target};
use crate::hosts::is_loopback;

/// A request with its whole body.
pub type Request = http::Request<Bytes>;

/// Status, headers and a body that is still arriving.
pub type Response = http::Response<BodyStream>;

/// Carries a request to the remote and its answer back, as it came: no redirect followed, nothing decompressed,
/// nothing retried.
///
/// [`ReqwestTransport`] is the real one. Tests put another in its place to record, replay or break answers.
///
/// ```
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use unicrm_http::{BodyStream, Request, Response, Transport, TransportError};
///
/// #[derive(Debug)]
/// struct Hello;
///
/// #[async_trait]
/// impl Transport for Hello {
///     async fn send(&self, _request: Request) -> Result<Response, TransportError> {
///         Ok(http::Response::new(BodyStream::from(Bytes::from_static(b"hello"))))
///     }
/// }
/// ```
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends one request and waits for status and headers.
    ///
    /// # Errors
    /// What happened on the way. An answer of any status is not an error.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}

/// The transport over real connections.
///
/// Requests to this machine never go through a proxy, so that plain http cannot leave it.
///
/// ```
/// use unicrm_http::{ClientConfig, ReqwestTransport};
/// let transport = ReqwestTransport::new(&ClientConfig::default())?;
/// # Ok::<(), unicrm_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ReqwestTransport {
    remote: reqwest::Client,
    local: reqwest::Client,
    read_timeout: Duration,
}

impl ReqwestTransport {
    /// Builds the clients. One transport serves any number of linked accounts and shares its connections among them.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if TLS cannot be set up.
    pub fn new(config: &ClientConfig) -> Result<Self> {
        install_crypto_provider();
        let builder = || {
            // Decompression is ours (mislabelled gzip, bounded expansion), and so are redirects (no token leaves).
            reqwest::ClientBuilder::new()
                .no_gzip()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .connect_timeout(config.connect_timeout)
                .pool_idle_timeout(config.pool_idle_timeout)
                .pool_max_idle_per_host(config.pool_max_idle_per_host)
                .user_agent(config.user_agent.as_str())
        };
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| {
                Error::new(ErrorKind::Internal, "the HTTP client could not be set up")
                    .with_advice(
                        "Check the user agent, the proxy settings and the system's root certificates.",
                    )
                    .with_source(error.without_url())
            })
        };
        Ok(Self {
            remote: build(builder())?,
            local: build(builder().no_proxy())?,
            read_timeout: config.read_timeout,
        })
    }

    /// How long the headers may take: the body has to be uploaded first, and a slow line gets the time for it.
    fn patience(&self, upload: usize) -> Duration {
        const SLOWEST_UPLOAD: f64 = 32.0 * 1024.0;
        self.read_timeout + Duration::from_secs_f64(upload as f64 / SLOWEST_UPLOAD)
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let target = target(request.method(), request.uri());
        let patience = self.patience(request.body().len());
        let request = reqwest::Request::try_from(request)
            .map_err(|error| caused(TransportErrorKind::Refused, &target, error))?;
        let local = request.url().host().is_some_and(|host| is_loopback(&host));
        let client = if local { &self.local } else { &self.remote };
        let answer = tokio::time::timeout(patience, client.execute(request))
            .await
            .map_err(|_| TransportError::at(TransportErrorKind::Timeout, target.as_str()))?
            .map_err(|error| caused(kind_of(&error), &target, error))?;

        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = chunks(answer, self.read_timeout, target);
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

fn chunks(answer: reqwest::Response, read_timeout: Duration, target: String) -> BodyStream {
    BodyStream::new(stream::try_unfold((answer, target), move |(mut answer, target)| async move {
        match tokio::time::timeout(read_timeout, answer.chunk()).await {
            Ok(Ok(Some(chunk))) => Ok(Some((chunk, (answer, target)))),
            Ok(Ok(None)) => Ok(None),
            Ok(Err(error)) => Err(caused(TransportErrorKind::IncompleteBody, &target, error)),
            Err(_) => Err(TransportError::at(TransportErrorKind::Timeout, target)),
        }
    }))
}

fn kind_of(error: &reqwest::Error) -> TransportErrorKind {
    if error.is_connect() {
        TransportErrorKind::Connect
    } else if error.is_builder() {
        TransportErrorKind::Refused
    } else if error.is_timeout() {
        TransportErrorKind::Timeout
    } else {
        TransportErrorKind::Lost
    }
}

/// The library's error prints the URL with its query: it is taken out before anybody can.
fn caused(kind: TransportErrorKind, target: &str, error: reqwest::Error) -> TransportError {
    TransportError::at(kind, target).with_source(error.without_url())
}

/// The TLS library panics without a process-wide provider; a host that installed its own keeps it.
fn install_crypto_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error means that somebody else installed one in between, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
    });
}
