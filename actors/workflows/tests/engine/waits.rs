//! Runs that wait: for times, messages and other runs, also over restarts and without an actor.

use std::time::Duration;

use serde_json::json;
use synod_runtime::Principal;
use synod_workflows::{
    ControlError, DefineWorkflow, RunState, SendMessage, WaitKind, WorkflowsConfig,
};

use crate::stage::{Ground, Stage};

const TIMER: &str = "name: timer\ntimeout_s: 7200\nsteps: [{id: a, wait: {for_s: 3600}}]";

const AWAIT: &str = r#"
name: paid
steps:
  - {id: a, await: {topic: "paid", match: "message.order == inputs.order"}}
"#;

async fn send(
    stage: &Stage,
    topic: &str,
    payload: serde_json::Value,
) -> Result<(u64, u64), ControlError> {
    let (topic, principal) = (topic.to_owned(), Principal::user("ada"));
    let sent = stage
        .ask(SendMessage { topic, payload, run: None, idempotency_key: None, principal })
        .await?;
    Ok((sent.taken, sent.unmatched))
}

#[tokio::test(start_paused = true)]
async fn a_timer_fires_on_time_although_the_run_gave_up_its_actor() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let run = stage.start(TIMER, json!(null)).await;
    ground.time.pass(Duration::from_secs(10)).await;
    let stats = stage.stats().await;
    assert_eq!((stats.active, stats.parked), (0, 1));
    let status = stage.get(run).await;
    assert_eq!(status.summary.state, RunState::Waiting);
    assert_eq!(status.summary.waiting_for[0].what, WaitKind::Time);
    let status = stage.wait(run).await;
    let times = &status.summary;
    assert_eq!(times.state, RunState::Completed);
    let took = times.ended_at.unwrap().as_second() - times.accepted_at.as_second();
    assert_eq!(took, 3_600);
}

#[tokio::test(start_paused = true)]
async fn a_timer_outlives_power_cuts() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let run = stage.start(TIMER, json!(null)).await;
    stage.cut(&ground).await;
    ground.time.pass(Duration::from_secs(1_000)).await;
    let stage = ground.start().await;
    assert_eq!(stage.state(run).await, RunState::Waiting);
    stage.cut(&ground).await;
    ground.time.pass(Duration::from_secs(3_000)).await;
    let stage = ground.start().await;
    assert_eq!(stage.wait(run).await.summary.state, RunState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_taken_by_the_run_whose_condition_it_meets() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let one = stage.start(AWAIT, json!({"order": 1})).await;
    let two = stage.start(AWAIT, json!({"order": 2})).await;
    ground.time.pass(Duration::from_secs(5)).await;
    assert_eq!(stage.stats().await.active, 0);
    assert_eq!(send(&stage, "shipped", json!({"order": 2})).await, Ok((0, 0)));
    assert_eq!(send(&stage, "paid", json!({"order": 2})).await, Ok((1, 1)));
    let status = stage.wait(two).await;
    assert_eq!(status.outputs, Some(json!({"a": {"order": 2}})));
    assert_eq!(stage.state(one).await, RunState::Waiting);
    stage.cut(&ground).await;
    let stage = ground.start().await;
    assert_eq!(send(&stage, "paid", json!({"order": 1})).await, Ok((1, 0)));
    assert_eq!(stage.wait(one).await.summary.state, RunState::Completed);
    assert_eq!(send(&stage, "paid", json!({"order": 1})).await, Ok((0, 0)));
}

#[tokio::test(start_paused = true)]
async fn what_a_step_emits_reaches_a_run_that_awaits_it() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let waits = stage.start(AWAIT, json!({"order": 7})).await;
    let emits = r#"{"name": "pay", "steps": [
        {"id": "a", "emit": {"topic": "paid", "payload": {"order": 7}}}]}"#;
    let emits = stage.start(emits, json!(null)).await;
    assert_eq!(stage.wait(emits).await.summary.state, RunState::Completed);
    assert_eq!(stage.wait(waits).await.summary.state, RunState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_sub_workflow_gives_its_outputs_to_the_step_that_started_it() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    stage.echo("x").await;
    let child = "name: child\nsteps: [{id: a, capability: x, input: '${inputs.n}'}]";
    let define = DefineWorkflow { text: child.to_owned(), principal: Principal::user("ada") };
    stage.ask(define).await.unwrap();
    let parent = r#"
name: parent
steps:
  - id: each
    for_each:
      items: "${inputs.items}"
      concurrency: 2
      step: {workflow: {name: child, input: {n: "${item}"}}}
"#;
    let run = stage.start(parent, json!({"items": [1, 2, 3]})).await;
    let status = stage.wait(run).await;
    assert_eq!(status.error, None);
    assert_eq!(status.outputs, Some(json!({"each": [{"a": 1}, {"a": 2}, {"a": 3}]})));
    let ledger = stage.stats().await.ledger;
    assert_eq!((ledger.accepted, ledger.completed), (4, 4));
    let missing = "name: p\nsteps: [{id: a, workflow: {name: nobody}}]";
    let run = stage.start(missing, json!(null)).await;
    let error = stage.wait(run).await.error.unwrap();
    assert_eq!(error.kind, "child_failed");
    assert!(error.message.contains("no definition 'nobody'"), "{}", error.message);
}

