//! Carrying out what was commanded, now that it is stored: replies, dispatches, changes told.

use std::time::Duration;

use synod_agents::{AgentError, AgentMessage, Assignment, Payload, Perform, WorkId};
use synod_runtime::{AskError, Context, Reply, SendOptions};

use uuid::Uuid;

use super::TaskEngine;
use super::step::{Own, Performance, Step};
use crate::error::{CancelError, InvalidCursor, SubmitError};
use crate::machine::{Command, Dispatch, Input, Outcome};
use crate::matching::AgentSlot;
use crate::messages::{
    Accepted, EngineStatsResponse, TaskChange, TaskPage, TaskStatusResponse, TasksMessage,
};
use crate::task::{BlobRef, Body, Moment, TaskId};

/// How long after its deadline an execution is still heard: its agent stops it at the deadline,
/// and says so, after the grace time that it has.
const OVERTIME: Duration = Duration::from_secs(10);

/// Something that waits for an append.
pub(super) enum Release {
    Command(Command),
    Submitted(Reply<Result<Accepted, SubmitError>>, Result<Accepted, SubmitError>),
    Cancelled(
        Reply<Result<TaskStatusResponse, CancelError>>,
        Result<Box<TaskStatusResponse>, CancelError>,
    ),
    Status(
        Vec<Reply<Option<TaskStatusResponse>>>,
        Option<Box<TaskStatusResponse>>,
        Option<BlobRef>,
    ),
    Page(Reply<Result<TaskPage, InvalidCursor>>, Result<TaskPage, InvalidCursor>),
    Stats(Reply<EngineStatsResponse>, Box<EngineStatsResponse>),
}

impl Release {
    pub(super) fn is_dispatch(&self) -> bool {
        matches!(self, Self::Command(Command::Dispatch(_)))
    }
}

/// The same over all attempts at a part.
fn idempotency_key(work: WorkId) -> String {
    let mut key = String::with_capacity(42);
    let mut buffer = Uuid::encode_buffer();
    key.push_str(work.task.hyphenated().encode_lower(&mut buffer));
    key.push('/');
    key.push_str(&work.part.to_string());
    key
}

/// Gives the same answer to all.
pub(super) fn answer_all(
    mut replies: Vec<Reply<Option<TaskStatusResponse>>>,
    status: Option<TaskStatusResponse>,
) {
    let last = replies.pop();
    for reply in replies {
        reply.send(status.clone());
    }
    if let Some(last) = last {
        last.send(status);
    }
}

impl TaskEngine {
    pub(super) fn release_all(&mut self, releases: Vec<Release>, ctx: &mut Context<Self>) {
        for release in releases {
            match release {
                Release::Command(command) => self.carry_out(command, ctx),
                Release::Submitted(reply, result) => reply.send(result),
                Release::Cancelled(reply, result) => reply.send(result.map(|status| *status)),
                Release::Status(replies, Some(status), Some(blob)) => {
                    self.load_result(replies, status, blob, ctx);
                }
                Release::Status(replies, status, _) => {
                    answer_all(replies, status.map(|status| *status));
                }
                Release::Page(reply, page) => reply.send(page),
                Release::Stats(reply, stats) => reply.send(*stats),
            }
        }
    }

    /// Shows a task to who asked: at once when all that happened to it is stored, else once it is.
    pub(super) fn show(
        &mut self,
        replies: Vec<Reply<Option<TaskStatusResponse>>>,
        id: TaskId,
        ctx: &mut Context<Self>,
    ) {
        let Some((status, blob, batch)) = self.machine.status(id) else {
            return answer_all(replies, None);
        };
        let release = Release::Status(replies, Some(Box::new(status)), blob);
        if batch <= self.head.stored {
            self.release_all(vec![release], ctx);
        } else {
            self.release_when_stored(release);
        }
    }

    pub(super) fn carry_out(&mut self, command: Command, ctx: &mut Context<Self>) {
        match command {
            Command::Dispatch(dispatch) => self.dispatch(dispatch, ctx),
            Command::Call(call) => self.call(&call, ctx),
            Command::Cancel { agent, work } => self.cancel_at_agent(agent, work),
            Command::Changed(change) => self.tell(&change),
            Command::Executed(ending) => self.execution_ended(*ending),
            // Told when it was gathered.
            Command::Ended(_) => {}
        }
    }

