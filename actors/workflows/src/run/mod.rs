//! A run: pure, and event-sourced. It is given time and inputs; it gives back events to be stored
//! and effects to be carried out once they are.
//!
//! ```text
//!  Input ──▶ decide ──▶ Event ──▶ apply ──▶ State (durable)    replay: events ──▶ apply ──▶ State
//!               │          └────▶ stored
//!               └──▶ Effect (execute, start a child, wake), released when the events are stored
//!
//!  after a crash:  replay, then resume ──▶ the effects of all that was begun and has not ended
//! ```
//!
//! Invariants:
//! - Any prefix of a run's events is a state that `resume` goes on from, and to the same outcome.
//! - Nothing is begun before what it depends on has ended, and a step is not done again once its
//!   success is stored, but by `go_to`, a rollback or a retry in a new run.
//! - A result is taken once, by its ticket; what comes late is recorded and ignored.
//! - What has ended never reopens.
//! - An input costs as much as the edges and the work it touches, never as much as all steps.
//!
//! Events are a run's only form: what is kept of a waiting run are its events, and a replay.

mod advance;
mod amend;
mod apply;
mod approvals;
mod attempts;
mod begin;
mod budget;
mod checkpoints;
mod controls;
mod derive;
mod effect;
mod event;
mod finish;
mod groups;
mod input;
mod level;
mod messages;
mod opening;
mod results;
mod resume;
mod retry;
mod rows;
mod scope;
mod state;
mod steps;
#[cfg(test)]
mod tests;
mod ticket;
mod timers;
mod unit;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use apply::Misfit;
pub use derive::{Derived, derive};
pub use effect::{Effect, Emit, Execute, StartChild};
pub use event::{Amended, Asked, Begun, Carried, Decided, Ending, Event, Failure, Handling};
pub use input::{Amendment, Decision, Fault, Input, Refused};
pub use opening::{Derivation, Opening, Origin, Parent, Variable};
pub use ticket::{ApprovalId, Part, Spot, Ticket, mint_beside, mint_in};
pub use unit::Question;
pub use view::{StepView, WaitView};

use self::level::Level;
use self::state::State;
use crate::definition::DefinitionHash;
use crate::messages::RunId;
use crate::plan::{Action, Plan, StepIndex, StepWork};

/// A run.
#[derive(Debug)]
pub struct Run {
    state: State,
    /// The plans of the levels.
    plans: Vec<Arc<Plan>>,
    /// When something is due, and at what; the run itself without a spot.
    timers: BTreeSet<(i64, Option<Spot>)>,
    /// The timer of each.
    alarms: BTreeMap<Option<Spot>, i64>,
    /// When the shell was asked to wake it.
    wake: Option<i64>,
    /// Groups that something happened to.
    touched: BTreeSet<StepIndex>,
    /// What was under way and no longer counts.
    dropped: Vec<(Ticket, Option<RunId>)>,
    /// When each execution last gave a sign of life, UTC microseconds.
    pulses: BTreeMap<Spot, i64>,
    /// The plan that an amendment brings.
    amendment: Option<Arc<Plan>>,
}

/// What a decision yields: events that are applied, effects for when they are stored.
struct Out<'a> {
    /// UTC microseconds.
    now: i64,
    events: &'a mut Vec<Event>,
    effects: &'a mut Vec<Effect>,
    /// The work that has just answered, and needs not be told to stop.
    answered: Option<Ticket>,
}

impl Run {
    /// Opens a run of `plan`, which is what the opening names. The event is to be stored before
    /// anything else is done.
    #[must_use]
    pub fn open(now: i64, opening: Opening, plan: Arc<Plan>) -> (Self, Event) {
        let event = Event::Opened(Box::new(opening.clone()));
        (Self::new(now, opening, plan), event)
    }

    fn new(at: i64, opening: Opening, plan: Arc<Plan>) -> Self {
        let level = Level::new(&plan, opening.priority as u8);
        Self {
            state: State::new(Arc::new(opening), at, level),
            plans: vec![plan],
            timers: BTreeSet::new(),
            alarms: BTreeMap::new(),
            wake: None,
            touched: BTreeSet::new(),
            dropped: Vec::new(),
            pulses: BTreeMap::new(),
            amendment: None,
        }
    }

