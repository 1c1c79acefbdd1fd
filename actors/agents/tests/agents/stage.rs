//! A node with a registry and a host of agents, and an agent that does what a task's kind says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use synod_agents::{
    Agent, AgentCard, AgentContext, AgentEntry, AgentError, AgentFactory, AgentHealth, AgentHost,
    AgentId, AgentKind, AgentMessage, AgentSelector, AgentStatus, AgentsConfig, Assignment,
    CheckHealth, Envelope, HostError, HostMessage, HostSettings, KindFactory, MessageContext,
    Payload, Perform, Performative, Performed, Programs, Receive, Recipient, RegistryActor,
    RegistryMessage, ShowAgent, StartAgent, WorkId, factory,
};
use synod_journal::{JournalConfig, JournalMessage};
use synod_runtime::{Address, AskError, Priority, SendOptions, Strategy, Supervisor, System};
use synod_testkit::{Seed, VirtualTime, silence_provoked_panics};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What an agent's asker gets.
pub(crate) type Answer = Result<Result<Performed, AgentError>, AskError>;

/// What a node is made of.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) config: AgentsConfig,
    pub(crate) journal: Option<Address<JournalMessage>>,
    pub(crate) agents: Vec<Arc<dyn AgentFactory>>,
    pub(crate) kinds: BTreeMap<AgentKind, KindFactory>,
}

/// A node of one test.
pub(crate) struct Stage {
    pub(crate) system: System,
    pub(crate) registry: Address<RegistryMessage>,
    pub(crate) host: Address<HostMessage>,
}

impl Stage {
    /// A node without a journal.
    pub(crate) async fn new(config: AgentsConfig) -> Self {
        let settings = Settings { config, ..Settings::default() };
        Self::with(settings).await
    }

    /// A node with these settings.
    pub(crate) async fn with(settings: Settings) -> Self {
        Self::on(system(), settings).await
    }

    /// The agents of these settings on a node that is there already.
    pub(crate) async fn on(system: System, settings: Settings) -> Self {
        let Settings { config, journal, agents, kinds } = settings;
        let config = Arc::new(config);
        let registry = RegistryActor::spec(Arc::clone(&config), journal);
        let (registry_address, programs) = (registry.address(), Programs::default());
        let known = registry_address.clone();
        let settings = HostSettings { config, registry: known, agents, kinds, programs };
        let host = AgentHost::spec(settings).unwrap();
        let host_address = host.address();
        let root = Supervisor::new(Strategy::RestForOne).child(registry).child(host);
        system.start(root.into_spec("node")).await.unwrap();
        Self { system, registry: registry_address, host: host_address }
    }

    /// Starts an agent.
    pub(crate) async fn start(
        &self,
        factory: Arc<dyn AgentFactory>,
    ) -> Result<AgentEntry, HostError> {
        self.host.ask(StartAgent { factory }, PATIENCE).await.unwrap()
    }

    /// Starts the acting agent with this many workers.
    pub(crate) async fn act(&self, workers: u32) -> AgentEntry {
        self.start(acting(workers)).await.unwrap()
    }

    /// The entries of an agent, none when it is unknown.
    pub(crate) async fn show(&self, id: &str) -> Vec<AgentEntry> {
        let agents = AgentSelector::from(AgentId::new(id).unwrap());
        let shown = self.registry.ask(ShowAgent { agents }, PATIENCE).await.unwrap();
        shown.unwrap_or_default()
    }

