//! Performing: the promises about workers, crashes, cancelling, deadlines and capacity.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use synod_agents::{
    Agent, AgentCard, AgentContext, AgentError, AgentErrorKind, AgentMessage, AgentStatus,
    AgentsConfig, Assignment, Capability, Payload, factory,
};
use synod_runtime::{AskError, Correlation};
use tokio::time::{Instant, sleep};

use crate::stage::{Stage, assignment, give, health, healthy, perform, tell};

fn kind(answer: &crate::stage::Answer) -> AgentErrorKind {
    match answer {
        Ok(Err(error)) => error.kind,
        other => panic!("no error of the agent: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_performs_and_an_idle_one_has_no_worker() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(2).await.address;
    let children = |path| {
        let tree = stage.system.observe();
        let node = tree.iter().find(|node| node.path == path).unwrap();
        node.child_count
    };
    let path = agent.path();
    assert_eq!(children(path.clone()), 0, "no worker before there is work");
    let performed = perform(&agent, "echo").await.unwrap().unwrap();
    assert_eq!(performed.payload, Payload::text("hello"));
    assert_eq!(performed.state, None);
    assert_eq!(children(path), 1, "one worker for one assignment at a time");
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_a_span_of_its_own_in_the_trace_of_its_task() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(1).await.address;
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let parent: Correlation = text.parse().unwrap();
    let mut spans = vec![parent.span_id()];
    for attempt in [1, 2] {
        let mut traced = assignment("trace");
        traced.work.attempt = attempt;
        traced.correlation = Some(parent);
        let performed = give(&agent, traced).await.unwrap().unwrap().unwrap();
        let own: Correlation = performed.payload.to_json().unwrap();
        assert_eq!((own.trace_id(), own.flags()), (parent.trace_id(), 1));
        assert!(!spans.contains(&own.span_id()), "the span is new");
        spans.push(own.span_id());
    }
    let untraced = perform(&agent, "trace").await.unwrap().unwrap();
    assert_eq!(untraced.payload.to_json::<Option<Correlation>>().unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_panic_answers_at_once_and_leaves_the_other_workers_alone() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(2).await.address;
    let other = give(&agent, assignment("sleep"));
    sleep(Duration::from_millis(1)).await;
    let before = Instant::now();
    assert_eq!(perform(&agent, "crash").await, Err(AskError::Unanswered));
    assert_eq!(Instant::now(), before, "the asker did not wait");
    assert!(other.await.unwrap().unwrap().is_ok(), "the other worker went on");
    let health = health(&agent).await;
    assert_eq!(health.crashes, 1);
    assert!(health.last_error.unwrap().contains("on purpose"));
}

#[tokio::test(start_paused = true)]
async fn a_crashed_worker_restarts_after_a_back_off_that_grows() {
    let config = AgentsConfig { restart_initial_ms: 1_000, ..AgentsConfig::default() };
    let stage = Stage::new(config).await;
    let agent = stage.act(1).await.address;
    let mut waits = Vec::new();
    for _ in 0..3 {
        assert_eq!(perform(&agent, "crash").await, Err(AskError::Unanswered));
        let crashed = Instant::now();
        let down = healthy(&agent, |health| health.workers_down == 1).await;
        assert!(!down.healthy);
        assert_eq!(kind(&perform(&agent, "echo").await), AgentErrorKind::Unavailable);
        healthy(&agent, |health| health.workers_down == 0).await;
        waits.push(crashed.elapsed().as_secs_f64());
    }
    assert!(waits[0] >= 0.8 && waits[1] > waits[0] && waits[2] > waits[1], "{waits:?}");
    assert!(perform(&agent, "echo").await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn cancelled_work_that_obeys_ends_at_once_and_its_worker_is_free() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(1).await.address;
    let (obeying, first) = (assignment("obey"), assignment("instance"));
    let work = obeying.work;
    let given = give(&agent, obeying);
    sleep(Duration::from_secs(3)).await;
    let seen = health(&agent).await.in_hand.pop().unwrap();
    assert_eq!((seen.work, seen.running_ms), (work.to_string(), 3_000));
    assert_eq!((seen.progress, seen.note.as_deref()), (Some(0.5), Some("half way")));
    tell(&agent, AgentMessage::Cancel { work }).await;
    assert_eq!(kind(&given.await.unwrap()), AgentErrorKind::Cancelled);
    let performed = give(&agent, first).await.unwrap().unwrap().unwrap();
    assert_eq!(performed.payload.to_json::<u32>(), Ok(1), "the instance was kept");
}

#[tokio::test(start_paused = true)]
async fn cancelled_work_that_does_not_obey_is_dropped_after_its_grace_time() {
    let config = AgentsConfig { grace_ms: 2_000, ..AgentsConfig::default() };
    let stage = Stage::new(config).await;
    let agent = stage.act(1).await.address;
    let stubborn = assignment("stubborn");
    let work = stubborn.work;
    let given = give(&agent, stubborn);
    sleep(Duration::from_secs(1)).await;
    tell(&agent, AgentMessage::Cancel { work }).await;
    let told = Instant::now();
    assert_eq!(kind(&given.await.unwrap()), AgentErrorKind::Cancelled);
    assert_eq!(told.elapsed(), Duration::from_secs(2));
    let performed = perform(&agent, "instance").await.unwrap().unwrap();
    assert_eq!(performed.payload.to_json::<u32>(), Ok(2), "its instance was replaced");
    assert_eq!(health(&agent).await.crashes, 0);
}

#[tokio::test(start_paused = true)]
async fn cancelling_what_is_not_in_hand_changes_nothing() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(1).await.address;
    tell(&agent, AgentMessage::Cancel { work: crate::stage::work() }).await;
    assert!(perform(&agent, "echo").await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_answers_at_once_and_the_work_gets_its_grace() {
    let config = AgentsConfig { grace_ms: 5_000, ..AgentsConfig::default() };
    let stage = Stage::new(config).await;
    let agent = stage.act(1).await.address;
    let mut late = assignment("stubborn");
    late.deadline = Instant::now() + Duration::from_secs(7);
    let begun = Instant::now();
    assert_eq!(kind(&give(&agent, late).await.unwrap()), AgentErrorKind::Timeout);
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
    assert_eq!(kind(&perform(&agent, "echo").await), AgentErrorKind::Unavailable);
    sleep(Duration::from_secs(6)).await;
    assert!(perform(&agent, "echo").await.unwrap().is_ok(), "the slot is free after the grace");
}

#[tokio::test(start_paused = true)]
async fn more_than_the_capacity_is_refused_and_never_queued() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(3).await.address;
    let given: Vec<_> = (0..10).map(|_| give(&agent, assignment("sleep"))).collect();
    let begun = Instant::now();
    let (mut done, mut refused) = (0, 0);
    for answer in given {
        match answer.await.unwrap().unwrap() {
            Ok(_) => done += 1,
            Err(error) => {
                assert_eq!(error.kind, AgentErrorKind::Unavailable);
                assert!(error.message.contains("at capacity: 3"), "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!((done, refused), (3, 7));
    assert_eq!(begun.elapsed(), Duration::from_secs(10), "all three at the same time");
}

#[tokio::test(start_paused = true)]
async fn a_paused_agent_takes_nothing_and_ends_what_it_has() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(2).await.address;
    let given = give(&agent, assignment("sleep"));
    sleep(Duration::from_secs(1)).await;
    tell(&agent, AgentMessage::Pause).await;
    assert_eq!(kind(&perform(&agent, "echo").await), AgentErrorKind::Unavailable);
    assert_eq!(health(&agent).await.status, AgentStatus::Paused);
    assert!(given.await.unwrap().unwrap().is_ok());
    tell(&agent, AgentMessage::Resume).await;
    assert!(perform(&agent, "echo").await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_drained_agent_ends_what_it_has_and_is_given_no_more() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(2).await.address;
    let given = give(&agent, assignment("sleep"));
    sleep(Duration::from_secs(1)).await;
    tell(&agent, AgentMessage::Drain).await;
    assert_eq!(kind(&perform(&agent, "echo").await), AgentErrorKind::Unavailable);
    assert!(given.await.unwrap().unwrap().is_ok());
    let drained = health(&agent).await;
    assert_eq!((drained.status, drained.in_hand.len()), (AgentStatus::Draining, 0));
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_agents_actor_keeps_what_it_was_told() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(1).await.address;
    tell(&agent, AgentMessage::Pause).await;
    assert_eq!(health(&agent).await.status, AgentStatus::Paused);
    stage.system.control(&agent.path(), synod_runtime::Control::Restart).unwrap();
    assert_eq!(health(&agent).await.status, AgentStatus::Paused);
    tell(&agent, AgentMessage::Resume).await;
    assert!(perform(&agent, "echo").await.unwrap().is_ok(), "its address is the same");
}

#[tokio::test(start_paused = true)]
async fn saved_state_comes_with_the_result_and_goes_back_with_the_next_work() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(1).await.address;
    let first = perform(&agent, "count").await.unwrap().unwrap();
    let mut next = assignment("count");
    next.state = first.state;
    let second = give(&agent, next).await.unwrap().unwrap().unwrap();
    assert_eq!(second.payload.to_json::<u8>(), Ok(2));
    let uncommitted = perform(&agent, "count").await.unwrap().unwrap();
    assert_eq!(uncommitted.payload.to_json::<u8>(), Ok(1), "only what is handed in counts");
    assert!(perform(&agent, "save and fail").await.unwrap().is_err());
}

/// Counts how often it was started and stopped; its start fails as often as it is told.
struct Careful {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    starts: AtomicU32,
    stops: AtomicU32,
    failures: AtomicU32,
}

impl Agent for Careful {
    fn card(&self) -> AgentCard {
        let object = serde_json::json!({"type": "object", "required": ["n"]});
        let capability = Capability::new("careful").input(object.clone()).output(object);
        AgentCard::new("careful", "2.1.0").capability(capability)
    }

    async fn start(&mut self) -> Result<(), AgentError> {
        self.counts.starts.fetch_add(1, Ordering::Relaxed);
        let left = self.counts.failures.load(Ordering::Relaxed);
        if left > 0 {
            self.counts.failures.store(left - 1, Ordering::Relaxed);
            return Err(AgentError::failed("no disk"));
        }
        Ok(())
    }

    async fn perform(
        &mut self,
        work: Assignment,
        _ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        match work.kind.as_str() {
            "break the promise" => Ok(Payload::json(&serde_json::json!([]))?),
            _ => Ok(work.payload),
        }
    }

    async fn stop(&mut self) {
        self.counts.stops.fetch_add(1, Ordering::Relaxed);
    }
}

fn careful(counts: &Arc<Counts>) -> Arc<dyn synod_agents::AgentFactory> {
    let counts = Arc::clone(counts);
    factory(move || Careful { counts: Arc::clone(&counts) })
}

fn with_input(kind: &str, input: serde_json::Value) -> Assignment {
    let mut assignment = assignment(kind);
    assignment.payload = Payload::json(&input).unwrap();
    assignment
}

#[tokio::test(start_paused = true)]
async fn instances_are_started_once_and_stopped_in_the_end() {
    let counts = Arc::default();
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.start(careful(&counts)).await.unwrap().address;
    for _ in 0..3 {
        let work = with_input("echo", serde_json::json!({"n": 1}));
        assert!(give(&agent, work).await.unwrap().unwrap().is_ok());
    }
    assert_eq!(counts.starts.load(Ordering::Relaxed), 1);
    tell(&agent, AgentMessage::Retire).await;
    stage.until_gone("careful").await;
    assert_eq!(counts.stops.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_told_at_once_and_tried_again_later() {
    let counts = Arc::new(Counts { failures: AtomicU32::new(1), ..Counts::default() });
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.start(careful(&counts)).await.unwrap().address;
    let work = || with_input("echo", serde_json::json!({"n": 1}));
    let answer = give(&agent, work()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(answer.kind, AgentErrorKind::Unavailable);
    assert!(answer.message.contains("no disk"), "{answer}");
    healthy(&agent, |health| health.crashes == 1 && health.workers_down == 0).await;
    assert!(give(&agent, work()).await.unwrap().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn schemas_are_checked_on_both_sides_of_perform() {
    let counts = Arc::default();
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.start(careful(&counts)).await.unwrap().address;
    let bad = give(&agent, with_input("echo", serde_json::json!({"m": 1}))).await.unwrap();
    assert_eq!(kind(&bad), AgentErrorKind::InvalidInput);
    assert_eq!(counts.starts.load(Ordering::Relaxed), 0, "the agent never saw it");
    let good = with_input("break the promise", serde_json::json!({"n": 1}));
    assert_eq!(kind(&give(&agent, good).await.unwrap()), AgentErrorKind::Failed);
    let mut other = with_input("echo", serde_json::json!({"n": 1}));
    other.capability = Some("something.else".into());
    assert_eq!(kind(&give(&agent, other).await.unwrap()), AgentErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_answers_nobody_is_unhealthy_until_it_answers() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(1).await.address;
    let after = async |kinds: &[&str]| {
        for kind in kinds {
            let _ = perform(&agent, kind).await;
        }
        let health = health(&agent).await;
        (health.healthy, health.last_error.unwrap_or_default())
    };
    assert!(after(&["lose", "busy"]).await.0);
    // It answered, if only with an error.
    assert!(after(&["fail", "lose", "lose"]).await.0);
    let (healthy, why) = after(&["lose"]).await;
    assert!(!healthy);
    assert!(why.contains("the connection broke"), "{why}");
    assert!(after(&["echo"]).await.0, "it is back");
}
