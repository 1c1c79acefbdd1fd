//! The machine of a child process: start, work, hang, garbage, death, back-off.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use synod_runtime::Backoff;
use uuid::Uuid;

use super::machine::{Child, Command, Input, Times};
use crate::card::AgentCard;
use crate::error::{AgentError, AgentErrorKind};
use crate::payload::Payload;
use crate::unfit::MAX_STRAYS;
use crate::work::{Assignment, WorkId};

const INIT: u64 = 10;
const PING: u64 = 30;
const PONG: u64 = 5;
const GRACE: u64 = 2;
const DEADLINE: u64 = 500;

/// A machine with its time, in seconds since its start.
struct World {
    child: Child,
    start: Instant,
    now: u64,
}

impl World {
    fn new() -> Self {
        let times = Times {
            initialize: Duration::from_secs(INIT),
            ping_every: Duration::from_secs(PING),
            ping_answer: Duration::from_secs(PONG),
            grace: Duration::from_secs(GRACE),
            backoff: Backoff {
                initial: Duration::from_secs(1),
                max: Duration::from_secs(8),
                jitter: 0.0,
                ..Backoff::default()
            },
        };
        let card = AgentCard::new("words", "1.0.0").capability("text.count");
        let start = Instant::now();
        Self { child: Child::new(card.into(), times, 0.0, start), start, now: 0 }
    }

    /// One whose first child has initialized.
    fn ready() -> Self {
        let mut world = Self::new();
        world.step(Input::Tick);
        assert_eq!(world.reply(1, 1, json!({"protocol": 1})), [Command::Up]);
        world
    }

    fn step(&mut self, input: Input) -> Vec<Command> {
        let mut out = Vec::new();
        self.child.step(self.start + Duration::from_secs(self.now), input, &mut out);
        out
    }

    fn at(&mut self, seconds: u64, input: Input) -> Vec<Command> {
        self.now = seconds;
        self.step(input)
    }

    fn line(&mut self, run: u64, line: impl ToString) -> Vec<Command> {
        self.step(Input::Line { run, line: line.to_string() })
    }

    fn reply(&mut self, run: u64, id: u64, result: Value) -> Vec<Command> {
        self.line(run, json!({"jsonrpc": "2.0", "id": id, "result": result}))
    }

    fn deliver(&mut self, part: u16) -> Vec<Command> {
        let deadline = self.start + Duration::from_secs(DEADLINE);
        let assignment = Assignment {
            work: work(part),
            kind: "count".into(),
            capability: None,
            payload: Payload::text("a b"),
            deadline: tokio::time::Instant::from_std(deadline),
            idempotency_key: "key".into(),
            correlation: None,
            labels: BTreeMap::new(),
            state: Some("{\"seen\":1}".into()),
            watch: Default::default(),
        };
        self.step(Input::Deliver { assignment: Box::new(assignment) })
    }

    fn wakes_at(&self) -> u64 {
        (self.child.next_wake() - self.start).as_secs()
    }
}

fn work(part: u16) -> WorkId {
    WorkId { task: Uuid::nil(), part, attempt: 1, epoch: 1 }
}

/// Methods and ids of what is written to the child.
fn written(out: &[Command]) -> Vec<(String, Option<u64>)> {
    out.iter()
        .filter_map(|command| {
            let Command::Write { line, .. } = command else { return None };
            let message: Value = serde_json::from_str(line).unwrap();
            Some((message["method"].as_str()?.to_owned(), message["id"].as_u64()))
        })
        .collect()
}

fn errors(out: &[Command]) -> Vec<(u16, AgentErrorKind)> {
    out.iter()
        .filter_map(|command| match command {
            Command::Answer { work, outcome: Err(AgentError { kind, .. }) } => {
                Some((work.part, *kind))
            }
            _ => None,
        })
        .collect()
}

fn why(out: &[Command]) -> String {
    let down = out.iter().find_map(|command| match command {
        Command::Down { why } => Some(why.clone()),
        _ => None,
    });
    down.expect("the child is down")
}

#[test]
fn a_child_is_started_and_initialized_before_it_is_up() {
    let mut world = World::new();
    let out = world.step(Input::Tick);
    assert_eq!(out[0], Command::Spawn { run: 1 });
    assert_eq!(written(&out), [("initialize".to_owned(), Some(1))]);
    assert_eq!(errors(&world.deliver(0)), [(0, AgentErrorKind::Unavailable)]);
    assert_eq!(world.reply(1, 1, json!({"protocol": 1})), [Command::Up]);
    assert_eq!(world.wakes_at(), PING);
}

