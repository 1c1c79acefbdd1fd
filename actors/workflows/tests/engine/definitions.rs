//! Definitions that the node keeps by name.

use semver::{Version, VersionReq};
use serde_json::json;
use synod_runtime::Principal;
use synod_workflows::{
    CheckDefinition, DefineError, DefineWorkflow, ForgetDefinition, ListDefinitions, RunOptions,
    RunSource, RunState, ShowDefinition, StartError, StartRun, WorkflowsConfig,
};

use crate::stage::{Ground, Stage};

fn ada() -> Principal {
    Principal::user("ada")
}

fn text(version: &str, value: u32) -> String {
    format!("name: w\nversion: {version}\nsteps: [{{id: a, transform: {value}}}]")
}

async fn define(stage: &Stage, text: &str) -> Result<String, DefineError> {
    let define = DefineWorkflow { text: text.to_owned(), principal: ada() };
    stage.ask(define).await.map(|defined| defined.workflow.version)
}

async fn start(stage: &Stage, version: Option<&str>) -> Result<serde_json::Value, StartError> {
    let version = version.map(|version| VersionReq::parse(version).unwrap());
    let source = RunSource::Named { name: "w".to_owned(), version };
    let options = RunOptions::default();
    let run = StartRun { source, input: json!(null), options, principal: ada() };
    let run = stage.ask(run).await?.run_id;
    Ok(stage.wait(run).await.outputs.unwrap()["a"].clone())
}

#[tokio::test(start_paused = true)]
async fn the_newest_version_that_fits_is_run_also_after_a_restart() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    for (version, value) in [("1.0.0", 1), ("1.2.0", 12), ("2.0.0", 2)] {
        assert_eq!(define(&stage, &text(version, value)).await.unwrap(), version);
    }
    assert_eq!(define(&stage, &text("1.0.0", 1)).await.unwrap(), "1.0.0");
    let error = define(&stage, &text("1.0.0", 9)).await.unwrap_err();
    assert!(matches!(error, DefineError::VersionTaken { .. }), "{error}");
    stage.stop().await;
    let stage = ground.start().await;
    assert_eq!(start(&stage, None).await, Ok(json!(2)));
    assert_eq!(start(&stage, Some("^1")).await, Ok(json!(12)));
    assert!(matches!(start(&stage, Some("^3")).await, Err(StartError::UnknownDefinition { .. })));
    let (name, version) = ("w".to_owned(), Version::new(2, 0, 0));
    let forget = ForgetDefinition { name: name.clone(), version, principal: ada() };
    stage.ask(forget.clone()).await.unwrap();
    assert!(matches!(stage.ask(forget).await, Err(DefineError::NotFound { .. })));
    assert_eq!(stage.ask(ListDefinitions {}).await.len(), 2);
    let shown = stage.ask(ShowDefinition { name, version: None }).await.unwrap();
    assert_eq!(shown.summary.workflow.version, "1.2.0");
    assert_eq!(shown.definition["steps"][0]["transform"], json!(12));
}

#[tokio::test(start_paused = true)]
async fn a_check_names_every_fault_with_its_place_and_keeps_nothing() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let bad = "name: w\nsteps:\n  - {id: a, transform: 1, depends_on: [b]}\n  - {id: b, oops: 1}\n";
    let report = stage.ask(CheckDefinition { text: bad.to_owned() }).await;
    assert!(report.workflow.is_none());
    assert!(report.faults.iter().any(|fault| fault.line == 4), "{:?}", report.faults);
    let report = stage.ask(CheckDefinition { text: text("1.0.0", 1) }).await;
    assert_eq!((report.faults.len(), report.steps), (0, 1));
    assert!(stage.ask(ListDefinitions {}).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_is_too_large_for_a_record_is_kept_in_a_blob() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let steps: Vec<_> =
        (0..4_000).map(|n| json!({"id": format!("s{n}"), "transform": n})).collect();
    let text = json!({"name": "wide", "steps": steps, "max_parallel": 1000}).to_string();
    assert!(text.len() > 100_000);
    let run = stage.start(&text, json!(null)).await;
    assert_eq!(stage.wait(run).await.summary.state, RunState::Completed);
    stage.cut(&ground).await;
    let stage = ground.start().await;
    let status = stage.get(run).await;
    assert_eq!((status.summary.state, status.steps.len()), (RunState::Completed, 4_000));
}
