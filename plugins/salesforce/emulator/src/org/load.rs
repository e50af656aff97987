//! Filling the org in bulk: generated and imported rows, without the checks that an API write passes.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

use super::db::storage;
use super::dml::{Context, derive, remove};
use super::record::Record;
use super::{Org, row};
use crate::error::SalesforceError;
use crate::schema::Schema;

/// Rows between two commits.
const BATCH: usize = 10_000;

/// Takes rows, one after the other. Fields are given by API name; whatever is absent is filled in as Salesforce would:
/// Id, owner, stamps, defaults and derived fields. A field that is given is kept as it is. Rows that go with others
/// (relations of activities, documents of notes) are rows of their own here.
#[derive(Debug)]
pub(crate) struct BulkLoader<'a> {
    org: &'a Org,
    conn: &'a Connection,
    schema: Arc<Schema>,
    /// The insert statement of each object seen so far.
    statements: HashMap<String, String>,
    since_commit: usize,
}

impl Org {
    /// Runs `fill` with a loader; what was loaded before an error stays.
    pub(crate) fn load<T>(
        &self,
        fill: impl FnOnce(&mut BulkLoader<'_>) -> Result<T, SalesforceError>,
    ) -> Result<T, SalesforceError> {
        self.db.write(|conn| {
            fill(&mut BulkLoader {
                org: self,
                conn,
                schema: self.schema(),
                statements: HashMap::new(),
                since_commit: 0,
            })
        })
    }
}

impl BulkLoader<'_> {
    /// The org's schema.
    pub(crate) fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema)
    }

    /// The org's time, which generated dates are relative to.
    pub(crate) fn now(&self) -> Timestamp {
        self.org.clock.now()
    }

    /// The id of the administrator whom the API runs as.
    pub(crate) fn admin_id(&self) -> &str {
        &self.org.user_id
    }

    /// Inserts one row and gives its id.
    pub(crate) fn insert(&mut self, object: &str, mut record: Record) -> Result<String, SalesforceError> {
        let schema = Arc::clone(&self.schema);
        let object = schema.object(object).ok_or_else(|| {
            SalesforceError::internal(format!(
                "the rows to load name the object {object}, which this org does not have"
            ))
        })?;
        let context = Context::new(self.org, self.conn, Arc::clone(&schema));
        match record.text("Id") {
            Some(id) => self.org.note_id(id),
            None => record.set("Id", self.org.allot(&schema, &object.name)?),
        }
        derive::fill_new(&context, object, &mut record)?;
        let sql = match self.statements.get(&object.name) {
            Some(sql) => sql,
            None => self.statements.entry(object.name.clone()).or_insert_with(|| row::insert_sql(object)),
        };
        row::insert_by(self.conn, sql, object, &record)?;
        if record.is_true("IsDeleted") {
            remove::note_loaded_deletion(&context, object, &record)?;
        }
        self.since_commit += 1;
        if self.since_commit >= BATCH {
            self.since_commit = 0;
            self.conn.execute_batch("COMMIT; BEGIN IMMEDIATE").map_err(storage)?;
        }
        Ok(record.text("Id").unwrap_or_default().to_owned())
    }
}
