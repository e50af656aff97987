//! A provider and a store that stop at a chosen effect, and that can be made wrong on purpose.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use tokio::sync::Notify;
use unicrm_core::{
    Access, Capabilities, ChangesPage, ChangesRequest, CredentialStore, CustomObjectClass, CustomPage,
    CustomRead, CustomWrite, FieldMapping, LinkedAccountId, Next, ObjectKind, Page, PageToken, Provider,
    ProviderInfo, RawRecord, RawRequest, RawResponse, ReadPart, ReadRequest, RemoteId, Result, Schema, Scope,
    SearchRequest, Watermark, WriteReport, WriteRequest,
};
use unicrm_store::{
    AccountStatus, Checkpoint, Epoch, Include, Ingest, LinkRequest, LinkedAccount, LinkedAccounts, ListPage,
    ListRequest, Mappings, MasterKey, PageCommit, PageReport, Projection, RecordCounts, Records, RejectedRow,
    SnapshotEnd, SqliteStore, StoredRecord,
};
use uuid::Uuid;

use crate::history::History;

/// A mistake that a sync engine could have, planted to see whether the programs find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The next page starts behind the time stamp of the last row, not behind the row.
    StrictCursor,
    /// A reading since a watermark starts at the watermark.
    NoOverlap,
    /// The checkpoint is durable before the rows that it stands for.
    CheckpointFirst,
    /// A snapshot that breaks off counts as complete.
    PartialSnapshot,
    /// A page of a query job's results that lacks its last row is taken as it came.
    ShortBulk,
}

/// Where a sync is stopped: at the n-th effect, before it or after it.
#[derive(Debug)]
pub(crate) struct Gate {
    effects: AtomicUsize,
    at: Option<(usize, bool)>,
    /// Tells that the sync stands at the gate.
    pub(crate) reached: Notify,
    /// Lets it go on.
    pub(crate) release: Notify,
    history: Arc<History>,
}

impl Gate {
    pub(crate) fn new(at: Option<(usize, bool)>, history: Arc<History>) -> Arc<Self> {
        let (reached, release) = (Notify::new(), Notify::new());
        Arc::new(Self { effects: AtomicUsize::new(0), at, reached, release, history })
    }

    /// Counts an effect and gives its number; stands still where it is stopped before it.
    async fn before(&self) -> usize {
        let number = self.effects.fetch_add(1, Ordering::SeqCst);
        self.stand(number, false).await;
        number
    }

    async fn after(&self, number: usize) {
        self.stand(number, true).await;
    }

    async fn stand(&self, number: usize, done: bool) {
        if self.at == Some((number, done)) {
            self.reached.notify_one();
            self.release.notified().await;
        }
    }
}

/// A provider behind a gate.
#[derive(Debug)]
pub(crate) struct GatedProvider {
    pub(crate) inner: Arc<dyn Provider>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) bug: Option<Bug>,
}

impl GatedProvider {
    fn spoil(&self, mut part: ReadPart) -> ReadPart {
        match (self.bug, &part.scope) {
            (Some(Bug::StrictCursor), _) => part.after = part.after.as_ref().map(without_id),
            (Some(Bug::NoOverlap), Scope::Since(watermark)) => part.scope = Scope::Since(later(watermark)),
            _ => {}
        }
        part
    }

    fn answer(&self, part: &ReadPart, page: Result<Page>) -> Result<Page> {
        match page {
            Err(error)
                if self.bug == Some(Bug::PartialSnapshot)
                    && part.scope == Scope::All
                    && error.is_retryable() =>
            {
                match part.after.as_ref().and_then(marks) {
                    Some(watermark) => Ok(Page::new(Vec::new(), Next::End(Some(watermark)))),
                    None => Err(error),
                }
            }
            Ok(mut page) if self.bug == Some(Bug::ShortBulk) && part.after.as_ref().is_some_and(of_a_job) => {
                page.rows.pop();
                Ok(page)
            }
            page => page,
        }
    }
}

/// A page as a line of the history.
fn told(page: &Result<Page>) -> String {
    match page {
        Ok(page) => {
            let ids: Vec<_> = page.rows.iter().map(unicrm_core::Row::remote_id).collect();
            format!("{} rows {ids:?}, {:?}", ids.len(), page.next)
        }
        Err(error) => format!("{error:?}"),
    }
}

