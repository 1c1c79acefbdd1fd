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
mod effects;
mod event;
mod execute;
mod executions;
mod finish;
mod hindrance;
mod keys;
mod recover;
mod retention;
mod rounds;
mod submit;
mod tally;
#[cfg(test)]
pub(crate) mod tests;
mod timers;
mod view;
mod waiting;

pub(crate) use book::Book;
pub(crate) use counters::{Counters, PartCounters, total};
pub(crate) use effects::{Command, Dispatch, Effects, Ending};
pub(crate) use event::{EngineEvent, Entry, Event, Mark, SavedState, TaskRecord};
pub(crate) use execute::Asked;
pub(crate) use executions::Kept;
pub(crate) use finish::Outcome;
pub(crate) use keys::KeyUse;
pub(crate) use rounds::Call;
pub(crate) use timers::DEADLINE;
pub(crate) use view::set_result;

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use synod_agents::{AgentCard, AgentKey, AgentStatus, WorkId};
use synod_journal::PartitionShare;
use synod_runtime::Principal;

use self::executions::Executions;
use self::rounds::Rounds;
use self::waiting::Waiting;
use crate::bidding::Said;
use crate::config::{TasksConfig, UnknownCapability};
use crate::error::{CancelError, ExecutionError, SubmitError};
use crate::matching::{AgentSlot, Matching};
use crate::messages::Accepted;
use crate::stats::Statistics;
use crate::task::{Body, Moment, Task, TaskId, TaskSpec, Verdict};

/// What the machine is given.
#[derive(Debug)]
pub(crate) enum Input {
    /// This was submitted, and has been checked.
    Submit { spec: Arc<TaskSpec>, input: Body },
    /// This principal wants the task ended.
    Cancel { task: TaskId, by: Principal },
    /// This was asked for by who keeps it, and has been checked.
    Execute(Box<Asked>),
    /// This principal wants this attempt at an execution ended.
    CancelExecution { id: TaskId, attempt: u32, by: Principal },
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
    /// A call to agents went out.
    Called { task: TaskId, part: u16, round: u64 },
    /// An agent said this to it.
    Heard { task: TaskId, part: u16, round: u64, agent: AgentSlot, said: Said },
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
    /// Give all executions back to their keepers, for this reason.
    HandBackKept(String),
}

/// What is to be done about an input, beside the commands.
#[derive(Debug, Default)]
pub(crate) enum Answer {
    /// Nothing.
    #[default]
    None,
    /// Whether the submission was accepted.
    Submitted(Result<Accepted, SubmitError>),
    /// Whether the execution was taken on.
    TakenOn(Result<(), ExecutionError>),
    /// Whether the task was cancelled.
    Cancelled(Result<(), CancelError>),
    /// Where the agent is from now on.
    Seated(AgentSlot),
    /// How many executions were taken back.
    HandedBack(u64),
}

/// The task machine.
#[derive(Debug)]
pub(crate) struct TaskMachine {
    config: TasksConfig,
    /// The partitions that new tasks are accepted in.
    share: PartitionShare,
    book: Book,
    executions: Executions,
    matching: Matching,
    waiting: Waiting,
    /// Agents that are being asked who does a part.
    rounds: Rounds,
    /// Deadlines and back-offs, by when they are due on the monotonic clock.
    timers: BTreeSet<(u64, TaskId, u16)>,
    stats: Statistics,
    chance: ChaCha12Rng,
    /// Bytes of input that open tasks and executions hold.
    held_bytes: u64,
    /// The batch that stores what an agent saved last.
    saved_in: u64,
    /// Whether it has yet to be told which agents there are: until then none is missing.
    awaits_agents: bool,
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
            share: PartitionShare::WHOLE,
            book: Book::default(),
            executions: Executions::default(),
            waiting: Waiting::default(),
            rounds: Rounds::default(),
            timers: BTreeSet::new(),
            stats: Statistics::default(),
            chance: ChaCha12Rng::from_seed(seed),
            held_bytes: 0,
            saved_in: 0,
            awaits_agents: false,
            active: false,
            draining: false,
            swept: 0,
            has_listeners: false,
        }
    }

    /// Accepts new tasks in these partitions alone.
    pub(crate) fn owning(self, share: PartitionShare) -> Self {
        Self { share, ..self }
    }

    /// Takes work that no known agent can do until it was told which agents there are.
    pub(crate) fn awaiting_agents(self) -> Self {
        Self { awaits_agents: true, ..self }
    }

    /// Whether work that no known agent can do waits for one.
    fn waits_for_agents(&self) -> bool {
        self.awaits_agents || self.config.unknown_capability == UnknownCapability::Wait
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

    /// A task, or an execution that its caller keeps.
    pub(crate) fn task(&self, id: TaskId) -> Option<&Task> {
        find(&self.book, &self.executions, id)
    }

    /// For the volatile marks of either.
    fn task_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        match self.executions.task_mut(id) {
            Some(task) => Some(task),
            None => self.book.task_mut(id),
        }
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
            Input::Execute(asked) => return Answer::TakenOn(self.execute(now, *asked, out)),
            Input::CancelExecution { id, attempt, by } => {
                self.cancel_execution(now, id, attempt, by, out);
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
            Input::Called { task, part, round } => self.called(now, task, part, round),
            Input::Heard { task, part, round, agent, said } => {
                self.heard(now, (task, part), round, agent, said, out);
            }
            Input::Begin => self.begin(now, out),
            Input::Settle => self.settle(now, out),
            Input::Tick => self.tick(now, out),
            Input::Drain => self.drain(out),
            Input::HandBack => return Answer::HandedBack(self.hand_back(now, out)),
            Input::HandBackKept(reason) => {
                return Answer::HandedBack(self.hand_back_kept(true, &reason, out));
            }
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
        if self.executions.task(id).is_some() {
            return self.emit_kept(now, id, &event, out);
        }
        let applied = self.book.apply(id, now.utc, &event);
        if matches!(event, Event::Succeeded { saved: Some(_), .. }) {
            self.saved_in = out.batch;
        }
        debug_assert!(applied.is_ok(), "the machine gave an event that does not fit: {applied:?}");
        let Some(task) = self.book.task_mut(id) else { return };
        let part = reason_of(task, &event);
        task.mark = out.add(id, task.mark, Entry { at: now.utc, event });
        let (Ok(Some(transition)), true) = (applied, self.has_listeners) else { return };
        out.commands.push(Command::Changed(view::change(task, part, transition, now)));
    }
}

/// A task, or an execution that its caller keeps, while the rest of the machine is at hand.
fn find<'a>(book: &'a Book, executions: &'a Executions, id: TaskId) -> Option<&'a Task> {
    book.task(id).or_else(|| executions.task(id))
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
