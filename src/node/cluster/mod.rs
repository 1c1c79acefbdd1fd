//! The node as one of several: what it adds to the tree when `cluster.enabled` says so.
//!
//! ```text
//!  links ── membership ── registry-sync        who is there, what they tell
//!    └───── consensus ── log-1 ── work-1       who leads, what is stored, the engines while led
//!              └──────── overseer, founder     who should vote and lead; how the node comes in
//!  remote ─── event-relay                     addresses on other nodes; changes told on each
//!  remote-agents                               agents of all nodes on each
//!  placer                                      agents that a few nodes host, which may be this one
//! ```
//!
//! One group has all work: its leader's engines do it, with the agents of all nodes, and every
//! node passes on to it what it is asked. Never: work on a node that does not lead it.

mod agents;
mod events;
mod founder;
mod ground;
mod handle;
mod identity;
mod leaving;
mod owner;
mod placing;
mod remote_agent;
mod statuses;
mod view;
mod work;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use synod_agents::{HostMessage, RegistryMessage as AgentsMessage};
use synod_cluster::{
    ClusterIdentity, Consensus, Control, DetectorConfig, GroupId, GroupLog, Groups, Links,
    Membership, MembershipMessage, NodeName, NodeRecord, NodeRole, Overseer, Peers, PlacingConfig,
    RegistrySync, RemoteDesk, Roles, Service, TcpTransport, Transport, Vitals,
};
use synod_journal::{JournalMessage, PartitionShare};
use synod_runtime::{Address, Spec, SupervisorSpec, System};
use synod_security::NodeTls;
use tokio::sync::watch;

pub use handle::{Cluster, ClusterError};
pub use placing::{PlacedStatus, SeatStatus};
pub use view::{ClusterView, GroupStatus, LinkStatus, MemberStatus};

use self::agents::{AgentParts, RemoteAgents};
use self::events::{EventParts, EventRelay};
use self::founder::{Entrance, Founder, FounderParts, Search};
use self::identity::Identity;
use self::leaving::{Engaged, Leaving};
use self::owner::{GroupOwner, OwnerPort, UnderWay};
pub(super) use self::placing::{OfProgram, PlacedAgent, placed};
use self::placing::{Offers, Placer, PlacerParts};
use self::remote_agent::AgentPort;
use self::statuses::StatusDesk;
use self::work::{WorkKeeper, WorkParts};
use super::assembly::BACKOFF;
use super::coordination::{PostConfig, courier};
use super::{Engines, Ground, NodeBuilder, NodeError};
use crate::api::{ApiState, EventHub, Owner};
use crate::config::{ClusterSection, NodeConfig};
use crate::status::StatusMessage;

/// The group of all work.
const WORK: GroupId = GroupId(1);

/// The same as the engines are named by.
const WORK_ENGINES: u16 = 1;

/// The name that a configuration has when nobody has given one.
const UNNAMED: &str = "synod";

/// What the rest of the node needs of the cluster.
pub(super) struct Room {
    pub(super) engines: Engines,
    pub(super) cluster: Cluster,
    owner: GroupOwner,
    peers: Peers,
    settling: Settling,
    placing: (PlacingConfig, Arc<watch::Sender<Arc<Offers>>>),
}

/// Whom agents of other nodes are known by.
struct Settling {
    agents: Address<AgentsMessage>,
    told: Address<synod_cluster::RegistryMessage>,
    members: Address<MembershipMessage>,
    tells: bool,
}

/// Whom the cluster works with on this node.
pub(super) struct Around {
    pub(super) journal: Address<JournalMessage>,
    pub(super) agents: Address<AgentsMessage>,
    /// Where changes of work are told; none when nobody can listen.
    pub(super) hub: Option<EventHub>,
}

