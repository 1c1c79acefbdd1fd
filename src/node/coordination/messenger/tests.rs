//! Agents of a node that has the work, and of one that has not.

use futures::FutureExt;
use futures::future::BoxFuture as Answering;
use parking_lot::Mutex;
use serde_json::json;
use synod_agents::{
    Agent, AgentCard, AgentContext, AgentErrorKind, AgentId, Assignment, MessageContext, Payload,
    Performative,
};
use synod_coordination::messaging::router::Send;
use synod_coordination::messaging::topics::ListRetained;

use super::*;
use crate::api::{Owner, OwnerAnswer, OwnerError, OwnerRequest};
use crate::config::NodeConfig;
use crate::node::{Engines, NodeBuilder};

const PATIENCE: Duration = Duration::from_secs(20);

/// Says its name, or asks the agent that it is told to.
struct Clerk(&'static str);

impl Agent for Clerk {
    fn card(&self) -> AgentCard {
        AgentCard::new(self.0, "1.0.0").capability("talk")
    }

    async fn perform(
        &mut self,
        _: Assignment,
        _: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        Ok(Payload::empty())
    }

    async fn receive(
        &mut self,
        envelope: Envelope,
        ctx: &mut MessageContext,
    ) -> Result<Option<Envelope>, AgentError> {
        let asked = envelope.content.to_text()?;
        let said = match asked.strip_prefix("ask ") {
            None => self.0.to_owned(),
            Some(other) => {
                ctx.publish("clerks/asked", Payload::text(other)).await?;
                ctx.ask(to(other, "name"), PATIENCE).await?.content.to_text()?
            }
        };
        Ok(Some(envelope.answer(Performative::Inform, Payload::text(said))))
    }
}

fn to(agent: &str, text: &str) -> Envelope {
    let agent = Recipient::Agent(AgentId::new(agent).unwrap());
    Envelope::new("tester", agent, Performative::QueryRef, Payload::text(text))
}

#[tokio::test]
async fn the_agents_of_a_node_ask_each_other_and_publish() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = NodeConfig::default();
    config.node.data_folder = folder.path().to_owned();
    let builder = NodeBuilder::new().config(config).without_http();
    let node = builder.agent(|| Clerk("ada")).agent(|| Clerk("bob")).start().await.unwrap();
    let post = node.engines().post().unwrap();
    let send = Send { envelope: to("ada", "ask bob"), within: PATIENCE };
    let sent = post.messages.ask(send, PATIENCE).await.unwrap().unwrap();
    assert_eq!(sent.answers[0].content.to_text().unwrap(), "bob", "{sent:?}");
    let list = ListRetained { filter: "#".into(), after: None, limit: 10 };
    let retained = post.topics.ask(list, PATIENCE).await.unwrap().unwrap();
    assert!(retained.is_empty(), "what agents publish is not retained: {retained:?}");
    node.stop().await;
}

/// An owner that answers everything alike, and remembers what it was asked.
struct Elsewhere {
    answer: (u16, serde_json::Value),
    asked: Mutex<Vec<OwnerRequest>>,
}

impl Owner for Elsewhere {
    fn is_here(&self) -> bool {
        false
    }

    fn ask(
        &self,
        request: OwnerRequest,
        _: Duration,
    ) -> Answering<'_, Result<OwnerAnswer, OwnerError>> {
        self.asked.lock().push(request);
        let (status, body) = (self.answer.0, self.answer.1.to_string().into_bytes());
        let answer = OwnerAnswer { status, headers: Vec::new(), body, missed: None };
        async move { Ok(answer) }.boxed()
    }
}

fn messenger(status: u16, answer: serde_json::Value) -> (NodeMessenger, Arc<Elsewhere>) {
    let owner = Arc::new(Elsewhere { answer: (status, answer), asked: Mutex::default() });
    let known: Arc<dyn Owner> = owner.clone();
    let conversations = Conversations { engines: Engines::default(), owner: Some(known) };
    (NodeMessenger { conversations, longest: Duration::from_secs(60) }, owner)
}

#[tokio::test]
async fn where_the_work_is_elsewhere_its_owner_carries_what_an_agent_says_in_its_name() {
    let answer = to("tester", "bob").answer(Performative::Inform, Payload::text("bob"));
    let answer = serde_json::to_value(EnvelopeDocument::from(&answer)).unwrap();
    let id = uuid::Uuid::from_u128(1);
    let sent = json!({"id": id, "reached": 1, "answers": [answer], "undelivered": []});
    let (messenger, owner) = messenger(200, sent);
    let said = messenger.ask(to("bob", "name"), Duration::from_secs(900)).await.unwrap();
    assert_eq!(said.content.to_text().unwrap(), "bob");
    messenger.send(to("bob", "name")).await.unwrap();
    let asked = owner.asked.lock();
    assert_eq!(asked[0].uri, "/api/v1/coordination/messages?within_ms=60000", "{asked:?}");
    assert_eq!(asked[0].principal, Principal::agent("tester"));
    assert_eq!(asked[1].uri, "/api/v1/coordination/messages?within_ms=30000");
}

#[tokio::test]
async fn what_the_owner_refuses_or_nobody_read_is_an_error_that_says_why() {
    let kind = async |status: u16, answer: serde_json::Value| {
        let error = messenger(status, answer).0.send(to("bob", "name")).await.unwrap_err();
        (error.kind, error.message)
    };
    let problem = |detail: &str| json!({"type": "urn:synod:problem:x", "detail": detail});
    let (gone, why) = kind(404, problem("no agent 'bob'")).await;
    assert_eq!((gone, why.as_str()), (AgentErrorKind::Unavailable, "no agent 'bob'"));
    assert_eq!(kind(403, problem("no")).await.0, AgentErrorKind::Refused);
    assert_eq!(kind(422, problem("no")).await.0, AgentErrorKind::InvalidInput);
    let unread = json!({"agent": "bob", "reason": "it is busy"});
    let sent =
        json!({"id": uuid::Uuid::nil(), "reached": 0, "answers": [], "undelivered": [unread]});
    let (kind, why) = kind(200, sent).await;
    assert_eq!((kind, why.as_str()), (AgentErrorKind::Unavailable, "bob: it is busy"));
}
