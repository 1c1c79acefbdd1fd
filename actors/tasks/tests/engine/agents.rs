//! Agents that come, go, are paused and crash.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use synod_agents::{
    Agent, AgentCard, AgentContext, AgentError, AgentHost, AgentSelector, AgentStatus,
    AgentsConfig, Assignment, HostSettings, Payload, RetireAgent, SetAgentStatus, factory,
};
use synod_tasks::{TaskMode, TaskState, TasksConfig};

use crate::stage::{Ground, PATIENCE, request, result};

fn selector(id: &str) -> AgentSelector {
    synod_agents::AgentId::new(id).unwrap().into()
}

#[tokio::test(start_paused = true)]
async fn a_paused_agent_is_given_nothing_until_it_is_active_again() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let set = |status| SetAgentStatus { agents: selector("a"), status };
    stage.registry.ask(set(AgentStatus::Paused), PATIENCE).await.unwrap().unwrap();
    // The registry tells the agent, too.
    agent.told().await;
    let task = stage.accept(request("x")).await;
    agent.is_idle().await;
    stage.registry.ask(set(AgentStatus::Active), PATIENCE).await.unwrap().unwrap();
    agent.told().await;
    agent.succeed("1").await;
    assert_eq!(stage.wait(task).await.unwrap().state, TaskState::Completed);
}

#[tokio::test(start_paused = true)]
async fn work_goes_to_another_agent_when_one_is_retired() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let (one, two) = (stage.agent("one", "x", 1).await, stage.agent("two", "x", 1).await);
    let agents = selector("one");
    let retire = RetireAgent { agents, reason: "test".into(), only_removable: false };
    stage.registry.ask(retire, PATIENCE).await.unwrap().unwrap();
    for _ in 0..3 {
        let task = stage.accept(request("x")).await;
        two.succeed("1").await;
        assert_eq!(stage.wait(task).await.unwrap().state, TaskState::Completed);
    }
    drop(one);
}

/// Crashes at its first execution, over all its incarnations, and works from then on.
struct Fragile;

static CRASHES: AtomicU32 = AtomicU32::new(0);

impl Agent for Fragile {
    fn card(&self) -> AgentCard {
        AgentCard::new("fragile", "1.0.0").capability("x")
    }

    async fn perform(
        &mut self,
        work: Assignment,
        _ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        if CRASHES.fetch_add(1, Ordering::Relaxed) == 0 {
            panic!("{}", synod_testkit::ON_PURPOSE);
        }
        Ok(work.payload)
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_held_when_it_crashed_is_done_again() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let settings = HostSettings {
        config: AgentsConfig::default().into(),
        registry: stage.registry.clone(),
        agents: vec![factory(|| Fragile)],
        kinds: Default::default(),
        programs: Default::default(),
    };
    stage.system.spawn(AgentHost::spec(settings).unwrap()).unwrap();
    ground.time.pass(Duration::from_secs(1)).await;
    let task = stage.accept(request("x").payload(&[1, 2]).unwrap()).await;
    let done = stage.wait(task).await.unwrap();
    assert_eq!(result(&done), "[1,2]");
    assert_eq!((done.attempts, done.lost), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_consensus_of_real_mailboxes_closes_early_and_cancels_the_rest() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let mut judges = Vec::new();
    for id in ["a", "b", "c"] {
        judges.push(stage.agent(id, "judge", 1).await);
    }
    let task = stage.accept(request("judge").mode(TaskMode::Consensus)).await;
    judges[0].succeed(r#"{"vote":"block"}"#).await;
    judges[1].succeed(r#"{"vote":"block"}"#).await;
    let decided = stage.wait(task).await.unwrap();
    assert!(result(&decided).contains(r#""decision":"block""#));
    let (_, _silent) = judges[2].execution().await.into_parts();
    assert!(matches!(judges[2].told().await, synod_agents::AgentMessage::Cancel { .. }));
}
