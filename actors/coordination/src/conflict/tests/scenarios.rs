//! 10,000 random conflicts: each ends by its deadline, resolved or with a reason, and stays so.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::{HumanFallback, MergeKind};
use super::*;
use crate::sync::Stamp;

const SCENARIOS: u64 = 10_000;

fn strategy(rng: &mut StdRng, parties: usize) -> Strategy {
    let within_ms = rng.random_range(1..50);
    match rng.random_range(0..10) {
        0 => Strategy::Priority,
        1 => Strategy::Authority,
        2 => Strategy::WoundWait,
        3 => Strategy::WaitDie,
        4 => Strategy::Victim,
        5 => Strategy::Merge(MergeKind::Counter),
        6 => Strategy::LastWriter,
        7 => Strategy::Arbiter { name: "j0".into(), within_ms },
        8 => {
            let arbiters = (0..rng.random_range(1..5)).map(|at| format!("j{at}")).collect();
            Strategy::Vote { arbiters, quorum: rng.random_range(0..2), within_ms }
        }
        _ => {
            let fallback = match rng.random_range(0..3) {
                0 => HumanFallback::Next,
                1 => HumanFallback::Party(format!("p{}", rng.random_range(0..parties))),
                _ => HumanFallback::Unresolved,
            };
            Strategy::Human { users: Vec::new(), within_ms, fallback }
        }
    }
}

fn setup(rng: &mut StdRng) -> ConflictSetup {
    let count = rng.random_range(2..6);
    let parties = (0..count).map(|at| Party {
        priority: rng.random_range(0..3),
        authority: rng.random_range(0..3),
        since_us: rng.random_range(0..3),
        holds: rng.random_range(0..3) == 0,
        locks: rng.random_range(0..2),
        claim: if rng.random() { r#"{"up": {"a": 1}}"#.into() } else { "no".into() },
        stamp: Stamp::at(rng.random_range(0..3)),
        ..Party::named(format!("p{at}"))
    });
    let parties = parties.collect();
    let strategies = (0..rng.random_range(1..6)).map(|_| strategy(rng, count)).collect();
    let deadline_ms = rng.random_range(1..200);
    ConflictSetup { subject: "s".into(), parties, strategies, deadline_ms, ..Default::default() }
}

fn input(rng: &mut StdRng) -> ConflictInput {
    let party = |rng: &mut StdRng| format!("p{}", rng.random_range(0..6));
    let choice = |rng: &mut StdRng| (rng.random_range(0..4) > 0).then(|| party(rng));
    let reason = String::new();
    match rng.random_range(0..12) {
        0..5 => {
            let arbiter = format!("j{}", rng.random_range(0..5));
            ConflictInput::Judge { arbiter, choice: choice(rng), reason }
        }
        5 => ConflictInput::Ballot { ballot: "b".into(), choice: choice(rng) },
        6..8 => {
            let (user, choice) = ("u".to_owned(), choice(rng));
            ConflictInput::Decide { user, choice, value: None, reason }
        }
        8..11 => ConflictInput::Withdraw { party: party(rng), reason },
        _ => ConflictInput::Cancel { reason },
    }
}

/// Runs one; whether it was resolved.
fn run(seed: u64) -> bool {
    let mut rng = StdRng::seed_from_u64(seed);
    let setup = setup(&mut rng);
    let (deadline, parties) = (setup.deadline_ms as i64, setup.parties.len());
    let mut world = World::open(setup).unwrap();
    let mut ended: Option<ConflictOutcome> = None;
    while world.now_ms <= deadline + 20 {
        match rng.random_range(0..3) {
            0 => _ = world.tell(input(&mut rng)),
            1 => {
                let about = rng.random_range(0..8);
                world.hear(about, &Heard::Silent("gone".into()));
            }
            _ => {}
        }
        let outcome = world.outcome();
        assert!(ended.is_none() || ended == outcome, "an outcome has changed");
        ended = outcome;
        world.pass(rng.random_range(0..20));
    }
    assert!(world.conflict.has_ended() && world.conflict.next_wake().is_none());
    match world.outcome() {
        Some(ConflictOutcome::Resolved(resolution)) => {
            assert_eq!(resolution.fates.len(), parties);
            let wins = resolution.fates.iter().filter(|it| it.fate == Fate::Wins).count();
            assert_eq!(wins, usize::from(resolution.winner.is_some()));
            assert!(!resolution.why.is_empty());
            true
        }
        Some(ConflictOutcome::Unresolved { reason }) => {
            assert!(!reason.is_empty());
            false
        }
        None => panic!("no outcome"),
    }
}

#[test]
fn ten_thousand_conflicts_are_resolved_or_end_with_a_reason_by_their_deadline() {
    let mut resolved = 0;
    for seed in 0..SCENARIOS {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(is_resolved) => resolved += u64::from(is_resolved),
            Err(_) => panic!("seed {seed}"),
        }
    }
    assert!(resolved > SCENARIOS / 2 && resolved < SCENARIOS, "{resolved} resolved");
}
