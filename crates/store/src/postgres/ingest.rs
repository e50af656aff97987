//! The side that a sync writes to: epochs, pages with their checkpoints, snapshots.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use unicrm_core::{Json, LinkedAccountId, ObjectKind, RemoteId, Result};

use super::PostgresStore;
use super::accounts::account_pk;
use super::commit::commit;
use super::failure::Done;
use super::instant::Instant;
use super::mappings::of_account;
use super::schema::table;
use crate::account::not_linked;
use crate::ingest::no_snapshot;
use crate::mapping::lift_rows;
use crate::page::Account;
use crate::text::present;
use crate::{Checkpoint, Epoch, Ingest, PageCommit, PageReport, RejectedRow, SnapshotEnd, StaleEpoch};

#[async_trait]
impl Ingest for PostgresStore {
    async fn begin_epoch(&self, id: LinkedAccountId) -> Result<Epoch> {
        self.run(async {
            let _turn = self.turn(id).await;
            let mut transaction = self.writing().await?;
            let number: Option<i64> = sqlx::query_scalar(
                "UPDATE linked_accounts SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch",
            )
            .bind(id.as_uuid())
            .fetch_optional(&mut *transaction)
            .await?;
            let number = number.ok_or_else(|| not_linked(id))?.cast_unsigned();
            transaction.commit().await?;
            Ok(Epoch { linked_account: id, number })
        })
        .await
    }

