//! The state machine of one object's sync: pure, so that every sequence of pages, faults and restarts can be tested without
//! a network, a store or a clock.

use jiff::Timestamp;
use unicrm_core::{Error, ErrorKind, Next, ObjectKind, Page, ReadPart, Row, Scope, Usage, Watermark};
use unicrm_store::PageCounts;

use crate::checkpoint::{Checkpoint, Comparison, Ended, Pass};
use crate::cycle::CycleDetector;
use crate::summary::{Status, Tally};

/// Takes one input and says what to do next. The driver does it and answers with the next input; a state without an effect
/// has ended.
///
/// ```
/// use unicrm_core::ObjectKind;
/// use unicrm_sync::{Checkpoint, Effect, Input, Plan, State, step};
///
/// let (state, effect) = step(State::new(Plan::new(ObjectKind::Contact)), Input::Start(Checkpoint::default()));
/// assert!(matches!(effect, Some(Effect::Begin(_))));
/// let (_, effect) = step(state, Input::Done(Default::default()));
/// assert!(matches!(effect, Some(Effect::Read(_))));
/// ```
#[must_use]
pub fn step(mut state: State, input: Input) -> (State, Option<Effect>) {
    let effect = state.take(input);
    (state, effect)
}

/// What to do with one object in this run.
///
/// ```
/// use unicrm_core::ObjectKind;
/// let plan = unicrm_sync::Plan::new(ObjectKind::Lead);
/// assert!(!plan.full && plan.reads_changes);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which object.
    pub kind: ObjectKind,
    /// Read everything, even where what changed would do.
    pub full: bool,
    /// Whether the provider can read what changed since a watermark.
    pub reads_changes: bool,
    /// At most so many rows a page; none leaves it to the provider.
    pub page_size: Option<u32>,
    /// When this run began; none leaves open in the checkpoint when the object was read.
    pub began_at: Option<Timestamp>,
}

