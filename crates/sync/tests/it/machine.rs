//! The machine by itself: no provider, no store.

use proptest::prelude::*;
use unicrm_core::{
    Error, ErrorKind, Gone, GoneReason, Next, ObjectKind, Page, PageToken, Row, Scope, Usage, Watermark,
};
use unicrm_store::PageCounts;
use unicrm_sync::{Checkpoint, Effect, Input, Pass, Plan, State, Status, step};

fn token(number: usize) -> PageToken {
    PageToken::new(number.to_string())
}

fn rows(number: usize) -> Vec<Row> {
    vec![Row::Gone(Gone::new(ObjectKind::Lead, number.to_string(), GoneReason::Deleted))]
}

/// Page `number` of a reading of `pages` pages: one row, then a token or the end.
fn page(number: usize, pages: usize) -> Page {
    let next = if number + 1 < pages {
        Next::More(token(number + 1))
    } else {
        Next::End(Some(Watermark::new("end")))
    };
    Page::new(rows(number), next).with_usage(Usage::calls(1))
}

/// A store that remembers what the machine asked of it.
#[derive(Debug, Default)]
struct Model {
    checkpoint: Checkpoint,
    /// The pages whose rows are there.
    committed: Vec<String>,
    snapshot_open: bool,
    finished: usize,
}

impl Model {
    /// Carries out an effect as a store and a remote with so many pages would.
    fn perform(&mut self, effect: Effect, pages: usize) -> Input {
        match effect {
            Effect::Begin(checkpoint) => {
                self.checkpoint = checkpoint;
                self.snapshot_open = true;
                self.committed.clear();
                Input::Done(PageCounts::default())
            }
            Effect::Read(part) if part.scope == Scope::Since(Watermark::new("end")) => {
                Input::Page(Page::new(Vec::new(), Next::End(Some(Watermark::new("end")))))
            }
            Effect::Read(part) => {
                let number = part.after.map_or(0, |token| token.as_str().parse().unwrap());
                Input::Page(page(number, pages))
            }
            Effect::Commit { rows, checkpoint } => {
                self.committed.extend(rows.iter().map(|row| row.remote_id().unwrap().to_string()));
                self.checkpoint = checkpoint;
                Input::Done(PageCounts { created: rows.len() as u64, ..PageCounts::default() })
            }
            Effect::Finish(checkpoint) => {
                assert!(self.snapshot_open, "only a snapshot is finished");
                self.snapshot_open = false;
                self.checkpoint = checkpoint;
                self.finished += 1;
                Input::Done(PageCounts::default())
            }
        }
    }

    /// Runs to the end, or for so many effects.
    fn run(&mut self, plan: Plan, pages: usize, effects: usize) -> State {
        let mut state = State::new(plan);
        let mut input = Input::Start(self.checkpoint.clone());
        for _ in 0..effects {
            let (next, effect) = step(state, input);
            state = next;
            let Some(effect) = effect else { break };
            input = self.perform(effect, pages);
        }
        state
    }
}

proptest! {
    #[test]
    fn however_often_it_is_interrupted_every_page_is_committed_before_the_end(
        pages in 1..20_usize,
        interruptions in proptest::collection::vec(0..30_usize, 0..6),
    ) {
        let mut model = Model::default();
        for effects in interruptions {
            model.run(Plan::new(ObjectKind::Lead), pages, effects);
            if model.finished > 0 {
                break;
            }
            // A checkpoint never stands before rows that are not there.
            if let Some(Pass { after: Some(token), .. }) = &model.checkpoint.open {
                let next: usize = token.as_str().parse().unwrap();
                prop_assert!((0..next).all(|page| model.committed.contains(&page.to_string())));
            }
        }
        if model.finished == 0 {
            let state = model.run(Plan::new(ObjectKind::Lead), pages, usize::MAX);
            prop_assert_eq!(state.status(), Some(Status::Complete));
        }
        prop_assert_eq!(model.finished, 1);
        prop_assert!((0..pages).all(|page| model.committed.contains(&page.to_string())));
        let checkpoint = Checkpoint { watermark: Some(Watermark::new("end")), ..Checkpoint::default() };
        prop_assert_eq!(&model.checkpoint, &checkpoint);
    }

    #[test]
    fn inputs_out_of_turn_end_it_with_an_error_and_nothing_follows(
        inputs in proptest::collection::vec(0..4_u8, 1..20),
    ) {
        let mut state = State::new(Plan::new(ObjectKind::Lead));
        let mut ended = false;
        for input in inputs {
            let input = match input {
                0 => Input::Start(Checkpoint::default()),
                1 => Input::Page(page(0, 1)),
                2 => Input::Done(PageCounts::default()),
                _ => Input::Failed(Error::new(ErrorKind::Unavailable, "down")),
            };
            let (next, effect) = step(state, input);
            prop_assert!(!(ended && effect.is_some()), "an ended state asks for something");
            ended = next.status().is_some();
            prop_assert_eq!(ended, effect.is_none());
            state = next;
        }
    }
}

