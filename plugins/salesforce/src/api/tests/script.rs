//! A server in memory that answers as it is told, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use http::{HeaderName, Method};
use unicrm_core::{
    ConnectRequest, CredentialStore, Credentials, Json, LinkedAccountId, MemoryCredentialStore,
};
use unicrm_http::{BodyStream, HttpClient, Request, Response, Transport, TransportError, TransportErrorKind};

use crate::api::Client;
use crate::api::soql::{Condition, Literal, Soql};
use crate::auth;
use crate::config::SalesforceConfig;
use crate::error::Fault;

/// Secrets that must never be seen in an error or a log.
pub(super) const SECRETS: [&str; 3] = ["s3cret-of-the-app", "refresh-t0ken-", "00Dxx!access-t0ken-"];

pub(super) const ONE_RECORD: &str = r#"{"totalSize":1,"done":true,"records":[{"Id":"001"}]}"#;
pub(super) const EXPIRED: &str =
    r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;

/// What the server does with one request.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// An answer.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// An answer that ends before its body does.
    Cut(String),
    /// The connection ends before an answer.
    Reset,
    /// There is no connection.
    NoConnection,
}

pub(super) fn json(status: u16, body: &str) -> Reply {
    with(status, &[("content-type", "application/json;charset=UTF-8")], body)
}

pub(super) fn page(status: u16) -> Reply {
    with(status, &[("content-type", "text/html")], "<html><body>We are down for maintenance.</body></html>")
}

pub(super) fn error(status: u16, code: &str, message: &str) -> Reply {
    json(status, &serde_json::json!([{ "message": message, "errorCode": code }]).to_string())
}

pub(super) fn with(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Reply::Answer { status, headers, body: body.to_owned() }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) origin: String,
    pub(super) path: String,
    pub(super) token: Option<String>,
    pub(super) headers: http::HeaderMap,
    pub(super) body: String,
}

/// The server.
pub(super) struct Server {
    state: Mutex<State>,
    pub(super) store: Arc<MemoryCredentialStore>,
}

#[derive(Debug)]
struct State {
    /// What the data API answers, in order; the last one for ever.
    replies: VecDeque<Reply>,
    /// What the token endpoint answers, in order; after that, new tokens for `instance`.
    tokens: VecDeque<Reply>,
    instance: String,
    rotates: bool,
    repeats: bool,
    issued: u32,
    seen: Vec<Seen>,
    /// Refresh tokens in the store when a request of the data API arrived.
    stored: Vec<Option<String>>,
}

pub(super) const LOGIN: &str = "https://acme.my.salesforce.com";

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What it saw is full of secrets, and the client that holds it is printed by tests.
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// A server whose data API answers so.
    pub(super) fn answering(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let credentials = Credentials::new()
            .with("client_secret", SECRETS[0].into())
            .with("refresh_token", format!("{}0", SECRETS[1]).into());
        Arc::new(Self {
            state: Mutex::new(State {
                replies: replies.into_iter().collect(),
                tokens: VecDeque::new(),
                instance: LOGIN.to_owned(),
                rotates: false,
                repeats: false,
                issued: 0,
                seen: Vec::new(),
                stored: Vec::new(),
            }),
            store: Arc::new(MemoryCredentialStore::new(credentials)),
        })
    }

    pub(super) fn move_to(&self, instance: &str) {
        self.state.lock().unwrap().instance = instance.to_owned();
    }

    pub(super) fn rotate(&self) {
        self.state.lock().unwrap().rotates = true;
    }

    /// Gives the same access token as long as its session lives, as some flows do.
    pub(super) fn repeat_token(&self) {
        self.state.lock().unwrap().repeats = true;
    }

    /// What the token endpoint answers next.
    pub(super) fn next_token(&self, reply: Reply) {
        self.state.lock().unwrap().tokens.push_back(reply);
    }

    /// What the data API answers from now on.
    pub(super) fn answer(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().replies = replies.into_iter().collect();
    }

    /// Requests of the data API, that for the versions excluded.
    pub(super) fn calls(&self) -> Vec<Seen> {
        self.all().into_iter().filter(|seen| !is_token(seen) && !is_versions(seen)).collect()
    }

    pub(super) fn all(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(super) fn stored_refresh_tokens(&self) -> Vec<Option<String>> {
        self.state.lock().unwrap().stored.clone()
    }

    /// How often a token was asked for.
    pub(super) fn refreshes(&self) -> usize {
        self.all().iter().filter(|seen| is_token(seen)).count()
    }

    /// A client of this server, with the refresh-token flow.
    pub(super) async fn client(self: &Arc<Self>) -> Client {
        self.connect("{}").await.unwrap()
    }

    /// A client with more configuration.
    pub(super) async fn connect(self: &Arc<Self>, config: &str) -> Result<Client, Fault> {
        let mut value: serde_json::Value = serde_json::from_str(config).unwrap();
        for (name, default) in [("login_url", LOGIN), ("client_id", "app")] {
            value.as_object_mut().unwrap().entry(name).or_insert_with(|| default.into());
        }
        let dir = value.as_object_mut().unwrap().remove("cache_dir");
        let json = Json::parse(value.to_string()).unwrap();
        let config = Arc::new(SalesforceConfig::from_json(&json)?);
        let transport = Arc::new(Wire(Arc::clone(self)));
        let http =
            HttpClient::with_transport(transport, &auth::client_config(&config), auth::host_policy(&config)?);
        let mut linked = ConnectRequest::new(LinkedAccountId::random(), json, self.store.clone());
        if let Some(dir) = dir {
            linked = linked.cache_dir(dir.as_str().unwrap());
        }
        Client::connect_over(http, &linked, config).await
    }

    fn reply(&self, seen: &Seen) -> Reply {
        let mut state = self.state.lock().unwrap();
        state.seen.push(seen.clone());
        if is_token(seen) {
            return state.tokens.pop_front().unwrap_or_else(|| state.issue());
        }
        if is_versions(seen) {
            return json(
                200,
                r#"[{"label":"x","url":"/services/data/v60.0","version":"60.0"},{"version":"66.0"},{"version":"67.0"}]"#,
            );
        }
        match state.replies.len() {
            0 => json(200, ONE_RECORD),
            1 => state.replies[0].clone(),
            _ => state.replies.pop_front().unwrap(),
        }
    }
}

