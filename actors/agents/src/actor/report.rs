//! What an agent's workers, its link and its host tell its actor.

use synod_runtime::{Address, Priority};

use super::desk::Slot;
use crate::error::AgentError;
use crate::messages::AgentMessage;
use crate::pulse::Pulse;
use crate::work::WorkId;

/// A report to an agent's actor from those that belong to it. Opaque to all others.
#[derive(Debug)]
pub struct Report(pub(crate) Reported);

#[derive(Debug)]
pub(crate) enum Reported {
    /// A worker has ended an assignment and is free.
    Ended {
        slot: Slot,
        work: WorkId,
        /// Why it failed, if it did.
        error: Option<AgentError>,
    },
    /// What the instances share (a child process, a connection) is up, or down for this reason.
    Shared(Result<(), String>),
    /// The agent's child process is started, again for so many times by now; why it had to be.
    Spawned { restarts: u64, after: Option<String> },
    /// The agent is in the registry; this is its slot for signs of life.
    Registered(Pulse),
}

/// Sends a report ahead of all work, through a slot of its own: it can't fail for room, and to an
/// agent that has ended it is of no interest.
pub(crate) fn report(agent: &Address<AgentMessage>, reported: Reported) {
    if let Ok(permit) = agent.reserve() {
        permit.with_priority(Priority::Critical).send(AgentMessage::Own(Report(reported)));
    }
}
