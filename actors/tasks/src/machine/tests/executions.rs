//! Executions that their callers keep: everything of a task but its records.

use std::time::Duration;

use synod_agents::{AgentError, AgentErrorKind, AgentId, AgentStatus, Payload};
use synod_runtime::{Principal, Priority};
use tokio::time::Instant;
use uuid::Uuid;

use super::{World, answer, request};
use crate::config::TasksConfig;
use crate::error::ExecutionError;
use crate::machine::{Answer, Ending, Input, Outcome};
use crate::messages::{Execute, Executed, ExecutionSpec};
use crate::task::{FailureKind, TaskMode};
use crate::validation::check_execution;

mod random;

/// Work of this kind, which is also the capability it requires, with five minutes' time.
fn spec(kind: &str) -> ExecutionSpec {
    let deadline = Instant::now() + Duration::from_secs(300);
    let key = "run-1/step/0".to_owned();
    ExecutionSpec { idempotency_key: key, ..ExecutionSpec::new(kind, Payload::empty(), deadline) }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x7_0000 + number)
}

fn done(json: &str, saved: &'static str) -> Outcome {
    let output = Payload::new("application/json", json.to_owned()).into();
    Outcome::Done { output, saved: Some(saved.into()) }
}

impl World {
    fn ask(
        &mut self,
        number: u128,
        attempt: u32,
        spec: ExecutionSpec,
    ) -> Result<(), ExecutionError> {
        let principal = Principal::user("ada");
        let asked = Execute { id: id(number), attempt, spec, principal };
        let at = Instant::now();
        let asked = check_execution(asked, None, self.machine.config(), self.now, at)?;
        match self.step(Input::Execute(Box::new(asked))) {
            Answer::TakenOn(result) => result,
            other => panic!("what is asked for is answered: {other:?}"),
        }
    }

    /// Asks for the first attempt at an execution, and ends the batch.
    pub(super) fn execute(&mut self, number: u128, spec: ExecutionSpec) {
        self.ask(number, 1, spec).unwrap();
        self.settle();
    }

    fn cancel_execution(&mut self, number: u128, attempt: u32) {
        let by = Principal::user("ada");
        self.step(Input::CancelExecution { id: id(number), attempt, by });
        self.settle();
    }

    /// Takes the only ending.
    fn ending(&mut self) -> Ending {
        assert_eq!(self.endings.len(), 1, "{:?}", self.endings);
        self.endings.remove(0)
    }

    fn executed(&mut self) -> Executed {
        self.ending().result.unwrap()
    }

    fn error(&mut self) -> ExecutionError {
        self.ending().result.unwrap_err()
    }

    /// `(started, open, completed, failed, cancelled, handed back)`.
    fn kept(&self) -> [u64; 6] {
        let stats = self.machine.executions();
        assert_eq!(stats.started, stats.open + stats.ended);
        let ended = stats.completed + stats.failed + stats.cancelled + stats.handed_back;
        assert_eq!(stats.ended, ended);
        let [completed, failed] = [stats.completed, stats.failed];
        [stats.started, stats.open, completed, failed, stats.cancelled, stats.handed_back]
    }
}

#[test]
fn an_execution_is_given_out_and_answered_and_nothing_of_it_is_recorded() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let records = world.log.len();
    world.execute(1, spec("x"));
    let dispatch = world.only_dispatch();
    assert_eq!((dispatch.work.task, dispatch.work.attempt), (id(1), 1));
    assert_eq!(dispatch.key.as_deref(), Some("run-1/step/0"));
    world.now.utc += 5_000;
    world.finish(dispatch, answer("7"));
    let Ending { id: of, attempt, result } = world.ending();
    assert_eq!((of, attempt), (id(1), 1));
    let executed = result.unwrap();
    assert_eq!(executed.output.bytes, "7");
    assert_eq!((&*executed.agents[0], executed.ran_us), ("a@1.0.0", 5_000));
    assert_eq!(world.log.len(), records);
    assert_eq!(world.changes, []);
    assert!(world.machine.status(id(1)).is_none() && world.machine.ledger().accepted == 0);
    assert_eq!(world.kept(), [1, 0, 1, 0, 0, 0]);
}

