//! What can be done to a run: cancel, pause, resume, retry, fork, checkpoints, amendments.

use std::time::Duration;

use serde_json::json;
use synod_agents::{AgentError, AgentMessage};
use synod_runtime::Principal;
use synod_workflows::{
    AmendRun, CancelRun, CheckpointRun, ControlError, ForkRun, PauseRun, ResumeRun, RetryRun,
    RollbackRun, RunOptions, RunRelation, RunState, StartError, StepState, WorkflowsConfig,
};

use crate::stage::{Ground, PATIENCE, linear, output};

fn ada() -> Principal {
    Principal::user("ada")
}

#[tokio::test(start_paused = true)]
async fn cancelling_reaches_the_agent_and_is_final() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let run = stage.start(&linear(2), json!(1)).await;
    let Some(AgentMessage::Perform(request)) = inbox.next(PATIENCE).await else { panic!() };
    let status = stage.cancel(run).await;
    assert_eq!(status.summary.state, RunState::Cancelled);
    assert!(matches!(inbox.next(PATIENCE).await, Some(AgentMessage::Cancel { .. })));
    request.answer(Ok(output(json!(2))));
    let status = stage.wait(run).await;
    assert_eq!(status.error.unwrap().message, "cancelled by user:ada: enough");
    assert_eq!(status.steps[1].state, StepState::Pending);
    let again = CancelRun { id: run, compensate: false, reason: None, principal: ada() };
    let error = stage.ask(again).await.unwrap_err();
    assert_eq!(error, ControlError::AlreadyEnded { state: RunState::Cancelled });
    let ledger = stage.stats().await.ledger;
    assert_eq!((ledger.cancelled, ledger.open, ledger.balanced), (1, 0, true));
}

