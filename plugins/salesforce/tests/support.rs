//! An emulated org with the plugin connected to it, and what the org's own tables say should be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use secrecy::SecretString;
use unicrm_core::{
    ConnectRequest, Credentials, Json, LinkedAccountId, LiveRow, MemoryCredentialStore, Next, ObjectKind,
    PageToken, Provider, ProviderExt, ReadPart, Registry, Result, Row, Scope, Shape, Watermark,
};
use unicrm_salesforce_emulator::{Builder, Emulator, OrgHandle, Value};

/// What the connected app's secret is in these tests: the conformance suite looks for it in every output.
pub(crate) const SECRET: &str = unicrm_testkit::conformance::SECRET;

/// The members of a configuration that signs in as the app itself.
const CLIENT_CREDENTIALS: &str = r#""flow":"client-credentials""#;

/// Users that are visitors only.
pub(crate) const VISITORS: [&str; 4] = ["CspLitePortal", "CsnOnly", "Guest", "SelfService"];
/// Tasks that are engagements.
pub(crate) const ENGAGEMENTS: [&str; 3] = ["Call", "Email", "ListEmail"];

/// An org, and the account that is linked with it.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) emulator: Emulator,
    pub(crate) account: LinkedAccountId,
    pub(crate) credentials: Arc<MemoryCredentialStore>,
}

impl Linked {
    /// An org with this many contacts and everything that goes with them.
    pub(crate) async fn with_contacts(contacts: u64) -> Self {
        Self::start(Emulator::builder().contacts(contacts).seed(7)).await
    }

    pub(crate) async fn start(builder: Builder) -> Self {
        let emulator = builder.client("3MVG9.tests", SECRET).start().await.expect("the emulator starts");
        let credentials = Credentials::new()
            .with("client_secret", SecretString::from(SECRET))
            .with("refresh_token", SecretString::from(emulator.refresh_token().to_owned()));
        let credentials = Arc::new(MemoryCredentialStore::new(credentials));
        Self { emulator, account: LinkedAccountId::random(), credentials }
    }

    pub(crate) fn org(&self) -> OrgHandle {
        self.emulator.org()
    }

    /// A new connection, as after a restart of the process.
    pub(crate) async fn connect(&self) -> Arc<dyn Provider> {
        self.connect_with(CLIENT_CREDENTIALS).await.expect("a connection")
    }

