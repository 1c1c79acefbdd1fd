//! The actor of the router.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_agents::{Envelope, Recipient, RegistryMessage};
use synod_runtime::{
    Actor, ActorError, Address, Context, MailboxConfig, Reply, Request, Spec, TaskFailure, after,
};
use tokio::time::Instant;

use super::config::RouterConfig;
use super::finding::{self, Read};
use super::merit::Merits;
use super::messages::{
    ListUndelivered, ReadHistory, RouteError, RouterMessage, Send, Sent, Undelivered,
    UndeliveredPage,
};
use crate::messaging::history::Conversations;
use crate::messaging::topics::{Publish, TopicsMessage};

/// Most entries that a page has.
const MAX_PAGE: usize = 1_000;
/// Longest time that recipients may take.
const MAX_WITHIN: Duration = Duration::from_secs(3_600);
/// How long topics may take to take in what is published.
const TO_PUBLISH: Duration = Duration::from_secs(15);
/// Recipients of whose failure one envelope is remembered, each on its own.
const MAX_LETTERS_EACH: usize = 100;

/// From the router to itself. Opaque to all others.
#[derive(Debug)]
pub struct Own(Finished);

#[derive(Debug)]
struct Finished {
    envelope: Envelope,
    outcome: Result<Outcome, RouteError>,
    reply: Reply<Result<Sent, RouteError>>,
}

#[derive(Debug)]
enum Outcome {
    Read(Vec<Read>),
    Published(u64),
}

/// Sends envelopes on.
pub struct MessageRouter {
    config: RouterConfig,
    registry: Address<RegistryMessage>,
    topics: Address<TopicsMessage>,
    talks: Arc<Mutex<Conversations>>,
    merits: Arc<Mutex<Merits>>,
    undelivered: VecDeque<Undelivered>,
    total_undelivered: u64,
    under_way: usize,
}

/// What carrying one envelope needs.
struct Way {
    registry: Address<RegistryMessage>,
    topics: Address<TopicsMessage>,
    merits: Arc<Mutex<Merits>>,
    talks: Arc<Mutex<Conversations>>,
    config: RouterConfig,
    chance: f64,
    deadline: Instant,
}

impl MessageRouter {
    /// The router, called `messages`, of the agents that `registry` knows.
    #[must_use]
    pub fn spec(
        config: RouterConfig,
        registry: Address<RegistryMessage>,
        topics: Address<TopicsMessage>,
    ) -> Spec<Self> {
        let mailbox = MailboxConfig {
            max_reserved: config.max_under_way + 64,
            ..MailboxConfig::bounded(4_096)
        };
        Spec::new("messages", move || Self {
            config,
            registry: registry.clone(),
            topics: topics.clone(),
            talks: Arc::new(Mutex::new(Conversations::new(config.history()))),
            merits: Arc::default(),
            undelivered: VecDeque::new(),
            total_undelivered: 0,
            under_way: 0,
        })
        .mailbox(mailbox)
    }

    fn send(&mut self, request: Request<Send>, ctx: &mut Context<Self>) {
        let (Send { mut envelope, within }, reply) = request.into_parts();
        let system = ctx.system();
        let now_us = system.clock().utc().as_microsecond();
        envelope.stamp(now_us, system.entropy().next_u64());
        if let Err(why) = self.admit(&envelope) {
            return reply.send(Err(why));
        }
        let within = within.min(MAX_WITHIN);
        let deadline = after(ctx.now(), within);
        if envelope.reply_by_us.is_none() {
            let micros = i64::try_from(within.as_micros()).unwrap_or(i64::MAX);
            envelope.reply_by_us = Some(now_us.saturating_add(micros));
        }
        self.talks.lock().record(&envelope);
        metrics::counter!("synod_messages_sent_total").increment(1);
        let way = Way {
            registry: self.registry.clone(),
            topics: self.topics.clone(),
            merits: Arc::clone(&self.merits),
            talks: Arc::clone(&self.talks),
            config: self.config,
            chance: ctx.system().entropy().fraction(),
            deadline,
        };
        let kept = envelope.clone();
        let carrying = async move { carry(way, envelope).await };
        let attached =
            ctx.attach(carrying, move |done| RouterMessage::Own(Own(finished(kept, done, reply))));
        match attached {
            Ok(_) => self.under_way += 1,
            // The reply is dropped with what was to be attached: its asker knows at once.
            Err(why) => tracing::warn!(%why, "an envelope could not be carried"),
        }
    }

    fn admit(&self, envelope: &Envelope) -> Result<(), RouteError> {
        envelope.check()?;
        if self.under_way >= self.config.max_under_way {
            return Err(RouteError::Busy(self.under_way));
        }
        match envelope.conversation {
            Some(conversation) if !self.talks.lock().admits(conversation, &envelope.sender) => {
                let sender = envelope.sender.clone();
                Err(RouteError::NotAParticipant { sender, conversation })
            }
            _ => Ok(()),
        }
    }

    fn finished(&mut self, finished: Finished, ctx: &Context<Self>) {
        self.under_way = self.under_way.saturating_sub(1);
        let Finished { envelope, outcome, reply } = finished;
        let outcome = match outcome {
            Ok(Outcome::Read(read)) => Ok(self.read(&envelope, read, ctx)),
            Ok(Outcome::Published(reached)) => {
                Ok(Sent { id: envelope.id, reached, answers: Vec::new(), undelivered: Vec::new() })
            }
            Err(why) => {
                self.bury(&envelope, &shown(&envelope.recipient), why.to_string(), ctx);
                Err(why)
            }
        };
        reply.send(outcome);
    }

