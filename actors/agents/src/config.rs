//! The section `agents` of the node's configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::{Backoff, ConfigFault};

use crate::card::AgentLimits;
use crate::named::named;
use crate::process::ProcessAgentConfig;

named! {
    /// What becomes of work that a remote agent never acknowledged.
    pub enum Undelivered {
        /// It counts as lost: the task queues it again.
        Requeue = "requeue",
        /// It becomes a dead letter and the work fails for good.
        DeadLetter = "dead_letter",
    }
}

/// How agents are hosted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentsConfig {
    /// Most agents on this node, all versions counted; 1 to 1,000,000, default 200,000.
    pub max_agents: usize,
    /// A remote agent that was registered at run time and has not been heard of for this long is
    /// retired, in seconds; 0 to 2,592,000, default 1,800. 0 means never.
    pub inactive_after_s: u64,
    /// How often silent agents are looked for, in seconds; 1 to 3,600, default 5. An agent is
    /// retired at most this much later than `inactive_after_s` says.
    pub sweep_s: u64,
    /// How often a connected program is asked for a sign of life, in seconds; 1 to 3,600,
    /// default 20. A connection that is silent for three times as long is closed.
    pub heartbeat_s: u64,
    /// Time a remote agent has to acknowledge work, in milliseconds; 10 to 600,000, default 5,000.
    pub ack_ms: u64,
    /// How often work is handed to a remote agent before it counts as undelivered; 1 to 100,
    /// default 3.
    pub max_deliveries: u32,
    /// What becomes of undelivered work: `requeue` (default) or `dead_letter`.
    pub undelivered: Undelivered,
    /// Time between the request to stop and the work being dropped, in milliseconds; 0 to
    /// 600,000, default 5,000. A card's own `grace_ms` goes first.
    pub grace_ms: u64,
    /// Longest time the start of an instance may take, in milliseconds; 1 to 600,000, default
    /// 30,000.
    pub start_timeout_ms: u64,
    /// Threads of one agent that were abandoned and still run, above which it takes no more
    /// work; 1 to 1,024, default 8.
    pub max_abandoned_threads: u32,
    /// Wait before the first restart of a worker or child process, in milliseconds; 0 to
    /// 600,000, default 100. Each further wait doubles.
    pub restart_initial_ms: u64,
    /// Longest wait before a restart, in milliseconds; at least `restart_initial_ms`, at most
    /// 3,600,000, default 30,000.
    pub restart_max_ms: u64,
    /// Agents that are child processes. Default none.
    pub process: Vec<ProcessAgentConfig>,
}

impl Default for AgentsConfig {
    fn default() -> Self {
        Self {
            max_agents: 200_000,
            inactive_after_s: 1_800,
            sweep_s: 5,
            heartbeat_s: 20,
            ack_ms: 5_000,
            max_deliveries: 3,
            undelivered: Undelivered::Requeue,
            grace_ms: 5_000,
            start_timeout_ms: 30_000,
            max_abandoned_threads: 8,
            restart_initial_ms: 100,
            restart_max_ms: 30_000,
            process: Vec::new(),
        }
    }
}

impl AgentsConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// All that is wrong, with keys relative to this section.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        let ranges = [
            ("max_agents", self.max_agents as u64, 1, 1_000_000),
            ("inactive_after_s", self.inactive_after_s, 0, 2_592_000),
            ("sweep_s", self.sweep_s, 1, 3_600),
            ("heartbeat_s", self.heartbeat_s, 1, 3_600),
            ("ack_ms", self.ack_ms, 10, 600_000),
            ("max_deliveries", self.max_deliveries.into(), 1, 100),
            ("grace_ms", self.grace_ms, 0, 600_000),
            ("start_timeout_ms", self.start_timeout_ms, 1, 600_000),
            ("max_abandoned_threads", self.max_abandoned_threads.into(), 1, 1_024),
            ("restart_initial_ms", self.restart_initial_ms, 0, 600_000),
            ("restart_max_ms", self.restart_max_ms, self.restart_initial_ms, 3_600_000),
        ];
        for (key, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                faults.push(ConfigFault::new(key, format!("{value} is not in {low} to {high}")));
            }
        }
        self.check_processes(&mut faults);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn check_processes(&self, faults: &mut Vec<ConfigFault>) {
        let mut keys = std::collections::BTreeSet::new();
        for (index, agent) in self.process.iter().enumerate() {
            let section = format!("process[{index}]");
            if let Err(found) = agent.validate() {
                faults.extend(found.into_iter().map(|fault| fault.within(&section)));
            }
            if !keys.insert((&agent.id, &agent.version)) {
                let reason = format!("{}@{} is there twice", agent.id, agent.version);
                faults.push(ConfigFault::new(format!("{section}.id"), reason));
            }
        }
    }

    /// Time between the request to stop and the work being dropped, of an agent with these limits.
    #[must_use]
    pub fn grace(&self, limits: &AgentLimits) -> Duration {
        Duration::from_millis(limits.grace_ms.unwrap_or(self.grace_ms))
    }

    /// The wait before restarts of workers and child processes.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        Backoff {
            initial: Duration::from_millis(self.restart_initial_ms),
            max: Duration::from_millis(self.restart_max_ms),
            ..Backoff::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(AgentsConfig::default().validate(), Ok(()));
    }

    #[test]
    fn every_value_out_of_range_is_named() {
        let config = AgentsConfig {
            max_agents: 0,
            ack_ms: 1,
            restart_initial_ms: 500,
            restart_max_ms: 100,
            ..AgentsConfig::default()
        };
        let keys: Vec<_> = config.validate().unwrap_err().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["max_agents", "ack_ms", "restart_max_ms"]);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = serde_json::from_str::<AgentsConfig>(r#"{"ack": 1}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `ack`"), "{error}");
    }
}
