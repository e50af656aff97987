//! Remembers every record that a run makes, so that it can be deleted.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use unicrm_core::{
    Access, Capabilities, ChangesPage, ChangesRequest, CustomObjectClass, CustomPage, CustomRead,
    CustomWrite, ObjectKind, OutcomeStatus, Page, Provider, ProviderInfo, RawRequest, RawResponse,
    ReadRequest, RemoteId, Result, Schema, SearchRequest, WriteReport, WriteRequest,
};

use super::rest::Rest;
use crate::conformance::sobject_of;

/// The records that a run made: sObject and id, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Made(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    all: Vec<(String, RemoteId)>,
    /// How many of them, from the first on, are kept to the end of the run.
    kept: usize,
}

impl Made {
    pub(super) fn add(&self, sobject: &str, id: &RemoteId) {
        self.0.lock().unwrap().all.push((sobject.to_owned(), id.clone()));
    }

    /// Keeps what there is to the end of the run.
    pub(super) fn keep(&self) {
        let mut records = self.0.lock().unwrap();
        records.kept = records.all.len();
    }

    /// Deletes them, the youngest first, perhaps without those that are kept; gives those that stayed, and why.
    pub(super) async fn delete(&self, rest: &Rest, except_kept: bool) -> Vec<String> {
        let records = {
            let mut records = self.0.lock().unwrap();
            let from = if except_kept { records.kept } else { 0 };
            records.all.split_off(from)
        };
        let mut left = Vec::new();
        for (sobject, id) in records.into_iter().rev() {
            if let Err(answer) = rest.delete(&sobject, &id).await {
                left.push(format!("{sobject} {id}: {answer}"));
            }
        }
        left
    }
}

/// The provider, with an eye on what it creates.
#[derive(Debug)]
pub(super) struct Recorder {
    provider: Arc<dyn Provider>,
    made: Arc<Made>,
}

impl Recorder {
    pub(super) fn new(provider: Arc<dyn Provider>, made: Arc<Made>) -> Self {
        Self { provider, made }
    }

    pub(super) fn made(&self) -> &Made {
        &self.made
    }

    fn note<S: AsRef<str>>(&self, report: &WriteReport, sobject: impl Fn(usize, &str) -> S) {
        for (i, outcome) in report.outcomes.iter().enumerate() {
            if let (OutcomeStatus::Created, Some(id)) = (&outcome.status, &outcome.remote_id) {
                self.made.add(sobject(i, id.as_str()).as_ref(), id);
            }
        }
    }
}

#[async_trait]
impl Provider for Recorder {
    fn info(&self) -> &'static ProviderInfo {
        self.provider.info()
    }

    fn capabilities(&self) -> &Capabilities {
        self.provider.capabilities()
    }

    async fn access(&self) -> Result<Access> {
        self.provider.access().await
    }

    async fn describe(&self, kind: ObjectKind) -> Result<Schema> {
        self.provider.describe(kind).await
    }

    async fn read(&self, request: ReadRequest) -> Result<Vec<Result<Page>>> {
        self.provider.read(request).await
    }

    async fn search(&self, request: SearchRequest) -> Result<Page> {
        self.provider.search(request).await
    }

    async fn write(&self, request: WriteRequest) -> Result<WriteReport> {
        let kinds: Vec<_> = request.operations.iter().map(|operation| operation.kind()).collect();
        let report = self.provider.write(request).await?;
        self.note(&report, |i, id| sobject_of(kinds[i], id));
        Ok(report)
    }

    async fn changes(&self, request: ChangesRequest) -> Result<ChangesPage> {
        self.provider.changes(request).await
    }

    async fn custom_classes(&self) -> Result<Vec<CustomObjectClass>> {
        self.provider.custom_classes().await
    }

    async fn custom_class(&self, name: &str) -> Result<CustomObjectClass> {
        self.provider.custom_class(name).await
    }

    async fn custom_read(&self, request: CustomRead) -> Result<CustomPage> {
        self.provider.custom_read(request).await
    }

    async fn custom_write(&self, request: CustomWrite) -> Result<WriteReport> {
        let classes: Vec<_> =
            request.operations.iter().map(|operation| operation.class().to_owned()).collect();
        let report = self.provider.custom_write(request).await?;
        self.note(&report, |i, _| classes[i].clone());
        Ok(report)
    }

    async fn send(&self, request: RawRequest) -> Result<RawResponse> {
        self.provider.send(request).await
    }
}
