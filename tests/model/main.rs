//! The model test of the sync: random programs of changes in an org, syncs, faults and crashes. Whatever happens, once the
//! org is quiet a sync makes the store equal to it within the overlap window, and a reading of everything wholly. The
//! oracle is the org's own tables.
//!
//! - `UNICRM_PROGRAMS`: how many programs (60); from 5,000 on the coverage is asserted too.
//! - `UNICRM_SEED`: the seed of the first; the others follow. A failure prints the seed that repeats it.
//! - `UNICRM_REPEAT`: how often each program is run (1): which requests overlap is not the same each time.
//! - `UNICRM_PARALLEL`: programs at a time (12). They spend much time waiting for retries.
//!
//! It is a program of its own, which `just model` compiles for speed with the very libraries of the command line, and a
//! test: of some random programs, and of its own eyes, by planted bugs.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![cfg_attr(not(test), allow(dead_code, reason = "the planted bugs are for the tests"))]

mod change;
mod draw;
mod faults;
mod history;
mod interrupt;
mod mutation;
mod objects;
mod oracle;
mod program;
mod tally;
mod theme;
mod world;

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use interrupt::Bug;
use program::{Program, Sort};
use tally::Tally;
use world::{Failed, run};

/// From so many programs on, every fault has to have met every kind of request.
const FULL_RUN: u64 = 5_000;
/// How often, at least.
const MEETINGS: u64 = 50;
/// So many failing programs say enough.
const FAILURES: usize = 10;
/// How long a failing program is made smaller.
const SHRINKING: Duration = Duration::from_secs(90);
/// Programs after which a planted bug must have been found.
const SOON: u64 = 400;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A program that failed, and why.
struct Found {
    program: Program,
    failed: Failed,
    /// How many were run.
    after: u64,
}

/// Runs programs until so many have failed.
async fn search(
    first: u64,
    count: u64,
    sort: Sort,
    bug: Option<Bug>,
    failures: usize,
) -> (Tally, Vec<Found>) {
    let mut total = Tally::default();
    let mut found = Vec::new();
    let parallel = number("UNICRM_PARALLEL", 12) as usize;
    let repeat = number("UNICRM_REPEAT", 1);
    let seeds = (first..first.saturating_add(count)).flat_map(|seed| (0..repeat).map(move |_| seed));
    let programs = futures::stream::iter(seeds).map(|seed| {
        tokio::spawn(async move {
            let program = Program::draw(seed, sort);
            let (tally, outcome) = run(&program, bug).await;
            (program, tally, outcome)
        })
    });
    let mut programs = programs.buffer_unordered(parallel);
    while let Some(done) = programs.next().await {
        let (program, tally, outcome) = done.expect("a program runs to its end");
        total.add(tally);
        total.programs += 1;
        total.steps += program.steps.len() as u64;
        if let Err(failed) = outcome {
            found.push(Found { program, failed, after: total.programs });
            if found.len() >= failures {
                break;
            }
        }
    }
    (total, found)
}

/// The smallest program that fails still, as far as the time allows.
async fn shrink(mut program: Program, mut failed: Failed, bug: Option<Bug>) -> (Program, Failed) {
    let started = Instant::now();
    'smaller: while started.elapsed() < SHRINKING {
        for candidate in program.smaller() {
            if started.elapsed() > SHRINKING {
                break;
            }
            if let (_, Err(why)) = run(&candidate, bug).await {
                (program, failed) = (candidate, why);
                continue 'smaller;
            }
        }
        break;
    }
    (program, failed)
}

/// Whatever happens, the store comes to equal the org.
fn main() {
    let (first, count) = (number("UNICRM_SEED", 1), number("UNICRM_PROGRAMS", 60));
    let started = Instant::now();
    runtime().block_on(async {
        let (tally, found) = search(first, count, Sort::Any, None, FAILURES).await;
        println!("{}", tally.report(&faults::OPERATIONS));
        println!("in {:.0?}", started.elapsed());
        for Found { program, failed, .. } in &found {
            println!("UNICRM_SEED={} UNICRM_PROGRAMS=1 fails: {}", program.seed, failed.why);
        }
        if let Some(Found { program, failed, .. }) = found.into_iter().next() {
            let seed = program.seed;
            let (small, Failed { why, history }) = shrink(program, failed, None).await;
            let history = history.join("\n");
            panic!(
                "UNICRM_SEED={seed} UNICRM_PROGRAMS=1 fails.\n{why}\nThe program, made smaller: {small:?}\n\
                 What happened:\n{history}"
            );
        }
        // Fewer programs show what a full run would miss.
        let rare = rare(&tally, MEETINGS * count.min(FULL_RUN) / FULL_RUN);
        println!("too rare to say anything: {rare:#?}");
        if count >= FULL_RUN {
            assert!(tally.steps >= 40 * tally.programs * 95 / 100, "{} steps", tally.steps);
            assert!(rare.is_empty(), "{} meetings are too rare to say anything", rare.len());
        }
    });
}

/// What met less often than that.
fn rare(tally: &Tally, least: u64) -> Vec<String> {
    let mut rare = Vec::new();
    for resource in faults::OPERATIONS {
        let remote = if resource == unicrm_salesforce_emulator::Resource::Blob {
            objects::Remote::ContentNote
        } else {
            objects::Remote::Contact
        };
        for fault in faults::of(resource, remote) {
            let name = faults::name(&fault);
            let struck = tally.struck(&name, resource);
            if struck < least {
                rare.push(format!("{name} met {resource:?} {struck} times"));
            }
        }
    }
    for change in tally.changes() {
        if tally.mutated(change) < least {
            rare.push(format!("{change} happened {} times", tally.mutated(change)));
        }
        for fault in tally.faults() {
            let met = tally.met(&fault, change);
            if met < least {
                rare.push(format!("{fault} met {change} {met} times"));
            }
        }
    }
    rare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_happens_the_store_comes_to_equal_the_org() {
        main();
    }

    /// A planted bug is found soon, and it is what is found: the same program passes without it.
    fn is_found(bug: Bug, sort: Sort) {
        let first = number("UNICRM_SEED", 1);
        runtime().block_on(async {
            let (_, found) = search(first, SOON, sort, Some(bug), 1).await;
            let found = found
                .into_iter()
                .next()
                .unwrap_or_else(|| panic!("{bug:?} was not found by {SOON} programs"));
            println!(
                "{bug:?} was found by program {} (the {}th): {}",
                found.program.seed, found.after, found.failed.why
            );
            let (_, honest) = run(&found.program, None).await;
            assert_eq!(honest, Ok(()), "the program fails without the bug too");
        });
    }

    #[test]
    fn a_cursor_without_the_id_is_found() {
        is_found(Bug::StrictCursor, Sort::Plain);
    }

    #[test]
    fn a_reading_without_overlap_is_found() {
        is_found(Bug::NoOverlap, Sort::Plain);
    }

    #[test]
    fn a_checkpoint_before_its_rows_is_found() {
        is_found(Bug::CheckpointFirst, Sort::Plain);
    }

    #[test]
    fn tombstones_after_a_partial_snapshot_are_found() {
        is_found(Bug::PartialSnapshot, Sort::Any);
    }

    #[test]
    fn a_short_page_of_a_job_is_found() {
        is_found(Bug::ShortBulk, Sort::Plain);
    }
}
