//! What is found: contention, deadlocks, contradictions, concurrent changes.

use super::super::{
    Cause, Decision, DecisionLog, Found, Update, UpdateLog, VersionVector, contentions, deadlocks,
};
use super::*;
use crate::lock::{Acquire, DeadlockPolicy, LockInput, LockSetup, LockSpace, Wish};
use crate::sync::Stamp;

fn space(policy: DeadlockPolicy, asks: &[(&str, &str, u8)]) -> LockSpace {
    let setup = LockSetup { policy, ..LockSetup::default() };
    let by = Principal::anonymous();
    let opening = Opening { id: Uuid::nil(), now: Moment(0), seed: 0, by: by.clone() };
    let mut out = Effects::default();
    let mut space = LockSpace::open(setup, &opening, &mut out).unwrap();
    for (at, (owner, name, priority)) in asks.iter().enumerate() {
        let ask = Acquire {
            owner: (*owner).into(),
            resources: vec![Wish::exclusive(*name)],
            lease_ms: 1_000,
            wait_ms: 1_000,
            priority: *priority,
        };
        space.step(Moment(at as i64 + 1), by, LockInput::Acquire(ask), &mut out).unwrap();
    }
    space
}

#[test]
fn a_resource_that_others_wait_for_is_a_conflict_of_holders_and_waiters() {
    let asks = [("a", "x", 0), ("b", "x", 3), ("c", "x", 0), ("c", "y", 0)];
    let space = space(DeadlockPolicy::Timeout, &asks[..3]);
    let found = contentions(&space, 1);
    assert_eq!((found.len(), found[0].subject.as_str()), (1, "x"));
    let holds: Vec<bool> = found[0].parties.iter().map(|it| it.holds).collect();
    assert_eq!(holds, [true, false, false]);
    assert_eq!(found[0].parties[1].priority, 3);
    assert!(contentions(&space, 3).is_empty());
    let setup = found[0].clone().settled_by(vec![Strategy::Priority]);
    assert_eq!(World::open(setup).unwrap().resolution().winner.as_deref(), Some("b"));
}

#[test]
fn a_deadlock_is_a_conflict_of_all_who_are_in_it_and_its_victim_can_be_found() {
    let asks = [("a", "x", 0), ("b", "y", 0), ("d", "z", 0), ("a", "y", 0), ("b", "x", 0)];
    let space = space(DeadlockPolicy::Timeout, &asks);
    let found = deadlocks(&space);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].cause, found[0].subject.as_str()), (Cause::Deadlock, "a, b"));
    let setup = found[0].clone().settled_by(vec![Strategy::Victim]);
    assert_eq!(World::open(setup).unwrap().fates(), [Fate::Keeps, Fate::Yields]);
}

fn decision(by: &str, outcome: &str, at: u64) -> Decision {
    let (subject, outcome, by) = ("s".to_owned(), outcome.to_owned(), by.to_owned());
    Decision { subject, outcome, by, authority: 1, at: Stamp::at(at) }
}

#[test]
fn decisions_about_one_subject_contradict_when_others_decided_otherwise() {
    let mut log = DecisionLog::new(10);
    assert!(log.observe(decision("a", "yes", 1)).is_none());
    assert!(log.observe(decision("b", "yes", 2)).is_none(), "of one mind");
    let found = log.observe(decision("c", "no", 3)).unwrap();
    assert_eq!(found.with.len(), 2);
    let found: Found = found.into();
    assert_eq!(found.parties.len(), 3);
    assert!(log.observe(decision("c", "yes", 4)).is_none(), "a change of mind");
    assert!(log.observe(decision("c", "no", 3)).is_none(), "what came late is not its mind");
    assert!(log.observe(Decision { subject: "t".into(), ..decision("d", "no", 5) }).is_none());
    log.settle("s");
    assert!(log.observe(decision("d", "no", 6)).is_none());
}

#[test]
fn a_log_forgets_the_subject_it_heard_of_longest_ago() {
    let mut log = DecisionLog::new(2);
    let about = |subject: &str, outcome: &str| Decision {
        subject: subject.into(),
        ..decision(&format!("{subject}{outcome}"), outcome, 1)
    };
    log.observe(about("s", "yes"));
    log.observe(about("t", "yes"));
    assert!(log.observe(about("s", "no")).is_some());
    log.observe(about("u", "yes"));
    assert!(log.observe(about("t", "no")).is_none(), "t was forgotten");
    assert!(log.observe(about("u", "no")).is_some());
}

#[test]
fn changes_are_concurrent_when_neither_has_seen_the_other() {
    let update = |by: &str, seen: &[(&str, u64)]| Update {
        subject: "s".into(),
        by: by.into(),
        version: VersionVector(seen.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()),
        at: Stamp::at(1),
        value: by.into(),
    };
    let mut log = UpdateLog::new(10);
    assert!(log.observe(update("a", &[("a", 1)])).is_none());
    assert!(log.observe(update("b", &[("a", 1), ("b", 1)])).is_none(), "b has seen a");
    let found = log.observe(update("c", &[("a", 1), ("c", 1)])).unwrap();
    assert_eq!(found.with[0].by, "b");
    let found: Found = found.into();
    assert_eq!((found.cause, found.parties.len()), (Cause::Updates, 2));
    assert!(log.observe(update("a", &[("a", 1)])).is_none(), "known");
    let all = update("a", &[("a", 2), ("b", 1), ("c", 1)]);
    assert!(log.observe(all).is_none(), "it has seen both");
}
