//! What each event does to a run: the same live and in a replay.

use std::sync::Arc;

use super::Run;
use super::event::{Carried, Ending, Event, Failure};
use super::level::{Fall, Level};
use super::opening::Variable;
use super::state::{Checkpoint, Phase, Reason, Then};
use super::ticket::{Part, Spot, Ticket};
use super::unit::{Hold, Unit};
use crate::messages::StepState;
use crate::plan::{Action, Plan, StepIndex};

/// An event does not fit what was there before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {number}: {why}")]
pub struct Misfit {
    /// The number of the event, from 1.
    pub number: u64,
    /// What does not fit.
    pub why: String,
}

impl Run {
    /// Applies an event that happened `at`, UTC microseconds.
    pub(super) fn apply(&mut self, at: i64, event: &Event) -> Result<(), Misfit> {
        let number = self.state.events + 1;
        if self.state.phase == Phase::Ended {
            return Err(Misfit { number, why: "it comes after the end".to_owned() });
        }
        self.change(at, event).map_err(|why| Misfit { number, why: why.to_owned() })?;
        self.state.events = number;
        Ok(())
    }

    fn change(&mut self, at: i64, event: &Event) -> Result<(), &'static str> {
        match event {
            Event::Opened(_) => return Err("a run is opened once"),
            Event::Carried { step, visit, result } => self.carry(at, *step, *visit, result)?,
            Event::Began { variables } => {
                let timeout = self.timeout_us();
                let level = self.level_mut();
                level.set_variables(variables);
                level.deadline = at.saturating_add(timeout);
                self.state.began_at = Some(at);
                self.state.phase = Phase::Working;
            }
            Event::Started { spot, input, begun } => self.started(at, *spot, input, begun)?,
            Event::Retrying { .. }
            | Event::Again { .. }
            | Event::Lost { .. }
            | Event::Redispatched { .. }
            | Event::Decided { .. }
            | Event::Escalated { .. }
            | Event::Spent { .. } => self.change_unit(at, event)?,
            Event::MessageKept { topic, key, payload } => {
                self.state.messages.keep(topic.clone(), key.clone(), payload.clone());
            }
            Event::MessageDropped => self.state.messages.drop_oldest(),
            Event::MessageTaken { spot, number } => self.message_taken(at, *spot, *number)?,
            Event::HandedBack => {
                for unit in self.level_mut().units.values_mut() {
                    unit.handed_back = unit.hold == Hold::Execution;
                }
            }
            Event::Succeeded { spot, output, agent, .. } => {
                self.succeeded(at, *spot, output, agent.as_ref())?;
            }
            Event::Joined { step } => self.joined(at, *step)?,
            Event::Failed { spot, failure, handling } => {
                self.failed(at, *spot, failure, handling)?;
            }
            Event::Skipped { step } => {
                self.check(*step)?;
                self.end_step(at, *step, StepState::Skipped, true);
            }
            other => self.change_run(at, other)?,
        }
        Ok(())
    }

    /// Events of the run as a whole.
    fn change_run(&mut self, at: i64, event: &Event) -> Result<(), &'static str> {
        match event {
            Event::LevelFailed { failure } => self.fall(at, failure.clone(), None, false),
            Event::FellBack { variables } => self.fell_back(at, variables)?,
            Event::Unwound => self.unwound()?,
            Event::CancelRequested { by, why, compensate } => {
                let reason = Reason { by: by.clone(), why: why.clone() };
                self.cancel_requested(at, reason, *compensate);
            }
            Event::Paused { .. } => self.state.paused = Some(at),
            Event::Resumed { .. } => self.resumed(at),
            Event::ChildStopped { run } => {
                self.state.stopping.remove(run);
            }
            Event::Late { .. } => self.state.late += 1,
            Event::Checkpointed { name, by } => {
                let events = self.state.events + 1;
                let (levels, revision) = (self.state.levels.clone(), self.state.revision);
                let checkpoint = Checkpoint { events, at, by: by.clone(), levels, revision };
                self.state.checkpoints.insert(name.clone(), checkpoint);
            }
            Event::RollbackBegan { to, by, why } => {
                let reason = Reason { by: by.clone(), why: why.clone() };
                self.rollback_began(at, to, reason)?;
            }
            Event::RolledBack { to, .. } => self.rolled_back(at, to)?,
            Event::Amended(amended) => self.amended(amended)?,
            Event::Concluded { ending } => {
                self.close_level(at);
                self.state.work_on_last();
                self.state.ending = Some(ending.clone());
                self.state.closed = self.closing(ending).is_none();
                self.state.phase = Phase::Closing;
            }
            Event::Ended { ending } => {
                self.close_level(at);
                self.state.work_on_last();
                self.state.ending = Some(ending.clone());
                self.state.ended_at = Some(at);
                self.state.phase = Phase::Ended;
            }
            _ => return Err("it has no place here"),
        }
        Ok(())
    }

    /// That the plan of the level has this step.
    pub(super) fn check(&self, step: StepIndex) -> Result<(), &'static str> {
        if step.at() < self.plan().len() { Ok(()) } else { Err("the plan has no such step") }
    }

    fn carry(
        &mut self,
        at: i64,
        step: StepIndex,
        visit: u32,
        result: &Carried,
    ) -> Result<(), &'static str> {
        self.check(step)?;
        let (plan, urgency) = (self.plan().clone(), self.state.urgency());
        let level = self.level_mut();
        if level.rows[step.at()].missing > 0 || level.rows[step.at()].has_ended() {
            return Err("a step is taken over whose predecessors are not");
        }
        level.unready(&plan, step, urgency);
        let row = &mut level.rows[step.at()];
        (row.visit, row.visits) = (visit, visit);
        let (state, dead) = match result {
            Carried::Completed(output) => {
                level.keep(step, output.clone());
                (StepState::Completed, false)
            }
            Carried::Skipped => (StepState::Skipped, true),
            Carried::Handled(failure) => {
                level.rows[step.at()].failure = Some(Box::new(failure.clone()));
                (StepState::Skipped, false)
            }
        };
        level.end(&plan, step, (state, dead, at), urgency);
        Ok(())
    }

    /// Ends the work on the level before it is done.
    pub(super) fn fall(
        &mut self,
        at: i64,
        failure: Failure,
        step: Option<StepIndex>,
        compensate: bool,
    ) {
        self.close_level(at);
        let undo = if compensate { self.undoable() } else { Vec::new() };
        // With a fallback to come, what was done before is what that builds on.
        self.state.unwinds = compensate && self.plan().fallback.is_none();
        let level = self.level_mut();
        level.undo = undo;
        level.fall = Some(Fall { failure, step });
        self.state.paused = None;
        self.state.phase = Phase::Undoing(Then::Fall);
    }

    fn fell_back(&mut self, at: i64, variables: &[Variable]) -> Result<(), &'static str> {
        let fallback = self.plan().fallback.clone().ok_or("the plan has no fallback")?;
        let mut level = Level::new(&fallback, self.state.urgency());
        level.set_variables(variables);
        level.deadline = at.saturating_add(micros(fallback.timeout));
        self.state.levels.push(level);
        self.state.work_on_last();
        self.state.recall_steps(&fallback);
        self.plans.push(fallback);
        self.state.phase = Phase::Working;
        Ok(())
    }

    fn cancel_requested(&mut self, at: i64, reason: Reason, compensate: bool) {
        self.state.cancel = Some(reason);
        self.state.paused = None;
        if self.state.phase == Phase::Closing {
            // How it ends is decided; what comes before the end is cut short.
            self.close_level(at);
            self.state.closed = true;
            return;
        }
        let undoing = matches!(self.state.phase, Phase::Undoing(_));
        if !undoing {
            self.close_level(at);
        }
        if compensate {
            // What is being undone already goes on: it is among the last that was done.
            self.level_mut().undo = self.undoable();
            self.state.unwinds = true;
        } else if !undoing {
            self.level_mut().undo.clear();
            self.state.unwinds = false;
        }
        self.state.rollback = None;
        self.state.phase = Phase::Undoing(Then::Cancel);
    }

    /// What can be undone of what was done on the level, the last one last.
    fn undoable(&self) -> Vec<StepIndex> {
        self.level().undoable(self.plan(), |_, _| true)
    }

    /// Goes on with undoing what was done on the level before.
    fn unwound(&mut self) -> Result<(), &'static str> {
        self.state.depth = self.state.depth.checked_sub(1).ok_or("there is no level before")?;
        self.level_mut().undo = self.undoable();
        Ok(())
    }

    fn resumed(&mut self, at: i64) {
        let Some(since) = self.state.paused.take() else { return };
        let level = self.level_mut();
        level.deadline = level.deadline.saturating_add(at.saturating_sub(since).max(0));
        let groups: Vec<_> = level.groups.keys().copied().collect();
        self.touched.extend(groups);
    }

    /// Takes out all that is under way on the level.
    pub(super) fn close_level(&mut self, at: i64) {
        let dropped = self.level_mut().close(at);
        self.touched.clear();
        self.drop_units(dropped);
    }

    /// Remembers what was under way and no longer counts, so that it can be told to stop.
    pub(super) fn drop_units(&mut self, units: impl IntoIterator<Item = (Spot, Unit)>) {
        for (spot, unit) in units {
            self.pulses.remove(&spot);
            let ticket = unit.ticket;
            match unit.hold {
                Hold::Child { run } => {
                    self.state.stopping.insert(run, ticket);
                    self.dropped.push((ticket, Some(run)));
                }
                Hold::Execution => self.dropped.push((ticket, None)),
                _ => {}
            }
        }
    }

    /// Work that comes before an end like this: `on_cancel` of a run that had begun, else
    /// `on_finish`.
    pub(super) fn closing(&self, ending: &Ending) -> Option<Part> {
        self.state.began_at?;
        let part = match ending {
            Ending::Cancelled { .. } => Part::OnCancel,
            _ => Part::OnFinish,
        };
        self.closing_level(part).map(|_| part)
    }

    /// The level whose plan has this closing work: the last one that was worked on, or else the
    /// plan itself.
    pub(super) fn closing_level(&self, part: Part) -> Option<usize> {
        let has = |depth: &usize| closing_of(&self.plans[*depth], part).is_some();
        [self.state.last(), 0].into_iter().find(has)
    }

    /// What an attempt at this spot that begins now is called outside.
    pub(super) fn ticket(&self, spot: Spot, visit: u32, attempt: u32) -> Ticket {
        let level = self.state.depth() as u8;
        Ticket { revision: self.state.revision, level, spot, visit, attempt }
    }
}

/// What a plan has done before the end.
pub(super) fn closing_of(plan: &Plan, part: Part) -> Option<&Arc<Action>> {
    match part {
        Part::OnFinish => plan.on_finish.as_ref(),
        Part::OnCancel => plan.on_cancel.as_ref(),
        Part::Whole | Part::Item(_) | Part::Compensation => None,
    }
}

/// As microseconds.
pub(super) fn micros(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
