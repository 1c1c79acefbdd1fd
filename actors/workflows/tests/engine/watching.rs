//! What agents at work are watched for: signs of life, and what they use up.

use std::time::Duration;

use serde_json::json;
use synod_agents::{AgentError, AgentMessage, Assignment, Performed, Usage};
use synod_runtime::Reply;
use synod_testkit::Probe;
use synod_workflows::{RunState, WorkflowsConfig};

use crate::stage::{Ground, PATIENCE, output};

const SILENT: &str = r#"{"name": "silent", "timeout_s": 3600, "steps": [
    {"id": "a", "capability": "x", "timeout": {"heartbeat_s": 10}}]}"#;

async fn performs(
    inbox: &Probe<AgentMessage>,
) -> (Assignment, Reply<Result<Performed, AgentError>>) {
    loop {
        match inbox.next(PATIENCE).await.expect("work is given out") {
            AgentMessage::Perform(request) => {
                let (perform, reply) = request.into_parts();
                return (perform.assignment, reply);
            }
            _ => continue,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_reports_may_take_long_and_one_that_falls_silent_is_told_to_stop() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let run = stage.start(SILENT, json!(null)).await;
    let (assignment, _reply) = performs(&inbox).await;
    // While no agent is at it there is nobody to be silent.
    ground.time.pass(Duration::from_secs(60)).await;
    let _at_work = assignment.watch.begin();
    for _ in 0..6 {
        ground.time.pass(Duration::from_secs(9)).await;
        assert_eq!(stage.state(run).await, RunState::Running);
        assignment.watch.beat();
    }
    ground.time.pass(Duration::from_millis(9_900)).await;
    assert_eq!(stage.state(run).await, RunState::Running);
    ground.time.pass(Duration::from_millis(200)).await;
    let status = stage.wait(run).await;
    let error = status.error.unwrap();
    assert_eq!((status.summary.state, error.kind.as_str()), (RunState::Failed, "timeout"));
    assert!(error.message.contains("no sign of life"), "{}", error.message);
    let told = inbox.next(PATIENCE).await;
    assert!(matches!(told, Some(AgentMessage::Cancel { work }) if work == assignment.work));
}

#[tokio::test(start_paused = true)]
async fn the_result_of_an_agent_that_reports_is_taken_however_long_it_took() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let run = stage.start(SILENT, json!(null)).await;
    let (assignment, reply) = performs(&inbox).await;
    let at_work = assignment.watch.begin();
    for _ in 0..40 {
        ground.time.pass(Duration::from_secs(7)).await;
        assignment.watch.beat();
    }
    drop(at_work);
    reply.send(Ok(output(json!("done"))));
    assert_eq!(stage.wait(run).await.outputs, Some(json!({"a": "done"})));
}

#[tokio::test(start_paused = true)]
async fn what_agents_use_up_is_shown_and_ends_the_step_when_it_is_more_than_the_budget() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let spends = |assignment: &Assignment, input| {
        assignment.watch.spend(Usage { tokens: 60, money_micros: 250_000 });
        Ok(input)
    };
    stage.agent("x", spends).await;
    let text = json!({"name": "costly", "steps": [{"id": "a", "budget": {"tokens": 150},
        "for_each": {"items": "${inputs.items}", "concurrency": 1, "step": {"capability": "x"}}}]});
    let within = stage.start(&text.to_string(), json!({"items": [1, 2]})).await;
    let beyond = stage.start(&text.to_string(), json!({"items": [1, 2, 3, 4]})).await;
    assert_eq!(stage.wait(within).await.summary.state, RunState::Completed);
    assert_eq!(stage.wait(beyond).await.error.unwrap().kind, "budget_exceeded");
    stage.cut(&ground).await;
    let stage = ground.start().await;
    let used = stage.get(within).await.steps[0].usage;
    assert_eq!(used, Some(Usage { tokens: 120, money_micros: 500_000 }));
    let used = stage.get(beyond).await.steps[0].usage;
    assert_eq!(used, Some(Usage { tokens: 180, money_micros: 750_000 }));
}

#[tokio::test(start_paused = true)]
async fn an_error_costs_what_it_used_up_and_no_agent_is_asked_that_costs_more_than_is_left() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let fails = |assignment: &Assignment, _| {
        assignment.watch.spend(Usage { tokens: 1, money_micros: 400_000 });
        Err(AgentError::failed("not this time"))
    };
    let given = stage.agent("x", fails).await;
    let text = json!({"name": "costly", "steps": [{"id": "a", "capability": "x",
        "budget": {"money": 1.5}, "retry": {"max_attempts": 9, "initial_ms": 10}}]});
    let run = stage.start(&text.to_string(), json!(null)).await;
    assert_eq!(stage.wait(run).await.error.unwrap().kind, "budget_exceeded");
    assert_eq!(given.lock().len(), 2);
}
