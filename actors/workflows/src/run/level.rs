//! A level of a run: the steps of its plan, or of one of its fallbacks, and how they stand.
//!
//! Everything here is changed by events alone; each change costs as much as the edges it touches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use synod_agents::Usage;

use super::event::Failure;
use super::opening::Variable;
use super::rows::Rows;
use super::ticket::{Part, Spot};
use super::unit::{Group, Hold, Unit};
use crate::json::Json;
use crate::messages::StepState;
use crate::plan::{Plan, StepIndex, StepWork};

/// How one step stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// `Running` from its begin to its end, whatever it waits for.
    pub state: StepState,
    /// Whether it ended without having been gone through: what depends on nothing else is skipped.
    pub dead: bool,
    /// Whether it is done although all it depends on is dead: somebody went to it.
    pub forced: bool,
    /// Whether it takes one of the places for steps that are worked on at once.
    pub occupies: bool,
    /// The visit that its state and its result are of.
    pub visit: u32,
    /// How often it was begun, undone visits included.
    pub visits: u32,
    /// Executions begun in this visit.
    pub attempts: u32,
    /// Steps it depends on that have not ended.
    pub missing: u32,
    /// Steps it depends on that have ended and are not dead.
    pub alive: u32,
    /// Its place among all that ended, from 1.
    pub order: u32,
    pub output: Option<Json>,
    /// Its last failure, also of an attempt that was followed by another.
    pub failure: Option<Box<Failure>>,
    pub agent: Option<Arc<str>>,
    pub began_at: Option<i64>,
    pub ended_at: Option<i64>,
    /// What all its visits, items and attempts used up.
    pub spent: Usage,
    /// Whether what undoes it has failed; it is not tried again.
    pub stays: bool,
}

impl Row {
    pub(crate) fn new(missing: usize) -> Self {
        Self {
            state: StepState::Pending,
            dead: false,
            forced: false,
            occupies: false,
            visit: 0,
            visits: 0,
            attempts: 0,
            missing: missing as u32,
            alive: 0,
            order: 0,
            output: None,
            failure: None,
            agent: None,
            began_at: None,
            ended_at: None,
            spent: Usage::default(),
            stays: false,
        }
    }

    /// Whether it has ended, so that what depends on it can begin.
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.state, StepState::Pending | StepState::Running | StepState::Cancelled)
    }
}

/// Why a level came to its end before it was done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fall {
    pub failure: Failure,
    /// The step at fault.
    pub step: Option<StepIndex>,
}

/// The steps of one plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Level {
    pub rows: Rows,
    /// Steps that can begin, by how urgent they are.
    pub ready: BTreeSet<(u8, StepIndex)>,
    /// Steps that have not ended.
    pub open: u32,
    /// Steps that take one of the places for steps that are worked on at once.
    pub busy: u32,
    /// How many steps have ended so far, again and again included.
    pub ended: u32,
    /// What was begun and has not ended.
    pub units: BTreeMap<Spot, Unit>,
    /// Units that are being executed.
    pub executing: u32,
    pub groups: BTreeMap<StepIndex, Group>,
    pub variables: BTreeMap<Arc<str>, Json>,
    /// Bytes of all values it keeps.
    pub held: u64,
    pub deadline: i64,
    pub fall: Option<Fall>,
    /// Steps whose compensation is to be begun, the last one first.
    pub undo: Vec<StepIndex>,
}

impl Level {
    /// The steps of `plan`, none begun.
    pub(crate) fn new(plan: &Plan, urgency: u8) -> Self {
        let rows = plan.steps().iter().map(|step| Row::new(step.depends_on.len())).collect();
        let mut level = Self {
            rows,
            ready: BTreeSet::new(),
            open: plan.len() as u32,
            busy: 0,
            ended: 0,
            units: BTreeMap::new(),
            executing: 0,
            groups: BTreeMap::new(),
            variables: BTreeMap::new(),
            held: 0,
            deadline: i64::MAX,
            fall: None,
            undo: Vec::new(),
        };
        for root in plan.roots() {
            level.make_ready(plan, *root, urgency);
        }
        level
    }

