//! Agents that come and go while there is work.

use std::collections::BTreeSet;

use synod_agents::{AgentCard, AgentError, AgentErrorKind, AgentId, AgentSelector, AgentStatus};

use super::{World, answer, request};
use crate::machine::{Input, Outcome};
use crate::messages::TaskFilter;
use crate::task::TaskState;

#[test]
fn work_waits_for_an_agent_that_left_to_come_back() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.accept(request("x"));
    let queued = world.accept(request("x"));
    let running = world.only_dispatch();
    world.leave("a");
    world.lose(running, 1_000, "gone");
    assert!(world.in_hand.is_empty());
    world.agent("a", &["x"]);
    world.succeed("1");
    world.succeed("2");
    assert_eq!(world.state(queued), TaskState::Completed);
}

#[test]
fn an_answer_from_before_an_agent_was_replaced_does_not_free_the_new_one_twice() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.accept(request("x"));
    let old = world.only_dispatch();
    world.agent("a", &["x"]);
    world.accept(request("x"));
    assert_eq!(world.in_hand.len(), 1, "the new one is free");
    world.finish(old, answer("1"));
    world.accept(request("x"));
    assert_eq!(world.in_hand.len(), 1, "and still has one execution in hand");
}

#[test]
fn a_part_that_waits_says_why_and_so_does_the_deadline_that_passes() {
    let mut world = World::new();
    world.agent("dies", &["x"]);
    world.set_status("dies", AgentStatus::Disconnected);
    let never = world.accept(request("x").timeout_s(1));
    let why = "no capable agent is active: dies@1.0.0 is disconnected";
    assert_eq!(world.status(never).parts[0].waiting_for.as_deref(), Some(why));
    world.advance_ms(1_001);
    let message = world.status(never).error.unwrap().message;
    let expected = format!("the task's deadline passed before it was done; last: {why}");
    assert_eq!(message, expected);

    world.set_status("dies", AgentStatus::Active);
    let tried = world.accept(request("x").timeout_s(1));
    let down = AgentError::unavailable("its endpoint refuses the connection");
    let execution = world.only_dispatch();
    world.finish(execution, Outcome::Error(down));
    let why = "dies@1.0.0: its endpoint refuses the connection";
    assert_eq!(world.status(tried).parts[0].waiting_for.as_deref(), Some(why));
    world.set_status("dies", AgentStatus::Disconnected);
    world.advance_ms(1_001);
    let message = world.status(tried).error.unwrap().message;
    assert!(message.ends_with(&format!("; last: {why}")), "{message}");
    assert_eq!(world.status(tried).parts[0].waiting_for, None, "it waits no more");
}

#[test]
fn a_list_of_all_agents_replaces_what_was_known() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.agent("b", &["x"]);
    let stays = AgentCard::new("b", "1.0.0").key();
    world.step(Input::Only(BTreeSet::from([stays])));
    world.settle();
    world.accept(request("x"));
    world.accept(request("x"));
    assert_eq!(world.hands(), ["b:x"]);
}

#[test]
fn a_voter_that_is_gone_before_it_voted_abstains() {
    let mut world = World::new();
    for id in ["a", "b", "c"] {
        world.agent(id, &["judge"]);
    }
    let mut vote = request("judge").mode(crate::TaskMode::Consensus);
    for id in ["a", "b", "c"] {
        vote = vote.agent(id);
    }
    // All three are busy with something else first.
    let busy: Vec<_> = (0..3).map(|_| world.accept(request("judge"))).collect();
    assert_eq!(busy.len(), world.in_hand.len());
    let task = world.accept(vote);
    world.leave("c");
    let dispatch = world.dispatch_to("a");
    world.finish(dispatch, answer("0"));
    let dispatch = world.dispatch_to("b");
    world.finish(dispatch, answer("0"));
    for id in ["a", "b"] {
        let dispatch = world.dispatch_to(id);
        world.finish(dispatch, answer(r#"{"vote": "yes"}"#));
    }
    assert_eq!(world.state(task), TaskState::Completed);
    assert!(world.result(task).contains(r#""decision":"yes""#), "{}", world.result(task));
}

#[test]
fn tasks_are_listed_by_the_agent_that_has_or_had_them() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let had = world.accept(request("x"));
    world.succeed("1");
    let has = world.accept(request("x"));
    let nobody = world.accept(request("x"));
    world.agent("b", &["x"]);
    let listed = |agent: &str, version: Option<&str>| {
        let id = AgentId::new(agent).unwrap();
        let version = version.map(|text| text.parse().unwrap());
        let agent = Some(AgentSelector { id, version });
        let page = world.machine.list(&TaskFilter { agent, ..Default::default() }, None, 10);
        page.unwrap().tasks.into_iter().map(|task| task.task_id).collect::<Vec<_>>()
    };
    assert_eq!(listed("a", None), [has, had]);
    assert_eq!(listed("a", Some("1.0.0")), [has, had]);
    assert!(listed("a", Some("1.0.1")).is_empty());
    assert_eq!(listed("b", None), [nobody]);
    assert!(listed("c", None).is_empty());
}

#[test]
fn a_change_names_the_agent_that_has_or_had_the_work() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(request("x"));
    let execution = world.only_dispatch();
    world.lose(execution, 1_000, "gone");
    world.err(AgentErrorKind::InvalidInput);
    let told: Vec<_> = world.changes.iter().filter(|change| change.task_id == task).collect();
    let told: Vec<_> = told.iter().map(|change| (change.state, change.agent.as_deref())).collect();
    let a = Some("a@1.0.0");
    let expected = [
        (TaskState::Pending, None),
        (TaskState::Queued, None),
        (TaskState::Running, a),
        (TaskState::Queued, a),
        (TaskState::Running, a),
        (TaskState::Failed, a),
    ];
    assert_eq!(told, expected);
}
