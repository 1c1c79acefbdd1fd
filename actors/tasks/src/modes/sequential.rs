//! Each named agent, or each required capability, in the given order and on the same input; the
//! first failure ends it.

use super::{Agents, Mode, Next, Unplannable, collected, stages};
use crate::task::{Needs, Phase, Task, TaskSpec, Verdict};

pub(super) struct Sequential;

impl Mode for Sequential {
    fn plan(&self, spec: &TaskSpec, agents: &mut Agents<'_>) -> Result<Vec<Needs>, Unplannable> {
        let mut stages = stages(spec);
        agents.serve_all(spec, &stages)?;
        stages.truncate(1);
        Ok(stages)
    }

    fn next(&self, task: &Task, limit: usize) -> Next {
        follow(task).unwrap_or_else(|| Next::End(collected::verdict(task, limit)))
    }

    fn combines(&self, _: &Task) -> bool {
        true
    }
}

/// What follows of tasks whose stages come one after the other; `None` when all are done.
pub(super) fn follow(task: &Task) -> Option<Next> {
    let last = task.parts.last()?;
    match &last.phase {
        Phase::Done(_) => {
            let next = stages(&task.spec).into_iter().nth(task.parts.len());
            next.map(|stage| Next::Plan(vec![stage]))
        }
        Phase::Failed(failure) => {
            let at = (task.parts.len() - 1) as u16;
            Some(Next::End(Verdict::Failed(failure.clone(), Some(at))))
        }
        _ => Some(Next::Wait),
    }
}
