//! A provider in memory: the reference implementation of the contract, for tests and first steps.

mod custom;
mod mapping;
mod org;
mod write;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::custom::CustomOrg;
use self::org::Org;
use crate::{
    Access, AssociatedClass, Capabilities, Capability, CapabilitySet, Change, ChangesPage, ChangesRequest,
    ConnectFuture, ConnectRequest, CustomObjectClass, CustomPage, CustomRead, CustomWrite, Error, ErrorKind,
    FieldAccess, FieldFormat, FieldSchema, FieldType, Gone, GoneReason, Identity, LinkedAccountId,
    MappingDirection, Next, ObjectAccess, ObjectKind, Page, PageToken, Provider, ProviderInfo, RawRequest,
    RawResponse, ReadPart, ReadRequest, Record, Registration, RemoteId, Result, ResumeToken, Row, Schema,
    Scope, SearchQuery, SearchRequest, Shape, Usage, Value, Watermark, WriteReport, WriteRequest,
};

/// What the memory provider is.
pub static INFO: ProviderInfo = ProviderInfo {
    slug: "memory",
    name: "Memory",
    description: "Records in memory, for tests and first steps.",
    auth_flows: &[],
    mappings: mapping::MAPPINGS,
};

/// The memory provider's entry. It is not registered by itself: give it to [`Registry::new`](crate::Registry::new).
pub const PROVIDER: Registration = Registration::new(&INFO, capabilities, connect);

const READ: CapabilitySet = CapabilitySet::of(&[
    Capability::Read,
    Capability::ReadSince,
    Capability::ReadByIds,
    Capability::ReadIds,
    Capability::Count,
    Capability::Deletions,
    Capability::Describe,
    Capability::SearchPhone,
    Capability::SearchEmail,
    Capability::SearchText,
    Capability::Changes,
]);
const WRITE: CapabilitySet =
    CapabilitySet::of(&[Capability::Create, Capability::Update, Capability::Upsert, Capability::Delete]);

/// What the memory provider can do: everything with most objects; stages, users and engagement types are read-only, as
/// they are at most CRMs, and only leads can be converted.
#[must_use]
pub fn capabilities() -> Capabilities {
    let start = Capabilities::new().with_custom_objects(WRITE.and(CapabilitySet::of(&[
        Capability::Describe,
        Capability::Read,
        Capability::ReadByIds,
    ])));
    ObjectKind::ALL.into_iter().fold(start, |capabilities, kind| {
        let set = match kind {
            ObjectKind::EngagementType | ObjectKind::Stage | ObjectKind::User => READ,
            ObjectKind::Lead => READ.and(WRITE).and(CapabilitySet::of(&[Capability::Convert])),
            _ => READ.and(WRITE),
        };
        capabilities.with(kind, set)
    })
}

/// Connects an empty org.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "the signature of every plugin's connect")]
pub fn connect(request: ConnectRequest) -> ConnectFuture {
    let linked_account = request.linked_account;
    Box::pin(async move {
        let provider: Arc<dyn Provider> = Arc::new(MemoryProvider::new(linked_account));
        Ok(provider)
    })
}

/// An org in memory. Clones share it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use unicrm_core::{memory::MemoryProvider, LinkedAccountId, ProviderExt, Stage};
/// let provider = MemoryProvider::new(LinkedAccountId::random());
/// let mut stage = Stage::default();
/// stage.name = Some("Proposal".to_owned());
/// provider.put(stage);
/// assert_eq!(provider.read_all::<Stage>().await?.len(), 1);
/// # Ok::<_, unicrm_core::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct MemoryProvider {
    linked_account: LinkedAccountId,
    capabilities: Capabilities,
    org: Arc<Mutex<Org>>,
    custom: Arc<Mutex<CustomOrg>>,
}

impl MemoryProvider {
    /// An empty org.
    #[must_use]
    pub fn new(linked_account: LinkedAccountId) -> Self {
        let org = Arc::new(Mutex::new(Org::new(linked_account)));
        Self { linked_account, capabilities: capabilities(), org, custom: Arc::default() }
    }

    /// Puts a record in as the remote itself would: no rule is checked. Its remote id, or a new one, comes back.
    pub fn put(&self, record: impl Into<Record>) -> RemoteId {
        self.org().put(record.into())
    }

    /// Deletes a record as the remote itself would, or hides it; says whether there was one.
    pub fn remove(&self, kind: ObjectKind, remote_id: &RemoteId, reason: GoneReason) -> bool {
        self.org().remove(kind, remote_id, reason)
    }

    /// Adds a class of custom objects: its fields, and those that point at records of another class.
    pub fn define_class(&self, name: &str, fields: &[&str], lookups: &[(&str, AssociatedClass)]) {
        self.custom().define(self.linked_account, name, fields, lookups);
    }

