//! Attempts: errors, losses, refusals, back-off, late results.

use std::time::Duration;

use synod_agents::{AgentError, AgentErrorKind};

use super::{World, answer, request};
use crate::machine::Outcome;
use crate::messages::RetryOptions;
use crate::task::TaskState;

fn attempts(max_attempts: u32, max_lost: u32) -> crate::TaskSubmissionRequest {
    let retry = RetryOptions {
        max_attempts: Some(max_attempts),
        max_lost: Some(max_lost),
        jitter: Some(0.0),
        ..RetryOptions::default()
    };
    crate::TaskSubmissionRequest { retry, ..request("x") }
}

fn lose_after(world: &mut World, ran_ms: u64) {
    let dispatch = world.only_dispatch();
    world.lose(dispatch, ran_ms, "crashed");
}

#[test]
fn an_error_is_tried_again_after_a_growing_wait_until_the_attempts_are_used_up() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(attempts(3, 0));
    for wait_ms in [200, 400] {
        world.err(AgentErrorKind::Failed);
        assert_eq!(world.state(task), TaskState::Pending);
        world.advance_ms(wait_ms - 1);
        assert!(world.in_hand.is_empty());
        world.advance_ms(1);
        assert_eq!(world.state(task), TaskState::Running);
    }
    world.err(AgentErrorKind::Failed);
    assert_eq!(world.failure(task), "failed");
    let status = world.status(task);
    assert_eq!((status.attempts, status.parts[0].errors, status.lost), (3, 3, 0));
}

#[test]
fn an_error_that_another_attempt_can_not_help_fails_at_once() {
    for kind in [AgentErrorKind::InvalidInput, AgentErrorKind::Refused, AgentErrorKind::Critical] {
        let mut world = World::new();
        world.agent("a", &["x"]);
        let task = world.accept(attempts(9, 9));
        world.err(kind);
        assert_eq!(world.failure(task), kind.as_str());
        assert_eq!(world.status(task).attempts, 1);
    }
}

#[test]
fn a_loss_after_a_while_is_made_good_at_once_and_counted_apart_from_errors() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(attempts(1, 2));
    lose_after(&mut world, 1_000);
    assert_eq!(world.state(task), TaskState::Running);
    lose_after(&mut world, 1_000);
    world.advance_ms(400);
    world.succeed("1");
    assert_eq!(world.state(task), TaskState::Completed);
    assert_eq!(world.status(task).lost, 2);
}

#[test]
fn what_is_lost_too_often_fails() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(attempts(9, 2));
    for _ in 0..3 {
        lose_after(&mut world, 0);
        world.advance_ms(400);
    }
    assert_eq!(world.failure(task), "lost");
    let status = world.status(task);
    assert_eq!(status.lost, 3);
    let message = status.error.unwrap().message;
    assert_eq!(message, "3 executions were lost, the last one because: crashed");
}

#[test]
fn what_is_lost_at_once_or_again_waits_longer_each_time() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(attempts(1, 5));
    for (ran_ms, wait_ms) in [(0, 200), (5_000, 400), (999, 800), (0, 1_600), (0, 3_200)] {
        lose_after(&mut world, ran_ms);
        assert_eq!(world.state(task), TaskState::Queued);
        let why = world.status(task).parts[0].waiting_for.clone();
        assert_eq!(why.as_deref(), Some("a@1.0.0: crashed"));
        world.advance_ms(wait_ms - 1);
        assert!(world.in_hand.is_empty(), "after {ran_ms} ms");
        world.advance_ms(1);
        assert_eq!(world.state(task), TaskState::Running, "after {ran_ms} ms");
    }
    world.succeed("1");
    assert_eq!(world.state(task), TaskState::Completed);
}

#[test]
fn the_wait_after_a_loss_ends_with_its_task_and_with_the_node() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let cancelled = world.accept(attempts(1, 5));
    lose_after(&mut world, 0);
    world.cancel(cancelled).unwrap();
    world.advance_ms(60_000);
    assert!(world.in_hand.is_empty());
    let task = world.accept(attempts(1, 5));
    lose_after(&mut world, 0);
    world.crash();
    assert_eq!(world.state(task), TaskState::Running, "a start is not slowed");
}

#[test]
fn work_that_an_agent_hands_back_counts_neither_as_an_error_nor_as_lost() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(attempts(1, 0));
    for kind in [AgentErrorKind::Unavailable, AgentErrorKind::RateLimited] {
        world.err(kind);
        assert_eq!(world.state(task), TaskState::Queued, "the agent rests");
        world.advance_ms(5_000);
    }
    let full = world.only_dispatch();
    world.finish(full, Outcome::Undelivered);
    world.advance_ms(5_000);
    world.err(AgentErrorKind::Cancelled);
    world.succeed("1");
    assert_eq!(world.state(task), TaskState::Completed);
    assert_eq!((world.status(task).parts[0].errors, world.status(task).lost), (0, 0));
}

#[test]
fn an_agent_that_refuses_rests_while_others_take_its_work() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.accept(request("x"));
    world.agent("b", &["x"]);
    let refused = world.dispatch_to("a");
    let again = AgentError::unavailable("full").retry_after(Duration::from_millis(500));
    world.finish(refused, Outcome::Error(again));
    assert_eq!(world.hands(), ["b:x"]);
    let second = world.accept(request("x"));
    assert_eq!(world.state(second), TaskState::Queued);
    world.advance_ms(500);
    assert_eq!(world.hands(), ["b:x", "a:x"]);
}

#[test]
fn an_answer_that_does_not_come_is_an_error_and_the_agent_is_told_to_stop() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(attempts(2, 0));
    let slow = world.only_dispatch();
    world.finish(slow, Outcome::Overdue);
    assert_eq!(world.cancelled, [(task, 0)]);
    world.advance_ms(200);
    world.err(AgentErrorKind::Timeout);
    assert_eq!(world.failure(task), "timeout");
}

#[test]
fn a_result_of_an_older_attempt_or_epoch_is_ignored_and_counted() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(attempts(3, 3));
    let first = world.only_dispatch();
    let (work, agent) = (first.work, first.agent);
    world.lose(first, 1_000, "no answer");
    world.step(crate::machine::Input::Finished { work, agent, outcome: answer("1"), ran_us: 1 });
    world.settle();
    assert_eq!(world.state(task), TaskState::Running, "the second attempt decides");
    assert_eq!(world.machine.stats.late, 1);
    let second = world.only_dispatch().work;
    world.crash();
    world.step(crate::machine::Input::Finished {
        work: second,
        agent,
        outcome: answer("2"),
        ran_us: 1,
    });
    world.settle();
    assert_eq!(world.state(task), TaskState::Running, "the third attempt decides");
    world.succeed("3");
    assert_eq!(world.result(task), "3");
}

#[test]
fn an_attempt_has_the_same_task_and_part_and_another_number() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.accept(attempts(1, 1));
    let first = world.only_dispatch();
    let before = first.work;
    world.lose(first, 1_000, "crashed");
    let second = world.only_dispatch();
    assert_eq!((second.work.task, second.work.part), (before.task, before.part));
    assert_eq!((before.attempt, second.work.attempt), (1, 2));
}
