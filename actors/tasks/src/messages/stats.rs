//! Numbers of the engine, as users see them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::execution::ExecutionStats;
use crate::bidding::{Said, Unfit};

/// The numbers of the task engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EngineStatsResponse {
    /// What the engine does at the moment.
    pub phase: EnginePhase,
    /// The ledger of tasks.
    pub ledger: LedgerStats,
    /// The ledger of parts, which are counted apart.
    pub parts: PartStats,
    /// The ledger of executions that their callers keep (steps of workflows), which are no tasks.
    #[serde(default)]
    pub executions: ExecutionStats,
    /// Tasks by state: the open ones now, the ended ones since the first start.
    pub by_state: BTreeMap<String, u64>,
    /// Tasks by priority.
    pub by_priority: BTreeMap<String, PriorityStats>,
    /// Executions that wait for an agent.
    pub queue_depth: u64,
    /// Tasks per second over the last 1, 5 and 15 minutes.
    pub throughput: ThroughputStats,
    /// Times of ended tasks since this start.
    pub latency: LatencyStats,
    /// Results that came after their execution had been given up, since this start.
    pub late_results: u64,
    /// Rounds in which agents were asked who does a part, since this start.
    #[serde(default)]
    pub bidding: BiddingStats,
    /// Ended tasks that are kept.
    pub kept: u64,
    /// Idempotency keys that are kept.
    pub idempotency_keys: u64,
    /// How many agents there are.
    pub agents_total: u64,
    /// The agents with the most executions since this start, at most 256.
    pub agents: Vec<AgentStats>,
    /// Required capabilities, at most 256.
    pub capabilities: BTreeMap<String, CapabilityStats>,
    /// When this engine started.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// What the engine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EnginePhase {
    /// It reads its state from the journal, and answers nothing else yet.
    Recovering,
    /// It works.
    Running,
    /// The journal takes nothing, so neither does the engine; what is stored can be read.
    Refusing,
    /// It accepts no more and lets what runs end.
    Draining,
    /// It is drained.
    Drained,
}

/// `accepted = open + completed + failed + cancelled`, at all times.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LedgerStats {
    /// Tasks accepted since the first start.
    pub accepted: u64,
    /// Tasks that have not ended.
    pub open: u64,
    /// Tasks that ended with a result.
    pub completed: u64,
    /// Tasks that ended with an error.
    pub failed: u64,
    /// Tasks that were cancelled.
    pub cancelled: u64,
    /// Whether the equation holds.
    pub balanced: bool,
}

impl LedgerStats {
    /// Both ledgers as one.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        // Of nothing, nothing is out of balance.
        let balanced = (self == Self::default() || self.balanced) && other.balanced;
        Self {
            accepted: self.accepted + other.accepted,
            open: self.open + other.open,
            completed: self.completed + other.completed,
            failed: self.failed + other.failed,
            cancelled: self.cancelled + other.cancelled,
            balanced,
        }
    }
}

/// Parts and their executions since the first start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PartStats {
    /// Parts planned.
    pub planned: u64,
    /// Parts that are done.
    pub completed: u64,
    /// Parts that failed.
    pub failed: u64,
    /// Parts that were cancelled.
    pub cancelled: u64,
    /// Executions begun.
    pub executions: u64,
    /// Executions that ended in an error and were followed by another attempt.
    pub retried: u64,
    /// Executions that were lost.
    pub lost: u64,
    /// Executions that were handed back undone.
    pub returned: u64,
}

/// Rounds in which agents were asked who does a part (`contract_net`, `auction`, `consensus`),
/// since this start. An answer is counted once, under what it was.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BiddingStats {
    /// Rounds that are open.
    pub open: u64,
    /// Rounds that were begun.
    pub rounds: u64,
    /// Of these, those decided without a question, as many as may be being open.
    pub unasked: u64,
    /// Agents that were asked.
    pub asked: u64,
    /// Bids and votes that counted.
    pub taken: u64,
    /// Refusals.
    pub refused: u64,
    /// Agents that gave no answer in time.
    pub silent: u64,
    /// Agents that did not understand.
    pub not_understood: u64,
    /// Answers that were no bid or vote that could be read, or too large.
    pub malformed: u64,
    /// Bids with a number that is negative, infinite or none.
    pub out_of_range: u64,
    /// Votes for somebody there was not to choose from.
    pub not_on_offer: u64,
    /// Answers that came too late, twice, or from somebody who was not asked.
    pub late: u64,
    /// Executions given out by what was decided in a round.
    pub awarded: u64,
    /// Rounds in which all refused.
    pub fruitless: u64,
}