    fn custom(&self) -> MutexGuard<'_, CustomOrg> {
        self.custom.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn org(&self) -> MutexGuard<'_, Org> {
        self.org.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(&self, part: &ReadPart) -> Result<Page> {
        let org = self.org();
        let size = part.page_size.unwrap_or(200).clamp(1, 2_000) as usize;
        let page = match (&part.scope, part.shape) {
            (scope, Shape::Count) => count(&org, part.kind, scope)?,
            (Scope::Ids(ids), _) => {
                let rows = ids.iter().map(|id| match org.get(part.kind, id) {
                    Some(stored) => Org::row(part.kind, id, stored),
                    None => Row::Gone(Gone::new(part.kind, id.clone(), GoneReason::NotVisible)),
                });
                Page::new(rows.collect(), Next::End(None))
            }
            (Scope::All, _) => {
                // The watermark is the version when the reading began: what changes meanwhile comes again later.
                let (began, after) = match &part.after {
                    None => (org.version(), None),
                    Some(token) => {
                        let (began, id) = token.as_str().split_once(':').ok_or_else(bad_token)?;
                        (began.parse().map_err(|_| bad_token())?, Some(RemoteId::from(id)))
                    }
                };
                let rows: Vec<_> = org.after(part.kind, after.as_ref()).take(size + 1).collect();
                let more = rows.len() > size;
                let rows = &rows[..rows.len().min(size)];
                let next = match rows.last() {
                    Some((id, _)) if more => Next::More(PageToken::new(format!("{began}:{id}"))),
                    _ => Next::End(Some(Watermark::new(began.to_string()))),
                };
                Page::new(rows.iter().map(|(id, stored)| Org::row(part.kind, id, stored)).collect(), next)
            }
            (Scope::Since(watermark), _) => {
                let from = part.after.as_ref().map_or(watermark.as_str(), PageToken::as_str);
                let changed = org.since(&[part.kind], from.parse().map_err(|_| bad_token())?);
                let rows = &changed[..changed.len().min(size)];
                let next = match rows.last() {
                    Some((.., stored)) if changed.len() > size => {
                        Next::More(PageToken::new(stored.version.to_string()))
                    }
                    _ => Next::End(Some(Watermark::new(org.version().to_string()))),
                };
                Page::new(rows.iter().map(|(kind, id, stored)| Org::row(*kind, id, stored)).collect(), next)
            }
        };
        Ok(if part.shape == Shape::Ids { ids_only(page) } else { page }.with_usage(Usage::calls(1)))
    }
}

fn bad_token() -> Error {
    Error::new(ErrorKind::InvalidRequest, "this token is not from this provider")
}

fn count(org: &Org, kind: ObjectKind, scope: &Scope) -> Result<Page> {
    let live = |stored: &org::Stored| stored.gone.is_none();
    let number = match scope {
        Scope::All => org.after(kind, None).filter(|(_, stored)| live(stored)).count(),
        Scope::Since(watermark) => {
            let version = watermark.as_str().parse().map_err(|_| bad_token())?;
            org.since(&[kind], version).into_iter().filter(|(.., stored)| live(stored)).count()
        }
        Scope::Ids(ids) => {
            ids.iter().filter_map(|id| org.get(kind, id)).filter(|stored| live(stored)).count()
        }
    };
    Ok(Page::new(Vec::new(), Next::End(None)).with_count(number as u64))
}

fn ids_only(mut page: Page) -> Page {
    for row in &mut page.rows {
        if let Row::Live(live) = row
            && let Some(remote_id) = live.record.remote_id().cloned()
        {
            *row = Row::Id { remote_id, stamp: live.stamp };
        }
    }
    page
}

#[async_trait]
impl Provider for MemoryProvider {
    fn info(&self) -> &'static ProviderInfo {
        &INFO
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn access(&self) -> Result<Access> {
        let mut access = Access::new(Identity::new("memory", "memory"));
        access.full_administrator = true;
        for mapping in INFO.mappings {
            let mut object = ObjectAccess::default();
            object.readable = self.capabilities.allows(mapping.kind, Capability::Read);
            object.creatable = self.capabilities.allows(mapping.kind, Capability::Create);
            object.updatable = self.capabilities.allows(mapping.kind, Capability::Update);
            object.deletable = self.capabilities.allows(mapping.kind, Capability::Delete);
            object.fields = mapping
                .fields
                .iter()
                .map(|field| {
                    let writable = object.updatable && field.direction == MappingDirection::Both;
                    FieldAccess::new(field.unified, vec![field.unified.to_owned()], true, writable)
                })
                .collect();
            access.objects.insert(mapping.kind, object);
        }
        Ok(access)
    }

