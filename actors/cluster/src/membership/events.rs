//! What happens to a member, and what is to be done about it.

use bytes::Bytes;

use super::messages::MemberChange;
use crate::node::{NodeId, NodeRecord};

/// What happens to a member.
#[derive(Debug)]
pub(super) enum Input {
    /// A one-way message has come.
    Heard { from: NodeId, body: Bytes },
    /// Another node tells its members and asks for ours; the ticket names the question.
    Asked { ticket: u64, from: NodeId, body: Bytes },
    /// Our question was answered, or not.
    Answered { by: NodeId, answer: Result<Bytes, String> },
    /// Who lives at an address, or why that isn't known.
    Met { answer: Result<NodeRecord, String> },
    /// Become a member by one of these addresses.
    Join(Vec<String>),
    /// Leave on purpose.
    Leave,
    /// Put a node out.
    Remove(NodeId),
    /// A node can be talked to.
    LinkUp(NodeId),
    /// A timer may be due.
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub(super) enum Command {
    /// Note where a node is found.
    Learn(NodeRecord),
    /// Close all connections to it.
    Forget(NodeId),
    /// Tell who listens.
    Publish(MemberChange),
    /// Send this one way.
    Cast { to: NodeId, body: Bytes },
    /// Tell it our members and ask for its own.
    Exchange { with: NodeId, body: Bytes },
    /// Answer a question.
    Answer { ticket: u64, answer: Result<Bytes, String> },
    /// Find out who lives there.
    Meet(String),
    /// This node has become a member.
    Joined,
}

/// What a machine has counted since it began.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counters {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) malformed: u64,
    pub(super) faults: u64,
}

/// How a machine stands, apart from who else is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    In,
    Left,
    Superseded,
    Removed,
}
