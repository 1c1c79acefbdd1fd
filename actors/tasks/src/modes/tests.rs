//! Each way of working together.

use synod_agents::{AgentCard, AgentErrorKind};
use synod_coordination::{Quorum, Threshold, TieRule};

use crate::machine::Outcome;
use crate::machine::tests::{World, answer, request};
use crate::messages::{CompetitiveOptions, ConsensusOptions};
use crate::{RetryOptions, SubmitError, TaskMode, TaskState, TaskSubmissionRequest, TasksConfig};

fn agents(world: &mut World, ids: &[&str]) {
    for id in ids {
        world.agent(id, &["x"]);
    }
}

/// A task for these agents by name; an error is final.
fn named(mode: TaskMode, ids: &[&str]) -> TaskSubmissionRequest {
    let retry = RetryOptions { max_attempts: Some(1), ..RetryOptions::default() };
    let request = TaskSubmissionRequest { retry, ..request("job").mode(mode) };
    ids.iter().fold(request, |request, id| request.agent(*id))
}

fn give(world: &mut World, id: &str, json: &str) {
    let dispatch = world.dispatch_to(id);
    world.finish(dispatch, answer(json));
}

fn fail(world: &mut World, id: &str) {
    let dispatch = world.dispatch_to(id);
    let error = synod_agents::AgentError::new(AgentErrorKind::Failed, "no luck");
    world.finish(dispatch, Outcome::Error(error));
}

fn input_of(world: &World) -> String {
    let payload = world.in_hand[0].input.payload().unwrap();
    String::from_utf8(payload.bytes.to_vec()).unwrap()
}

