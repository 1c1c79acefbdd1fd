//! Plain subscriptions: made, told, ended.

use std::sync::Arc;

use synod_runtime::{Context, Request};

use super::Topics;
use super::committing::Command;
use crate::messaging::topics::error::TopicError;
use crate::messaging::topics::filter::{TopicFilter, check_topic};
use crate::messaging::topics::messages::{Listen, Publish, Published, PublishedTo, Subscribe};
use crate::messaging::topics::plain::{Put, Queue, Sink, Subscription};
use crate::messaging::topics::trie::Number;

/// Most messages that may wait for a reader.
const MAX_CAPACITY: usize = 65_536;

impl Topics {
    pub(super) fn publish(&mut self, request: Request<Publish>) {
        if let Err(error) = self.check(&request.body) {
            return request.answer(Err(error));
        }
        let Publish { topic, retain, .. } = &request.body;
        if *retain || !self.durable.subscribers(topic).is_empty() {
            return self.enqueue(Command::Publish(request));
        }
        self.last += 1;
        let (Publish { topic, sender, content, .. }, reply) = request.into_parts();
        let (number, at_us) = (self.last, self.now.0);
        let message = Published { number, topic, sender, content, at_us, retained: false };
        let told = self.tell(&Arc::new(message));
        reply.send(Ok(told));
    }

    fn check(&self, asked: &Publish) -> Result<(), TopicError> {
        check_topic(&asked.topic)?;
        let (size, most) = (asked.content.bytes.len(), self.config.max_content_bytes);
        if size > most {
            let reason = format!("{size} bytes, expected at most {most}");
            return Err(TopicError::invalid("content", reason));
        }
        if asked.sender.len() > 256 || asked.content.content_type.len() > 256 {
            let reason = "the sender and the content type have at most 256 bytes";
            return Err(TopicError::invalid("sender", reason));
        }
        Ok(())
    }

    /// Tells all plain subscribers.
    pub(super) fn tell(&mut self, message: &Arc<Published>) -> PublishedTo {
        let mut told = PublishedTo::default();
        let mut gone = Vec::new();
        self.plain.matching(&message.topic, |some| {
            for (number, sink) in some {
                match sink.put(message) {
                    Put::Taken => told.plain += 1,
                    Put::Dropped => {
                        told.plain += 1;
                        told.dropped += 1;
                    }
                    Put::Gone => gone.push(*number),
                }
            }
        });
        gone.into_iter().for_each(|number| self.leave(number));
        metrics::counter!("synod_topic_deliveries_total").increment(told.plain);
        if told.dropped > 0 {
            metrics::counter!("synod_topic_dropped_total").increment(told.dropped);
        }
        told
    }

    pub(super) fn subscribe(&mut self, request: Request<Subscribe>, ctx: &Context<Self>) {
        let Subscribe { filter, capacity } = &request.body;
        if !(1..=MAX_CAPACITY).contains(capacity) {
            let reason = format!("{capacity} is not in 1 to {MAX_CAPACITY}");
            return request.answer(Err(TopicError::invalid("capacity", reason)));
        }
        let queue = Queue::new(*capacity);
        match self.take_in(filter.clone(), Sink::Queue(Arc::clone(&queue))) {
            Ok(number) => {
                let topics = ctx.address();
                request.answer(Ok(Subscription { queue, number, topics }));
            }
            Err(error) => request.answer(Err(error)),
        }
    }

    pub(super) fn listen(&mut self, request: Request<Listen>) {
        let (Listen { filter, listener }, reply) = request.into_parts();
        reply.send(self.take_in(filter, Sink::Listener(listener)));
    }

    fn take_in(&mut self, filter: String, sink: Sink) -> Result<Number, TopicError> {
        let filter = TopicFilter::new(filter)?;
        let most = self.config.max_subscriptions;
        if self.filters.len() >= most {
            let reason = format!("there are {most} subscriptions, the most there may be");
            return Err(TopicError::Full(reason));
        }
        for last in self.durable.retained_by(&filter) {
            if last.number <= self.stored {
                sink.put(last);
            }
        }
        self.last_plain += 1;
        self.plain.insert(&filter, self.last_plain, sink);
        self.filters.insert(self.last_plain, filter);
        Ok(self.last_plain)
    }

    pub(super) fn leave(&mut self, number: Number) {
        if let Some(filter) = self.filters.remove(&number) {
            self.plain.remove(&filter, number);
        }
    }
}