#[test]
fn a_child_that_disagrees_with_its_configuration_is_not_used() {
    for (answer, part) in [
        (json!({"protocol": 2}), "version 2 of the protocol"),
        (json!({"protocol": 1, "version": "2.0.0"}), "configured is 1.0.0"),
        (json!({"protocol": 1, "capabilities": ["other"]}), "text.count"),
        (json!("hello"), "answer to initialize"),
    ] {
        let mut world = World::new();
        world.step(Input::Tick);
        let out = world.reply(1, 1, answer);
        assert_eq!(out[0], Command::Kill);
        assert!(why(&out).contains(part), "{}", why(&out));
    }
}

#[test]
fn requests_are_pipelined_and_answered_in_any_order() {
    let mut world = World::ready();
    assert_eq!(written(&world.deliver(0)), [("perform".to_owned(), Some(2))]);
    assert_eq!(written(&world.deliver(1)), [("perform".to_owned(), Some(3))]);
    let progress = json!({"jsonrpc": "2.0", "method": "progress",
        "params": {"id": 3, "fraction": 0.5, "note": "half"}});
    assert!(matches!(&world.line(1, progress)[..],
        [Command::Note { work, .. }] if work.part == 1));
    let result = json!({"payload": {"json": 2}, "state": {"seen": 2}});
    let out = world.reply(1, 3, result);
    let [Command::Answer { work: answered, outcome: Ok(performed) }] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(*answered, work(1));
    assert_eq!(performed.payload.to_json::<u8>(), Ok(2));
    assert_eq!(performed.state.as_deref(), Some(b"{\"seen\":2}".as_slice()));
    let error = json!({"jsonrpc": "2.0", "id": 2, "error": {"code": -32602, "message": "no"}});
    assert_eq!(errors(&world.line(1, error)), [(0, AgentErrorKind::InvalidInput)]);
}

#[test]
fn what_work_used_up_is_noted_before_it_is_answered_also_with_an_error() {
    let mut world = World::ready();
    world.deliver(0);
    world.deliver(1);
    let usage = json!({"tokens": 1200, "money_micros": 7});
    let spent = |part| Command::Spend {
        work: work(part),
        usage: crate::Usage { tokens: 1_200, money_micros: 7 },
    };
    let out = world.reply(1, 2, json!({"payload": {"json": 2}, "usage": usage}));
    assert_eq!((out.len(), &out[0]), (2, &spent(0)));
    let data = json!({"kind": "rate_limited", "usage": usage});
    let error = json!({"jsonrpc": "2.0", "id": 3,
        "error": {"code": 1, "message": "no", "data": data}});
    let out = world.line(1, error);
    assert_eq!(out[0], spent(1));
    assert_eq!(errors(&out), [(1, AgentErrorKind::RateLimited)]);
}

