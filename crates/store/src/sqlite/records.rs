//! Reading records.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use unicrm_core::{LinkedAccountId, ObjectKind, RawRecord, RemoteId, Result, SearchRequest, compute_id};
use uuid::Uuid;

use super::SqliteStore;
use super::accounts::account_pk;
use super::decode::{Decoder, select};
use super::failure::Done;
use super::filter;
use super::schema::table;
use super::search;
use crate::{Cursor, Include, ListPage, ListRequest, RecordCounts, Records, StoredRecord, raw};

#[async_trait]
impl Records for SqliteStore {
    async fn get(&self, kind: ObjectKind, id: Uuid, include: Include) -> Result<Option<StoredRecord>> {
        self.read(move |connection| {
            let transaction = connection.transaction()?;
            one(&transaction, kind, id, include)
        })
        .await
    }

    async fn find(&self, id: Uuid, include: Include) -> Result<Option<StoredRecord>> {
        self.read(move |connection| {
            let transaction = connection.transaction()?;
            for kind in ObjectKind::ALL {
                if let Some(record) = one(&transaction, kind, id, include)? {
                    return Ok(Some(record));
                }
            }
            Ok(None)
        })
        .await
    }

    async fn find_remote(
        &self,
        account: Option<LinkedAccountId>,
        kind: Option<ObjectKind>,
        remote_id: &str,
        include: Include,
    ) -> Result<Vec<StoredRecord>> {
        let remote_id = remote_id.to_owned();
        self.read(move |connection| {
            let transaction = connection.transaction()?;
            let mut found = Vec::new();
            for kind in ObjectKind::ALL.into_iter().filter(|one| kind.is_none_or(|kind| kind == *one)) {
                if let Some(account) = account {
                    found.extend(one(&transaction, kind, compute_id(account, kind, &remote_id), include)?);
                } else {
                    let table = table(kind);
                    let sql = format!("{} WHERE remote_id = ?1 ORDER BY pk", select(table, include));
                    let mut statement = transaction.prepare_cached(&sql)?;
                    let mut rows = statement.query([&remote_id])?;
                    let mut decoder = Decoder::new(&transaction, table);
                    while let Some(row) = rows.next()? {
                        found.push(decoder.decode(row)?.1);
                    }
                }
            }
            Ok(found)
        })
        .await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.read(move |connection| {
            let transaction = connection.transaction()?;
            list(&transaction, &request)
        })
        .await
    }

    async fn search(
        &self,
        account: LinkedAccountId,
        request: SearchRequest,
        include: Include,
    ) -> Result<Vec<StoredRecord>> {
        self.read(move |connection| {
            let transaction = connection.transaction()?;
            let account = account_pk(&transaction, account)?;
            search::search(&transaction, account, &request, include)
        })
        .await
    }

    async fn counts(&self, account: Option<LinkedAccountId>) -> Result<BTreeMap<ObjectKind, RecordCounts>> {
        self.read(move |connection| {
            let transaction = connection.transaction()?;
            let pk = account.map(|id| account_pk(&transaction, id)).transpose()?;
            let mut counts = BTreeMap::new();
            for kind in ObjectKind::ALL {
                let count = |also: &str| -> Done<u64> {
                    let of = if pk.is_some() { "linked_account = ?1" } else { "?1 IS NULL" };
                    let sql = format!("SELECT count(*) FROM {} WHERE {of}{also}", table(kind).name);
                    Ok(transaction.prepare_cached(&sql)?.query_row([pk], |row| row.get(0))?)
                };
                let deleted = count(" AND gone_reason IS NOT NULL")?;
                counts.insert(kind, RecordCounts { live: count("")?.saturating_sub(deleted), deleted });
            }
            Ok(counts)
        })
        .await
    }

    async fn raw(&self, kind: ObjectKind, id: Uuid) -> Result<Option<RawRecord>> {
        self.read(move |connection| {
            let packed: Option<Option<Vec<u8>>> = connection
                .prepare_cached(&format!("SELECT raw FROM {} WHERE id = ?1", table(kind).name))?
                .query_row([id.to_string()], |row| row.get(0))
                .optional()?;
            packed
                .map(|packed| {
                    Ok(packed.map_or_else(|| Ok(RawRecord::default()), |packed| raw::unpack(&packed))?)
                })
                .transpose()
        })
        .await
    }

    async fn remote_ids(
        &self,
        account: LinkedAccountId,
        records: Vec<(ObjectKind, Uuid)>,
    ) -> Result<HashMap<(ObjectKind, Uuid), RemoteId>> {
        self.read(move |connection| {
            let transaction = connection.transaction()?;
            let pk = account_pk(&transaction, account)?;
            let mut known = HashMap::new();
            for (kind, id) in records {
                let sql = format!(
                    "SELECT remote_id FROM {} WHERE id = ?1 AND linked_account = ?2",
                    table(kind).name
                );
                let remote_id: Option<String> = transaction
                    .prepare_cached(&sql)?
                    .query_row((id.to_string(), pk), |row| row.get(0))
                    .optional()?;
                known.extend(remote_id.map(|remote_id| ((kind, id), RemoteId::from(remote_id))));
            }
            Ok(known)
        })
        .await
    }
}

fn one(connection: &Connection, kind: ObjectKind, id: Uuid, include: Include) -> Done<Option<StoredRecord>> {
    let table = table(kind);
    let mut statement = connection.prepare_cached(&format!("{} WHERE id = ?1", select(table, include)))?;
    let mut rows = statement.query([id.to_string()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Decoder::new(connection, table).decode(row).map(|(_, record)| Some(record))
}

fn list(connection: &Connection, request: &ListRequest) -> Done<ListPage> {
    let table = table(request.kind);
    let limit = request.limit.clamp(1, ListRequest::LARGEST) as usize;
    let mut conditions = Vec::new();
    let mut values: Vec<SqlValue> = Vec::new();
    if let Some(account) = request.linked_account {
        conditions.push("linked_account = ?".to_owned());
        values.push(account_pk(connection, account)?.into());
    }
    if !request.include_deleted {
        conditions.push("gone_reason IS NULL".to_owned());
    }
    for filter in &request.filters {
        let (condition, of_condition) = filter::condition(request.kind, filter)?;
        conditions.push(condition);
        values.extend(of_condition);
    }
    conditions.push("pk > ?".to_owned());
    values.push(request.after.map_or(0, |cursor| cursor.0).into());
    // One more than asked tells whether there is a next page.
    values.push((limit as i64 + 1).into());

    let sql =
        format!("{} WHERE {} ORDER BY pk LIMIT ?", select(table, request.include), conditions.join(" AND "));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut decoder = Decoder::new(connection, table);
    let mut records = Vec::new();
    let mut last = 0;
    while let Some(row) = rows.next()? {
        if records.len() == limit {
            return Ok(ListPage { records, next: Some(Cursor(last)) });
        }
        let (pk, record) = decoder.decode(row)?;
        records.push(record);
        last = pk;
    }
    Ok(ListPage { records, next: None })
}
