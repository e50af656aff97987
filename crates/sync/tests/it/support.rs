//! A provider whose readings can be made to fail or to hang, and the comparison of a store with a remote.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Notify;
use unicrm_core::memory::MemoryProvider;
use unicrm_core::{
    Access, Capabilities, ChangesPage, ChangesRequest, Contact, CustomObjectClass, CustomPage, CustomRead,
    CustomWrite, Error, LinkedAccountId, ObjectKind, Page, Provider, ProviderExt, ProviderInfo, Quota,
    RawRequest, RawResponse, ReadPart, ReadRequest, Record, Result, Row, Schema, Scope, SearchRequest,
    WriteReport, WriteRequest,
};
use unicrm_store::{LinkRequest, LinkedAccounts, ListRequest, Records, SqliteStore};
use unicrm_sync::{Options, Summary, sync};

/// What happens to a call of `read`.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It answers with this error for this object; the part stands for itself.
    Error(ObjectKind, Error),
    /// It says so to whoever waits for it, and then answers only when it is released.
    Hang,
}

/// A provider in memory whose readings fail as planned.
#[derive(Debug)]
pub(crate) struct Flaky {
    pub(crate) inner: MemoryProvider,
    pub(crate) capabilities: Capabilities,
    /// By number of the call of `read`, from 0.
    pub(crate) faults: Mutex<BTreeMap<usize, Fault>>,
    /// Errors that an object always answers with.
    pub(crate) broken: Mutex<BTreeMap<ObjectKind, Error>>,
    pub(crate) reads: AtomicUsize,
    /// Requests, of however many parts, with those under way and the most that ever were at once.
    pub(crate) requests: AtomicUsize,
    pub(crate) under_way: AtomicUsize,
    pub(crate) most_at_once: AtomicUsize,
    /// Whether requests take long enough for others to be begun meanwhile.
    pub(crate) slow: AtomicBool,
    /// What whole requests are answered with.
    pub(crate) refused: Mutex<Option<Error>>,
    pub(crate) scopes: Mutex<Vec<(ObjectKind, Scope)>>,
    /// What the pages tell of the quota; each part uses one call.
    pub(crate) quota: Mutex<Option<Quota>>,
    pub(crate) hanging: Notify,
    pub(crate) release: Notify,
}

impl Flaky {
    pub(crate) fn new(account: LinkedAccountId) -> Self {
        let inner = MemoryProvider::new(account);
        Self {
            capabilities: inner.capabilities().clone(),
            inner,
            faults: Mutex::default(),
            broken: Mutex::default(),
            reads: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            slow: AtomicBool::new(false),
            refused: Mutex::default(),
            scopes: Mutex::default(),
            quota: Mutex::default(),
            hanging: Notify::new(),
            release: Notify::new(),
        }
    }

    /// Forgets all plans and starts to count again.
    pub(crate) fn heal(&self) {
        self.faults.lock().unwrap().clear();
        self.broken.lock().unwrap().clear();
        self.scopes.lock().unwrap().clear();
        *self.refused.lock().unwrap() = None;
        for number in [&self.reads, &self.requests, &self.under_way, &self.most_at_once] {
            number.store(0, Ordering::SeqCst);
        }
    }

    pub(crate) fn plan(&self, call: usize, fault: Fault) {
        self.faults.lock().unwrap().insert(call, fault);
    }

    pub(crate) fn contact(&self, name: &str) -> unicrm_core::RemoteId {
        let mut contact = Contact::default();
        contact.last_name = Some(name.to_owned());
        self.inner.put(contact)
    }

    async fn part(&self, part: ReadPart) -> Result<Page> {
        let call = self.reads.fetch_add(1, Ordering::SeqCst);
        self.scopes.lock().unwrap().push((part.kind, part.scope.clone()));
        let fault = self.faults.lock().unwrap().get(&call).cloned();
        match fault {
            Some(Fault::Hang) => {
                self.hanging.notify_one();
                self.release.notified().await;
            }
            Some(Fault::Error(kind, error)) if kind == part.kind => return Err(error),
            _ => {}
        }
        if let Some(error) = self.broken.lock().unwrap().get(&part.kind) {
            return Err(error.clone());
        }
        let mut page = self.inner.read_page(part).await?;
        let mut quota = self.quota.lock().unwrap();
        if let Some(quota) = &mut *quota {
            quota.used += 1;
        }
        page.usage.quota.clone_from(&quota);
        Ok(page)
    }
}