impl State {
    fn issue(&mut self) -> Reply {
        if self.issued == 0 || !self.repeats {
            self.issued += 1;
        }
        let mut answer = serde_json::json!({
            "access_token": format!("{}{}", SECRETS[2], self.issued),
            "instance_url": self.instance,
            "id": "https://login.salesforce.com/id/00D6g000006wre4EAA/0056g0000049jc6AAA",
            "token_type": "Bearer",
        });
        if self.rotates {
            answer["refresh_token"] = format!("{}{}", SECRETS[1], self.issued).into();
        }
        json(200, &answer.to_string())
    }
}

fn is_token(seen: &Seen) -> bool {
    seen.path == "/services/oauth2/token"
}

fn is_versions(seen: &Seen) -> bool {
    seen.path == "/services/data/"
}

#[derive(Debug)]
struct Wire(Arc<Server>);

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let uri = request.uri().clone();
        let fail = |kind| TransportError::new(kind, request.method(), &uri);
        let token = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let seen = Seen {
            method: request.method().clone(),
            origin: format!("{}://{}", uri.scheme_str().unwrap(), uri.authority().unwrap()),
            path: uri.path_and_query().unwrap().to_string(),
            token: token.map(|token| token.replace("Bearer ", "")),
            headers: request.headers().clone(),
            body: String::from_utf8(request.body().to_vec()).unwrap(),
        };
        if !is_token(&seen) {
            use secrecy::ExposeSecret as _;
            let stored = self.0.store.load().await.unwrap().credentials;
            let text = stored.get("refresh_token").map(|token| token.expose_secret().to_owned());
            self.0.state.lock().unwrap().stored.push(text);
        }
        let (status, headers, body) = match self.0.reply(&seen) {
            Reply::Answer { status, headers, body } => (status, headers, BodyStream::from(Bytes::from(body))),
            Reply::Cut(body) => {
                let pieces = [Ok(Bytes::from(body)), Err(fail(TransportErrorKind::IncompleteBody))];
                (200, Vec::new(), BodyStream::new(stream::iter(pieces)))
            }
            Reply::Reset => return Err(fail(TransportErrorKind::Lost)),
            Reply::NoConnection => return Err(fail(TransportErrorKind::Connect)),
        };
        let mut response = http::Response::new(body);
        *response.status_mut() = status.try_into().unwrap();
        for (name, value) in headers {
            response.headers_mut().append(HeaderName::from_static(name), value.parse().unwrap());
        }
        Ok(response)
    }
}

/// A small query.
pub(super) fn soql() -> Soql {
    Soql::select("Account").fields(["Id"]).filter(Condition::eq("Name", Literal::text("A & B+C")))
}
