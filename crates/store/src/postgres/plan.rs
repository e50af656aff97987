//! What a page changes, decided in memory against what the store has of its records: pure, so that all of it can then be
//! written in a few statements.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use unicrm_core::{
    Error, ErrorKind, Gone, GoneReason, Json, LiveRow, ObjectKind, RawRecord, RemoteFieldClass,
    RemoteFieldClassRef, RemoteId, Result, Row, compute_id,
};
use uuid::Uuid;

use super::exact::{Exact, without_nul};
use super::schema::{Table, table};
use crate::PageReport;
use crate::encode::{ClassNumbers, Classes, Hash, RowBuffer, hash_of};
use crate::layout::DELETED_FLAG;
use crate::page::{Account, Tombstone, identify, remote_data, whole_sentence};
use crate::raw::Packer;
use crate::text::{parse_timestamp, timestamp};

/// What has to be known of a page's records before it can be decided.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) ids: BTreeMap<ObjectKind, Vec<Uuid>>,
    pub(super) classes: Vec<NeededClass>,
}

/// A class of remote fields that the page names.
#[derive(Debug)]
pub(super) struct NeededClass {
    pub(super) kind: ObjectKind,
    pub(super) key: Option<String>,
    pub(super) json: String,
    pub(super) hash: Hash,
    /// By which it is found again: the page keeps its classes alive.
    pub(super) address: usize,
}

impl Needs {
    pub(super) fn of(account: Account, page_kind: ObjectKind, rows: &[Row]) -> Self {
        let mut needs = Self::default();
        let mut met = HashSet::new();
        for row in rows {
            let (kind, remote_id, live) = match row {
                Row::Live(live) => (live.record.kind(), live.record.remote_id(), Some(live)),
                Row::Gone(gone) => (gone.kind, Some(&gone.remote_id), gone.last.as_deref()),
                Row::Id { remote_id, .. } => (page_kind, Some(remote_id), None),
                // Whether its record is there is seen when the row is written.
                Row::Rejected { .. } => continue,
            };
            if let Some(remote_id) = remote_id {
                needs.ids.entry(kind).or_default().push(compute_id(account.id, kind, remote_id.as_str()));
            }
            let Some(live) = live else { continue };
            let kind = live.record.kind();
            for field in live.record.remote_fields() {
                let RemoteFieldClassRef::Class(class) = &field.remote_field_class else { continue };
                let address = Arc::as_ptr(class).addr();
                if met.insert((kind, address)) {
                    let json = Json::of(&**class).as_str().to_owned();
                    let hash = hash_of(&[json.as_bytes()]);
                    let key = class.remote_key_name.clone();
                    needs.classes.push(NeededClass { kind, key, json, hash, address });
                }
            }
        }
        needs
    }
}

/// The numbers of the classes that a page names, by kind and address.
#[derive(Debug, Default)]
pub(super) struct Numbers(pub(super) HashMap<(ObjectKind, usize), i64>);

impl ClassNumbers for Numbers {
    type Error = Error;

    fn number(&mut self, kind: ObjectKind, class: &Arc<RemoteFieldClass>) -> Result<i64> {
        let number = self.0.get(&(kind, Arc::as_ptr(class).addr()));
        number
            .copied()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a class of remote fields has no number"))
    }
}

/// What the store has of a record, and what the page has made of it so far.
#[derive(Debug)]
pub(super) struct Known {
    /// None for a record that the page brings.
    pub(super) pk: Option<i64>,
    pub(super) content_hash: Option<Hash>,
    pub(super) source_hash: Option<Hash>,
    pub(super) gone: Option<GoneReason>,
    pub(super) stamp: Option<Timestamp>,
    pub(super) exact: Exact,
    pub(super) pending: Pending,
}

/// The write that is under way for a record, by its place in [`Writes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Nothing,
    Row(usize),
    Burial(usize),
}

/// What is to be written into one object's table.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) burials: Vec<Burial>,
    /// At most one of a record, in the order in which the page first brought them.
    pub(super) rows: Vec<RowWrite>,
    /// Records that a snapshot under way has shown.
    pub(super) seen: Vec<Uuid>,
    /// Rows without an id that such a snapshot has met.
    pub(super) blind: i64,
}

