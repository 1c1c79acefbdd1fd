//! How openraft's types are filled in.

use std::fmt;

use bytes::Bytes;
use openraft::impls::{BoxedErrorSource, InlineBatch, Vote, leader_id_std};
use openraft::raft::responder::Responder;
use openraft::vote::RaftLeaderId;
use openraft::{Entry, EntryPayload, OptionalSend, RaftTypeConfig};
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;
use serde::{Deserialize, Serialize};

use super::group::StorageId;
use crate::control::ControlAnswer;
use crate::log::StreamsAnswer;
use crate::node::NodeId;

/// openraft's types. One leader a term, so that the term alone is the fence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Types;

/// tokio, with the node's entropy instead of the thread's: a seed repeats a run. What starts
/// openraft's tasks runs inside of [`Runtime::scope`].
pub(crate) type Runtime = DeterministicRng<TokioRuntime>;

type LeaderId = leader_id_std::LeaderId<u64, NodeId>;

impl RaftTypeConfig for Types {
    type D = Proposal;
    type R = Outcome;
    type NodeId = NodeId;
    type Node = Seat;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = Vote<LeaderId>;
    type Payload = EntryPayload<Proposal, NodeId, Seat>;
    type Entry = Entry<<LeaderId as RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = Runtime;
    type Responder<T>
        = Ticket<T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

pub(crate) type LogId = openraft::type_config::alias::LogIdOf<Types>;
pub(crate) type VoteOf = openraft::type_config::alias::VoteOf<Types>;
pub(crate) type EntryOf = openraft::type_config::alias::EntryOf<Types>;
pub(crate) type MembershipOf = openraft::Membership<NodeId, Seat>;
pub(crate) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<Types>;

/// What an entry carries: a command, encoded once where it was proposed and decoded where it is
/// applied; in between it is only passed on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proposal(pub(crate) Bytes);

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proposal({} bytes)", self.0.len())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// What came of a command where it was proposed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// The entry was no command.
    Nothing,
    /// The entry can't be read; nothing was changed.
    Undecodable(String),
    /// What the control group says.
    Control(ControlAnswer),
    /// What a work group says.
    Streams(StreamsAnswer),
}

/// What is known of a member of a group beside its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seat {
    /// The disk that it votes from. Calls to another are refused.
    pub(crate) storage: StorageId,
}

/// What is to be done with the outcome of a proposal.
pub(crate) struct Ticket<T>(Box<dyn FnOnce(T) + Send>);

impl<T> Ticket<T> {
    pub(crate) fn new(end: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Box::new(end))
    }
}

impl<T: OptionalSend + 'static> Responder<Types, T> for Ticket<T> {
    fn on_complete(self, result: T) {
        (self.0)(result);
    }
}
