//! What every request passes through: size limits, faults, the resource, packing, the log.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::faults::{Plan, Tamper, headers_too_large, uri_too_long};
use super::link::{HostListener, Peer};
use super::log::{LogEntry, Resource};
use super::message::{ApiRequest, ApiResponse};
use super::stream::FilePart;
use super::{Server, data, origin};
use crate::error::SalesforceError;

/// Largest request body, packed or unpacked.
const MAX_BODY: usize = 64 << 20;
/// Largest upload to a bulk job.
const MAX_UPLOAD: usize = 150_000_000;
/// Answers from a file that are smaller than this are read at once.
const MIN_STREAM: u64 = 256 << 10;
/// Salesforce's limit for the URL, and for URL and headers together.
const MAX_HEAD: usize = 16_384;
/// Answers shorter than this are not worth packing.
const MIN_GZIP: usize = 512;

/// Serves one host until told to stop. The task's end is the end of its connections.
pub(crate) fn serve(
    server: Arc<Server>,
    listener: HostListener,
    mut stopped: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let mut http = http1::Builder::new();
    // As Salesforce writes the names of headers; there are clients that look for just these letters.
    http.title_case_headers(true);
    tokio::spawn(async move {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                // An error means that the emulator is gone: stop as well.
                _ = stopped.wait_for(|stop| *stop) => break,
                Some(_) = connections.join_next() => {}
                (tcp, address) = listener.accept() => {
                    let (server, side, http) = (Arc::clone(&server), listener.side.clone(), http.clone());
                    let watcher = graceful.watcher();
                    connections.spawn(async move {
                        let (link, peer) = match side.open(tcp, address).await {
                            Ok(opened) => opened,
                            Err(error) => return tracing::debug!(%error, "a connection was not opened"),
                        };
                        let service = service_fn(move |request| {
                            let (server, peer) = (Arc::clone(&server), peer.clone());
                            async move { Ok::<_, Infallible>(handle(server, peer, request).await) }
                        });
                        let connection = http.serve_connection(TokioIo::new(link), service);
                        if let Err(error) = watcher.watch(connection).await {
                            tracing::debug!(%error, "a connection broke off");
                        }
                    });
                }
            }
        }
        drop(listener);
        graceful.shutdown().await;
        while connections.join_next().await.is_some() {}
    })
}

async fn handle(server: Arc<Server>, peer: Peer, request: Request<Incoming>) -> Response {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let head_bytes = target.len()
        + head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
    let packs = accepts_gzip(&head.headers);
    let limit = if target.ends_with("/batches") { MAX_UPLOAD } else { MAX_BODY };
    let Ok(packed) = axum::body::to_bytes(Body::new(body), limit).await else {
        return build(
            ApiResponse::html(413, "<h1>Bad Message 413</h1><pre>reason: Payload Too Large</pre>"),
            None,
        );
    };
    let request_bytes = packed.len();
    let (method, headers) = (head.method, head.headers);
    let worker = Arc::clone(&server);
    let inside = peer.clone();
    let work = tokio::task::spawn_blocking(move || {
        let request = match unpack(&headers, packed, limit) {
            Ok(body) => ApiRequest::new(method, &target, headers, body),
            Err(error) => {
                let request = ApiRequest::new(method, &target, headers, Bytes::new());
                return Outcome::plain(&request, ApiResponse::error(&error));
            }
        };
        let mut outcome = if target.len() > MAX_HEAD {
            Outcome::plain(&request, uri_too_long())
        } else if head_bytes > MAX_HEAD {
            Outcome::plain(&request, headers_too_large())
        } else {
            answer(&worker, &inside, &request)
        };
        pack(&mut outcome, packs);
        outcome.response.headers.push(("date", http_date(worker.org.clock.now())));
        outcome
    });
    let Ok(outcome) = work.await else {
        tracing::error!("a request handler of the emulator panicked");
        return build(ApiResponse::error(&SalesforceError::internal("An unexpected error occurred.")), None);
    };
    finish(&server, &peer, request_bytes, outcome).await
}

