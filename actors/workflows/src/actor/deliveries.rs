//! Messages to runs that await them: from outside, and from steps that emit.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;
use synod_runtime::{Context, Reply, Request};

use super::WorkflowEngine;
use super::options::{EXPECTED_KEY, is_key};
use super::run::{Answer, Order};
use super::utc;
use crate::error::ControlError;
use crate::index::time;
use crate::json::Json;
use crate::messages::{MessageSent, RunChange, RunId, SendMessage};
use crate::run::{Emit, Input, Ticket};

/// Bytes of a topic's longest name.
const MAX_TOPIC: usize = 255;

/// Who is told what became of a message.
enum Then {
    Reply(Reply<Result<MessageSent, ControlError>>),
    Emitted(RunId, Ticket),
}

/// A message.
struct Sent {
    topic: Arc<str>,
    /// What it is known by, if it may be sent again.
    key: Option<Arc<str>>,
    payload: Json,
}

/// A message on its way.
struct Delivery {
    /// Runs that have not said whether they take it.
    left: usize,
    sent: MessageSent,
    then: Then,
}

/// The messages that are on their way.
#[derive(Default)]
pub(super) struct Deliveries {
    under_way: HashMap<u64, Delivery>,
    last: u64,
}

impl WorkflowEngine {
    pub(super) fn on_send(&mut self, request: Request<SendMessage>, ctx: &mut Context<Self>) {
        let (SendMessage { topic, payload, run, idempotency_key, .. }, reply) =
            request.into_parts();
        if let Some(reason) = self.refusal() {
            return reply.send(Err(ControlError::Unavailable { reason }));
        }
        if topic.is_empty() || topic.len() > MAX_TOPIC {
            return reply.send(Err(ControlError::Invalid {
                field: "topic".to_owned(),
                expected: format!("1 to {MAX_TOPIC} bytes"),
                got: format!("{} bytes", topic.len()),
            }));
        }
        if let Some(key) = &idempotency_key
            && !is_key(key)
        {
            return reply.send(Err(ControlError::Invalid {
                field: "idempotency_key".to_owned(),
                expected: EXPECTED_KEY.to_owned(),
                got: format!("{} bytes", key.len()),
            }));
        }
        let mut runs = self.index.awaiting(&topic);
        if let Some(only) = run {
            match self.index.run(only) {
                None => return reply.send(Err(ControlError::NotFound)),
                Some(entry) if !entry.is_open() => {
                    let state = entry.standing.state;
                    return reply.send(Err(ControlError::AlreadyEnded { state }));
                }
                // It may await a topic that nobody can tell yet.
                Some(_) => runs = vec![only],
            }
        }
        // Keys of steps that emit begin with the id of a run.
        let key = idempotency_key.map(|key| Arc::from(format!("sent:{key}")));
        let message = Sent { topic: Arc::from(topic), key, payload: Json::from(payload) };
        self.deliver(message, runs, Then::Reply(reply), ctx);
    }

    /// A step emits: everybody who awaits the topic gets it, then the step goes on.
    pub(super) fn emit(&mut self, run: RunId, emit: Emit, ctx: &mut Context<Self>) {
        let Emit { ticket, topic, payload, idempotency_key } = emit;
        if !self.listeners.is_empty()
            && let Some(entry) = self.index.run(run)
        {
            let change = RunChange {
                sequence: 0,
                name: "message.emitted".to_owned(),
                run_id: run,
                workflow: entry.name.to_string(),
                step: None,
                at: time(utc(ctx)),
                details: json!({
                    "topic": topic, "payload": payload.value(), "key": idempotency_key,
                }),
                trace_id: entry.trace.map(|trace| trace.trace_hex()),
                correlation: entry.trace,
            };
            self.tell(change);
        }
        let runs = self.index.awaiting(&topic);
        let key = Some(Arc::from(idempotency_key));
        let message = Sent { topic: Arc::from(topic), key, payload };
        self.deliver(message, runs, Then::Emitted(run, ticket), ctx);
    }

    fn deliver(&mut self, message: Sent, runs: Vec<RunId>, then: Then, ctx: &mut Context<Self>) {
        self.deliveries.last += 1;
        let number = self.deliveries.last;
        let sent = MessageSent { taken: 0, unmatched: 0 };
        // One more than there are, so that it does not end before all have been told.
        let delivery = Delivery { left: 1, sent, then };
        self.deliveries.under_way.insert(number, delivery);
        let Sent { topic, key, payload } = message;
        for run in runs {
            let (topic, key) = (Arc::clone(&topic), key.clone());
            let input = Input::Message { topic, key, payload: payload.clone() };
            let answer = Answer::Delivery(number);
            let order = Order { input: Some(input), defined: None, answer };
            if self.order(run, order, ctx).is_ok()
                && let Some(delivery) = self.deliveries.under_way.get_mut(&number)
            {
                delivery.left += 1;
            }
        }
        self.count_down(number, ctx);
    }

    /// A run has said whether it takes a message; one that ended has not.
    pub(super) fn delivered(&mut self, number: u64, taken: bool, ctx: &mut Context<Self>) {
        if let Some(delivery) = self.deliveries.under_way.get_mut(&number) {
            if taken {
                delivery.sent.taken += 1;
            } else {
                delivery.sent.unmatched += 1;
            }
        }
        self.count_down(number, ctx);
    }

    fn count_down(&mut self, number: u64, ctx: &mut Context<Self>) {
        let Some(delivery) = self.deliveries.under_way.get_mut(&number) else { return };
        delivery.left -= 1;
        if delivery.left > 0 {
            return;
        }
        let Some(delivery) = self.deliveries.under_way.remove(&number) else { return };
        match delivery.then {
            Then::Reply(reply) => reply.send(Ok(delivery.sent)),
            Then::Emitted(run, ticket) => self.give(run, Input::Emitted { ticket }, ctx),
        }
    }
}
