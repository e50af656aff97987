//! Who belongs to whom, as arithmetic in both directions: nothing of what was generated is remembered.

use jiff::civil::Date;

use super::draw::{DAY, Draw, Kind, at, day};
use super::generate::{SeedPlan, Volumes};

/// Spreads children over parents so that each parent's children can be listed without a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    parents: u64,
    stride: u64,
    inverse: u64,
    offset: u64,
}

impl Spread {
    pub(crate) fn new(parents: u64, salt: u64) -> Self {
        let parents = parents.max(1);
        let mut stride = (parents * 5 / 8 + 1 + salt).max(1);
        while gcd(stride, parents) != 1 {
            stride += 1;
        }
        let stride = stride % parents.max(2);
        Self { parents, stride, inverse: inverse(stride, parents), offset: salt % parents }
    }

    /// The parent of a child.
    pub(crate) fn parent(&self, child: u64) -> u64 {
        let wide = u128::from(child % self.parents) * u128::from(self.stride) + u128::from(self.offset);
        u64::try_from(wide % u128::from(self.parents)).unwrap_or(0)
    }

    /// The children of a parent, of `total` in all.
    pub(crate) fn children(&self, parent: u64, total: u64) -> impl Iterator<Item = u64> + use<> {
        let step = self.parents;
        let shifted = (parent + self.parents - self.offset) % self.parents;
        let first = u128::from(shifted) * u128::from(self.inverse) % u128::from(self.parents);
        let first = u64::try_from(first).unwrap_or(0);
        let total = if parent < self.parents { total } else { 0 };
        (0..).map(move |round| first + round * step).take_while(move |child| *child < total)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The number that undoes a multiplication by `value`, modulo `modulus`.
fn inverse(value: u64, modulus: u64) -> u64 {
    let (mut old, mut new) = ((i128::from(value), 1_i128), (i128::from(modulus), 0_i128));
    while new.0 != 0 {
        let quotient = old.0 / new.0;
        (old, new) = (new, (old.0 - quotient * new.0, old.1 - quotient * new.1));
    }
    u64::try_from(old.1.rem_euclid(i128::from(modulus))).unwrap_or(0)
}

/// Whom an activity is with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Nobody,
    Contact(u64),
    Lead(u64),
}

/// What an activity is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Nothing,
    Account(u64),
    Opportunity(u64),
    Case(u64),
    Campaign(u64),
}

/// The kinds of activities that a contact's last activity counts.
const ACTIVITIES: [Kind; 5] = [Kind::Task, Kind::Call, Kind::Email, Kind::ListEmail, Kind::Event];

/// All relations of a plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    seed: u64,
    now: i64,
    pub(crate) volumes: Volumes,
    contact_account: Spread,
    deal_account: Spread,
    persons: bool,
}

impl Links {
    pub(crate) fn new(plan: &SeedPlan, volumes: Volumes, now: i64, persons: bool) -> Self {
        Self {
            persons,
            seed: plan.seed,
            now,
            volumes,
            contact_account: Spread::new(volumes.accounts, 3),
            deal_account: Spread::new(volumes.accounts, 11),
        }
    }

    /// The account of a contact, if it has one.
    pub(crate) fn account_of_contact(&self, contact: u64) -> Option<u64> {
        if self.persons && is_person(contact) {
            return Some(person_account(self.volumes.accounts, contact));
        }
        let private = NO_ACCOUNT.contains(&(contact % CONTACT_WHEEL));
        (!private).then(|| live_account(self.contact_account.parent(contact)))
    }

    /// The account of an opportunity, if it has one.
    pub(crate) fn account_of_deal(&self, deal: u64) -> Option<u64> {
        (deal % DEAL_WHEEL != DEAL_NO_ACCOUNT).then(|| live_account(self.deal_account.parent(deal)))
    }

    fn contacts_of_account(&self, account: u64) -> impl Iterator<Item = u64> {
        stand_ins(account, ACCOUNT_WHEEL, ACCOUNT_DEAD)
            .flat_map(move |parent| self.contact_account.children(parent, self.volumes.contacts))
            .filter(move |contact| self.account_of_contact(*contact) == Some(account))
    }

    /// An opportunity of an account that is not deleted.
    fn deal_of_account(&self, account: u64) -> Option<u64> {
        stand_ins(account, ACCOUNT_WHEEL, ACCOUNT_DEAD)
            .flat_map(|parent| self.deal_account.children(parent, self.volumes.deals))
            .find(|deal| self.account_of_deal(*deal) == Some(account) && deal % DEAL_WHEEL != DEAL_DELETED)
    }

    fn contact_spread(&self, kind: Kind) -> Spread {
        Spread::new(self.volumes.contacts, 7 + kind as u64)
    }

