//! Queues: order, aging, permits, readers and writers, several resources at once.

use proptest::prelude::*;

use super::super::{Ending, Reentrancy, Semaphore};
use super::*;

#[test]
fn several_resources_are_taken_at_once_or_not_at_all() {
    let mut world = World::with(DeadlockPolicy::Detect);
    let x = fence(&world.lock("a", &["x"]));
    ticket(&world.lock("b", &["x", "y"]));
    assert!(world.holders("y").is_empty(), "b has no part of what it waits for");
    world.release("a", x).unwrap();
    assert_eq!((world.holders("x"), world.holders("y")), (vec!["b".into()], vec!["b".into()]));
}

#[test]
fn nobody_passes_by_who_waits_for_more() {
    let gpu = Semaphore { name: "gpu".into(), permits: 3 };
    let mut world = World::new(LockSetup { semaphores: vec![gpu], ..LockSetup::default() });
    let some = |owner: &str, n| acquire(owner, vec![Wish::permits("gpu", n)]);
    let first = fence(&world.ask(some("a", 2)).unwrap());
    ticket(&world.ask(some("b", 3)).unwrap());
    ticket(&world.ask(some("c", 1)).unwrap());
    world.release("a", first).unwrap();
    assert_eq!(world.holders("gpu"), ["b"]);
}

#[test]
fn readers_share_and_a_writer_waits_its_turn_before_later_readers() {
    let mut world = World::with(DeadlockPolicy::Detect);
    let read = |owner: &str| acquire(owner, vec![Wish::shared("x")]);
    let (a, b) = (world.ask(read("a")).unwrap(), world.ask(read("b")).unwrap());
    ticket(&world.lock("w", &["x"]));
    ticket(&world.ask(read("c")).unwrap());
    world.release("a", fence(&a)).unwrap();
    world.release("b", fence(&b)).unwrap();
    assert_eq!(world.holders("x"), ["w"]);
}

#[test]
fn a_request_that_does_not_wait_is_told_who_is_before_it() {
    let mut world = World::with(DeadlockPolicy::WoundWait);
    world.lock("a", &["x"]);
    let now = Acquire { wait_ms: 0, ..acquire("b", vec![Wish::exclusive("x")]) };
    assert_eq!(world.ask(now).unwrap(), LockAnswer::Busy { by: "a".into() });
    assert_eq!(world.space.view().owners, 1);
}

#[test]
fn an_owner_waits_for_one_request_at_a_time_and_may_give_it_up() {
    let mut world = World::with(DeadlockPolicy::Detect);
    world.lock("a", &["x"]);
    let waits = ticket(&world.lock("b", &["x"]));
    let again = acquire("b", vec![Wish::exclusive("y")]);
    assert!(matches!(world.ask(again), Err(Refusal::Conflict(_))));
    let cancel = |ticket| LockInput::CancelWait { owner: "b".into(), ticket };
    assert!(world.step(cancel(waits + 1)).is_err());
    world.step(cancel(waits)).unwrap();
    assert!(world.step(cancel(waits)).is_err());
    assert!(world.told("lock.cancelled", "b"));
}

#[test]
fn what_is_held_is_asked_for_again_only_where_that_is_allowed() {
    let mut world = World::with(DeadlockPolicy::Detect);
    world.lock("a", &["x"]);
    let again = acquire("a", vec![Wish::exclusive("x")]);
    assert!(matches!(world.ask(again.clone()), Err(Refusal::Conflict(_))));
    let setup = LockSetup { reentrancy: Reentrancy::Allow, ..LockSetup::default() };
    let mut world = World::new(setup);
    let outer = fence(&world.lock("a", &["x"]));
    ticket(&world.lock("b", &["x"]));
    let inner = fence(&world.ask(again).unwrap());
    world.release("a", outer).unwrap();
    assert_eq!(world.holders("x"), ["a"]);
    world.release("a", inner).unwrap();
    assert_eq!(world.holders("x"), ["b"]);
}