    /// A new connection with more members in its configuration.
    pub(crate) async fn connect_with(&self, members: &str) -> Result<Arc<dyn Provider>> {
        let url = self.emulator.url();
        let config = format!(r#"{{"login_url":"{url}","client_id":"3MVG9.tests",{members}}}"#);
        let request = ConnectRequest::new(self.account, Json::parse(config)?, self.credentials.clone());
        Registry::new([unicrm_salesforce::PROVIDER])?.connect("salesforce", request).await
    }

    /// A new connection that keeps descriptions in this folder.
    pub(crate) async fn connect_cached(&self, dir: &Path) -> Arc<dyn Provider> {
        let url = self.emulator.url();
        let config = format!(r#"{{"login_url":"{url}","client_id":"3MVG9.tests",{CLIENT_CREDENTIALS}}}"#);
        let config = Json::parse(config).expect("a configuration");
        let request = ConnectRequest::new(self.account, config, self.credentials.clone()).cache_dir(dir);
        let registry = Registry::new([unicrm_salesforce::PROVIDER]).expect("a registry");
        registry.connect("salesforce", request).await.expect("a connection")
    }

    /// What the org's own tables say that a reading of all records shows.
    pub(crate) async fn expected(&self, kind: ObjectKind) -> Expected {
        let org = self.org();
        let mut expected = Expected::default();
        let mut take = |rows: Vec<(String, Vec<Value>)>, shown: &dyn Fn(&[Value]) -> bool| {
            for (id, values) in rows {
                if shown(&values) {
                    let deleted = values.first().is_some_and(Value::is_true);
                    let ids = if deleted { &mut expected.deleted } else { &mut expected.live };
                    ids.insert(id);
                }
            }
        };
        let engagement = |value: Option<&Value>| {
            value.and_then(Value::as_text).is_some_and(|text| ENGAGEMENTS.contains(&text))
        };
        match kind {
            ObjectKind::Account | ObjectKind::Contact | ObjectKind::Lead | ObjectKind::Opportunity => {
                let object = match kind {
                    ObjectKind::Account => "Account",
                    ObjectKind::Contact => "Contact",
                    ObjectKind::Lead => "Lead",
                    _ => "Opportunity",
                };
                take(org.table(object, &["IsDeleted"]).await.unwrap(), &|_| true);
            }
            ObjectKind::Task => {
                let rows = org.table("Task", &["IsDeleted", "TaskSubtype"]).await.unwrap();
                take(rows, &|values| !engagement(values.get(1)));
            }
            ObjectKind::Engagement => {
                let rows = org.table("Task", &["IsDeleted", "TaskSubtype"]).await.unwrap();
                take(rows, &|values| engagement(values.get(1)));
                let rows = org.table("Event", &["IsDeleted", "IsChild"]).await.unwrap();
                take(rows, &|values| !values.get(1).is_some_and(Value::is_true));
            }
            ObjectKind::Note => {
                take(org.table("Note", &["IsDeleted"]).await.unwrap(), &|_| true);
                if let Ok(rows) = org.table("ContentNote", &["IsDeleted"]).await {
                    take(rows, &|_| true);
                }
            }
            ObjectKind::User => {
                let rows = org.table("User", &["IsActive", "UserType"]).await.unwrap();
                for (id, values) in rows {
                    let visitor =
                        values.get(1).and_then(Value::as_text).is_some_and(|ty| VISITORS.contains(&ty));
                    if !visitor {
                        expected.live.insert(id);
                    }
                }
            }
            ObjectKind::Stage => {
                let rows = org.table("OpportunityStage", &["ApiName"]).await.unwrap();
                let names =
                    rows.into_iter().filter_map(|(_, values)| Some(values.first()?.as_text()?.to_owned()));
                expected.live.extend(names);
            }
            ObjectKind::EngagementType => {
                expected
                    .live
                    .extend(["Event", "Task:Call", "Task:Email", "Task:ListEmail"].map(str::to_owned));
                for object in ["Event", "Task"] {
                    // The field is there only where the org has added it, and the test that adds it knows the values.
                    if org.table(object, &["Type"]).await.is_ok() {
                        expected.live.extend(TYPES.map(|value| format!("{object}.Type:{value}")));
                    }
                }
            }
        }
        expected
    }
}

/// The active values of Event.Type and Task.Type where a test adds that field.
pub(crate) const TYPES: [&str; 2] = ["Demo", "First Call"];

/// Ids that a reading of all records must show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) live: BTreeSet<String>,
    pub(crate) deleted: BTreeSet<String>,
}

/// What a reading showed, by remote id; the last row of an id counts.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) live: BTreeMap<String, LiveRow>,
    pub(crate) gone: BTreeMap<String, unicrm_core::Gone>,
    pub(crate) ids: BTreeSet<String>,
    pub(crate) rejected: Vec<String>,
    pub(crate) pages: usize,
    pub(crate) rows: usize,
    pub(crate) watermark: Option<Watermark>,
    pub(crate) usage: unicrm_core::Usage,
}

impl Shown {
    pub(crate) fn take(&mut self, row: Row) {
        self.rows += 1;
        let id = row.remote_id().map(|id| id.as_str().to_owned()).unwrap_or_default();
        match row {
            Row::Live(row) => {
                self.gone.remove(&id);
                self.live.insert(id, row);
            }
            Row::Gone(gone) => {
                self.live.remove(&id);
                self.gone.insert(id, gone);
            }
            Row::Id { .. } => {
                self.ids.insert(id);
            }
            Row::Rejected { error, .. } => self.rejected.push(format!("{id}: {error}")),
        }
    }