/// An answer with what the log and the wire still need.
struct Outcome {
    request: (Method, String, String),
    resource: Resource,
    response: ApiResponse,
    api_calls: u32,
    faults: Vec<String>,
    tamper: Option<Tamper>,
    delay: Option<Duration>,
    control: bool,
    /// The answer's file is packed while it is sent.
    packs_file: bool,
}

impl Outcome {
    fn plain(request: &ApiRequest, response: ApiResponse) -> Self {
        let query =
            request.query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        Self {
            request: (request.method.clone(), request.path.clone(), query),
            resource: data::classify(request).0,
            response,
            api_calls: 0,
            faults: Vec::new(),
            tamper: None,
            delay: None,
            control: false,
            packs_file: false,
        }
    }
}

/// Finds the answer to a request: control endpoint, fault, or resource.
fn answer(server: &Server, peer: &Peer, request: &ApiRequest) -> Outcome {
    if request.segments.first().is_some_and(|first| first == "_emulator") {
        let response = super::control::answer(server, peer.address.ip(), request);
        return Outcome { control: true, ..Outcome::plain(request, response) };
    }
    let (resource, object) = data::classify(request);
    let known = || server.locators.object_of(request).or_else(|| server.bulk.object_of(request));
    let object = object.or_else(known);
    let plan = Plan::make(server, request, server.faults.strike(resource, object.as_deref()));
    let mut outcome = match &plan.reply {
        Some(reply) => Outcome::plain(request, reply.clone()),
        None => match server.enter() {
            Ok(_guard) => {
                let (response, api_calls) = data::route(server, peer.host, request, &plan);
                Outcome { api_calls, ..Outcome::plain(request, response) }
            }
            Err(error) => Outcome::plain(request, ApiResponse::error(&error)),
        },
    };
    origin::speak_as_asked(server, peer, request, outcome.resource, &mut outcome.response);
    outcome.faults = plan.names;
    outcome.tamper = plan.tamper;
    outcome.delay = plan.delay;
    outcome
}

async fn finish(server: &Server, peer: &Peer, request_bytes: usize, outcome: Outcome) -> Response {
    if let Some(delay) = outcome.delay {
        tokio::time::sleep(delay).await;
    }
    let cut = matches!(outcome.tamper, Some(Tamper::Close | Tamper::Reset));
    let mut sequence = 0;
    let resource = outcome.resource;
    let file_bytes = outcome.response.file.as_ref().filter(|_| !outcome.packs_file).map_or(0, FilePart::len);
    if !outcome.control {
        let (method, path, query) = outcome.request;
        sequence = server.log.add(LogEntry {
            sequence: 0,
            method: method.to_string(),
            path,
            query,
            resource: outcome.resource,
            status: if cut { 0 } else { outcome.response.status },
            api_calls: outcome.api_calls,
            request_bytes: request_bytes as u64,
            response_bytes: outcome.response.body.len() as u64 + file_bytes,
            faults: outcome.faults,
        });
    }
    match outcome.tamper {
        Some(Tamper::Close) => peer.close(),
        Some(Tamper::Reset) => peer.reset(),
        _ => {}
    }
    let mut response = outcome.response;
    let Some(file) = response.file.take() else { return build(response, outcome.tamper) };
    let mut built = build(response, None);
    let log = server.log.clone();
    // Only what leaves packed is counted as it goes: the size of anything else is known beforehand.
    let packs = outcome.packs_file;
    if !packs {
        built.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(file.len()));
    }
    *built.body_mut() = file.into_body(packs, move |bytes| {
        if packs {
            log.add_bytes(sequence, resource, bytes);
        }
    });
    built
}

