//! Beginning a piece of work: its templates are evaluated, it is recorded, its effect is given.

use std::sync::Arc;

use serde_json::Value;

use super::effect::{Effect, Emit, Execute, StartChild};
use super::event::{Asked, Begun, Event, Failure};
use super::retry::random;
use super::ticket::{Part, Spot, mint_beside};
use super::unit::{Hold, Unit};
use super::{Out, Run};
use crate::definition::model::ErrorKind;
use crate::expression::Template;
use crate::json::Json;
use crate::plan::{Action, ApprovalPlan, Doing, WaitPlan};

/// What comes of an action's templates.
enum Prepared {
    /// It is done with that.
    Output(Json),
    /// It is to be begun. The input is left out where it is a constant.
    Begun { input: Option<Json>, begun: Begun },
}

impl Run {
    /// Begins a piece of work, which is done at once if it needs nothing from outside.
    pub(super) fn begin(&mut self, spot: Spot, action: &Action, out: &mut Out<'_>) {
        if let (Doing::Execute { .. }, Some(failure)) = (&action.doing, self.used_up(spot)) {
            return self.give_up(spot, failure, out);
        }
        match self.prepare(spot, action, 1, out.now) {
            Ok(Prepared::Output(output)) => {
                self.emit(Event::Succeeded { spot, output, agent: None, ran_us: 0 }, out);
            }
            Ok(Prepared::Begun { input, begun }) => {
                self.emit(Event::Started { spot, input, begun }, out);
                self.launch(spot, out);
            }
            Err(failure) => self.give_up(spot, failure, out),
        }
    }

    /// Begins the next attempt of a piece of work whose wait is over. What an agent executes has
    /// the input of its first attempt.
    pub(super) fn begin_again(&mut self, spot: Spot, out: &mut Out<'_>) {
        let Some(action) = self.action(spot).cloned() else { return };
        if let Some(failure) = self.used_up(spot) {
            return self.give_up(spot, failure, out);
        }
        let attempt = self.level().units.get(&spot).map_or(1, |unit| unit.ticket.attempt + 1);
        let begun = match &action.doing {
            Doing::Execute { .. } => Ok(Begun::Execution),
            _ => self.prepare(spot, &action, attempt, out.now).map(|prepared| match prepared {
                Prepared::Begun { begun, .. } => begun,
                // What needs nothing from outside is never tried again.
                Prepared::Output(_) => Begun::Execution,
            }),
        };
        match begun {
            Ok(begun) => {
                self.emit(Event::Again { spot, begun }, out);
                self.launch(spot, out);
            }
            Err(failure) => self.give_up(spot, failure, out),
        }
    }

    fn prepare(
        &self,
        spot: Spot,
        action: &Action,
        attempt: u32,
        now: i64,
    ) -> Result<Prepared, Failure> {
        let begun = |begun| Ok(Prepared::Begun { input: None, begun });
        match &action.doing {
            Doing::Execute { input, .. } => {
                if let Some(key) = &action.cache_key {
                    self.text(spot, key, "cache_key")?;
                }
                let input = self.input(spot, input)?;
                Ok(Prepared::Begun { input, begun: Begun::Execution })
            }
            Doing::Transform(template) => Ok(Prepared::Output(self.value(spot, template)?)),
            Doing::Wait(wait) => begun(Begun::Timer { until: self.wait_until(spot, wait, now)? }),
            Doing::Approval(approval) => {
                begun(Begun::Approval(Box::new(self.asked(spot, approval, attempt, now)?)))
            }
            Doing::Workflow { input, .. } => {
                let input = self.input(spot, input)?;
                let chance = self.wide_chance(spot, attempt);
                let run = mint_beside(self.state.opening.run, now, chance);
                Ok(Prepared::Begun { input, begun: Begun::Child { run } })
            }
            Doing::Emit { topic, payload } => {
                let topic = self.text(spot, topic, "topic")?;
                let input = self.input(spot, payload)?;
                Ok(Prepared::Begun { input, begun: Begun::Emission { topic } })
            }
            Doing::Await { topic, .. } => {
                let topic = self.text(spot, topic, "topic")?;
                let finish = action.timeout.finish_s;
                let until = finish.map(|finish| after(now, finish.as_millis()));
                begun(Begun::Message { topic, until })
            }
        }
    }

    fn asked(
        &self,
        spot: Spot,
        approval: &ApprovalPlan,
        attempt: u32,
        now: i64,
    ) -> Result<Asked, Failure> {
        let chance = self.wide_chance(spot, attempt);
        Ok(Asked {
            id: mint_beside(self.state.opening.run, now, chance),
            question: self.text(spot, &approval.ask, "ask")?,
            payload: self.value(spot, &approval.payload)?,
            deadline: Some(after(now, approval.deadline.as_millis())),
        })
    }

