//! What a step does, compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_agents::AgentId;
use synod_runtime::Priority;
use synod_tasks::CapabilityRequirement;

use super::StepIndex;
use super::parts::Collaboration;
use crate::definition::model::{AtDeadline, Budget, Retry, Seconds, Timeouts};
use crate::expression::{Condition, Template};

/// The work of a step.
#[derive(Debug)]
pub enum StepWork {
    /// One action.
    Action(Arc<Action>),
    /// One action for each item of a list; its templates see `item` and `item_index`.
    ForEach {
        /// The list.
        items: Template,
        /// How many items are worked on at once.
        concurrency: usize,
        /// What is done with each; `retry` and `timeout` hold for each item, and so does what the
        /// budget says of time and attempts; for tokens and money see [`PlanStep::budget`].
        ///
        /// [`PlanStep::budget`]: super::PlanStep::budget
        each: Arc<Action>,
    },
    /// Several actions at once; the first success wins and the others are cancelled.
    Race(Vec<Arc<Action>>),
}

/// An action and the terms on which it is done.
#[derive(Debug)]
pub struct Action {
    /// What it is.
    pub doing: Doing,
    /// How often it is tried, on which kinds, and the waits between. Kinds that a handler says to
    /// `retry` are in `retry_on` already.
    pub retry: Retry,
    /// How long it may take.
    pub timeout: Timeouts,
    /// How urgent it is; absent: as the run.
    pub priority: Option<Priority>,
    /// What all attempts may use up together.
    pub budget: Budget,
    /// A result that is kept under the same key is taken instead of doing it again.
    pub cache_key: Option<Template>,
    /// Handed to the agents.
    pub labels: BTreeMap<String, String>,
}

/// What is done.
#[derive(Debug)]
pub enum Doing {
    /// Agents do it: the named ones, or those with the capabilities.
    Execute {
        /// Kind of the task.
        kind: Arc<str>,
        /// What the agents get.
        input: Template,
        /// Agents by id.
        agents: Vec<AgentId>,
        /// Required capabilities.
        capabilities: Vec<CapabilityRequirement>,
        /// How several agents work together.
        collaboration: Collaboration,
    },
    /// The output is the template's value.
    Transform(Template),
    /// Time passes; the output is null.
    Wait(WaitPlan),
    /// A person decides.
    Approval(ApprovalPlan),
    /// Another workflow runs; the output is its outputs.
    Workflow {
        /// Its name.
        name: Arc<str>,
        /// Its version; absent: the newest.
        version: Option<Arc<str>>,
        /// Its input.
        input: Template,
    },
    /// A topic is told; the output is null.
    Emit {
        /// A text.
        topic: Template,
        /// What is told.
        payload: Template,
    },
    /// A message is awaited; the output is its payload.
    Await {
        /// A text.
        topic: Template,
        /// Which message; it sees `message`.
        matches: Option<Condition>,
    },
}

/// How long a wait is.
#[derive(Debug)]
pub enum WaitPlan {
    /// Seconds: a number.
    For(Template),
    /// A moment: an RFC 3339 text.
    Until(Template),
}

/// What is asked of a person.
#[derive(Debug)]
pub struct ApprovalPlan {
    /// The question: a text.
    pub ask: Template,
    /// What it is about.
    pub payload: Template,
    /// Whether who decides may change the payload.
    pub editable: bool,
    /// Persons who may decide.
    pub people: Vec<String>,
    /// Roles that may decide.
    pub roles: Vec<String>,
    /// How many must approve.
    pub needed: u32,
    /// In what time it must be decided.
    pub deadline: Seconds,
    /// What happens then.
    pub at_deadline: AtDeadline,
    /// By time, ascending.
    pub escalate: Vec<EscalationPlan>,
}

/// A reminder (without people and roles), or who may decide from then on as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationPlan {
    /// From the request.
    pub after: Seconds,
    /// Persons.
    pub people: Vec<String>,
    /// Roles.
    pub roles: Vec<String>,
}

/// What is done about the failure of a step, when its attempts are used up.
#[derive(Debug, Clone)]
pub enum Catch {
    /// Go on as if it had been skipped.
    Skip,
    /// Go on with this output; it sees `error`.
    Default(Template),
    /// Mark it failed and go on at this step, with a new visit of it.
    GoTo(StepIndex),
    /// Undo what was done, then fail.
    Compensate,
    /// Fail the run, or go on with its fallback.
    Fail,
}