impl Plan {
    /// Reads what changed where there is a watermark, everything otherwise.
    #[must_use]
    pub const fn new(kind: ObjectKind) -> Self {
        Self { kind, full: false, reads_changes: true, page_size: None, began_at: None }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The run begins, or what was asked of the store did not work and is worth another attempt; this is what the store knows
    /// from before.
    Start(Checkpoint),
    /// A page came.
    Page(Page),
    /// The store has done what it was asked, and this is what changed in it.
    Done(PageCounts),
    /// What was asked did not work.
    Failed(Error),
}

/// What to do.
#[derive(Debug)]
pub enum Effect {
    /// Put the checkpoint into the store, and after that begin a snapshot: what it does not show will be gone at its end.
    Begin(Checkpoint),
    /// Read a page.
    Read(ReadPart),
    /// Put rows and checkpoint into the store, in one transaction.
    Commit {
        /// The rows of one page.
        rows: Vec<Row>,
        /// Where a later run goes on.
        checkpoint: Checkpoint,
    },
    /// End the snapshot, in one transaction with the checkpoint: what it did not show is gone.
    Finish(Checkpoint),
}

/// Where the sync of one object is.
#[derive(Clone, Debug)]
pub struct State {
    plan: Plan,
    phase: Phase,
    /// The watermark of the last complete reading, kept until this one is complete.
    watermark: Option<Watermark>,
    /// When the run began that this is from.
    read_at: Option<Timestamp>,
    /// A comparison under way, which waits for this.
    comparison: Option<Comparison>,
    resumed: bool,
    /// Whether the reading under way was begun in an earlier run, or before the store failed.
    begun_earlier: bool,
    tally: Tally,
    usage: Usage,
    total: Option<u64>,
}

#[derive(Clone, Debug)]
enum Phase {
    New,
    Beginning(Pass),
    /// `cycle` has seen every token of this run: a token that comes again would never let the reading end.
    Reading {
        pass: Pass,
        cycle: CycleDetector,
    },
    Committing(Then),
    Finishing(Option<Pass>),
    Ended(Option<Error>),
}

/// What follows a commit.
#[derive(Clone, Debug)]
enum Then {
    Read(Pass, CycleDetector),
    Finish(Option<Watermark>),
    Begin(Pass),
    End,
}

impl State {
    /// Before the start.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            phase: Phase::New,
            watermark: None,
            read_at: None,
            comparison: None,
            resumed: false,
            begun_earlier: false,
            tally: Tally::default(),
            usage: Usage::default(),
            total: None,
        }
    }

    /// How it ended; none while it runs.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match &self.phase {
            Phase::Ended(error) => Some(error.as_ref().map_or(Status::Complete, Status::of)),
            _ => None,
        }
    }

    /// What ended it early.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        match &self.phase {
            Phase::Ended(error) => error.as_ref(),
            _ => None,
        }
    }

    /// What was read and what it changed, so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What it cost so far.
    #[must_use]
    pub const fn usage(&self) -> &Usage {
        &self.usage
    }

    /// How many rows there will be, as the provider last guessed.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.total
    }

    /// Whether this run went on where an earlier one was interrupted.
    #[must_use]
    pub const fn resumed(&self) -> bool {
        self.resumed
    }

    /// Whether what changed was read, rather than everything.
    #[must_use]
    pub const fn incremental(&self) -> bool {
        self.tally.incremental
    }

    fn take(&mut self, input: Input) -> Option<Effect> {
        // What puts no phase back has come to its end.
        let phase = std::mem::replace(&mut self.phase, Phase::Ended(None));
        match (phase, input) {
            (Phase::New, Input::Start(checkpoint)) => Some(self.start(checkpoint)),
            (Phase::Beginning(pass), Input::Done(_)) => Some(self.read(pass, CycleDetector::default())),
            (Phase::Reading { pass, cycle }, Input::Page(page)) => self.commit(pass, cycle, page),
            (Phase::Reading { pass, cycle }, Input::Failed(error)) => self.read_failed(pass, &cycle, error),
            (Phase::Committing(then), Input::Done(counts)) => {
                self.tally.add(&counts);
                self.committed(then)
            }
            (Phase::Finishing(follow_up), Input::Done(counts)) => {
                self.tally.add(&counts);
                follow_up.map(|pass| self.begin(pass))
            }
            // The store could not be reached meanwhile, and this is what it knows.
            (Phase::Beginning(_) | Phase::Committing(_) | Phase::Finishing(_), Input::Start(checkpoint)) => {
                let resumed = self.resumed;
                let effect = self.start(checkpoint);
                self.resumed = resumed;
                Some(effect)
            }
            (Phase::Ended(error), _) => {
                self.phase = Phase::Ended(error);
                None
            }
            (_, Input::Failed(error)) => self.end(error),
            (_, Input::Start(_) | Input::Page(_) | Input::Done(_)) => {
                self.end(Error::new(ErrorKind::Internal, "an answer came to a question that was not asked"))
            }
        }
    }

    fn start(&mut self, checkpoint: Checkpoint) -> Effect {
        self.watermark = checkpoint.watermark;
        self.read_at = checkpoint.read_at;
        self.comparison = checkpoint.comparison;
        let reads_changes = self.plan.reads_changes && !self.plan.full;
        // A reading without a page behind it is simply begun again.
        let has_pages = |pass: &Pass| pass.after.is_some() || pass.ended.is_some();
        let full = self.plan.full;
        let wanted = |pass: &Pass| if full { pass.full } else { pass.is_snapshot() || reads_changes };
        let usable = |pass: &Pass| has_pages(pass) && wanted(pass);
        if let Some(pass) = checkpoint.open.filter(usable) {
            self.resumed = true;
            self.begun_earlier = true;
            return match pass.ended {
                Some(ended) => self.finish(ended.watermark),
                None => self.read(pass, CycleDetector::default()),
            };
        }
        let since = self.watermark.clone().filter(|_| reads_changes);
        self.begin(Pass { since, full, ..Pass::default() })
    }

    fn begin(&mut self, pass: Pass) -> Effect {
        if !pass.is_snapshot() {
            return self.read(pass, CycleDetector::default());
        }
        // The store has one snapshot of an object; this one shows everything that a comparison would.
        self.comparison = None;
        let checkpoint = self.checkpoint(Some(pass.clone()));
        self.phase = Phase::Beginning(pass);
        Effect::Begin(checkpoint)
    }

    fn read(&mut self, pass: Pass, cycle: CycleDetector) -> Effect {
        self.tally.incremental = !pass.is_snapshot();
        let scope = pass.since.clone().map_or(Scope::All, Scope::Since);
        let mut part = ReadPart::new(self.plan.kind, scope);
        part.after.clone_from(&pass.after);
        part.page_size = self.plan.page_size;
        self.phase = Phase::Reading { pass, cycle };
        Effect::Read(part)
    }

    fn commit(&mut self, mut pass: Pass, mut cycle: CycleDetector, page: Page) -> Option<Effect> {
        self.usage.add(&page.usage);
        self.total = page.count.or(self.total);
        self.tally.read += page.rows.len() as u64;
        let (then, checkpoint) = match page.next {
            Next::More(token) => {
                if cycle.repeats(&token) {
                    let message = "the provider gave the same page token twice; the reading would never end";
                    return self.end(Error::new(ErrorKind::Internal, message));
                }
                pass.after = Some(token);
                let checkpoint = self.checkpoint(Some(pass.clone()));
                (Then::Read(pass, cycle), checkpoint)
            }
            Next::End(watermark) => {
                if pass.is_snapshot() {
                    pass.ended = Some(Ended { watermark: watermark.clone() });
                    (Then::Finish(watermark), self.checkpoint(Some(pass)))
                } else {
                    let follow_up = self.follow_up(watermark.as_ref());
                    self.complete(watermark);
                    (follow_up.map_or(Then::End, Then::Begin), self.checkpoint(None))
                }
            }
        };
        self.phase = Phase::Committing(then);
        Some(Effect::Commit { rows: page.rows, checkpoint })
    }

    fn finish(&mut self, watermark: Option<Watermark>) -> Effect {
        let follow_up = self.follow_up(watermark.as_ref());
        self.complete(watermark);
        // What was asked for in full has been read: whatever goes wrong from here on, what changed is enough.
        self.plan.full = false;
        self.phase = Phase::Finishing(follow_up);
        Effect::Finish(self.checkpoint(None))
    }

    fn complete(&mut self, watermark: Option<Watermark>) {
        self.watermark = watermark;
        self.read_at = self.plan.began_at;
    }

    /// What the store is to remember, with the reading that is then under way.
    fn checkpoint(&self, open: Option<Pass>) -> Checkpoint {
        Checkpoint {
            watermark: self.watermark.clone(),
            read_at: self.read_at,
            open,
            comparison: self.comparison.clone(),
        }
    }

    /// The pages that an earlier run read may be old by now: what changed since then is read in the same run.
    fn follow_up(&mut self, watermark: Option<&Watermark>) -> Option<Pass> {
        let begun_earlier = std::mem::take(&mut self.begun_earlier);
        let since = watermark.filter(|_| begun_earlier && self.plan.reads_changes)?;
        Some(Pass { since: Some(since.clone()), ..Pass::default() })
    }

    fn committed(&mut self, then: Then) -> Option<Effect> {
        match then {
            Then::Read(pass, cycle) => Some(self.read(pass, cycle)),
            Then::Finish(watermark) => Some(self.finish(watermark)),
            Then::Begin(pass) => Some(self.begin(pass)),
            Then::End => None,
        }
    }

    /// A token or a watermark that an earlier run left may be refused now: a new version of the plugin, or a remote that
    /// keeps changes for some days only. Then the reading starts earlier, at last from the beginning.
    fn read_failed(&mut self, mut pass: Pass, cycle: &CycleDetector, error: Error) -> Option<Effect> {
        let from_earlier_run = cycle.is_new();
        if error.kind() != ErrorKind::InvalidRequest || !from_earlier_run {
            return self.end(error);
        }
        if pass.after.take().is_none() && pass.since.take().is_none() {
            return self.end(error);
        }
        self.resumed = false;
        self.begun_earlier = false;
        Some(self.begin(pass))
    }

    fn end(&mut self, error: Error) -> Option<Effect> {
        self.phase = Phase::Ended(Some(error));
        None
    }
}
