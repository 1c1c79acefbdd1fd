//! Handing over: acknowledge, deliver again, cancel, give back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::frames::{Said, ToAgent};
use super::machine::{Command, HandOver, HandOverLimits, Input};
use crate::config::Undelivered;
use crate::error::{AgentError, AgentErrorKind};
use crate::payload::Payload;
use crate::unfit::MAX_STRAYS;
use crate::wire::{WorkProgress, WorkResult};
use crate::work::{Assignment, Performed, WorkId};

const ACK: u64 = 5;
const GRACE: u64 = 2;
const SILENCE: u64 = 1_000;
const DEADLINE: u64 = 100;

/// A machine with its time, in seconds since its start.
struct World {
    machine: HandOver,
    start: Instant,
}

impl World {
    fn new(undelivered: Undelivered) -> Self {
        let limits = HandOverLimits {
            ack: Duration::from_secs(ACK),
            max_deliveries: 3,
            undelivered,
            grace: Duration::from_secs(GRACE),
            silence: Duration::from_secs(SILENCE),
        };
        Self { machine: HandOver::new(limits), start: Instant::now() }
    }

    /// One with a program connected, by session 1.
    fn connected() -> Self {
        let mut world = Self::new(Undelivered::Requeue);
        world.at(0, Input::Connected { session: 1 });
        world
    }

    /// One that waits for ever, as far as it is told.
    fn without_end() -> Self {
        let limits = HandOverLimits {
            ack: Duration::MAX,
            max_deliveries: 3,
            undelivered: Undelivered::Requeue,
            grace: Duration::MAX,
            silence: Duration::MAX,
        };
        let mut world = Self { machine: HandOver::new(limits), start: Instant::now() };
        world.at(0, Input::Connected { session: 1 });
        world
    }

    fn at(&mut self, seconds: u64, input: Input) -> Vec<Command> {
        let mut out = Vec::new();
        self.machine.step(self.start + Duration::from_secs(seconds), input, &mut out);
        out
    }

    fn deliver(&mut self, seconds: u64, part: u16) -> Vec<Command> {
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
            state: None,
            watch: Default::default(),
        };
        self.at(seconds, Input::Deliver { assignment: Box::new(assignment) })
    }

    fn said(&mut self, seconds: u64, session: u64, part: u16, said: Said) -> Vec<Command> {
        self.at(seconds, Input::Said { session, work: work(part), said })
    }

    fn unfit(&mut self, seconds: u64, session: u64, work: Option<WorkId>) -> Vec<Command> {
        self.at(seconds, Input::Unfit { session, work, why: "no payload".into() })
    }

    fn wakes_at(&self) -> Option<u64> {
        self.machine.next_wake().map(|at| (at - self.start).as_secs())
    }
}

fn work(part: u16) -> WorkId {
    WorkId { task: Uuid::nil(), part, attempt: 1, epoch: 1 }
}

fn done() -> Said {
    let document = (&Payload::text("2")).into();
    Said::Done(WorkResult { payload: document, state: None, usage: None })
}

/// The numbers of deliveries among the commands.
fn deliveries(out: &[Command]) -> Vec<u32> {
    out.iter()
        .filter_map(|command| match command {
            Command::Send(ToAgent::Perform { delivery, .. }) => Some(*delivery),
            _ => None,
        })
        .collect()
}

/// Part and kind of error of each answer that is one.
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

