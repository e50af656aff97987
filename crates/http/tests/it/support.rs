//! Remotes to talk to: raw bytes on a socket, and transports that answer from a function.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use unicrm_http::{
    BodyStream, ClientConfig, HostPolicy, HttpClient, Request, Response, Transport, TransportError,
};

/// What a connection does after it has read the head of a request.
#[derive(Clone)]
pub(crate) enum Script {
    /// Writes these bytes and closes.
    Answer(Vec<u8>),
    /// Writes these bytes and then says nothing more, without closing.
    Stall(Vec<u8>),
}

/// Serves one script per connection, the last one for ever. Gives the base URL and the requests' heads.
pub(crate) async fn raw_server(scripts: Vec<Script>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        let mut scripts = scripts.into_iter();
        let mut script = scripts.next().unwrap();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut part = [0; 1024];
                match socket.read(&mut part).await.unwrap_or(0) {
                    0 => break,
                    n => head.extend_from_slice(&part[..n]),
                }
            }
            seen.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
            match script.clone() {
                Script::Answer(bytes) => {
                    socket.write_all(&bytes).await.unwrap();
                    socket.shutdown().await.ok();
                }
                Script::Stall(bytes) => {
                    socket.write_all(&bytes).await.unwrap();
                    tokio::spawn(async move {
                        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
                        drop(socket);
                    });
                }
            }
            script = scripts.next().unwrap_or(script);
        }
    });
    (url, heads)
}

/// An answer with a proper length.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub(crate) fn get(url: &str) -> Request {
    http::Request::get(url).body(Bytes::new()).unwrap()
}

pub(crate) fn local_client(config: &ClientConfig) -> HttpClient {
    HttpClient::new(config, HostPolicy::default()).unwrap()
}

type Answer = dyn Fn(&str, usize) -> Result<(u16, String), TransportError> + Send + Sync;

/// Answers from a function of the request's body and its number (from 0); keeps the bodies.
pub(crate) struct Scripted {
    answer: Box<Answer>,
    pub(crate) bodies: Mutex<Vec<String>>,
}

impl Scripted {
    pub(crate) fn new(
        answer: impl Fn(&str, usize) -> Result<(u16, String), TransportError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), bodies: Mutex::default() })
    }

    pub(crate) fn client(self: &Arc<Self>) -> HttpClient {
        let hosts = HostPolicy::new([".example.com"]).unwrap();
        HttpClient::with_transport(Arc::clone(self) as _, &ClientConfig::default(), hosts)
    }
}

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        let number = {
            let mut bodies = self.bodies.lock().unwrap();
            bodies.push(body.clone());
            bodies.len() - 1
        };
        let (status, text) = (self.answer)(&body, number)?;
        let mut response = http::Response::new(BodyStream::from(Bytes::from(text)));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        Ok(response)
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}
