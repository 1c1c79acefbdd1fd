//! What people do to a run: cancel, pause, resume.

use std::sync::Arc;

use synod_runtime::Principal;

use super::approvals::{MAX_TEXT, short};
use super::event::Event;
use super::input::Refused;
use super::state::{Phase, Then};
use super::ticket::Spot;
use super::{Out, Run};

impl Run {
    pub(super) fn cancel(
        &mut self,
        by: Principal,
        why: Arc<str>,
        compensate: bool,
        out: &mut Out<'_>,
    ) -> Result<(), Refused> {
        self.open_still()?;
        short("why", why.len(), MAX_TEXT)?;
        if self.state.cancel.is_some() {
            return Err(self.not_now("it is being cancelled already"));
        }
        self.emit(Event::CancelRequested { by, why, compensate }, out);
        Ok(())
    }

    pub(super) fn pause(&mut self, by: Principal, out: &mut Out<'_>) -> Result<(), Refused> {
        self.open_still()?;
        if self.state.phase != Phase::Working || self.state.paused.is_some() {
            return Err(self.not_now("expected one that runs or waits"));
        }
        self.emit(Event::Paused { by }, out);
        Ok(())
    }

    pub(super) fn unpause(&mut self, by: Principal, out: &mut Out<'_>) -> Result<(), Refused> {
        self.open_still()?;
        if self.state.paused.is_none() {
            return Err(self.not_now("expected one that is paused"));
        }
        self.emit(Event::Resumed { by }, out);
        self.arm_all(out);
        Ok(())
    }

    /// Watches the time for the run and all that is under way.
    pub(super) fn arm_all(&mut self, out: &mut Out<'_>) {
        self.clear_timers();
        self.wake = self.wake.filter(|at| *at > out.now);
        self.arm_run();
        let spots: Vec<Spot> = self.level().units.keys().copied().collect();
        for spot in spots {
            self.arm(spot);
        }
    }

    pub(super) fn open_still(&self) -> Result<(), Refused> {
        match self.state.phase {
            Phase::Ended => Err(Refused::Ended(self.run_state())),
            _ => Ok(()),
        }
    }

    /// That the steps of the run are being done, and nothing is undone or ended.
    pub(super) fn working_still(&self) -> Result<(), Refused> {
        self.open_still()?;
        match self.state.phase {
            Phase::Working => Ok(()),
            Phase::Undoing(Then::Rollback) => Err(self.not_now("it is going back already")),
            _ => Err(self.not_now("expected one that runs, waits or is paused")),
        }
    }

    pub(super) fn not_now(&self, why: &'static str) -> Refused {
        Refused::NotNow { state: self.run_state(), why }
    }
}
