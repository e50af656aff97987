//! Any sequence of pages against a model of a few lines: what is live, what is gone, and what counted as a change.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use unicrm_core::{Gone, GoneReason, LiveRow, ObjectKind, Row};
use unicrm_store::{LinkRequest, ListRequest, PageCommit, PageCounts, Store};

use crate::place::Place;

#[derive(Clone, Debug)]
enum Step {
    Live(u8, u8),
    Gone(u8, bool),
    BeginSnapshot,
    FinishSnapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..5_u8, 0..3_u8).prop_map(|(id, name)| Step::Live(id, name)),
        3 => (0..5_u8, any::<bool>()).prop_map(|(id, deleted)| Step::Gone(id, deleted)),
        1 => Just(Step::BeginSnapshot),
        2 => Just(Step::FinishSnapshot),
    ]
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    name: u8,
    gone: Option<GoneReason>,
}

#[derive(Default)]
struct Model {
    records: BTreeMap<u8, Known>,
    /// The ids that the snapshot under way has shown.
    snapshot: Option<Vec<u8>>,
}

impl Model {
    fn live(&mut self, id: u8, name: u8) -> PageCounts {
        let mut counts = PageCounts::default();
        let now = Known { name, gone: None };
        match self.records.insert(id, now.clone()) {
            None => counts.created = 1,
            Some(before) if before == now => counts.unchanged = 1,
            Some(_) => counts.updated = 1,
        }
        self.snapshot.iter_mut().for_each(|seen| seen.push(id));
        counts
    }

    fn gone(&mut self, id: u8, reason: GoneReason) -> PageCounts {
        let mut counts = PageCounts::default();
        match self.records.get_mut(&id) {
            Some(known) if known.gone.is_none() => {
                known.gone = Some(reason);
                counts.deleted = 1;
            }
            Some(known) if known.gone == Some(GoneReason::NotVisible) && reason == GoneReason::Deleted => {
                known.gone = Some(reason);
                counts.updated = 1;
            }
            _ => counts.unchanged = 1,
        }
        counts
    }

    fn finish(&mut self) -> Option<u64> {
        let seen = self.snapshot.take()?;
        let mut gone = 0;
        for (id, known) in &mut self.records {
            if known.gone.is_none() && !seen.contains(id) {
                known.gone = Some(GoneReason::NotVisible);
                gone += 1;
            }
        }
        Some(gone)
    }
}

pub(crate) async fn the_store_is_what_the_pages_said(place: Place) {
    let store = place.open().await;
    let pages = proptest::collection::vec(proptest::collection::vec(step(), 0..6), 0..12);
    crate::for_all(crate::cases(40), &pages, async |pages| run(&*store, pages).await).await;
}

async fn run(store: &dyn Store, pages: Vec<Vec<Step>>) -> Result<(), TestCaseError> {
    // All cases share a store; each has an account of its own in it.
    let account = store.link(LinkRequest::new(uuid::Uuid::new_v4().to_string(), "memory")).await.unwrap();
    let epoch = store.begin_epoch(account.id).await.unwrap();
    let mut model = Model::default();
    for page in pages {
        let mut rows = Vec::new();
        let mut expected = PageCounts::default();
        for step in page {
            match step {
                Step::Live(id, name) => {
                    rows.push(Row::Live(LiveRow::new(crate::contact(&id.to_string(), &name.to_string()))));
                    expected += model.live(id, name);
                }
                Step::Gone(id, deleted) => {
                    let reason = if deleted { GoneReason::Deleted } else { GoneReason::NotVisible };
                    rows.push(Row::Gone(Gone::new(ObjectKind::Contact, id.to_string(), reason.clone())));
                    expected += model.gone(id, reason);
                }
                Step::BeginSnapshot | Step::FinishSnapshot => {
                    let page = PageCommit::new(epoch, ObjectKind::Contact, std::mem::take(&mut rows));
                    let counts = store.commit_page(page).await.unwrap().counts;
                    prop_assert_eq!(counts, std::mem::take(&mut expected));
                    if matches!(step, Step::BeginSnapshot) {
                        store.begin_snapshot(epoch, ObjectKind::Contact).await.unwrap();
                        model.snapshot = Some(Vec::new());
                    } else {
                        let end = store.finish_snapshot(epoch, ObjectKind::Contact, None).await;
                        prop_assert_eq!(end.ok().map(|end| end.gone), model.finish());
                    }
                }
            }
        }
        let page = PageCommit::new(epoch, ObjectKind::Contact, rows);
        prop_assert_eq!(store.commit_page(page).await.unwrap().counts, expected);
    }
    let request = ListRequest::new(ObjectKind::Contact).of(account.id).with_deleted(true);
    let stored = store.list(request).await.unwrap().records.into_iter().map(|stored| {
        let text = |field| stored.record.get(field).unwrap().to_string();
        let gone = stored.gone.as_ref().map(|gone| gone.reason.clone());
        // The flag follows the tombstone, whichever way that came about.
        assert_eq!(stored.record.get("remote_was_deleted").is_some(), gone.is_some());
        (text("remote_id").parse().unwrap(), Known { name: text("last_name").parse().unwrap(), gone })
    });
    prop_assert_eq!(stored.collect::<BTreeMap<u8, Known>>(), model.records);
    store.unlink(account.id).await.unwrap();
    Ok(())
}
