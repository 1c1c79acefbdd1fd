//! What a user writes: the [`Agent`] trait; and what hosts it: an object-safe form and a factory.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use synod_runtime::{ActorError, Context};

use crate::actor::AgentActor;
use crate::card::AgentCard;
use crate::context::AgentContext;
use crate::envelope::Envelope;
use crate::error::AgentError;
use crate::message_context::MessageContext;
use crate::payload::Payload;
use crate::pulse::Pulse;
use crate::work::Assignment;

/// Something that does work.
///
/// One instance does one assignment at a time; `max_concurrent_tasks` of the card says how many
/// instances work side by side. An instance is made when work first needs it and kept; one that
/// crashed, or whose work had to be dropped, is replaced.
///
/// `perform` runs on the node's async threads: never block in it, use
/// [`AgentContext::blocking`]. Fields of the instance are volatile; what must survive goes
/// through [`AgentContext::state`].
pub trait Agent: Send + 'static {
    /// Who the agent is and what it can do. Constant: it is read once.
    fn card(&self) -> AgentCard;

    /// Prepares the instance: opens what `perform` needs. Called once, before its first work.
    ///
    /// # Errors
    /// The assignment that needed the instance is answered with the error, and the worker is
    /// restarted after a back-off.
    fn start(&mut self) -> impl Future<Output = Result<(), AgentError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Does the work and returns the output.
    ///
    /// # Errors
    /// Whatever kept it from being done; the kind of the error decides about another attempt.
    fn perform(
        &mut self,
        work: Assignment,
        ctx: &mut AgentContext,
    ) -> impl Future<Output = Result<Payload, AgentError>> + Send;

    /// Reads a message of another agent, or of a protocol that the agent takes part in, and returns
    /// what it says back: [`Envelope::answer`] makes the envelope. The default does not understand.
    ///
    /// Messages go to an instance of their own, one after the other, so that an agent that works
    /// can still bid and vote: fields that `perform` sets are not seen here, unless instances
    /// share them.
    ///
    /// # Errors
    /// The message could not be read; whoever sent it is told why.
    fn receive(
        &mut self,
        envelope: Envelope,
        ctx: &mut MessageContext,
    ) -> impl Future<Output = Result<Option<Envelope>, AgentError>> + Send {
        let _ = ctx;
        std::future::ready(Ok(envelope.not_understood("this agent reads no messages")))
    }

    /// Releases what `start` opened. Not called after a panic or a kill.
    fn stop(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// A future in a box, as [`DynAgent`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An [`Agent`] as a trait object. Implemented for every agent; not meant to be written by hand.
pub trait DynAgent: Send {
    /// [`Agent::start`].
    fn start_boxed(&mut self) -> BoxFuture<'_, Result<(), AgentError>>;

    /// [`Agent::perform`].
    fn perform_boxed<'a>(
        &'a mut self,
        work: Assignment,
        ctx: &'a mut AgentContext,
    ) -> BoxFuture<'a, Result<Payload, AgentError>>;

    /// [`Agent::receive`].
    fn receive_boxed<'a>(
        &'a mut self,
        envelope: Envelope,
        ctx: &'a mut MessageContext,
    ) -> BoxFuture<'a, Result<Option<Envelope>, AgentError>>;

    /// [`Agent::stop`].
    fn stop_boxed(&mut self) -> BoxFuture<'_, ()>;
}

impl<A: Agent> DynAgent for A {
    fn start_boxed(&mut self) -> BoxFuture<'_, Result<(), AgentError>> {
        Box::pin(self.start())
    }

    fn perform_boxed<'a>(
        &'a mut self,
        work: Assignment,
        ctx: &'a mut AgentContext,
    ) -> BoxFuture<'a, Result<Payload, AgentError>> {
        Box::pin(self.perform(work, ctx))
    }

    fn receive_boxed<'a>(
        &'a mut self,
        envelope: Envelope,
        ctx: &'a mut MessageContext,
    ) -> BoxFuture<'a, Result<Option<Envelope>, AgentError>> {
        Box::pin(self.receive(envelope, ctx))
    }

    fn stop_boxed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.stop())
    }
}

/// Makes the instances of one agent, one for each of its workers.
pub type AgentSource = Arc<dyn Fn() -> Box<dyn DynAgent> + Send + Sync>;

/// Where the instances of an agent come from; what the host of agents is given.
pub trait AgentFactory: Send + Sync + 'static {
    /// The card of the agent. Constant.
    fn card(&self) -> Arc<AgentCard>;

    /// Called when the agent's actor starts, and again when it restarts. What the instances
    /// share (a child process, a connection) is started here, as a child of that actor.
    ///
    /// # Errors
    /// What is shared could not be started; the actor's start has failed then.
    fn open(&self, ctx: &mut Context<AgentActor>) -> Result<AgentSource, ActorError>;

    /// Whether the instances share a link, so that the agent can be reached only while it is up.
    fn has_link(&self) -> bool {
        false
    }

    /// The agent is in the registry; `pulse` is where its link notes signs of life.
    fn registered(&self, pulse: &Pulse) {
        let _ = pulse;
    }
}

/// The factory of agents that live in the node and share nothing.
struct NativeFactory<F> {
    card: Arc<AgentCard>,
    create: Arc<F>,
}

impl<F, A> AgentFactory for NativeFactory<F>
where
    F: Fn() -> A + Send + Sync + 'static,
    A: Agent,
{
    fn card(&self) -> Arc<AgentCard> {
        Arc::clone(&self.card)
    }

    fn open(&self, _ctx: &mut Context<AgentActor>) -> Result<AgentSource, ActorError> {
        let create = Arc::clone(&self.create);
        Ok(Arc::new(move || Box::new(create())))
    }
}

/// A factory from a function that makes an agent: `factory(WordCount::default)`.
pub fn factory<F, A>(create: F) -> Arc<dyn AgentFactory>
where
    F: Fn() -> A + Send + Sync + 'static,
    A: Agent,
{
    let card = Arc::new(create().card());
    Arc::new(NativeFactory { card, create: Arc::new(create) })
}
