//! Starting and stopping an emulated org.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::error::SalesforceError;
use crate::handle::OrgHandle;
use crate::http::{self, Credentials, FaultControl, Parts, PublicKey, RequestLog, Running};
use crate::org::dml::{self, Input};
use crate::org::{BulkLoader, Database, Org};
use crate::schema::{Features, FieldSchema, ObjectSchema, Schema, Visibility};
use crate::seed::{self, RecordSink, SeedPlan, TreeError};

/// Contacts from which on the data is kept in a file instead of in memory.
const FILE_FROM: u64 = 20_000;

/// An emulated org that answers on a local port. It ends when it is dropped.
#[derive(Debug)]
pub struct Emulator {
    running: Running,
}

/// Why an emulator does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The address cannot be listened on.
    #[error("the emulator cannot listen on {address}; choose a free port, or port 0 for any")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder of record files does not load.
    #[error("the folder of records does not load")]
    Data(#[from] TreeError),
    /// The org refused its first rows.
    #[error("the org cannot be filled")]
    Org(#[from] SalesforceError),
    /// The key is no PEM certificate or public key.
    #[error("the JWT bearer key is no PEM certificate and no PEM public key of RSA")]
    Key,
    /// The task that fills the org ended early.
    #[error("filling the org was cut off")]
    Interrupted,
}

#[derive(Clone, Debug)]
enum Data {
    Generated,
    Empty,
    Folder(PathBuf),
}

/// What an emulated org is made of.
#[derive(Clone, Debug)]
pub struct Builder {
    plan: SeedPlan,
    data: Data,
    features: Features,
    visibility: Option<Visibility>,
    listen: SocketAddr,
    start: Option<Timestamp>,
    credentials: Credentials,
    jwt_pem: Option<String>,
    daily_api_requests: u64,
    concurrent_limit: Option<u64>,
    tls: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            plan: SeedPlan::default(),
            data: Data::Generated,
            features: Features::default(),
            visibility: None,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            start: None,
            credentials: Credentials {
                client_id: "3MVG9.unicrm.emulator.connected.app".to_owned(),
                client_secret: "emulator-consumer-secret".to_owned(),
                refresh_token: "5Aep861.unicrm.emulator.refresh.token".to_owned(),
                username: "admin@emulator.example".to_owned(),
                password: "emulator-password".to_owned(),
                security_token: "emulatorSecurityToken".to_owned(),
                jwt_key: None,
                rotate_refresh_tokens: false,
                session_lifetime: Duration::from_secs(2 * 60 * 60),
            },
            jwt_pem: None,
            daily_api_requests: 100_000,
            concurrent_limit: None,
            tls: false,
        }
    }
}

