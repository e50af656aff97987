//! The HTTP side: the request pipeline, and one file per resource.

mod bulk;
mod bulk_v1;
mod call;
mod composite;
mod control;
mod counts;
mod data;
mod describe;
mod external;
mod faults;
mod layouts;
mod limits;
mod link;
mod log;
mod message;
mod multipart;
mod oauth;
mod origin;
mod pipeline;
mod query;
mod replication;
mod rules;
pub(crate) mod search;
mod soap;
mod sobject;
mod stream;
mod tls;
mod versions;
pub(crate) mod xml;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use bulk::BulkSettings;
pub use faults::{Fault, FaultControl, FaultRule, FaultState};
pub use log::{Count, LogEntry, RequestLog, Resource};
pub use oauth::PublicKey;

pub(crate) use limits::ApiUsage;
pub(crate) use oauth::{Credentials, TokenStore};
pub(crate) use versions::NEWEST;

use crate::error::SalesforceError;
use crate::org::{Org, lock};
use bulk::Bulk;
use bulk_v1::BulkV1;
use describe::Descriptions;
use link::{HostListener, Side};
use message::ApiRequest;
use query::Locators;
use tls::Tls;

/// Everything that answers requests.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) org: Org,
    pub(crate) credentials: Credentials,
    pub(crate) tokens: TokenStore,
    pub(crate) usage: ApiUsage,
    pub(crate) faults: FaultControl,
    pub(crate) log: RequestLog,
    pub(crate) bulk: Bulk,
    pub(crate) bulk_v1: BulkV1,
    locators: Locators,
    descriptions: Descriptions,
    /// Itself, for work that outlives a request.
    me: Weak<Server>,
    hosts: Vec<String>,
    home: Mutex<Home>,
    in_flight: AtomicU64,
    concurrent_limit: Option<u64>,
    /// The encrypted side and its address.
    pub(crate) encrypted: Option<(Tls, SocketAddr)>,
}

/// Which host the org lives on, and how the others answer.
#[derive(Clone, Copy, Debug, Default)]
struct Home {
    host: usize,
    redirect: Option<u16>,
}

/// What a server is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) org: Org,
    pub(crate) credentials: Credentials,
    pub(crate) daily_api_requests: u64,
    pub(crate) concurrent_limit: Option<u64>,
    /// Whether there is an encrypted side.
    pub(crate) tls: bool,
}

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) server: Arc<Server>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts to serve on `listen`, and on a second port of the same address to which the org can move.
pub(crate) async fn start(parts: Parts, listen: SocketAddr) -> Result<Running, std::io::Error> {
    let mut listeners = Vec::new();
    let mut hosts = Vec::new();
    for (host, address) in [listen, SocketAddr::new(listen.ip(), 0)].into_iter().enumerate() {
        let tcp = TcpListener::bind(address).await?;
        hosts.push(format!("http://{}", tcp.local_addr()?));
        listeners.push(HostListener { tcp, side: Side::Host(host) });
    }
    let mut encrypted = None;
    if parts.tls {
        let tcp = TcpListener::bind(SocketAddr::new(listen.ip(), 0)).await?;
        let tls = Tls::generate()?;
        encrypted = Some((tls.clone(), tcp.local_addr()?));
        listeners.push(HostListener { tcp, side: Side::Encrypted(tls) });
    }
    let server = Arc::new_cyclic(|me| Server {
        me: me.clone(),
        bulk: Bulk::default(),
        bulk_v1: BulkV1::default(),
        org: parts.org,
        tokens: TokenStore::default(),
        usage: ApiUsage::new(parts.daily_api_requests),
        faults: FaultControl::default(),
        log: RequestLog::default(),
        locators: Locators::default(),
        descriptions: Descriptions::default(),
        hosts,
        home: Mutex::new(Home::default()),
        in_flight: AtomicU64::new(0),
        concurrent_limit: parts.concurrent_limit,
        encrypted,
        credentials: parts.credentials,
    });
    server.tokens.new_refresh(
        &server.credentials.client_id,
        &server.org.user_id,
        "api refresh_token",
        Some(server.credentials.refresh_token.clone()),
    );
    let (stop, stopped) = watch::channel(false);
    let tasks = listeners
        .into_iter()
        .map(|listener| pipeline::serve(Arc::clone(&server), listener, stopped.clone()))
        .collect();
    Ok(Running { server, stop, tasks })
}

impl Running {
    /// Stops to listen, lets open requests finish for a moment, then ends them.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        for mut task in std::mem::take(&mut self.tasks) {
            let patience = std::time::Duration::from_millis(500);
            if tokio::time::timeout(patience, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Server {
    /// Where clients log in; it never changes.
    pub(crate) fn login_url(&self) -> String {
        self.hosts.first().cloned().unwrap_or_default()
    }

    /// Where the API is now.
    pub(crate) fn instance_url(&self) -> String {
        let home = *lock(&self.home);
        self.hosts.get(home.host).cloned().unwrap_or_default()
    }

    pub(crate) fn identity_url(&self, user_id: &str) -> String {
        format!("{}/id/{}/{user_id}", self.login_url(), self.org.org_id)
    }

    /// Moves the org to its other host.
    pub(crate) fn move_instance(&self, redirect: Option<u16>) {
        let mut home = lock(&self.home);
        home.host = 1 - home.host.min(1);
        home.redirect = redirect.filter(|status| matches!(status, 301 | 302 | 307 | 308));
    }

    /// The redirect status of a host where the org is not; 401 stands for no redirect.
    fn away(&self, host: Option<usize>) -> Option<u16> {
        let home = *lock(&self.home);
        host.is_some_and(|host| home.host != host).then(|| home.redirect.unwrap_or(401))
    }

    /// Sets how many locators a user may hold open, and for how long one may lie unused.
    pub(crate) fn limit_locators(&self, open: usize, idle: Option<std::time::Duration>) {
        let idle = idle.and_then(|idle| jiff::SignedDuration::try_from(idle).ok());
        self.locators.configure(crate::query::LocatorSettings { max_open: open, idle, ..Default::default() });
    }

    /// Drops the locator that a request names.
    pub(crate) fn forget_locator(&self, request: &ApiRequest) {
        if let Some(last) = request.segments.last() {
            self.locators.forget(last);
        }
    }

    /// Counts a request as under way until the guard is dropped; an error when there are too many.
    fn enter(&self) -> Result<InFlight<'_>, SalesforceError> {
        let guard = InFlight(&self.in_flight);
        let others = self.in_flight.fetch_add(1, Ordering::AcqRel);
        match self.concurrent_limit {
            Some(limit) if others >= limit => Err(SalesforceError::new(
                403,
                "REQUEST_LIMIT_EXCEEDED",
                "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
            )),
            _ => Ok(guard),
        }
    }
}

struct InFlight<'a>(&'a AtomicU64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
