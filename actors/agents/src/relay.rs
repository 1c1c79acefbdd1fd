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
use crate::envelope::{Envelope, EnvelopeDocument, ReceiveOrder};
use crate::error::AgentError;
use crate::letters::{LetterNumber, LetterOutcome};
use crate::message_context::MessageContext;
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

/// Have this message read at the other end. Asked of a link actor.
#[derive(Debug)]
pub(crate) struct Carry {
    pub(crate) envelope: Envelope,
    /// Until when an answer is of use.
    pub(crate) until: Instant,
}

impl Ask for Carry {
    type Reply = Result<Option<Envelope>, AgentError>;
}

/// The instance of an agent whose work is done elsewhere. `M` is the protocol of its link.
pub(crate) struct Relay<M> {
    pub(crate) card: Arc<AgentCard>,
    pub(crate) link: Address<M>,
    pub(crate) grace: Duration,
}

impl<M> Agent for Relay<M>
where
    M: From<Request<Deliver>> + From<Request<Carry>> + From<Withdraw> + Send + 'static,
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

    async fn receive(
        &mut self,
        envelope: Envelope,
        ctx: &mut MessageContext,
    ) -> Result<Option<Envelope>, AgentError> {
        let until = ctx.deadline();
        let within = until.saturating_duration_since(Instant::now()).saturating_add(SLACK);
        let asked = self.link.ask(Carry { envelope, until }, within).await;
        asked.unwrap_or_else(|error| Err(unanswered(error)))
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

/// Who waits at a link for which work, and for the answers to which messages.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    work: HashMap<WorkId, (Reply<<Deliver as Ask>::Reply>, Progress)>,
    letters: HashMap<LetterNumber, (Reply<<Carry as Ask>::Reply>, Envelope)>,
    last_letter: LetterNumber,
}

/// A message on its way through the machine of a link.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) number: LetterNumber,
    pub(crate) order: ReceiveOrder,
    pub(crate) until: std::time::Instant,
}

impl Waiting {
    /// Takes in a request; what is to be handed over goes to the machine of the link.
    pub(crate) fn admit(&mut self, request: Request<Deliver>) -> Box<Assignment> {
        let (Deliver { assignment, progress }, reply) = request.into_parts();
        self.work.insert(assignment.work, (reply, progress));
        Box::new(assignment)
    }

    /// Answers whoever waits for this work.
    pub(crate) fn answer(&mut self, work: WorkId, outcome: Result<Performed, AgentError>) {
        if let Some((reply, _)) = self.work.remove(&work) {
            reply.send(outcome);
        }
    }

    /// Takes in a message; what is to be handed over goes to the machine of the link.
    pub(crate) fn admit_letter(&mut self, request: Request<Carry>, now: Instant) -> Box<Letter> {
        let (Carry { envelope, until }, reply) = request.into_parts();
        let left = until.saturating_duration_since(now).as_millis();
        let order = ReceiveOrder {
            envelope: EnvelopeDocument::from(&envelope),
            reply_within_ms: u64::try_from(left).unwrap_or(u64::MAX),
        };
        self.last_letter += 1;
        let number = self.last_letter;
        self.letters.insert(number, (reply, envelope));
        Box::new(Letter { number, order, until: until.into_std() })
    }

    /// Answers whoever sent this message.
    pub(crate) fn answer_letter(&mut self, number: LetterNumber, outcome: LetterOutcome) {
        let Some((reply, question)) = self.letters.remove(&number) else { return };
        reply.send(match outcome {
            LetterOutcome::Taken(None) => Ok(None),
            LetterOutcome::Taken(Some(said)) => said.to(&question).map(Some).map_err(|why| {
                AgentError::failed(format!("what the agent answered: content: {why}"))
            }),
            LetterOutcome::NotSpoken => {
                Ok(question.not_understood("the program of this agent reads no messages"))
            }
            LetterOutcome::Failed(error) => Err(error),
        });
    }

    /// Notes how far this work is.
    pub(crate) fn note(&self, work: WorkId, said: &WorkProgress) {
        if let Some((_, progress)) = self.work.get(&work) {
            progress.report(said.fraction, &said.note);
        }
    }

    /// Notes what this work used up.
    pub(crate) fn spend(&self, work: WorkId, usage: Usage) {
        if let Some((_, progress)) = self.work.get(&work) {
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
