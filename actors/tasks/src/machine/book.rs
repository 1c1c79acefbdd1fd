//! All that is durable: tasks, idempotency keys, agents' states and counters. It changes by
//! [`Book::apply`] alone, which a replay of the log calls as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::counters::{Counters, OpenTasks, PartCounters, total};
use super::event::{EngineEvent, Event, SavedState, TaskRecord};
use super::keys::Keys;
use crate::records::Decoded;
use crate::task::{
    Body, Failure, FailureKind, IdMap, Part, Phase, Task, TaskId, TaskSpec, TaskState, Verdict,
};

/// An event that does not fit what is known: the log was written by a program with other rules, or
/// records are missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} (task {task})")]
pub(crate) struct Inconsistent {
    /// The task concerned.
    pub task: TaskId,
    /// What does not fit.
    pub what: &'static str,
}

/// A task changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transition {
    /// The number of this change among all of all tasks, from 1.
    pub sequence: u64,
    pub to: TaskState,
}

/// What is durable.
#[derive(Debug, Default, Clone)]
pub(crate) struct Book {
    /// Shared, so that a snapshot is taken by cloning pointers and written while work goes on.
    pub tasks: IdMap<Arc<Task>>,
    /// Tasks in the order of their acceptance.
    pub by_sequence: BTreeMap<u64, TaskId>,
    /// Ended tasks in the order of their end.
    pub ended: BTreeSet<(i64, TaskId)>,
    pub keys: Keys,
    /// The last state that each agent saved with a result, by its id.
    pub agent_states: BTreeMap<String, Bytes>,
    pub counters: Counters,
    /// How many tasks are open, by state and priority.
    pub open: OpenTasks,
    /// Bytes of results that ended tasks hold in memory.
    pub ended_bytes: u64,
    /// The epoch the engine works under.
    pub epoch: u64,
    /// The last number given in the order of acceptance.
    pub sequence: u64,
}

