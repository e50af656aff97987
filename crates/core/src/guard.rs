//! The guard: what every provider is wrapped in, so that no plugin has to refuse what it never declared.

use std::sync::Arc;

use async_trait::async_trait;

use crate::provider::{
    Access, Capabilities, Capability, ChangesPage, ChangesRequest, Next, Page, Provider, ProviderInfo,
    RawRequest, RawResponse, ReadPart, ReadRequest, Schema, Scope, SearchQuery, SearchRequest, Shape,
    WriteOperation, WriteReport, WriteRequest, repeated_token,
};
use crate::{
    CustomObjectClass, CustomOperation, CustomPage, CustomRead, CustomWrite, Error, ErrorKind, FieldType,
    Object, ObjectKind, ObjectPatch, Outcome, RecordPatch, RemoteId, Result, Value,
};

/// A provider that refuses what its capabilities do not declare, and checks what comes back.
///
/// - An undeclared capability answers [`ErrorKind::Unsupported`], per part of a read and per operation of a write.
/// - A reference in a write without a remote id is a field error: hosts resolve references first.
/// - A page token that repeats, a page or an outcome too few or too many is an error of the plugin.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use unicrm_core::{memory::MemoryProvider, ErrorKind, Guard, LinkedAccountId, ObjectKind, Provider, ProviderExt};
/// let guarded = Guard::new(Arc::new(MemoryProvider::new(LinkedAccountId::random())));
/// let error = guarded.delete(ObjectKind::Stage, "s1".into()).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unsupported);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Guard {
    inner: Arc<dyn Provider>,
}

impl Guard {
    /// Wraps a provider.
    #[must_use]
    pub fn new(inner: Arc<dyn Provider>) -> Self {
        Self { inner }
    }

    fn require(&self, operation: &'static str, kind: ObjectKind, capability: Capability) -> Result<()> {
        if self.inner.capabilities().allows(kind, capability) {
            return Ok(());
        }
        Err(self.unsupported(operation, format!("{capability} of {kind} is not supported by this provider")))
    }

    fn unsupported(&self, operation: &'static str, message: String) -> Error {
        Error::new(ErrorKind::Unsupported, message)
            .with_provider(self.inner.info().slug)
            .with_operation(operation)
            .with_advice("`unicrm providers` lists what each provider can do")
    }

    fn defect(&self, operation: &'static str, message: String) -> Error {
        Error::new(ErrorKind::Internal, message)
            .with_provider(self.inner.info().slug)
            .with_operation(operation)
    }

    /// Names the provider and the operation on whatever a plugin answers.
    fn named<T>(&self, operation: &'static str, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.with_provider(self.inner.info().slug).with_operation(operation))
    }

    fn check_part(&self, part: &ReadPart) -> Result<()> {
        let scope = match part.scope {
            Scope::All => Capability::Read,
            Scope::Since(_) => Capability::ReadSince,
            Scope::Ids(_) => Capability::ReadByIds,
        };
        self.require("read", part.kind, scope)?;
        match part.shape {
            Shape::Full => Ok(()),
            Shape::Ids => self.require("read", part.kind, Capability::ReadIds),
            Shape::Count => self.require("read", part.kind, Capability::Count),
        }
    }

    fn check_operation(&self, operation: &WriteOperation) -> Result<()> {
        let kind = operation.kind();
        match operation {
            WriteOperation::Create { record } => {
                self.require("write", kind, Capability::Create)?;
                self.check_references(record)
            }
            WriteOperation::Update { record, .. } => {
                self.require("write", kind, Capability::Update)?;
                self.check_references(record)
            }
            WriteOperation::Upsert { record, .. } => {
                self.require("write", kind, Capability::Upsert)?;
                self.check_references(record)
            }
            WriteOperation::Delete { .. } => self.require("write", kind, Capability::Delete),
            WriteOperation::Convert(_) => self.require("write", kind, Capability::Convert),
        }
    }

