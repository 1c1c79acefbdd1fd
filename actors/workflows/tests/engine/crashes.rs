//! Restarts, power cuts, crashes of runs' actors and of the journal.

use std::time::Duration;

use serde_json::json;
use synod_agents::AgentMessage;
use synod_runtime::{ActorSnapshot, Control};
use synod_workflows::{DrainWorkflows, RunState, StartError, WorkflowHealth, WorkflowsConfig};

use crate::stage::{Ground, PATIENCE, linear, output};

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_at_the_same_step_after_a_power_cut_with_the_same_key() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let run = stage.start(&linear(3), json!(1)).await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let Some(AgentMessage::Perform(request)) = inbox.next(PATIENCE).await else { panic!() };
        let (perform, reply) = request.into_parts();
        keys.push(perform.assignment.idempotency_key);
        if keys.len() == 1 {
            reply.send(Ok(output(json!(2))));
        }
    }
    stage.cut(&ground).await;
    let stage = ground.start().await;
    let given = stage.echo("x").await;
    let status = stage.wait(run).await;
    assert_eq!(status.summary.state, RunState::Completed);
    let again: Vec<_> = given.lock().iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(again, [format!("{run}/s1/1"), format!("{run}/s2/1")]);
    assert_eq!(keys[1], again[0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_back_in_a_drain_is_no_loss_and_goes_on_at_the_next_start() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let _inbox = stage.manual("x").await;
    let run = stage.start(&linear(2), json!(1)).await;
    let drained = stage.ask(DrainWorkflows { within: Duration::from_secs(2) }).await;
    assert_eq!((drained.open, drained.interrupted), (1, 1));
    let error = stage.try_start(&linear(1), json!(1), Default::default()).await.unwrap_err();
    assert_eq!(error, StartError::Draining);
    stage.stop().await;
    let stage = ground.start().await;
    stage.echo("x").await;
    assert_eq!(stage.wait(run).await.summary.state, RunState::Completed);
    let names: Vec<_> = stage.history(run).await.into_iter().map(|event| event.name).collect();
    assert!(names.contains(&"run.handed_back".to_owned()), "{names:?}");
}

/// The path of a run's actor.
fn actor(snapshot: &ActorSnapshot) -> Option<&ActorSnapshot> {
    if snapshot.kind == "run" {
        return Some(snapshot);
    }
    snapshot.children.iter().find_map(actor)
}

#[tokio::test(start_paused = true)]
async fn another_actor_goes_on_when_that_of_a_run_ends() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let run = stage.start(&linear(2), json!(1)).await;
    let Some(AgentMessage::Perform(request)) = inbox.next(PATIENCE).await else { panic!() };
    let tree = stage.system.observe();
    let path = actor(&tree).expect("an actor of the run").path.clone();
    stage.system.control(&path, Control::Stop).unwrap();
    drop(request);
    for _ in 0..2 {
        loop {
            match inbox.next(PATIENCE).await {
                Some(AgentMessage::Perform(request)) => {
                    request.answer(Ok(output(json!(2))));
                    break;
                }
                Some(_) => {}
                None => panic!("no execution"),
            }
        }
    }
    assert_eq!(stage.wait(run).await.summary.state, RunState::Completed);
}

#[tokio::test(start_paused = true)]
async fn while_the_disk_is_full_runs_are_refused_and_later_go_on() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let run = stage.start(&linear(2), json!(1)).await;
    let Some(AgentMessage::Perform(request)) = inbox.next(PATIENCE).await else { panic!() };
    ground.disk.set_free_bytes(0);
    let big = json!("x".repeat(40_000));
    for _ in 0..100 {
        if stage.try_start(&linear(1), big.clone(), Default::default()).await.is_err() {
            break;
        }
    }
    let first = stage.ask(WorkflowHealth {}).await;
    assert!(!first.accepting);
    // What holds it up now is said, not what did first.
    ground.time.pass(Duration::from_secs(3)).await;
    let now = stage.ask(WorkflowHealth {}).await.reason.unwrap();
    let told = stage.journal().await.reason.unwrap();
    let begin = told.split(" (looked").next().unwrap();
    assert!(now.starts_with(begin) && first.reason.as_ref() != Some(&now), "{now}");
    drop(request);
    ground.disk.set_free_bytes(u64::MAX);
    ground.time.pass(Duration::from_secs(10)).await;
    assert!(stage.ask(WorkflowHealth {}).await.accepting);
    tokio::spawn(async move {
        while let Some(message) = inbox.next(PATIENCE).await {
            if let AgentMessage::Perform(request) = message {
                request.answer(Ok(output(json!(2))));
            }
        }
    });
    assert_eq!(stage.wait(run).await.summary.state, RunState::Completed);
    assert!(stage.stats().await.ledger.balanced);
}