    /// Whom the `n`-th activity of a kind is with.
    pub(crate) fn who(&self, kind: Kind, n: u64) -> Who {
        match (kind, n % activity_wheel(kind)) {
            (Kind::Task, 3) | (Kind::Call, 4) | (Kind::Email, 3) | (Kind::Event, 9) => {
                Who::Lead(live_lead(self.lead_spread(kind).parent(n)))
            }
            (Kind::Task, 5 | 6) | (Kind::Call, 2) | (Kind::Event, 14) => Who::Nobody,
            // A series and an invitation share one guest, the first one's.
            (Kind::Event, place @ (4..=6 | 8 | 16 | 17)) => {
                let first = match place {
                    4..=6 => 3,
                    8 => 7,
                    _ => 15,
                };
                self.who(kind, n - (place - first))
            }
            (Kind::Task, 15) => self.who(kind, n - 1),
            _ => Who::Contact(live_contact(self.contact_spread(kind).parent(n))),
        }
    }

    fn lead_spread(&self, kind: Kind) -> Spread {
        Spread::new(self.volumes.leads, 5 + kind as u64)
    }

    /// What the `n`-th activity of a kind is about.
    pub(crate) fn what(&self, kind: Kind, n: u64) -> What {
        match (kind, n % activity_wheel(kind)) {
            (Kind::ListEmail, _) => return What::Nothing,
            (Kind::Task, 4) | (Kind::Email, 8) => return What::Case(n % self.volumes.cases),
            (Kind::Task, 5) => return What::Campaign(n % self.volumes.campaigns),
            (Kind::Task, 2 | 6) | (Kind::Call, 0 | 2) | (Kind::Email, 1) | (Kind::Event, 0 | 14) => {
                return What::Nothing;
            }
            _ => {}
        }
        let Who::Contact(contact) = self.who(kind, n) else { return What::Nothing };
        let Some(account) = self.account_of_contact(contact) else { return What::Nothing };
        match self.deal_of_account(account) {
            Some(deal) if n % 3 != 1 => What::Opportunity(deal),
            _ => What::Account(account),
        }
    }

    /// The account that follows from what an activity is about, or whom it is with.
    pub(crate) fn account(&self, kind: Kind, n: u64) -> Option<u64> {
        match self.what(kind, n) {
            What::Account(account) => Some(account),
            What::Opportunity(deal) => self.account_of_deal(deal),
            What::Nothing | What::Campaign(_) | What::Case(_) => match self.who(kind, n) {
                Who::Contact(contact) => self.account_of_contact(contact),
                _ => None,
            },
        }
    }

    /// The second of an activity: the past year, archived ones before that, some in the future. Occurrences follow
    /// their master; the copy of an invitation is at the same time.
    pub(crate) fn second(&self, kind: Kind, n: u64) -> i64 {
        if kind == Kind::Event {
            let (behind, step) = match n % EVENT_WHEEL {
                place @ 4..=6 => (place - 3, 7 * DAY),
                8 => (1, 0),
                place @ (16 | 17) => (place - 15, DAY),
                _ => (0, 0),
            };
            return self.own_second(kind, n - behind) + i64::try_from(behind).unwrap_or(0) * step;
        }
        self.own_second(kind, n)
    }

    fn own_second(&self, kind: Kind, n: u64) -> i64 {
        let mut draw = Draw::new(self.seed ^ kind as u64, Kind::ActivityDate, n);
        let minute = draw.number(8 * 60, 18 * 60) / 15 * 15 * 60;
        let days = match (kind, n % activity_wheel(kind)) {
            (Kind::Task | Kind::Call | Kind::Email | Kind::Event, place)
                if Some(place) == archived_place(kind) =>
            {
                -draw.number(400, 1200)
            }
            (Kind::Task, 9) | (Kind::Event, 19) => draw.number(1, 60),
            (Kind::Task, 10) => -draw.number(1, 30),
            _ => -draw.number(1, 360),
        };
        (self.now / DAY + days) * DAY + minute
    }

    /// Whether an activity is in the recycle bin.
    pub(crate) fn deleted(&self, kind: Kind, n: u64) -> bool {
        matches!(
            (kind, n % activity_wheel(kind)),
            (Kind::Task, 7) | (Kind::Call, 6) | (Kind::Email, 5) | (Kind::Event, 13)
        )
    }

    /// Whether an activity is old enough to be archived.
    pub(crate) fn archived(&self, kind: Kind, n: u64) -> bool {
        Some(n % activity_wheel(kind)) == archived_place(kind)
    }

    /// Whether an activity is over: a closed task, a past event.
    pub(crate) fn closed(&self, kind: Kind, n: u64) -> bool {
        match kind {
            Kind::Task => !matches!(n % TASK_WHEEL, 9..=14),
            Kind::Call => n % CALL_WHEEL != 3,
            _ => self.second(kind, n) < self.now,
        }
    }

    fn days_with(&self, contact: u64) -> impl Iterator<Item = (Kind, u64, Date)> {
        ACTIVITIES.into_iter().flat_map(move |kind| {
            let total = self.volumes.of(kind);
            let spread = self.contact_spread(kind);
            stand_ins(contact, CONTACT_WHEEL, CONTACT_DEAD)
                .flat_map(move |parent| spread.children(parent, total))
                .flat_map(move |n| n..total.min(n + 1 + followers(kind, n)))
                .filter(move |n| {
                    self.who(kind, *n) == Who::Contact(contact)
                        && !self.deleted(kind, *n)
                        && self.closed(kind, *n)
                })
                .map(move |n| (kind, n, day(at(self.second(kind, n)))))
        })
    }

