//! Each named agent, or each required capability, in the given order; each gets the output of the
//! one before, and the last output is the result.
//!
//! Every stage's output is in the journal: after a crash of the node the pipeline goes on with the
//! stage that was lost, not from the beginning.

use super::sequential::follow;
use super::{Agents, Mode, Next, Unplannable};
use crate::task::{Body, Needs, Task, TaskSpec, Verdict};

pub(super) struct Pipeline;

impl Mode for Pipeline {
    fn plan(&self, spec: &TaskSpec, agents: &mut Agents<'_>) -> Result<Vec<Needs>, Unplannable> {
        super::sequential::Sequential.plan(spec, agents)
    }

    fn next(&self, task: &Task, _limit: usize) -> Next {
        let last = task.parts.len().saturating_sub(1) as u16;
        follow(task).unwrap_or(Next::End(Verdict::CompletedBy(last)))
    }

    fn input<'a>(&self, task: &'a Task, part: u16) -> &'a Body {
        let before = part.checked_sub(1).and_then(|before| task.parts.get(usize::from(before)));
        before.and_then(|part| part.output()).unwrap_or(&task.input)
    }

    fn combines(&self, _: &Task) -> bool {
        false
    }
}
