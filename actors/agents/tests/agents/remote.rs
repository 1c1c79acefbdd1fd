//! Agents that connect: the transport is the test itself.

use std::time::Duration;

use synod_agents::{
    AgentCard, AgentEntry, AgentErrorKind, AgentKind, AgentMessage, AgentStatus, AgentsConfig,
    ConnectAgent, FromAgent, HostError, Payload, PayloadDocument, Performative, SessionInlet,
    ToAgent, Undelivered, WorkOrder,
};
use synod_journal::{JournalActor, SimulatedDisk};
use synod_runtime::DeadReason;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{
    PATIENCE, Settings, Stage, assignment, call, give, health, healthy, send, small, system, tell,
};

/// The program's end of a connection.
struct Program {
    inlet: SessionInlet,
    frames: mpsc::Receiver<ToAgent>,
}

impl Program {
    async fn connect(stage: &Stage, card: AgentCard) -> Result<Self, HostError> {
        let (outgoing, frames) = mpsc::channel(16);
        let inlet = stage.host.ask(ConnectAgent { card, outgoing }, PATIENCE).await.unwrap()?;
        let mut program = Self { inlet, frames };
        let ToAgent::Registered { agent, .. } = program.next().await else {
            panic!("the first frame is no welcome")
        };
        assert_eq!(agent, "remote");
        Ok(program)
    }

    async fn next(&mut self) -> ToAgent {
        timeout(PATIENCE, self.frames.recv()).await.unwrap().unwrap()
    }

    async fn order(&mut self) -> (u32, Box<WorkOrder>) {
        match self.next().await {
            ToAgent::Perform { delivery, order } => (delivery, order),
            other => panic!("no work: {other:?}"),
        }
    }

    async fn say(&self, frame: FromAgent) {
        self.inlet.deliver(frame).await.unwrap();
    }

    async fn finish(&self, work: String) {
        let payload = PayloadDocument::from(&Payload::text("done"));
        self.say(FromAgent::Result { work, payload, state: None, usage: None }).await;
    }
}

fn card() -> AgentCard {
    AgentCard::new("remote", "1.0.0").capability("far.away").concurrency(4)
}

async fn stage(config: AgentsConfig) -> Stage {
    let system = system();
    let disk = SimulatedDisk::new(5);
    let journal = system.spawn(JournalActor::simulated(small(), disk)).unwrap();
    Stage::on(system, Settings { config, journal: Some(journal), ..Default::default() }).await
}

/// A node with a connected program.
async fn connected(config: AgentsConfig) -> (Stage, Program, AgentEntry) {
    let stage = stage(config).await;
    let program = Program::connect(&stage, card()).await.unwrap();
    let entry = stage.until("remote", AgentStatus::Active).await;
    (stage, program, entry)
}

#[tokio::test(start_paused = true)]
async fn a_program_connects_registers_works_and_reports() {
    let (_stage, mut program, agent) = connected(AgentsConfig::default()).await;
    assert_eq!(agent.card.kind, AgentKind::Websocket);
    let given = give(&agent.address, assignment("any"));
    let (delivery, order) = program.order().await;
    assert_eq!((delivery, order.kind.as_str()), (1, "any"));
    assert_eq!(order.payload.text.as_deref(), Some("hello"));
    program.say(FromAgent::Accepted { work: order.work.clone() }).await;
    let work = order.work.clone();
    program.say(FromAgent::Progress { work, fraction: 0.25, note: "a quarter".into() }).await;
    let seen = healthy(&agent.address, |health| health.in_hand[0].progress == Some(0.25)).await;
    assert_eq!(seen.in_hand[0].note.as_deref(), Some("a quarter"));
    program.finish(order.work).await;
    assert_eq!(given.await.unwrap().unwrap().unwrap().payload, Payload::text("done"));
}