#[tokio::test(start_paused = true)]
async fn a_workflow_that_starts_itself_ends_after_a_bounded_number_of_runs() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let text = r#"{"name": "again", "steps": [{"id": "a", "workflow": {"name": "again"}}]}"#;
    let define = DefineWorkflow { text: text.to_owned(), principal: Principal::user("ada") };
    stage.ask(define).await.unwrap();
    let run = stage.start(text, json!(null)).await;
    assert_eq!(stage.wait(run).await.summary.state, RunState::Failed);
    assert_eq!(stage.stats().await.ledger.accepted, 16);
}

/// Something else is done first, then a message is awaited, and another one.
const LATER: &str = r#"
name: later
steps:
  - {id: first, capability: x}
  - {id: paid, await: {topic: "paid-${inputs.order}"}, depends_on: [first]}
  - {id: more, await: {topic: "paid-${inputs.order}"}, depends_on: [paid]}
"#;

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_before_its_step_waits_is_kept_over_power_cuts_and_taken_once() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let _inbox = stage.manual("x").await;
    let run = stage.start(LATER, json!({"order": 7})).await;
    assert_eq!(send(&stage, "paid-8", json!({"n": 0})).await, Ok((0, 0)));
    assert_eq!(send(&stage, "paid-7", json!({"n": 1})).await, Ok((1, 0)));
    stage.cut(&ground).await;
    let stage = ground.start().await;
    stage.echo("x").await;
    for _ in 0..100 {
        ground.time.pass(Duration::from_millis(100)).await;
    }
    let status = stage.get(run).await;
    assert_eq!(status.steps[1].output, Some(json!({"n": 1})));
    assert_eq!(status.summary.state, RunState::Waiting);
    stage.cut(&ground).await;
    let stage = ground.start().await;
    assert_eq!(send(&stage, "paid-7", json!({"n": 2})).await, Ok((1, 0)));
    let status = stage.wait(run).await;
    assert_eq!(status.outputs, Some(json!({"more": {"n": 2}})));
    assert_eq!(send(&stage, "paid-7", json!({"n": 3})).await, Ok((0, 0)));
}

#[tokio::test(start_paused = true)]
async fn what_is_emitted_before_anybody_waits_is_kept_and_a_run_can_be_told_by_name() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let text = r#"{"name": "named", "steps": [{"id": "first", "capability": "x"},
        {"id": "paid", "await": {"topic": "${outputs.first}"}, "depends_on": ["first"]}]}"#;
    let waits = stage.start(LATER, json!({"order": 7})).await;
    let named = stage.start(text, json!(null)).await;
    let emits = r#"{"name": "pay", "steps": [
        {"id": "a", "emit": {"topic": "paid-7", "payload": 7}}]}"#;
    for _ in 0..2 {
        let emits = stage.start(emits, json!(null)).await;
        assert_eq!(stage.wait(emits).await.summary.state, RunState::Completed);
    }
    // Nobody can tell the topic yet, but this run is meant.
    let (topic, principal) = ("late".to_owned(), Principal::user("ada"));
    let (payload, run) = (json!(1), Some(named));
    let message = SendMessage { topic, payload, run, idempotency_key: None, principal };
    let sent = stage.ask(message).await.unwrap();
    assert_eq!((sent.taken, sent.unmatched), (1, 0));
    for _ in 0..2 {
        let Some(synod_agents::AgentMessage::Perform(request)) =
            inbox.next(crate::stage::PATIENCE).await
        else {
            panic!("work is given out")
        };
        request.into_parts().1.send(Ok(crate::stage::output(json!("late"))));
    }
    assert_eq!(stage.wait(waits).await.outputs, Some(json!({"more": 7})));
    assert_eq!(stage.wait(named).await.outputs, Some(json!({"paid": 1})));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_sent_again_under_its_key_is_taken_once_also_over_power_cuts() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let text = r#"{"name": "twice", "steps": [{"id": "a", "await": {"topic": "paid"}},
        {"id": "b", "await": {"topic": "paid"}, "depends_on": ["a"]}]}"#;
    let run = stage.start(text, json!(null)).await;
    let message = |key: &str, payload: u32| SendMessage {
        topic: "paid".to_owned(),
        payload: json!(payload),
        run: None,
        idempotency_key: Some(key.to_owned()),
        principal: Principal::user("ada"),
    };
    assert_eq!(stage.ask(message("one", 1)).await.unwrap().taken, 1);
    let again = stage.ask(message("one", 1)).await.unwrap();
    assert_eq!((again.taken, again.unmatched), (0, 1));
    stage.cut(&ground).await;
    let stage = ground.start().await;
    assert_eq!(stage.ask(message("one", 1)).await.unwrap().taken, 0);
    assert_eq!(stage.ask(message("two", 2)).await.unwrap().taken, 1);
    assert_eq!(stage.wait(run).await.outputs, Some(json!({"b": 2})));
    let refused = stage.ask(message("a key", 1)).await;
    let Err(ControlError::Invalid { field, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(field, "idempotency_key");
}
