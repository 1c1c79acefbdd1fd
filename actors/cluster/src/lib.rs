//! Nodes that find each other, agree, and take over.
//!
//! ```text
//!  node, API ─ JoinCluster, LeaveCluster ─▶ Membership ─ MemberChange ─▶ Overseer, RegistrySync,
//!      │                                        │                        the node's own actors
//!      │                                        ▼ casts, calls
//!      ├─ Control::propose ─▶ Consensus ─────▶ Peers ─▶ Links ◀═ TLS ═▶ Links of other nodes
//!      │                      (groups)  ◀────── Ports ◀───┘ │ heartbeats
//!      ├─ JournalMessage ──▶ GroupLog ──┘                   └────────────▶ Vitals (detector)
//!      ├─ PutEntry, Subscribe ─▶ RegistrySync ─ deltas ─▶ Peers
//!      ├─ RemoteDesk::ask, watch, spawn ─▶ RemoteActor ─ letters ─▶ Peers
//!      └─ placements (pure) ─▶ Hosting (pure) ─ leases of seats ─▶ Control::propose
//! ```
//!
//! Who sends what:
//! - The **node** asks [`Membership`] to join and leave, [`Control`] to agree on something, a
//!   [`GroupLog`] to store (with the messages of `synod_journal`), [`RegistrySync`] to tell others,
//!   and a [`RemoteDesk`] to reach an actor elsewhere.
//! - **Membership** tells its listeners who comes, goes and is suspected; links and detector tell
//!   membership who can be talked to and who is silent.
//! - **Consensus** writes to the node's journal, sends to the peers of a group, and tells whoever
//!   watches a group ([`GroupView`]) who leads it; the control group's entries become a
//!   [`ControlState`], which everyone on the node reads.
//! - The **overseer** of the node that leads the control group proposes who votes, leads and has
//!   which shard; the leader of each group carries out what concerns it.
//!
//! Invariants:
//! - Never is what a majority has stored lost or changed while a majority of the disks is there.
//! - Never do two nodes own a group's work in one term; what comes with a former term is refused.
//! - Never does an older start of a node, or another disk under its id, count as the node.
//! - Never is a message lost in silence: its sender learns that it did not go out, that it arrived,
//!   or that this is unknown.
//! - Never does a node that is slow, frozen or hostile cost another more than bounded queues: all
//!   that waits has a limit and a deadline.
//! - Never are there two with one fencing token, nor a lesser token after a greater one.
//! - Never does a decision read a clock or a random number of its own: the machines (`membership`,
//!   `registry`, `placement`, `control`, the policies of links) get time and chance from outside,
//!   and [`simulated`] gives them a network.

mod config;
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