#[tokio::test(start_paused = true)]
async fn what_a_program_holds_when_it_drops_is_lost_at_once_and_it_can_come_back() {
    let (stage, mut program, agent) = connected(AgentsConfig::default()).await;
    let given: Vec<_> = (0..3).map(|_| give(&agent.address, assignment("any"))).collect();
    for _ in 0..3 {
        let (_, order) = program.order().await;
        program.say(FromAgent::Accepted { work: order.work }).await;
    }
    let dropped = Instant::now();
    drop(program);
    for answer in given {
        assert_eq!(answer.await.unwrap().unwrap().unwrap_err().kind, AgentErrorKind::Lost);
    }
    assert_eq!(dropped.elapsed(), Duration::ZERO);
    stage.until("remote", AgentStatus::Disconnected).await;
    let refused = give(&agent.address, assignment("any")).await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.kind, AgentErrorKind::Unavailable);
    let mut program = Program::connect(&stage, card()).await.unwrap();
    let agent = stage.until("remote", AgentStatus::Active).await;
    let given = give(&agent.address, assignment("any"));
    let (_, order) = program.order().await;
    program.finish(order.work).await;
    assert!(given.await.unwrap().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_connected_program_whose_card_names_protocols_reads_messages() {
    let stage = stage(AgentsConfig::default()).await;
    let spoken = card().protocol("fipa-contract-net");
    let mut program = Program::connect(&stage, spoken).await.unwrap();
    let agent = stage.until("remote", AgentStatus::Active).await.address;
    let asked = send(&agent, call("remote", "bid"));
    let ToAgent::Receive { letter, order } = program.next().await else { panic!("no message") };
    assert_eq!(order.envelope.performative, Performative::Cfp);
    assert_eq!(order.envelope.content.text.as_deref(), Some("bid"));
    let frame = r#"{"type":"answer","letter":1,"answer":{"performative":"refuse"}}"#;
    assert_eq!(letter, 1);
    program.say(serde_json::from_str(frame).unwrap()).await;
    let said = asked.await.unwrap().unwrap().unwrap().unwrap();
    assert_eq!((said.performative, said.sender.as_str()), (Performative::Refuse, "remote"));
    let asked = send(&agent, call("remote", "bid"));
    let ToAgent::Receive { .. } = program.next().await else { panic!("no message") };
    drop(program);
    assert_eq!(asked.await.unwrap().unwrap().unwrap_err().kind, AgentErrorKind::Lost);
}

#[tokio::test(start_paused = true)]
async fn a_connected_program_that_names_no_protocols_gets_no_messages() {
    let (_stage, mut program, agent) = connected(AgentsConfig::default()).await;
    let said = send(&agent.address, call("remote", "bid")).await.unwrap().unwrap().unwrap();
    assert_eq!(said.unwrap().performative, Performative::NotUnderstood);
    assert!(program.frames.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn unacknowledged_work_is_delivered_again_and_then_lost() {
    let config = AgentsConfig { ack_ms: 1_000, max_deliveries: 2, ..AgentsConfig::default() };
    let (_stage, mut program, agent) = connected(config).await;
    let begun = Instant::now();
    let given = give(&agent.address, assignment("any"));
    let (first, order) = program.order().await;
    let (second, again) = program.order().await;
    assert_eq!((first, second), (1, 2));
    assert_eq!(order.work, again.work);
    let error = given.await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Lost);
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    program.finish(order.work).await;
    assert!(health(&agent.address).await.in_hand.is_empty(), "its late result is ignored");
}

#[tokio::test(start_paused = true)]
async fn by_policy_undelivered_work_is_a_dead_letter() {
    let config = AgentsConfig {
        ack_ms: 1_000,
        max_deliveries: 1,
        undelivered: Undelivered::DeadLetter,
        ..AgentsConfig::default()
    };
    let (stage, _program, agent) = connected(config).await;
    let error = give(&agent.address, assignment("any")).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Refused);
    assert!(!error.retryable());
    let letters = stage.system.dead_letters();
    assert_eq!(letters.count(DeadReason::Expired), 1);
    assert_eq!(letters.recent()[0].kind, "undelivered work");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_program_is_told_and_its_late_result_is_ignored() {
    let config = AgentsConfig { grace_ms: 2_000, ..AgentsConfig::default() };
    let (_stage, mut program, agent) = connected(config).await;
    let assignment = assignment("any");
    let work = assignment.work;
    let given = give(&agent.address, assignment);
    let (_, order) = program.order().await;
    program.say(FromAgent::Accepted { work: order.work.clone() }).await;
    healthy(&agent.address, |health| health.in_hand.len() == 1).await;
    tell(&agent.address, AgentMessage::Cancel { work }).await;
    let ToAgent::Cancel { work: told, grace_ms } = program.next().await else { panic!("not told") };
    assert_eq!((told, grace_ms), (order.work.clone(), 2_000));
    let error = given.await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Cancelled);
    program.finish(order.work).await;
    healthy(&agent.address, |health| health.in_hand.is_empty() && health.healthy).await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_connection_takes_the_place_of_the_older() {
    let (stage, mut older, agent) = connected(AgentsConfig::default()).await;
    let given = give(&agent.address, assignment("any"));
    older.order().await;
    let mut newer = Program::connect(&stage, card()).await.unwrap();
    assert_eq!(given.await.unwrap().unwrap().unwrap_err().kind, AgentErrorKind::Lost);
    assert!(matches!(older.next().await, ToAgent::Closing { .. }));
    assert!(older.frames.recv().await.is_none(), "the older connection is to be closed");
    drop(older);
    let agent = stage.until("remote", AgentStatus::Active).await;
    let given = give(&agent.address, assignment("any"));
    let (_, order) = newer.order().await;
    newer.finish(order.work).await;
    assert!(given.await.unwrap().unwrap().is_ok(), "the end of the older changed nothing");
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_and_heartbeats_keep_it() {
    let config = AgentsConfig { heartbeat_s: 5, ..AgentsConfig::default() };
    let (stage, mut program, _) = connected(config).await;
    for _ in 0..10 {
        sleep(Duration::from_secs(10)).await;
        program.say(FromAgent::Heartbeat).await;
    }
    assert_eq!(stage.show("remote").await[0].status, AgentStatus::Active);
    let silent = Instant::now();
    assert!(matches!(program.next().await, ToAgent::Closing { .. }));
    assert_eq!(silent.elapsed(), Duration::from_secs(15));
    stage.until("remote", AgentStatus::Disconnected).await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_leaves_is_retired() {
    let (stage, program, _) = connected(AgentsConfig::default()).await;
    program.say(FromAgent::Leave).await;
    stage.until_gone("remote").await;
}

#[tokio::test(start_paused = true)]
async fn the_same_key_with_another_card_is_refused() {
    let (stage, _program, _) = connected(AgentsConfig::default()).await;
    let other = card().description("not the same");
    let refused = Program::connect(&stage, other).await.err().unwrap();
    assert!(matches!(refused, HostError::Exists(_)), "{refused}");
    stage.act(1).await;
    let native = AgentCard::new("acting", "1.0.0").capability("act");
    let (outgoing, _frames) = mpsc::channel(1);
    let taken = stage.host.ask(ConnectAgent { card: native, outgoing }, PATIENCE).await.unwrap();
    assert!(matches!(taken, Err(HostError::Exists(_))), "a native agent can't be taken over");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_reads_nothing_loses_frames_and_no_work_is_kept_back() {
    let config = AgentsConfig { ack_ms: 1_000, max_deliveries: 2, ..AgentsConfig::default() };
    let stage = stage(config).await;
    let (outgoing, _frames) = mpsc::channel(1);
    let connect = ConnectAgent { card: card(), outgoing };
    let _inlet = stage.host.ask(connect, PATIENCE).await.unwrap().unwrap();
    let agent = stage.until("remote", AgentStatus::Active).await;
    let error = give(&agent.address, assignment("any")).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Lost);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_connected_does_not_say_that_it_is_not() {
    let (stage, program, entry) = connected(AgentsConfig::default()).await;
    let health = healthy(&entry.address, |health| health.healthy).await;
    assert_eq!(health.last_error, None);
    program.inlet.close("it went");
    stage.until("remote", AgentStatus::Disconnected).await;
    let health = healthy(&entry.address, |health| !health.healthy).await;
    assert_eq!(health.last_error.as_deref(), Some("the agent is not connected"));
}

#[tokio::test(start_paused = true)]
async fn a_second_registration_is_answered_and_changes_nothing() {
    let (stage, mut program, _) = connected(AgentsConfig::default()).await;
    let card = AgentCard::new("other", "1.0.0").capability("far.away");
    program.say(FromAgent::Register { card: Box::new(card) }).await;
    let ToAgent::Error { work: None, message } = program.next().await else {
        panic!("it was not told")
    };
    assert!(message.contains("`register`") && message.contains("expected"), "{message}");
    stage.until("remote", AgentStatus::Active).await;
    assert!(stage.show("other").await.is_empty());
}
