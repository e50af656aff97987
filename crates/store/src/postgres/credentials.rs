//! Credentials in their table: sealed, and swapped only by whoever knows the version that is there.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use unicrm_core::{CredentialStore, Credentials, LinkedAccountId, Result, StoredCredentials, Swap};

use super::accounts::account_pk;
use super::failure::Done;
use super::instant::Instant;
use super::{PostgresStore, migrate};
use crate::key::Keyring;
use crate::seal::{self, Sealed};
use crate::{MasterKey, text};

/// The credentials of one linked account.
#[derive(Debug)]
pub(super) struct PostgresCredentials {
    store: PostgresStore,
    account: LinkedAccountId,
}

impl PostgresCredentials {
    pub(super) fn new(store: PostgresStore, account: LinkedAccountId) -> Self {
        Self { store, account }
    }
}

#[async_trait]
impl CredentialStore for PostgresCredentials {
    async fn load(&self) -> Result<StoredCredentials> {
        let store = &self.store;
        store
            .run(async {
                let mut connection = store.connection().await?;
                let pk = account_pk(&mut connection, self.account).await?;
                load(&mut connection, &store.inner.keyring, pk, self.account).await
            })
            .await
    }

    async fn compare_and_swap(&self, expected_version: u64, credentials: Credentials) -> Result<Swap> {
        let store = &self.store;
        store
            .run(async {
                let keyring = &store.inner.keyring;
                let mut transaction = store.writing().await?;
                lock(&mut transaction).await?;
                let pk = account_pk(&mut transaction, self.account).await?;
                let now = load(&mut transaction, keyring, pk, self.account).await?;
                if now.version != expected_version {
                    return Ok(Swap::Conflict(now));
                }
                let version = replace(&mut transaction, keyring, pk, self.account, &credentials).await?;
                transaction.commit().await?;
                Ok(Swap::Stored { version })
            })
            .await
    }
}

/// Lets one transaction at a time write credentials, so that two do not make a key each or swap the same version; and has
/// its commit on the disk before it returns: a refresh token that is used up cannot be had again.
pub(super) async fn lock(connection: &mut PgConnection) -> Done<()> {
    migrate::lock(connection, "credentials").await?;
    sqlx::query("SET LOCAL synchronous_commit = on").execute(connection).await?;
    Ok(())
}

/// Stores credentials in place of those that are there, and gives their version. Those that are there are not looked at,
/// so an account whose key is lost can be linked again. The lock must be held.
pub(super) async fn replace(
    connection: &mut PgConnection,
    keyring: &Keyring,
    pk: i64,
    id: LinkedAccountId,
    credentials: &Credentials,
) -> Done<u64> {
    let nothing_sealed =
        sqlx::query_scalar("SELECT NOT EXISTS (SELECT FROM credentials)").fetch_one(&mut *connection).await?;
    let master = keyring.key(|| Done::Ok(nothing_sealed))?;
    let before: Option<(i64, i64)> =
        sqlx::query_as("SELECT version, key_version FROM credentials WHERE linked_account = $1")
            .bind(pk)
            .fetch_optional(&mut *connection)
            .await?;
    let (version, key_version) = before.map_or((1, 1), |(version, key)| (version + 1, key + 1));
    let sealed = seal::seal(&master, id, key_version, credentials)?;
    sqlx::query(
        "INSERT INTO credentials
         (linked_account, version, key_version, master_key, data_key, secrets, modified_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (linked_account) DO UPDATE SET
         version = excluded.version, key_version = excluded.key_version, master_key = excluded.master_key,
         data_key = excluded.data_key, secrets = excluded.secrets, modified_at = excluded.modified_at",
    )
    .bind(pk)
    .bind(version)
    .bind(sealed.key_version)
    .bind(sealed.master_key)
    .bind(sealed.data_key)
    .bind(sealed.secrets)
    .bind(Instant::cut(text::present()))
    .execute(connection)
    .await?;
    Ok(version.cast_unsigned())
}

/// The credentials of an account; version 0 and none when it has none yet.
async fn load(
    connection: &mut PgConnection,
    keyring: &Keyring,
    pk: i64,
    id: LinkedAccountId,
) -> Done<StoredCredentials> {
    let stored = sqlx::query(
        "SELECT key_version, master_key, data_key, secrets, version FROM credentials WHERE linked_account = $1",
    )
    .bind(pk)
    .fetch_optional(connection)
    .await?;
    let Some(row) = stored else {
        return Ok(StoredCredentials { version: 0, credentials: Credentials::new() });
    };
    let version: i64 = row.try_get(4)?;
    let master = keyring.key(|| Done::Ok(false))?;
    let credentials = seal::open(&master, id, &sealed(&row)?)?;
    Ok(StoredCredentials { version: version.cast_unsigned(), credentials })
}

fn sealed(row: &PgRow) -> Done<Sealed> {
    Ok(Sealed {
        key_version: row.try_get(0)?,
        master_key: row.try_get(1)?,
        data_key: row.try_get(2)?,
        secrets: row.try_get(3)?,
    })
}

/// Puts everything that is under the old master key under the new one.
pub(super) async fn rotate(connection: &mut PgConnection, old: &MasterKey, new: &MasterKey) -> Done<usize> {
    lock(connection).await?;
    let rows = sqlx::query(
        "SELECT c.key_version, c.master_key, c.data_key, c.secrets, c.linked_account, a.id
         FROM credentials c JOIN linked_accounts a ON a.pk = c.linked_account",
    )
    .fetch_all(&mut *connection)
    .await?;
    let all: Done<Vec<_>> = rows
        .iter()
        .map(|row| Ok((row.try_get::<i64, _>(4)?, LinkedAccountId::from_uuid(row.try_get(5)?), sealed(row)?)))
        .collect();
    let rewrapped = seal::rewrap_all(old, new, all?)?;
    for (pk, sealed) in &rewrapped {
        sqlx::query("UPDATE credentials SET master_key = $1, data_key = $2 WHERE linked_account = $3")
            .bind(&sealed.master_key)
            .bind(&sealed.data_key)
            .bind(pk)
            .execute(&mut *connection)
            .await?;
    }
    Ok(rewrapped.len())
}
