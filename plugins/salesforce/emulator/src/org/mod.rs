//! The org: its tables, ids, clock and permissions, and the rules by which its records change.

mod access;
mod clock;
mod db;
pub(crate) mod dml;
mod id;
mod load;
mod permission_set;
mod permissions;
mod record;
mod row;
mod value;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::Timestamp;

pub use dml::{Conversion, Converted, DuplicateRule, ValidationRule};
pub use record::Record;
pub use value::Value;

pub(crate) use clock::Clock;
pub(crate) use db::{Database, savepoint, storage};
pub(crate) use load::BulkLoader;
pub(crate) use row::{columns, table, update as update_row};

use crate::error::SalesforceError;
use crate::query::ddl::{add_column_sql, create_table_sql, drop_column_sql};
use crate::schema::{Schema, Visibility};
use id::IdSequence;

/// What keeps lists of changes from being whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Replication {
    /// What was deleted before is not known any more.
    pub(crate) forgotten: Option<Timestamp>,
    /// A transaction that began then is not at its end.
    pub(crate) running: Option<Timestamp>,
}

/// One org with all its data.
#[derive(Debug)]
pub(crate) struct Org {
    schema: RwLock<Arc<Schema>>,
    visibility: RwLock<Arc<Visibility>>,
    metadata_changed: Mutex<Timestamp>,
    /// Whether the permission rows lag behind the permissions.
    permissions_changed: AtomicBool,
    /// The tables.
    pub(crate) db: Database,
    /// The time in the org.
    pub(crate) clock: Clock,
    ids: Mutex<IdSequence>,
    duplicate_rules: Mutex<Vec<DuplicateRule>>,
    validation_rules: Mutex<Vec<ValidationRule>>,
    /// Records that somebody else holds, and how many more changes of each fail.
    locked: Mutex<HashMap<String, u64>>,
    replication: Mutex<Replication>,
    /// Milliseconds for which a change is not in the search index.
    pub(crate) search_delay: AtomicU64,
    /// Id of the Organization row.
    pub(crate) org_id: String,
    /// Id of the user whom the API runs as.
    pub(crate) user_id: String,
}

impl Org {
    /// An org with empty tables.
    pub(crate) fn new(
        schema: Schema,
        db: Database,
        start: Option<Timestamp>,
    ) -> Result<Self, SalesforceError> {
        let mut ids = IdSequence::default();
        let org_id = ids.next("00D");
        let user_id = ids.next("005");
        db.write(|conn| {
            for object in schema.objects() {
                conn.execute_batch(&create_table_sql(object)).map_err(storage)?;
            }
            conn.execute_batch(
                "CREATE TABLE \"_deleted\" (object TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL);
                 CREATE INDEX \"_deleted_at\" ON \"_deleted\" (object, at);
                 CREATE TABLE \"_recycled\" (root TEXT NOT NULL, object TEXT NOT NULL, id TEXT NOT NULL);
                 CREATE INDEX \"_recycled_root\" ON \"_recycled\" (root);",
            )
            .map_err(storage)
        })?;
        let clock = Clock::new(start);
        Ok(Self {
            metadata_changed: Mutex::new(clock.stamp()),
            permissions_changed: AtomicBool::new(false),
            schema: RwLock::new(Arc::new(schema)),
            visibility: RwLock::new(Arc::new(Visibility::administrator())),
            db,
            clock,
            ids: Mutex::new(ids),
            duplicate_rules: Mutex::default(),
            validation_rules: Mutex::default(),
            locked: Mutex::default(),
            replication: Mutex::default(),
            search_delay: AtomicU64::new(0),
            org_id,
            user_id,
        })
    }

    /// The objects and fields as they are now.
    pub(crate) fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the API's user may see and change.
    pub(crate) fn visibility(&self) -> Arc<Visibility> {
        Arc::clone(&self.visibility.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what the API's user may see and change.
    pub(crate) fn change_visibility(&self, change: impl FnOnce(&mut Visibility)) {
        let mut visibility = self.visibility.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut visibility));
        self.permissions_changed.store(true, Ordering::Release);
        self.note_metadata_change();
    }

