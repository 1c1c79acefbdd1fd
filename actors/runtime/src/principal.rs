//! Who asks: travels with every message, so that a decision can name its author.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

/// What kind of party a principal is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A person or a program on a person's behalf.
    User,
    /// An agent that acts by itself.
    Agent,
    /// A node of the cluster.
    Node,
    /// Nobody has said who asks.
    #[default]
    Anonymous,
}

/// The party on whose behalf a message is sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// What kind of party it is.
    pub kind: PrincipalKind,
    /// Its name, unique within its kind; empty for an anonymous one.
    pub name: Arc<str>,
}

impl Principal {
    /// A person, or a program on a person's behalf.
    #[must_use]
    pub fn user(name: impl Into<Arc<str>>) -> Self {
        Self { kind: PrincipalKind::User, name: name.into() }
    }

    /// An agent that acts by itself.
    #[must_use]
    pub fn agent(name: impl Into<Arc<str>>) -> Self {
        Self { kind: PrincipalKind::Agent, name: name.into() }
    }

    /// A node of the cluster.
    #[must_use]
    pub fn node(name: impl Into<Arc<str>>) -> Self {
        Self { kind: PrincipalKind::Node, name: name.into() }
    }

    /// Nobody in particular, without the cost of making one.
    #[must_use]
    pub fn anonymous() -> &'static Self {
        static ANONYMOUS: LazyLock<Principal> =
            LazyLock::new(|| Principal { kind: PrincipalKind::Anonymous, name: Arc::from("") });
        &ANONYMOUS
    }

    /// Whether nobody has said who asks.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.kind == PrincipalKind::Anonymous
    }
}

impl Default for Principal {
    fn default() -> Self {
        Self::anonymous().clone()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PrincipalKind::User => write!(f, "user:{}", self.name),
            PrincipalKind::Agent => write!(f, "agent:{}", self.name),
            PrincipalKind::Node => write!(f, "node:{}", self.name),
            PrincipalKind::Anonymous => f.write_str("anonymous"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_prints_its_kind_and_name() {
        assert_eq!(Principal::agent("word-count").to_string(), "agent:word-count");
        assert_eq!(Principal::default().to_string(), "anonymous");
        assert!(Principal::default().is_anonymous());
    }
}
