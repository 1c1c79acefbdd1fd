//! How a level and a run come to their end: outputs, compensation, fallback, closing work.

use serde_json::{Map, Value};

use super::event::{Ending, Event, Failure};
use super::state::Then;
use super::ticket::Spot;
use super::{Out, Run};
use crate::json::Json;
use crate::plan::StepIndex;

impl Run {
    /// All steps of the level have ended: the run yields its outputs.
    pub(super) fn complete(&mut self, out: &mut Out<'_>) {
        match self.outputs() {
            Ok(outputs) => self.conclude(Ending::Completed(outputs), out),
            Err(failure) => self.emit(Event::LevelFailed { failure }, out),
        }
    }

    /// The outputs that the plan names.
    fn outputs(&self) -> Result<Json, Failure> {
        let plan = self.plan();
        let mut outputs = Map::new();
        let scope = self.scope(Spot::whole(StepIndex(0)));
        for (name, template) in &plan.outputs {
            let value = template.evaluate(&scope, self.payload_bytes()).map_err(|error| {
                Failure::new(error.kind, format!("outputs.{name}: {}", error.message))
            })?;
            outputs.insert(name.to_string(), value.value().clone());
        }
        Ok(Json::from(Value::Object(outputs)))
    }

    /// Begins the next compensation, or goes on when all are done; whether there was anything to
    /// do. What a fallback did is undone before what the plan before it did.
    pub(super) fn undo_on(&mut self, then: Then, out: &mut Out<'_>) -> bool {
        let level = self.level();
        if let Some(step) = level.undo.last().copied() {
            let spot = Spot::compensation(step);
            if level.units.contains_key(&spot) {
                return false;
            }
            if let Some(action) = self.action(spot).cloned() {
                self.begin(spot, &action, out);
            }
            return true;
        }
        if self.state.unwinds && self.state.depth() > 0 && then != Then::Rollback {
            self.emit(Event::Unwound, out);
            return true;
        }
        match then {
            Then::Fall => self.fall_back(out),
            Then::Cancel => {
                let Some(reason) = self.state.cancel.clone() else { return false };
                self.conclude(Ending::Cancelled { by: reason.by, why: reason.why }, out);
            }
            Then::Rollback => {
                let Some((to, reason)) = self.state.rollback.clone() else { return false };
                self.emit(Event::RolledBack { to, by: reason.by, why: reason.why }, out);
                self.arm_all(out);
            }
        }
        true
    }

    /// Goes on with the fallback of the level that failed, or fails.
    fn fall_back(&mut self, out: &mut Out<'_>) {
        let last = self.state.last();
        let Some(fallback) = self.plans[last].fallback.clone() else {
            let Some(fall) = self.state.levels[last].fall.clone() else { return };
            let step = fall.step.map(|step| self.plans[last].step(step).id.clone());
            return self.conclude(Ending::Failed { failure: fall.failure, step }, out);
        };
        let (variables, failure) = self.first_variables(&fallback, self.state.depth() + 1);
        self.emit(Event::FellBack { variables }, out);
        self.arm_run();
        if let Some(failure) = failure {
            self.emit(Event::LevelFailed { failure }, out);
        }
    }

    /// How the run ends is decided. It ends now, unless something comes before that.
    fn conclude(&mut self, ending: Ending, out: &mut Out<'_>) {
        let event = if self.closing(&ending).is_some() || !self.state.stopping.is_empty() {
            Event::Concluded { ending }
        } else {
            Event::Ended { ending }
        };
        self.emit(event, out);
    }

    /// Does what comes before the end: `on_finish` or `on_cancel`, and the end of children that
    /// were told to stop; whether there was anything to do.
    pub(super) fn close_on(&mut self, out: &mut Out<'_>) -> bool {
        let Some(ending) = self.state.ending.clone() else { return false };
        if let (false, Some(part)) = (self.state.closed, self.closing(&ending)) {
            let spot = Spot::closing(part);
            if self.level().units.contains_key(&spot) {
                return false;
            }
            if let Some(action) = self.action(spot).cloned() {
                self.begin(spot, &action, out);
            }
            return true;
        }
        if !self.state.stopping.is_empty() {
            return false;
        }
        self.emit(Event::Ended { ending }, out);
        true
    }
}
