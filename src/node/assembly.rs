//! How a node is put together: which actors there are, in which order they start, who knows whom.
//!
//! ```text
//!  root (rest_for_one: who builds on a part that failed is started again with it)
//!  ├─ journal     the log on disk
//!  ├─ registry    which agents there are
//!  ├─ tasks       the engine, on the journal and the registry
//!  ├─ workflows   the engine of runs, on the journal and the task engine
//!  ├─ coordination  the desks of conversations, one for each protocol, on the journal; topics
//!  │              and messages
//!  │              (in a cluster all three run where the work is led: see `cluster/mod.rs`)
//!  ├─ host        the agents' actors
//!  ├─ shared-state  what agents share, on every node its own
//!  ├─ status      answers for the node
//!  ├─ tokens      issues and takes back tokens, where callers need them
//!  └─ http        the API, last to start and first to stop
//! ```

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use synod_agents::{
    AgentFactory, AgentHost, AgentKind, HostMessage, HostSettings, ProcessFactory, RegistryActor,
    RegistryMessage, factory,
};
use synod_integrations::http::{HttpAgent, HttpAgentConfig, kind_factory};
use synod_journal::{JournalActor, JournalMessage, OpenFaults, PartitionShare};
use synod_runtime::{
    Address, Backoff, ConfigFault, Spec, Strategy, Supervisor, SupervisorSpec, System,
};
use synod_tasks::{TaskEngine, TasksMessage};
use synod_triage::{Readable, Team, TeamOptions};
use synod_workflows::{WorkflowEngine, WorkflowsMessage};
use tokio::time::Instant;

use super::cluster::{self, Around, Cluster, Door, PlacedAgent, Settled};
use super::coordination::{
    self, Conversations, DeskParts, Moderator, NodeMessenger, PostConfig, courier,
};
use super::start::Start;
use super::{EngineSet, Engines, Node, NodeBuilder, NodeError, Parts, reload, security, shared};
use crate::api::stream::{EngineSource, LIFECYCLE_BUFFER, NodeSource, SharedSource, StreamLimits};
use crate::api::{ApiParts, ApiState, EventHub, HttpServer, Listener};
use crate::config::{AgentsSection, NodeConfig};
use crate::status::{StatusActor, StatusParts};

/// Restarts of the node's parts before the node gives up and ends.
const INTENSITY: (u32, Duration) = (5, Duration::from_secs(60));

/// A part that can't start is tried again for less than two seconds: what is wrong is told soon.
pub(super) const BACKOFF: Backoff = Backoff {
    initial: Duration::from_millis(50),
    max: Duration::from_secs(5),
    multiplier: 2.0,
    jitter: 0.1,
    reset_after: Duration::from_secs(60),
};

/// Starts the node, unless `stop` comes before it takes work.
pub(super) async fn start<S>(
    builder: NodeBuilder,
    stop: impl Future<Output = S>,
) -> Result<ControlFlow<S, Node>, NodeError> {
    let config = &builder.config;
    config.validate().map_err(NodeError::Config)?;
    let folder = &config.node.data_folder;
    make_folder(folder)?;
    let listener = if builder.serves { Some(Listener::bind(&config.http)?) } else { None };
    let url = listener.as_ref().map(Listener::url);
    let (system, (journal, faults)) = foundation(&builder);
    let boot = Boot::now(&system);
    let cluster = Door::open(&builder, &system, url.clone()).await?;
    let (parts, root) = wire(&builder, (&system, boot), journal, listener, cluster)?;
    let drain_within = drain_within(config);
    let start = Start::new(&system, parts.host.clone(), faults, folder, url.clone());
    Ok(match start.run(root, stop).await? {
        ControlFlow::Break(stopped) => ControlFlow::Break(stopped),
        ControlFlow::Continue((root, endpoint)) => {
            ControlFlow::Continue(Node { system, root, parts, url, endpoint, drain_within })
        }
    })
}

