//! How often work is tried, and what happens when that was often enough.

use serde_json::json;

use super::event::{Event, Failure, Handling};
use super::input::Fault;
use super::ticket::{Part, Spot};
use super::{Out, Run};
use crate::definition::model::ErrorKind;
use crate::expression::ExpressionError;
use crate::json::Json;
use crate::plan::Catch;

impl From<ExpressionError> for Failure {
    fn from(error: ExpressionError) -> Self {
        Self::new(error.kind, error.message)
    }
}

impl Run {
    /// An attempt ended in a failure: there is another one, or the work has failed.
    pub(super) fn attempt_failed(
        &mut self,
        spot: Spot,
        failure: Failure,
        retry_after_ms: Option<u64>,
        out: &mut Out<'_>,
    ) {
        let Some(action) = self.action(spot).cloned() else { return };
        let Some(unit) = self.level().units.get(&spot) else { return };
        let (retry, budget) = (&action.retry, &action.budget);
        let errors = unit.errors + 1;
        let kind = failure.kind;
        let again = kind != ErrorKind::CriticalError
            && retry.kinds().contains(kind)
            && errors < retry.max_attempts;
        if !again {
            return self.give_up(spot, failure, out);
        }
        let chance = self.chance(spot, unit.ticket.visit, errors);
        let asked = i64::try_from(retry_after_ms.unwrap_or(0).saturating_mul(1_000));
        let wait = super::apply::micros(retry.wait(errors, chance));
        let until = out.now.saturating_add(wait.max(asked.unwrap_or(i64::MAX)));
        let most = budget.attempts.filter(|most| unit.ticket.attempt >= *most);
        let ends = budget.time_s.map(|time| super::begin::after(unit.began_at, time.as_millis()));
        let spent = self.used_up(spot).is_some();
        if spent || most.is_some() || ends.is_some_and(|ends| until > ends) {
            return self.give_up(spot, over_budget(&failure), out);
        }
        self.emit(Event::Retrying { spot, failure, until }, out);
        self.arm(spot);
    }

    /// An execution was lost: the first few times that counts for nothing.
    pub(super) fn attempt_lost(&mut self, spot: Spot, fault: &Fault, out: &mut Out<'_>) {
        let Some(action) = self.action(spot).cloned() else { return };
        let Some(unit) = self.level().units.get(&spot) else { return };
        if unit.lost >= action.retry.max_lost {
            let message = format!("lost {} times, the last time: {}", unit.lost + 1, fault.message);
            let failure = Failure::new(ErrorKind::Lost, message);
            return self.attempt_failed(spot, failure, fault.retry_after_ms, out);
        }
        let most = action.budget.attempts;
        if most.is_some_and(|most| unit.ticket.attempt >= most) || self.used_up(spot).is_some() {
            let failure = Failure::new(ErrorKind::Lost, fault.message.clone());
            return self.give_up(spot, over_budget(&failure), out);
        }
        self.emit(Event::Lost { spot, why: fault.message.clone() }, out);
        self.launch(spot, out);
    }

    /// Work has failed for good; what becomes of that is said by the step.
    pub(super) fn give_up(&mut self, spot: Spot, failure: Failure, out: &mut Out<'_>) {
        let (failure, handling) = match spot.part {
            Part::Whole => self.handle(spot, failure),
            Part::Item(_) => (failure, Handling::Fail),
            Part::Compensation | Part::OnFinish | Part::OnCancel => (failure, Handling::Skip),
        };
        self.emit(Event::Failed { spot, failure, handling }, out);
    }

    fn handle(&self, spot: Spot, failure: Failure) -> (Failure, Handling) {
        let step = self.plan().step(spot.step);
        let handling = match step.catch(failure.kind) {
            Catch::Skip => Handling::Skip,
            Catch::GoTo(step) => Handling::GoTo(*step),
            Catch::Compensate => Handling::Compensate,
            Catch::Fail => Handling::Fail,
            Catch::Default(template) => {
                let scope = self.scope(spot).with_error(error_value(&failure, Some(&step.id)));
                match template.evaluate(&scope, self.payload_bytes()) {
                    Ok(value) => Handling::Default(value),
                    Err(error) => return (error.into(), Handling::Fail),
                }
            }
        };
        (failure, handling)
    }

    /// A number in 0..1, the same whenever it is asked for.
    fn chance(&self, spot: Spot, visit: u32, errors: u32) -> f64 {
        let bits = random(self.state.opening.seed, self.state.depth(), spot, visit, errors, 0);
        // The upper 53 bits are the mantissa of a double.
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn over_budget(last: &Failure) -> Failure {
    let message = format!("the budget is used up; the last failure: {}", last.message);
    Failure { kind: ErrorKind::BudgetExceeded, message: message.into(), agent: last.agent.clone() }
}

/// A failure as expressions see it.
pub(super) fn error_value(failure: &Failure, step: Option<&str>) -> Json {
    Json::from(json!({
        "kind": failure.kind.as_str(),
        "message": failure.message.as_ref(),
        "step": step,
        "agent": failure.agent.as_deref(),
    }))
}

/// Random bits that are a function of the seed and of what they are for (SplitMix64's finalizer;
/// Steele, Lea, Flood 2014).
pub(super) fn random(
    seed: u64,
    level: usize,
    spot: Spot,
    visit: u32,
    number: u32,
    draw: u64,
) -> u64 {
    let part = match spot.part {
        Part::Whole => 0,
        Part::Item(item) => 1 + u64::from(item),
        Part::Compensation => 1 << 33,
        Part::OnFinish => 2 << 33,
        Part::OnCancel => 3 << 33,
    };
    let what = [level as u64, u64::from(spot.step.0), part, visit.into(), number.into(), draw];
    what.into_iter().fold(seed, |bits, word| {
        let mut mixed = (bits ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}
