//! The life of a task: accepted, queued, run, ended, and never reopened.

use synod_agents::AgentErrorKind;

use super::{World, answer, request};
use crate::error::CancelError;
use crate::machine::Outcome;
use crate::task::TaskState;

#[test]
fn a_task_is_accepted_given_out_and_completed_with_the_agents_output() {
    let mut world = World::new();
    world.agent("counter", &["text.count"]);
    let task = world.accept(request("text.count").payload("one two").unwrap());
    assert_eq!(world.state(task), TaskState::Running);
    assert_eq!(world.hands(), ["counter:text.count"]);
    world.succeed(r#"{"words": 2}"#);
    assert_eq!(world.state(task), TaskState::Completed);
    assert_eq!(world.result(task), r#"{"words": 2}"#);
    assert_eq!(world.told, [task]);
    assert_eq!(world.machine.ledger().completed, 1);
}

#[test]
fn a_task_that_finds_a_free_agent_costs_two_records() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let before = world.log.len();
    world.accept(request("x"));
    world.succeed("1");
    let kinds: Vec<_> = world.log[before..].iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["task.accepted", "task.ended"]);
    let bytes: usize = world.log[before..].iter().map(|record| record.bytes.len()).sum();
    assert!(bytes < 160, "{bytes} bytes");
}

#[test]
fn work_waits_while_all_agents_are_busy_and_goes_on_when_one_is_free() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let first = world.accept(request("x"));
    let second = world.accept(request("x"));
    assert_eq!(world.state(second), TaskState::Queued);
    world.succeed("1");
    assert_eq!(world.state(first), TaskState::Completed);
    assert_eq!(world.state(second), TaskState::Running);
}

#[test]
fn an_agent_gets_as_much_at_a_time_as_its_card_says() {
    let mut world = World::new();
    world.join(synod_agents::AgentCard::new("a", "1.0.0").capability("x").concurrency(3));
    for _ in 0..5 {
        world.accept(request("x"));
    }
    assert_eq!(world.in_hand.len(), 3);
}

#[test]
fn cancelling_a_queued_task_ends_it_and_takes_it_out_of_the_queue() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let running = world.accept(request("x"));
    let queued = world.accept(request("x"));
    assert_eq!(world.cancel(queued), Ok(()));
    assert_eq!(world.state(queued), TaskState::Cancelled);
    world.succeed("1");
    assert_eq!(world.state(running), TaskState::Completed);
    assert!(world.in_hand.is_empty());
}

#[test]
fn cancelling_a_running_task_stops_it_at_its_agent_and_its_late_result_is_ignored() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(request("x"));
    let late = world.only_dispatch();
    assert_eq!(world.cancel(task), Ok(()));
    assert_eq!(world.cancelled, [(task, 0)]);
    world.finish(late, answer("1"));
    assert_eq!(world.state(task), TaskState::Cancelled);
    assert!(world.status(task).result.is_none());
    assert_eq!(world.machine.stats.late, 1);
    // The agent is free again all the same.
    world.accept(request("x"));
    assert_eq!(world.in_hand.len(), 1);
}

#[test]
fn what_has_ended_never_reopens() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(request("x"));
    world.succeed("1");
    let ended = CancelError::AlreadyEnded { state: TaskState::Completed };
    assert_eq!(world.cancel(task), Err(ended));
    assert_eq!(world.cancel(uuid::Uuid::nil()), Err(CancelError::NotFound));
    assert_eq!(world.state(task), TaskState::Completed);
}

#[test]
fn a_deadline_fails_what_waits_and_what_runs_and_stops_it_at_its_agent() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let running = world.accept(request("x").timeout_s(2));
    let waiting = world.accept(request("x").timeout_s(1));
    world.advance_ms(1_000);
    assert_eq!(world.state(waiting), TaskState::Failed);
    assert_eq!(world.state(running), TaskState::Running);
    world.advance_ms(1_000);
    assert_eq!(world.failure(running), "deadline_passed");
    assert_eq!(world.cancelled, [(running, 0)]);
}

#[test]
fn a_task_that_says_nothing_has_five_minutes() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(request("x"));
    world.advance_ms(299_999);
    assert_eq!(world.state(task), TaskState::Running);
    world.advance_ms(1);
    assert_eq!(world.failure(task), "deadline_passed");
}

#[test]
fn an_execution_has_as_long_as_its_agents_card_and_its_task_allow() {
    let mut world = World::new();
    let limits = synod_agents::AgentLimits { perform_timeout_s: 7, ..Default::default() };
    world.join(synod_agents::AgentCard::new("a", "1.0.0").capability("x").limits(limits));
    world.accept(request("x"));
    assert_eq!(world.only_dispatch().deadline - world.now.mono, 7_000_000);
    world.agent("b", &["y"]);
    world.accept(request("y").timeout_s(3));
    assert_eq!(world.only_dispatch().deadline - world.now.mono, 3_000_000);
}

#[test]
fn every_change_of_state_is_told_once_and_numbered_without_a_gap() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(request("x"));
    world.err(AgentErrorKind::Failed);
    world.advance_ms(1_000);
    world.succeed("1");
    // Pending, queued, running, pending (back-off), queued, running, completed.
    assert_eq!(world.machine.book().counters.changes, 7);
    assert_eq!(world.state(task), TaskState::Completed);
}

#[test]
fn an_output_over_the_limit_fails_the_task_at_once() {
    let config = crate::TasksConfig { max_result_bytes: 10, ..Default::default() };
    let mut world = World::with(config);
    world.agent("a", &["x"]);
    let task = world.accept(request("x"));
    world.succeed(r#""a long answer""#);
    assert_eq!(world.failure(task), "too_large");
}

#[test]
fn what_an_agent_saves_is_kept_with_its_result_and_handed_to_it_again() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.accept(request("x"));
    let first = world.only_dispatch();
    assert_eq!(first.state, None);
    let Outcome::Done { output, .. } = answer("1") else { unreachable!() };
    world.finish(first, Outcome::Done { output, saved: Some("seen: 1".into()) });
    world.crash();
    world.accept(request("x"));
    assert_eq!(world.only_dispatch().state.as_deref(), Some(&b"seen: 1"[..]));
}

#[test]
fn a_budget_is_never_overspent() {
    let mut world = World::new();
    world.join(synod_agents::AgentCard::new("a", "1.0.0").capability("x").cost(2.0));
    let mut tight = request("x");
    tight.budget = Some(3.0);
    let task = world.accept(tight);
    world.err(AgentErrorKind::Failed);
    world.advance_ms(1_000);
    assert_eq!(world.failure(task), "over_budget");
    assert_eq!(world.status(task).cost, 2.0);
    assert!(world.in_hand.is_empty());
}
