//! Each named agent, or each required capability, all at once and on the same input. One failure
//! fails it and cancels the rest, unless partial results are allowed.

use super::{Agents, Mode, Next, Unplannable, collected, stages};
use crate::task::{Needs, Task, TaskSpec};

pub(super) struct Parallel;

impl Mode for Parallel {
    fn plan(&self, spec: &TaskSpec, agents: &mut Agents<'_>) -> Result<Vec<Needs>, Unplannable> {
        let stages = stages(spec);
        agents.serve_all(spec, &stages)?;
        Ok(stages)
    }

    fn next(&self, task: &Task, limit: usize) -> Next {
        if !task.spec.allow_partial {
            return collected::all_or_nothing(task, limit);
        }
        collected::whatever_succeeds(task, limit)
    }

    /// With partial results allowed, the deadline cuts off what is not done.
    fn at_deadline(&self, task: &Task, limit: usize) -> Next {
        let some_done = task.parts.iter().any(|part| part.output().is_some());
        if task.spec.allow_partial && some_done {
            return Next::End(collected::verdict(task, limit));
        }
        super::single::Single.at_deadline(task, limit)
    }

    fn combines(&self, _: &Task) -> bool {
        true
    }
}