    fn read(&mut self, envelope: &Envelope, read: Vec<Read>, ctx: &Context<Self>) -> Sent {
        let mut sent =
            Sent { id: envelope.id, reached: 0, answers: Vec::new(), undelivered: Vec::new() };
        let mut merits = self.merits.lock();
        for Read { agent, said, took } in read {
            merits.note(&agent, said.is_ok(), took);
            match said {
                Ok(said) => {
                    sent.reached += 1;
                    sent.answers.extend(said);
                }
                Err(why) => sent.undelivered.push((agent, why)),
            }
        }
        drop(merits);
        for answer in &sent.answers {
            self.talks.lock().record(answer);
        }
        for (agent, why) in sent.undelivered.iter().take(MAX_LETTERS_EACH) {
            self.bury(envelope, agent.as_str(), why.clone(), ctx);
        }
        let more = sent.undelivered.len().saturating_sub(MAX_LETTERS_EACH);
        if more > 0 {
            let reason = format!("{more} more agents did not read it");
            self.bury(envelope, &shown(&envelope.recipient), reason, ctx);
        }
        sent
    }

    /// Remembers that somebody has not read an envelope, and why.
    fn bury(&mut self, envelope: &Envelope, who: &str, reason: String, ctx: &Context<Self>) {
        self.total_undelivered += 1;
        metrics::counter!("synod_messages_undelivered_total").increment(1);
        tracing::debug!(id = %envelope.id, who, reason, "an envelope was not read");
        if self.undelivered.len() >= self.config.max_undelivered {
            self.undelivered.pop_back();
        }
        self.undelivered.push_front(Undelivered {
            number: self.total_undelivered,
            id: envelope.id,
            sender: envelope.sender.clone(),
            recipient: who.to_owned(),
            reason,
            at_us: ctx.system().clock().utc().as_microsecond(),
        });
    }

    fn page(&self, asked: ListUndelivered) -> UndeliveredPage {
        let before = asked.before.unwrap_or(u64::MAX);
        let older = self.undelivered.iter().filter(|letter| letter.number < before);
        let undelivered = older.take(asked.limit.min(MAX_PAGE)).cloned().collect();
        UndeliveredPage { undelivered, total: self.total_undelivered }
    }
}

/// For whom it was, in words.
fn shown(recipient: &Recipient) -> String {
    match recipient {
        Recipient::Agent(agent) => agent.to_string(),
        Recipient::Capability { name, reach } => format!("{reach} with {name}"),
        Recipient::Topic(topic) => format!("topic {topic}"),
        Recipient::Everyone => "everyone".to_owned(),
    }
}

fn finished(
    envelope: Envelope,
    done: Result<Result<Outcome, RouteError>, TaskFailure>,
    reply: Reply<Result<Sent, RouteError>>,
) -> Finished {
    let outcome = done.unwrap_or_else(|why| Err(RouteError::Unavailable(format!("{why:?}"))));
    Finished { envelope, outcome, reply }
}

async fn carry(way: Way, envelope: Envelope) -> Result<Outcome, RouteError> {
    let (registry, sender) = (&way.registry, envelope.sender.as_str());
    let most = way.config.max_recipients;
    let entries = match &envelope.recipient {
        Recipient::Topic(topic) => return publish(&way, topic, &envelope).await,
        Recipient::Agent(agent) => finding::agent(registry, agent).await?,
        Recipient::Everyone => finding::everyone(registry, sender, most).await?,
        Recipient::Capability { name, reach } => {
            let capable = finding::capable(registry, name, sender, most).await?;
            let merits = way.merits.lock();
            finding::chosen(capable, *reach, way.chance, |agent| merits.of(agent))
        }
    };
    if let Some(conversation) = envelope.conversation {
        let called = entries.iter().map(|entry| &entry.card.id);
        way.talks.lock().invite(conversation, called);
    }
    let side_by_side = way.config.max_side_by_side;
    let read = finding::have_read(entries, &envelope, way.deadline, side_by_side).await;
    Ok(Outcome::Read(read))
}

async fn publish(way: &Way, topic: &str, envelope: &Envelope) -> Result<Outcome, RouteError> {
    let publish = Publish {
        topic: topic.to_owned(),
        sender: envelope.sender.clone(),
        content: envelope.content.clone(),
        retain: false,
    };
    let published = way.topics.ask(publish, TO_PUBLISH).await;
    let published =
        published.map_err(|why| RouteError::Unavailable(format!("topics: {why}")))??;
    Ok(Outcome::Published(published.subscribers()))
}

impl Actor for MessageRouter {
    type Message = RouterMessage;
    const KIND: &'static str = "message router";

    async fn handle(
        &mut self,
        message: RouterMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            RouterMessage::Send(request) => self.send(request, ctx),
            RouterMessage::History(request) => {
                let ReadHistory { conversation, after, limit } = request.body;
                let read = self.talks.lock().read(conversation, after, limit.min(MAX_PAGE));
                request.answer(read);
            }
            RouterMessage::Undelivered(request) => {
                let page = self.page(request.body);
                request.answer(page);
            }
            RouterMessage::Own(Own(done)) => self.finished(done, ctx),
        }
        Ok(())
    }
}
