//! Executions that their callers keep: taken on, cancelled, handed back, answered.

use std::sync::Arc;

use synod_agents::Watch;
use synod_runtime::Principal;

use super::effects::Ending;
use super::event::SavedState;
use super::executions::{Ended, Kept};
use super::{Command, Effects, Event, TaskMachine};
use crate::error::{ExecutionError, SubmitError};
use crate::messages::Executed;
use crate::modes::Unplannable;
use crate::task::{
    Body, Failure, FailureKind, Moment, Needs, Part, Task, TaskId, TaskMode, TaskSpec, TaskState,
    Verdict,
};

/// An execution that was asked for, and has been checked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub id: TaskId,
    /// The keeper's number of the attempt.
    pub attempt: u32,
    pub spec: Arc<TaskSpec>,
    pub input: Body,
    pub key: String,
    /// Where the keeper follows it.
    pub watch: Watch,
    /// How long it may wait for its first agent, microseconds.
    pub start_within: Option<u64>,
    /// Whether it waits when nobody can do it.
    pub wait_for_agent: bool,
}

impl TaskMachine {
    /// Takes on an execution; a lower attempt at it that is under way is cancelled.
    ///
    /// # Errors
    /// Why not; nothing has changed.
    pub(super) fn execute(
        &mut self,
        now: Moment,
        asked: Asked,
        out: &mut Effects,
    ) -> Result<(), ExecutionError> {
        self.admit_execution(now, &asked)?;
        let waits = asked.wait_for_agent || self.waits_for_agents();
        let plan = match self.plan(&asked.spec) {
            Ok(needs) => Ok(needs),
            Err(Unplannable::Missing(shortage)) if waits => Err(shortage.watch),
            Err(Unplannable::Missing(shortage)) => {
                return Err(SubmitError::NoCapableAgent { missing: shortage.missing }.into());
            }
            Err(Unplannable::TooManyRequirements) => return Err(self.queue_full(now).into()),
        };
        if self.executions.task(asked.id).is_some() {
            self.end(now, asked.id, Verdict::Cancelled(asked.spec.principal.clone()), out);
        }
        self.take_on(now, asked, plan, out);
        Ok(())
    }

    fn admit_execution(&mut self, now: Moment, asked: &Asked) -> Result<(), ExecutionError> {
        if !self.active {
            return Err(ExecutionError::handed_back("the engine is not at work"));
        }
        if self.draining {
            return Err(SubmitError::Draining.into());
        }
        if asked.spec.deadline <= now.utc {
            return Err(SubmitError::DeadlinePassed.into());
        }
        if self.book.task(asked.id).is_some() {
            let message = "the id of the execution is that of a task";
            return Err(ExecutionError::new(FailureKind::InvalidInput, message));
        }
        let known = self.executions.task(asked.id).and_then(|task| task.kept.as_ref());
        if known.is_some_and(|known| known.attempt >= asked.attempt) {
            let message = "a later attempt at the execution is under way";
            return Err(ExecutionError::new(FailureKind::Cancelled, message));
        }
        let bytes = self.held_bytes + asked.input.held_bytes();
        let full = self.executions.len() as u64 >= self.config.max_executions
            || bytes > self.config.max_queued_bytes;
        if full { Err(self.queue_full(now).into()) } else { Ok(()) }
    }

    /// `plan`: its parts, or the name of what it waits for.
    fn take_on(
        &mut self,
        now: Moment,
        asked: Asked,
        plan: Result<Vec<Needs>, String>,
        out: &mut Effects,
    ) {
        let Asked { id, attempt, spec, input, key, watch, start_within, .. } = asked;
        let start_due = start_within.map(|us| now.mono.saturating_add(us));
        let behind = self.executions.next();
        self.held_bytes += input.held_bytes();
        let mut task = Task::accepted(id, self.book.sequence, spec, input, now.utc);
        let (retry_after_ms, saved_in) = (None, 0);
        let kept = Kept { behind, attempt, key, watch, start_due, retry_after_ms, saved_in };
        task.kept = Some(Box::new(kept));
        self.executions.add(task);
        self.start_deadline(now, id);
        self.start_limit(id, start_due);
        match plan {
            Ok(needs) => self.add_parts(now, id, needs, out),
            Err(watch) => self.waiting.add(id, watch),
        }
    }

    /// An event of an execution that is in no record; but what an agent saved with it is stored.
    pub(super) fn emit_kept(&mut self, now: Moment, id: TaskId, event: &Event, out: &mut Effects) {
        let applied = self.executions.apply(id, now.utc, event);
        debug_assert!(applied.is_ok(), "the machine gave an event that does not fit: {applied:?}");
        let Ok(Some((agent, state))) = applied else { return };
        let saved = SavedState { at: now.utc, agent, state };
        self.book.apply_saved(&saved);
        out.save(saved);
        self.saved_in = out.batch;
        if let Some(kept) = self.kept_mut(id) {
            kept.saved_in = out.batch;
        }
    }

    /// Ends this attempt at an execution, if it is the one under way.
    pub(super) fn cancel_execution(
        &mut self,
        now: Moment,
        id: TaskId,
        attempt: u32,
        by: Principal,
        out: &mut Effects,
    ) {
        if self.kept_mut(id).is_some_and(|kept| kept.attempt == attempt) {
            self.end(now, id, Verdict::Cancelled(by), out);
        }
    }

