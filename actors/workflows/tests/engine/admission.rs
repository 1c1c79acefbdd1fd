//! Who may run, who waits for room, and how far a tree of runs may grow.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use synod_agents::{AgentMessage, Assignment};
use synod_runtime::{Principal, Priority, Reply};
use synod_testkit::Probe;
use synod_workflows::{
    DefineWorkflow, Reconfigure, RunId, RunOptions, RunState, RunStatusResponse, WorkflowsConfig,
};

use crate::stage::{Ground, Stage, linear, output};

type Performing = (Assignment, Reply<Result<synod_agents::Performed, synod_agents::AgentError>>);

/// The next execution, if one comes before everything stands still.
async fn next(inbox: &Probe<AgentMessage>) -> Option<Performing> {
    loop {
        match inbox.next(Duration::from_secs(1)).await? {
            AgentMessage::Perform(request) => {
                let (perform, reply) = request.into_parts();
                return Some((perform.assignment, reply));
            }
            _ => continue,
        }
    }
}

async fn start(stage: &Stage, labels: &[(&str, &str)], priority: Priority, n: u64) -> RunId {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let options =
        RunOptions { labels: labels.collect(), priority: Some(priority), ..RunOptions::default() };
    stage.try_start(&linear(1), json!(n), options).await.unwrap().run_id
}

fn limits(limits: &[(&str, u32)]) -> BTreeMap<String, u32> {
    limits.iter().map(|(label, limit)| ((*label).to_owned(), *limit)).collect()
}

/// The inputs of executions that are begun until nothing more comes.
async fn begun(inbox: &Probe<AgentMessage>) -> Vec<(u64, Performing)> {
    let mut all = Vec::new();
    while let Some((assignment, reply)) = next(inbox).await {
        let n: Value = assignment.payload.to_json().unwrap();
        all.push((n.as_u64().unwrap(), (assignment, reply)));
    }
    all
}

fn numbers(all: &[(u64, Performing)]) -> Vec<u64> {
    all.iter().map(|(n, _)| *n).collect()
}

#[tokio::test(start_paused = true)]
async fn runs_above_the_limit_of_a_label_wait_by_priority_and_hold_up_nobody() {
    let label_limits = limits(&[("customer=acme", 2), ("customer=*", 1)]);
    let config = WorkflowsConfig { label_limits, ..WorkflowsConfig::default() };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let mut runs = Vec::new();
    for (n, customer) in ["acme", "acme", "acme", "other", "other", "acme"].iter().enumerate() {
        let priority = if n == 5 { Priority::High } else { Priority::Normal };
        runs.push(start(&stage, &[("customer", customer)], priority, n as u64).await);
    }
    runs.push(start(&stage, &[("team", "red")], Priority::Low, 6).await);
    let first = begun(&inbox).await;
    assert_eq!(numbers(&first), [0, 1, 3, 6]);
    assert_eq!(stage.state(runs[5]).await, RunState::Pending);
    stage.cut(&ground).await;
    drop(first);
    // What waited still does, and what ran goes on.
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    let mut again = begun(&inbox).await;
    let mut found = numbers(&again);
    found.sort_unstable();
    assert_eq!(found, [0, 1, 3, 6]);
    let at = again.iter().position(|(n, _)| *n == 0).unwrap();
    again.swap_remove(at).1.1.send(Ok(output(json!(0))));
    let mut next = begun(&inbox).await;
    assert_eq!(numbers(&next), [5], "the most urgent of acme");
    for (_, (_, reply)) in again.drain(..).chain(next.drain(..)) {
        reply.send(Ok(output(json!(0))));
    }
    let last = begun(&inbox).await;
    assert_eq!(numbers(&last), [2, 4]);
    for (_, (_, reply)) in last {
        reply.send(Ok(output(json!(0))));
    }
    for run in runs {
        assert_eq!(stage.wait(run).await.summary.state, RunState::Completed);
    }
}

#[tokio::test(start_paused = true)]
async fn limits_of_labels_change_while_the_node_runs() {
    let label_limits = limits(&[("customer=*", 1)]);
    let config = WorkflowsConfig { label_limits, ..WorkflowsConfig::default() };
    let ground = Ground::new(config.clone());
    let stage = ground.start().await;
    let inbox = stage.manual("x").await;
    for n in 0..4 {
        start(&stage, &[("customer", "acme")], Priority::Normal, n).await;
    }
    let one = begun(&inbox).await;
    assert_eq!(numbers(&one), [0]);
    let label_limits = limits(&[("customer=acme", 3)]);
    stage.ask(Reconfigure { config: WorkflowsConfig { label_limits, ..config } }).await;
    let two = begun(&inbox).await;
    assert_eq!(numbers(&two), [1, 2]);
    drop((one, two));
}

async fn define(stage: &Stage, definition: Value) {
    let (text, principal) = (definition.to_string(), Principal::user("ada"));
    stage.ask(DefineWorkflow { text, principal }).await.unwrap();
}

