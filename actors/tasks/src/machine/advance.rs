//! What follows when a part of a task has ended, and when the task does.

use super::timers::START;
use super::{Command, DEADLINE, Effects, Event, TaskMachine, find};
use crate::modes::{Next, mode, out_of_time};
use crate::stats::Times;
use crate::task::{FailureKind, Moment, Phase, TaskId, Verdict};

impl TaskMachine {
    /// A part has ended: its class is let go, and its task's mode says what follows.
    pub(super) fn part_ended(&mut self, now: Moment, id: TaskId, part: u16, out: &mut Effects) {
        self.forget_rounds(id, part);
        if let Some(part) = self.part(id, part) {
            self.matching.let_go(part.class);
        }
        let Some(task) = self.task(id) else { return };
        let next = mode(task.spec.mode).next(task, self.config.max_collected_bytes as usize);
        self.follow(now, id, next, out);
    }

    /// The task's deadline has come.
    pub(super) fn deadline_passed(&mut self, now: Moment, id: TaskId, out: &mut Effects) {
        let Some(task) = self.task(id) else { return };
        let limit = self.config.max_collected_bytes as usize;
        let next = match task.planned {
            true => mode(task.spec.mode).at_deadline(task, limit),
            // It waited in vain for an agent: there are no parts that a mode could look at.
            false => out_of_time(),
        };
        self.follow(now, id, self.explained(id, next), out);
    }

    /// Adds to a deadline that passed what kept the task from being done.
    fn explained(&self, id: TaskId, next: Next) -> Next {
        let Next::End(Verdict::Failed(mut failure, part)) = next else { return next };
        if failure.kind == FailureKind::DeadlinePassed
            && let Some(why) = self.hindrance(id)
        {
            failure.message = format!("{}; last: {why}", failure.message);
        }
        Next::End(Verdict::Failed(failure, part))
    }

    fn follow(&mut self, now: Moment, id: TaskId, next: Next, out: &mut Effects) {
        match next {
            Next::Wait => {}
            Next::Plan(needs) => self.add_parts(now, id, needs, out),
            Next::End(verdict) => self.end(now, id, verdict, out),
        }
    }

    /// Ends a task: what runs of it is cancelled at its agents, what is queued leaves the queue.
    pub(super) fn end(&mut self, now: Moment, id: TaskId, verdict: Verdict, out: &mut Effects) {
        self.wind_up(id, out);
        if self.executions.task(id).is_some() {
            return self.end_kept(now, id, verdict, out);
        }
        let Some(task) = self.book.task(id) else { return };
        let times = Times { accepted: task.accepted_at, started: task.started_at, ended: now.utc };
        self.held_bytes = self.held_bytes.saturating_sub(task.input.held_bytes());
        self.stats.task_ended(times, now.mono);
        self.emit(now, id, Event::Ended(verdict), out);
        out.commands.push(Command::Ended(id));
    }

    /// Takes the open parts of a task out of queues, timers and agents' hands.
    pub(super) fn wind_up(&mut self, id: TaskId, out: &mut Effects) {
        self.waiting.remove(id);
        self.forget_all_rounds(id);
        let Some(task) = find(&self.book, &self.executions, id) else { return };
        self.timers.remove(&(task.due, id, DEADLINE));
        if let Some(due) = task.kept.as_ref().and_then(|kept| kept.start_due) {
            self.timers.remove(&(due, id, START));
        }
        let spec = &task.spec;
        for (number, part) in (0..).zip(&task.parts) {
            match &part.phase {
                Phase::Ready => {
                    let place = task.place(number);
                    self.matching.unqueue(part.class, spec.priority, &spec.tenant, place);
                    self.timers.remove(&(part.due, id, number)); // it may wait after a loss
                }
                Phase::Backoff { .. } => {
                    self.timers.remove(&(part.due, id, number));
                }
                Phase::Running { agent: Some(agent) } => {
                    let command =
                        Command::Cancel { agent: *agent, work: self.work_of(task, number, part) };
                    match task.kept {
                        Some(_) => out.prompt.push((0, command)),
                        None => out.commands.push(command),
                    }
                }
                Phase::Running { agent: None } => {}
                Phase::Done(_) | Phase::Failed(_) | Phase::Cancelled => continue,
            }
            self.matching.let_go(part.class);
        }
    }
}