    fn require_custom(&self, operation: &'static str, capability: Capability) -> Result<()> {
        if self.inner.capabilities().custom_objects().contains(capability) {
            return Ok(());
        }
        let message = format!("{capability} of custom objects is not supported by this provider");
        Err(self.unsupported(operation, message))
    }

    fn check_custom(&self, operation: &CustomOperation) -> Result<()> {
        let capability = match operation {
            CustomOperation::Create { .. } => Capability::Create,
            CustomOperation::Update { .. } => Capability::Update,
            CustomOperation::Upsert { .. } => Capability::Upsert,
            CustomOperation::Delete { .. } => Capability::Delete,
        };
        self.require_custom("custom_write", capability)
    }

    /// The outcomes of all rows: those of the plugin for the rows that were allowed, refusals for the others.
    fn merge(
        &self,
        operation: &'static str,
        refused: Vec<Option<Outcome>>,
        report: WriteReport,
    ) -> Result<WriteReport> {
        let asked = refused.iter().filter(|refusal| refusal.is_none()).count();
        if report.outcomes.len() != asked {
            let message = format!("{} outcomes came for {asked} rows", report.outcomes.len());
            return Err(self.defect(operation, message));
        }
        let mut written = report.outcomes.into_iter();
        let outcomes = refused.into_iter().filter_map(|refusal| refusal.or_else(|| written.next()));
        Ok(WriteReport::new(outcomes.collect()).with_usage(report.usage))
    }

    fn check_references(&self, patch: &RecordPatch) -> Result<()> {
        let unresolved = match patch {
            RecordPatch::Account(patch) => unresolved(patch),
            RecordPatch::Contact(patch) => unresolved(patch),
            RecordPatch::Engagement(patch) => {
                let contacts = patch.contacts.value().into_iter().flatten().enumerate();
                let listed = contacts
                    .filter(|(_, contact)| contact.remote_id().is_none())
                    .map(|(i, _)| format!("/contacts/{i}"));
                unresolved(patch).into_iter().chain(listed).collect()
            }
            RecordPatch::EngagementType(patch) => unresolved(patch),
            RecordPatch::Lead(patch) => unresolved(patch),
            RecordPatch::Note(patch) => unresolved(patch),
            RecordPatch::Opportunity(patch) => unresolved(patch),
            RecordPatch::Stage(patch) => unresolved(patch),
            RecordPatch::Task(patch) => unresolved(patch),
            RecordPatch::User(patch) => unresolved(patch),
        };
        if unresolved.is_empty() {
            return Ok(());
        }
        let error = Error::new(ErrorKind::InvalidRequest, "a reference has no remote id")
            .with_provider(self.inner.info().slug)
            .with_operation("write")
            .with_advice(
                "give {\"remote_id\": \"...\"}, or sync first so that the unified id can be looked up",
            );
        Err(unresolved.into_iter().fold(error, |error, pointer| {
            error.with_field(pointer, "no record with this unified id is known here")
        }))
    }
}

/// The outcome of a row that is not passed on, with the record that it names.
fn refusal(check: Result<()>, remote_id: Option<&RemoteId>) -> Option<Outcome> {
    let mut outcome = Outcome::failed(check.err()?);
    outcome.remote_id = remote_id.cloned();
    Some(outcome)
}

/// The outcomes of the rows that are refused, each in its row's place, and the rows that are passed on.
fn sift<T>(rows: Vec<T>, refusal: impl Fn(&T) -> Option<Outcome>) -> (Vec<Option<Outcome>>, Vec<T>) {
    let refused: Vec<_> = rows.iter().map(refusal).collect();
    let rows = rows.into_iter().zip(&refused).filter(|(_, refusal)| refusal.is_none());
    let passed = rows.map(|(row, _)| row).collect();
    (refused, passed)
}

