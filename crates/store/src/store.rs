//! The contract of a store, by concern. SQLite is one; which one it is does not show.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use unicrm_core::{
    CredentialStore, FieldMapping, LinkedAccountId, ObjectKind, RawRecord, RecordPatch, RemoteId, Result,
    SearchRequest,
};
use uuid::Uuid;

use crate::{
    AccountStatus, Checkpoint, Epoch, Include, LinkRequest, LinkedAccount, ListPage, ListRequest, MasterKey,
    PageCommit, PageReport, Projection, RecordCounts, RejectedRow, SnapshotEnd, StoredRecord, references,
};

/// The local copy. All its methods are in the traits by concern.
pub trait Store: LinkedAccounts + Ingest + Records + Mappings {}

impl<T: LinkedAccounts + Ingest + Records + Mappings> Store for T {}

/// Linked accounts and their credentials.
#[async_trait]
pub trait LinkedAccounts: fmt::Debug + Send + Sync {
    /// Links an account, or links the one of this name again: it keeps its id and its records, and is active once more.
    /// A name that another provider has is a conflict.
    async fn link(&self, request: LinkRequest) -> Result<LinkedAccount>;

    /// All linked accounts, by name.
    async fn linked_accounts(&self) -> Result<Vec<LinkedAccount>>;

    /// The linked account of this name or id; the error lists the names that there are.
    async fn linked_account(&self, name_or_id: &str) -> Result<LinkedAccount>;

    /// Removes a linked account with its credentials, records and checkpoints.
    async fn unlink(&self, account: LinkedAccountId) -> Result<()>;

    /// Says whether a linked account can be used as it is.
    async fn set_status(&self, account: LinkedAccountId, status: AccountStatus) -> Result<()>;

    /// Where the credentials of a linked account are, encrypted. For a plugin to connect with.
    fn credentials(&self, account: LinkedAccountId) -> Arc<dyn CredentialStore>;

    /// Encrypts everything that is under the old master key with the new one, all or nothing, and says how many accounts
    /// that were. The store goes on with the new key; putting it into the environment or the key file is up to the caller.
    async fn rotate_master_key(&self, old: &MasterKey, new: &MasterKey) -> Result<usize>;

    /// What a person should be told, such as that a key file was made; each warning is given once.
    fn take_warnings(&self) -> Vec<String>;
}

/// The side that a sync writes to.
#[async_trait]
pub trait Ingest: fmt::Debug + Send + Sync {
    /// Takes the right to write into a linked account from whoever had it.
    async fn begin_epoch(&self, account: LinkedAccountId) -> Result<Epoch>;

    /// Where the sync of an object goes on; none before the first.
    async fn checkpoint(&self, account: LinkedAccountId, kind: ObjectKind) -> Result<Option<Checkpoint>>;

    /// Commits the rows of a page and its checkpoint in one transaction. A page that comes again changes nothing.
    async fn commit_page(&self, page: PageCommit) -> Result<PageReport>;

    /// Begins a reading that will show every record of an object; one that is under way is given up. From now on the
    /// store remembers which records were seen, across restarts.
    async fn begin_snapshot(&self, epoch: Epoch, kind: ObjectKind) -> Result<()>;

    /// Ends a snapshot whose last page is committed: what it did not show is not visible any more. In the same
    /// transaction as the checkpoint.
    async fn finish_snapshot(
        &self,
        epoch: Epoch,
        kind: ObjectKind,
        checkpoint: Option<Checkpoint>,
    ) -> Result<SnapshotEnd>;

    /// Notes when a sync came to its end.
    async fn finish_sync(&self, epoch: Epoch, at: Timestamp) -> Result<()>;

    /// Rows that could not be understood and have not come right since, the oldest first, at most `limit`.
    async fn rejected(
        &self,
        account: LinkedAccountId,
        kind: Option<ObjectKind>,
        limit: u32,
    ) -> Result<Vec<RejectedRow>>;
}

/// The records, for reading.
#[async_trait]
pub trait Records: fmt::Debug + Send + Sync {
    /// The record of an object with this unified id; a tombstone too.
    async fn get(&self, kind: ObjectKind, id: Uuid, include: Include) -> Result<Option<StoredRecord>>;

    /// The record of any object with this unified id; a tombstone too.
    async fn find(&self, id: Uuid, include: Include) -> Result<Option<StoredRecord>>;

