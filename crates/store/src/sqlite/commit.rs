//! One page into the tables: what is new, what differs, what is gone, what could not be understood.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};
use unicrm_core::{Error, Gone, GoneReason, LiveRow, ObjectKind, RawRecord, RemoteId, Row, compute_id};

use super::encode::{ClassTable, bind};
use super::failure::Done;
use super::schema::{Table, UPDATE_TAIL, table};
use super::search::Keys;
use crate::decode::gone_reason;
use crate::encode::{Classes, Hash, RowBuffer, hash_of};
use crate::layout::DELETED_FLAG;
use crate::page::{Account, Tombstone, identify, remote_data, whole_sentence};
use crate::raw::Packer;
use crate::{PageReport, text};

/// Writes the rows of one page, inside a transaction.
pub(super) struct Committer<'c> {
    connection: &'c Connection,
    account: Account,
    now: String,
    buffer: RowBuffer,
    packer: Packer,
    classes: Classes<ClassTable<'c>>,
    keys: Keys,
    /// The snapshots under way, by object.
    snapshots: HashMap<ObjectKind, i64>,
    /// Whether there are rejected rows that may come right.
    any_rejected: bool,
    report: PageReport,
}

/// What the store has of a record.
struct Prior {
    pk: i64,
    content_hash: Option<Hash>,
    source_hash: Option<Hash>,
    gone: Option<GoneReason>,
    stamp: Option<String>,
}

