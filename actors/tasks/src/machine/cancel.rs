//! Cancelling tasks, and handing back what runs when the engine is drained.

use synod_runtime::Principal;

use super::{Command, Effects, Event, TaskMachine};
use crate::error::CancelError;
use crate::task::{Moment, Phase, TaskId, Verdict};

/// Why executions go back to their keepers.
const DRAINING: &str = "the node is draining";

impl TaskMachine {
    pub(super) fn cancel(
        &mut self,
        now: Moment,
        id: TaskId,
        by: Principal,
        out: &mut Effects,
    ) -> Result<(), CancelError> {
        let task = self.book.task(id).ok_or(CancelError::NotFound)?;
        if !task.is_open() {
            return Err(CancelError::AlreadyEnded { state: task.state });
        }
        self.end(now, id, Verdict::Cancelled(by), out);
        Ok(())
    }

    /// Every execution of a task that is in agents' hands, with its agent.
    pub(crate) fn running(&self) -> Vec<Command> {
        let tasks = self.book.by_sequence.values().filter_map(|id| self.book.task(*id));
        let parts = tasks.flat_map(|task| (0..).zip(&task.parts).map(move |part| (task, part)));
        parts
            .filter_map(|(task, (number, part))| match part.phase {
                Phase::Running { agent: Some(agent) } => {
                    let work = self.work_of(task, number, part);
                    Some(Command::Cancel { agent, work })
                }
                _ => None,
            })
            .collect()
    }

    /// Accepts and gives out no more; what only waits in no record goes back to its keepers now.
    pub(super) fn drain(&mut self, out: &mut Effects) {
        self.draining = true;
        self.recall_rounds();
        self.hand_back_kept(false, DRAINING, out);
    }

    /// Takes back what runs: it counts neither as an error nor as lost, and is queued again.
    pub(super) fn hand_back(&mut self, now: Moment, out: &mut Effects) -> u64 {
        let running = self.running();
        let count = running.len() as u64;
        for command in running {
            if let Command::Cancel { work, .. } = &command {
                let (id, part) = (work.task, work.part);
                self.emit(now, id, Event::Returned { part, why: None }, out);
                self.enqueue(id, part);
            }
            out.commands.push(command);
        }
        count + self.hand_back_kept(true, DRAINING, out)
    }

    /// How many executions are in agents' hands.
    pub(crate) fn in_hand(&self) -> u64 {
        super::total(&self.book.open.running) + self.executions.running()
    }
}
