//! Envelopes on their way to agents, and what comes of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use synod_agents::{AgentId, Envelope, Recipient};
use synod_journal::RecordCodec;
use synod_runtime::{Context, TaskFailure, TaskKey, after};
use tokio::time::Instant;

use super::Desk;
use super::own::{Delivery, Event, Own};
use crate::desk::id::envelope_id;
use crate::desk::messages::DeskMessage;
use crate::desk::records::EntryV1;
use crate::protocol::{ConversationId, Dispatch, Heard, Protocol};

/// The first wait before a notice is handed over again; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

type Key = (ConversationId, u64);

/// A dispatch that is on its way, or waits for its turn.
struct Errand {
    to: AgentId,
    task: Option<TaskKey>,
    attempts: u32,
}

/// A dispatch that waits for its turn, and until when its answer is of use.
struct Waiting {
    id: ConversationId,
    dispatch: Dispatch,
    until: Option<Instant>,
}

/// All dispatches that have no outcome yet.
#[derive(Default)]
pub(super) struct Deliveries {
    /// Outcomes of earlier rounds are of a book that is no more.
    round: u64,
    errands: BTreeMap<Key, Errand>,
    waiting: VecDeque<Waiting>,
    running: u64,
}

impl Deliveries {
    /// Counts its rounds from here.
    pub(super) fn begin(&mut self, round: u64) {
        self.round = round;
    }

    pub(super) fn len(&self) -> usize {
        self.errands.len()
    }
}

impl<P: Protocol> Desk<P> {
    /// Takes what agents are to be told, now that it is stored. What is on its way already is not
    /// sent twice.
    pub(super) fn dispatch_all(
        &mut self,
        id: ConversationId,
        dispatches: Vec<Dispatch>,
        ctx: &mut Context<Self>,
    ) {
        let is_open = self.book.get(id).is_some_and(|conversation| conversation.is_open());
        let now = ctx.now();
        for dispatch in dispatches {
            let until = dispatch.reply_within.map(|within| after(now, within));
            let key = (id, dispatch.number);
            let is_of_use = is_open || until.is_none();
            if is_of_use && !self.deliveries.errands.contains_key(&key) {
                let errand = Errand { to: dispatch.to.clone(), task: None, attempts: 0 };
                self.deliveries.errands.insert(key, errand);
                self.deliveries.waiting.push_back(Waiting { id, dispatch, until });
            }
        }
        if !is_open {
            self.recall(id, ctx);
        }
    }

    /// Gives up what agents were asked in a conversation that has ended.
    fn recall(&mut self, id: ConversationId, ctx: &mut Context<Self>) {
        let keys = self.deliveries.errands.range((id, 0)..=(id, u64::MAX)).map(|(key, _)| *key);
        let is_notice =
            |number| self.book.get(id).is_some_and(|it| it.outbox.contains_key(&number));
        let asked: Vec<_> = keys.filter(|(_, number)| !is_notice(*number)).collect();
        for key in asked {
            let errand = self.deliveries.errands.remove(&key);
            if let Some(task) = errand.and_then(|errand| errand.task) {
                self.deliveries.running -= 1;
                ctx.abort(task);
            }
        }
    }

    /// Gives up all: the book is read anew.
    pub(super) fn recall_all(&mut self, ctx: &mut Context<Self>) {
        for task in self.deliveries.errands.values().filter_map(|errand| errand.task) {
            ctx.abort(task);
        }
        let round = self.deliveries.round + 1;
        self.deliveries = Deliveries { round, ..Deliveries::default() };
    }

    /// Sends again what was not answered before a start.
    pub(super) fn resume_all(&mut self, ctx: &mut Context<Self>) {
        let owed: Vec<_> = self
            .book
            .all()
            .filter(|conversation| conversation.is_open() || !conversation.outbox.is_empty())
            .map(|conversation| (conversation.id, self.book.resume(conversation.id)))
            .collect();
        for (id, dispatches) in owed {
            self.dispatch_all(id, dispatches, ctx);
        }
    }

    /// Sends what may be sent now.
    pub(super) fn pump(&mut self, ctx: &mut Context<Self>) {
        while self.deliveries.running < self.config.max_deliveries {
            let Some(next) = self.deliveries.waiting.pop_front() else { return };
            if self.deliveries.errands.contains_key(&(next.id, next.dispatch.number)) {
                self.start_errand(next, ctx);
            }
        }
    }

    fn start_errand(&mut self, next: Waiting, ctx: &mut Context<Self>) {
        let Waiting { id, dispatch, until } = next;
        let number = dispatch.number;
        let within = match until {
            Some(until) => until.saturating_duration_since(ctx.now()),
            None => Duration::from_secs(self.config.delivery_timeout_s),
        };
        let round = self.deliveries.round;
        if within.is_zero() {
            let late = Err("the time was over before it could be asked".to_owned());
            return self.delivered(round, id, number, late, ctx);
        }
        let envelope = self.envelope(id, dispatch, until.map(|_| within), ctx);
        let courier = Arc::clone(&self.courier);
        let work = async move {
            // Also what the courier does before it has a future is the task's.
            let delivery = async { courier.deliver(envelope, within).await };
            match tokio::time::timeout(within, delivery).await {
                Ok(outcome) => outcome,
                Err(_) => Err("it did not answer in time".to_owned()),
            }
        };
        let ended = move |outcome: Result<Delivery, TaskFailure>| {
            let outcome = outcome.unwrap_or_else(|failure| Err(failure.to_string()));
            DeskMessage::Own(Own(Event::Delivered { round, id, number, outcome }))
        };
        match ctx.attach(work, ended) {
            Ok(task) => {
                self.deliveries.running += 1;
                if let Some(errand) = self.deliveries.errands.get_mut(&(id, number)) {
                    errand.task = Some(task);
                }
            }
            Err(error) => self.delivered(round, id, number, Err(error.to_string()), ctx),
        }
    }

