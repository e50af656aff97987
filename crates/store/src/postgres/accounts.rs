//! Linked accounts in their table.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use unicrm_core::{CredentialStore, Json, LinkedAccountId, ObjectKind, Result};
use uuid::Uuid;

use super::PostgresStore;
use super::credentials::{self, PostgresCredentials};
use super::failure::Done;
use super::instant::Instant;
use super::schema::table;
use super::search;
use crate::account::{no_such_account, not_linked, other_provider, region_of};
use crate::{AccountStatus, LinkRequest, LinkedAccount, LinkedAccounts, MasterKey, text};

const SELECT: &str =
    "SELECT id, name, provider, config::text, status, created_at, last_sync FROM linked_accounts";

#[async_trait]
impl LinkedAccounts for PostgresStore {
    async fn link(&self, request: LinkRequest) -> Result<LinkedAccount> {
        request.check()?;
        self.run(async {
            let mut transaction = self.writing().await?;
            credentials::lock(&mut transaction).await?;
            let (pk, id) = put(&mut transaction, &request).await?;
            if let Some(given) = &request.credentials {
                credentials::replace(&mut transaction, &self.inner.keyring, pk, id, given).await?;
            }
            let account = by_id(&mut transaction, id).await?.ok_or_else(|| not_linked(id))?;
            transaction.commit().await?;
            Ok(account)
        })
        .await
    }

    async fn linked_accounts(&self) -> Result<Vec<LinkedAccount>> {
        self.run(async {
            let mut connection = self.connection().await?;
            // In the order of SQLite, whatever the collation of the database.
            let sql = AssertSqlSafe(format!("{SELECT} ORDER BY name COLLATE \"C\""));
            let rows = sqlx::query(sql).fetch_all(&mut *connection).await?;
            rows.iter().map(read).collect()
        })
        .await
    }

    async fn linked_account(&self, name_or_id: &str) -> Result<LinkedAccount> {
        self.run(async {
            let mut connection = self.connection().await?;
            let id: Option<LinkedAccountId> = name_or_id.parse().ok();
            let sql = format!("{SELECT} WHERE name = $1 OR id = $2 ORDER BY (name = $1) DESC LIMIT 1");
            let found = sqlx::query(AssertSqlSafe(sql))
                .bind(Some(name_or_id).filter(|name| !name.contains('\0')))
                .bind(id.map(|id| *id.as_uuid()))
                .fetch_optional(&mut *connection)
                .await?;
            if let Some(row) = found {
                return read(&row);
            }
            let names: Vec<String> =
                sqlx::query_scalar("SELECT name FROM linked_accounts ORDER BY name COLLATE \"C\" LIMIT 20")
                    .fetch_all(&mut *connection)
                    .await?;
            Err(no_such_account(name_or_id, &names).into())
        })
        .await
    }