    /// Had no agent in the time that it may wait for one.
    pub(super) fn start_overdue(&mut self, now: Moment, id: TaskId, out: &mut Effects) {
        let Some(task) = self.executions.task(id) else { return };
        if task.started_at.is_some() {
            return;
        }
        let kind =
            if task.planned { FailureKind::StartTimeout } else { FailureKind::NoCapableAgent };
        let mut message = "no agent had it in the time that it may wait for one".to_owned();
        if let Some(why) = self.hindrance(id) {
            message = format!("{message}; last: {why}");
        }
        self.end(now, id, Verdict::Failed(Failure::new(kind, message), None), out);
    }

    /// Notes what its agent said of another attempt.
    pub(super) fn note_retry(&mut self, id: TaskId, not_before_us: Option<u64>) {
        if let Some(kept) = self.kept_mut(id) {
            kept.retry_after_ms = not_before_us.map(|us| us / 1_000);
        }
    }

    /// Gives executions back to their keepers: all, or those that no agent has.
    pub(super) fn hand_back_kept(&mut self, all: bool, reason: &str, out: &mut Effects) -> u64 {
        let ids = self.executions.chosen(|task| all || task.state != TaskState::Running);
        for id in &ids {
            self.wind_up(*id, out);
            let Some(task) = self.executions.remove(*id) else { continue };
            self.executions.count(|ended: &mut Ended| &mut ended.handed_back);
            let error = ExecutionError::handed_back(reason);
            self.answer(&task, 0, Err(told(&task, error)), out);
        }
        ids.len() as u64
    }

    /// Ends an execution, whose parts are wound up: its keeper is answered.
    pub(super) fn end_kept(
        &mut self,
        now: Moment,
        id: TaskId,
        verdict: Verdict,
        out: &mut Effects,
    ) {
        let Some(task) = self.executions.remove(id) else { return };
        self.executions.count(|ended: &mut Ended| match verdict.state() {
            TaskState::Completed => &mut ended.completed,
            TaskState::Cancelled => &mut ended.cancelled,
            _ => &mut ended.failed,
        });
        let saved_in = task.kept.as_ref().map_or(0, |kept| kept.saved_in);
        let result = match verdict {
            Verdict::CompletedBy(part) => done(now, &task, task.parts.get(usize::from(part))),
            Verdict::Completed(body) => Ok(executed(now, &task, &body)),
            Verdict::Failed(failure, part) => Err(failed(&task, failure, part)),
            Verdict::Cancelled(by) => {
                let message = format!("cancelled by {by}");
                Err(told(&task, ExecutionError::new(FailureKind::Cancelled, message)))
            }
        };
        self.answer(&task, saved_in, result, out);
    }

    /// `after`: the batch that must be stored first.
    fn answer(
        &mut self,
        task: &Task,
        after: u64,
        result: Result<Executed, ExecutionError>,
        out: &mut Effects,
    ) {
        self.held_bytes = self.held_bytes.saturating_sub(task.input.held_bytes());
        let attempt = task.kept.as_ref().map_or(0, |kept| kept.attempt);
        let ending = Ending { id: task.id, attempt, result };
        out.prompt.push((after, Command::Executed(Box::new(ending))));
    }

    fn kept_mut(&mut self, id: TaskId) -> Option<&mut Kept> {
        self.executions.task_mut(id)?.kept.as_deref_mut()
    }
}

/// The idempotency key of a part of an execution; each has its own where there may be several.
pub(super) fn key_of(task: &Task, kept: &Kept, part: u16) -> String {
    let alone = task.spec.mode == TaskMode::Single && task.parts.len() == 1;
    if alone { kept.key.clone() } else { format!("{}/{part}", kept.key) }
}

fn done(now: Moment, task: &Task, part: Option<&Part>) -> Result<Executed, ExecutionError> {
    let output = part.and_then(Part::output);
    output.map(|output| executed(now, task, output)).ok_or_else(|| {
        let message = "the output is not there";
        told(task, ExecutionError::new(FailureKind::Failed, message))
    })
}

fn executed(now: Moment, task: &Task, output: &Body) -> Executed {
    let started = task.started_at.unwrap_or(now.utc);
    let between = |from: i64, to: i64| u64::try_from(to - from).unwrap_or(0);
    Executed {
        // Outputs of executions are never in blobs.
        output: output.payload().unwrap_or_default(),
        agents: task.parts.iter().filter_map(|part| part.agent.clone()).collect(),
        queued_us: between(task.accepted_at, started),
        ran_us: between(started, now.utc),
        lost: lost(task),
        cost: cost(task),
    }
}

fn failed(task: &Task, failure: Failure, part: Option<u16>) -> ExecutionError {
    let at_fault = part.and_then(|part| task.parts.get(usize::from(part)));
    let agent = at_fault.and_then(|part| part.agent.clone());
    let retry_after_ms = task.kept.as_ref().and_then(|kept| kept.retry_after_ms);
    told(task, ExecutionError { agent, retry_after_ms, ..failure.into() })
}

fn told(task: &Task, error: ExecutionError) -> ExecutionError {
    ExecutionError { lost: lost(task), cost: cost(task), ..error }
}

fn lost(task: &Task) -> u32 {
    task.parts.iter().map(|part| part.lost).sum()
}

fn cost(task: &Task) -> f64 {
    task.spent as f64 / 1e6
}
