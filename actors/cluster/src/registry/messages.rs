//! What the registry is asked and told.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_runtime::{Ask, Request, requests};

use super::entry::{RegistryChange, RegistryEntry, RegistryKey};
use super::hlc::Hlc;
use super::owner_map::RegistryRefusal;
use crate::feed::Listener;
use crate::links::Credit;
use crate::membership::MemberChange;
use crate::node::{Incarnation, NodeId};

/// Say this of this node. Answered when it is written here; others learn of it within
/// milliseconds. It lasts until it is removed or this node restarts.
#[derive(Debug, Clone)]
pub struct PutEntry {
    /// Its name; the entry of this node that had it is replaced.
    pub key: RegistryKey,
    /// What to say.
    pub value: Bytes,
}

impl Ask for PutEntry {
    type Reply = Result<Hlc, RegistryRefusal>;
}

/// Say this of this node no longer.
#[derive(Debug, Clone)]
pub struct RemoveEntry {
    /// Its name; none of that name is fine.
    pub key: RegistryKey,
}

impl Ask for RemoveEntry {
    type Reply = Result<Hlc, RegistryRefusal>;
}

/// What do all nodes say under this name? The claim that holds comes first: the latest.
#[derive(Debug, Clone)]
pub struct GetEntries {
    /// The name.
    pub key: RegistryKey,
}

impl Ask for GetEntries {
    type Reply = Vec<RegistryEntry>;
}

/// Entries whose names begin like this, by node and name.
#[derive(Debug, Clone)]
pub struct ListEntries {
    /// How they begin; empty for all.
    pub prefix: String,
    /// The last one seen, to go on after it.
    pub after: Option<(NodeId, RegistryKey)>,
    /// At most so many; 1,000 at most.
    pub limit: usize,
}

impl Ask for ListEntries {
    type Reply = Vec<RegistryEntry>;
}

/// How large is it, and is it up to date?
#[derive(Debug, Clone, Copy)]
pub struct ShowRegistry;

impl Ask for ShowRegistry {
    type Reply = RegistryView;
}

/// The registry, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegistryView {
    /// What it amounts to: equal on two nodes that know the same.
    pub fingerprint: String,
    /// Entries of all nodes.
    pub entries: u64,
    /// Bytes of all nodes' keys and values.
    pub bytes: u64,
    /// Nodes that are asked and told.
    pub peers: u64,
    /// Messages sent since the start.
    pub sent: u64,
    /// Messages received since the start.
    pub received: u64,
    /// Messages that could not be read.
    pub malformed: u64,
    /// Times that another node differed in a round: rises while something is on its way.
    pub differed: u64,
    /// Times that another node's entries were above the limits and not taken.
    pub refused: u64,
    /// Times that another node's clock was too far ahead to follow.
    pub drifted: u64,
    /// Milliseconds since any other node was heard; none before the first.
    pub lag_ms: Option<u64>,
    /// Per node.
    pub origins: Vec<OriginView>,
}

/// What is known of one node's entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginView {
    /// Whose.
    pub node: NodeId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// The last change known here.
    pub version: u64,
    /// Entries.
    pub entries: u64,
    /// Removals still remembered.
    pub tombstones: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// What the registry understands.
#[derive(Debug)]
pub enum RegistryMessage {
    /// Say this of this node.
    Put(Request<PutEntry>),
    /// Say this no longer.
    Remove(Request<RemoveEntry>),
    /// Who says what under this name?
    Get(Request<GetEntries>),
    /// Which entries are there?
    List(Request<ListEntries>),
    /// How large is it?
    Show(Request<ShowRegistry>),
    /// Tell this listener all there is, then every change.
    Subscribe(Listener<RegistryChange>),
    /// A member has come, gone or changed.
    Member(MemberChange),
    /// Another node's message.
    Heard {
        /// Whose.
        from: NodeId,
        /// What it says.
        body: Bytes,
        /// Kept while it waits here.
        credit: Credit,
    },
    /// Look for differences.
    Round,
    /// Tell what has been gathered.
    Flush,
}

requests!(RegistryMessage {
    Put(PutEntry),
    Remove(RemoveEntry),
    Get(GetEntries),
    List(ListEntries),
    Show(ShowRegistry),
});
