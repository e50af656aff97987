//! Field mappings, and making stored records anew after one has changed.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use unicrm_core::{FieldMapping, LinkedAccountId, ObjectKind, Result};

use super::SqliteStore;
use super::accounts::account_pk;
use super::decode::{Decoder, select};
use super::encode::ClassTable;
use super::failure::Done;
use super::ingest::begin;
use super::schema::table;
use crate::encode::{Classes, RowBuffer};
use crate::mapping::project;
use crate::{Include, Mappings, Projection, text};

/// Most records of one transaction.
const LARGEST: u32 = 2_000;

#[async_trait]
impl Mappings for SqliteStore {
    async fn field_mappings(&self, account: LinkedAccountId) -> Result<Vec<FieldMapping>> {
        self.read(move |connection| of_account(connection, account_pk(connection, account)?)).await
    }

    async fn set_field_mapping(&self, account: LinkedAccountId, mapping: FieldMapping) -> Result<bool> {
        self.write(move |connection| {
            let transaction = begin(connection)?;
            let pk = account_pk(&transaction, account)?;
            let changed = transaction.execute(
                "INSERT INTO field_mappings (linked_account, kind, name, remote, type, modified_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET remote = excluded.remote, type = excluded.type, modified_at = excluded.modified_at
                 WHERE remote <> excluded.remote OR type <> excluded.type",
                params![
                    pk,
                    mapping.kind.as_str(),
                    mapping.name,
                    mapping.remote,
                    mapping.ty.as_str(),
                    text::now()
                ],
            )?;
            if changed > 0 {
                from_the_first(&transaction, pk, mapping.kind)?;
            }
            transaction.commit()?;
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
        let name = name.to_owned();
        self.write(move |connection| {
            let transaction = begin(connection)?;
            let pk = account_pk(&transaction, account)?;
            let removed = transaction.execute(
                "DELETE FROM field_mappings WHERE linked_account = ?1 AND kind = ?2 AND name = ?3",
                params![pk, kind.as_str(), name],
            )?;
            if removed > 0 {
                from_the_first(&transaction, pk, kind)?;
            }
            transaction.commit()?;
            Ok(removed > 0)
        })
        .await
    }

    async fn unprojected(&self, account: LinkedAccountId) -> Result<Vec<ObjectKind>> {
        self.read(move |connection| {
            let pk = account_pk(connection, account)?;
            let mut statement = connection
                .prepare_cached("SELECT kind FROM projections WHERE linked_account = ?1 ORDER BY kind")?;
            let mut rows = statement.query([pk])?;
            let mut kinds = Vec::new();
            while let Some(row) = rows.next()? {
                kinds.push(row.get::<_, String>(0)?.parse()?);
            }
            Ok(kinds)
        })
        .await
    }

    async fn project(&self, account: LinkedAccountId, kind: ObjectKind, limit: u32) -> Result<Projection> {
        self.write(move |connection| {
            let transaction = begin(connection)?;
            let pk = account_pk(&transaction, account)?;
            let page = project_page(&transaction, pk, kind, limit.clamp(1, LARGEST))?;
            transaction.commit()?;
            Ok(page)
        })
        .await
    }
}

/// The field mappings of a linked account, by object and name.
pub(super) fn of_account(connection: &Connection, pk: i64) -> Done<Vec<FieldMapping>> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, name, remote, type FROM field_mappings WHERE linked_account = ?1 ORDER BY kind, name",
    )?;
    let mut rows = statement.query([pk])?;
    let mut mappings = Vec::new();
    while let Some(row) = rows.next()? {
        let kind = row.get::<_, String>(0)?.parse()?;
        let ty = row.get::<_, String>(3)?.parse()?;
        mappings.push(FieldMapping::new(kind, row.get::<_, String>(1)?, row.get::<_, String>(2)?, ty)?);
    }
    Ok(mappings)
}

/// Remembers that all records of an object are to be made anew.
fn from_the_first(connection: &Connection, account: i64, kind: ObjectKind) -> Done<()> {
    connection.execute(
        "INSERT INTO projections (linked_account, kind, after) VALUES (?1, ?2, 0)
         ON CONFLICT DO UPDATE SET after = 0",
        params![account, kind.as_str()],
    )?;
    Ok(())
}

fn project_page(connection: &Connection, account: i64, kind: ObjectKind, limit: u32) -> Done<Projection> {
    let after: Option<i64> = connection
        .prepare_cached("SELECT after FROM projections WHERE linked_account = ?1 AND kind = ?2")?
        .query_row(params![account, kind.as_str()], |row| row.get(0))
        .optional()?;
    let Some(after) = after else { return Ok(Projection::default()) };
    let mappings = of_account(connection, account)?;
    let table = table(kind);
    let mut page = Projection { done: false, ..Projection::default() };
    let mut last = after;
    let mut statement = connection.prepare_cached(&format!(
        "{} WHERE linked_account = ?1 AND pk > ?2 ORDER BY pk LIMIT ?3",
        select(table, Include::everything())
    ))?;
    // A record without a hash counts as changed whatever comes next; that stays so.
    let mut update = connection.prepare_cached(&format!(
        "UPDATE {} SET field_mappings = ?1, modified_at = ?2,
         content_hash = CASE WHEN content_hash IS NULL THEN NULL ELSE ?3 END WHERE pk = ?4",
        table.name
    ))?;
    let mut rows = statement.query(params![account, after, limit])?;
    let mut decoder = Decoder::new(connection, table);
    let mut classes = Classes::new(ClassTable { connection, account });
    let mut buffer = RowBuffer::default();
    let now = text::now();
    while let Some(row) = rows.next()? {
        let (pk, stored) = decoder.decode(row)?;
        page.seen += 1;
        last = pk;
        let projected = project(stored, &mappings, &table.fields, &mut buffer, &mut classes)?;
        page.left += u64::from(projected.left);
        if let Some(new) = projected.columns {
            page.changed += 1;
            update.execute(params![new.field_mappings, now, new.content_hash, pk])?;
        }
    }
    page.done = page.seen < u64::from(limit);
    let (sql, place) = if page.done {
        ("DELETE FROM projections WHERE linked_account = ?1 AND kind = ?2 AND after <= ?3", last)
    } else {
        ("UPDATE projections SET after = ?3 WHERE linked_account = ?1 AND kind = ?2", last)
    };
    connection.prepare_cached(sql)?.execute(params![account, kind.as_str(), place])?;
    Ok(page)
}
