//! Which nodes of a cluster host an agent.

use std::collections::{BTreeMap, BTreeSet};

use synod_runtime::ConfigFault;

use crate::id::AgentId;
use crate::named::named;

/// Most nodes that may be asked to host an agent, and most labels and agents that a rule may name.
const MOST_INSTANCES: u32 = 1_000;
const MOST_NAMES: usize = 64;

named! {
    /// Whether each node that configures an agent hosts it.
    #[derive(Default)]
    pub enum Place {
        /// Each does.
        #[default]
        Node = "node",
        /// A few do, which the cluster chooses. A node alone hosts it itself.
        Cluster = "cluster",
    }
}

/// How the cluster chooses the nodes that host an agent, of those that have it in their code or
/// configuration. It is known by its id: nodes that have other versions of it host it as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placing {
    /// How many nodes host it; 1 to 1,000. Fewer do when no more can.
    pub instances: u32,
    /// Labels that a node must have, with these values (`cluster.labels`); at most 64.
    pub require: BTreeMap<String, String>,
    /// Agents that must not be on the same node, which holds both ways; at most 64.
    pub apart_from: BTreeSet<AgentId>,
}

impl Default for Placing {
    fn default() -> Self {
        Self { instances: 1, require: BTreeMap::new(), apart_from: BTreeSet::new() }
    }
}

impl Placing {
    /// On so many nodes.
    #[must_use]
    pub fn instances(mut self, instances: u32) -> Self {
        self.instances = instances;
        self
    }

    /// Only on nodes with this label.
    #[must_use]
    pub fn require(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.require.insert(label.into(), value.into());
        self
    }

    /// Never beside this agent.
    #[must_use]
    pub fn apart_from(mut self, agent: AgentId) -> Self {
        self.apart_from.insert(agent);
        self
    }

    /// All that is wrong with it, with the keys of a configuration.
    #[must_use]
    pub fn faults(&self) -> Vec<ConfigFault> {
        let mut faults = Vec::new();
        let mut within = |key: &str, got: usize, least: usize, most: usize| {
            if !(least..=most).contains(&got) {
                faults
                    .push(ConfigFault::new(key, format!("expected {least} to {most}, got {got}")));
            }
        };
        let instances = usize::try_from(self.instances).unwrap_or(usize::MAX);
        within("instances", instances, 1, MOST_INSTANCES as usize);
        within("require", self.require.len(), 0, MOST_NAMES);
        within("apart_from", self.apart_from.len(), 0, MOST_NAMES);
        faults
    }
}

/// The keys of an agent's configuration that say where it is hosted.
#[derive(Debug, Clone, Copy)]
pub struct PlacingKeys<'a> {
    /// `place`.
    pub place: Place,
    /// `instances`, if it is there.
    pub instances: Option<u32>,
    /// `require`.
    pub require: &'a BTreeMap<String, String>,
    /// `apart_from`.
    pub apart_from: &'a BTreeSet<AgentId>,
}

impl PlacingKeys<'_> {
    /// What they say; none for an agent of each node.
    #[must_use]
    pub fn placing(&self) -> Option<Placing> {
        let placing = || Placing {
            instances: self.instances.unwrap_or(1),
            require: self.require.clone(),
            apart_from: self.apart_from.clone(),
        };
        (self.place == Place::Cluster).then(placing)
    }

    /// All that is wrong with them.
    #[must_use]
    pub fn faults(&self) -> Vec<ConfigFault> {
        if let Some(placing) = self.placing() {
            return placing.faults();
        }
        let given = [
            ("instances", self.instances.is_some()),
            ("require", !self.require.is_empty()),
            ("apart_from", !self.apart_from.is_empty()),
        ];
        let given = given.into_iter().filter(|(_, is_given)| *is_given);
        let fault = |(key, _)| {
            let reason = "expected beside it `place = \"cluster\"`, got `place = \"node\"`: \
                          each node that configures the agent hosts it";
            ConfigFault::new(key, reason)
        };
        given.map(fault).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::process::ProcessAgentConfig;

    use super::*;

    fn read(keys: &str) -> ProcessAgentConfig {
        let entry = format!(r#"{{"id": "a", "command": "cat", "capabilities": ["x"], {keys}}}"#);
        serde_json::from_str(&entry).unwrap()
    }

    #[test]
    fn the_keys_of_a_configuration_say_where_an_agent_is_hosted() {
        assert_eq!(read(r#""place": "node""#).placing(), None);
        let config = read(
            r#""place": "cluster", "instances": 2, "apart_from": ["b"],
                "require": {"disk": "ssd"}"#,
        );
        let other = AgentId::new("b").unwrap();
        let expected = Placing::default().instances(2).require("disk", "ssd").apart_from(other);
        assert_eq!((config.placing(), config.validate()), (Some(expected), Ok(())));
    }

    #[test]
    fn what_is_out_of_range_or_without_effect_is_named() {
        let keys = |config: &ProcessAgentConfig| -> Vec<String> {
            config.validate().unwrap_err().into_iter().map(|fault| fault.key).collect()
        };
        assert_eq!(keys(&read(r#""place": "cluster", "instances": 0"#)), ["instances"]);
        let idle = read(r#""instances": 2, "require": {"a": "b"}, "apart_from": ["b"]"#);
        assert_eq!(keys(&idle), ["instances", "require", "apart_from"]);
    }
}
