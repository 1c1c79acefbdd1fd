//! How agents work together on a task: which parts there are, what each gets, what comes of them.
//!
//! A mode keeps no state of its own. It looks at the parts as they stand and says what follows, so
//! after a crash a task goes on from the parts that were done, and a replay needs no mode at all:
//! what a mode decided is in the records.

mod collected;
mod competitive;
mod consensus;
mod parallel;
mod pipeline;
mod sequential;
mod single;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use rand_chacha::ChaCha12Rng;
use synod_agents::AgentId;

use crate::matching::{ClassId, Matching, Requirement, Team, TooManyRequirements};
use crate::task::{
    Allocation, Body, Failure, FailureKind, Needs, Task, TaskMode, TaskSpec, Verdict,
};

/// What follows from how the parts stand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Next {
    /// Nothing yet.
    Wait,
    /// These parts come next.
    Plan(Vec<Needs>),
    /// The task ends; what has not ended of it is cancelled.
    End(Verdict),
}

/// A way to work together.
pub(crate) trait Mode: Sync {
    /// The parts to begin with.
    fn plan(&self, spec: &TaskSpec, agents: &mut Agents<'_>) -> Result<Vec<Needs>, Unplannable>;

    /// What follows now that a part has ended. `limit`: bytes a result may have.
    fn next(&self, task: &Task, limit: usize) -> Next;

    /// What follows when the task's deadline passes.
    fn at_deadline(&self, _task: &Task, _limit: usize) -> Next {
        out_of_time()
    }

    /// What a part gets.
    fn input<'a>(&self, task: &'a Task, _part: u16) -> &'a Body {
        &task.input
    }

    /// Whether the result is put together from the outputs of the parts, so that the outputs have
    /// to be at hand.
    fn combines(&self, task: &Task) -> bool;
}

/// The deadline passed, and there is nothing to show for it.
pub(crate) fn out_of_time() -> Next {
    let message = "the task's deadline passed before it was done";
    Next::End(Verdict::Failed(Failure::new(FailureKind::DeadlinePassed, message), None))
}

/// The mode of this name.
pub(crate) fn mode(name: TaskMode) -> &'static dyn Mode {
    match name {
        TaskMode::Single => &single::Single,
        TaskMode::Sequential => &sequential::Sequential,
        TaskMode::Parallel => &parallel::Parallel,
        TaskMode::Pipeline => &pipeline::Pipeline,
        TaskMode::Consensus => &consensus::Consensus,
        TaskMode::Competitive => &competitive::Competitive,
    }
}

/// Why no parts could be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unplannable {
    /// Agents are missing.
    Missing(Shortage),
    /// More different requirements are in use than the limit allows.
    TooManyRequirements,
}

impl From<TooManyRequirements> for Unplannable {
    fn from(_: TooManyRequirements) -> Self {
        Self::TooManyRequirements
    }
}

/// Which agents are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// In words, for people: capabilities, agents.
    pub missing: Vec<String>,
    /// The capability or the agent id whose coming is worth another try.
    pub watch: String,
}

/// What a part asks of its agent.
pub(crate) fn requirement<'a>(spec: &'a TaskSpec, needs: &Needs) -> Cow<'a, Requirement> {
    let known = &spec.require;
    match needs {
        Needs::All => Cow::Borrowed(known),
        Needs::Agent(agent) => Cow::Owned(Requirement {
            capabilities: known.capabilities.clone(),
            agents: vec![agent.clone()],
            // There is nothing to choose.
            allocation: Allocation::Measured,
        }),
        Needs::Capabilities(indexes) => {
            let chosen = indexes.iter().filter_map(|at| known.capabilities.get(usize::from(*at)));
            let capabilities = chosen.cloned().collect();
            let (agents, allocation) = (known.agents.clone(), known.allocation);
            Cow::Owned(Requirement { capabilities, agents, allocation })
        }
    }
}