    fn dispatch(&mut self, mut dispatch: Box<Dispatch>, ctx: &mut Context<Self>) {
        let WorkId { task, attempt, .. } = dispatch.work;
        if dispatch.key.is_some() && self.is_forsaken(task, attempt) {
            self.machine.undispatch(dispatch.agent);
            let now = self.now(ctx);
            return self.forsake(now, task, attempt);
        }
        match std::mem::take(&mut dispatch.input) {
            Body::Inline { content_type, bytes } => {
                let now = self.now(ctx);
                let payload = Payload { content_type: content_type.into(), bytes };
                self.perform(now, dispatch, payload, ctx);
            }
            Body::Blob(blob) => self.load_input(dispatch, blob, ctx),
        }
    }

    /// Hands an execution to its agent.
    pub(super) fn perform(
        &mut self,
        now: Moment,
        dispatch: Box<Dispatch>,
        payload: Payload,
        ctx: &mut Context<Self>,
    ) {
        let Dispatch { agent, work, spec, capability, deadline, state, .. } = *dispatch;
        let Dispatch { correlation, key, watch, .. } = *dispatch;
        let Some(address) = self.addresses.get(agent) else {
            // It left after the choice had been made.
            return self.end_execution(now, work, agent, Outcome::Undelivered, 0);
        };
        let mut options = SendOptions::new().priority(spec.priority);
        if !spec.principal.is_anonymous() {
            options = options.principal(spec.principal.clone());
        }
        if let Some(correlation) = correlation {
            options = options.correlation(correlation);
        }
        let assignment = Assignment {
            work,
            kind: spec.kind.clone(),
            capability,
            payload,
            deadline: self.instant(deadline),
            idempotency_key: key.unwrap_or_else(|| idempotency_key(work)),
            correlation,
            labels: spec.labels.clone(),
            state,
            watch,
        };
        let left = Duration::from_micros(deadline.saturating_sub(now.mono));
        let within = left.saturating_add(OVERTIME);
        let sent = now.mono;
        let ended =
            move |outcome| TasksMessage::Own(Step(Own::Finished { work, agent, sent, outcome }));
        address.ask_into_with(Perform { assignment }, within, options, &ctx.address(), ended);
    }

    /// An execution has ended, one way or another.
    pub(super) fn finished(
        &mut self,
        now: Moment,
        work: WorkId,
        agent: AgentSlot,
        sent: u64,
        outcome: Performance,
        ctx: &mut Context<Self>,
    ) {
        let ran_us = now.mono.saturating_sub(sent);
        let outcome = match outcome {
            Ok(Ok(performed)) => {
                let task = self.machine.task(work.task);
                // The outputs of executions are their keepers' to store.
                let stays = task.is_some_and(|task| task.kept.is_some() || task.combines());
                if self.is_large(&performed.payload) && !stays {
                    return self.store_output(work, agent, ran_us, performed, ctx);
                }
                Outcome::Done { output: performed.payload.into(), saved: performed.state }
            }
            Ok(Err(error)) => Outcome::Error(error),
            Err(AskError::Full) => Outcome::Undelivered,
            Err(AskError::Refused) => {
                Outcome::Error(AgentError::refused("a policy does not let it through"))
            }
            Err(AskError::Deadline) => Outcome::Overdue,
            Err(error) => Outcome::Lost(error.to_string()),
        };
        self.end_execution(now, work, agent, outcome, ran_us);
    }

    pub(super) fn end_execution(
        &mut self,
        now: Moment,
        work: WorkId,
        agent: AgentSlot,
        outcome: Outcome,
        ran_us: u64,
    ) {
        self.step(now, Input::Finished { work, agent, outcome, ran_us });
    }

    /// Tells an agent to stop an execution. Its mailbox being full or closed is no loss: the result
    /// is ignored in any case.
    pub(super) fn cancel_at_agent(&self, agent: AgentSlot, work: WorkId) {
        if let Some(address) = self.addresses.get(agent)
            && let Err(error) = address.try_send(AgentMessage::Cancel { work })
        {
            let task_id = work.task;
            tracing::debug!(%task_id, %work, ?error, "an agent could not be told to stop");
        }
    }

    fn tell(&mut self, change: &TaskChange) {
        self.listeners.retain_mut(|listener| listener.hear(change));
        self.machine.has_listeners = !self.listeners.is_empty();
    }
}
