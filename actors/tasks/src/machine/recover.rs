//! Beginning: after a start or a rebuild the book is what the log says, and everything volatile is
//! made anew from it.

use super::{Book, Effects, EngineEvent, TaskMachine};
use crate::task::{Moment, Phase, Task, TaskId};

/// Where a part goes when work begins.
enum Course {
    Queue,
    Wait(i64),
    Lost,
}

impl TaskMachine {
    /// Takes the book that a replay gave. The agents that are known stay, with what they have in
    /// hand; all else that is volatile is dropped.
    pub(crate) fn rebuild(&mut self, book: Book) {
        self.active = false;
        self.book = book;
        self.matching.clear_queues(self.config.max_requirements as usize);
        self.waiting = super::Waiting::default();
        self.rounds = super::Rounds::default();
        self.timers.clear();
        debug_assert_eq!(self.executions.len(), 0, "executions go back before a rebuild");
        self.held_bytes = 0;
    }

    /// Goes to work under a new epoch. What ran in an older one is lost: nobody knows how far it
    /// came, and its result no longer counts.
    pub(super) fn begin(&mut self, now: Moment, out: &mut Effects) {
        let event = EngineEvent::Began { epoch: self.book.epoch + 1, at: now.utc };
        self.book.apply_engine(&event);
        out.engine.push(event);
        self.active = true;
        let open: Vec<TaskId> = self.book.by_sequence.values().copied().collect();
        for id in open {
            if self.book.task(id).is_some_and(|task| task.is_open()) {
                self.resume(now, id, out);
            }
        }
    }

    fn resume(&mut self, now: Moment, id: TaskId, out: &mut Effects) {
        let Some(task) = self.book.task(id) else { return };
        self.held_bytes += task.input.held_bytes();
        let planned = task.planned;
        let courses: Vec<_> = (0..)
            .zip(&task.parts)
            .filter_map(|(number, part)| match part.phase {
                Phase::Ready => Some((number, Course::Queue)),
                Phase::Backoff { until } => Some((number, Course::Wait(until))),
                Phase::Running { .. } => Some((number, Course::Lost)),
                Phase::Done(_) | Phase::Failed(_) | Phase::Cancelled => None,
            })
            .collect();
        self.start_deadline(now, id);
        if !planned {
            return self.try_plan(now, id, out);
        }
        for (number, _) in &courses {
            self.seat(id, *number);
        }
        for (number, course) in courses {
            match course {
                Course::Queue => self.enqueue(id, number),
                Course::Wait(until) => self.start_backoff(now, id, number, until),
                Course::Lost => self.lost_in_crash(now, id, number, out),
            }
            // A loss too many may just have ended it.
            if !self.book.task(id).is_some_and(Task::is_open) {
                return;
            }
        }
    }

    /// Its agent may not have joined yet, so it is queued even if nobody can do it now.
    fn lost_in_crash(&mut self, now: Moment, id: TaskId, number: u16, out: &mut Effects) {
        if self.survives_loss(now, id, number, "the engine stopped".to_owned(), out) {
            self.enqueue(id, number);
        }
    }
}