impl<'c> Committer<'c> {
    pub(super) fn new(connection: &'c Connection, account: Account) -> Done<Self> {
        let mut statement =
            connection.prepare_cached("SELECT kind, pk FROM snapshots WHERE linked_account = ?1")?;
        let mut snapshots = HashMap::new();
        let mut rows = statement.query([account.pk])?;
        while let Some(row) = rows.next()? {
            snapshots.insert(row.get_ref(0)?.as_str().unwrap_or_default().parse()?, row.get(1)?);
        }
        let any_rejected = connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM rejected WHERE linked_account = ?1)")?
            .query_row([account.pk], |row| row.get(0))?;
        Ok(Self {
            connection,
            account,
            now: text::now(),
            buffer: RowBuffer::default(),
            packer: Packer::new(),
            classes: Classes::new(ClassTable { connection, account: account.pk }),
            keys: Keys::new(connection, account.pk)?,
            snapshots,
            any_rejected,
            report: PageReport::default(),
        })
    }

    /// Writes one row. `kind` is the object that was read.
    pub(super) fn row(&mut self, kind: ObjectKind, row: &Row) -> Done<()> {
        match row {
            Row::Live(live) => self.record(live, None),
            Row::Gone(gone) => match &gone.last {
                Some(last) if last.record.remote_id() == Some(&gone.remote_id) => {
                    self.record(last, Some(gone))
                }
                _ => self.tombstone(gone),
            },
            Row::Id { remote_id, stamp } => self.id(kind, remote_id, *stamp),
            Row::Rejected { remote_id, error, raw } => {
                self.reject(kind, remote_id.as_ref(), error, raw.as_ref().unwrap_or(&RawRecord::default()))
            }
        }
    }

    pub(super) fn into_report(self) -> PageReport {
        self.report
    }

    /// A record as it is, or as it was when it went.
    fn record(&mut self, row: &LiveRow, gone: Option<&Gone>) -> Done<()> {
        let record = &row.record;
        let kind = record.kind();
        let table = table(kind);
        let (id, remote_id) = match identify(self.account.id, row) {
            Ok(ids) => ids,
            Err((remote_id, error)) => return self.reject(kind, remote_id, &error, &row.raw),
        };
        let id = id.to_string();
        let prior = self.prior(table, &id)?;
        let gone = gone.map(|gone| self.tombstone_of(gone, prior.as_ref()));

        self.buffer.encode(&table.fields, record, gone.is_some(), &mut self.classes)?;
        let content_hash = self.buffer.hash(gone.as_ref().map(|gone| &gone.reason));
        let stamp = row.stamp.map(text::timestamp);
        let remote_data = remote_data(&row.record);
        let frame = self.packer.frame(&row.raw, remote_data);
        let source_hash = hash_of(&[stamp.as_deref().unwrap_or("").as_bytes(), frame]);

        let changed = prior.as_ref().is_none_or(|prior| prior.content_hash != Some(content_hash));
        let pk = match &prior {
            Some(prior) if !changed && prior.source_hash == Some(source_hash) => prior.pk,
            _ => {
                let packed = self.packer.pack();
                let statement = if prior.is_some() { &table.update } else { &table.insert };
                let mut statement = self.connection.prepare_cached(statement)?;
                let fields = bind(&self.buffer, &mut statement)?;
                let survivor = gone.as_ref().and_then(|gone| gone.survivor.as_deref());
                let survivor_id =
                    survivor.map(|remote_id| compute_id(self.account.id, kind, remote_id).to_string());
                let account_pk = self.account.pk;
                // In the order of `schema::INSERT_TAIL`.
                let tail = [
                    ValueRef::Blob(&content_hash),
                    ValueRef::Blob(&source_hash),
                    text_ref(stamp.as_deref()),
                    packed.as_deref().map_or(ValueRef::Null, ValueRef::Blob),
                    text_ref(gone.as_ref().map(|gone| gone.reason.as_str())),
                    text_ref(gone.as_ref().map(|gone| gone.at.as_str())),
                    text_ref(survivor_id.as_deref()),
                    text_ref(survivor),
                    text_ref(changed.then_some(&self.now)),
                    text_ref(Some(&self.now)),
                    ValueRef::Integer(account_pk),
                    text_ref(Some(&id)),
                    text_ref(Some(remote_id.as_str())),
                ];
                let own = match &prior {
                    Some(prior) => {
                        statement.raw_bind_parameter(fields + UPDATE_TAIL + 1, prior.pk)?;
                        UPDATE_TAIL
                    }
                    None => tail.len(),
                };
                for (i, value) in (fields + 1..).zip(tail.into_iter().take(own)) {
                    statement.raw_bind_parameter(i, ToSqlOutput::Borrowed(value))?;
                }
                statement.raw_execute()?;
                let pk = prior.as_ref().map_or_else(|| self.connection.last_insert_rowid(), |prior| prior.pk);
                if changed {
                    self.keys.put(self.connection, record, pk, prior.is_some())?;
                }
                pk
            }
        };

        let counts = &mut self.report.counts;
        match (&prior, &gone) {
            (None, None) => counts.created += 1,
            (None, Some(_)) => counts.deleted += 1,
            (Some(prior), Some(_)) if prior.gone.is_none() => counts.deleted += 1,
            (Some(_), _) if changed => counts.updated += 1,
            (Some(_), _) => counts.unchanged += 1,
        }
        self.came_right(kind, remote_id)?;
        if gone.is_none() { self.seen(kind, pk) } else { Ok(()) }
    }

    /// A record that is gone and does not show its last state: what the store has of it stays.
    fn tombstone(&mut self, gone: &Gone) -> Done<()> {
        let kind = gone.kind;
        let table = table(kind);
        let id = compute_id(self.account.id, kind, gone.remote_id.as_str()).to_string();
        self.came_right(kind, &gone.remote_id)?;
        let Some(prior) = self.prior(table, &id)? else {
            self.report.counts.unchanged += 1;
            return Ok(());
        };
        let tombstone = self.tombstone_of(gone, Some(&prior));
        if prior.gone.as_ref() == Some(&tombstone.reason) {
            self.report.counts.unchanged += 1;
            return Ok(());
        }
        if prior.gone.is_none() {
            self.report.counts.deleted += 1;
        } else {
            self.report.counts.updated += 1;
        }
        let survivor_id = tombstone
            .survivor
            .as_deref()
            .map(|remote_id| compute_id(self.account.id, kind, remote_id).to_string());
        let flag = deleted_flag(table);
        // Without a content hash, whatever comes next counts as a change.
        self.connection
            .prepare_cached(&format!(
                "UPDATE {} SET gone_reason = ?1, gone_at = ?2, merged_into = ?3, merged_into_remote_id = ?4, \
                 modified_at = ?5, content_hash = NULL{flag} WHERE pk = ?6",
                table.name
            ))?
            .execute(params![
                tombstone.reason.as_str(),
                tombstone.at,
                survivor_id,
                tombstone.survivor,
                self.now,
                prior.pk
            ])?;
        Ok(())
    }

    fn tombstone_of(&self, gone: &Gone, prior: Option<&Prior>) -> Tombstone {
        Tombstone::of(gone, prior.and_then(|prior| prior.gone.as_ref()), &self.now)
    }

    /// An id alone: whether its record has to be read in full.
    fn id(&mut self, kind: ObjectKind, remote_id: &RemoteId, stamp: Option<Timestamp>) -> Done<()> {
        let id = compute_id(self.account.id, kind, remote_id.as_str()).to_string();
        let prior = self.prior(table(kind), &id)?;
        let stamp = stamp.map(text::timestamp);
        let missing = prior.as_ref().is_none_or(|prior| prior.gone.is_some());
        let stale = stamp.is_some() && prior.as_ref().is_some_and(|prior| prior.stamp != stamp);
        self.report.missing += u64::from(missing);
        if missing || stale {
            self.report.to_fetch.push(remote_id.clone());
        }
        prior.map_or(Ok(()), |prior| self.seen(kind, prior.pk))
    }

    /// Keeps a row that could not be understood, with its error and all that came.
    fn reject(
        &mut self,
        kind: ObjectKind,
        remote_id: Option<&RemoteId>,
        error: &Error,
        raw: &RawRecord,
    ) -> Done<()> {
        self.report.counts.rejected += 1;
        let sentence = whole_sentence(error);
        let frame = self.packer.frame(raw, &[]);
        let key = remote_id.map_or_else(
            || hash_of(&[sentence.as_bytes(), frame]).iter().map(|byte| format!("{byte:02x}")).collect(),
            |id| id.as_str().to_owned(),
        );
        self.connection
            .prepare_cached(
                "INSERT INTO rejected (linked_account, kind, key, remote_id, error_kind, error, raw, since)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT DO UPDATE SET error_kind = excluded.error_kind, error = excluded.error, raw = excluded.raw
                 WHERE error <> excluded.error OR raw IS NOT excluded.raw",
            )?
            .execute(params![
                self.account.pk,
                kind.as_str(),
                key,
                remote_id.map(RemoteId::as_str),
                error.kind().as_str(),
                sentence,
                self.packer.pack(),
                self.now,
            ])?;
        self.any_rejected = true;
        match remote_id {
            // The record is there, even if this version of it is not understood.
            Some(remote_id) if self.snapshots.contains_key(&kind) => {
                let id = compute_id(self.account.id, kind, remote_id.as_str()).to_string();
                let prior = self.prior(table(kind), &id)?;
                prior.map_or(Ok(()), |prior| self.seen(kind, prior.pk))
            }
            Some(_) => Ok(()),
            None => {
                if let Some(snapshot) = self.snapshots.get(&kind) {
                    self.connection
                        .prepare_cached("UPDATE snapshots SET blind = blind + 1 WHERE pk = ?1")?
                        .execute([snapshot])?;
                }
                Ok(())
            }
        }
    }

    /// A record that could not be understood before can be now.
    fn came_right(&self, kind: ObjectKind, remote_id: &RemoteId) -> Done<()> {
        if self.any_rejected {
            self.connection
                .prepare_cached("DELETE FROM rejected WHERE linked_account = ?1 AND kind = ?2 AND key = ?3")?
                .execute(params![self.account.pk, kind.as_str(), remote_id.as_str()])?;
        }
        Ok(())
    }

    /// Remembers that a snapshot under way has shown a record.
    fn seen(&self, kind: ObjectKind, pk: i64) -> Done<()> {
        if let Some(snapshot) = self.snapshots.get(&kind) {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO snapshot_records (snapshot, record) VALUES (?1, ?2)")?
                .execute([*snapshot, pk])?;
        }
        Ok(())
    }

    fn prior(&self, table: &Table, id: &str) -> Done<Option<Prior>> {
        let mut statement = self.connection.prepare_cached(&table.probe)?;
        let mut rows = statement.query([id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let gone: Option<String> = row.get(3)?;
        let survivor = row.get(4)?;
        Ok(Some(Prior {
            pk: row.get(0)?,
            content_hash: row.get(1)?,
            source_hash: row.get(2)?,
            gone: gone.map(|reason| gone_reason(&reason, survivor)).transpose()?,
            stamp: row.get(5)?,
        }))
    }
}

/// `, remote_was_deleted = 1` where the object has this field.
pub(super) fn deleted_flag(table: &Table) -> String {
    if table.has_deleted_flag() { format!(", {DELETED_FLAG} = 1") } else { String::new() }
}

/// A text to bind.
fn text_ref(text: Option<&str>) -> ValueRef<'_> {
    text.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes()))
}
