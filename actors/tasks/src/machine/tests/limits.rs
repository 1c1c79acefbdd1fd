//! What is refused, and with which words.

use super::{World, request};
use crate::TasksConfig;
use crate::config::UnknownCapability;
use crate::error::SubmitError;
use crate::task::{TaskMode, TaskState};

#[test]
fn a_full_queue_refuses_and_says_when_to_come_again() {
    let mut world = World::with(TasksConfig { max_queued: 2, ..TasksConfig::default() });
    world.agent("a", &["x"]);
    for _ in 0..3 {
        world.accept(request("x"));
    }
    let full = world.submit(request("x"));
    assert!(matches!(full, Err(SubmitError::QueueFull { retry_after_s: 1..=60 })), "{full:?}");
    world.succeed("1");
    assert!(world.submit(request("x")).is_ok());
}

#[test]
fn inputs_that_would_hold_too_much_memory_are_refused() {
    let config = TasksConfig { max_queued_bytes: 100, max_payload_bytes: 80, ..Default::default() };
    let mut world = World::with(config);
    world.agent("a", &["x"]);
    let heavy = || request("x").payload(&"y".repeat(70)).unwrap();
    world.accept(heavy());
    assert!(matches!(world.submit(heavy()), Err(SubmitError::QueueFull { .. })));
    world.succeed("1");
    world.accept(heavy());
}

#[test]
fn a_deadline_in_the_past_is_refused() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let mut late = request("x");
    late.deadline = jiff::Timestamp::from_microsecond(world.now.utc).ok();
    assert_eq!(world.submit(late), Err(SubmitError::DeadlinePassed));
}

#[test]
fn a_task_nobody_can_do_is_refused_with_what_is_missing() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let missing = |world: &mut World, request| match world.submit(request) {
        Err(SubmitError::NoCapableAgent { missing }) => missing,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(&mut world, request("y")), ["y"]);
    assert_eq!(missing(&mut world, request("kind").agent("ghost")), ["agent ghost"]);
    let newer = request("kind").capability("x@2.0.0".parse().unwrap());
    assert_eq!(missing(&mut world, newer), ["x@2.0.0"]);
    assert_eq!(world.machine.ledger().accepted, 0);
}

#[test]
fn by_configuration_it_waits_for_an_agent_to_appear_and_at_most_until_its_deadline() {
    let config =
        TasksConfig { unknown_capability: UnknownCapability::Wait, ..TasksConfig::default() };
    let mut world = World::with(config);
    let patient = world.accept(request("x"));
    let hasty = world.accept(request("y").timeout_s(1));
    let vote = world.accept(request("z").mode(TaskMode::Consensus).timeout_s(1));
    assert_eq!(world.state(patient), TaskState::Pending);
    world.crash();
    world.advance_ms(1_000);
    for waited_in_vain in [hasty, vote] {
        assert_eq!(world.failure(waited_in_vain), "deadline_passed");
    }
    world.agent("a", &["x"]);
    assert_eq!(world.state(patient), TaskState::Running);
}

#[test]
fn a_draining_engine_accepts_nothing_and_gives_nothing_out() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.accept(request("x"));
    let queued = world.accept(request("x"));
    world.step(crate::machine::Input::Drain);
    assert_eq!(world.submit(request("x")), Err(SubmitError::Draining));
    world.succeed("1");
    assert_eq!(world.state(queued), TaskState::Queued);
    world.crash();
    assert_eq!(world.state(queued), TaskState::Running, "it goes on at the next start");
}

#[test]
fn more_different_requirements_than_are_kept_are_refused_only_while_they_are_in_use() {
    let mut world = World::with(TasksConfig { max_requirements: 16, ..TasksConfig::default() });
    for n in 0..40 {
        world.agent(&format!("agent-{n}"), &["x"]);
    }
    for n in 0..40 {
        let named = request("job").agent(format!("agent-{n}"));
        match world.submit(named) {
            Ok(_) => {}
            Err(SubmitError::QueueFull { .. }) => {
                assert_eq!(n, 16);
                let dispatch = world.in_hand.remove(0);
                world.finish(dispatch, super::answer("1"));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(world.submit(request("job").agent("agent-30")).is_ok());
}
