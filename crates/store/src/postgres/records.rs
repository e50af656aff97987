//! Reading records.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection};
use unicrm_core::{LinkedAccountId, ObjectKind, RawRecord, RemoteId, Result, SearchRequest, compute_id};
use uuid::Uuid;

use super::PostgresStore;
use super::accounts::account_pk;
use super::decode::{decode, select};
use super::failure::Done;
use super::filter::{Parameter, condition};
use super::schema::table;
use crate::filter::Condition;
use crate::{Cursor, Include, ListPage, ListRequest, RecordCounts, Records, StoredRecord, raw};

#[async_trait]
impl Records for PostgresStore {
    async fn get(&self, kind: ObjectKind, id: Uuid, include: Include) -> Result<Option<StoredRecord>> {
        self.run(async {
            let mut transaction = self.reading().await?;
            let found = one(&mut transaction, kind, id, include).await?;
            transaction.commit().await?;
            Ok(found)
        })
        .await
    }

    async fn find(&self, id: Uuid, include: Include) -> Result<Option<StoredRecord>> {
        self.run(async {
            let mut transaction = self.reading().await?;
            let mut found = None;
            if let Some(kind) = kind_of(&mut transaction, id).await? {
                found = one(&mut transaction, kind, id, include).await?;
            }
            transaction.commit().await?;
            Ok(found)
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
        // No record has such an id: it would have been rejected.
        if remote_id.contains('\0') {
            return Ok(Vec::new());
        }
        self.run(async {
            let mut transaction = self.reading().await?;
            let mut found = Vec::new();
            for kind in ObjectKind::ALL.into_iter().filter(|one| kind.is_none_or(|kind| kind == *one)) {
                if let Some(account) = account {
                    let id = compute_id(account, kind, remote_id);
                    found.extend(one(&mut transaction, kind, id, include).await?);
                } else {
                    let sql = format!("{} WHERE remote_id = $1 ORDER BY pk", select(table(kind), include));
                    let rows =
                        sqlx::query(AssertSqlSafe(sql)).bind(remote_id).fetch_all(&mut *transaction).await?;
                    let records = decode(&mut transaction, kind, &rows).await?.records;
                    found.extend(records.into_iter().map(|(_, record)| record));
                }
            }
            transaction.commit().await?;
            Ok(found)
        })
        .await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.run(async {
            let mut transaction = self.reading().await?;
            let page = list(&mut transaction, &request).await?;
            transaction.commit().await?;
            Ok(page)
        })
        .await
    }

    async fn search(
        &self,
        account: LinkedAccountId,
        request: SearchRequest,
        include: Include,
    ) -> Result<Vec<StoredRecord>> {
        self.search_keys(account, &request, include).await
    }

    async fn counts(&self, account: Option<LinkedAccountId>) -> Result<BTreeMap<ObjectKind, RecordCounts>> {
        self.run(async {
            let mut transaction = self.reading().await?;
            let pk = match account {
                Some(id) => Some(account_pk(&mut transaction, id).await?),
                None => None,
            };
            let of_each: Vec<_> = ObjectKind::ALL
                .into_iter()
                .map(|kind| {
                    format!(
                        "SELECT '{kind}', count(*) FILTER (WHERE gone_reason IS NULL), count(gone_reason) \
                         FROM {} WHERE $1 IS NULL OR linked_account = $1",
                        table(kind).name
                    )
                })
                .collect();
            let rows: Vec<(String, i64, i64)> = sqlx::query_as(AssertSqlSafe(of_each.join(" UNION ALL ")))
                .bind(pk)
                .fetch_all(&mut *transaction)
                .await?;
            transaction.commit().await?;
            let counts = rows.into_iter().map(|(kind, live, deleted)| {
                let counts = RecordCounts { live: live.cast_unsigned(), deleted: deleted.cast_unsigned() };
                Ok((kind.parse()?, counts))
            });
            counts.collect()
        })
        .await
    }

    async fn raw(&self, kind: ObjectKind, id: Uuid) -> Result<Option<RawRecord>> {
        self.run(async {
            let mut connection = self.connection().await?;
            let sql = format!("SELECT raw FROM {} WHERE id = $1", table(kind).name);
            let packed: Option<Option<Vec<u8>>> =
                sqlx::query_scalar(AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *connection).await?;
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
        let mut of_each = BTreeMap::<ObjectKind, Vec<Uuid>>::new();
        for (kind, id) in records {
            of_each.entry(kind).or_default().push(id);
        }
        self.run(async {
            let mut transaction = self.reading().await?;
            let pk = account_pk(&mut transaction, account).await?;
            let mut known = HashMap::new();
            for (kind, ids) in of_each {
                let sql = format!(
                    "SELECT id, remote_id FROM {} WHERE id = ANY($1) AND linked_account = $2",
                    table(kind).name
                );
                let found: Vec<(Uuid, String)> = sqlx::query_as(AssertSqlSafe(sql))
                    .bind(ids)
                    .bind(pk)
                    .fetch_all(&mut *transaction)
                    .await?;
                known.extend(found.into_iter().map(|(id, remote_id)| ((kind, id), remote_id.into())));
            }
            transaction.commit().await?;
            Ok(known)
        })
        .await
    }
}

/// The object that has a record with this id.
async fn kind_of(connection: &mut PgConnection, id: Uuid) -> Done<Option<ObjectKind>> {
    let of_each: Vec<_> = ObjectKind::ALL
        .into_iter()
        .map(|kind| format!("SELECT '{kind}' FROM {} WHERE id = $1", table(kind).name))
        .collect();
    let found: Option<String> = sqlx::query_scalar(AssertSqlSafe(of_each.join(" UNION ALL ")))
        .bind(id)
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|kind| kind.parse()).transpose()?)
}

async fn one(
    connection: &mut PgConnection,
    kind: ObjectKind,
    id: Uuid,
    include: Include,
) -> Done<Option<StoredRecord>> {
    let sql = format!("{} WHERE id = $1", select(table(kind), include));
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id).fetch_all(&mut *connection).await?;
    Ok(decode(connection, kind, &row).await?.records.pop().map(|(_, record)| record))
}

async fn list(connection: &mut PgConnection, request: &ListRequest) -> Done<ListPage> {
    let table = table(request.kind);
    let limit = request.limit.clamp(1, ListRequest::LARGEST) as usize;
    let mut conditions = Vec::new();
    let mut parameters = Vec::new();
    let after = request.after.map_or(0, |cursor| cursor.0);
    // One more than asked tells whether there is a next page.
    parameters.extend([Parameter::Integer(after), Parameter::Integer(limit as i64 + 1)]);
    if let Some(account) = request.linked_account {
        parameters.push(Parameter::Integer(account_pk(connection, account).await?));
        conditions.push(format!("linked_account = ${}", parameters.len()));
    }
    if !request.include_deleted {
        conditions.push("gone_reason IS NULL".to_owned());
    }
    for filter in &request.filters {
        let asked = Condition::of(request.kind, &table.fields, filter)?;
        conditions.push(condition(&asked, &mut parameters)?);
    }
    conditions.push("pk > $1".to_owned());
    let sql =
        format!("{} WHERE {} ORDER BY pk LIMIT $2", select(table, request.include), conditions.join(" AND "));
    let query = parameters
        .into_iter()
        .fold(sqlx::query(AssertSqlSafe(sql)), |query, parameter| parameter.bind(query));
    let mut rows = query.fetch_all(&mut *connection).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let records = decode(connection, request.kind, &rows).await?.records;
    let next = records.last().filter(|_| more).map(|(pk, _)| Cursor(*pk));
    Ok(ListPage { records: records.into_iter().map(|(_, record)| record).collect(), next })
}
