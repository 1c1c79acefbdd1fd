//! The ledger: what was accepted, and what became of it. The counters only rise, and they are
//! kept with the records, so neither a restart nor the clean-up of ended tasks changes them.

use synod_runtime::Priority;

use crate::task::TaskState;

/// A number for each priority.
pub(crate) type ByPriority = [u64; Priority::COUNT];

/// Counters of tasks and of parts, apart.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Counters {
    pub accepted: ByPriority,
    pub completed: ByPriority,
    pub failed: ByPriority,
    pub cancelled: ByPriority,
    pub parts: PartCounters,
    /// Changes of state of all tasks: the sequence of the stream of changes.
    pub changes: u64,
}

/// Counters of parts and their executions.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartCounters {
    pub planned: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    /// Executions begun.
    pub started: u64,
    /// Executions that ended in an error and were followed by another attempt.
    pub retried: u64,
    /// Executions that were lost.
    pub lost: u64,
    /// Executions that were handed back.
    pub returned: u64,
}

impl Counters {
    /// The counter of tasks that ended in this state.
    pub(crate) fn ended(&mut self, state: TaskState) -> Option<&mut ByPriority> {
        match state {
            TaskState::Completed => Some(&mut self.completed),
            TaskState::Failed => Some(&mut self.failed),
            TaskState::Cancelled => Some(&mut self.cancelled),
            TaskState::Pending | TaskState::Queued | TaskState::Running => None,
        }
    }
}

/// The open tasks, by state and priority.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct OpenTasks {
    pub pending: ByPriority,
    pub queued: ByPriority,
    pub running: ByPriority,
}

impl OpenTasks {
    pub(crate) fn of(&mut self, state: TaskState) -> Option<&mut ByPriority> {
        match state {
            TaskState::Pending => Some(&mut self.pending),
            TaskState::Queued => Some(&mut self.queued),
            TaskState::Running => Some(&mut self.running),
            TaskState::Completed | TaskState::Failed | TaskState::Cancelled => None,
        }
    }

    /// Open tasks that no agent has.
    pub(crate) fn waiting(&self) -> u64 {
        total(&self.pending) + total(&self.queued)
    }

    pub(crate) fn all(&self) -> u64 {
        self.waiting() + total(&self.running)
    }
}

/// The sum over all priorities.
pub(crate) fn total(numbers: &ByPriority) -> u64 {
    numbers.iter().sum()
}