/// A record as it will be.
#[derive(Debug)]
pub(super) struct RowWrite {
    /// None to insert it.
    pub(super) pk: Option<i64>,
    pub(super) id: Uuid,
    pub(super) remote_id: String,
    pub(super) cells: RowBuffer,
    pub(super) content_hash: Option<Hash>,
    pub(super) source_hash: Hash,
    pub(super) stamp: Option<Timestamp>,
    /// None to keep what is there.
    pub(super) raw: Option<Vec<u8>>,
    pub(super) gone: Option<GoneColumns>,
    pub(super) exact: Exact,
    /// Whether the content is another: our time of change moves.
    pub(super) modified: bool,
}

/// The columns of a tombstone.
#[derive(Clone, Debug)]
pub(super) struct GoneColumns {
    pub(super) reason: &'static str,
    pub(super) at: Timestamp,
    pub(super) survivor: Option<(Uuid, String)>,
}

/// A record that is gone and keeps its last state.
#[derive(Debug)]
pub(super) struct Burial {
    pub(super) pk: i64,
    pub(super) gone: GoneColumns,
    pub(super) exact: Exact,
}

/// A row that could not be understood.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) kind: ObjectKind,
    pub(super) key: String,
    pub(super) remote_id: Option<String>,
    pub(super) error_kind: &'static str,
    pub(super) error: String,
    pub(super) raw: Option<Vec<u8>>,
}

/// Everything that a page changes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) writes: BTreeMap<ObjectKind, Writes>,
    /// Records that were rejected before and have come right.
    pub(super) righted: Vec<(ObjectKind, String)>,
    pub(super) rejections: Vec<Rejection>,
    pub(super) report: PageReport,
}

impl Plan {
    /// The records whose content is another now.
    pub(super) fn changed(&self) -> HashSet<(ObjectKind, Uuid)> {
        let rows = self.writes.iter().flat_map(|(kind, writes)| writes.rows.iter().map(|row| (*kind, row)));
        rows.filter(|(_, row)| row.modified).map(|(kind, row)| (kind, row.id)).collect()
    }
}

/// Goes through the rows of one page.
pub(super) struct Planner {
    account: Account,
    now: String,
    classes: Classes<Numbers>,
    known: HashMap<(ObjectKind, Uuid), Known>,
    /// The objects of which a snapshot is under way.
    snapshots: HashSet<ObjectKind>,
    /// Whether there are rejected rows that may come right.
    any_rejected: bool,
    packer: Packer,
    plan: Plan,
}

impl Planner {
    pub(super) fn new(
        account: Account,
        now: Timestamp,
        numbers: Numbers,
        known: HashMap<(ObjectKind, Uuid), Known>,
        snapshots: HashSet<ObjectKind>,
        any_rejected: bool,
    ) -> Self {
        Self {
            account,
            now: timestamp(now),
            classes: Classes::new(numbers),
            known,
            snapshots,
            any_rejected,
            packer: Packer::new(),
            plan: Plan::default(),
        }
    }

    /// Decides the rows, in their order. `kind` is the object that was read.
    pub(super) fn plan(mut self, kind: ObjectKind, rows: &[Row]) -> Result<Plan> {
        for row in rows {
            match row {
                Row::Live(live) => self.record(live, None)?,
                Row::Gone(gone) => match &gone.last {
                    Some(last) if last.record.remote_id() == Some(&gone.remote_id) => {
                        self.record(last, Some(gone))?;
                    }
                    _ => self.bury(gone)?,
                },
                Row::Id { remote_id, stamp } => self.id(kind, remote_id, *stamp),
                Row::Rejected { remote_id, error, raw } => {
                    let raw = raw.as_ref();
                    self.reject(kind, remote_id.as_ref(), error, raw.unwrap_or(&RawRecord::default()));
                }
            }
        }
        Ok(self.plan)
    }

