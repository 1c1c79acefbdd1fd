//! Whole nodes in one process and one thread, in simulated time, over a simulated network and on
//! simulated disks, with whatever goes wrong chosen by a seed.
//!
//! ```text
//!  clients ─▶ nodes (as `synod node` runs them, without HTTP) ─▶ disks that lose what isn't synced
//!               │  ▲ witness: logs, views, appends            ─▶ network that delays and splits
//!  faults ──────┘  └─ facts: invariants at every moment; scan: what holds when all is well again
//! ```
//!
//! A seed that fails is run again by `SYNOD_SEED=<seed> cargo test --test simulation one_storm`;
//! `SYNOD_SIMULATE_TRACE=<file>` writes down all that happened.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails loudly")]
#![allow(clippy::print_stdout, reason = "seeds and what they came to are said")]

mod agent;
mod clients;
mod decisions;
mod facts;
mod faults;
mod randomness;
mod run;
mod scan;
mod seeds;
mod talks;
mod witness;
mod world;

use synod_testkit::Seed;

use crate::run::{Scenario, simulate};
use crate::witness::Planted;

#[test]
fn one_storm_breaks_no_invariant() {
    let seed = Seed::from_env();
    seeds::guard();
    let outcome = simulate(seed.value(), Planted::Nothing, Scenario::Storm);
    seeds::report(&seed, &outcome);
    assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
}

#[test]
fn many_storms_break_no_invariant() {
    let broken = seeds::many();
    assert!(broken.is_empty(), "to repeat one: SYNOD_SEED=<seed>, of {broken:?}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let seed = seeds::chosen();
    let folder = tempfile::tempdir().expect("a folder");
    let first = seeds::traced(seed.value(), folder.path(), "first");
    let second = seeds::traced(seed.value(), folder.path(), "second");
    let differs = first.lines().zip(second.lines()).enumerate().find(|(_, (a, b))| a != b);
    assert!(first == second, "they differ from here on: {differs:#?}");
    assert_ne!(first, seeds::traced(seed.round(1).value(), folder.path(), "other"));
}

/// What a planted wrong makes of a scenario, and what the scenario is without it.
fn planted(planted: Planted, scenario: Scenario) -> Vec<String> {
    let seed = seeds::chosen();
    let sound = simulate(seed.value(), Planted::Nothing, scenario);
    assert!(sound.violations.is_empty(), "without it: {:#?}", sound.violations);
    simulate(seed.value(), planted, scenario).violations
}

fn says(violations: &[String], what: &str) -> bool {
    violations.iter().any(|one| one.contains(what))
}

#[test]
fn syncs_that_are_skipped_are_found_out() {
    let found = planted(Planted::SkippedSync, Scenario::Blackout);
    let lost = ["accepted and lost", "committed never changes", "not well in time"];
    assert!(lost.iter().any(|what| says(&found, what)), "{found:#?}");
}

#[test]
fn a_stale_epoch_that_is_accepted_is_found_out() {
    let found = planted(Planted::StaleEpoch, Scenario::LostOwner);
    assert!(says(&found, "no stale epoch") || says(&found, "one owner an epoch"), "{found:#?}");
    assert!(says(&found, "accepted and lost"), "{found:#?}");
}

#[test]
fn a_result_that_is_taken_twice_is_found_out() {
    let found = planted(Planted::DoubleTaking, Scenario::Calm);
    assert!(says(&found, "each task result taken once"), "{found:#?}");
}

#[test]
fn a_node_that_asks_nobody_before_it_begins_a_term_is_found_out() {
    let found = planted(Planted::NoPreVote, Scenario::LostFollower);
    assert!(says(&found, "a node alone begins no terms"), "{found:#?}");
}