impl Book {
    pub(crate) fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(&id).map(|task| &**task)
    }

    /// For the volatile marks of a task; what is durable changes by events.
    pub(crate) fn task_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        self.tasks.get_mut(&id).map(Arc::make_mut)
    }

    /// Takes an event of a task into account. On an error nothing has changed.
    pub(crate) fn apply(
        &mut self,
        id: TaskId,
        at: i64,
        event: &Event,
    ) -> Result<Option<Transition>, Inconsistent> {
        let transition = match event {
            Event::Accepted { spec, input } => self.accept(id, at, spec, input)?,
            event => self.change(id, at, event)?,
        };
        debug_assert!(self.is_balanced(), "the ledger must hold after every event");
        Ok(transition)
    }

    /// Takes a stored record into account.
    pub(crate) fn replay(&mut self, record: &Decoded) -> Result<(), Inconsistent> {
        match record {
            Decoded::Engine(event) => self.apply_engine(event),
            Decoded::Saved(saved) => self.apply_saved(saved),
            Decoded::Task(TaskRecord { task, entries }) => {
                for entry in entries {
                    self.apply(*task, entry.at, &entry.event)?;
                }
            }
        }
        Ok(())
    }

    /// Takes a task out of a snapshot, where the counters are apart.
    pub(crate) fn restore(&mut self, task: Task) {
        let lane = task.spec.priority.lane();
        if let Some(open) = self.open.of(task.state) {
            open[lane] += 1;
        }
        if let Some(ended_at) = task.ended_at {
            self.ended.insert((ended_at, task.id));
            self.ended_bytes += task.held_bytes();
        }
        self.by_sequence.insert(task.sequence, task.id);
        self.tasks.insert(task.id, Arc::new(task));
    }

    /// Takes an event of the engine into account.
    pub(crate) fn apply_engine(&mut self, event: &EngineEvent) {
        match *event {
            EngineEvent::Began { epoch, .. } => self.epoch = epoch,
            EngineEvent::Opened { .. } | EngineEvent::Stopped { .. } => {}
            EngineEvent::Forgot { through, keys_before } => {
                while let Some(first) = self.ended.first().copied().filter(|end| *end <= through) {
                    self.ended.remove(&first);
                    if let Some(task) = self.tasks.remove(&first.1) {
                        self.ended_bytes = self.ended_bytes.saturating_sub(task.held_bytes());
                        self.by_sequence.remove(&task.sequence);
                    }
                }
                self.keys.expire(keys_before, &self.tasks);
            }
        }
    }

    /// Takes into account what an agent saved in an execution that is in no record.
    pub(crate) fn apply_saved(&mut self, saved: &SavedState) {
        self.agent_states.insert(saved.agent.clone(), saved.state.clone());
    }

    /// Whether `accepted = open + completed + failed + cancelled`, and as many tasks are kept as
    /// are open or ended.
    pub(crate) fn is_balanced(&self) -> bool {
        let counters = &self.counters;
        let ended = total(&counters.completed) + total(&counters.failed);
        let ended = ended + total(&counters.cancelled);
        total(&counters.accepted) == self.open.all() + ended
            && self.open.all() == (self.tasks.len() - self.ended.len()) as u64
    }

    fn accept(
        &mut self,
        id: TaskId,
        at: i64,
        spec: &Arc<TaskSpec>,
        input: &Body,
    ) -> Result<Option<Transition>, Inconsistent> {
        if self.tasks.contains_key(&id) {
            return Err(Inconsistent { task: id, what: "accepted twice" });
        }
        self.sequence += 1;
        self.counters.accepted[spec.priority.lane()] += 1;
        self.open.pending[spec.priority.lane()] += 1;
        if let Some(key) = &spec.key {
            self.keys.use_for(key, id, at);
        }
        let task = Task::accepted(id, self.sequence, spec.clone(), input.clone(), at);
        self.tasks.insert(id, Arc::new(task));
        self.by_sequence.insert(self.sequence, id);
        Ok(Some(self.transition(TaskState::Pending)))
    }

    fn change(
        &mut self,
        id: TaskId,
        at: i64,
        event: &Event,
    ) -> Result<Option<Transition>, Inconsistent> {
        let task = self.tasks.get_mut(&id).map(Arc::make_mut);
        let task = task.ok_or(Inconsistent { task: id, what: "an event of an unknown task" })?;
        if !task.is_open() {
            return Err(Inconsistent { task: id, what: "an event after the task's end" });
        }
        let saved = change_task(task, at, event, &mut self.counters.parts)?;
        if let Some((agent, state)) = saved {
            self.agent_states.insert(agent, state);
        }
        let (from, to) = (task.state, task.derived_state());
        task.state = to;
        if from == to {
            return Ok(None);
        }
        self.settle_counts(id, at, from, to);
        Ok(Some(self.transition(to)))
    }

    /// Moves a task from one count to another.
    fn settle_counts(&mut self, id: TaskId, at: i64, from: TaskState, to: TaskState) {
        let Some(task) = self.tasks.get(&id) else { return };
        let lane = task.spec.priority.lane();
        if let Some(open) = self.open.of(from) {
            open[lane] -= 1;
        }
        if let Some(open) = self.open.of(to) {
            open[lane] += 1;
        }
        if let Some(ended) = self.counters.ended(to) {
            ended[lane] += 1;
            self.ended.insert((at, id));
            self.ended_bytes += task.held_bytes();
            if let Some(key) = &task.spec.key {
                self.keys.settle(&key.scope, to);
            }
        }
    }

    fn transition(&mut self, to: TaskState) -> Transition {
        self.counters.changes += 1;
        Transition { sequence: self.counters.changes, to }
    }
}

/// Changes a task that is open; gives back what an agent saved, with the agent's id.
pub(super) fn change_task(
    task: &mut Task,
    at: i64,
    event: &Event,
    counters: &mut PartCounters,
) -> Result<Option<(String, Bytes)>, Inconsistent> {
    match event {
        Event::Planned(needs) => {
            task.planned = true;
            task.parts.extend(needs.iter().cloned().map(Part::new));
            counters.planned += needs.len() as u64;
        }
        Event::Ended(verdict) => counters.cancelled += end(task, at, verdict),
        event => return change_part(task, at, event, counters),
    }
    Ok(None)
}