    pub(crate) fn set_variables(&mut self, variables: &[Variable]) {
        for (name, value) in variables {
            self.held += value.size() as u64;
            if let Some(old) = self.variables.insert(name.clone(), value.clone()) {
                self.held -= old.size() as u64;
            }
        }
    }

    pub(crate) fn make_ready(&mut self, plan: &Plan, step: StepIndex, urgency: u8) {
        self.ready.insert((rank(plan, step, urgency), step));
    }

    pub(crate) fn unready(&mut self, plan: &Plan, step: StepIndex, urgency: u8) {
        self.ready.remove(&(rank(plan, step, urgency), step));
    }

    /// Notes that a new visit of a step has begun.
    pub(crate) fn begin(&mut self, step: StepIndex, at: i64, occupies: bool) {
        let row = &mut self.rows[step.at()];
        row.state = StepState::Running;
        row.visits += 1;
        row.visit = row.visits;
        row.attempts = 1;
        row.occupies = occupies;
        row.failure = None;
        row.agent = None;
        row.began_at = Some(at);
        row.ended_at = None;
        row.stays = false;
        self.busy += u32::from(occupies);
    }

    /// Notes that a step has ended, and makes ready what waited for it.
    pub(crate) fn end(
        &mut self,
        plan: &Plan,
        step: StepIndex,
        end: (StepState, bool, i64),
        urgency: u8,
    ) {
        let (state, dead, at) = end;
        self.ended += 1;
        self.open -= 1;
        let row = &mut self.rows[step.at()];
        self.busy -= u32::from(std::mem::take(&mut row.occupies));
        row.state = state;
        row.dead = dead;
        row.forced = false;
        row.order = self.ended;
        row.ended_at = Some(at);
        for dependent in &plan.step(step).dependents {
            let row = &mut self.rows[dependent.at()];
            row.missing -= 1;
            row.alive += u32::from(!dead);
            if row.missing == 0 {
                self.make_ready(plan, *dependent, urgency);
            }
        }
    }

    /// Keeps the output of a step.
    pub(crate) fn keep(&mut self, step: StepIndex, output: Json) {
        self.held += output.size() as u64;
        self.rows[step.at()].output = Some(output);
    }

    pub(crate) fn put(&mut self, spot: Spot, unit: Unit) {
        self.executing += u32::from(unit.hold.executes());
        self.held += unit.held();
        self.units.insert(spot, unit);
    }

    pub(crate) fn take(&mut self, spot: Spot) -> Option<Unit> {
        let unit = self.units.remove(&spot)?;
        self.executing -= u32::from(unit.hold.executes());
        self.held -= unit.held();
        Some(unit)
    }

    /// Changes what a unit waits for.
    pub(crate) fn set_hold(&mut self, spot: Spot, hold: Hold) {
        if let Some(unit) = self.units.get_mut(&spot) {
            self.executing -= u32::from(unit.hold.executes());
            self.executing += u32::from(hold.executes());
            unit.hold = hold;
        }
    }

    /// Takes out the items of a step, whatever they wait for.
    pub(crate) fn take_items(&mut self, step: StepIndex) -> Vec<(Spot, Unit)> {
        let all = Spot::item(step, 0)..=Spot::item(step, u32::MAX);
        let spots: Vec<_> = self.units.range(all).map(|(spot, _)| *spot).collect();
        if let Some(group) = self.groups.remove(&step) {
            self.held -= group.held();
        }
        spots.into_iter().filter_map(|spot| Some((spot, self.take(spot)?))).collect()
    }

