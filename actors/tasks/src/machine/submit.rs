//! Accepting tasks: idempotency first, then limits, then a plan.

use std::sync::Arc;

use rand::RngExt;

use super::{Effects, Event, TaskMachine};
use crate::error::SubmitError;
use crate::messages::Accepted;
use crate::modes::{Agents, Unplannable, mode};
use crate::task::{Body, IdempotencyKey, Moment, Needs, TaskId, TaskSpec, TaskState, mint_in};

/// How long who found the queue full waits when nothing has ended lately, in seconds.
const RETRY_AFTER_S: u64 = 5;

impl TaskMachine {
    pub(super) fn submit(
        &mut self,
        now: Moment,
        spec: Arc<TaskSpec>,
        input: Body,
        out: &mut Effects,
    ) -> Result<Accepted, SubmitError> {
        if let Some(key) = &spec.key
            && let Some(earlier) = self.earlier(key)
        {
            return earlier;
        }
        self.admit(now, &spec, &input)?;
        let plan = self.plan(&spec);
        let plan = match plan {
            Ok(needs) => Ok(needs),
            Err(Unplannable::Missing(shortage)) if self.waits_for_agents() => Err(shortage.watch),
            Err(Unplannable::Missing(shortage)) => {
                return Err(SubmitError::NoCapableAgent { missing: shortage.missing });
            }
            Err(Unplannable::TooManyRequirements) => return Err(self.queue_full(now)),
        };
        let id = self.new_id(now);
        self.stats.task_accepted(now.mono);
        self.held_bytes += input.held_bytes();
        self.emit(now, id, Event::Accepted { spec, input }, out);
        self.start_deadline(now, id);
        match plan {
            Ok(needs) => self.add_parts(now, id, needs, out),
            Err(watch) => self.waiting.add(id, watch),
        }
        let state = self.book.task(id).map_or(TaskState::Pending, |task| task.state);
        Ok(Accepted { task_id: id, state, duplicate: false })
    }

    /// An id that no known task has.
    fn new_id(&mut self, now: Moment) -> TaskId {
        loop {
            let id = mint_in(self.share, now.utc, self.chance.random());
            if self.task(id).is_none() {
                return id;
            }
        }
    }

    /// What becomes of a submission whose key was used before.
    fn earlier(&self, key: &IdempotencyKey) -> Option<Result<Accepted, SubmitError>> {
        let used = self.book.keys.get(&key.scope)?;
        let existing = used.task;
        Some(if used.body != key.body {
            Err(SubmitError::IdempotencyConflict { existing })
        } else if used.state.has_ended() {
            Ok(Accepted { task_id: existing, state: used.state, duplicate: true })
        } else {
            Err(SubmitError::InFlight { existing })
        })
    }

    /// Whether there is room for it.
    fn admit(&mut self, now: Moment, spec: &TaskSpec, input: &Body) -> Result<(), SubmitError> {
        if self.draining {
            return Err(SubmitError::Draining);
        }
        if spec.deadline <= now.utc {
            return Err(SubmitError::DeadlinePassed);
        }
        let bytes = self.held_bytes + input.held_bytes();
        let keys = self.book.keys.len() as u64;
        let full = self.book.open.waiting() >= self.config.max_queued
            || bytes > self.config.max_queued_bytes
            || (spec.key.is_some() && keys >= self.config.max_keys);
        if full { Err(self.queue_full(now)) } else { Ok(()) }
    }

    /// A hint of when there may be room: when a sixteenth of the queue is done, at the pace of the
    /// last minute.
    pub(super) fn queue_full(&mut self, now: Moment) -> SubmitError {
        let pace = self.stats.throughput(now.mono).ended.m1;
        let share = self.book.open.waiting() as f64 / 16.0;
        let seconds = if pace > 0.0 { (share / pace).ceil() as u64 } else { RETRY_AFTER_S };
        SubmitError::QueueFull { retry_after_s: seconds.clamp(1, 60) }
    }

    pub(super) fn plan(&mut self, spec: &TaskSpec) -> Result<Vec<Needs>, Unplannable> {
        let mut agents = Agents { matching: &mut self.matching, chance: &mut self.chance };
        mode(spec.mode).plan(spec, &mut agents)
    }

    /// Adds parts to a task and queues them.
    pub(super) fn add_parts(
        &mut self,
        now: Moment,
        id: TaskId,
        needs: Vec<Needs>,
        out: &mut Effects,
    ) {
        let first = self.task(id).map_or(0, |task| task.parts.len());
        let added = needs.len();
        self.emit(now, id, Event::Planned(needs), out);
        for part in first..first + added {
            self.seat(id, part as u16);
            self.enqueue(id, part as u16);
        }
    }
}