/// One part for each named agent, or, when none are named, for each required capability.
fn stages(spec: &TaskSpec) -> Vec<Needs> {
    if spec.require.agents.is_empty() {
        let capabilities = 0..spec.require.capabilities.len();
        return capabilities.map(|at| Needs::Capabilities(vec![at as u8])).collect();
    }
    spec.require.agents.iter().cloned().map(Needs::Agent).collect()
}

/// What a mode may know of the agents while it plans.
pub(crate) struct Agents<'a> {
    pub matching: &'a mut Matching,
    pub chance: &'a mut ChaCha12Rng,
}

impl Agents<'_> {
    /// Makes sure that some registered agent can do this, free or not.
    fn serve(&mut self, spec: &TaskSpec, needs: &Needs) -> Result<ClassId, Unplannable> {
        let requirement = requirement(spec, needs);
        let class = self.matching.class_of(&requirement)?;
        if self.matching.is_served(class) {
            return Ok(class);
        }
        Err(Unplannable::Missing(self.shortage(&requirement)))
    }

    /// Makes sure that each of these can be done.
    fn serve_all(&mut self, spec: &TaskSpec, needs: &[Needs]) -> Result<(), Unplannable> {
        needs.iter().try_for_each(|needs| self.serve(spec, needs).map(|_| ()))
    }

    /// The smallest team that can do it together.
    fn team(&mut self, spec: &TaskSpec) -> Result<Team, Unplannable> {
        let class = self.matching.class_of(&spec.require)?;
        self.matching.team(class).map_err(|missing| {
            let names = missing.into_iter().filter_map(|at| spec.require.capabilities.get(at));
            let missing: Vec<String> = names.map(ToString::to_string).collect();
            let watch = missing.first().and_then(|name| name.split('@').next());
            let watch = watch.unwrap_or_default().to_owned();
            Unplannable::Missing(Shortage { missing, watch })
        })
    }

    /// One part for each named agent, or for each of as many capable agents as the task asks for.
    /// With fewer than `least` there is no plan.
    fn choose(&mut self, spec: &TaskSpec, least: usize) -> Result<Vec<Needs>, Unplannable> {
        if !spec.require.agents.is_empty() {
            let named = stages(spec);
            return self.serve_all(spec, &named).map(|()| named);
        }
        let class = self.serve(spec, &Needs::All)?;
        let wanted = usize::from(spec.replicas);
        let chosen: Vec<AgentId> = self.matching.choose(class, wanted, self.chance);
        if chosen.len() >= least {
            return Ok(chosen.into_iter().map(Needs::Agent).collect());
        }
        let capabilities = spec.require.describe().join(", ");
        let shortage = Shortage {
            missing: vec![format!("{least} agents for {capabilities}, {} known", chosen.len())],
            watch: first_name(&spec.require),
        };
        Err(Unplannable::Missing(shortage))
    }

    /// What of a requirement that nobody meets is missing: unknown agents or unknown capabilities,
    /// or, where each is known and no agent has all, the whole of it.
    fn shortage(&self, requirement: &Requirement) -> Shortage {
        let unknown_agents: Vec<&AgentId> =
            requirement.agents.iter().filter(|id| !self.matching.knows(id)).collect();
        if let (Some(first), true) =
            (unknown_agents.first(), unknown_agents.len() == requirement.agents.len())
        {
            let missing = unknown_agents.iter().map(|id| format!("agent {id}")).collect();
            return Shortage { missing, watch: first.to_string() };
        }
        let unknown: Vec<_> = requirement
            .capabilities
            .iter()
            .filter(|capability| !self.matching.has_capability(&capability.name))
            .collect();
        match unknown.first() {
            Some(first) if requirement.agents.is_empty() => Shortage {
                missing: unknown.iter().map(ToString::to_string).collect(),
                watch: first.name.clone(),
            },
            _ => Shortage { missing: requirement.describe(), watch: first_name(requirement) },
        }
    }
}

/// The name to watch for when nothing better is known.
fn first_name(requirement: &Requirement) -> String {
    let agent = requirement.agents.first().map(ToString::to_string);
    let capability = requirement.capabilities.first().map(|capability| capability.name.clone());
    agent.or(capability).unwrap_or_default()
}
