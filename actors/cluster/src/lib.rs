//! Nodes that find each other, agree, and take over.

mod consensus;
mod control;
mod detector;
mod feed;
mod links;
mod log;
mod membership;
mod node;
mod registry;
pub mod simulated;
mod wire;

pub use detector::{DetectorConfig, NodeLease, NodeVerdict, PhiAccrual, VitalSigns, Vitals};
pub use feed::{Listener, Reception};
pub use links::{
    Acceptor, Answer, BoxedStream, ByteStream, Caller, ClusterIdentity, Credit, HeartbeatListener,
    LinkError, LinkEvent, LinkFeed, LinkNews, LinkState, LinkView, Links, LinksConfig,
    LinksMessage, OtherCluster, Peers, Port, Transport,
};
pub use membership::{
    Expulsion, JoinCluster, JoinRefusal, Joined, LeaveCluster, MemberChange, MemberState,
    MemberView, Membership, MembershipConfig, MembershipMessage, MembershipView, RemoveMember,
    ShowMembers, Standing,
};
pub use node::{
    ClusterId, Incarnation, InvalidNode, NodeId, NodeName, NodeRecord, NodeRole, Roles,
};
pub use registry::{
    ClockDrift, GetEntries, Hlc, HybridClock, InvalidKey, ListEntries, OriginView, PutEntry,
    RegistryChange, RegistryConfig, RegistryEntry, RegistryKey, RegistryMessage, RegistryRefusal,
    RegistrySync, RegistryView, RemoveEntry, ShowRegistry,
};
pub use wire::{Service, StreamKind};