/// The kernel and the journal: of the machine, unless the node stands on another ground.
fn foundation(builder: &NodeBuilder) -> (System, (Spec<JournalActor>, OpenFaults)) {
    let config = builder.config.journal.clone();
    match &builder.ground {
        Some(ground) => {
            let disk = ground.disk.clone();
            (ground.system.clone(), JournalActor::simulated_watched(config, disk))
        }
        None => {
            let system = System::builder().config(builder.config.system).build();
            let folder = builder.config.node.data_folder.clone();
            (system, JournalActor::watched(config, folder))
        }
    }
}

/// One start of the node.
#[derive(Debug, Clone, Copy)]
struct Boot {
    /// Different for each start.
    id: u64,
    at: Timestamp,
    instant: Instant,
}

impl Boot {
    fn now(system: &System) -> Self {
        let (clock, id) = (system.clock(), system.entropy().next_u64());
        Self { id, at: clock.utc(), instant: clock.now() }
    }
}

fn make_folder(folder: &Path) -> Result<(), NodeError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| NodeError::DataFolder { folder: folder.to_path_buf(), source })
}

fn drain_within(config: &NodeConfig) -> Duration {
    Duration::from_secs(config.node.shutdown_s)
}

/// Makes the specs, tells each part of those it needs, and puts them in order.
fn wire(
    builder: &NodeBuilder,
    (system, boot): (&System, Boot),
    journal: Spec<JournalActor>,
    listener: Option<Listener>,
    cluster: Option<Door>,
) -> Result<(Parts, Spec<Supervisor>), NodeError> {
    let config = &builder.config;
    let journal = journal.backoff(BACKOFF);
    let agents = Arc::new(config.agents.hosting.clone());
    let registry =
        RegistryActor::spec(Arc::clone(&agents), Some(journal.address())).backoff(BACKOFF);
    let hub = EventHub::new(&config.node.name, boot.id, config.http.stream_buffer);
    let around = Around {
        journal: journal.address(),
        agents: registry.address(),
        hub: listener.is_some().then(|| hub.clone()),
    };
    let (journal_address, registry_address) = (journal.address(), registry.address());
    let root = Supervisor::new(Strategy::RestForOne)
        .intensity(INTENSITY.0, INTENSITY.1)
        .child(journal)
        .child(registry);
    let (root, work) = match cluster {
        None => alone(root, builder, around)?,
        Some(door) => among(root, builder, door, around)?,
    };
    let (root, shared) = shared::add(root, config, journal_address.clone(), work.among.as_ref());
    let status = status_parts(builder, boot, journal_address, &work);
    let status = StatusActor::spec(status).backoff(BACKOFF);
    let parts = Parts {
        engines: work.engines.clone(),
        tasks: work.tasks.clone(),
        workflows: work.workflows.clone(),
        registry: registry_address,
        host: work.host.clone(),
        shared,
        status: status.address(),
        cluster: work.cluster().cloned(),
    };
    let mut root = root.child(status);
    if let Some(settled) = &work.among {
        root = settled.shows(root, parts.status.clone());
    }
    if let Some(listener) = listener {
        root = with_http(root, builder, (system, hub), listener, (&parts, &work))?;
    }
    Ok((parts, root.into_spec("node")))
}

/// Who does the work of this node.
struct Work {
    engines: Engines,
    tasks: Address<TasksMessage>,
    workflows: Address<WorkflowsMessage>,
    host: Address<HostMessage>,
    /// What this node is among others; none when it is alone.
    among: Option<Settled>,
}

impl Work {
    fn cluster(&self) -> Option<&Cluster> {
        self.among.as_ref().map(|settled| &settled.cluster)
    }
}

