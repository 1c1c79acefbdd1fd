//! Nodes that find each other, agree, and take over.

mod consensus;
mod control;
mod detector;
mod feed;
mod links;
mod log;
mod membership;
mod node;
mod placement;
mod registry;
mod remote;
pub mod simulated;
mod wire;

pub use consensus::{
    Consensus, ConsensusConfig, ConsensusMessage, GROUP_LIMIT, GroupError, GroupId, GroupView,
    Groups, Network, OpenGroup, StorageId, Tenant,
};
pub use control::{
    Control, ControlAnswer, ControlCommand, ControlError, ControlRefusal, ControlState,
    FencingToken, InvalidLease, LEASE_LIMIT, LEASE_NAME_LIMIT, Lease, LeaseName, Member, Overseer,
    OverseerConfig, OverseerMessage, RENEWAL_LIMIT, SHARDS, Seats, ShardTable, shard_of,
};
pub use detector::{DetectorConfig, NodeLease, NodeVerdict, PhiAccrual, VitalSigns, Vitals};
pub use feed::{Listener, Reception};
pub use links::{
    Acceptor, Answer, BoxedStream, ByteStream, Caller, ClusterIdentity, Credit, HeartbeatListener,
    LinkError, LinkEvent, LinkFeed, LinkNews, LinkState, LinkView, Links, LinksConfig,
    LinksMessage, OtherCluster, Peers, Port, TcpTransport, Transport,
};
pub use log::GroupLog;
pub use membership::{
    Expulsion, JoinCluster, JoinRefusal, Joined, LeaveCluster, MemberChange, MemberState,
    MemberView, Membership, MembershipConfig, MembershipMessage, MembershipView, RemoveMember,
    ShowMembers, Standing,
};
pub use node::{
    ClusterId, Incarnation, InvalidNode, NodeId, NodeName, NodeRecord, NodeRole, Roles,
};
pub use placement::{
    Hosting, HostingCommand, Look, Placeable, PlacingConfig, Terms, placements, seat_lease,
};
pub use registry::{
    ClockDrift, GetEntries, Hlc, HybridClock, InvalidKey, ListEntries, OriginView, PutEntry,
    RegistryChange, RegistryConfig, RegistryEntry, RegistryKey, RegistryMessage, RegistryRefusal,
    RegistrySync, RegistryView, RemoveEntry, ShowRegistry,
};
pub use remote::{
    MonitorNews, OfferError, RemoteActor, RemoteConfig, RemoteDesk, RemoteError, RemoteMessage,
    RemoteName, Seat, Watch, WireAsk,
};
pub use wire::{Service, StreamKind};
