//! What is to be done outside of a run, once the events that it follows from are stored.

use super::ticket::Ticket;
use crate::json::Json;
use crate::messages::RunId;

/// What is to be done. Where a plan has more to say (agents, modes, topics), the step is found by
/// [`Run::plan_step`](super::Run::plan_step).
///
/// What changed in a run is told by its events; there is no effect for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Let an agent, or several, execute this; answer with `Executed`.
    Execute(Box<Execute>),
    /// Nobody waits for this execution any longer.
    CancelExecution(Ticket),
    /// Open a run, unless it exists, and answer with `ChildEnded` when it has ended.
    StartChild(Box<StartChild>),
    /// Cancel a run; answer with `ChildEnded` when it has ended.
    CancelChild {
        /// The run.
        run: RunId,
        /// The step that it was started for.
        ticket: Ticket,
    },
    /// Publish a message; answer with `Emitted`.
    Emit(Box<Emit>),
    /// Give `Wake` at this time, UTC microseconds, and not at the one asked for before.
    WakeAt(Option<i64>),
}

/// An execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Execute {
    /// What the result is to be given back with.
    pub ticket: Ticket,
    /// The input.
    pub input: Json,
    /// The same over all attempts: `run/step/visit[/item]`.
    pub idempotency_key: String,
    /// A result that the node has kept under this key can be taken instead.
    pub cache_key: Option<String>,
    /// When the result is of no more use, UTC microseconds.
    pub deadline: i64,
}

/// A run that a step starts.
#[derive(Debug, Clone, PartialEq)]
pub struct StartChild {
    /// What its end is to be given back with.
    pub ticket: Ticket,
    /// Its name.
    pub run: RunId,
    /// The input.
    pub input: Json,
    /// When it is of no more use, UTC microseconds.
    pub deadline: i64,
}

/// A message that a step emits; passed on at least once.
#[derive(Debug, Clone, PartialEq)]
pub struct Emit {
    /// What to say that it is done with.
    pub ticket: Ticket,
    /// The topic.
    pub topic: String,
    /// What it says.
    pub payload: Json,
    /// The same, however often it is passed on.
    pub idempotency_key: String,
}
