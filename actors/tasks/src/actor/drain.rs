//! Draining: no more is accepted or given out, what runs may end, the rest is handed back.

use synod_journal::{Append, Epoch, Expected};
use synod_runtime::{Context, Reply, Request};

use super::TaskEngine;
use super::commit::append_options;
use super::step::{Own, Step};
use crate::machine::{Answer, EngineEvent, Input};
use crate::messages::{DrainEngine, Drained, EnginePhase, TasksMessage};
use crate::records;
use crate::task::Moment;

/// A drain under way, or done.
#[derive(Default)]
pub(super) struct Drain {
    replies: Vec<Reply<Drained>>,
    handed_back: u64,
}

impl TaskEngine {
    pub(super) fn on_drain(
        &mut self,
        now: Moment,
        request: Request<DrainEngine>,
        ctx: &mut Context<Self>,
    ) {
        let (DrainEngine { within }, reply) = request.into_parts();
        self.step(now, Input::Drain);
        self.drain.get_or_insert_default().replies.push(reply);
        if self.phase == EnginePhase::Running {
            self.phase = EnginePhase::Draining;
            self.reason = Some("the engine is draining".to_owned());
        }
        ctx.send_after(within, TasksMessage::Own(Step(Own::DrainDeadline)));
    }

    pub(super) fn drain_deadline(&mut self, now: Moment) {
        if self.phase == EnginePhase::Draining
            && let Answer::HandedBack(count) = self.step(now, Input::HandBack)
            && let Some(drain) = &mut self.drain
        {
            drain.handed_back += count;
        }
    }

    /// Says so once nothing runs and everything is stored. While the journal takes nothing, what
    /// runs can't end, and there is nothing to wait for.
    pub(super) fn check_drained(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        let idle = self.flights.is_empty() && self.gathering.is_empty();
        let ended = idle && self.machine.in_hand() == 0;
        if !ended && self.phase != EnginePhase::Refusing {
            return;
        }
        if self.phase == EnginePhase::Draining {
            self.phase = EnginePhase::Drained;
        }
        let open = self.machine.ledger().open;
        let drained = Drained { handed_back: drain.handed_back, open };
        for reply in drain.replies.drain(..) {
            reply.send(drained);
        }
    }

    /// Before the end: hands back what runs, waits until that, and all before it, is stored, and
    /// answers who waited for it.
    pub(super) async fn part(&mut self, now: Moment, ctx: &mut Context<Self>) {
        if !matches!(self.phase, EnginePhase::Running | EnginePhase::Draining) {
            return;
        }
        self.step(now, Input::HandBack);
        self.carry_out_prompt(ctx);
        self.gathering.effects.engine.push(EngineEvent::Stopped { at: now.utc });
        let records = match self.gathering.effects.encode() {
            Ok(records) => records,
            Err(error) => return tracing::error!(%error, "the last records can't be encoded"),
        };
        for records in self.gathering.effects.bounds.split(records) {
            let count = records.len() as u64;
            let append = Append {
                partition: records::ENGINE_PARTITION,
                stream: records::STREAM,
                expected: Expected::Exact(self.head.version),
                epoch: Epoch(self.machine.book().epoch),
                records,
            };
            let within = self.journal_timeout();
            match self.journal.ask_with(append, within, append_options()).await {
                Ok(Ok(_)) => self.head.version += count,
                outcome => {
                    return tracing::warn!(?outcome, "what ran was not handed back in the log");
                }
            }
        }
        // They build on all appends before them, so those are stored too.
        let mut releases = self.unreleased();
        releases.retain(|release| !release.is_dispatch());
        self.release_all(releases, ctx);
    }
}
