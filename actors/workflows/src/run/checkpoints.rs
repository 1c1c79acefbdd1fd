//! Checkpoints: how a run stood gets a name, and the run can go back there.

use std::sync::Arc;

use synod_runtime::Principal;

use super::approvals::{MAX_TEXT, short};
use super::event::Event;
use super::input::Refused;
use super::level::{Level, Row};
use super::state::{Checkpoint, Phase, Reason, Then};
use super::{Out, Run};
use crate::messages::StepState;
use crate::plan::StepIndex;

/// Checkpoints that a run can have.
const MAX_CHECKPOINTS: usize = 64;
/// Most bytes of a checkpoint's name.
const MAX_NAME: usize = 128;

impl Run {
    pub(super) fn checkpoint(
        &mut self,
        name: Arc<str>,
        by: Principal,
        out: &mut Out<'_>,
    ) -> Result<(), Refused> {
        self.working_still()?;
        short("name", name.len(), MAX_NAME)?;
        if self.state.checkpoints.contains_key(&name) {
            return Err(Refused::CheckpointExists(name));
        }
        if self.state.checkpoints.len() >= MAX_CHECKPOINTS {
            return Err(Refused::TooManyCheckpoints(MAX_CHECKPOINTS));
        }
        self.emit(Event::Checkpointed { name, by }, out);
        Ok(())
    }

    pub(super) fn roll_back(
        &mut self,
        to: Arc<str>,
        by: Principal,
        why: Arc<str>,
        compensate: bool,
        out: &mut Out<'_>,
    ) -> Result<(), Refused> {
        self.working_still()?;
        short("why", why.len(), MAX_TEXT)?;
        let Some(checkpoint) = self.state.checkpoints.get(&to) else {
            return Err(Refused::NoSuchCheckpoint(to));
        };
        if checkpoint.revision != self.state.revision {
            return Err(self.not_now("it was amended since that checkpoint"));
        }
        if !compensate {
            self.emit(Event::RolledBack { to, by, why }, out);
            self.arm_all(out);
            return Ok(());
        }
        if checkpoint.levels.len() != self.state.levels.len() {
            return Err(self.not_now(
                "its fallback began since that checkpoint, so that what the \
                plan did can only be left as it is",
            ));
        }
        self.emit(Event::RollbackBegan { to, by, why }, out);
        Ok(())
    }

    /// Stops what is under way, and finds what is to be undone: what was completed since.
    pub(super) fn rollback_began(
        &mut self,
        at: i64,
        to: &Arc<str>,
        reason: Reason,
    ) -> Result<(), &'static str> {
        self.close_level(at);
        let plan = self.plan().clone();
        let checkpoint = self.state.checkpoints.get(to).ok_or("there is no such checkpoint")?;
        let then = checkpoint.levels.last().ok_or("a checkpoint of nothing")?;
        let same = |step: StepIndex, row: &Row| {
            let before = &then.rows[step.at()];
            before.state == StepState::Completed && before.visit == row.visit
        };
        let undo = self.level().undoable(&plan, |step, row| !same(step, row));
        self.level_mut().undo = undo;
        self.state.rollback = Some((to.clone(), reason));
        self.state.phase = Phase::Undoing(Then::Rollback);
        Ok(())
    }

    /// Puts the steps, their results and the variables back to where they were. What was under way
    /// then is begun anew, in a visit of its own.
    pub(super) fn rolled_back(&mut self, at: i64, to: &Arc<str>) -> Result<(), &'static str> {
        self.close_level(at);
        let checkpoint = self.state.checkpoints.get(to).ok_or("there is no such checkpoint")?;
        let Checkpoint { at: then, levels, events, .. } = checkpoint.clone();
        // What is gone back over did not happen, and neither did its checkpoints.
        self.state.checkpoints.retain(|_, checkpoint| checkpoint.events <= events);
        let urgency = self.state.urgency();
        let now = std::mem::replace(&mut self.state.levels, levels);
        self.state.work_on_last();
        for (depth, gone) in now.iter().enumerate().skip(self.state.levels.len()) {
            for (row, step) in gone.rows.iter().zip(self.plans[depth].steps()) {
                self.state.forget_step(depth, &step.id, row);
            }
        }
        self.plans.truncate(self.state.levels.len());
        let plan = self.plan().clone();
        for (level, now) in self.state.levels.iter_mut().zip(&now) {
            for (at, now) in now.rows.iter().enumerate() {
                let then = &level.rows[at];
                if then.visits < now.visits || then.spent != now.spent {
                    let row = &mut level.rows[at];
                    (row.visits, row.spent) = (now.visits, now.spent);
                }
            }
        }
        let level = self.level_mut();
        level.deadline = level.deadline.saturating_add(at.saturating_sub(then).max(0));
        restart(level, &plan, urgency);
        self.state.paused = None;
        self.state.rollback = None;
        self.state.phase = Phase::Working;
        Ok(())
    }
}

/// Makes steps that were under way steps that can be begun.
pub(super) fn restart(level: &mut Level, plan: &crate::plan::Plan, urgency: u8) {
    level.held -= level.units.values().map(super::unit::Unit::held).sum::<u64>();
    level.held -= level.groups.values().map(super::unit::Group::held).sum::<u64>();
    level.units.clear();
    level.groups.clear();
    level.executing = 0;
    level.busy = 0;
    for (index, _) in plan.indexed() {
        if level.rows[index.at()].state == StepState::Running {
            let row = &mut level.rows[index.at()];
            row.state = StepState::Pending;
            row.occupies = false;
            level.make_ready(plan, index, urgency);
        }
    }
}
