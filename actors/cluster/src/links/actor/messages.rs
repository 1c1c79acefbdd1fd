//! What the actors of links tell one another.

use crate::links::channel::End;
use crate::links::demand::Demand;
use crate::links::handshake::{Acquaintance, Failure, Met};
use crate::node::NodeId;
use crate::wire::StreamKind;

/// What the links are told; nothing for others to send.
pub struct LinksMessage(pub(super) LinksInput);

pub(super) enum LinksInput {
    /// Somebody waits for a connection.
    Demand(Demand),
    /// A record is new.
    Learned(NodeId),
    /// A node is to be let go of.
    Forgotten(NodeId),
    /// A link has nothing to do.
    Left(NodeId),
    /// A handshake is done.
    Arrived(Box<Acquaintance>),
    /// Look for demands that found no room, and for links whose actors have ended.
    Sweep,
    /// The listener has failed.
    Deaf(String),
}

impl LinksMessage {
    pub(crate) fn demand(demand: Demand) -> Self {
        Self(LinksInput::Demand(demand))
    }

    pub(crate) fn learned(node: NodeId) -> Self {
        Self(LinksInput::Learned(node))
    }

    pub(crate) fn forgotten(node: NodeId) -> Self {
        Self(LinksInput::Forgotten(node))
    }

    pub(crate) fn left(node: NodeId) -> Self {
        Self(LinksInput::Left(node))
    }

    pub(crate) fn arrived(acquaintance: Acquaintance) -> Self {
        Self(LinksInput::Arrived(Box::new(acquaintance)))
    }
}

impl std::fmt::Debug for LinksMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            LinksInput::Demand(_) => "Demand",
            LinksInput::Learned(_) => "Learned",
            LinksInput::Forgotten(_) => "Forgotten",
            LinksInput::Left(_) => "Left",
            LinksInput::Arrived(_) => "Arrived",
            LinksInput::Sweep => "Sweep",
            LinksInput::Deaf(_) => "Deaf",
        })
    }
}

/// What the link to one node is told.
pub(super) enum LinkMessage {
    Demand(StreamKind),
    /// The node's record is new.
    Renewed,
    /// A connection is there for the taking.
    Arrived(Box<Acquaintance>),
    /// An attempt has ended.
    Dialled(StreamKind, Result<Met, Failure>),
    /// A connection has ended.
    Ended(StreamKind, u64, End),
    /// Time to look after the link.
    Tick,
}
