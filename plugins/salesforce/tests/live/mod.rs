//! The conformance suite against an org that is only reached over the network: a real one, with its owner's credentials.
//!
//! `just live` runs it; it is ignored otherwise, and no CI has an org. It writes records that it made itself and no others,
//! and deletes them at its end. What a real org cannot be made to do is named with the reason (`docs/testing.md`). So that the
//! run itself does not rot, a test takes it through an emulated org and holds that nothing of that org is changed.

mod harness;
mod recorder;
mod rest;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use harness::{LiveHarness, Spoilable};
use recorder::{Made, Recorder};
use rest::Rest;
use secrecy::SecretString;
use tokio::sync::OnceCell;
use unicrm_core::{
    ConnectRequest, Credentials, Json, LinkedAccountId, MemoryCredentialStore, ObjectKind, Registry, RemoteId,
};
use unicrm_testkit::conformance::{self, Case, SECRET};

/// Records of one sObject that an org may have, unless it is said otherwise: the suite reads them all, some dozens of times,
/// also one a page.
const FEW: u64 = 250;

/// The org to run against, and how to sign in.
#[derive(Debug)]
struct Target {
    login_url: String,
    client_id: String,
    client_secret: Option<SecretString>,
    refresh_token: Option<SecretString>,
    /// A class of custom objects, a text field of it, and a lookup to Account.
    custom: Option<[String; 3]>,
    most: u64,
}

impl Target {
    /// What `UNICRM_LIVE_...` say.
    ///
    /// # Panics
    ///
    /// When something is missing, saying what.
    fn of_environment() -> Self {
        let get =
            |name: &str| std::env::var(format!("UNICRM_LIVE_{name}")).ok().filter(|text| !text.is_empty());
        let need =
            |name: &str| get(name).unwrap_or_else(|| panic!("set UNICRM_LIVE_{name} (docs/testing.md)"));
        let secret = |name| get(name).map(SecretString::from);
        let (client_secret, refresh_token) = (secret("CLIENT_SECRET"), secret("REFRESH_TOKEN"));
        assert!(
            client_secret.is_some() || refresh_token.is_some(),
            "set UNICRM_LIVE_CLIENT_SECRET, or UNICRM_LIVE_REFRESH_TOKEN (docs/testing.md)"
        );
        let custom = get("CUSTOM").map(|text| {
            let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
            names.try_into().expect("UNICRM_LIVE_CUSTOM is Class__c,TextField__c,LookupToAccount__c")
        });
        let most = get("MAX_RECORDS").map(|text| text.parse().expect("UNICRM_LIVE_MAX_RECORDS is a number"));
        Self {
            login_url: need("LOGIN_URL"),
            client_id: need("CLIENT_ID"),
            client_secret,
            refresh_token,
            custom,
            most: most.unwrap_or(FEW),
        }
    }

    fn credentials(&self) -> Credentials {
        let mut credentials = Credentials::new().with("planted", SECRET.into());
        for (name, secret) in [("client_secret", &self.client_secret), ("refresh_token", &self.refresh_token)]
        {
            if let Some(secret) = secret {
                credentials.set(name, secret.clone());
            }
        }
        credentials
    }

    fn config(&self) -> Json {
        let flow = if self.refresh_token.is_some() { "refresh-token" } else { "client-credentials" };
        let config = serde_json::json!({
            "flow": flow, "login_url": self.login_url, "client_id": self.client_id,
        });
        Json::parse(config.to_string()).expect("JSON")
    }

    /// Why a case is not run; none when it is.
    fn spared(&self, case: &str) -> Option<&'static str> {
        match case {
            "a_throttled_reading_goes_on" | "an_outage_is_survived" | "a_cut_body_loses_no_row" => {
                Some("a real org does not fail on demand")
            }
            "a_used_up_quota_is_a_resumable_stop" => {
                Some("it would take the quota of the day from the org's users")
            }
            _ if case.starts_with("custom_") && self.custom.is_none() => {
                Some("UNICRM_LIVE_CUSTOM names no class of custom objects")
            }
            _ => None,
        }
    }
}

/// A run: what all its cases share.
#[derive(Debug)]
struct Live {
    target: Target,
    account: LinkedAccountId,
    credentials: Arc<MemoryCredentialStore>,
    made: Arc<Made>,
    /// A record of each object that can be made, there from the beginning to the end.
    seeds: OnceCell<HashMap<ObjectKind, RemoteId>>,
}

tokio::task_local! {
    /// The run that a case belongs to: the suite starts a harness without arguments.
    static LIVE: Arc<Live>;
}

impl Live {
    fn new(target: Target) -> Self {
        let credentials = Arc::new(MemoryCredentialStore::new(target.credentials()));
        let account = LinkedAccountId::random();
        Self { target, account, credentials, made: Arc::default(), seeds: OnceCell::new() }
    }

    async fn connect(&self, credentials: Arc<Spoilable>) -> Arc<Recorder> {
        let registry = Registry::new([unicrm_salesforce::PROVIDER]).expect("a registry");
        let request = ConnectRequest::new(self.account, self.target.config(), credentials);
        let provider = registry.connect("salesforce", request).await;
        let provider =
            provider.unwrap_or_else(|error| panic!("{error}\n{}", error.advice().unwrap_or_default()));
        Arc::new(Recorder::new(provider, Arc::clone(&self.made)))
    }

    async fn rest(&self) -> Rest {
        Rest::new(self.connect(Spoilable::new(&self.credentials)).await).await
    }
}

