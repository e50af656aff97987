//! One page into the tables: what is known of its records is read, the changes are decided, and then written.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use unicrm_core::{Error, ErrorKind, ObjectKind, Row};

use super::exact::Exact;
use super::failure::Done;
use super::instant::Instant;
use super::plan::{Known, NeededClass, Needs, Numbers, Pending, Planner};
use super::schema::table;
use super::search::{Keys, region};
use super::write;
use crate::PageReport;
use crate::decode::gone_reason;
use crate::encode::Hash;
use crate::page::Account;
use crate::text::{parse_timestamp, present};

/// Writes the rows of one page, inside a transaction that holds the lock on the linked account.
pub(super) async fn commit(
    connection: &mut PgConnection,
    account: Account,
    kind: ObjectKind,
    rows: Vec<Row>,
) -> Done<PageReport> {
    if rows.is_empty() {
        return Ok(PageReport::default());
    }
    let (snapshots, any_rejected) = under_way(connection, account).await?;
    let needs = Needs::of(account, kind, &rows);
    let numbers = numbers(connection, account, &needs.classes).await?;
    let mut known = HashMap::new();
    for (&kind, ids) in &needs.ids {
        let found = sqlx::query(AssertSqlSafe(table(kind).probe.as_str()))
            .bind(ids)
            .fetch_all(&mut *connection)
            .await?;
        for row in found {
            let exact = Exact::read(row.try_get(7)?)?;
            let survivor = exact.of("merged_into_remote_id").map(str::to_owned);
            let survivor = survivor.map_or_else(|| row.try_get(5), |survivor| Ok(Some(survivor)))?;
            let reason: Option<&str> = row.try_get(4)?;
            let stamp = match exact.of("stamp") {
                Some(stamp) => Some(parse_timestamp(stamp)?),
                None => row.try_get::<Option<Instant>, _>(6)?.map(Instant::timestamp).transpose()?,
            };
            let of_record = Known {
                pk: Some(row.try_get(1)?),
                content_hash: hash(row.try_get(2)?),
                source_hash: hash(row.try_get(3)?),
                gone: reason.map(|reason| gone_reason(reason, survivor)).transpose()?,
                stamp,
                exact,
                pending: Pending::Nothing,
            };
            known.insert((kind, row.try_get(0)?), of_record);
        }
    }

    let region = region(connection, account.pk).await?;
    let now = present();
    let shown = snapshots.keys().copied().collect();
    let planner = Planner::new(account, now, numbers, known, shown, any_rejected);
    // Encoding and compressing a page takes longer than a runtime should be kept from its other tasks.
    let planned = tokio::task::spawn_blocking(move || {
        let plan = planner.plan(kind, &rows)?;
        let changed = plan.changed();
        let keys = Keys::of_rows(account, region, &rows, |kind, id| changed.contains(&(kind, id)));
        Ok::<_, Error>((plan, keys))
    });
    let (plan, keys) = planned.await.map_err(|source| {
        Error::new(ErrorKind::Internal, "encoding the page ended early").with_source(source)
    })??;
    write::write(connection, account, Instant::cut(now), |kind| snapshots.get(&kind).copied(), &plan).await?;
    keys.put(connection, account.pk).await?;
    Ok(plan.report)
}

/// The snapshots under way, by object, and whether there are rejected rows that may come right.
async fn under_way(
    connection: &mut PgConnection,
    account: Account,
) -> Done<(HashMap<ObjectKind, i64>, bool)> {
    let rows: Vec<(Option<String>, Option<i64>, bool)> = sqlx::query_as(
        "SELECT s.kind, s.pk, EXISTS (SELECT FROM rejected WHERE linked_account = $1)
         FROM (SELECT) AS one LEFT JOIN snapshots s ON s.linked_account = $1",
    )
    .bind(account.pk)
    .fetch_all(connection)
    .await?;
    let any_rejected = rows.iter().any(|(.., any)| *any);
    let mut snapshots = HashMap::new();
    for (kind, pk, _) in rows {
        if let (Some(kind), Some(pk)) = (kind, pk) {
            snapshots.insert(kind.parse()?, pk);
        }
    }
    Ok((snapshots, any_rejected))
}

/// The numbers of the classes that a page names; those that are new are stored.
async fn numbers(connection: &mut PgConnection, account: Account, needed: &[NeededClass]) -> Done<Numbers> {
    let mut numbers = Numbers::default();
    if needed.is_empty() {
        return Ok(numbers);
    }
    let mut by_hash: HashMap<(ObjectKind, Hash), &NeededClass> = HashMap::new();
    for class in needed {
        by_hash.entry((class.kind, class.hash)).or_insert(class);
    }
    let classes: Vec<_> = by_hash.values().copied().collect();
    let kinds: Vec<_> = classes.iter().map(|class| class.kind.as_str()).collect();
    let hashes: Vec<_> = classes.iter().map(|class| class.hash.as_slice()).collect();
    let find = "SELECT c.kind, c.hash, c.pk FROM unnest($2::text[], $3::bytea[]) AS r (kind, hash)
         JOIN remote_field_classes c ON c.linked_account = $1 AND c.kind = r.kind AND c.hash = r.hash";
    let mut found = HashMap::new();
    for store_first in [false, true] {
        if store_first {
            // Nobody else stores classes of this account: its row is locked.
            sqlx::query(
                "INSERT INTO remote_field_classes (linked_account, kind, hash, key, class)
                 SELECT $1, r.kind, r.hash, r.key, r.class::json
                 FROM unnest($2::text[], $3::bytea[], $4::text[], $5::text[]) AS r (kind, hash, key, class)
                 ON CONFLICT DO NOTHING",
            )
            .bind(account.pk)
            .bind(&kinds)
            .bind(&hashes)
            .bind(classes.iter().map(|class| plain(class.key.as_deref())).collect::<Vec<_>>())
            .bind(classes.iter().map(|class| class.json.as_str()).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
        }
        let rows: Vec<(String, Vec<u8>, i64)> = sqlx::query_as(find)
            .bind(account.pk)
            .bind(&kinds)
            .bind(&hashes)
            .fetch_all(&mut *connection)
            .await?;
        for (kind, hash, pk) in rows {
            found.insert((kind.parse::<ObjectKind>()?, hash), pk);
        }
        if found.len() == classes.len() {
            break;
        }
    }
    for class in needed {
        let number = found.get(&(class.kind, class.hash.to_vec()));
        numbers.0.extend(number.map(|number| ((class.kind, class.address), *number)));
    }
    Ok(numbers)
}

fn plain(text: Option<&str>) -> Option<String> {
    text.map(|text| super::exact::without_nul(text).into_owned())
}

fn hash(bytes: Option<&[u8]>) -> Option<Hash> {
    bytes?.try_into().ok()
}