/// Pointers of the single references that have no remote id.
fn unresolved<P: ObjectPatch>(patch: &P) -> Vec<String> {
    let mut object = P::Object::default();
    patch.apply_to(&mut object);
    let mut pointers = Vec::new();
    object.visit(&mut |field, value| {
        let reference = matches!(field.ty, FieldType::Reference(_)) && !field.list;
        if reference && matches!(value, Some(Value::Reference { remote_id: None, .. })) {
            pointers.push(format!("/{}", field.name));
        }
    });
    pointers
}

// A new method of the trait must be guarded on purpose, not forwarded by accident.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Provider for Guard {
    fn info(&self) -> &'static ProviderInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn access(&self) -> Result<Access> {
        self.named("access", self.inner.access().await)
    }

    async fn describe(&self, kind: ObjectKind) -> Result<Schema> {
        self.require("describe", kind, Capability::Describe)?;
        self.named("describe", self.inner.describe(kind).await)
    }

    async fn read(&self, request: ReadRequest) -> Result<Vec<Result<Page>>> {
        let checks: Vec<Result<()>> = request.parts().iter().map(|part| self.check_part(part)).collect();
        let tokens: Vec<_> = request.parts().iter().map(|part| part.after.clone()).collect();
        let allowed: ReadRequest = request
            .into_parts()
            .into_iter()
            .zip(&checks)
            .filter(|(_, check)| check.is_ok())
            .map(|(part, _)| part)
            .collect();
        let asked = allowed.parts().len();
        let pages = if asked == 0 { Vec::new() } else { self.named("read", self.inner.read(allowed).await)? };
        if pages.len() != asked {
            return Err(self.defect("read", format!("{} pages came for {asked} parts", pages.len())));
        }
        let mut pages = pages.into_iter();
        let answers = checks.into_iter().zip(tokens).map(|(check, token)| {
            check?;
            let page =
                pages.next().unwrap_or_else(|| Err(self.defect("read", "a page is missing".to_owned())));
            let page = self.named("read", page)?;
            if token.is_some() && page.next_token() == token.as_ref() {
                return Err(repeated_token(self.inner.info().slug));
            }
            Ok(page)
        });
        Ok(answers.collect())
    }

    async fn search(&self, request: SearchRequest) -> Result<Page> {
        let capability = match request.query {
            SearchQuery::Phone(_) => Capability::SearchPhone,
            SearchQuery::Email(_) => Capability::SearchEmail,
            SearchQuery::Text(_) => Capability::SearchText,
        };
        for kind in &request.kinds {
            self.require("search", *kind, capability)?;
        }
        self.named("search", self.inner.search(request).await)
    }

    async fn write(&self, request: WriteRequest) -> Result<WriteReport> {
        let (refused, operations) = sift(request.operations, |operation| {
            refusal(self.check_operation(operation), operation.remote_id())
        });
        let report = if operations.is_empty() {
            WriteReport::new(Vec::new())
        } else {
            let allowed = WriteRequest { operations, ..request };
            self.named("write", self.inner.write(allowed).await)?
        };
        self.merge("write", refused, report)
    }

    async fn changes(&self, request: ChangesRequest) -> Result<ChangesPage> {
        for kind in &request.kinds {
            self.require("changes", *kind, Capability::Changes)?;
        }
        self.named("changes", self.inner.changes(request).await)
    }

    async fn custom_classes(&self) -> Result<Vec<CustomObjectClass>> {
        self.require_custom("custom_classes", Capability::Describe)?;
        self.named("custom_classes", self.inner.custom_classes().await)
    }

    async fn custom_class(&self, name: &str) -> Result<CustomObjectClass> {
        self.require_custom("custom_class", Capability::Describe)?;
        self.named("custom_class", self.inner.custom_class(name).await)
    }

    async fn custom_read(&self, request: CustomRead) -> Result<CustomPage> {
        let capability = match request.scope {
            Scope::All => Capability::Read,
            Scope::Since(_) => Capability::ReadSince,
            Scope::Ids(_) => Capability::ReadByIds,
        };
        self.require_custom("custom_read", capability)?;
        let token = request.after.clone();
        let page = self.named("custom_read", self.inner.custom_read(request).await)?;
        match (&page.next, token) {
            (Next::More(next), Some(token)) if *next == token => Err(repeated_token(self.inner.info().slug)),
            _ => Ok(page),
        }
    }

    async fn custom_write(&self, request: CustomWrite) -> Result<WriteReport> {
        let (refused, operations) = sift(request.operations, |operation| {
            refusal(self.check_custom(operation), operation.remote_id())
        });
        let report = if operations.is_empty() {
            WriteReport::new(Vec::new())
        } else {
            let allowed = CustomWrite { operations, ..request };
            self.named("custom_write", self.inner.custom_write(allowed).await)?
        };
        self.merge("custom_write", refused, report)
    }

    async fn send(&self, request: RawRequest) -> Result<RawResponse> {
        if !self.inner.capabilities().raw_requests() {
            return Err(
                self.unsupported("send", "raw requests are not supported by this provider".to_owned())
            );
        }
        self.named("send", self.inner.send(request).await)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::memory;
    use crate::provider::MockProvider;

    fn guarded(capabilities: Capabilities, provider: MockProvider) -> Guard {
        let mut provider = provider;
        provider.expect_info().return_const(&memory::INFO);
        provider.expect_capabilities().return_const(capabilities);
        Guard::new(Arc::new(provider))
    }

    /// The mock expects no call: each would be a panic.
    #[tokio::test]
    async fn undeclared_custom_objects_never_reach_the_plugin() {
        let guard = guarded(Capabilities::new().with_raw_requests(true), MockProvider::new());
        let rows = [
            CustomOperation::create("X", BTreeMap::new()),
            CustomOperation::update("X", "1", BTreeMap::new()),
            CustomOperation::upsert("X", crate::ExternalKey::new("K", "1"), BTreeMap::new()),
            CustomOperation::delete("X", "1"),
        ];
        let report = guard.custom_write(CustomWrite::new(rows)).await.unwrap();
        let mut errors: Vec<_> = report.outcomes.iter().filter_map(|row| row.error().cloned()).collect();
        assert_eq!(errors.len(), 4);
        errors.push(guard.custom_classes().await.unwrap_err());
        errors.push(guard.custom_class("X").await.unwrap_err());
        errors.push(guard.custom_read(CustomRead::all("X")).await.unwrap_err());
        for error in errors {
            assert_eq!((error.kind(), error.provider()), (ErrorKind::Unsupported, Some("memory")), "{error}");
        }
    }

    #[tokio::test]
    async fn refused_rows_keep_their_places_among_written_ones() {
        let mut provider = MockProvider::new();
        provider.expect_custom_write().times(1).returning(|request| {
            let outcomes = request.operations.iter().map(|operation| {
                assert!(matches!(operation, CustomOperation::Create { .. }));
                Outcome::new(crate::OutcomeStatus::Created).with_remote_id(operation.class())
            });
            Ok(WriteReport::new(outcomes.collect()))
        });
        let declared = crate::CapabilitySet::of(&[Capability::Create]);
        let guard = guarded(Capabilities::new().with_custom_objects(declared), provider);
        let rows = [
            CustomOperation::create("A", BTreeMap::new()),
            CustomOperation::delete("B", "1"),
            CustomOperation::create("C", BTreeMap::new()),
        ];
        let outcomes = guard.custom_write(CustomWrite::new(rows)).await.unwrap().outcomes;
        let ids = outcomes.iter().map(|row| row.remote_id.as_ref().map(RemoteId::as_str));
        assert_eq!(ids.collect::<Vec<_>>(), [Some("A"), Some("1"), Some("C")]);
        assert_eq!(outcomes[1].error().map(Error::kind), Some(ErrorKind::Unsupported));
    }
}
