//! Credentials in their table: sealed, and swapped only by whoever knows the version that is there.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use unicrm_core::{CredentialStore, Credentials, LinkedAccountId, Result, StoredCredentials, Swap};

use super::SqliteStore;
use super::accounts::account_pk;
use super::failure::Done;
use super::ingest::begin;
use crate::key::Keyring;
use crate::seal::{self, Sealed};
use crate::{MasterKey, text};

/// The credentials of one linked account.
#[derive(Debug)]
pub(super) struct SqliteCredentials {
    store: SqliteStore,
    account: LinkedAccountId,
}

impl SqliteCredentials {
    pub(super) fn new(store: SqliteStore, account: LinkedAccountId) -> Self {
        Self { store, account }
    }
}

#[async_trait]
impl CredentialStore for SqliteCredentials {
    async fn load(&self) -> Result<StoredCredentials> {
        let (keyring, id) = (self.store.inner.keyring.clone(), self.account);
        self.store
            .read(move |connection| {
                let transaction = connection.transaction()?;
                let pk = account_pk(&transaction, id)?;
                load(&transaction, &keyring, pk, id)
            })
            .await
    }

    async fn compare_and_swap(&self, expected_version: u64, credentials: Credentials) -> Result<Swap> {
        let (keyring, id) = (self.store.inner.keyring.clone(), self.account);
        self.store
            .write(move |connection| {
                durably(connection, |connection| {
                    let transaction = begin(connection)?;
                    let pk = account_pk(&transaction, id)?;
                    let now = load(&transaction, &keyring, pk, id)?;
                    if now.version != expected_version {
                        return Ok(Swap::Conflict(now));
                    }
                    let version = replace(&transaction, &keyring, pk, id, &credentials)?;
                    transaction.commit()?;
                    Ok(Swap::Stored { version })
                })
            })
            .await
    }
}

/// Runs a job whose commits are on the disk before it returns. A refresh token that is used up cannot be had again.
pub(super) fn durably<T>(
    connection: &mut Connection,
    job: impl FnOnce(&mut Connection) -> Done<T>,
) -> Done<T> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    let done = job(connection);
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    done
}

/// Stores credentials in place of those that are there, and gives their version. Those that are there are not looked at,
/// so an account whose key is lost can be linked again.
pub(super) fn replace(
    connection: &Connection,
    keyring: &Keyring,
    pk: i64,
    id: LinkedAccountId,
    credentials: &Credentials,
) -> Done<u64> {
    let master = keyring.key(|| nothing_sealed(connection))?;
    let before: Option<(u64, i64)> = connection
        .query_row("SELECT version, key_version FROM credentials WHERE linked_account = ?1", [pk], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (version, key_version) = before.map_or((1, 1), |(version, key)| (version + 1, key + 1));
    let sealed = seal::seal(&master, id, key_version, credentials)?;
    connection.execute(
        "INSERT OR REPLACE INTO credentials
         (linked_account, version, key_version, master_key, data_key, secrets, modified_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            pk,
            version,
            sealed.key_version,
            sealed.master_key,
            sealed.data_key,
            sealed.secrets,
            text::now()
        ],
    )?;
    Ok(version)
}

/// The credentials of an account; version 0 and none when it has none yet.
fn load(connection: &Connection, keyring: &Keyring, pk: i64, id: LinkedAccountId) -> Done<StoredCredentials> {
    let stored = connection
        .prepare_cached(
            "SELECT key_version, master_key, data_key, secrets, version FROM credentials WHERE linked_account = ?1",
        )?
        .query_row([pk], |row| Ok((sealed(row)?, row.get(4)?)))
        .optional()?;
    let Some((sealed, version)) = stored else {
        return Ok(StoredCredentials { version: 0, credentials: Credentials::new() });
    };
    let master = keyring.key(|| Done::Ok(false))?;
    Ok(StoredCredentials { version, credentials: seal::open(&master, id, &sealed)? })
}

fn sealed(row: &rusqlite::Row<'_>) -> rusqlite::Result<Sealed> {
    Ok(Sealed {
        key_version: row.get(0)?,
        master_key: row.get(1)?,
        data_key: row.get(2)?,
        secrets: row.get(3)?,
    })
}

fn nothing_sealed(connection: &Connection) -> Done<bool> {
    Ok(connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM credentials)", [], |row| row.get(0))?)
}

/// Puts everything that is under the old master key under the new one.
pub(super) fn rotate(connection: &mut Connection, old: &MasterKey, new: &MasterKey) -> Done<usize> {
    durably(connection, |connection| {
        let transaction = begin(connection)?;
        let mut all = Vec::new();
        {
            let mut statement = transaction.prepare(
                "SELECT c.key_version, c.master_key, c.data_key, c.secrets, c.linked_account, a.id
                 FROM credentials c JOIN linked_accounts a ON a.pk = c.linked_account",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let id: LinkedAccountId = row.get::<_, String>(5)?.parse()?;
                all.push((row.get::<_, i64>(4)?, id, sealed(row)?));
            }
        }
        let rewrapped = seal::rewrap_all(old, new, all)?;
        for (pk, sealed) in &rewrapped {
            transaction.execute(
                "UPDATE credentials SET master_key = ?1, data_key = ?2 WHERE linked_account = ?3",
                params![sealed.master_key, sealed.data_key, pk],
            )?;
        }
        transaction.commit()?;
        Ok(rewrapped.len())
    })
}