    /// The records with this remote id: of one object or any, of one linked account or all. Tombstones too.
    async fn find_remote(
        &self,
        account: Option<LinkedAccountId>,
        kind: Option<ObjectKind>,
        remote_id: &str,
        include: Include,
    ) -> Result<Vec<StoredRecord>>;

    /// A page of records. A filter on a field that there is not is an error that lists the fields.
    async fn list(&self, request: ListRequest) -> Result<ListPage>;

    /// The live contacts, leads and accounts of a linked account that a search is for; other objects of the request have none.
    /// A number is found in any notation, an e-mail address whatever its case, a text by the words of a name or their
    /// beginnings. At most 2,000 records.
    ///
    /// # Errors
    /// [`InvalidRequest`](unicrm_core::ErrorKind::InvalidRequest) when that cannot be searched for: a number of less than
    /// three digits, an address without `@`, a text of less than two letters.
    async fn search(
        &self,
        account: LinkedAccountId,
        request: SearchRequest,
        include: Include,
    ) -> Result<Vec<StoredRecord>>;

    /// How many records of each object there are, of one linked account or of all.
    async fn counts(&self, account: Option<LinkedAccountId>) -> Result<BTreeMap<ObjectKind, RecordCounts>>;

    /// The raw record as the remote sent it, for another projection; none when the record is not here.
    async fn raw(&self, kind: ObjectKind, id: Uuid) -> Result<Option<RawRecord>>;

    /// The remote ids of these records, as far as the linked account has them; of tombstones too.
    async fn remote_ids(
        &self,
        account: LinkedAccountId,
        records: Vec<(ObjectKind, Uuid)>,
    ) -> Result<HashMap<(ObjectKind, Uuid), RemoteId>>;

    /// Fills in the remote ids of references that patches give by unified id, as far as the linked account has their
    /// records. The guard of core refuses those that stay open, by name.
    async fn resolve_references(
        &self,
        account: LinkedAccountId,
        patches: &mut [&mut RecordPatch],
    ) -> Result<()> {
        let open: Vec<_> = patches.iter_mut().flat_map(|patch| references::unresolved(patch)).collect();
        if !open.is_empty() {
            let known = self.remote_ids(account, open).await?;
            patches.iter_mut().for_each(|patch| references::fill(patch, &known));
        }
        Ok(())
    }
}

/// The field mappings of linked accounts, and the records that they change.
///
/// What is committed is mapped by the mappings that hold at that moment. A mapping that is set or removed marks the records
/// of its object as to be made anew; [`Mappings::project`] does so from their raw form, a page at a time, and goes on where
/// it was after a restart. The remote is not asked.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use unicrm_core::{FieldMapping, MappedType, ObjectKind};
/// use unicrm_store::{LinkRequest, LinkedAccounts, Mappings, SqliteStore};
///
/// let store = SqliteStore::open_in_memory().await?;
/// let account = store.link(LinkRequest::new("acme", "memory")).await?;
/// let mapping = FieldMapping::new(ObjectKind::Contact, "tier", "Tier__c", MappedType::Text)?;
/// assert!(store.set_field_mapping(account.id, mapping).await?);
/// while !store.project(account.id, ObjectKind::Contact, 500).await?.done {}
/// assert!(store.unprojected(account.id).await?.is_empty());
/// # Ok::<_, unicrm_core::Error>(()) }).unwrap();
/// ```
#[async_trait]
pub trait Mappings: fmt::Debug + Send + Sync {
    /// The field mappings of a linked account, by object and name.
    async fn field_mappings(&self, account: LinkedAccountId) -> Result<Vec<FieldMapping>>;

    /// Adds a mapping, or puts it in the place of the one of this object and name; says whether that changed anything.
    async fn set_field_mapping(&self, account: LinkedAccountId, mapping: FieldMapping) -> Result<bool>;

    /// Removes a mapping; says whether there was one.
    async fn remove_field_mapping(
        &self,
        account: LinkedAccountId,
        kind: ObjectKind,
        name: &str,
    ) -> Result<bool>;

    /// The objects some of whose records are still as an earlier set of mappings made them.
    async fn unprojected(&self, account: LinkedAccountId) -> Result<Vec<ObjectKind>>;

    /// Makes the next records of an object anew, at most `limit` (1 to 2,000), in one transaction. `modified_at` moves only
    /// on those that come out different.
    async fn project(&self, account: LinkedAccountId, kind: ObjectKind, limit: u32) -> Result<Projection>;
}
