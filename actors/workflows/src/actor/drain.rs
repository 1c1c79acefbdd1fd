//! Draining: no more is accepted or begun, what runs may end, the rest is handed back.

use synod_runtime::{Context, Reply, Request};
use synod_tasks::EnginePhase;

use super::WorkflowEngine;
use super::run::RunMessage;
use super::seats::tell;
use super::step::{Own, Step};
use super::utc;
use crate::history::EngineEvent;
use crate::messages::{DrainWorkflows, RunId, WorkflowsDrained, WorkflowsMessage};

/// A drain under way, or done.
#[derive(Default)]
pub(super) struct Drain {
    replies: Vec<Reply<WorkflowsDrained>>,
    interrupted: u64,
}

impl WorkflowEngine {
    pub(super) fn on_drain(&mut self, request: Request<DrainWorkflows>, ctx: &mut Context<Self>) {
        let (DrainWorkflows { within }, reply) = request.into_parts();
        self.drain.get_or_insert_default().replies.push(reply);
        if self.phase == EnginePhase::Running {
            self.phase = EnginePhase::Draining;
            self.reason = Some("the engine is draining".to_owned());
            self.hand_back(false);
        }
        ctx.send_after(within, WorkflowsMessage::Own(Step(Own::DrainDeadline)));
    }

    /// Tells all runs to hand back what is executed: at once, or once it has ended.
    fn hand_back(&self, at_once: bool) {
        for address in self.seats.addresses() {
            tell(address, RunMessage::HandBack { at_once });
        }
    }

    /// A run has handed back what was executed, and that is stored.
    pub(super) fn handed_back(&mut self, run: RunId) {
        self.seats.dismiss(run);
    }

    pub(super) fn drain_deadline(&mut self) {
        let left = self.seats.len() as u64;
        if self.phase == EnginePhase::Draining
            && let Some(drain) = &mut self.drain
        {
            drain.interrupted += left;
            self.hand_back(true);
        }
    }

    /// Says so once nothing runs and everything is stored. While the journal takes nothing, there
    /// is nothing to wait for.
    pub(super) fn check_drained(&mut self) {
        let idle = self.flights.is_empty() && self.gathering.is_empty() && self.seats.len() == 0;
        if self.drain.is_none() || (!idle && self.phase != EnginePhase::Refusing) {
            return;
        }
        if self.phase == EnginePhase::Draining {
            self.phase = EnginePhase::Drained;
        }
        let open = self.index.counters.open();
        let Some(drain) = &mut self.drain else { return };
        let drained = WorkflowsDrained { open, interrupted: drain.interrupted };
        for reply in drain.replies.drain(..) {
            reply.send(drained);
        }
    }

    /// Before the end: waits until all that was gathered is stored, and answers who waited for it.
    pub(super) async fn part(&mut self, ctx: &mut Context<Self>) {
        if !self.works() {
            return;
        }
        self.gather_engine(EngineEvent::Stopped { at: utc(ctx) });
        self.store_the_rest().await;
    }
}
