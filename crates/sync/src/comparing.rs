//! The driver of comparisons: counts on both sides, then the ids of each object, within a budget of calls.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{self, StreamExt};
use unicrm_core::{
    Capability, Error, ErrorKind, ObjectKind, ReadPart, ReadRequest, Result, Scope, Shape, Usage,
};

use crate::checkpoint::{Checkpoint, Comparison};
use crate::driver::Run;
use crate::machine::Effect;
use crate::options::{Event, Reconcile};
use crate::reconcile::{Answer, Comparing, compare};
use crate::summary::{Drift, Reconciled, Status, Summary};

/// What the objects of one run are compared within.
struct Budget {
    max: Option<u64>,
    used: AtomicU64,
}

impl Budget {
    /// An error when no further page of ids may be begun.
    fn check(&self) -> Result<()> {
        let used = self.used.load(Ordering::Relaxed);
        match self.max {
            Some(max) if used >= max => Err(Error::new(
                ErrorKind::QuotaExhausted,
                format!("comparing was allowed {max} calls, and {used} are used up"),
            )
            .with_advice("Compare again: it goes on from there. A larger budget takes fewer runs.")),
            _ => Ok(()),
        }
    }

    fn spend(&self, usage: &Usage) {
        self.used.fetch_add(usage.calls, Ordering::Relaxed);
    }
}

