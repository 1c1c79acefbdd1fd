//! Nodes that find each other, agree, and take over.

mod consensus;
mod control;
mod detector;
mod links;
mod log;
mod membership;
mod node;
mod registry;
pub mod simulated;
mod wire;

pub use links::{
    Acceptor, Answer, BoxedStream, ByteStream, Caller, ClusterIdentity, Credit, HeartbeatListener,
    LinkError, LinkEvent, LinkFeed, LinkNews, LinkState, LinkView, Links, LinksConfig,
    LinksMessage, OtherCluster, Peers, Port, Transport,
};
pub use node::{
    ClusterId, Incarnation, InvalidNode, NodeId, NodeName, NodeRecord, NodeRole, Roles,
};
pub use wire::{Service, StreamKind};
