//! Who gets a task, by what its `allocation` says.

use std::collections::BTreeMap;

use synod_agents::{AgentCard, AgentErrorKind};

use super::world::{World, answer, request};
use crate::messages::{ExecutionSpec, RetryOptions};
use crate::task::{Allocation, TaskMode};
use crate::{SubmitError, TaskSubmissionRequest, TasksConfig};

fn by(allocation: Allocation) -> TaskSubmissionRequest {
    request("x").allocation(allocation)
}

fn capable(id: &str, capacity: u32) -> AgentCard {
    AgentCard::new(id, "1.0.0").capability("x").concurrency(capacity)
}

/// How many executions each agent has in hand.
fn loads(world: &World) -> BTreeMap<String, usize> {
    let mut loads = BTreeMap::new();
    for hand in world.hands() {
        let agent = hand.split(':').next().unwrap().to_owned();
        *loads.entry(agent).or_default() += 1;
    }
    loads
}

/// How often each of these agents got a task that was alone.
fn wins(world: &mut World, count: usize, wanted: impl Fn() -> TaskSubmissionRequest) -> Vec<usize> {
    let mut wins: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..count {
        world.accept(wanted());
        let agent = world.hands()[0].split(':').next().unwrap().to_owned();
        *wins.entry(agent).or_default() += 1;
        world.succeed("1");
    }
    wins.into_values().collect()
}

#[test]
fn by_lot_every_capable_agent_gets_its_share_whatever_was_measured() {
    let mut world = World::new();
    for id in ["a", "b", "c", "d"] {
        world.join(capable(id, 1));
    }
    // The first is known to be slow and to fail: measured it would get nothing.
    let retry = RetryOptions { max_attempts: Some(1), ..RetryOptions::default() };
    world.accept(TaskSubmissionRequest { retry, ..request("x").agent("a") });
    world.err(AgentErrorKind::Failed);
    let wins = wins(&mut world, 4_000, || by(Allocation::Random));
    // 1,000 each; the standard deviation of each is 27.
    assert!(wins.iter().all(|won| (850..1_150).contains(won)), "{wins:?}");
}

#[test]
fn the_least_loaded_in_proportion_to_its_capacity_is_next() {
    let mut world = World::new();
    world.join(capable("small", 2));
    world.join(capable("large", 6));
    for _ in 0..4 {
        world.accept(by(Allocation::LeastLoaded));
    }
    // Shares: 0 and 0, then each time the smaller of n/2 and n/6.
    assert_eq!(loads(&world), BTreeMap::from([("small".into(), 1), ("large".into(), 3)]));
    for _ in 0..4 {
        world.accept(by(Allocation::LeastLoaded));
    }
    assert_eq!(loads(&world), BTreeMap::from([("small".into(), 2), ("large".into(), 6)]));
}

#[test]
fn balancing_fills_agents_in_proportion_to_their_capacity() {
    let mut world = World::new();
    world.join(capable("large", 300));
    for number in 0..30 {
        world.join(capable(&format!("small-{number}"), 10));
    }
    for _ in 0..300 {
        world.accept(by(Allocation::LoadBalancing));
    }
    let loads = loads(&world);
    // Half of all room is in use; two choices keep everybody near that.
    assert!((130..=170).contains(&loads["large"]), "{loads:?}");
    let small = loads.iter().filter(|(id, _)| id.starts_with("small"));
    assert!(small.clone().count() == 30, "{loads:?}");
    assert!(small.map(|(_, load)| *load).all(|load| (2..=8).contains(&load)), "{loads:?}");
}

#[test]
fn two_choices_leave_less_of_a_gap_than_one() {
    let fullest = |allocation| {
        let mut world = World::new();
        for number in 0..100 {
            world.join(capable(&format!("a-{number}"), 100));
        }
        for _ in 0..1_000 {
            world.accept(by(allocation));
        }
        loads(&world).into_values().max().unwrap()
    };
    let (one, two) = (fullest(Allocation::Random), fullest(Allocation::LoadBalancing));
    // Mean 10. One choice: about 18 to 20; two: about 12.
    assert!(two <= 13 && one >= two + 3, "one choice {one}, two choices {two}");
}

#[test]
fn no_way_of_choosing_goes_beyond_a_capacity() {
    for allocation in Allocation::ALL {
        let mut world = World::new();
        for (id, capacity) in [("a", 1), ("b", 3), ("c", 8)] {
            world.join(capable(id, capacity));
        }
        for _ in 0..30 {
            world.accept(by(*allocation));
            world.advance_ms(1_000);
        }
        let expected = [("a", 1), ("b", 3), ("c", 8)].map(|(id, most)| (id.to_owned(), most));
        assert_eq!(loads(&world), BTreeMap::from(expected), "{allocation}");
        let dispatch = world.dispatch_to("b");
        world.finish(dispatch, answer("1"));
        world.advance_ms(1_000);
        assert_eq!(loads(&world)["b"], 3, "{allocation}: what was given back is given out");
    }
}

