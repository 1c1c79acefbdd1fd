//! What users see of tasks.

use std::ops::Bound;

use jiff::Timestamp;
use synod_agents::{AgentSelector, Payload};

use super::TaskMachine;
use super::book::Transition;
use crate::error::InvalidCursor;
use crate::messages::{
    PartStatus, TaskChange, TaskError, TaskFilter, TaskOutput, TaskPage, TaskStatusResponse,
};
use crate::modes::requirement;
use crate::task::{BlobRef, Body, Failure, FailureKind, Moment, Part, Task, TaskId, Verdict};

/// Most tasks on a page.
const MAX_PAGE: usize = 1_000;

/// Most tasks that are looked at for a page, so that a rare filter does not hold up everybody.
const MAX_LOOKED_AT: usize = 10_000;

impl TaskMachine {
    /// How a task stands, its result included where it is in the record. Beside it: the blob that
    /// holds the result, where it is in one, and the batch that holds the task's latest event.
    pub(crate) fn status(&self, id: TaskId) -> Option<(TaskStatusResponse, Option<BlobRef>, u64)> {
        let task = self.book.task(id)?;
        let mut status = status(task);
        for (shown, part) in status.parts.iter_mut().zip(&task.parts) {
            let asked = self.rounds.progress(id, shown.part);
            shown.waiting_for = asked.or_else(|| self.obstacle(part));
        }
        let result = result(task);
        if let Some(payload) = result.and_then(Body::payload) {
            set_result(&mut status, payload);
        }
        let blob = result.and_then(Body::blob).cloned();
        if let Some(blob) = &blob {
            status.result_content_type = Some(blob.content_type.as_str().to_owned());
        }
        Some((status, blob, task.mark.batch))
    }

