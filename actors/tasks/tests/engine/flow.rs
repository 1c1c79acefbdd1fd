//! The way of a task through the engine, seen from outside.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_agents::{AgentError, AgentMessage};
use synod_runtime::{Correlation, Principal, Priority, SeededEntropy, SendOptions};
use synod_tasks::{
    CancelError, EnginePhase, ListTasks, SubmitError, SubmitTask, TaskFilter, TaskListener,
    TaskState, TasksConfig, TasksMessage, WaitTask,
};
use uuid::Uuid;

use crate::stage::{Ground, PATIENCE, output, request, result};

#[tokio::test(start_paused = true)]
async fn a_task_goes_to_an_agent_and_its_result_comes_back() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("counter", "text.count", 1).await;
    let task = stage.accept(request("text.count").payload("one two").unwrap()).await;
    let assignment = agent.succeed(r#"{"words":2}"#).await;
    assert_eq!(assignment.payload.to_text().unwrap(), "one two");
    assert_eq!(assignment.capability.as_deref(), Some("text.count"));
    assert_eq!(assignment.idempotency_key, format!("{task}/0"));
    let done = stage.wait(task).await.unwrap();
    assert_eq!(done.state, TaskState::Completed);
    assert_eq!(result(&done), r#"{"words":2}"#);
    assert_eq!(done.submitted_by, "user:ada");
    assert_eq!(stage.get(task).await.unwrap(), done);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_are_answered_and_a_stranger_at_once() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(request("x")).await;
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let tasks = stage.tasks.clone();
            tokio::spawn(async move { tasks.ask(WaitTask { id: task }, PATIENCE).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    agent.succeed("1").await;
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap().unwrap().state, TaskState::Completed);
    }
    assert_eq!(stage.wait(Uuid::nil()).await, None);
    assert_eq!(stage.get(Uuid::nil()).await, None);
    assert_eq!(stage.cancel(Uuid::nil()).await, Err(CancelError::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_execution_is_stopped_at_its_agent() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(request("x")).await;
    let execution = agent.execution().await;
    let cancelled = stage.cancel(task).await.unwrap();
    assert_eq!(cancelled.state, TaskState::Cancelled);
    assert_eq!(cancelled.error.unwrap().message, "cancelled by user:ada");
    let work = execution.body.assignment.work;
    assert!(matches!(agent.told().await, AgentMessage::Cancel { work: told } if told == work));
    execution.answer(Ok(output("1")));
    let again = stage.cancel(task).await;
    assert_eq!(again, Err(CancelError::AlreadyEnded { state: TaskState::Cancelled }));
    assert_eq!(stage.stats().await.late_results, 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_answers_nothing_is_given_up_at_the_deadline() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(request("x").timeout_s(5)).await;
    let silent = agent.execution().await;
    let failed = stage.wait(task).await.unwrap();
    assert_eq!(failed.error.unwrap().kind.as_str(), "deadline_passed");
    assert!(matches!(agent.told().await, AgentMessage::Cancel { .. }));
    drop(silent);
    // It is free again, and gets the next.
    let next = stage.accept(request("x")).await;
    agent.succeed("1").await;
    assert_eq!(stage.wait(next).await.unwrap().state, TaskState::Completed);
}

#[tokio::test(start_paused = true)]
async fn an_execution_whose_agent_drops_it_is_lost_and_done_again() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(request("x")).await;
    drop(agent.execution().await);
    agent.fail(AgentError::failed("no luck")).await;
    agent.succeed("1").await;
    let done = stage.wait(task).await.unwrap();
    assert_eq!((done.attempts, done.lost, done.parts[0].errors), (3, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_in_order_and_numbered_without_a_gap() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = heard.clone();
    let listener = TaskListener::new(move |change| {
        ears.lock().push((change.sequence, change.task_id, change.state));
        true
    });
    stage.tasks.send(TasksMessage::Subscribe(listener)).await.unwrap();
    let agent = stage.agent("a", "x", 2).await;
    let tasks = [stage.accept(request("x")).await, stage.accept(request("x")).await];
    for task in tasks {
        agent.succeed("1").await;
        stage.wait(task).await.unwrap();
    }
    let heard = heard.lock();
    let numbers: Vec<_> = heard.iter().map(|(sequence, ..)| *sequence).collect();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    for task in tasks {
        let states = heard.iter().filter(|(_, id, _)| *id == task).map(|(.., state)| *state);
        use TaskState::{Completed, Pending, Queued, Running};
        assert_eq!(states.collect::<Vec<_>>(), [Pending, Queued, Running, Completed]);
    }
}

#[tokio::test(start_paused = true)]
async fn priority_principal_and_trace_reach_the_agent() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let trace = Correlation::new(&SeededEntropy::new(1));
    let principal = Principal::user("ada");
    let submit = SubmitTask { request: request("x").priority(Priority::High), principal };
    let options = SendOptions::new().correlation(trace);
    let accepted = stage.tasks.ask_with(submit, PATIENCE, options).await.unwrap().unwrap();
    let assignment = agent.succeed("1").await;
    assert_eq!(assignment.correlation, Some(trace));
    let done = stage.wait(accepted.task_id).await.unwrap();
    assert_eq!(done.trace_id, Some(trace.trace_hex()));
    assert_eq!(done.priority, Priority::High);
}

#[tokio::test(start_paused = true)]
async fn bad_input_is_refused_with_the_field_and_nothing_is_stored() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let refused = stage.submit(request("")).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Invalid { ref field, .. } if field == "kind"));
    let nobody = stage.submit(request("x")).await.unwrap_err();
    assert_eq!(nobody, SubmitError::NoCapableAgent { missing: vec!["x".to_owned()] });
    assert_eq!(stage.stats().await.ledger.accepted, 0);
    let bad = ListTasks { cursor: Some("?".into()), ..ListTasks::default() };
    assert!(stage.tasks.ask(bad, PATIENCE).await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_numbers_of_the_engine_add_up() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    for _ in 0..3 {
        let task = stage.accept(request("x")).await;
        ground.time.pass(Duration::from_millis(100)).await;
        agent.succeed("1").await;
        stage.wait(task).await.unwrap();
    }
    let failed = stage.accept(request("x").priority(Priority::Low)).await;
    agent.fail(AgentError::invalid_input("no")).await;
    stage.wait(failed).await.unwrap();
    stage.accept(request("x")).await;
    stage.accept(request("x")).await;
    let stats = stage.stats().await;
    assert_eq!(stats.phase, EnginePhase::Running);
    assert!(stats.ledger.balanced);
    assert_eq!((stats.ledger.accepted, stats.ledger.open), (6, 2));
    assert_eq!((stats.ledger.completed, stats.ledger.failed), (3, 1));
    assert_eq!((stats.by_state["running"], stats.by_state["queued"]), (1, 1));
    assert_eq!(stats.by_priority["low"].failed, 1);
    assert_eq!((stats.queue_depth, stats.parts.executions), (1, 5));
    assert!((90.0..=120.0).contains(&stats.latency.run.p50_ms), "{:?}", stats.latency);
    assert_eq!((stats.agents[0].id.as_str(), stats.agents[0].completed), ("a", 3));
    assert_eq!((stats.capabilities["x"].completed, stats.capabilities["x"].failed), (3, 1));
    let page = ListTasks { filter: TaskFilter::default(), cursor: None, limit: 4 };
    let page = stage.tasks.ask(page, PATIENCE).await.unwrap().unwrap();
    assert_eq!(page.tasks.len(), 4);
    assert!(page.next.is_some());
}
