//! Numbers of the workflow engine, as users see them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use synod_runtime::Ask;
use synod_tasks::{EnginePhase, LedgerStats, Quantiles, ThroughputStats};

use crate::config::WorkflowsConfig;

/// The numbers of the engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkflowStats {}

impl Ask for WorkflowStats {
    type Reply = WorkflowStatsResponse;
}

/// The numbers of the workflow engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkflowStatsResponse {
    /// What the engine does at the moment.
    pub phase: EnginePhase,
    /// The ledger of runs.
    pub ledger: LedgerStats,
    /// Runs by state: the open ones now, the ended ones since the first start.
    pub by_state: BTreeMap<String, u64>,
    /// What happened to steps since the first start.
    pub steps: StepStats,
    /// Runs that have an actor at the moment.
    pub active: u64,
    /// Runs that wait without one.
    pub parked: u64,
    /// Approvals that are open.
    pub open_approvals: u64,
    /// Runs per second over the last 1, 5 and 15 minutes.
    pub throughput: ThroughputStats,
    /// Times of runs that ended since this start.
    pub latency: RunLatency,
    /// Ended runs that are kept.
    pub kept: u64,
    /// Definitions that are kept by name, in all their versions.
    pub definitions: u64,
    /// Bytes of events that are kept in memory.
    pub history_bytes: u64,
    /// When this engine started.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// What happened to steps since the first start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepStats {
    /// Executions begun.
    pub executions: u64,
    /// Steps that completed.
    pub completed: u64,
    /// Steps that failed.
    pub failed: u64,
    /// Executions that ended in an error and were followed by another attempt.
    pub retried: u64,
}

/// Times of ended runs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunLatency {
    /// From acceptance to admission.
    pub admission: Quantiles,
    /// From acceptance to the end.
    pub total: Quantiles,
}

/// Does the engine work? Answered at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkflowHealth {}

impl Ask for WorkflowHealth {
    type Reply = WorkflowHealthResponse;
}

/// Whether the engine works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkflowHealthResponse {
    /// What it does at the moment.
    pub phase: EnginePhase,
    /// Whether runs are accepted.
    pub accepting: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// Accept no more, begin no further step, and let what runs end within this time; what has not
/// ended then goes on at the next start. Answered when it is done.
#[derive(Debug, Clone, Copy)]
pub struct DrainWorkflows {
    /// How long running executions have.
    pub within: Duration,
}

impl Ask for DrainWorkflows {
    type Reply = WorkflowsDrained;
}

/// The engine is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkflowsDrained {
    /// Runs that are open, and go on at the next start.
    pub open: u64,
    /// Of these, runs with executions that did not end in time and are done again.
    pub interrupted: u64,
}

/// Work by this configuration from now on.
#[derive(Debug, Clone)]
pub struct Reconfigure {
    /// The new configuration; already validated.
    pub config: WorkflowsConfig,
}

impl Ask for Reconfigure {
    type Reply = ();
}