    fn wait_until(&self, spot: Spot, wait: &WaitPlan, now: i64) -> Result<i64, Failure> {
        let wrong = |expected: &str, found: &Json| {
            let message = format!("wait: expected {expected}, found {found:?}");
            Failure::new(ErrorKind::ValidationError, message)
        };
        match wait {
            WaitPlan::For(template) => {
                let value = self.value(spot, template)?;
                let seconds = value.value().as_f64().filter(|s| (0.0..=315_360_000.0).contains(s));
                let seconds =
                    seconds.ok_or_else(|| wrong("seconds, 0 to 315360000 (ten years)", &value))?;
                Ok(now.saturating_add((seconds * 1e6) as i64))
            }
            WaitPlan::Until(template) => {
                let value = self.value(spot, template)?;
                let moment = value.value().as_str().and_then(|text| text.parse().ok());
                let moment: jiff::Timestamp =
                    moment.ok_or_else(|| wrong("a moment (RFC 3339)", &value))?;
                Ok(moment.as_microsecond())
            }
        }
    }

    /// The value of a template that stands at this spot.
    fn value(&self, spot: Spot, template: &Template) -> Result<Json, Failure> {
        template.evaluate(&self.scope(spot), self.payload_bytes()).map_err(Failure::from)
    }

    /// An input; `None` where the template has no expressions.
    fn input(&self, spot: Spot, template: &Template) -> Result<Option<Json>, Failure> {
        match template.as_constant() {
            Some(_) => Ok(None),
            None => self.value(spot, template).map(Some),
        }
    }

    /// A text; a number or a boolean as it is written.
    pub(super) fn text(
        &self,
        spot: Spot,
        template: &Template,
        key: &str,
    ) -> Result<Arc<str>, Failure> {
        let value = self.value(spot, template)?;
        match value.value() {
            Value::String(text) => Ok(Arc::from(text.as_str())),
            Value::Number(_) | Value::Bool(_) => Ok(Arc::from(value.to_string())),
            _ => Err(Failure::new(
                ErrorKind::ValidationError,
                format!("{key}: expected a text, found {value:?}"),
            )),
        }
    }

    /// Gives the effect of what was begun at this spot, and watches the time for it.
    pub(super) fn launch(&mut self, spot: Spot, out: &mut Out<'_>) {
        let Some(unit) = self.level().units.get(&spot) else { return };
        let Some(action) = self.action(spot) else { return };
        if let Some(effect) = self.effect(spot, unit, action) {
            out.effects.push(effect);
        }
        if unit.hold == Hold::Execution && action.timeout.heartbeat_s.is_some() {
            self.pulses.insert(spot, out.now);
        }
        self.arm(spot);
        self.deliver_kept(spot, out);
    }

    fn effect(&self, spot: Spot, unit: &Unit, action: &Action) -> Option<Effect> {
        let ticket = unit.ticket;
        let constant = |template: &Template| template.as_constant().cloned().unwrap_or_default();
        let input = |template: &Template| unit.input.clone().unwrap_or_else(|| constant(template));
        let deadline = self.deadline(spot, unit, action);
        match (&unit.hold, &action.doing) {
            (Hold::Execution, Doing::Execute { input: template, .. }) => {
                let cache_key = action.cache_key.as_ref();
                Some(Effect::Execute(Box::new(Execute {
                    ticket,
                    input: input(template),
                    idempotency_key: self.key(spot, unit.ticket.visit),
                    cache_key: cache_key
                        .and_then(|key| self.text(spot, key, "cache_key").ok())
                        .map(|key| key.to_string()),
                    deadline,
                })))
            }
            (Hold::Child { run }, Doing::Workflow { input: template, .. }) => {
                let input = input(template);
                Some(Effect::StartChild(Box::new(StartChild {
                    ticket,
                    run: *run,
                    input,
                    deadline,
                })))
            }
            (Hold::Emission { topic }, Doing::Emit { payload, .. }) => {
                Some(Effect::Emit(Box::new(Emit {
                    ticket,
                    topic: topic.to_string(),
                    payload: input(payload),
                    idempotency_key: self.key(spot, unit.ticket.visit),
                })))
            }
            _ => None,
        }
    }

    /// The idempotency key of work at this spot: the same over all its attempts.
    fn key(&self, spot: Spot, visit: u32) -> String {
        let run = self.state.opening.run;
        let level = match self.state.depth() {
            0 => String::new(),
            depth => format!("fallback{depth}/"),
        };
        let step = &self.plan().step(spot.step).id;
        match spot.part {
            Part::Whole => format!("{run}/{level}{step}/{visit}"),
            Part::Item(item) => format!("{run}/{level}{step}/{visit}/{item}"),
            Part::Compensation => format!("{run}/{level}{step}/{visit}/compensation"),
            Part::OnFinish => format!("{run}/on_finish"),
            Part::OnCancel => format!("{run}/on_cancel"),
        }
    }

    /// Random bits for an attempt that is about to begin, of no other attempt of the run.
    fn wide_chance(&self, spot: Spot, attempt: u32) -> u128 {
        let level = self.level();
        let visit = match (level.units.get(&spot), spot.part) {
            (Some(unit), _) => unit.ticket.visit,
            (None, Part::Whole) => level.rows[spot.step.at()].visits + 1,
            (None, _) => self.visit(spot),
        };
        let draw = |number| {
            random(self.state.opening.seed, self.state.depth(), spot, visit, attempt, number)
        };
        (u128::from(draw(1)) << 64) | u128::from(draw(2))
    }
}

/// So many milliseconds after `at`.
pub(super) fn after(at: i64, millis: u64) -> i64 {
    at.saturating_add(i64::try_from(millis.saturating_mul(1_000)).unwrap_or(i64::MAX))
}
