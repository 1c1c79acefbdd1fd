//! Two runs beside each other.

use serde_json::{Value, json};
use synod_agents::AgentError;
use synod_workflows::{DiffRuns, DiffVerdict, RunDiff, RunId, UnknownRun, WorkflowsConfig};

use crate::stage::{Ground, Stage};

const SUM: &str = r#"{
    "name": "sum", "variables": {"unit": "EUR"},
    "steps": [
        {"id": "read", "capability": "read", "input": {"from": "${inputs.from}", "by": "${run.id}"},
         "retry": {"max_attempts": 2, "initial_ms": 10}},
        {"id": "aside", "capability": "aside", "input": {"at": "${run.started_at}"}},
        {"id": "each", "depends_on": ["read"], "for_each": {
            "items": "${outputs.read.rows}", "step": {"transform": "${item * 2}"}}},
        {"id": "big", "depends_on": ["each"], "when": "outputs.each[0] > 4",
         "transform": "${outputs.each}"},
        {"id": "tell", "depends_on": ["big", "aside"], "transform": "${outputs.each[0]}"}
    ],
    "outputs": {"told": "${outputs.tell}"}
}"#;

async fn diff(stage: &Stage, a: RunId, b: RunId) -> RunDiff {
    stage.ask(DiffRuns { a, b }).await.expect("both are known")
}

async fn run(stage: &Stage, input: Value) -> RunId {
    let id = stage.start(SUM, input).await;
    stage.wait(id).await;
    id
}

async fn with_readers() -> (Ground, Stage) {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    stage.echo("aside").await;
    let read = |assignment: &synod_agents::Assignment, input: Value| match &input["from"] {
        from if *from == "shaky" && assignment.work.attempt == 1 => {
            Err(AgentError::failed("not now"))
        }
        from if *from == "far" => Ok(json!({"rows": [7, 2], "by": input["by"]})),
        _ => Ok(json!({"rows": [1, 2], "by": input["by"]})),
    };
    stage.agent("read", read).await;
    (ground, stage)
}

#[tokio::test(start_paused = true)]
async fn runs_that_did_the_same_differ_in_ids_and_times_alone() {
    let (_ground, stage) = with_readers().await;
    let (a, b) = (run(&stage, json!({"from": "x"})).await, run(&stage, json!({"from": "x"})).await);
    let diff = diff(&stage, a, b).await;
    assert!(diff.same && diff.first.is_none() && diff.run.is_empty(), "{diff:#?}");
    assert_eq!((diff.counts.same, diff.counts.different), (7, 0), "five steps and two items");
    let rows: Vec<_> = diff.steps.iter().map(|row| row.place.step.as_str()).collect();
    assert_eq!(rows.len(), 5, "items that are the same are not listed: {rows:?}");
    assert_eq!((diff.a.run_id, diff.b.run_id), (a, b));
}

#[tokio::test(start_paused = true)]
async fn another_input_is_the_first_difference_and_its_consequences_follow() {
    let (_ground, stage) = with_readers().await;
    let (a, b) =
        (run(&stage, json!({"from": "x"})).await, run(&stage, json!({"from": "far"})).await);
    let found = diff(&stage, a, b).await;
    let first = found.first.as_ref().expect("they differ");
    assert_eq!((&first.place, first.difference.what.as_str()), (&None, "input"));
    assert_eq!(first.difference.at, "/from");
    let row = |name: &str, item: Option<u32>| {
        let mut rows = found.steps.iter();
        rows.find(|row| row.place.step == name && row.place.item == item)
    };
    let what = |name: &str| row(name, None).expect("a row").differences[0].what.clone();
    assert_eq!((what("read"), what("each")), ("input".to_owned(), "input".to_owned()));
    assert_eq!(row("aside", None).expect("a row").verdict, DiffVerdict::Same);
    assert!(row("each", Some(0)).is_some() && row("each", Some(1)).is_none());
    let big = row("big", None).expect("a row");
    assert_eq!(big.differences[0].a, Some(json!("skipped")));
    assert_eq!(big.differences[0].b, Some(json!("completed")));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_more_is_told_although_the_output_is_the_same() {
    let (_ground, stage) = with_readers().await;
    let steady = SUM.replace("${inputs.from}", "x");
    let shaky = SUM.replace("${inputs.from}", "shaky");
    let (a, b) = (stage.start(&steady, json!({})).await, stage.start(&shaky, json!({})).await);
    stage.wait(a).await;
    stage.wait(b).await;
    let found = diff(&stage, a, b).await;
    let first = found.first.expect("they differ");
    assert_eq!(first.difference.what, "definition", "it has another hash");
    let read = found.steps.iter().find(|row| row.place.step == "read").expect("a row");
    let what: Vec<_> = read.differences.iter().map(|one| one.what.as_str()).collect();
    assert!(what.contains(&"attempts") && what.contains(&"error"), "{read:#?}");
    assert!(!what.contains(&"output"), "{what:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_nobody_knows_is_named() {
    let (_ground, stage) = with_readers().await;
    let (known, nobody) = (run(&stage, json!({"from": "x"})).await, RunId::from_u128(7));
    let told = stage.ask(DiffRuns { a: known, b: nobody }).await;
    assert_eq!(told, Err(UnknownRun(nobody)));
}
