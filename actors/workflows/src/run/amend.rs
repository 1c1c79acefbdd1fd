//! Amending a run: steps that have not begun can be added, removed and replaced, variables
//! changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{Amended, Event};
use super::input::{Amendment, Refused};
use super::level::{Level, Row};
use super::ticket::Spot;
use super::{Out, Run};
use crate::messages::StepState;
use crate::plan::{Plan, StepIndex};

impl Run {
    pub(super) fn amend(&mut self, amendment: Amendment, out: &mut Out<'_>) -> Result<(), Refused> {
        self.working_still()?;
        super::approvals::short("why", amendment.why.len(), super::approvals::MAX_TEXT)?;
        if self.state.depth() > 0 {
            return Err(self.not_now("its fallback has begun, which can't be amended"));
        }
        if self.state.revision == u16::MAX {
            return Err(self.not_now("it was amended as often as is possible"));
        }
        self.amendable(&amendment).map_err(Refused::NotAmendable)?;
        let Amendment { definition, plan, variables, by, why, .. } = amendment;
        self.amendment = Some(plan);
        let amended = Amended { definition, variables, by, why };
        self.emit(Event::Amended(Box::new(amended)), out);
        self.arm_all(out);
        Ok(())
    }

    /// Whether only what has not begun is touched.
    fn amendable(&self, amendment: &Amendment) -> Result<(), String> {
        let (old, new) = (self.plan(), &amendment.plan);
        for (index, step) in old.indexed() {
            if self.level().rows[index.at()].state == StepState::Pending {
                continue;
            }
            if new.index_of(&step.id).is_none() {
                return Err(format!("step '{}' has begun and can't be removed", step.id));
            }
            if amendment.changed.contains(&step.id) {
                return Err(format!("step '{}' has begun and can't be replaced", step.id));
            }
        }
        for (name, value) in &amendment.variables {
            if !new.variables.iter().any(|(known, _)| known == name) {
                return Err(format!("there is no variable '{name}'"));
            }
            if value.size() > self.payload_bytes() {
                return Err(format!("variable '{name}' is larger than a value may be"));
            }
        }
        let unset = new.variables.iter().find(|(name, _)| {
            !self.level().variables.contains_key(name)
                && !amendment.variables.iter().any(|(given, _)| given == name)
        });
        match unset {
            Some((name, _)) => Err(format!("the new variable '{name}' needs a value")),
            None => Ok(()),
        }
    }

    /// Takes over the plan of an amendment: what has begun keeps its place under its new number.
    pub(super) fn amended(&mut self, amended: &Amended) -> Result<(), &'static str> {
        let plan = self.amendment.take().ok_or("its definition is not known")?;
        let (old, urgency) = (self.plan().clone(), self.state.urgency());
        let moved = renumbering(&old, &plan);
        let level = std::mem::replace(self.level_mut(), Level::new(&plan, urgency));
        let revision = self.state.revision;
        self.renumber(revision, &level, &moved);
        for ((index, step), row) in old.indexed().zip(level.rows.iter()) {
            if !moved.contains_key(&index) {
                self.state.forget_step(0, &step.id, row);
            }
        }
        *self.level_mut() = transferred(level, &old, &plan, &moved, urgency)?;
        self.state.recall_steps(&plan);
        self.level_mut().set_variables(&amended.variables);
        self.touched = self.level().groups.keys().copied().collect();
        let pulses = std::mem::take(&mut self.pulses).into_iter();
        self.pulses = pulses
            .filter_map(|(spot, at)| Some((Spot { step: *moved.get(&spot.step)?, ..spot }, at)))
            .collect();
        let last = self.plans.len() - 1;
        self.plans[last] = plan;
        self.state.definition = amended.definition;
        self.state.revision += 1;
        Ok(())
    }

    /// Remembers what the steps under way are called from now on.
    fn renumber(&mut self, revision: u16, level: &Level, moved: &BTreeMap<StepIndex, StepIndex>) {
        let under_way = |step: &StepIndex| level.rows[step.at()].state == StepState::Running;
        let known = std::mem::take(&mut self.state.renumbered);
        let older = known.into_iter().filter(|(_, step)| under_way(step));
        let current = moved.keys().filter(|step| under_way(step));
        self.state.renumbered = older
            .chain(current.map(|step| ((revision, *step), *step)))
            .filter_map(|(ticket, step)| Some((ticket, *moved.get(&step)?)))
            .collect();
    }
}

/// Where the steps that both plans have are in the new one.
fn renumbering(old: &Plan, new: &Plan) -> BTreeMap<StepIndex, StepIndex> {
    let both = old.indexed().filter_map(|(index, step)| Some((index, new.index_of(&step.id)?)));
    both.collect()
}

/// The level of the new plan, with all that has begun on the old one.
fn transferred(
    mut level: Level,
    old: &Arc<Plan>,
    plan: &Arc<Plan>,
    moved: &BTreeMap<StepIndex, StepIndex>,
    urgency: u8,
) -> Result<Level, &'static str> {
    const GONE: &str = "a step that has begun is gone";
    let mut next = Level::new(plan, urgency);
    let rows = std::mem::take(&mut level.rows);
    for ((index, _), row) in old.indexed().zip(rows.iter()) {
        match moved.get(&index) {
            Some(to) => next.rows[to.at()] = row.clone(),
            None if row.state == StepState::Pending => {}
            None => return Err(GONE),
        }
    }
    let at = |spot: Spot| Some(Spot { step: *moved.get(&spot.step)?, ..spot });
    for (spot, unit) in std::mem::take(&mut level.units) {
        next.put(at(spot).ok_or(GONE)?, unit);
    }
    for (step, group) in std::mem::take(&mut level.groups) {
        next.groups.insert(*moved.get(&step).ok_or(GONE)?, group);
    }
    next.held = level.held;
    next.ended = level.ended;
    next.variables = level.variables;
    next.deadline = level.deadline;
    next.ready.clear();
    for (index, _) in plan.indexed() {
        next.recount(plan, index, urgency);
    }
    next.open = next.rows.iter().filter(|row| !Row::has_ended(row)).count() as u32;
    next.busy = next.rows.iter().filter(|row| row.occupies).count() as u32;
    Ok(next)
}