/// Whether the page behind a token comes from a query job.
fn of_a_job(token: &PageToken) -> bool {
    serde_json::from_str(token.as_str()).is_ok_and(|cursor: Json| cursor.pointer("/way/bulk").is_some())
}

/// A cursor that knows the last row's time stamp and not its id.
fn without_id(token: &PageToken) -> PageToken {
    edited(token.as_str(), |json| {
        if let Some(after) = json.get_mut("after").and_then(Json::as_object_mut) {
            after.remove("id");
        }
    })
    .map_or_else(|| token.clone(), PageToken::new)
}

/// A watermark that makes up for the overlap of the reading that starts from it.
fn later(watermark: &Watermark) -> Watermark {
    edited(watermark.as_str(), |json| {
        let marks = json.get_mut("marks").and_then(Json::as_object_mut);
        for mark in marks.into_iter().flat_map(|marks| marks.values_mut()) {
            let at = mark.as_str().and_then(|text| text.parse::<Timestamp>().ok());
            if let Some(at) = at.and_then(|at| at.checked_add(SignedDuration::from_mins(10)).ok()) {
                *mark = Json::from(at.to_string());
            }
        }
    })
    .map_or_else(|| watermark.clone(), Watermark::new)
}

/// The watermark of the sources that a reading has begun.
fn marks(token: &PageToken) -> Option<Watermark> {
    let cursor: Json = serde_json::from_str(token.as_str()).ok()?;
    let marks = cursor.get("marks")?.clone();
    Some(Watermark::new(serde_json::json!({ "v": 1, "marks": marks }).to_string()))
}

fn edited(text: &str, edit: impl FnOnce(&mut Json)) -> Option<String> {
    let mut json: Json = serde_json::from_str(text).ok()?;
    edit(&mut json);
    Some(json.to_string())
}