#[test]
fn what_work_used_up_is_noted_before_it_is_answered() {
    let mut world = World::connected();
    world.deliver(0, 0);
    world.deliver(0, 1);
    let usage = crate::Usage { tokens: 5, money_micros: 0 };
    let Said::Done(result) = done() else { panic!("it is done") };
    let out = world.said(1, 1, 0, Said::Done(WorkResult { usage: Some(usage), ..result }));
    assert_eq!(out[0], Command::Spend { work: work(0), usage });
    let error = serde_json::from_str(r#"{"message": "no", "usage": {"tokens": 5}}"#).unwrap();
    let out = world.said(1, 1, 1, Said::Failed(error));
    assert_eq!(out[0], Command::Spend { work: work(1), usage });
}

#[test]
fn work_that_is_acknowledged_is_delivered_once_and_answered_by_its_result() {
    let mut world = World::connected();
    assert_eq!(deliveries(&world.deliver(0, 0)), [1]);
    assert_eq!(world.wakes_at(), Some(ACK));
    assert!(world.said(1, 1, 0, Said::Accepted).is_empty());
    assert_eq!(world.wakes_at(), Some(DEADLINE + GRACE));
    assert!(world.at(ACK + 1, Input::Tick).is_empty());
    let progress = WorkProgress { fraction: 0.5, note: String::new() };
    let noted = world.said(7, 1, 0, Said::Progress(progress.clone()));
    assert_eq!(noted, [Command::Note { work: work(0), progress }]);
    let performed = Performed { payload: Payload::text("2"), state: None };
    let answered = Command::Answer { work: work(0), outcome: Ok(performed) };
    assert_eq!(world.said(8, 1, 0, done()), [answered]);
    assert!(world.said(9, 1, 0, done()).is_empty(), "a second result is ignored");
}

#[test]
fn unacknowledged_work_is_delivered_again_and_then_queued_again() {
    let mut world = World::connected();
    world.deliver(0, 0);
    assert!(world.at(ACK - 1, Input::Tick).is_empty());
    assert_eq!(deliveries(&world.at(ACK, Input::Tick)), [2]);
    assert_eq!(deliveries(&world.at(2 * ACK, Input::Tick)), [3]);
    let given_up = world.at(3 * ACK, Input::Tick);
    assert_eq!(errors(&given_up), [(0, AgentErrorKind::Lost)]);
    assert!(world.said(3 * ACK, 1, 0, done()).is_empty(), "its late result is fenced");
}

#[test]
fn by_policy_unacknowledged_work_becomes_a_dead_letter() {
    let mut world = World::new(Undelivered::DeadLetter);
    world.at(0, Input::Connected { session: 1 });
    world.deliver(0, 0);
    world.at(ACK, Input::Tick);
    world.at(2 * ACK, Input::Tick);
    let given_up = world.at(3 * ACK, Input::Tick);
    assert_eq!(given_up[0], Command::DeadLetter { work: work(0), correlation: None });
    assert_eq!(errors(&given_up), [(0, AgentErrorKind::Refused)]);
}

#[test]
fn what_a_dropped_connection_held_is_lost_at_once() {
    let mut world = World::connected();
    world.deliver(0, 0);
    world.deliver(0, 1);
    world.said(1, 1, 1, Said::Accepted);
    let dropped = world.at(2, Input::Dropped { session: 1, reason: "it broke".into() });
    assert_eq!(errors(&dropped), [(0, AgentErrorKind::Lost), (1, AgentErrorKind::Lost)]);
    assert_eq!(dropped.last(), Some(&Command::Reachable(false)));
    assert_eq!(errors(&world.deliver(3, 2)), [(2, AgentErrorKind::Unavailable)]);
    assert_eq!(world.wakes_at(), None);
}

#[test]
fn a_newer_connection_replaces_the_older_whose_words_count_no_more() {
    let mut world = World::connected();
    world.deliver(0, 0);
    let replaced = world.at(1, Input::Connected { session: 2 });
    assert!(matches!(replaced[0], Command::Close { session: 1, .. }));
    assert_eq!(errors(&replaced), [(0, AgentErrorKind::Lost)]);
    assert_eq!(replaced.last(), Some(&Command::Reachable(true)));
    world.deliver(2, 1);
    assert!(world.said(3, 1, 1, done()).is_empty());
    assert!(world.at(3, Input::Dropped { session: 1, reason: "it broke".into() }).is_empty());
    assert_eq!(world.said(4, 2, 1, done()).len(), 1);
}

#[test]
fn cancelled_work_has_its_grace_and_is_then_forgotten() {
    let mut world = World::connected();
    world.deliver(0, 0);
    world.said(1, 1, 0, Said::Accepted);
    let cancelled = world.at(2, Input::Cancel { work: work(0) });
    assert!(matches!(&cancelled[..], [Command::Send(ToAgent::Cancel { grace_ms: 2_000, .. })]));
    assert!(world.at(2, Input::Cancel { work: work(0) }).is_empty(), "told once");
    assert!(world.at(2 + GRACE - 1, Input::Tick).is_empty());
    let forgotten = world.at(2 + GRACE, Input::Tick);
    assert_eq!(errors(&forgotten), [(0, AgentErrorKind::Cancelled)]);
}

#[test]
fn acknowledging_late_does_not_undo_a_cancellation() {
    let mut world = World::connected();
    world.deliver(0, 0);
    world.at(1, Input::Cancel { work: work(0) });
    world.said(2, 1, 0, Said::Accepted);
    assert_eq!(errors(&world.at(1 + GRACE, Input::Tick)), [(0, AgentErrorKind::Cancelled)]);
}

#[test]
fn no_work_is_held_beyond_its_deadline_and_grace() {
    let mut world = World::connected();
    world.deliver(0, 0);
    world.said(1, 1, 0, Said::Accepted);
    let forgotten = world.at(DEADLINE + GRACE, Input::Tick);
    assert_eq!(errors(&forgotten), [(0, AgentErrorKind::Timeout)]);
}

#[test]
fn a_silent_connection_is_closed_and_a_heartbeat_keeps_it() {
    let mut world = World::connected();
    world.at(SILENCE - 1, Input::Heard { session: 1 });
    assert!(world.at(SILENCE, Input::Tick).is_empty());
    let closed = world.at(2 * SILENCE, Input::Tick);
    assert!(matches!(closed[0], Command::Close { session: 1, code: 1_008, .. }));
    assert_eq!(closed.last(), Some(&Command::Reachable(false)));
}

#[test]
fn an_unreadable_result_is_a_failure_of_the_agent() {
    let mut world = World::connected();
    world.deliver(0, 0);
    let document = serde_json::from_str(r#"{"json": 1, "text": "1"}"#).unwrap();
    let result = Said::Done(WorkResult { payload: document, state: None, usage: None });
    assert_eq!(errors(&world.said(1, 1, 0, result)), [(0, AgentErrorKind::Failed)]);
}

#[test]
fn a_frame_that_can_not_be_taken_fails_the_work_it_names_and_that_alone() {
    let mut world = World::connected();
    world.deliver(0, 0);
    world.deliver(0, 1);
    let out = world.unfit(1, 1, Some(work(0)));
    let told = ToAgent::Error { work: Some(work(0).to_string()), message: "no payload".into() };
    assert_eq!(out[0], Command::Send(told));
    let [_, Command::Answer { work: failed, outcome: Err(error) }] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!((*failed, error.kind), (work(0), AgentErrorKind::Failed));
    assert!(error.message.ends_with("no payload"), "{error}");
    assert_eq!(world.machine.session(), Some(1));
    assert_eq!(errors(&world.said(2, 1, 1, done())), []);
}

#[test]
fn frames_about_nothing_are_answered_and_too_many_in_a_row_close_the_connection() {
    let mut world = World::connected();
    world.deliver(0, 0);
    let told = [Command::Send(ToAgent::Error { work: None, message: "no payload".into() })];
    for _ in 0..2 {
        for _ in 0..MAX_STRAYS {
            // Work that is not in hand is nothing, too, and a heartbeat ends no row.
            assert_eq!(world.unfit(1, 1, Some(work(7))), told);
            assert!(world.at(1, Input::Heard { session: 1 }).is_empty());
        }
        world.said(1, 1, 0, Said::Accepted);
    }
    for _ in 0..MAX_STRAYS {
        assert_eq!(world.unfit(1, 1, None), told);
    }
    let out = world.unfit(1, 1, None);
    assert_eq!(errors(&out), [(0, AgentErrorKind::Lost)]);
    let closed = |command: &Command| matches!(command, Command::Close { code: 1_008, .. });
    assert!(out.iter().any(closed), "{out:?}");
    assert_eq!(out.last(), Some(&Command::Reachable(false)));
    assert!(world.unfit(2, 1, None).is_empty(), "it is not listened to any more");
}

#[test]
fn what_goes_back_says_why_its_connection_ended() {
    let mut world = World::connected();
    world.deliver(0, 0);
    let out = world.at(1, Input::Dropped { session: 1, reason: "a frame too large".into() });
    let Command::Answer { outcome: Err(error), .. } = &out[0] else { panic!("{out:?}") };
    assert_eq!((error.kind, error.message.as_str()), (AgentErrorKind::Lost, "a frame too large"));
}

#[test]
fn frames_are_written_as_their_documentation_shows_them() {
    use super::frames::FromAgent;
    let read = |text: &str| serde_json::from_str::<FromAgent>(text).unwrap();
    assert_eq!(read(r#"{"type":"heartbeat"}"#), FromAgent::Heartbeat);
    assert_eq!(read(r#"{"type":"accepted","work":"w"}"#), FromAgent::Accepted { work: "w".into() });
    let register = r#"{"type":"register","card":{"id":"a","capabilities":["text.count"]}}"#;
    let FromAgent::Register { card } = read(register) else { panic!("not a registration") };
    assert_eq!(card.id.as_str(), "a");
    let error = r#"{"type":"error","work":"w","error":{"kind":"RATE_LIMITED","message":"slow"}}"#;
    let FromAgent::Error { error, .. } = read(error) else { panic!("not an error") };
    assert_eq!(AgentError::from(error).kind, AgentErrorKind::RateLimited);
    assert!(serde_json::from_str::<FromAgent>(r#"{"type":"result","work":"w"}"#).is_err());
    let closing = ToAgent::Closing { code: 1_000, reason: "x".into() };
    let text = serde_json::to_string(&closing).unwrap();
    assert_eq!(text, r#"{"type":"closing","code":1000,"reason":"x"}"#);
}

#[test]
fn times_that_no_clock_can_hold_are_long_times() {
    let mut world = World::without_end();
    assert!(!world.deliver(0, 1).is_empty());
    assert!(world.at(DEADLINE, Input::Tick).is_empty(), "its grace is not over");
    world.at(DEADLINE, Input::Cancel { work: work(1) });
    assert!(world.at(2 * DEADLINE, Input::Tick).is_empty());
}