    /// Changes which records the user sees. No describe and no permission changes with that.
    pub(crate) fn change_sharing(&self, change: impl FnOnce(&mut Visibility)) {
        let mut visibility = self.visibility.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut visibility));
    }

    /// Adds a duplicate rule.
    pub(crate) fn add_duplicate_rule(&self, rule: DuplicateRule) {
        lock(&self.duplicate_rules).push(rule);
    }

    /// The duplicate rules of an object.
    pub(crate) fn duplicate_rules(&self, object: &str) -> Vec<DuplicateRule> {
        lock(&self.duplicate_rules)
            .iter()
            .filter(|rule| rule.object.eq_ignore_ascii_case(object))
            .cloned()
            .collect()
    }

    /// Adds a validation rule, if its condition is one.
    pub(crate) fn add_validation_rule(&self, rule: ValidationRule) -> Result<(), SalesforceError> {
        rule.check(&self.schema(), self.clock.now())?;
        lock(&self.validation_rules).push(rule);
        Ok(())
    }

    /// The validation rules of an object.
    pub(crate) fn validation_rules(&self, object: &str) -> Vec<ValidationRule> {
        let rules = lock(&self.validation_rules);
        rules.iter().filter(|rule| rule.object.eq_ignore_ascii_case(object)).cloned().collect()
    }

    /// Takes all rules away, duplicate rules and validation rules.
    pub(crate) fn clear_rules(&self) {
        lock(&self.duplicate_rules).clear();
        lock(&self.validation_rules).clear();
    }

    /// Lets the next changes of a record fail, so many of them; none is as if nobody held it.
    pub(crate) fn lock_record(&self, id: &str, times: u64) {
        let mut locked = lock(&self.locked);
        if times == 0 {
            locked.remove(id);
        } else {
            locked.insert(id.to_owned(), times);
        }
    }

    /// Whether a change of this record fails because somebody else holds it.
    pub(crate) fn take_lock(&self, id: &str) -> bool {
        let mut locked = lock(&self.locked);
        let Some(times) = locked.get_mut(id) else { return false };
        *times -= 1;
        if *times == 0 {
            locked.remove(id);
        }
        true
    }

    /// What keeps lists of changes from being whole.
    pub(crate) fn replication(&self) -> Replication {
        *lock(&self.replication)
    }

    /// Changes what keeps lists of changes from being whole.
    pub(crate) fn change_replication(&self, change: impl FnOnce(&mut Replication)) {
        change(&mut lock(&self.replication));
    }

    /// When the schema or the user's view of it last changed.
    pub(crate) fn metadata_changed(&self) -> Timestamp {
        *lock(&self.metadata_changed)
    }

    /// Describes changed: a caller that holds one of this very second must still learn of it.
    fn note_metadata_change(&self) {
        let mut changed = lock(&self.metadata_changed);
        let next = changed.saturating_add(jiff::SignedDuration::from_secs(1)).unwrap_or(*changed);
        *changed = next.max(self.clock.stamp());
    }

    /// Changes the schema: new objects get their tables, new fields their columns, and the data of fields that are gone
    /// goes with them.
    pub(crate) fn change_schema(
        &self,
        change: impl FnOnce(&mut Schema) -> Result<(), crate::schema::SchemaError>,
    ) -> Result<(), SalesforceError> {
        // The writer first, then the schema: changes of records take the two in this order.
        self.db.write(|conn| {
            let old = self.schema();
            let mut schema = Schema::clone(&old);
            change(&mut schema)
                .map_err(|error| SalesforceError::new(400, "INVALID_TYPE", error.to_string()))?;
            for object in schema.objects() {
                let Some(old) = old.object(&object.name) else {
                    conn.execute_batch(&create_table_sql(object)).map_err(storage)?;
                    continue;
                };
                for field in columns(object).filter(|field| old.field(&field.name).is_none()) {
                    conn.execute_batch(&add_column_sql(object, field)).map_err(storage)?;
                }
                for field in columns(old).filter(|field| object.field(&field.name).is_none()) {
                    conn.execute_batch(&drop_column_sql(old, field)).map_err(storage)?;
                }
            }
            *self.schema.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(schema);
            Ok(())
        })?;
        self.note_metadata_change();
        Ok(())
    }

    /// Allots an id for a new record.
    pub(crate) fn allot(&self, schema: &Schema, object: &str) -> Result<String, SalesforceError> {
        let prefix = schema.object(object).and_then(|object| object.key_prefix.clone());
        Ok(lock(&self.ids).next(prefix.as_deref().unwrap_or("000")))
    }

    /// Keeps allotted ids apart from one that came with loaded data.
    pub(crate) fn note_id(&self, id: &str) {
        lock(&self.ids).skip(id);
    }
}

/// Locks a mutex; data behind a poisoned one is still whole, because every change is made in one step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