#[test]
fn a_full_queue_refuses() {
    let mut world = World::new(LockSetup { max_waiting: 1, ..LockSetup::default() });
    world.lock("a", &["x"]);
    ticket(&world.lock("b", &["x"]));
    let third = acquire("c", vec![Wish::exclusive("x")]);
    assert!(matches!(world.ask(third), Err(Refusal::Full(_))));
}

#[test]
fn a_deadline_ends_a_wait_and_the_age_is_kept_for_the_next_try() {
    let mut world = World::with(DeadlockPolicy::Detect);
    let long = Acquire { lease_ms: 60_000, ..acquire("a", vec![Wish::exclusive("x")]) };
    world.ask(long).unwrap();
    let waits = ticket(&world.lock("b", &["x"]));
    world.pass(10_000);
    let ended = world.endings.last().unwrap();
    assert_eq!((ended.ticket, ended.ending), (Some(waits), Ending::TimedOut));
    assert_eq!(ended.at_us, 10_000_000);
    assert_eq!(world.space.standing("b"), Some((0, 0)));
    world.pass(60);
    let now = Acquire { wait_ms: 0, ..acquire("b", vec![Wish::exclusive("x")]) };
    assert_eq!(world.ask(now).unwrap(), LockAnswer::Busy { by: "a".into() });
    assert_eq!(world.space.standing("b"), Some((0, 0)), "asking costs it nothing");
    world.pass(600_000);
    assert_eq!(world.space.standing("b"), None, "not for ever");
}

#[test]
fn agents_are_sent_what_came_of_their_waiting_where_that_is_wanted() {
    let setup = LockSetup { tell_agents: true, ..LockSetup::default() };
    let mut world = World::new(setup);
    let held = fence(&world.lock("a", &["x"]));
    world.lock("b", &["x"]);
    let mut out = Effects::default();
    let input = LockInput::Release { owner: "a".into(), fence: held };
    world.space.step(Moment(5), Principal::anonymous(), input, &mut out).unwrap();
    let sent = &out.dispatches[0];
    assert_eq!((sent.number, sent.to.as_str()), (1, "b"));
    let content: serde_json::Value = sent.content.to_json().unwrap();
    assert_eq!(content["event"], "lock.granted");
    assert_eq!(content["fence"], held + 1);
}

proptest! {
    /// FIFO within a priority, and a step of priority is worth `aging_ms`: nobody is overtaken by
    /// somebody who came later than that, so the wait is bounded by the work of those before.
    #[test]
    fn nobody_is_overtaken_beyond_what_priority_is_worth(
        arrivals in prop::collection::vec((0_i64..400, 0_u8..5), 2..40),
        aging_ms in 0_u64..200,
    ) {
        let setup = LockSetup { aging_ms, ..LockSetup::default() };
        let mut world = World::new(setup);
        let holder = Acquire { lease_ms: 20_000, ..acquire("first", vec![Wish::exclusive("x")]) };
        let mut held = fence(&world.ask(holder).unwrap());
        let mut owner = "first".to_owned();
        let mut came = BTreeMap::new();
        for (at, (gap, priority)) in arrivals.iter().enumerate() {
            world.pass(*gap);
            let name = format!("o{at:02}");
            came.insert(name.clone(), (world.now_ms, *priority));
            let ask = Acquire {
                lease_ms: 3_600_000, wait_ms: 600_000, priority: *priority,
                ..acquire(&name, vec![Wish::exclusive("x")])
            };
            world.ask(ask).unwrap();
            if at % 3 == 2 {
                world.release(&owner, held).ok();
                let view = world.space.view();
                let next = &view.grants[0];
                (owner, held) = (next.owner.clone(), next.fence);
                let (arrived, urgent) = came.remove(&owner).unwrap();
                for (other, (before, priority)) in &came {
                    if *before < arrived {
                        let worth = (i64::from(urgent) - i64::from(*priority)) * aging_ms as i64;
                        prop_assert!(arrived - before <= worth, "{owner} passed {other} by");
                    }
                }
            }
        }
    }
}
