//! A node of one test: virtual time, a simulated disk that outlives it, agents that are probes.

use std::time::Duration;

use synod_agents::{
    AgentCard, AgentError, AgentMessage, AgentsConfig, Assignment, Payload, Performed,
    RegisterAgent, RegistryActor, RegistryMessage,
};
use synod_journal::{JournalActor, JournalConfig, JournalMessage, SimulatedDisk};
use synod_runtime::{Address, Principal, Request, Strategy, Supervisor, System};
use synod_tasks::{
    Accepted, CancelError, CancelTask, EngineHealth, EngineHealthResponse, EngineStats,
    EngineStatsResponse, GetTask, SubmitError, SubmitTask, TaskEngine, TaskId, TaskState,
    TaskStatusResponse, TaskSubmissionRequest, TasksConfig, TasksMessage, WaitTask,
};
use synod_testkit::{Probe, Seed, VirtualTime, silence_provoked_panics};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a node of one test keeps over its restarts.
pub(crate) struct Ground {
    pub(crate) time: VirtualTime,
    pub(crate) disk: SimulatedDisk,
    pub(crate) config: TasksConfig,
    pub(crate) journal: JournalConfig,
    seed: Seed,
}

impl Ground {
    pub(crate) fn new(config: TasksConfig) -> Self {
        silence_provoked_panics();
        assert_eq!(config.validate(), Ok(()));
        let journal = JournalConfig {
            segment_bytes: 2 << 20,
            max_group_bytes: 1 << 20,
            max_record_bytes: 768 << 10,
            reserve_bytes: 0,
            ..JournalConfig::default()
        };
        assert_eq!(journal.validate(), Ok(()));
        let seed = Seed::from_env();
        let disk = SimulatedDisk::new(seed.value());
        Self { time: VirtualTime::new(), disk, config, journal, seed }
    }

    /// Starts a node on this disk.
    pub(crate) async fn start(&self) -> Stage {
        let entropy = synod_runtime::SeededEntropy::new(self.seed.value());
        let system = System::builder().clock(self.time.clone()).entropy(entropy).build();
        let journal = JournalActor::simulated(self.journal.clone(), self.disk.clone());
        let registry = RegistryActor::spec(AgentsConfig::default().into(), None);
        let (log, agents) = (journal.address(), registry.address());
        let engine = TaskEngine::spec(self.config.clone(), log.clone(), agents.clone());
        let tasks = engine.address();
        let root = Supervisor::new(Strategy::RestForOne)
            .child(journal)
            .child(registry)
            .child(engine)
            .into_spec("node");
        system.start(root).await.unwrap();
        Stage { system, journal: log, registry: agents, tasks }
    }
}

/// A running node.
pub(crate) struct Stage {
    pub(crate) system: System,
    pub(crate) journal: Address<JournalMessage>,
    pub(crate) registry: Address<RegistryMessage>,
    pub(crate) tasks: Address<TasksMessage>,
}

/// An agent that is the test itself.
pub(crate) struct Agent {
    inbox: Probe<AgentMessage>,
}

/// An execution that an agent has in hand.
pub(crate) type Execution = Request<synod_agents::Perform>;

impl Agent {
    /// The next execution.
    pub(crate) async fn execution(&self) -> Execution {
        match self.inbox.next(PATIENCE).await {
            Some(AgentMessage::Perform(request)) => request,
            other => panic!("expected an execution, got {other:?}"),
        }
    }

    /// What it is told next, beside executions.
    pub(crate) async fn told(&self) -> AgentMessage {
        self.inbox.next(PATIENCE).await.expect("a message")
    }

    /// Does the next execution, with this JSON as output.
    pub(crate) async fn succeed(&self, json: &str) -> Assignment {
        let (perform, reply) = self.execution().await.into_parts();
        reply.send(Ok(output(json)));
        perform.assignment
    }

    pub(crate) async fn fail(&self, error: AgentError) {
        self.execution().await.answer(Err(error));
    }

    /// It is given nothing for a while.
    pub(crate) async fn is_idle(&self) {
        self.inbox.expect_none(Duration::from_secs(1)).await;
    }
}

pub(crate) fn output(json: &str) -> Performed {
    Performed { payload: Payload::new("application/json", json.to_owned()), state: None }
}

pub(crate) fn request(kind: &str) -> TaskSubmissionRequest {
    TaskSubmissionRequest::new(kind)
}

impl Stage {
    /// Registers an agent that takes this many executions at a time.
    pub(crate) async fn agent(&self, id: &str, capability: &str, concurrency: u32) -> Agent {
        let card = AgentCard::new(id, "1.0.0").capability(capability).concurrency(concurrency);
        let inbox = Probe::new();
        let register = RegisterAgent::new(card, inbox.address());
        self.registry.ask(register, PATIENCE).await.unwrap().unwrap();
        // The registry has told the engine by the time that it has answered.
        Agent { inbox }
    }

    pub(crate) async fn submit(
        &self,
        request: TaskSubmissionRequest,
    ) -> Result<Accepted, SubmitError> {
        let submit = SubmitTask { request, principal: Principal::user("ada") };
        self.tasks.ask(submit, PATIENCE).await.unwrap()
    }

    /// Submits what must be accepted.
    pub(crate) async fn accept(&self, request: TaskSubmissionRequest) -> TaskId {
        self.submit(request).await.unwrap().task_id
    }

    pub(crate) async fn get(&self, id: TaskId) -> Option<TaskStatusResponse> {
        self.tasks.ask(GetTask { id }, PATIENCE).await.unwrap()
    }

    pub(crate) async fn state(&self, id: TaskId) -> TaskState {
        self.get(id).await.expect("a known task").state
    }

    pub(crate) async fn wait(&self, id: TaskId) -> Option<TaskStatusResponse> {
        self.tasks.ask(WaitTask { id }, PATIENCE).await.unwrap()
    }

    pub(crate) async fn cancel(&self, id: TaskId) -> Result<TaskStatusResponse, CancelError> {
        let cancel = CancelTask { id, principal: Principal::user("ada") };
        self.tasks.ask(cancel, PATIENCE).await.unwrap()
    }

    pub(crate) async fn stats(&self) -> EngineStatsResponse {
        self.tasks.ask(EngineStats {}, PATIENCE).await.unwrap()
    }

    pub(crate) async fn health(&self) -> EngineHealthResponse {
        self.tasks.ask(EngineHealth {}, PATIENCE).await.unwrap()
    }

    /// Stops the node in order.
    pub(crate) async fn stop(self) {
        self.system.stop(PATIENCE).await.unwrap();
    }

    /// Cuts the power; whatever the node still does reaches no disk.
    pub(crate) async fn cut(self, ground: &Ground) {
        ground.disk.crash();
        // It can't stop in order any more, and nobody cares how it ends.
        let _ended = self.system.stop(Duration::from_secs(1)).await;
    }
}

/// The result as the JSON text it is shown as.
pub(crate) fn result(status: &TaskStatusResponse) -> String {
    serde_json::to_string(status.result.as_ref().expect("a result")).unwrap()
}