    /// Waits until the agent stands so.
    pub(crate) async fn until(&self, id: &str, status: AgentStatus) -> AgentEntry {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = self.show(id).await;
            if let Some(entry) = shown.into_iter().find(|entry| entry.status == status) {
                return entry;
            }
            assert!(Instant::now() < deadline, "agent {id} did not become {status}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the agent is gone.
    pub(crate) async fn until_gone(&self, id: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.show(id).await.is_empty() {
            assert!(Instant::now() < deadline, "agent {id} is still there");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A kernel on the test's time and with its seed.
pub(crate) fn system() -> System {
    silence_provoked_panics();
    let seed = Seed::from_env();
    let entropy = synod_runtime::SeededEntropy::new(seed.value());
    System::builder().clock(VirtualTime::new()).entropy(entropy).build()
}

/// A journal with segments of the size of a test.
pub(crate) fn small() -> JournalConfig {
    let config = JournalConfig {
        segment_bytes: 1 << 20,
        max_record_bytes: 128 << 10,
        max_group_bytes: 512 << 10,
        ..JournalConfig::default()
    };
    assert_eq!(config.validate(), Ok(()));
    config
}

/// Asks for health.
pub(crate) async fn health(agent: &Address<AgentMessage>) -> AgentHealth {
    agent.ask(CheckHealth, PATIENCE).await.unwrap()
}

/// Waits until the health of an agent satisfies `wanted`.
pub(crate) async fn healthy(
    agent: &Address<AgentMessage>,
    wanted: impl Fn(&AgentHealth) -> bool,
) -> AgentHealth {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = health(agent).await;
        if wanted(&health) {
            return health;
        }
        assert!(Instant::now() < deadline, "{health:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The next piece of work: no two are the same.
pub(crate) fn work() -> WorkId {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let task = Uuid::from_u128(u128::from(NEXT.fetch_add(1, Ordering::Relaxed)));
    WorkId { task, part: 0, attempt: 1, epoch: 1 }
}

/// Work of a kind, due in a minute.
pub(crate) fn assignment(kind: &str) -> Assignment {
    Assignment {
        work: work(),
        kind: kind.to_owned(),
        capability: None,
        payload: Payload::text("hello"),
        deadline: Instant::now() + Duration::from_secs(60),
        idempotency_key: "key".into(),
        correlation: None,
        labels: BTreeMap::new(),
        state: None,
        watch: Default::default(),
    }
}

/// Has an agent perform, in a task of its own.
pub(crate) fn give(
    agent: &Address<AgentMessage>,
    assignment: Assignment,
) -> tokio::task::JoinHandle<Answer> {
    let agent = agent.clone();
    tokio::spawn(async move {
        let within = assignment.deadline - Instant::now() + Duration::from_secs(60);
        agent.ask(Perform { assignment }, within).await
    })
}

/// Has an agent perform work of a kind, and waits for the answer.
pub(crate) async fn perform(agent: &Address<AgentMessage>, kind: &str) -> Answer {
    give(agent, assignment(kind)).await.unwrap()
}

/// What an agent says back.
pub(crate) type Said = Result<Result<Option<Envelope>, AgentError>, AskError>;

/// A call of a protocol to the agent of this id, which has this text.
pub(crate) fn call(to: &str, text: &str) -> Envelope {
    let to = Recipient::Agent(AgentId::new(to).unwrap());
    let mut envelope = Envelope::new("contract-net", to, Performative::Cfp, Payload::text(text))
        .protocol("fipa-contract-net")
        .conversation(Uuid::from_u128(77));
    envelope.reply_with = Some("1".into());
    envelope
}

/// Sends an agent a message, in a task of its own.
pub(crate) fn send(
    agent: &Address<AgentMessage>,
    envelope: Envelope,
) -> tokio::task::JoinHandle<Said> {
    let agent = agent.clone();
    tokio::spawn(async move { agent.ask(Receive { envelope }, PATIENCE).await })
}

/// Tells an agent something ahead of its work.
pub(crate) async fn tell(agent: &Address<AgentMessage>, message: AgentMessage) {
    let urgent = SendOptions::new().priority(Priority::Critical);
    agent.send_with(message, urgent).await.unwrap();
}

/// An agent whose behaviour is the kind of its task.
pub(crate) struct Acting {
    workers: u32,
    instance: u32,
}

/// The acting agent with this many workers; its instances are numbered from 1.
pub(crate) fn acting(workers: u32) -> Arc<dyn AgentFactory> {
    let made = AtomicU32::new(0);
    // The factory makes one more to read its card, which gets the number 0.
    factory(move || Acting { workers, instance: made.fetch_add(1, Ordering::Relaxed) })
}

impl Agent for Acting {
    fn card(&self) -> AgentCard {
        AgentCard::new("acting", "1.0.0").capability("act").concurrency(self.workers)
    }

    async fn perform(
        &mut self,
        work: Assignment,
        ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        match work.kind.as_str() {
            "echo" => Ok(work.payload),
            "instance" => Ok(Payload::json(&self.instance)?),
            "trace" => Ok(Payload::json(&work.correlation)?),
            "crash" => panic!("on purpose"),
            "fail" => Err(AgentError::failed("it did not work")),
            "lose" => Err(AgentError::lost("the connection broke")),
            "busy" => Err(AgentError::unavailable("its endpoint is down")),
            "sleep" => {
                sleep(Duration::from_secs(10)).await;
                Ok(work.payload)
            }
            "obey" => {
                ctx.progress(0.5, "half way");
                ctx.cancelled().cancelled().await;
                Err(AgentError::failed("interrupted"))
            }
            "stubborn" => std::future::pending().await,
            "count" => {
                let count = ctx.state.load().map_or(0, |state| state[0]) + 1;
                ctx.state.save(vec![count])?;
                Ok(Payload::json(&count)?)
            }
            "save and fail" => {
                ctx.state.save("lost")?;
                Err(AgentError::failed("after all"))
            }
            other => Err(AgentError::invalid_input(format!("no behaviour '{other}'"))),
        }
    }

    async fn receive(
        &mut self,
        envelope: Envelope,
        ctx: &mut MessageContext,
    ) -> Result<Option<Envelope>, AgentError> {
        let said = |text: String| Some(envelope.answer(Performative::Propose, Payload::text(text)));
        match envelope.content.to_text()?.as_str() {
            "bid" => Ok(said("3".into())),
            "instance" => Ok(said(self.instance.to_string())),
            "crash" => panic!("on purpose"),
            "fail" => Err(AgentError::failed("it can't be read")),
            "stubborn" => std::future::pending().await,
            "forge" => {
                let mut forged = envelope.answer(Performative::Inform, Payload::text("!"));
                forged.sender = "the-king".into();
                forged.conversation = None;
                forged.recipient = Recipient::Everyone;
                Ok(Some(forged))
            }
            "tell" => {
                let to = Recipient::Topic("a/b".into());
                let told = Envelope::new("x", to, Performative::Inform, Payload::empty());
                ctx.send(told).await.map(|()| None)
            }
            _ => Ok(None),
        }
    }
}
