//! What the engine tells itself.

use bytes::Bytes;
use synod_agents::{AgentError, Performed, WorkId};
use synod_journal::{
    AppendError, BlobError, BlobId, Committed, JournalHealth, Position, SnapshotError, Swept,
    TruncateError, Truncated,
};
use synod_runtime::{ActorError, AskError, Context, Reply, TaskFailure};

use super::TaskEngine;
use super::blobs::{StoredInput, StoredOutput};
use super::calls::{Answer, CallName};
use super::keeping::EncodedSnapshot;
use crate::machine::Dispatch;
use crate::matching::AgentSlot;
use crate::messages::TaskStatusResponse;
use crate::task::{BlobRef, Moment};

/// A message of the engine to itself.
#[derive(Debug)]
pub struct Step(pub(super) Own);

/// An answer that was asked for, or nobody gave.
pub(super) type Asked<T> = Result<T, AskError>;

/// What has happened.
#[derive(Debug)]
pub(super) enum Own {
    /// Time to wake the machine.
    Wake,
    /// Time to ask the journal whether it takes appends again.
    Recheck,
    /// How the journal is.
    Rechecked(Asked<JournalHealth>),
    /// The append of this number has an outcome.
    Appended { append: u64, outcome: Asked<Result<Committed, AppendError>> },
    /// An execution has ended; it was sent at this time.
    Finished { work: WorkId, agent: AgentSlot, sent: u64, outcome: Performance },
    /// An agent answered a call, or did not.
    Heard { name: CallName, agent: AgentSlot, outcome: Answer },
    /// A large input has been stored, or not.
    InputStored { input: Box<StoredInput>, outcome: Asked<Result<BlobId, BlobError>> },
    /// A large output has been stored, or not.
    OutputStored { output: Box<StoredOutput>, outcome: Asked<Result<BlobId, BlobError>> },
    /// A large input has been read, or not.
    InputLoaded { dispatch: Box<Dispatch>, outcome: Loaded },
    /// A large result has been read, or not.
    ResultLoaded {
        replies: Vec<Reply<Option<TaskStatusResponse>>>,
        status: Box<TaskStatusResponse>,
        blob: BlobRef,
        outcome: Loaded,
    },
    /// Time to look whether old records can be let go of.
    Look,
    /// How far the log is.
    Looked(Asked<JournalHealth>),
    /// A snapshot has been encoded, or not.
    Encoded { at: Position, outcome: Result<Option<EncodedSnapshot>, TaskFailure> },
    /// A snapshot has been stored, or not.
    Saved { at: Position, outcome: Asked<Result<(), SnapshotError>> },
    /// Old records have been dropped, or not.
    Truncated(Asked<Result<Truncated, TruncateError>>),
    /// Blobs nobody names have been removed, or not.
    Swept(Asked<Result<Swept, BlobError>>),
    /// Time to look whether keepers of executions still wait.
    LookAtKeepers,
    /// The time for draining is over.
    DrainDeadline,
}

/// What was read from a blob, or why it was not.
pub(super) type Loaded = Asked<Result<Option<Bytes>, BlobError>>;

/// What an agent answered, or that it did not.
pub(super) type Performance = Asked<Result<Performed, AgentError>>;

impl Step {
    pub(super) fn wake() -> Self {
        Self(Own::Wake)
    }

    pub(super) fn recheck() -> Self {
        Self(Own::Recheck)
    }
}

impl TaskEngine {
    pub(super) async fn on_step(
        &mut self,
        now: Moment,
        step: Step,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match step.0 {
            Own::Wake => self.wake(now),
            Own::Recheck => self.recheck(ctx),
            Own::Rechecked(health) => self.rechecked(health, ctx).await?,
            Own::Appended { append, outcome } => self.appended(append, outcome, ctx).await?,
            Own::Finished { work, agent, sent, outcome } => {
                self.finished(now, work, agent, sent, outcome, ctx);
            }
            Own::Heard { name, agent, outcome } => self.heard(now, name, agent, outcome),
            Own::InputStored { input, outcome } => self.input_stored(now, *input, outcome),
            Own::OutputStored { output, outcome } => self.output_stored(now, *output, outcome),
            Own::InputLoaded { dispatch, outcome } => {
                self.input_loaded(now, dispatch, outcome, ctx);
            }
            Own::ResultLoaded { replies, status, blob, outcome } => {
                super::blobs::result_loaded(replies, *status, blob, outcome);
            }
            Own::Look => self.look_at_log(ctx),
            Own::Looked(health) => self.looked(health, ctx),
            Own::Encoded { at, outcome } => self.encoded(at, outcome, ctx),
            Own::Saved { at, outcome } => self.saved(at, outcome, ctx),
            Own::Truncated(outcome) => self.truncated(outcome),
            Own::Swept(outcome) => self.swept(outcome),
            Own::LookAtKeepers => self.look_at_keepers(now, ctx),
            Own::DrainDeadline => self.drain_deadline(now),
        }
        Ok(())
    }
}
