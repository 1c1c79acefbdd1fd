//! Giving runs an actor, and what is sent to it; what happens when it rests or crashes.

use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{Context, ExitReason};

use super::WorkflowEngine;
use super::admission::counts;
use super::queue::Bounds;
use super::run::{Answer, Order, RunActor, RunMessage, Source};
use super::seats::{Seat, name, parse, tell};
use super::step::{Own, Step};
use super::stuck::TRIES;
use super::utc;
use crate::error::ControlError;
use crate::index::Entry;
use crate::messages::{RunId, WorkflowsMessage};
use crate::run::Input;

/// An order that was not sent: who waits for what comes of it, and why.
pub(super) struct Unsent {
    pub answer: Answer,
    pub error: Box<ControlError>,
}

/// The wait before a run whose actor crashed goes on; doubled with each crash in a row.
const REVIVE_AFTER: Duration = Duration::from_millis(50);

/// The longest of these waits, as a power of two of the first.
const MOST_DOUBLINGS: u32 = 10;

impl WorkflowEngine {
    /// Gives a run an actor.
    pub(super) fn seat(
        &mut self,
        run: RunId,
        source: Source,
        begins: bool,
        bounds: Bounds,
        ctx: &mut Context<Self>,
    ) -> bool {
        self.seats.incarnations += 1;
        let incarnation = self.seats.incarnations;
        let around = self.surround(ctx);
        let name = name(run, incarnation);
        let spec = RunActor::spec(name, &around, run, incarnation, source, begins);
        match ctx.spawn_child(spec) {
            Ok(address) => {
                let seat = Seat {
                    address,
                    incarnation,
                    orders: 0,
                    unstored: 0,
                    active: false,
                    bounds,
                    crashed: false,
                    deliveries: Vec::new(),
                };
                self.seats.by_run.insert(run, seat);
                self.seats.set_active(run, begins);
                true
            }
            Err(error) => {
                tracing::error!(run_id = %run, %error, "a run can't be given an actor");
                false
            }
        }
    }

    /// Gives a stored run an actor, unless it has one.
    pub(super) fn seat_stored(
        &mut self,
        run: RunId,
        begins: bool,
        ctx: &mut Context<Self>,
    ) -> bool {
        if self.seats.has(run) {
            return true;
        }
        let Some(entry) = self.index.run(run).map(Arc::clone) else { return false };
        if let Some(at) = entry.standing.wake_at {
            self.wakes.remove(&(at, run));
        }
        let source = self.source(&entry);
        let bounds = self.bounds(&entry);
        if !self.seat(run, source, begins, bounds, ctx) {
            return false;
        }
        if counts(&entry) {
            self.seats.set_active(run, true);
        }
        true
    }

    pub(super) fn source(&self, entry: &Entry) -> Source {
        let packs = entry.trail.packed.iter().filter_map(|chunk| {
            let pack = self.index.pack(chunk.pack)?;
            Some((chunk.pack, pack.blob))
        });
        let packs = packs.collect();
        Source::Stored { trail: entry.trail.clone(), packs, trace: entry.trace }
    }

    /// Sends a run an order, if it is open.
    pub(super) fn order(
        &mut self,
        run: RunId,
        order: Order,
        ctx: &mut Context<Self>,
    ) -> Result<(), Unsent> {
        if let Err(error) = self.can_order(run, ctx) {
            return Err(Unsent { answer: order.answer, error: Box::new(error) });
        }
        if let Some(seat) = self.seats.by_run.get_mut(&run) {
            seat.orders += 1;
            if let Answer::Delivery(delivery) = &order.answer {
                seat.deliveries.push(*delivery);
            }
            tell(&seat.address, RunMessage::Order(Box::new(order)));
        }
        Ok(())
    }

