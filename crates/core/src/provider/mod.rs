//! The contract between a host and a provider.

mod access;
mod capability;
mod changes;
mod connect;
mod ext;
mod info;
mod json_schema;
mod page;
mod read;
mod schema;
mod search;
mod send;
mod sign_in;
mod write;

use std::fmt;

use async_trait::async_trait;

pub use access::{Access, FieldAccess, Grant, GrantFile, Identity, Missing, ObjectAccess};
pub use capability::{Capabilities, Capability, CapabilitySet};
pub use changes::{Change, ChangesPage, ChangesRequest, ResumeToken};
pub use connect::{ConnectFuture, ConnectRequest};
pub use ext::ProviderExt;
pub(crate) use ext::repeated_token;
pub use info::{
    AuthFlow, FieldRule, Interaction, MappingDirection, NormalForm, ObjectMapping, ProviderInfo, Setting,
};
pub use json_schema::{WriteKind, json_schema};
pub use page::{Gone, GoneReason, LiveRow, Next, Page, PageToken, Quota, RawRecord, Row, Usage, Watermark};
pub use read::{ReadPart, ReadRequest, Scope, Shape};
pub use schema::{FieldSchema, PicklistValue, RecordType, Schema};
pub use search::{SearchQuery, SearchRequest};
pub use send::{RawRequest, RawResponse};
pub use sign_in::{Revocation, SignIn, SignInRequest, SignInStep};
pub use write::{
    ConvertLead, ExternalKey, Outcome, OutcomeStatus, Warning, WriteOperation, WriteReport, WriteRequest,
};

use crate::{CustomObjectClass, CustomPage, CustomRead, CustomWrite, ObjectKind, Result};

/// A CRM, connected as one linked account.
///
/// This trait is what plugins implement: few methods, every one required. Hosts call it through the
/// [`Guard`](crate::Guard) that [`Registry::connect`](crate::Registry::connect) puts around every provider, and mostly
/// through the conveniences of [`ProviderExt`].
///
/// # Contract
///
/// - Methods may be called at the same time from any number of tasks. Dropping a future stops the work and leaks nothing.
/// - The plugin retries what is safe to retry, within a bounded time, before it answers with an error.
/// - An error says truly whether trying again makes sense ([`Error::retry`](crate::Error::retry)).
/// - Nothing is dropped in silence: a record that cannot be understood is a rejected row, a field that cannot be written is
///   a warning or a field error.
///
/// The numbered clauses are in `docs/provider-contract.md`; each names the conformance case that checks it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use unicrm_core::{memory::MemoryProvider, Contact, ContactPatch, LinkedAccountId, Provider, ProviderExt};
///
/// let provider = MemoryProvider::new(LinkedAccountId::random());
/// provider.create(ContactPatch::new().last_name("Feig")).await?;
/// let contacts = provider.read_all::<Contact>().await?;
/// assert_eq!(contacts[0].last_name.as_deref(), Some("Feig"));
/// assert_eq!(provider.info().slug, "memory");
/// # Ok::<_, unicrm_core::Error>(()) }).unwrap();
/// ```
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// What this provider is: static, without a call to the remote.
    fn info(&self) -> &'static ProviderInfo;

    /// What it can do, per object, as data. The guard refuses everything else before the plugin is called.
    fn capabilities(&self) -> &Capabilities;

    /// Who am I, what may I read and write, what quota is left, what is missing and how to get it.
    async fn access(&self) -> Result<Access>;

    /// The fields of one object, unified and remote, as this user sees them.
    ///
    /// Requires [`Capability::Describe`].
    async fn describe(&self, kind: ObjectKind) -> Result<Schema>;

    /// Reads one page of each part.
    ///
    /// # Behavior
    ///
    /// - One result per part, in order. A part that fails does not fail the others; the outer error means that nothing
    ///   could be read at all.
    /// - The pages of a part are read by passing each page's token back until the end. A reading that all ends without an
    ///   error has shown every record of its scope at least once, whatever was changed meanwhile.
    /// - Deleted records come as [`Row::Gone`] as far as the remote still shows them.
    async fn read(&self, request: ReadRequest) -> Result<Vec<Result<Page>>>;

    /// Finds records at the remote by phone, e-mail or text.
    ///
    /// Requires [`Capability::SearchPhone`], [`Capability::SearchEmail`] or [`Capability::SearchText`].
    async fn search(&self, request: SearchRequest) -> Result<Page>;

    /// Creates, updates, upserts, deletes and converts.
    ///
    /// # Behavior
    ///
    /// - One outcome per operation, in order. The outer error means that nothing was sent.
    /// - A read-only field that is named is a warning; a value that the remote cannot hold is a field error; nothing is
    ///   dropped without one of the two.
    /// - A create whose answer was lost is never blindly repeated: it is settled by looking, or *in doubt*.
    async fn write(&self, request: WriteRequest) -> Result<WriteReport>;

    /// Waits for change events after a token; answers at the latest when the request's patience ends.
    ///
    /// Requires [`Capability::Changes`].
    async fn changes(&self, request: ChangesRequest) -> Result<ChangesPage>;

    /// The classes of custom objects that this user sees, without their fields and association types.
    ///
    /// Requires [`Capability::Describe`] of custom objects.
    async fn custom_classes(&self) -> Result<Vec<CustomObjectClass>>;

    /// One class by the remote's own name, with its fields and association types. A provider may describe classes that it
    /// does not list, such as those of the remote that the model has no object for.
    ///
    /// Requires [`Capability::Describe`] of custom objects.
    async fn custom_class(&self, name: &str) -> Result<CustomObjectClass>;

    /// Reads one page of a class's records, with what they point at. Pages follow each other as those of
    /// [`Provider::read`] do.
    ///
    /// Requires [`Capability::Read`] or [`Capability::ReadByIds`] of custom objects.
    async fn custom_read(&self, request: CustomRead) -> Result<CustomPage>;

    /// Creates, updates, upserts and deletes records of classes, under the rules of [`Provider::write`]. Values and
    /// pointers (`/fields/Name`) are in the remote's own names.
    async fn custom_write(&self, request: CustomWrite) -> Result<WriteReport>;

    /// Sends a request of the remote's own API with this account's credentials.
    ///
    /// Requires [`Capabilities::raw_requests`].
    async fn send(&self, request: RawRequest) -> Result<RawResponse>;
}