#[tokio::test(start_paused = true)]
async fn a_run_is_shown_at_once_while_its_agent_works_and_nothing_new_is_stored() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let run = stage.start(&linear(2), json!(1)).await;
    for step in 0..2 {
        let Some(AgentMessage::Perform(request)) = inbox.next(PATIENCE).await else { panic!() };
        let begun = tokio::time::Instant::now();
        for _ in 0..3 {
            assert_eq!(stage.get(run).await.steps[step].state, StepState::Running);
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        request.answer(Ok(output(json!(step))));
    }
    assert_eq!(stage.wait(run).await.outputs, Some(json!({"s1": 1})));
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_begins_nothing_until_it_is_resumed_also_after_a_power_cut() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let run = stage.start(&linear(2), json!(1)).await;
    let Some(AgentMessage::Perform(request)) = inbox.next(PATIENCE).await else { panic!() };
    let status = stage.ask(PauseRun { id: run, principal: ada() }).await.unwrap();
    assert_eq!(status.summary.state, RunState::Paused);
    request.answer(Ok(output(json!(2))));
    ground.time.pass(Duration::from_secs(5)).await;
    assert_eq!(stage.get(run).await.steps[0].state, StepState::Completed);
    stage.cut(&ground).await;
    let stage = ground.start().await;
    let given = stage.echo("x").await;
    ground.time.pass(Duration::from_secs(60)).await;
    assert_eq!(stage.state(run).await, RunState::Paused);
    assert!(given.lock().is_empty());
    stage.ask(ResumeRun { id: run, principal: ada() }).await.unwrap();
    assert_eq!(stage.wait(run).await.outputs, Some(json!({"s1": 2})));
    let error = stage.ask(ResumeRun { id: run, principal: ada() }).await.unwrap_err();
    assert!(matches!(error, ControlError::AlreadyEnded { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_a_new_run_that_keeps_what_had_completed() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let works = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mended = std::sync::Arc::clone(&works);
    let given = stage
        .agent("x", move |_, input| match input.as_u64() {
            Some(2) if !mended.load(std::sync::atomic::Ordering::Relaxed) => {
                Err(AgentError::invalid_input("not yet"))
            }
            _ => Ok(json!(input.as_u64().unwrap() + 1)),
        })
        .await;
    let run = stage.start(&linear(3), json!(1)).await;
    assert_eq!(stage.wait(run).await.summary.state, RunState::Failed);
    works.store(true, std::sync::atomic::Ordering::Relaxed);
    let retried = stage.ask(RetryRun { id: run, principal: ada() }).await.unwrap().run_id;
    let status = stage.wait(retried).await;
    assert_eq!(status.outputs, Some(json!({"s2": 4})));
    let link = &status.links[0];
    assert_eq!((link.relation, link.run_id), (RunRelation::RetryOf, run));
    assert_eq!(given.lock().len(), 4, "the first step was done once");
    let error = stage.ask(RetryRun { id: retried, principal: ada() }).await.unwrap_err();
    assert_eq!(error, StartError::NotRetryable { state: RunState::Completed });
    assert_eq!(stage.state(run).await, RunState::Failed);
    let ledger = stage.stats().await.ledger;
    assert_eq!((ledger.accepted, ledger.failed, ledger.completed), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_fork_is_refused_a_key_an_input_that_is_too_large_and_labels_without_end() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let mut run = stage.start("name: a\nsteps: [{id: a, transform: 1}]", json!(1)).await;
    let fork = |id, input, options| ForkRun {
        id,
        at: None,
        input: Some(input),
        source: None,
        options,
        principal: ada(),
    };
    let keyed = RunOptions { idempotency_key: Some("k".to_owned()), ..RunOptions::default() };
    let error = stage.ask(fork(run, json!(1), keyed)).await.unwrap_err();
    assert!(is_about(&error, "options.idempotency_key"), "{error}");
    let large = json!("x".repeat(2 << 20));
    let error = stage.ask(fork(run, large, RunOptions::default())).await.unwrap_err();
    assert!(matches!(error, StartError::InvalidInput { .. }), "{error}");
    let labelled = |round: u32| RunOptions {
        labels: (0..32).map(|at| (format!("k{round}-{at}"), String::new())).collect(),
        ..RunOptions::default()
    };
    for round in 0..2 {
        run = stage.ask(fork(run, json!(1), labelled(round))).await.unwrap().run_id;
        stage.wait(run).await;
    }
    let error = stage.ask(fork(run, json!(1), labelled(2))).await.unwrap_err();
    assert!(is_about(&error, "options.labels"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_fork_begins_anew_from_a_point_of_the_old_run() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let given = stage.echo("x").await;
    let run = stage.start(&linear(3), json!(1)).await;
    stage.wait(run).await;
    let events = stage.history(run).await;
    let first = events.iter().find(|event| event.name == "step.completed").unwrap().number;
    let fork = ForkRun {
        id: run,
        at: Some(first),
        input: Some(json!(5)),
        source: None,
        options: RunOptions::default(),
        principal: ada(),
    };
    let forked = stage.ask(fork).await.unwrap().run_id;
    let status = stage.wait(forked).await;
    assert_eq!(status.summary.state, RunState::Completed);
    assert_eq!((status.input, status.links[0].run_id), (json!(5), run));
    assert_eq!(given.lock().len(), 5, "one step of the old run counts");
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_back_to_a_checkpoint_and_on_by_an_amended_definition() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    stage.echo("x").await;
    let text = |last: &str| {
        format!(
            "name: long\nvariables: {{v: 1}}\nsteps:\n  - {{id: a, capability: x, input: 1}}\n  \
             - {{id: b, await: {{topic: go}}, depends_on: [a]}}\n  \
             - {{id: c, transform: \"{last}\", depends_on: [b]}}"
        )
    };
    let run = stage.start(&text("${variables.v}"), json!(null)).await;
    stage.until(run, RunState::Waiting, &ground.time).await;
    let checkpoint = CheckpointRun { id: run, name: "here".to_owned(), principal: ada() };
    stage.ask(checkpoint.clone()).await.unwrap();
    let error = stage.ask(checkpoint).await.unwrap_err();
    assert!(matches!(error, ControlError::Invalid { .. }), "{error}");
    let rollback = RollbackRun {
        id: run,
        to: "here".to_owned(),
        compensate: false,
        reason: Some("try".to_owned()),
        principal: ada(),
    };
    assert_eq!(stage.ask(rollback).await.unwrap().steps[0].state, StepState::Completed);
    let amend = AmendRun {
        id: run,
        text: Some(text("${variables.v + 1}")),
        variables: [("v".to_owned(), json!(41))].into(),
        reason: None,
        principal: ada(),
    };
    let before = stage.get(run).await.summary.workflow.hash;
    let status = stage.ask(amend).await.unwrap();
    assert_ne!(status.summary.workflow.hash, before);
    stage.cut(&ground).await;
    let stage = ground.start().await;
    let topic = "go".to_owned();
    let payload = json!(null);
    let send = synod_workflows::SendMessage {
        topic,
        payload,
        run: Some(run),
        idempotency_key: None,
        principal: ada(),
    };
    assert_eq!(stage.ask(send).await.unwrap().taken, 1);
    assert_eq!(stage.wait(run).await.outputs, Some(json!({"c": 42})));
}

fn is_about(error: &StartError, name: &str) -> bool {
    matches!(error, StartError::Invalid { field, .. } if field == name)
}
