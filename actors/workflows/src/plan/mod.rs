//! A definition made ready to be run: steps by index, edges both ways, templates compiled.

mod compile;
mod doing;
mod inputs;
mod looks;
mod parts;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::Priority;

pub use doing::{Action, ApprovalPlan, Catch, Doing, EscalationPlan, StepWork, WaitPlan};
pub use inputs::InputSchema;
pub use parts::Collaboration;

use crate::definition::Fault;
use crate::definition::model::{Budget, Definition, ErrorKind, Limits};
use crate::expression::{Condition, Template};

/// The place of a step in its definition, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIndex(pub u32);

impl StepIndex {
    /// As an index of an array.
    #[must_use]
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

/// A definition that has no errors, compiled.
#[derive(Debug)]
pub struct Plan {
    /// The definition's name.
    pub name: Arc<str>,
    /// The definition's version.
    pub version: Arc<str>,
    /// What the input must look like; absent: anything.
    pub inputs: Option<InputSchema>,
    /// Variables, evaluated when the run begins; they see `inputs` and `run`.
    pub variables: Vec<(Arc<str>, Template)>,
    /// The outputs of the run; they see all steps.
    pub outputs: Vec<(Arc<str>, Template)>,
    /// How many steps are worked on at once.
    pub max_parallel: usize,
    /// In what time the run (or this fallback) must end.
    pub timeout: Duration,
    /// How urgent its runs are.
    pub priority: Option<Priority>,
    /// What a run may use up.
    pub limits: Limits,
    /// What is done instead when the run has failed.
    pub fallback: Option<Arc<Plan>>,
    /// Work when the run has completed or failed.
    pub on_finish: Option<Arc<Action>>,
    /// Work when the run was cancelled.
    pub on_cancel: Option<Arc<Action>>,
    /// Free key-value pairs.
    pub labels: BTreeMap<String, String>,
    /// Sees `inputs`.
    pub idempotency_key: Option<Template>,
    /// How many of its runs may be under way at once.
    pub max_concurrent_runs: Option<u32>,
    /// Steps that wait for a message, the first [`Plan::MOST_AWAITS`] of them.
    pub awaits: Vec<StepIndex>,
    steps: Vec<PlanStep>,
    by_id: HashMap<Arc<str>, StepIndex>,
    roots: Vec<StepIndex>,
    order: Vec<StepIndex>,
}

/// A step of a plan.
#[derive(Debug)]
pub struct PlanStep {
    /// Its id.
    pub id: Arc<str>,
    /// Steps that must have ended before it begins; each once, in ascending order.
    pub depends_on: Vec<StepIndex>,
    /// Steps that depend on it; each once, in ascending order.
    pub dependents: Vec<StepIndex>,
    /// Without it, or when it holds, the step is done; else it is skipped.
    pub when: Option<Condition>,
    /// What it does.
    pub work: StepWork,
    /// What undoes it.
    pub compensate_with: Option<Arc<Action>>,
    /// What all its attempts, items, racers and visits may use up together.
    pub budget: Budget,
    /// What is done about its failures; a kind without an entry fails the run.
    pub(crate) handlers: Vec<(ErrorKind, Catch)>,
}

impl PlanStep {
    /// What is done when the step has failed with `kind`, after the attempts of its `retry`.
    #[must_use]
    pub fn catch(&self, kind: ErrorKind) -> &Catch {
        let found = self.handlers.iter().find(|(caught, _)| *caught == kind);
        found.map_or(&Catch::Fail, |(_, catch)| catch)
    }
}

impl Plan {
    /// Steps for which messages are kept that come before they wait.
    pub const MOST_AWAITS: usize = 64;

    /// Compiles a definition, in time linear in its steps and edges.
    ///
    /// # Errors
    /// All that keeps the definition from being run, each with its place as a JSON pointer.
    pub fn compile(definition: &Definition) -> Result<Self, Vec<Fault>> {
        compile::compile(definition)
    }

    /// A step.
    ///
    /// # Panics
    /// When the index is not of this plan.
    #[must_use]
    pub fn step(&self, index: StepIndex) -> &PlanStep {
        &self.steps[index.at()]
    }

    /// The steps in the definition's order.
    #[must_use]
    pub fn steps(&self) -> &[PlanStep] {
        &self.steps
    }

    /// The steps with their places.
    pub fn indexed(&self) -> impl ExactSizeIterator<Item = (StepIndex, &PlanStep)> {
        self.steps.iter().enumerate().map(|(at, step)| (StepIndex(at as u32), step))
    }

    /// How many steps there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are no steps; never, as a definition without steps is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The step of this id.
    #[must_use]
    pub fn index_of(&self, id: &str) -> Option<StepIndex> {
        self.by_id.get(id).copied()
    }

    /// The steps in an order in which each comes after all that it depends on.
    #[must_use]
    pub fn order(&self) -> &[StepIndex] {
        &self.order
    }

    /// The steps that depend on none.
    #[must_use]
    pub fn roots(&self) -> &[StepIndex] {
        &self.roots
    }
}
