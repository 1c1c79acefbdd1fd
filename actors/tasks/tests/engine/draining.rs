//! Draining the engine before the node stops.

use std::time::Duration;

use synod_agents::AgentMessage;
use synod_tasks::{DrainEngine, Drained, EnginePhase, SubmitError, TaskState, TasksConfig};

use crate::stage::{Ground, PATIENCE, output, request};

#[tokio::test(start_paused = true)]
async fn what_runs_may_end_and_what_is_queued_stays_for_the_next_start() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let running = stage.accept(request("x")).await;
    let queued = stage.accept(request("x")).await;
    let execution = agent.execution().await;
    let tasks = stage.tasks.clone();
    let drain = DrainEngine { within: Duration::from_secs(30) };
    let draining = tokio::spawn(async move { tasks.ask(drain, PATIENCE).await });
    ground.time.pass(Duration::from_secs(1)).await;
    assert_eq!(stage.submit(request("x")).await, Err(SubmitError::Draining));
    assert_eq!(stage.health().await.phase, EnginePhase::Draining);
    execution.answer(Ok(output("1")));
    assert_eq!(draining.await.unwrap(), Ok(Drained { handed_back: 0, open: 1 }));
    assert_eq!(stage.state(running).await, TaskState::Completed);
    assert_eq!(stage.health().await.phase, EnginePhase::Drained);
    stage.stop().await;
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    agent.succeed("2").await;
    assert_eq!(stage.wait(queued).await.unwrap().attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_handed_back_and_told_to_stop() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(request("x")).await;
    let execution = agent.execution().await;
    let drain = DrainEngine { within: Duration::from_secs(2) };
    let drained = stage.tasks.ask(drain, PATIENCE).await.unwrap();
    assert_eq!(drained, Drained { handed_back: 1, open: 1 });
    assert!(matches!(agent.told().await, AgentMessage::Cancel { .. }));
    drop(execution);
    stage.stop().await;
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    agent.succeed("1").await;
    let done = stage.wait(task).await.unwrap();
    assert_eq!((done.attempts, done.lost), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_idle_engine_is_drained_at_once() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let drain = DrainEngine { within: Duration::from_secs(30) };
    let drained = stage.tasks.ask(drain, Duration::from_secs(1)).await;
    assert_eq!(drained, Ok(Drained { handed_back: 0, open: 0 }));
}
