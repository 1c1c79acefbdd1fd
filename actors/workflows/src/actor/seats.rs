//! Runs that have an actor: spawned when something is to be done, gone when it only waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{Address, Context, ExitReason, Priority};
use uuid::Uuid;

use super::WorkflowEngine;
use super::queue::Group;
use super::run::{Answer, Order, RunActor, RunMessage, Source};
use super::step::{Own, Step};
use super::utc;
use crate::error::ControlError;
use crate::messages::{RunId, RunState, WorkflowsMessage};
use crate::run::Input;

/// The wait before a run whose actor crashed goes on; doubled with each crash in a row.
const REVIVE_AFTER: Duration = Duration::from_millis(50);

/// The longest of these waits, as a power of two of the first.
const MOST_DOUBLINGS: u32 = 10;

/// A run's actor.
struct Seat {
    address: Address<RunMessage>,
    incarnation: u64,
    /// Orders sent to it.
    orders: u64,
    /// Batches of it that are not stored yet.
    unstored: u64,
    /// Whether it counts among those that run.
    active: bool,
    /// The group whose runs are counted, too.
    group: Option<Arc<str>>,
    /// It crashed; another one comes once what it had decided is stored.
    crashed: bool,
    /// Messages of deliveries that it has not said anything about.
    pub deliveries: Vec<u64>,
}

/// An order that was not sent: who waits for what comes of it, and why.
pub(super) struct Unsent {
    pub answer: Answer,
    pub error: Box<ControlError>,
}

/// The runs that have an actor.
#[derive(Default)]
pub(super) struct Seats {
    by_run: HashMap<RunId, Seat>,
    incarnations: u64,
    active: u32,
    by_group: HashMap<Arc<str>, u32>,
    /// Crashes in a row.
    crashes: HashMap<RunId, u32>,
}

impl Seats {
    pub(super) fn len(&self) -> usize {
        self.by_run.len()
    }

    pub(super) fn has(&self, run: RunId) -> bool {
        self.by_run.contains_key(&run)
    }

    /// Runs that count against the bound.
    pub(super) fn active(&self) -> u32 {
        self.active
    }

    pub(super) fn active_in(&self, group: &str) -> u32 {
        self.by_group.get(group).copied().unwrap_or(0)
    }

    pub(super) fn is_current(&self, run: RunId, incarnation: u64) -> bool {
        self.by_run.get(&run).is_some_and(|seat| seat.incarnation == incarnation)
    }

    /// Notes that something of the run is about to be stored.
    pub(super) fn store(&mut self, run: RunId) {
        if let Some(seat) = self.by_run.get_mut(&run) {
            seat.unstored += 1;
        }
    }

    /// Notes that it is; where to say so, if that actor is still there.
    pub(super) fn stored(&mut self, run: RunId, incarnation: u64) -> Option<Address<RunMessage>> {
        let seat = self.by_run.get_mut(&run).filter(|seat| seat.incarnation == incarnation)?;
        seat.unstored = seat.unstored.saturating_sub(1);
        self.crashes.remove(&run);
        (!seat.crashed).then(|| seat.address.clone())
    }

    /// Whether another actor is to go on with a run whose actor crashed.
    pub(super) fn is_to_revive(&self, run: RunId) -> bool {
        self.by_run.get(&run).is_some_and(|seat| seat.crashed && seat.unstored == 0)
    }

    pub(super) fn set_active(&mut self, run: RunId, active: bool) {
        let Some(seat) = self.by_run.get_mut(&run) else { return };
        if seat.active == active {
            return;
        }
        seat.active = active;
        let group = seat.group.clone();
        self.count(group, active);
    }

    fn count(&mut self, group: Option<Arc<str>>, active: bool) {
        let step = |count: u32| if active { count + 1 } else { count.saturating_sub(1) };
        self.active = step(self.active);
        if let Some(group) = group {
            let count = self.by_group.entry(group).or_default();
            *count = step(*count);
        }
    }

