//! Field mappings, and making stored records anew after one has changed.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection};
use unicrm_core::{FieldMapping, LinkedAccountId, ObjectKind, Result};

use super::PostgresStore;
use super::accounts::account_pk;
use super::decode::{Decoded, decode, select};
use super::exact::without_nul;
use super::failure::Done;
use super::instant::Instant;
use super::plan::Numbers;
use super::schema::table;
use crate::account::not_linked;
use crate::encode::{Classes, RowBuffer};
use crate::mapping::project;
use crate::text::present;
use crate::{Include, Mappings, Projection};

/// Most records of one transaction.
const LARGEST: u32 = 2_000;

#[async_trait]
impl Mappings for PostgresStore {
    async fn field_mappings(&self, account: LinkedAccountId) -> Result<Vec<FieldMapping>> {
        self.run(async {
            let mut transaction = self.reading().await?;
            let pk = account_pk(&mut transaction, account).await?;
            let mappings = of_account(&mut transaction, pk).await?;
            transaction.commit().await?;
            Ok(mappings)
        })
        .await
    }

    async fn set_field_mapping(&self, account: LinkedAccountId, mapping: FieldMapping) -> Result<bool> {
        self.run(async {
            let _turn = self.turn(account).await;
            let mut transaction = self.writing().await?;
            let pk = hold(&mut transaction, account).await?;
            let changed = sqlx::query(
                "INSERT INTO field_mappings (linked_account, kind, name, remote, type, modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (linked_account, kind, name) DO UPDATE SET
                 remote = excluded.remote, type = excluded.type, modified_at = excluded.modified_at
                 WHERE field_mappings.remote <> excluded.remote OR field_mappings.type <> excluded.type",
            )
            .bind(pk)
            .bind(mapping.kind.as_str())
            .bind(&mapping.name)
            .bind(&*without_nul(&mapping.remote))
            .bind(mapping.ty.as_str())
            .bind(Instant::cut(present()))
            .execute(&mut *transaction)
            .await?
            .rows_affected();
            if changed > 0 {
                from_the_first(&mut transaction, pk, mapping.kind).await?;
            }
            transaction.commit().await?;
            Ok(changed > 0)
        })
        .await
    }

    async fn remove_field_mapping(
        &self,
        account: LinkedAccountId,
        kind: ObjectKind,
        name: &str,
    ) -> Result<bool> {
        self.run(async {
            let _turn = self.turn(account).await;
            let mut transaction = self.writing().await?;
            let pk = hold(&mut transaction, account).await?;
            let removed = sqlx::query(
                "DELETE FROM field_mappings WHERE linked_account = $1 AND kind = $2 AND name = $3",
            )
            .bind(pk)
            .bind(kind.as_str())
            .bind(&*without_nul(name))
            .execute(&mut *transaction)
            .await?
            .rows_affected();
            if removed > 0 {
                from_the_first(&mut transaction, pk, kind).await?;
            }
            transaction.commit().await?;
            Ok(removed > 0)
        })
        .await
    }

    async fn unprojected(&self, account: LinkedAccountId) -> Result<Vec<ObjectKind>> {
        self.run(async {
            let mut transaction = self.reading().await?;
            let pk = account_pk(&mut transaction, account).await?;
            let kinds: Vec<String> = sqlx::query_scalar(
                "SELECT kind FROM projections WHERE linked_account = $1 ORDER BY kind COLLATE \"C\"",
            )
            .bind(pk)
            .fetch_all(&mut *transaction)
            .await?;
            transaction.commit().await?;
            kinds.iter().map(|kind| Ok(kind.parse()?)).collect()
        })
        .await
    }

    async fn project(&self, account: LinkedAccountId, kind: ObjectKind, limit: u32) -> Result<Projection> {
        self.run(async {
            let _turn = self.turn(account).await;
            let mut transaction = self.writing().await?;
            let pk = hold(&mut transaction, account).await?;
            let page = project_page(&mut transaction, pk, kind, limit.clamp(1, LARGEST)).await?;
            transaction.commit().await?;
            Ok(page)
        })
        .await
    }
}

