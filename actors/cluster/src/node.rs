//! Who a node is: the names that links, membership and consensus share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Bytes of the longest name of a node: a label of a host name (RFC 1123).
const NAME_LIMIT: usize = 63;

/// The identity of a node for its whole life: random, minted at its first start and kept in its
/// data folder.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for NodeId {
    type Err = InvalidNode;

    fn from_str(text: &str) -> Result<Self, InvalidNode> {
        let is_id = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = is_id.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        id.map(Self).ok_or(InvalidNode { what: "node id", expected: "16 hexadecimal digits" })
    }
}

/// The identity of a cluster: random, minted by the node that forms it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ClusterId(pub u128);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Which start of a node this is: UTC microseconds of it, but always above the one before.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What people call a node: 1 to 63 bytes of `[a-z0-9-]`. Unique in its cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// The name, if it is one.
    ///
    /// # Errors
    /// [`InvalidNode`] when it isn't 1 to 63 bytes of `[a-z0-9-]`.
    pub fn parse(name: &str) -> Result<Self, InvalidNode> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=NAME_LIMIT).contains(&name.len()) && name.bytes().all(fits) {
            return Ok(Self(name.into()));
        }
        Err(InvalidNode { what: "node name", expected: "1 to 63 bytes of [a-z0-9-]" })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NodeName {
    type Error = InvalidNode;

    fn try_from(name: String) -> Result<Self, InvalidNode> {
        Self::parse(&name)
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text names no node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: expected {expected}")]
pub struct InvalidNode {
    /// What it should have been.
    pub what: &'static str,
    /// What one looks like.
    pub expected: &'static str,
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeRole {
    /// Votes, and leads groups.
    Control,
    /// Answers users.
    Api,
    /// Has agents that are given work.
    Executor,
    /// Has model instances.
    Model,
    /// All of these.
    Any,
}

/// What a node is there for, as a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(pub BTreeSet<NodeRole>);

impl Default for Roles {
    fn default() -> Self {
        Self(BTreeSet::from([NodeRole::Any]))
    }
}

impl Roles {
    /// Whether the node serves in this role.
    #[must_use]
    pub fn has(&self, role: NodeRole) -> bool {
        self.0.contains(&role) || self.0.contains(&NodeRole::Any)
    }
}

/// What a node tells others of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Who it is.
    pub id: NodeId,
    /// What people call it.
    pub name: NodeName,
    /// Where its links listen: `host:port`.
    pub address: String,
    /// Where its API answers, if it has one: a URL.
    pub api: Option<String>,
    /// Which start of it this is.
    pub incarnation: Incarnation,
    /// What it is there for.
    pub roles: Roles,
    /// Its weight when work is placed, 1 to 1,000; 100 is usual.
    pub capacity: u32,
    /// Labels for placement.
    pub labels: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_what_it_writes() {
        let id = NodeId(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "123", "0123456789abcdeg", "+123456789abcdef"] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_a_label_of_a_host_name() {
        assert!(NodeName::parse("node-1").is_ok());
        for bad in ["", "Node", "a_b", "a.b", &"x".repeat(64)] {
            assert!(NodeName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_node_of_any_role_serves_in_each() {
        assert!(Roles::default().has(NodeRole::Control));
        assert!(!Roles(BTreeSet::from([NodeRole::Api])).has(NodeRole::Executor));
    }
}
