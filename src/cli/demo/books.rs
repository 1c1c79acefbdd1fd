//! The books of a triage: what its history says was begun, against what is known to have ended.

use std::collections::BTreeMap;

use serde_json::Value;
use synod_tasks::TaskMode;
use synod_triage::{Ledger, ModeLine, TakenTasks};
use synod_workflows::definition::{Definition, Known, check};
use synod_workflows::{HistoryEvent, RunHistory, RunId, RunStatusResponse, StepState, StepStatus};

use super::triage::{WORKFLOW, unanswered};
use crate::cli::exit::CliError;
use crate::node::Node;

/// Events that are read at a time.
const PAGE: usize = 10_000;
/// Time for an engine to answer.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(30);

/// Pieces of work that were begun, and what became of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Pieces {
    begun: u64,
    completed: u64,
    failed: u64,
    cancelled: u64,
    open: u64,
}

/// The ledger of a run that has ended and of the tasks that it took, and how they were done.
///
/// What was accepted is counted in the run's history, what ended in how the run stands: the two are
/// kept apart. Of the tasks the foreman knows the end of each.
pub(super) async fn close(
    node: &Node,
    status: &RunStatusResponse,
    tasks: TakenTasks,
) -> Result<(Ledger, Vec<ModeLine>), CliError> {
    let begun = begun(node, status.summary.run_id).await?;
    let pieces = Pieces { begun, ..ended(status) };
    let taken = tasks.completed + tasks.failed;
    let ledger = Ledger {
        accepted: pieces.begun + taken,
        completed: pieces.completed + tasks.completed,
        failed: pieces.failed + tasks.failed,
        cancelled: pieces.cancelled,
        open: pieces.open,
        acknowledged: pieces.begun + taken,
    };
    Ok((ledger, modes(status, taken)))
}

/// Pieces of work that the history says were begun.
async fn begun(node: &Node, id: RunId) -> Result<u64, CliError> {
    let (mut begun, mut after) = (0, 0);
    loop {
        let question = RunHistory { id, after, limit: PAGE };
        let page = node.workflows().ask(question, ANSWER).await.map_err(unanswered)?;
        let page = page.ok_or_else(|| CliError::Failed(format!("the run {id} is gone")))?;
        begun += page.events.iter().filter(|event| begins(event)).count() as u64;
        match page.next {
            Some(next) => after = next,
            None => return Ok(begun),
        }
    }
}

/// Whether a piece of work was begun; not another attempt at one.
fn begins(event: &HistoryEvent) -> bool {
    event.name == "step.started" && event.details["again"] != true
}

/// What became of the pieces, as the run stands.
fn ended(status: &RunStatusResponse) -> Pieces {
    let mut pieces = Pieces::default();
    for step in &status.steps {
        *match step.state {
            StepState::Completed | StepState::Compensated => &mut pieces.completed,
            StepState::Failed => &mut pieces.failed,
            StepState::Cancelled => &mut pieces.cancelled,
            StepState::Running | StepState::Waiting => &mut pieces.open,
            StepState::Pending | StepState::Skipped => continue,
        } += 1;
        pieces.completed += items(step);
    }
    pieces
}

/// Items of a step that was done with all of them; of one that was not, the run failed.
fn items(step: &StepStatus) -> u64 {
    let outputs = step.output.as_ref().filter(|_| step.doing == "for_each");
    outputs.and_then(Value::as_array).map_or(0, |outputs| outputs.len() as u64)
}

/// How many pieces of work were done in each mode.
fn modes(status: &RunStatusResponse, tasks: u64) -> Vec<ModeLine> {
    let mut by_mode = BTreeMap::from([(TaskMode::Pipeline, tasks)]);
    let definition = check(WORKFLOW, &Known::default()).definition;
    for step in definition.iter().flat_map(|definition: &Definition| &definition.steps) {
        let stands = status.steps.iter().find(|stands| stands.id == step.id);
        let (work, pieces) = match &step.for_each {
            Some(each) => (&*each.step, stands.map_or(0, items)),
            None => (&step.work, 1),
        };
        *by_mode.entry(work.mode.unwrap_or(TaskMode::Single)).or_default() += pieces;
    }
    let line = |(mode, tasks): (TaskMode, u64)| ModeLine {
        mode: mode.as_str().to_owned(),
        tasks,
        purpose: purpose(mode).to_owned(),
    };
    by_mode.into_iter().filter(|(_, tasks)| *tasks > 0).map(line).collect()
}

/// What the workflow uses a mode for.
fn purpose(mode: TaskMode) -> &'static str {
    match mode {
        TaskMode::Single => "the foreman gives out chunks, findings are ranked and quoted",
        TaskMode::Sequential => {
            "the auditor checks that no line is missing, then one digest is made"
        }
        TaskMode::Parallel => "three detectors look at the digest side by side",
        TaskMode::Pipeline => "the reader splits and dates a chunk, the miner groups its lines",
        TaskMode::Consensus => "three judges vote on a finding",
        TaskMode::Competitive => "two reporters tell the findings, the first account is taken",
    }
}
