//! All at once; the first success wins and the others are cancelled at their agents. It fails when
//! all have failed.

use super::{Agents, Mode, Next, Unplannable};
use crate::task::{Needs, Phase, Task, TaskSpec, Verdict};

pub(super) struct Competitive;

impl Mode for Competitive {
    fn plan(&self, spec: &TaskSpec, agents: &mut Agents<'_>) -> Result<Vec<Needs>, Unplannable> {
        agents.choose(spec, 1)
    }

    fn next(&self, task: &Task, _limit: usize) -> Next {
        let winner = task.parts.iter().position(|part| part.output().is_some());
        if let Some(winner) = winner {
            return Next::End(Verdict::CompletedBy(winner as u16));
        }
        let last = (0..).zip(&task.parts).max_by_key(|(at, part)| (part.ended_at, *at));
        match last {
            Some((at, part)) if task.parts.iter().all(|part| part.has_ended()) => {
                let Phase::Failed(failure) = &part.phase else { return Next::Wait };
                Next::End(Verdict::Failed(failure.clone(), Some(at)))
            }
            _ => Next::Wait,
        }
    }

    fn combines(&self, _: &Task) -> bool {
        false
    }
}
