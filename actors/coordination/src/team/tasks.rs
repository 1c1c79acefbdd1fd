//! The list of tasks: what is open, who holds what, what waits for what. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::setup::TaskSetup;
use crate::protocol::Refusal;

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TaskState {
    Open,
    Assigned { member: String, work: u64 },
    Done { member: String, result: String },
    Failed { why: String },
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) setup: TaskSetup,
    order: u32,
    pub(super) state: TaskState,
    pub(super) attempts: u32,
    /// Who has had it.
    pub(super) tried: BTreeSet<String>,
    /// How many tasks it still waits for.
    waits_for: u32,
}

/// The tasks of a team.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TaskList {
    tasks: BTreeMap<String, Task>,
    /// Which wait for which.
    waiting: BTreeMap<String, Vec<String>>,
    /// Open ones that wait for nothing, in the order in which they came.
    ready: BTreeSet<(u32, String)>,
    pub(super) done: u32,
    pub(super) failed: u32,
}

impl TaskList {
    /// All of these at once; they may wait for each other.
    pub(super) fn of(setups: Vec<TaskSetup>) -> Result<Self, Refusal> {
        let mut list = Self::default();
        let ids: BTreeSet<_> = setups.iter().map(|setup| setup.id.clone()).collect();
        for (at, setup) in setups.iter().enumerate() {
            if let Some(unknown) = setup.after.iter().find(|id| !ids.contains(*id)) {
                return Err(not_there(&format!("tasks[{at}].after"), unknown));
            }
        }
        let links = setups.iter().map(|setup| (setup.id.clone(), setup.after.clone()));
        let links: BTreeMap<_, _> = links.collect();
        if let Some(id) = in_a_circle(&links) {
            let reason = format!("'{id}' waits for itself over others, expected no circle");
            return Err(Refusal::invalid("tasks", reason));
        }
        setups.into_iter().for_each(|setup| list.insert(setup));
        Ok(list)
    }

    /// One more; it may wait for those that are there. Gives why it has failed at once, if it has:
    /// one that it waits for has.
    pub(super) fn add(&mut self, setup: TaskSetup) -> Result<Option<String>, Refusal> {
        if self.tasks.contains_key(&setup.id) {
            return Err(Refusal::Conflict(format!("there is a task '{}' already", setup.id)));
        }
        if let Some(unknown) = setup.after.iter().find(|id| !self.tasks.contains_key(*id)) {
            return Err(not_there("task.after", unknown));
        }
        let has_failed = |id: &&String| {
            matches!(self.tasks.get(*id), Some(Task { state: TaskState::Failed { .. }, .. }))
        };
        let why = setup.after.iter().find(has_failed).map(|id| needs(id));
        let id = setup.id.clone();
        self.insert(setup);
        if let Some(why) = &why {
            self.fail(&id, why);
        }
        Ok(why)
    }

    fn insert(&mut self, setup: TaskSetup) {
        let (order, id) = (self.tasks.len() as u32, setup.id.clone());
        let open = setup.after.iter().filter(|id| !self.is_done(id));
        let open: Vec<_> = open.cloned().collect();
        let waits_for = open.len() as u32;
        for other in open {
            self.waiting.entry(other).or_default().push(id.clone());
        }
        if waits_for == 0 {
            self.ready.insert((order, id.clone()));
        }
        let (state, tried) = (TaskState::Open, BTreeSet::new());
        self.tasks.insert(id, Task { setup, order, state, attempts: 0, tried, waits_for });
    }

    fn is_done(&self, id: &str) -> bool {
        matches!(self.tasks.get(id), Some(Task { state: TaskState::Done { .. }, .. }))
    }

    pub(super) fn get(&self, id: &str) -> Result<&Task, Refusal> {
        self.tasks.get(id).ok_or_else(|| not_there("task", id))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Open ones that wait for nothing, in order.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Task> {
        self.ready.iter().filter_map(|(_, id)| self.tasks.get(id))
    }

    pub(super) fn is_ready(&self, id: &str) -> bool {
        self.tasks.get(id).is_some_and(|task| self.ready.contains(&(task.order, id.to_owned())))
    }

    /// Whether all have ended, at least one.
    pub(super) fn is_over(&self) -> bool {
        !self.tasks.is_empty() && self.done + self.failed == self.tasks.len() as u32
    }

    pub(super) fn assign(&mut self, id: &str, member: &str, work: u64) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        self.ready.remove(&(task.order, id.to_owned()));
        task.tried.insert(member.to_owned());
        task.state = TaskState::Assigned { member: member.to_owned(), work };
    }

    /// Back to the list. `counts`: as a failed attempt. Gives how many there have been.
    pub(super) fn give_back(&mut self, id: &str, counts: bool) -> u32 {
        let Some(task) = self.tasks.get_mut(id) else { return 0 };
        task.state = TaskState::Open;
        task.attempts += u32::from(counts);
        self.ready.insert((task.order, id.to_owned()));
        task.attempts
    }

    pub(super) fn finish(&mut self, id: &str, member: &str, result: String) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        self.ready.remove(&(task.order, id.to_owned()));
        task.state = TaskState::Done { member: member.to_owned(), result };
        self.done += 1;
        for next in self.waiting.remove(id).unwrap_or_default() {
            let Some(task) = self.tasks.get_mut(&next) else { continue };
            task.waits_for = task.waits_for.saturating_sub(1);
            if task.waits_for == 0 && task.state == TaskState::Open {
                self.ready.insert((task.order, next));
            }
        }
    }

    /// It has failed, and so has all that waits for it; gives those, with the reason of each.
    pub(super) fn fail(&mut self, id: &str, why: &str) -> Vec<(String, String)> {
        let mut failed = Vec::new();
        let mut next = vec![(id.to_owned(), why.to_owned())];
        while let Some((id, why)) = next.pop() {
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            if matches!(task.state, TaskState::Done { .. } | TaskState::Failed { .. }) {
                continue;
            }
            self.ready.remove(&(task.order, id.clone()));
            task.state = TaskState::Failed { why: why.clone() };
            self.failed += 1;
            let waiting = self.waiting.remove(&id).unwrap_or_default();
            next.extend(waiting.into_iter().map(|other| (other, needs(&id))));
            failed.push((id, why));
        }
        failed
    }
}

fn needs(id: &str) -> String {
    format!("it needs '{id}', which has failed")
}

fn not_there(field: &str, id: &str) -> Refusal {
    Refusal::invalid(field, format!("'{id}', expected a task of the team"))
}

/// One of those that wait for each other in a circle (Kahn, 1962).
fn in_a_circle(after: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let mut open: BTreeMap<&str, usize> =
        after.iter().map(|(id, of)| (id.as_str(), of.len())).collect();
    let mut next_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, of) in after {
        for other in of {
            next_of.entry(other).or_default().push(id);
        }
    }
    let mut free: Vec<&str> = open.iter().filter(|(_, n)| **n == 0).map(|(id, _)| *id).collect();
    while let Some(id) = free.pop() {
        open.remove(id);
        for next in next_of.remove(id).unwrap_or_default() {
            if let Some(count) = open.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    free.push(next);
                }
            }
        }
    }
    open.into_keys().next().map(str::to_owned)
}
