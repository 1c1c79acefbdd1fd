//! The ledger: what was accepted, and what became of it. The counters only rise, and they are
//! kept with the records, so neither a restart nor forgetting ended runs changes them.

use crate::history::RunRecord;
use crate::messages::{RunState, StepStats};
use crate::run::{Begun, Event};

/// Counters of runs and of steps, apart.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    pub accepted: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub steps: StepStats,
}

impl Counters {
    /// Counts what a record tells, but for how its run stands.
    pub(crate) fn count(&mut self, record: &RunRecord) {
        for event in &record.events {
            match event {
                Event::Opened(_) => self.accepted += 1,
                Event::Started { begun: Begun::Execution, .. }
                | Event::Again { begun: Begun::Execution, .. }
                | Event::Lost { .. }
                | Event::Redispatched { .. } => self.steps.executions += 1,
                Event::Succeeded { .. } | Event::MessageTaken { .. } | Event::Joined { .. } => {
                    self.steps.completed += 1;
                }
                Event::Failed { .. } => self.steps.failed += 1,
                Event::Retrying { .. } => self.steps.retried += 1,
                _ => {}
            }
        }
    }

    /// Counts a run that has ended so.
    pub(crate) fn ended(&mut self, state: RunState) {
        match state {
            RunState::Completed => self.completed += 1,
            RunState::Failed => self.failed += 1,
            RunState::Cancelled => self.cancelled += 1,
            _ => {}
        }
    }

    /// Runs that have not ended.
    pub(crate) fn open(&self) -> u64 {
        self.accepted.saturating_sub(self.completed + self.failed + self.cancelled)
    }
}
