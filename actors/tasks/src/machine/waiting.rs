//! Tasks that no registered agent can do, and what each of them waits for.

use std::collections::{BTreeMap, BTreeSet};

use crate::task::{IdMap, TaskId};

/// Tasks without a plan, by the capability or agent whose coming is worth another try.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    watched: IdMap<String>,
    by_name: BTreeMap<String, BTreeSet<TaskId>>,
}

impl Waiting {
    pub(crate) fn add(&mut self, task: TaskId, name: String) {
        self.remove(task);
        self.by_name.entry(name.clone()).or_default().insert(task);
        self.watched.insert(task, name);
    }

    pub(crate) fn remove(&mut self, task: TaskId) {
        let Some(name) = self.watched.remove(&task) else { return };
        if let Some(tasks) = self.by_name.get_mut(&name) {
            tasks.remove(&task);
            if tasks.is_empty() {
                self.by_name.remove(&name);
            }
        }
    }

    /// The name that a task waits for.
    pub(crate) fn name_of(&self, task: TaskId) -> Option<&str> {
        self.watched.get(&task).map(String::as_str)
    }

    /// The tasks that wait for this name, the oldest first.
    pub(crate) fn for_name(&self, name: &str) -> Vec<TaskId> {
        self.by_name.get(name).into_iter().flatten().copied().collect()
    }
}