    /// A page of tasks, the newest first.
    pub(crate) fn list(
        &self,
        filter: &TaskFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<TaskPage, InvalidCursor> {
        let before = cursor.map(|text| u64::from_str_radix(text, 16)).transpose();
        let before = before.map_err(|_| InvalidCursor)?;
        let upper = before.map_or(Bound::Unbounded, Bound::Excluded);
        let limit = limit.clamp(1, MAX_PAGE);
        let mut page = TaskPage { tasks: Vec::new(), next: None };
        let newest_first = self.book.by_sequence.range((Bound::Unbounded, upper)).rev();
        for (looked_at, (sequence, id)) in newest_first.enumerate() {
            if page.tasks.len() == limit || looked_at == MAX_LOOKED_AT {
                page.next = Some(format!("{:x}", sequence + 1));
                break;
            }
            let task = self.book.task(*id).filter(|task| satisfies(task, filter));
            page.tasks.extend(task.map(status));
        }
        Ok(page)
    }
}

/// Puts a result into a status.
pub(crate) fn set_result(status: &mut TaskStatusResponse, payload: Payload) {
    status.result_content_type = Some(payload.content_type.clone());
    status.result = Some(TaskOutput(payload));
}

/// The change that a transition is, for which `part` was the reason.
pub(super) fn change(
    task: &Task,
    part: Option<u16>,
    transition: Transition,
    now: Moment,
) -> TaskChange {
    let part = part.and_then(|part| task.parts.get(usize::from(part)));
    TaskChange {
        sequence: transition.sequence,
        task_id: task.id,
        kind: task.spec.kind.clone(),
        tenant: task.spec.tenant.to_string(),
        state: transition.to,
        agent: part.and_then(|part| part.agent.as_deref()).map(str::to_owned),
        at: time(now.utc),
        correlation: task.spec.correlation,
        trace_id: task.spec.correlation.map(|correlation| correlation.trace_hex()),
    }
}

fn satisfies(task: &Task, filter: &TaskFilter) -> bool {
    let TaskFilter { state, kind, tenant, priority, mode, label, agent } = filter;
    let spec = &task.spec;
    state.is_none_or(|state| task.state == state)
        && kind.as_ref().is_none_or(|kind| spec.kind == *kind)
        && tenant.as_ref().is_none_or(|tenant| *spec.tenant == **tenant)
        && priority.is_none_or(|priority| spec.priority == priority)
        && mode.is_none_or(|mode| spec.mode == mode)
        && label.as_ref().is_none_or(|(key, value)| spec.labels.get(key) == Some(value))
        && agent.as_ref().is_none_or(|agent| task.parts.iter().any(|part| has(part, agent)))
}

/// Whether this agent has a part, or was the last to have it.
fn has(part: &Part, agent: &AgentSelector) -> bool {
    let Some((id, version)) = part.agent.as_deref().and_then(|label| label.split_once('@')) else {
        return false;
    };
    id == agent.id.as_str()
        && agent.version.as_ref().is_none_or(|wanted| version == wanted.to_string())
}

/// The result of a task that completed.
fn result(task: &Task) -> Option<&Body> {
    match task.verdict.as_ref()? {
        Verdict::CompletedBy(part) => task.parts.get(usize::from(*part))?.output(),
        Verdict::Completed(body) => Some(body),
        Verdict::Failed(..) | Verdict::Cancelled(_) => None,
    }
}

/// How a task stands, without its result.
fn status(task: &Task) -> TaskStatusResponse {
    let spec = &task.spec;
    TaskStatusResponse {
        task_id: task.id,
        kind: spec.kind.clone(),
        state: task.state,
        priority: spec.priority,
        mode: spec.mode,
        allocation: spec.require.allocation,
        tenant: spec.tenant.to_string(),
        labels: spec.labels.clone(),
        capabilities: spec.require.capabilities.clone(),
        agents: spec.require.agents.iter().map(ToString::to_string).collect(),
        submitted_by: spec.principal.to_string(),
        trace_id: spec.correlation.map(|correlation| correlation.trace_hex()),
        idempotency_key: spec.key.as_ref().map(|key| key.text.clone()),
        submitted_at: time(task.accepted_at),
        started_at: task.started_at.map(time),
        ended_at: task.ended_at.map(time),
        deadline: time(spec.deadline),
        attempts: task.parts.iter().map(attempts).sum(),
        lost: task.parts.iter().map(|part| part.lost).sum(),
        cost: task.spent as f64 / 1e6,
        result: None,
        result_content_type: None,
        result_error: None,
        error: error(task),
        parts: (0..)
            .zip(&task.parts)
            .map(|(number, part)| part_status(task, number, part))
            .collect(),
    }
}

fn error(task: &Task) -> Option<TaskError> {
    match task.verdict.as_ref()? {
        Verdict::Failed(failure, part) => {
            let at_fault = part.and_then(|part| task.parts.get(usize::from(part)));
            let agent = at_fault.and_then(|part| part.agent.as_deref());
            Some(TaskError::new(failure, *part, agent))
        }
        Verdict::Cancelled(by) => {
            let failure = Failure::new(FailureKind::Cancelled, format!("cancelled by {by}"));
            Some(TaskError::new(&failure, None, None))
        }
        Verdict::CompletedBy(_) | Verdict::Completed(_) => None,
    }
}

/// Executions begun; those that were handed back undone are none.
fn attempts(part: &Part) -> u32 {
    part.attempt.saturating_sub(part.returned)
}

fn part_status(task: &Task, number: u16, part: &Part) -> PartStatus {
    let asked = requirement(&task.spec, &part.needs).allocation;
    let because = part.chosen.as_deref().or(asked.because());
    let error = part.last_error.as_ref();
    PartStatus {
        part: number,
        state: part.state(),
        agent: part.agent.as_deref().map(str::to_owned),
        chosen_because: part.agent.is_some().then_some(because).flatten().map(str::to_owned),
        attempts: attempts(part),
        errors: part.errors,
        lost: part.lost,
        started_at: part.started_at.map(time),
        ended_at: part.ended_at.map(time),
        waiting_for: None,
        error: error.map(|failure| TaskError::new(failure, None, None)),
    }
}

/// A recorded time; one that no calendar has is the epoch.
pub(super) fn time(utc: i64) -> Timestamp {
    Timestamp::from_microsecond(utc).unwrap_or_default()
}