/// A node alone has engines for as long as it runs.
fn alone(
    root: SupervisorSpec,
    builder: &NodeBuilder,
    around: Around,
) -> Result<(SupervisorSpec, Work), NodeError> {
    let Around { journal, agents, hub } = around;
    let config = &builder.config;
    let tasks = TaskEngine::spec(config.tasks.clone(), journal.clone(), agents.clone());
    let tasks = tasks.backoff(BACKOFF);
    let workflows =
        WorkflowEngine::spec(config.workflows.clone(), journal.clone(), tasks.address())
            .backoff(BACKOFF);
    let parts = DeskParts {
        config: config.coordination.clone(),
        share: PartitionShare::WHOLE,
        journal,
        courier: courier(&agents),
        hubs: hub.iter().cloned().collect(),
        registry: agents.clone(),
        post: PostConfig::of(config),
    };
    let (desks, doors, post) = coordination::desks(&builder.protocols, &parts);
    let (to_tasks, to_workflows) = (tasks.address(), workflows.address());
    let set = EngineSet { group: 0, tasks: to_tasks, workflows: to_workflows, doors, post };
    let engines = Engines::alone(set);
    let conversations = Conversations { engines: engines.clone(), owner: None };
    let host = host(builder, agents, tasks.address(), conversations)?.backoff(BACKOFF);
    let work = Work {
        engines,
        tasks: tasks.address(),
        workflows: workflows.address(),
        host: host.address(),
        among: None,
    };
    let mut root = root.child(tasks).child(workflows).child(desks);
    if let Some(hub) = hub {
        let changes = EngineSource::spec(vec![hub], work.tasks.clone(), work.workflows.clone());
        root = root.child(changes.backoff(BACKOFF));
    }
    Ok((root.child(host), work))
}

/// A node among others has them when it is its turn.
fn among(
    root: SupervisorSpec,
    builder: &NodeBuilder,
    door: Door,
    around: Around,
) -> Result<(SupervisorSpec, Work), NodeError> {
    let agents = around.agents.clone();
    let (root, room) = cluster::enter(root, builder, door, around);
    let (tasks, workflows) = (room.engines.tasks(), room.engines.workflows());
    let conversations = Conversations { engines: room.engines.clone(), owner: Some(room.owner()) };
    let host = host(builder, agents, tasks.clone(), conversations)?.backoff(BACKOFF);
    let (address, engines) = (host.address(), room.engines.clone());
    let placed = placed_agents(builder)?;
    let (root, settled) = room.settle(root.child(host), address.clone(), placed);
    Ok((root, Work { engines, tasks, workflows, host: address, among: Some(settled) }))
}

/// The agents of the program and of the configuration, and the kinds that the API may add.
fn host(
    builder: &NodeBuilder,
    registry: Address<RegistryMessage>,
    tasks: Address<TasksMessage>,
    conversations: Conversations,
) -> Result<Spec<AgentHost>, NodeError> {
    let section = &builder.config.agents;
    let config = Arc::new(section.hosting.clone());
    let programs = builder.programs.clone();
    programs.note_in(builder.config.node.data_folder.join("programs"));
    let mut agents = builder.agents.clone();
    agents.extend(triage_team(&builder.config, tasks));
    let moderator = Moderator::new(builder.protocols.clone(), conversations.clone());
    agents.push(factory(move || moderator.clone()));
    for process in &section.hosting.process {
        let factory = ProcessFactory::new(process.clone(), Arc::clone(&config), programs.clone());
        agents.push(Arc::new(factory));
    }
    agents.extend(http_agents(section)?);
    let placed = placed_agents(builder)?;
    if builder.config.cluster.enabled {
        // The cluster says which nodes host them.
        let is_placed = |agent: &Arc<dyn AgentFactory>| {
            let card = agent.card();
            placed.get(card.id.as_str()).is_some_and(|placed| placed.key() == card.key())
        };
        agents.retain(|agent| !is_placed(agent));
    } else {
        agents.extend(builder.placed.iter().map(|agent| Arc::clone(&agent.factory)));
    }
    let kinds = BTreeMap::from([(AgentKind::Http, kind_factory(section.http.clone()))]);
    let host = AgentHost::spec(HostSettings { config, registry, agents, kinds, programs })?;
    let longest = Duration::from_secs(builder.config.http.max_wait_s);
    NodeMessenger::give(&host.address(), conversations, longest);
    Ok(host)
}

