//! The card of an agent: who it is, what it can do, within which limits.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use semver::Version;
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::id::{AgentId, AgentKey};
use crate::named::named;

named! {
    /// Where the agent's code runs.
    pub enum AgentKind {
        /// A Rust type inside the node.
        Native = "native",
        /// A child process that speaks JSON-RPC lines on stdio.
        Process = "process",
        /// An HTTP endpoint.
        Http = "http",
        /// A program that connected to the node by WebSocket.
        Websocket = "websocket",
    }
}

impl AgentKind {
    /// Whether its worker is at the other end of a network, so that it may fall silent.
    #[must_use]
    pub const fn is_remote(self) -> bool {
        matches!(self, Self::Http | Self::Websocket)
    }
}

/// One thing an agent can do. Written as an object, or as its name alone.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Capability {
    /// `[a-z0-9][a-z0-9._-]{0,127}`, by convention `noun.verb`: `text.count`.
    pub name: String,
    /// For people and for models that choose among agents.
    pub description: String,
    /// JSON Schema (draft 2020-12) of the input; checked before the work begins.
    #[schema(value_type = Option<Object>)]
    pub input_schema: Option<Value>,
    /// JSON Schema of the output; checked before the result is taken.
    #[schema(value_type = Option<Object>)]
    pub output_schema: Option<Value>,
}

impl Capability {
    /// A capability without schemas.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let description = String::new();
        Self { name: name.into(), description, input_schema: None, output_schema: None }
    }

    /// Says what it does.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Requires this JSON Schema of the input.
    #[must_use]
    pub fn input(mut self, schema: Value) -> Self {
        self.input_schema = Some(schema);
        self
    }

    /// Promises this JSON Schema of the output.
    #[must_use]
    pub fn output(mut self, schema: Value) -> Self {
        self.output_schema = Some(schema);
        self
    }
}

impl From<&str> for Capability {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Capability {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

/// The object form of a capability.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CapabilityObject {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    input_schema: Option<Value>,
    #[serde(default)]
    output_schema: Option<Value>,
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, not `untagged`: an untagged enum says neither which field is wrong nor why.
        struct NameOrObject;
        impl<'de> Visitor<'de> for NameOrObject {
            type Value = Capability;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a capability, or an object with its name and schemas")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Capability, E> {
                Ok(Capability::new(name))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Capability, M::Error> {
                let CapabilityObject { name, description, input_schema, output_schema } =
                    CapabilityObject::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Capability { name, description, input_schema, output_schema })
            }
        }
        deserializer.deserialize_any(NameOrObject)
    }
}

/// How much an agent takes on, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AgentLimits {
    /// Assignments in work at the same time; 1 to 4,096, default 1. More are refused.
    #[schema(minimum = 1, maximum = 4096, default = 1)]
    pub max_concurrent_tasks: u32,
    /// Longest time one assignment may take, in seconds; 1 to 86,400, default 300. The deadline
    /// of the task holds as well.
    #[schema(minimum = 1, maximum = 86400, default = 300)]
    pub perform_timeout_s: u64,
    /// Time between the request to stop and the work being dropped, in milliseconds; 0 to
    /// 600,000; default: `agents.grace_ms` of the node.
    #[schema(maximum = 600000)]
    pub grace_ms: Option<u64>,
}

impl Default for AgentLimits {
    fn default() -> Self {
        Self { max_concurrent_tasks: 1, perform_timeout_s: 300, grace_ms: None }
    }
}

impl AgentLimits {
    /// Longest time one assignment may take.
    #[must_use]
    pub fn perform_timeout(&self) -> Duration {
        Duration::from_secs(self.perform_timeout_s)
    }
}

/// Who an agent is and what it can do; what is registered, found and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentCard {
    /// The identifier; several versions may share it.
    #[schema(value_type = String, example = "word-count")]
    pub id: AgentId,
    /// A name for people; empty means the id.
    #[serde(default)]
    pub name: String,
    /// Semantic version (2.0.0).
    #[serde(default = "default_version")]
    #[schema(value_type = String, example = "1.0.0")]
    pub version: Version,
    /// What it does, for people and for models that choose among agents.
    #[serde(default)]
    pub description: String,
    /// What it can do; at least one, at most 64.
    pub capabilities: Vec<Capability>,
    /// How much it takes on.
    #[serde(default)]
    pub limits: AgentLimits,
    /// Relative price of one assignment, for choosing among equals; at least 0, default 1.
    #[serde(default = "default_cost")]
    #[schema(minimum = 0)]
    pub cost: f64,
    /// Where its code runs; default native.
    #[serde(default = "default_kind")]
    pub kind: AgentKind,
    /// Where it is reached; required of http agents, absent from the others.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The conversation protocols it speaks, such as `fipa-contract-net`; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
    /// Free key-value pairs; at most 64.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The version as it was written, when it is not one; `validate` reports it.
    #[serde(skip)]
    #[schema(ignore)]
    pub(crate) malformed_version: Option<String>,
}

fn default_version() -> Version {
    Version::new(1, 0, 0)
}

fn default_cost() -> f64 {
    1.0
}

fn default_kind() -> AgentKind {
    AgentKind::Native
}

impl AgentCard {
    /// A card without capabilities yet. What is wrong with `id` or `version` is reported by
    /// [`AgentCard::validate`], which registration calls.
    #[must_use]
    pub fn new(id: impl AsRef<str>, version: impl AsRef<str>) -> Self {
        let parsed = Version::parse(version.as_ref());
        let malformed_version = parsed.is_err().then(|| version.as_ref().to_owned());
        Self {
            id: AgentId::unchecked(id.as_ref()),
            name: String::new(),
            version: parsed.unwrap_or_else(|_| default_version()),
            description: String::new(),
            capabilities: Vec::new(),
            limits: AgentLimits::default(),
            cost: default_cost(),
            kind: default_kind(),
            endpoint: None,
            protocols: Vec::new(),
            metadata: BTreeMap::new(),
            malformed_version,
        }
    }

    /// Adds a capability: a name, or a [`Capability`] with schemas.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<Capability>) -> Self {
        self.capabilities.push(capability.into());
        self
    }

    /// Sets the name for people.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Says what the agent does.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Sets how many assignments it takes at the same time.
    #[must_use]
    pub fn concurrency(mut self, tasks: u32) -> Self {
        self.limits.max_concurrent_tasks = tasks;
        self
    }

    /// Sets all limits.
    #[must_use]
    pub fn limits(mut self, limits: AgentLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the relative price of one assignment.
    #[must_use]
    pub fn cost(mut self, cost: f64) -> Self {
        self.cost = cost;
        self
    }

    /// Sets where its code runs.
    #[must_use]
    pub fn kind(mut self, kind: AgentKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets where it is reached.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Adds a conversation protocol that it speaks.
    #[must_use]
    pub fn protocol(mut self, protocol: impl Into<String>) -> Self {
        self.protocols.push(protocol.into());
        self
    }

    /// Adds a key-value pair.
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// What it is registered under.
    #[must_use]
    pub fn key(&self) -> AgentKey {
        AgentKey { id: self.id.clone(), version: self.version.clone() }
    }

    /// The capability of this name.
    #[must_use]
    pub fn find(&self, capability: &str) -> Option<&Capability> {
        self.capabilities.iter().find(|known| known.name == capability)
    }

    /// The name for people, or the id.
    #[must_use]
    pub fn title(&self) -> &str {
        if self.name.is_empty() { self.id.as_str() } else { &self.name }
    }
}
