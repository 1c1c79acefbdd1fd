//! Carrying out what was decided, now that it is stored: executions, children, timers, answers.

use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{Address, Context, Priority, Reply};

use super::{Answer, ChildToStart, FromRun, RunActor, RunMessage, Word, utc};
use crate::actor::step::{Own, Step};
use crate::error::ControlError;
use crate::history::view;
use crate::messages::{RunState, RunStatusResponse, WorkflowsMessage};
use crate::plan::Doing;
use crate::run::{Effect, Input, Refused, StartChild};

/// Tells the engine something. One priority for all, so that nothing overtakes; a slot of its own,
/// so that there is always room.
pub(super) fn tell(engine: &Address<WorkflowsMessage>, message: WorkflowsMessage) {
    match engine.reserve() {
        Ok(permit) => permit.with_priority(Priority::High).send(message),
        // The engine has ended, and so will this actor.
        Err(error) => tracing::debug!(%error, "the engine can't be told"),
    }
}

impl RunActor {
    pub(super) fn tell_engine(&self, what: Word) {
        let (run, incarnation) = (self.id, self.incarnation);
        let from = FromRun { run, incarnation, what };
        tell(&self.around.engine, WorkflowsMessage::Own(Step(Own::FromRun(Box::new(from)))));
    }

    /// Batches are stored: what follows from them is released. The last one ends the actor.
    pub(super) fn stored(
        &mut self,
        through: u64,
        waiters: Vec<Reply<Option<RunStatusResponse>>>,
        ctx: &mut Context<Self>,
    ) {
        self.release_through(through, ctx);
        for waiter in waiters {
            waiter.send(self.status());
        }
        let ended = self.run.as_ref().is_some_and(|run| run.run_state().has_ended());
        if ended && self.batches.is_empty() {
            ctx.stop();
        }
    }

    /// Releases, in order, what follows from the batches up to this one.
    pub(super) fn release_through(&mut self, through: u64, ctx: &mut Context<Self>) {
        while let Some(batch) = self.batches.pop_front_if(|batch| batch.number <= through) {
            self.release(batch.effects, batch.answers, ctx);
        }
    }

    fn status(&self) -> Option<RunStatusResponse> {
        self.run.as_ref().map(|run| view::status(run, self.trace))
    }

    pub(super) fn release(
        &mut self,
        effects: Vec<Effect>,
        answers: Vec<(Answer, Result<bool, Refused>)>,
        ctx: &mut Context<Self>,
    ) {
        for effect in effects {
            self.carry_out(effect, ctx);
        }
        for (answer, taken) in answers {
            self.answer(answer, taken);
        }
    }

    fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Execute(execute) => self.execute(execute, ctx),
            Effect::CancelExecution(ticket) => self.cancel_execution(ticket, ctx),
            Effect::StartChild(child) => self.start_child(child),
            Effect::CancelChild { run, ticket } => {
                self.tell_engine(Word::CancelChild { child: run, ticket });
            }
            Effect::Emit(emit) => self.tell_engine(Word::Emit(emit)),
            Effect::WakeAt(at) => self.wake_at(at, ctx),
        }
    }

    fn start_child(&self, child: Box<StartChild>) {
        let step = self.run.as_ref().and_then(|run| run.plan_step(&child.ticket));
        let Some((_, action)) = step else { return };
        if let Doing::Workflow { name, version, .. } = &action.doing {
            let (name, version) = (Arc::clone(name), version.clone());
            self.tell_engine(Word::StartChild(Box::new(ChildToStart { child, name, version })));
        }
    }

    pub(super) fn wake_at(&mut self, at: Option<i64>, ctx: &mut Context<Self>) {
        if let Some((_, Some(timer))) = self.wake.take() {
            ctx.cancel_timer(timer);
        }
        let Some(at) = at else { return };
        let ahead = u64::try_from(at.saturating_sub(utc(ctx))).unwrap_or(0);
        let timer = ctx.send_after(Duration::from_micros(ahead), RunMessage::Wake);
        self.wake = Some((at, Some(timer)));
    }

    /// The timer runs on the monotonic clock: where UTC is behind it, it is set again.
    pub(super) fn wake_up(&mut self, ctx: &mut Context<Self>) {
        let now = utc(ctx);
        match self.wake.take() {
            Some((at, _)) if at > now => self.wake_at(Some(at), ctx),
            _ => {
                self.feel_pulses(now, ctx);
                _ = self.decide(Input::Wake, now);
            }
        }
    }

    fn answer(&self, answer: Answer, taken: Result<bool, Refused>) {
        match answer {
            Answer::Nobody => {}
            Answer::Show(reply) => reply.send(self.status()),
            Answer::Control(reply) => {
                let status = self.status().ok_or(ControlError::NotFound);
                reply.send(taken.map_err(ControlError::from).and(status));
            }
            Answer::Decided(approval, reply) => match taken {
                // How it stands then is read from what is stored.
                Ok(_) => self.tell_engine(Word::Decided { approval, reply }),
                Err(refused) => reply.send(Err(refused.into())),
            },
            Answer::Delivery(delivery) => {
                let taken = taken.unwrap_or(false);
                self.tell_engine(Word::Delivered { delivery, taken });
            }
        }
    }

    /// Takes back what is executed, at once or when it has ended.
    pub(super) fn hand_back(&mut self, at_once: bool, ctx: &Context<Self>) {
        if self.hands_back == Some(true) {
            return;
        }
        let now = at_once || self.outstanding == 0;
        self.hands_back = Some(now);
        if now {
            _ = self.decide(Input::HandBack, utc(ctx));
        }
    }

    /// Tells the engine once what is taken back is stored.
    pub(super) fn look_whether_handed_back(&self) {
        if self.hands_back == Some(true) && self.batches.is_empty() {
            self.tell_engine(Word::HandedBack);
        }
    }

    /// Looks whether the run only waits: then its actor may go, after a moment.
    pub(super) fn look_whether_to_rest(&mut self, ctx: &mut Context<Self>) {
        let Some(run) = &self.run else { return };
        let until = utc(ctx).saturating_add(self.around.park_after.as_micros() as i64);
        let state = run.run_state();
        let may = self.batches.is_empty() && !state.has_ended() && run.can_rest(until);
        if may && state == RunState::Pending && !self.resting {
            // It has only been stored, to wait for room.
            return self.rest(self.happened, ctx);
        }
        if !may || self.resting {
            if let Some((_, timer)) = self.rest.take() {
                ctx.cancel_timer(timer);
            }
        } else if self.rest.is_none_or(|(counted, _)| counted != self.happened) {
            if let Some((_, timer)) = self.rest.take() {
                ctx.cancel_timer(timer);
            }
            let rest = RunMessage::Rest(self.happened);
            let timer = ctx.send_after(self.around.park_after, rest);
            self.rest = Some((self.happened, timer));
        }
    }

    /// Tells the engine that the run only waits. From then on nothing but an order wakes it.
    pub(super) fn rest(&mut self, counted: u64, ctx: &mut Context<Self>) {
        self.rest = None;
        if counted != self.happened || !self.batches.is_empty() {
            return;
        }
        if let Some((at, Some(timer))) = self.wake.take() {
            ctx.cancel_timer(timer);
            self.wake = Some((at, None));
        }
        self.resting = true;
        self.tell_engine(Word::Rests { orders: self.orders });
    }

    /// Something came in between: it is awake again.
    pub(super) fn rouse(&mut self, ctx: &mut Context<Self>) {
        if std::mem::take(&mut self.resting)
            && let Some((at, None)) = self.wake
        {
            self.wake_at(Some(at), ctx);
        }
    }
}
