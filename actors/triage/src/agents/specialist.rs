//! An agent made of a pure function from JSON to JSON, which runs on a thread of its own.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use synod_agents::{
    Agent, AgentActor, AgentCard, AgentContext, AgentError, AgentFactory, AgentSource, Assignment,
    Payload,
};
use synod_runtime::{ActorError, Context};

/// Which execution of the work it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// From 1.
    pub(super) number: u32,
}

impl Attempt {
    /// Ends the execution as a panic does: the worker is gone, its supervisor starts another. The
    /// panic hook is not called, since there is no bug to report.
    pub(super) fn crash(self, message: &str) -> ! {
        std::panic::resume_unwind(Box::new(message.to_owned()))
    }
}

type Work<I, O> = dyn Fn(I, Attempt) -> Result<O, AgentError> + Send + Sync;

struct Specialist<I, O> {
    card: AgentCard,
    work: Arc<Work<I, O>>,
}

/// A member of the team: its card, and where its instances come from.
pub(crate) struct Member {
    pub(crate) card: Arc<AgentCard>,
    pub(crate) source: AgentSource,
}

impl AgentFactory for Member {
    fn card(&self) -> Arc<AgentCard> {
        Arc::clone(&self.card)
    }

    fn open(&self, _ctx: &mut Context<AgentActor>) -> Result<AgentSource, ActorError> {
        Ok(Arc::clone(&self.source))
    }
}

/// The member with this card that does this work.
pub(super) fn specialist<I, O>(
    card: AgentCard,
    work: impl Fn(I, Attempt) -> Result<O, AgentError> + Send + Sync + 'static,
) -> Member
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    let work: Arc<Work<I, O>> = Arc::new(work);
    let named = card.clone();
    let source: AgentSource =
        Arc::new(move || Box::new(Specialist { card: named.clone(), work: Arc::clone(&work) }));
    Member { card: Arc::new(card), source }
}

impl<I, O> Agent for Specialist<I, O>
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    fn card(&self) -> AgentCard {
        self.card.clone()
    }

    async fn perform(
        &mut self,
        assignment: Assignment,
        ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        let work = Arc::clone(&self.work);
        let attempt = Attempt { number: assignment.work.attempt };
        let payload = assignment.payload;
        ctx.blocking(move |_| {
            let output = work(payload.to_json()?, attempt)?;
            Ok(Payload::json(&output)?)
        })
        .await?
    }
}

#[cfg(test)]
mod tests;
