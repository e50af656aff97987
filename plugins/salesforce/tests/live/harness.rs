//! The harness of the suite over an org that is only reached over the network.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use unicrm_core::{
    CredentialStore, Credentials, LinkedAccountId, MemoryCredentialStore, ObjectKind, Provider, Record,
    RemoteId, Result, StoredCredentials, Swap,
};
use unicrm_salesforce::laws::{MapContext, encode};
use unicrm_testkit::conformance::{CustomSample, Fault, Harness, SECRET, Upstream};

use super::recorder::Recorder;
use super::rest::Rest;
use super::{LIVE, Live};
use crate::conformance::sobject_of;

/// What every record of a run is called, so that its owner knows it.
const MARK: &str = "Conformance";
/// The words by which the records of a run are found.
const WORDS: &str = "Conformance OR Quillfeather";
/// How long an org may take to index what was written.
const PATIENCE: Duration = Duration::from_secs(180);

/// The credentials of the run, which can be made wrong for one connection: to see them refused, nothing has to be revoked at
/// the org.
#[derive(Debug)]
pub(super) struct Spoilable {
    store: Arc<MemoryCredentialStore>,
    spoiled: AtomicBool,
}

impl Spoilable {
    pub(super) fn new(store: &Arc<MemoryCredentialStore>) -> Arc<Self> {
        Arc::new(Self { store: Arc::clone(store), spoiled: AtomicBool::new(false) })
    }
}

#[async_trait]
impl CredentialStore for Spoilable {
    async fn load(&self) -> Result<StoredCredentials> {
        let mut stored = self.store.load().await?;
        if self.spoiled.load(Ordering::Relaxed) {
            for name in ["client_secret", "refresh_token"] {
                if stored.credentials.get(name).is_some() {
                    stored.credentials.set(name, SECRET.into());
                }
            }
        }
        Ok(stored)
    }

    async fn compare_and_swap(&self, expected_version: u64, credentials: Credentials) -> Result<Swap> {
        if self.spoiled.load(Ordering::Relaxed) {
            // The other connections go on with what is right.
            return Ok(Swap::Stored { version: expected_version });
        }
        self.store.compare_and_swap(expected_version, credentials).await
    }
}

#[derive(Debug)]
pub(super) struct LiveHarness {
    live: Arc<Live>,
    provider: Arc<Recorder>,
    credentials: Arc<Spoilable>,
    rest: Rest,
    context: MapContext,
    stage: String,
    samples: AtomicU32,
    /// Records that a search may not find yet.
    fresh: Mutex<Vec<(&'static str, RemoteId)>>,
}

/// Whether records of an object can be made: users, stages and types are people and settings of the org.
pub(super) const fn takes(kind: ObjectKind) -> bool {
    !matches!(kind, ObjectKind::User | ObjectKind::Stage | ObjectKind::EngagementType)
}

impl LiveHarness {
    /// A record of each object, and one that is deleted.
    async fn seeds(&self) -> HashMap<ObjectKind, RemoteId> {
        let mut seeds = HashMap::new();
        for kind in ObjectKind::ALL.into_iter().filter(|kind| takes(*kind)) {
            seeds.insert(kind, self.insert(self.sample(kind)).await);
            let deleted = self.insert(self.sample(kind)).await;
            Upstream::delete(self, kind, &deleted).await;
        }
        self.live.made.keep();
        seeds
    }
}

#[async_trait]
impl Harness for LiveHarness {
    async fn start() -> Self {
        let live = LIVE.get();
        let credentials = Spoilable::new(&live.credentials);
        let provider = live.connect(Arc::clone(&credentials)).await;
        let rest = Rest::new(Arc::clone(&provider)).await;
        let mut context = MapContext::new(live.account, &live.target.login_url);
        context.org.enhanced_notes = rest.enhanced_notes().await;
        let stage = rest.open_stage().await;
        let (samples, fresh) = (AtomicU32::default(), Mutex::default());
        let harness = Self { live, provider, credentials, rest, context, stage, samples, fresh };
        harness.live.seeds.get_or_init(|| harness.seeds()).await;
        harness
    }

    fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.provider) as _
    }

    async fn reconnect(&self) -> Arc<dyn Provider> {
        self.live.connect(Arc::clone(&self.credentials)).await
    }

    fn linked_account(&self) -> LinkedAccountId {
        self.live.account
    }

    fn upstream(&self) -> &dyn Upstream {
        self
    }

    async fn custom_sample(&self) -> Option<CustomSample> {
        let [class, text, lookup] = self.live.target.custom.clone()?;
        let account = self.rest.create("Account", &json!({ "Name": MARK })).await;
        Some(CustomSample { class, text, lookup, account })
    }

    fn sample(&self, kind: ObjectKind) -> Record {
        // Names of their own, so that the org's duplicate rules have nothing to say.
        let number = self.samples.fetch_add(1, Ordering::Relaxed);
        let name = format!("{MARK} {}{number}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let sample = match kind {
            ObjectKind::Contact => json!({"first_name": MARK, "last_name": name}),
            ObjectKind::Lead => json!({"first_name": MARK, "last_name": name, "company": name}),
            ObjectKind::Engagement => json!({"subject": name, "engagement_type": {"remote_id": "Task:Call"}}),
            ObjectKind::Task => json!({"subject": name}),
            ObjectKind::Note => json!({"content": format!("{name}\nin two lines")}),
            ObjectKind::Opportunity => {
                json!({"name": name, "stage": {"remote_id": self.stage}, "close_date": "2030-01-01T00:00:00Z"})
            }
            ObjectKind::Account | ObjectKind::EngagementType | ObjectKind::Stage | ObjectKind::User => {
                json!({ "name": name })
            }
        };
        Record::from_json(kind, &sample.to_string()).expect("a sample")
    }
}

#[async_trait]
impl Upstream for LiveHarness {
    async fn insert(&self, record: Record) -> RemoteId {
        assert!(takes(record.kind()), "{} cannot be made in a real org", record.kind());
        let remote = encode(&record, &self.context);
        let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let fields = remote.fields.iter().map(|(name, json)| (name.to_string(), value(json.as_str())));
        let id = self.rest.create(remote.sobject, &Value::Object(fields.collect::<Map<_, _>>())).await;
        if matches!(remote.sobject, "Account" | "Contact" | "Lead") {
            self.fresh.lock().unwrap().push((remote.sobject, id.clone()));
        }
        id
    }

    async fn touch(&self, kind: ObjectKind) -> RemoteId {
        let id = self.live.seeds.get().expect("seeds")[&kind].clone();
        let field = match kind {
            ObjectKind::Account => "Description",
            ObjectKind::Opportunity => "NextStep",
            ObjectKind::Task | ObjectKind::Engagement => "Subject",
            _ => "Title",
        };
        self.rest.update(sobject_of(kind, id.as_str()), &id, field, "Touched by hand").await;
        id
    }

    async fn delete(&self, kind: ObjectKind, remote_id: &RemoteId) {
        self.rest.delete(sobject_of(kind, remote_id.as_str()), remote_id).await.expect("deleted");
        // No search finds it any more.
        self.fresh.lock().unwrap().retain(|(_, fresh)| fresh != remote_id);
    }

    async fn live_ids(&self, kind: ObjectKind) -> BTreeSet<RemoteId> {
        self.rest.live_ids(kind).await
    }

    async fn fail(&self, fault: Fault) -> bool {
        if !matches!(fault, Fault::SessionExpired | Fault::CredentialsRefused) {
            return false;
        }
        self.credentials.spoiled.store(fault == Fault::CredentialsRefused, Ordering::Relaxed);
        // The run's own session; another one is opened with the right secrets.
        let credentials = self.credentials.load().await.expect("credentials").credentials;
        let token = credentials.get("access_token").expect("a session").expose_secret().to_owned();
        self.rest.revoke(&token).await;
        true
    }

    fn takes(&self, kind: ObjectKind) -> bool {
        takes(kind)
    }

    async fn index(&self) {
        let mut fresh = std::mem::take(&mut *self.fresh.lock().unwrap());
        let begin = Instant::now();
        while !fresh.is_empty() {
            let found = self.rest.found(WORDS, &fresh).await;
            fresh.retain(|(_, id)| !found.contains(id));
            assert!(fresh.is_empty() || begin.elapsed() < PATIENCE, "the org does not index {fresh:?}");
            if !fresh.is_empty() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    }
}
