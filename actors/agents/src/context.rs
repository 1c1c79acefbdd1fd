//! What an agent can do while it performs: see that it is to stop, report progress, keep state,
//! run blocking work and send messages.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::blocking::{AbandonedThreads, run_on_thread};
use crate::envelope::Envelope;
use crate::error::AgentError;
use crate::id::AgentId;
use crate::messenger::Outbox;
use crate::payload::Payload;
use crate::progress::Progress;
use crate::usage::Usage;
use crate::work::{Assignment, WorkId};

/// The surroundings of one assignment.
#[derive(Debug)]
pub struct AgentContext {
    /// What the agent keeps over assignments, restarts and nodes.
    pub state: AgentState,
    work: WorkId,
    deadline: Instant,
    stop: CancellationToken,
    progress: Progress,
    abandoned: Arc<AbandonedThreads>,
    agent: AgentId,
    outbox: Outbox,
}

impl AgentContext {
    pub(crate) fn new(
        agent: AgentId,
        assignment: &Assignment,
        deadline: Instant,
        stop: CancellationToken,
        progress: Progress,
        (abandoned, outbox): (Arc<AbandonedThreads>, Outbox),
    ) -> Self {
        let state = AgentState { committed: assignment.state.clone(), saved: None };
        let work = assignment.work;
        Self { state, work, deadline, stop, progress, abandoned, agent, outbox }
    }

    /// A context outside of a node, for calling an agent by hand, as its tests do.
    #[must_use]
    pub fn standalone(assignment: &Assignment) -> Self {
        let deadline = assignment.deadline;
        let progress = Progress::followed_by(assignment.watch.clone());
        let (agent, stop) = (AgentId::unchecked("standalone"), CancellationToken::new());
        Self::new(agent, assignment, deadline, stop, progress, Default::default())
    }

    /// Which execution this is.
    #[must_use]
    pub fn work(&self) -> WorkId {
        self.work
    }

    /// When the work is told to stop: the task's deadline or the agent's own limit.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The token that tells the work to stop: it was cancelled, its deadline passed, or the
    /// agent stops. After the grace time the work is dropped.
    #[must_use]
    pub fn cancelled(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Whether the work has been told to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Reports how far the work is: `fraction` from 0 to 1, and a note of at most 256 bytes.
    /// It replaces the report before it, and is a sign of life.
    pub fn progress(&self, fraction: f32, note: &str) {
        self.progress.report(fraction, note);
    }

    /// Reports that the work used up so much more: tokens, money. It counts towards the budget of
    /// whoever asked for the work, whatever comes of it.
    pub fn spend(&self, usage: Usage) {
        self.progress.spend(usage);
    }

    /// Where progress is reported; for work that runs elsewhere than in `perform` itself.
    #[must_use]
    pub fn progress_handle(&self) -> Progress {
        self.progress.clone()
    }

    /// Writes a line into the node's log, within the span of this work.
    pub fn log(&self, line: &str) {
        tracing::info!(work = %self.work, "{line}");
    }

    /// Runs blocking `work` on a thread of its own and waits for it. The token it gets says when
    /// to stop; a thread that does not is abandoned when this future is dropped: it is counted in
    /// the agent's health, and its result is ignored.
    ///
    /// # Errors
    /// `Unavailable` when the operating system gives no thread. A panic of `work` is a panic of
    /// `perform`.
    pub async fn blocking<T, W>(&self, work: W) -> Result<T, AgentError>
    where
        T: Send + 'static,
        W: FnOnce(CancellationToken) -> T + Send + 'static,
    {
        run_on_thread(Arc::clone(&self.abandoned), self.stop.clone(), work).await
    }

    /// Sends a message in the agent's own name and waits for no answer.
    ///
    /// # Errors
    /// It could not be sent; `Unavailable` outside of a node that carries messages.
    pub async fn send(&self, envelope: Envelope) -> Result<(), AgentError> {
        self.outbox.send(&self.agent, envelope).await
    }

    /// Sends a message in the agent's own name and waits for the answer.
    ///
    /// # Errors
    /// It could not be sent, nobody answered within the time, or there are no messages here.
    pub async fn ask(&self, envelope: Envelope, within: Duration) -> Result<Envelope, AgentError> {
        self.outbox.ask(&self.agent, envelope, within).await
    }

    /// Tells whoever has subscribed to `topic`.
    ///
    /// # Errors
    /// The topic is not one to publish to, or there are no messages here.
    pub async fn publish(&self, topic: &str, content: Payload) -> Result<(), AgentError> {
        self.outbox.publish(&self.agent, topic, content).await
    }
}

/// Bytes that an agent keeps. They become durable together with the result of the assignment in
/// which they were saved, or not at all; no other assignment sees them before that.
///
/// Instances of one agent that work side by side share this state: the last commit wins.
#[derive(Debug, Clone, Default)]
pub struct AgentState {
    committed: Option<Bytes>,
    saved: Option<Bytes>,
}

impl AgentState {
    /// Largest state in bytes: it shares a record of the journal with the result.
    pub const MAX_BYTES: usize = 256 << 10;

    /// What this assignment saved, or else what was committed last.
    #[must_use]
    pub fn load(&self) -> Option<Bytes> {
        self.saved.clone().or_else(|| self.committed.clone())
    }

    /// Saves `bytes` in place of all that was saved before.
    ///
    /// # Errors
    /// `InvalidInput` when it is more than [`AgentState::MAX_BYTES`]; nothing is saved then.
    pub fn save(&mut self, bytes: impl Into<Bytes>) -> Result<(), AgentError> {
        let bytes = bytes.into();
        if bytes.len() > Self::MAX_BYTES {
            let size = bytes.len();
            let most = Self::MAX_BYTES;
            let message = format!("the state has {size} bytes, at most {most} can be saved");
            return Err(AgentError::invalid_input(message));
        }
        self.saved = Some(bytes);
        Ok(())
    }

    /// What this assignment saved; to be committed with its result.
    #[must_use]
    pub fn take_saved(&mut self) -> Option<Bytes> {
        self.saved.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_state_is_seen_at_once_and_committed_once() {
        let mut state = AgentState { committed: Some("old".into()), saved: None };
        assert_eq!(state.load().as_deref(), Some(b"old".as_slice()));
        state.save("new").unwrap();
        assert_eq!(state.load().as_deref(), Some(b"new".as_slice()));
        assert_eq!(state.take_saved().as_deref(), Some(b"new".as_slice()));
        assert_eq!(state.take_saved(), None);
    }

    #[test]
    fn a_state_that_is_too_large_is_refused_and_the_old_one_stays() {
        let mut state = AgentState::default();
        state.save("kept").unwrap();
        assert!(state.save(vec![0; AgentState::MAX_BYTES + 1]).is_err());
        assert_eq!(state.load().as_deref(), Some(b"kept".as_slice()));
    }
}