    /// The day of a contact's last activity.
    pub(crate) fn last_with_contact(&self, contact: u64) -> Option<Date> {
        self.days_with(contact).map(|(_, _, day)| day).max()
    }

    /// The day of an account's last activity, with whichever of its contacts.
    pub(crate) fn last_with_account(&self, account: u64) -> Option<Date> {
        self.contacts_of_account(account)
            .flat_map(|contact| self.days_with(contact))
            .filter(|(kind, n, _)| self.account(*kind, *n) == Some(account))
            .map(|(_, _, day)| day)
            .max()
    }

    /// The day of the last activity about an opportunity.
    pub(crate) fn last_about_deal(&self, deal: u64) -> Option<Date> {
        let account = self.account_of_deal(deal)?;
        self.contacts_of_account(account)
            .flat_map(|contact| self.days_with(contact))
            .filter(|(kind, n, _)| self.what(*kind, *n) == What::Opportunity(deal))
            .map(|(_, _, day)| day)
            .max()
    }

    /// A second contact of the same account, for meetings and calls of three.
    pub(crate) fn colleague(&self, contact: u64) -> Option<u64> {
        let account = self.account_of_contact(contact)?;
        self.contacts_of_account(account).find(|other| *other != contact && live_contact(*other) == *other)
    }
}

/// Every twentieth contact is a person account where the org has those.
pub(crate) fn is_person(contact: u64) -> bool {
    contact % 20 == 19
}

/// The account of such a contact: person accounts follow the business ones.
pub(crate) fn person_account(accounts: u64, contact: u64) -> u64 {
    accounts + contact / 20
}

/// Places of the wheels: the `n`-th record of a kind takes the shape of place `n` modulo the wheel's size, so that
/// even a small org has every shape.
pub(crate) const ACCOUNT_WHEEL: u64 = 25;
pub(crate) const CONTACT_WHEEL: u64 = 40;
pub(crate) const LEAD_WHEEL: u64 = 25;
pub(crate) const DEAL_WHEEL: u64 = 25;
pub(crate) const TASK_WHEEL: u64 = 25;
pub(crate) const CALL_WHEEL: u64 = 20;
pub(crate) const EMAIL_WHEEL: u64 = 20;
pub(crate) const EVENT_WHEEL: u64 = 20;

pub(crate) const NO_ACCOUNT: [u64; 2] = [3, 7];
pub(crate) const DEAL_NO_ACCOUNT: u64 = 6;
pub(crate) const DEAL_DELETED: u64 = 9;

/// The deleted one and the merged one, both after the record that stands in for them.
pub(crate) const ACCOUNT_DEAD: [u64; 2] = [9, 10];
pub(crate) const CONTACT_DEAD: [u64; 2] = [11, 12];
pub(crate) const LEAD_DEAD: [u64; 2] = [11, 12];

/// Size of the wheel of an activity.
pub(crate) fn activity_wheel(kind: Kind) -> u64 {
    match kind {
        Kind::Call => CALL_WHEEL,
        Kind::Email => EMAIL_WHEEL,
        Kind::Event => EVENT_WHEEL,
        _ => TASK_WHEEL,
    }
}

/// Records right behind the `n`-th that share its guest: occurrences of a series, the copy of an invited user.
fn followers(kind: Kind, n: u64) -> u64 {
    match (kind, n % activity_wheel(kind)) {
        (Kind::Event, 3) => 3,
        (Kind::Event, 15) => 2,
        (Kind::Event, 7) | (Kind::Task, 14) => 1,
        _ => 0,
    }
}

fn archived_place(kind: Kind) -> Option<u64> {
    match kind {
        Kind::Task => Some(8),
        Kind::Call => Some(7),
        Kind::Email => Some(4),
        Kind::Event => Some(12),
        _ => None,
    }
}

fn live(n: u64, wheel: u64, dead: [u64; 2]) -> u64 {
    if dead.contains(&(n % wheel)) { n - (n % wheel - dead[0]) - 1 } else { n }
}

/// The account itself, or the one before when it was deleted or merged.
pub(crate) fn live_account(n: u64) -> u64 {
    live(n, ACCOUNT_WHEEL, ACCOUNT_DEAD)
}

/// The contact itself, or the one before when it was deleted or merged.
pub(crate) fn live_contact(n: u64) -> u64 {
    live(n, CONTACT_WHEEL, CONTACT_DEAD)
}

/// The lead itself, or the one before when it was deleted or merged.
pub(crate) fn live_lead(n: u64) -> u64 {
    live(n, LEAD_WHEEL, LEAD_DEAD)
}

/// The record and those that it stands in for.
fn stand_ins(n: u64, wheel: u64, dead: [u64; 2]) -> impl Iterator<Item = u64> {
    let more = if n % wheel + 1 == dead[0] { 2 } else { 0 };
    n..=n + more
}