#[test]
fn what_was_read_in_full_is_not_read_in_full_again_when_the_store_fails_behind_it() {
    let mut model = Model::default();
    let mut state = State::new(Plan { full: true, ..Plan::new(ObjectKind::Lead) });
    let mut input = Input::Start(Checkpoint::default());
    let mut begun = 0;
    for _ in 0..20 {
        let (next, effect) = step(state, input);
        state = next;
        let Some(effect) = effect else { break };
        begun += usize::from(matches!(effect, Effect::Begin(_)));
        // The end of the snapshot is stored, and its answer is lost.
        let lost = matches!(effect, Effect::Finish(_));
        input = model.perform(effect, 3);
        if lost {
            input = Input::Start(model.checkpoint.clone());
        }
    }
    assert_eq!(state.status(), Some(Status::Complete));
    assert_eq!((begun, model.finished), (1, 1));
}

#[test]
fn a_watermark_leads_to_a_reading_of_what_changed_without_a_snapshot() {
    let watermark = Some(Watermark::new("w"));
    let start = || Input::Start(Checkpoint { watermark: watermark.clone(), ..Checkpoint::default() });
    let (_, effect) = step(State::new(Plan::new(ObjectKind::Lead)), start());
    let Some(Effect::Read(part)) = effect else { panic!("{effect:?}") };
    assert_eq!(part.scope, Scope::Since(Watermark::new("w")));

    for plan in [
        Plan { full: true, ..Plan::new(ObjectKind::Lead) },
        Plan { reads_changes: false, ..Plan::new(ObjectKind::Lead) },
    ] {
        let (_, effect) = step(State::new(plan), start());
        let Some(Effect::Begin(checkpoint)) = effect else { panic!("{effect:?}") };
        assert_eq!(checkpoint.watermark, watermark, "kept until the new reading is complete");
    }
}

#[test]
fn the_last_page_of_what_changed_brings_the_new_watermark_with_it() {
    let mut model = Model::default();
    model.checkpoint.watermark = Some(Watermark::new("w"));
    let state = model.run(Plan::new(ObjectKind::Lead), 1, usize::MAX);
    assert_eq!(state.status(), Some(Status::Complete));
    assert!(state.tally().incremental);
    assert_eq!(state.usage().calls, 1);
    assert_eq!(model.finished, 0);
    assert_eq!(model.checkpoint.watermark, Some(Watermark::new("end")));
}

#[test]
fn a_snapshot_without_its_end_is_ended_by_the_next_run_and_its_last_page_not_read_again() {
    let plan = || Plan::new(ObjectKind::Lead);
    let mut model = Model::default();
    // The begin, the only page and its rows.
    model.run(plan(), 1, 3);
    assert!(model.snapshot_open && model.committed == ["0"]);
    let (state, effect) = step(State::new(plan()), Input::Start(model.checkpoint));
    let Some(Effect::Finish(checkpoint)) = effect else { panic!("{effect:?}") };
    assert_eq!((checkpoint.watermark, checkpoint.open), (Some(Watermark::new("end")), None));
    // What it showed may be gone by now: changes are asked for since then.
    let (state, effect) = step(state, Input::Done(PageCounts::default()));
    let Some(Effect::Read(part)) = effect else { panic!("{effect:?}") };
    assert_eq!(part.scope, Scope::Since(Watermark::new("end")));
    assert!(state.resumed());
}

#[test]
fn who_asks_for_everything_goes_on_only_with_a_reading_of_everything_that_was_asked_for() {
    let plan = |full| Plan { full, ..Plan::new(ObjectKind::Lead) };
    for (begun_full, full, goes_on) in
        [(false, false, true), (false, true, false), (true, false, true), (true, true, true)]
    {
        // Three pages are too many for six effects, and one page ends with its rows.
        for (pages, effects) in [(3, 6), (1, 3)] {
            let mut model = Model::default();
            model.run(plan(begun_full), pages, effects);
            assert!(model.snapshot_open && !model.committed.is_empty());
            let (state, effect) = step(State::new(plan(full)), Input::Start(model.checkpoint));
            assert_eq!(state.resumed(), goes_on, "{begun_full} {full} {pages}");
            assert_eq!(matches!(effect, Some(Effect::Begin(_))), !goes_on);
        }
    }
}

#[test]
fn tokens_that_go_round_end_the_reading_with_an_error() {
    let mut state = State::new(Plan::new(ObjectKind::Lead));
    let mut input = Input::Start(Checkpoint::default());
    for _ in 0..200 {
        let (next, effect) = step(state, input);
        state = next;
        input = match effect {
            Some(Effect::Read(part)) => {
                let number = part.after.map_or(0, |token| token.as_str().parse::<usize>().unwrap());
                Input::Page(Page::new(Vec::new(), Next::More(token((number + 1) % 7))))
            }
            Some(_) => Input::Done(PageCounts::default()),
            None => break,
        };
    }
    assert_eq!(state.status(), Some(Status::Failed));
    assert_eq!(state.error().unwrap().kind(), ErrorKind::Internal);
}
