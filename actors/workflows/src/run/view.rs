//! How a run stands, for those who look at it.

use std::sync::Arc;

use synod_agents::Usage;

use super::Run;
use super::event::{Ending, Failure};
use super::level::{Level, Row};
use super::opening::Opening;
use super::state::{Phase, Then};
use super::ticket::{ApprovalId, Spot, Ticket};
use super::unit::{Hold, Unit};
use crate::definition::DefinitionHash;
use crate::json::Json;
use crate::messages::{ItemsStatus, Progress, RunId, RunState, StepState};
use crate::plan::{Action, Plan, PlanStep, StepIndex};

/// How a step stands.
#[derive(Debug, Clone)]
pub struct StepView<'a> {
    /// What the plan says about it.
    pub plan: &'a PlanStep,
    /// How it stands.
    pub state: StepState,
    /// How often it was begun, as far as what it shows is of that visit.
    pub visit: u32,
    /// Executions begun in this visit.
    pub attempts: u32,
    /// Who did it.
    pub agent: Option<&'a str>,
    /// When this visit began, UTC microseconds.
    pub began_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// What it yielded.
    pub output: Option<&'a Json>,
    /// Its last failure, also of an attempt that was followed by another.
    pub failure: Option<&'a Failure>,
    /// What all its visits, items and attempts used up.
    pub spent: Usage,
    /// What it waits for.
    pub waits: Option<WaitView>,
    /// How its items or racers stand.
    pub items: Option<ItemsStatus>,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitView {
    /// This time, UTC microseconds.
    Time(i64),
    /// The time of the next attempt.
    Retry(i64),
    /// A decision, until then.
    Approval(ApprovalId, Option<i64>),
    /// A message on this topic, until then.
    Message(Arc<str>, Option<i64>),
    /// The end of this run.
    Child(RunId),
}

impl WaitView {
    fn of(hold: &Hold) -> Option<Self> {
        Some(match hold {
            Hold::Execution | Hold::Emission { .. } => return None,
            Hold::Backoff { until } => Self::Retry(*until),
            Hold::Timer { until } => Self::Time(*until),
            Hold::Child { run } => Self::Child(*run),
            Hold::Approval(question) => Self::Approval(question.asked.id, question.asked.deadline),
            Hold::Message { topic, until } => Self::Message(topic.clone(), *until),
        })
    }
}

