//! The org as tests see it: without HTTP, without permissions, without API calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::error::SalesforceError;
use crate::http::{BulkSettings, Server};
use crate::org::dml::{self, Context, Input};
use crate::org::{Conversion, Converted, DuplicateRule, Org, Record, ValidationRule, Value, storage};
use crate::query::{self, Found, UserContext};
use crate::schema::{FieldSchema, ObjectSchema, RecordType, Visibility};

/// Reads and changes the org directly. What it does counts as no API call and shows up in no log.
#[derive(Clone, Debug)]
pub struct OrgHandle {
    server: Arc<Server>,
    /// How long ago the transactions of this handle began.
    age: Duration,
}

type Outcome<T> = Result<T, SalesforceError>;

impl OrgHandle {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self { server, age: Duration::ZERO }
    }

    /// Runs blocking work on the org away from the async threads.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Org) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let server = Arc::clone(&self.server);
        let done = tokio::task::spawn_blocking(move || {
            server.org.settle_permissions()?;
            work(&server.org)
        })
        .await;
        done.map_err(|error| SalesforceError::internal(format!("the org's work was cut off: {error}")))?
    }

    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Context<'_>) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let age = self.age;
        self.run(move |org| {
            org.db.write(|conn| {
                let mut context = Context::new(org, conn, org.schema());
                context.stamp = context.stamp.saturating_sub(age).unwrap_or(context.stamp);
                work(&context)
            })
        })
        .await
    }

    /// The same org for transactions that began `age` ago and commit only now: what they create, change and delete is
    /// stamped with a time that lies behind the stamps of rows which have been visible for a while. Salesforce stamps a row
    /// when it is saved and shows it when its transaction commits.
    #[must_use]
    pub fn committing_late(&self, age: Duration) -> Self {
        Self { age, ..self.clone() }
    }

    /// Creates a record as the API's user would, with all checks and consequences.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn create(&self, object: &str, fields: Json) -> Outcome<String> {
        let (object, input) = (object.to_owned(), input(&fields)?);
        self.change(move |context| dml::create(context, context.object(&object)?, &input)).await
    }

    /// Changes a record as the API's user would.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn update(&self, object: &str, id: &str, fields: Json) -> Outcome<()> {
        let (object, id, input) = (object.to_owned(), id.to_owned(), input(&fields)?);
        self.change(move |context| dml::update(context, context.object(&object)?, &id, &input)).await
    }

    /// Inserts a raw row: what is given is taken as it is, stamps and derived fields included; the rest is filled in.
    ///
    /// # Errors
    /// When there is no such object, or a value does not fit its field.
    pub async fn insert(&self, object: &str, record: Record) -> Outcome<String> {
        let object = object.to_owned();
        self.run(move |org| org.load(|loader| loader.insert(&object, record))).await
    }

    /// Inserts a raw row whose transaction began `age` ago and commits only now: its stamps lie behind those of rows
    /// that are already visible.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub async fn insert_late(&self, object: &str, mut record: Record, age: Duration) -> Outcome<String> {
        let stamp = self.server.org.clock.stamp();
        let stamp = stamp.saturating_sub(age).unwrap_or(stamp);
        for field in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
            record.set(field, stamp);
        }
        self.insert(object, record).await
    }

    /// Writes fields of a row as they are given: no checks, no stamps, no derived fields.
    ///
    /// # Errors
    /// When there is no such object, or a value does not fit its field.
    pub async fn set(&self, object: &str, id: &str, fields: Record) -> Outcome<()> {
        let (object, id) = (object.to_owned(), id.to_owned());
        self.change(move |context| {
            crate::org::update_row(context.conn, known(context, &object)?, &id, &fields)
        })
        .await
    }

    /// Puts a record into the recycle bin.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn delete(&self, object: &str, id: &str) -> Outcome<()> {
        let (object, id) = (object.to_owned(), id.to_owned());
        self.change(move |context| dml::delete(context, known(context, &object)?, &id)).await
    }

    /// Takes a record out of the recycle bin.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn undelete(&self, object: &str, id: &str) -> Outcome<()> {
        let (object, id) = (object.to_owned(), id.to_owned());
        self.change(move |context| dml::undelete(context, known(context, &object)?, &id)).await
    }

    /// Removes a record for good; only `/deleted` still tells of it.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn hard_delete(&self, object: &str, id: &str) -> Outcome<()> {
        let (object, id) = (object.to_owned(), id.to_owned());
        self.change(move |context| dml::purge(context, known(context, &object)?, &id)).await
    }

    /// Empties the recycle bin of everybody, as an administrator does: what was deleted until now is gone for good, and
    /// `/deleted` does not tell of it.
    ///
    /// # Errors
    /// When the tables cannot be written.
    pub async fn empty_recycle_bin(&self) -> Outcome<()> {
        self.change(|context| {
            dml::empty_bin(context)?;
            // Before anybody can see that the list is empty.
            let now = context.org.clock.now();
            context.org.change_replication(|replication| replication.forgotten = Some(now));
            Ok(())
        })
        .await
    }

    /// Lets a transaction run that began then, until another call ends it: `/deleted` is refused where it would have to tell
    /// what the transaction has deleted.
    pub fn run_transaction(&self, since: Option<Timestamp>) {
        self.server.org.change_replication(|replication| replication.running = since);
    }

    /// Merges one or two records into a master.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn merge(&self, object: &str, master: &str, losers: &[&str]) -> Outcome<()> {
        let (object, master) = (object.to_owned(), master.to_owned());
        let losers: Vec<String> = losers.iter().map(|loser| (*loser).to_owned()).collect();
        self.change(move |context| dml::merge(context, known(context, &object)?, &master, &losers)).await
    }

    /// Converts a lead.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn convert(&self, lead: &str, conversion: Conversion) -> Outcome<Converted> {
        let lead = lead.to_owned();
        self.change(move |context| dml::convert_lead(context, &lead, &conversion)).await
    }

    /// All records that a query gives, without pages and without permissions.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn query(&self, soql: &str) -> Outcome<Vec<Json>> {
        self.records(soql, false).await
    }

    /// The same, with the recycle bin and the archive.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn query_all(&self, soql: &str) -> Outcome<Vec<Json>> {
        self.records(soql, true).await
    }

    async fn records(&self, soql: &str, all_rows: bool) -> Outcome<Vec<Json>> {
        let soql = soql.to_owned();
        self.run(move |org| {
            let user = UserContext { user_id: org.user_id.clone() };
            let everything = Visibility::administrator();
            let prepared =
                query::prepare(&org.schema(), &everything, &soql, all_rows, org.clock.now(), &user)?;
            let mut body = vec![b'['];
            org.db.read(|conn| {
                match prepared.materialise(conn)? {
                    Found::Count(count) => {
                        body.extend_from_slice(format!("{{\"totalSize\":{count}}}").as_bytes())
                    }
                    Found::Aggregate(_, records) => body.extend_from_slice(&records),
                    Found::Rows(rows) => {
                        let rows = (0..rows.len()).filter_map(|at| rows.get(at));
                        prepared.render(conn, rows, "66.0", &mut body)?;
                    }
                }
                Ok(())
            })?;
            body.push(b']');
            serde_json::from_slice(&body).map_err(|error| SalesforceError::internal(error.to_string()))
        })
        .await
    }

    /// A row with all its fields, deleted or not.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn get(&self, object: &str, id: &str) -> Outcome<Option<Record>> {
        let (object, id) = (object.to_owned(), id.to_owned());
        self.run(move |org| org.find(&object, &id)).await
    }

    /// Number of rows of an object, those in the recycle bin left out.
    ///
    /// # Errors
    /// When there is no such object.
    pub async fn count(&self, object: &str) -> Outcome<u64> {
        let name = object.to_owned();
        self.run(move |org| {
            let schema = org.schema();
            let object = schema.object(&name).ok_or_else(SalesforceError::no_such_resource)?;
            let live = if object.field("IsDeleted").is_some() { " WHERE \"IsDeleted\"=0" } else { "" };
            let sql = format!("SELECT COUNT(*) FROM \"{}\"{live}", object.name);
            let count: i64 =
                org.db.read(|conn| conn.query_row(&sql, [], |row| row.get(0)).map_err(storage))?;
            Ok(u64::try_from(count).unwrap_or_default())
        })
        .await
    }

    /// Ids and the values of some fields of all rows of an object, deleted ones included, ordered by id.
    ///
    /// # Errors
    /// When there is no such object or field.
    pub async fn table(&self, object: &str, fields: &[&str]) -> Outcome<Vec<(String, Vec<Value>)>> {
        let object = object.to_owned();
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        self.run(move |org| {
            let schema = org.schema();
            let object = schema.object(&object).ok_or_else(SalesforceError::no_such_resource)?;
            org.db.read(|conn| crate::org::table(conn, object, &fields))
        })
        .await
    }

    /// Changes what the API's user may see and change.
    pub fn set_visibility(&self, visibility: Visibility) {
        self.server.org.change_visibility(|current| *current = visibility);
    }

    /// Deploys a permission set (Metadata API XML) and assigns it to the API's user, on top of what that user has. Task, Event
    /// and what belongs to them follow the permissions `ActivitiesAccess`, `EditTask` and `EditEvent`; notes and files follow
    /// the records that they hang on.
    ///
    /// # Errors
    /// What a deployment answers: an object or field that is not there or cannot be granted, a missing dependency.
    pub fn deploy_permission_set(&self, xml: &str) -> Result<(), SalesforceError> {
        self.server.org.deploy_permission_set(xml)
    }

    /// What the API's user may see and change.
    #[must_use]
    pub fn visibility(&self) -> Visibility {
        Visibility::clone(&self.server.org.visibility())
    }

    /// Takes a field out of the API user's sight.
    pub fn hide_field(&self, object: &str, field: &str) {
        self.server.org.hide_field(object, field);
    }

    /// Takes an object out of the API user's sight.
    pub fn hide_object(&self, object: &str) {
        self.server.org.hide_object(object);
    }

    /// Gives a field back to the API user's sight.
    pub fn show_field(&self, object: &str, field: &str) {
        self.server.org.show_field(object, field);
    }

    /// Gives an object back to the API user's sight, with all permissions.
    pub fn show_object(&self, object: &str) {
        self.server.org.show_object(object);
    }

    /// Lets sharing keep a record from the API's user: queries, reads by id and replication answer as if there were no such
    /// record, and nothing says that it is gone.
    pub fn hide_record(&self, id: &str) {
        self.server.org.change_sharing(|visibility| {
            visibility.hidden_records.insert(id.to_owned());
        });
    }

    /// Shares a record with the API's user again. Its stamps stay as they are.
    pub fn show_record(&self, id: &str) {
        self.server.org.change_sharing(|visibility| {
            visibility.hidden_records.remove(id);
        });
    }

    /// Adds a custom object.
    ///
    /// # Errors
    /// When there is one of this name.
    pub async fn add_object(&self, object: ObjectSchema) -> Outcome<()> {
        self.run(move |org| org.change_schema(|schema| schema.add_object(object))).await
    }

    /// Adds a custom field.
    ///
    /// # Errors
    /// When there is no such object, or there is a field of this name.
    pub async fn add_field(&self, object: &str, field: FieldSchema) -> Outcome<()> {
        let object = object.to_owned();
        self.run(move |org| org.change_schema(|schema| schema.add_field(&object, field))).await
    }

    /// Removes a custom field and its data.
    ///
    /// # Errors
    /// When there is no such field, or the org did not add it.
    pub async fn remove_field(&self, object: &str, field: &str) -> Outcome<()> {
        let (object, field) = (object.to_owned(), field.to_owned());
        self.run(move |org| org.change_schema(|schema| schema.remove_field(&object, &field))).await
    }

    /// Adds a record type to an object, with its row in RecordType.
    ///
    /// # Errors
    /// When there is no such object.
    pub async fn add_record_type(&self, object: &str, kind: RecordType) -> Outcome<()> {
        let name = object.to_owned();
        let row = Record::new()
            .with("Id", kind.id.as_str())
            .with("Name", kind.name.as_str())
            .with("DeveloperName", kind.developer_name.as_str())
            .with("SobjectType", name.as_str())
            .with("IsActive", kind.active);
        self.run(move |org| org.change_schema(|schema| schema.add_record_type(&name, kind))).await?;
        self.insert("RecordType", row).await?;
        Ok(())
    }

    /// Adds a validation rule: what fulfils its condition cannot be saved.
    ///
    /// # Errors
    /// When the object or a field of the condition does not exist.
    pub async fn add_validation_rule(&self, rule: ValidationRule) -> Outcome<()> {
        self.run(move |org| org.add_validation_rule(rule)).await
    }

    /// Takes all duplicate rules and validation rules away.
    pub fn clear_rules(&self) {
        self.server.org.clear_rules();
    }

    /// Lets the next changes of a record, and of records that come to refer to it, fail with `UNABLE_TO_LOCK_ROW`.
    pub fn lock_record(&self, id: &str, times: u64) {
        self.server.org.lock_record(id, times);
    }

    /// Adds a duplicate rule: a create that it finds a match for is refused, unless its caller allows duplicates.
    pub fn add_duplicate_rule(&self, rule: DuplicateRule) {
        self.server.org.add_duplicate_rule(rule);
    }

    /// The time in the org.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.server.org.clock.now()
    }

    /// Moves the org's clock forward: sessions, locators and quotas run out as they would.
    pub fn advance_clock(&self, by: Duration) {
        self.server.org.clock.advance(by);
    }

    /// Stops the org's clock, or lets it run on.
    pub fn freeze_clock(&self, frozen: bool) {
        self.server.org.clock.freeze(frozen);
    }

    /// Ends all sessions; refresh tokens stay good.
    pub fn revoke_sessions(&self) {
        self.server.tokens.end_all_sessions();
    }

    /// Withdraws the app's access: all sessions end and all refresh tokens are refused.
    pub fn revoke_access(&self) {
        self.server.tokens.revoke_everything();
    }

    /// Sets how many API calls a day has.
    pub fn set_daily_api_requests(&self, calls: u64) {
        self.server.usage.set_max(calls);
    }

    /// Forgets the API calls of the last 24 hours.
    pub fn reset_api_usage(&self) {
        self.server.usage.reset();
    }

    /// API calls of the last 24 hours.
    #[must_use]
    pub fn api_usage(&self) -> u64 {
        self.server.usage.state(self.now()).0
    }

    /// For how long the search index does not know of a change. Salesforce takes some seconds, on bad days minutes; here it
    /// is up to date at once unless told otherwise.
    pub fn delay_search(&self, by: Duration) {
        let delay = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.server.org.search_delay.store(delay, Ordering::Relaxed);
    }

    /// How many locators a user may hold open, and for how long one may lie unused.
    pub fn limit_locators(&self, open: usize, idle: Option<Duration>) {
        self.server.limit_locators(open, idle);
    }

    /// Changes how bulk jobs behave: how long they take, how large pages are, what the day's limits are.
    pub fn set_bulk(&self, settings: BulkSettings) {
        self.server.bulk.configure(settings);
    }

    /// How bulk jobs behave.
    #[must_use]
    pub fn bulk(&self) -> BulkSettings {
        self.server.bulk.settings()
    }

    /// Id of the Organization row.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.server.org.org_id
    }

    /// Id of the API's user.
    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.server.org.user_id
    }
}

fn known<'c>(context: &'c Context<'_>, object: &str) -> Outcome<&'c ObjectSchema> {
    context.schema.object(object).ok_or_else(SalesforceError::no_such_resource)
}

fn input(fields: &Json) -> Outcome<Input> {
    serde_json::from_str(&fields.to_string())
        .map_err(|error| SalesforceError::new(400, "JSON_PARSER_ERROR", error.to_string()))
}