#[test]
fn an_error_of_the_agent_is_the_answer_and_there_is_no_second_attempt() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.ask(1, 4, spec("x")).unwrap();
    world.settle();
    let dispatch = world.only_dispatch();
    assert_eq!(dispatch.work.attempt, 4);
    let error = AgentError::failed("no luck").retry_after(Duration::from_secs(3));
    world.finish(dispatch, Outcome::Error(error));
    let error = world.error();
    assert_eq!((error.kind, error.message.as_str()), (FailureKind::Failed, "no luck"));
    assert_eq!((error.agent.as_deref(), error.retry_after_ms), (Some("a@1.0.0"), Some(3_000)));
    assert!(!error.handed_back);
    assert!(world.in_hand.is_empty());
    assert_eq!(world.kept(), [1, 0, 0, 1, 0, 0]);
}

#[test]
fn what_is_lost_is_given_out_again_under_the_same_name_until_it_is_lost_too_often() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.execute(1, ExecutionSpec { max_lost: 2, ..spec("x") });
    let mut names = Vec::new();
    for _ in 0..3 {
        let dispatch = world.only_dispatch();
        names.push(dispatch.work);
        world.lose(dispatch, 1_000, "it crashed");
        world.advance_ms(1_000);
    }
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    let error = world.error();
    assert_eq!((error.kind, error.lost), (FailureKind::Lost, 3));
    world.execute(2, spec("x"));
    let dispatch = world.only_dispatch();
    world.lose(dispatch, 1_000, "it crashed");
    world.succeed("1");
    assert_eq!(world.executed().lost, 1);
}

#[test]
fn what_comes_back_undone_is_queued_again_and_counts_as_nothing() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.execute(1, ExecutionSpec { max_lost: 0, ..spec("x") });
    for _ in 0..4 {
        world.err(AgentErrorKind::Unavailable);
        assert!(world.endings.is_empty());
        world.advance_ms(30_000);
    }
    world.succeed("1");
    assert_eq!(world.executed().lost, 0);
}

#[test]
fn executions_and_tasks_take_turns_in_the_order_in_which_they_were_asked_for() {
    let mut world = World::new();
    world.agent("a", &["x", "busy"]);
    world.accept(request("busy"));
    let named = |kind: &str| ExecutionSpec { kind: kind.to_owned(), ..in_class_x() };
    fn in_class_x() -> ExecutionSpec {
        ExecutionSpec { capabilities: vec!["x".parse().unwrap()], ..spec("x") }
    }
    let task = |kind: &str| request(kind).capability("x".parse().unwrap());
    world.execute(1, named("one"));
    world.accept(task("two"));
    world.execute(2, named("three"));
    world.execute(3, named("four"));
    world.accept(task("five"));
    world.execute(4, ExecutionSpec { priority: Priority::High, ..named("first") });
    let mut order = Vec::new();
    for _ in 0..7 {
        let dispatch = world.only_dispatch();
        order.push(dispatch.spec.kind.clone());
        world.finish(dispatch, answer("1"));
    }
    assert_eq!(order, ["busy", "first", "one", "two", "three", "four", "five"]);
}

#[test]
fn cancelling_stops_the_attempt_that_is_under_way_and_no_other() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.ask(1, 2, spec("x")).unwrap();
    world.settle();
    world.cancel_execution(1, 1);
    world.cancel_execution(9, 1);
    assert!(world.endings.is_empty());
    let late = world.only_dispatch();
    world.cancel_execution(1, 2);
    world.cancel_execution(1, 2);
    let error = world.error();
    assert_eq!((error.kind, error.handed_back), (FailureKind::Cancelled, false));
    assert_eq!(world.cancelled, [(id(1), 0)]);
    world.finish(late, answer("1"));
    assert!(world.endings.is_empty());
    assert_eq!(world.machine.stats.late, 1);
    assert_eq!(world.kept(), [1, 0, 0, 0, 1, 0]);
}

#[test]
fn a_higher_attempt_takes_the_place_of_a_lower_one_and_a_lower_one_comes_too_late() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.execute(1, spec("x"));
    let old = world.only_dispatch();
    world.ask(1, 3, spec("x")).unwrap();
    world.settle();
    let ending = world.ending();
    assert_eq!(ending.attempt, 1);
    assert_eq!(ending.result.unwrap_err().kind, FailureKind::Cancelled);
    assert_eq!(world.ask(1, 2, spec("x")).unwrap_err().kind, FailureKind::Cancelled);
    world.finish(old, answer("\"old\""));
    world.succeed("\"new\"");
    assert_eq!(world.executed().output.bytes, "\"new\"");
}