impl Builder {
    /// Seed of the generated data.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.seed = seed;
        self
    }

    /// Number of generated contacts; everything else follows from it. The default is 2,500.
    #[must_use]
    pub fn contacts(mut self, contacts: u64) -> Self {
        self.plan.contacts = contacts;
        self.data = Data::Generated;
        self
    }

    /// No records but those that every org has: users, stages, statuses.
    #[must_use]
    pub fn empty(mut self) -> Self {
        self.data = Data::Empty;
        self
    }

    /// Records from a folder that `sf data export tree` wrote.
    #[must_use]
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Data::Folder(folder.into());
        self
    }

    /// Features that the org has.
    #[must_use]
    pub fn features(mut self, features: Features) -> Self {
        self.features = features;
        self
    }

    /// What the API's user may see and change; an administrator without this.
    #[must_use]
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = Some(visibility);
        self
    }

    /// Address to listen on, instead of any port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The time in the org when it starts, instead of the machine's.
    #[must_use]
    pub fn starting_at(mut self, time: Timestamp) -> Self {
        self.start = Some(time);
        self
    }

    /// Id and secret of the connected app.
    #[must_use]
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.credentials.client_id = id.into();
        self.credentials.client_secret = secret.into();
        self
    }

    /// The connected app's refresh token, good from the start.
    #[must_use]
    pub fn refresh_token(mut self, token: impl Into<String>) -> Self {
        self.credentials.refresh_token = token.into();
        self
    }

    /// Name, password and security token of the API's user.
    #[must_use]
    pub fn user(
        mut self,
        username: impl Into<String>,
        password: impl Into<String>,
        security_token: impl Into<String>,
    ) -> Self {
        self.credentials.username = username.into();
        self.credentials.password = password.into();
        self.credentials.security_token = security_token.into();
        self
    }

    /// PEM certificate or public key that JWT bearer assertions are verified with.
    #[must_use]
    pub fn jwt_public_key(mut self, pem: impl Into<String>) -> Self {
        self.jwt_pem = Some(pem.into());
        self
    }

    /// Gives a new refresh token with each refresh; using an old one again revokes the grant.
    #[must_use]
    pub fn rotate_refresh_tokens(mut self) -> Self {
        self.credentials.rotate_refresh_tokens = true;
        self
    }

    /// How long an access token is good; two hours without this.
    #[must_use]
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.credentials.session_lifetime = lifetime;
        self
    }

    /// API calls in 24 hours; 100,000 without this.
    #[must_use]
    pub fn daily_api_requests(mut self, calls: u64) -> Self {
        self.daily_api_requests = calls;
        self
    }

    /// Requests that may be under way at once; any number without this.
    #[must_use]
    pub fn concurrent_limit(mut self, requests: u64) -> Self {
        self.concurrent_limit = Some(requests);
        self
    }

    /// Opens an encrypted side too: a port that works as an HTTP proxy for any host, `login.salesforce.com` among them, and
    /// answers over TLS itself instead of dialling out. Clients must trust [`Emulator::ca_pem`].
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Fills the org and starts to listen.
    ///
    /// # Errors
    /// When the address is taken, or the data does not load.
    pub async fn start(mut self) -> Result<Emulator, EmulatorError> {
        if let Some(pem) = &self.jwt_pem {
            self.credentials.jwt_key = Some(PublicKey::from_pem(pem).ok_or(EmulatorError::Key)?);
        }
        let (listen, credentials) = (self.listen, self.credentials.clone());
        let (daily_api_requests, concurrent_limit, tls) =
            (self.daily_api_requests, self.concurrent_limit, self.tls);
        let org = tokio::task::spawn_blocking(move || self.fill())
            .await
            .map_err(|_| EmulatorError::Interrupted)??;
        let parts = Parts { org, credentials, daily_api_requests, concurrent_limit, tls };
        let running = http::start(parts, listen)
            .await
            .map_err(|source| EmulatorError::Listen { address: listen, source })?;
        Ok(Emulator { running })
    }

    fn fill(&self) -> Result<Org, EmulatorError> {
        let large = matches!(self.data, Data::Generated) && self.plan.contacts >= FILE_FROM;
        let db = if large { Database::in_file()? } else { Database::in_memory()? };
        let schema = Schema::standard(&self.features);
        let org = Org::new(schema, db, self.start)?;
        org.load(|loader| setup(loader, &self.credentials.username))?;
        match &self.data {
            Data::Generated => {
                let schema = org.schema();
                org.load(|loader| {
                    let now = loader.now();
                    let mut sink = |object: &str, record| loader.insert(object, record).map(drop);
                    seed::generate(&self.plan, &schema, now, &mut sink).map(drop)
                })?;
            }
            Data::Empty => {}
            Data::Folder(folder) => {
                seed::load_folder(folder, &mut Folder(&org))?;
            }
        }
        if let Some(visibility) = &self.visibility {
            org.change_visibility(|current| current.clone_from(visibility));
        }
        Ok(org)
    }
}

