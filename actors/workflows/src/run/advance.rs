//! Going on: whatever has become possible is begun, whatever is complete is ended.
//!
//! A step can begin when all that it depends on has ended: completed, skipped, or failed and
//! handled. One that was skipped or forgiven yields null. A step that was skipped by its condition,
//! or that failed and sent the run elsewhere (`go_to`), is *dead*: what depends on dead steps alone
//! is skipped, too. Ready steps begin by their priority, then in the order of the definition, as
//! many at once as `max_parallel` says; waits, approvals and awaited messages take no place.

use super::event::{Begun, Event, Failure};
use super::state::Phase;
use super::ticket::Spot;
use super::{Out, Run};
use crate::definition::model::ErrorKind;
use crate::plan::{StepIndex, StepWork};

impl Run {
    /// The run is admitted: its variables get their first values.
    pub(super) fn admit(&mut self, out: &mut Out<'_>) {
        if self.state.phase != Phase::Pending {
            return;
        }
        let (variables, failure) = self.first_variables(&self.plans[0], 0);
        self.emit(Event::Began { variables }, out);
        self.arm_run();
        if let Some(failure) = failure {
            self.emit(Event::LevelFailed { failure }, out);
        }
    }

    /// Goes on as far as is possible without anything from outside.
    pub(super) fn advance(&mut self, out: &mut Out<'_>) {
        while self.go_on(out) {}
    }

    /// Does the next thing; whether there was one.
    fn go_on(&mut self, out: &mut Out<'_>) -> bool {
        match self.state.phase {
            Phase::Pending | Phase::Ended => false,
            Phase::Working => self.work_on(out),
            Phase::Undoing(then) => self.undo_on(then, out),
            Phase::Closing => self.close_on(out),
        }
    }

    fn work_on(&mut self, out: &mut Out<'_>) -> bool {
        if let Some(failure) = self.over_limit() {
            self.emit(Event::LevelFailed { failure }, out);
            return true;
        }
        if let Some(step) = self.touched.pop_first() {
            self.tend(step, out);
            return true;
        }
        if self.state.paused.is_some() {
            return false;
        }
        let (level, most) = (self.level(), self.plan().max_parallel);
        let next = level.ready.first().filter(|_| (level.busy as usize) < most);
        if let Some((_, step)) = next.copied() {
            self.begin_next(step, out);
            return true;
        }
        if level.open == 0 {
            self.complete(out);
            return true;
        }
        false
    }

    /// What the level has used up, if it has.
    fn over_limit(&self) -> Option<Failure> {
        let (events, held) = (self.state.events, self.level().held);
        if events >= self.plans[0].limits.history_events {
            let message = format!("the history has {events} events, which is as many as it may");
            return Some(Failure::new(ErrorKind::BudgetExceeded, message));
        }
        let most = self.plan().limits.memory_bytes;
        if held > most {
            let message = format!("the run keeps {held} bytes of values, and {most} are allowed");
            return Some(Failure::new(ErrorKind::Oversize, message));
        }
        None
    }

    /// Begins a step that is ready, unless it is to be skipped.
    fn begin_next(&mut self, step: StepIndex, out: &mut Out<'_>) {
        let plan = self.plan().clone();
        let spot = Spot::whole(step);
        let row = &self.level().rows[step.at()];
        let unreached = !plan.step(step).depends_on.is_empty() && row.alive == 0 && !row.forced;
        if unreached {
            return self.emit(Event::Skipped { step }, out);
        }
        let wanted = match &plan.step(step).when {
            Some(condition) => condition.evaluate(&self.scope(spot)),
            None => Ok(true),
        };
        match wanted {
            Ok(true) => self.begin_step_work(spot, &plan.step(step).work, out),
            Ok(false) => self.emit(Event::Skipped { step }, out),
            Err(error) => self.give_up(spot, error.into(), out),
        }
    }

    fn begin_step_work(&mut self, spot: Spot, work: &StepWork, out: &mut Out<'_>) {
        match work {
            StepWork::Action(action) => self.begin(spot, action, out),
            StepWork::Race(racers) => {
                let begun = Begun::Race { count: racers.len() as u32 };
                self.emit(Event::Started { spot, input: None, begun }, out);
            }
            StepWork::ForEach { items, .. } => {
                let list = items.evaluate(&self.scope(spot), self.payload_bytes());
                let list = list.map_err(Failure::from).and_then(|list| {
                    match list.value().as_array().map(Vec::len) {
                        Some(count) => Ok((list, count as u32)),
                        None => Err(Failure::new(
                            ErrorKind::ValidationError,
                            format!("items: expected a list, found {list:?}"),
                        )),
                    }
                });
                match list {
                    Ok((list, count)) => {
                        let begun = Begun::Items { count };
                        self.emit(Event::Started { spot, input: Some(list), begun }, out);
                    }
                    Err(failure) => self.give_up(spot, failure, out),
                }
            }
        }
    }

    /// Bytes that one value may have.
    pub(super) fn payload_bytes(&self) -> usize {
        usize::try_from(self.plan().limits.payload_bytes).unwrap_or(usize::MAX)
    }
}
