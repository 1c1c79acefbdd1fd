//! A node of one measurement: journal, agents, tasks and workflows, in this process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use synod_agents::{
    AgentFactory, AgentHost, AgentsConfig, AwaitAgents, Echo, HostSettings, ProcessFactory,
    Programs, RegistryActor, factory,
};
use synod_journal::{Health, JournalActor, JournalConfig, JournalHealth, JournalMessage};
use synod_runtime::{Address, Principal, System, SystemConfig};
use synod_tasks::{TaskEngine, TasksConfig};
use synod_workflows::{
    RunId, RunOptions, RunSource, RunState, StartRun, WaitRun, WorkflowEngine, WorkflowStats,
    WorkflowsConfig, WorkflowsMessage,
};

use crate::LONG;

/// Who does the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worker {
    /// The built-in echo agent, a Rust type in the node.
    Native,
    /// `benches/http/echo.py`, a child process of the node.
    Python,
}

impl Worker {
    /// The capability that its agent alone has.
    pub(crate) fn capability(self) -> &'static str {
        match self {
            Self::Native => "echo",
            Self::Python => "echo.python",
        }
    }

    /// Its agent; `None` where there is no Python.
    fn agent(self, config: &Arc<AgentsConfig>, programs: &Programs) -> Arc<dyn AgentFactory> {
        match self {
            Self::Native => factory(Echo::default),
            Self::Python => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/http/echo.py");
                let agent = json!({
                    "id": "echo-python", "capabilities": ["echo.python"],
                    "command": python().expect("a Python"), "args": [script],
                    "max_lines_per_s": 1_000_000, "limits": {"max_concurrent_tasks": 64},
                });
                let agent = serde_json::from_value(agent).expect("a process agent");
                Arc::new(ProcessFactory::new(agent, Arc::clone(config), programs.clone()))
            }
        }
    }
}

/// The Python to use, if there is one: not a wrapper that would look for it at each start.
pub(crate) fn python() -> Option<PathBuf> {
    let print = "import sys; print(sys.executable)";
    let output = Command::new("python3").args(["-c", print]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().into())
}

/// A running node.
pub(crate) struct Node {
    system: System,
    journal: Address<JournalMessage>,
    pub(crate) engine: Address<WorkflowsMessage>,
}

impl Node {
    /// Starts a node on an empty folder and waits until its agent is there.
    pub(crate) async fn start(folder: &Path, worker: Worker) -> Self {
        let system = System::new(SystemConfig::default());
        let journal = JournalActor::spec(JournalConfig::default(), folder);
        let config = Arc::new(AgentsConfig::default());
        let registry = RegistryActor::spec(config.clone(), None);
        let (log, known) = (journal.address(), registry.address());
        let tasks = TaskEngine::spec(TasksConfig::default(), log.clone(), known.clone());
        let workflows = WorkflowsConfig { keep_ended: 5_000, ..WorkflowsConfig::default() };
        let engine = WorkflowEngine::spec(workflows, log.clone(), tasks.address());
        let address = engine.address();
        system.spawn(journal).expect("a journal");
        system.spawn(registry).expect("a registry");
        system.spawn(tasks).expect("a task engine");
        system.spawn(engine).expect("an engine");
        let programs = Programs::default();
        let agents = vec![worker.agent(&config, &programs)];
        let kinds = Default::default();
        let settings = HostSettings { config, registry: known, agents, kinds, programs };
        let host = AgentHost::spec(settings).expect("a host");
        let there = host.address();
        system.spawn(host).expect("a host");
        there.ask(AwaitAgents, LONG).await.expect("the agent");
        Self { system, journal: log, engine: address }
    }

    pub(crate) async fn begin(&self, text: &str, input: Value) -> RunId {
        let source = RunSource::Text(text.to_owned());
        let (options, principal) = (RunOptions::default(), Principal::default());
        let start = StartRun { source, input, options, principal };
        let accepted = self.engine.ask(start, LONG).await.expect("an answer").expect("room");
        accepted.run_id
    }

    /// Waits for the end of a run, unless it is forgotten by now.
    pub(crate) async fn end(&self, id: RunId) {
        let status = self.engine.ask(WaitRun { id }, LONG).await.expect("an answer");
        let state = status.as_ref().map(|status| status.summary.state);
        assert!(state.is_none_or(|state| state == RunState::Completed), "{status:?}");
    }

    pub(crate) async fn log(&self) -> JournalHealth {
        self.journal.ask(Health {}, LONG).await.expect("an answer")
    }

    pub(crate) async fn stop(self) {
        let stats = self.engine.ask(WorkflowStats {}, LONG).await.expect("an answer");
        assert!(stats.ledger.balanced && stats.ledger.failed == 0, "{:?}", stats.ledger);
        self.system.stop(LONG).await.expect("an orderly end");
    }
}