impl BiddingStats {
    /// Counts an answer.
    pub(crate) fn count(&mut self, said: &Said) {
        let counter = match said {
            Said::Bid(_) | Said::Vote(_) => &mut self.taken,
            Said::Refused => &mut self.refused,
            Said::Silent => &mut self.silent,
            Said::Unfit(Unfit::NotUnderstood) => &mut self.not_understood,
            Said::Unfit(Unfit::Malformed | Unfit::TooLarge) => &mut self.malformed,
            Said::Unfit(Unfit::OutOfRange) => &mut self.out_of_range,
            Said::Unfit(Unfit::NotOnOffer) => &mut self.not_on_offer,
        };
        *counter += 1;
    }
}

/// Tasks of one priority: the open ones now, the others since the first start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PriorityStats {
    /// Accepted.
    pub accepted: u64,
    /// Waiting for time, or for an agent to appear.
    pub pending: u64,
    /// Waiting for an agent to be free.
    pub queued: u64,
    /// With an agent.
    pub running: u64,
    /// Ended with a result.
    pub completed: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Cancelled.
    pub cancelled: u64,
}

/// Tasks per second.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ThroughputStats {
    /// Accepted.
    pub accepted: Windows,
    /// Ended, in whatever way.
    pub ended: Windows,
}

/// A rate per second over three windows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Windows {
    /// Over the last minute.
    pub m1: f64,
    /// Over the last 5 minutes.
    pub m5: f64,
    /// Over the last 15 minutes.
    pub m15: f64,
}

/// Times of ended tasks.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LatencyStats {
    /// From acceptance to the first execution.
    pub queue: Quantiles,
    /// From the first execution to the end.
    pub run: Quantiles,
    /// From acceptance to the end.
    pub total: Quantiles,
}

/// Quantiles in milliseconds, within 1.6 %.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Quantiles {
    /// How many tasks were measured.
    pub count: u64,
    /// Half were quicker.
    pub p50_ms: f64,
    /// 90 % were quicker.
    pub p90_ms: f64,
    /// 99 % were quicker.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// The executions of one agent since this start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AgentStats {
    /// Which agent.
    pub id: String,
    /// Which version of it.
    pub version: String,
    /// Executions it has in hand.
    pub running: u32,
    /// Executions it may have in hand.
    pub capacity: u32,
    /// Executions that succeeded.
    pub completed: u64,
    /// Executions that failed.
    pub failed: u64,
    /// Executions that were lost.
    pub lost: u64,
    /// Executions it refused.
    pub refused: u64,
    /// Smoothed time of an execution.
    pub latency_ms: f64,
    /// Smoothed share of executions that succeeded, 0 to 1.
    pub success_rate: f64,
}

/// The executions for one required capability since this start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CapabilityStats {
    /// Executions that succeeded.
    pub completed: u64,
    /// Executions that failed.
    pub failed: u64,
    /// Executions that were lost.
    pub lost: u64,
    /// Mean time of an execution that succeeded.
    pub mean_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_ledgers_is_balanced_only_if_all_are() {
        let ledger = |open, balanced| LedgerStats {
            accepted: 3,
            open,
            completed: 3 - open,
            balanced,
            ..LedgerStats::default()
        };
        let sum = LedgerStats::default().plus(ledger(1, true)).plus(ledger(0, true));
        assert_eq!((sum.accepted, sum.open, sum.completed, sum.balanced), (6, 1, 5, true));
        assert!(!sum.plus(ledger(1, false)).balanced);
        assert!(!ledger(1, false).plus(ledger(0, true)).balanced);
    }
}
