//! What becomes of a long reading when something goes wrong in its middle: the table of the book, made from code. `just
//! fault-matrix` makes it with 25,000 contacts; the test uses fewer, in as many pages.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use secrecy::SecretString;
use unicrm_core::{
    ConnectRequest, Credentials, ErrorKind, Json, LinkedAccountId, MemoryCredentialStore, ObjectKind,
    Registry, Retry,
};
use unicrm_salesforce_emulator::{Emulator, Fault, FaultRule, Resource};
use unicrm_store::{LinkRequest, LinkedAccounts as _, ListRequest, Records as _, SqliteStore};
use unicrm_sync::{Options, Status, Summary, sync};

use crate::generated::{HEAD, check};

/// Contacts of the test: thirteen pages of 200. `UNICRM_MATRIX_CONTACTS=25000` has thirteen pages of 2,000.
const FEW: u64 = 2_500;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Rest,
    Bulk,
}

struct Case {
    name: &'static str,
    rest: Option<FaultRule>,
    bulk: Option<FaultRule>,
}

/// The faults that were tried on other clients, and where they strike: page seven of thirteen, the third of five result
/// pages, or the job itself.
fn cases() -> Vec<Case> {
    let page = |fault: Fault| FaultRule::new(Resource::QueryMore, fault).on_object("Contact").after(5);
    let result = |fault: Fault| FaultRule::new(Resource::BulkResults, fault).after(2);
    let job = |fault: Fault| FaultRule::new(Resource::BulkQuery, fault);
    let both = |name, fault: Fault| Case { name, rest: Some(page(fault.clone())), bulk: Some(result(fault)) };
    let rest = |name, fault| Case { name, rest: Some(page(fault)), bulk: None };
    let bulk = |name, rule| Case { name, rest: None, bulk: Some(rule) };
    let everywhere = FaultRule::new(Resource::Any, Fault::TotalRequests).forever();
    vec![
        both("the session ends (401)", Fault::SessionExpired),
        both("503 with JSON", Fault::ServerUnavailable),
        both("503 with a page", Fault::ServerUnavailablePage),
        both("200 with a page", Fault::MaintenancePage),
        both("the org wakes up (420)", Fault::EdgePage),
        Case {
            name: "the day's calls are used up",
            rest: Some(everywhere.clone().after(8)),
            bulk: Some(everywhere.after(8)),
        },
        rest("QUERY_TIMEOUT", Fault::QueryTimeout),
        rest("INVALID_QUERY_LOCATOR", Fault::InvalidQueryLocator),
        both("the body is cut", Fault::BodyCut { chunked: true }),
        bulk("fewer rows than the head says", result(Fault::ResultRowsLost { rows: 7 })),
        bulk("the job fails", job(Fault::JobFailed { message: "InternalServerError".to_owned() })),
        bulk("the job is aborted", job(Fault::JobAborted)),
    ]
}

struct World {
    emulator: Emulator,
    /// The stamps of the contacts by id.
    contacts: BTreeMap<String, Option<jiff::Timestamp>>,
    many: bool,
}

impl World {
    async fn new() -> Self {
        let contacts = std::env::var("UNICRM_MATRIX_CONTACTS").map_or(FEW, |text| text.parse().unwrap());
        let emulator =
            Emulator::builder().contacts(contacts).client("3MVG9.matrix", "s").start().await.unwrap();
        let rows = emulator.org().table("Contact", &["SystemModstamp", "IsDeleted"]).await.unwrap();
        let live = rows.into_iter().filter(|(_, values)| !values[1].is_true());
        let contacts = live.map(|(id, values)| {
            let stamp = match &values[0] {
                unicrm_salesforce_emulator::Value::DateTime(at) => Some(*at),
                _ => None,
            };
            (id, stamp)
        });
        let contacts: BTreeMap<_, _> = contacts.collect();
        let many = contacts.len() as u64 > FEW;
        Self { emulator, contacts, many }
    }

