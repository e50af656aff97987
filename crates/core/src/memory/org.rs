//! The records of a memory provider, with a version for every change.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    Engagement, FieldType, Gone, GoneReason, LinkedAccountId, LiveRow, ObjectKind, RawRecord, Record, Ref,
    RemoteId, Row, Value, compute_id,
};

/// One record and when it last changed.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) record: Record,
    pub(super) version: u64,
    pub(super) stamp: Timestamp,
    pub(super) gone: Option<GoneReason>,
}

/// All records. Each change takes the next version, so versions order all changes of the org.
#[derive(Debug)]
pub(super) struct Org {
    linked_account: LinkedAccountId,
    records: BTreeMap<(ObjectKind, RemoteId), Stored>,
    version: u64,
    serial: u64,
}

impl Org {
    pub(super) fn new(linked_account: LinkedAccountId) -> Self {
        Self { linked_account, records: BTreeMap::new(), version: 0, serial: 0 }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, kind: ObjectKind, remote_id: &RemoteId) -> Option<&Stored> {
        self.records.get(&(kind, remote_id.clone()))
    }

    /// The records of a kind, by remote id, after one of them.
    pub(super) fn after<'a>(
        &'a self,
        kind: ObjectKind,
        after: Option<&RemoteId>,
    ) -> impl Iterator<Item = (&'a RemoteId, &'a Stored)> + use<'a> {
        let start = match after {
            Some(id) => std::ops::Bound::Excluded((kind, id.clone())),
            None => std::ops::Bound::Included((kind, RemoteId::from(""))),
        };
        let range = self.records.range((start, std::ops::Bound::Unbounded));
        range.take_while(move |((other, _), _)| *other == kind).map(|((_, id), stored)| (id, stored))
    }

    /// The records of some kinds that changed after a version, in the order of their last change.
    pub(super) fn since(&self, kinds: &[ObjectKind], version: u64) -> Vec<(ObjectKind, &RemoteId, &Stored)> {
        let mut changed: Vec<_> = self
            .records
            .iter()
            .filter(|((kind, _), stored)| kinds.contains(kind) && stored.version > version)
            .map(|((kind, id), stored)| (*kind, id, stored))
            .collect();
        changed.sort_by_key(|(_, _, stored)| stored.version);
        changed
    }

    /// Puts a record in, under its remote id or a new one, and fills in what the org keeps itself.
    pub(super) fn put(&mut self, mut record: Record) -> RemoteId {
        let kind = record.kind();
        let remote_id = record.remote_id().cloned().unwrap_or_else(|| {
            self.serial += 1;
            RemoteId::from(format!("{kind}-{:08}", self.serial))
        });
        self.version += 1;
        let stamp = Timestamp::now();
        let key = (kind, remote_id.clone());
        let created = self.records.get(&key).and_then(|stored| stored.record.get("remote_created_at"));
        let created = created.map_or(Value::Timestamp(stamp), |value| match value {
            Value::Timestamp(instant) => Value::Timestamp(instant),
            _ => Value::Timestamp(stamp),
        });
        let kept = [
            ("id", Value::Id(compute_id(self.linked_account, kind, remote_id.as_str()))),
            ("remote_id", Value::Text(remote_id.as_str().to_owned().into())),
            ("remote_created_at", created),
            ("remote_updated_at", Value::Timestamp(stamp)),
            ("remote_was_deleted", Value::Boolean(false)),
        ];
        for (field, value) in kept {
            if Record::has_field(kind, field) {
                // The value is of the field's type, so this cannot fail.
                let set = record.set(field, Some(value));
                debug_assert!(set.is_ok(), "{field} does not take its own type");
            }
        }
        self.fill_references(&mut record);
        self.records.insert(key, Stored { record, version: self.version, stamp, gone: None });
        remote_id
    }

    /// Marks a record gone; says whether there was one.
    pub(super) fn remove(&mut self, kind: ObjectKind, remote_id: &RemoteId, reason: GoneReason) -> bool {
        self.version += 1;
        let version = self.version;
        let Some(stored) = self.records.get_mut(&(kind, remote_id.clone())) else { return false };
        let known = stored.gone.is_none();
        stored.gone = Some(reason);
        stored.version = version;
        stored.stamp = Timestamp::now();
        known
    }

    /// The row that a stored record shows as.
    pub(super) fn row(kind: ObjectKind, remote_id: &RemoteId, stored: &Stored) -> Row {
        let raw = RawRecord::new(kind.as_str(), &stored.record.to_json());
        let live = LiveRow::new(stored.record.clone()).with_stamp(Some(stored.stamp)).with_raw(raw);
        match &stored.gone {
            None => Row::Live(live),
            Some(GoneReason::NotVisible) => {
                Row::Gone(Gone::new(kind, remote_id.clone(), GoneReason::NotVisible))
            }
            Some(reason) => Row::Gone(
                Gone::new(kind, remote_id.clone(), reason.clone())
                    .with_stamp(Some(stored.stamp))
                    .with_last(live),
            ),
        }
    }

    /// Gives every reference that has a remote id its unified id.
    fn fill_references(&self, record: &mut Record) {
        let mut references = Vec::new();
        record.visit(&mut |field, value| {
            if let (FieldType::Reference(kind), Some(Value::Reference { remote_id: Some(remote_id), .. })) =
                (field.ty, value)
            {
                references.push((field.name, kind, remote_id));
            }
        });
        for (field, kind, remote_id) in references {
            let id = Some(compute_id(self.linked_account, kind, remote_id.as_str()));
            let set = record.set(field, Some(Value::Reference { id, remote_id: Some(remote_id) }));
            debug_assert!(set.is_ok(), "{field} does not take a reference");
        }
        if let Record::Engagement(Engagement { contacts, .. }) = record {
            for contact in contacts {
                if let Some(remote_id) = contact.remote_id().cloned() {
                    *contact = Ref::remote(self.linked_account, remote_id);
                }
            }
        }
    }
}
