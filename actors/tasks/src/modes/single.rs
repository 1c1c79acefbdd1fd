//! One agent does it; or a smallest team, when no single agent has all required capabilities.

use super::{Agents, Mode, Next, Unplannable, collected};
use crate::task::{Needs, Phase, Task, TaskSpec, Verdict};

pub(super) struct Single;

impl Mode for Single {
    fn plan(&self, spec: &TaskSpec, agents: &mut Agents<'_>) -> Result<Vec<Needs>, Unplannable> {
        let alone = agents.serve(spec, &Needs::All);
        let may_share = spec.require.agents.is_empty() && spec.require.capabilities.len() > 1;
        match alone {
            Ok(_) => Ok(vec![Needs::All]),
            Err(Unplannable::Missing(_)) if may_share => {
                Ok(agents.team(spec)?.into_iter().map(Needs::Capabilities).collect())
            }
            Err(error) => Err(error),
        }
    }

    fn next(&self, task: &Task, limit: usize) -> Next {
        let [part] = &task.parts[..] else { return collected::all_or_nothing(task, limit) };
        match &part.phase {
            Phase::Done(_) => Next::End(Verdict::CompletedBy(0)),
            Phase::Failed(failure) => Next::End(Verdict::Failed(failure.clone(), Some(0))),
            _ => Next::Wait,
        }
    }

    /// A team's outputs are put together.
    fn combines(&self, task: &Task) -> bool {
        task.parts.len() > 1
    }
}
