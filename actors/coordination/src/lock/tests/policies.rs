//! Two who want the same in opposite order, under each policy; and owners that never give up.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::super::{Ending, Reentrancy};
use super::*;

/// `a`, the older, has x; `b` has y; `a` wants y, then `b` wants x (when it still can).
fn opposite_order(policy: DeadlockPolicy) -> (World, LockAnswer, LockAnswer) {
    let mut world = World::with(policy);
    world.lock("a", &["x"]);
    world.pass(1);
    world.lock("b", &["y"]);
    world.pass(1);
    let first = world.lock("a", &["y"]);
    let second = world.lock("b", &["x"]);
    (world, first, second)
}

#[test]
fn wound_wait_takes_from_the_younger_for_the_older() {
    let (world, first, second) = opposite_order(DeadlockPolicy::WoundWait);
    fence(&first);
    ticket(&second);
    assert!(world.told("lock.wounded", "b"));
    assert_eq!(world.holders("y"), ["a"]);
}

#[test]
fn wait_die_lets_the_younger_die_and_the_older_wait() {
    let (world, first, second) = opposite_order(DeadlockPolicy::WaitDie);
    ticket(&first);
    assert!(matches!(second, LockAnswer::Died { ending: Ending::Died, lost: 1, .. }));
    assert_eq!(world.holders("y"), ["a"], "what b lost is a's");
}

#[test]
fn detection_breaks_the_circle_at_the_youngest_of_the_lowest_priority() {
    let (world, first, second) = opposite_order(DeadlockPolicy::Detect);
    ticket(&first);
    assert!(matches!(second, LockAnswer::Died { ending: Ending::Victim, lost: 1, .. }));
    assert!(world.told("lock.deadlock", "b") && world.told("lock.victim", "b"));
    assert_eq!(world.holders("y"), ["a"]);
}

#[test]
fn a_higher_priority_makes_the_older_the_victim() {
    let mut world = World::with(DeadlockPolicy::Detect);
    world.lock("a", &["x"]);
    let urgent = Acquire { priority: 3, ..acquire("b", vec![Wish::exclusive("y")]) };
    world.ask(urgent).unwrap();
    world.lock("a", &["y"]);
    fence(&world.lock("b", &["x"]));
    assert!(world.told("lock.victim", "a"));
}

#[test]
fn with_timeouts_alone_a_deadlock_is_seen_and_ends_at_a_deadline() {
    let (mut world, first, second) = opposite_order(DeadlockPolicy::Timeout);
    let (first, second) = (ticket(&first), ticket(&second));
    assert_eq!(world.space.deadlocked(), [["a", "b"]]);
    world.pass(1_000);
    assert!(world.space.deadlocked().is_empty(), "the leases have ended");
    for waited in [first, second] {
        assert!(world.endings.iter().any(|it| it.ticket == Some(waited)));
    }
}

#[test]
fn two_readers_who_both_want_to_write_do_not_block_each_other() {
    let setup = LockSetup { reentrancy: Reentrancy::Allow, ..LockSetup::default() };
    let mut world = World::new(setup);
    world.ask(acquire("a", vec![Wish::shared("x")])).unwrap();
    world.pass(1);
    world.ask(acquire("b", vec![Wish::shared("x")])).unwrap();
    ticket(&world.lock("a", &["x"]));
    assert!(matches!(world.lock("b", &["x"]), LockAnswer::Died { .. }));
    assert_eq!(world.holders("x"), ["a", "a"]);
}

#[test]
fn a_circle_through_a_semaphore_with_a_permit_to_come_is_no_deadlock() {
    let gpu = super::super::Semaphore { name: "gpu".into(), permits: 2 };
    let mut world = World::new(LockSetup { semaphores: vec![gpu], ..LockSetup::default() });
    let one = |owner: &str| acquire(owner, vec![Wish::permits("gpu", 1)]);
    world.ask(one("a")).unwrap();
    let other = fence(&world.ask(one("b")).unwrap());
    world.lock("c", &["x"]);
    ticket(&world.lock("a", &["x"]));
    ticket(&world.ask(one("c")).unwrap());
    assert!(!world.notes.iter().any(|note| note.kind == "lock.deadlock"), "b may give one back");
    world.release("b", other).unwrap();
    assert_eq!(world.holders("gpu"), ["a", "c"]);
    ticket(&world.ask(one("b")).unwrap());
    assert!(!world.notes.iter().any(|note| note.kind == "lock.deadlock"));
}

/// Owners who take several locks one after the other, in an order of their own, and begin again
/// whenever they have lost what they had. How often the unluckiest began.
fn work_of_the_stubborn(policy: DeadlockPolicy, seed: u64, owners: usize, locks: usize) -> u32 {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::with(policy);
    let mut plans: Vec<Vec<usize>> = Vec::new();
    for _ in 0..owners {
        let mut plan: Vec<usize> = (0..locks).collect();
        for at in (1..locks).rev() {
            plan.swap(at, rng.random_range(0..=at));
        }
        plan.truncate(rng.random_range(2..=locks));
        plans.push(plan);
    }
    let mut begun = vec![1_u32; owners];
    let mut done = vec![false; owners];
    for _ in 0..owners * locks * 200 {
        if done.iter().all(|it| *it) {
            return begun.into_iter().max().unwrap_or(0);
        }
        world.pass(rng.random_range(0..3));
        let who = rng.random_range(0..owners);
        let name = format!("o{who}");
        let view = world.space.view();
        if done[who] || view.waits.iter().any(|it| it.owner == name) {
            continue;
        }
        let held: Vec<u64> =
            view.grants.iter().filter(|it| it.owner == name).map(|it| it.fence).collect();
        if held.len() == plans[who].len() {
            for fence in held {
                world.release(&name, fence).unwrap();
            }
            done[who] = true;
            continue;
        }
        let wish = Wish::exclusive(format!("r{}", plans[who][held.len()]));
        let ask = Acquire { lease_ms: 600_000, wait_ms: 600_000, ..acquire(&name, vec![wish]) };
        let lost = world.endings.iter().filter(|it| it.owner == name && it.fence.is_some());
        begun[who] = 1 + lost.filter(|it| it.ending != Ending::Granted).count() as u32;
        world.ask(ask).unwrap();
    }
    panic!("{policy:?}, seed {seed}: {done:?} after {begun:?} beginnings");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whoever_begins_again_gets_all_its_locks_in_the_end(
        seed in any::<u64>(), owners in 2_usize..7, locks in 2_usize..5,
    ) {
        for policy in
            [DeadlockPolicy::WoundWait, DeadlockPolicy::WaitDie, DeadlockPolicy::Detect]
        {
            let most = work_of_the_stubborn(policy, seed, owners, locks);
            // Its age stays, so it is the oldest after at most one loss for each lock of those
            // who were before it; polling while it waits for them costs it nothing more.
            prop_assert!(most <= 200, "{policy:?}: began {most} times");
        }
    }
}
