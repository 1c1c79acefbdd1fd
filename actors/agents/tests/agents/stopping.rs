//! Stopping an agent of the host: in order, by force, and for good.

use std::time::Duration;

use synod_agents::{AgentErrorKind, AgentsConfig, StopAgent};
use tokio::time::Instant;

use crate::stage::{PATIENCE, Stage, acting, assignment, give, perform};

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_stopped_takes_no_more_and_ends_what_it_has() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let entry = stage.act(2).await;
    let (agent, key) = (entry.address.clone(), entry.key());
    let work = give(&agent, assignment("sleep"));
    tokio::task::yield_now().await;
    let stop = StopAgent { key: key.clone(), within: PATIENCE };
    let stopped = tokio::spawn({
        let host = stage.host.clone();
        async move { host.ask(stop, PATIENCE * 2).await }
    });
    tokio::task::yield_now().await;
    let refused = perform(&agent, "echo").await;
    assert!(!matches!(refused, Ok(Ok(_))), "{refused:?}");
    assert!(work.await.unwrap().unwrap().is_ok(), "what was in hand has ended");
    stopped.await.unwrap().unwrap();
    assert!(agent.is_closed());
    let again = stage.start(acting(1)).await.unwrap();
    assert!(perform(&again.address, "echo").await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_stopped_by_force() {
    let stage = Stage::new(AgentsConfig { grace_ms: 500, ..AgentsConfig::default() }).await;
    let entry = stage.act(1).await;
    let work = give(&entry.address, assignment("stubborn"));
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let within = Duration::from_secs(3);
    stage.host.ask(StopAgent { key: entry.key(), within }, PATIENCE).await.unwrap();
    let took = begun.elapsed();
    assert!(took >= within && took < within + Duration::from_secs(3), "{took:?}");
    let ended = work.await.unwrap();
    let is_over = match &ended {
        Ok(Err(error)) => error.kind == AgentErrorKind::Lost,
        other => other.is_err(),
    };
    assert!(is_over, "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn stopping_what_does_not_run_is_answered_at_once() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let key = acting(1).card().key();
    stage.host.ask(StopAgent { key, within: PATIENCE }, Duration::from_secs(1)).await.unwrap();
}