/// Adds the parts of the cluster that come before the agents' host.
pub(super) fn enter(
    root: SupervisorSpec,
    builder: &NodeBuilder,
    door: Door,
    around: Around,
) -> (SupervisorSpec, Room) {
    let section = &builder.config.cluster;
    let Door { identity, own, transport, detector } = door;
    let known = Arc::new(ClusterIdentity::new(identity.cluster));
    let (links, peers) = Links::spec(section.links.clone(), own, known, transport);
    let membership = Membership::spec(section.membership, peers.clone(), detector);
    let registry = RegistrySync::spec(section.registry, peers.clone(), membership.address());
    let (consensus, groups) = consensus(builder, &around, &peers);
    let control = Control::new(groups.clone());
    let overseer = Overseer::spec(section.overseer.clone(), control.clone());
    let log = GroupLog::spec(WORK, &groups);
    let work_log = ground::work_log(builder, &log.address());
    let (enters, is_in) = watch::channel(false);
    let entrance = Entrance { invited: Arc::default(), is_in: is_in.clone() };
    let (remote, desk) =
        RemoteDesk::spec(section.remote, peers.clone(), Some(membership.address()));
    let events = events(builder, &around, (&peers, &groups), desk.clone());
    let hubs = around.hub.iter().cloned().chain([events.outbox.clone()]).collect();
    let (keeper, engines) = keeper(builder, &around, (work_log, hubs), (&groups, is_in));
    let leaving = Arc::new(Leaving::new(groups.clone(), keeper.address()));
    groups.house(WORK, Arc::new(Engaged(keeper.address())));
    let founder = Founder::spec(FounderParts {
        identity: Arc::new(Mutex::new(identity)),
        peers: peers.clone(),
        groups: groups.clone(),
        control: control.clone(),
        enters: Arc::new(enters),
        membership: membership.address(),
        overseer: overseer.address(),
        search: Search::of(section, &entrance),
    });
    let (told, members) = (registry.address(), membership.address());
    let agents = around.agents.clone();
    peers.serve(Service::Remote, Arc::new(AgentPort::new(&agents, &leaving)));
    let owner = owner(&peers, &groups, &control, &engines);
    let tells = Roles(section.roles.iter().copied().collect()).has(NodeRole::Executor);
    let root = root
        .child(links.backoff(BACKOFF))
        .child(membership.backoff(BACKOFF))
        .child(registry.backoff(BACKOFF))
        .child(consensus.backoff(BACKOFF))
        .child(log.backoff(BACKOFF))
        .child(overseer.backoff(BACKOFF))
        .child(keeper.backoff(BACKOFF))
        .child(remote.backoff(BACKOFF))
        .child(EventRelay::spec(events).backoff(BACKOFF))
        .child(founder.backoff(BACKOFF));
    let (offers, offered) = watch::channel(Arc::new(Offers::default()));
    let cluster = Cluster {
        peers: peers.clone(),
        groups,
        control,
        membership: members.clone(),
        leaving,
        under_way: UnderWay::default(),
        desk,
        offered,
        placer: None,
        entrance,
    };
    let placing = (section.placing.clone(), Arc::new(offers));
    let settling = Settling { agents, told, members, tells };
    ground::show(builder, &cluster, &settling);
    (root, Room { engines, cluster, owner, peers, settling, placing })
}

/// Who owns the work, as this node knows it.
fn owner(peers: &Peers, groups: &Groups, control: &Control, engines: &Engines) -> GroupOwner {
    GroupOwner {
        group: WORK_ENGINES,
        peers: peers.clone(),
        view: groups.watch(WORK),
        control: control.clone(),
        engines: engines.clone(),
    }
}

/// The groups of this node, on its journal.
fn consensus(builder: &NodeBuilder, around: &Around, peers: &Peers) -> (Spec<Consensus>, Groups) {
    let journal = ground::journal(builder, &around.journal);
    let config = builder.config.cluster.consensus.clone();
    Consensus::spec(config, peers.own().id, journal, Arc::new(peers.clone()))
}

impl Room {
    /// Who owns the work.
    pub(super) fn owner(&self) -> Arc<dyn Owner> {
        Arc::new(self.owner.clone())
    }

    /// Adds what comes after the agents' host.
    pub(super) fn settle(
        self,
        root: SupervisorSpec,
        host: Address<HostMessage>,
        could: BTreeMap<String, PlacedAgent>,
    ) -> (SupervisorSpec, Settled) {
        let Self { mut cluster, owner, peers, settling, placing, .. } = self;
        let Settling { agents, told, members, tells } = settling;
        let (config, offers) = placing;
        let placer = Placer::spec(PlacerParts {
            own: peers.own().id,
            control: cluster.control.clone(),
            told: told.clone(),
            agents: agents.clone(),
            host: host.clone(),
            config,
            // A node without the role executor hosts nothing for the cluster.
            could: Arc::new(if tells { could } else { BTreeMap::new() }),
            offers,
        });
        cluster.placer = Some(placer.address());
        let agents = RemoteAgents::spec(AgentParts {
            peers: peers.clone(),
            agents,
            host,
            registry: told,
            membership: members,
            tells,
        });
        let root = root.child(agents.backoff(BACKOFF)).child(placer.backoff(BACKOFF));
        (root, Settled { cluster, owner, peers })
    }
}

/// What the node's HTTP side needs of the cluster.
pub(super) struct Settled {
    pub(super) cluster: Cluster,
    owner: GroupOwner,
    peers: Peers,
}

impl Settled {
    /// Who owns the work.
    pub(super) fn owner(&self) -> Arc<dyn Owner> {
        Arc::new(self.owner.clone())
    }

    /// How other nodes are reached, and who tells which of them are up.
    pub(super) fn links(&self) -> (Peers, Address<MembershipMessage>) {
        (self.peers.clone(), self.cluster.membership.clone())
    }

    /// Shows this node's tree to other nodes.
    pub(super) fn shows(
        &self,
        root: SupervisorSpec,
        status: Address<StatusMessage>,
    ) -> SupervisorSpec {
        root.child(StatusDesk::spec(self.cluster.desk.clone(), status).backoff(BACKOFF))
    }

