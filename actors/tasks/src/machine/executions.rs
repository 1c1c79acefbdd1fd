//! Executions that their callers keep: tasks in all but that nothing of them is recorded.
//!
//! They are changed by the same events as tasks, and forgotten when they have ended. A restart or
//! a rebuild knows none: the keepers do.

use bytes::Bytes;
use synod_agents::Watch;

use super::book::{Inconsistent, change_task};
use super::counters::{OpenTasks, PartCounters};
use super::event::Event;
use crate::messages::ExecutionStats;
use crate::task::{IdMap, Task, TaskId, TaskState};

/// What a keeper gave with an execution, and what only keepers are told.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Its place among the executions that were asked for behind the same task, from 1.
    pub behind: u64,
    /// The keeper's number of the attempt.
    pub attempt: u32,
    /// The same over all attempts.
    pub key: String,
    /// Where the keeper follows it.
    pub watch: Watch,
    /// When it must have its first agent, on the monotonic clock.
    pub start_due: Option<u64>,
    /// What its agent said last of another attempt.
    pub retry_after_ms: Option<u64>,
    /// The batch that stores what its agents saved; 0 when they saved nothing.
    pub saved_in: u64,
}

/// The open executions and their ledger.
#[derive(Debug, Default)]
pub(crate) struct Executions {
    tasks: IdMap<Box<Task>>,
    open: OpenTasks,
    parts: PartCounters,
    /// How many were ever taken on.
    started: u64,
    ended: Ended,
}

/// How many ended in which way.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Ended {
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub handed_back: u64,
}

impl Executions {
    pub(crate) fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(&id).map(|task| &**task)
    }

    /// For the volatile marks of one.
    pub(crate) fn task_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        self.tasks.get_mut(&id).map(|task| &mut **task)
    }

    /// The number of the next one, from 1.
    pub(crate) fn next(&self) -> u64 {
        self.started + 1
    }

    pub(crate) fn add(&mut self, task: Task) {
        self.started += 1;
        if let Some(open) = self.open.of(task.state) {
            open[task.spec.priority.lane()] += 1;
        }
        self.tasks.insert(task.id, Box::new(task));
    }

    /// Takes an event into account; gives back what an agent saved, with the agent's id.
    pub(crate) fn apply(
        &mut self,
        id: TaskId,
        at: i64,
        event: &Event,
    ) -> Result<Option<(String, Bytes)>, Inconsistent> {
        let task = self.tasks.get_mut(&id);
        let task = task.ok_or(Inconsistent { task: id, what: "an event of no execution" })?;
        let saved = change_task(task, at, event, &mut self.parts)?;
        let (from, to, lane) = (task.state, task.derived_state(), task.spec.priority.lane());
        if from != to {
            task.state = to;
            self.move_count(from, to, lane);
        }
        Ok(saved)
    }

    /// Takes one out that has ended.
    pub(crate) fn remove(&mut self, id: TaskId) -> Option<Box<Task>> {
        let task = self.tasks.remove(&id)?;
        if let Some(open) = self.open.of(task.state) {
            open[task.spec.priority.lane()] -= 1;
        }
        Some(task)
    }

    /// Counts how one ended.
    pub(crate) fn count(&mut self, ended: impl FnOnce(&mut Ended) -> &mut u64) {
        *ended(&mut self.ended) += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// How many are in agents' hands.
    pub(crate) fn running(&self) -> u64 {
        super::total(&self.open.running)
    }

    /// Those for which this holds, in the order in which they were asked for.
    pub(crate) fn chosen(&self, choose: impl Fn(&Task) -> bool) -> Vec<TaskId> {
        let chosen = self.tasks.values().filter(|task| choose(task));
        let mut chosen: Vec<_> = chosen.map(|task| (task.place(0), task.id)).collect();
        chosen.sort_unstable();
        chosen.into_iter().map(|(_, id)| id).collect()
    }

    pub(crate) fn stats(&self) -> ExecutionStats {
        let Ended { completed, failed, cancelled, handed_back } = self.ended;
        ExecutionStats {
            started: self.started,
            open: self.tasks.len() as u64,
            ended: completed + failed + cancelled + handed_back,
            completed,
            failed,
            cancelled,
            handed_back,
            lost: self.parts.lost,
        }
    }

    fn move_count(&mut self, from: TaskState, to: TaskState, lane: usize) {
        if let Some(open) = self.open.of(from) {
            open[lane] -= 1;
        }
        if let Some(open) = self.open.of(to) {
            open[lane] += 1;
        }
    }
}