#[async_trait]
impl Provider for GatedProvider {
    fn info(&self) -> &'static ProviderInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn access(&self) -> Result<Access> {
        self.inner.access().await
    }

    async fn describe(&self, kind: ObjectKind) -> Result<Schema> {
        self.inner.describe(kind).await
    }

    async fn read(&self, request: ReadRequest) -> Result<Vec<Result<Page>>> {
        let number = self.gate.before().await;
        let parts: Vec<ReadPart> = request.into_parts().into_iter().map(|part| self.spoil(part)).collect();
        let pages = self.inner.read(parts.iter().cloned().collect()).await?;
        let pages: Vec<_> = parts.iter().zip(pages).map(|(part, page)| self.answer(part, page)).collect();
        for (part, page) in parts.iter().zip(&pages) {
            self.gate.history.note(format!("  {number} {part:?}\n    {}", told(page)));
        }
        self.gate.after(number).await;
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

/// A store behind a gate.
#[derive(Debug)]
pub(crate) struct GatedStore {
    pub(crate) inner: SqliteStore,
    pub(crate) gate: Arc<Gate>,
    pub(crate) bug: Option<Bug>,
}

impl GatedStore {
    async fn passing<T: Send>(&self, effect: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let number = self.gate.before().await;
        let outcome = effect.await;
        self.gate.history.note(format!("  {number} the store: {:?}", outcome.as_ref().err()));
        self.gate.after(number).await;
        outcome
    }
}

#[async_trait]
impl Ingest for GatedStore {
    async fn begin_epoch(&self, account: LinkedAccountId) -> Result<Epoch> {
        self.passing(self.inner.begin_epoch(account)).await
    }

    async fn checkpoint(&self, account: LinkedAccountId, kind: ObjectKind) -> Result<Option<Checkpoint>> {
        self.inner.checkpoint(account, kind).await
    }

    async fn commit_page(&self, mut page: PageCommit) -> Result<PageReport> {
        if self.bug == Some(Bug::CheckpointFirst)
            && let Some(checkpoint) = page.checkpoint.take()
        {
            let ahead = PageCommit::new(page.epoch, page.kind, Vec::new()).with_checkpoint(checkpoint);
            self.passing(self.inner.commit_page(ahead)).await?;
        }
        self.passing(self.inner.commit_page(page)).await
    }

    async fn begin_snapshot(&self, epoch: Epoch, kind: ObjectKind) -> Result<()> {
        self.passing(self.inner.begin_snapshot(epoch, kind)).await
    }

    async fn finish_snapshot(
        &self,
        epoch: Epoch,
        kind: ObjectKind,
        checkpoint: Option<Checkpoint>,
    ) -> Result<SnapshotEnd> {
        self.passing(self.inner.finish_snapshot(epoch, kind, checkpoint)).await
    }

    async fn finish_sync(&self, epoch: Epoch, at: Timestamp) -> Result<()> {
        self.passing(self.inner.finish_sync(epoch, at)).await
    }

    async fn rejected(
        &self,
        account: LinkedAccountId,
        kind: Option<ObjectKind>,
        limit: u32,
    ) -> Result<Vec<RejectedRow>> {
        self.inner.rejected(account, kind, limit).await
    }
}

#[async_trait]
impl LinkedAccounts for GatedStore {
    async fn link(&self, request: LinkRequest) -> Result<LinkedAccount> {
        self.inner.link(request).await
    }

    async fn linked_accounts(&self) -> Result<Vec<LinkedAccount>> {
        self.inner.linked_accounts().await
    }

    async fn linked_account(&self, name_or_id: &str) -> Result<LinkedAccount> {
        self.inner.linked_account(name_or_id).await
    }

    async fn unlink(&self, account: LinkedAccountId) -> Result<()> {
        self.inner.unlink(account).await
    }

    async fn set_status(&self, account: LinkedAccountId, status: AccountStatus) -> Result<()> {
        self.inner.set_status(account, status).await
    }

    fn credentials(&self, account: LinkedAccountId) -> Arc<dyn CredentialStore> {
        self.inner.credentials(account)
    }

    async fn rotate_master_key(&self, old: &MasterKey, new: &MasterKey) -> Result<usize> {
        self.inner.rotate_master_key(old, new).await
    }

    fn take_warnings(&self) -> Vec<String> {
        self.inner.take_warnings()
    }
}

#[async_trait]
impl Records for GatedStore {
    async fn get(&self, kind: ObjectKind, id: Uuid, include: Include) -> Result<Option<StoredRecord>> {
        self.inner.get(kind, id, include).await
    }

    async fn find(&self, id: Uuid, include: Include) -> Result<Option<StoredRecord>> {
        self.inner.find(id, include).await
    }

    async fn find_remote(
        &self,
        account: Option<LinkedAccountId>,
        kind: Option<ObjectKind>,
        remote_id: &str,
        include: Include,
    ) -> Result<Vec<StoredRecord>> {
        self.inner.find_remote(account, kind, remote_id, include).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.inner.list(request).await
    }

    async fn search(
        &self,
        account: LinkedAccountId,
        request: SearchRequest,
        include: Include,
    ) -> Result<Vec<StoredRecord>> {
        self.inner.search(account, request, include).await
    }

    async fn counts(&self, account: Option<LinkedAccountId>) -> Result<BTreeMap<ObjectKind, RecordCounts>> {
        self.inner.counts(account).await
    }

    async fn raw(&self, kind: ObjectKind, id: Uuid) -> Result<Option<RawRecord>> {
        self.inner.raw(kind, id).await
    }

    async fn remote_ids(
        &self,
        account: LinkedAccountId,
        records: Vec<(ObjectKind, Uuid)>,
    ) -> Result<HashMap<(ObjectKind, Uuid), RemoteId>> {
        self.inner.remote_ids(account, records).await
    }
}

#[async_trait]
impl Mappings for GatedStore {
    async fn field_mappings(&self, account: LinkedAccountId) -> Result<Vec<FieldMapping>> {
        self.inner.field_mappings(account).await
    }

    async fn set_field_mapping(&self, account: LinkedAccountId, mapping: FieldMapping) -> Result<bool> {
        self.inner.set_field_mapping(account, mapping).await
    }

    async fn remove_field_mapping(
        &self,
        account: LinkedAccountId,
        kind: ObjectKind,
        name: &str,
    ) -> Result<bool> {
        self.inner.remove_field_mapping(account, kind, name).await
    }

    async fn unprojected(&self, account: LinkedAccountId) -> Result<Vec<ObjectKind>> {
        self.inner.unprojected(account).await
    }

    async fn project(&self, account: LinkedAccountId, kind: ObjectKind, limit: u32) -> Result<Projection> {
        self.inner.project(account, kind, limit).await
    }
}