#[test]
fn a_deadline_ends_it_wherever_it_stands() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let by = |ms: u64| Instant::now() + Duration::from_millis(ms);
    world.execute(1, ExecutionSpec { deadline: by(1_000), ..spec("x") });
    world.execute(2, ExecutionSpec { deadline: by(1_000), ..spec("x") });
    world.advance_ms(1_001);
    let kinds = world.endings.drain(..).map(|ending| ending.result.unwrap_err().kind);
    assert_eq!(kinds.collect::<Vec<_>>(), [FailureKind::DeadlinePassed; 2]);
    assert_eq!(world.cancelled, [(id(1), 0)]);
    let passed = world.ask(3, 1, ExecutionSpec { deadline: by(0), ..spec("x") });
    assert_eq!(passed.unwrap_err().kind, FailureKind::DeadlinePassed);
    assert_eq!(world.machine.timers.len(), 0);
}

#[test]
fn it_waits_for_its_first_agent_as_long_as_it_may() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let soon = || ExecutionSpec { start_within: Some(Duration::from_secs(2)), ..spec("x") };
    world.execute(1, soon());
    world.execute(2, soon());
    world.advance_ms(2_000);
    assert_eq!(world.error().kind, FailureKind::StartTimeout);
    // The first has begun in time, and may take longer.
    world.succeed("1");
    world.executed();
    let nobody = ExecutionSpec { kind: "y".to_owned(), wait_for_agent: true, ..soon() };
    world.execute(3, nobody.clone());
    world.advance_ms(2_000);
    let error = world.error();
    assert_eq!(error.kind, FailureKind::NoCapableAgent);
    assert!(error.message.ends_with("no agent is registered that it can be done by: y"));
    world.execute(4, nobody);
    world.agent("b", &["y"]);
    world.succeed("1");
    world.executed();
    let refused = world.ask(5, 1, spec("z")).unwrap_err();
    assert_eq!(refused.kind, FailureKind::NoCapableAgent);
    assert_eq!(refused.message, "no capable agent: z missing");
}

#[test]
fn it_is_planned_once_when_its_agent_is_called_like_what_it_can_do() {
    let mut world = World::new();
    let agents = vec![AgentId::new("echo").unwrap()];
    world.execute(1, ExecutionSpec { agents, wait_for_agent: true, ..spec("x") });
    world.agent("echo", &["echo"]);
    world.only_dispatch();
}

#[test]
fn what_an_agent_saved_is_stored_before_its_keeper_is_answered_and_survives_a_crash() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.execute(1, spec("x"));
    let dispatch = world.only_dispatch();
    assert_eq!((dispatch.state.clone(), world.held_back), (None, 0));
    world.finish(dispatch, done("1", "kept"));
    world.executed();
    assert_eq!(world.held_back, 1);
    assert_eq!(world.log.last().unwrap().kind, "tasks.saved");
    world.crash();
    world.execute(1, spec("x"));
    assert_eq!(world.only_dispatch().state.as_deref(), Some(&b"kept"[..]));
}

#[test]
fn an_execution_is_not_given_a_state_that_is_not_stored_yet() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.accept(request("x"));
    world.ask(1, 1, spec("x")).unwrap();
    let dispatch = world.only_dispatch();
    let (work, agent) = (dispatch.work, dispatch.agent);
    let outcome = done("1", "of the task");
    world.step(Input::Finished { work, agent, outcome, ran_us: 1 });
    world.settle();
    assert_eq!(world.held_back, 1, "the dispatch in the batch that stores the state");
    assert_eq!(world.only_dispatch().state.as_deref(), Some(&b"of the task"[..]));
}

#[test]
fn the_state_saved_last_is_the_one_that_a_replay_gives() {
    let mut world = World::new();
    let card = synod_agents::AgentCard::new("a", "1.0.0").capability("x").concurrency(3);
    world.join(card);
    let pipeline = request("job").mode(TaskMode::Pipeline).agent("a").agent("a");
    world.accept(pipeline);
    world.execute(1, spec("x"));
    let (task, execution) = (world.in_hand.remove(0), world.only_dispatch());
    let finish = |world: &mut World, dispatch: crate::machine::Dispatch, saved| {
        let (work, agent) = (dispatch.work, dispatch.agent);
        let outcome = done("1", saved);
        world.step(Input::Finished { work, agent, outcome, ran_us: 1 });
    };
    finish(&mut world, task, "first");
    finish(&mut world, execution, "second");
    world.step(Input::Settle);
    world.settle();
    world.crash();
    let kept = world.machine.book().agent_states["a"].clone();
    assert_eq!(kept, "second");
}