/// A definition that starts `count` runs of another one, at the same time.
fn starts(name: &str, child: &str, count: u64) -> Value {
    let items: Vec<_> = (0..count).collect();
    let each = json!({"workflow": {"name": child}, "input": "${item}"});
    let step = json!({
        "id": "all", "for_each": {"items": items, "concurrency": 64, "step": each},
    });
    json!({"name": name, "timeout_s": 3_000, "steps": [step]})
}

async fn started(stage: &Stage, definition: &Value) -> RunStatusResponse {
    let run = stage.start(&definition.to_string(), json!(null)).await;
    stage.wait(run).await
}

#[tokio::test(start_paused = true)]
async fn a_tree_of_runs_goes_through_a_single_place() {
    let config = WorkflowsConfig { max_concurrent_runs: 1, ..WorkflowsConfig::default() };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    stage.echo("x").await;
    let leaf = json!({"name": "d0", "steps": [{"id": "a", "capability": "x", "input": 1}]});
    define(&stage, leaf).await;
    for depth in 1..=4 {
        let (name, child) = (format!("d{depth}"), format!("d{}", depth - 1));
        define(&stage, starts(&name, &child, 3)).await;
    }
    let status = started(&stage, &starts("top", "d4", 2)).await;
    assert_eq!(status.summary.state, RunState::Completed, "{:?}", status.error);
    let ledger = stage.stats().await.ledger;
    let all = 1 + 2 * (1 + 3 + 9 + 27 + 81);
    assert_eq!((ledger.accepted, ledger.completed, ledger.balanced), (all, all, true));
}

#[tokio::test(start_paused = true)]
async fn what_undoes_a_step_may_be_a_run_although_there_is_but_one_place() {
    let config = WorkflowsConfig { max_concurrent_runs: 1, ..WorkflowsConfig::default() };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    let given = stage.echo("x").await;
    define(&stage, json!({"name": "undo", "steps": [{"id": "u", "capability": "x"}]})).await;
    let text = json!({"name": "top", "timeout_s": 600, "steps": [
        {"id": "a", "capability": "x", "compensate_with": {"workflow": {"name": "undo"}}},
        {"id": "b", "depends_on": ["a"], "transform": "${inputs.no.such}",
         "on_error": {"expression_error": "compensate"}},
    ]});
    let status = started(&stage, &text).await;
    assert_eq!(status.summary.state, RunState::Failed);
    assert_eq!(given.lock().len(), 2, "{:?}", status.error);
    let took = status.summary.ended_at.unwrap() - status.summary.accepted_at;
    assert!(took.get_seconds() < 60, "it waited for itself: {took}");
}

#[tokio::test(start_paused = true)]
async fn a_tree_of_runs_grows_to_its_bound_and_no_further_also_over_a_power_cut() {
    let config = WorkflowsConfig { max_descendants: 50, ..WorkflowsConfig::default() };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    stage.echo("x").await;
    // Each run starts three like itself: it would go on to the depth that is allowed, 3^15 runs.
    define(&stage, starts("again", "again", 3)).await;
    let waits = json!({"name": "waits", "steps": [{"id": "w", "await": {"topic": "go"}}]});
    define(&stage, waits).await;
    let status = started(&stage, &starts("top", "again", 1)).await;
    assert_eq!(status.summary.state, RunState::Failed);
    let accepted = stage.stats().await.ledger.accepted;
    assert_eq!(accepted, 51);
    // As many as may be are open; the count outlives the node.
    let text = starts("wide", "waits", 60);
    let run = stage.start(&text.to_string(), json!(null)).await;
    stage.cut(&ground).await;
    let stage = ground.start().await;
    let status = stage.wait(run).await;
    let error = status.error.unwrap();
    assert!(error.message.contains("workflows.max_descendants"), "{error:?}");
    let stats = stage.stats().await;
    assert!(stats.ledger.accepted <= 51 + 51, "{:?}", stats.ledger);
    assert!(stats.ledger.balanced);
}

#[tokio::test(start_paused = true)]
async fn runs_of_steps_count_among_the_open_ones_and_wait_for_room_there() {
    let config =
        WorkflowsConfig { max_concurrent_runs: 4, max_open_runs: 10, ..WorkflowsConfig::default() };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    stage.echo("x").await;
    define(&stage, json!({"name": "leaf", "steps": [{"id": "a", "capability": "x"}]})).await;
    let mut text = starts("wide", "leaf", 40);
    text["steps"][0]["for_each"]["step"]["retry"] =
        json!({"max_attempts": 50, "initial_ms": 100, "max_ms": 1_000});
    let status = started(&stage, &text).await;
    assert_eq!(status.summary.state, RunState::Completed, "{:?}", status.error);
    let stats = stage.stats().await;
    assert_eq!((stats.ledger.accepted, stats.ledger.completed), (41, 41));
    let starts = (0..30).map(|_| {
        let waits = r#"{"name": "w", "steps": [{"id": "w", "await": {"topic": "go"}}]}"#;
        stage.try_start(waits, json!(null), RunOptions::default())
    });
    let accepted = join_all(starts).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(accepted, 10, "also of those that come at once");
}