    /// A record as it is, or as it was when it went.
    fn record(&mut self, row: &LiveRow, gone: Option<&Gone>) -> Result<()> {
        let record = &row.record;
        let kind = record.kind();
        let identified = identify(self.account.id, row).and_then(|(id, remote_id)| {
            unfit(kind, remote_id).map_or(Ok((id, remote_id)), |error| Err((Some(remote_id), error)))
        });
        let (id, remote_id) = match identified {
            Ok(ids) => ids,
            Err((remote_id, error)) => {
                self.reject(kind, remote_id, &error, &row.raw);
                return Ok(());
            }
        };
        let table = table(kind);
        let known = self.known.get(&(kind, id));
        let before = known.and_then(|known| known.gone.clone());
        let tombstone = gone.map(|gone| Tombstone::of(gone, before.as_ref(), &self.now));

        let mut cells = RowBuffer::default();
        cells.encode(&table.fields, record, tombstone.is_some(), &mut self.classes)?;
        let content_hash = cells.hash(tombstone.as_ref().map(|gone| &gone.reason));
        let stamp = row.stamp.map(timestamp);
        let frame = self.packer.frame(&row.raw, remote_data(record));
        let source_hash = hash_of(&[stamp.as_deref().unwrap_or("").as_bytes(), frame]);
        let changed = known.is_none_or(|known| known.content_hash != Some(content_hash));

        let counts = &mut self.plan.report.counts;
        match (known, &tombstone) {
            (None, None) => counts.created += 1,
            (None, Some(_)) => counts.deleted += 1,
            (Some(_), Some(_)) if before.is_none() => counts.deleted += 1,
            (Some(_), _) if changed => counts.updated += 1,
            (Some(_), _) => counts.unchanged += 1,
        }
        if changed || known.is_none_or(|known| known.source_hash != Some(source_hash)) {
            let raw = self.packer.pack();
            let gone = tombstone.as_ref().map(|gone| columns_of(self.account, kind, gone)).transpose()?;
            let mut exact = Exact::default();
            exact.take(table, &mut cells)?;
            exact.set_instant("stamp", row.stamp);
            set_gone(&mut exact, gone.as_ref());
            let write = RowWrite {
                pk: known.and_then(|known| known.pk),
                id,
                remote_id: remote_id.as_str().to_owned(),
                cells,
                content_hash: Some(content_hash),
                source_hash,
                stamp: row.stamp,
                raw,
                gone,
                exact,
                modified: changed,
            };
            self.write(kind, write, tombstone.map(|gone| gone.reason));
        }
        self.came_right(kind, remote_id);
        if gone.is_none() {
            self.seen(kind, id);
        }
        Ok(())
    }

    fn write(&mut self, kind: ObjectKind, mut write: RowWrite, gone: Option<GoneReason>) {
        let rows = &mut self.plan.writes.entry(kind).or_default().rows;
        let known = self.known.entry((kind, write.id)).or_insert_with(|| Known {
            pk: None,
            content_hash: None,
            source_hash: None,
            gone: None,
            stamp: None,
            exact: Exact::default(),
            pending: Pending::Nothing,
        });
        known.content_hash = write.content_hash;
        known.source_hash = Some(write.source_hash);
        known.gone = gone;
        known.stamp = write.stamp;
        known.exact = write.exact.clone();
        match known.pending {
            Pending::Row(at) => {
                let before = &mut rows[at];
                write.raw = write.raw.or_else(|| before.raw.take());
                write.modified |= before.modified;
                *before = write;
            }
            // Burials are written first, so the row has the last word.
            Pending::Nothing | Pending::Burial(_) => {
                known.pending = Pending::Row(rows.len());
                rows.push(write);
            }
        }
    }

    /// A record that is gone and does not show its last state: what the store has of it stays.
    fn bury(&mut self, gone: &Gone) -> Result<()> {
        let kind = gone.kind;
        let id = compute_id(self.account.id, kind, gone.remote_id.as_str());
        self.came_right(kind, &gone.remote_id);
        let counts = &mut self.plan.report.counts;
        let Some(known) = self.known.get_mut(&(kind, id)) else {
            counts.unchanged += 1;
            return Ok(());
        };
        let tombstone = Tombstone::of(gone, known.gone.as_ref(), &self.now);
        if known.gone.as_ref() == Some(&tombstone.reason) {
            counts.unchanged += 1;
            return Ok(());
        }
        if known.gone.is_none() {
            counts.deleted += 1;
        } else {
            counts.updated += 1;
        }
        let columns = columns_of(self.account, kind, &tombstone)?;
        known.gone = Some(tombstone.reason);
        // Without a content hash, whatever comes next counts as a change.
        known.content_hash = None;
        set_gone(&mut known.exact, Some(&columns));
        let writes = self.plan.writes.entry(kind).or_default();
        match (known.pending, known.pk) {
            (Pending::Row(at), _) => {
                let row = &mut writes.rows[at];
                if let Some(flag) = flag_of(table(kind)) {
                    row.cells.set_integer(flag, 1);
                }
                row.content_hash = None;
                row.modified = true;
                row.gone = Some(columns);
                row.exact = known.exact.clone();
            }
            (Pending::Burial(at), _) => {
                let burial = &mut writes.burials[at];
                burial.gone = columns;
                burial.exact = known.exact.clone();
            }
            (Pending::Nothing, Some(pk)) => {
                known.pending = Pending::Burial(writes.burials.len());
                writes.burials.push(Burial { pk, gone: columns, exact: known.exact.clone() });
            }
            // What has no key is what the page brought, and that is pending.
            (Pending::Nothing, None) => {}
        }
        Ok(())
    }