/// What became of a run.
#[derive(Debug, Default)]
struct Report {
    passed: Vec<&'static str>,
    spared: Vec<(&'static str, &'static str)>,
    failed: Vec<(&'static str, String)>,
    /// Records of the run that could not be deleted.
    left: Vec<String>,
}

/// Takes an org through the suite, case by case.
async fn run(target: Target) -> Report {
    let live = Arc::new(Live::new(target));
    let rest = live.rest().await;
    rest.check_size(live.target.most).await;
    let mut report = Report::default();
    for Case { name, run } in conformance::all::<LiveHarness>() {
        if let Some(reason) = live.target.spared(name) {
            println!("not run  {name}: {reason}");
            report.spared.push((name, reason));
            continue;
        }
        let begin = Instant::now();
        let case = AssertUnwindSafe(LIVE.scope(Arc::clone(&live), run())).catch_unwind();
        match case.await {
            Ok(()) => {
                println!("ok       {name} ({:.1} s)", begin.elapsed().as_secs_f32());
                report.passed.push(name);
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
                // Whole records are in some of them.
                let text: String = text.chars().take(1_000).collect();
                println!("FAILED   {name}: {text}");
                report.failed.push((name, text));
            }
        }
        report.left.extend(live.made.delete(&rest, true).await);
    }
    report.left.extend(live.made.delete(&rest, false).await);
    report
}

impl Report {
    #[track_caller]
    fn assert_good(&self) {
        let objects: Vec<_> = ObjectKind::ALL.into_iter().filter(|kind| !harness::takes(*kind)).collect();
        println!(
            "{} passed, {} failed, {} not run; without records made by the suite: {objects:?}, which are people and settings",
            self.passed.len(),
            self.failed.len(),
            self.spared.len(),
        );
        assert!(self.left.is_empty(), "records of this run are left, delete them by hand: {:?}", self.left);
        assert!(self.failed.is_empty(), "{:#?}", self.failed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes to a real org: just live"]
async fn the_suite_against_a_real_org() {
    run(Target::of_environment()).await.assert_good();
}

mod emulated {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use unicrm_core::{SearchQuery, SearchRequest};
    use unicrm_salesforce_emulator::{Emulator, FieldSchema, FieldType, ObjectSchema, OrgHandle, Value};
    use unicrm_testkit::conformance::{CASES, Harness as _};

    use super::*;

    /// All records that are not deleted, with the time of their last change.
    async fn records(org: &OrgHandle) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for object in
            ["Account", "Contact", "ContentNote", "Event", "Lead", "Note", "Opportunity", "Task", "User"]
        {
            let columns: &[&str] = match object {
                "ContentNote" => &["LastModifiedDate", "IsDeleted"],
                "User" => &["SystemModstamp"],
                _ => &["SystemModstamp", "IsDeleted"],
            };
            for (id, values) in org.table(object, columns).await.unwrap() {
                if !values.get(1).is_some_and(Value::is_true) {
                    all.insert(id, format!("{object} {:?}", values.first()));
                }
            }
        }
        all
    }

    async fn emulator(contacts: u64) -> Emulator {
        let builder = Emulator::builder().contacts(contacts).seed(7);
        builder.client("3MVG9.live", "the-app-s-own").start().await.expect("the emulator starts")
    }

    fn target(emulator: &Emulator) -> Target {
        Target {
            login_url: emulator.url(),
            client_id: emulator.client_id().to_owned(),
            client_secret: Some(emulator.client_secret().into()),
            refresh_token: None,
            custom: None,
            most: FEW,
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_run_passes_and_leaves_the_org_as_it_was() {
        let emulator = emulator(2).await;
        let org = emulator.org();
        let mut class = ObjectSchema::custom("Invoice__c");
        let lookup =
            FieldSchema::new("Customer__c", FieldType::Reference).to(&["Account"], Some("Customer__r"));
        class.fields.extend([FieldSchema::new("Title__c", FieldType::String), lookup]);
        org.add_object(class).await.unwrap();
        let before = records(&org).await;
        assert!(before.len() > 20, "{}", before.len());
        assert!(before.contains_key(org.user_id()), "users are looked at too");
        let custom = Some(["Invoice__c", "Title__c", "Customer__c"].map(str::to_owned));
        let report = run(Target { custom, ..target(&emulator) }).await;
        report.assert_good();
        assert_eq!(report.passed.len() + report.spared.len(), CASES.len());
        assert_eq!(report.spared.len(), 4, "{:?}", report.spared);
        assert_eq!(records(&org).await, before);
        assert_eq!(org.count("Invoice__c").await.unwrap(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_run_waits_until_a_search_finds_what_it_wrote() {
        let emulator = emulator(0).await;
        emulator.org().delay_search(Duration::from_secs(3));
        let live = Arc::new(Live::new(target(&emulator)));
        let found = LIVE.scope(live, async {
            let harness = LiveHarness::start().await;
            let made = harness.upstream().insert(harness.sample(ObjectKind::Contact)).await;
            let found = async || {
                let request = SearchRequest::new(SearchQuery::Text("Conformance".to_owned()));
                let page = harness.provider().search(request.kinds([ObjectKind::Contact])).await.unwrap();
                page.rows.iter().any(|row| row.remote_id() == Some(&made))
            };
            let before = found().await;
            harness.upstream().index().await;
            [before, found().await]
        });
        assert_eq!(found.await, [false, true]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[should_panic(expected = "the suite is for a small org")]
    async fn an_org_with_many_records_is_refused() {
        let emulator = emulator(60).await;
        let refresh_token = Some(emulator.refresh_token().into());
        let live = Live::new(Target { client_secret: None, refresh_token, most: 50, ..target(&emulator) });
        live.rest().await.check_size(live.target.most).await;
    }
}