fn setup(loader: &mut BulkLoader<'_>, username: &str) -> Result<(), SalesforceError> {
    let (schema, now, admin) = (loader.schema(), loader.now(), loader.admin_id().to_owned());
    let mut sink = |object: &str, mut record: crate::org::Record| {
        if object == "User" && record.text("Id") == Some(admin.as_str()) {
            record.set("Username", username);
        }
        loader.insert(object, record).map(drop)
    };
    seed::setup(&schema, now, &mut sink)
}

/// Record files go through the same checks as the API's own creates.
struct Folder<'a>(&'a Org);

impl RecordSink for Folder<'_> {
    fn schema(&self) -> Arc<Schema> {
        self.0.schema()
    }

    fn add_object(&mut self, object: ObjectSchema) -> Result<(), SalesforceError> {
        self.0.change_schema(|schema| schema.add_object(object))
    }

    fn add_field(&mut self, object: &str, field: FieldSchema) -> Result<(), SalesforceError> {
        self.0.change_schema(|schema| schema.add_field(object, field))
    }

    fn insert(
        &mut self,
        object: &str,
        fields: Vec<(String, Box<RawValue>)>,
    ) -> Result<String, SalesforceError> {
        self.0.db.write(|conn| {
            let context = dml::Context::new(self.0, conn, self.0.schema());
            dml::create(&context, context.object(object)?, &Input { fields })
        })
    }
}

impl Emulator {
    /// What to start with.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where clients log in: what `https://login.salesforce.com` is in production.
    #[must_use]
    pub fn url(&self) -> String {
        self.running.server.login_url()
    }

    /// Where the API is now; the same as [`Self::url`] until the org moves.
    #[must_use]
    pub fn instance_url(&self) -> String {
        self.running.server.instance_url()
    }

    /// The proxy of the encrypted side, for `HTTPS_PROXY` and its like; none without [`Builder::tls`].
    #[must_use]
    pub fn proxy_url(&self) -> Option<String> {
        self.running.server.encrypted.as_ref().map(|(_, address)| format!("http://{address}"))
    }

    /// The encrypted side for clients that are not sent through a proxy; none without [`Builder::tls`].
    #[must_use]
    pub fn https_url(&self) -> Option<String> {
        self.running.server.encrypted.as_ref().map(|(_, address)| format!("https://{address}"))
    }

    /// The certificate, as PEM, of the authority that the encrypted side's certificates are from. Every emulator has its
    /// own. None without [`Builder::tls`].
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.running.server.encrypted.as_ref().map(|(tls, _)| tls.ca_pem())
    }

    /// Writes [`Self::ca_pem`] to a file, for clients that are told of authorities by a path.
    ///
    /// # Errors
    /// When there is no encrypted side, or the file cannot be written.
    pub fn write_ca(&self, path: impl AsRef<std::path::Path>) -> std::io::Result<()> {
        let pem = self.ca_pem().ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::Unsupported, "the emulator was started without tls()")
        })?;
        std::fs::write(path, pem)
    }

    /// Consumer key of the connected app.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.running.server.credentials.client_id
    }

    /// Consumer secret of the connected app.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.running.server.credentials.client_secret
    }

    /// The connected app's refresh token, good from the start.
    #[must_use]
    pub fn refresh_token(&self) -> &str {
        &self.running.server.credentials.refresh_token
    }

    /// Name of the API's user.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.running.server.credentials.username
    }

    /// Password of the API's user.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.running.server.credentials.password
    }

    /// Security token of the API's user.
    #[must_use]
    pub fn security_token(&self) -> &str {
        &self.running.server.credentials.security_token
    }

    /// The org behind the API.
    #[must_use]
    pub fn org(&self) -> OrgHandle {
        OrgHandle::new(Arc::clone(&self.running.server))
    }

    /// Faults to switch on and off.
    #[must_use]
    pub fn faults(&self) -> FaultControl {
        self.running.server.faults.clone()
    }

    /// The requests so far.
    #[must_use]
    pub fn log(&self) -> RequestLog {
        self.running.server.log.clone()
    }

    /// Stops to answer; requests under way get half a second.
    pub async fn shutdown(self) {
        self.running.stop().await;
    }
}
