//! The local copy: linked accounts, encrypted credentials, unified records.
//!
//! [`open`] takes a URL and gives a [`Store`]; which database is behind it does not show. The records lie in one table
//! per object with a column per field, so that a person can query them with any SQL client; the layout is described in
//! `src/sqlite/schema.rs`.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use unicrm_core::{Contact, LiveRow, ObjectKind, Row};
//! use unicrm_store::{Ingest, LinkRequest, LinkedAccounts, ListRequest, PageCommit, Records, SqliteStore};
//!
//! let store = SqliteStore::open_in_memory().await?;
//! let account = store.link(LinkRequest::new("acme", "memory")).await?;
//!
//! let epoch = store.begin_epoch(account.id).await?;
//! let mut contact = Contact::default();
//! contact.remote_id = Some("003x".into());
//! let page = PageCommit::new(epoch, ObjectKind::Contact, vec![Row::Live(LiveRow::new(contact))]);
//! assert_eq!(store.commit_page(page).await?.counts.created, 1);
//!
//! let contacts = store.list(ListRequest::new(ObjectKind::Contact)).await?.records;
//! assert!(contacts[0].record.id().is_some());
//! # Ok::<_, unicrm_core::Error>(()) }).unwrap();
//! ```

mod account;
mod decode;
mod encode;
mod filter;
mod ingest;
mod key;
mod layout;
mod mapping;
mod page;
#[cfg(feature = "postgres")]
mod postgres;
mod query;
mod raw;
mod references;
mod seal;
mod search;
mod sqlite;
mod store;
mod text;
mod url;

pub use account::{AccountStatus, LinkRequest, LinkedAccount};
pub use ingest::{
    Checkpoint, Epoch, PageCommit, PageCounts, PageReport, RejectedRow, SnapshotEnd, StaleEpoch,
};
pub use key::{KeySource, MasterKey};
pub use mapping::Projection;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore};
pub use query::{Cursor, Filter, Include, ListPage, ListRequest, RecordCounts, StoredGone, StoredRecord};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use store::{Ingest, LinkedAccounts, Mappings, Records, Store};
pub use url::{DEFAULT_URL, key_source, open};
