//! The task machine: pure, and event-sourced. It is given time, randomness and inputs; it gives
//! back records to be stored and commands to be carried out once they are.
//!
//! ```text
//!  Input ──▶ step ──▶ Event ──▶ apply ──▶ Book (durable)      replay: records ──▶ apply ──▶ Book
//!              │        └─────▶ records
//!              └──────────────▶ commands (dispatch, cancel, tell), released when stored
//! ```
//!
//! What is durable changes by events alone. Beside it the machine keeps what can be made anew:
//! who is there and free ([`Matching`]), timers, statistics.

mod advance;
mod agents;
mod book;
mod cancel;
mod counters;
mod dispatch;
mod event;
mod finish;
mod hindrance;
mod keys;
mod recover;
mod retention;
mod submit;
mod tally;
#[cfg(test)]
pub(crate) mod tests;
mod timers;
mod view;
mod waiting;

pub(crate) use book::Book;
pub(crate) use counters::{Counters, PartCounters, total};
pub(crate) use event::{EngineEvent, Entry, Event, Mark, TaskRecord};
pub(crate) use finish::Outcome;
pub(crate) use keys::KeyUse;
pub(crate) use timers::DEADLINE;
pub(crate) use view::set_result;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use synod_agents::{AgentCard, AgentKey, AgentStatus, WorkId};
use synod_journal::{CodecError, Record};
use synod_runtime::{Correlation, Principal};

use self::waiting::Waiting;
use crate::config::TasksConfig;
use crate::error::{CancelError, SubmitError};
use crate::matching::{AgentSlot, Matching};
use crate::messages::{Accepted, TaskChange};
use crate::records;
use crate::stats::Statistics;
use crate::task::{Body, Moment, Task, TaskId, TaskSpec, Verdict};

/// Bytes above which a record is not added to.
const LARGE_RECORD: usize = 256 << 10;

/// What the machine is given.
#[derive(Debug)]
pub(crate) enum Input {
    /// This was submitted, and has been checked.
    Submit { spec: Arc<TaskSpec>, input: Body },
    /// This principal wants the task ended.
    Cancel { task: TaskId, by: Principal },
    /// An agent is there, or a new version of one.
    Joined { card: Arc<AgentCard>, status: AgentStatus },
    /// These are all agents there are; others are gone.
    Only(BTreeSet<AgentKey>),
    /// An agent is given work, or no more.
    StatusChanged { key: AgentKey, status: AgentStatus },
    /// An agent is gone.
    Left { key: AgentKey },
    /// An execution has ended, after this many microseconds.
    Finished { work: WorkId, agent: AgentSlot, outcome: Outcome, ran_us: u64 },
    /// The engine goes to work under a new epoch: after a start, and after a rebuild.
    Begin,
    /// A batch of inputs is over: give out what can be given out.
    Settle,
    /// Time has passed.
    Tick,
    /// Accept and dispatch no more.
    Drain,
    /// Take back what still runs.
    HandBack,
}

/// What is to be done about an input, beside the commands.
#[derive(Debug, Default)]
pub(crate) enum Answer {
    /// Nothing.
    #[default]
    None,
    /// Whether the submission was accepted.
    Submitted(Result<Accepted, SubmitError>),
    /// Whether the task was cancelled.
    Cancelled(Result<(), CancelError>),
    /// Where the agent is from now on.
    Seated(AgentSlot),
    /// How many executions were taken back.
    HandedBack(u64),
}

/// What is to be carried out once the batch is stored.
#[derive(Debug)]
pub(crate) enum Command {
    /// Give an execution to an agent.
    Dispatch(Box<Dispatch>),
    /// Tell an agent to stop an execution.
    Cancel { agent: AgentSlot, work: WorkId },
    /// Tell the listeners.
    Changed(TaskChange),
    /// Tell who waits for the task's end.
    Ended(TaskId),
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
}

/// Records and commands of the batch that is being gathered.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// The number of the batch, from 1.
    pub batch: u64,
    /// One record for each task that something happened to.
    pub records: Vec<Gathered>,
    /// What happened to the engine; stored behind the tasks' records.
    pub engine: Vec<EngineEvent>,
    pub commands: Vec<Command>,
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
    pub(crate) fn after(batch: u64) -> Self {
        Self { batch: batch + 1, ..Self::default() }
    }

    /// Puts an entry into the record that the task has in this batch, or into a new one when it
    /// has none or that would become large; says where it is.
    fn add(&mut self, task: TaskId, mark: Mark, entry: Entry) -> Mark {
        let weight = entry.event.weight();
        self.weight += weight;
        if mark.batch == self.batch
            && let Some(known) = self.records.get_mut(mark.index as usize)
            && known.weight + weight <= LARGE_RECORD
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

    /// The records, those of the engine behind those of the tasks.
    pub(crate) fn encode(&self) -> Result<Vec<Record>, CodecError> {
        let tasks = self.records.iter().map(|gathered| records::encode(&gathered.record));
        tasks.chain(self.engine.iter().map(records::encode_engine)).collect()
    }

    /// Whether there is anything to store.
    pub(crate) fn has_records(&self) -> bool {
        !self.records.is_empty() || !self.engine.is_empty()
    }
}