    /// No seats, and incarnations that go on from these.
    pub(super) fn after(former: &Self) -> Self {
        Self { incarnations: former.incarnations, ..Self::default() }
    }

    /// Lets a run's actor go.
    pub(super) fn dismiss(&mut self, run: RunId) {
        if let Some(seat) = self.by_run.get(&run) {
            tell(&seat.address, RunMessage::Leave);
        }
        self.remove(run);
    }

    /// The run has no actor any more; what it had not answered.
    pub(super) fn remove(&mut self, run: RunId) -> Vec<u64> {
        let Some(seat) = self.by_run.remove(&run) else { return Vec::new() };
        if seat.active {
            self.count(seat.group, false);
        }
        seat.deliveries
    }

    /// A delivery has been answered by this run.
    pub(super) fn delivered(&mut self, run: RunId, delivery: u64) -> bool {
        let Some(seat) = self.by_run.get_mut(&run) else { return false };
        let found = seat.deliveries.iter().position(|known| *known == delivery);
        found.map(|at| seat.deliveries.swap_remove(at)).is_some()
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address<RunMessage>> {
        self.by_run.values().map(|seat| &seat.address)
    }

    /// The names of the actors.
    pub(super) fn names(&self) -> Vec<String> {
        self.by_run.iter().map(|(run, seat)| name(*run, seat.incarnation)).collect()
    }
}

/// Tells a run's actor something. It has its own slots, so there is always room.
pub(super) fn tell(address: &Address<RunMessage>, message: RunMessage) {
    match address.reserve() {
        Ok(permit) => permit.with_priority(Priority::High).send(message),
        Err(error) => tracing::debug!(%error, "a run's actor can't be told"),
    }
}

fn name(run: RunId, incarnation: u64) -> String {
    format!("{run}.{incarnation}")
}

/// The run and the incarnation that a child's name tells.
fn parse(name: &str) -> Option<(RunId, u64)> {
    let (run, incarnation) = name.split_once('.')?;
    Some((Uuid::try_parse(run).ok()?, incarnation.parse().ok()?))
}

impl WorkflowEngine {
    /// Gives a run an actor.
    pub(super) fn seat(
        &mut self,
        run: RunId,
        source: Source,
        begins: bool,
        group: Option<Arc<str>>,
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
                    group,
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
        let group = self.group(&entry.definition, &entry.name).map(|(name, _)| name);
        if !self.seat(run, source, begins, group, ctx) {
            return false;
        }
        if matches!(entry.standing.state, RunState::Running | RunState::Compensating) {
            self.seats.set_active(run, true);
        }
        true
    }

    pub(super) fn source(&self, entry: &crate::index::Entry) -> Source {
        let packs = entry.trail.packed.iter().filter_map(|chunk| {
            let pack = self.index.pack(chunk.pack)?;
            Some((chunk.pack, pack.blob))
        });
        let packs = packs.collect();
        Source::Stored { trail: entry.trail.clone(), packs, trace: entry.trace }
    }

    /// The group that bounds a definition's runs, and its bound, if it has one of its own.
    pub(super) fn group(
        &self,
        hash: &crate::definition::DefinitionHash,
        name: &Arc<str>,
    ) -> Option<Group> {
        let plan = self.library.plan(hash)?;
        plan.max_concurrent_runs.map(|bound| (Arc::clone(name), bound))
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
        if self.seat_stored(run, false, ctx) { Ok(()) } else { Err(ControlError::NotFound) }
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
        let wait = REVIVE_AFTER * 2_u32.pow((*crashes - 1).min(MOST_DOUBLINGS));
        let unstored = self.seats.by_run.get_mut(&run).map_or(0, |seat| {
            seat.crashed = true;
            seat.unstored
        });
        if unstored == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_actor_tells_its_run_and_its_incarnation() {
        let run = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0abc);
        assert_eq!(parse(&name(run, 7)), Some((run, 7)));
        assert_eq!(parse("tasks"), None);
    }
}
