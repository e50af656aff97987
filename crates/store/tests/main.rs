//! The store from outside, as hosts use it.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod accounts;
mod credentials;
mod files;
mod ingest;
mod model;
mod records;
mod roundtrip;

use unicrm_core::{Contact, LiveRow, ObjectKind, Row};
use unicrm_store::{
    Epoch, Ingest, LinkRequest, LinkedAccount, LinkedAccounts, PageCommit, PageReport, SqliteStore,
};

/// A store in memory with one linked account and an epoch of it.
async fn linked() -> (SqliteStore, LinkedAccount, Epoch) {
    let store = SqliteStore::open_in_memory().await.unwrap();
    let account = store.link(LinkRequest::new("acme", "memory")).await.unwrap();
    let epoch = store.begin_epoch(account.id).await.unwrap();
    (store, account, epoch)
}

fn contact(remote_id: &str, last_name: &str) -> Contact {
    let mut contact = Contact::default();
    contact.remote_id = Some(remote_id.into());
    contact.last_name = Some(last_name.to_owned());
    contact
}

fn live(remote_id: &str, last_name: &str) -> Row {
    Row::Live(LiveRow::new(contact(remote_id, last_name)))
}

async fn commit(store: &SqliteStore, epoch: Epoch, rows: Vec<Row>) -> PageReport {
    store.commit_page(PageCommit::new(epoch, ObjectKind::Contact, rows)).await.unwrap()
}
