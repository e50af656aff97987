//! The comparison of one object's records with those of the remote, by ids and time stamps: pure, like the machine of its
//! sync, with which it shares the effects.
//!
//! The ids come page by page into a snapshot of the store, which finds out what is missing here, what has another time
//! stamp, and at the end what the remote did not name. What is missing or stale is read by its ids before the next page,
//! so memory holds one page whatever the number of records; and the checkpoint names the page until then, so what a
//! crash interrupts is compared again.

use unicrm_core::{
    Error, ErrorKind, Next, ObjectKind, Page, PageToken, ReadPart, RemoteId, Scope, Shape, Usage,
};
use unicrm_store::{PageCounts, PageReport, SnapshotEnd};

use crate::checkpoint::{Checkpoint, Comparison};
use crate::cycle::CycleDetector;
use crate::machine::Effect;
use crate::summary::{Drift, Status, Tally};

/// Ids that are asked for in one part: as many as providers answer at once.
const FETCH: usize = 200;

/// Takes one answer and says what to do next; a comparison without an effect has ended.
///
/// ```
/// use unicrm_core::ObjectKind;
/// use unicrm_sync::{Answer, Checkpoint, Comparing, Effect, compare};
///
/// let comparing = Comparing::new(ObjectKind::Contact, None);
/// let (_, effect) = compare(comparing, Answer::Start(Checkpoint::default()));
/// assert!(matches!(effect, Some(Effect::Begin(_))));
/// ```
#[must_use]
pub fn compare(mut comparing: Comparing, answer: Answer) -> (Comparing, Option<Effect>) {
    let effect = comparing.take(answer);
    (comparing, effect)
}

/// What happened.
#[derive(Debug)]
pub enum Answer {
    /// The comparison begins; this is what the store knows from before.
    Start(Checkpoint),
    /// The snapshot is begun.
    Begun,
    /// A page came.
    Page(Page),
    /// The rows are in the store.
    Committed(PageReport),
    /// The snapshot is ended.
    Finished(SnapshotEnd),
    /// What was asked did not work, or may not be done.
    Failed(Error),
    /// The host wants an end.
    Stop,
}

/// Where the comparison of one object is.
#[derive(Clone, Debug)]
pub struct Comparing {
    kind: ObjectKind,
    page_size: Option<u32>,
    phase: Phase,
    /// What the store has of the object's sync; the comparison changes its own part alone.
    checkpoint: Checkpoint,
    drift: Drift,
    ids: u64,
    tally: Tally,
    usage: Usage,
    /// Whether the store knows the place of the comparison. It learns it with the next page, or else at an early end.
    saved: bool,
}

#[derive(Clone, Debug)]
enum Phase {
    New,
    Beginning,
    /// A page of ids is on its way.
    Listing(CycleDetector),
    /// It goes into the store.
    Noting(CycleDetector, Option<PageToken>),
    /// Records that differ are on their way.
    Fetching(Repair),
    /// They go into the store.
    Repairing(Repair),
    Finishing,
    /// The place goes into the store before an early end.
    Saving(Option<Error>),
    Ended(Option<Error>),
}

/// The records of one page of ids that are read in full.
#[derive(Clone, Debug)]
struct Repair {
    ids: Vec<RemoteId>,
    /// How many of them have been asked for, with those under way.
    asked: usize,
    /// The next page of those under way.
    after: Option<PageToken>,
    /// Where the list of ids goes on.
    cycle: CycleDetector,
    next: Option<PageToken>,
}

