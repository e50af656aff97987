//! The keys by which records are found: one row beside each record, in an index that knows which records have a key.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection};
use unicrm_core::{LinkedAccountId, ObjectKind, Record, Result, Row, SearchQuery, SearchRequest};
use unicrm_phone::Region;
use uuid::Uuid;

use super::PostgresStore;
use super::accounts::account_pk;
use super::decode::{decode, select};
use super::failure::Done;
use super::schema::table;
use crate::account::region_of;
use crate::page::{Account, identify};
use crate::search::{self, MOST, SEARCHED, Wanted};
use crate::{Include, StoredRecord};

pub(super) const CREATE: &str = r"
-- What contacts, leads and accounts are found by: words of names, e-mail addresses, numbers in their normal form.
CREATE TABLE record_keys (
    id uuid PRIMARY KEY,
    linked_account bigint NOT NULL REFERENCES linked_accounts (pk) ON DELETE CASCADE,
    kind text NOT NULL,
    keys tsvector NOT NULL
);
CREATE INDEX record_keys_keys ON record_keys USING gin (keys);
";

/// Records of one statement when keys are made anew.
const PAGE: i64 = 2_000;

/// The keys of records by their ids, object by object.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<ObjectKind, BTreeMap<Uuid, String>>);

impl Keys {
    /// The keys of those of a page's records that changed, those that are gone and show their last state among them.
    pub(super) fn of_rows(
        account: Account,
        region: Region,
        rows: &[Row],
        changed: impl Fn(ObjectKind, Uuid) -> bool,
    ) -> Self {
        let mut keys = Self::default();
        for row in rows {
            let live = match row {
                Row::Live(live) => Some(live),
                Row::Gone(gone) => gone.last.as_deref(),
                Row::Id { .. } | Row::Rejected { .. } => None,
            };
            if let Some((live, Ok((id, _)))) = live.map(|live| (live, identify(account.id, live)))
                && changed(live.record.kind(), id)
            {
                keys.add(id, &live.record, region);
            }
        }
        keys
    }

    fn add(&mut self, id: Uuid, record: &Record, region: Region) {
        let mut text = String::new();
        if search::push_keys(record, region, &mut text) {
            self.0.entry(record.kind()).or_default().insert(id, text);
        }
    }

    /// Puts them in the place of those that the records had.
    pub(super) async fn put(self, connection: &mut PgConnection, account: i64) -> Done<()> {
        for (kind, keys) in self.0 {
            let (ids, texts): (Vec<Uuid>, Vec<String>) = keys.into_iter().unzip();
            sqlx::query(
                "INSERT INTO record_keys (id, linked_account, kind, keys)
                 SELECT r.id, $1, $2, array_to_tsvector(string_to_array(r.keys, ' '))
                 FROM unnest($3::uuid[], $4::text[]) AS r (id, keys)
                 ON CONFLICT (id) DO UPDATE SET keys = excluded.keys WHERE record_keys.keys <> excluded.keys",
            )
            .bind(account)
            .bind(kind.as_str())
            .bind(ids)
            .bind(texts)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}

/// The country that the account's numbers without a country code belong to.
pub(super) async fn region(connection: &mut PgConnection, account: i64) -> Done<Region> {
    let config: String = sqlx::query_scalar("SELECT config::text FROM linked_accounts WHERE pk = $1")
        .bind(account)
        .fetch_one(connection)
        .await?;
    Ok(region_of(&config))
}

impl PostgresStore {
    /// The live records that a search is for.
    pub(super) async fn search_keys(
        &self,
        account: LinkedAccountId,
        request: &SearchRequest,
        include: Include,
    ) -> Result<Vec<StoredRecord>> {
        self.run(async {
            let mut transaction = self.reading().await?;
            let account = account_pk(&mut transaction, account).await?;
            let region = region(&mut transaction, account).await?;
            let wanted = matching(&Wanted::of(&request.query, region)?);
            // Different addresses may have the same key: which of them are meant is seen only in the records.
            let limit = match request.query {
                SearchQuery::Email(_) => MOST,
                _ => request.limit.min(MOST),
            };
            let mut found = Vec::new();
            for kind in request.kinds.iter().copied().filter(|kind| SEARCHED.contains(kind)) {
                let sql = format!(
                    "{} WHERE gone_reason IS NULL AND id IN (
                         SELECT id FROM record_keys WHERE keys @@ $1::tsquery AND linked_account = $2 AND kind = $3
                     ) ORDER BY pk LIMIT $4",
                    select(table(kind), include)
                );
                let rows = sqlx::query(AssertSqlSafe(sql))
                    .bind(&wanted)
                    .bind(account)
                    .bind(kind.as_str())
                    .bind(i64::from(limit))
                    .fetch_all(&mut *transaction)
                    .await?;
                let records = decode(&mut transaction, kind, &rows).await?.records;
                let records = records.into_iter().map(|(_, stored)| stored);
                found.push(records.filter(|stored| search::is_meant(&request.query, &stored.record)).collect());
            }
            transaction.commit().await?;
            Ok(search::share(found, request))
        })
        .await
    }
}

/// In the language of the index, in which quoted text is nothing but text.
fn matching(wanted: &Wanted) -> String {
    let quoted = |key: &str| format!("'{}'", key.replace('\\', "\\\\").replace('\'', "''"));
    match wanted {
        Wanted::Key(key) => quoted(key),
        Wanted::Beginnings(words) => {
            words.iter().map(|word| format!("{}:*", quoted(word))).collect::<Vec<_>>().join(" & ")
        }
    }
}

/// Makes the keys of a linked account's records anew: its numbers belong to another country now, or there were no keys
/// before.
pub(super) async fn rebuild(connection: &mut PgConnection, account: i64) -> Done<()> {
    let region = region(connection, account).await?;
    for kind in SEARCHED {
        let sql = format!(
            "{} WHERE linked_account = $1 AND pk > $2 ORDER BY pk LIMIT $3",
            select(table(kind), Include::default())
        );
        let mut after = 0_i64;
        loop {
            let rows = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(account)
                .bind(after)
                .bind(PAGE)
                .fetch_all(&mut *connection)
                .await?;
            let records = decode(connection, kind, &rows).await?.records;
            let Some((last, _)) = records.last() else { break };
            after = *last;
            let mut keys = Keys::default();
            for (_, stored) in &records {
                if let Some(id) = stored.record.id() {
                    keys.add(id, &stored.record, region);
                }
            }
            keys.put(connection, account).await?;
        }
    }
    Ok(())
}
