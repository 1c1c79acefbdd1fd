//! Executions that their callers keep: asked for, answered, cancelled, given back.

use std::time::Duration;

use synod_agents::{AgentError, AgentMessage, Payload, Performed};
use synod_runtime::{AskError, Principal};
use synod_tasks::{
    CancelExecution, DrainEngine, Drained, EnginePhase, Execute, Executed, ExecutionError,
    ExecutionSpec, ExecutionStats, FailureKind, TasksConfig,
};
use synod_testkit::Probe;
use tokio::time::Instant;
use uuid::Uuid;

use crate::stage::{Ground, PATIENCE, Stage, output, request};

/// What a keeper hears of one of its executions.
type Answer = Result<Result<Executed, ExecutionError>, AskError>;

/// Somebody who keeps executions, as the run of a workflow does.
struct Keeper {
    inbox: Probe<(u128, Answer)>,
}

fn spec(kind: &str) -> ExecutionSpec {
    let deadline = Instant::now() + Duration::from_secs(30);
    let input = Payload::text("input");
    let idempotency_key = "run/step/0".to_owned();
    ExecutionSpec { idempotency_key, ..ExecutionSpec::new(kind, input, deadline) }
}

fn execution(number: u128, attempt: u32, spec: ExecutionSpec) -> Execute {
    Execute { id: Uuid::from_u128(number), attempt, spec, principal: Principal::default() }
}

impl Keeper {
    fn new() -> Self {
        Self { inbox: Probe::new() }
    }

    fn ask(&self, stage: &Stage, number: u128, attempt: u32) {
        let question = execution(number, attempt, spec("x"));
        let told = move |answer| (number, answer);
        stage.tasks.ask_into(question, PATIENCE, &self.inbox.address(), told);
    }

    async fn hear(&self) -> (u128, Answer) {
        self.inbox.next(PATIENCE).await.expect("an answer")
    }

    async fn output(&self) -> (u128, String) {
        let (number, answer) = self.hear().await;
        let bytes = answer.unwrap().unwrap().output.bytes.to_vec();
        (number, String::from_utf8(bytes).unwrap())
    }

    async fn error(&self) -> ExecutionError {
        self.hear().await.1.unwrap().unwrap_err()
    }
}

impl Stage {
    async fn executions(&self) -> ExecutionStats {
        self.stats().await.executions
    }