#[async_trait]
impl Provider for Flaky {
    fn info(&self) -> &'static ProviderInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn access(&self) -> Result<Access> {
        self.inner.access().await
    }

    async fn describe(&self, kind: ObjectKind) -> Result<Schema> {
        self.inner.describe(kind).await
    }

    async fn read(&self, request: ReadRequest) -> Result<Vec<Result<Page>>> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        if let Some(error) = self.refused.lock().unwrap().clone() {
            return Err(error);
        }
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(under_way, Ordering::SeqCst);
        if self.slow.load(Ordering::SeqCst) {
            // Whatever else may be begun meanwhile is begun.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let mut pages = Vec::new();
        for part in request.into_parts() {
            pages.push(self.part(part).await);
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        Ok(pages)
    }

    async fn search(&self, request: SearchRequest) -> Result<Page> {
        self.inner.search(request).await
    }

    async fn write(&self, request: WriteRequest) -> Result<WriteReport> {
        self.inner.write(request).await
    }

    async fn changes(&self, request: ChangesRequest) -> Result<ChangesPage> {
        self.inner.changes(request).await
    }

    async fn custom_classes(&self) -> Result<Vec<CustomObjectClass>> {
        self.inner.custom_classes().await
    }

    async fn custom_class(&self, name: &str) -> Result<CustomObjectClass> {
        self.inner.custom_class(name).await
    }

    async fn custom_read(&self, request: CustomRead) -> Result<CustomPage> {
        self.inner.custom_read(request).await
    }

    async fn custom_write(&self, request: CustomWrite) -> Result<WriteReport> {
        self.inner.custom_write(request).await
    }

    async fn send(&self, request: RawRequest) -> Result<RawResponse> {
        self.inner.send(request).await
    }
}

/// A store in memory with one linked account, and its provider.
pub(crate) async fn linked() -> (SqliteStore, Flaky) {
    let store = SqliteStore::open_in_memory().await.unwrap();
    let account = store.link(LinkRequest::new("acme", "memory")).await.unwrap();
    let provider = Flaky::new(account.id);
    (store, provider)
}

pub(crate) async fn account(store: &SqliteStore) -> LinkedAccountId {
    store.linked_account("acme").await.unwrap().id
}

pub(crate) async fn run(store: &SqliteStore, provider: &Flaky, options: &Options) -> Summary {
    sync(provider, store, account(store).await, options, &|_| {}).await.unwrap()
}

/// The options of most tests: one object after the other, three rows a page.
pub(crate) fn small_pages() -> Options {
    Options { concurrency: 1, page_size: Some(3), ..Options::default() }
}

/// The live records of a kind in the store, as JSON by remote id, without what the store adds itself.
pub(crate) async fn in_store(store: &SqliteStore, kind: ObjectKind) -> BTreeMap<String, String> {
    let mut after = None;
    let mut records = BTreeMap::new();
    loop {
        let page = store.list(ListRequest::new(kind).after(after)).await.unwrap();
        records.extend(page.records.into_iter().map(|stored| json(stored.record)));
        after = page.next;
        if after.is_none() {
            return records;
        }
    }
}

/// The live records of a kind at the remote, as JSON by remote id.
pub(crate) async fn at_remote(provider: &Flaky, kind: ObjectKind) -> BTreeMap<String, String> {
    let mut after = None;
    let mut records = BTreeMap::new();
    loop {
        let mut part = ReadPart::all(kind);
        part.after = after;
        let page = provider.inner.read_page(part).await.unwrap();
        after = page.next_token().cloned();
        records.extend(page.rows.into_iter().filter_map(|row| match row {
            Row::Live(live) => Some(json(live.record)),
            _ => None,
        }));
        if after.is_none() {
            return records;
        }
    }
}

fn json(mut record: Record) -> (String, String) {
    for field in ["created_at", "modified_at"] {
        record.set(field, None).unwrap();
    }
    (record.remote_id().unwrap().to_string(), record.to_json())
}

/// Holds that the store has every live record of the remote, just so, and no other.
pub(crate) async fn assert_equal(store: &SqliteStore, provider: &Flaky) {
    for kind in ObjectKind::ALL {
        assert_eq!(in_store(store, kind).await, at_remote(provider, kind).await, "{kind}");
    }
}
