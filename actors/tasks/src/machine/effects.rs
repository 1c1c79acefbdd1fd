//! What comes of the machine's steps: records to be stored, commands to be carried out.

use std::sync::Arc;

use bytes::Bytes;
use synod_agents::{Watch, WorkId};
use synod_journal::{AppendBounds, CodecError, Record};
use synod_runtime::Correlation;

use super::Call;
use super::event::{EngineEvent, Entry, Mark, SavedState, TaskRecord};
use crate::error::ExecutionError;
use crate::matching::AgentSlot;
use crate::messages::{Executed, TaskChange};
use crate::records;
use crate::task::{Body, TaskId, TaskSpec};

/// Something to be carried out.
#[derive(Debug)]
pub(crate) enum Command {
    /// Give an execution to an agent.
    Dispatch(Box<Dispatch>),
    /// Ask agents who does a part.
    Call(Box<Call>),
    /// Tell an agent to stop an execution.
    Cancel { agent: AgentSlot, work: WorkId },
    /// Tell the listeners.
    Changed(TaskChange),
    /// Tell who waits for the task's end.
    Ended(TaskId),
    /// Answer the keeper of an execution.
    Executed(Box<Ending>),
}

/// An execution for an agent.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub agent: AgentSlot,
    pub work: WorkId,
    pub spec: Arc<TaskSpec>,
    /// The first capability that the part requires.
    pub capability: Option<String>,
    pub input: Body,
    /// When its result is of no more use, on the monotonic clock.
    pub deadline: u64,
    /// What the agent saved last.
    pub state: Option<Bytes>,
    pub correlation: Option<Correlation>,
    /// The idempotency key, where a keeper gave one.
    pub key: Option<String>,
    /// Where a keeper follows it.
    pub watch: Watch,
}

/// The end of an execution that its caller keeps.
#[derive(Debug)]
pub(crate) struct Ending {
    pub id: TaskId,
    pub attempt: u32,
    pub result: Result<Executed, ExecutionError>,
}

/// Records and commands of the batch that is being gathered.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// The number of the batch, from 1.
    pub batch: u64,
    /// How much is gathered for one append.
    pub bounds: AppendBounds,
    /// One record for each task that something happened to.
    pub records: Vec<Gathered>,
    /// What agents saved in executions that are in no record, each with how many of `records` are
    /// before it.
    saved: Vec<(usize, SavedState)>,
    /// What happened to the engine; stored behind the tasks' records.
    pub engine: Vec<EngineEvent>,
    /// To be carried out once the batch is stored.
    pub commands: Vec<Command>,
    /// Of executions that are in no record: to be carried out as soon as the batch of this number
    /// is stored, which it mostly is: 0.
    pub prompt: Vec<(u64, Command)>,
    /// About how many bytes all records take.
    pub weight: usize,
}

/// A record that is being gathered, and about how many bytes it takes.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub record: TaskRecord,
    pub weight: usize,
}

impl Effects {
    /// The batch after the one of this number.
    pub(crate) fn after(batch: u64, bounds: AppendBounds) -> Self {
        Self { batch: batch + 1, bounds, ..Self::default() }
    }

    /// Takes what was gathered out; the next batch begins.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::after(self.batch, self.bounds))
    }

    /// Puts an entry into the record that the task has in this batch, or into a new one when it
    /// has none or that would become large; says where it is.
    pub(super) fn add(&mut self, task: TaskId, mark: Mark, entry: Entry) -> Mark {
        let weight = entry.event.weight();
        self.weight += weight;
        if mark.batch == self.batch
            && mark.index as usize >= self.closed()
            && let Some(known) = self.records.get_mut(mark.index as usize)
            && known.weight + weight <= self.bounds.record
        {
            known.weight += weight;
            known.record.entries.push(entry);
            return mark;
        }
        let mark = Mark { batch: self.batch, index: self.records.len() as u32 };
        // Accepted, planned and started; or succeeded and ended.
        let mut entries = Vec::with_capacity(3);
        entries.push(entry);
        let record = TaskRecord { task, entries };
        self.records.push(Gathered { record, weight });
        mark
    }

    /// Stores what an agent saved, behind all that has happened so far: no record before it is
    /// added to, as a later state of the agent in it would be read back before this one.
    pub(super) fn save(&mut self, saved: SavedState) {
        self.weight += saved.state.len() + 64;
        self.saved.push((self.records.len(), saved));
    }

    /// How many of the records are not added to any more.
    fn closed(&self) -> usize {
        self.saved.last().map_or(0, |(at, _)| *at)
    }

    /// The records, those of the engine behind those of the tasks.
    pub(crate) fn encode(&self) -> Result<Vec<Record>, CodecError> {
        let mut encoded = Vec::with_capacity(self.len());
        let mut saved = self.saved.iter().peekable();
        for (at, gathered) in self.records.iter().enumerate() {
            while let Some((_, state)) = saved.next_if(|(before, _)| *before <= at) {
                encoded.push(records::encode_saved(state)?);
            }
            encoded.push(records::encode(&gathered.record)?);
        }
        for (_, state) in saved {
            encoded.push(records::encode_saved(state)?);
        }
        for event in &self.engine {
            encoded.push(records::encode_engine(event)?);
        }
        Ok(encoded)
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len() + self.saved.len() + self.engine.len()
    }

    /// Whether there is anything to store.
    pub(crate) fn has_records(&self) -> bool {
        self.len() > 0
    }
}
