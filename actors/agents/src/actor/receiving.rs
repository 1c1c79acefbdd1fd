//! Messages to an agent: a worker of their own takes them, one after the other, so that an agent
//! that works can still be asked.

use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{
    Actor, ActorError, Address, Context, ExitReason, MailboxConfig, Request, Restart, Shutdown,
    Spec, after,
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::shell::AgentActor;
use super::worker::{WORKER_STOP, Workplace};
use crate::agent::DynAgent;
use crate::envelope::Envelope;
use crate::error::AgentError;
use crate::message_context::MessageContext;
use crate::messages::Receive;

/// Messages to one agent that may wait; more are refused.
const MAX_WAITING: usize = 256;

/// The name of the worker that takes messages.
pub(super) const MESSAGES: &str = "messages";

impl AgentActor {
    /// Hands a message to the worker that takes them.
    pub(super) fn receive(&mut self, request: Request<Receive>, ctx: &mut Context<Self>) {
        let taken = match self.correspondent(&request.body, ctx) {
            Ok(correspondent) => correspondent.try_send(request),
            Err(error) => return request.answer(Err(error)),
        };
        if let Err(refused) = taken {
            metrics::counter!("synod_agent_messages_refused_total").increment(1);
            let error = format!("the agent has {MAX_WAITING} messages to read already");
            refused.into_message().answer(Err(AgentError::unavailable(error)));
        }
    }

    fn correspondent(
        &mut self,
        message: &Receive,
        ctx: &mut Context<Self>,
    ) -> Result<Address<Request<Receive>>, AgentError> {
        message.envelope.check().map_err(|why| AgentError::invalid_input(why.to_string()))?;
        if !self.is_reachable() {
            return Err(AgentError::unavailable("the agent can't be reached at the moment"));
        }
        if let Some(correspondent) = &self.correspondent {
            return Ok(correspondent.clone());
        }
        let Some(workplace) = self.workplace.clone() else {
            return Err(AgentError::unavailable("the agent starts"));
        };
        let shutdown = Shutdown::Within(workplace.hosting.grace() + WORKER_STOP);
        let spec = Spec::new(MESSAGES, move || Correspondent::new(Arc::clone(&workplace)))
            .mailbox(MailboxConfig::bounded(MAX_WAITING))
            .restart(Restart::Permanent)
            .shutdown(shutdown)
            .backoff(self.backoff());
        let correspondent = ctx
            .spawn_child(spec)
            .map_err(|error| AgentError::unavailable(format!("no worker: {error}")))?;
        Ok(self.correspondent.insert(correspondent).clone())
    }
}

/// The actor that takes messages, with an instance of its own. It crashes with its agent; the
/// supervisor restarts it, and what waits to be read stays.
pub(super) struct Correspondent {
    workplace: Arc<Workplace>,
    instance: Option<Box<dyn DynAgent>>,
}

impl Correspondent {
    fn new(workplace: Arc<Workplace>) -> Self {
        Self { workplace, instance: None }
    }

    /// Until when an answer is of use: as the envelope says, at most the agent's own limit.
    fn deadline(&self, envelope: &Envelope, now_us: i64) -> Instant {
        let limit = self.workplace.hosting.card.limits.perform_timeout();
        let left = envelope.reply_by_us.map_or(limit, |by| {
            Duration::from_micros(u64::try_from(by.saturating_sub(now_us)).unwrap_or(0))
        });
        after(Instant::now(), left.min(limit))
    }

    /// Has the agent read a message. Whoever waits is answered at the deadline at the latest.
    async fn have_it_read(
        &mut self,
        mut instance: Box<dyn DynAgent>,
        request: Request<Receive>,
        deadline: Instant,
        ctx: &mut Context<Self>,
    ) {
        let (Receive { envelope }, reply) = request.into_parts();
        let (question, stop) = (envelope.clone(), CancellationToken::new());
        let mut around = self.around(deadline, stop.clone());
        let grace = self.workplace.hosting.grace();
        let mut receiving = instance.receive_boxed(envelope, &mut around);
        let returned = tokio::select! {
            biased;
            answer = &mut receiving => {
                metrics::counter!("synod_agent_messages_total").increment(1);
                reply.send(answer.and_then(|said| {
                    said.map(|said| self.seal(said, &question, ctx)).transpose()
                }));
                true
            }
            () = sleep_until(deadline) => {
                let error = AgentError::timeout("the agent did not answer the message in time");
                reply.send(Err(error));
                stop.cancel();
                tokio::select! {
                    biased;
                    _ = &mut receiving => true,
                    () = sleep(grace) => false,
                }
            }
        };
        drop(receiving);
        // One that did not stop is dropped: nobody knows its state.
        self.instance = returned.then_some(instance);
    }

    fn around(&self, deadline: Instant, stop: CancellationToken) -> MessageContext {
        let hosting = &self.workplace.hosting;
        let threads = Arc::clone(&self.workplace.abandoned);
        MessageContext::new(
            hosting.card.id.clone(),
            deadline,
            stop,
            threads,
            hosting.outbox.clone(),
        )
    }

    /// What the agent says, made an answer to `question` and to nothing else.
    fn seal(
        &self,
        mut answer: Envelope,
        question: &Envelope,
        ctx: &Context<Self>,
    ) -> Result<Envelope, AgentError> {
        let system = ctx.system();
        answer.sender = self.workplace.hosting.card.id.to_string();
        answer.recipient = question.answer_to();
        answer.conversation = question.conversation;
        if answer.protocol.is_empty() {
            answer.protocol.clone_from(&question.protocol);
        }
        if answer.in_reply_to.is_none() {
            answer.in_reply_to.clone_from(&question.reply_with);
        }
        answer.stamp(system.clock().utc().as_microsecond(), system.entropy().next_u64());
        let wrong = |fault| AgentError::failed(format!("what the agent answered: {fault}"));
        answer.check().map_err(wrong)?;
        Ok(answer)
    }
}

impl Actor for Correspondent {
    type Message = Request<Receive>;
    const KIND: &'static str = "correspondent";

    async fn handle(
        &mut self,
        request: Request<Receive>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        // Who waited no longer asked in vain: the agent is not bothered.
        if request.is_expired() {
            return Ok(());
        }
        let now_us = ctx.system().clock().utc().as_microsecond();
        let deadline = self.deadline(&request.body.envelope, now_us).min(request.deadline());
        if deadline <= Instant::now() {
            let error = "the time to answer was over before the agent came to the message";
            request.answer(Err(AgentError::timeout(error)));
            return Ok(());
        }
        let instance = match self.workplace.ready(self.instance.take()).await {
            Ok(instance) => instance,
            Err(error) => {
                request.answer(Err(error.clone()));
                return Err(error.into());
            }
        };
        self.have_it_read(instance, request, deadline, ctx).await;
        Ok(())
    }

    async fn stop(&mut self, _reason: &ExitReason, _ctx: &mut Context<Self>) {
        if let Some(mut instance) = self.instance.take() {
            instance.stop_boxed().await;
        }
    }
}
