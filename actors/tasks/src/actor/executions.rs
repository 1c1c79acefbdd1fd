//! Keepers of executions: what they ask, and who of them still waits.

use std::time::Duration;

use synod_runtime::{Context, Principal, Reply, Request};

use super::TaskEngine;
use super::release::Release;
use super::step::{Own, Step};
use crate::error::ExecutionError;
use crate::machine::{Answer, Asked, Ending, Input};
use crate::messages::{CancelExecution, Execute, Executed, TasksMessage};
use crate::task::{IdHashed, Moment, TaskId};
use crate::validation::check_execution;

/// How often it is looked whether keepers still wait, for each so many that there are.
const LOOK: Duration = Duration::from_secs(1);
const LOOKED_AT: usize = 20_000;

type Answered = Result<Executed, ExecutionError>;

/// The replies that are owed for executions, by id and attempt.
#[derive(Default)]
pub(super) struct Keepers {
    waiting: IdHashed<(TaskId, u32), Waiting>,
    /// Whether it is going to be looked who still waits.
    watched: bool,
}

/// Who waits for one execution: its asker, and who asked again.
struct Waiting {
    first: Reply<Answered>,
    joined: Vec<Reply<Answered>>,
}

impl Waiting {
    fn is_closed(&self) -> bool {
        self.first.is_closed() && self.joined.iter().all(Reply::is_closed)
    }

    fn send(self, result: Answered) {
        for reply in self.joined {
            reply.send(result.clone());
        }
        self.first.send(result);
    }
}

impl TaskEngine {
    pub(super) fn on_execute(
        &mut self,
        now: Moment,
        request: Request<Execute>,
        ctx: &mut Context<Self>,
    ) {
        let (asked, reply) = request.into_parts();
        if let Some(reason) = self.refusal() {
            return reply.send(Err(ExecutionError::handed_back(reason)));
        }
        let name = (asked.id, asked.attempt);
        if let Some(waiting) = self.keepers.waiting.get_mut(&name) {
            waiting.joined.retain(|joined| !joined.is_closed());
            return waiting.joined.push(reply);
        }
        let correlation = ctx.metadata().correlation();
        let config = self.machine.config();
        let checked = check_execution(asked, correlation, config, now, ctx.now());
        let taken = checked.map_err(Into::into).and_then(|asked| self.take_on(now, asked));
        if let Err(error) = taken {
            return reply.send(Err(error));
        }
        self.keepers.waiting.insert(name, Waiting { first: reply, joined: Vec::new() });
        self.watch_keepers(ctx);
    }

    fn take_on(&mut self, now: Moment, asked: Asked) -> Result<(), ExecutionError> {
        match self.step(now, Input::Execute(Box::new(asked))) {
            Answer::TakenOn(result) => result,
            _ => Err(ExecutionError::handed_back("the engine gave no answer")),
        }
    }

    pub(super) fn on_cancel_execution(&mut self, now: Moment, request: Request<CancelExecution>) {
        let (CancelExecution { id, attempt, principal }, reply) = request.into_parts();
        self.step(now, Input::CancelExecution { id, attempt, by: principal });
        reply.send(());
    }

    /// Answers the keeper of an execution, if it still waits.
    pub(super) fn execution_ended(&mut self, ending: Ending) {
        let Ending { id, attempt, result } = ending;
        let error = result.as_ref().err().map(tracing::field::display);
        tracing::debug!(execution = %id, attempt, error, "execution ended");
        if let Some(waiting) = self.keepers.waiting.remove(&(id, attempt)) {
            waiting.send(result);
        }
    }

    /// Whether an execution is one that nobody waits for any more.
    pub(super) fn is_forsaken(&self, id: TaskId, attempt: u32) -> bool {
        self.keepers.waiting.get(&(id, attempt)).is_some_and(Waiting::is_closed)
    }

    /// Cancels the executions whose keepers no longer wait.
    pub(super) fn look_at_keepers(&mut self, now: Moment, ctx: &mut Context<Self>) {
        self.keepers.watched = false;
        let waiting = self.keepers.waiting.iter();
        let gone = waiting.filter(|(_, waiting)| waiting.is_closed()).map(|(name, _)| *name);
        let mut gone: Vec<_> = gone.collect();
        gone.sort_unstable();
        for (id, attempt) in gone {
            self.forsake(now, id, attempt);
        }
        self.watch_keepers(ctx);
    }

    /// Cancels an execution that nobody waits for any more.
    pub(super) fn forsake(&mut self, now: Moment, id: TaskId, attempt: u32) {
        self.step(now, Input::CancelExecution { id, attempt, by: Principal::default() });
    }

    fn watch_keepers(&mut self, ctx: &mut Context<Self>) {
        let keepers = self.keepers.waiting.len();
        if self.keepers.watched || keepers == 0 {
            return;
        }
        self.keepers.watched = true;
        let times = u32::try_from(keepers / LOOKED_AT).unwrap_or(u32::MAX);
        let look = TasksMessage::Own(Step(Own::LookAtKeepers));
        ctx.send_after(LOOK.saturating_mul(times.saturating_add(1)), look);
    }

    /// Carries out what the machine commanded for executions that are in no record. It waits for
    /// no append, but for one that stores what an agent saved.
    pub(super) fn carry_out_prompt(&mut self, ctx: &mut Context<Self>) {
        while !self.prompt.is_empty() {
            for (after, command) in std::mem::take(&mut self.prompt) {
                if after <= self.head.stored {
                    self.carry_out(command, ctx);
                } else {
                    self.gathering.releases.push(Release::Command(command));
                }
            }
        }
    }

    /// Gives every execution back to its keeper: the machine is about to be rebuilt from a log
    /// that tells nothing of them.
    pub(super) fn hand_back_executions(&mut self, reason: &str, ctx: &mut Context<Self>) {
        let now = self.now(ctx);
        self.step(now, Input::HandBackKept(reason.to_owned()));
        self.carry_out_prompt(ctx);
    }

    /// The keeper of an execution learns that its result is not taken: what its agent saved with
    /// it could not be stored.
    pub(super) fn revoke_execution(&mut self, ending: Ending, reason: &str) {
        let reason = format!("what its agent saved could not be stored: {reason}");
        let result = Err(ExecutionError::handed_back(reason));
        self.execution_ended(Ending { result, ..ending });
    }
}