#[test]
fn the_status_says_how_and_why_an_agent_was_chosen() {
    let mut world = World::new();
    world.join(capable("a", 9));
    let plain = world.accept(request("x"));
    let drawn = world.accept(by(Allocation::Random));
    let status = world.status(plain);
    assert_eq!((status.allocation, &status.parts[0].chosen_because), (Allocation::Measured, &None));
    let status = world.status(drawn);
    assert_eq!(status.allocation, Allocation::Random);
    assert!(status.parts[0].chosen_because.as_ref().unwrap().contains("by lot"), "{status:?}");
    world.crash();
    assert_eq!(world.status(drawn).allocation, Allocation::Random, "it is durable");
}

#[test]
fn among_named_agents_the_way_of_choosing_decides_and_without_one_the_first() {
    let mut world = World::new();
    for id in ["a", "b", "c"] {
        world.join(capable(id, 1));
    }
    let named = |allocation| move || by(allocation).agent("c").agent("a");
    assert_eq!(wins(&mut world, 20, named(Allocation::Measured)), [20]);
    let drawn = wins(&mut world, 1_000, named(Allocation::Random));
    assert!(drawn.len() == 2 && drawn.iter().all(|won| *won > 400), "{drawn:?}");
}

#[test]
fn each_member_of_a_team_is_chosen_as_the_task_says() {
    let mut world = World::new();
    for id in ["read-1", "read-2"] {
        world.agent(id, &["read"]);
    }
    world.agent("write", &["write"]);
    let mut readers = BTreeMap::new();
    for _ in 0..200 {
        let (read, write) = ("read".parse().unwrap(), "write".parse().unwrap());
        let both = request("both").capability(read).capability(write);
        world.accept(both.allocation(Allocation::Random));
        let hands = world.hands();
        assert_eq!(hands.len(), 2, "{hands:?}");
        *readers
            .entry(hands.iter().find(|h| h.starts_with("read")).unwrap().clone())
            .or_insert(0) += 1;
        for dispatch in std::mem::take(&mut world.in_hand) {
            world.finish(dispatch, answer("1"));
        }
    }
    assert!(readers.len() == 2 && readers.values().all(|count| *count > 60), "{readers:?}");
}

#[test]
fn a_jury_can_be_drawn_by_lot() {
    let mut world = World::new();
    for number in 0..10 {
        world.join(capable(&format!("j{number}"), 1));
    }
    let mut seats = BTreeMap::new();
    for _ in 0..500 {
        let jury = by(Allocation::Random).mode(TaskMode::Consensus);
        let task = world.accept(jury);
        for hand in world.hands() {
            *seats.entry(hand).or_insert(0) += 1;
        }
        world.cancel(task).unwrap();
        for dispatch in std::mem::take(&mut world.in_hand) {
            world.finish(dispatch, answer("1"));
        }
    }
    // Three of ten, 500 times: 150 each.
    assert!(seats.len() == 10 && seats.values().all(|n| (100..200).contains(n)), "{seats:?}");
}

#[test]
fn where_every_named_agent_takes_part_a_way_of_choosing_is_refused() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let wrong = by(Allocation::Random).mode(TaskMode::Parallel).agent("a");
    let Err(SubmitError::Invalid { field, expected, got }) = world.submit(wrong) else {
        panic!("refused");
    };
    assert_eq!((&*field, &*got), ("allocation", "random"));
    assert!(expected.contains("measured, as in mode parallel each of the named"), "{expected}");
}

#[test]
fn a_name_that_there_is_not_is_refused_with_those_there_are() {
    let read = |name: &str| {
        let json = format!(r#"{{"kind": "x", "allocation": "{name}"}}"#);
        serde_json::from_str::<TaskSubmissionRequest>(&json)
    };
    assert_eq!(read("Least_Loaded").unwrap().allocation, Allocation::LeastLoaded);
    let error = read("fastest").unwrap_err().to_string();
    for known in Allocation::ALL {
        assert!(error.contains(known.as_str()), "{error}");
    }
}

#[test]
fn a_request_that_says_nothing_of_it_stands_for_the_same_under_its_key_as_ever() {
    let plain = serde_json::to_value(request("x")).unwrap();
    assert!(plain.get("allocation").is_none(), "an older key would be a conflict: {plain}");
    let drawn = serde_json::to_value(by(Allocation::Random)).unwrap();
    assert_eq!(drawn["allocation"], "random");
}

#[test]
fn an_execution_that_its_caller_keeps_is_allocated_as_it_says() {
    let mut world = World::with(TasksConfig::default());
    world.join(capable("small", 2));
    world.join(capable("large", 6));
    for number in 0..4 {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        let spec = ExecutionSpec::new("x", synod_agents::Payload::empty(), deadline);
        let allocation = Allocation::LeastLoaded;
        world.execute(number, ExecutionSpec { allocation, ..spec });
    }
    assert_eq!(loads(&world), BTreeMap::from([("small".into(), 1), ("large".into(), 3)]));
}