    /// An id alone: whether its record has to be read in full.
    fn id(&mut self, kind: ObjectKind, remote_id: &RemoteId, stamp: Option<Timestamp>) {
        let id = compute_id(self.account.id, kind, remote_id.as_str());
        let known = self.known.get(&(kind, id));
        let missing = known.is_none_or(|known| known.gone.is_some());
        if missing || known.is_some_and(|known| stamp.is_some() && known.stamp != stamp) {
            self.plan.report.to_fetch.push(remote_id.clone());
        }
        if missing {
            self.plan.report.missing += 1;
        }
        if known.is_some() {
            self.seen(kind, id);
        }
    }

    /// Keeps a row that could not be understood, with its error and all that came.
    fn reject(&mut self, kind: ObjectKind, remote_id: Option<&RemoteId>, error: &Error, raw: &RawRecord) {
        self.plan.report.counts.rejected += 1;
        let sentence = whole_sentence(error);
        let frame = self.packer.frame(raw, &[]);
        let key = remote_id.filter(|id| unfit(kind, id).is_none()).map_or_else(
            || {
                let remote_id = remote_id.map_or("", RemoteId::as_str).as_bytes();
                hash_of(&[sentence.as_bytes(), frame, remote_id])
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            },
            |id| id.as_str().to_owned(),
        );
        let raw = self.packer.pack();
        let rejection = Rejection {
            kind,
            key,
            remote_id: remote_id.map(|id| without_nul(id.as_str()).into_owned()),
            error_kind: error.kind().as_str(),
            error: without_nul(&sentence).into_owned(),
            raw,
        };
        let rejections = &mut self.plan.rejections;
        match rejections.iter_mut().find(|before| before.kind == kind && before.key == rejection.key) {
            Some(before) => *before = rejection,
            None => rejections.push(rejection),
        }
        self.any_rejected = true;
        match remote_id {
            // The record is there, even if this version of it is not understood.
            Some(remote_id) => self.seen(kind, compute_id(self.account.id, kind, remote_id.as_str())),
            None if self.snapshots.contains(&kind) => {
                self.plan.writes.entry(kind).or_default().blind += 1;
            }
            None => {}
        }
    }

    /// A record that could not be understood before can be now.
    fn came_right(&mut self, kind: ObjectKind, remote_id: &RemoteId) {
        if self.any_rejected && unfit(kind, remote_id).is_none() {
            let key = remote_id.as_str();
            self.plan.rejections.retain(|rejection| rejection.kind != kind || rejection.key != key);
            self.plan.righted.push((kind, key.to_owned()));
        }
    }

    /// Remembers that a snapshot under way has shown a record.
    fn seen(&mut self, kind: ObjectKind, id: Uuid) {
        if self.snapshots.contains(&kind) {
            self.plan.writes.entry(kind).or_default().seen.push(id);
        }
    }
}

/// Why PostgreSQL cannot hold a remote id.
fn unfit(kind: ObjectKind, remote_id: &RemoteId) -> Option<Error> {
    /// What an index takes, with some room.
    const LONGEST: usize = 2_000;
    let remote_id = remote_id.as_str();
    let why = if remote_id.contains('\0') {
        "holds a NUL character, which PostgreSQL does not take".to_owned()
    } else if remote_id.len() > LONGEST {
        format!("is longer than the {LONGEST} bytes that PostgreSQL can index")
    } else {
        return None;
    };
    Some(Error::new(ErrorKind::Decode, format!("the remote id of the {kind} {why}")))
}

fn columns_of(account: Account, kind: ObjectKind, tombstone: &Tombstone) -> Result<GoneColumns> {
    let survivor = tombstone.survivor.as_ref();
    Ok(GoneColumns {
        reason: tombstone.reason.as_str(),
        at: parse_timestamp(&tombstone.at)?,
        survivor: survivor.map(|remote_id| (compute_id(account.id, kind, remote_id), remote_id.clone())),
    })
}

fn set_gone(exact: &mut Exact, gone: Option<&GoneColumns>) {
    exact.set_instant("gone_at", gone.map(|gone| gone.at));
    let survivor = gone.and_then(|gone| gone.survivor.as_ref());
    exact.set_text("merged_into_remote_id", survivor.map(|(_, remote_id)| remote_id.as_str()));
}

/// The place of the column that tombstones set, where the object has it.
fn flag_of(table: &Table) -> Option<usize> {
    table.columns.iter().position(|column| column.name == DELETED_FLAG)
}
