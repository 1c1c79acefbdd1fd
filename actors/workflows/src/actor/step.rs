//! What the engine tells itself, and what its runs tell it.

use synod_journal::{
    AppendError, BlobError, BlobId, Committed, JournalHealth, Position, SnapshotError, Swept,
    TruncateError, Truncated,
};
use synod_runtime::{ActorError, AskError, Context, Reply, TaskFailure};

use super::WorkflowEngine;
use super::definitions::ToDefine;
use super::keeping::Snapshot;
use super::packing::Packed;
use super::run::{FromRun, ToStore};
use crate::json::Json;
use crate::messages::{DefinitionSummary, RunId};
use crate::run::{Fault, Ticket};

/// A message of the engine to itself.
#[derive(Debug)]
pub struct Step(pub(in crate::actor) Own);

/// An answer that was asked for, or nobody gave.
pub(super) type Asked<T> = Result<T, AskError>;

/// Who waits for a definition to be kept.
pub(super) type DefineReply = Reply<Result<DefinitionSummary, crate::error::DefineError>>;

/// What has happened.
#[derive(Debug)]
pub(in crate::actor) enum Own {
    /// Time to wake runs.
    Wake,
    /// Time to ask the journal whether it takes appends again.
    Recheck,
    /// How the journal is.
    Rechecked(Asked<JournalHealth>),
    /// The append of this number has an outcome.
    Appended { append: u64, outcome: Asked<Result<Committed, AppendError>> },
    /// A run has something to store.
    Store(Box<ToStore>),
    /// A run tells something.
    FromRun(Box<FromRun>),
    /// A run whose actor crashed is to go on.
    Revive(RunId),
    /// A run that somebody waits for had ended before.
    ChildRead { parent: RunId, child: RunId, ticket: Ticket, outcome: Result<Json, Fault> },
    /// A definition was compiled, or can't be.
    Compiled(Box<super::compiling::CompiledText>),
    /// A new run was made of an old one, or can't be.
    Derived(Box<super::forking::DerivedRun>),
    /// The text of a definition is stored, or not.
    DefinitionStored { define: Box<ToDefine>, outcome: Asked<Result<BlobId, BlobError>> },
    /// Something that was read for somebody has been given to them.
    Answered,
    /// Time to look whether old records can be let go of.
    Look,
    /// How far the log is.
    Looked(Asked<JournalHealth>),
    /// Histories have been packed, or not.
    Packed(Result<Option<Packed>, TaskFailure>),
    /// A snapshot has been encoded, or not.
    Encoded { at: Position, outcome: Result<Option<Snapshot>, TaskFailure> },
    /// A snapshot has been stored, or not.
    Saved { at: Position, outcome: Asked<Result<(), SnapshotError>> },
    /// Old records have been dropped, or not.
    Truncated(Asked<Result<Truncated, TruncateError>>),
    /// Blobs nobody names have been removed, or not.
    Swept(Asked<Result<Swept, BlobError>>),
    /// The time for draining is over.
    DrainDeadline,
}

impl WorkflowEngine {
    pub(super) async fn on_step(
        &mut self,
        step: Step,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match step.0 {
            Own::Wake => self.wake_due(ctx),
            Own::Recheck => self.recheck(ctx),
            Own::Rechecked(health) => self.rechecked(health, ctx).await?,
            Own::Appended { append, outcome } => self.appended(append, outcome, ctx).await?,
            Own::Store(to_store) => self.on_store(*to_store),
            Own::FromRun(from) => self.on_word(*from, ctx),
            Own::Revive(run) => self.revive(run, ctx),
            Own::ChildRead { parent, child, ticket, outcome } => {
                self.child_ended(parent, child, ticket, outcome, ctx);
            }
            Own::Derived(derived) => self.derived(*derived, ctx),
            Own::Compiled(done) => self.compiled(*done, ctx),
            Own::DefinitionStored { define, outcome } => {
                self.definition_stored(*define, outcome, ctx);
            }
            Own::Answered => {}
            Own::Look => self.look_at_log(ctx),
            Own::Looked(health) => self.looked(health, ctx),
            Own::Packed(outcome) => self.packed(outcome, ctx),
            Own::Encoded { at, outcome } => self.encoded(at, outcome, ctx),
            Own::Saved { at, outcome } => self.saved(at, outcome, ctx),
            Own::Truncated(outcome) => self.truncated(&outcome),
            Own::Swept(outcome) => self.swept(&outcome),
            Own::DrainDeadline => self.drain_deadline(),
        }
        Ok(())
    }
}