    /// Makes a run of its stored events and their times, UTC microseconds. `plan` knows the plans
    /// of all definitions by their hash.
    ///
    /// # Errors
    /// The first event that does not fit what was there before it.
    pub fn replay<'a>(
        plan: impl Fn(&DefinitionHash) -> Option<Arc<Plan>>,
        events: impl IntoIterator<Item = (i64, &'a Event)>,
    ) -> Result<Self, Misfit> {
        let misfit = |number, why: &str| Misfit { number, why: why.to_owned() };
        let mut events = events.into_iter();
        let Some((at, Event::Opened(opening))) = events.next() else {
            return Err(misfit(1, "a run begins with its opening"));
        };
        let found = plan(&opening.definition);
        let found = found.ok_or_else(|| misfit(1, "its definition is not known"))?;
        let mut run = Self::new(at, Opening::clone(opening), found);
        for (at, event) in events {
            if let Event::Amended(amended) = event {
                run.amendment = plan(&amended.definition);
            }
            run.apply(at, event)?;
            run.dropped.clear();
        }
        Ok(run)
    }

    /// Takes one input at `now`, UTC microseconds. Events are applied at once; their effects must
    /// not be carried out before they are stored.
    ///
    /// # Errors
    /// Why the input can't be taken; then nothing has changed.
    pub fn decide(
        &mut self,
        now: i64,
        input: Input,
        events: &mut Vec<Event>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refused> {
        let mut out = Out { now, events, effects, answered: None };
        self.take(input, &mut out)?;
        self.advance(&mut out);
        self.ask_to_wake(&mut out);
        Ok(())
    }

    fn take(&mut self, input: Input, out: &mut Out<'_>) -> Result<(), Refused> {
        match input {
            Input::Begin => self.admit(out),
            Input::Executed { ticket, outcome, agent, ran_us, usage } => {
                self.spend(ticket, usage, out);
                self.executed(ticket, outcome, agent, ran_us, out);
            }
            Input::Wake => self.wake_up(out),
            Input::Decide(decision) => return self.decide_approval(*decision, out),
            Input::Message { topic, key, payload } => self.message(topic, key, payload, out),
            Input::Emitted { ticket } => self.emitted(ticket, out),
            Input::ChildEnded { run, ticket, outcome } => {
                self.child_ended(run, ticket, outcome, out);
            }
            Input::Heartbeat { ticket, at } => self.heartbeat(ticket, at, out.now),
            Input::Cancel { by, why, compensate } => {
                return self.cancel(by, why, compensate, out);
            }
            Input::Pause { by } => return self.pause(by, out),
            Input::Resume { by } => return self.unpause(by, out),
            Input::HandBack => self.hand_back(out),
            Input::Checkpoint { name, by } => return self.checkpoint(name, by, out),
            Input::Rollback { to, by, why, compensate } => {
                return self.roll_back(to, by, why, compensate, out);
            }
            Input::Amend(amendment) => return self.amend(*amendment, out),
        }
        Ok(())
    }

    /// Applies an event and puts it among those to be stored.
    fn emit(&mut self, event: Event, out: &mut Out<'_>) {
        let applied = self.apply(out.now, &event);
        debug_assert!(applied.is_ok(), "the run gave an event that does not fit: {applied:?}");
        if let Event::Succeeded { spot, .. } = &event {
            self.pulses.remove(spot);
        }
        out.events.push(event);
        for (ticket, child) in self.dropped.drain(..) {
            if out.answered == Some(ticket) {
                continue;
            }
            out.effects.push(match child {
                Some(run) => Effect::CancelChild { run, ticket },
                None => Effect::CancelExecution(ticket),
            });
        }
    }

    fn level(&self) -> &Level {
        &self.state.levels[self.state.depth()]
    }

    fn level_mut(&mut self) -> &mut Level {
        let depth = self.state.depth();
        &mut self.state.levels[depth]
    }

    fn plan(&self) -> &Arc<Plan> {
        &self.plans[self.state.depth()]
    }

    /// The visit that work at this spot belongs to.
    fn visit(&self, spot: Spot) -> u32 {
        match spot.part {
            Part::OnFinish | Part::OnCancel => 1,
            _ => self.level().rows[spot.step.at()].visit,
        }
    }

    /// What is done at this spot; `None` for a step that is made of several pieces.
    fn action(&self, spot: Spot) -> Option<&Arc<Action>> {
        let step = || self.plan().step(spot.step);
        match spot.part {
            Part::Whole => match &step().work {
                StepWork::Action(action) => Some(action),
                _ => None,
            },
            Part::Item(item) => match &step().work {
                StepWork::ForEach { each, .. } => Some(each),
                StepWork::Race(racers) => racers.get(item as usize),
                StepWork::Action(_) => None,
            },
            Part::Compensation => step().compensate_with.as_ref(),
            part @ (Part::OnFinish | Part::OnCancel) => {
                apply::closing_of(&self.plans[self.closing_level(part)?], part)
            }
        }
    }

    /// Microseconds that the level may take.
    fn timeout_us(&self) -> i64 {
        let asked = self.state.opening.timeout_us.filter(|_| self.state.depth() == 0);
        match asked {
            Some(us) => i64::try_from(us).unwrap_or(i64::MAX),
            None => apply::micros(self.plan().timeout),
        }
    }
}