/// Ends a task; says how many of its parts that cancels. Of what it holds only the result is kept.
fn end(task: &mut Task, at: i64, verdict: &Verdict) -> u64 {
    task.verdict = Some(verdict.clone());
    task.ended_at = Some(at);
    task.input = Body::default();
    let mut cancelled = 0;
    for (number, part) in (0..).zip(&mut task.parts) {
        if !part.has_ended() {
            part.phase = Phase::Cancelled;
            part.ended_at = Some(at);
            cancelled += 1;
        } else if let Phase::Done(output) = &mut part.phase
            && *verdict != Verdict::CompletedBy(number)
        {
            *output = Body::default();
        }
    }
    cancelled
}

/// Changes one part; gives back what its agent saved, with the agent's id.
fn change_part(
    task: &mut Task,
    at: i64,
    event: &Event,
    counters: &mut PartCounters,
) -> Result<Option<(String, Bytes)>, Inconsistent> {
    let unfitting = |what| Inconsistent { task: task.id, what };
    let number = part_of(event).ok_or(unfitting("not an event of a part"))?;
    let part = task.parts.get_mut(usize::from(number)).filter(|part| !part.has_ended());
    let part = part.ok_or(unfitting("an event of a part that is not there or has ended"))?;
    match event {
        Event::Started { attempt, agent, cost, chosen, .. } => {
            start(part, at, *attempt, agent.clone(), *cost);
            part.chosen.clone_from(chosen);
            task.started_at.get_or_insert(at);
            task.spent += cost;
            counters.started += 1;
        }
        Event::Succeeded { output, saved, .. } => {
            part.phase = Phase::Done(output.clone());
            part.ended_at = Some(at);
            counters.completed += 1;
            let agent = part.agent.as_deref().and_then(|label| label.split('@').next());
            return Ok(agent.zip(saved.clone()).map(|(id, state)| (id.to_owned(), state)));
        }
        Event::Returned { why, .. } => {
            task.spent = task.spent.saturating_sub(part.cost);
            part.returned += 1;
            counters.returned += 1;
            ready_again(part, why);
        }
        Event::PartFailed { failure, .. } => {
            part.ended_at = Some(at);
            fail(part, failure, counters);
        }
        event => set_back(part, event, counters),
    }
    Ok(None)
}

fn start(part: &mut Part, at: i64, attempt: u32, agent: Arc<str>, cost: u64) {
    part.phase = Phase::Running { agent: None };
    part.attempt = attempt;
    part.set_back = None;
    part.agent = Some(agent);
    part.cost = cost;
    part.started_at = Some(at);
}

/// What leads to another attempt.
fn set_back(part: &mut Part, event: &Event, counters: &mut PartCounters) {
    match event {
        Event::Retried { failure, until, .. } => {
            part.phase = Phase::Backoff { until: *until };
            part.errors += 1;
            part.last_error = Some(failure.clone());
            counters.retried += 1;
        }
        Event::Lost { why, .. } => {
            part.lost += 1;
            counters.lost += 1;
            ready_again(part, why);
        }
        Event::Resumed { .. } => part.phase = Phase::Ready,
        _ => {}
    }
}

fn ready_again(part: &mut Part, why: &Option<Failure>) {
    part.phase = Phase::Ready;
    part.set_back.clone_from(why);
    // That something came back undone must not hide what went wrong before.
    let told = part.last_error.as_ref().is_some_and(|last| !last.kind.is_undone());
    if let Some(failure) = why.as_ref().filter(|why| !told || !why.kind.is_undone()) {
        part.last_error = Some(failure.clone());
    }
}

/// Fails a part for good; an execution that led to it is counted as what it was.
fn fail(part: &mut Part, failure: &Failure, counters: &mut PartCounters) {
    if matches!(part.phase, Phase::Running { .. }) {
        if failure.kind == FailureKind::Lost {
            part.lost += 1;
            counters.lost += 1;
        } else {
            part.errors += 1;
        }
    }
    part.last_error = Some(failure.clone());
    part.phase = Phase::Failed(failure.clone());
    counters.failed += 1;
}

/// The part that an event is about.
pub(super) fn part_of(event: &Event) -> Option<u16> {
    match event {
        Event::Started { part, .. }
        | Event::Succeeded { part, .. }
        | Event::Retried { part, .. }
        | Event::Resumed { part }
        | Event::Lost { part, .. }
        | Event::Returned { part, .. }
        | Event::PartFailed { part, .. } => Some(*part),
        Event::Accepted { .. } | Event::Planned(_) | Event::Ended(_) => None,
    }
}
