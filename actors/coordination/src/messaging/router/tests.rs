//! The router: who reads what, what is said back, what is a dead letter.

use std::sync::Arc;
use std::time::Duration;

use synod_agents::{
    Agent, AgentCard, AgentContext, AgentEntry, AgentError, AgentHost, AgentId, AgentSelector,
    AgentsConfig, Assignment, AwaitAgents, Carrier, Envelope, HostMessage, HostSettings,
    MessageContext, Payload, Performative, Programs, Reach, Recipient, RegistryActor,
    RegistryMessage, SetAgentStatus, factory,
};
use synod_runtime::{Address, Ask, Request, Strategy, Supervisor, System};
use synod_testkit::{Seed, VirtualTime};
use uuid::Uuid;

use super::*;
use crate::desk::Courier;
use crate::messaging::AgentCourier;
use crate::messaging::topics::{Subscribe, Topics, TopicsConfig, TopicsMessage};

const PATIENCE: Duration = Duration::from_secs(60);

/// Says its name, or does what it is told.
struct Clerk(&'static str);

impl Agent for Clerk {
    fn card(&self) -> AgentCard {
        AgentCard::new(self.0, "1.0.0").capability("talk")
    }

    async fn perform(
        &mut self,
        _work: Assignment,
        _ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        Ok(Payload::empty())
    }

    async fn receive(
        &mut self,
        envelope: Envelope,
        ctx: &mut MessageContext,
    ) -> Result<Option<Envelope>, AgentError> {
        let name = self.0;
        match envelope.content.to_text()?.as_str() {
            "name" => Ok(Some(envelope.answer(Performative::Inform, Payload::text(name)))),
            "name, slowly" => {
                let slow = u64::from(name.as_bytes()[0] - b'a');
                tokio::time::sleep(Duration::from_secs(slow)).await;
                Ok(Some(envelope.answer(Performative::Inform, Payload::text(name))))
            }
            "fail" => Err(AgentError::failed("it went wrong")),
            "sleep" => {
                tokio::time::sleep(Duration::from_secs(600)).await;
                Ok(None)
            }
            "ask b" => {
                let to = Recipient::Agent(AgentId::new("b").unwrap());
                let asked = Envelope::new("x", to, Performative::QueryRef, Payload::text("name"));
                let said = ctx.ask(asked, Duration::from_secs(5)).await?;
                Ok(Some(envelope.answer(Performative::Inform, said.content)))
            }
            "publish" => {
                ctx.publish("news/clerk", Payload::text(name)).await?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}

struct Stage {
    _system: System,
    registry: Address<RegistryMessage>,
    router: Address<RouterMessage>,
    topics: Address<TopicsMessage>,
}

impl Stage {
    async fn new(config: RouterConfig) -> Self {
        let entropy = synod_runtime::SeededEntropy::new(Seed::from_env().value());
        let system = System::builder().clock(VirtualTime::new()).entropy(entropy).build();
        let agents = Arc::new(AgentsConfig::default());
        let registry = RegistryActor::spec(Arc::clone(&agents), None);
        let known = registry.address();
        let clerks = ["a", "b", "c"].map(|name| factory(move || Clerk(name)));
        let settings = HostSettings {
            config: agents,
            registry: known.clone(),
            agents: clerks.into(),
            kinds: Default::default(),
            programs: Programs::default(),
        };
        let host = AgentHost::spec(settings).unwrap();
        let courier: Arc<dyn Courier> = Arc::new(AgentCourier::new(known.clone()));
        let topics = Topics::spec(TopicsConfig::default(), None, courier);
        let router = MessageRouter::spec(config, known.clone(), topics.address());
        let (told, hosts, routed) = (topics.address(), host.address(), router.address());
        let root = Supervisor::new(Strategy::RestForOne);
        let root = root.child(registry).child(host).child(topics).child(router);
        system.start(root.into_spec("node")).await.unwrap();
        let carrier = Carrier(Arc::new(RouterMessenger::new(routed.clone())));
        hosts.send(HostMessage::Carry(carrier)).await.unwrap();
        hosts.ask(AwaitAgents, PATIENCE).await.unwrap();
        Self { _system: system, registry: known, router: routed, topics: told }
    }

    async fn ask<Q: Ask>(&self, question: Q) -> Q::Reply
    where
        RouterMessage: From<Request<Q>>,
    {
        self.router.ask(question, PATIENCE).await.unwrap()
    }

    async fn send(&self, to: Recipient, text: &str) -> Result<Sent, RouteError> {
        self.carry(envelope(to, text), 10).await
    }

    async fn carry(&self, envelope: Envelope, seconds: u64) -> Result<Sent, RouteError> {
        self.ask(Send { envelope, within: Duration::from_secs(seconds) }).await
    }

    async fn undelivered(&self) -> UndeliveredPage {
        self.ask(ListUndelivered { before: None, limit: 100 }).await
    }
}

fn agent(id: &str) -> Recipient {
    Recipient::Agent(AgentId::new(id).unwrap())
}

fn with(reach: Reach) -> Recipient {
    Recipient::Capability { name: "talk".into(), reach }
}

fn envelope(to: Recipient, text: &str) -> Envelope {
    Envelope::new("tester", to, Performative::QueryRef, Payload::text(text))
}

fn names(sent: &Sent) -> Vec<String> {
    let mut names: Vec<_> = sent.answers.iter().map(|a| a.content.to_text().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn one_agent_any_all_the_best_and_everyone_are_reached() {
    let stage = Stage::new(RouterConfig::default()).await;
    assert_eq!(names(&stage.send(agent("b"), "name").await.unwrap()), ["b"]);
    let any = stage.send(with(Reach::Any), "name").await.unwrap();
    assert_eq!((any.reached, any.answers.len()), (1, 1));
    assert_eq!(names(&stage.send(with(Reach::All), "name").await.unwrap()), ["a", "b", "c"]);
    let everyone = stage.send(Recipient::Everyone, "name").await.unwrap();
    assert_eq!(
        (everyone.reached, names(&everyone)),
        (3, ["a", "b", "c"].map(str::to_owned).into())
    );
    // All have answered as often, but `a` at once each time.
    stage.send(with(Reach::All), "name, slowly").await.unwrap();
    assert_eq!(names(&stage.send(with(Reach::Best), "name").await.unwrap()), ["a"]);
    stage.send(agent("a"), "fail").await.unwrap();
    stage.send(agent("a"), "fail").await.unwrap();
    assert_ne!(names(&stage.send(with(Reach::Best), "name").await.unwrap()), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_paused_is_not_asked_when_another_is_there() {
    let stage = Stage::new(RouterConfig::default()).await;
    for id in ["a", "c"] {
        let agents = AgentSelector::from(AgentId::new(id).unwrap());
        let status = synod_agents::AgentStatus::Paused;
        let paused: Vec<AgentEntry> =
            stage.registry.ask(SetAgentStatus { agents, status }, PATIENCE).await.unwrap().unwrap();
        assert_eq!(paused.len(), 1);
    }
    for _ in 0..5 {
        assert_eq!(names(&stage.send(with(Reach::Any), "name").await.unwrap()), ["b"]);
    }
    assert_eq!(names(&stage.send(agent("a"), "name").await.unwrap()), ["a"], "it can be talked to");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_is_a_dead_letter_with_its_reason() {
    let stage = Stage::new(RouterConfig::default()).await;
    let unknown = stage.send(agent("nobody"), "name").await.unwrap_err();
    assert_eq!(unknown, RouteError::NoRecipient("no agent 'nobody'".into()));
    let nothing = Recipient::Capability { name: "fly".into(), reach: Reach::All };
    assert!(matches!(stage.send(nothing, "name").await, Err(RouteError::NoRecipient(_))));
    let failed = stage.send(agent("a"), "fail").await.unwrap();
    assert_eq!((failed.reached, failed.undelivered[0].1.as_str()), (0, "failed: it went wrong"));
    let late = stage.carry(envelope(agent("b"), "sleep"), 2).await.unwrap();
    assert_eq!(late.undelivered.len(), 1);
    let page = stage.undelivered().await;
    assert_eq!((page.total, page.undelivered.len()), (4, 4));
    assert_eq!(page.undelivered[0].recipient, "b");
    assert_eq!(page.undelivered[2].recipient, "all with fly");
    assert_eq!(page.undelivered[3].reason, "no agent 'nobody'");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_can_be_read_back_and_no_stranger_speaks_in_it() {
    let stage = Stage::new(RouterConfig::default()).await;
    let conversation = Uuid::from_u128(5);
    let asked = envelope(agent("a"), "name").conversation(conversation);
    stage.carry(asked.clone(), 10).await.unwrap();
    let read = stage.ask(ReadHistory { conversation, after: 0, limit: 10 }).await.unwrap();
    let said: Vec<_> = read
        .iter()
        .map(|e| (e.number, e.envelope.sender.as_str(), e.envelope.performative))
        .collect();
    let expected = [(1, "tester", Performative::QueryRef), (2, "a", Performative::Inform)];
    assert_eq!(said, expected);
    let forged = Envelope { sender: "mallory".into(), ..asked.clone() };
    let refused = stage.carry(forged, 10).await.unwrap_err();
    assert!(matches!(refused, RouteError::NotAParticipant { .. }), "{refused}");
    let member = Envelope { sender: "a".into(), recipient: agent("b"), ..asked };
    assert_eq!(stage.carry(member, 10).await.unwrap().reached, 1, "it was spoken to");
    let none = ReadHistory { conversation: Uuid::from_u128(6), after: 0, limit: 10 };
    assert_eq!(stage.ask(none).await, None);
}

#[tokio::test(start_paused = true)]
async fn agents_ask_each_other_and_publish_in_their_own_name() {
    let stage = Stage::new(RouterConfig::default()).await;
    assert_eq!(names(&stage.send(agent("a"), "ask b").await.unwrap()), ["b"]);
    let subscribe = Subscribe { filter: "news/+".into(), capacity: 10 };
    let mut news = stage.topics.ask(subscribe, PATIENCE).await.unwrap().unwrap();
    stage.send(agent("c"), "publish").await.unwrap();
    let told = news.receive(10).await.unwrap().messages.remove(0);
    assert_eq!((told.sender.as_str(), told.content.to_text().unwrap().as_str()), ("c", "c"));
    let published = stage.send(Recipient::Topic("news/x".into()), "x").await.unwrap();
    assert_eq!(published.reached, 1);
    let bad = stage.send(Recipient::Topic("news/#".into()), "x").await.unwrap_err();
    assert!(matches!(bad, RouteError::Topic(_)), "{bad}");
}

#[tokio::test(start_paused = true)]
async fn bad_envelopes_crowds_and_floods_are_refused() {
    let config = RouterConfig { max_recipients: 2, max_under_way: 3, ..RouterConfig::default() };
    let stage = Stage::new(config).await;
    let bad = Envelope { sender: "No One".into(), ..envelope(agent("a"), "name") };
    assert!(matches!(stage.carry(bad, 10).await, Err(RouteError::Invalid(_))));
    let crowd = stage.send(Recipient::Everyone, "name").await;
    assert_eq!(crowd, Err(RouteError::TooMany { most: 2 }));
    let sleepers: Vec<_> = (0..5)
        .map(|_| {
            let router = stage.router.clone();
            let within = Duration::from_secs(5);
            let send = Send { envelope: envelope(agent("a"), "sleep"), within };
            tokio::spawn(async move { router.ask(send, PATIENCE).await.unwrap() })
        })
        .collect();
    let mut busy = 0;
    for sleeper in sleepers {
        busy += usize::from(matches!(sleeper.await.unwrap(), Err(RouteError::Busy(3))));
    }
    assert_eq!(busy, 2);
    assert_eq!(names(&stage.send(agent("b"), "name").await.unwrap()), ["b"], "it goes on");
}

#[tokio::test(start_paused = true)]
async fn the_courier_brings_an_answer_or_says_why_there_is_none() {
    let stage = Stage::new(RouterConfig::default()).await;
    let courier = AgentCourier::new(stage.registry.clone());
    let within = Duration::from_secs(2);
    let asked = |to: &str, text: &str| {
        let mut asked = envelope(agent(to), text);
        asked.reply_with = Some("1".into());
        courier.deliver(asked, within)
    };
    let said = asked("a", "name").await.unwrap().unwrap();
    assert_eq!((said.sender.as_str(), said.in_reply_to.as_deref()), ("a", Some("1")));
    assert_eq!(asked("x", "name").await.unwrap_err(), "no agent 'x'");
    assert!(asked("a", "nothing").await.unwrap_err().contains("said nothing"));
    assert!(asked("a", "sleep").await.is_err());
    assert!(courier.deliver(envelope(Recipient::Everyone, "x"), within).await.is_err());
}