    /// Answers from now on what other nodes pass on.
    pub(super) fn serve(&self, state: ApiState) {
        let under_way = self.cluster.under_way.clone();
        let port = OwnerPort::new(self.owner.clone(), under_way, state);
        self.peers.serve(Service::Api, Arc::new(port));
    }
}

fn in_folder(config: &NodeConfig, source: io::Error) -> NodeError {
    NodeError::DataFolder { folder: config.node.data_folder.clone(), source }
}

fn detector(section: &ClusterSection) -> DetectorConfig {
    DetectorConfig { interval_ms: section.links.heartbeat_ms, ..section.detector }
}

/// What a node needs to come into a cluster: who it is, and where its links arrive.
pub(super) struct Door {
    identity: Identity,
    own: NodeRecord,
    transport: Arc<dyn Transport>,
    detector: Vitals,
}

impl Door {
    /// Opens the socket of the links, and says what this node tells of itself; none for a node
    /// that is alone.
    pub(super) async fn open(
        builder: &NodeBuilder,
        system: &System,
        api: Option<String>,
    ) -> Result<Option<Self>, NodeError> {
        let config = &builder.config;
        let section = &config.cluster;
        if !section.enabled {
            return Ok(None);
        }
        let utc = system.clock().utc().as_microsecond();
        let identity = Identity::load(&config.node.data_folder, system.entropy(), utc)
            .map_err(|source| in_folder(config, source))?;
        let (transport, address) = match &builder.ground {
            Some(Ground { transport, address, .. }) => (Arc::clone(transport), address.clone()),
            None => listening(section, system).await?,
        };
        let own = NodeRecord {
            id: identity.id,
            name: name(config, &identity)?,
            address,
            api,
            incarnation: identity.incarnation,
            roles: Roles(section.roles.iter().copied().collect()),
            capacity: section.capacity,
            labels: section.labels.clone(),
        };
        let detector = Vitals::new(detector(section), system.clock().now());
        Ok(Some(Self { identity, own, transport, detector }))
    }
}

/// The socket of the links, and the address that others are told.
async fn listening(
    section: &ClusterSection,
    system: &System,
) -> Result<(Arc<dyn Transport>, String), NodeError> {
    let cluster = |reason: String| NodeError::Cluster { reason };
    let address = section.listen.to_string();
    let opened = if section.certificates.as_os_str().is_empty() {
        TcpTransport::plain(&address).await
    } else {
        let tls = NodeTls::load(&section.certificates, system.clock().utc());
        TcpTransport::secured(&address, tls.map_err(|why| cluster(why.to_string()))?).await
    };
    let opened = opened.map_err(|why| cluster(format!("{address} can't be listened on: {why}")))?;
    let told = advertised(section, opened.address());
    Ok((Arc::new(opened), told))
}

fn advertised(section: &ClusterSection, bound: std::net::SocketAddr) -> String {
    if section.advertise.is_empty() { bound.to_string() } else { section.advertise.clone() }
}

/// The node's name; one that nobody has named is called by its id.
fn name(config: &NodeConfig, identity: &Identity) -> Result<NodeName, NodeError> {
    let text = match config.node.name.as_str() {
        UNNAMED => format!("synod-{}", &identity.id.to_string()[..6]),
        name => name.to_owned(),
    };
    NodeName::parse(&text).map_err(|why| NodeError::Cluster {
        reason: format!("node.name is {text:?}, {why}: other nodes know this one by its name"),
    })
}

/// What it takes to tell changes of work on every node.
fn events(
    builder: &NodeBuilder,
    around: &Around,
    (peers, groups): (&Peers, &Groups),
    desk: RemoteDesk,
) -> EventParts {
    let (own, kept) = (peers.own(), builder.config.http.stream_buffer);
    EventParts {
        desk,
        own: own.id,
        outbox: EventHub::new(own.name.as_str(), own.incarnation.0, kept),
        hub: around.hub.clone(),
        view: groups.watch(WORK),
    }
}

/// The keeper of the work and where its engines are found.
fn keeper(
    builder: &NodeBuilder,
    around: &Around,
    (log, hubs): (Address<JournalMessage>, Vec<EventHub>),
    (groups, is_in): (&Groups, watch::Receiver<bool>),
) -> (Spec<WorkKeeper>, Engines) {
    let engines = Engines::default();
    let parts = WorkParts {
        group: WORK_ENGINES,
        share: PartitionShare::WHOLE,
        tasks: builder.config.tasks.clone(),
        workflows: builder.config.workflows.clone(),
        desks: builder.config.coordination.clone(),
        post: PostConfig::of(&builder.config),
        offers: builder.protocols.clone(),
        courier: courier(&around.agents),
        log,
        registry: around.agents.clone(),
        hubs,
        engines: engines.clone(),
        view: groups.watch(WORK),
        is_in,
    };
    (WorkKeeper::spec(parts), engines)
}
