//! What nodes talk about, and on which of their two connections.

use serde::{Deserialize, Serialize};

/// What a frame between nodes is about. Each has its own queue and its own credit, so that a
/// flood of one doesn't hold up another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Service {
    /// Who belongs to the cluster, and who is alive.
    Membership = 1,
    /// The replicated logs.
    Consensus = 2,
    /// What nodes publish about themselves.
    Registry = 3,
    /// Pieces of snapshots.
    Snapshot = 4,
    /// Work for agents of another node.
    Remote = 5,
    /// Requests of users that another node has to answer.
    Api = 6,
    /// Proposals to the control group.
    Control = 7,
    /// Messages to actors of another node.
    Message = 8,
    /// State that the agents of all nodes share.
    Shared = 9,
}

/// Which of the two connections between a pair of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum StreamKind {
    /// Membership, consensus and heartbeats: little, and never behind bulk.
    Control = 1,
    /// All else.
    Data = 2,
}

impl StreamKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Control, Self::Data];

    /// Its place in [`StreamKind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize - 1
    }
}

impl Service {
    /// How many there are.
    pub const COUNT: usize = 9;

    /// All of them, by number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Membership,
        Self::Consensus,
        Self::Registry,
        Self::Snapshot,
        Self::Remote,
        Self::Api,
        Self::Control,
        Self::Message,
        Self::Shared,
    ];

    /// The service of a number on the wire, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Its number on the wire, from 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its place in [`Service::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize - 1
    }

    /// The connection that carries it.
    #[must_use]
    pub const fn stream(self) -> StreamKind {
        match self {
            Self::Membership | Self::Consensus => StreamKind::Control,
            Self::Registry
            | Self::Snapshot
            | Self::Remote
            | Self::Api
            | Self::Control
            | Self::Message
            | Self::Shared => StreamKind::Data,
        }
    }

    /// Its name for people and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Membership => "membership",
            Self::Consensus => "consensus",
            Self::Registry => "registry",
            Self::Snapshot => "snapshot",
            Self::Remote => "remote",
            Self::Api => "api",
            Self::Control => "control",
            Self::Message => "message",
            Self::Shared => "shared",
        }
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_number_and_no_other_number_is_one() {
        for service in Service::ALL {
            assert_eq!(Service::from_number(service.number()), Some(service));
            assert_eq!(Service::ALL[service.index()], service);
        }
        assert_eq!(Service::from_number(0), None);
        assert_eq!(Service::from_number(10), None);
    }
}