    async fn checkpoint(&self, id: LinkedAccountId, kind: ObjectKind) -> Result<Option<Checkpoint>> {
        self.run(async {
            let mut transaction = self.reading().await?;
            let pk = account_pk(&mut transaction, id).await?;
            let state: Option<String> = sqlx::query_scalar(
                "SELECT state::text FROM checkpoints WHERE linked_account = $1 AND kind = $2",
            )
            .bind(pk)
            .bind(kind.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(state.map(Json::parse).transpose()?.map(Checkpoint))
        })
        .await
    }

    async fn commit_page(&self, mut page: PageCommit) -> Result<PageReport> {
        self.run(async {
            let _turn = self.turn(page.epoch.linked_account).await;
            let mut transaction = self.writing().await?;
            let account = fence(&mut transaction, page.epoch).await?;
            lift_rows(&mut page.rows, &of_account(&mut transaction, account.pk).await?)?;
            let report = commit(&mut transaction, account, page.kind, page.rows).await?;
            put_checkpoint(&mut transaction, account, page.epoch, page.kind, page.checkpoint.as_ref())
                .await?;
            transaction.commit().await?;
            Ok(report)
        })
        .await
    }

    async fn begin_snapshot(&self, epoch: Epoch, kind: ObjectKind) -> Result<()> {
        self.run(async {
            let _turn = self.turn(epoch.linked_account).await;
            let mut transaction = self.writing().await?;
            let account = fence(&mut transaction, epoch).await?;
            if let Some((snapshot, _)) = snapshot(&mut transaction, account, kind).await? {
                forget(&mut transaction, snapshot).await?;
            }
            sqlx::query("INSERT INTO snapshots (linked_account, kind, started_at) VALUES ($1, $2, $3)")
                .bind(account.pk)
                .bind(kind.as_str())
                .bind(Instant::cut(present()))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    async fn finish_snapshot(
        &self,
        epoch: Epoch,
        kind: ObjectKind,
        checkpoint: Option<Checkpoint>,
    ) -> Result<SnapshotEnd> {
        self.run(async {
            let _turn = self.turn(epoch.linked_account).await;
            let mut transaction = self.writing().await?;
            let account = fence(&mut transaction, epoch).await?;
            let end = finish_snapshot(&mut transaction, account, kind).await?;
            put_checkpoint(&mut transaction, account, epoch, kind, checkpoint.as_ref()).await?;
            transaction.commit().await?;
            Ok(end)
        })
        .await
    }

    async fn finish_sync(&self, epoch: Epoch, at: Timestamp) -> Result<()> {
        self.run(async {
            let _turn = self.turn(epoch.linked_account).await;
            let mut transaction = self.writing().await?;
            let account = fence(&mut transaction, epoch).await?;
            sqlx::query("UPDATE linked_accounts SET last_sync = $1 WHERE pk = $2")
                .bind(Instant::cut(at))
                .bind(account.pk)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    async fn rejected(
        &self,
        id: LinkedAccountId,
        kind: Option<ObjectKind>,
        limit: u32,
    ) -> Result<Vec<RejectedRow>> {
        self.run(async {
            let mut transaction = self.reading().await?;
            let pk = account_pk(&mut transaction, id).await?;
            let rows = sqlx::query(
                "SELECT kind, remote_id, error_kind, error, since FROM rejected
                 WHERE linked_account = $1 AND ($2::text IS NULL OR kind = $2) ORDER BY pk LIMIT $3",
            )
            .bind(pk)
            .bind(kind.map(ObjectKind::as_str))
            .bind(i64::from(limit))
            .fetch_all(&mut *transaction)
            .await?;
            transaction.commit().await?;
            let rejected = rows.iter().map(|row| {
                Ok(RejectedRow {
                    linked_account: id,
                    kind: row.try_get::<&str, _>(0)?.parse()?,
                    remote_id: row.try_get::<Option<String>, _>(1)?.map(RemoteId::from),
                    error_kind: row.try_get(2)?,
                    error: row.try_get(3)?,
                    since: row.try_get::<Instant, _>(4)?.timestamp()?,
                })
            });
            rejected.collect()
        })
        .await
    }
}

/// The linked account, if the epoch still holds. Its row is locked until the transaction ends, so the epoch holds until
/// then, and no two pages of an account are written at once.
async fn fence(connection: &mut PgConnection, epoch: Epoch) -> Done<Account> {
    let id = epoch.linked_account;
    let found: Option<(i64, i64)> =
        sqlx::query_as("SELECT pk, epoch FROM linked_accounts WHERE id = $1 FOR NO KEY UPDATE")
            .bind(id.as_uuid())
            .fetch_optional(connection)
            .await?;
    let (pk, current) = found.ok_or_else(|| not_linked(id))?;
    let current = current.cast_unsigned();
    if current != epoch.number {
        return Err(StaleEpoch { held: epoch.number, current }.into_error().into());
    }
    Ok(Account { pk, id })
}

async fn put_checkpoint(
    connection: &mut PgConnection,
    account: Account,
    epoch: Epoch,
    kind: ObjectKind,
    checkpoint: Option<&Checkpoint>,
) -> Done<()> {
    let Some(Checkpoint(state)) = checkpoint else { return Ok(()) };
    sqlx::query(
        "INSERT INTO checkpoints (linked_account, kind, epoch, state, modified_at) VALUES ($1, $2, $3, $4::json, $5)
         ON CONFLICT (linked_account, kind) DO UPDATE SET
         epoch = excluded.epoch, state = excluded.state, modified_at = excluded.modified_at
         WHERE checkpoints.state::text <> excluded.state::text",
    )
    .bind(account.pk)
    .bind(kind.as_str())
    .bind(epoch.number.cast_signed())
    .bind(state.as_str())
    .bind(Instant::cut(present()))
    .execute(connection)
    .await?;
    Ok(())
}

/// The snapshot of an object that is under way, and how many rows without an id it has met.
async fn snapshot(
    connection: &mut PgConnection,
    account: Account,
    kind: ObjectKind,
) -> Done<Option<(i64, i64)>> {
    let found = sqlx::query_as("SELECT pk, blind FROM snapshots WHERE linked_account = $1 AND kind = $2")
        .bind(account.pk)
        .bind(kind.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(found)
}

async fn forget(connection: &mut PgConnection, snapshot: i64) -> Done<()> {
    for sql in ["DELETE FROM snapshot_records WHERE snapshot = $1", "DELETE FROM snapshots WHERE pk = $1"] {
        sqlx::query(sql).bind(snapshot).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Makes tombstones of what the snapshot did not show.
async fn finish_snapshot(
    connection: &mut PgConnection,
    account: Account,
    kind: ObjectKind,
) -> Done<SnapshotEnd> {
    let Some((snapshot, blind)) = snapshot(connection, account, kind).await? else {
        return Err(no_snapshot(kind).into());
    };
    let table = table(kind);
    let gone = if blind > 0 {
        0
    } else {
        let sql = format!(
            "UPDATE {} AS t SET gone_reason = 'not_visible', gone_at = $1, modified_at = $1, content_hash = NULL{}
             WHERE t.linked_account = $2 AND t.gone_reason IS NULL
             AND NOT EXISTS (SELECT FROM snapshot_records s WHERE s.snapshot = $3 AND s.record = t.pk)",
            table.name,
            table.deleted_flag()
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(Instant::cut(present()))
            .bind(account.pk)
            .bind(snapshot)
            .execute(&mut *connection)
            .await?
            .rows_affected()
    };
    forget(connection, snapshot).await?;
    Ok(SnapshotEnd { gone, blind: blind.cast_unsigned() })
}
