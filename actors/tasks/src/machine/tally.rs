//! The numbers of the engine, as users see them.

use std::collections::BTreeMap;

use synod_runtime::Priority;

use super::counters::{ByPriority, total};
use super::view::time;
use super::{PartCounters, TaskMachine};
use crate::matching::Agent;
use crate::messages::{
    AgentStats, BiddingStats, EnginePhase, EngineStatsResponse, ExecutionStats, LatencyStats,
    LedgerStats, PartStats, PriorityStats,
};
use crate::task::{Moment, TaskState};

/// Most agents in the answer.
const MAX_AGENTS: usize = 256;

impl TaskMachine {
    /// The ledger of tasks.
    pub(crate) fn ledger(&self) -> LedgerStats {
        let counters = &self.book.counters;
        LedgerStats {
            accepted: total(&counters.accepted),
            open: self.book.open.all(),
            completed: total(&counters.completed),
            failed: total(&counters.failed),
            cancelled: total(&counters.cancelled),
            balanced: self.book.is_balanced(),
        }
    }

    /// The ledger of executions that their callers keep.
    pub(crate) fn executions(&self) -> ExecutionStats {
        self.executions.stats()
    }

    /// Times of ended tasks since the engine began.
    pub(crate) fn latency(&self) -> LatencyStats {
        self.stats.latency()
    }

    /// All numbers. `phase` is the shell's to know.
    pub(crate) fn stats(&mut self, now: Moment, phase: EnginePhase) -> EngineStatsResponse {
        let began = now.utc.saturating_sub(i64::try_from(now.mono).unwrap_or(0));
        EngineStatsResponse {
            phase,
            ledger: self.ledger(),
            parts: parts(&self.book.counters.parts),
            executions: self.executions(),
            by_state: self.by_state(),
            by_priority: self.by_priority(),
            queue_depth: (self.matching.queued().iter().sum::<usize>() + self.rounds.len()) as u64,
            throughput: self.stats.throughput(now.mono),
            latency: self.latency(),
            late_results: self.stats.late,
            bidding: BiddingStats { open: self.rounds.len() as u64, ..self.stats.bidding },
            kept: self.book.ended.len() as u64,
            idempotency_keys: self.book.keys.len() as u64,
            agents_total: self.matching.agents() as u64,
            agents: self.busiest(),
            capabilities: self.stats.capabilities(),
            since: time(began),
        }
    }

    fn by_state(&self) -> BTreeMap<String, u64> {
        let (open, counters) = (&self.book.open, &self.book.counters);
        let numbers = [
            (TaskState::Pending, &open.pending),
            (TaskState::Queued, &open.queued),
            (TaskState::Running, &open.running),
            (TaskState::Completed, &counters.completed),
            (TaskState::Failed, &counters.failed),
            (TaskState::Cancelled, &counters.cancelled),
        ];
        numbers.into_iter().map(|(state, count)| (state.to_string(), total(count))).collect()
    }

    fn by_priority(&self) -> BTreeMap<String, PriorityStats> {
        let (open, counters) = (&self.book.open, &self.book.counters);
        let of = |priority: Priority| {
            let at = |numbers: &ByPriority| numbers[priority.lane()];
            PriorityStats {
                accepted: at(&counters.accepted),
                pending: at(&open.pending),
                queued: at(&open.queued),
                running: at(&open.running),
                completed: at(&counters.completed),
                failed: at(&counters.failed),
                cancelled: at(&counters.cancelled),
            }
        };
        Priority::ALL.into_iter().map(|priority| (priority.to_string(), of(priority))).collect()
    }

    /// The agents with the most executions since the engine began.
    fn busiest(&self) -> Vec<AgentStats> {
        let executions = |agent: &&Agent| {
            let counts = &agent.counts;
            counts.completed + counts.failed + counts.lost + counts.refused
        };
        let mut agents: Vec<&Agent> = self.matching.roster().collect();
        if agents.len() > MAX_AGENTS {
            agents.select_nth_unstable_by_key(MAX_AGENTS, |agent| u64::MAX - executions(agent));
            agents.truncate(MAX_AGENTS);
        }
        agents.sort_unstable_by(|one, other| {
            executions(other).cmp(&executions(one)).then_with(|| one.label.cmp(&other.label))
        });
        agents.into_iter().map(agent_stats).collect()
    }
}

fn agent_stats(agent: &Agent) -> AgentStats {
    AgentStats {
        id: agent.card.id.to_string(),
        version: agent.card.version.to_string(),
        running: agent.running,
        capacity: agent.card.limits.max_concurrent_tasks,
        completed: agent.counts.completed,
        failed: agent.counts.failed,
        lost: agent.counts.lost,
        refused: agent.counts.refused,
        latency_ms: agent.measure.latency_us() / 1_000.0,
        success_rate: agent.measure.success(),
    }
}

fn parts(counters: &PartCounters) -> PartStats {
    PartStats {
        planned: counters.planned,
        completed: counters.completed,
        failed: counters.failed,
        cancelled: counters.cancelled,
        executions: counters.started,
        retried: counters.retried,
        lost: counters.lost,
        returned: counters.returned,
    }
}