    async fn describe(&self, kind: ObjectKind) -> Result<Schema> {
        let mut schema = Schema::new(kind, vec![kind.as_str().to_owned()]);
        let writable = self.capabilities.allows(kind, Capability::Create);
        for (info, mapping) in
            Record::fields_of(kind).iter().zip(INFO.mapping(kind).map_or(&[][..], |m| m.fields))
        {
            let format = match info.ty {
                _ if info.list => FieldFormat::List,
                FieldType::Integer | FieldType::Amount => FieldFormat::Number,
                FieldType::Boolean => FieldFormat::Bool,
                FieldType::Timestamp => FieldFormat::Datetime,
                _ => FieldFormat::String,
            };
            let mut field = FieldSchema::new(kind.as_str(), info.name, format);
            field.unified = Some(info.name.to_owned());
            field.creatable = writable && mapping.direction == MappingDirection::Both;
            field.updatable = field.creatable;
            schema.fields.push(field);
        }
        Ok(schema)
    }

    async fn read(&self, request: ReadRequest) -> Result<Vec<Result<Page>>> {
        Ok(request.parts().iter().map(|part| self.page(part)).collect())
    }

    async fn search(&self, request: SearchRequest) -> Result<Page> {
        let org = self.org();
        let mut rows = Vec::new();
        for kind in &request.kinds {
            let live = org.after(*kind, None).filter(|(_, stored)| stored.gone.is_none());
            let found = live.filter(|(_, stored)| matches(&stored.record, &request.query));
            rows.extend(found.map(|(id, stored)| Org::row(*kind, id, stored)));
        }
        rows.truncate(request.limit as usize);
        Ok(Page::new(rows, Next::End(None)).with_usage(Usage::calls(1)))
    }

    async fn write(&self, request: WriteRequest) -> Result<WriteReport> {
        let mut org = self.org();
        let outcomes = request
            .operations
            .into_iter()
            .map(|operation| write::write(&mut org, self.linked_account, operation));
        Ok(WriteReport::new(outcomes.collect()).with_usage(Usage::calls(1)))
    }

    async fn changes(&self, request: ChangesRequest) -> Result<ChangesPage> {
        let org = self.org();
        let Some(after) = request.after else {
            return Ok(ChangesPage::new(Vec::new(), ResumeToken::new(org.version().to_string())));
        };
        let version = after.as_str().parse().map_err(|_| bad_token())?;
        let changed = org.since(&request.kinds, version);
        let changes =
            changed.iter().map(|(kind, id, stored)| Change { kind: *kind, row: Org::row(*kind, id, stored) });
        Ok(ChangesPage::new(changes.collect(), ResumeToken::new(org.version().to_string())))
    }

    async fn custom_classes(&self) -> Result<Vec<CustomObjectClass>> {
        Ok(self.custom().classes())
    }

    async fn custom_class(&self, name: &str) -> Result<CustomObjectClass> {
        self.custom().class(name).cloned()
    }

    async fn custom_read(&self, request: CustomRead) -> Result<CustomPage> {
        self.custom().page(&request)
    }

    async fn custom_write(&self, request: CustomWrite) -> Result<WriteReport> {
        let mut custom = self.custom();
        let outcomes =
            request.operations.into_iter().map(|operation| custom.write(self.linked_account, operation));
        Ok(WriteReport::new(outcomes.collect()).with_usage(Usage::calls(1)))
    }

    async fn send(&self, _request: RawRequest) -> Result<RawResponse> {
        Err(Error::new(ErrorKind::Unsupported, "records in memory have no API of their own"))
    }
}

/// Whether a record holds what is looked for: phones by their digits, e-mails without case, text anywhere.
fn matches(record: &Record, query: &SearchQuery) -> bool {
    let (phones, emails) = match record {
        Record::Account(account) => (&account.phone_numbers[..], &[][..]),
        Record::Contact(contact) => (&contact.phone_numbers[..], &contact.email_addresses[..]),
        Record::Lead(lead) => (&lead.phone_numbers[..], &lead.email_addresses[..]),
        _ => (&[][..], &[][..]),
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    match query {
        SearchQuery::Phone(wanted) => {
            let wanted = digits(wanted);
            let numbers = phones.iter().filter_map(|phone| phone.phone_number.as_deref()).map(digits);
            !wanted.is_empty()
                && numbers.into_iter().any(|number| number.ends_with(&wanted) || wanted.ends_with(&number))
        }
        SearchQuery::Email(wanted) => emails
            .iter()
            .filter_map(|email| email.email_address.as_deref())
            .any(|address| address.eq_ignore_ascii_case(wanted.trim())),
        SearchQuery::Text(wanted) => {
            let wanted = wanted.to_lowercase();
            let mut found = false;
            record.visit(&mut |_, value| {
                if let Some(Value::Text(text)) = value {
                    found |= text.to_lowercase().contains(&wanted);
                }
            });
            found
        }
    }
}
