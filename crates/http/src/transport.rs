//! The seam between the plugins and the network.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use rustls::crypto::{CryptoProvider, ring};
use rustls_platform_verifier::BuilderVerifierExt;
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
        let tls = tls()?;
        let builder = || {
            // Decompression is ours (mislabelled gzip, bounded expansion), and so are redirects (no token leaves).
            reqwest::ClientBuilder::new()
                .tls_backend_preconfigured(tls.clone())
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
                    .with_advice("Check the user agent and the proxy settings.")
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
    let untrusted = tls_error(&error).map(ToString::to_string);
    let failure = TransportError::at(kind, target).with_source(error.without_url());
    match untrusted {
        Some(why) => failure.with_detail(why),
        None => failure,
    }
}

/// What TLS did not like, such as a certificate of an authority that nobody here knows.
fn tls_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    // An I/O error does not name what it carries as its source.
    let carried = error.downcast_ref().and_then(std::io::Error::get_ref);
    match carried {
        Some(carried) => tls_error(carried),
        None => tls_error(error.source()?),
    }
}

/// How every client of the process checks certificates: against the system's, which are read once. Reading them anew for each
/// transport costs a short-lived one more than its requests do.
fn tls() -> Result<rustls::ClientConfig> {
    static CONFIG: Mutex<Option<rustls::ClientConfig>> = Mutex::new(None);
    let mut config = CONFIG.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = &*config {
        return Ok(config.clone());
    }
    // A host that installed its own provider keeps it.
    let provider = CryptoProvider::get_default().cloned();
    let built = rustls::ClientConfig::builder_with_provider(
        provider.unwrap_or_else(|| Arc::new(ring::default_provider())),
    )
    .with_safe_default_protocol_versions()
    .and_then(BuilderVerifierExt::with_platform_verifier)
    .map_err(|error| {
        Error::new(ErrorKind::Internal, "TLS could not be set up")
            .with_advice("Check the system's root certificates (SSL_CERT_FILE, SSL_CERT_DIR).")
            .with_source(error)
    })?;
    let mut built = built.with_no_client_auth();
    built.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config.insert(built).clone())
}
