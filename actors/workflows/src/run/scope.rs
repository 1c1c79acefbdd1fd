//! What expressions of a run see.

use jiff::Timestamp;
use serde_json::json;

use super::Run;
use super::event::{Ending, Failure};
use super::level::Level;
use super::opening::{Origin, Variable};
use super::retry::error_value;
use super::ticket::{Part, Spot};
use super::unit::Hold;
use crate::expression::{Root, Scope};
use crate::json::Json;
use crate::messages::StepState;
use crate::plan::{Plan, StepIndex};

/// The values that an expression at a spot sees.
pub(super) struct RunScope<'a> {
    run: &'a Run,
    /// The level whose steps it sees.
    depth: usize,
    item: Option<Spot>,
    error: Option<Json>,
    message: Option<&'a Json>,
}

impl<'a> RunScope<'a> {
    pub(super) fn with_error(self, error: Json) -> Self {
        Self { error: Some(error), ..self }
    }

    pub(super) fn with_message(self, message: &'a Json) -> Self {
        Self { message: Some(message), ..self }
    }

    fn level(&self) -> Option<&'a Level> {
        self.run.state.levels.get(self.depth)
    }

    fn output(&self, step: StepIndex) -> Option<Json> {
        let row = self.level()?.rows.get(step.at())?;
        row.has_ended().then(|| row.output.clone().unwrap_or_default())
    }

    fn item(&self) -> Option<Json> {
        let spot = self.item?;
        let Part::Item(item) = spot.part else { return None };
        Some(self.level()?.groups.get(&spot.step)?.item(item))
    }

    fn about_run(&self) -> Json {
        let state = &self.run.state;
        let at = |us: i64| Timestamp::from_microsecond(us).ok().map(|at| at.to_string());
        let origin = state.opening.origin.as_ref();
        Json::from(json!({
            "id": state.opening.run.to_string(),
            "name": state.opening.name.as_ref(),
            "version": state.opening.version.as_ref(),
            "started_at": at(state.began_at.unwrap_or(state.opened_at)),
            "attempt_of": origin.map(|Origin { run, .. }| run.to_string()),
        }))
    }

    fn primary(&self) -> Option<Json> {
        let before = self.depth.checked_sub(1)?;
        let fall = self.run.state.levels.get(before)?.fall.as_ref()?;
        let step = fall.step.map(|step| self.run.plans[before].step(step).id.clone());
        Some(Json::from(json!({
            "error": error_value(&fall.failure, step.as_deref()).value()
        })))
    }
}

impl Scope for RunScope<'_> {
    fn get(&self, root: &Root) -> Option<Json> {
        match root {
            Root::Inputs => Some(self.run.state.opening.inputs.clone()),
            Root::Output(step) => self.output(*step),
            Root::State(step) => {
                let state = self.run.step_state(self.depth, *step)?;
                Some(Json::from(json!(state)))
            }
            Root::Variable(name) => self.level()?.variables.get(name).cloned(),
            Root::Run => Some(self.about_run()),
            Root::Item => self.item(),
            Root::ItemIndex => match self.item?.part {
                Part::Item(item) => Some(Json::from(json!(item))),
                _ => None,
            },
            Root::Error => self.error.clone(),
            Root::Message => self.message.cloned(),
            Root::Primary => self.primary(),
        }
    }
}

impl Run {
    /// What an expression at this spot sees.
    pub(super) fn scope(&self, spot: Spot) -> RunScope<'_> {
        let depth = match spot.part {
            Part::OnFinish | Part::OnCancel => self.closing_level(spot.part).unwrap_or(0),
            _ => self.state.depth(),
        };
        let item = matches!(spot.part, Part::Item(_)).then_some(spot);
        let error = (spot.part == Part::OnFinish).then(|| self.error_at_end());
        RunScope { run: self, depth, item, error, message: None }
    }

    /// Why the run is about to end as failed; null when it is not.
    fn error_at_end(&self) -> Json {
        match &self.state.ending {
            Some(Ending::Failed { failure, step }) => error_value(failure, step.as_deref()),
            _ => Json::null(),
        }
    }

    /// How a step of a level stands; `None` when there is no such step.
    pub(super) fn step_state(&self, depth: usize, step: StepIndex) -> Option<StepState> {
        let level = self.state.levels.get(depth)?;
        let row = level.rows.get(step.at())?;
        let waits = || {
            let unit = level.units.get(&Spot::whole(step))?;
            Some(!unit.hold.executes() && !matches!(unit.hold, Hold::Execution))
        };
        match row.state {
            StepState::Running if waits() == Some(true) => Some(StepState::Waiting),
            state => Some(state),
        }
    }

    /// The first values of the variables of a level's plan, as far as the run was not opened with
    /// others, and why one of them has none.
    pub(super) fn first_variables(
        &self,
        plan: &Plan,
        depth: usize,
    ) -> (Vec<Variable>, Option<Failure>) {
        let given: &[Variable] = if depth == 0 { &self.state.opening.variables } else { &[] };
        let mut values = Vec::with_capacity(plan.variables.len());
        let scope = RunScope { run: self, depth, item: None, error: None, message: None };
        for (name, template) in &plan.variables {
            let known = given.iter().find(|(known, _)| known == name);
            let value = match known {
                Some((_, value)) => Ok(value.clone()),
                None => template.evaluate(&scope, self.payload_bytes()),
            };
            match value {
                Ok(value) => values.push((name.clone(), value)),
                Err(error) => {
                    let message = format!("variables.{name}: {}", error.message);
                    return (values, Some(Failure::new(error.kind, message)));
                }
            }
        }
        (values, None)
    }
}
