//! Parts of a plan that are the same for steps and for other families.

use synod_tasks::{Allocation, CompetitiveOptions, ConsensusOptions, TaskMode};

/// How several agents work together; as in a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Collaboration {
    /// The mode.
    pub mode: TaskMode,
    /// How the agents are chosen.
    pub allocation: Allocation,
    /// In consensus mode: who votes, and what decides.
    pub consensus: ConsensusOptions,
    /// In competitive mode: who competes.
    pub competitive: CompetitiveOptions,
    /// In parallel mode: whether it completes although some of its parts failed.
    pub allow_partial: bool,
}
