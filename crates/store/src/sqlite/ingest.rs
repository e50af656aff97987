//! The side that a sync writes to: epochs, pages with their checkpoints, snapshots.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use unicrm_core::{Json, LinkedAccountId, ObjectKind, RemoteId, Result};

use super::SqliteStore;
use super::accounts::{account, account_pk};
use super::commit::{Committer, deleted_flag};
use super::failure::Done;
use super::mappings::of_account;
use super::schema::table;
use crate::ingest::no_snapshot;
use crate::mapping::lift_rows;
use crate::page::Account;
use crate::{Checkpoint, Epoch, Ingest, PageCommit, PageReport, RejectedRow, SnapshotEnd, StaleEpoch, text};

#[async_trait]
impl Ingest for SqliteStore {
    async fn begin_epoch(&self, id: LinkedAccountId) -> Result<Epoch> {
        self.write(move |connection| {
            let transaction = begin(connection)?;
            let pk = account_pk(&transaction, id)?;
            let number = transaction.query_row(
                "UPDATE linked_accounts SET epoch = epoch + 1 WHERE pk = ?1 RETURNING epoch",
                [pk],
                |row| row.get(0),
            )?;
            transaction.commit()?;
            Ok(Epoch { linked_account: id, number })
        })
        .await
    }

    async fn checkpoint(&self, id: LinkedAccountId, kind: ObjectKind) -> Result<Option<Checkpoint>> {
        self.read(move |connection| {
            let pk = account_pk(connection, id)?;
            let state: Option<String> = connection
                .prepare_cached("SELECT state FROM checkpoints WHERE linked_account = ?1 AND kind = ?2")?
                .query_row(params![pk, kind.as_str()], |row| row.get(0))
                .optional()?;
            Ok(state.map(Json::parse).transpose()?.map(Checkpoint))
        })
        .await
    }

    async fn commit_page(&self, mut page: PageCommit) -> Result<PageReport> {
        self.write(move |connection| {
            let transaction = begin(connection)?;
            let account = fence(&transaction, page.epoch)?;
            lift_rows(&mut page.rows, &of_account(&transaction, account.pk)?)?;
            let mut committer = Committer::new(&transaction, account)?;
            for row in &page.rows {
                committer.row(page.kind, row)?;
            }
            let report = committer.into_report();
            put_checkpoint(&transaction, account, page.epoch, page.kind, page.checkpoint.as_ref())?;
            transaction.commit()?;
            Ok(report)
        })
        .await
    }

    async fn begin_snapshot(&self, epoch: Epoch, kind: ObjectKind) -> Result<()> {
        self.write(move |connection| {
            let transaction = begin(connection)?;
            let account = fence(&transaction, epoch)?;
            transaction.execute(
                "DELETE FROM snapshots WHERE linked_account = ?1 AND kind = ?2",
                params![account.pk, kind.as_str()],
            )?;
            transaction.execute(
                "INSERT INTO snapshots (linked_account, kind, started_at) VALUES (?1, ?2, ?3)",
                params![account.pk, kind.as_str(), text::now()],
            )?;
            transaction.commit()?;
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
        self.write(move |connection| {
            let transaction = begin(connection)?;
            let account = fence(&transaction, epoch)?;
            let end = finish_snapshot(&transaction, account, kind)?;
            put_checkpoint(&transaction, account, epoch, kind, checkpoint.as_ref())?;
            transaction.commit()?;
            Ok(end)
        })
        .await
    }

    async fn finish_sync(&self, epoch: Epoch, at: Timestamp) -> Result<()> {
        self.write(move |connection| {
            let transaction = begin(connection)?;
            let account = fence(&transaction, epoch)?;
            transaction.execute(
                "UPDATE linked_accounts SET last_sync = ?1 WHERE pk = ?2",
                params![text::timestamp(at), account.pk],
            )?;
            transaction.commit()?;
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
        self.read(move |connection| {
            let pk = account_pk(connection, id)?;
            let mut statement = connection.prepare_cached(
                "SELECT kind, remote_id, error_kind, error, since FROM rejected
                 WHERE linked_account = ?1 AND (?2 IS NULL OR kind = ?2) ORDER BY pk LIMIT ?3",
            )?;
            let mut rows = statement.query(params![pk, kind.map(ObjectKind::as_str), limit])?;
            let mut rejected = Vec::new();
            while let Some(row) = rows.next()? {
                rejected.push(RejectedRow {
                    linked_account: id,
                    kind: row.get::<_, String>(0)?.parse()?,
                    remote_id: row.get::<_, Option<String>>(1)?.map(RemoteId::from),
                    error_kind: row.get(2)?,
                    error: row.get(3)?,
                    since: text::parse_timestamp(&row.get::<_, String>(4)?)?,
                });
            }
            Ok(rejected)
        })
        .await
    }
}

/// A transaction that holds the write lock from its beginning, so that what it reads stays true until it commits.
pub(super) fn begin(connection: &mut Connection) -> Done<Transaction<'_>> {
    Ok(connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
}

/// The linked account, if the epoch still holds.
fn fence(transaction: &Transaction<'_>, epoch: Epoch) -> Done<Account> {
    let (pk, current) = account(transaction, epoch.linked_account)?;
    if current != epoch.number {
        return Err(StaleEpoch { held: epoch.number, current }.into_error().into());
    }
    Ok(Account { pk, id: epoch.linked_account })
}

fn put_checkpoint(
    transaction: &Transaction<'_>,
    account: Account,
    epoch: Epoch,
    kind: ObjectKind,
    checkpoint: Option<&Checkpoint>,
) -> Done<()> {
    let Some(Checkpoint(state)) = checkpoint else { return Ok(()) };
    transaction
        .prepare_cached(
            "INSERT INTO checkpoints (linked_account, kind, epoch, state, modified_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET epoch = excluded.epoch, state = excluded.state, modified_at = excluded.modified_at
             WHERE state <> excluded.state",
        )?
        .execute(params![account.pk, kind.as_str(), epoch.number, state.as_str(), text::now()])?;
    Ok(())
}

/// Makes tombstones of what the snapshot did not show.
fn finish_snapshot(transaction: &Transaction<'_>, account: Account, kind: ObjectKind) -> Done<SnapshotEnd> {
    let under_way = transaction
        .query_row(
            "SELECT pk, blind FROM snapshots WHERE linked_account = ?1 AND kind = ?2",
            params![account.pk, kind.as_str()],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?)),
        )
        .optional()?;
    let Some((snapshot, blind)) = under_way else {
        return Err(no_snapshot(kind).into());
    };
    let table = table(kind);
    let gone = if blind > 0 {
        0
    } else {
        transaction.execute(
            &format!(
                "UPDATE {} SET gone_reason = 'not_visible', gone_at = ?1, modified_at = ?1, content_hash = NULL{}
                 WHERE linked_account = ?2 AND gone_reason IS NULL
                 AND pk NOT IN (SELECT record FROM snapshot_records WHERE snapshot = ?3)",
                table.name,
                deleted_flag(table)
            ),
            params![text::now(), account.pk, snapshot],
        )?
    };
    transaction.execute("DELETE FROM snapshots WHERE pk = ?1", [snapshot])?;
    Ok(SnapshotEnd { gone: gone as u64, blind })
}
