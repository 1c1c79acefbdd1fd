//! What events about steps and their pieces do to a run: begin, success, failure.
//!
//! `go_to` sets its target and all that depends on it back to where nothing of it was begun, and
//! stops what of it is under way. A target before the failed step thus makes a loop; one after it,
//! or beside it, is done although what lies between is skipped. Each time is a visit of its own,
//! with a key of its own; the limit of events bounds how often.

use std::sync::Arc;

use synod_agents::Usage;

use super::Run;
use super::event::{Begun, Failure, Handling};
use super::ticket::{Part, Spot};
use super::unit::{Group, Hold, Unit};
use crate::json::Json;
use crate::messages::StepState;
use crate::plan::StepIndex;

impl Run {
    pub(super) fn started(
        &mut self,
        at: i64,
        spot: Spot,
        input: &Option<Json>,
        begun: &Begun,
    ) -> Result<(), &'static str> {
        let Spot { step, part } = spot;
        self.check(step)?;
        if part == Part::Whole {
            self.begin_step(at, step, begun.occupies());
        }
        let ticket = self.ticket(spot, self.visit(spot), 1);
        let Some(hold) = Hold::of(begun, at) else {
            self.group_started(step, input.clone().unwrap_or_default(), begun);
            return Ok(());
        };
        if let Part::Item(item) = part {
            let groups = &mut self.level_mut().groups;
            groups.get_mut(&step).ok_or("an item of what has no items")?.begin(item);
            self.touched.insert(step);
        }
        let unit = Unit {
            ticket,
            errors: 0,
            lost: 0,
            handed_back: false,
            began_at: at,
            attempt_at: at,
            spent: Usage::default(),
            input: input.clone(),
            hold,
        };
        self.level_mut().put(spot, unit);
        Ok(())
    }

    fn group_started(&mut self, step: StepIndex, list: Json, begun: &Begun) {
        let group = match begun {
            Begun::Race { count } => Group::new(true, list, *count),
            Begun::Items { count } => Group::new(false, list, *count),
            _ => return,
        };
        let level = self.level_mut();
        level.held += group.held();
        level.groups.insert(step, group);
        self.touched.insert(step);
    }

    /// Notes that a step is begun: it is no longer ready.
    fn begin_step(&mut self, at: i64, step: StepIndex, occupies: bool) {
        let (plan, urgency) = (self.plan().clone(), self.state.urgency());
        let level = self.level_mut();
        level.unready(&plan, step, urgency);
        level.begin(step, at, occupies);
    }

    /// Notes that a step has ended, also one that was never begun.
    pub(super) fn end_step(&mut self, at: i64, step: StepIndex, state: StepState, dead: bool) {
        let (plan, urgency) = (self.plan().clone(), self.state.urgency());
        let dropped = {
            let level = self.level_mut();
            level.unready(&plan, step, urgency);
            let spot = Spot::whole(step);
            let mut dropped = level.take_items(step);
            dropped.extend(level.take(spot).map(|unit| (spot, unit)));
            level.end(&plan, step, (state, dead, at), urgency);
            dropped
        };
        self.touched.remove(&step);
        self.drop_units(dropped);
    }

    pub(super) fn succeeded(
        &mut self,
        at: i64,
        spot: Spot,
        output: &Json,
        agent: Option<&Arc<str>>,
    ) -> Result<(), &'static str> {
        let Spot { step, part } = spot;
        self.check(step)?;
        let unit = self.level_mut().take(spot);
        match part {
            Part::Whole => {
                if unit.is_none() {
                    self.begin_step(at, step, false);
                }
                let level = self.level_mut();
                level.keep(step, output.clone());
                let row = &mut level.rows[step.at()];
                row.agent = agent.cloned();
                row.attempts = unit.map_or(1, |unit| unit.ticket.attempt);
                self.end_step(at, step, StepState::Completed, false);
            }
            Part::Item(item) => {
                let level = self.level_mut();
                let group = level.groups.get_mut(&step).ok_or("an item of what has no items")?;
                level.held += group.succeed(item, unit.is_some(), output);
                self.touched.insert(step);
            }
            Part::Compensation => {
                self.level_mut().rows[step.at()].state = StepState::Compensated;
                self.undo_done(step);
            }
            Part::OnFinish | Part::OnCancel => self.state.closed = true,
        }
        Ok(())
    }

    pub(super) fn joined(&mut self, at: i64, step: StepIndex) -> Result<(), &'static str> {
        self.check(step)?;
        let level = self.level_mut();
        let group = level.groups.get(&step).ok_or("a join of what has no items")?;
        let output = group.output();
        level.keep(step, output);
        self.end_step(at, step, StepState::Completed, false);
        Ok(())
    }

    pub(super) fn failed(
        &mut self,
        at: i64,
        spot: Spot,
        failure: &Failure,
        handling: &Handling,
    ) -> Result<(), &'static str> {
        let Spot { step, part } = spot;
        self.check(step)?;
        match part {
            Part::Whole => self.step_failed(at, step, failure, handling),
            Part::Item(item) => {
                let level = self.level_mut();
                let begun = level.take(spot);
                let group = level.groups.get_mut(&step).ok_or("an item of what has no items")?;
                group.fail(item, begun.is_some(), failure);
                self.touched.insert(step);
                self.drop_units(begun.map(|unit| (spot, unit)));
                Ok(())
            }
            Part::Compensation => {
                let dropped = self.level_mut().take(spot);
                let row = &mut self.level_mut().rows[step.at()];
                row.failure = Some(Box::new(failure.clone()));
                row.stays = true;
                self.undo_done(step);
                self.drop_units(dropped.map(|unit| (spot, unit)));
                Ok(())
            }
            Part::OnFinish | Part::OnCancel => {
                let dropped = self.level_mut().take(spot);
                self.state.closed = true;
                self.drop_units(dropped.map(|unit| (spot, unit)));
                Ok(())
            }
        }
    }

    fn step_failed(
        &mut self,
        at: i64,
        step: StepIndex,
        failure: &Failure,
        handling: &Handling,
    ) -> Result<(), &'static str> {
        let row = &self.level().rows[step.at()];
        if row.has_ended() {
            return Err("a step fails that has ended");
        }
        if row.state == StepState::Pending {
            self.begin_step(at, step, false);
        }
        let attempts =
            self.level().units.get(&Spot::whole(step)).map_or(1, |unit| unit.ticket.attempt);
        let row = &mut self.level_mut().rows[step.at()];
        row.attempts = attempts;
        row.agent = failure.agent.clone();
        row.failure = Some(Box::new(failure.clone()));
        match handling {
            Handling::Skip => self.end_step(at, step, StepState::Skipped, false),
            Handling::Default(value) => {
                self.level_mut().keep(step, value.clone());
                self.end_step(at, step, StepState::Completed, false);
            }
            Handling::GoTo(target) => {
                self.check(*target)?;
                self.end_step(at, step, StepState::Failed, true);
                self.go_to(*target);
            }
            Handling::Compensate | Handling::Fail => {
                self.end_step(at, step, StepState::Failed, true);
                let compensate = matches!(handling, Handling::Compensate);
                self.fall(at, failure.clone(), Some(step), compensate);
            }
        }
        Ok(())
    }

    /// Sets a step and all that comes after it back, so that it is done next.
    fn go_to(&mut self, target: StepIndex) {
        let (plan, urgency) = (self.plan().clone(), self.state.urgency());
        let level = self.level_mut();
        let dropped = level.reset(&plan, target, urgency);
        level.rows[target.at()].forced = true;
        self.drop_units(dropped);
    }

    fn undo_done(&mut self, step: StepIndex) {
        self.level_mut().undo.retain(|undo| *undo != step);
    }
}
