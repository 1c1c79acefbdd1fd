//! What agents whose work is done elsewhere have in common: an instance hands its work to a link
//! actor, waits for the outcome, and passes a cancellation on.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{
    Actor, Address, Ask, AskError, Context, MailboxConfig, Priority, Reply, Request, SendOptions,
    TimerKey, TrySendError,
};
use tokio::time::Instant;

use crate::agent::Agent;
use crate::card::AgentCard;
use crate::context::AgentContext;
use crate::error::AgentError;
use crate::payload::Payload;
use crate::progress::Progress;
use crate::usage::Usage;
use crate::wire::WorkProgress;
use crate::work::{Assignment, Performed, WorkId};

/// Time a link has beyond deadline and grace to give its own, clearer answer.
const SLACK: Duration = Duration::from_secs(1);

/// The mailbox of a link: small, since each message may be as large as a line or a frame may be.
/// Whoever sends faster than the link can take waits at its own end.
pub(crate) fn link_mailbox() -> MailboxConfig {
    MailboxConfig::bounded(64)
}

/// Have this done at the other end. Asked of a link actor.
#[derive(Debug)]
pub(crate) struct Deliver {
    pub(crate) assignment: Assignment,
    pub(crate) progress: Progress,
}

impl Ask for Deliver {
    type Reply = Result<Performed, AgentError>;
}

/// Stop this work. Told to a link actor.
#[derive(Debug)]
pub(crate) struct Withdraw {
    pub(crate) work: WorkId,
}

/// The instance of an agent whose work is done elsewhere. `M` is the protocol of its link.
pub(crate) struct Relay<M> {
    pub(crate) card: Arc<AgentCard>,
    pub(crate) link: Address<M>,
    pub(crate) grace: Duration,
}

impl<M> Agent for Relay<M>
where
    M: From<Request<Deliver>> + From<Withdraw> + Send + 'static,
{
    fn card(&self) -> AgentCard {
        AgentCard::clone(&self.card)
    }

    async fn perform(
        &mut self,
        mut assignment: Assignment,
        ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        let work = assignment.work;
        assignment.deadline = ctx.deadline();
        let left = ctx.deadline().saturating_duration_since(Instant::now());
        let deliver = Deliver { assignment, progress: ctx.progress_handle() };
        let mut asked =
            pin!(self.link.ask(deliver, left.saturating_add(self.grace).saturating_add(SLACK)));
        let stop = ctx.cancelled();
        let outcome = tokio::select! {
            biased;
            outcome = &mut asked => outcome,
            () = stop.cancelled() => {
                self.withdraw(work);
                asked.await
            }
        };
        let Performed { payload, state } =
            outcome.unwrap_or_else(|error| Err(unanswered(error)))?;
        if let Some(state) = state {
            ctx.state.save(state)?;
        }
        Ok(payload)
    }
}

impl<M: From<Withdraw> + Send + 'static> Relay<M> {
    fn withdraw(&self, work: WorkId) {
        let urgent = SendOptions::new().priority(Priority::Critical);
        let sent = self.link.try_send_with(Withdraw { work }.into(), urgent);
        if let Err(TrySendError::Full(_)) = sent {
            // The link drops the work at its deadline all the same.
            tracing::warn!(%work, "no room to withdraw the work from its link");
        }
    }
}

fn unanswered(error: AskError) -> AgentError {
    match error {
        AskError::Unanswered | AskError::Closed => {
            AgentError::lost("the link to the agent crashed or closed")
        }
        AskError::Deadline => AgentError::timeout("the link to the agent gave no answer in time"),
        other => AgentError::unavailable(format!("the link to the agent: {other}")),
    }
}

/// Who waits at a link for which work.
#[derive(Debug, Default)]
pub(crate) struct Waiting(HashMap<WorkId, (Reply<<Deliver as Ask>::Reply>, Progress)>);

impl Waiting {
    /// Takes in a request; what is to be handed over goes to the machine of the link.
    pub(crate) fn admit(&mut self, request: Request<Deliver>) -> Box<Assignment> {
        let (Deliver { assignment, progress }, reply) = request.into_parts();
        self.0.insert(assignment.work, (reply, progress));
        Box::new(assignment)
    }

    /// Answers whoever waits for this work.
    pub(crate) fn answer(&mut self, work: WorkId, outcome: Result<Performed, AgentError>) {
        if let Some((reply, _)) = self.0.remove(&work) {
            reply.send(outcome);
        }
    }

    /// Notes how far this work is.
    pub(crate) fn note(&self, work: WorkId, said: &WorkProgress) {
        if let Some((_, progress)) = self.0.get(&work) {
            progress.report(said.fraction, &said.note);
        }
    }

    /// Notes what this work used up.
    pub(crate) fn spend(&self, work: WorkId, usage: Usage) {
        if let Some((_, progress)) = self.0.get(&work) {
            progress.spend(usage);
        }
    }
}

/// The one timer of a link: set to when its machine has next to be woken.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<(Instant, TimerKey)>);

impl Alarm {
    /// Rings at `at`, or never; the message is made only when the timer has to be set anew.
    pub(crate) fn set<A: Actor>(
        &mut self,
        ctx: &mut Context<A>,
        at: Option<std::time::Instant>,
        message: impl FnOnce() -> A::Message,
    ) {
        let at = at.map(Instant::from_std);
        if self.0.map(|(set, _)| set) == at {
            return;
        }
        if let Some((_, key)) = self.0.take() {
            ctx.cancel_timer(key);
        }
        if let Some(at) = at {
            let wait = at.saturating_duration_since(ctx.now());
            self.0 = Some((at, ctx.send_after(wait, message())));
        }
    }

    /// It rang: the timer is used up.
    pub(crate) fn rang(&mut self) {
        self.0 = None;
    }
}