#[test]
fn sequential_gives_the_same_input_to_each_in_turn_and_collects_the_outputs() {
    let mut world = World::new();
    agents(&mut world, &["a", "b"]);
    let task = world.accept(named(TaskMode::Sequential, &["b", "a"]).payload("in").unwrap());
    for (id, output) in [("b", "1"), ("a", "2")] {
        assert_eq!(world.hands(), [format!("{id}:job")]);
        assert_eq!(input_of(&world), r#""in""#);
        give(&mut world, id, output);
    }
    assert_eq!(
        world.result(task),
        r#"{"results":[{"part":0,"agent":"b@1.0.0","capabilities":[],"output":1},"#.to_owned()
            + r#"{"part":1,"agent":"a@1.0.0","capabilities":[],"output":2}]}"#
    );
}

#[test]
fn sequential_stops_at_the_first_failure() {
    let mut world = World::new();
    agents(&mut world, &["a", "b"]);
    let task = world.accept(named(TaskMode::Sequential, &["a", "b"]));
    fail(&mut world, "a");
    assert_eq!(world.state(task), TaskState::Failed);
    assert!(world.in_hand.is_empty());
    assert_eq!(world.status(task).error.unwrap().part, Some(0));
}

#[test]
fn an_agent_may_have_several_stages() {
    let mut world = World::new();
    agents(&mut world, &["a"]);
    let task = world.accept(named(TaskMode::Sequential, &["a", "a", "a"]));
    for output in ["1", "2", "3"] {
        give(&mut world, "a", output);
    }
    assert_eq!(world.state(task), TaskState::Completed);
}

#[test]
fn a_pipeline_feeds_each_output_to_the_next_and_gives_the_last() {
    let mut world = World::new();
    agents(&mut world, &["a", "b", "c"]);
    let task = world.accept(named(TaskMode::Pipeline, &["a", "b", "c"]).payload(&0).unwrap());
    for (id, input, output) in [("a", "0", "1"), ("b", "1", "2"), ("c", "2", "3")] {
        assert_eq!(input_of(&world), input);
        give(&mut world, id, output);
    }
    assert_eq!(world.result(task), "3");
}

#[test]
fn parallel_runs_all_at_once_and_collects_in_the_given_order() {
    let mut world = World::new();
    agents(&mut world, &["a", "b", "c"]);
    let task = world.accept(named(TaskMode::Parallel, &["a", "b", "c"]));
    assert_eq!(world.in_hand.len(), 3);
    for (id, output) in [("c", "3"), ("a", "1"), ("b", "2")] {
        give(&mut world, id, output);
    }
    let result: serde_json::Value = serde_json::from_str(&world.result(task)).unwrap();
    let outputs: Vec<_> = (0..3).map(|at| result["results"][at]["output"].clone()).collect();
    assert_eq!(outputs, [1, 2, 3]);
}

#[test]
fn one_failure_fails_a_parallel_task_and_stops_the_others() {
    let mut world = World::new();
    agents(&mut world, &["a", "b", "c"]);
    let task = world.accept(named(TaskMode::Parallel, &["a", "b", "c"]));
    give(&mut world, "a", "1");
    fail(&mut world, "b");
    assert_eq!(world.state(task), TaskState::Failed);
    assert_eq!(world.cancelled, [(task, 2)]);
}

#[test]
fn with_partial_results_allowed_a_failure_is_reported_beside_the_outputs() {
    let mut world = World::new();
    agents(&mut world, &["a", "b"]);
    let partial = || {
        let request = named(TaskMode::Parallel, &["a", "b"]);
        TaskSubmissionRequest { allow_partial: true, ..request }
    };
    let task = world.accept(partial());
    fail(&mut world, "a");
    give(&mut world, "b", "2");
    let result: serde_json::Value = serde_json::from_str(&world.result(task)).unwrap();
    assert_eq!(result["results"][0]["error"]["kind"], "failed");
    assert_eq!(result["results"][1]["output"], 2);
    let hopeless = world.accept(partial());
    fail(&mut world, "a");
    fail(&mut world, "b");
    assert_eq!(world.state(hopeless), TaskState::Failed);
    let slow = world.accept(TaskSubmissionRequest { timeout_s: Some(1), ..partial() });
    give(&mut world, "a", "1");
    world.advance_ms(1_000);
    assert!(world.result(slow).contains("deadline_passed"), "the deadline cuts off the rest");
}

#[test]
fn the_first_success_wins_a_race_and_the_others_are_cancelled() {
    let mut world = World::new();
    agents(&mut world, &["a", "b", "c"]);
    let task = world.accept(named(TaskMode::Competitive, &["a", "b", "c"]));
    fail(&mut world, "a");
    assert_eq!(world.state(task), TaskState::Running);
    give(&mut world, "c", "3");
    assert_eq!(world.result(task), "3");
    assert_eq!(world.cancelled, [(task, 1)]);
    assert_eq!(world.status(task).parts[1].state, TaskState::Cancelled);
}

#[test]
fn a_race_that_nobody_finishes_fails() {
    let mut world = World::new();
    agents(&mut world, &["a", "b"]);
    let task = world.accept(named(TaskMode::Competitive, &["a", "b"]));
    fail(&mut world, "b");
    world.advance_ms(1);
    fail(&mut world, "a");
    assert_eq!(world.status(task).error.unwrap().part, Some(0), "the last to fail");
}

#[test]
fn racers_and_voters_are_different_agents_chosen_by_capability() {
    let mut world = World::new();
    world.join(AgentCard::new("a", "1.0.0").capability("x").concurrency(9));
    agents(&mut world, &["b", "c"]);
    world.join(AgentCard::new("b", "2.0.0").capability("x").concurrency(9));
    let race = TaskSubmissionRequest {
        competitive: Some(CompetitiveOptions { racers: 3 }),
        ..request("x").mode(TaskMode::Competitive)
    };
    world.accept(race);
    let mut hands: Vec<_> =
        world.hands().iter().map(|hand| hand.split(':').next().unwrap().to_owned()).collect();
    hands.sort();
    assert_eq!(hands, ["a", "b", "c"]);
}

fn ballot(voters: &[&str], options: ConsensusOptions) -> TaskSubmissionRequest {
    let consensus = Some(options);
    TaskSubmissionRequest { consensus, ..named(TaskMode::Consensus, voters) }
}

fn plain() -> ConsensusOptions {
    ConsensusOptions::default()
}

#[test]
fn a_majority_decides_and_who_has_not_voted_yet_is_cancelled() {
    let mut world = World::new();
    agents(&mut world, &["a", "b", "c"]);
    let task = world.accept(ballot(&["a", "b", "c"], plain()));
    give(&mut world, "a", r#"{"vote": {"block": true, "ip": 1}, "reason": "three failures"}"#);
    give(&mut world, "c", r#"{"vote": {"ip": 1.0, "block": true}}"#);
    let result: serde_json::Value = serde_json::from_str(&world.result(task)).unwrap();
    assert_eq!(result["decision"], serde_json::json!({"block": true, "ip": 1}));
    assert_eq!(result["decided_by"], "votes");
    assert_eq!(result["tally"][0]["votes"], 2);
    assert_eq!(result["tally"][0]["voters"], serde_json::json!(["a@1.0.0", "c@1.0.0"]));
    assert_eq!(result["reasons"][0]["reason"], "three failures");
    assert_eq!(world.cancelled, [(task, 1)]);
}

#[test]
fn a_whole_output_is_a_vote_and_null_abstains() {
    let mut world = World::new();
    agents(&mut world, &["a", "b", "c"]);
    let task = world.accept(ballot(&["a", "b", "c"], plain()));
    for (id, vote) in [("a", r#""disk full""#), ("b", "null"), ("c", r#""disk full""#)] {
        give(&mut world, id, vote);
    }
    let result: serde_json::Value = serde_json::from_str(&world.result(task)).unwrap();
    assert_eq!(result["decision"], "disk full");
    assert_eq!((&result["turnout"], &result["abstained"]), (&3.into(), &1.into()));
}

#[test]
fn a_failed_voter_abstains_and_too_many_of_them_leave_no_quorum() {
    let mut world = World::new();
    agents(&mut world, &["a", "b", "c"]);
    let task = world.accept(ballot(&["a", "b", "c"], plain()));
    fail(&mut world, "a");
    give(&mut world, "b", "1");
    give(&mut world, "c", "1");
    assert_eq!(world.state(task), TaskState::Completed);
    let deserted = world.accept(ballot(&["a", "b", "c"], plain()));
    fail(&mut world, "a");
    fail(&mut world, "b");
    assert_eq!(world.failure(deserted), "no_quorum");
    assert_eq!(world.cancelled, [(deserted, 2)]);
}

#[test]
fn without_enough_agreement_there_is_no_majority() {
    let mut world = World::new();
    agents(&mut world, &["a", "b", "c"]);
    let task = world.accept(ballot(&["a", "b", "c"], plain()));
    for (id, vote) in [("a", "1"), ("b", "2"), ("c", "3")] {
        give(&mut world, id, vote);
    }
    assert_eq!(world.failure(task), "no_majority");
}

#[test]
fn a_tie_is_broken_by_the_rule_that_was_given() {
    for (tie, decision, decided_by) in [
        (TieRule::StatusQuo, serde_json::Value::Null, "status_quo"),
        (TieRule::First, 2.into(), "tie"),
    ] {
        let mut world = World::new();
        agents(&mut world, &["a", "b"]);
        let options = ConsensusOptions { tie, quorum: Quorum::Share(1.0), ..plain() };
        let task = world.accept(ballot(&["a", "b"], options));
        give(&mut world, "b", "2");
        world.advance_ms(1);
        give(&mut world, "a", "1");
        let result: serde_json::Value = serde_json::from_str(&world.result(task)).unwrap();
        assert_eq!((&result["decision"], &result["decided_by"]), (&decision, &decided_by.into()));
    }
}

#[test]
fn a_random_tie_falls_the_same_way_after_a_crash() {
    let mut world = World::new();
    agents(&mut world, &["a", "b"]);
    let options =
        ConsensusOptions { tie: TieRule::Random, threshold: Threshold::Plurality, ..plain() };
    let task = world.accept(ballot(&["a", "b"], options));
    give(&mut world, "a", "1");
    give(&mut world, "b", "2");
    let before = world.result(task);
    world.crash();
    assert_eq!(world.result(task), before);
}

#[test]
fn at_the_deadline_who_is_silent_has_failed_and_the_others_decide() {
    let mut world = World::new();
    agents(&mut world, &["a", "b", "c"]);
    let options = ConsensusOptions { threshold: Threshold::Unanimous, ..plain() };
    let request = ballot(&["a", "b", "c"], options).timeout_s(1);
    let task = world.accept(request);
    give(&mut world, "a", "1");
    give(&mut world, "b", "1");
    assert_eq!(world.state(task), TaskState::Running, "the third may still disagree");
    world.advance_ms(1_000);
    assert_eq!(world.state(task), TaskState::Completed);
    assert!(world.result(task).contains(r#""failed":1"#));
}

#[test]
fn too_few_capable_voters_are_no_electorate() {
    let mut world = World::new();
    agents(&mut world, &["a", "b"]);
    let refused = world.submit(request("x").mode(TaskMode::Consensus));
    let Err(SubmitError::NoCapableAgent { missing }) = refused else { panic!("{refused:?}") };
    assert_eq!(missing, ["3 agents for x, 2 known"]);
}

#[test]
fn a_smallest_team_does_what_no_agent_can_do_alone() {
    let mut world = World::new();
    world.agent("reader", &["read", "split"]);
    world.agent("writer", &["write"]);
    world.agent("splitter", &["split"]);
    let mut request = request("job");
    for name in ["read", "write", "split"] {
        request = request.capability(name.parse().unwrap());
    }
    let task = world.accept(request);
    assert_eq!(world.in_hand.len(), 2);
    assert_eq!(world.in_hand[0].capability.as_deref(), Some("read"));
    give(&mut world, "writer", "2");
    give(&mut world, "reader", "1");
    let result: serde_json::Value = serde_json::from_str(&world.result(task)).unwrap();
    assert_eq!(result["results"][0]["capabilities"], serde_json::json!(["read", "split"]));
    assert_eq!(result["results"][1]["output"], 2);
}

#[test]
fn one_agent_that_has_all_is_preferred_to_any_team() {
    let mut world = World::new();
    world.agent("reader", &["read"]);
    world.agent("writer", &["write"]);
    world.agent("both", &["read", "write"]);
    let request =
        request("job").capability("read".parse().unwrap()).capability("write".parse().unwrap());
    for _ in 0..2 {
        world.accept(request.clone());
    }
    assert_eq!(world.hands(), ["both:job"], "the second waits for the same agent");
}

#[test]
fn a_team_lacks_what_nobody_has() {
    let mut world = World::new();
    world.agent("reader", &["read"]);
    let request =
        request("job").capability("read".parse().unwrap()).capability("fly".parse().unwrap());
    let refused = world.submit(request);
    assert_eq!(refused, Err(SubmitError::NoCapableAgent { missing: vec!["fly".to_owned()] }));
}

#[test]
fn a_collected_result_over_the_limit_fails_the_task() {
    let mut world = World::with(TasksConfig { max_collected_bytes: 200, ..TasksConfig::default() });
    agents(&mut world, &["a", "b"]);
    let task = world.accept(named(TaskMode::Parallel, &["a", "b"]));
    let long = format!("\"{}\"", "y".repeat(100));
    give(&mut world, "a", &long);
    give(&mut world, "b", &long);
    assert_eq!(world.failure(task), "too_large");
}
