//! The books of a run: what was acknowledged to it, by mode, against the engine's own ledger.

use std::collections::BTreeMap;

use synod_tasks::{LedgerStats, TaskMode, TaskStatusResponse};

use super::client::Client;
use crate::error::TriageError;
use crate::report::{Ledger, ModeLine};

/// Counts the tasks of a run as they end.
pub(super) struct Books {
    before: LedgerStats,
    acknowledged: u64,
    by_mode: BTreeMap<TaskMode, u64>,
}

impl Books {
    /// Opens the books: what the engine did before does not belong to the run.
    pub(super) async fn open(client: &Client) -> Result<Self, TriageError> {
        let before = client.stats().await?.ledger;
        Ok(Self { before, acknowledged: 0, by_mode: BTreeMap::new() })
    }

    /// Enters a task that ended with a result.
    pub(super) fn enter(&mut self, status: &TaskStatusResponse) {
        self.acknowledged += 1;
        *self.by_mode.entry(status.mode).or_default() += 1;
    }

    /// Enters a task that ended without one.
    pub(super) fn enter_failed(&mut self, mode: TaskMode) {
        self.acknowledged += 1;
        *self.by_mode.entry(mode).or_default() += 1;
    }

    /// Closes the books: the engine's ledger since they were opened, and the tasks by mode.
    pub(super) async fn close(
        self,
        client: &Client,
    ) -> Result<(Ledger, Vec<ModeLine>), TriageError> {
        let (before, after) = (self.before, client.stats().await?.ledger);
        let ledger = Ledger {
            accepted: after.accepted.saturating_sub(before.accepted) + before.open,
            completed: after.completed.saturating_sub(before.completed),
            failed: after.failed.saturating_sub(before.failed),
            cancelled: after.cancelled.saturating_sub(before.cancelled),
            open: after.open,
            acknowledged: self.acknowledged,
        };
        let line = |(mode, tasks): (TaskMode, u64)| ModeLine {
            mode: mode.as_str().to_owned(),
            tasks,
            purpose: purpose(mode).to_owned(),
        };
        Ok((ledger, self.by_mode.into_iter().map(line).collect()))
    }
}

/// What the run uses a mode for.
fn purpose(mode: TaskMode) -> &'static str {
    match mode {
        TaskMode::Single => "the clerk quotes lines that show a finding",
        TaskMode::Sequential => {
            "the auditor checks that no line is missing, then one digest is made"
        }
        TaskMode::Parallel => "three detectors look at the digest side by side",
        TaskMode::Pipeline => "the reader splits and dates a chunk, the miner groups its lines",
        TaskMode::Consensus => "three judges vote on a finding",
        TaskMode::Competitive => "two reporters tell the findings, the first account is taken",
    }
}