impl Run<'_> {
    /// Compares the objects whose sync is complete, and adds what was found to the summary. What an earlier run did not come
    /// to is compared before anything is compared again.
    pub(crate) async fn reconcile(&self, reconcile: &Reconcile, summary: &mut Summary) {
        let budget = Budget { max: reconcile.max_calls, used: AtomicU64::new(0) };
        let complete = summary.objects.iter().filter(|object| object.status == Status::Complete);
        let complete: Vec<ObjectKind> = complete.map(|object| object.kind).collect();
        let due = self.due(&complete).await;
        self.compare_all(&due, &BTreeMap::new(), &budget, summary).await;
        let others: Vec<ObjectKind> = complete.into_iter().filter(|kind| !due.contains(kind)).collect();
        // With a budget, a run that ends a round says so; the next one begins another.
        if !others.is_empty() && (due.is_empty() || (reconcile.max_calls.is_none() && !self.halted())) {
            self.make_due(&others).await;
            // Once a round: a budget that is used up by counting alone would never get anywhere.
            let remote = self.count_remote(&others, &budget, summary).await;
            self.compare_all(&others, &remote, &budget, summary).await;
        }
        summary.reconcile_calls = Some(budget.used.load(Ordering::Relaxed));
    }

    async fn compare_all(
        &self,
        kinds: &[ObjectKind],
        remote: &BTreeMap<ObjectKind, u64>,
        budget: &Budget,
        summary: &mut Summary,
    ) {
        if kinds.is_empty() {
            return;
        }
        let local = self.count_local().await;
        let mut comparisons = stream::iter(kinds.iter().copied())
            .map(|kind| async move { (kind, self.compare(kind, budget, remote.get(&kind).copied()).await) })
            .buffer_unordered(self.options.concurrency.max(1));
        while let Some((kind, (comparing, mut reconciled))) = comparisons.next().await {
            reconciled.drift.remote = remote.get(&kind).copied();
            reconciled.drift.local = local.get(&kind).copied();
            (self.observer)(&Event::Reconciled { kind, drift: &reconciled.drift });
            summary.add_usage(comparing.usage());
            if let Some(object) = summary.objects.iter_mut().find(|object| object.kind == kind) {
                object.tally = object.tally.and(comparing.tally());
                object.reconcile = Some(reconciled);
            }
        }
    }

    /// The objects that a round of comparisons has not finished.
    async fn due(&self, kinds: &[ObjectKind]) -> Vec<ObjectKind> {
        let mut due = Vec::new();
        for kind in kinds {
            // One whose checkpoint cannot be read says so when it is its turn.
            let checkpoint = self.checkpoint(*kind).await;
            if checkpoint.is_ok_and(|checkpoint| checkpoint.comparison.is_some()) {
                due.push(*kind);
            }
        }
        due
    }

    /// Begins a round: whatever ends this run, the next one knows what is left.
    async fn make_due(&self, kinds: &[ObjectKind]) {
        for kind in kinds {
            let marked = async {
                let comparison = Some(Comparison::default());
                let checkpoint = Checkpoint { comparison, ..self.checkpoint(*kind).await? };
                self.commit(*kind, Vec::new(), &checkpoint).await
            };
            if let Err(error) = marked.await {
                // It is compared all the same, and meets the error again if that lasts.
                tracing::warn!(%kind, %error, "the comparison could not be noted");
            }
        }
    }

    /// How many records the remote has of each object, all asked for at once. What cannot be counted is compared without.
    async fn count_remote(
        &self,
        kinds: &[ObjectKind],
        budget: &Budget,
        summary: &mut Summary,
    ) -> BTreeMap<ObjectKind, u64> {
        let countable = |kind: &&ObjectKind| self.provider.capabilities().allows(**kind, Capability::Count);
        let kinds: Vec<ObjectKind> = kinds.iter().filter(countable).copied().collect();
        if kinds.is_empty() || budget.check().is_err() || self.halted() {
            return BTreeMap::new();
        }
        let part = |kind: &ObjectKind| ReadPart::new(*kind, Scope::All).shape(Shape::Count);
        let request: ReadRequest = kinds.iter().map(part).collect();
        let answers = match self.read_all(request).await {
            Ok(answers) => answers,
            Err(error) => {
                tracing::warn!(%error, "the remote does not count");
                return BTreeMap::new();
            }
        };
        let mut counts = BTreeMap::new();
        for (kind, answer) in kinds.into_iter().zip(answers) {
            match answer {
                Ok(page) => {
                    budget.spend(&page.usage);
                    summary.add_usage(&page.usage);
                    counts.extend(page.count.map(|count| (kind, count)));
                }
                Err(error) => tracing::warn!(%kind, %error, "the remote does not count"),
            }
        }
        counts
    }

    async fn count_local(&self) -> BTreeMap<ObjectKind, u64> {
        match self.store.counts(Some(self.epoch.linked_account)).await {
            Ok(counts) => counts.into_iter().map(|(kind, counts)| (kind, counts.live)).collect(),
            Err(error) => {
                tracing::warn!(%error, "the store does not count");
                BTreeMap::new()
            }
        }
    }

    async fn compare(
        &self,
        kind: ObjectKind,
        budget: &Budget,
        total: Option<u64>,
    ) -> (Comparing, Reconciled) {
        let mut comparing = Comparing::new(kind, self.options.page_size);
        if self.halted() {
            let error = self.stopped().cloned();
            return (comparing, Reconciled { status: Status::NotRun, drift: Drift::default(), error });
        }
        let mut interrupted = false;
        let mut answer = match self.comparable(kind) {
            Ok(()) => self.checkpoint(kind).await.map_or_else(Answer::Failed, Answer::Start),
            Err(error) => Answer::Failed(error),
        };
        loop {
            let committed = matches!(answer, Answer::Committed(_));
            let before = comparing.usage().calls;
            let (next, effect) = compare(comparing, answer);
            comparing = next;
            budget.spend(&Usage::calls(comparing.usage().calls - before));
            if committed {
                (self.observer)(&Event::Compared { kind, ids: comparing.ids(), total });
            }
            let Some(effect) = effect else { break };
            let begins = matches!(effect, Effect::Read(_) | Effect::Begin(_));
            if begins && self.options.stop.is_stopped() {
                interrupted = true;
                answer = Answer::Stop;
                continue;
            }
            // A page of ids that is listed is repaired, whatever that takes: else a budget for no more than the list would
            // stop at the same page for ever.
            let lists = matches!(&effect, Effect::Read(part) if part.shape == Shape::Ids);
            let allowed = if lists { budget.check() } else { Ok(()) };
            answer = match allowed {
                Ok(()) => self.answer(kind, effect).await.unwrap_or_else(Answer::Failed),
                Err(over) => Answer::Failed(over),
            };
        }
        let error = comparing.error().cloned();
        if let Some(error) = &error {
            self.stop_on(error);
        }
        let status = match comparing.status() {
            Some(status) if !interrupted => status,
            _ => Status::Interrupted,
        };
        tracing::info!(%kind, %status, ids = comparing.ids(), "comparison of an object ended");
        let reconciled = Reconciled { status, drift: *comparing.drift(), error };
        (comparing, reconciled)
    }

    fn comparable(&self, kind: ObjectKind) -> Result<()> {
        let capabilities = self.provider.capabilities();
        let able = [Capability::ReadIds, Capability::ReadByIds]
            .into_iter()
            .all(|capability| capabilities.allows(kind, capability));
        if able {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("this provider cannot list the ids of {} or read them by id", kind.plural()),
        )
        .with_advice("A full sync (--full) compares everything there is."))
    }

    async fn answer(&self, kind: ObjectKind, effect: Effect) -> Result<Answer> {
        Ok(match effect {
            Effect::Begin(checkpoint) => {
                self.begin_snapshot(kind, &checkpoint).await?;
                Answer::Begun
            }
            Effect::Read(part) => Answer::Page(self.read(part).await?),
            Effect::Commit { rows, checkpoint } => {
                Answer::Committed(self.commit(kind, rows, &checkpoint).await?)
            }
            Effect::Finish(checkpoint) => Answer::Finished(self.finish_snapshot(kind, &checkpoint).await?),
        })
    }
}
