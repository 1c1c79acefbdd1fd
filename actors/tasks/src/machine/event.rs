//! What happens to tasks: the only thing that changes what is durable, live and in a replay alike.

use std::sync::Arc;

use bytes::Bytes;

use crate::task::{Body, Failure, Needs, TaskId, TaskSpec, Verdict};

/// Something that happened to one task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// It was accepted.
    Accepted { spec: Arc<TaskSpec>, input: Body },
    /// These parts were added to it.
    Planned(Vec<Needs>),
    /// A part was given to an agent.
    Started {
        part: u16,
        /// The number of this execution, from 1.
        attempt: u32,
        /// `id@version`.
        agent: Arc<str>,
        /// What it costs, in millionths of the agents' unit.
        cost: u64,
        /// Why this agent, where that was found out and not just drawn or measured.
        chosen: Option<Arc<str>>,
    },
    /// A part is done.
    Succeeded {
        part: u16,
        output: Body,
        /// What its agent saved.
        saved: Option<Bytes>,
    },
    /// An execution ended in an error; there is another attempt at `until`.
    Retried { part: u16, failure: Failure, until: i64 },
    /// The wait after an error is over.
    Resumed { part: u16 },
    /// An execution was lost; the part is queued again. Why is not known of those that were
    /// recorded before reasons were.
    Lost { part: u16, why: Option<Failure> },
    /// The part came back undone and is queued again; why, unless the engine took it back.
    Returned { part: u16, why: Option<Failure> },
    /// A part failed for good. Of the kind `Lost`: once too often lost.
    PartFailed { part: u16, failure: Failure },
    /// The task ended; what had not ended of it is cancelled.
    Ended(Verdict),
}

impl Event {
    /// About how many bytes it takes in a record.
    pub(crate) fn weight(&self) -> usize {
        let body = |body: &Body| body.held_bytes() as usize;
        let content = match self {
            Self::Accepted { spec, input } => body(input) + spec.weight() + 256,
            Self::Succeeded { output, saved, .. } => {
                body(output) + saved.as_ref().map_or(0, Bytes::len)
            }
            Self::Ended(Verdict::Completed(result)) => body(result),
            Self::Ended(Verdict::Failed(failure, _))
            | Self::Retried { failure, .. }
            | Self::PartFailed { failure, .. }
            | Self::Lost { why: Some(failure), .. }
            | Self::Returned { why: Some(failure), .. } => failure.message.len(),
            Self::Planned(needs) => needs.len() * 64,
            Self::Started { chosen: Some(chosen), .. } => chosen.len(),
            _ => 0,
        };
        content + 64
    }
}

/// An event and when it happened, UTC microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub at: i64,
    pub event: Event,
}

/// What one batch did to one task. It is one record, so a step is never half there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskRecord {
    pub task: TaskId,
    pub entries: Vec<Entry>,
}

/// Something that happened to the engine itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineEvent {
    /// An incarnation of it is about to read the log: whatever an older one appended is stored
    /// before this record, or never.
    Opened { at: i64 },
    /// It began to work under a new epoch; executions of older ones no longer count.
    Began { epoch: u64, at: i64 },
    /// It stopped in order, with nothing in agents' hands.
    Stopped { at: i64 },
    /// It forgot the tasks that ended up to and with this one (in order of end and id), and the
    /// idempotency keys that were used before this time and whose task is forgotten.
    Forgot { through: (i64, TaskId), keys_before: i64 },
}

/// What an agent saved with the result of an execution that its caller keeps: all that is stored of
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedState {
    /// When, UTC microseconds.
    pub at: i64,
    /// The agent's id.
    pub agent: String,
    pub state: Bytes,
}

/// Where a task's record is in the batch that is being gathered, and which batch it was.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The batch with the task's latest event; 0 before the first.
    pub batch: u64,
    /// The place of its record there.
    pub index: u32,
}
