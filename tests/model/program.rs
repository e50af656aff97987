//! Programs: what happens to an org and to the sync of it, drawn from a seed, and made smaller when one fails.

use unicrm_core::ObjectKind;
use unicrm_salesforce_emulator::{Fault, Resource};

use crate::faults;
use crate::objects::{Remote, remotes_of};

/// Steps of a program on average.
const STEPS: u64 = 40;

/// One program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) seed: u64,
    /// The objects that are synced.
    pub(crate) kinds: Vec<ObjectKind>,
    pub(crate) steps: Vec<Step>,
    /// The seconds between the last step and the last sync.
    pub(crate) quiet: u64,
    /// Whether a new process does the last sync.
    pub(crate) fresh: bool,
    /// Whether everything is read by query jobs, where the org offers them.
    pub(crate) bulk: bool,
}

/// One thing that happens. Records are picked by number among those that there are then.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Remote(Mutation),
    /// The transaction of the mutation began so many seconds ago and commits now.
    Late(u64, Mutation),
    Wait(u64),
    Sync(Sync),
}

/// What somebody does in the org.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Create {
        remote: Remote,
        text: u16,
        parent: u16,
    },
    Edit {
        remote: Remote,
        pick: u16,
        text: u16,
        parent: u16,
    },
    Delete {
        remote: Remote,
        pick: u16,
    },
    /// Out of the bin, or straight away.
    Purge {
        remote: Remote,
        pick: u16,
    },
    EmptyBin {
        remote: Remote,
    },
    Undelete {
        remote: Remote,
        pick: u16,
    },
    Merge {
        remote: Remote,
        pick: u16,
        other: u16,
    },
    HideField {
        pick: u16,
    },
    ShowField {
        pick: u16,
    },
    HideObject {
        remote: Remote,
    },
    ShowObject {
        pick: u16,
    },
    HideRecord {
        remote: Remote,
        pick: u16,
    },
    ShowRecord {
        pick: u16,
    },
    AddField {
        pick: u16,
    },
    RemoveField {
        pick: u16,
    },
}

impl Mutation {
    /// What has to happen before this can.
    pub(crate) const fn first(&self) -> Option<Self> {
        Some(match *self {
            Self::EmptyBin { remote } => Self::Delete { remote, pick: 7 },
            Self::Undelete { remote, pick } => Self::Delete { remote, pick },
            Self::ShowField { pick } => Self::HideField { pick },
            Self::RemoveField { pick } => Self::AddField { pick },
            _ => return None,
        })
    }

    /// What sort it is, for the tables.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Edit { .. } => "edit",
            Self::Delete { .. } => "delete",
            Self::Purge { .. } => "hard delete",
            Self::EmptyBin { .. } => "empty bin",
            Self::Undelete { .. } => "undelete",
            Self::Merge { .. } => "merge",
            Self::HideField { .. } => "hide field",
            Self::ShowField { .. } => "show field",
            Self::HideObject { .. } => "hide object",
            Self::ShowObject { .. } => "show object",
            Self::HideRecord { .. } => "unshare",
            Self::ShowRecord { .. } => "share",
            Self::AddField { .. } => "add field",
            Self::RemoveField { .. } => "remove field",
        }
    }
}

/// One run of the sync.
#[derive(Clone, Debug)]
pub(crate) struct Sync {
    pub(crate) full: bool,
    /// Compares ids and time stamps afterwards.
    pub(crate) reconcile: bool,
    /// This object of the program alone.
    pub(crate) only: Option<u16>,
    pub(crate) pages: Pages,
    pub(crate) concurrency: usize,
    /// By a new process.
    pub(crate) restart: bool,
    /// The session has ended since.
    pub(crate) expired: bool,
    pub(crate) faults: Vec<Planned>,
    /// What happens when the sync has come to its n-th effect.
    pub(crate) midway: Option<Midway>,
}

/// How pages come to be small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// The host asks for so many rows.
    Small(u32),
    /// The server ends pages after so many bytes and gives locators.
    Short(usize),
    /// As large as they come: objects are asked for together.
    Whole,
}

/// A fault that waits for the sync.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) fault: Fault,
    pub(crate) resource: Resource,
    pub(crate) after: u64,
    pub(crate) times: u64,
}

/// Something in the middle of a sync.
#[derive(Clone, Debug)]
pub(crate) struct Midway {
    /// At which effect, from 0.
    pub(crate) effect: usize,
    /// When the effect is done but nobody knows yet, rather than before it.
    pub(crate) done: bool,
    pub(crate) what: Interruption,
}

#[derive(Clone, Debug)]
pub(crate) enum Interruption {
    /// The process dies.
    Crash,
    /// The org changes, and the sync goes on.
    Meanwhile(Vec<Step>),
}

