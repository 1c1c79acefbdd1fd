//! Giving messages to those who read durable subscriptions: consumers that fetch, and agents.

use std::time::Duration;

use serde::Serialize;
use synod_agents::{Envelope, Payload, PayloadDocument, Performative, Recipient};
use synod_runtime::{Context, Reply, Request};
use uuid::Uuid;

use super::{Event, MAX_DELIVERIES, Own, Topics};
use crate::messaging::topics::durable::Given;
use crate::messaging::topics::error::TopicError;
use crate::messaging::topics::messages::{Fetch, Published, TopicsMessage};
use crate::protocol::Moment;

/// Most messages that are given at once.
const MAX_GIVEN: usize = 1_000;
/// Longest time that a consumer waits.
const MAX_WITHIN: Duration = Duration::from_secs(60);
/// The protocol of what agents are given: JSON with topic, number, sender, at_us and content.
const PROTOCOL: &str = "synod.topic";

/// What an agent is given of a message.
#[derive(Debug, Serialize)]
struct Told<'a> {
    topic: &'a str,
    number: u64,
    sender: &'a str,
    at_us: i64,
    content: PayloadDocument,
}

impl<'a> Told<'a> {
    fn of(message: &'a Published) -> Self {
        Self {
            topic: &message.topic,
            number: message.number,
            sender: &message.sender,
            at_us: message.at_us,
            content: PayloadDocument::from(&message.content),
        }
    }
}

/// A consumer that waits for something to read.
#[derive(Debug)]
pub(super) struct Waiting {
    reply: Reply<Result<Vec<Given>, TopicError>>,
    most: usize,
    until: Moment,
}

impl Topics {
    pub(super) fn fetch(&mut self, request: Request<Fetch>) {
        let (Fetch { name, most, within }, reply) = request.into_parts();
        if self.durable.show(&name).is_none() {
            return reply.send(Err(TopicError::Unknown(name)));
        }
        if let Some((agent, _)) = self.durable.agent_of(&name) {
            let reason = format!("what '{name}' has to read is given to agent {agent}");
            return reply.send(Err(TopicError::Conflict(reason)));
        }
        if !(1..=MAX_GIVEN).contains(&most) {
            let reason = format!("{most} is not in 1 to {MAX_GIVEN}");
            return reply.send(Err(TopicError::invalid("most", reason)));
        }
        let until = self.now.after(within.min(MAX_WITHIN));
        let waiting = Waiting { reply, most, until };
        if let Some(earlier) = self.fetching.insert(name.clone(), waiting) {
            self.patience.remove(&(earlier.until, name.clone()));
            earlier.reply.send(Ok(Vec::new()));
        }
        self.patience.insert((until, name.clone()));
        self.stirred.insert(name);
    }

    /// Answers consumers that have waited for long enough.
    pub(super) fn end_patience(&mut self) {
        while let Some((until, name)) = self.patience.first().cloned()
            && until <= self.now
        {
            self.patience.remove(&(until, name.clone()));
            if let Some(waiting) = self.fetching.remove(&name) {
                waiting.reply.send(Ok(Vec::new()));
            }
        }
    }

    /// Gives what may be given to whoever waits for it.
    pub(super) fn serve(&mut self, ctx: &mut Context<Self>) {
        let mut later = Vec::new();
        while let Some(name) = self.stirred.pop_first() {
            if let Some(waiting) = self.fetching.remove(&name) {
                self.give_to(name, waiting);
            } else if !self.durable.is_ready(&name, self.stored) || self.delivering.contains(&name)
            {
                // Whatever changes that stirs it again.
            } else if self.delivering.len() >= MAX_DELIVERIES {
                later.push(name);
            } else {
                self.give_to_agent(name, ctx);
            }
        }
        // The next delivery that ends makes room.
        self.stirred.extend(later);
    }

    fn give_to(&mut self, name: String, waiting: Waiting) {
        self.patience.remove(&(waiting.until, name.clone()));
        if waiting.reply.is_closed() {
            return;
        }
        match self.durable.give(self.now, &name, waiting.most, self.stored) {
            Ok(given) if given.is_empty() => {
                self.patience.insert((waiting.until, name.clone()));
                self.fetching.insert(name, waiting);
            }
            given => waiting.reply.send(given),
        }
    }

    fn give_to_agent(&mut self, name: String, ctx: &mut Context<Self>) {
        let Some((agent, terms)) = self.durable.agent_of(&name) else { return };
        let (agent, within) = (agent.clone(), terms.acknowledge_within());
        // Its outcome is to be known before the time to acknowledge is over.
        let within = within - within / 10;
        let given = self.durable.give(self.now, &name, 1, self.stored);
        let Some(Given { number, message, .. }) = given.ok().and_then(|mut one| one.pop()) else {
            return;
        };
        let to = Recipient::Agent(agent);
        let content = match Payload::json(&Told::of(&message)) {
            Ok(content) => content,
            Err(error) => return tracing::error!(%error, name, "a message has no form in JSON"),
        };
        let mut envelope =
            Envelope::new(sender(&message.sender), to, Performative::Inform, content)
                .protocol(PROTOCOL);
        // The same when it is given again, so that its reader knows it.
        envelope.id = name_of(&name, number);
        envelope.sent_at_us = message.at_us;
        let delivering = self.courier.deliver(envelope, within);
        let delivered = name.clone();
        let attached = ctx.attach(delivering, move |done| {
            let outcome = match done {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(why)) => Err(why),
                Err(failure) => Err(format!("{failure:?}")),
            };
            let name = delivered;
            TopicsMessage::Own(Own(Event::Delivered { name, number, outcome }))
        });
        match attached {
            Ok(_) => {
                self.delivering.insert(name);
            }
            // It is given again when the time to acknowledge is over.
            Err(why) => tracing::warn!(%why, name, "a message was not given to its agent"),
        }
    }

    /// Wakes the actor when the next time is over.
    pub(super) fn set_alarm(&mut self, ctx: &mut Context<Self>) {
        let patience = self.patience.first().map(|(until, _)| *until);
        let next = self.durable.next_wake().into_iter().chain(patience).min();
        if self.alarm.map(|(at, _)| at) == next {
            return;
        }
        if let Some((_, key)) = self.alarm.take() {
            ctx.cancel_timer(key);
        }
        if let Some(at) = next {
            let key = ctx.send_after(self.now.until(at), TopicsMessage::Own(Own(Event::Wake)));
            self.alarm = Some((at, key));
        }
    }
}

/// Who an envelope says that it is from: the publisher, or topics when that is no agent's name.
fn sender(publisher: &str) -> String {
    let named = synod_agents::AgentId::new(publisher);
    named.map_or_else(|_| "topics".to_owned(), |agent| agent.to_string())
}

/// The name of a message of a subscription: the same each time (FNV-1a over both).
fn name_of(subscription: &str, number: u64) -> Uuid {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let bytes = subscription.bytes().chain(number.to_be_bytes());
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    uuid::Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid()
}
