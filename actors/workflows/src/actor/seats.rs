//! Runs that have an actor: spawned when something is to be done, gone when it only waits.

use std::collections::HashMap;
use std::sync::Arc;

use synod_runtime::{Address, Priority};
use uuid::Uuid;

use super::queue::Bounds;
use super::run::RunMessage;
use crate::messages::RunId;

/// A run's actor.
pub(super) struct Seat {
    pub address: Address<RunMessage>,
    pub incarnation: u64,
    /// Orders sent to it.
    pub orders: u64,
    /// Batches of it that are not stored yet.
    pub unstored: u64,
    /// Whether it counts among those that run.
    pub active: bool,
    /// The bounds that it counts under, too.
    pub bounds: Bounds,
    /// It crashed; another one comes once what it had decided is stored.
    pub crashed: bool,
    /// Messages of deliveries that it has not said anything about.
    pub deliveries: Vec<u64>,
}

/// The runs that have an actor.
#[derive(Default)]
pub(super) struct Seats {
    pub by_run: HashMap<RunId, Seat>,
    pub incarnations: u64,
    active: u32,
    /// Of these, by what other bounds count.
    under: HashMap<Arc<str>, u32>,
    /// What such bounds count one less of since it was last asked.
    freed: Vec<Arc<str>>,
    /// Crashes in a row.
    pub crashes: HashMap<RunId, u32>,
    /// Runs that nobody can go on with, and why.
    pub stuck: HashMap<RunId, Arc<str>>,
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

    /// Of those, the ones that a bound counts.
    pub(super) fn active_under(&self, of: &str) -> u32 {
        self.under.get(of).copied().unwrap_or(0)
    }

    /// What bounds count less of than before.
    pub(super) fn take_freed(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.freed)
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
        self.stuck.remove(&run);
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
        let bounds = Arc::clone(&seat.bounds);
        self.count(&bounds, active);
    }

    fn count(&mut self, bounds: &Bounds, active: bool) {
        if active {
            self.active += 1;
            for bound in bounds.iter() {
                *self.under.entry(Arc::clone(&bound.of)).or_default() += 1;
            }
            return;
        }
        self.active = self.active.saturating_sub(1);
        for bound in bounds.iter() {
            let left = self.under.get(&bound.of).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                self.under.remove(&bound.of);
            } else {
                self.under.insert(Arc::clone(&bound.of), left);
            }
            self.freed.push(Arc::clone(&bound.of));
        }
    }

    /// Counts a run under these bounds from now on.
    pub(super) fn bind(&mut self, run: RunId, bounds: Bounds) {
        let Some(seat) = self.by_run.get_mut(&run) else { return };
        let (active, former) = (seat.active, std::mem::replace(&mut seat.bounds, bounds.clone()));
        if active {
            self.count(&former, false);
            self.count(&bounds, true);
        }
    }

    pub(super) fn runs(&self) -> Vec<RunId> {
        self.by_run.keys().copied().collect()
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
            self.count(&seat.bounds, false);
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

pub(super) fn name(run: RunId, incarnation: u64) -> String {
    format!("{run}.{incarnation}")
}

/// The run and the incarnation that a child's name tells.
pub(super) fn parse(name: &str) -> Option<(RunId, u64)> {
    let (run, incarnation) = name.split_once('.')?;
    Some((Uuid::try_parse(run).ok()?, incarnation.parse().ok()?))
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
