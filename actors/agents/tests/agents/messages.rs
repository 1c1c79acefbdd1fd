//! Messages to agents: beside their work, in their own name, bounded and in time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_agents::{AgentError, AgentId, Receive};
use synod_agents::{
    AgentErrorKind, AgentsConfig, BoxFuture, Carrier, Echo, Envelope, HostMessage, Messenger,
    Payload, Performative, Recipient, factory,
};
use synod_runtime::AskError;
use tokio::time::Instant;
use uuid::Uuid;

use crate::stage::{PATIENCE, Stage, assignment, call, give, health, healthy, send, work};

async fn stage() -> Stage {
    let config = AgentsConfig { grace_ms: 200, restart_initial_ms: 20, ..Default::default() };
    Stage::new(config).await
}

fn text(envelope: &Envelope) -> String {
    envelope.content.to_text().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_busy_agent_still_answers_a_call() {
    let stage = stage().await;
    let agent = stage.act(1).await.address;
    let mut busy = assignment("stubborn");
    busy.work = work();
    let given = give(&agent, busy);
    healthy(&agent, |health| health.in_hand.len() == 1).await;
    let asked = Instant::now();
    let said = send(&agent, call("acting", "bid")).await.unwrap().unwrap().unwrap().unwrap();
    assert_eq!(said.performative, Performative::Propose);
    assert_eq!(text(&said), "3");
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert_eq!(health(&agent).await.in_hand.len(), 1, "its work goes on");
    given.abort();
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_in_the_agents_own_name_whatever_it_wrote_there() {
    let stage = stage().await;
    let agent = stage.act(1).await.address;
    let said = send(&agent, call("acting", "forge")).await.unwrap().unwrap().unwrap().unwrap();
    assert_eq!(said.sender, "acting");
    assert_eq!(said.conversation, Some(Uuid::from_u128(77)));
    assert_eq!(said.recipient, Recipient::Agent(AgentId::new("contract-net").unwrap()));
    assert_eq!(said.in_reply_to.as_deref(), Some("1"));
    assert_eq!(said.protocol, "fipa-contract-net");
    assert!(!said.id.is_nil() && said.sent_at_us > 0);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_reads_no_messages_does_not_understand() {
    let stage = stage().await;
    let agent = stage.start(factory(Echo::default)).await.unwrap().address;
    let said = send(&agent, call("echo", "bid")).await.unwrap().unwrap().unwrap().unwrap();
    assert_eq!(said.performative, Performative::NotUnderstood);
    let mut told = call("echo", "news");
    told.performative = Performative::Inform;
    told.reply_with = None;
    assert_eq!(send(&agent, told).await.unwrap().unwrap(), Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_one_message_costs_that_message_alone() {
    let stage = stage().await;
    let agent = stage.act(1).await.address;
    let crash = send(&agent, call("acting", "crash"));
    let bid = send(&agent, call("acting", "bid"));
    assert_eq!(crash.await.unwrap().unwrap_err(), AskError::Unanswered);
    assert_eq!(text(&bid.await.unwrap().unwrap().unwrap().unwrap()), "3");
    let seen = healthy(&agent, |health| health.crashes == 1).await;
    assert!(seen.healthy, "its work is not touched: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_ends_when_its_answer_is_of_no_more_use() {
    let stage = stage().await;
    let agent = stage.act(1).await.address;
    let mut slow = call("acting", "stubborn");
    let now = stage.system.clock().utc().as_microsecond();
    slow.reply_by_us = Some(now + 2_000_000);
    let asked = Instant::now();
    let (first, second) = (send(&agent, slow.clone()), send(&agent, slow));
    let bid = send(&agent, call("acting", "bid"));
    let error = first.await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Timeout);
    assert_eq!(asked.elapsed(), Duration::from_secs(2));
    let error = second.await.unwrap().unwrap().unwrap_err();
    assert!(error.message.contains("before the agent came to"), "{error}");
    assert!(bid.await.unwrap().unwrap().is_ok());
    assert!(asked.elapsed() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_messages_is_refused_and_not_kept() {
    let stage = stage().await;
    let agent = stage.act(1).await.address;
    let sent: Vec<_> = (0..400).map(|_| send(&agent, call("acting", "stubborn"))).collect();
    let mut refused = 0;
    for answer in sent {
        let error = answer.await.unwrap().unwrap_or_else(|why| {
            assert_eq!(why, AskError::Deadline);
            Err(AgentError::timeout("the asker's own"))
        });
        refused += usize::from(error.unwrap_err().kind == AgentErrorKind::Unavailable);
    }
    assert!((143..400).contains(&refused), "{refused} of 400 refused, at most 256 may wait");
}

#[tokio::test(start_paused = true)]
async fn an_envelope_that_is_none_is_refused_with_what_is_wrong() {
    let stage = stage().await;
    let agent = stage.act(1).await.address;
    let mut bad = call("acting", "bid");
    bad.sender = "The King".into();
    let error = send(&agent, bad).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::InvalidInput);
    assert!(error.message.starts_with("sender: 'The King' is not"), "{error}");
}

/// Keeps what agents send.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Envelope>>>);

impl Messenger for Kept {
    fn send(&self, envelope: Envelope) -> BoxFuture<'static, Result<(), AgentError>> {
        self.0.lock().push(envelope);
        Box::pin(std::future::ready(Ok(())))
    }

    fn ask(
        &self,
        envelope: Envelope,
        _within: Duration,
    ) -> BoxFuture<'static, Result<Envelope, AgentError>> {
        let answer = envelope.answer(Performative::Agree, Payload::empty());
        Box::pin(std::future::ready(Ok(answer)))
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_sends_goes_to_the_messenger_in_its_own_name() {
    let stage = stage().await;
    let agent = stage.act(1).await.address;
    let envelope = call("acting", "tell");
    let error = agent.ask(Receive { envelope }, PATIENCE).await.unwrap().unwrap_err();
    assert!(error.message.contains("no messages are carried"), "{error}");
    let kept = Kept::default();
    let carrier = Carrier(Arc::new(kept.clone()));
    stage.host.send(HostMessage::Carry(carrier)).await.unwrap();
    // The host has it once it answers what was asked after it.
    stage.host.ask(synod_agents::AwaitAgents, PATIENCE).await.unwrap();
    send(&agent, call("acting", "tell")).await.unwrap().unwrap().unwrap();
    let sent = kept.0.lock().clone();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (sent[0].sender.as_str(), &sent[0].recipient),
        ("acting", &Recipient::Topic("a/b".into()))
    );
}
