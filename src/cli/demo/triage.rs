//! The run of a triage: the workflow is started, followed and made a report of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use synod_runtime::{AskError, Principal};
use synod_triage::{Outcome, Speed, TriageReport};
use synod_workflows::{
    GetRun, ListRuns, RunFilter, RunId, RunListener, RunOptions, RunSource, RunState,
    RunStatusResponse, StartRun, WaitRun, WorkflowsMessage,
};

use super::books;
use super::view::View;
use crate::cli::exit::CliError;
use crate::cli::workflows::has_ended;
use crate::node::Node;

/// The workflow, as it lies in the folder of workflows.
pub(super) const WORKFLOW: &str = include_str!("../../../config/workflows/log_triage.yaml");

/// Its name.
const NAME: &str = "log-triage";
/// Runs among which one that was interrupted is looked for.
const LOOKED_AT: usize = 100;
/// Time for the engine to take the run, or to tell about it.
const ANSWER: Duration = Duration::from_secs(30);
/// Time after which we ask again whether it has ended.
const AGAIN: Duration = Duration::from_secs(600);

/// Runs the workflow on this input and makes a report of what it gives.
pub(super) async fn run(
    node: &Node,
    input: Value,
    view: &Arc<View>,
) -> Result<TriageReport, CliError> {
    let began = Instant::now();
    let shown = Arc::clone(view);
    let listener = RunListener::new(move |change| {
        shown.change(change);
        true
    });
    // A bar that misses something is no reason to stop.
    let _ = node.workflows().send(WorkflowsMessage::Subscribe(listener)).await;
    let run = match interrupted(node, &input).await? {
        Some(run) => run,
        None => start(node, input).await?,
    };
    let status = wait(node, run).await?;
    if status.summary.state != RunState::Completed {
        return Err(failure(&status));
    }
    let outcome: Outcome = serde_json::from_value(status.outputs.clone().unwrap_or_default())
        .map_err(|error| CliError::Failed(format!("the run gives something else: {error}")))?;
    let speed = Speed::of(&outcome.totals, began.elapsed());
    let (ledger, modes) = books::close(node, &status, outcome.tasks).await?;
    Ok(outcome.report(run.to_string(), speed, modes, ledger))
}

/// The run over the same input that a demo on the same data did not bring to its end: it goes on
/// where it was.
async fn interrupted(node: &Node, input: &Value) -> Result<Option<RunId>, CliError> {
    let filter = RunFilter { name: Some(NAME.to_owned()), ..RunFilter::default() };
    let question = ListRuns { filter, cursor: None, limit: LOOKED_AT };
    let page = node.workflows().ask(question, ANSWER).await.map_err(unanswered)?;
    let runs = page.map(|page| page.runs).unwrap_or_default();
    for run in runs.iter().filter(|run| !has_ended(run.state)) {
        let question = GetRun { id: run.run_id };
        let known = node.workflows().ask(question, ANSWER).await.map_err(unanswered)?;
        if known.is_some_and(|known| known.input == *input) {
            return Ok(Some(run.run_id));
        }
    }
    Ok(None)
}

async fn start(node: &Node, input: Value) -> Result<RunId, CliError> {
    let question = StartRun {
        source: RunSource::Text(WORKFLOW.to_owned()),
        input,
        options: RunOptions::default(),
        principal: Principal::default(),
    };
    let accepted = node.workflows().ask(question, ANSWER).await.map_err(unanswered)?;
    Ok(accepted.map_err(|error| CliError::Failed(error.to_string()))?.run_id)
}

async fn wait(node: &Node, id: RunId) -> Result<RunStatusResponse, CliError> {
    loop {
        match node.workflows().ask(WaitRun { id }, AGAIN).await {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => return Err(CliError::Failed(format!("the run {id} is gone"))),
            Err(AskError::Deadline) => {}
            Err(error) => return Err(unanswered(error)),
        }
    }
}

pub(super) fn unanswered(error: AskError) -> CliError {
    CliError::Failed(format!("the node did not answer: {error}"))
}

/// What the user can set right is wrong usage; the rest is a failure.
fn failure(status: &RunStatusResponse) -> CliError {
    let Some(error) = &status.error else {
        return CliError::Failed(format!("the run is {}", status.summary.state));
    };
    let of_input = error.kind == "validation_error" && error.step.as_deref() == Some("read");
    let told = error.message.clone();
    if of_input { CliError::Usage(told) } else { CliError::Failed(told) }
}

/// What is read, in the workflow's own words: its name for the input, and what that is.
pub(super) fn input((name, value): (&str, &str), rehearse_crash: bool) -> Value {
    json!({name: value, "rehearse_crash": rehearse_crash})
}