#[test]
fn a_line_that_can_not_be_taken_fails_the_work_it_names_and_that_alone() {
    let mut world = World::ready();
    world.deliver(0);
    world.deliver(1);
    let out = world.line(1, r#"{"jsonrpc":"2.0","id":2,"result":{"payl"#);
    assert_eq!(errors(&out), [(0, AgentErrorKind::Failed)]);
    assert_eq!(out.len(), 1, "nothing else happens: {out:?}");
    let result = json!({"payload": {"json": 2}});
    assert!(errors(&world.reply(1, 3, result)).is_empty());
}

#[test]
fn garbage_fails_the_only_work_in_hand_at_once_and_says_what_it_was() {
    let mut world = World::ready();
    world.deliver(0);
    let out = world.line(1, "hello world");
    let [Command::Answer { outcome: Err(error), .. }] = &out[..] else { panic!("{out:?}") };
    assert_eq!(error.kind, AgentErrorKind::Failed);
    assert!(error.message.contains("hello world"), "{error}");
}

#[test]
fn the_rest_of_a_stack_trace_does_not_fail_the_work_that_comes_next() {
    let mut world = World::ready();
    world.deliver(0);
    assert_eq!(errors(&world.line(1, "Traceback:")), [(0, AgentErrorKind::Failed)]);
    world.deliver(1);
    let out = world.line(1, "  line 7, in <module>");
    assert!(matches!(&out[..], [Command::Stray { .. }]), "{out:?}");
    assert!(errors(&world.reply(1, 3, json!({"payload": {"json": 2}}))).is_empty());
    world.deliver(2);
    assert_eq!(errors(&world.line(1, "Traceback:")), [(2, AgentErrorKind::Failed)]);
}

#[test]
fn too_many_lines_about_nothing_cost_the_child_and_what_it_had_goes_back() {
    let mut world = World::ready();
    world.deliver(0);
    world.deliver(1);
    for _ in 0..MAX_STRAYS {
        let out = world.line(1, "hello world");
        assert!(matches!(&out[..], [Command::Stray { .. }]), "{out:?}");
    }
    let out = world.line(1, "hello world");
    assert!(out.contains(&Command::Kill));
    assert_eq!(errors(&out), [(0, AgentErrorKind::Lost), (1, AgentErrorKind::Lost)]);
    assert!(why(&out).contains("hello world"), "{}", why(&out));
    assert_eq!(world.wakes_at(), 1);
    let again = world.at(1, Input::Tick);
    assert_eq!(again[0], Command::Spawn { run: 2 });
    assert!(world.line(1, "late garbage of the first child").is_empty());
}

#[test]
fn a_program_that_never_spoke_the_protocol_is_killed_at_its_first_line() {
    let mut world = World::new();
    world.step(Input::Tick);
    let out = world.line(1, "hello world");
    assert_eq!(out[0], Command::Kill);
    assert!(why(&out).contains("hello world"), "{}", why(&out));
}

#[test]
fn the_end_of_a_child_loses_what_it_had_and_waits_grow() {
    let mut world = World::ready();
    world.deliver(0);
    let out = world.step(Input::Ended { run: 1, why: "it ended (signal 9)".into() });
    assert_eq!(errors(&out), [(0, AgentErrorKind::Lost)]);
    let mut waits = Vec::new();
    for run in 2..7 {
        waits.push(world.wakes_at() - world.now);
        let due = world.wakes_at();
        world.at(due, Input::Tick);
        world.step(Input::Ended { run, why: "it ended".into() });
    }
    assert_eq!(waits, [1, 2, 4, 8, 8]);
    assert!(world.step(Input::Ended { run: 2, why: "again".into() }).is_empty());
}

#[test]
fn a_child_that_ran_long_enough_starts_at_the_first_wait_again() {
    let mut world = World::ready();
    world.step(Input::Ended { run: 1, why: "it ended".into() });
    world.at(1, Input::Tick);
    world.step(Input::Ended { run: 2, why: "it ended".into() });
    world.at(3, Input::Tick);
    world.reply(3, 1, json!({"protocol": 1}));
    world.at(3 + 30, Input::Ended { run: 3, why: "it ended".into() });
    assert_eq!(world.wakes_at(), 3 + 30 + 1);
}

#[test]
fn an_idle_child_that_does_not_answer_a_ping_hangs() {
    let mut world = World::ready();
    assert_eq!(written(&world.at(PING, Input::Tick)), [("ping".to_owned(), Some(2))]);
    assert!(world.reply(1, 2, json!({})).is_empty());
    assert_eq!(world.wakes_at(), 2 * PING);
    world.at(2 * PING, Input::Tick);
    let out = world.at(2 * PING + PONG, Input::Tick);
    assert_eq!(out[0], Command::Kill);
    assert!(why(&out).contains("hangs"), "{}", why(&out));
}

#[test]
fn a_busy_child_is_asked_for_a_sign_of_life_only_if_it_can_answer() {
    let mut world = World::ready();
    world.deliver(0);
    assert!(world.at(PING, Input::Tick).is_empty());
    let mut world = World::new();
    world.step(Input::Tick);
    world.reply(1, 1, json!({"protocol": 1, "ping_while_busy": true}));
    world.deliver(0);
    assert_eq!(written(&world.at(PING, Input::Tick)), [("ping".to_owned(), Some(3))]);
}

#[test]
fn a_child_that_never_initializes_is_killed() {
    let mut world = World::new();
    world.step(Input::Tick);
    assert!(world.at(INIT - 1, Input::Tick).is_empty());
    let out = world.at(INIT, Input::Tick);
    assert_eq!(out[0], Command::Kill);
    assert!(why(&out).contains("initialize"), "{}", why(&out));
}

#[test]
fn work_that_does_not_stop_when_told_costs_the_child() {
    let mut world = World::ready();
    world.deliver(0);
    world.deliver(1);
    let told = world.at(5, Input::Cancel { work: work(0) });
    assert_eq!(written(&told), [("cancel".to_owned(), None)]);
    assert!(world.step(Input::Cancel { work: work(0) }).is_empty(), "told once");
    let out = world.at(5 + GRACE, Input::Tick);
    assert_eq!(errors(&out), [(0, AgentErrorKind::Cancelled), (1, AgentErrorKind::Lost)]);
    assert!(out.contains(&Command::Kill));
}

#[test]
fn work_that_answers_its_cancellation_costs_nothing() {
    let mut world = World::ready();
    world.deliver(0);
    world.at(5, Input::Cancel { work: work(0) });
    let error = json!({"jsonrpc": "2.0", "id": 2,
        "error": {"code": 1, "message": "stopped", "data": {"kind": "cancelled"}}});
    assert_eq!(errors(&world.line(1, error)), [(0, AgentErrorKind::Cancelled)]);
    assert!(world.at(5 + GRACE, Input::Tick).is_empty());
}

#[test]
fn a_request_of_the_child_is_answered_with_an_error() {
    let mut world = World::ready();
    let out = world.line(1, r#"{"jsonrpc":"2.0","id":"x","method":"read_file"}"#);
    let [Command::Write { line, .. }] = &out[..] else { panic!("{out:?}") };
    let answer: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("x"), &json!(-32601)));
}
