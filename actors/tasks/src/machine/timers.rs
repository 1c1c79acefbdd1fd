//! Deadlines and back-offs: when the machine wants to be woken, and what it does then.

use super::{Effects, Event, TaskMachine};
use crate::task::{Moment, Phase, TaskId};

/// In place of a part's number: the timer is the task's deadline.
pub(crate) const DEADLINE: u16 = u16::MAX;

/// In place of a part's number: by then the execution must have its first agent.
pub(super) const START: u16 = u16::MAX - 1;

impl TaskMachine {
    /// When it wants a `Tick`, on the monotonic clock.
    pub(crate) fn next_wake(&self, now: Moment) -> Option<u64> {
        if !self.active {
            return None;
        }
        let timer = self.timers.first().map(|(due, ..)| *due);
        [timer, self.matching.next_wake(), self.next_sweep(now)].into_iter().flatten().min()
    }

    /// Starts the timer of a task's deadline.
    pub(super) fn start_deadline(&mut self, now: Moment, id: TaskId) {
        let Some(task) = self.task_mut(id) else { return };
        task.due = now.due(task.spec.deadline);
        let due = task.due;
        self.timers.insert((due, id, DEADLINE));
    }

    /// Starts the timer of an execution's first agent.
    pub(super) fn start_limit(&mut self, id: TaskId, due: Option<u64>) {
        self.timers.extend(due.map(|due| (due, id, START)));
    }

    /// Starts the timer of a part's back-off, which ends at `until` (UTC microseconds).
    pub(super) fn start_backoff(&mut self, now: Moment, id: TaskId, number: u16, until: i64) {
        let due = now.due(until);
        if let Some(part) = self.part_mut(id, number) {
            part.due = due;
            self.timers.insert((due, id, number));
        }
    }

    pub(super) fn tick(&mut self, now: Moment, out: &mut Effects) {
        if !self.active {
            return;
        }
        self.matching.wake(now.mono);
        while let Some((due, id, number)) = self.timers.first().copied() {
            if due > now.mono {
                break;
            }
            self.timers.pop_first();
            match number {
                DEADLINE => self.deadline_passed(now, id, out),
                START => self.start_overdue(now, id, out),
                number => self.waited(now, id, number, out),
            }
        }
    }

    /// The wait of a part is over: after an error, or after a loss, which it may be ready for all
    /// along.
    fn waited(&mut self, now: Moment, id: TaskId, number: u16, out: &mut Effects) {
        match self.part(id, number).map(|part| &part.phase) {
            Some(Phase::Backoff { .. }) => {
                self.emit(now, id, Event::Resumed { part: number }, out);
                self.enqueue(id, number);
            }
            Some(Phase::Ready) if self.is_asked_about((id, number)) => {
                self.close_round(now, (id, number), out);
            }
            Some(Phase::Ready) => self.requeue(now, id, number, out),
            _ => {}
        }
    }
}