#[test]
fn a_drain_gives_back_at_once_what_waits_and_in_the_end_what_runs() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.execute(1, spec("x"));
    world.execute(2, spec("x"));
    world.step(Input::Drain);
    world.settle();
    let waiting = world.ending();
    assert_eq!((waiting.id, waiting.attempt), (id(2), 1));
    assert!(waiting.result.unwrap_err().handed_back);
    assert_eq!(world.machine.in_hand(), 1);
    assert!(world.ask(3, 1, spec("x")).unwrap_err().handed_back);
    let Answer::HandedBack(1) = world.step(Input::HandBack) else { panic!("one ran") };
    world.settle();
    let error = world.error();
    assert_eq!((error.kind, error.handed_back), (FailureKind::Unavailable, true));
    assert_eq!((world.cancelled.len(), world.machine.in_hand()), (1, 0));
    assert_eq!(world.kept(), [2, 0, 0, 0, 0, 2]);
}

#[test]
fn the_modes_of_several_agents_give_what_tasks_give_and_each_part_has_a_key_of_its_own() {
    let mut world = World::new();
    let (one, two) = (AgentId::new("one").unwrap(), AgentId::new("two").unwrap());
    world.agent("one", &["x"]);
    world.agent("two", &["x"]);
    let of_two = |mode| ExecutionSpec { mode, agents: vec![one.clone(), two.clone()], ..spec("x") };
    world.execute(1, of_two(TaskMode::Pipeline));
    let first = world.only_dispatch();
    assert_eq!(first.key.as_deref(), Some("run-1/step/0/0"));
    world.finish(first, answer("\"for the next\""));
    let second = world.only_dispatch();
    assert_eq!(second.input.payload().unwrap().bytes, "\"for the next\"");
    assert_eq!(second.key.as_deref(), Some("run-1/step/0/1"));
    world.finish(second, answer("2"));
    let executed = world.executed();
    assert_eq!((executed.output.bytes, executed.agents.len()), ("2".into(), 2));

    world.execute(2, of_two(TaskMode::Parallel));
    for at in ["one", "two"] {
        let dispatch = world.dispatch_to(at);
        world.finish(dispatch, answer("1"));
    }
    let output = world.executed().output.bytes;
    assert!(output.starts_with(br#"{"results":[{"part":0,"agent":"one@1.0.0""#), "{output:?}");

    world.execute(3, of_two(TaskMode::Competitive));
    let winner = world.dispatch_to("two");
    world.finish(winner, answer("\"won\""));
    assert_eq!(world.executed().output.bytes, "\"won\"");
    assert_eq!(world.cancelled, [(id(3), 0)]);
}

#[test]
fn a_voter_that_leaves_fails_its_part_of_an_execution_too() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.agent("b", &["x"]);
    world.set_status("b", AgentStatus::Paused);
    let agents = ["a", "b"].map(|name| AgentId::new(name).unwrap()).to_vec();
    world.execute(1, ExecutionSpec { mode: TaskMode::Consensus, agents, ..spec("x") });
    world.leave("b");
    world.succeed("1");
    assert!(world.ending().result.is_ok());
}

#[test]
fn more_than_may_be_open_and_ids_of_tasks_and_bad_values_are_refused() {
    let config = TasksConfig { max_executions: 2, ..TasksConfig::default() };
    let mut world = World::with(config);
    world.agent("a", &["x"]);
    let task = world.accept(request("x"));
    world.execute(1, spec("x"));
    world.execute(2, spec("x"));
    let full = world.ask(3, 1, spec("x")).unwrap_err();
    assert_eq!((full.kind, full.handed_back), (FailureKind::Unavailable, false));
    assert!(full.retry_after_ms.is_some());
    world.cancel_execution(1, 1);
    let of_task = world.ask(task.as_u128() - id(0).as_u128(), 1, spec("x")).unwrap_err();
    assert_eq!(of_task.kind, FailureKind::InvalidInput);
    let bad = world.ask(4, 0, spec("x")).unwrap_err();
    assert_eq!(bad.message, "attempt: expected at least 1, got 0");
    let many = vec!["x".parse().unwrap(); 17];
    let bad = world.ask(4, 1, ExecutionSpec { capabilities: many, ..spec("x") }).unwrap_err();
    assert_eq!(bad.message, "capabilities: expected at most 16, got 17");
    let large = Payload::text("x".repeat(2 << 20));
    let bad = world.ask(4, 1, ExecutionSpec { input: large, ..spec("x") }).unwrap_err();
    assert_eq!(bad.kind, FailureKind::TooLarge);
}
