//! Programs: what happens to an org and to the sync of it, drawn from a seed, and made smaller when one fails.

use unicrm_core::ObjectKind;
use unicrm_salesforce_emulator::{Fault, Resource};

use crate::draw::Draw;
use crate::faults;
use crate::mutation::{CHANGES, Change, Mutation, OF_RECORDS};
use crate::objects::{Remote, remotes_of};
use crate::theme::Theme;

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
    /// The pages of the last sync: by themselves, or the first ones of all objects together.
    pub(crate) last: Pages,
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
        let theme = (sort == Sort::Any).then(|| Theme::of(seed));
        let needed = theme.as_ref().and_then(Theme::needs);
        let mut kinds = vec![needed.unwrap_or_else(|| draw.weighted(&KINDS))];
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
        let bulk = theme.as_ref().and_then(Theme::by_jobs).unwrap_or_else(|| draw.chance(50));
        let mut generator = Generator { draw, remotes, sort, bulk, theme };
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
        let last = if generator.draw.chance(50) { Pages::Small(3) } else { Pages::Whole };
        Self { seed, kinds, steps, quiet, fresh, last, bulk }
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
    theme: Option<Theme>,
}

impl Generator {
    fn step(&mut self) -> Step {
        match self.draw.below(100) {
            0..=50 => Step::Remote(self.mutation()),
            51..=57 => self.late(),
            58..=69 => Step::Wait(self.wait()),
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
        let own = self.theme.as_ref().map(|theme| theme.change);
        let change = match own.filter(|_| self.draw.chance(30)) {
            Some(own) => own,
            None if self.sort == Sort::Plain => self.draw.weighted(&CHANGES[..OF_RECORDS]),
            None => self.draw.weighted(&CHANGES),
        };
        match change {
            Change::Create => Mutation::Create { remote, text, parent },
            Change::Edit => Mutation::Edit { remote, pick, text, parent },
            Change::Delete => Mutation::Delete { remote, pick },
            Change::Purge => Mutation::Purge { remote, pick },
            Change::EmptyBin => Mutation::EmptyBin { remote },
            Change::Undelete => Mutation::Undelete { remote, pick },
            Change::Merge => Mutation::Merge { remote: self.merged(), pick, other: text },
            Change::HideField => Mutation::HideField { pick },
            Change::ShowField => Mutation::ShowField { pick },
            Change::HideObject => Mutation::HideObject { remote },
            Change::ShowObject => Mutation::ShowObject { remote, pick },
            Change::HideRecord => Mutation::HideRecord { remote, pick },
            Change::ShowRecord => Mutation::ShowRecord { remote, pick },
            Change::AddField => Mutation::AddField { pick },
            Change::RemoveField => Mutation::RemoveField { pick },
        }
    }

    /// An object whose records are merged, mostly one that is synced, if there is one.
    fn merged(&mut self) -> Remote {
        let merged: Vec<Remote> = self.remotes.iter().copied().filter(|remote| remote.merges()).collect();
        *self.draw.of(&merged)
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
        if self.sort == Sort::Any && self.draw.chance(85) {
            for number in 0..self.draw.weighted(&[(6, 1), (3, 2), (1, 4)]) {
                let fault = self.fault(number == 0);
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
                    Resource::Blob => (full, only) = (true, None),
                    Resource::BulkQuery | Resource::BulkStatus | Resource::BulkResults => {
                        (full, only) = (true, None);
                        // A process whose job failed reads that object in another way from then on.
                        restart |= self.draw.chance(70);
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

    /// A fault of any sort, or mostly the program's own.
    fn fault(&mut self, own: bool) -> Planned {
        let remote = self.remote();
        let notes = self.remotes.contains(&Remote::ContentNote);
        let any = faults::draw(&mut self.draw, remote, self.bulk, notes);
        let own = self.theme.as_ref().filter(|_| own && self.draw.chance(80));
        let own = own.and_then(|theme| Some((theme.fault(remote)?, theme.resource)));
        // The own fault comes more often in a row: what it makes fail leaves changes waiting for the next sync.
        let once = if own.is_some() { 4 } else { 7 };
        let (fault, resource) = own.unwrap_or(any);
        let times = match self.draw.below(10) {
            draw if draw < once => 1,
            9 => 12,
            _ => self.draw.between(2, 3),
        };
        // Of some requests a sync makes one, or a few.
        let after = match resource {
            Resource::Composite | Resource::Token | Resource::BulkQuery => 0,
            Resource::Describe
            | Resource::Replication
            | Resource::Blob
            | Resource::BulkStatus
            | Resource::BulkResults
                if self.draw.chance(80) =>
            {
                0
            }
            _ if self.draw.chance(40) => 0,
            _ => self.draw.below(3),
        };
        Planned { fault, resource, after, times }
    }
}
