//! Runs from their start to their end.

use std::time::Duration;

use serde_json::json;
use synod_agents::AgentError;
use synod_workflows::{
    ListRuns, RunFilter, RunOptions, RunState, StartError, StepState, WorkflowsConfig,
};

use crate::stage::{Ground, linear};

#[tokio::test(start_paused = true)]
async fn a_linear_run_gives_each_step_the_output_of_the_one_before() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let agent =
        |_: &_, input: serde_json::Value| Ok(json!({"n": input["n"].as_u64().unwrap() + 1}));
    let given = stage.agent("x", agent).await;
    let run = stage.start(&linear(3), json!({"n": 1})).await;
    let status = stage.wait(run).await;
    assert_eq!(status.summary.state, RunState::Completed);
    assert_eq!(status.outputs, Some(json!({"s2": {"n": 4}})));
    assert_eq!(status.summary.progress.percent, 100.0);
    let states: Vec<_> = status.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Completed; 3]);
    assert_eq!(status.steps[1].agent.as_deref(), Some("agent-x@1.0.0"));
    let keys: Vec<_> = given.lock().iter().map(|(key, _)| key.clone()).collect();
    let expected: Vec<_> = (0..3).map(|n| format!("{run}/s{n}/1")).collect();
    assert_eq!(keys, expected);
    // What is read from the log is what the run's actor said.
    assert_eq!(stage.get(run).await, status);
    let stats = stage.stats().await;
    assert!(stats.ledger.balanced);
    assert_eq!((stats.ledger.completed, stats.ledger.open), (1, 0));
    assert_eq!((stats.steps.executions, stats.steps.completed), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn parallel_steps_join_and_a_condition_skips() {
    let text = r#"
name: fan
steps:
  - {id: a, capability: x, input: 1}
  - {id: b, capability: x, input: 2}
  - {id: c, capability: x, input: 3, when: "inputs.more"}
  - {id: sum, transform: "${outputs.a + outputs.b}", depends_on: [a, b, c]}
outputs: {sum: "${outputs.sum}"}
"#;
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    stage.echo("x").await;
    let run = stage.start(text, json!({"more": false})).await;
    let status = stage.wait(run).await;
    assert_eq!(status.error, None);
    assert_eq!(status.outputs, Some(json!({"sum": 3})));
    assert_eq!(status.steps[2].state, StepState::Skipped);
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_is_tried_again_and_what_can_not_be_mended_fails_the_run() {
    let text = r#"
name: retry
steps:
  - id: a
    capability: x
    input: 1
    retry: {max_attempts: 3, initial_ms: 1000, multiplier: 2, jitter: 0}
"#;
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let changes = stage.changes().await;
    let given = stage
        .agent("x", |assignment, _| match assignment.work.attempt {
            1 | 2 => Err(AgentError::failed("no luck")),
            _ => Ok(json!({"insight": "third time"})),
        })
        .await;
    let run = stage.start(text, json!(null)).await;
    let status = stage.wait(run).await;
    assert_eq!(status.summary.state, RunState::Completed);
    assert_eq!(status.steps[0].attempts, 3);
    let keys: Vec<_> = given.lock().iter().map(|(key, _)| key.clone()).collect();
    assert!(keys.iter().all(|key| *key == format!("{run}/a/1")), "{keys:?}");
    let names: Vec<_> = changes.lock().iter().map(|change| change.name.clone()).collect();
    let expected = [
        "run.accepted",
        "run.started",
        "step.started",
        "step.retrying",
        "agent.error",
        "step.started",
        "step.retrying",
        "agent.error",
        "step.started",
        "step.completed",
        "agent.insight",
        "run.completed",
    ];
    assert_eq!(names, expected);
    let sequences: Vec<_> = changes.lock().iter().map(|change| change.sequence).collect();
    assert_eq!(sequences, (1..=expected.len() as u64).collect::<Vec<_>>());
    stage.agent("y", |_, _| Err(AgentError::invalid_input("not a number"))).await;
    let run =
        stage.start("name: bad\nsteps: [{id: a, capability: y, input: 1}]", json!(null)).await;
    let status = stage.wait(run).await;
    assert_eq!(status.summary.state, RunState::Failed);
    let error = status.error.unwrap();
    assert_eq!((error.kind.as_str(), error.step.as_deref()), ("validation_error", Some("a")));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_goes_on_when_the_plan_fails() {
    let text = r#"
name: careful
steps: [{id: model, capability: x, input: 1, retry: {max_attempts: 1}}]
fallback:
  name: rules
  steps: [{id: rules, capability: y, input: 2}]
"#;
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    stage.agent("x", |_, _| Err(AgentError::failed("no model"))).await;
    stage.echo("y").await;
    let run = stage.start(text, json!(null)).await;
    let status = stage.wait(run).await;
    assert_eq!(status.summary.state, RunState::Completed);
    assert_eq!(status.outputs, Some(json!({"rules": 2})));
    assert_eq!(status.fallback[0].id, "rules");
    let names: Vec<_> = stage.history(run).await.into_iter().map(|event| event.name).collect();
    assert_eq!(names.iter().filter(|name| *name == "plan.fallback").count(), 1, "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_names_the_same_run_and_refuses_another_request() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    stage.echo("x").await;
    let options = || RunOptions { idempotency_key: Some("k".to_owned()), ..RunOptions::default() };
    let text = linear(1);
    let (one, two) = tokio::join!(
        stage.try_start(&text, json!(1), options()),
        stage.try_start(&text, json!(1), options()),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.run_id, two.run_id);
    assert!(one.duplicate != two.duplicate);
    stage.wait(one.run_id).await;
    let again = stage.try_start(&text, json!(1), options()).await.unwrap();
    assert!(again.duplicate && again.run_id == one.run_id);
    let other = stage.try_start(&text, json!(2), options()).await.unwrap_err();
    assert_eq!(other, StartError::IdempotencyConflict { existing: one.run_id });
    stage.stop().await;
    let stage = ground.start().await;
    assert!(stage.try_start(&text, json!(1), options()).await.unwrap().duplicate);
    assert_eq!(stage.stats().await.ledger.accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_definition_makes_the_key_of_its_runs_and_lets_a_result_be_taken_again() {
    let text = r#"
name: keyed
idempotency_key: "order-${inputs.order}"
steps: [{id: a, capability: x, input: "${inputs}", cache_key: "${inputs.city}"}]
"#;
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let given = stage.echo("x").await;
    let start = |order: u64, city: &'static str| {
        stage.try_start(text, json!({"order": order, "city": city}), RunOptions::default())
    };
    let first = start(1, "oslo").await.unwrap();
    stage.wait(first.run_id).await;
    assert!(start(1, "oslo").await.unwrap().duplicate);
    assert!(matches!(start(1, "rome").await, Err(StartError::IdempotencyConflict { .. })));
    let second = start(2, "oslo").await.unwrap();
    let status = stage.wait(second.run_id).await;
    assert_eq!(status.outputs, Some(json!({"a": {"order": 1, "city": "oslo"}})));
    assert_eq!(given.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_kept_result_outlives_power_cuts_and_snapshots_for_its_time() {
    let text = "name: keeps\nsteps: [{id: a, capability: x, input: '${inputs}', cache_key: k}]";
    let config = WorkflowsConfig {
        snapshot_records: 1_000,
        keep_results_s: 3_600,
        ..WorkflowsConfig::default()
    };
    for size in [10, 200_000] {
        let ground = Ground::new(config.clone());
        let stage = ground.start().await;
        let given = stage.echo("x").await;
        let first = json!("x".repeat(size));
        let run = stage.start(text, first.clone()).await;
        stage.wait(run).await;
        assert_eq!(given.lock().len(), 1);
        stage.cut(&ground).await;
        let stage = ground.start().await;
        let given = stage.echo("x").await;
        // Enough for snapshots, so that the next node reads it from one.
        for n in 0..400 {
            let run = stage.start(&linear(2), json!(n)).await;
            stage.wait(run).await;
        }
        ground.time.pass(Duration::from_secs(60)).await;
        let before = given.lock().len();
        stage.cut(&ground).await;
        let stage = ground.start().await;
        let given = stage.echo("x").await;
        let run = stage.start(text, json!("another")).await;
        assert_eq!(stage.wait(run).await.outputs, Some(json!({"a": first})));
        assert_eq!((before, given.lock().len()), (800, 0));
        // The same key of another definition is another result, and this one is not for ever.
        let run = stage.start(&text.replace("keeps", "other"), json!("another")).await;
        assert_eq!(stage.wait(run).await.outputs, Some(json!({"a": "another"})));
        assert_eq!(given.lock().len(), 1);
        stage.cut(&ground).await;
        ground.time.pass(Duration::from_secs(3_600)).await;
        let stage = ground.start().await;
        stage.echo("x").await;
        let run = stage.start(text, json!("new")).await;
        assert_eq!(stage.wait(run).await.outputs, Some(json!({"a": "new"})));
    }
}

#[tokio::test(start_paused = true)]
async fn bad_requests_are_refused_with_what_was_expected() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let refused = |text: &'static str, input, options: RunOptions| {
        let stage = &stage;
        async move { stage.try_start(text, input, options).await.unwrap_err() }
    };
    let error = refused(
        "name: x\nsteps: [{id: a, transform: 1, depends_on: [b]}]",
        json!(1),
        RunOptions::default(),
    )
    .await;
    let StartError::Faulty { faults } = &error else { panic!("{error}") };
    assert_eq!((faults.len(), faults[0].line), (1, 2), "{faults:?}");
    let schema = "name: x\ninputs: {type: object, required: [n]}\nsteps: [{id: a, transform: 1}]";
    let error = refused(schema, json!({}), RunOptions::default()).await;
    assert!(matches!(error, StartError::InvalidInput { .. }), "{error}");
    let plain = "name: x\nsteps: [{id: a, transform: 1}]";
    let options = RunOptions { timeout_s: Some(0), ..RunOptions::default() };
    let error = refused(plain, json!(1), options).await;
    assert_eq!(error.to_string(), "timeout_s: expected 1 to 31536000, got 0");
    let variables = [("v".to_owned(), json!(1))].into();
    let options = RunOptions { variables, ..RunOptions::default() };
    let error = refused(plain, json!(1), options).await.to_string();
    assert!(error.starts_with("variables.v: expected one of"), "{error}");
    assert_eq!(stage.stats().await.ledger.accepted, 0);
}

#[tokio::test(start_paused = true)]
async fn runs_above_the_bound_wait_by_priority_and_are_listed() {
    let config = WorkflowsConfig { max_concurrent_runs: 1, ..WorkflowsConfig::default() };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let with = |priority| RunOptions { priority: Some(priority), ..RunOptions::default() };
    use synod_runtime::Priority::{High, Low};
    let text = linear(1);
    let first = stage.try_start(&text, json!(1), with(Low)).await.unwrap();
    let low = stage.try_start(&text, json!(2), with(Low)).await.unwrap();
    let high = stage.try_start(&text, json!(3), with(High)).await.unwrap();
    assert_eq!(
        [first.state, low.state, high.state],
        [RunState::Running, RunState::Pending, RunState::Pending]
    );
    let filter = RunFilter { state: Some(RunState::Pending), ..RunFilter::default() };
    let page = stage.ask(ListRuns { filter, cursor: None, limit: 10 }).await.unwrap();
    let ids: Vec<_> = page.runs.iter().map(|run| run.run_id).collect();
    assert_eq!(ids, [high.run_id, low.run_id]);
    let mut order = Vec::new();
    for _ in 0..3 {
        let message = inbox.next(crate::stage::PATIENCE).await.unwrap();
        let synod_agents::AgentMessage::Perform(request) = message else { panic!("{message:?}") };
        let (perform, reply) = request.into_parts();
        order.push(perform.assignment.payload.to_json::<u64>().unwrap());
        reply.send(Ok(crate::stage::output(json!(0))));
    }
    assert_eq!(order, [1, 3, 2]);
    for run in [first, low, high] {
        assert_eq!(stage.wait(run.run_id).await.summary.state, RunState::Completed);
    }
}
