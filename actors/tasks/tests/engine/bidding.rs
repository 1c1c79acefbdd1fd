//! Agents that are asked who does a task, through their mailboxes.

use std::time::Duration;

use serde_json::{Value, json};
use synod_agents::{
    AgentError, AgentHost, AgentMessage, AgentsConfig, Echo, Envelope, HostSettings, Payload,
    Performative, Receive, factory,
};
use synod_runtime::Request;
use synod_tasks::{
    Allocation, Execute, ExecutionSpec, TaskState, TaskSubmissionRequest, TasksConfig,
};
use uuid::Uuid;

use crate::stage::{Agent, Ground, PATIENCE, request};

fn by(allocation: Allocation) -> TaskSubmissionRequest {
    request("x").payload(&[1, 2]).unwrap().allocation(allocation)
}

impl Agent {
    /// The next call.
    async fn call(&self) -> Request<Receive> {
        match self.told().await {
            AgentMessage::Receive(call) => call,
            other => panic!("expected a call, got {other:?}"),
        }
    }

    /// Answers the next call; gives back what it was asked.
    async fn say(&self, performative: Performative, content: Value) -> Envelope {
        let (Receive { envelope }, reply) = self.call().await.into_parts();
        let content = Payload::json(&content).unwrap();
        reply.send(Ok(Some(envelope.answer(performative, content))));
        envelope
    }

    async fn propose(&self, content: Value) -> Envelope {
        self.say(Performative::Propose, content).await
    }
}

#[tokio::test(start_paused = true)]
async fn agents_are_called_and_the_best_proposal_gets_the_task() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let (slow, quick) = (stage.agent("slow", "x", 1).await, stage.agent("quick", "x", 1).await);
    let task = stage.accept(by(Allocation::ContractNet)).await;
    let call = slow.propose(json!({"time_ms": 900})).await;
    assert_eq!((call.performative, &*call.protocol), (Performative::Cfp, "fipa-contract-net"));
    assert_eq!((&*call.sender, call.conversation), ("tasks", Some(task)));
    assert!(call.reply_by_us.unwrap() > call.sent_at_us && call.reply_with.is_some());
    let content: Value = call.content.to_json().unwrap();
    assert_eq!((&content["kind"], &content["input"]), (&json!("x"), &json!([1, 2])));
    quick.propose(json!({"time_ms": 5, "note": "idle"})).await;
    quick.succeed("1").await;
    let status = stage.wait(task).await.unwrap();
    assert_eq!(status.parts[0].agent.as_deref(), Some("quick@1.0.0"));
    let why = status.parts[0].chosen_because.clone().unwrap();
    assert!(why.contains("2 of 2 asked bid"), "{why}");
    slow.is_idle().await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn silence_costs_no_more_than_the_time_for_answers() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("mute", "x", 1).await;
    let task = stage.accept(by(Allocation::ContractNet)).await;
    let _held = agent.call().await;
    let before = tokio::time::Instant::now();
    agent.succeed("1").await;
    assert!(before.elapsed() < Duration::from_millis(400), "{:?}", before.elapsed());
    assert_eq!(stage.wait(task).await.unwrap().state, TaskState::Completed);
    assert_eq!(stage.stats().await.bidding.silent, 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_reads_no_messages_works_under_every_allocation() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let settings = HostSettings {
        config: AgentsConfig::default().into(),
        registry: stage.registry.clone(),
        agents: vec![factory(|| Echo)],
        kinds: Default::default(),
        programs: Default::default(),
    };
    stage.system.spawn(AgentHost::spec(settings).unwrap()).unwrap();
    ground.time.pass(Duration::from_secs(1)).await;
    for allocation in Allocation::ALL {
        let task = stage.accept(request("echo").allocation(*allocation)).await;
        let ended = stage.wait(task).await.unwrap();
        assert_eq!((ended.state, ended.allocation), (TaskState::Completed, *allocation));
    }
    let bidding = stage.stats().await.bidding;
    assert_eq!((bidding.rounds, bidding.not_understood, bidding.awarded), (3, 3, 3));
}