/// Turns an answer into the server library's, spoilt as the plan says.
fn build(response: ApiResponse, tamper: Option<Tamper>) -> Response {
    let mut built = Response::new(Body::empty());
    *built.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = built.headers_mut();
    if let Some(content_type) = response.content_type {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in &response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            headers.append(name, value);
        }
    }
    let whole = response.body;
    let half = whole.slice(..whole.len() / 2);
    *built.body_mut() = match tamper {
        Some(Tamper::Cut { chunked }) => {
            if !chunked {
                built
                    .headers_mut()
                    .insert(http::header::CONTENT_LENGTH, HeaderValue::from(whole.len().max(1)));
            }
            Body::from_stream(futures::stream::unfold(Some(half), |piece| async move {
                match piece {
                    Some(piece) if !piece.is_empty() => Some((Ok(piece), Some(Bytes::new()))),
                    Some(_) => {
                        // Lets the first half reach the wire before the connection ends.
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        Some((Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted)), None))
                    }
                    None => None,
                }
            }))
        }
        Some(Tamper::Stall(pause)) => {
            built.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
            let rest = whole.slice(whole.len() / 2..);
            Body::from_stream(futures::stream::unfold((Some(half), Some(rest)), move |pieces| async move {
                match pieces {
                    (Some(half), rest) => Some((Ok::<_, Infallible>(half), (None, rest))),
                    (None, Some(rest)) => {
                        tokio::time::sleep(pause).await;
                        Some((Ok(rest), (None, None)))
                    }
                    (None, None) => None,
                }
            }))
        }
        _ => Body::from(whole),
    };
    built
}

/// Packs the body when the caller accepts it, or lies about it when a fault says so.
fn pack(outcome: &mut Outcome, accepted: bool) {
    let response = &mut outcome.response;
    if let Some(file) = &response.file {
        if outcome.tamper.is_none() && file.len() >= MIN_STREAM {
            if accepted {
                response.headers.push(("content-encoding", "gzip".to_owned()));
                response.headers.push(("vary", "Accept-Encoding".to_owned()));
            }
            outcome.packs_file = accepted;
            return;
        }
        match file.read() {
            Ok(body) => {
                response.body = body;
                response.file = None;
            }
            Err(error) => *response = ApiResponse::error(&SalesforceError::internal(error.to_string())),
        }
    }
    let times = match outcome.tamper {
        Some(Tamper::FalseGzip) => {
            response.headers.push(("content-encoding", "gzip".to_owned()));
            return;
        }
        Some(Tamper::DoubleGzip) => 2,
        _ if accepted && response.body.len() >= MIN_GZIP => 1,
        _ => return,
    };
    let mut body = response.body.clone();
    for _ in 0..times {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        let Ok(packed) = encoder.write_all(&body).and_then(|()| encoder.finish()) else { return };
        body = Bytes::from(packed);
    }
    response.body = body;
    response.headers.push(("content-encoding", "gzip".to_owned()));
    response.headers.push(("vary", "Accept-Encoding".to_owned()));
}

fn unpack(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, SalesforceError> {
    let encoding = headers
        .get(http::header::CONTENT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("gzip") {
        return Ok(body);
    }
    let mut unpacked = Vec::new();
    let limit = limit as u64;
    let read = MultiGzDecoder::new(body.as_ref()).take(limit + 1).read_to_end(&mut unpacked);
    match read {
        Ok(length) if length as u64 <= limit => Ok(Bytes::from(unpacked)),
        Ok(_) => Err(SalesforceError::new(413, "REQUEST_LIMIT_EXCEEDED", "The request body is too large.")),
        Err(_) => {
            Err(SalesforceError::new(400, "JSON_PARSER_ERROR", "The request body is not valid gzip data."))
        }
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values =
        headers.get_all(http::header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        matches!(name.trim(), "gzip" | "*")
            && !matches!(quality.replace(' ', "").as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

/// A time as HTTP headers write it.
pub(crate) fn http_date(at: jiff::Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_offered_only_where_the_caller_wants_it() {
        for (value, wanted) in [
            ("gzip, deflate", true),
            ("br;q=1.0, gzip;q=0.8", true),
            ("*", true),
            ("gzip;q=0", false),
            ("identity", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts_gzip(&headers), wanted, "{value}");
        }
    }

    #[test]
    fn dates_are_written_as_http_wants_them() {
        let at: jiff::Timestamp = "2026-02-03T04:05:06.789Z".parse().unwrap();
        assert_eq!(http_date(at), "Tue, 03 Feb 2026 04:05:06 GMT");
    }
}