impl Comparing {
    /// Before the start. At most so many ids a page; none leaves it to the provider.
    #[must_use]
    pub fn new(kind: ObjectKind, page_size: Option<u32>) -> Self {
        Self {
            kind,
            page_size,
            phase: Phase::New,
            checkpoint: Checkpoint::default(),
            drift: Drift::default(),
            ids: 0,
            tally: Tally::default(),
            usage: Usage::default(),
            saved: true,
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

    /// What differed so far, with what earlier runs of the same comparison found.
    #[must_use]
    pub const fn drift(&self) -> &Drift {
        &self.drift
    }

    /// How many ids this run has compared.
    #[must_use]
    pub const fn ids(&self) -> u64 {
        self.ids
    }

    /// The records that were read in full, and what changed in the store.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What it cost so far.
    #[must_use]
    pub const fn usage(&self) -> &Usage {
        &self.usage
    }

    fn take(&mut self, answer: Answer) -> Option<Effect> {
        // What puts no phase back has come to its end.
        let phase = std::mem::replace(&mut self.phase, Phase::Ended(None));
        match (phase, answer) {
            (Phase::New, Answer::Start(checkpoint)) => Some(self.start(checkpoint)),
            (Phase::Beginning, Answer::Begun) => Some(self.list(CycleDetector::default())),
            (Phase::Listing(cycle), Answer::Page(page)) => self.note(cycle, page),
            (Phase::Listing(cycle), Answer::Failed(error)) => self.list_failed(&cycle, error),
            (Phase::Listing(_), Answer::Stop) => self.save(None),
            (Phase::Saving(error), Answer::Committed(_) | Answer::Failed(_)) => {
                self.phase = Phase::Ended(error);
                None
            }
            (Phase::Noting(cycle, next), Answer::Committed(report)) => Some(self.noted(cycle, next, report)),
            (Phase::Fetching(repair), Answer::Page(page)) => Some(self.repair(repair, page)),
            (Phase::Repairing(repair), Answer::Committed(report)) => {
                self.repaired(&report.counts);
                Some(self.fetch(repair))
            }
            (Phase::Finishing, Answer::Finished(end)) => {
                self.drift.extra += end.gone;
                self.drift.repaired += end.gone;
                self.tally.deleted += end.gone;
                None
            }
            (Phase::Ended(error), _) => {
                self.phase = Phase::Ended(error);
                None
            }
            (_, Answer::Failed(error)) => self.end(error),
            (_, Answer::Stop) => None,
            _ => self.end(Error::new(ErrorKind::Internal, "an answer came to a question that was not asked")),
        }
    }

    fn start(&mut self, checkpoint: Checkpoint) -> Effect {
        let under_way = checkpoint.comparison.clone();
        self.checkpoint = checkpoint;
        match under_way.filter(|comparison| comparison.after.is_some()) {
            Some(comparison) => {
                self.drift = comparison.drift;
                self.list(CycleDetector::default())
            }
            // A comparison without a page behind it is simply begun again.
            None => self.begin(),
        }
    }

    fn begin(&mut self) -> Effect {
        self.drift = Drift::default();
        self.checkpoint.comparison = Some(Comparison::default());
        self.phase = Phase::Beginning;
        Effect::Begin(self.checkpoint.clone())
    }

    fn list(&mut self, cycle: CycleDetector) -> Effect {
        let mut part = ReadPart::new(self.kind, Scope::All).shape(Shape::Ids);
        part.after = self.checkpoint.comparison.as_ref().and_then(|comparison| comparison.after.clone());
        part.page_size = self.page_size;
        self.phase = Phase::Listing(cycle);
        Effect::Read(part)
    }

    fn note(&mut self, mut cycle: CycleDetector, page: Page) -> Option<Effect> {
        self.usage.add(&page.usage);
        self.ids += page.rows.len() as u64;
        let next = match page.next {
            Next::More(token) if cycle.repeats(&token) => {
                let message = "the provider gave the same page token twice; the comparison would never end";
                return self.end(Error::new(ErrorKind::Internal, message));
            }
            Next::More(token) => Some(token),
            Next::End(_) => None,
        };
        self.saved = true;
        self.phase = Phase::Noting(cycle, next);
        Some(Effect::Commit { rows: page.rows, checkpoint: self.checkpoint.clone() })
    }

    fn noted(&mut self, cycle: CycleDetector, next: Option<PageToken>, report: PageReport) -> Effect {
        // Gone rows of a list of ids are records that were live here.
        let differ = report.to_fetch.len() as u64;
        self.drift.missing += report.missing.min(differ);
        self.drift.stale += differ.saturating_sub(report.missing);
        self.drift.extra += report.counts.deleted;
        self.drift.repaired += report.counts.deleted;
        self.tally.add(&PageCounts { unchanged: 0, ..report.counts });
        self.fetch(Repair { ids: report.to_fetch, asked: 0, after: None, cycle, next })
    }

    /// Asks for the next of the records that differ, or goes on with the list when there is none.
    fn fetch(&mut self, mut repair: Repair) -> Effect {
        if repair.after.is_none() && repair.asked >= repair.ids.len() {
            return self.go_on(repair.cycle, repair.next);
        }
        if repair.after.is_none() {
            repair.asked = (repair.asked + FETCH).min(repair.ids.len());
        }
        // The chunk under way ends where the last one that was asked for ends.
        let from = (repair.asked - 1) / FETCH * FETCH;
        let chunk = repair.ids.get(from..repair.asked).unwrap_or_default().to_vec();
        let mut part = ReadPart::new(self.kind, Scope::Ids(chunk));
        part.after = repair.after.take();
        self.phase = Phase::Fetching(repair);
        Effect::Read(part)
    }

    fn repair(&mut self, mut repair: Repair, page: Page) -> Effect {
        self.usage.add(&page.usage);
        self.tally.read += page.rows.len() as u64;
        repair.after = page.next_token().cloned();
        self.phase = Phase::Repairing(repair);
        Effect::Commit { rows: page.rows, checkpoint: self.checkpoint.clone() }
    }

    fn repaired(&mut self, counts: &PageCounts) {
        self.drift.repaired += counts.created + counts.updated + counts.deleted + counts.unchanged;
        self.tally.add(counts);
    }

    fn go_on(&mut self, cycle: CycleDetector, next: Option<PageToken>) -> Effect {
        if next.is_some() {
            self.checkpoint.comparison = Some(Comparison { after: next, drift: self.drift });
            self.saved = false;
            return self.list(cycle);
        }
        self.checkpoint.comparison = None;
        self.phase = Phase::Finishing;
        Effect::Finish(self.checkpoint.clone())
    }

    /// A token that an earlier run left may be refused now: then the comparison starts anew.
    fn list_failed(&mut self, cycle: &CycleDetector, error: Error) -> Option<Effect> {
        let comparison = self.checkpoint.comparison.as_ref();
        let from_earlier_run =
            cycle.is_new() && comparison.is_some_and(|comparison| comparison.after.is_some());
        if error.kind() == ErrorKind::InvalidRequest && from_earlier_run {
            return Some(self.begin());
        }
        self.save(Some(error))
    }

    /// An early end after a page that is compared: the next run goes on behind it.
    fn save(&mut self, error: Option<Error>) -> Option<Effect> {
        if self.saved {
            self.phase = Phase::Ended(error);
            return None;
        }
        self.phase = Phase::Saving(error);
        Some(Effect::Commit { rows: Vec::new(), checkpoint: self.checkpoint.clone() })
    }

    fn end(&mut self, error: Error) -> Option<Effect> {
        self.phase = Phase::Ended(Some(error));
        None
    }
}