    /// Whether a run can be given an order; it has an actor then.
    fn can_order(&mut self, run: RunId, ctx: &mut Context<Self>) -> Result<(), ControlError> {
        if !self.works() {
            let reason = self.reason.clone().unwrap_or_else(|| "the engine rests".to_owned());
            return Err(ControlError::Unavailable { reason });
        }
        match self.index.run(run).map(|entry| entry.standing.state) {
            None if !self.seats.has(run) => return Err(ControlError::NotFound),
            Some(state) if state.has_ended() => return Err(ControlError::AlreadyEnded { state }),
            _ => {}
        }
        let stuck = self.stuck(run).cloned();
        let seated = self.seat_stored(run, false, ctx);
        if let Some(why) = stuck {
            let reason = format!("the run is stuck, and is tried again: {why}");
            return Err(ControlError::Unavailable { reason });
        }
        if seated { Ok(()) } else { Err(ControlError::NotFound) }
    }

    /// Sends an input to an open run; to one that is not it would mean nothing.
    pub(super) fn give(&mut self, run: RunId, input: Input, ctx: &mut Context<Self>) {
        let order = Order { input: Some(input), defined: None, answer: Answer::Nobody };
        if let Err(Unsent { error, .. }) = self.order(run, order, ctx) {
            tracing::debug!(run_id = %run, %error, "a run was not told something");
        }
    }

    /// A run only waits: its actor goes, unless an order is on its way to it.
    pub(super) fn rests(&mut self, run: RunId, orders: u64) {
        let Some(seat) = self.seats.by_run.get(&run) else { return };
        if seat.orders != orders || seat.unstored > 0 || seat.crashed {
            return;
        }
        tell(&seat.address, RunMessage::Leave);
        self.seats.remove(run);
        self.seats.crashes.remove(&run);
        self.seats.stuck.remove(&run);
        self.park(run);
    }

    /// Watches the time for a run that has no actor.
    pub(super) fn park(&mut self, run: RunId) {
        let wake = self.index.run(run).and_then(|entry| entry.standing.wake_at);
        self.wakes.extend(wake.map(|at| (at, run)));
    }

    /// Gives runs an actor whose time has come.
    pub(super) fn wake_due(&mut self, ctx: &mut Context<Self>) {
        self.alarm = None;
        let now = utc(ctx);
        while let Some((at, run)) = self.wakes.first().copied().filter(|(at, _)| *at <= now) {
            self.wakes.remove(&(at, run));
            self.seat_stored(run, false, ctx);
        }
    }

    /// A run's actor has ended.
    pub(super) fn run_exited(&mut self, name: &str, reason: &ExitReason, ctx: &mut Context<Self>) {
        let Some((run, incarnation)) = parse(name) else { return };
        if !self.seats.is_current(run, incarnation) {
            return;
        }
        let open = self.index.run(run).map(|entry| entry.is_open());
        match open {
            Some(false) => return self.leave(run, ctx),
            // It never came to be stored: who asked for it learns that there is no answer.
            None if self.seats.by_run.get(&run).is_some_and(|seat| seat.unstored == 0) => {
                self.starting.abandon(run, reason);
                return self.leave(run, ctx);
            }
            _ => {}
        }
        tracing::warn!(run_id = %run, %reason, "the actor of a run ended; another one goes on");
        let crashes = self.seats.crashes.entry(run).or_default();
        *crashes += 1;
        let tries = *crashes;
        let wait = REVIVE_AFTER * 2_u32.pow((tries - 1).min(MOST_DOUBLINGS));
        let unstored = self.seats.by_run.get_mut(&run).map_or(0, |seat| {
            seat.crashed = true;
            seat.unstored
        });
        if unstored == 0 && tries >= TRIES {
            self.leave(run, ctx);
            self.strand(run, reason, ctx);
        } else if unstored == 0 {
            self.leave(run, ctx);
            ctx.send_after(wait, WorkflowsMessage::Own(Step(Own::Revive(run))));
        }
    }

    fn leave(&mut self, run: RunId, ctx: &mut Context<Self>) {
        for delivery in self.seats.remove(run) {
            self.delivered(delivery, false, ctx);
        }
    }

    /// Goes on with a run whose actor crashed.
    pub(super) fn revive(&mut self, run: RunId, ctx: &mut Context<Self>) {
        if self.works() && self.index.run(run).is_some_and(|entry| entry.is_open()) {
            self.seat_stored(run, false, ctx);
        }
    }
}