#[tokio::test(start_paused = true)]
async fn the_next_best_goes_on_when_the_contractor_dies() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let (one, two) = (stage.agent("one", "x", 1).await, stage.agent("two", "x", 1).await);
    let task = stage.accept(by(Allocation::ContractNet)).await;
    one.propose(json!({"time_ms": 1})).await;
    two.propose(json!({"time_ms": 800})).await;
    // Its actor is gone, and with it the reply that was owed.
    drop(one.execution().await);
    two.succeed("2").await;
    let status = stage.wait(task).await.unwrap();
    assert_eq!((status.state, status.lost), (TaskState::Completed, 1));
    assert_eq!(status.parts[0].agent.as_deref(), Some("two@1.0.0"));
    assert_eq!(stage.stats().await.bidding.rounds, 1);
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_in_mid_round_loses_nothing() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(by(Allocation::ContractNet)).await;
    let asked = agent.call().await;
    stage.cut(&ground).await;
    drop(asked);
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    agent.propose(json!({})).await;
    agent.succeed("1").await;
    let status = stage.wait(task).await.unwrap();
    assert_eq!((status.state, status.attempts), (TaskState::Completed, 1));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_cancelled_in_mid_round_is_given_to_nobody() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(by(Allocation::Auction)).await;
    let (Receive { envelope }, reply) = agent.call().await.into_parts();
    assert_eq!(stage.cancel(task).await.unwrap().state, TaskState::Cancelled);
    let amount = Payload::json(&json!({"amount": 1})).unwrap();
    reply.send(Ok(Some(envelope.answer(Performative::Propose, amount))));
    agent.is_idle().await;
    assert_eq!(stage.stats().await.bidding.late, 1);
}

#[tokio::test(start_paused = true)]
async fn the_price_of_an_auction_is_what_the_task_costs() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let (one, two) = (stage.agent("one", "x", 1).await, stage.agent("two", "x", 1).await);
    let request = TaskSubmissionRequest { budget: Some(9.0), ..by(Allocation::Auction) };
    let task = stage.accept(request).await;
    one.propose(json!({"amount": 3})).await;
    two.propose(json!({"amount": 5.5})).await;
    one.succeed("1").await;
    let status = stage.wait(task).await.unwrap();
    assert_eq!((status.cost, status.allocation), (5.5, Allocation::Auction));
}

#[tokio::test(start_paused = true)]
async fn agents_vote_on_who_does_it_and_a_failed_voter_abstains() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let mut agents = Vec::new();
    for id in ["a", "b", "c"] {
        agents.push(stage.agent(id, "x", 1).await);
    }
    let task = stage.accept(by(Allocation::Consensus)).await;
    let question = agents[0].say(Performative::Inform, json!({"choice": "c"})).await;
    assert_eq!(question.performative, Performative::QueryRef);
    let content: Value = question.content.to_json().unwrap();
    assert_eq!(content["candidates"].as_array().map(Vec::len), Some(3));
    agents[1].call().await.answer(Err(AgentError::failed("no idea")));
    agents[2].say(Performative::Inform, json!({"choice": "c"})).await;
    agents[2].succeed("1").await;
    assert_eq!(stage.wait(task).await.unwrap().parts[0].agent.as_deref(), Some("c@1.0.0"));
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_its_caller_keeps_is_bid_for_as_well() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let (one, two) = (stage.agent("one", "x", 1).await, stage.agent("two", "x", 1).await);
    let deadline = stage.system.clock().now() + Duration::from_secs(30);
    let spec = ExecutionSpec::new("x", Payload::empty(), deadline);
    let spec = ExecutionSpec { allocation: Allocation::ContractNet, ..spec };
    let execute =
        Execute { id: Uuid::from_u128(7), attempt: 1, spec, principal: Default::default() };
    let asking = stage.tasks.ask(execute, PATIENCE);
    let working = async {
        one.propose(json!({"time_ms": 700})).await;
        two.propose(json!({"time_ms": 7})).await;
        two.succeed("7").await;
    };
    let (executed, ()) = futures::join!(asking, working);
    assert_eq!(&*executed.unwrap().unwrap().agents[0], "two@1.0.0");
}
