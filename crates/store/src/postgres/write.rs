//! What a page changes, into the tables: a few statements, each with one array per column.

use sqlx::postgres::{PgArguments, PgBindIterExt as _};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};
use unicrm_core::ObjectKind;
use uuid::Uuid;

use super::exact::without_nul;
use super::failure::Done;
use super::instant::Instant;
use super::plan::{Burial, GoneColumns, Plan, RowWrite, Writes};
use super::schema::{Sort, table};
use crate::encode::CellRef;
use crate::page::Account;
use crate::text::parse_timestamp;

type Statement = Query<'static, Postgres, PgArguments>;

/// At most so many rows in a statement.
const ROWS: usize = 2_000;
/// And about so many bytes: a parameter is copied several times on its way.
const BYTES: usize = 16 << 20;

/// Writes all of it. `snapshots` are those under way, by object; `now` is the time of the page.
pub(super) async fn write(
    connection: &mut PgConnection,
    account: Account,
    now: Instant,
    snapshots: impl Fn(ObjectKind) -> Option<i64>,
    plan: &Plan,
) -> Done<()> {
    for (&kind, writes) in &plan.writes {
        records(connection, account, now, kind, writes).await?;
        if let Some(snapshot) = snapshots(kind) {
            shown(connection, snapshot, kind, writes).await?;
        }
    }
    if !plan.righted.is_empty() {
        sqlx::query(
            "DELETE FROM rejected WHERE linked_account = $1
             AND (kind, key) IN (SELECT * FROM unnest($2::text[], $3::text[]))",
        )
        .bind(account.pk)
        .bind(plan.righted.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>())
        .bind(plan.righted.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    rejections(connection, account, now, plan).await
}

async fn records(
    connection: &mut PgConnection,
    account: Account,
    now: Instant,
    kind: ObjectKind,
    writes: &Writes,
) -> Done<()> {
    let table = table(kind);
    for burials in writes.burials.chunks(ROWS) {
        bury(&table.bury, now, burials).execute(&mut *connection).await?;
    }
    let (known, new): (Vec<_>, Vec<_>) = writes.rows.iter().partition(|row| row.pk.is_some());
    for rows in chunks(&new) {
        let statement = bind(sqlx::query(AssertSqlSafe(table.insert.as_str())), kind, now, rows)?;
        statement
            .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.remote_id.as_str()).collect::<Vec<_>>())
            .bind(account.pk)
            .bind(now)
            .execute(&mut *connection)
            .await?;
    }
    for rows in chunks(&known) {
        let statement = bind(sqlx::query(AssertSqlSafe(table.update.as_str())), kind, now, rows)?;
        let keys: Vec<_> = rows.iter().map(|row| row.pk).collect();
        statement.bind(keys).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Remembers what a snapshot under way has shown.
async fn shown(connection: &mut PgConnection, snapshot: i64, kind: ObjectKind, writes: &Writes) -> Done<()> {
    if !writes.seen.is_empty() {
        sqlx::query(AssertSqlSafe(table(kind).seen.as_str()))
            .bind(snapshot)
            .bind(&writes.seen)
            .execute(&mut *connection)
            .await?;
    }
    if writes.blind > 0 {
        sqlx::query("UPDATE snapshots SET blind = blind + $2 WHERE pk = $1")
            .bind(snapshot)
            .bind(writes.blind)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn rejections(connection: &mut PgConnection, account: Account, now: Instant, plan: &Plan) -> Done<()> {
    for rejections in plan.rejections.chunks(ROWS) {
        sqlx::query(
            "INSERT INTO rejected (linked_account, since, kind, key, remote_id, error_kind, error, raw)
             SELECT $1, $2, r.kind, r.key, r.remote_id, r.error_kind, r.error, r.raw
             FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[])
             WITH ORDINALITY AS r (kind, key, remote_id, error_kind, error, raw, place) ORDER BY r.place
             ON CONFLICT (linked_account, kind, key) DO UPDATE SET
             error_kind = excluded.error_kind, error = excluded.error, raw = excluded.raw
             WHERE rejected.error <> excluded.error OR rejected.raw IS DISTINCT FROM excluded.raw",
        )
        .bind(account.pk)
        .bind(now)
        .bind(rejections.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|row| row.key.as_str()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|row| row.remote_id.as_deref()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|row| row.error_kind).collect::<Vec<_>>())
        .bind(rejections.iter().map(|row| row.error.as_str()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|row| row.raw.as_deref()).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// In the order of `Table::bury`.
fn bury(sql: &'static str, now: Instant, burials: &[Burial]) -> Statement {
    sqlx::query(sql)
        .bind(burials.iter().map(|burial| burial.pk).collect::<Vec<_>>())
        .bind(burials.iter().map(|burial| burial.gone.reason).collect::<Vec<_>>())
        .bind(burials.iter().map(|burial| Instant::cut(burial.gone.at)).collect::<Vec<_>>())
        .bind(burials.iter().map(|burial| survivor_id(Some(&burial.gone))).collect::<Vec<_>>())
        .bind(burials.iter().map(|burial| survivor(Some(&burial.gone))).bind_iter())
        .bind(burials.iter().map(|burial| burial.exact.column()).bind_iter())
        .bind(now)
}

/// The columns of the fields and those of `schema::TAIL`, in this order.
fn bind(mut statement: Statement, kind: ObjectKind, now: Instant, rows: &[&RowWrite]) -> Done<Statement> {
    for (at, column) in table(kind).columns.iter().enumerate() {
        let cells = rows.iter().map(|row| row.cells.cell(at));
        statement = match column.sort {
            Sort::Text | Sort::Amount | Sort::Json | Sort::Bytes => {
                statement.bind(cells.map(text).bind_iter())
            }
            Sort::Integer => statement.bind(cells.map(integer).bind_iter()),
            Sort::Boolean => {
                statement.bind(cells.map(|cell| integer(cell).map(|flag| flag != 0)).bind_iter())
            }
            Sort::Instant => {
                let instants = cells.map(|cell| text(cell).map(parse_timestamp).transpose());
                let instants: unicrm_core::Result<Vec<_>> = instants.collect();
                statement.bind(instants?.into_iter().map(|instant| instant.map(Instant::cut)).bind_iter())
            }
            Sort::Uuid => {
                let ids = cells.map(|cell| text(cell).map(crate::text::parse_uuid).transpose());
                statement.bind(ids.collect::<unicrm_core::Result<Vec<_>>>()?)
            }
        };
    }
    Ok(statement
        .bind(rows.iter().map(|row| row.content_hash).bind_iter())
        .bind(rows.iter().map(|row| row.source_hash).bind_iter())
        .bind(rows.iter().map(|row| row.stamp.map(Instant::cut)).bind_iter())
        .bind(rows.iter().map(|row| row.raw.as_deref()).bind_iter())
        .bind(rows.iter().map(|row| row.gone.as_ref().map(|gone| gone.reason)).bind_iter())
        .bind(rows.iter().map(|row| row.gone.as_ref().map(|gone| Instant::cut(gone.at))).bind_iter())
        .bind(rows.iter().map(|row| survivor_id(row.gone.as_ref())).bind_iter())
        .bind(rows.iter().map(|row| survivor(row.gone.as_ref())).bind_iter())
        .bind(rows.iter().map(|row| row.exact.column()).bind_iter())
        .bind(rows.iter().map(|row| (row.modified || row.pk.is_none()).then_some(now)).bind_iter()))
}

fn text(cell: CellRef<'_>) -> Option<&str> {
    match cell {
        CellRef::Text(text) => Some(text),
        _ => None,
    }
}

fn integer(cell: CellRef<'_>) -> Option<i64> {
    match cell {
        CellRef::Integer(number) => Some(number),
        _ => None,
    }
}

fn survivor_id(gone: Option<&GoneColumns>) -> Option<Uuid> {
    gone?.survivor.as_ref().map(|(id, _)| *id)
}

fn survivor(gone: Option<&GoneColumns>) -> Option<String> {
    gone?.survivor.as_ref().map(|(_, remote_id)| without_nul(remote_id).into_owned())
}

/// Rows for one statement each.
fn chunks<'r, 'w>(mut rows: &'r [&'w RowWrite]) -> impl Iterator<Item = &'r [&'w RowWrite]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rows.iter().take(ROWS).take_while(|row| {
            let fits = bytes < BYTES;
            bytes += row.cells.len() + row.raw.as_ref().map_or(0, Vec::len);
            fits
        });
        let (chunk, rest) = rows.split_at(fitting.count());
        rows = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}