    /// Waits until as many executions are open.
    async fn open(&self, ground: &Ground, wanted: u64) {
        for _ in 0..100 {
            if self.executions().await.open == wanted {
                return;
            }
            ground.time.pass(Duration::from_millis(100)).await;
        }
        panic!("{:?}, and not {wanted} open", self.executions().await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_execution_is_answered_with_the_agents_output_and_leaves_no_record() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let written = || ground.disk.contents("log/00000000000000000001.segment");
    let keeper = Keeper::new();
    let before = written();
    for attempt in [1, 2] {
        keeper.ask(&stage, 7, attempt);
        let assignment = agent.succeed(&format!("\"{attempt}\"")).await;
        assert_eq!(assignment.work.task, Uuid::from_u128(7));
        assert_eq!(assignment.work.attempt, attempt);
        assert_eq!(assignment.idempotency_key, "run/step/0");
        assert_eq!(keeper.output().await, (7, format!("\"{attempt}\"")));
    }
    assert!(written() == before, "nothing was appended");
    let stats = stage.stats().await;
    assert_eq!((stats.executions.started, stats.executions.completed), (2, 2));
    assert_eq!((stats.ledger.accepted, stats.parts.executions), (0, 0));
    assert_eq!((stats.agents[0].completed, stats.capabilities["x"].completed), (2, 2));
    assert!(stage.get(Uuid::from_u128(7)).await.is_none(), "it is no task");
}

#[tokio::test(start_paused = true)]
async fn a_large_output_goes_to_the_keeper_and_into_no_blob() {
    let ground = Ground::new(TasksConfig { inline_bytes: 100, ..TasksConfig::default() });
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let keeper = Keeper::new();
    keeper.ask(&stage, 1, 1);
    let large = format!("\"{}\"", "o".repeat(5_000));
    agent.succeed(&large).await;
    assert_eq!(keeper.output().await, (1, large));
    assert!(ground.disk.paths().iter().all(|path| !path.starts_with("blobs/")));
}

#[tokio::test(start_paused = true)]
async fn an_error_is_answered_at_once_and_a_crash_of_the_agent_is_tried_again() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let keeper = Keeper::new();
    keeper.ask(&stage, 1, 1);
    drop(agent.execution().await);
    agent.fail(AgentError::invalid_input("no number").retry_after(Duration::from_secs(1))).await;
    let error = keeper.error().await;
    assert_eq!((error.kind, error.lost), (FailureKind::InvalidInput, 1));
    assert_eq!((error.message.as_str(), error.retry_after_ms), ("no number", Some(1_000)));
    assert_eq!(error.agent.as_deref(), Some("a@1.0.0"));
    agent.is_idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_keeper_cancels_an_execution_twice_and_one_that_is_not_there() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let keeper = Keeper::new();
    keeper.ask(&stage, 1, 1);
    let late = agent.execution().await;
    for (number, attempt) in [(1, 1), (1, 1), (1, 2), (2, 1)] {
        let (id, principal) = (Uuid::from_u128(number), Principal::default());
        let cancel = CancelExecution { id, attempt, principal };
        assert_eq!(stage.tasks.ask(cancel, PATIENCE).await, Ok(()));
    }
    assert_eq!(keeper.error().await.kind, FailureKind::Cancelled);
    assert!(matches!(agent.told().await, AgentMessage::Cancel { .. }));
    late.answer(Ok(output("1")));
    stage.open(&ground, 0).await;
    assert_eq!(stage.executions().await.cancelled, 1);
}

#[tokio::test(start_paused = true)]
async fn an_execution_whose_keeper_has_gone_is_cancelled() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let keeper = Keeper::new();
    keeper.ask(&stage, 1, 1);
    keeper.ask(&stage, 2, 1);
    let running = agent.execution().await;
    // One that waits in place, and gives up.
    let question = execution(3, 1, spec("x"));
    let gave_up = stage.tasks.ask(question, Duration::from_millis(10)).await;
    assert_eq!(gave_up, Err(AskError::Deadline));
    stage.open(&ground, 2).await;
    drop(keeper);
    stage.open(&ground, 0).await;
    assert!(matches!(agent.told().await, AgentMessage::Cancel { .. }));
    running.answer(Ok(output("1")));
    let stats = stage.executions().await;
    assert_eq!((stats.cancelled, stats.completed), (3, 0));
    agent.is_idle().await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_given_to_no_agent() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let (first, second) = (Keeper::new(), Keeper::new());
    first.ask(&stage, 1, 1);
    let running = agent.execution().await;
    second.ask(&stage, 2, 1);
    stage.open(&ground, 2).await;
    // Before it is looked who still waits.
    drop(second);
    running.answer(Ok(output("1")));
    first.output().await;
    stage.open(&ground, 0).await;
    assert_eq!(stage.executions().await.cancelled, 1);
    // That it is to stop does not matter to who never began.
    assert!(matches!(agent.told().await, AgentMessage::Cancel { .. }));
    agent.is_idle().await;
    first.ask(&stage, 3, 1);
    agent.succeed("3").await;
    assert_eq!(first.output().await, (3, "3".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_same_execution_asked_for_again_is_done_once_and_all_are_answered() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 2).await;
    let (keeper, again) = (Keeper::new(), Keeper::new());
    keeper.ask(&stage, 1, 1);
    let execution = agent.execution().await;
    again.ask(&stage, 1, 1);
    agent.is_idle().await;
    execution.answer(Ok(output("1")));
    assert_eq!(keeper.output().await, (1, "1".to_owned()));
    assert_eq!(again.output().await, (1, "1".to_owned()));
    assert_eq!(stage.executions().await.started, 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_saves_is_on_the_disk_before_the_keeper_hears() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let keeper = Keeper::new();
    keeper.ask(&stage, 1, 1);
    let saved = Performed { state: Some("three seen".into()), ..output("1") };
    agent.execution().await.answer(Ok(saved));
    keeper.output().await;
    stage.cut(&ground).await;
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    keeper.ask(&stage, 1, 2);
    let assignment = agent.succeed("2").await;
    assert_eq!(assignment.state.as_deref(), Some(&b"three seen"[..]));
    assert_eq!(keeper.output().await, (1, "2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_drain_gives_executions_back_so_that_they_go_on_at_the_next_start() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let keeper = Keeper::new();
    keeper.ask(&stage, 1, 1);
    let execution = agent.execution().await;
    keeper.ask(&stage, 2, 1);
    let tasks = stage.tasks.clone();
    let drain = DrainEngine { within: Duration::from_secs(5) };
    let draining = tokio::spawn(async move { tasks.ask(drain, PATIENCE).await });
    let (waiting, answer) = keeper.hear().await;
    assert_eq!((waiting, answer.unwrap().unwrap_err().handed_back), (2, true));
    keeper.ask(&stage, 3, 1);
    assert!(keeper.error().await.handed_back);
    assert_eq!(draining.await.unwrap(), Ok(Drained { handed_back: 1, open: 0 }));
    let error = keeper.error().await;
    assert_eq!((error.kind, error.handed_back), (FailureKind::Unavailable, true));
    drop(execution);
    stage.stop().await;
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    keeper.ask(&stage, 1, 1);
    assert_eq!(agent.succeed("1").await.work.attempt, 1);
    assert_eq!(keeper.output().await, (1, "1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_orderly_stop_and_a_crash_of_the_engine_leave_no_keeper_waiting() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let keeper = Keeper::new();
    keeper.ask(&stage, 1, 1);
    let execution = agent.execution().await;
    let path = synod_runtime::ActorPath::new("/node/tasks");
    stage.system.control(&path, synod_runtime::Control::Restart).unwrap();
    assert!(keeper.error().await.handed_back);
    drop(execution);
    keeper.ask(&stage, 2, 1);
    stage.open(&ground, 1).await;
    stage.cut(&ground).await;
    let (number, answer) = keeper.hear().await;
    assert_eq!(number, 2);
    // Its end could not be told in order: the keeper asks again.
    assert!(!matches!(answer, Ok(Ok(_))), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn while_the_journal_takes_nothing_executions_are_given_back_and_refused() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 2).await;
    let keeper = Keeper::new();
    keeper.ask(&stage, 1, 1);
    keeper.ask(&stage, 2, 1);
    let (saves, runs) = (agent.execution().await, agent.execution().await);
    ground.disk.set_free_bytes(0);
    let large = || request("x").payload(&"y".repeat(60_000)).unwrap();
    while stage.submit(large()).await.is_ok() {}
    let given_back: Vec<_> = [keeper.error().await, keeper.error().await].into();
    assert!(given_back.iter().all(|error| error.handed_back), "{given_back:?}");
    assert_eq!(stage.health().await.phase, EnginePhase::Refusing);
    saves.answer(Ok(Performed { state: Some("state".into()), ..output("1") }));
    runs.answer(Ok(output("1")));
    keeper.ask(&stage, 3, 1);
    let refused = keeper.error().await;
    assert!(refused.handed_back && refused.message.contains("disk full"), "{refused:?}");
    ground.disk.set_free_bytes(1 << 40);
    ground.time.pass(Duration::from_secs(10)).await;
    assert_eq!(stage.health().await.phase, EnginePhase::Running);
    let stats = stage.executions().await;
    assert_eq!((stats.open, stats.handed_back), (0, 2));
}
