//! The section `http`: agents that are HTTP endpoints, and limits of all calls to such agents.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_agents::{
    AgentCard, AgentId, AgentKind, AgentLimits, Capability, Place, Placing, PlacingKeys,
};
use synod_runtime::ConfigFault;

use super::endpoint::{Endpoint, EndpointRefused};

/// Settings of agents of kind `http`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Time to connect to an endpoint, in milliseconds; 10 to 600,000, default 5,000.
    pub connect_timeout_ms: u64,
    /// Most bytes of an answer; 1,024 to 268,435,456, default 4,194,304.
    pub max_response_bytes: usize,
    /// Redirects followed within one endpoint's own scheme, host and port; 0 to 10, default 3.
    pub max_redirects: usize,
    /// Agents that are there from the start. Default none.
    pub agent: Vec<HttpAgentConfig>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 5_000,
            max_response_bytes: 4 << 20,
            max_redirects: 3,
            agent: Vec::new(),
        }
    }
}

impl HttpConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// All that is wrong, with keys relative to this section.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        let ranges = [
            ("connect_timeout_ms", self.connect_timeout_ms, 10, 600_000),
            ("max_response_bytes", self.max_response_bytes as u64, 1_024, 256 << 20),
            ("max_redirects", self.max_redirects as u64, 0, 10),
        ];
        for (key, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                faults.push(ConfigFault::new(key, format!("{value} is not in {low} to {high}")));
            }
        }
        let mut keys = std::collections::BTreeSet::new();
        for (index, agent) in self.agent.iter().enumerate() {
            let section = format!("agent[{index}]");
            faults.extend(agent.faults().into_iter().map(|fault| fault.within(&section)));
            if !keys.insert((&agent.id, &agent.version)) {
                let reason = format!("{}@{} is there twice", agent.id, agent.version);
                faults.push(ConfigFault::new(format!("{section}.id"), reason));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Time to connect.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }
}

/// One agent of kind `http`: its card, without what the kind decides, and headers for its requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpAgentConfig {
    /// Its id: `[a-z0-9][a-z0-9._-]{0,63}`.
    pub id: String,
    /// Its version (SemVer). Default 1.0.0.
    #[serde(default = "first_version")]
    pub version: String,
    /// One sentence about it. Default empty.
    #[serde(default)]
    pub description: String,
    /// Where work is posted: an `http` or `https` URL, not link-local.
    pub endpoint: String,
    /// Where messages to the agent are posted: a URL of the same scheme, host and port. Default
    /// none: it reads no messages.
    #[serde(default)]
    pub messages: Option<String>,
    /// The conversation protocols it speaks. Default none.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// What it can do: names, or objects with schemas.
    pub capabilities: Vec<Capability>,
    /// How much it takes.
    #[serde(default)]
    pub limits: AgentLimits,
    /// Headers sent along, such as `authorization`. Default none.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
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

fn first_version() -> String {
    "1.0.0".to_owned()
}

impl HttpAgentConfig {
    /// The card of this agent.
    #[must_use]
    pub fn card(&self) -> AgentCard {
        let card = AgentCard::new(&self.id, &self.version)
            .kind(AgentKind::Http)
            .description(&self.description)
            .endpoint(&self.endpoint)
            .limits(self.limits);
        let card = self.protocols.iter().fold(card, AgentCard::protocol);
        self.capabilities.iter().cloned().fold(card, AgentCard::capability)
    }

    /// Where messages are posted, if anywhere.
    ///
    /// # Errors
    /// It is no endpoint, or one elsewhere than where work is posted.
    pub(super) fn messages(&self) -> Result<Option<Endpoint>, EndpointRefused> {
        let Some(text) = &self.messages else { return Ok(None) };
        let messages: Endpoint = text.parse()?;
        // What is wrong with the endpoint itself is told there.
        let Ok(work) = self.endpoint.parse::<Endpoint>() else { return Ok(None) };
        if work.same_origin(messages.url()) {
            return Ok(Some(messages));
        }
        // The headers, secrets among them, are meant for the endpoint alone.
        let expected = "the scheme, host and port of the endpoint";
        Err(EndpointRefused { expected, got: messages.url().origin().ascii_serialization() })
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

    fn faults(&self) -> Vec<ConfigFault> {
        let card = self.card().validate().err().unwrap_or_default().into_iter();
        let mut faults: Vec<_> = card
            .map(|fault| {
                let reason = format!("expected {}, got {}", fault.expected, fault.got);
                ConfigFault::new(fault.field, reason)
            })
            .collect();
        if let Err(refused) = self.endpoint.parse::<Endpoint>() {
            faults.push(ConfigFault::new("endpoint", refused.to_string()));
        }
        if let Err(refused) = self.messages() {
            faults.push(ConfigFault::new("messages", refused.to_string()));
        }
        if let Err(refused) = super::client::headers(&self.headers) {
            faults.push(ConfigFault::new("headers", refused));
        }
        faults.extend(self.placing_keys().faults());
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(endpoint: &str) -> HttpAgentConfig {
        let text = serde_json::json!({
            "id": "echo", "endpoint": endpoint, "capabilities": ["text.echo"],
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(HttpConfig::default().validate(), Ok(()));
    }

    #[test]
    fn every_fault_is_named_with_its_key() {
        let mut insecure = agent("http://169.254.169.254/");
        insecure.headers.insert("a b".into(), "x".into());
        let mut astray = HttpAgentConfig { id: "astray".into(), ..agent("http://127.0.0.1:9000/") };
        astray.messages = Some("http://127.0.0.1:9001/messages".into());
        let config = HttpConfig {
            max_redirects: 99,
            agent: vec![agent("http://127.0.0.1:9000/"), insecure, astray],
            ..Default::default()
        };
        let faults = config.validate().unwrap_err();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        let expected = [
            "max_redirects",
            "agent[1].endpoint",
            "agent[1].headers",
            "agent[1].id",
            "agent[2].messages",
        ];
        assert_eq!(keys, expected, "{faults:?}");
    }
}