/// SplitMix64: small, and the same on every machine and in every version.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn any(&mut self) -> u16 {
        (self.next() >> 40) as u16
    }

    pub(crate) fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let at = self.below(items.len() as u64) as usize;
        &items[at]
    }

    fn weighted<T: Copy>(&mut self, items: &[(u64, T)]) -> T {
        let mut at = self.below(items.iter().map(|(weight, _)| weight).sum());
        for (weight, item) in items {
            if at < *weight {
                return *item;
            }
            at -= weight;
        }
        items[0].1
    }
}

const KINDS: [(u64, ObjectKind); 8] = [
    (4, ObjectKind::Contact),
    (3, ObjectKind::Account),
    (3, ObjectKind::Lead),
    (2, ObjectKind::Opportunity),
    (2, ObjectKind::Task),
    (2, ObjectKind::Engagement),
    (3, ObjectKind::Note),
    (1, ObjectKind::User),
];

/// What a program is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Everything.
    Any,
    /// No faults and no permissions: what is wrong shows without them.
    Plain,
}

impl Program {
    /// The program of a seed.
    pub(crate) fn draw(seed: u64, sort: Sort) -> Self {
        let mut draw = Draw::new(seed);
        let mut kinds = vec![draw.weighted(&KINDS)];
        while kinds.len() < 3 && draw.chance(60) {
            let kind = draw.weighted(&KINDS);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let mut remotes: Vec<Remote> = kinds.iter().flat_map(|kind| remotes_of(*kind)).copied().collect();
        // What is synced comes often; parents and children of it now and then.
        remotes = remotes.repeat(3);
        remotes.extend([Remote::Account, Remote::Contact]);
        let bulk = draw.chance(50);
        let mut generator = Generator { draw, remotes, sort, bulk };
        let length = generator.draw.between(STEPS / 2, STEPS * 3 / 2);
        let mut steps = Vec::new();
        for _ in 0..generator.draw.between(3, 8) {
            steps.push(generator.create());
        }
        while (steps.len() as u64) < length {
            steps.push(generator.step());
        }
        let quiet = generator.draw.between(60, 1_200);
        let fresh = generator.draw.chance(50);
        Self { seed, kinds, steps, quiet, fresh, bulk }
    }

    /// Smaller programs that may fail as well, the much smaller ones first.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut candidates = Vec::new();
        let mut length = self.steps.len().div_ceil(2);
        while length >= 1 {
            let mut at = 0;
            while at < self.steps.len() {
                let mut steps = self.steps.clone();
                steps.drain(at..(at + length).min(self.steps.len()));
                candidates.push(Self { steps, ..self.clone() });
                at += length;
            }
            if length == 1 {
                break;
            }
            length = length.div_ceil(2);
        }
        for (at, step) in self.steps.iter().enumerate() {
            let mut put = |smaller: Step| {
                let mut steps = self.steps.clone();
                steps[at] = smaller;
                candidates.push(Self { steps, ..self.clone() });
            };
            match step {
                Step::Sync(sync) => {
                    for at in 0..sync.faults.len() {
                        let mut sync = sync.clone();
                        sync.faults.remove(at);
                        put(Step::Sync(sync));
                    }
                    if sync.midway.is_some() {
                        put(Step::Sync(Sync { midway: None, ..sync.clone() }));
                    }
                    if sync.restart {
                        put(Step::Sync(Sync { restart: false, ..sync.clone() }));
                    }
                }
                Step::Late(_, mutation) => put(Step::Remote(mutation.clone())),
                Step::Remote(_) | Step::Wait(_) => {}
            }
        }
        candidates
    }
}

struct Generator {
    draw: Draw,
    remotes: Vec<Remote>,
    sort: Sort,
    bulk: bool,
}

impl Generator {
    fn step(&mut self) -> Step {
        match self.draw.below(100) {
            0..=50 => Step::Remote(self.mutation()),
            51..=59 => self.late(),
            60..=74 => Step::Wait(self.wait()),
            _ => Step::Sync(self.sync()),
        }
    }

    fn remote(&mut self) -> Remote {
        *self.draw.of(&self.remotes)
    }

    fn create(&mut self) -> Step {
        Step::Remote(Mutation::Create {
            remote: self.remote(),
            text: self.draw.any(),
            parent: self.draw.any(),
        })
    }

    /// Mostly within one or two overlap windows, sometimes none: then stamps are equal.
    fn wait(&mut self) -> u64 {
        match self.draw.below(10) {
            0..=2 => self.draw.between(1, 59),
            3..=6 => self.draw.between(60, 700),
            7..=8 => self.draw.between(700, 3_000),
            _ => self.draw.between(3_000, 90_000),
        }
    }

