//! A task: what was asked, how it stands, and the parts it is done in.

mod allocation;
mod body;
mod capability;
mod failure;
mod id;
mod moment;
mod named;
mod part;
mod retry;
mod spec;
mod state;

pub use allocation::Allocation;
pub use capability::{CapabilityRequirement, InvalidRequirement};
pub use failure::FailureKind;
pub use id::{TaskId, partition_of};
pub use retry::RetryPolicy;
pub use state::{TaskMode, TaskState};

pub(crate) use body::{BlobRef, Body, ContentType};
pub(crate) use failure::Failure;
pub(crate) use id::{IdHashed, IdHasher, IdMap, mint_in};
pub(crate) use moment::Moment;
pub(crate) use part::{Needs, Part, Phase};
pub(crate) use spec::{IdempotencyKey, TaskSpec, Verdict};

use std::sync::Arc;

use crate::machine::{Kept, Mark};
use crate::modes::mode;
use crate::queue::Place;

/// A task as the records tell it, with the few volatile marks the machine needs beside it.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// Its name.
    pub id: TaskId,
    /// Its place in the order of acceptance, from 1.
    pub sequence: u64,
    /// What was asked.
    pub spec: Arc<TaskSpec>,
    /// Its input, as long as it is open.
    pub input: Body,
    /// When it was accepted, UTC microseconds.
    pub accepted_at: i64,
    /// When its first part was first handed to an agent, UTC microseconds.
    pub started_at: Option<i64>,
    /// When it ended, UTC microseconds.
    pub ended_at: Option<i64>,
    /// Whether its parts are known; before that it waits for a capable agent.
    pub planned: bool,
    /// Its parts, in the order in which they were planned.
    pub parts: Vec<Part>,
    /// How it stands.
    pub state: TaskState,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// What its executions have cost so far, in millionths of the agents' unit.
    pub spent: u64,
    /// Of an execution that its caller keeps, which is in no record: what the caller gave.
    pub kept: Option<Box<Kept>>,
    /// Volatile: where its record is in the batch that is being gathered.
    pub mark: Mark,
    /// Volatile: when its deadline is due on the monotonic clock.
    pub due: u64,
}

impl Task {
    /// A task that has just been accepted.
    pub(crate) fn accepted(
        id: TaskId,
        sequence: u64,
        spec: Arc<TaskSpec>,
        input: Body,
        at: i64,
    ) -> Self {
        Self {
            id,
            sequence,
            spec,
            input,
            accepted_at: at,
            started_at: None,
            ended_at: None,
            planned: false,
            parts: Vec::new(),
            state: TaskState::Pending,
            verdict: None,
            spent: 0,
            kept: None,
            mark: Mark::default(),
            due: 0,
        }
    }

    /// Bytes of inputs and outputs that it holds in memory.
    pub(crate) fn held_bytes(&self) -> u64 {
        let outputs = self.parts.iter().filter_map(Part::output).map(Body::held_bytes);
        let result = match &self.verdict {
            Some(Verdict::Completed(body)) => body.held_bytes(),
            _ => 0,
        };
        self.input.held_bytes() + outputs.sum::<u64>() + result
    }

    /// The place of one of its parts in the queue.
    pub(crate) fn place(&self, part: u16) -> Place {
        (self.sequence, self.kept.as_ref().map_or(0, |kept| kept.behind), part)
    }

    /// Whether its result is put together from the outputs of its parts.
    pub(crate) fn combines(&self) -> bool {
        mode(self.spec.mode).combines(self)
    }

    /// Whether it has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.verdict.is_none()
    }

    /// How it stands, derived from its parts: running when one runs, queued when one could run,
    /// pending when all that is left waits for time or for an agent to appear. Between the end of
    /// one part and the plan of the next it stays what it was.
    pub(crate) fn derived_state(&self) -> TaskState {
        if let Some(verdict) = &self.verdict {
            return verdict.state();
        }
        let open = self.parts.iter().map(Part::state).filter(|state| !state.has_ended());
        open.max().unwrap_or(self.state)
    }
}