    async fn unlink(&self, id: LinkedAccountId) -> Result<()> {
        self.run(async {
            let mut transaction = self.writing().await?;
            // Whoever commits a page holds the row, so there is none under way from here on.
            let pk: Option<i64> =
                sqlx::query_scalar("SELECT pk FROM linked_accounts WHERE id = $1 FOR UPDATE")
                    .bind(id.as_uuid())
                    .fetch_optional(&mut *transaction)
                    .await?;
            let pk = pk.ok_or_else(|| not_linked(id))?;
            for kind in ObjectKind::ALL {
                let sql = format!("DELETE FROM {} WHERE linked_account = $1", table(kind).name);
                sqlx::query(AssertSqlSafe(sql)).bind(pk).execute(&mut *transaction).await?;
            }
            sqlx::query(
                "DELETE FROM snapshot_records
                 WHERE snapshot IN (SELECT pk FROM snapshots WHERE linked_account = $1)",
            )
            .bind(pk)
            .execute(&mut *transaction)
            .await?;
            // Everything else that belongs to it goes with it: see the foreign keys.
            sqlx::query("DELETE FROM linked_accounts WHERE pk = $1")
                .bind(pk)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    async fn set_status(&self, id: LinkedAccountId, status: AccountStatus) -> Result<()> {
        self.run(async {
            let mut connection = self.connection().await?;
            let done = sqlx::query("UPDATE linked_accounts SET status = $1 WHERE id = $2")
                .bind(status.as_str())
                .bind(id.as_uuid())
                .execute(&mut *connection)
                .await?;
            if done.rows_affected() == 0 { Err(not_linked(id).into()) } else { Ok(()) }
        })
        .await
    }

    fn credentials(&self, account: LinkedAccountId) -> Arc<dyn CredentialStore> {
        Arc::new(PostgresCredentials::new(self.clone(), account))
    }

    async fn rotate_master_key(&self, old: &MasterKey, new: &MasterKey) -> Result<usize> {
        self.run(async {
            let mut transaction = self.writing().await?;
            let rotated = credentials::rotate(&mut transaction, old, new).await?;
            transaction.commit().await?;
            self.inner.keyring.replace(new.clone());
            Ok(rotated)
        })
        .await
    }

    fn take_warnings(&self) -> Vec<String> {
        self.inner.keyring.take_warnings()
    }
}

/// Makes the account, or links the one of this name again.
async fn put(connection: &mut PgConnection, request: &LinkRequest) -> Done<(i64, LinkedAccountId)> {
    let known: Option<(i64, Uuid, String, String)> = sqlx::query_as(
        "SELECT pk, id, provider, config::text FROM linked_accounts WHERE name = $1 FOR NO KEY UPDATE",
    )
    .bind(&request.name)
    .fetch_optional(&mut *connection)
    .await?;
    if let Some((pk, id, provider, config)) = known {
        if provider != request.provider {
            return Err(other_provider(request, &provider).into());
        }
        sqlx::query("UPDATE linked_accounts SET config = $1::json, status = $2 WHERE pk = $3")
            .bind(request.config.as_str())
            .bind(AccountStatus::Active.as_str())
            .bind(pk)
            .execute(&mut *connection)
            .await?;
        if region_of(&config) != region_of(request.config.as_str()) {
            search::rebuild(connection, pk).await?;
        }
        return Ok((pk, LinkedAccountId::from_uuid(id)));
    }
    let id = LinkedAccountId::random();
    let pk = sqlx::query_scalar(
        "INSERT INTO linked_accounts (id, name, provider, config, status, created_at)
         VALUES ($1, $2, $3, $4::json, $5, $6) RETURNING pk",
    )
    .bind(id.as_uuid())
    .bind(&request.name)
    .bind(&request.provider)
    .bind(request.config.as_str())
    .bind(AccountStatus::Active.as_str())
    .bind(Instant::cut(text::present()))
    .fetch_one(&mut *connection)
    .await?;
    Ok((pk, id))
}

async fn by_id(connection: &mut PgConnection, id: LinkedAccountId) -> Done<Option<LinkedAccount>> {
    let sql = AssertSqlSafe(format!("{SELECT} WHERE id = $1"));
    let row = sqlx::query(sql).bind(id.as_uuid()).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &PgRow) -> Done<LinkedAccount> {
    let last_sync: Option<Instant> = row.try_get(6)?;
    Ok(LinkedAccount {
        id: LinkedAccountId::from_uuid(row.try_get(0)?),
        name: row.try_get(1)?,
        provider: row.try_get(2)?,
        config: Json::parse(row.try_get::<String, _>(3)?)?,
        status: row.try_get::<&str, _>(4)?.parse()?,
        created_at: row.try_get::<Instant, _>(5)?.timestamp()?,
        last_sync: last_sync.map(Instant::timestamp).transpose()?,
    })
}

/// The key of a linked account.
pub(super) async fn account_pk(connection: &mut PgConnection, id: LinkedAccountId) -> Done<i64> {
    let pk = sqlx::query_scalar("SELECT pk FROM linked_accounts WHERE id = $1")
        .bind(id.as_uuid())
        .fetch_optional(connection)
        .await?;
    pk.ok_or_else(|| not_linked(id).into())
}
