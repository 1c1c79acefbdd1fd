//! What one decision did to one run, and what happened to the engine: what the journal holds.

use std::sync::Arc;

use bytes::Bytes;
use semver::Version;
use synod_journal::BlobId;
use synod_runtime::{Correlation, Principal};

use crate::definition::DefinitionHash;
use crate::json::Json;
use crate::messages::{RunId, RunState};
use crate::run::{ApprovalId, Event};

/// What one decision did to a run: its events, and what the engine's index needs to know of the
/// run after them, so that a restart replays no run that has nothing to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunRecord {
    pub run: RunId,
    /// When it was decided, UTC microseconds; its events have no time of their own.
    pub at: i64,
    /// Of the record that opens a run.
    pub note: Option<OpeningNote>,
    /// How the run stands after it.
    pub standing: Standing,
    /// By what the outside can find the run from now on.
    pub opened: Vec<Handle>,
    /// By what it can no longer.
    pub closed: Vec<Handle>,
    pub events: Vec<Event>,
    /// The blobs that hold values of the events.
    pub blobs: Vec<BlobId>,
}

/// What is stored of the start of a run beside its opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpeningNote {
    pub trace: Option<Correlation>,
    /// Half a SHA-256 of what was asked for, where it has an idempotency key.
    pub body: Option<[u8; 16]>,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub state: RunState,
    /// Steps that need nothing more.
    pub done: u32,
    /// All steps.
    pub total: u32,
    /// When it wants to be woken, UTC microseconds.
    pub wake_at: Option<i64>,
}

/// By what the outside finds a run that waits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Handle {
    /// A decision about this approval.
    Approval { id: ApprovalId, deadline: Option<i64> },
    /// A message of this topic.
    Topic(Arc<str>),
    /// The end of this run.
    Child(RunId),
}

impl Handle {
    pub(crate) const fn is_child(&self) -> bool {
        matches!(self, Self::Child(_))
    }
}

/// Something that happened to the engine, not to one run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum EngineEvent {
    /// An incarnation has begun to read the log: what is before this is all there is.
    Opened { at: i64 },
    /// It works from here on.
    Began { at: i64 },
    /// It has stopped in order.
    Stopped { at: i64 },
    /// Runs that ended up to this one are no longer kept, nor are older keys and these definitions.
    Forgot { through: (i64, RunId), keys_before: i64, definitions: Vec<DefinitionHash> },
    /// A definition is kept, because a name or a run is bound to it.
    Defined(Box<DefinedAs>),
    /// A name and a version mean this definition.
    Named { name: Arc<str>, version: Version, hash: DefinitionHash, at: i64, by: Principal },
    /// They mean nothing any more.
    Unnamed { name: Arc<str>, version: Version, at: i64, by: Principal },
    /// The result of a step is kept, for other runs to take it.
    Kept(Box<KeptResult>),
}

/// A result as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeptResult {
    /// Half a SHA-256 of the definition, the step and the key.
    pub scope: [u8; 16],
    /// Since when, and when it is no longer taken; UTC microseconds.
    pub at: i64,
    pub until: i64,
    /// `null` while it is in a blob that has not been read.
    pub output: Json,
    /// Bytes of its text.
    pub size: u64,
    /// The blob that holds it, where it is large.
    pub blob: Option<BlobId>,
}

/// A definition as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DefinedAs {
    pub hash: DefinitionHash,
    pub name: Arc<str>,
    pub version: Arc<str>,
    pub description: Arc<str>,
    pub steps: u32,
    /// Its canonical form; empty while it is in a blob that has not been read.
    pub text: Bytes,
    /// The blob that holds the text, where it is large.
    pub blob: Option<BlobId>,
}
