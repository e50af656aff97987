//! Linked accounts in their table.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use unicrm_core::{CredentialStore, Json, LinkedAccountId, Result};

use super::SqliteStore;
use super::credentials::{self, SqliteCredentials};
use super::failure::Done;
use super::ingest::begin;
use super::search;
use crate::account::{no_such_account, not_linked, other_provider, region_of};
use crate::{AccountStatus, LinkRequest, LinkedAccount, LinkedAccounts, MasterKey, text};

const SELECT: &str = "SELECT id, name, provider, config, status, created_at, last_sync FROM linked_accounts";

#[async_trait]
impl LinkedAccounts for SqliteStore {
    async fn link(&self, request: LinkRequest) -> Result<LinkedAccount> {
        request.check()?;
        let keyring = Arc::clone(&self.inner.keyring);
        self.write(move |connection| {
            credentials::durably(connection, |connection| {
                let transaction = begin(connection)?;
                let (pk, id) = put(&transaction, &request)?;
                if let Some(given) = &request.credentials {
                    credentials::replace(&transaction, &keyring, pk, id, given)?;
                }
                let account = by_id(&transaction, id)?.ok_or_else(|| not_linked(id))?;
                transaction.commit()?;
                Ok(account)
            })
        })
        .await
    }

    async fn linked_accounts(&self) -> Result<Vec<LinkedAccount>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY name"))?;
            let mut rows = statement.query([])?;
            let mut accounts = Vec::new();
            while let Some(row) = rows.next()? {
                accounts.push(read(row)?);
            }
            Ok(accounts)
        })
        .await
    }

    async fn linked_account(&self, name_or_id: &str) -> Result<LinkedAccount> {
        let wanted = name_or_id.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE name = ?1"))?;
            if let Some(row) = statement.query([&wanted])?.next()? {
                return read(row);
            }
            if let Some(account) = wanted.parse().ok().map(|id| by_id(connection, id)).transpose()?.flatten()
            {
                return Ok(account);
            }
            let mut statement =
                connection.prepare_cached("SELECT name FROM linked_accounts ORDER BY name LIMIT 20")?;
            let names = statement.query_map([], |row| row.get::<_, String>(0))?;
            let names = names.collect::<rusqlite::Result<Vec<_>>>()?;
            Err(no_such_account(&wanted, &names).into())
        })
        .await
    }

    async fn unlink(&self, id: LinkedAccountId) -> Result<()> {
        self.write(move |connection| {
            let transaction = begin(connection)?;
            let pk = account_pk(&transaction, id)?;
            search::forget(&transaction, pk)?;
            // Everything else that belongs to it goes with it: see the foreign keys.
            transaction.execute("DELETE FROM linked_accounts WHERE pk = ?1", [pk])?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    async fn set_status(&self, id: LinkedAccountId, status: AccountStatus) -> Result<()> {
        self.write(move |connection| {
            let found = connection
                .prepare_cached("UPDATE linked_accounts SET status = ?1 WHERE id = ?2")?
                .execute(params![status.as_str(), id.to_string()])?;
            if found == 0 { Err(not_linked(id).into()) } else { Ok(()) }
        })
        .await
    }

    fn credentials(&self, account: LinkedAccountId) -> Arc<dyn CredentialStore> {
        Arc::new(SqliteCredentials::new(self.clone(), account))
    }

    async fn rotate_master_key(&self, old: &MasterKey, new: &MasterKey) -> Result<usize> {
        let (old, new) = (old.clone(), new.clone());
        let keyring = Arc::clone(&self.inner.keyring);
        self.write(move |connection| {
            let rotated = credentials::rotate(connection, &old, &new)?;
            keyring.replace(new);
            Ok(rotated)
        })
        .await
    }

    fn take_warnings(&self) -> Vec<String> {
        self.inner.keyring.take_warnings()
    }
}

/// Makes the account, or links the one of this name again.
fn put(connection: &Connection, request: &LinkRequest) -> Done<(i64, LinkedAccountId)> {
    let known = connection
        .query_row(
            "SELECT pk, id, provider, config FROM linked_accounts WHERE name = ?1",
            [&request.name],
            |row| {
                let text = |at| row.get::<_, String>(at);
                Ok((row.get(0)?, text(1)?, text(2)?, text(3)?))
            },
        )
        .optional()?;
    if let Some((pk, id, provider, config)) = known {
        if provider != request.provider {
            return Err(other_provider(request, &provider).into());
        }
        connection.execute(
            "UPDATE linked_accounts SET config = ?1, status = ?2 WHERE pk = ?3",
            params![request.config.as_str(), AccountStatus::Active.as_str(), pk],
        )?;
        if region_of(&config) != region_of(request.config.as_str()) {
            search::rebuild(connection, Some(pk))?;
        }
        return Ok((pk, id.parse()?));
    }
    let id = LinkedAccountId::random();
    connection.execute(
        "INSERT INTO linked_accounts (id, name, provider, config, status, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            id.to_string(),
            request.name,
            request.provider,
            request.config.as_str(),
            AccountStatus::Active.as_str(),
            text::now()
        ],
    )?;
    Ok((connection.last_insert_rowid(), id))
}

fn by_id(connection: &Connection, id: LinkedAccountId) -> Done<Option<LinkedAccount>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    let mut rows = statement.query([id.to_string()])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &Row<'_>) -> Done<LinkedAccount> {
    let last_sync: Option<String> = row.get(6)?;
    Ok(LinkedAccount {
        id: row.get::<_, String>(0)?.parse()?,
        name: row.get(1)?,
        provider: row.get(2)?,
        config: Json::parse(row.get::<_, String>(3)?)?,
        status: row.get::<_, String>(4)?.parse()?,
        created_at: text::parse_timestamp(&row.get::<_, String>(5)?)?,
        last_sync: last_sync.as_deref().map(text::parse_timestamp).transpose()?,
    })
}

/// The key and the epoch of a linked account.
pub(super) fn account(connection: &Connection, id: LinkedAccountId) -> Done<(i64, u64)> {
    let found = connection
        .prepare_cached("SELECT pk, epoch FROM linked_accounts WHERE id = ?1")?
        .query_row([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found.ok_or_else(|| not_linked(id).into())
}

/// The key of a linked account.
pub(super) fn account_pk(connection: &Connection, id: LinkedAccountId) -> Done<i64> {
    account(connection, id).map(|(pk, _)| pk)
}
