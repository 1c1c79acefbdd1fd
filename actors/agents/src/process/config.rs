//! The configuration of one agent that is a child process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use semver::Version;
use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use crate::card::{AgentCard, AgentKind, AgentLimits, Capability};
use crate::id::AgentId;
use crate::placing::{Place, Placing, PlacingKeys};

/// Time that a program which was killed may take to be gone.
const AFTER_GRACE: Duration = Duration::from_secs(1);

/// One entry of `[[agents.process]]`. Such agents come from configuration or code alone: started
/// by a request, they would let that request run any program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessAgentConfig {
    /// Identifier of the agent. Required.
    pub id: AgentId,
    /// Its semantic version; default 1.0.0. A program that names another one is not used.
    #[serde(default = "first_version")]
    pub version: Version,
    /// What it does, for people.
    #[serde(default)]
    pub description: String,
    /// What it can do; names, or objects with schemas. Required.
    pub capabilities: Vec<Capability>,
    /// The conversation protocols it speaks. Default none.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// How much it takes on. `max_concurrent_tasks` requests are pipelined to the one child.
    #[serde(default)]
    pub limits: AgentLimits,
    /// The program: a path, or a name that is looked up in `path`. Required.
    pub command: String,
    /// Its arguments; no shell reads them.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment, beside `PATH`; nothing of the node's own environment is passed on.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Its `PATH`; default: the node's.
    #[serde(default)]
    pub path: Option<String>,
    /// Its working folder; default: the node's.
    #[serde(default)]
    pub working_folder: Option<PathBuf>,
    /// Longest line it may write, in bytes; 1,024 to 67,108,864, default 4,194,304.
    #[serde(default = "four_mebibytes")]
    pub max_line_bytes: usize,
    /// Most lines it may write in a second, counted over the last seconds; 1 to 1,000,000,
    /// default 5,000.
    #[serde(default = "five_thousand")]
    pub max_lines_per_s: u32,
    /// Time to answer `initialize`, in milliseconds; 10 to 600,000, default 10,000.
    #[serde(default = "ten_thousand")]
    pub init_timeout_ms: u64,
    /// How often it is asked for a sign of life, in milliseconds; 10 to 3,600,000, default 10,000.
    #[serde(default = "ten_thousand")]
    pub ping_ms: u64,
    /// Time to answer `ping`, in milliseconds; 10 to 600,000, default 5,000.
    #[serde(default = "five_seconds")]
    pub ping_timeout_ms: u64,
    /// Time between SIGTERM and SIGKILL when it is stopped, in milliseconds; 0 to 60,000,
    /// default 2,000.
    #[serde(default = "two_seconds")]
    pub stop_grace_ms: u64,
    /// Which nodes of a cluster host it: `node` (default), each that configures it; or `cluster`,
    /// as many as `instances` says, of those that configure it.
    #[serde(default)]
    pub place: Place,
    /// How many nodes host it, with `place = "cluster"`; 1 to 1,000, default 1.
    #[serde(default)]
    pub instances: Option<u32>,
    /// Labels that a node must have to host it, with `place = "cluster"`.
    #[serde(default)]
    pub require: BTreeMap<String, String>,
    /// Agents that must not be on the same node, with `place = "cluster"`.
    #[serde(default)]
    pub apart_from: BTreeSet<AgentId>,
}

fn first_version() -> Version {
    Version::new(1, 0, 0)
}

fn four_mebibytes() -> usize {
    4 << 20
}

fn five_thousand() -> u32 {
    5_000
}

fn ten_thousand() -> u64 {
    10_000
}

fn five_seconds() -> u64 {
    5_000
}

fn two_seconds() -> u64 {
    2_000
}

impl ProcessAgentConfig {
    /// An agent with this id that runs `command`; everything else at its default.
    #[must_use]
    pub fn new(id: AgentId, command: impl Into<String>) -> Self {
        Self {
            id,
            version: first_version(),
            description: String::new(),
            capabilities: Vec::new(),
            protocols: Vec::new(),
            limits: AgentLimits::default(),
            command: command.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            path: None,
            working_folder: None,
            max_line_bytes: four_mebibytes(),
            max_lines_per_s: five_thousand(),
            init_timeout_ms: ten_thousand(),
            ping_ms: ten_thousand(),
            ping_timeout_ms: five_seconds(),
            stop_grace_ms: two_seconds(),
            place: Place::default(),
            instances: None,
            require: BTreeMap::new(),
            apart_from: BTreeSet::new(),
        }
    }

    /// Adds a capability.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<Capability>) -> Self {
        self.capabilities.push(capability.into());
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.args.push(argument.into());
        self
    }

    /// The card of the agent.
    #[must_use]
    pub fn card(&self) -> AgentCard {
        let mut card = AgentCard::new(self.id.as_str(), self.version.to_string())
            .description(&self.description)
            .limits(self.limits)
            .kind(AgentKind::Process);
        card.capabilities.clone_from(&self.capabilities);
        card.protocols.clone_from(&self.protocols);
        card
    }

    /// The longest that its program takes to end, after its work has.
    #[must_use]
    pub fn ends_within(&self) -> Duration {
        Duration::from_millis(self.stop_grace_ms) + AFTER_GRACE
    }

    /// How the cluster places it; none for an agent of each node that configures it.
    #[must_use]
    pub fn placing(&self) -> Option<Placing> {
        self.placing_keys().placing()
    }

    fn placing_keys(&self) -> PlacingKeys<'_> {
        PlacingKeys {
            place: self.place,
            instances: self.instances,
            require: &self.require,
            apart_from: &self.apart_from,
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// All that is wrong, with keys relative to this entry.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        if let Err(found) = self.card().validate() {
            faults.extend(found.into_iter().map(|fault| {
                let reason = format!("expected {}, got {}", fault.expected, fault.got);
                ConfigFault::new(fault.field, reason)
            }));
        }
        if self.command.trim().is_empty() {
            faults.push(ConfigFault::new("command", "is empty; name the program to run"));
        }
        let ranges = [
            ("max_line_bytes", self.max_line_bytes as u64, 1_024, 64 << 20),
            ("max_lines_per_s", self.max_lines_per_s.into(), 1, 1_000_000),
            ("init_timeout_ms", self.init_timeout_ms, 10, 600_000),
            ("ping_ms", self.ping_ms, 10, 3_600_000),
            ("ping_timeout_ms", self.ping_timeout_ms, 10, 600_000),
            ("stop_grace_ms", self.stop_grace_ms, 0, 60_000),
        ];
        for (key, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                faults.push(ConfigFault::new(key, format!("{value} is not in {low} to {high}")));
            }
        }
        faults.extend(self.placing_keys().faults());
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_command_and_capabilities_are_enough() {
        let entry = r#"{"id": "a", "command": "cat", "capabilities": ["x"]}"#;
        let config: ProcessAgentConfig = serde_json::from_str(entry).unwrap();
        assert_eq!(config, ProcessAgentConfig::new(config.id.clone(), "cat").capability("x"));
        assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn faults_of_the_card_and_of_the_process_are_named_alike() {
        let mut config = ProcessAgentConfig::new(AgentId::new("a").unwrap(), " ");
        config.ping_ms = 0;
        let keys: Vec<_> = config.validate().unwrap_err().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["capabilities", "command", "ping_ms"]);
    }
}