    fn envelope(
        &mut self,
        id: ConversationId,
        dispatch: Dispatch,
        within: Option<Duration>,
        ctx: &Context<Self>,
    ) -> Envelope {
        let now = self.now(ctx);
        Envelope {
            id: envelope_id(id, dispatch.number),
            sender: P::KIND.to_owned(),
            recipient: Recipient::Agent(dispatch.to),
            performative: dispatch.performative,
            protocol: P::SPEECH.to_owned(),
            conversation: Some(id),
            reply_with: within.map(|_| dispatch.number.to_string()),
            in_reply_to: None,
            reply_by_us: within.map(|within| now.after(within).0),
            sent_at_us: now.0,
            trace: String::new(),
            content: dispatch.content,
        }
    }

    /// An envelope has an outcome. What nobody waits for any more is ignored.
    pub(super) fn delivered(
        &mut self,
        round: u64,
        id: ConversationId,
        number: u64,
        outcome: Delivery,
        ctx: &mut Context<Self>,
    ) {
        if round != self.deliveries.round {
            return;
        }
        let Some(errand) = self.deliveries.errands.get_mut(&(id, number)) else { return };
        if errand.task.take().is_some() {
            self.deliveries.running -= 1;
        }
        errand.attempts += 1;
        let attempts = errand.attempts;
        match &outcome {
            Ok(_) => self.gauges.delivered.increment(1),
            Err(_) => self.gauges.undelivered.increment(1),
        }
        let notice = self.book.get(id).and_then(|it| it.outbox.get(&number));
        if notice.is_none() {
            let from = errand.to.clone();
            self.deliveries.errands.remove(&(id, number));
            return self.heard(id, number, &from, outcome, ctx);
        }
        if outcome.is_err() && attempts < self.config.delivery_attempts {
            let wait = FIRST_WAIT.saturating_mul(1 << (attempts - 1).min(10)).min(LONGEST_WAIT);
            ctx.send_after(wait, DeskMessage::Own(Own(Event::Redeliver { round, id, number })));
            return;
        }
        self.deliveries.errands.remove(&(id, number));
        let (at, lost) = (self.now(ctx), outcome.err());
        if let Some(change) = self.book.settle(id, at, number, lost.as_deref()) {
            self.gather(id, EntryV1::Settled { id, at, number, lost }, change, None);
        }
    }

    /// Tries again to hand over a notice.
    pub(super) fn redeliver(
        &mut self,
        round: u64,
        id: ConversationId,
        number: u64,
        ctx: &mut Context<Self>,
    ) {
        let is_owed =
            round == self.deliveries.round && self.deliveries.errands.contains_key(&(id, number));
        let notice = self.book.get(id).and_then(|it| it.outbox.get(&number)).cloned();
        if let (true, Some(dispatch)) = (is_owed, notice) {
            self.deliveries.waiting.push_back(Waiting { id, dispatch, until: None });
            self.pump(ctx);
        }
    }

    /// Gives a conversation what an agent answered, or that it did not.
    fn heard(
        &mut self,
        id: ConversationId,
        about: u64,
        from: &AgentId,
        outcome: Delivery,
        ctx: &mut Context<Self>,
    ) {
        let heard = self.judged(id, about, from, outcome);
        let at = self.now(ctx);
        if let Some(change) = self.book.hear(id, at, about, &heard, None) {
            let entry = EntryV1::Heard { id, at, about, heard, told: None };
            self.gather(id, entry, change, None);
        }
    }

    /// What came back, if it is an answer to what was asked and of a size that can be stored.
    fn judged(&self, id: ConversationId, about: u64, from: &AgentId, outcome: Delivery) -> Heard {
        let mut reply = match outcome {
            Ok(Some(reply)) => reply,
            Ok(None) => return Heard::Silent("it gave no answer".to_owned()),
            Err(reason) => return Heard::Silent(reason),
        };
        let about = about.to_string();
        if reply.in_reply_to.as_deref().is_some_and(|named| named != about)
            || reply.conversation.is_some_and(|named| named != id)
        {
            return Heard::Silent("its answer is to something else".to_owned());
        }
        // Whoever it says it is from: it came from who was asked.
        reply.sender = from.to_string();
        (reply.in_reply_to, reply.conversation) = (Some(about), Some(id));
        let most = self.fitting(self.config.max_input_bytes, 0);
        match RecordCodec::encode(&reply) {
            Ok(bytes) if bytes.len() <= most => Heard::Reply(reply),
            Ok(bytes) => {
                let bytes = bytes.len();
                Heard::Silent(format!("its answer of {bytes} bytes is over the limit of {most}"))
            }
            Err(error) => Heard::Silent(format!("its answer can't be stored: {error}")),
        }
    }
}