    pub(crate) fn live_ids(&self) -> BTreeSet<String> {
        self.live.keys().cloned().collect()
    }

    pub(crate) fn gone_ids(&self) -> BTreeSet<String> {
        self.gone.keys().cloned().collect()
    }

    /// Checks that the reading showed what the org has, no less and no more.
    #[track_caller]
    pub(crate) fn assert_whole(&self, kind: ObjectKind, expected: &Expected) {
        assert!(self.rejected.is_empty(), "{kind}: {:?}", self.rejected);
        let lost: Vec<_> = expected.live.difference(&self.live_ids()).cloned().collect();
        assert!(
            lost.is_empty(),
            "{kind}: {} of {} lost, such as {:?}",
            lost.len(),
            expected.live.len(),
            lost.first()
        );
        assert_eq!(self.live_ids(), expected.live, "{kind}: more than there is");
        assert_eq!(self.gone_ids(), expected.deleted, "{kind}: deleted records");
    }
}

/// Reads a part to its end.
pub(crate) async fn read(provider: &dyn Provider, part: ReadPart) -> Result<Shown> {
    let mut shown = Shown::default();
    let mut pages = provider.pages(part);
    while let Some(page) = pages.next().await {
        let page = page?;
        shown.pages += 1;
        shown.usage.add(&page.usage);
        if let Next::End(watermark) = page.next {
            shown.watermark = watermark;
        }
        for row in page.rows {
            shown.take(row);
        }
    }
    Ok(shown)
}

/// Reads all records of an object.
pub(crate) async fn read_all(provider: &dyn Provider, kind: ObjectKind) -> Shown {
    read(provider, ReadPart::all(kind)).await.unwrap_or_else(|error| panic!("{kind}: {error:?}"))
}

/// What changed since a watermark.
pub(crate) fn since(kind: ObjectKind, watermark: &Watermark) -> ReadPart {
    ReadPart::new(kind, Scope::Since(watermark.clone()))
}

/// Reads what changed since a watermark.
pub(crate) async fn read_since(provider: &dyn Provider, kind: ObjectKind, watermark: &Watermark) -> Shown {
    read(provider, since(kind, watermark)).await.unwrap_or_else(|error| panic!("{kind}: {error:?}"))
}

/// As if all descriptions in the folder had been made so long ago.
pub(crate) fn age(folder: &Path, by: Duration) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path, by);
        } else {
            File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - by).unwrap();
        }
    }
}

/// Reads a part to its end through a new connection for each page, with the token as text in between. Errors that say
/// so are tried again, a few times, from the same token.
pub(crate) async fn read_restarting(linked: &Linked, part: ReadPart) -> Result<Shown> {
    read_restarting_with(linked, CLIENT_CREDENTIALS, part).await
}

/// The same with these members of the configuration.
pub(crate) async fn read_restarting_with(linked: &Linked, members: &str, part: ReadPart) -> Result<Shown> {
    let mut shown = Shown::default();
    let mut part = part;
    let mut errors = 0;
    loop {
        // More faults of the sign-in in a row than it is tried: then the connection is what is tried again.
        let read = async {
            let provider = linked.connect_with(members).await?;
            provider.read_page(part.clone()).await
        };
        let page = match read.await {
            Ok(page) => page,
            Err(error) if error.is_retryable() && errors < 5 => {
                errors += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        shown.pages += 1;
        for row in page.rows {
            shown.take(row);
        }
        match page.next {
            Next::End(watermark) => {
                shown.watermark = watermark;
                return Ok(shown);
            }
            Next::More(token) => {
                let kept = serde_json::to_string(&token).expect("a token is text");
                part = part.after(serde_json::from_str::<PageToken>(&kept).expect("a token again"));
            }
        }
    }
}

/// The number of live records, as the plugin counts them.
pub(crate) async fn count(provider: &dyn Provider, kind: ObjectKind) -> u64 {
    let page = provider.read_page(ReadPart::all(kind).shape(Shape::Count)).await.expect("a count");
    page.count.expect("a number")
}
