//! What membership is asked and told.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_runtime::{Ask, Request, requests};

use crate::feed::Listener;
use crate::links::{Answer, Credit, LinkFeed, LinkNews};
use crate::node::{NodeId, NodeRecord};

/// What a member is, as this node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// In good standing.
    Alive,
    /// Some member could not reach it; it has some seconds to show that it lives.
    Suspect,
    /// Taken for dead.
    Down,
    /// It has left on purpose, or was removed.
    Left,
}

/// A member, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberView {
    /// What it tells of itself.
    pub record: NodeRecord,
    /// What it is.
    pub state: MemberState,
    /// How often this start of it came back after it was taken for dead.
    pub renewal: u32,
    /// How often it had to refute a suspicion since it (re)joined.
    pub refuted: u16,
    /// For how long it has been in this state, in milliseconds.
    pub since_ms: u64,
    /// Phi of its heartbeats, while this node has a link to it.
    pub phi: Option<f64>,
    /// Milliseconds since its last heartbeat, while this node has a link to it.
    pub silence_ms: Option<u64>,
}

impl MemberView {
    /// Which node.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.record.id
    }

    /// Whether it is taken to live.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state <= MemberState::Suspect
    }
}

/// Why this node is no longer a member, against its will.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Expulsion {
    /// Another process with this node's id started later and is alive: one of the two is a copy
    /// of the other's folder, and the later one stays.
    #[error("another start of this node, at {}, is newer", .0.address)]
    Superseded(Box<NodeRecord>),
    /// An operator has removed this node. It may come back after a restart.
    #[error("this node was removed from the cluster")]
    Removed,
}

/// A change of the membership, in the order in which this node learned of it.
#[derive(Debug, Clone, PartialEq)]
pub enum MemberChange {
    /// All other members there are: the first that a listener hears, and again after it had no
    /// room.
    Snapshot(Arc<[MemberView]>),
    /// A node is a member. Again for one that is up: it has restarted (its incarnation is
    /// greater), and what was on the former start is gone.
    Up(NodeRecord),
    /// Some member could not reach it.
    Suspect(NodeId),
    /// The suspicion was wrong.
    Recovered(NodeId),
    /// It is taken for dead.
    Down(NodeId),
    /// It has left on purpose, or was removed.
    Left(NodeId),
    /// It is no longer remembered: it was down or gone for long.
    Forgotten(NodeId),
    /// This node itself is out. The node should stop what belongs to the cluster.
    Expelled(Expulsion),
}

/// Become a member of the cluster that one of these addresses belongs to. Answered when the first
/// of them has told who is there; this node goes on trying until it is told to leave, also after
/// the asker's deadline.
#[derive(Debug, Clone)]
pub struct JoinCluster {
    /// `host:port` of members, at most 64; this node's own address among them is fine.
    pub seeds: Vec<String>,
}

impl Ask for JoinCluster {
    type Reply = Result<Joined, JoinRefusal>;
}

/// This node is a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// Members that are up, this node counted.
    pub members: usize,
}

/// Why a node can't join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefusal {
    /// It was put out of the cluster.
    #[error("this node can't join: {0}")]
    Expelled(Expulsion),
    /// No seed is another node.
    #[error("no address of another node was given")]
    NoSeed,
}

/// Leave the cluster: others take it as gone on purpose, at once.
#[derive(Debug, Clone, Copy)]
pub struct LeaveCluster;

impl Ask for LeaveCluster {
    type Reply = ();
}

/// Put a node out of the cluster. If it still runs it learns of it and ends its membership; it
/// may come back after a restart.
#[derive(Debug, Clone, Copy)]
pub struct RemoveMember {
    /// Which one.
    pub node: NodeId,
}

impl Ask for RemoveMember {
    /// Whether there was such a member, other than this node.
    type Reply = bool;
}

/// Who is there?
#[derive(Debug, Clone, Copy)]
pub struct ShowMembers;

impl Ask for ShowMembers {
    type Reply = MembershipView;
}

/// The membership, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MembershipView {
    /// This node.
    pub own: NodeRecord,
    /// How often it came back after it was taken for dead.
    pub renewal: u32,
    /// Whether it is a member among others, alone, gone, or out and why.
    pub standing: Standing,
    /// How far this node's own event loop is behind: 0 (healthy) to 8. Its suspicions take so
    /// many times longer.
    pub weakness: u32,
    /// How long a suspect has to show that it lives, in milliseconds.
    pub suspicion_ms: u64,
    /// Why the last attempt at a seed failed, if it did.
    pub join_error: Option<String>,
    /// Messages sent since the start.
    pub sent: u64,
    /// Messages received since the start.
    pub received: u64,
    /// Messages that could not be read, or came from somebody else than they said.
    pub malformed: u64,
    /// Members that were turned away because there are too many.
    pub turned_away: u64,
    /// The others, by id.
    pub members: Vec<MemberView>,
}

/// How a node stands to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nobody else is up.
    Alone,
    /// It is looking for its seeds.
    Joining,
    /// It is a member among others.
    Member,
    /// It has left.
    Left,
    /// A later start with its id took its place.
    Superseded,
    /// It was removed.
    Removed,
}

/// What membership understands.
#[derive(Debug)]
pub enum MembershipMessage {
    /// Become a member.
    Join(Request<JoinCluster>),
    /// Leave.
    Leave(Request<LeaveCluster>),
    /// Put a node out.
    Remove(Request<RemoveMember>),
    /// Who is there?
    Show(Request<ShowMembers>),
    /// Tell this listener who is there, then every change.
    Subscribe(Listener<MemberChange>),
    /// Another node's message.
    Heard {
        /// Whose.
        from: NodeId,
        /// What it says.
        body: Bytes,
        /// Kept while it waits here.
        credit: Credit,
    },
    /// Another node compares its members with ours.
    Asked {
        /// Which.
        from: NodeId,
        /// Its members.
        body: Bytes,
        /// Where ours go.
        answer: Answer,
    },
    /// What became of a comparison.
    Answered {
        /// Who was asked.
        by: NodeId,
        /// Its members, or why it told none.
        answer: Result<Bytes, String>,
    },
    /// Who lives at a seed's address, or why that is not known.
    Met {
        /// The address.
        address: String,
        /// Who.
        answer: Result<NodeRecord, String>,
    },
    /// News of links.
    Links {
        /// Where more is to come from.
        feed: LinkFeed,
        /// What is new.
        news: LinkNews,
    },
    /// A timer is due.
    Tick,
}

requests!(MembershipMessage {
    Join(JoinCluster),
    Leave(LeaveCluster),
    Remove(RemoveMember),
    Show(ShowMembers),
});