    /// Takes out all that was begun, and lets nothing more begin. Steps under way are cancelled.
    pub(crate) fn close(&mut self, at: i64) -> Vec<(Spot, Unit)> {
        let units: Vec<_> = std::mem::take(&mut self.units).into_iter().collect();
        let groups = std::mem::take(&mut self.groups);
        let steps = units.iter().map(|(spot, _)| *spot).filter(|spot| spot.part == Part::Whole);
        let begun: Vec<_> = steps.map(|spot| spot.step).chain(groups.keys().copied()).collect();
        for step in begun {
            let row = &mut self.rows[step.at()];
            row.state = StepState::Cancelled;
            row.occupies = false;
            row.ended_at = Some(at);
        }
        self.held -= units.iter().map(|(_, unit)| unit.held()).sum::<u64>();
        self.held -= groups.values().map(Group::held).sum::<u64>();
        self.executing = 0;
        self.busy = 0;
        self.ready.clear();
        units
    }

    /// Sets a step and all that comes after it back to where nothing of it was begun, and gives
    /// back what was under way.
    pub(crate) fn reset(&mut self, plan: &Plan, from: StepIndex, urgency: u8) -> Vec<(Spot, Unit)> {
        let closure = descendants(plan, from);
        let mut dropped = Vec::new();
        for step in &closure {
            dropped.extend(self.clear(plan, *step, urgency));
        }
        for step in &closure {
            self.recount(plan, *step, urgency);
        }
        dropped
    }

    /// Makes a step one that was not begun.
    fn clear(&mut self, plan: &Plan, step: StepIndex, urgency: u8) -> Vec<(Spot, Unit)> {
        self.unready(plan, step, urgency);
        let mut dropped = self.take_items(step);
        let spot = Spot::whole(step);
        dropped.extend(self.take(spot).map(|unit| (spot, unit)));
        let row = &mut self.rows[step.at()];
        self.open += u32::from(row.has_ended());
        self.busy -= u32::from(std::mem::take(&mut row.occupies));
        self.held -= row.output.take().map_or(0, |output| output.size() as u64);
        row.state = StepState::Pending;
        row.dead = false;
        dropped
    }

    /// Counts anew what a step waits for, and makes it ready if that is nothing.
    pub(crate) fn recount(&mut self, plan: &Plan, step: StepIndex, urgency: u8) {
        let before = &plan.step(step).depends_on;
        let ended = before.iter().map(|step| &self.rows[step.at()]).filter(|row| row.has_ended());
        let (all, alive) =
            ended.fold((0, 0), |(all, alive), row| (all + 1, alive + u32::from(!row.dead)));
        let row = &mut self.rows[step.at()];
        row.missing = before.len() as u32 - all;
        row.alive = alive;
        if row.missing == 0 && row.state == StepState::Pending {
            self.make_ready(plan, step, urgency);
        }
    }

    /// The steps that were completed and can be undone, the last one first, as far as `counts`.
    pub(crate) fn undoable(
        &self,
        plan: &Plan,
        counts: impl Fn(StepIndex, &Row) -> bool,
    ) -> Vec<StepIndex> {
        let mut steps: Vec<_> = plan
            .indexed()
            .filter(|(index, step)| {
                let row = &self.rows[index.at()];
                step.compensate_with.is_some()
                    && row.state == StepState::Completed
                    && !row.stays
                    && counts(*index, row)
            })
            .map(|(index, _)| index)
            .collect();
        steps.sort_by_key(|step| self.rows[step.at()].order);
        // `pop` gives the last one first.
        steps
    }
}

/// A step and all that depends on it, directly or not.
pub(crate) fn descendants(plan: &Plan, from: StepIndex) -> BTreeSet<StepIndex> {
    let mut found = BTreeSet::from([from]);
    let mut next = VecDeque::from([from]);
    while let Some(step) = next.pop_front() {
        next.extend(plan.step(step).dependents.iter().filter(|step| found.insert(**step)));
    }
    found
}

/// How urgent a step is: 0 is the most urgent.
fn rank(plan: &Plan, step: StepIndex, urgency: u8) -> u8 {
    let own = match &plan.step(step).work {
        StepWork::Action(action) | StepWork::ForEach { each: action, .. } => action.priority,
        StepWork::Race(racers) => racers.first().and_then(|racer| racer.priority),
    };
    own.map_or(urgency, |priority| priority as u8)
}