    async fn sync(&self, store: &SqliteStore, account: LinkedAccountId, way: Way) -> Summary {
        let config = serde_json::json!({
            "flow": "client-credentials",
            "login_url": self.emulator.url(),
            "client_id": "3MVG9.matrix",
            "bulk": if way == Way::Bulk { "always" } else { "never" },
            "limits": {
                "batch_size": if self.many { 2_000 } else { 200 },
                "bulk_records": if self.many { 5_000 } else { 500 },
            },
        });
        let credentials = Credentials::new().with("client_secret", SecretString::from("s"));
        let credentials = Arc::new(MemoryCredentialStore::new(credentials));
        let request = ConnectRequest::new(account, Json::parse(config.to_string()).unwrap(), credentials);
        let registry = Registry::new([unicrm_salesforce::PROVIDER]).unwrap();
        let provider = registry.connect("salesforce", request).await.unwrap();
        let options = Options { objects: vec![ObjectKind::Contact], ..Options::default() };
        sync(&*provider, store, account, &options, &|_| {}).await.unwrap()
    }

    /// The live contacts of the store, with their stamps.
    async fn stored(&self, store: &SqliteStore) -> BTreeMap<String, Option<jiff::Timestamp>> {
        let mut rows = BTreeMap::new();
        let mut after = None;
        loop {
            let request = ListRequest::new(ObjectKind::Contact).with_limit(5_000).after(after);
            let page = store.list(request).await.unwrap();
            let records = page.records.into_iter();
            rows.extend(records.map(|stored| (stored.record.remote_id().unwrap().to_string(), stored.stamp)));
            after = page.next;
            if after.is_none() {
                return rows;
            }
        }
    }

    /// What comes of a reading that meets the fault.
    async fn outcome(&self, name: &str, way: Way, rule: FaultRule) -> String {
        let store = SqliteStore::open_in_memory().await.unwrap();
        let account = store.link(LinkRequest::new("matrix", "salesforce")).await.unwrap().id;
        let faults = self.emulator.faults();
        faults.add(rule);
        self.emulator.log().clear();
        let first = self.sync(&store, account, way).await;
        let struck = faults.struck();
        faults.clear();
        assert!(struck > 0, "{name}: the fault did not strike");
        let log = self.emulator.log();
        let jobs = log.count(Resource::BulkResults).requests;
        let pages = log.count(Resource::QueryMore).requests;
        let object = &first.objects[0];
        if object.status == Status::Complete {
            assert!(self.stored(&store).await == self.contacts, "{name}: rows are lost, and nobody says so");
            return match way {
                Way::Bulk if pages > 2 => "all rows; REST brings the rest".to_owned(),
                Way::Bulk => {
                    assert!(jobs > 2, "{name}: no job brought the rows");
                    "all rows".to_owned()
                }
                Way::Rest => "all rows".to_owned(),
            };
        }
        let error = object.error.as_ref().unwrap_or_else(|| panic!("{name}: {object:?}"));
        assert_eq!(
            error.kind(),
            ErrorKind::QuotaExhausted,
            "{name}: nothing else may stop a reading: {error:?}"
        );
        assert!(matches!(error.retry(), Retry::NotBefore(_)), "{name}: {error:?}");
        let before = self.stored(&store).await.len();
        assert!(before < self.contacts.len(), "{name}: {before} rows before it stopped");
        self.emulator.log().clear();
        let second = self.sync(&store, account, way).await;
        assert!(second.is_complete() && second.objects[0].resumed, "{name}: {second:?}");
        assert!(self.stored(&store).await == self.contacts, "{name}: rows are lost");
        format!("stops with `{}`; the next run goes on and brings all rows", error.kind())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_fault_matrix_is_current() {
    let world = World::new().await;
    let mut page = format!(
        "{HEAD}# Faults in the middle of a reading\n\nEach fault strikes once in the middle of a reading of 25,000 contacts: page \
         7 of 13 by REST, or the third of five result pages by Bulk, or the job itself. The used-up day lasts until \
         the next run. *All rows* means that the store then has every contact with its time stamp.\n\n| fault | REST | \
         Bulk 2.0 |\n|---|---|---|\n"
    );
    for case in cases() {
        write!(page, "| {} |", case.name).unwrap();
        for (way, rule) in [(Way::Rest, case.rest), (Way::Bulk, case.bulk)] {
            let text = match rule {
                Some(rule) => world.outcome(case.name, way, rule).await,
                None => String::new(),
            };
            write!(page, " {text} |").unwrap();
        }
        page.push('\n');
    }
    check("fault-matrix.md", &page);
}
