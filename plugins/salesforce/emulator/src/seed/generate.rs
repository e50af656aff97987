//! The generator: an org of any size, row by row, in constant memory.
//!
//! Every reference is computed from numbers, so a million contacts need no more memory than ten. Kinds of records turn
//! on wheels (see `links`): each shape that a reader of the org must tell apart comes up within the first few rows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::draw::Kind;
use super::world::World;
use super::{RowSink, activities, deals, emails, events, notes, people};
use crate::SalesforceError;
use crate::schema::Schema;

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SeedPlan {
    /// The same seed, sizes and clock give the same org, bit by bit.
    pub seed: u64,
    /// Number of contacts; everything else follows from it.
    pub contacts: u64,
}

impl Default for SeedPlan {
    fn default() -> Self {
        Self { seed: 1, contacts: 2_500 }
    }
}

/// Numbers of records that follow from a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Volumes {
    /// Contacts.
    pub contacts: u64,
    /// Business accounts.
    pub accounts: u64,
    /// Leads.
    pub leads: u64,
    /// Opportunities.
    pub deals: u64,
    /// Tasks that are neither call nor e-mail.
    pub tasks: u64,
    /// Tasks that are calls.
    pub calls: u64,
    /// Tasks that are e-mails.
    pub emails: u64,
    /// Tasks that are list e-mails.
    pub list_emails: u64,
    /// Events.
    pub events: u64,
    /// Classic notes.
    pub notes: u64,
    /// Enhanced notes.
    pub content_notes: u64,
    /// Files that are no notes.
    pub files: u64,
    /// Campaigns.
    pub campaigns: u64,
    /// Cases.
    pub cases: u64,
}

impl SeedPlan {
    /// The numbers of records; each kind gets at least one turn of its wheel.
    #[must_use]
    pub(crate) fn volumes(&self) -> Volumes {
        let share = |per_mille: u64, least: u64| (self.contacts * per_mille / 1000).max(least);
        Volumes {
            contacts: self.contacts.max(40),
            accounts: share(200, 25),
            leads: share(240, 25),
            deals: share(320, 25),
            tasks: share(600, 25),
            calls: share(480, 20),
            emails: share(280, 20),
            list_emails: share(16, 4),
            events: share(360, 20),
            notes: share(120, 20),
            content_notes: share(100, 20),
            files: share(8, 3),
            campaigns: share(4, 3).min(500),
            cases: share(40, 5),
        }
    }
}

impl Volumes {
    pub(crate) fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Task => self.tasks,
            Kind::Call => self.calls,
            Kind::Email => self.emails,
            Kind::ListEmail => self.list_emails,
            Kind::Event => self.events,
            _ => 0,
        }
    }
}

/// Writes all rows of a plan, parents before children, with times relative to `now`. The rows of [`super::setup()`]
/// come before. Gives the number of rows.
///
/// # Errors
/// The first error of the sink.
pub(crate) fn generate<'a>(
    plan: &'a SeedPlan,
    schema: &'a Schema,
    now: Timestamp,
    sink: &'a mut RowSink<'a>,
) -> Result<u64, SalesforceError> {
    let mut world = World::new(plan, schema, now, sink);
    people::users(&mut world)?;
    deals::products_and_campaigns(&mut world)?;
    people::accounts(&mut world)?;
    people::contacts(&mut world)?;
    deals::opportunities(&mut world)?;
    people::leads(&mut world)?;
    deals::cases(&mut world)?;
    deals::campaign_members(&mut world)?;
    activities::tasks(&mut world)?;
    activities::calls(&mut world)?;
    emails::emails(&mut world)?;
    emails::list_emails(&mut world)?;
    events::events(&mut world)?;
    notes::notes(&mut world)?;
    notes::content_notes(&mut world)?;
    notes::files(&mut world)?;
    Ok(world.rows())
}