    fn late(&mut self) -> Step {
        let age =
            if self.draw.chance(80) { self.draw.between(30, 595) } else { self.draw.between(605, 3_000) };
        let remote = self.remote();
        let (pick, text, parent) = (self.draw.any(), self.draw.any(), self.draw.any());
        let mutation = match self.draw.below(10) {
            0..=4 => Mutation::Create { remote, text, parent },
            5..=8 => Mutation::Edit { remote, pick, text, parent },
            _ => Mutation::Delete { remote, pick },
        };
        Step::Late(age, mutation)
    }

    fn mutation(&mut self) -> Mutation {
        let remote = self.remote();
        let (pick, text, parent) = (self.draw.any(), self.draw.any(), self.draw.any());
        let permissions = if self.sort == Sort::Plain { 0 } else { 1 };
        match self.draw.weighted(&[
            (20, 0),
            (22, 1),
            (8, 2),
            (6, 3),
            (6, 4),
            (7, 5),
            (9, 6),
            (5 * permissions, 7),
            (7 * permissions, 8),
            (3 * permissions, 9),
            (5 * permissions, 10),
            (5 * permissions, 11),
            (6 * permissions, 12),
            (4 * permissions, 13),
            (6 * permissions, 14),
        ]) {
            0 => Mutation::Create { remote, text, parent },
            1 => Mutation::Edit { remote, pick, text, parent },
            2 => Mutation::Delete { remote, pick },
            3 => Mutation::Purge { remote, pick },
            4 => Mutation::EmptyBin { remote },
            5 => Mutation::Undelete { remote, pick },
            6 => Mutation::Merge { remote, pick, other: text },
            7 => Mutation::HideField { pick },
            8 => Mutation::ShowField { pick },
            9 => Mutation::HideObject { remote },
            10 => Mutation::ShowObject { pick },
            11 => Mutation::HideRecord { remote, pick },
            12 => Mutation::ShowRecord { pick },
            13 => Mutation::AddField { pick },
            _ => Mutation::RemoveField { pick },
        }
    }

    fn sync(&mut self) -> Sync {
        let mut pages = match self.draw.below(10) {
            0..=4 => Pages::Small(self.draw.between(1, 4) as u32),
            5..=6 => Pages::Short(self.draw.between(1, 6) as usize * 1_500),
            _ => Pages::Whole,
        };
        let mut restart = self.draw.chance(20);
        let mut full = self.draw.chance(20);
        let mut only = self.draw.chance(20).then(|| self.draw.any());
        let mut expired = self.draw.chance(5);
        let mut planned = Vec::new();
        if self.sort == Sort::Any && self.draw.chance(75) {
            for _ in 0..self.draw.weighted(&[(6, 1), (3, 2), (1, 4)]) {
                let fault = self.fault();
                // The sync goes where the fault is.
                match fault.resource {
                    Resource::QueryMore => pages = Pages::Short(1_500),
                    Resource::Composite => {
                        pages = Pages::Whole;
                        (full, only) = (false, None);
                    }
                    Resource::Replication => full = false,
                    Resource::Describe => restart = true,
                    Resource::Token => expired = true,
                    Resource::Blob | Resource::BulkQuery | Resource::BulkStatus | Resource::BulkResults => {
                        (full, only) = (true, None)
                    }
                    _ => {}
                }
                planned.push(fault);
            }
        }
        let midway = match self.draw.below(100) {
            0..=24 => Some(Interruption::Crash),
            25..=44 => {
                let steps = (0..self.draw.between(1, 3)).map(|_| match self.draw.below(10) {
                    0..=7 => Step::Remote(self.mutation()),
                    8 => self.late(),
                    _ => Step::Wait(self.wait()),
                });
                Some(Interruption::Meanwhile(steps.collect()))
            }
            _ => None,
        };
        // Early effects are met more often than late ones.
        let range = *self.draw.of(&[4, 10, 25]);
        let effect = self.draw.below(range) as usize;
        let done = self.draw.chance(50);
        let midway = midway.map(|what| Midway { effect, done, what });
        Sync {
            full,
            reconcile: self.draw.chance(10),
            only,
            pages,
            concurrency: self.draw.between(1, 3) as usize,
            restart,
            expired,
            faults: planned,
            midway,
        }
    }

    fn fault(&mut self) -> Planned {
        let remote = self.remote();
        let notes = self.remotes.contains(&Remote::ContentNote);
        let (fault, resource) = faults::draw(&mut self.draw, remote, self.bulk, notes);
        let times = match self.draw.below(10) {
            0..=6 => 1,
            7..=8 => self.draw.between(2, 3),
            _ => 12,
        };
        // Of some requests a sync makes one.
        let once = matches!(resource, Resource::Composite | Resource::Token | Resource::BulkQuery);
        let after = if once { 0 } else { self.draw.below(3) };
        Planned { fault, resource, after, times }
    }
}
