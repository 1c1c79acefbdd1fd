//! A node of one test: virtual time, a simulated disk that outlives it, agents that answer by a
//! function.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use synod_agents::{
    AgentCard, AgentError, AgentMessage, AgentsConfig, Assignment, Payload, Performed,
    RegisterAgent, RegistryActor, RegistryMessage,
};
use synod_journal::SimulatedDisk;
use synod_journal::{Health, JournalActor, JournalConfig, JournalHealth, JournalMessage};
use synod_runtime::{Address, Ask, Principal, Request, Strategy, Supervisor, System};
use synod_tasks::{TaskEngine, TasksConfig};
use synod_testkit::{Probe, Seed, VirtualTime, silence_provoked_panics};
use synod_workflows::{
    CancelRun, GetRun, HistoryEvent, RunAccepted, RunChange, RunHistory, RunId, RunListener,
    RunOptions, RunSource, RunState, RunStatusResponse, StartError, StartRun, WaitRun,
    WorkflowEngine, WorkflowStats, WorkflowStatsResponse, WorkflowsConfig, WorkflowsMessage,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(3_600);

/// What a node of one test keeps over its restarts.
pub(crate) struct Ground {
    pub(crate) time: VirtualTime,
    pub(crate) disk: SimulatedDisk,
    pub(crate) config: WorkflowsConfig,
    pub(crate) journal: JournalConfig,
    seed: Seed,
}

impl Ground {
    pub(crate) fn new(config: WorkflowsConfig) -> Self {
        Self::seeded(config, Seed::from_env())
    }

    pub(crate) fn seeded(config: WorkflowsConfig, seed: Seed) -> Self {
        silence_provoked_panics();
        assert_eq!(config.validate(), Ok(()));
        let journal = JournalConfig {
            segment_bytes: 2 << 20,
            max_group_bytes: 1 << 20,
            max_record_bytes: 768 << 10,
            reserve_bytes: 0,
            blob_grace_s: 0,
            ..JournalConfig::default()
        };
        assert_eq!(journal.validate(), Ok(()));
        let disk = SimulatedDisk::new(seed.value());
        Self { time: VirtualTime::new(), disk, config, journal, seed }
    }

    /// Starts a node on this disk.
    pub(crate) async fn start(&self) -> Stage {
        self.try_start().await.unwrap()
    }

    /// The same on a disk whose power may go meanwhile.
    pub(crate) async fn try_start(&self) -> Result<Stage, synod_runtime::StartError> {
        let entropy = synod_runtime::SeededEntropy::new(self.seed.value());
        let system = System::builder().clock(self.time.clone()).entropy(entropy).build();
        let journal = JournalActor::simulated(self.journal.clone(), self.disk.clone());
        let registry = RegistryActor::spec(AgentsConfig::default().into(), None);
        let (log, agents) = (journal.address(), registry.address());
        let tasks = TaskEngine::spec(TasksConfig::default(), log.clone(), agents.clone());
        let engine = WorkflowEngine::spec(self.config.clone(), log.clone(), tasks.address());
        let workflows = engine.address();
        let root = Supervisor::new(Strategy::RestForOne)
            .child(journal)
            .child(registry)
            .child(tasks)
            .child(engine)
            .into_spec("node");
        system.start(root).await?;
        Ok(Stage { system, journal: log, registry: agents, workflows })
    }
}

/// A running node.
pub(crate) struct Stage {
    pub(crate) system: System,
    pub(crate) journal: Address<JournalMessage>,
    pub(crate) registry: Address<RegistryMessage>,
    pub(crate) workflows: Address<WorkflowsMessage>,
}

/// What an agent does with its input.
type Does = dyn Fn(&Assignment, Value) -> Result<Value, AgentError> + Send + Sync;

/// What an agent was given, in order: the idempotency key and the input.
pub(crate) type Given = Arc<Mutex<Vec<(String, Value)>>>;

impl Stage {
    /// Registers an agent that does this at once.
    pub(crate) async fn agent(
        &self,
        capability: &str,
        does: impl Fn(&Assignment, Value) -> Result<Value, AgentError> + Send + Sync + 'static,
    ) -> Given {
        self.named(&format!("agent-{capability}"), capability, does).await
    }

    /// The same under this name.
    pub(crate) async fn named(
        &self,
        name: &str,
        capability: &str,
        does: impl Fn(&Assignment, Value) -> Result<Value, AgentError> + Send + Sync + 'static,
    ) -> Given {
        let card = AgentCard::new(name, "1.0.0").capability(capability).concurrency(1_000);
        let inbox = Probe::new();
        let register = RegisterAgent::new(card, inbox.address());
        self.registry.ask(register, PATIENCE).await.unwrap().unwrap();
        let (given, does): (Given, Arc<Does>) = (Given::default(), Arc::new(does));
        tokio::spawn(answer(inbox, Arc::clone(&given), does));
        given
    }

    /// Registers an agent that gives back its input.
    pub(crate) async fn echo(&self, capability: &str) -> Given {
        self.agent(capability, |_, input| Ok(input)).await
    }

    /// Registers an agent whose executions the test answers itself.
    pub(crate) async fn manual(&self, capability: &str) -> Probe<AgentMessage> {
        let card = AgentCard::new(format!("agent-{capability}"), "1.0.0");
        let card = card.capability(capability).concurrency(1_000);
        let inbox = Probe::new();
        let register = RegisterAgent::new(card, inbox.address());
        self.registry.ask(register, PATIENCE).await.unwrap().unwrap();
        inbox
    }

    pub(crate) async fn ask<Q: Ask>(&self, question: Q) -> Q::Reply
    where
        WorkflowsMessage: From<Request<Q>>,
    {
        self.workflows.ask(question, PATIENCE).await.unwrap()
    }

    pub(crate) async fn try_start(
        &self,
        text: &str,
        input: Value,
        options: RunOptions,
    ) -> Result<RunAccepted, StartError> {
        let source = RunSource::Text(text.to_owned());
        let principal = Principal::user("ada");
        self.ask(StartRun { source, input, options, principal }).await
    }

    /// Starts what must be accepted.
    pub(crate) async fn start(&self, text: &str, input: Value) -> RunId {
        self.try_start(text, input, RunOptions::default()).await.unwrap().run_id
    }

    pub(crate) async fn wait(&self, id: RunId) -> RunStatusResponse {
        self.ask(WaitRun { id }).await.expect("a known run")
    }

    pub(crate) async fn get(&self, id: RunId) -> RunStatusResponse {
        self.ask(GetRun { id }).await.expect("a known run")
    }

    pub(crate) async fn state(&self, id: RunId) -> RunState {
        self.get(id).await.summary.state
    }

    /// Waits until a run is in this state.
    pub(crate) async fn until(&self, id: RunId, state: RunState, time: &VirtualTime) {
        for _ in 0..10_000 {
            if self.state(id).await == state {
                return;
            }
            time.pass(Duration::from_millis(1)).await;
        }
        panic!("run {id} is {}, not {state}", self.state(id).await);
    }

    pub(crate) async fn cancel(&self, id: RunId) -> RunStatusResponse {
        let (reason, principal) = (Some("enough".to_owned()), Principal::user("ada"));
        self.ask(CancelRun { id, compensate: false, reason, principal }).await.unwrap()
    }

    pub(crate) async fn stats(&self) -> WorkflowStatsResponse {
        self.ask(WorkflowStats {}).await
    }

    pub(crate) async fn history(&self, id: RunId) -> Vec<HistoryEvent> {
        let page = self.ask(RunHistory { id, after: 0, limit: 10_000 }).await;
        page.expect("a known run").events
    }

    pub(crate) async fn journal(&self) -> JournalHealth {
        self.journal.ask(Health {}, PATIENCE).await.unwrap()
    }

    /// What is told from now on.
    pub(crate) async fn changes(&self) -> Arc<Mutex<Vec<RunChange>>> {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heard);
        let listener = RunListener::new(move |change| {
            told.lock().push(change.clone());
            true
        });
        self.workflows.send(WorkflowsMessage::Subscribe(listener)).await.unwrap();
        heard
    }

    /// Stops the node in order.
    pub(crate) async fn stop(self) {
        self.system.stop(Duration::from_secs(60)).await.unwrap();
    }

    /// Cuts the power; whatever the node still does reaches no disk.
    pub(crate) async fn cut(self, ground: &Ground) {
        ground.disk.crash();
        // It can't stop in order any more, and nobody cares how it ends.
        let _ended = self.system.stop(Duration::from_secs(1)).await;
    }
}

async fn answer(inbox: Probe<AgentMessage>, given: Given, does: Arc<Does>) {
    while let Some(message) = inbox.next(PATIENCE).await {
        let AgentMessage::Perform(request) = message else { continue };
        let (perform, reply) = request.into_parts();
        let assignment = perform.assignment;
        let input: Value = assignment.payload.to_json().unwrap_or(Value::Null);
        given.lock().push((assignment.idempotency_key.clone(), input.clone()));
        reply.send(does(&assignment, input).map(output));
    }
}

pub(crate) fn output(value: Value) -> Performed {
    Performed { payload: Payload::json(&value).unwrap(), state: None }
}

/// A definition of steps one after the other, each on the output of the one before.
pub(crate) fn linear(steps: usize) -> String {
    let step = |n: usize| {
        let input =
            if n == 0 { "${inputs}".to_owned() } else { format!("${{outputs.s{}}}", n - 1) };
        let depends: Vec<_> = n.checked_sub(1).map(|n| format!("s{n}")).into_iter().collect();
        json!({"id": format!("s{n}"), "capability": "x", "input": input, "depends_on": depends})
    };
    let steps: Vec<_> = (0..steps).map(step).collect();
    json!({"name": "linear", "steps": steps}).to_string()
}
