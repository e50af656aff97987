//! The org being generated: sizes, ids, stamps, and the way out for rows.

use jiff::Timestamp;

use super::RowSink;
use super::draw::{DAY, Draw, Kind, at};
use super::generate::{SeedPlan, Volumes};
use super::links::Links;
use crate::SalesforceError;
use crate::org::{Record, Value};
use crate::schema::ids::salesforce_id;
use crate::schema::{Features, Schema};

/// Users besides the administrator. The last two are inactive.
pub(crate) const USERS: u64 = 12;

/// Inactive ones among them, the last.
pub(crate) const INACTIVE_USERS: u64 = 2;

/// Everything that the files of the generator share.
pub(crate) struct World<'a> {
    pub(crate) plan: &'a SeedPlan,
    pub(crate) volumes: Volumes,
    pub(crate) schema: &'a Schema,
    pub(crate) now: i64,
    sink: &'a mut RowSink<'a>,
    rows: u64,
    task_relations: u64,
    event_relations: u64,
}

/// When and by whom a record was made and changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamps {
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) system: i64,
    creator: u64,
    modifier: u64,
}

/// Years back to which records reach.
const AGE: i64 = 4 * 365 * DAY;

impl<'a> World<'a> {
    pub(crate) fn new(
        plan: &'a SeedPlan,
        schema: &'a Schema,
        now: Timestamp,
        sink: &'a mut RowSink<'a>,
    ) -> Self {
        Self {
            plan,
            volumes: plan.volumes(),
            schema,
            now: now.as_second(),
            sink,
            rows: 0,
            task_relations: 0,
            event_relations: 0,
        }
    }

    pub(crate) fn features(&self) -> &Features {
        self.schema.features()
    }

    /// Rows written so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether the org has the object.
    pub(crate) fn has(&self, object: &str) -> bool {
        self.schema.object(object).is_some()
    }

    /// Passes one row on.
    pub(crate) fn write(&mut self, object: &str, record: Record) -> Result<(), SalesforceError> {
        self.rows += 1;
        (self.sink)(object, record)
    }

    pub(crate) fn draw(&self, kind: Kind, n: u64) -> Draw {
        Draw::new(self.plan.seed, kind, n)
    }

    /// A record with Id, IsDeleted, owner, stamps and currency.
    pub(crate) fn record(&self, prefix: &str, n: u64, draw: &mut Draw, stamps: Stamps) -> Record {
        let mut record = Record::new();
        record.set("Id", salesforce_id(prefix, n + 1));
        stamps.write(&mut record);
        if self.features().multi_currency {
            record.set("CurrencyIsoCode", currency(n));
        }
        record.set("OwnerId", owner(draw));
        record
    }

    /// Stamps of the `n`-th record: some years of creation, and now and then a mass update that gives a row of
    /// records one stamp.
    pub(crate) fn stamps(&self, draw: &mut Draw, n: u64) -> Stamps {
        let created = self.now - draw.number(2 * DAY, AGE);
        let modified = if draw.chance(40) { created } else { created + draw.number(0, self.now - created) };
        let mut stamps =
            Stamps { created, modified, system: modified, creator: creator(draw), modifier: creator(draw) };
        let block = i64::try_from(n / 50 % 1000).unwrap_or(0);
        match n % 50 {
            // A data load of one transaction: eight records with one stamp.
            40..48 => {
                let load = self.now - DAY - block * 7919;
                stamps.modified = load.max(created);
                stamps.system = stamps.modified;
                if created > load {
                    stamps.created = load;
                    stamps.modified = load;
                    stamps.system = load;
                }
            }
            // The system touches a record without a user changing it.
            30 => stamps.system = (modified + DAY / 2).min(self.now - 60),
            _ => {}
        }
        stamps
    }

    /// Stamps of an activity: entered some days before, and changed last when it was over.
    pub(crate) fn activity_stamps(&self, draw: &mut Draw, n: u64, second: i64, closed: bool) -> Stamps {
        let created = (second - draw.number(0, 10 * DAY)).min(self.now - 7200);
        let mut stamps = Stamps::once(created, draw);
        if closed {
            stamps.modified = second.clamp(created, self.now - 60);
            stamps.system = stamps.modified;
        }
        if n % 50 >= 42 {
            // A nightly job touched a row of them.
            let job = self.now - DAY / 2 - i64::try_from(n / 50 % 1000).unwrap_or(0) * 3600;
            stamps.system = stamps.system.max(job);
        }
        stamps
    }

    /// How the plan's records hang together.
    pub(crate) fn links(&self) -> Links {
        Links::new(self.plan, self.volumes, self.now, self.features().person_accounts)
    }

    /// The number of the next TaskRelation row.
    pub(crate) fn next_task_relation(&mut self) -> u64 {
        self.task_relations += 1;
        self.task_relations
    }

    /// The number of the next EventRelation row.
    pub(crate) fn next_event_relation(&mut self) -> u64 {
        self.event_relations += 1;
        self.event_relations
    }
}

impl Stamps {
    /// Stamps of a record that is made at that second and not changed since.
    pub(crate) fn once(second: i64, draw: &mut Draw) -> Self {
        let creator = creator(draw);
        Self { created: second, modified: second, system: second, creator, modifier: creator }
    }

    /// Writes the five audit fields.
    pub(crate) fn write(self, record: &mut Record) {
        record.set("CreatedDate", at(self.created));
        record.set("CreatedById", user_id(self.creator));
        record.set("LastModifiedDate", at(self.modified));
        record.set("LastModifiedById", user_id(self.modifier));
        record.set("SystemModstamp", at(self.system));
        record.set("IsDeleted", false);
    }
}

/// Id of the administrator (0) or of a user.
pub(crate) fn user_id(n: u64) -> String {
    salesforce_id("005", n + 1)
}

fn currency(n: u64) -> &'static str {
    match n % 6 {
        3 => "EUR",
        4 => "GBP",
        5 => "JPY",
        _ => "USD",
    }
}

fn creator(draw: &mut Draw) -> u64 {
    if draw.chance(15) {
        0
    } else {
        u64::try_from(draw.number(1, 1 + i64::try_from(USERS).unwrap_or(1))).unwrap_or(0)
    }
}

/// An active user.
pub(crate) fn owner(draw: &mut Draw) -> Value {
    let active = i64::try_from(USERS - INACTIVE_USERS).unwrap_or(1);
    user_id(u64::try_from(draw.number(1, 1 + active)).unwrap_or(1)).into()
}

/// A user who left.
pub(crate) fn inactive_owner(n: u64) -> Value {
    user_id(USERS - n % INACTIVE_USERS).into()
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("plan", self.plan).field("rows", &self.rows).finish_non_exhaustive()
    }
}