/// The team that triages the logs which the configuration lets others have read.
fn triage_team(config: &NodeConfig, tasks: Address<TasksMessage>) -> Vec<Arc<dyn AgentFactory>> {
    let triage = &config.triage;
    if triage.read.is_empty() {
        return Vec::new();
    }
    let spool = config.node.data_folder.join("triage");
    let readable = Readable::below(triage.read.iter().cloned());
    let team = Team::new(TeamOptions::new(triage.clone(), readable, spool));
    team.connect(tasks);
    team.agents
}

fn http_agents(section: &AgentsSection) -> Result<Vec<Arc<dyn AgentFactory>>, NodeError> {
    let make = |(index, agent): (usize, &HttpAgentConfig)| {
        let made = HttpAgent::configured(agent, &section.http).map_err(|error| {
            let key = format!("agents.http.agent[{index}]");
            NodeError::Config(vec![ConfigFault::new(key, error.to_string())])
        })?;
        Ok(factory(move || made.clone()))
    };
    section.http.agent.iter().enumerate().map(make).collect()
}

/// The agents that a few nodes of the cluster host, by id.
fn placed_agents(builder: &NodeBuilder) -> Result<BTreeMap<String, PlacedAgent>, NodeError> {
    let section = &builder.config.agents;
    let config = Arc::new(section.hosting.clone());
    let mut placed: Vec<PlacedAgent> =
        builder.placed.iter().map(|agent| agent.under(&config)).collect();
    for process in &section.hosting.process {
        let Some(placing) = process.placing() else { continue };
        let programs = builder.programs.clone();
        let factory = ProcessFactory::new(process.clone(), Arc::clone(&config), programs);
        let link = process.ends_within();
        placed.push(PlacedAgent::new(Arc::new(factory), placing, &config, link));
    }
    for (agent, factory) in section.http.agent.iter().zip(http_agents(section)?) {
        let Some(placing) = agent.placing() else { continue };
        placed.push(PlacedAgent::new(factory, placing, &config, Duration::ZERO));
    }
    cluster::placed(placed).map_err(NodeError::Config)
}

fn status_parts(
    builder: &NodeBuilder,
    boot: Boot,
    journal: Address<JournalMessage>,
    work: &Work,
) -> StatusParts {
    StatusParts {
        name: builder.config.node.name.clone(),
        boot: boot.id,
        started_at: boot.at,
        started: boot.instant,
        journal,
        engines: work.engines.clone(),
        cluster: work.cluster().cloned(),
        host: work.host.clone(),
        drain_within: drain_within(&builder.config),
        reload: reload::reload(builder, work.engines.clone()),
    }
}

/// The API and the source of its stream.
fn with_http(
    root: SupervisorSpec,
    builder: &NodeBuilder,
    (system, hub): (&System, EventHub),
    listener: Listener,
    (parts, work): (&Parts, &Work),
) -> Result<SupervisorSpec, NodeError> {
    let config = &builder.config;
    let (tokens, access) = security::open(config, system)?.unzip();
    let actors = system.subscribe_lifecycle(LIFECYCLE_BUFFER);
    let events = NodeSource::spec(hub.clone(), parts.registry.clone(), actors);
    let changes = SharedSource::spec(hub.clone(), parts.shared.clone());
    let state = ApiState::new(ApiParts {
        config: config.http.clone(),
        system: system.clone(),
        tasks: parts.tasks.clone(),
        workflows: parts.workflows.clone(),
        registry: parts.registry.clone(),
        engines: parts.engines.clone(),
        protocols: builder.protocols.iter().map(|offer| offer.kind()).collect(),
        host: parts.host.clone(),
        shared: parts.shared.clone(),
        status: parts.status.clone(),
        hub,
        streams: StreamLimits::new(&config.http),
        metrics: builder.metrics.clone(),
        access,
        owner: work.among.as_ref().map(Settled::owner),
        cluster: parts.cluster.clone(),
    });
    if let Some(among) = &work.among {
        among.serve(state.clone());
    }
    let mut root = root.child(events.backoff(BACKOFF)).child(changes.backoff(BACKOFF));
    if let Some(tokens) = tokens {
        root = root.child(tokens.backoff(BACKOFF));
    }
    Ok(root.child(HttpServer::spec(listener, state).backoff(BACKOFF)))
}