impl Run {
    /// What it was opened with.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.state.opening
    }

    /// What it runs now; another definition than in the opening once it was amended.
    #[must_use]
    pub fn definition(&self) -> &DefinitionHash {
        &self.state.definition
    }

    /// How it stands.
    #[must_use]
    pub fn run_state(&self) -> RunState {
        match (self.state.phase, &self.state.ending) {
            (Phase::Pending, _) => RunState::Pending,
            (Phase::Ended, Some(Ending::Completed(_))) => RunState::Completed,
            (Phase::Ended, Some(Ending::Cancelled { .. })) => RunState::Cancelled,
            (Phase::Ended, _) => RunState::Failed,
            (Phase::Undoing(Then::Fall | Then::Cancel | Then::Rollback), _)
                if !self.level().undo.is_empty() =>
            {
                RunState::Compensating
            }
            _ if self.state.paused.is_some() => RunState::Paused,
            _ if self.is_waiting() => RunState::Waiting,
            _ => RunState::Running,
        }
    }

    /// Whether nothing is being executed, so that only something from outside makes it go on.
    fn is_waiting(&self) -> bool {
        self.level().executing == 0
    }

    /// Whether it can be put aside as its events until something happens to it: nothing is being
    /// executed, and it need not be woken before `until`, UTC microseconds.
    #[must_use]
    pub fn can_rest(&self, until: i64) -> bool {
        self.level().executing == 0 && self.timers.first().is_none_or(|(at, _)| *at >= until)
    }

    /// When it is to be woken, UTC microseconds.
    #[must_use]
    pub fn wakes_at(&self) -> Option<i64> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// How it ended, or is going to.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.state.ending.as_ref()
    }

    /// When it was opened, was admitted and ended, UTC microseconds.
    #[must_use]
    pub fn times(&self) -> (i64, Option<i64>, Option<i64>) {
        (self.state.opened_at, self.state.began_at, self.state.ended_at)
    }

    /// When the level that is worked on is given up, UTC microseconds.
    #[must_use]
    pub fn level_deadline(&self) -> Option<i64> {
        self.state.began_at.map(|_| self.level().deadline)
    }

    /// How many events it has.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.state.events
    }

    /// How many levels were begun: 1, and one for each fallback.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.state.levels.len()
    }

    /// The plan of a level.
    #[must_use]
    pub fn plan_of(&self, level: usize) -> Option<&Arc<Plan>> {
        self.plans.get(level)
    }

    /// The values of the variables of the level that is worked on.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.level().variables.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Names of checkpoints, with the number of events and the time of each.
    pub fn checkpoints(&self) -> impl Iterator<Item = (&Arc<str>, u64, i64)> {
        let all = self.state.checkpoints.iter();
        all.map(|(name, checkpoint)| (name, checkpoint.events, checkpoint.at))
    }

    /// How much of it is done.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let total: u64 = self.state.levels.iter().map(|level| level.rows.len() as u64).sum();
        let last = self.state.last();
        let before = &self.state.levels[..last];
        // What a level left open when it failed is not done any more.
        let left: u64 = before.iter().map(|level| level.rows.len() as u64).sum();
        let level = &self.state.levels[last];
        let done = left + level.rows.len() as u64 - u64::from(level.open);
        let percent = if total == 0 { 100.0 } else { done as f64 * 100.0 / total as f64 };
        Progress { percent, done, total }
    }

    /// The steps of a level, in the order of its plan.
    pub fn steps(&self, level: usize) -> impl Iterator<Item = StepView<'_>> {
        let both = self.plans.get(level).zip(self.state.levels.get(level));
        both.into_iter().flat_map(move |(plan, state)| {
            plan.indexed().zip(state.rows.iter()).map(move |((index, step), row)| {
                let shown = self.step_state(level, index).unwrap_or(row.state);
                view(step, state, index, row, shown)
            })
        })
    }

    /// What the run waits for, each with where.
    pub fn waits(&self) -> impl Iterator<Item = (Spot, WaitView)> {
        let units = self.level().units.iter();
        units.filter_map(|(spot, unit)| Some((*spot, WaitView::of(&unit.hold)?)))
    }

    /// The children that are told to stop and have not.
    pub fn stopping(&self) -> impl Iterator<Item = RunId> {
        self.state.stopping.keys().copied()
    }

    /// Where the work of a ticket is now; `None` when its level is no longer worked on, or its step
    /// is gone. A run that was amended since has other numbers for its steps.
    #[must_use]
    pub fn spot_of(&self, ticket: &Ticket) -> Option<Spot> {
        if usize::from(ticket.level) != self.state.depth() {
            return None;
        }
        let step = if ticket.revision == self.state.revision {
            ticket.spot.step
        } else {
            *self.state.renumbered.get(&(ticket.revision, ticket.spot.step))?
        };
        Some(Spot { step, ..ticket.spot })
    }

    /// The step that a ticket is of, and what is done there.
    #[must_use]
    pub fn plan_step(&self, ticket: &Ticket) -> Option<(&PlanStep, &Arc<Action>)> {
        let spot = self.spot_of(ticket)?;
        let step = self.plan().steps().get(spot.step.at())?;
        Some((step, self.action(spot)?))
    }

    /// The id of a step of the level that is worked on.
    #[must_use]
    pub fn step_id(&self, step: StepIndex) -> Option<&Arc<str>> {
        self.plan().steps().get(step.at()).map(|step| &step.id)
    }
}

fn view<'a>(
    plan: &'a PlanStep,
    level: &'a Level,
    step: StepIndex,
    row: &'a Row,
    state: StepState,
) -> StepView<'a> {
    let unit: Option<&Unit> = level.units.get(&Spot::whole(step));
    let group = level.groups.get(&step);
    StepView {
        plan,
        state,
        visit: row.visit,
        attempts: row.attempts,
        agent: row.agent.as_deref(),
        began_at: row.began_at,
        ended_at: row.ended_at,
        output: row.output.as_ref(),
        failure: row.failure.as_deref(),
        spent: row.spent,
        waits: unit.and_then(|unit| WaitView::of(&unit.hold)),
        items: group.map(|group| ItemsStatus {
            total: group.count.into(),
            running: group.running.into(),
            completed: group.completed.into(),
            failed: group.failed.into(),
        }),
    }
}