/// The task machine.
#[derive(Debug)]
pub(crate) struct TaskMachine {
    config: TasksConfig,
    book: Book,
    matching: Matching,
    waiting: Waiting,
    /// Deadlines and back-offs, by when they are due on the monotonic clock.
    timers: BTreeSet<(u64, TaskId, u16)>,
    stats: Statistics,
    chance: ChaCha12Rng,
    /// Bytes of input that open tasks hold.
    held_bytes: u64,
    /// Whether it works: it has begun, and the journal takes what it gives.
    active: bool,
    draining: bool,
    /// When retention was last looked at, on the monotonic clock.
    swept: u64,
    /// Whether somebody listens to changes.
    pub(crate) has_listeners: bool,
}

impl TaskMachine {
    /// A machine that knows nothing yet; `seed` decides all that is left to chance.
    pub(crate) fn new(config: TasksConfig, seed: [u8; 32]) -> Self {
        Self {
            matching: Matching::new(config.max_requirements as usize),
            config,
            book: Book::default(),
            waiting: Waiting::default(),
            timers: BTreeSet::new(),
            stats: Statistics::default(),
            chance: ChaCha12Rng::from_seed(seed),
            held_bytes: 0,
            active: false,
            draining: false,
            swept: 0,
            has_listeners: false,
        }
    }

    pub(crate) fn config(&self) -> &TasksConfig {
        &self.config
    }

    pub(crate) fn reconfigure(&mut self, config: TasksConfig) {
        self.matching.set_requirements(config.max_requirements as usize);
        self.config = config;
    }

    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    /// Takes one input. Events are applied at once; what they cause is in `out`.
    pub(crate) fn step(&mut self, now: Moment, input: Input, out: &mut Effects) -> Answer {
        match input {
            Input::Submit { spec, input } => {
                return Answer::Submitted(self.submit(now, spec, input, out));
            }
            Input::Cancel { task, by } => {
                return Answer::Cancelled(self.cancel(now, task, by, out));
            }
            Input::Joined { card, status } => {
                return Answer::Seated(self.joined(now, card, status, out));
            }
            Input::Only(keys) => self.only(now, &keys, out),
            Input::StatusChanged { key, status } => self.matching.set_status(&key, status),
            Input::Left { key } => self.left(now, &key, out),
            Input::Finished { work, agent, outcome, ran_us } => {
                self.finished(now, work, agent, outcome, ran_us, out);
            }
            Input::Begin => self.begin(now, out),
            Input::Settle => self.settle(now, out),
            Input::Tick => self.tick(now, out),
            Input::Drain => self.draining = true,
            Input::HandBack => return Answer::HandedBack(self.hand_back(now, out)),
        }
        Answer::None
    }

    /// Stops all work until the next `Begin`: the journal takes nothing.
    pub(crate) fn suspend(&mut self) {
        self.active = false;
    }

    fn settle(&mut self, now: Moment, out: &mut Effects) {
        if self.active {
            self.schedule(now, out);
            self.sweep(now, out);
        }
    }

    /// Notes that a dispatch was never carried out.
    pub(crate) fn undispatch(&mut self, agent: AgentSlot) {
        self.matching.release(agent, crate::matching::Showing::Nothing, 0);
    }

    /// Applies an event and puts it among the records, and the change of state that follows from
    /// it among the commands. Events of one task in one batch share a record.
    fn emit(&mut self, now: Moment, id: TaskId, event: Event, out: &mut Effects) {
        let applied = self.book.apply(id, now.utc, &event);
        debug_assert!(applied.is_ok(), "the machine gave an event that does not fit: {applied:?}");
        let Some(task) = self.book.task_mut(id) else { return };
        let part = reason_of(task, &event);
        task.mark = out.add(id, task.mark, Entry { at: now.utc, event });
        let (Ok(Some(transition)), true) = (applied, self.has_listeners) else { return };
        out.commands.push(Command::Changed(view::change(task, part, transition, now)));
    }
}

/// The part for which a task changes by this event: the one it is about, the one that decided its
/// end, or else the only one there is.
fn reason_of(task: &Task, event: &Event) -> Option<u16> {
    let decided = match event {
        Event::Ended(Verdict::CompletedBy(part) | Verdict::Failed(_, Some(part))) => Some(*part),
        _ => book::part_of(event),
    };
    decided.or((task.parts.len() == 1).then_some(0))
}