/// The key of a linked account, whose row is locked until the transaction ends: no page is committed meanwhile.
async fn hold(connection: &mut PgConnection, id: LinkedAccountId) -> Done<i64> {
    let pk = sqlx::query_scalar("SELECT pk FROM linked_accounts WHERE id = $1 FOR NO KEY UPDATE")
        .bind(id.as_uuid())
        .fetch_optional(connection)
        .await?;
    pk.ok_or_else(|| not_linked(id).into())
}

/// The field mappings of a linked account, by object and name.
pub(super) async fn of_account(connection: &mut PgConnection, pk: i64) -> Done<Vec<FieldMapping>> {
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT kind, name, remote, type FROM field_mappings WHERE linked_account = $1
         ORDER BY kind COLLATE \"C\", name COLLATE \"C\"",
    )
    .bind(pk)
    .fetch_all(connection)
    .await?;
    let mappings = rows
        .into_iter()
        .map(|(kind, name, remote, ty)| Ok(FieldMapping::new(kind.parse()?, name, remote, ty.parse()?)?));
    mappings.collect()
}

/// Remembers that all records of an object are to be made anew.
async fn from_the_first(connection: &mut PgConnection, account: i64, kind: ObjectKind) -> Done<()> {
    sqlx::query(
        "INSERT INTO projections (linked_account, kind, after) VALUES ($1, $2, 0)
         ON CONFLICT (linked_account, kind) DO UPDATE SET after = 0",
    )
    .bind(account)
    .bind(kind.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

async fn project_page(
    connection: &mut PgConnection,
    account: i64,
    kind: ObjectKind,
    limit: u32,
) -> Done<Projection> {
    let after: Option<i64> =
        sqlx::query_scalar("SELECT after FROM projections WHERE linked_account = $1 AND kind = $2")
            .bind(account)
            .bind(kind.as_str())
            .fetch_optional(&mut *connection)
            .await?;
    let Some(after) = after else { return Ok(Projection::default()) };
    let mappings = of_account(connection, account).await?;
    let table = table(kind);
    let sql = format!(
        "{} WHERE linked_account = $1 AND pk > $2 ORDER BY pk LIMIT $3",
        select(table, Include::everything())
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(account)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *connection)
        .await?;
    let Decoded { records, classes } = decode(connection, kind, &rows).await?;
    let numbers = classes.iter().map(|(number, class)| ((kind, Arc::as_ptr(class).addr()), *number));
    let mut numbered = Classes::new(Numbers(numbers.collect()));

    let seen = records.len() as u64;
    let mut page = Projection { seen, done: seen < u64::from(limit), ..Projection::default() };
    let last = records.last().map_or(after, |(pk, _)| *pk);
    let (mut keys, mut mapped, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    let mut buffer = RowBuffer::default();
    for (pk, stored) in records {
        let projected = project(stored, &mappings, &table.fields, &mut buffer, &mut numbered)?;
        page.left += u64::from(projected.left);
        if let Some(new) = projected.columns {
            keys.push(pk);
            mapped.push(new.field_mappings);
            hashes.push(new.content_hash);
        }
    }
    if !keys.is_empty() {
        // A record without a hash counts as changed whatever comes next; that stays so.
        let sql = format!(
            "UPDATE {} AS t SET field_mappings = r.mapped::json, modified_at = $4,
             content_hash = CASE WHEN t.content_hash IS NOT NULL THEN r.hash END
             FROM unnest($1::bigint[], $2::text[], $3::bytea[]) AS r (pk, mapped, hash) WHERE t.pk = r.pk",
            table.name
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(&keys)
            .bind(&mapped)
            .bind(&hashes)
            .bind(Instant::cut(present()))
            .execute(&mut *connection)
            .await?;
    }
    page.changed = keys.len() as u64;
    let sql = if page.done {
        "DELETE FROM projections WHERE linked_account = $1 AND kind = $2 AND after <= $3"
    } else {
        "UPDATE projections SET after = $3 WHERE linked_account = $1 AND kind = $2"
    };
    sqlx::query(sql).bind(account).bind(kind.as_str()).bind(last).execute(&mut *connection).await?;
    Ok(page)
}
